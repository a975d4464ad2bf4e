"""Evaluating a saved model: on its catalog or another, with its thresholds or new ones."""

import errno
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keyart.__main__ import main
from keyart.bundle import read_bundle
from keyart.catalog.catalog import Catalog
from keyart.errors import BundleError, CatalogError, RunError
from keyart.evaluation.compare import compare
from keyart.evaluation.decide import PRECISIONS, decide
from keyart.evaluation.promise import promised_thresholds
from keyart.evaluation.thresholds import Criterion, choose_thresholds
from keyart.genres import DEFAULT_VOCABULARY
from keyart.predictor import Predictor
from keyart.run import Run
from keyart.training.evaluate import evaluate
from tests.tiny import VOCABULARY, tiny_bundle
from tests.tiny_catalog import encoded, poster, write_posters, write_table

FILMS = 200


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Posters; their genres are the colours they have much of, with doubts."""
    folder = tmp_path_factory.mktemp("catalog")
    random = np.random.default_rng(0)
    films, posters = [], {}
    for film in range(FILMS):
        image = poster(film)
        excess = np.asarray(image).mean((0, 1)) - 128 + random.normal(0, 6, 3)
        genres = [name for name, e in zip(VOCABULARY.names, excess, strict=True) if e > 0]
        films.append((f"f{film}", "|".join(genres or ["Red"])))
        posters[f"f{film}.png"] = encoded(image, "PNG")
    table = write_table(folder / "films.csv", films)
    pictures = write_posters(folder / "posters", posters)
    return Catalog.build(table, pictures, folder / "catalog", vocabulary=VOCABULARY)


@pytest.fixture
def run(catalog: Catalog, tmp_path: Path) -> Path:
    """A run folder with the tiny model in its bundle, scored once."""
    path = tmp_path / "run"
    bundle = tiny_bundle(path / "bundle", recipe="epochs = 1\n")
    assert bundle.precision_thresholds == {}
    Run(path).write_origin(catalog)
    Run(path).write_recipe("epochs = 1\n")
    evaluate(path)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def validation(run: Path, catalog: Catalog) -> tuple[np.ndarray, np.ndarray]:
    rows = catalog.rows("validation")
    model = Predictor.load(run)
    return model.scores([model.prepare(catalog.poster(row)) for row in rows]), catalog.truth[rows]


@pytest.mark.parametrize(
    ("thresholds", "precision"),
    [("f1", None), ("micro_f1", None), ("hamming", None), (None, 0.62)],
)
def test_new_thresholds_are_chosen_on_the_validation_split_and_nothing_is_written(
    run: Path, catalog: Catalog, thresholds: Criterion | None, precision: float | None
) -> None:
    before = files(run)
    found = evaluate(run, thresholds=thresholds, precision=precision)
    assert files(run) == before
    expected = choose_thresholds(*validation(run, catalog), thresholds or "f1")
    genres = found.split("test").model.genres
    assert [row.threshold for row in genres.values()] == pytest.approx(expected.values)
    assert (found.criterion, found.precision) == (thresholds or "f1", precision or 0.6)


def test_a_bundle_takes_thresholds_from_the_catalog_it_is_scored_on(
    run: Path, catalog: Catalog
) -> None:
    whole = evaluate(Run(run), precision=0.7)
    alone = evaluate(str(run / "bundle"), catalog, precision=0.7)
    assert alone.split("test") == whole.split("test")
    assert list(alone.splits) == ["test"]
    with pytest.raises(RunError, match="only a run can keep thresholds"):
        evaluate(run / "bundle", catalog.path, precision=0.7, save=True)


def test_a_predictor_is_scored_on_a_catalog_and_nothing_is_written(
    run: Path, catalog: Catalog
) -> None:
    before = files(run)
    found = evaluate(Predictor.load(run), catalog, "validation")
    assert files(run) == before
    assert found.split("validation") == Run(run).metrics.split("validation")
    with pytest.raises(RunError, match="a bundle does not know its catalog"):
        evaluate(Predictor.load(run))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "all"}, "split: expected train, validation, test"),
        ({"thresholds": "f1", "precision": 0.8}, "not both"),
        ({"precision": 80}, "a precision above 0"),
        ({"precision": 0}, "a precision above 0"),
        ({"thresholds": "accuracy"}, "expected 'f1'"),
        ({"save": True}, "save needs thresholds or precision"),
    ],
)
def test_arguments_that_make_no_sense_are_named(
    run: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(run, **arguments)


def test_a_run_with_a_split_of_its_own_is_not_scored_on_its_catalog(
    run: Path, catalog: Catalog
) -> None:
    Run(run).write_origin(catalog, "leaky")
    with pytest.raises(RunError, match="trained on a split of its own"):
        evaluate(run)


def test_the_train_split_of_the_own_catalog_is_scored_if_asked_for(
    run: Path, catalog: Catalog
) -> None:
    found = evaluate(run, split="train")
    assert list(found.splits) == ["validation", "test", "train"]
    assert len(Run(run).predictions("train")) == len(catalog.rows("train"))


def test_saved_thresholds_are_those_that_the_model_predicts_with(
    run: Path, catalog: Catalog
) -> None:
    before = read_bundle(run / "bundle")
    page = (run / "report.html").exists()
    found = evaluate(run, precision=0.7, save=True)
    after = read_bundle(run / "bundle")
    groups = catalog.groups[catalog.rows("validation")]
    expected = promised_thresholds(*validation(run, catalog), groups, 0.7)
    np.testing.assert_array_equal(after.decisions.predicting, expected)
    balanced = choose_thresholds(*validation(run, catalog), "f1").values
    np.testing.assert_allclose(after.thresholds, balanced)
    assert after.fingerprint != before.fingerprint
    assert (after.precision, before.precision) == (0.7, None)
    assert after.provenance["thresholds"] == "f1"
    assert after.rates is not None
    np.testing.assert_allclose(after.rates, catalog.truth[catalog.rows("test")].mean(0))
    assert list(after.precision_thresholds) == list(PRECISIONS)
    assert Run(run).metrics == found
    assert "at least 70% are right" in after.card
    assert not page
    assert (run / "report.html").exists()
    assert {path.name for path in run.iterdir() if path.name.startswith(".")} == set()
    # From now on they are the run's own.
    assert evaluate(run) == found


def test_saving_that_fails_leaves_the_bundle_as_it_was(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(run / "bundle")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("keyart.bundle_thresholds.write_json", full)
    with pytest.raises(OSError, match="no space"):
        evaluate(run, precision=0.7, save=True)
    assert files(run / "bundle") == before
    assert {path.name for path in run.iterdir() if "partial" in path.name} == set()


def test_a_catalog_of_other_genres_is_refused(run: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "films.csv", [("f0", "Drama"), ("f1", "Comedy")])
    posters = {f"f{film}.png": encoded(poster(film), "PNG") for film in range(2)}
    pictures = write_posters(tmp_path / "posters", posters)
    other = Catalog.build(table, pictures, tmp_path / "other", vocabulary=DEFAULT_VOCABULARY)
    with pytest.raises(CatalogError, match="are not the model's"):
        evaluate(run, other.path, thresholds="f1")


def test_predict_honours_a_wanted_precision_and_says_which_step_it_took(
    run: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(run, thresholds="f1", save=True)
    bundle = read_bundle(run / "bundle")
    strict = bundle.at_precision(0.72)
    assert strict.precision == 0.75
    promised = bundle.precision_thresholds[0.75]
    np.testing.assert_array_equal(strict.decisions.predicting, promised)
    assert bundle.at_precision(0.8).precision == 0.8
    picture = run.parent / "poster.png"
    picture.write_bytes(catalog.poster(0))
    words = ["keyart", "predict", str(picture), "--model", str(run), "--precision", "0.72"]
    monkeypatch.setattr(sys, "argv", [*words, "--format", "json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    shown = capsys.readouterr()
    assert re.search("precision of 0.75|at least 75% of the predicted genres are right", shown.err)
    scores = Predictor.load(run).predict(catalog.poster(0)).scores
    expected = VOCABULARY.decode(strict.decisions.predicted(list(scores.values())))
    assert json.loads(shown.out)[0]["genres"] == list(expected)


def test_a_catalog_in_place_of_a_model_is_an_error_that_says_what_it_is_not(
    catalog: Catalog,
) -> None:
    with pytest.raises(BundleError, match=r"neither a run nor a bundle, it has no keyart\.json"):
        evaluate(catalog.path)


def test_a_precision_that_a_bundle_has_no_thresholds_for_is_an_error(run: Path) -> None:
    bundle = read_bundle(run / "bundle")
    with pytest.raises(BundleError, match=r"cannot promise a precision; .*--save"):
        bundle.at_precision(0.8)
    evaluate(run, thresholds="f1", save=True)
    fresh = read_bundle(run / "bundle")
    for wanted in (0.96, 80, 1.5, 0.0, -1.0, float("nan")):
        with pytest.raises(BundleError, match=r"can promise 0\.5 to 0\.95; give a share, as"):
            fresh.at_precision(wanted)
    assert fresh.at_precision(0.95).precision == 0.95
    for too_low in (0.1, 0.3, 0.49):  # the thresholds of 0.5 would predict fewer genres than asked
        with pytest.raises(BundleError, match=r"can promise 0\.5 to 0\.95; balanced thresholds"):
            fresh.at_precision(too_low)
    assert fresh.at_precision(0.5).precision == 0.5
    evaluate(run, precision=0.3, save=True)
    assert read_bundle(run / "bundle").at_precision(0.3).precision == 0.3


@pytest.mark.parametrize(
    "words",
    [
        ("--precision", "0.8", "--thresholds", "f1"),
        ("--precision", "80"),
        ("--precision", "0"),
        ("--precision", "1"),
        ("--precision", "nan"),
        ("--save",),
        ("--thresholds", "accuracy"),
    ],
)
def test_a_criterion_that_makes_no_sense_is_wrong_usage(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["keyart", "evaluate", "nowhere", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2


def test_a_decision_brings_thresholds_for_every_precision() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (600, 3)).astype(np.float32)
    truth = random.random(logits.shape) < 1 / (1 + np.exp(-logits))
    groups = np.arange(600).astype(object)
    found = decide(logits, truth, groups, VOCABULARY, "hamming")
    assert found.criterion == "hamming"
    scores = found.calibration.apply(logits)
    assert tuple(found.precision_thresholds) == PRECISIONS
    for precision, cuts in found.precision_thresholds.items():
        expected = promised_thresholds(scores, truth, groups, precision)
        np.testing.assert_array_equal(cuts, expected)
    assert found.precision == 0.6
    np.testing.assert_array_equal(found.decisions.predicting, found.precision_thresholds[0.6])


def test_bundles_are_compared_on_a_catalog_as_runs_by_their_predictions(
    run: Path, catalog: Catalog
) -> None:
    evaluate(run, thresholds="hamming", save=True)
    plain = tiny_bundle(run.parent / "plain").path
    found = compare(run / "bundle", plain, catalog=catalog.path)
    assert found.differences.films == len(catalog.rows("test"))
    ranking, recall = found["mean_average_precision"], found["recall_micro"]
    assert ranking is not None
    assert recall is not None
    assert ranking.value == 0
    assert recall.value != 0
    by_files = compare(run, run)["recall_micro"]
    assert by_files is not None
    assert recall.model == pytest.approx(by_files.model)
    assert compare(Predictor.load(run), plain, catalog=catalog).differences == found.differences
