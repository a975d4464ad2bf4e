"""`keyart milestone`: rows that run once, rows that say why they do not, and one report."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import timm
from safetensors.torch import save_file

from keyart.catalog.catalog import Catalog
from keyart.errors import CatalogError, KeyartError, WeightsError
from keyart.evaluation.evaluate import read_metrics
from keyart.milestone import experiment
from keyart.milestone.experiment import run_milestone
from keyart.milestone.pictures import write_pictures
from keyart.milestone.plan import Request, plan_row
from keyart.milestone.rows import choose_rows
from keyart.training.recipe import Recipe
from tests.tiny_catalog import tiny_films

# Small enough for two networks to be trained within seconds.
SMALL = {"scratch": ("upsample=2", "compile=off", "precision=fp32")}
REQUEST = Request(epochs=1, settings=SMALL)
ONLY = "null,rates,scratch-leak,scratch,vgg16"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    return Catalog.build(*tiny_films(folder, range(80)), folder / "catalog").path


@pytest.fixture(scope="module")
def done(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison that was run."""
    out = tmp_path_factory.mktemp("milestone") / "out"
    run_milestone(catalog, out, choose_rows(ONLY), REQUEST, quiet=True)
    return out


def rows_of(out: Path) -> dict[str, dict[str, object]]:
    told = json.loads((out / "results.json").read_bytes())
    return {row["name"]: row for row in told["rows"]}


def test_rows_that_ran_have_scores_and_those_that_did_not_say_why(done: Path) -> None:
    rows = rows_of(done)
    ran = {name for name, row in rows.items() if "scores" in row}
    assert ran == {"null", "rates", "scratch-leak", "scratch"}
    assert rows["vgg16"]["not_run"] == (
        "no weights (give --weights vgg16=FILE, a safetensors file of timm's vgg16.tv_in1k, or hub)"
    )
    assert rows["qda"]["not_run"] == "not asked for"


def test_predicting_nothing_scores_the_share_of_false_cells(done: Path) -> None:
    scores = rows_of(done)["null"]["scores"]
    assert isinstance(scores, dict)
    assert scores["label_accuracy"] == scores["null"]
    assert scores["recall"] == 0


def test_the_leak_splits_copies_and_the_other_row_films(done: Path, catalog: Path) -> None:
    leaky, honest = read_metrics(done / "scratch-leak"), read_metrics(done / "scratch")
    assert sum(leaky["films"].values()) > 80
    assert honest["films"]["validation"] + honest["films"]["test"] < 40
    recipes = [(done / row / "recipe.toml").read_text() for row in ("scratch-leak", "scratch")]
    assert [line for line in recipes[0].splitlines() if line not in recipes[1].splitlines()] == [
        'split = "leaky"'
    ]


def test_the_report_tells_the_leak_and_shows_both_rocs(done: Path) -> None:
    page = (done / "report.html").read_text()
    for text in (
        "What the leak is worth",
        "points of top class",
        "ROC as the study drew it: wrong",
        "0.8403",  # the study's top class
        "not run: no weights",
        "data:image/png;base64,",
    ):
        assert text in page, text
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_rows_that_are_done_are_not_run_again(
    done: Path, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    before = (done / "results.json").read_bytes()
    monkeypatch.setattr(experiment, "train", never)
    run_milestone(catalog, done, choose_rows(ONLY), REQUEST, quiet=True)
    assert (done / "results.json").read_bytes() == before


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(epochs=2, settings=SMALL), "was begun with --epochs 1"),
        (Request(films=60, epochs=1, settings=SMALL), "was begun with --films left out"),
        (Request(epochs=1, full=True), "was begun with --full left out"),
        (
            Request(epochs=1, settings={"scratch": ("upsample=3",)}),
            "was begun with --set scratch.upsample=2 --set scratch.compile=off",
        ),
    ],
)
def test_a_folder_keeps_to_what_it_was_begun_with(
    done: Path, catalog: Path, request_: Request, message: str
) -> None:
    with pytest.raises(KeyartError, match=message):
        run_milestone(catalog, done, choose_rows("null"), request_, quiet=True)


