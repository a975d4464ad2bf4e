"""`keyart milestone`: rows that run once, rows that say why they do not, and one report."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
from playwright.sync_api import Browser
from safetensors.torch import save_file

from keyart.catalog.catalog import Catalog
from keyart.errors import CatalogError, KeyartError, WeightsError
from keyart.milestone import experiment
from keyart.milestone.experiment import Callbacks, run_milestone
from keyart.milestone.pictures import draw_pictures
from keyart.milestone.plan import Request, plan_row
from keyart.milestone.rows import choose_rows
from keyart.run import Run
from keyart.training.recipe import Recipe
from tests.tiny_catalog import tiny_films

# Small enough for two networks to be trained within seconds.
SMALL = {"scratch": ("upsample=2", "compile=off", "dtype=fp32")}
ONLY = ("null", "rates", "scratch-leak", "scratch", "vgg16")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    return Catalog.build(*tiny_films(folder, range(80)), folder / "catalog").path


@pytest.fixture(scope="module")
def done(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison that was run."""
    out = tmp_path_factory.mktemp("milestone") / "out"
    run_milestone(catalog, out=out, rows=ONLY, epochs=1, settings=SMALL)
    return out


def rows_of(out: Path) -> dict[str, dict[str, object]]:
    results = json.loads((out / "results.json").read_bytes())
    return {row["name"]: row for row in results["rows"]}


def test_rows_that_ran_have_metrics_and_the_others_say_why_not(done: Path) -> None:
    rows = rows_of(done)
    ran = {name for name, row in rows.items() if "metrics" in row}
    assert ran == {"null", "rates", "scratch-leak", "scratch"}
    assert rows["vgg16"]["not_run"] == (
        "no weights (give --weights vgg16=FILE, a safetensors file of timm's vgg16.tv_in1k, or hub)"
    )
    assert rows["qda"]["not_run"] == "not asked for"


