"""ensemble/: runs averaged into a run, with equal scores in every interface."""

import csv
import io
import math
import shutil
import sys
import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from PIL import Image
from safetensors.torch import load_file

from keyart.__main__ import main
from keyart.bundle import Bundle, content_of, read_bundle, write_bundle
from keyart.calibration import Calibration, sigmoid
from keyart.catalog.catalog import Catalog
from keyart.ensemble.make import learned_titles, make_ensemble
from keyart.ensemble.weights import learned_weights
from keyart.errors import BundleError, RunError
from keyart.genres import Vocabulary
from keyart.images.spec import ImageSpec
from keyart.predictor import Predictor
from keyart.report.page import write_report
from keyart.run import Run
from keyart.series import stem_hashes
from keyart.service.app import create_app
from keyart.similar import Index
from keyart.training.callbacks import Callbacks
from keyart.training.classical_recipe import ForestRecipe
from keyart.training.evaluate import evaluate
from keyart.training.export import export
from keyart.training.train import train
from keyart.writers import write_predictions
from tests.colours import colours_run
from tests.tiny import VOCABULARY
from tests.tiny_catalog import encoded, poster, write_posters, write_table
from tests.tiny_titles import tiny_titles

FILMS = 300
# What each sees: the upper or the lower part of a poster, or nothing.
SPECS: dict[str, tuple[ImageSpec, float, tuple[float, float]]] = {
    "upper": (ImageSpec(32, 24), 9, (0, 0.5)),
    "lower": (ImageSpec(16, 16, "pad"), 12, (0.5, 1)),
    "dull": (ImageSpec(32, 24, mean=(0.5, 0.5, 0.5)), math.inf, (0, 1)),
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return colourful(tmp_path_factory.mktemp("catalog"), seed=0)


def colourful(folder: Path, seed: int) -> Catalog:
    """JPEG posters; their genres are the colours they have much of, with doubts."""
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
    make_ensemble([runs["upper"], runs["lower"]], out=out, learn_weights=True)
    return out


def renamed(bundle: Bundle, path: Path, genres: tuple[str, ...]) -> None:
    """The same model under other genres."""
    write_bundle(path, replace(content_of(bundle), vocabulary=Vocabulary(genres)))


def weights_of(run: Path) -> list[float]:
    return [member.weight for member in read_bundle(run / "bundle").members]


def by_hand(runs: list[Path], weights: list[float], data: bytes) -> npt.NDArray[np.float64]:
    """The average of what the runs' own predictors say of a poster."""
    average = np.zeros(3)
    for run, weight in zip(runs, weights, strict=True):
        average += weight * np.array(list(Predictor.load(run).predict(data).scores.values()))
    return average


def plain_scores(predictor: Predictor, data: bytes) -> npt.NDArray[np.float64]:
    """An ensemble's scores before its own calibration."""
    pictures = [picture[None] for picture in predictor.prepare(data)]
    return sigmoid(predictor.logits(pictures)[0].astype(np.float64))


def test_its_scores_are_its_members_average_calibrated_again(
    ensemble: Path, runs: dict[str, Path], catalog: Catalog
) -> None:
    predictor = Predictor.load(ensemble)
    assert predictor.image_specs == (SPECS["upper"][0], SPECS["lower"][0])
    weights = weights_of(ensemble)
    assert 0.1 < weights[0] < 0.9
    assert predictor.bundle.calibration != Calibration.identity(3)
    for row in range(20):
        data = catalog.poster(row)
        average = by_hand([runs["upper"], runs["lower"]], weights, data)
        prepared = predictor.prepare(data)
        plain = plain_scores(predictor, data)
        np.testing.assert_allclose(plain, average, atol=1e-6, rtol=0)
        expected = predictor.bundle.calibration.apply(np.log(average / (1 - average)))
        np.testing.assert_allclose(predictor.scores([prepared])[0], expected, atol=1e-6, rtol=0)


def test_command_line_service_and_predictions_of_the_run_say_the_same(
    ensemble: Path,
    catalog: Catalog,
    tmp_path: Path,
    client_of: Callable[[FastAPI], AbstractContextManager[httpx.Client]],
) -> None:
    test = pq.read_table(ensemble / "predictions-test.parquet")
    films = catalog.columns(["film_id"])[0].to_pylist()
    rows = catalog.rows("test")[:9]
    files = []
    for row in rows:
        files.append(tmp_path / f"{films[row]}.jpg")
        files[-1].write_bytes(catalog.poster(row))
    model = Predictor.load(ensemble)
    write_predictions(model.predict_many(files), tmp_path / "p.csv", genres=model.genres)
    said = list(csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text())))
    with client_of(create_app(Predictor.load(ensemble))) as api:
        posters = [("poster", (file.name, file.read_bytes(), "image/jpeg")) for file in files]
        served = api.post("/v1/predictions?balanced=true", files=posters).json()["predictions"]
        assert api.get("/v1/model").json()["image"]["members"][1]["fit"] == "pad"
    for place, row in enumerate(rows):
        assert test["film_id"][place].as_py() == films[row]
        for name in VOCABULARY.names:
            score = test[name][place].as_py()
            assert float(said[place][name]) == pytest.approx(score, abs=2e-6)
            assert served[place]["scores"][name] == pytest.approx(score, abs=2e-6)
        assert served[place]["genres"] == test["predicted"][place].as_py()


