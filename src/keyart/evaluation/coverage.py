"""What a model predicts with the precision it promises, and for how many films it is unsure.

A film is unsure if none of its genres is predicted. The coverage curve shows more than
this one point: films are ordered by confidence, which is their highest score, and for each share
of them, the surest first, the curve gives how often the genre with the highest score is right.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.evaluation.bootstrap import WeightedMetrics
from keyart.evaluation.metrics import Flags, checked_flags, checked_scores, film_mean, film_weights
from keyart.evaluation.ranking import Floats, ratio

COVERAGES = tuple(tenths / 10 for tenths in range(1, 11))
"""The shares of films at which metrics.json has the coverage curve."""


class Answered(NamedTuple):
    """The films that get a genre.

    share: of all films. top_class: how often the genre with the highest score is right. precision:
    the share of their predicted genres that is right. NaN if there are no such films. recall: the
    share of the true genres of all films that is predicted. genres: predicted ones a film.
    """

    share: Floats
    top_class: Floats
    precision: Floats
    recall: Floats
    genres: Floats


def answered(
    scores: npt.ArrayLike,
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
) -> Answered:
    """The metrics of the films that are not unsure. weights: as in metrics."""
    values, true = checked_scores(scores, truth)
    chosen, _ = checked_flags(predicted, truth)
    rows = film_weights(weights, len(true))
    sure = np.asarray(chosen.any(axis=1))
    right = _top_is_right(values, true)
    predictions, hits = chosen.sum(axis=1), (chosen & true).sum(axis=1)
    return Answered(
        film_mean(sure, weights),
        ratio(rows @ (sure & right), rows @ sure)[()],
        ratio(rows @ hits, rows @ predictions)[()],
        ratio(rows @ hits, rows @ true.sum(axis=1))[()],
        film_mean(predictions, weights),
    )


class CoverageCurve(NamedTuple):
    """A point for each distinct confidence.

    covered: shares of films, rising to 1. top_class: how often the genre with their highest score
    is right. confidence: the highest score of the least sure film among them.
    """

    covered: Floats
    top_class: Floats
    confidence: Floats


def coverage_curve(scores: npt.ArrayLike, truth: npt.ArrayLike) -> CoverageCurve:
    """A point for each distinct confidence, the surest first. scores, truth: (films, genres)."""
    values, true = checked_scores(scores, truth)
    ranked = _Confidence(values, true)
    films, hits = ranked.so_far(np.ones((1, len(true))))
    return CoverageCurve(films[0] / len(true), hits[0] / films[0], ranked.levels)


def top_class_at(
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    coverage: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
) -> Floats:
    """How often the genre with the highest score is right for the surest `coverage` of films.

    coverage: (points,), shares above 0, up to 1. If a share ends within films of equal confidence,
    each of them counts in part, so that their order does not matter. Returns (points,), or
    (resamples, points) for weights (resamples, films); NaN if no film has weight.
    """
    values, true = checked_scores(scores, truth)
    rows = film_weights(weights, len(true))
    found = _Confidence(values, true).top_class_at(np.asarray(coverage), np.atleast_2d(rows))
    return found if rows.ndim == 2 else found[0]


def unsure_metrics(
    scores: npt.ArrayLike, predicted: npt.ArrayLike, truth: npt.ArrayLike
) -> WeightedMetrics:
    """The metrics of unsure films as a function of film weights (resamples, films).

    "share" of unsure films, "top_class" and "precision" of the others, "recall" and "genres" a film
    of all, "curve" at COVERAGES. The films are sorted here, once.
    """
    values, true = checked_scores(scores, truth)
    ranked = _Confidence(values, true)

    def weighted(weights: Floats) -> dict[str, Floats]:
        found = answered(values, predicted, true, weights)
        return {
            "share": 1 - found.share,
            "top_class": found.top_class,
            "precision": found.precision,
            "recall": found.recall,
            "genres": found.genres,
            "curve": ranked.top_class_at(np.array(COVERAGES), weights),
        }

    return weighted


class _Confidence:
    """Films from the surest down; films of equal confidence are one block."""

    def __init__(self, scores: Floats, truth: Flags) -> None:
        surest = scores.max(axis=1)
        self._order = np.argsort(-surest, kind="stable")
        ranked = surest[self._order]
        self._last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
        self._right = _top_is_right(scores, truth)[self._order]
        self.levels = ranked[self._last]

    def top_class_at(self, coverage: Floats, weights: Floats) -> Floats:
        """(resamples, points), see the function of this name."""
        films, hits = self.so_far(weights)
        # A cut through a block takes its films at their average: a line from end to end.
        films, hits = (np.pad(count, ((0, 0), (1, 0))) for count in (films, hits))
        wanted = coverage * films[:, -1:]
        reached = [np.interp(*row) for row in zip(wanted, films, hits, strict=True)]
        return ratio(np.array(reached), wanted)

    def so_far(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weight of films, and of those whose top genre is right, down to each block's end."""
        ranked = weights[:, self._order]
        films = np.cumsum(ranked, axis=1)[:, self._last]
        hits = np.cumsum(ranked * self._right, axis=1)[:, self._last]
        return films, hits


def _top_is_right(scores: Floats, truth: Flags) -> Flags:
    """Whether the highest score of each film is a true genre; of equal scores the first counts."""
    top = scores.argmax(axis=1)[:, None]
    right: Flags = np.take_along_axis(truth, top, axis=1)[:, 0]
    return right
