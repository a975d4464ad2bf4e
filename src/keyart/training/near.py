"""Logistic regression near known weights: few films move them a little, many films a lot.

The distance from the known weights is penalised, not the size of the weights (L2-SP: Li et al.
2018, arXiv 1802.01483). So without films the answer is the known one. How much to penalise is
chosen by cross-validation over groups of films. That nothing moves is one of the choices, and that
the intercepts alone do. (Asking what moves more to win by a standard error was tried: with 300
films it kept the old weights, which were a little worse in most draws.)
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.calibration import sigmoid
from keyart.evaluation.bootstrap import group_numbers
from keyart.evaluation.metrics import Flags
from keyart.evaluation.ranking import Floats

FOLDS = 5
# For the shift of an intercept. It is weak, because the rates of genres differ between catalogs.
_STEADY = 3.0


class Weights(NamedTuple):
    """Linear weights (inputs, genres), and the intercepts (genres,)."""

    slopes: Floats
    intercepts: Floats


class Fitted(NamedTuple):
    """The fitted weights, and the penalty that was chosen; infinite if no slope moved."""

    weights: Weights
    penalty: float


def fit_near(
    inputs: Any,
    truth: Flags,
    start: Weights,
    groups: npt.ArrayLike,
    penalties: Sequence[float],
    *,
    counted: Flags | None = None,
) -> Fitted:
    """Logistic regressions of all genres, near the weights `start`.

    inputs: (films, inputs), dense or sparse. truth: (films, genres). groups: (films,), which stay
    in one fold. penalties: to choose from, besides moving nothing and moving the intercepts alone.
    counted: (films, genres), the cells that say something; None for all.
    """
    cells = np.ones(truth.shape, bool) if counted is None else counted
    fold = _folds(group_numbers(groups, len(truth)))
    ordered = sorted(penalties, reverse=True)  # the strongest first
    losses = np.zeros((2 + len(ordered), len(truth)))
    for number in range(int(fold.max()) + 1) if fold.max() > 0 else ():
        out = fold == number
        held = inputs[np.flatnonzero(out)]
        for place, fitted in enumerate(
            _path(inputs[np.flatnonzero(~out)], truth[~out], cells[~out], start, ordered)
        ):
            losses[place, out] = _losses(held, truth[out], cells[out], fitted)
    best = int(losses.sum(1).argmin())  # of equals, what moves less
    fitted = _path(inputs, truth, cells, start, ordered[: max(best - 1, 0)])[best]
    return Fitted(fitted, ordered[best - 2] if best > 1 else float("inf"))


def fit_plain(inputs: Any, truth: Flags, penalty: float) -> Weights:
    """Logistic regressions of all genres with one penalty, for inputs with a deviation near 1.

    inputs: (films, inputs), dense or sparse. truth: (films, genres).
    """
    rate = (truth.sum(0) + 1) / (len(truth) + 2)
    start = Weights(np.zeros((inputs.shape[1], truth.shape[1])), np.log(rate / (1 - rate)))
    return _fit(inputs, truth, np.ones(truth.shape, bool), start, start, penalty)


def _path(
    inputs: Any, truth: Flags, cells: Flags, start: Weights, penalties: Sequence[float]
) -> list[Weights]:
    """What can be chosen: the start, the intercepts alone, then a fit with each penalty."""
    fits = [start, _fit(inputs, truth, cells, start, start, None)]
    for penalty in penalties:
        fits.append(_fit(inputs, truth, cells, start, fits[-1], penalty))
    return fits


def _fit(
    inputs: Any, truth: Flags, cells: Flags, start: Weights, first: Weights, penalty: float | None
) -> Weights:
    """The least penalised log loss. first: where to look first. penalty: None to move no slope."""
    from scipy.optimize import minimize

    known = np.asarray(inputs @ start.slopes)
    genres = truth.shape[1]

    def unpacked(numbers: Floats) -> tuple[Floats, Floats]:
        table = numbers.reshape(-1, genres)
        return table[:-1], table[-1]

    def loss(numbers: Floats) -> tuple[float, Floats]:
        moved, shift = unpacked(numbers)
        logits = known + start.intercepts + shift
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

    begin = [(first.intercepts - start.intercepts)[None]]
    if penalty is not None:
        begin.insert(0, first.slopes - start.slopes)
    found = minimize(
        loss, np.concatenate(begin).ravel(), jac=True, method="L-BFGS-B",
        options={"maxiter": 200, "maxcor": 6, "ftol": 1e-6},
    )  # fmt: skip
    moved, shift = unpacked(found.x)
    slopes = start.slopes if penalty is None else start.slopes + moved
    return Weights(slopes, start.intercepts + shift)


def _losses(inputs: Any, truth: Flags, cells: Flags, weights: Weights) -> Floats:
    """The log loss of each film (films,)."""
    logits = np.asarray(inputs @ weights.slopes) + weights.intercepts
    found: Floats = np.where(cells, np.logaddexp(0, np.where(truth, -logits, logits)), 0).sum(1)
    return found


def _folds(group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A fold for each film; films of one group share it."""
    shuffled = np.random.default_rng(0).permutation(group.max() + 1)
    found: npt.NDArray[np.int64] = (shuffled % FOLDS)[group]
    return found
