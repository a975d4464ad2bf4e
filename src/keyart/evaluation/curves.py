"""Curves for charts: each point is a metric at one threshold or bin.

scores, truth: (cells,), the films of one genre, or all film x genre cells in a row. Scores are as
in metrics; NaN and other shapes raise ValueError.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.evaluation.metrics import (
    Flags,
    bin_of,
    checked_scores,
    film_mean,
    film_weights,
    label_accuracy,
    precision_recall_f1,
)
from keyart.evaluation.ranking import Floats, ratio


class PrecisionRecallCurve(NamedTuple):
    """Precision and recall at each distinct score as the threshold, from the highest down.

    Average precision is sum(diff(recall, prepend=0) * precision).
    """

    precision: Floats
    recall: Floats
    thresholds: Floats


class RocCurve(NamedTuple):
    """A point for each distinct score, from the highest down, after (0, 0) at infinity."""

    false_positive_rate: Floats
    true_positive_rate: Floats
    thresholds: Floats


class CalibrationCurve(NamedTuple):
    """For each bin that holds a cell: mean score, rate of truth, and number of cells."""

    score: Floats
    rate: Floats
    cells: Floats


class ThresholdSweep(NamedTuple):
    """Metrics of predicted = scores >= threshold, with one threshold for every genre."""

    thresholds: Floats
    label_accuracy: Floats
    hamming_loss: Floats
    precision_samples: Floats
    recall_samples: Floats
    f1_samples: Floats
    precision_micro: Floats
    recall_micro: Floats
    f1_micro: Floats
    f1_macro: Floats
    genres_per_film: Floats


def precision_recall_curve(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> PrecisionRecallCurve:
    """Precision against recall. Recall is NaN if no cell is true."""
    hits, others, thresholds = _counts(scores, truth, weights)
    return PrecisionRecallCurve(ratio(hits, hits + others), ratio(hits, hits[-1:]), thresholds)


def roc_curve(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> RocCurve:
    """True positives over all positives against false positives over all negatives.

    A rate is NaN if it has no cells.
    """
    hits, others, thresholds = _counts(scores, truth, weights)
    hits, others = np.append(0.0, hits), np.append(0.0, others)
    return RocCurve(
        ratio(others, others[-1:]), ratio(hits, hits[-1:]), np.append(np.inf, thresholds)
    )


def calibration_curve(
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    bins: int = 15,
    strategy: Literal["width", "mass"] = "width",
) -> CalibrationCurve:
    """How often cells of a score are true.

    strategy: "width" bins are those of the expected calibration error; "mass" bins hold about as
    many cells each, which shows more of a rare genre, because its scores are all low.
    """
    values, true, count = _cells(scores, truth, weights, low=0, high=1)
    if strategy == "width":
        place = bin_of(values, bins)
    else:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
        place = np.searchsorted(edges, values, side="right")
    sums = [
        np.bincount(place, weights=summed, minlength=bins).astype(np.float64)
        for summed in (count, count * values, count * true)
    ]
    cells, score, hits = (part[sums[0] > 0] for part in sums)
    return CalibrationCurve(score / cells, hits / cells, cells)


def threshold_sweep(
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    points: int = 101,
) -> ThresholdSweep:
    """The metrics at `points` thresholds from 0 to 1. scores, truth: (films, genres)."""
    values, true = checked_scores(scores, truth, low=0, high=1)
    thresholds = np.linspace(0, 1, points)
    rows = []
    for threshold in thresholds:
        chosen = values >= threshold
        accuracy = label_accuracy(chosen, true, weights)
        samples = precision_recall_f1(chosen, true, "samples", weights)
        micro = precision_recall_f1(chosen, true, "micro", weights)
        macro = precision_recall_f1(chosen, true, "macro", weights)
        count = film_mean(chosen.sum(axis=1), weights)
        rows.append([accuracy, 1 - accuracy, *samples, *micro, macro.f1, count])
    return ThresholdSweep(thresholds, *np.array(rows, dtype=np.float64).T)


def _counts(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """From the highest score down: true and other cells so far, at each distinct score."""
    values, true, count = _cells(scores, truth, weights)
    order = np.argsort(-values, kind="stable")
    values, true, count = values[order], true[order], count[order]
    last = np.append(np.flatnonzero(values[1:] != values[:-1]), len(values) - 1)
    return np.cumsum(count * true)[last], np.cumsum(count * ~true)[last], values[last]


def _cells(
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    low: float = -np.inf,
    high: float = np.inf,
) -> tuple[Floats, Flags, Floats]:
    if np.ndim(scores) != 1 or np.ndim(truth) != 1:
        raise ValueError(
            f"expected scores and truth as (cells,), got {np.shape(scores)}, {np.shape(truth)}"
        )
    values, true = checked_scores(
        np.asarray(scores)[:, None], np.asarray(truth)[:, None], low=low, high=high
    )
    return values[:, 0], true[:, 0], film_weights(weights, len(values))
