"""training/loop.py: it learns, it repeats itself exactly, and nothing stops it for good."""

import csv
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from keyart.errors import RunError, TrainingError
from keyart.models.classifier import build_classifier
from keyart.run import Run
from keyart.training import loop
from keyart.training.averaging import evaluating, follow, start_average
from keyart.training.callbacks import Callbacks, Step
from keyart.training.checkpoint import load_tensors
from keyart.training.images import as_found
from keyart.training.loop import Examples, fit
from keyart.training.machine import Compiled, Machine, choose_machine
from keyart.training.recipe import Recipe
from keyart.training.sources import PixelSource, Whole
from keyart.training.state import LoopState
from keyart.training.workers import ALONE, Workers
from tests.forks import forks_of

MACHINE = Machine(torch.device("cpu"), bf16=False, compile=False)
RECIPE = Recipe().with_settings(
    backbone="posternet-small",
    height=32,
    width=24,
    epochs=5,
    batch_size=16,
    warmup_epochs=0.5,
    ema_decay=0.9,
    learning_rate=3e-3,
)


class StopHereError(Exception):
    pass


PLAIN = RECIPE.with_settings(
        epochs=1, flip=False, zoom=0, shift=0, crop=0, colour=0, erase=0, dropout=0,
    ema_decay=None, optimizer="sgd", learning_rate=0.01,
)  # fmt: skip


@pytest.fixture(autouse=True)
def checkpoint_after_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)


