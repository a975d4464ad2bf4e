"""The loop: epochs over posters, a validation after each, and a checkpoint with everything."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from keyart.errors import TrainingError
from keyart.evaluation import metrics
from keyart.run import Run
from keyart.training.augment import draw_mixture
from keyart.training.averaging import evaluating, follow, start_average
from keyart.training.balance import cell_weights, genre_weights
from keyart.training.callbacks import Callbacks, Row, Step
from keyart.training.checkpoint import load_checkpoint, save_checkpoint, save_tensors
from keyart.training.freezing import training_mode
from keyart.training.images import Images
from keyart.training.losses import loss_of
from keyart.training.machine import Compiled, Machine, repeatable
from keyart.training.optimizer import build_optimizer
from keyart.training.recipe import Recipe
from keyart.training.schedule import learning_rate, momentum_of
from keyart.training.sources import Source
from keyart.training.state import LoopState, monitored
from keyart.training.workers import ALONE, Workers

# Writing a large head takes longer than training it for an epoch. A killed training loses at most
# this much.
_SECONDS_BETWEEN_CHECKPOINTS = 20.0


@dataclass(frozen=True)
class Examples:
    """The examples of a training.

    source: gives batches. truth: (films, genres) of the whole catalog. train, validation: the
    images of the two splits that training may see. teacher: returns scores and features of an
    augmented batch. lines: (2, genres), slopes and intercepts that make log-odds of the logits;
    None if they are log-odds.
    """

    source: Source
    truth: npt.NDArray[np.bool_]
    train: Images
    validation: Images
    teacher: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
    lines: Tensor | None = None


def fit(
    trainee: nn.Module,
    examples: Examples,
    recipe: Recipe,
    machine: Machine,
    run: Run,
    callbacks: Callbacks,
    weights: Callable[[], Mapping[str, Tensor]],
    workers: Workers = ALONE,
) -> LoopState:
    """Train by `recipe`, starting from the last checkpoint of `run` if there is one.

    trainee: takes a batch of the examples' source, returns (logits, features). weights: returns the
    tensors for the best checkpoint. The last checkpoint and history.csv are written too. A training
    that was killed and resumes ends with the same weights as one that ran through: all random draws
    of an epoch come from (seed, epoch) alone. workers: share each batch and the validation films;
    the first of them writes. Raises TrainingError if the loss or a score is NaN or infinite; the
    best epoch's weights are kept.
    """
    opt, reg = recipe.optimisation, recipe.regularisation
    train = examples.train
    batch_size = min(opt.batch_size, len(train))
    steps = len(train) // batch_size
    training = workers.ready(trainee.to(machine.device), batch_size)
    optimizer = build_optimizer(
        trainee,
        opt.optimizer,
        learning_rate=opt.learning_rate,
        momentum=opt.momentum,
        weight_decay=reg.weight_decay,
        layer_decay=reg.layer_decay,
    )
    average = start_average(trainee) if reg.ema_decay is not None else None
    state = LoopState()
    with workers.copy(run.last_checkpoint) as checkpoint:
        if checkpoint is not None:
            state = load_checkpoint(checkpoint, trainee, average, optimizer)

    counts = examples.truth[train.rows].sum(0)
    by_genre = genre_weights(opt.balance, counts, len(train))
    loss_weights = torch.from_numpy(by_genre).float().to(machine.device)

    lines = None if examples.lines is None else examples.lines.to(machine.device)

    def log_odds(logits: Tensor) -> Tensor:
        return logits.float() if lines is None else logits.float() * lines[0] + lines[1]

    def forward(batch: Tensor, truth: Tensor, wanted: Tensor | None) -> tuple[Tensor, Tensor]:
        with machine.arithmetic():
            logits, features = training(batch)
        logits = log_odds(logits)
        cells = loss_of(opt.loss, logits, truth)
        loss = (cells * cell_weights(loss_weights, truth, opt.balance_by)).mean()
        if wanted is not None:
            similarity = F.cosine_similarity(features.float(), wanted, dim=1).mean()
            loss = loss + reg.feature_weight * (1 - similarity)
        return loss, logits

    def infer(batch: Tensor) -> Tensor:
        with torch.no_grad(), machine.arithmetic():
            return log_odds(trainee(batch)[0])

    forward_, infer_ = (
        Compiled(function, machine, callbacks.message) for function in (forward, infer)
    )
    best: Mapping[str, Tensor] | None = None  # of an epoch that is in no file yet
    written = time.monotonic()

    def score() -> npt.NDArray[np.float32]:
        """Logits of the validation films."""
        films, part = examples.validation, len(workers.part(batch_size))
        own = films.take(workers.part(len(films)))
        logits = all_logits(infer_, examples.source, own, part)
        return workers.gathered(logits, (len(films), examples.truth.shape[1]))

    def keep_best() -> None:
        nonlocal best
        if best is not None and workers.leads:
            save_tensors(run.best_checkpoint, best, {"epoch": str(state.best_epoch)})
        best = None

    if recipe.network.start is not None and not state.epochs_done:
        # What the training starts from is kept if no epoch is better.
        with evaluating(trainee, None):
            known = score()
        row_ = validation_metrics(known, examples.truth[examples.validation.rows])
        state.best = monitored(row_, recipe)
        best = {name: tensor.detach().clone() for name, tensor in weights().items()}

    while state.epochs_done < opt.epochs and not state.stopped:
        epoch, started = state.epochs_done, time.monotonic()
        seeds = np.random.SeedSequence([opt.seed, epoch]).generate_state(4)
        order = np.random.default_rng(seeds[0]).permutation(len(train))
        draws = torch.Generator().manual_seed(int(seeds[1]))
        mixing = np.random.default_rng(seeds[3])
        repeatable(workers.seed(int(seeds[2])))
        training_mode(trainee, freeze_batch_norm=recipe.network.freeze_batch_norm)
        losses, hits = 0.0, 0.0
        for step in range(steps):
            rate = _set_rates(optimizer, recipe, state, step, steps)
            images = train.take(order[step * batch_size : (step + 1) * batch_size])
            batch, truth, wanted = _batch(examples, images, recipe, machine, draws, mixing, workers)
            loss, logits = forward_(batch, truth, wanted)
            (loss * workers.scale(batch_size)).backward()
            optimizer.step()
            optimizer.zero_grad()
            if average is not None and reg.ema_decay is not None:
                follow(average, trainee, epoch * steps + step, reg.ema_decay)
            right = ((logits.detach() > 0) == (truth > 0.5)).float().mean()
            value, hit = workers.means((loss.item(), right.item()), batch_size)
            if not np.isfinite(value):
                keep_best()
                raise _diverged(run, recipe, state, value, f"step {step + 1}")
            losses += value
            hits += hit
            callbacks.steps(Step(epoch + 1, opt.epochs, step + 1, steps, value, rate))

        with evaluating(trainee, average):
            logits_ = score()
            if not np.isfinite(logits_).all():
                keep_best()
                raise _diverged(run, recipe, state, np.nan, "validation")
            row: Row = {
                "epoch": epoch + 1,
                "seconds": round(time.monotonic() - started, 2),
                "learning_rate": rate,
                "train_loss": losses / steps,
                "train_label_accuracy": hits / steps,
                **validation_metrics(logits_, examples.truth[examples.validation.rows]),
            }
            row = workers.agreed(row)
            state.take(row, recipe)
            if state.best_epoch == state.epochs_done or recipe.ending.keep == "last":
                best = {name: tensor.detach().clone() for name, tensor in weights().items()}
        ended = state.stopped or state.epochs_done == opt.epochs
        due = ended or time.monotonic() - written > _SECONDS_BETWEEN_CHECKPOINTS
        if workers.leads and due:
            # The best weights first: the checkpoint names their epoch, so they must be there.
            keep_best()
            save_checkpoint(run.last_checkpoint, state, trainee, average, optimizer)
            written = time.monotonic()
        if workers.leads:
            run.write_history(state.history)
        callbacks.steps(Step(epoch + 1, opt.epochs, steps, steps, value, rate, row))
    return state


def _set_rates(
    optimizer: torch.optim.Optimizer, recipe: Recipe, state: LoopState, step: int, steps: int
) -> float:
    """Set the learning rate and momentum of a step of the epoch after `state`. Returns the rate."""
    opt, epoch = recipe.optimisation, state.epochs_done
    rate = state.rate_factor * learning_rate(
        epoch * steps + step,
        peak=opt.learning_rate,
        warmup=round(opt.warmup_epochs * steps),
        total=opt.epochs * steps,
        final=opt.final_learning_rate,
        cosine=opt.schedule == "cosine",
    )
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
        if "momentum" in group:
            group["momentum"] = momentum_of(epoch, opt.epochs, opt.momentum, opt.final_momentum)
    return rate


def _batch(
    examples: Examples,
    images: Images,
    recipe: Recipe,
    machine: Machine,
    draws: torch.Generator,
    mixing: np.random.Generator,
    workers: Workers,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """A worker's part of a batch: augmented and mixed, with a teacher's scores if there is one.

    Returns the batch, its truth (films, genres) in [0, 1], and the features that the teacher gives
    it, if the recipe asks for them.
    """
    data, reg = recipe.data, recipe.regularisation
    truth = torch.from_numpy(examples.truth[images.rows]).float().to(machine.device)
    own = workers.part(len(images))
    mixture = draw_mixture(len(images), mixing, mixup=data.mixup, cutmix=data.cutmix)
    if mixture is None:
        batch, truth = examples.source.changed(images, draws, own), truth[own]
    else:
        partner = mixture.partner[own]  # it may be another worker's film
        needed, places = np.unique([own, partner], return_inverse=True)
        changed = examples.source.changed(images, draws, needed)
        mine, others = places.reshape(2, -1)
        batch, truth = mixture.of(changed[mine], truth[own], changed[others], truth[partner])
    if examples.teacher is None:
        return batch, truth, None
    scores, features = examples.teacher(batch)
    truth = torch.lerp(truth, scores, reg.teacher_weight)
    return batch, truth, features if reg.feature_weight else None


def _diverged(
    run: Run, recipe: Recipe, state: LoopState, value: float, where: str
) -> TrainingError:
    """The error of an epoch after `state` that cannot go on."""
    kept = "no epoch ended before"
    if state.epochs_done:
        good = state.best_epoch if recipe.ending.keep == "best" else state.epochs_done
        kept = f"{run.best_checkpoint} has epoch {good}"
    return TrainingError(
        f"{run.path}: the loss became {value} in epoch {state.epochs_done + 1}, {where}; {kept}. "
        "Train again with a lower learning_rate"
    )


def all_logits(
    infer: Callable[[Tensor], Tensor], source: Source, images: Images, batch: int
) -> npt.NDArray[np.float32]:
    """Logits (images, genres) of a source's images, batch by batch."""
    found = []
    for start in range(0, len(images), batch):
        places = np.arange(start, min(start + batch, len(images)))
        # The last batch repeats an image: with one shape for all, nothing is compiled twice.
        full = np.concatenate([places, np.repeat(places[-1:], batch - len(places))])
        logits = infer(source.plain(images.take(full)))
        found.append(logits[: len(places)].cpu().numpy())
    return np.concatenate(found) if found else np.empty((0, 0), np.float32)


def validation_metrics(logits: npt.NDArray[np.float32], truth: npt.NDArray[np.bool_]) -> Row:
    """The validation metrics of the history. logits, truth: (films, genres)."""
    loss = F.binary_cross_entropy_with_logits(
        torch.from_numpy(logits), torch.from_numpy(truth).float()
    )
    with np.errstate(over="ignore"):  # of a logit below -709, whose score is 0
        scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return {
        "validation_loss": loss.item(),
        "validation_label_accuracy": float(((scores >= 0.5) == truth).mean()),
        "validation_mean_average_precision": float(metrics.mean_average_precision(scores, truth)),
        "validation_top_class": float(metrics.top_class(scores, truth)),
    }
