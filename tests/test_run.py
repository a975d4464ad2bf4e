"""What a run folder holds is read as it was written, and what is wrong with it is named."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from keyart.errors import BundleError, RunError
from keyart.genres import Vocabulary
from keyart.run import Run, ScoredFilms
from tests.tiny import tiny_bundle


@pytest.fixture(scope="module")
def run(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run.open(make_run(tmp_path_factory.mktemp("runs") / "first"))


def test_a_run_is_opened_by_any_of_its_files(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run"):
        Run.open(tmp_path)
    Run(tmp_path).write_recipe("epochs = 1\n")
    assert Run.open(str(tmp_path)) == Run(tmp_path)
    assert os.fspath(Run(tmp_path)) == str(tmp_path)


def test_a_bundle_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run"):
        Run.open(tiny_bundle(tmp_path / "bundle").path)


def test_films_are_read_as_they_were_written(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    scores = random.random((20, 3)).astype(np.float32).astype(np.float64)
    truth = random.random(scores.shape) < scores
    # A genre may have the name of a column, and a film no genre at all.
    vocabulary = Vocabulary(("Drama", "title", "Sci-Fi & <b>"))
    truth[0] = False
    names = [f"f{film}" for film in range(20)]
    films = ScoredFilms(vocabulary, names, names, names, truth, scores >= 0.5, scores)
    run = Run(tmp_path / "run")
    run.write_predictions("test", films)
    found = run.predictions("test")
    assert found.vocabulary.names == vocabulary.names
    assert (found.film_ids, found.titles, found.groups) == (names, names, names)
    for one, other in (
        (found.truth, truth),
        (found.predicted, scores >= 0.5),
        (found.scores, scores),
    ):
        np.testing.assert_array_equal(one, other)
    few = found.take([3, 1])
    assert few.film_ids == ["f3", "f1"]
    np.testing.assert_array_equal(few.scores, scores[[3, 1]])


def test_metrics_and_history_are_read_as_they_were_written(run: Run) -> None:
    before = run.metrics_path.read_bytes()
    run.write_metrics(run.metrics)
    assert run.metrics_path.read_bytes() == before
    assert run.metrics.name == "first"
    history = run.history
    assert history is not None
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert run.recipe == {"model": "tiny", "epochs": 8}
    assert not run.is_finished
    assert "test mAP 0." in repr(run)


def test_metrics_of_an_older_format_are_named_with_the_remedy(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.metrics_path.write_text(json.dumps({"format": 1, "splits": {}}))
    with pytest.raises(RunError, match=r"metrics.json: format 1, .*keyart evaluate") as raised:
        run.metrics  # noqa: B018
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plain: plain.pop("name"), "damaged"),
        (lambda plain: plain.update(criterion="best"), "damaged"),
        (lambda plain: plain["splits"]["test"]["model"]["metrics"].pop("brier"), "brier"),
        (lambda plain: plain["splits"]["test"].update(model=[]), "damaged"),
        (lambda plain: plain.update(format=5), "format 5"),
    ],
)
def test_damaged_metrics_are_an_error_of_one_line(
    run: Run, tmp_path: Path, change: Callable[[object], object], message: str
) -> None:
    plain = json.loads(run.metrics_path.read_text())
    change(plain)
    damaged = Run(tmp_path)
    damaged.metrics_path.write_text(json.dumps(plain))
    with pytest.raises(RunError, match=message) as raised:
        damaged.metrics  # noqa: B018
    assert "\n" not in str(raised.value)


def test_predictions_that_are_missing_or_damaged_are_an_error_of_one_line(
    run: Run, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"has no predictions-train.parquet.* --split train"):
        run.predictions("train")
    damaged = Run(tmp_path)
    damaged.predictions_path("test").write_bytes(b"PAR1")
    with pytest.raises(RunError, match="damaged"):
        damaged.predictions("test")
    table = pq.read_table(run.predictions_path("test"))
    pq.write_table(table.drop_columns(["predicted"]), damaged.predictions_path("test"))
    with pytest.raises(RunError, match=r"damaged .*does not start with"):
        damaged.predictions("test")


def test_what_a_run_lacks_is_an_error_or_none(tmp_path: Path) -> None:
    run = Run(tmp_path / "begun")
    run.write_recipe("epochs = 1\n")
    assert run.history is None
    assert not run.has_origin
    for read, message in (
        (lambda: run.metrics, "no metrics.json"),
        (lambda: run.origin, "catalog.json is missing"),
        (run.catalog_path, "catalog.json is missing"),
    ):
        with pytest.raises(RunError, match=message):
            read()
    with pytest.raises(BundleError):
        run.bundle  # noqa: B018
    run.recipe_path.unlink()
    with pytest.raises(RunError, match=r"no recipe\.toml"):
        run.recipe_text  # noqa: B018


def test_a_catalog_that_is_gone_is_named(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.origin_path.parent.mkdir(parents=True)
    gone = tmp_path / "gone"
    run.origin_path.write_text(
        json.dumps({"path": str(gone), "fingerprint": "c0ffee", "split": "catalog"})
    )
    assert run.origin.fingerprint == "c0ffee"
    with pytest.raises(RunError, match=r"gone is gone; give one with --catalog"):
        run.catalog_path()
