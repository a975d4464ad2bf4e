"""training/recipe.py: all choices in one record; nothing unknown or impossible gets in."""

from pathlib import Path

import pytest

from keyart.errors import RecipeError
from keyart.training.classical_recipe import ForestRecipe, QdaRecipe
from keyart.training.recipe import (
    Recipe,
    any_recipe,
    load_recipe,
    parse_settings,
    portable,
    recipe_names,
)
from keyart.training.recipe_tables import Tables


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
    recipe = Recipe().with_settings(
        epochs=3, ema_decay=0.5, early_stopping_patience=4, schedule="plateau"
    )
    (tmp_path / "r.toml").write_text(recipe.to_toml())
    loaded = load_recipe(str(tmp_path / "r.toml"))
    assert loaded == recipe
    (tmp_path / "r.toml").write_text(Recipe().to_toml())
    assert load_recipe(str(tmp_path / "r.toml")) == Recipe()


def test_set_overrides_the_recipe() -> None:
    recipe = load_recipe(
        "posternet",
        parse_settings(["epochs=2", "learning_rate=1", "schedule=constant", "ema_decay=none"]),
    )
    assert (
        recipe.optimisation.epochs,
        recipe.optimisation.learning_rate,
        recipe.optimisation.schedule,
    ) == (2, 1.0, "constant")
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
        load_recipe("posternet", parse_settings([setting]))
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
    (tmp_path / "key.toml").write_text("[optimisation]\nepochz = 3")
    with pytest.raises(RecipeError, match=r"key\.toml: no key 'epochz'; did you mean 'epochs'"):
        load_recipe(str(tmp_path / "key.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[optimization]\nepochs = 3", "no table [optimization]; did you mean 'optimisation'?"),
        ("[network]\nepochs = 3", "epochs belongs under [optimisation], not [network]"),
        ("epochs = 3", "epochs is in no table; move it under [optimisation] (recipes have tables"),
        ("epoch = 3", "no key 'epoch'; did you mean 'epochs'? Keys are in tables: [data]"),
        ('classifier = "qda"', "move it under [classifier], as kind"),
        ("[classifier]\nkind = 'qdb'", "[classifier] kind = 'qdb': not one; did you mean 'qda'?"),
        ("[classifier]\nkind = ['qda']", "[classifier] kind = ['qda']: not one"),
        ("[classifier]\nkind = 'qda'\ntrees = 3", "no key 'trees'"),
        ("data = 3", "data is a table; write [data]"),
    ],
)
def test_a_key_outside_its_table_is_an_error_that_names_its_table(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        any_recipe(tmp_path / "r.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'r.toml'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [Recipe, ForestRecipe, QdaRecipe])
def test_every_key_has_its_documentation_and_a_name_of_its_own(kind: type[Tables]) -> None:
    keys = kind.documented_keys()
    assert len({key.name for key in keys}) == len(keys)
    for key in keys:
        assert key.does.endswith(".")
        assert key.when.endswith(".")
        assert key.type
    known = {key.name: key for key in Recipe.documented_keys()}
    assert known["epochs"].type == "integer from 1 to 100,000"
    assert known["schedule"].type == '"cosine", "plateau", "constant"'
    assert known["upsample_genres"].type == "list of texts"
    assert (known["ema_decay"].default, known["tta"].default) == ("none", "1")


def test_settings_change_any_table_and_leave_the_first_recipe_alone(tmp_path: Path) -> None:
    recipe = Recipe()
    changed = recipe.with_settings(epochs=3, dropout=0.5, teacher=Path("runs") / "one")
    assert recipe == Recipe()
    assert (changed.optimisation.epochs, changed.network.dropout) == (3, 0.5)
    assert changed.regularisation.teacher == str(Path("runs") / "one")
    assert portable(changed).settings()["teacher"] == "one"
    several = recipe.with_settings(teacher=["runs/one", "runs/two"])
    assert several.regularisation.teachers == ("runs/one", "runs/two")
    assert portable(several).settings()["teacher"] == ("one", "two")
    (tmp_path / "several.toml").write_text(several.to_toml())
    assert load_recipe(tmp_path / "several.toml") == several
    with pytest.raises(RecipeError, match="settings: no key 'epoch'; did you mean 'epochs'"):
        recipe.with_settings(epoch=3)


@pytest.mark.parametrize("thresholds", [0, 1, 80, "f2"])
def test_a_key_that_takes_several_kinds_of_values_names_them_all(thresholds: object) -> None:
    with pytest.raises(RecipeError, match=r'expected "f1", .* or a precision above 0 and below 1'):
        Recipe().with_settings(thresholds=thresholds)


def test_text_of_any_script_survives_toml(tmp_path: Path) -> None:
    recipe = Recipe().with_settings(weights='ключ "арт" 🎬.safetensors')
    (tmp_path / "r.toml").write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(tmp_path / "r.toml") == recipe
