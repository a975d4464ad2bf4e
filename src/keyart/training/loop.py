"""The loop: epochs over posters, a validation after each, a checkpoint that carries everything."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from keyart.errors import TrainingError
from keyart.evaluation import metrics
from keyart.files import write_csv
from keyart.images.decode import Pixels
from keyart.models.classifier import GenreClassifier
from keyart.training.augment import augment
from keyart.training.averaging import evaluating, follow, start_average
from keyart.training.balance import genre_weights
from keyart.training.checkpoint import load_checkpoint, save_checkpoint, save_tensors
from keyart.training.machine import Compiled, Machine, repeatable
from keyart.training.optimizer import build_optimizer
from keyart.training.recipe import Recipe
from keyart.training.schedule import learning_rate
from keyart.training.state import LoopState, Row

LAST, BEST = "last.safetensors", "best.safetensors"


@dataclass(frozen=True)
class Examples:
    """What is learned from.

    pixels: (films, height, width, 3) bytes of the whole catalog. truth: (films, genres).
    train, validation: the rows of the two parts that training may see.
    """

    pixels: Pixels
    truth: npt.NDArray[np.bool_]
    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Progress:
    """Where the loop is, for whoever watches. `row`: the history's, at the end of an epoch."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    learning_rate: float
    row: Row | None = None


def fit(
    model: GenreClassifier,
    examples: Examples,
    recipe: Recipe,
    machine: Machine,
    run: Path,
    watch: Callable[[Progress], None],
    say: Callable[[str], None],
) -> LoopState:
    """Train `model` by `recipe`, going on from the last checkpoint in the folder `run`, if any.

    Leaves checkpoints/last.safetensors, checkpoints/best.safetensors (the weights to use) and
    history.csv. A training that was killed and goes on ends with the same weights as one that
    ran through: all draws of an epoch come from (seed, epoch) alone.
    Raises TrainingError when the loss is no longer a number.
    """
    model.to(machine.device)
    optimizer = build_optimizer(
        model,
        recipe.optimizer,
        learning_rate=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
    )
    average = start_average(model) if recipe.average_decay is not None else None
    checkpoints = run / "checkpoints"
    state = LoopState()
    if (checkpoints / LAST).exists():
        state = load_checkpoint(checkpoints / LAST, model, average, optimizer)

    weights = genre_weights(recipe.balance, examples.truth[examples.train].sum(0))
    loss_weights = torch.from_numpy(weights).float().to(machine.device)

    def forward(pixels: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        with machine.arithmetic():
            logits = model(pixels).float()
        return F.binary_cross_entropy_with_logits(logits, truth, weight=loss_weights), logits

    def infer(pixels: Tensor) -> Tensor:
        with torch.no_grad(), machine.arithmetic():
            logits: Tensor = model(pixels).float()
        return logits

    forward_, infer_ = Compiled(forward, machine, say), Compiled(infer, machine, say)
    batch = min(recipe.batch_size, len(examples.train))
    steps = len(examples.train) // batch

    while state.epochs_done < recipe.epochs and not state.stopped:
        epoch, started = state.epochs_done, time.monotonic()
        seeds = np.random.SeedSequence([recipe.seed, epoch]).generate_state(3)
        order = np.random.default_rng(seeds[0]).permutation(examples.train)
        draws = torch.Generator().manual_seed(int(seeds[1]))
        repeatable(int(seeds[2]))
        model.train()
        losses, hits = 0.0, 0.0
        for step in range(steps):
            rows = order[step * batch : (step + 1) * batch]
            pixels = torch.from_numpy(examples.pixels[rows]).to(machine.device)
            truth = torch.from_numpy(examples.truth[rows]).float().to(machine.device)
            rate = state.rate_factor * learning_rate(
                epoch * steps + step,
                peak=recipe.learning_rate,
                warmup=round(recipe.warmup_epochs * steps),
                total=recipe.epochs * steps,
                final=recipe.final_learning_rate,
                cosine=recipe.schedule == "cosine",
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            changed = augment(
                pixels,
                draws,
                flip=recipe.flip,
                zoom=recipe.zoom,
                shift=recipe.shift,
                colour=recipe.colour,
                erase=recipe.erase,
            )
            loss, logits = forward_(changed, truth)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if average is not None and recipe.average_decay is not None:
                follow(average, model, epoch * steps + step, recipe.average_decay)
            value = loss.item()
            if not np.isfinite(value):
                raise TrainingError(
                    f"{run}: the loss became {value} in epoch {epoch + 1}, step {step + 1}; its "
                    f"checkpoints hold epoch {epoch}. Train anew with a lower learning_rate"
                )
            losses += value
            hits += ((logits.detach() > 0) == (truth > 0)).float().mean().item()
            watch(Progress(epoch + 1, recipe.epochs, step + 1, steps, value, rate))

        with evaluating(model, average):
            logits_ = all_logits(infer_, examples.pixels, examples.validation, batch, machine)
            row: Row = {
                "epoch": epoch + 1,
                "seconds": round(time.monotonic() - started, 2),
                "learning_rate": rate,
                "train_loss": losses / steps,
                "train_label_accuracy": hits / steps,
                **validation_figures(logits_, examples.truth[examples.validation]),
            }
            state.take(row, recipe)
            if state.best_epoch == state.epochs_done or recipe.keep == "last":
                save_tensors(checkpoints / BEST, model.state_dict(), {"epoch": str(epoch + 1)})
        save_checkpoint(checkpoints / LAST, state, model, average, optimizer)
        write_csv(run / "history.csv", list(row), [list(r.values()) for r in state.history])
        watch(Progress(epoch + 1, recipe.epochs, steps, steps, value, rate, row))
    return state


def all_logits(
    infer: Callable[[Tensor], Tensor],
    pixels: Pixels,
    rows: npt.NDArray[np.int64],
    batch: int,
    machine: Machine,
) -> npt.NDArray[np.float32]:
    """Logits (len(rows), genres) of these rows of pixels, batch by batch."""
    parts = []
    for start in range(0, len(rows), batch):
        chosen = rows[start : start + batch]
        # One shape for all batches, so that nothing is compiled twice: the last repeats a row.
        full = np.concatenate([chosen, np.repeat(chosen[-1:], batch - len(chosen))])
        logits = infer(torch.from_numpy(pixels[full]).to(machine.device))
        parts.append(logits[: len(chosen)].cpu().numpy())
    return np.concatenate(parts)


def validation_figures(logits: npt.NDArray[np.float32], truth: npt.NDArray[np.bool_]) -> Row:
    """The history's figures of the validation part. logits, truth: (films, genres)."""
    loss = F.binary_cross_entropy_with_logits(
        torch.from_numpy(logits), torch.from_numpy(truth).float()
    )
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return {
        "validation_loss": loss.item(),
        "validation_label_accuracy": float(((scores >= 0.5) == truth).mean()),
        "validation_mean_average_precision": float(metrics.mean_average_precision(scores, truth)),
        "validation_top_class": float(metrics.top_class(scores, truth)),
    }
