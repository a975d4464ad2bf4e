"""The loop: epochs over posters, a validation after each, a checkpoint that carries everything."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from keyart.errors import TrainingError
from keyart.evaluation import metrics
from keyart.files import write_csv
from keyart.training.augment import mix
from keyart.training.averaging import evaluating, follow, start_average
from keyart.training.balance import cell_weights, genre_weights
from keyart.training.checkpoint import load_checkpoint, save_checkpoint, save_tensors
from keyart.training.freezing import training_mode
from keyart.training.images import Images
from keyart.training.losses import loss_of
from keyart.training.machine import Compiled, Machine, repeatable
from keyart.training.optimizer import build_optimizer
from keyart.training.recipe import Recipe
from keyart.training.schedule import learning_rate, momentum_of
from keyart.training.sources import Source
from keyart.training.state import LoopState, Row

LAST, BEST = "last.safetensors", "best.safetensors"

# A large head takes longer to write down than to train for an epoch; a killed training loses at
# most this long.
_SECONDS_BETWEEN_CHECKPOINTS = 20.0


@dataclass(frozen=True)
class Examples:
    """What is learned from.

    source: of batches. truth: (films, genres) of the whole catalog. train, validation: the images
    of the two parts that training may see. teacher: of a changed batch, its scores and features.
    """

    source: Source
    truth: npt.NDArray[np.bool_]
    train: Images
    validation: Images
    teacher: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None


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
    trainee: nn.Module,
    examples: Examples,
    recipe: Recipe,
    machine: Machine,
    folder: Path,
    watch: Callable[[Progress], None],
    say: Callable[[str], None],
    weights: Callable[[], Mapping[str, Tensor]],
) -> LoopState:
    """Train by `recipe`, going on from the last checkpoint in `folder`/checkpoints, if any.

    trainee: takes a batch of the examples' source, gives (logits, features). weights: gives the
    tensors to keep of the trainee as it stands, for checkpoints/best.safetensors. Also leaves
    checkpoints/last.safetensors and history.csv. A training that was killed and goes on ends with
    the same weights as one that ran through: all draws of an epoch come from (seed, epoch) alone.
    Raises TrainingError when the loss or a score is no longer a number; the best epoch's weights
    are kept then too.
    """
    trainee.to(machine.device)
    optimizer = build_optimizer(
        trainee,
        recipe.optimisation.optimizer,
        learning_rate=recipe.optimisation.learning_rate,
        momentum=recipe.optimisation.momentum,
        weight_decay=recipe.regularisation.weight_decay,
        layer_decay=recipe.regularisation.layer_decay,
    )
    average = start_average(trainee) if recipe.regularisation.ema_decay is not None else None
    checkpoints = folder / "checkpoints"
    state = LoopState()
    if (checkpoints / LAST).exists():
        state = load_checkpoint(checkpoints / LAST, trainee, average, optimizer)

    source, train = examples.source, examples.train
    counts = examples.truth[train.rows].sum(0)
    by_genre = genre_weights(recipe.optimisation.balance, counts, len(train))
    loss_weights = torch.from_numpy(by_genre).float().to(machine.device)

    def forward(batch: Tensor, truth: Tensor, wanted: Tensor | None) -> tuple[Tensor, Tensor]:
        with machine.arithmetic():
            logits, features = trainee(batch)
        logits = logits.float()
        cells = loss_of(recipe.optimisation.loss, logits, truth)
        loss = (cells * cell_weights(loss_weights, truth, recipe.optimisation.balance_by)).mean()
        if wanted is not None:
            likeness = F.cosine_similarity(features.float(), wanted, dim=1).mean()
            loss = loss + recipe.regularisation.feature_weight * (1 - likeness)
        return loss, logits

    def infer(batch: Tensor) -> Tensor:
        with torch.no_grad(), machine.arithmetic():
            logits: Tensor = trainee(batch)[0].float()
        return logits

    forward_, infer_ = Compiled(forward, machine, say), Compiled(infer, machine, say)
    batch_size = min(recipe.optimisation.batch_size, len(train))
    steps = len(train) // batch_size
    best: Mapping[str, Tensor] | None = None  # of an epoch that no file has yet
    written = time.monotonic()

    def keep_best() -> None:
        nonlocal best
        if best is not None:
            save_tensors(checkpoints / BEST, best, {"epoch": str(state.best_epoch)})
            best = None

    def diverged(value: float, where: str) -> TrainingError:
        keep_best()
        good = state.best_epoch if recipe.ending.keep == "best" else epoch
        kept = f"{checkpoints / BEST} holds epoch {good}" if epoch else "no epoch ended before"
        return TrainingError(
            f"{folder}: the loss became {value} in epoch {epoch + 1}, {where}; {kept}. "
            "Train anew with a lower learning_rate"
        )

    while state.epochs_done < recipe.optimisation.epochs and not state.stopped:
        epoch, started = state.epochs_done, time.monotonic()
        seeds = np.random.SeedSequence([recipe.optimisation.seed, epoch]).generate_state(4)
        order = np.random.default_rng(seeds[0]).permutation(len(train))
        draws = torch.Generator().manual_seed(int(seeds[1]))
        mixing = np.random.default_rng(seeds[3])
        repeatable(int(seeds[2]))
        training_mode(trainee, freeze_batch_norm=recipe.network.freeze_batch_norm)
        losses, hits = 0.0, 0.0
        for step in range(steps):
            images = train.take(order[step * batch_size : (step + 1) * batch_size])
            truth = torch.from_numpy(examples.truth[images.rows]).float().to(machine.device)
            rate = state.rate_factor * learning_rate(
                epoch * steps + step,
                peak=recipe.optimisation.learning_rate,
                warmup=round(recipe.optimisation.warmup_epochs * steps),
                total=recipe.optimisation.epochs * steps,
                final=recipe.optimisation.final_learning_rate,
                cosine=recipe.optimisation.schedule == "cosine",
            )
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
                if "momentum" in group:
                    group["momentum"] = momentum_of(
                        epoch,
                        recipe.optimisation.epochs,
                        recipe.optimisation.momentum,
                        recipe.optimisation.final_momentum,
                    )
            changed, truth = mix(
                source.changed(images, draws),
                truth,
                mixing,
                mixup=recipe.data.mixup,
                cutmix=recipe.data.cutmix,
            )
            wanted = None
            if examples.teacher is not None:
                scores, features = examples.teacher(changed)
                truth = torch.lerp(truth, scores, recipe.regularisation.teacher_weight)
                wanted = features if recipe.regularisation.feature_weight else None
            loss, logits = forward_(changed, truth, wanted)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if average is not None and recipe.regularisation.ema_decay is not None:
                follow(average, trainee, epoch * steps + step, recipe.regularisation.ema_decay)
            value = loss.item()
            if not np.isfinite(value):
                raise diverged(value, f"step {step + 1}")
            losses += value
            hits += ((logits.detach() > 0) == (truth > 0.5)).float().mean().item()
            watch(Progress(epoch + 1, recipe.optimisation.epochs, step + 1, steps, value, rate))

        with evaluating(trainee, average):
            logits_ = all_logits(infer_, source, examples.validation, batch_size)
            if not np.isfinite(logits_).all():
                raise diverged(np.nan, "validation")
            row: Row = {
                "epoch": epoch + 1,
                "seconds": round(time.monotonic() - started, 2),
                "learning_rate": rate,
                "train_loss": losses / steps,
                "train_label_accuracy": hits / steps,
                **validation_figures(logits_, examples.truth[examples.validation.rows]),
            }
            state.take(row, recipe)
            if state.best_epoch == state.epochs_done or recipe.ending.keep == "last":
                best = {name: tensor.detach().clone() for name, tensor in weights().items()}
        ended = state.stopped or state.epochs_done == recipe.optimisation.epochs
        if ended or time.monotonic() - written > _SECONDS_BETWEEN_CHECKPOINTS:
            # The best first: a checkpoint may only tell of an epoch whose weights are kept.
            keep_best()
            save_checkpoint(checkpoints / LAST, state, trainee, average, optimizer)
            written = time.monotonic()
        write_csv(folder / "history.csv", list(row), [list(r.values()) for r in state.history])
        watch(Progress(epoch + 1, recipe.optimisation.epochs, steps, steps, value, rate, row))
    return state


def all_logits(
    infer: Callable[[Tensor], Tensor], source: Source, images: Images, batch: int
) -> npt.NDArray[np.float32]:
    """Logits (images, genres) of a source's images, batch by batch."""
    parts = []
    for start in range(0, len(images), batch):
        places = np.arange(start, min(start + batch, len(images)))
        # One shape for all batches, so that nothing is compiled twice: the last repeats an image.
        full = np.concatenate([places, np.repeat(places[-1:], batch - len(places))])
        logits = infer(source.plain(images.take(full)))
        parts.append(logits[: len(places)].cpu().numpy())
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
