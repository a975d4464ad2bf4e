"""Thresholds as a choice: chosen anew on validation, shown, saved, and honoured by predict."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from keyart.__main__ import main
from keyart.bundle import read_bundle
from keyart.catalog.catalog import Catalog
from keyart.errors import BundleError, CatalogError, RunError
from keyart.evaluation.compare import compare_models
from keyart.evaluation.decide import PRECISIONS, decide
from keyart.evaluation.evaluate import read_metrics
from keyart.evaluation.rescore import evaluate_again
from keyart.evaluation.thresholds import choose_thresholds
from keyart.files import write_text
from keyart.genres import DEFAULT_VOCABULARY
from keyart.predictor import Predictor
from keyart.run import write_origin
from tests.tiny import VOCABULARY, tiny_bundle
from tests.tiny_catalog import encoded, poster, write_posters, write_table

FILMS = 200


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Posters whose genres are the colours they have much of, with doubts."""
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
    write_origin(path, catalog)
    write_text(path / "recipe.toml", "epochs = 1\n")
    evaluate_again(path, None, "test")
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def validation(run: Path, catalog: Catalog) -> tuple[np.ndarray, np.ndarray]:
    rows = catalog.rows("validation")
    pixels = np.stack([Predictor.load(run).spec.prepare(catalog.poster(row)) for row in rows])
    return Predictor.load(run).scores(pixels), catalog.truth[rows]


@pytest.mark.parametrize("criterion", ["f1", "micro_f1", "hamming", 0.7])
def test_thresholds_are_chosen_anew_on_the_validation_part_and_nothing_is_written(
    run: Path, catalog: Catalog, criterion: str | float
) -> None:
    before = files(run)
    found = evaluate_again(run, None, "test", criterion=criterion)  # type: ignore[arg-type]
    assert files(run) == before
    expected = choose_thresholds(*validation(run, catalog), criterion)  # type: ignore[arg-type]
    genres = found["splits"]["test"]["model"]["genres"]
    assert [row["threshold"] for row in genres.values()] == pytest.approx(expected.values)
    assert found["thresholds"] == criterion


def test_a_bundle_takes_thresholds_from_the_catalog_it_is_scored_on(
    run: Path, catalog: Catalog
) -> None:
    whole = evaluate_again(run, None, "test", criterion=0.7)
    alone = evaluate_again(run / "bundle", catalog.path, "test", criterion=0.7)
    assert alone["splits"]["test"] == whole["splits"]["test"]
    with pytest.raises(RunError, match="saved to a run alone"):
        evaluate_again(run / "bundle", catalog.path, "test", criterion=0.7, save=True)


def test_saved_thresholds_are_those_that_predict_answers_by(run: Path, catalog: Catalog) -> None:
    before = read_bundle(run / "bundle")
    page = (run / "report.html").exists()
    found = evaluate_again(run, None, "test", criterion=0.7, save=True)
    after = read_bundle(run / "bundle")
    expected = choose_thresholds(*validation(run, catalog), 0.7)
    np.testing.assert_allclose(after.thresholds, expected.values)
    assert after.fingerprint != before.fingerprint
    assert after.provenance["thresholds"] == 0.7
    assert list(after.precision_thresholds) == list(PRECISIONS)
    assert read_metrics(run) == json.loads(json.dumps(found))
    assert "precision of 0.7" in after.card
    assert not page
    assert (run / "report.html").exists()
    assert {path.name for path in run.iterdir() if path.name.startswith(".")} == set()
    # From now on they are the run's own.
    assert evaluate_again(run, None, "test") == found


def test_saving_that_fails_leaves_the_bundle_as_it_was(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(run / "bundle")

    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("keyart.bundle.write_json", full)
    with pytest.raises(OSError, match="no space"):
        evaluate_again(run, None, "test", criterion=0.7, save=True)
    assert files(run / "bundle") == before
    assert {path.name for path in run.iterdir() if "partial" in path.name} == set()


def test_a_catalog_of_other_genres_is_refused(run: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "films.csv", [("f0", "Drama"), ("f1", "Comedy")])
    posters = {f"f{film}.png": encoded(poster(film), "PNG") for film in range(2)}
    pictures = write_posters(tmp_path / "posters", posters)
    other = Catalog.build(table, pictures, tmp_path / "other", vocabulary=DEFAULT_VOCABULARY)
    with pytest.raises(CatalogError, match="are not the model's"):
        evaluate_again(run, other.path, "test", criterion="f1")


def test_predict_honours_a_wanted_precision_and_says_which_step_it_took(
    run: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate_again(run, None, "test", criterion="f1", save=True)
    bundle = read_bundle(run / "bundle")
    strict = bundle.at_precision(0.72)
    assert strict.precision == 0.75
    np.testing.assert_array_equal(strict.thresholds, bundle.precision_thresholds[0.75])
    assert bundle.at_precision(0.8).precision == 0.8
    picture = run.parent / "poster.png"
    picture.write_bytes(catalog.poster(0))
    words = ["keyart", "predict", str(picture), "--model", str(run), "--precision", "0.72"]
    monkeypatch.setattr(sys, "argv", [*words, "--format", "json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    shown = capsys.readouterr()
    assert "thresholds for a precision of 0.75 on validation films" in shown.err
    scores = Predictor.load(run).predict_bytes("x", catalog.poster(0)).scores  # type: ignore[union-attr]
    expected = VOCABULARY.decode(scores >= strict.thresholds)
    assert json.loads(shown.out)[0]["genres"] == list(expected)


def test_a_precision_that_a_bundle_has_no_thresholds_for_is_an_error(run: Path) -> None:
    bundle = read_bundle(run / "bundle")
    with pytest.raises(BundleError, match=r"made by an older keyart; .* --precision P --save"):
        bundle.at_precision(0.8)
    evaluate_again(run, None, "test", criterion="f1", save=True)
    fresh = read_bundle(run / "bundle")
    for wanted in (0.96, 1.5, 0.0, -1.0, float("nan")):
        with pytest.raises(BundleError, match=r"has thresholds for 0\.5 to 0\.95"):
            fresh.at_precision(wanted)
    assert fresh.at_precision(0.95).precision == 0.95
    assert fresh.at_precision(0.1).precision == 0.5


@pytest.mark.parametrize(
    "words",
    [
        ("--precision", "0.8", "--thresholds", "f1"),
        ("--precision", "80"),
        ("--precision", "0"),
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
        np.testing.assert_array_equal(cuts, choose_thresholds(scores, truth, precision).values)
        said = scores >= cuts
        assert (said & truth).sum() >= (precision - 0.03) * said.sum()


def test_bundles_are_compared_on_a_catalog_as_runs_by_their_predictions(
    run: Path, catalog: Catalog
) -> None:
    evaluate_again(run, None, "test", criterion="hamming", save=True)
    plain = tiny_bundle(run.parent / "plain").path
    found = compare_models(run / "bundle", plain, "test", catalog.path)
    assert found["films"] == len(catalog.rows("test"))
    assert found["figures"]["mean_average_precision"]["value"] == 0
    assert found["figures"]["recall_micro"]["value"] != 0
    by_files = compare_models(run, run, "test")["figures"]["recall_micro"]["run"]
    assert found["figures"]["recall_micro"]["run"] == pytest.approx(by_files)
