"""training/recipe.py: all choices in one record; nothing unknown or impossible gets in."""

from pathlib import Path

import pytest

from keyart.errors import RecipeError
from keyart.training.recipe import Recipe, any_recipe, load_recipe, recipe_names


def test_every_shipped_recipe_loads_and_opens_with_its_evidence() -> None:
    from importlib import resources

    assert "posternet" in recipe_names()
    for name in recipe_names():
        any_recipe(name)
        text = (resources.files("keyart.training") / "recipes" / f"{name}.toml").read_text()
        header = text.split("\n\n")[0]
        assert all(line.startswith("#") for line in header.splitlines())
        assert "keyart train" in header or "keyart demo" in header


def test_a_recipe_survives_toml(tmp_path: Path) -> None:
    recipe = Recipe().with_settings(epochs=3, ema_decay=0.5, early_stopping_patience=4, schedule="plateau")
    (tmp_path / "r.toml").write_text(recipe.to_toml())
    loaded = load_recipe(str(tmp_path / "r.toml"))
    assert loaded == recipe
    (tmp_path / "r.toml").write_text(Recipe().to_toml())
    assert load_recipe(str(tmp_path / "r.toml")) == Recipe()


def test_set_overrides_the_recipe() -> None:
    recipe = load_recipe(
        "posternet", ["epochs=2", "learning_rate=1", "schedule=constant", "ema_decay=none"]
    )
    assert (recipe.optimisation.epochs, recipe.optimisation.learning_rate, recipe.optimisation.schedule) == (2, 1.0, "constant")
    assert recipe.regularisation.ema_decay is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epoch=3", "no key 'epoch'; did you mean 'epochs'?"),
        ("epochs=0", "epochs = 0"),
        ("epochs=many", "epochs = 'many'"),
        ("epochs=2.5", "epochs = 2.5"),
        ("optimizer=adam", "optimizer = 'adam'"),
        ("flip=1", "flip = 1"),
        ("learning_rate=-1", "learning_rate = -1"),
        ("dropout=1.5", "dropout = 1.5"),
        ("epochs", "write key=value"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("posternet", [setting])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_recipes_missing_files_and_broken_toml_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean 'posternet'"):
        load_recipe("posternett")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(str(tmp_path / "none.toml"))
    (tmp_path / "bad.toml").write_text("epochs = = 3")
    with pytest.raises(RecipeError, match="not TOML"):
        load_recipe(str(tmp_path / "bad.toml"))
    (tmp_path / "key.toml").write_text("epochz = 3")
    with pytest.raises(RecipeError, match=r"key\.toml: no key 'epochz'; did you mean 'epochs'"):
        load_recipe(str(tmp_path / "key.toml"))
