"""Classical recipes make runs like any other: scored, reported, exported, asked about posters."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from keyart.catalog.catalog import Catalog
from keyart.errors import BundleError, RecipeError, RunError, TrainingError
from keyart.genres import Vocabulary
from keyart.prediction import Prediction
from keyart.predictor import Predictor
from keyart.run import Run
from keyart.training.callbacks import Callbacks
from keyart.training.checkpoint import load_tensors, save_tensors
from keyart.training.classical import fit_classical
from keyart.training.classical_recipe import ClassicalRecipe, ForestRecipe, QdaRecipe
from keyart.training.evaluate import evaluate
from keyart.training.export import export
from keyart.training.finish import start_run
from keyart.training.recipe import Recipe, any_recipe, load_recipe, parse_settings
from keyart.training.train import train
from tests.tiny_catalog import encoded, poster, write_posters

FILMS = 300
VOCABULARY = Vocabulary(("Red", "Late", "Rare"))
FOREST = ForestRecipe().with_settings(height=32, width=32, trees=8, min_samples_leaf=4)
QDA = QdaRecipe().with_settings(height=32, width=32, components=8)
QUIET = Callbacks(lambda done, total: None, lambda step: None, lambda line: None)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Red films have red posters, late films late years or a word; three films are rare."""
    folder = tmp_path_factory.mktemp("classical")
    rows, posters = [], {}
    for film in range(FILMS):
        image = poster(film, (40, 60))
        red, late = np.asarray(image)[..., 0].mean() > 128, film % 4 == 0
        genres = [
            *(["Red"] if red else []),
            *(["Late"] if late else []),
            *(["Rare"] if film < 3 else []),
        ]
        if genres:
            title = f"The {'Last' if late else 'First'} x{film:03}"
            rows.append((f"f{film:03}", title, 2000 if late else 1950, "|".join(genres)))
            posters[f"f{film:03}.png"] = encoded(image, "PNG")
    with (folder / "films.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["film_id", "title", "year", "genres"])
        writer.writerows(rows)
    write_posters(folder / "posters", posters)
    return Catalog.build(
        folder / "films.csv",
        folder / "posters",
        folder / "catalog",
        vocabulary=VOCABULARY,
        split="50/30/20",  # enough titles for a fusion
    )


def trained(catalog: Catalog, recipe: ClassicalRecipe, run: Path, *, resume: bool = False) -> Path:
    train(catalog, recipe, out=run, callbacks=QUIET, resume=resume)
    return run


@pytest.fixture(scope="module", params=[FOREST, QDA], ids=["random-forest", "qda"])
def run(
    request: pytest.FixtureRequest, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    recipe: ClassicalRecipe = request.param
    return trained(catalog, recipe, tmp_path_factory.mktemp("runs") / recipe.classifier.kind)


def ap(run: Path, genre: str) -> tuple[float, float]:
    """A genre's average precision on the test split, and a constant guess's."""
    test = Run(run).metrics.split("test")
    sides = (test.model, test.baselines["genre_rates"])
    found, guess = (side.genres[genre].average_precision for side in sides)
    assert found is not None
    assert guess is not None
    return found.value, guess.value


def test_a_run_holds_what_it_promises_and_beats_a_guess(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == {
        "recipe.toml", "history.csv", "metrics.json", "predictions-validation.parquet",
        "predictions-test.parquet", "report.html", "checkpoints", "bundle",
    }  # fmt: skip
    with (run / "history.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["epoch"] == "1"
    found, guess = ap(run, "Red")
    assert found > guess + 0.15


def test_a_recipe_survives_its_run(run: Path) -> None:
    recipe = any_recipe(str(run / "recipe.toml"))
    assert recipe in (FOREST, QDA)
    with pytest.raises(RecipeError, match=r"recipe.toml: is a .*; give a network's recipe"):
        load_recipe(str(run / "recipe.toml"))


def test_a_genre_without_films_is_noted_in_metrics_report_and_card(run: Path) -> None:
    notes = [note for note in Run(run).metrics.notes if note.startswith("Rare: not fitted")]
    assert len(notes) == 1
    assert notes[0] in (run / "bundle" / "MODEL_CARD.md").read_text()
    assert "every film scores its rate" in (run / "report.html").read_text()


def test_posters_are_predicted_as_the_run_scored_them(run: Path, catalog: Catalog) -> None:
    table = pq.read_table(run / "predictions-test.parquet")
    posters = catalog.path.parent / "posters"
    films = [posters / f"{film}.png" for film in table["film_id"].to_pylist()]
    for row, answer in enumerate(Predictor.load(run).predict_many(films)):
        assert isinstance(answer, Prediction)
        known = [table[name][row].as_py() for name in VOCABULARY.names]
        assert np.allclose(list(answer.scores.values()), known, atol=1e-4)


def test_it_is_evaluated_and_exported_like_any_run(run: Path, tmp_path: Path) -> None:
    before = Run(run).metrics.split("test").model.metrics
    assert evaluate(run).split("test").model.metrics == before
    bundle = export(run, tmp_path / "bundle")
    assert bundle.onnx.read_bytes() == (run / "bundle" / "model.onnx").read_bytes()


def test_an_export_of_other_weights_is_refused(run: Path, catalog: Catalog, tmp_path: Path) -> None:
    recipe = any_recipe(str(run / "recipe.toml"))
    assert not isinstance(recipe, Recipe)
    swapped = shutil.copytree(run, tmp_path / "swapped")
    other = QDA if isinstance(recipe, ForestRecipe) else recipe.with_settings(components=4)
    fit_classical(other, catalog, Run(swapped), QUIET.posters)
    with pytest.raises(BundleError, match="scores differ from PyTorch's"):
        export(swapped, tmp_path / "bundle")
    weights = swapped / "checkpoints" / "best.safetensors"
    save_tensors(weights, {"head.weight": torch.zeros(3)}, {})
    with pytest.raises(RunError, match=r"best.safetensors: not what its recipe made"):
        export(swapped, tmp_path / "bundle")


def test_a_resumed_run_ends_with_the_same_weights(
    run: Path, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FittedError(Exception):
        pass

    def stop(*_: object) -> None:
        raise FittedError

    recipe = any_recipe(str(run / "recipe.toml"))
    assert not isinstance(recipe, Recipe)
    start_run(Run(tmp_path / "killed"), catalog, recipe, resume=False)
    monkeypatch.setattr("keyart.training.train.export_onnx", stop)  # of the same weights, the same
    with pytest.raises(FittedError):
        trained(catalog, recipe, tmp_path / "killed", resume=True)
    first, _ = load_tensors(run / "checkpoints" / "best.safetensors")
    second, _ = load_tensors(tmp_path / "killed" / "checkpoints" / "best.safetensors")
    assert all((first[name] == second[name]).all() for name in first)
    with pytest.raises(RunError, match="was started with another recipe"):
        trained(catalog, recipe.with_settings(seed=9), tmp_path / "killed", resume=True)


def test_titles_and_years_add_what_posters_do_not_show(run: Path, catalog: Catalog) -> None:
    """As for a network: the same title model and fusion, also when a film is predicted."""
    by_evidence = Run(run).metrics.evidence
    late = by_evidence["poster+title+year"].model.genres["Late"].average_precision
    assert late is not None
    assert late.value > 0.95 > ap(run, "Late")[0]
    row = int(catalog.rows("test")[0])
    model, poster_alone = Predictor.load(run), Predictor.load(run).predict(catalog.poster(row))
    told = model.predict(catalog.poster(row), title="The Last Day", year=2000)
    first = model.predict(catalog.poster(row), title="The First Day", year=1950)
    assert told.evidence == ("poster", "title", "year")
    assert told.scores["Late"] > poster_alone.scores["Late"] > first.scores["Late"]


@pytest.mark.parametrize("recipe", [FOREST, QDA], ids=["random-forest", "qda"])
def test_a_backbones_features_can_be_the_input(
    recipe: ClassicalRecipe, catalog: Catalog, tmp_path: Path
) -> None:
    recipe = recipe.with_settings(features="backbone", backbone="posternet-small", width=24)
    made = trained(catalog, recipe, tmp_path / "run")
    found, guess = ap(made, "Red")
    assert found > guess + 0.1
    assert len(Predictor.load(made).scores([(np.zeros((32, 24, 3), np.uint8),)] * 2)) == 2
    export(made, tmp_path / "bundle")


def test_a_catalog_too_small_for_any_genre_is_refused(tmp_path: Path) -> None:
    rows = [
        "film_id,title,year,genres",
        *(f"f{n},Film,1990,{'Red' if n % 2 else 'Late'}" for n in range(12)),
    ]
    (tmp_path / "films.csv").write_text("\n".join(rows))
    write_posters(tmp_path / "posters", {f"f{n}.png": encoded(poster(n), "PNG") for n in range(12)})
    small = Catalog.build(
        tmp_path / "films.csv", tmp_path / "posters", tmp_path / "catalog", vocabulary=VOCABULARY
    )
    with pytest.raises(TrainingError, match="qda needs 10 training films with a genre and 10"):
        trained(small, QDA, tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["trees=0"], "trees = 0"),
        (["tres=5"], "no key 'tres'; did you mean 'trees'?"),
        (["components=5"], "no key 'components'"),
        (["kind=forest"], "kind = 'forest': input should be 'random-forest'"),
        (["height=100"], "multiples of 16, not 100x64"),
        (["features=backbone"], "needs a backbone"),
        (["weights=hub"], 'need features = "backbone"'),
        (["features=colours"], "features = 'colours'"),
    ],
)
def test_a_wrong_setting_is_named(settings: list[str], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        any_recipe("random-forest", parse_settings(settings))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
