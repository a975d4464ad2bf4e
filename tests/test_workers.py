"""training/workers.py: several workers train the network that one process trains."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from keyart.errors import TrainingError
from keyart.run import Run
from keyart.training import loop
from keyart.training.callbacks import Step
from keyart.training.join import joined_here
from keyart.training.machine import Machine
from keyart.training.workers import ALONE, Workers
from tests.forks import Forks, forks_of
from tests.test_loop import MACHINE, RECIPE, trained, weights

# Every kind of random draw.
RECIPE_ = RECIPE.with_settings(
    epochs=2, optimizer="sgd", learning_rate=0.02, dropout=0.3, mixup=0.4, cutmix=0.4, randaugment=5
)
RECIPES = {
    "without-norm": RECIPE_,
    "uneven": RECIPE_.with_settings(batch_size=15),
    "bf16": RECIPE_,
    "with-norm": RECIPE_,
    # Dropout on pixels, in channels_last.
    "study": RECIPE_.with_settings(backbone="milestone-scratch", width=32, epochs=1),
}
BF16 = Machine(torch.device("cpu"), bf16=True, compile=False)


def train_all(folder: Path, workers: Workers = ALONE) -> None:
    """The trainings that one process and two workers are compared by."""
    for name, recipe in RECIPES.items():
        machine = BF16 if name == "bf16" else MACHINE
        change = (lambda model: None) if name == "with-norm" else leave_norms_out
        trained(folder / name, recipe, machine=machine, workers=workers, change=change)


def leave_norms_out(model: nn.Module) -> None:
    """Replace batch normalisations, which see a batch, by ones that see one film."""
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.GroupNorm(1, child.num_features))


def lose_one(folder: Path, workers: Workers) -> None:
    """Worker 1 ends in the third epoch of "cut"; "whole" is the same training without that."""

    def end(step: Step) -> None:
        if workers.rank == 1 and step.epoch == 3 and step.step == 2:
            os._exit(9)

    trained(folder / "whole", RECIPE, workers=workers)
    trained(folder / "cut", RECIPE, workers=workers, watch=end)


def resume(folder: Path, workers: Workers) -> None:
    """Continue "cut"."""
    trained(folder / "cut", RECIPE, workers=workers)


def train_all_and_lose_one(folder: Path, workers: Workers) -> None:
    """All that two workers do at first."""
    train_all(folder, workers)
    lose_one(folder, workers)


def work(job: str, folder: str, port: str, rank: str) -> None:
    """What a worker's process does."""
    loop._SECONDS_BETWEEN_CHECKPOINTS = 0.0
    jobs: dict[str, Callable[[Path, Workers], None]] = {
        "train": train_all_and_lose_one,
        "resume": resume,
    }
    try:
        with joined_here(int(port), int(rank), 2) as group:
            jobs[job](Path(folder), group)
    except TrainingError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(1)


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forks_of(__name__, OMP_NUM_THREADS="1") as made:
        yield made


def two_workers(forks: Forks, job: str, folder: Path) -> list[str]:
    """Do a job in two workers. Returns what each of them printed."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    said = [folder / f"{job}-{rank}" for rank in range(2)]
    processes = [
        forks.start("work", job, str(folder), str(store.port), str(rank), out=said[rank])
        for rank in range(2)
    ]
    for process in processes:
        forks.wait(process)
    return [file.read_text() for file in said]


@pytest.fixture(scope="module")
def compared(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of the trainings by one process, and by two workers."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    printed, _ = two_workers(forks, "train", two)
    assert printed.startswith("LostWorkerError: another worker ended or does not answer")
    train_all(one)
    return one, two


def difference(one: Path, two: Path) -> float:
    """The largest difference of a weight, next to how far the weights are from zero."""
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    gaps = [
        float((first[name] - second[name]).abs().max() / first[name].abs().max().clamp(min=0.1))
        for name in first
        if first[name].is_floating_point()
    ]
    return max(gaps)


@pytest.mark.parametrize(
    ("name", "rounding"),
    [
        ("without-norm", 1e-5),
        ("uneven", 1e-5),
        ("bf16", 1e-2),
        ("with-norm", 1e-5),
        ("study", 1e-5),
    ],
)
def test_two_workers_train_the_network_of_one_process_within_rounding(
    compared: tuple[Path, Path], name: str, rounding: float
) -> None:
    one, two = (folder / name for folder in compared)
    assert difference(one, two) < rounding
    for loss in ("train_loss", "validation_loss"):
        losses = [history[loss] for run in (one, two) if (history := Run(run).history) is not None]
        assert losses[0] == pytest.approx(losses[1], abs=rounding)


def test_a_training_that_lost_a_worker_resumes_to_the_same_weights(
    compared: tuple[Path, Path], forks: Forks
) -> None:
    _, folder = compared
    epochs = (folder / "cut" / "history.csv").read_text().splitlines()
    assert len(epochs) == 1 + 2
    assert two_workers(forks, "resume", folder) == ["", ""]
    whole, cut = weights(folder / "whole"), weights(folder / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