def test_predicting_nothing_scores_the_share_of_false_pairs(done: Path) -> None:
    metrics = rows_of(done)["null"]["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["label_accuracy"] == metrics["nothing"]
    assert metrics["recall_samples"] == 0


def test_the_leak_splits_copies_and_the_other_row_films(done: Path, catalog: Path) -> None:
    leaky, honest = Run(done / "scratch-leak"), Run(done / "scratch")
    assert sum(leaky.metrics.films.values()) > 80
    assert honest.metrics.films["validation"] + honest.metrics.films["test"] < 40
    recipes = [run.recipe_text for run in (leaky, honest)]
    assert [line for line in recipes[0].splitlines() if line not in recipes[1].splitlines()] == [
        'split = "leaky"'
    ]


def test_the_report_has_the_leak_and_both_roc_curves(done: Path) -> None:
    page = (done / "report.html").read_text()
    for text in (
        "What the leak is worth",
        "points of top class",
        "The study&#39;s ROC curve: wrong",
        "0.8403",  # the study's top class
        "Not run: no weights",
        "data:image/png;base64,",
    ):
        assert text in page, text
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_fit_the_screen_and_ask_nothing_of_anywhere_else(
    done: Path, catalog: Path, tmp_path: Path, browser: Browser, width: int
) -> None:
    poster = next((catalog.parent / "posters").iterdir())
    pictures = draw_pictures(done / "scratch", out=tmp_path, poster=poster)
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("requestfailed", lambda asked: troubles.append(asked.url))
    for shown in (done / "report.html", pictures):
        page.goto(shown.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for image in page.locator("img").all():
            assert image.evaluate("image => image.naturalWidth") > 0
    assert page.locator(".tiles img").count() >= 7  # four of filters, three of maps
    assert troubles == []
    context.close()


def test_rows_that_are_done_are_not_run_again(
    done: Path, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    before = (done / "results.json").read_bytes()
    monkeypatch.setattr(experiment, "train", never)
    run_milestone(catalog, out=done, rows=ONLY, epochs=1, settings=SMALL)
    assert (done / "results.json").read_bytes() == before


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"epochs": 2, "settings": SMALL}, "was started with --epochs 1"),
        ({"films": 60, "epochs": 1, "settings": SMALL}, "was started without --films"),
        ({"epochs": 1, "full": True}, "was started without --full"),
        (
            {"epochs": 1, "settings": {"scratch": ("upsample=3",)}},
            "was started with --set scratch.upsample=2 --set scratch.compile=off",
        ),
    ],
)
def test_a_folder_keeps_to_what_it_was_started_with(
    done: Path, catalog: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(KeyartError, match=message):
        run_milestone(catalog, out=done, rows=["null"], **asked)


def test_a_folder_of_an_older_keyart_is_refused_by_its_format(
    catalog: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run_milestone(catalog, out=out, rows=["null"])
    asked = json.loads((out / "milestone.json").read_bytes())
    (out / "milestone.json").write_text(json.dumps(asked | {"format": 1}))
    with pytest.raises(KeyartError, match="format 1, but this keyart reads format 2"):
        run_milestone(catalog, out=out, rows=["null"])


def test_settings_stay_once_given_and_a_row_without_a_run_takes_others(
    catalog: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for settings in ({"posternet": ("dropout=0.2",)}, {"vgg16": ("dropout=0.3",)}, {}):
        run_milestone(catalog, out=out, rows=["null"], epochs=1, settings=settings)
    kept = json.loads((out / "milestone.json").read_bytes())["settings"]
    assert kept == {"posternet": ["dropout=0.2"], "vgg16": ["dropout=0.3"]}
    changed = {"posternet": ("dropout=0.4",)}
    run_milestone(catalog, out=out, rows=["null"], epochs=1, settings=changed)
    kept = json.loads((out / "milestone.json").read_bytes())["settings"]
    assert kept["posternet"] == ["dropout=0.4"]


def test_a_folder_keeps_to_its_catalog(done: Path, tmp_path: Path) -> None:
    other = Catalog.build(*tiny_films(tmp_path, range(100, 150)), tmp_path / "catalog")
    with pytest.raises(KeyartError, match="was started with another catalog"):
        run_milestone(other, out=done, rows=["null"], epochs=1, settings=SMALL)


def test_a_folder_of_something_else_is_left_alone(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(KeyartError, match="is not empty and has no comparison"):
        run_milestone(catalog, out=tmp_path, rows=["null"])
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_sample_is_a_catalog_of_its_own(catalog: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run_milestone(catalog, out=out, rows=["null", "rates"], films=40)
    assert 34 <= done.to_json()["films"] == len(done.catalog) <= 46
    assert done.catalog.path == out / "catalog"
    run_milestone(catalog, out=out, rows=["null"], films=40)


def test_too_few_films_for_a_split_are_an_error(catalog: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="are too few: the train split would have none"):
        run_milestone(catalog, out=tmp_path / "out", rows=["null"], films=1)


@pytest.mark.parametrize(("full", "tta"), [(False, 1), (True, 5)])
def test_the_short_plan_has_no_test_time_augmentation_and_the_full_one_that_of_the_recipe(
    full: bool, tta: int, catalog: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mobilenetv2.safetensors"
    save_file(timm.create_model("mobilenetv2_100", num_classes=0).state_dict(), file)
    (row,) = choose_rows(["mobilenetv2"])
    request = Request(epochs=1, full=full, weights={"mobilenetv2": str(file)})
    planned = plan_row(row, Catalog.open(catalog), request)
    assert isinstance(planned.recipe, Recipe)
    assert planned.recipe.network.tta == tta
    more = replace(request, settings={"mobilenetv2": ("tta=10",)})
    assert plan_row(row, Catalog.open(catalog), more).seconds > planned.seconds


def test_missing_weights_are_an_error_before_anything_runs(catalog: Path, tmp_path: Path) -> None:
    weights = {"vgg16": tmp_path / "absent.safetensors"}
    with pytest.raises(WeightsError, match="no such weights file"):
        run_milestone(catalog, out=tmp_path / "out", epochs=1, weights=weights)
    assert not (tmp_path / "out" / "posternet").exists()


def test_a_row_that_fails_says_why_and_does_not_stop_the_others(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyartError("the loss became nan")

    monkeypatch.setattr(experiment, "train", fails)
    out = tmp_path / "out"
    run_milestone(catalog, out=out, rows=["posternet", "scratch"], epochs=1, settings=SMALL)
    reasons = {name: row["not_run"] for name, row in rows_of(out).items()}
    assert reasons["posternet"] == reasons["scratch"] == "the loss became nan"


def test_a_runs_pictures_are_a_page_and_files(done: Path, catalog: Path, tmp_path: Path) -> None:
    poster = next((catalog.parent / "posters").iterdir())
    page = draw_pictures(done / "scratch", out=tmp_path, layers=["2"], poster=poster)
    assert page == tmp_path / "pictures.html"
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "filters-02.png", "maps-02.png", "pictures.html",
    ]  # fmt: skip
    draw_pictures(Run(done / "scratch"), out=tmp_path / "study")
    names = {file.name for file in (tmp_path / "study").iterdir()}
    assert {"filters-01.png", "filters-01-colour.png", "filters-04.png", "filters-06.png"} <= names


def test_the_library_prints_nothing_and_reports_through_callbacks(
    catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []
    callbacks = Callbacks(
        plan=lambda planned: heard.append(" ".join(one.row.name for one in planned)),
        not_run=lambda row, why: heard.append(f"{row.name}: {why}"),
    )
    run_milestone(catalog, out=tmp_path / "out", rows=["null", "ensemble"], callbacks=callbacks)
    assert heard == [
        "null ensemble",
        "ensemble: it needs two finished rows to average, and there are 0",
    ]
    assert capsys.readouterr() == ("", "")
