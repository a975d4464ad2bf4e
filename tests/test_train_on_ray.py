"""Training on a Ray cluster of this machine, where a worker is lost in the middle."""

import os
import shutil
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from keyart.catalog.catalog import Catalog
from keyart.cluster import connect
from keyart.errors import TrainingError
from keyart.training.board import Board
from keyart.training.callbacks import Callbacks, Step
from keyart.training.on_ray import each
from keyart.training.reports import error_of, failure
from keyart.training.train import train
from tests.test_launch import SETTINGS, trained_by_torchrun
from tests.test_loop import weights
from tests.tiny_catalog import tiny_films

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    return Catalog.build(*tiny_films(folder, range(80)), folder / "catalog").path


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """What names a cluster of two processors on this machine."""
    pytest.importorskip("pandas", reason="Ray Train needs pandas: pip install 'ray[train]'")
    folder = Path(f"/tmp/kt-{os.getpid()}")  # paths of sockets may have 107 letters
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("RAY_TMPDIR", str(folder))
        # Ray reads the token once in a process: the one that the tests of jobs on Ray set.
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
        patch.setattr("keyart.cluster._STORE", 100 << 20)
        folder.mkdir()
        try:
            ray, _ = connect("local", 2)
            yield "local"
            ray.shutdown()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def test_a_training_on_a_cluster_that_lost_a_worker_has_the_weights_of_one_machine(
    catalog: Path, tmp_path: Path, cluster: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = trained_by_torchrun(tmp_path_factory)
    messages: list[str] = []
    rows: list[float] = []

    def lose(step: Step) -> None:
        if step.row is not None:
            rows.append(step.row["validation_loss"])
            if len(rows) == 1:
                os.kill(_workers()[0], signal.SIGKILL)

    callbacks = Callbacks(steps=lose, message=messages.append)
    there = train(
        catalog, out=tmp_path / "there", workers=2, ray=cluster, callbacks=callbacks, **SETTINGS
    )
    assert there.is_finished
    assert "a worker was lost; continuing from the last checkpoint" in messages
    one, other = weights(here), weights(there.path)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not (there.path / "ray").exists()


def test_an_error_on_a_cluster_is_one_line(catalog: Path, tmp_path: Path, cluster: str) -> None:
    with pytest.raises(TrainingError, match=r"^2 workers cannot share a batch of 1 films"):
        train(catalog, out=tmp_path / "run", workers=2, ray=cluster, **SETTINGS | {"batch_size": 1})
    with pytest.raises(TrainingError, match="5 workers, but the cluster has 2 processors"):
        train(catalog, out=tmp_path / "five", workers=5, ray=cluster, **SETTINGS)


def test_of_the_errors_of_several_workers_the_first_workers_counts() -> None:
    board = Board()
    for rank in (1, 0, 2):
        board.fail(rank, failure(TrainingError(f"of worker {rank}")))
    failed = board.failure()
    assert failed is not None
    assert str(error_of(*failed)) == "of worker 0"


@pytest.mark.parametrize(
    ("nodes", "workers", "expected"),
    [([8, 8], 2, 8), ([8, 8], 4, 4), ([4, 4, 4], 2, 4), ([3, 5], 3, 2), ([1], 2, 0), ([], 1, 0)],
)
def test_workers_share_the_processors_of_nodes(
    nodes: list[int], workers: int, expected: int
) -> None:
    assert each(nodes, workers) == expected


def _workers() -> list[int]:
    """The processes of Ray Train's workers."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                name = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if b"RayTrainWorker" in name:
                found.append(int(folder.name))
    return found
