"""A wanted precision as a promise: the thresholds that keep it on validation films, by a test.

The promise is about all predicted genres together: of 100 of them, at least so many are right. Most
films have only a few genres, so one threshold of calibrated scores for all genres predicts the most
genres at a given precision. A promise for each genre by itself needs as many tests as genres, on
few films each: it silenced more and gave fewer genres (docs/trust.md has the figures).

The threshold is found by Learn then Test with a fixed sequence (Angelopoulos, Bates, Candès, Jordan
and Lei 2021, arXiv:2110.01052). The sequence begins where the scores alone, without the labels,
expect the most certain success, and goes down by hundredths until the first failure. The test is
exact for the binomial (Clopper and Pearson 1934), with fewer trials if the predictions of a group
depend on each other (Korn and Graubard 1998).

A few dozen films prove nothing. A model that starts from another one also counts what that one
proved, as a limited number of predictions, so that many films of its own outweigh it.
"""

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from keyart.evaluation.bootstrap import group_numbers
from keyart.evaluation.metrics import Flags, checked_scores
from keyart.evaluation.ranking import Floats

CONFIDENCE = 0.997
"""How sure a promise is, by the validation films. With it, a promise also holds in 97 of 100
samples of as many other films, which deviate from the truth as much as the validation films do.
With 0.99 it would be 95 on average, and less for some models."""
# A genre contradicts the precision if chance gives so few right predictions less often than this.
_REFUTED = 0.1
_FEWEST = 5  # predictions that show which higher threshold keeps it
_UNKNOWN_CHANCE = 0.05  # of as many right ones, for a genre that nothing else is known of
_LEVELS = np.arange(1, 100) / 100  # the thresholds to choose from
SILENT = 1.0
"""The threshold of a genre that is never predicted."""

# Known thresholds count as so many predictions, evenly of all genres. The right ones are as many as
# chance gives this seldom at the wanted precision. So by themselves they pass the test, with room
# for predictions that are worse by chance: eleven wrong ones in a row at a precision of 0.6.
_KNOWN_PREDICTIONS, _KNOWN_CHANCE = 200, 5e-5


def promised_thresholds(
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    groups: npt.ArrayLike,
    precision: float,
    known: Floats | None = None,
) -> Floats:
    """Thresholds (genres,) that keep a precision: one for all genres, a higher one for some.

    scores: (films, genres), calibrated. truth: (films, genres). groups: (films,), films that are
    not independent under one name. precision: above 0 and below 1. known: (genres,), thresholds
    that kept it for the model that this one started from; NaN for a genre that it does not know. If
    a genre's own predictions contradict the precision, it gets a higher threshold, at which they
    keep it, or SILENT if there is none. All genres are SILENT if no threshold passes the test.
    """
    values, true = checked_scores(scores, truth, low=0, high=1)
    group = group_numbers(groups, len(true))
    alone = _proven(values, true, group, precision, None)
    if known is None or not (known < SILENT).any():
        return alone
    both = _proven(values, true, group, precision, known)
    # With enough films, they prove more by themselves.
    predicted = [((values >= one) & (one < SILENT)).sum() for one in (alone, both)]
    return alone if predicted[0] >= max(1, predicted[1]) else both


def _proven(
    values: Floats,
    true: Flags,
    group: npt.NDArray[np.int64],
    precision: float,
    known: Floats | None,
) -> Floats:
    """The thresholds that pass the test. known: those that count as proven, at least one."""
    genres = true.shape[1]
    floors, lowest = np.zeros(genres), None
    given, wrong_of_given = np.zeros((2, genres), np.int64)
    if known is not None:
        lowest = float(known[known < SILENT].min())
        unknown = np.isnan(known)
        floors = np.where(known < SILENT, known, np.inf)
        for genre in np.flatnonzero(unknown):  # it has nothing but these films
            floors[genre] = _keeping(
                values[:, genre], true[:, genre], lowest, precision, _UNKNOWN_CHANCE
            )
        given[~unknown] = round(_KNOWN_PREDICTIONS / genres)
        wrong_of_given = given - _right_of(given, precision)
    while True:
        level = _lowest_level(np.where(values >= floors, values, 0), true, group, precision, lowest)
        if level is None:
            return np.full(true.shape[1], SILENT)
        thresholds = np.maximum(floors, level)
        refuted = False
        for genre in np.flatnonzero(np.isfinite(floors)):
            cells = values[:, genre] >= thresholds[genre]
            count = int(cells.sum() + given[genre])
            wrong = int((cells & ~true[:, genre]).sum() + wrong_of_given[genre])
            if binomial_tail(wrong, count, 1 - precision) <= _REFUTED:
                floors[genre] = _keeping(
                    values[:, genre], true[:, genre], thresholds[genre], precision
                )
                refuted = True
        if not refuted:
            return np.where(np.isfinite(thresholds), thresholds, SILENT)


