"""training/launch.py: workers on this machine, one that is lost, and errors in one line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from keyart.catalog.catalog import Catalog
from keyart.errors import TrainingError
from keyart.run import Run
from keyart.training import launch
from keyart.training.callbacks import Callbacks, Step
from keyart.training.join import LostWorkerError
from keyart.training.reports import Job, Report, Teller, error_of, failure
from keyart.training.train import train
from tests.made_once import made_once
from tests.test_loop import weights
from tests.tiny_catalog import tiny_films

SETTINGS: dict[str, Any] = {
    "backbone": "posternet-small", "height": 32, "width": 24, "batch_size": 16, "epochs": 2,
    "head_epochs": 2, "warmup_epochs": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    return Catalog.build(*tiny_films(folder, range(80)), folder / "catalog").path


def job(catalog: Path, run: Path, **settings: Any) -> list[str]:
    """The command that trains in two workers."""
    changes = [f"--set={key}={value}" for key, value in (SETTINGS | settings).items()]
    return [sys.executable, "-m", "keyart", "train", str(catalog), f"--out={run}", *changes]


def trained_by_torchrun(factory: pytest.TempPathFactory) -> Path:
    """The undisturbed run of two workers; torchrun started them."""

    def make(folder: Path) -> None:
        catalog = Catalog.build(*tiny_films(folder, range(80)), folder / "catalog").path
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m"]
        command = [*torchrun, *job(catalog, folder / "run")[2:]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("report:") == 1  # the second worker prints nothing

    return made_once(factory, "torchrun", make) / "run"


@pytest.fixture(scope="module")
def by_torchrun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_by_torchrun(tmp_path_factory)


def test_a_killed_worker_costs_a_message_and_no_weight(
    catalog: Path, tmp_path: Path, by_torchrun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    messages: list[str] = []
    rows: list[float] = []
    begin = launch._Process.begin

    def note(process: launch._Process, *arguments: Any) -> None:
        started.append(process._process.pid)
        begin(process, *arguments)

    def kill(step: Step) -> None:
        if step.row is not None:
            rows.append(step.row["validation_loss"])
            if len(rows) == 3:  # in the second stage
                os.kill(started[1], signal.SIGKILL)

    monkeypatch.setattr(launch._Process, "begin", note)
    callbacks = Callbacks(steps=kill, message=messages.append)
    run = train(catalog, out=tmp_path / "run", workers=2, callbacks=callbacks, **SETTINGS)
    assert run.is_finished
    assert len(started) == 4
    assert "worker 1 was killed (signal 9); continuing from the last checkpoint" in messages
    assert len(rows) == 4
    one, other = weights(by_torchrun), weights(run.path)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.distributed.is_initialized()  # it is left to whoever trains


def test_an_error_of_the_workers_ends_all_of_them_with_one_line(
    catalog: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"^2 workers cannot share a batch of 1 films"):
        train(catalog, out=tmp_path / "run", workers=2, **SETTINGS | {"batch_size": 1})


def test_workers_leave_ctrl_c_to_the_process_that_started_them_and_end_with_it(
    catalog: Path, tmp_path: Path
) -> None:
    command = [*job(catalog, tmp_path / "run", epochs=10_000), "--workers=2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    _epoch_has_ended(process)
    workers = set(_members(process.pid)) - {process.pid}
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker, signal.SIGINT)
    _epoch_has_ended(process)
    _epoch_has_ended(process)
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while _members(process.pid):
        assert time.monotonic() < deadline, "workers are left"
        time.sleep(0.05)


def _epoch_has_ended(process: "subprocess.Popen[str]") -> None:
    """Wait for an epoch. On a busy machine, lines about its pixels come before the first."""
    assert process.stderr is not None
    assert any(line.startswith("epoch") for line in process.stderr), "the training has ended"


def _members(session: int) -> list[int]:
    """The processes of a session that still run."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(folder.name))
    return found


def test_a_full_disk_of_a_worker_is_the_same_error_here(tmp_path: Path) -> None:
    error = error_of(0, failure(OSError(28, "No space left on device", "run/last.safetensors")))
    assert isinstance(error, OSError)
    assert (error.errno, error.filename) == (28, "run/last.safetensors")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (TrainingError("no films"), "worker 2: no films"),
        (ZeroDivisionError("division\nby zero"), "worker 2: ZeroDivisionError: division by zero"),
    ],
)
def test_an_error_of_a_worker_is_one_line_that_names_it(raised: Exception, expected: str) -> None:
    error = error_of(2, failure(raised))
    assert isinstance(error, TrainingError)
    assert str(error) == expected


def test_epochs_that_are_trained_again_are_told_once() -> None:
    told: list[Step] = []
    teller = Teller(Callbacks(steps=told.append))
    for epoch, seconds in ((1, 2.0), (2, 2.0), (1, 3.0), (2, 3.0), (3, 3.0)):
        row = {"epoch": epoch, "seconds": seconds, "validation_loss": 1 / epoch}
        report: Report = {"step": vars(Step(epoch, 3, 5, 5, 0.5, 0.1, row))}
        teller.tell(report)
    assert [step.epoch for step in told] == [1, 2, 3]


def test_workers_that_are_lost_again_and_again_end_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempts: list[int] = []

    def lose(*_: object) -> None:
        attempts.append(1)
        raise LostWorkerError("worker 1 was killed (signal 9)")

    monkeypatch.setattr(launch, "_attempt", lose)
    messages: list[str] = []
    with pytest.raises(LostWorkerError, match="signal 9"):
        launch.train_here(Job("", "", ""), 2, Callbacks(message=messages.append))
    assert len(attempts) == 1 + launch.RESTARTS
    assert len(messages) == launch.RESTARTS


def test_a_random_forest_does_not_train_in_workers(catalog: Path, tmp_path: Path) -> None:
    from keyart.errors import RecipeError

    with pytest.raises(RecipeError, match="trains in one process"):
        train(catalog, "random-forest", out=tmp_path / "run", workers=2)
    assert not Run(tmp_path / "run").exists()
