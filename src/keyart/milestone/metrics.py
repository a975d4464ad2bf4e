"""The metrics of the study: as it computed them, and, for those that were wrong, as they should be.

scores, truth: (films, genres) everywhere, scores from 0 to 1. A genre is predicted if its score is
at least the threshold, which is the same for all genres.

The precision of a film with no predicted genre is 0, as is the recall of a film without a genre
(the convention of `keyart.evaluation.metrics`). This agrees with what the study printed: its VGG16
predicted a genre for at most 440 of 800 films, and its precision of 0.301 is a mean over all 800.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.evaluation import metrics
from keyart.evaluation.curves import threshold_sweep
from keyart.evaluation.ranking import Floats, ratio
from keyart.model_metrics import METRICS, Metric

POINTS = 101  # thresholds of the sweep: 0, 0.01 ... 1
HALF = 0.5
LOW = 0.33  # the other threshold at which the study gives the Hamming loss

# Keras clips probabilities here before it takes logarithms.
_EPSILON = 1e-7

STUDY_METRICS: Mapping[str, Metric] = {
    "top_class": METRICS["top_class"],
    "label_accuracy": METRICS["label_accuracy"],
    "nothing": Metric("Label accuracy of nothing", "label accuracy of predicting nothing"),
    "best_label_accuracy": Metric(
        "Best label accuracy", "label accuracy at the threshold that is best on the test split"
    ),
    "hamming_loss": METRICS["hamming_loss"],
    "hamming_loss_low": Metric(
        f"Hamming loss at {LOW}", f"Hamming loss at a threshold of {LOW}", lower_is_better=True
    ),
    "precision_samples": METRICS["precision_samples"],
    "recall_samples": METRICS["recall_samples"],
    "loss": Metric("Loss", "mean binary cross-entropy", lower_is_better=True),
}
"""The metrics that the study published, by the names of `StudyMetrics`."""

TABLE = (*STUDY_METRICS, "mean_average_precision")
"""The metrics of every row: those of the study, and mAP, which it did not have."""


def describe(name: str) -> Metric:
    """What a metric of TABLE means."""
    return STUDY_METRICS[name] if name in STUDY_METRICS else METRICS[name]


class Sweep(NamedTuple):
    """One threshold for all genres, from 0 to 1: each (points,).

    hits_of_cells, false_of_cells: what the study drew as its ROC curve, both divided by all film
    and genre pairs. true_positive_rate (of the pairs that are true), false_positive_rate (of those
    that are not): what a ROC curve is. A rate of no pairs is NaN.
    """

    thresholds: Floats
    label_accuracy: Floats
    hamming_loss: Floats
    hits_of_cells: Floats
    false_of_cells: Floats
    true_positive_rate: Floats
    false_positive_rate: Floats

    @property
    def best(self) -> int:
        """The point with the lowest Hamming loss; of equal ones, the lowest threshold."""
        return int(np.argmin(self.hamming_loss))


def sweep(scores: npt.ArrayLike, truth: npt.ArrayLike) -> Sweep:
    """The study's sweep over 101 thresholds."""
    found = threshold_sweep(scores, truth, points=POINTS)
    true = np.asarray(truth, dtype=np.float64)
    share = float(true.mean())
    hits = np.nan_to_num(found.recall_micro) * share
    false = found.genres_per_film / true.shape[1] - hits
    return Sweep(
        found.thresholds,
        found.label_accuracy,
        found.hamming_loss,
        hits,
        false,
        ratio(hits, np.full(POINTS, share)),
        ratio(false, np.full(POINTS, 1 - share)),
    )


@dataclass(frozen=True)
class StudyMetrics:
    """The study's metrics of one split, at a threshold of 0.5 unless they say otherwise.

    nothing: the label accuracy of predicting nothing. best_threshold: the one with the lowest
    Hamming loss on these films; the study chose it on its test split. loss: mean binary
    cross-entropy. predicted: films for which each genre is predicted, (genres,).
    """

    films: int
    loss: float
    label_accuracy: float
    hamming_loss: float
    hamming_loss_low: float
    best_threshold: float
    best_label_accuracy: float
    nothing: float
    precision_samples: float
    recall_samples: float
    top_class: float
    predicted: tuple[int, ...]

    def __getitem__(self, metric: str) -> float:
        """The metric of this name, one of STUDY_METRICS."""
        if metric not in STUDY_METRICS:
            raise KeyError(metric)
        return float(getattr(self, metric))


def study_metrics(scores: npt.ArrayLike, truth: npt.ArrayLike) -> StudyMetrics:
    """All metrics of the study. Raises ValueError for tables that do not fit."""
    values, true = metrics.checked_scores(scores, truth, low=0, high=1)
    predicted = values >= HALF
    swept = sweep(values, true)
    by_film = metrics.precision_recall_f1(predicted, true, "samples")
    return StudyMetrics(
        films=len(true),
        loss=cross_entropy(values, true),
        label_accuracy=float(metrics.label_accuracy(predicted, true)),
        hamming_loss=float(metrics.hamming_loss(predicted, true)),
        hamming_loss_low=float(metrics.hamming_loss(values >= LOW, true)),
        best_threshold=float(swept.thresholds[swept.best]),
        best_label_accuracy=float(swept.label_accuracy[swept.best]),
        nothing=accuracy_of_nothing(true),
        precision_samples=float(by_film.precision),
        recall_samples=float(by_film.recall),
        top_class=float(metrics.top_class(values, true)),
        predicted=tuple(int(count) for count in predicted.sum(axis=0)),
    )


def accuracy_of_nothing(truth: npt.ArrayLike) -> float:
    """Label accuracy of predicting nothing for any film."""
    _, true = metrics.checked_flags(truth, truth)
    return float(metrics.label_accuracy(np.zeros_like(true), true))


def cross_entropy(scores: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Mean binary cross-entropy over all film and genre pairs, clipped as Keras clips scores."""
    values, true = metrics.checked_scores(scores, truth, low=0, high=1)
    likely = np.where(true, values, 1 - values)
    return float(-np.log(np.clip(likely, _EPSILON, 1 - _EPSILON)).mean())
