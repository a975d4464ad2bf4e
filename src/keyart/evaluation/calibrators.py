"""Fitting a calibration: for each genre the curve that is best on held-out films."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keyart.calibration import LARGEST_LOGIT, Calibration, GenreCalibration, sigmoid
from keyart.evaluation.bootstrap import folds_of, group_numbers
from keyart.evaluation.metrics import Flags, checked_scores
from keyart.evaluation.ranking import Floats

# A genre needs this many films with it, and without it, to get a curve of its own.
FEWEST_FILMS = 10
# ... and this many, if a curve is known: 25 validation films gave curves of their own to the common
# genres alone, which cost 0.01 of top class.
FEWEST_TO_CHANGE = 40
# A fitted curve never falls: if a model ranks a genre the wrong way round, its scores become nearly
# constant instead of being reversed by chance. Slopes are in standard deviations of the genre's
# logits.
LEAST_SLOPE = 0.01
# Beyond its first and last knot an isotonic curve rises slightly, to keep the order of films.
TAIL_SLOPE = 0.05
MOST_BINS = 50


@dataclass(frozen=True)
class FittedCalibration:
    """A calibration, and for each genre without a curve of its own (by column) the reason."""

    calibration: Calibration
    fallbacks: dict[int, str]


def fit_calibration(
    logits: npt.ArrayLike,
    truth: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    known: Calibration | None = None,
    unknown: Flags | None = None,
    folds: int = 5,
    seed: int = 0,
) -> FittedCalibration:
    """Fit a curve for each genre on validation films.

    logits, truth: (films, genres). groups: (films,), near-duplicate posters under one name, which
    stay in one fold; None if there are no near-duplicates.

    Each genre gets the method with the least log loss in cross-validation: identity, temperature,
    Platt or isotonic, and the simpler of equals. (Asking a method to win by a standard error was
    tried: on 500 validation films it raised the calibration error from 0.007 to 0.012.) A genre
    that fewer than FEWEST_FILMS films have, or lack, gets the Platt line of all genres together, or
    the identity if there is none. known: of a model that this one started from. Its curves are kept
    unless films enough say how to change what they give. unknown: (genres,), which it does not
    know; these get curves of their own.
    """
    limit = float(np.finfo(np.float64).max)
    values, true = checked_scores(logits, truth, low=-limit, high=limit, name="logits")
    values = np.clip(values, -LARGEST_LOGIT, LARGEST_LOGIT)
    films, genres = true.shape
    group = group_numbers(np.arange(films) if groups is None else groups, films)
    fold = folds_of(group, folds, seed)
    fresh = np.full(genres, known is None) if unknown is None else unknown
    pooled = _pooled(values[:, fresh], true[:, fresh])
    if known is not None:
        values = known.logits(values)
    curves: list[GenreCalibration] = []
    fallbacks: dict[int, str] = {}
    for genre in range(genres):
        column, target = values[:, genre], true[:, genre]
        having = int(target.sum())
        fewest = FEWEST_FILMS if fresh[genre] else FEWEST_TO_CHANGE
        if min(having, films - having) >= fewest and fold.max() > 0:
            curves.append(_best(column, target, fold))
        elif not fresh[genre]:
            curves.append(GenreCalibration("identity"))
            how = "calibrated on the films of the model that it started from"
            fallbacks[genre] = f"too few of {films} films have the genre, or lack it; {how}"
        else:
            curves.append(pooled)
            how = "all genres together" if pooled.method == "platt" else "nothing: plain sigmoid"
            fallbacks[genre] = f"{having} of {films} films have it; calibrated on {how}"
    if known is not None:
        curves = [old.then(new) for old, new in zip(known.genres, curves, strict=True)]
    return FittedCalibration(Calibration(tuple(curves)), fallbacks)


def _best(logits: Floats, truth: Flags, fold: npt.NDArray[np.int64]) -> GenreCalibration:
    losses = [_left_out_loss(fit, logits, truth, fold).mean() for fit in _FITS]
    return _FITS[int(np.argmin(losses))](logits, truth)


def _left_out_loss(fit: "Fit", logits: Floats, truth: Flags, fold: npt.NDArray[np.int64]) -> Floats:
    """Log loss of each film with the curve that was fitted without its fold."""
    loss = np.empty(len(logits))
    for number in range(fold.max() + 1):
        out = fold == number
        calibrated = fit(logits[~out], truth[~out]).apply(logits[out])
        loss[out] = np.logaddexp(0, np.where(truth[out], -calibrated, calibrated))
    return loss


def _pooled(logits: Floats, truth: Flags) -> GenreCalibration:
    having = int(truth.sum())
    if min(having, truth.size - having) < FEWEST_FILMS:
        return _identity(logits, truth)
    return _platt(logits.ravel(), truth.ravel())


def _identity(logits: Floats, truth: Flags) -> GenreCalibration:
    return GenreCalibration("identity")


def _temperature(logits: Floats, truth: Flags) -> GenreCalibration:
    """Guo et al. 2017 (arXiv:1706.04599): one slope, no shift."""
    spread = _spread(logits)
    (steep,) = _newton(logits[:, None] / spread, _targets(truth))
    return GenreCalibration("temperature", max(float(steep), LEAST_SLOPE) / spread)


def _platt(logits: Floats, truth: Flags) -> GenreCalibration:
    """Platt 1999, by the Newton steps of Lin, Lin and Weng 2007: a slope and a shift."""
    targets = _targets(truth)
    ones = np.ones(len(logits))
    # On centred and scaled logits the two steps do not disturb each other.
    centre, spread = float(logits.mean()), _spread(logits)
    scaled = (logits - centre) / spread
    steep, shift = _newton(np.stack([scaled, ones], axis=1), targets)
    if steep < LEAST_SLOPE:
        steep = np.float64(LEAST_SLOPE)
        (shift,) = _newton(ones[:, None], targets, offset=steep * scaled)
    slope = float(steep) / spread
    return GenreCalibration("platt", slope, float(shift) - slope * centre)


def _isotonic(logits: Floats, truth: Flags) -> GenreCalibration:
    """Centred isotonic regression (Oron and Flournoy 2017) on at most MOST_BINS equal bins.

    Its values are at the mean logit of each block and are joined by lines. Unlike with steps, films
    of one block keep their order.
    """
    edges = np.unique(np.quantile(logits, np.linspace(0, 1, MOST_BINS + 1)[1:-1], method="higher"))
    bins = np.searchsorted(edges, logits, side="right")
    having, lacking = _target_values(truth)
    blocks: list[tuple[int, float, int]] = []  # films, sum of logits, films with the genre
    for number in np.unique(bins):
        held = bins == number
        films, at, hits = int(held.sum()), float(logits[held].sum()), int(truth[held].sum())
        while blocks and blocks[-1][2] * films >= hits * blocks[-1][0]:
            before = blocks.pop()
            films, at, hits = films + before[0], at + before[1], hits + before[2]
        blocks.append((films, at, hits))
    knots: list[tuple[float, float]] = []
    for films, at, hits in blocks:
        chance = (hits * having + (films - hits) * lacking) / films
        knot = (at / films, math.log(chance / (1 - chance)))
        # Blocks that differ only by rounding are one knot.
        if not knots or (knot[0] > knots[-1][0] and knot[1] > knots[-1][1]):
            knots.append(knot)
    return GenreCalibration("isotonic", TAIL_SLOPE / _spread(logits), 0.0, tuple(knots))


Fit = Callable[[Floats, Flags], GenreCalibration]
_FITS: tuple[Fit, ...] = (_identity, _temperature, _platt, _isotonic)  # the simplest first


def _targets(truth: Flags) -> Floats:
    """What each film should score: (films,)."""
    return np.asarray(np.where(truth, *_target_values(truth)))


def _target_values(truth: Flags) -> tuple[float, float]:
    """Platt's targets with and without the genre: a little inside 1 and 0.

    They count one more film of the other kind on each side, so that no probability is 0 or 1.
    """
    having = int(truth.sum())
    return (having + 1) / (having + 2), 1 / (truth.size - having + 2)


def _spread(logits: Floats) -> float:
    """Standard deviation, the unit of slopes; 1 if all logits are equal."""
    return float(logits.std()) or 1.0


def _newton(inputs: Floats, targets: Floats, offset: Floats | float = 0.0) -> Floats:
    """The coefficients of least log loss of sigmoid(offset + inputs @ coefficients).

    inputs: (cells, coefficients); targets: (cells,), strictly between 0 and 1, so that the
    minimum is finite.
    """

    def loss(coefficients: Floats) -> float:
        linear = offset + inputs @ coefficients
        return float(np.mean(np.logaddexp(0, linear) - targets * linear))

    coefficients = np.zeros(inputs.shape[1])
    least = loss(coefficients)
    for _ in range(100):
        chance = sigmoid(offset + inputs @ coefficients)
        slope = inputs.T @ (chance - targets) / len(targets)
        bend = (inputs * (chance * (1 - chance))[:, None]).T @ inputs / len(targets)
        step = np.linalg.solve(bend + 1e-10 * np.eye(len(slope)), slope)
        while (tried := loss(coefficients - step)) > least and np.abs(step).max() > 1e-10:
            step = step / 2
        if tried > least:
            break
        coefficients, gained, least = coefficients - step, least - tried, tried
        if gained < 1e-12:
            break
    return coefficients