def _keeping(
    scores: Floats, truth: Flags, least: float, precision: float, chance: float = 1.0
) -> float:
    """The lowest threshold from `least` on at which a genre keeps the precision; else infinite.

    scores, truth: (films,). chance: that so many are right at the precision; at most this.
    """
    levels = np.append(_LEVELS, np.inf)
    levels = levels[np.searchsorted(levels, least) :]
    # By level: how often the genre is predicted, and how often rightly.
    count, hits = ((cells[:, None] >= levels).sum(0) for cells in (scores, scores[truth]))
    keeps = (count >= _FEWEST) & (hits >= precision * count)
    for level in np.flatnonzero(keeps):
        if binomial_tail(int(hits[level]), int(count[level]), precision) <= chance:
            return float(levels[level])
    return math.inf


def _lowest_level(
    scores: Floats,
    truth: Flags,
    group: npt.NDArray[np.int64],
    precision: float,
    known: float | None,
) -> float | None:
    """The lowest threshold that passes, for all genres together; None if the first one fails.

    known: from this one on, thresholds count as proven.
    """
    levels = len(_LEVELS) + 1
    # By group and level: how many cells have a score from this level up to the next.
    place = group[:, None] * levels + np.searchsorted(_LEVELS, scores, side="right")
    size = (int(group.max()) + 1) * levels

    def counts(weights: npt.NDArray[np.floating] | None = None) -> Floats:
        found = np.bincount(place.ravel(), weights, size).reshape(-1, levels)
        above: Floats = np.cumsum(found[:, ::-1], axis=1)[:, ::-1][:, 1:].astype(np.float64)
        return above

    predicted, hits = counts(), counts(truth.ravel().astype(np.float64))
    total, expected = predicted.sum(0), counts(scores.ravel()).sum(0)
    promise = (expected / np.maximum(total, 1) - precision) * np.sqrt(total)
    start = int(promise.argmax())
    proven = len(_LEVELS) if known is None else int(np.searchsorted(_LEVELS, known))
    if known is not None:
        start = max(start, min(proven, len(_LEVELS) - 1))
    elif promise[start] <= 0:
        return None
    lowest = None
    for level in range(start, -1, -1):
        given = _KNOWN_PREDICTIONS if level >= proven else 0
        if not _is_proven(predicted[:, level], hits[:, level], precision, given):
            break
        lowest = float(_LEVELS[level])
    return lowest


def _is_proven(predicted: Floats, hits: Floats, precision: float, given: int) -> bool:
    """Whether the precision is above the wanted one, by a test.

    predicted, hits: (groups,). given: how many more predictions are known to keep it.
    """
    trials, right = predicted.sum(), hits.sum()
    rate = right / max(trials, 1)
    spread = ((hits - rate * predicted) ** 2).sum()
    design = max(1.0, spread / (trials * rate * (1 - rate))) if 0 < rate < 1 else 1.0
    known = _right_of(np.array(given), precision)
    successes = math.floor(right / design) + int(known)
    failures = math.ceil((trials - right) / design) + given - int(known)
    return binomial_tail(successes, successes + failures, precision) <= 1 - CONFIDENCE


def _right_of(given: npt.NDArray[np.int64], precision: float) -> npt.NDArray[np.int64]:
    """How many of the predictions that known thresholds count as are right."""
    right: npt.NDArray[np.int64] = np.rint(given * _known_rate(precision)).astype(np.int64)
    return right


@cache
def _known_rate(precision: float) -> float:
    """The share of right ones of the predictions that known thresholds count as."""
    for right in range(_KNOWN_PREDICTIONS):
        if binomial_tail(right, _KNOWN_PREDICTIONS, precision) <= _KNOWN_CHANCE:
            return right / _KNOWN_PREDICTIONS
    return 1.0


def binomial_tail(successes: int, trials: int, rate: float) -> float:
    """The chance of at least so many successes in independent trials. rate: above 0, below 1."""
    if successes <= 0:
        return 1.0
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    count = np.arange(successes, trials + 1)
    ways = logs[trials] - logs[count] - logs[trials - count]
    terms = ways + count * math.log(rate) + (trials - count) * math.log1p(-rate)
    return min(1.0, float(np.exp(terms).sum()))
