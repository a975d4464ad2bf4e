"""training/ensemble.py: runs averaged into a run, which answers alike whoever asks."""

import csv
import io
import json
import math
import sys
import tomllib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.torch import load_file

from keyart.__main__ import main
from keyart.bundle import Bundle, read_bundle, write_bundle
from keyart.calibration import Calibration, sigmoid
from keyart.catalog.catalog import Catalog
from keyart.ensemble.make import learned_weights, make_ensemble
from keyart.errors import BundleError, RunError
from keyart.evaluation.evaluate import read_metrics
from keyart.evaluation.rescore import evaluate_again
from keyart.explain import explain
from keyart.genres import Vocabulary
from keyart.images.spec import FilmSpec, ImageSpec, PackedSpec
from keyart.prediction import Prediction
from keyart.predictor import Predictor
from keyart.report.page import write_report
from keyart.run import write_origin
from keyart.service.app import create_app
from keyart.similar import Index
from keyart.training.classical_recipe import ForestRecipe
from keyart.training.run import Watcher, export_run, train
from keyart.writers import predict_posters
from tests.colours import colours_run
from tests.serving import client
from tests.tiny import VOCABULARY
from tests.tiny_catalog import encoded, poster, write_posters, write_table

FILMS = 300
# What each sees: the upper or the lower part of a poster, or nothing.
SPECS: dict[str, tuple[ImageSpec, float, tuple[float, float]]] = {
    "upper": (ImageSpec(32, 24), 9, (0, 0.5)),
    "lower": (ImageSpec(16, 16, "pad"), 12, (0.5, 1)),
    "dull": (ImageSpec(32, 24), math.inf, (0, 1)),
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return colourful(tmp_path_factory.mktemp("catalog"), seed=0)


def colourful(folder: Path, seed: int) -> Catalog:
    """JPEG posters whose genres are the colours they have much of, with doubts."""
    random = np.random.default_rng(seed)
    films, posters = [], {}
    for film in range(FILMS):
        image = poster(film, (90, 132))
        excess = np.asarray(image).mean((0, 1)) - 128 + random.normal(0, 6, 3)
        genres = [name for name, e in zip(VOCABULARY.names, excess, strict=True) if e > 0]
        films.append((f"f{film}", "|".join(genres or ["Red"])))
        posters[f"f{film}.jpg"] = encoded(image, "JPEG", quality=90)
    table = write_table(folder / "films.csv", films)
    pictures = write_posters(folder / "posters", posters)
    return Catalog.build(table, pictures, folder / "catalog", vocabulary=VOCABULARY)


@pytest.fixture(scope="module")
def runs(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {name: colours_run(folder / name, catalog, *seen) for name, seen in SPECS.items()}


@pytest.fixture(scope="module")
def ensemble(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ensemble") / "both"
    make_ensemble([runs["upper"], runs["lower"]], out, learn_weights=True)
    return out


def renamed(
    bundle: Bundle, path: Path, genres: tuple[str, ...], spec: FilmSpec | None = None
) -> None:
    """The same model under other genres, or with another preparation."""
    write_bundle(
        path,
        onnx=bundle.onnx.read_bytes(),
        weights=bundle.weights.read_bytes(),
        card=bundle.card,
        vocabulary=Vocabulary(genres),
        spec=spec or bundle.spec,
        calibration=bundle.calibration,
        thresholds=bundle.thresholds,
        provenance=bundle.provenance,
    )


def weights_of(run: Path) -> list[float]:
    return [member["weight"] for member in read_bundle(run / "bundle").provenance["members"]]


def by_hand(runs: list[Path], weights: list[float], data: bytes) -> npt.NDArray[np.float64]:
    """The average of what the runs' own predictors say of a poster."""
    average = np.zeros(3)
    for run, weight in zip(runs, weights, strict=True):
        answer = Predictor.load(run).predict_bytes("x", data)
        assert isinstance(answer, Prediction)
        average += weight * answer.scores
    return average


def test_its_scores_are_its_members_average_calibrated_anew(
    ensemble: Path, runs: dict[str, Path], catalog: Catalog
) -> None:
    predictor = Predictor.load(ensemble)
    assert isinstance(predictor.spec, PackedSpec)
    weights = weights_of(ensemble)
    assert 0.1 < weights[0] < 0.9
    assert predictor.bundle.calibration != Calibration.identity(3)
    for row in range(20):
        data = catalog.poster(row)
        average = by_hand([runs["upper"], runs["lower"]], weights, data)
        pixels = predictor.spec.prepare(data)[None]
        plain = sigmoid(predictor.network.logits(pixels)[0].astype(np.float64))
        np.testing.assert_allclose(plain, average, atol=1e-6, rtol=0)
        expected = predictor.bundle.calibration.apply(np.log(average / (1 - average)))
        np.testing.assert_allclose(predictor.scores(pixels)[0], expected, atol=1e-6, rtol=0)


def test_command_line_service_and_predictions_of_the_run_say_the_same(
    ensemble: Path, catalog: Catalog, tmp_path: Path
) -> None:
    test = pq.read_table(ensemble / "predictions-test.parquet")
    films = catalog.columns(["film_id"])[0].to_pylist()
    rows = catalog.rows("test")[:9]
    files = []
    for row in rows:
        files.append(tmp_path / f"{films[row]}.jpg")
        files[-1].write_bytes(catalog.poster(row))
    predict_posters(files, ensemble, "csv", tmp_path / "said.csv", None, quiet=True)
    said = list(csv.DictReader(io.StringIO((tmp_path / "said.csv").read_text())))
    with client(create_app(Predictor.load(ensemble))) as api:
        posters = [("poster", (file.name, file.read_bytes(), "image/jpeg")) for file in files]
        served = api.post("/v1/predictions", files=posters).json()["predictions"]
        assert api.get("/v1/model").json()["image"]["parts"][1]["fit"] == "pad"
    for place, row in enumerate(rows):
        assert test["film_id"][place].as_py() == films[row]
        for name in VOCABULARY.names:
            score = test[name][place].as_py()
            assert float(said[place][name]) == pytest.approx(score, abs=2e-6)
            assert served[place]["scores"][name] == pytest.approx(score, abs=2e-6)
        assert served[place]["genres"] == test["genres"][place].as_py()


def test_it_is_scored_better_than_its_members(ensemble: Path, runs: dict[str, Path]) -> None:
    def found(run: Path) -> float:
        figures = read_metrics(run)["splits"]["test"]["model"]["figures"]
        return float(figures["mean_average_precision"]["value"])

    assert found(ensemble) > max(found(runs["upper"]), found(runs["lower"])) + 0.01


def test_learned_weights_are_no_worse_than_equal_ones_and_spare_the_dull(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    equal = make_ensemble(list(runs.values()), tmp_path / "equal")
    learned = make_ensemble(list(runs.values()), tmp_path / "learned", learn_weights=True)
    assert equal.weights == pytest.approx([1 / 3] * 3)
    assert learned.loss < equal.loss
    assert learned.weights[2] < 0.02
    assert equal.losses == learned.losses
    assert learned.loss < min(learned.losses)
    assert weights_of(tmp_path / "learned") == pytest.approx(list(learned.weights))


def test_a_run_learned_with_its_copy_is_the_run(runs: dict[str, Path], catalog: Catalog) -> None:
    rows = catalog.rows("validation")
    predictor = Predictor.load(runs["upper"])
    pixels = np.stack([predictor.spec.prepare(catalog.poster(row)) for row in rows])
    scores = predictor.scores(pixels)
    weights = learned_weights(np.stack([scores, scores]), catalog.truth[rows])
    assert weights == pytest.approx([0.5, 0.5])
    assert np.tensordot(weights, [scores, scores], axes=1) == pytest.approx(scores)


def test_the_run_it_leaves_is_whole_and_tells_what_it_is(
    ensemble: Path, runs: dict[str, Path]
) -> None:
    names = {path.name for path in ensemble.iterdir()}
    assert names == {
        *("recipe.toml", "metrics.json", "report.html", "bundle", "checkpoints"),
        *("predictions-validation.parquet", "predictions-test.parquet"),
    }
    recipe = tomllib.loads((ensemble / "recipe.toml").read_text())
    assert recipe["ensemble"] == ["upper", "lower"]
    assert recipe["weights"] == pytest.approx(weights_of(ensemble), abs=1e-6)
    assert recipe["bundles"] == [
        read_bundle(runs[name] / "bundle").fingerprint for name in recipe["ensemble"]
    ]
    bundle = read_bundle(ensemble / "bundle")
    assert bundle.provenance["name"] == "both"
    assert 'ensemble = ["upper", "lower"]' in bundle.card
    report = (ensemble / "report.html").read_text()
    assert "ensemble = [" in report
    assert "both was not trained: it averages other runs" in report
    assert set(load_file(bundle.weights)) == {"0.scale", "1.scale"}
    assert not [path for path in ensemble.parent.iterdir() if path.name.startswith(".")]


def test_evaluating_it_again_changes_nothing_and_thresholds_can_be_chosen_anew(
    ensemble: Path,
) -> None:
    before = read_metrics(ensemble)
    again = evaluate_again(ensemble, None, "test")
    assert json.loads(json.dumps(again)) == before
    careful = evaluate_again(ensemble, None, "test", criterion=0.9)
    assert careful["thresholds"] == 0.9
    precise, usual = (
        found["splits"]["test"]["model"]["figures"]["precision_micro"]["value"]
        for found in (careful, before)
    )
    assert precise > usual


def test_it_is_exported_and_reported_beside_its_members(
    ensemble: Path, runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    exported = export_run(ensemble, tmp_path / "bundle")
    data = catalog.poster(1)
    assert isinstance(by_run := Predictor.load(ensemble).predict_bytes("x", data), Prediction)
    assert isinstance(by_bundle := Predictor(exported).predict_bytes("x", data), Prediction)
    assert (by_run.scores == by_bundle.scores).all()
    write_report([ensemble, *runs.values()], tmp_path / "all.html", catalog=catalog.path)
    assert "Side by side" in (tmp_path / "all.html").read_text()


def test_a_classical_run_is_a_member_like_any_other(
    runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    recipe = ForestRecipe(height=32, width=32, trees=3, least_leaf=20)
    watcher = Watcher(lambda done, total: None, lambda step: None, lambda sentence: None)
    train(catalog, recipe, tmp_path / "forest", watcher, resume=False)
    make_ensemble([runs["lower"], tmp_path / "forest"], tmp_path / "both")
    predictor = Predictor.load(tmp_path / "both")
    for row in range(5):
        data = catalog.poster(row)
        pixels = predictor.spec.prepare(data)[None]
        plain = sigmoid(predictor.network.logits(pixels)[0].astype(np.float64))
        expected = by_hand([runs["lower"], tmp_path / "forest"], [0.5, 0.5], data)
        np.testing.assert_allclose(plain, expected, atol=1e-6, rtol=0)


def test_runs_that_see_the_same_keep_their_preparation(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    make_ensemble([runs["upper"], runs["dull"]], tmp_path / "same")
    assert read_bundle(tmp_path / "same" / "bundle").spec == ImageSpec(32, 24)


def test_an_ensemble_can_be_a_member(
    ensemble: Path, runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    make_ensemble([ensemble, runs["dull"]], tmp_path / "nested")
    predictor = Predictor.load(tmp_path / "nested")
    data = catalog.poster(0)
    pixels = predictor.spec.prepare(data)[None]
    plain = sigmoid(predictor.network.logits(pixels)[0].astype(np.float64))
    expected = by_hand([ensemble, runs["dull"]], [0.5, 0.5], data)
    np.testing.assert_allclose(plain, expected, atol=1e-6, rtol=0)


def test_it_tells_where_its_members_weights_came_from(
    runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    origin = {"name": "vgg16", "source": "hub", "licence": "bsd-3-clause", "sha256": None}
    upper = colours_run(tmp_path / "upper", catalog, *SPECS["upper"], backbone=origin)
    make_ensemble([upper, runs["lower"]], tmp_path / "both")
    make_ensemble([tmp_path / "both", runs["dull"]], tmp_path / "nested")
    first, second = read_bundle(tmp_path / "both" / "bundle").provenance["members"]
    assert first["backbone"] == origin
    assert "backbone" not in second
    nested, _ = read_bundle(tmp_path / "nested" / "bundle").provenance["members"]
    assert nested["members"] == [first, second]


def test_hiding_parts_explains_it_and_what_it_lacks_is_said(
    ensemble: Path, catalog: Catalog, tmp_path: Path
) -> None:
    def png(pixels: npt.NDArray[np.uint8]) -> bytes:
        return encoded(Image.fromarray(pixels), "PNG")

    rgb = np.full((132, 90, 3), 90, np.uint8)
    rgb[4:30, 4:30] = (250, 90, 90)
    rgb[100:126, 60:86] = (90, 250, 90)
    predictor = Predictor.load(ensemble)
    red, green, _ = explain(predictor, png(rgb))
    assert (red.method, red.where) == ("occlusion", "top left")
    assert green.where == "bottom right"
    with pytest.raises(BundleError, match=r"has no maps of its own; .* upper or lower, or hide"):
        explain(predictor, png(rgb), method="activation")
    with pytest.raises(BundleError, match="has no features of its own"):
        Index.build(catalog, out=tmp_path / "index", model=ensemble)
    assert not (tmp_path / "index").exists()


def test_runs_that_cannot_be_averaged_are_refused(
    runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    upper, lower = runs["upper"], runs["lower"]
    out = tmp_path / "out"
    with pytest.raises(RunError, match="two runs or more"):
        make_ensemble([upper], out)
    with pytest.raises(RunError, match=r"is the same model as .*; name each once"):
        make_ensemble([upper, lower, upper], out)
    with pytest.raises(RunError, match="a bundle does not know its catalog"):
        make_ensemble([upper, lower / "bundle"], out)
    write_origin(tmp_path / "begun", catalog)
    with pytest.raises(RunError, match=r"begun: is not finished; .*--resume"):
        make_ensemble([upper, tmp_path / "begun"], out)
    out.mkdir()
    with pytest.raises(RunError, match="out: is already there"):
        make_ensemble([upper, lower], out)


def test_a_run_of_another_vocabulary_is_refused_by_the_first_genre_that_differs(
    runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    bundle = read_bundle(runs["lower"] / "bundle")
    renamed(bundle, other / "bundle", ("Red", "Emerald", "Blue"))
    write_origin(other, catalog)
    with pytest.raises(RunError, match=r"genre 2 is 'Emerald' where .*upper has 'Green'"):
        make_ensemble([runs["upper"], other], tmp_path / "out")


def test_a_run_of_another_catalog_or_split_is_refused(
    runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    others = colourful(tmp_path, seed=1)
    other = colours_run(tmp_path / "other", others, *SPECS["lower"])
    with pytest.raises(RunError, match="other: was trained on another catalog"):
        make_ensemble([runs["upper"], other], tmp_path / "out")
    # The same films, but parted otherwise: what one is tested on, the other may have learned from.
    write_origin(other, catalog, "random")
    with pytest.raises(RunError, match=r"other: was trained on a split of its own \(random\)"):
        make_ensemble([runs["upper"], other], tmp_path / "out")


def test_a_run_that_asks_for_titles_is_refused(
    runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    spec = FilmSpec(ImageSpec(16, 16), True, ("dead",), 1990)
    renamed(read_bundle(runs["lower"] / "bundle"), other / "bundle", VOCABULARY.names, spec)
    write_origin(other, catalog)
    with pytest.raises(BundleError, match="asks for titles and years"):
        make_ensemble([runs["upper"], other], tmp_path / "out")


def test_an_ensemble_that_fails_leaves_nothing(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("keyart.ensemble.make.write_bundle", full)
    with pytest.raises(OSError, match="full"):
        make_ensemble([runs["upper"], runs["lower"]], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_command_tells_the_weights(
    runs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "both"
    arguments = ["ensemble", str(runs["upper"]), str(runs["lower"]), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["keyart", *arguments, "--learn-weights"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    shown = capsys.readouterr()
    assert "weights learned on validation films" in shown.out
    assert "mAP" in shown.out
    assert "scoring the validation part with lower" in shown.err
    monkeypatch.setattr(sys, "argv", ["keyart", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    assert "is already there" in capsys.readouterr().err
