"""Logistic regression near a known model: few films move its weights a little, many films a lot.

The distance from the known weights is penalised, not the size of the weights (L2-SP: Li et al.
2018, arXiv 1802.01483). So without films the answer is the known one. How much to penalise is
chosen by cross-validation over groups of films. That nothing moves is one of the choices, and that
the intercepts alone do. The choice that moves least counts as best if no other is better by more
than a standard error (the one standard error rule): with few films, the errors of cross-validation
moved weights that were right already.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.calibration import sigmoid
from keyart.evaluation.bootstrap import folds_of, group_numbers
from keyart.evaluation.metrics import Flags
from keyart.evaluation.ranking import Floats

# For the shift of an intercept. It is weak, because the rates of genres differ between catalogs.
_STEADY = 3.0


class Weights(NamedTuple):
    """Linear weights (inputs, genres), and the intercepts (genres,)."""

    slopes: Floats
    intercepts: Floats


class Moved(NamedTuple):
    """What to add to known weights, and the penalty that was chosen; infinite if no slope moved."""

    weights: Weights
    penalty: float


def fit_near(
    inputs: Any,
    truth: Flags,
    known: Floats,
    groups: npt.ArrayLike,
    penalties: Sequence[float],
    *,
    counted: Flags | None = None,
) -> Moved:
    """Logistic regressions of all genres on top of what is known: how they move its weights.

    inputs: (films, inputs), dense or sparse. truth: (films, genres). known: the logits (films,
    genres) of the known model. groups: (films,), which stay in one fold. penalties: to choose from,
    besides moving nothing and moving the intercepts alone. counted: (films, genres), the cells that
    say something; None for all.
    """
    cells = np.ones(truth.shape, bool) if counted is None else counted
    fold = folds_of(group_numbers(groups, len(truth)))
    ordered = sorted(penalties, reverse=True)  # the strongest first
    losses = np.zeros((2 + len(ordered), len(truth)))
    for number in range(int(fold.max()) + 1) if fold.max() > 0 else ():
        out = fold == number
        held = inputs[np.flatnonzero(out)]
        for place, moved in enumerate(
            _path(inputs[np.flatnonzero(~out)], truth[~out], cells[~out], known[~out], ordered)
        ):
            losses[place, out] = _losses(held, truth[out], cells[out], known[out], moved)
    best = _least_moving(losses)
    moved = _path(inputs, truth, cells, known, ordered[: max(best - 1, 0)])[best]
    return Moved(moved, ordered[best - 2] if best > 1 else float("inf"))


def fit_plain(inputs: Any, truth: Flags, penalty: float) -> Weights:
    """Logistic regressions of all genres with one penalty, for inputs with a deviation near 1.

    inputs: (films, inputs), dense or sparse. truth: (films, genres).
    """
    rate = (truth.sum(0) + 1) / (len(truth) + 2)
    known = np.log(rate / (1 - rate))
    cells, nothing = np.ones(truth.shape, bool), _nothing(inputs, truth)
    moved = _fit(inputs, truth, cells, np.tile(known, (len(truth), 1)), nothing, penalty)
    return Weights(moved.slopes, known + moved.intercepts)


def _path(
    inputs: Any, truth: Flags, cells: Flags, known: Floats, penalties: Sequence[float]
) -> list[Weights]:
    """What can be chosen: nothing, the intercepts alone, then a fit with each penalty."""
    fits = [_nothing(inputs, truth)]
    for penalty in (None, *penalties):
        fits.append(_fit(inputs, truth, cells, known, fits[-1], penalty))
    return fits


def _nothing(inputs: Any, truth: Flags) -> Weights:
    genres = truth.shape[1]
    return Weights(np.zeros((inputs.shape[1], genres)), np.zeros(genres))


def _fit(
    inputs: Any, truth: Flags, cells: Flags, known: Floats, first: Weights, penalty: float | None
) -> Weights:
    """The least penalised log loss. first: where to look first. penalty: None to move no slope."""
    from scipy.optimize import minimize

    genres = truth.shape[1]

    def unpacked(numbers: Floats) -> tuple[Floats, Floats]:
        table = numbers.reshape(-1, genres)
        return table[:-1], table[-1]

    def loss(numbers: Floats) -> tuple[float, Floats]:
        moved, shift = unpacked(numbers)
        logits = known + shift
        if penalty is not None:
            logits = logits + inputs @ moved
        gap = np.where(cells, sigmoid(logits) - truth, 0.0)
        total = np.logaddexp(0, np.where(truth, -logits, logits))[cells].sum()
        total += _STEADY / 2 * (shift**2).sum()
        slopes = [(gap.sum(0) + _STEADY * shift)[None]]
        if penalty is not None:
            total += penalty / 2 * (moved**2).sum()
            slopes.insert(0, np.asarray(inputs.T @ gap) + penalty * moved)
        return float(total), np.concatenate(slopes).ravel()

    begin = [first.intercepts[None]]
    if penalty is not None:
        begin.insert(0, first.slopes)
    found = minimize(
        loss, np.concatenate(begin).ravel(), jac=True, method="L-BFGS-B",
        options={"maxiter": 200, "maxcor": 6, "ftol": 1e-6},
    )  # fmt: skip
    moved, shift = unpacked(found.x)
    return Weights(first.slopes if penalty is None else moved, shift)


def _least_moving(losses: Floats) -> int:
    """The first choice that is as good as the best, up to the standard error of their difference.

    losses: (choices, films), of films left out, what moves less first.
    """
    if losses.shape[1] < 2:
        return 0
    worse = losses - losses[losses.sum(1).argmin()]
    error = worse.std(1, ddof=1) / np.sqrt(worse.shape[1])
    return int((worse.mean(1) <= error).argmax())


def _losses(inputs: Any, truth: Flags, cells: Flags, known: Floats, moved: Weights) -> Floats:
    """The log loss of each film (films,)."""
    logits = known + np.asarray(inputs @ moved.slopes) + moved.intercepts
    found: Floats = np.where(cells, np.logaddexp(0, np.where(truth, -logits, logits)), 0).sum(1)
    return found
