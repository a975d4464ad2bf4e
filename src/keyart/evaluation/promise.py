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
_LEVELS = np.arange(1, 100) / 100  # the thresholds to choose from
SILENT = 1.0
"""The threshold of a genre that is never predicted."""

# Known thresholds count as so many predictions, evenly of all genres; the share of right ones is
# this far on the way from the precision to 1. By themselves these pass the test, with room for some
# dozen predictions that are worse by chance.
_KNOWN_PREDICTIONS, _KNOWN_MARGIN = 200, 1 / 3


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
    that kept it for the model that this one started from. If a genre's own predictions contradict
    the precision, it gets a higher threshold, at which they keep it, or SILENT if there is none.
    All genres are SILENT if no threshold passes the test.
    """
    values, true = checked_scores(scores, truth, low=0, high=1)
    group = group_numbers(groups, len(true))
    alone = _proven(values, true, group, precision, None)
    if known is None or (known >= SILENT).all():
        return alone
    both = _proven(values, true, group, precision, known)
    # With enough films, they prove more by themselves.
    predicted = [((values >= one) & (one < SILENT)).sum() for one in (alone, both)]
    return alone if predicted[0] >= predicted[1] else both


def _proven(
    values: Floats,
    true: Flags,
    group: npt.NDArray[np.int64],
    precision: float,
    known: Floats | None,
) -> Floats:
    """The thresholds that pass the test. known: those that count as proven."""
    levels = np.append(_LEVELS, np.inf)
    genres = true.shape[1]
    floors, lowest, given, wrong_of_given = np.zeros(genres), None, 0, 0
    if known is not None:
        floors, lowest = np.where(known < SILENT, known, np.inf), float(known.min())
        given = round(_KNOWN_PREDICTIONS / genres)
        wrong_of_given = given - _right_of(given, precision)
    while True:
        level = _lowest_level(np.where(values >= floors, values, 0), true, group, precision, lowest)
        if level is None:
            return np.full(true.shape[1], SILENT)
        thresholds = np.maximum(floors, level)
        refuted = False
        for genre in np.flatnonzero(np.isfinite(floors)):
            above = np.searchsorted(levels, thresholds[genre])
            # By level: how often the genre is predicted, and how often rightly.
            count, hits = (
                (cells[:, None] >= levels[above:]).sum(0)
                for cells in (values[:, genre], values[true[:, genre], genre])
            )
            wrong = int(count[0] - hits[0]) + wrong_of_given
            if binomial_tail(wrong, int(count[0]) + given, 1 - precision) <= _REFUTED:
                keeps = (count >= _FEWEST) & (hits >= precision * count)
                keeps[-1] = True  # never predicted
                floors[genre] = levels[above:][keeps.argmax()]
                refuted = True
        if not refuted:
            return np.where(np.isfinite(thresholds), thresholds, SILENT)


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
    known = _right_of(given, precision)
    successes = math.floor(right / design) + known
    failures = math.ceil((trials - right) / design) + given - known
    return binomial_tail(successes, successes + failures, precision) <= 1 - CONFIDENCE


def _right_of(given: int, precision: float) -> int:
    """How many of the predictions that known thresholds count as are right."""
    return round(given * (precision + _KNOWN_MARGIN * (1 - precision)))


def binomial_tail(successes: int, trials: int, rate: float) -> float:
    """The chance of at least so many successes in independent trials. rate: above 0, below 1."""
    if successes <= 0:
        return 1.0
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    count = np.arange(successes, trials + 1)
    ways = logs[trials] - logs[count] - logs[trials - count]
    terms = ways + count * math.log(rate) + (trials - count) * math.log1p(-rate)
    return min(1.0, float(np.exp(terms).sum()))