def test_settings_once_given_stay_and_a_row_without_a_run_takes_others(
    catalog: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for settings in ({"posternet": ("dropout=0.2",)}, {"vgg16": ("dropout=0.3",)}, {}):
        request = Request(epochs=1, settings=settings)
        run_milestone(catalog, out, choose_rows("null"), request, quiet=True)
    kept = json.loads((out / "milestone.json").read_bytes())["settings"]
    assert kept == {"posternet": ["dropout=0.2"], "vgg16": ["dropout=0.3"]}
    request = Request(epochs=1, settings={"posternet": ("dropout=0.4",)})
    run_milestone(catalog, out, choose_rows("null"), request, quiet=True)
    kept = json.loads((out / "milestone.json").read_bytes())["settings"]
    assert kept["posternet"] == ["dropout=0.4"]


def test_a_folder_keeps_to_its_catalog(done: Path, tmp_path: Path) -> None:
    other = Catalog.build(*tiny_films(tmp_path, range(100, 150)), tmp_path / "catalog")
    with pytest.raises(KeyartError, match="was begun with another catalog"):
        run_milestone(other.path, done, choose_rows("null"), REQUEST, quiet=True)


def test_a_folder_of_something_else_is_left_alone(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(KeyartError, match="holds no comparison"):
        run_milestone(catalog, tmp_path, choose_rows("null"), REQUEST, quiet=True)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_sample_is_a_catalog_of_its_own(catalog: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    request = Request(films=40, epochs=1)
    _, told = run_milestone(catalog, out, choose_rows("null,rates"), request, quiet=True)
    assert 34 <= told["films"] <= 46
    assert (out / "catalog" / "catalog.json").exists()
    run_milestone(catalog, out, choose_rows("null"), request, quiet=True)


def test_too_few_films_for_a_split_are_told(catalog: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="too few for its split"):
        run_milestone(catalog, tmp_path / "out", choose_rows("null"), Request(films=1), quiet=True)


@pytest.mark.parametrize(("full", "looks"), [(False, 1), (True, 5)])
def test_the_short_plan_looks_once_at_a_poster_and_the_full_one_as_the_recipe_says(
    full: bool, looks: int, catalog: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mobilenetv2.safetensors"
    save_file(timm.create_model("mobilenetv2_100", num_classes=0).state_dict(), file)
    (row,) = choose_rows("mobilenetv2")
    request = Request(epochs=1, full=full, weights={"mobilenetv2": str(file)})
    planned = plan_row(row, Catalog.open(catalog), request)
    assert isinstance(planned.recipe, Recipe)
    assert planned.recipe.network.tta == looks
    more = replace(request, settings={"mobilenetv2": ("tta=10",)})
    assert plan_row(row, Catalog.open(catalog), more).seconds > planned.seconds


def test_weights_that_are_not_there_are_told_before_anything_runs(
    catalog: Path, tmp_path: Path
) -> None:
    request = Request(epochs=1, weights={"vgg16": str(tmp_path / "absent.safetensors")})
    with pytest.raises(WeightsError, match="no such weights file"):
        run_milestone(catalog, tmp_path / "out", choose_rows(None), request, quiet=True)
    assert not (tmp_path / "out" / "posternet").exists()


def test_a_row_that_fails_says_why_and_stops_no_other(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyartError("the loss became nan")

    monkeypatch.setattr(experiment, "train", fails)
    _, told = run_milestone(
        catalog, tmp_path / "out", choose_rows("posternet,scratch"), REQUEST, quiet=True
    )
    reasons = {row["name"]: row["not_run"] for row in told["rows"]}
    assert reasons["posternet"] == reasons["scratch"] == "the loss became nan"


def test_a_runs_pictures_are_a_page_and_files(done: Path, catalog: Path, tmp_path: Path) -> None:
    poster = next((catalog.parent / "posters").iterdir())
    write_pictures(done / "scratch", tmp_path, layers=["2"], poster=poster)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "filters-02.png", "maps-02.png", "pictures.html",
    ]  # fmt: skip
    write_pictures(done / "scratch", tmp_path / "study")
    names = {file.name for file in (tmp_path / "study").iterdir()}
    assert {"filters-01.png", "filters-01-colour.png", "filters-04.png", "filters-06.png"} <= names