def colour_films(recipe: Recipe, films: int = 96) -> Examples:
    """Films; their two genres are a red and a green cast, under noise."""
    random = np.random.default_rng(0)
    truth = random.random((films, 2)) < 0.5
    shape = (films, recipe.data.height, recipe.data.width, 3)
    pixels = random.integers(0, 120, shape, dtype=np.uint8)
    pixels[..., 0] += (truth[:, 0] * 90).astype(np.uint8)[:, None, None]
    pixels[..., 1] += (truth[:, 1] * 90).astype(np.uint8)[:, None, None]
    rows = np.arange(films)
    train, validation = as_found(rows[: films * 2 // 3]), as_found(rows[films * 2 // 3 :])
    return Examples(PixelSource(pixels, recipe, MACHINE), truth, train, validation)


def trained(
    run: Path,
    recipe: Recipe = RECIPE,
    *,
    machine: Machine = MACHINE,
    watch: Callable[[Step], None] = lambda step: None,
    workers: Workers = ALONE,
    change: Callable[[torch.nn.Module], None] = lambda model: None,
) -> LoopState:
    torch.set_num_threads(1)  # so small a network only waits for a second one
    torch.manual_seed(recipe.optimisation.seed)
    model = build_classifier(recipe.network.backbone, recipe.spec, 2, recipe.network.dropout)
    change(model)
    trainee = Whole(model, None, 0)
    examples = colour_films(recipe)
    callbacks = Callbacks(steps=watch)
    return fit(trainee, examples, recipe, machine, Run(run), callbacks, model.state_dict, workers)


@pytest.fixture(scope="module")
def plainly_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("plain")
    trained(run, PLAIN)
    return run


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_tensors(run / "checkpoints" / "best.safetensors")[0]


def equal(first: Path, second: Path) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_it_learns_what_can_be_learned(tmp_path: Path) -> None:
    state = trained(tmp_path, RECIPE.with_settings(epochs=12, colour=0.0))
    assert state.history[-1]["validation_mean_average_precision"] > 0.95
    assert state.history[-1]["validation_loss"] < 0.8 * state.history[0]["validation_loss"]


def test_the_history_has_a_row_an_epoch(tmp_path: Path) -> None:
    state = trained(tmp_path)
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert float(rows[2]["validation_loss"]) == state.history[2]["validation_loss"]


def test_two_runs_of_a_recipe_have_equal_weights_and_another_seed_has_others(
    tmp_path: Path,
) -> None:
    trained(tmp_path / "a")
    trained(tmp_path / "b")
    trained(tmp_path / "c", RECIPE.with_settings(seed=1))
    assert equal(tmp_path / "a", tmp_path / "b")
    assert not equal(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_training_that_stops_within_an_epoch_resumes_to_the_same_weights(
    tmp_path: Path, optimizer: str
) -> None:
    recipe = RECIPE.with_settings(optimizer=optimizer, dropout=0.3)
    trained(tmp_path / "whole", recipe)

    def stop(step: Step) -> None:
        if step.epoch == 3 and step.step == 2:
            raise StopHereError

    with pytest.raises(StopHereError):
        trained(tmp_path / "cut", recipe, watch=stop)
    assert trained(tmp_path / "cut", recipe).epochs_done == 5
    assert equal(tmp_path / "whole", tmp_path / "cut")


def train_slowly(run: str) -> None:
    """What a process does that is to be killed."""
    loop._SECONDS_BETWEEN_CHECKPOINTS = 0.0
    trained(Path(run), watch=lambda step: time.sleep(0.05))


def test_a_killed_process_resumes_to_the_same_weights(tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    last = cut / "checkpoints" / "last.safetensors"

    def written_since(moment: int) -> bool:
        return last.exists() and last.stat().st_mtime_ns > moment

    with forks_of(__name__) as forks:
        # While the first weights are being written; right after a checkpoint; within an epoch.
        for point, pause in (("writing", 0.0), ("written", 0.0), ("written", 0.15)):
            begun = time.time_ns()
            process = forks.start("train_slowly", str(cut))
            reached = False
            while not reached:
                assert forks.runs(process), "it ended before it could be killed"
                writing = cut.exists() and any(cut.rglob(".*.partial"))
                reached = writing if point == "writing" else written_since(begun)
                time.sleep(0.0005)
            time.sleep(pause)
            os.kill(process, signal.SIGKILL)
            assert forks.wait(process) == -signal.SIGKILL
    assert 1 <= len((cut / "history.csv").read_text().splitlines()) - 1 < RECIPE.optimisation.epochs
    trained(cut)
    trained(tmp_path / "whole")
    assert equal(tmp_path / "whole", cut)
    histories = [(run / "history.csv").read_text() for run in (tmp_path / "whole", cut)]
    without_times = [re.sub(r"(?m)^(\d+),[\d.]+,", r"\1,", history) for history in histories]
    assert without_times[0] == without_times[1]


def test_a_loss_that_is_not_a_number_stops_and_says_where(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"loss became (nan|inf) in epoch \d, step \d"):
        trained(
            tmp_path,
            RECIPE.with_settings(
                learning_rate=1000.0, warmup_epochs=0.0, optimizer="sgd", batch_size=8
            ),
        )


def test_weights_that_break_in_the_last_step_of_an_epoch_are_found_in_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @torch.no_grad()
    def breaks(optimizer: torch.optim.SGD, closure: None = None) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.fill_(torch.nan)

    monkeypatch.setattr(torch.optim.SGD, "step", breaks)
    recipe = RECIPE.with_settings(optimizer="sgd", batch_size=500, ema_decay=None)
    with pytest.raises(TrainingError, match="loss became nan in epoch 1, validation; no epoch"):
        trained(tmp_path, recipe)


def test_the_best_weights_are_kept_if_a_loss_breaks_before_the_next_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", 1e9)

    def poison(step: Step) -> None:
        if step.epoch == 3:
            monkeypatch.setattr(loop, "loss_of", lambda _, logits, truth: logits * torch.nan)

    with pytest.raises(TrainingError, match=r"in epoch 3, step 2; .*best.safetensors has epoch"):
        trained(tmp_path, watch=poison)
    assert all(torch.isfinite(tensor).all() for tensor in weights(tmp_path).values())


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "focal"}, {"loss": "asymmetric"}, {"balance": "inverse"}, {"balance": "study"},
        {"mixup": 0.5}, {"cutmix": 0.5},
        {"flip": True}, {"zoom": 0.1}, {"shift": 0.1}, {"crop": 0.2}, {"colour": 0.2},
        {"erase": 0.5}, {"randaugment": 9}, {"ema_decay": 0.9}, {"dropout": 0.5},
    ],
    ids=lambda change: "+".join(change),
)  # fmt: skip
def test_every_key_of_learning_changes_what_is_learned(
    change: dict[str, Any], plainly_trained: Path, tmp_path: Path
) -> None:
    trained(tmp_path, PLAIN.with_settings(**change))
    assert not equal(plainly_trained, tmp_path)


def test_weights_by_first_genre_train_differently_from_weights_by_genre(tmp_path: Path) -> None:
    for by in ("genre", "first_genre"):
        trained(tmp_path / by, PLAIN.with_settings(balance="study", balance_by=by))
    assert not equal(tmp_path / "genre", tmp_path / "first_genre")


def test_early_stopping_ends_the_training(tmp_path: Path) -> None:
    recipe = RECIPE.with_settings(epochs=30, early_stopping_patience=2, min_delta=10.0)
    assert trained(tmp_path, recipe).epochs_done == 3


def test_a_damaged_checkpoint_is_an_error_of_one_line(tmp_path: Path) -> None:
    trained(tmp_path, RECIPE.with_settings(epochs=1))
    file = tmp_path / "checkpoints" / "last.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(RunError, match="missing or damaged"):
        trained(tmp_path)
    file.unlink()
    trained(tmp_path / "other", RECIPE.with_settings(epochs=1, backbone="posternet"))
    (tmp_path / "other" / "checkpoints" / "last.safetensors").rename(file)
    with pytest.raises(RunError, match="not a checkpoint of this recipe"):
        trained(tmp_path)


def test_fewer_films_than_a_batch_still_train(tmp_path: Path) -> None:
    assert trained(tmp_path, RECIPE.with_settings(batch_size=500, epochs=2)).epochs_done == 2


def test_the_average_follows_the_weights_and_evaluating_gives_them_back() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    average = start_average(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    follow(average, model, step=10_000, decay=0.75)
    assert torch.allclose(average["0.weight"], before["0.weight"] + 0.25)
    with evaluating(model, average):
        modes = [model.training]
        assert torch.equal(model.state_dict()["0.weight"], average["0.weight"])
    assert [*modes, model.training] == [False, True]
    assert torch.allclose(model.state_dict()["0.weight"], before["0.weight"] + 1)


def test_a_failing_compiler_is_reported_and_training_continues() -> None:
    said: list[str] = []
    function = Compiled(lambda x: x + 1, Machine(torch.device("cpu"), False, True), said.append)

    def broken(*_: object) -> None:
        raise RuntimeError("no C++ compiler\nlong story")

    function._fast = broken
    assert function(1) == 2
    assert function(2) == 3
    assert len(said) == 1
    assert "no C++ compiler" in said[0]
    assert "long story" not in said[0]


def test_only_trainings_that_are_long_enough_compile() -> None:
    assert not choose_machine("fp32", "auto", 100).compile
    assert choose_machine("fp32", "auto", 1e6).compile
    assert choose_machine("fp32", "on", 1).compile
    assert not choose_machine("bf16", "off", 1e6).compile
    assert choose_machine("bf16", "off", 1).bf16


def test_bf16_learns_too(tmp_path: Path) -> None:
    machine = Machine(torch.device("cpu"), bf16=True, compile=False)
    state = trained(tmp_path, RECIPE.with_settings(epochs=8), machine=machine)
    assert state.history[-1]["validation_mean_average_precision"] > 0.9


def test_a_logit_beyond_the_range_of_exp_is_a_score_of_0_without_a_warning() -> None:
    logits = np.array([[-800, 800], [800, -800]], dtype=np.float32)
    row = loop.validation_metrics(logits, np.array([[False, True], [True, False]]))
    assert row["validation_label_accuracy"] == 1