def test_it_is_scored_better_than_its_members(ensemble: Path, runs: dict[str, Path]) -> None:
    def found(run: Path) -> float:
        row = Run(run).metrics.split("test").model["mean_average_precision"]
        assert row is not None
        return row.value

    assert found(ensemble) > max(found(runs["upper"]), found(runs["lower"])) + 0.01


def test_learned_weights_are_no_worse_than_equal_ones_and_drop_useless_members(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    equal = make_ensemble(list(runs.values()), out=tmp_path / "equal")
    learned = make_ensemble(list(runs.values()), out=tmp_path / "learned", learn_weights=True)
    assert equal.weights == pytest.approx([1 / 3] * 3)
    assert learned.loss < equal.loss
    assert learned.weights[2] < 0.02
    assert equal.losses == learned.losses
    assert learned.loss < min(learned.losses)
    assert weights_of(tmp_path / "learned") == pytest.approx(list(learned.weights))


def test_a_run_learned_with_its_copy_is_the_run(runs: dict[str, Path], catalog: Catalog) -> None:
    rows = catalog.rows("validation")
    predictor = Predictor.load(runs["upper"])
    scores = predictor.scores([predictor.prepare(catalog.poster(row)) for row in rows])
    weights = learned_weights(np.stack([scores, scores]), catalog.truth[rows])
    assert weights == pytest.approx([0.5, 0.5])
    assert np.tensordot(weights, [scores, scores], axes=1) == pytest.approx(scores)


def test_its_run_is_complete_and_says_what_it_is(ensemble: Path, runs: dict[str, Path]) -> None:
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
    assert "both was not trained. It averages other runs" in report
    members = [ensemble / "bundle" / "members" / place for place in ("0", "1")]
    assert all(set(load_file(one / "model.safetensors")) == {"scale"} for one in members)
    assert not [path for path in ensemble.parent.iterdir() if path.name.startswith(".")]


def test_evaluating_it_again_changes_nothing_and_thresholds_can_be_chosen_again(
    ensemble: Path,
) -> None:
    before = Run(ensemble).metrics
    again = evaluate(ensemble)
    assert again == before
    careful = evaluate(ensemble, precision=0.9)
    assert careful.precision == 0.9
    precise, usual = (found.split("test").model.unsure for found in (careful, before))
    assert precise is not None
    assert usual is not None
    assert precise.films > usual.films


def test_it_is_exported_and_reported_next_to_its_members(
    ensemble: Path, runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    exported = export(ensemble, tmp_path / "bundle")
    data = catalog.poster(1)
    assert Predictor.load(ensemble).predict(data) == Predictor(exported).predict(data)
    small = export(ensemble, tmp_path / "small", small=True)
    assert not list(small.path.rglob("model.safetensors"))
    assert Predictor(small).predict(data).scores == pytest.approx(
        Predictor(exported).predict(data).scores, abs=1e-3
    )
    write_report([ensemble, *runs.values()], tmp_path / "all.html", catalog=catalog.path)
    assert "Side by side" in (tmp_path / "all.html").read_text()


def test_a_classical_run_is_a_member_like_any_other(
    runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    recipe = ForestRecipe().with_settings(height=32, width=32, trees=3, min_samples_leaf=20)
    watcher = Callbacks(lambda done, total: None, lambda step: None, lambda sentence: None)
    train(catalog, recipe, out=tmp_path / "forest", callbacks=watcher, resume=False)
    make_ensemble([runs["lower"], tmp_path / "forest"], out=tmp_path / "both")
    predictor = Predictor.load(tmp_path / "both")
    for row in range(5):
        data = catalog.poster(row)
        plain = plain_scores(predictor, data)
        expected = by_hand([runs["lower"], tmp_path / "forest"], [0.5, 0.5], data)
        np.testing.assert_allclose(plain, expected, atol=1e-6, rtol=0)


def test_members_that_see_the_same_share_its_preparation(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    make_ensemble([runs["upper"], runs["dull"]], out=tmp_path / "same")
    assert Predictor.load(tmp_path / "same").image_specs == (ImageSpec(32, 24),)


def test_an_ensemble_can_be_a_member(
    ensemble: Path, runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    make_ensemble([ensemble, runs["dull"]], out=tmp_path / "nested")
    predictor = Predictor.load(tmp_path / "nested")
    data = catalog.poster(0)
    plain = plain_scores(predictor, data)
    expected = by_hand([ensemble, runs["dull"]], [0.5, 0.5], data)
    np.testing.assert_allclose(plain, expected, atol=1e-6, rtol=0)


def test_it_says_where_its_members_weights_came_from(
    runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    origin = {"name": "vgg16", "source": "hub", "licence": "bsd-3-clause", "sha256": None}
    upper = colours_run(tmp_path / "upper", catalog, *SPECS["upper"], backbone=origin)
    make_ensemble([upper, runs["lower"]], out=tmp_path / "both")
    make_ensemble([tmp_path / "both", runs["dull"]], out=tmp_path / "nested")
    first, second = read_bundle(tmp_path / "both" / "bundle").members
    assert first.bundle.provenance["backbone"] == origin
    assert "backbone" not in second.bundle.provenance
    nested, _ = read_bundle(tmp_path / "nested" / "bundle").members
    assert [one.bundle.fingerprint for one in nested.bundle.members] == [
        one.bundle.fingerprint for one in (first, second)
    ]


def test_hiding_parts_explains_it_and_what_it_lacks_is_an_error(
    ensemble: Path, catalog: Catalog, tmp_path: Path
) -> None:
    def png(pixels: npt.NDArray[np.uint8]) -> bytes:
        return encoded(Image.fromarray(pixels), "PNG")

    rgb = np.full((132, 90, 3), 90, np.uint8)
    rgb[4:30, 4:30] = (250, 90, 90)
    rgb[100:126, 60:86] = (90, 250, 90)
    predictor = Predictor.load(ensemble)
    red, green = predictor.explain(png(rgb), ["Red", "Green"])
    assert (red.method, red.where) == ("occlusion", "top left")
    assert green.where == "bottom right"
    with pytest.raises(BundleError, match=r"has no maps of its own; .* upper or lower, or hide"):
        predictor.explain(png(rgb), method="activation")
    with pytest.raises(BundleError, match="has no features of its own"):
        Index.build(catalog, out=tmp_path / "index", model=ensemble)
    assert not (tmp_path / "index").exists()


def test_runs_that_cannot_be_averaged_are_refused(
    runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    upper, lower = runs["upper"], runs["lower"]
    out = tmp_path / "out"
    with pytest.raises(RunError, match="two runs or more"):
        make_ensemble([upper], out=out)
    with pytest.raises(RunError, match=r"is the same model as .*; name each once"):
        make_ensemble([upper, lower, upper], out=out)
    with pytest.raises(RunError, match="a bundle does not know its catalog"):
        make_ensemble([upper, lower / "bundle"], out=out)
    Run(tmp_path / "begun").write_origin(catalog)
    with pytest.raises(RunError, match=r"begun: is not finished; .*--resume"):
        make_ensemble([upper, tmp_path / "begun"], out=out)
    out.mkdir()
    with pytest.raises(RunError, match="out: already exists"):
        make_ensemble([upper, lower], out=out)


def test_a_member_that_was_changed_or_exchanged_is_noticed(ensemble: Path, tmp_path: Path) -> None:
    shutil.copytree(ensemble / "bundle", tmp_path / "bundle")
    members = tmp_path / "bundle" / "members"
    (members / "0").rename(members / "x")
    (members / "1").rename(members / "0")
    (members / "x").rename(members / "1")
    with pytest.raises(BundleError, match="0: is not the member that was written"):
        read_bundle(tmp_path / "bundle")
    (members / "0" / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match="0 bytes where"):
        read_bundle(tmp_path / "bundle")


def test_a_run_of_another_vocabulary_is_refused_by_the_first_genre_that_differs(
    runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    bundle = read_bundle(runs["lower"] / "bundle")
    renamed(bundle, other / "bundle", ("Red", "Emerald", "Blue"))
    Run(other).write_origin(catalog)
    with pytest.raises(RunError, match=r"genre 2 is 'Emerald' where .*upper has 'Green'"):
        make_ensemble([runs["upper"], other], out=tmp_path / "out")


def test_a_run_of_another_catalog_or_split_is_refused(
    runs: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    others = colourful(tmp_path, seed=1)
    other = colours_run(tmp_path / "other", others, *SPECS["lower"])
    with pytest.raises(RunError, match="other: was trained on another catalog"):
        make_ensemble([runs["upper"], other], out=tmp_path / "out")
    # The same films, but split differently: what one is tested on, the other may have learned from.
    Run(other).write_origin(catalog, "random")
    with pytest.raises(RunError, match=r"other: was trained on a split of its own \(random\)"):
        make_ensemble([runs["upper"], other], out=tmp_path / "out")


def test_it_has_seen_the_series_that_any_member_has_seen() -> None:
    one, other = tiny_titles(), replace(tiny_titles(), series=stem_hashes(["Moon"]))
    members = [
        cast(Predictor, SimpleNamespace(bundle=SimpleNamespace(films=films)))
        for films in (None, SimpleNamespace(titles=one), SimpleNamespace(titles=other))
    ]
    titles = learned_titles(members)
    assert titles is not None
    assert titles.never_seen(["saw", "moon", "heat"]).tolist() == [False, False, True]
    assert learned_titles(members[:1]) is None
    older = SimpleNamespace(titles=replace(one, series=one.series[:0]))  # does not know its series
    members.append(cast(Predictor, SimpleNamespace(bundle=SimpleNamespace(films=older))))
    unknown = learned_titles(members)
    assert unknown is not None
    assert len(unknown.series) == 0


def test_an_ensemble_that_fails_leaves_nothing(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("keyart.ensemble.make.write_bundle", full)
    with pytest.raises(OSError, match="full"):
        make_ensemble([runs["upper"], runs["lower"]], out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_weights(
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
    assert "scoring the validation split with lower" in shown.err
    monkeypatch.setattr(sys, "argv", ["keyart", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    assert "already exists" in capsys.readouterr().err
