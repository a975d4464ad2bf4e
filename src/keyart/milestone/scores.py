"""The study's scores: as it computed them, and where it erred, as they are.

scores, truth: (films, genres) throughout, scores from 0 to 1. A predicted genre is one whose score
is at least the threshold, one threshold for all genres.

Precision by film of a film with nothing predicted is 0, as is recall of a film without a genre
(`metrics`' convention). It fits what the study printed: of its VGG16's 800 films at most 440 had
anything predicted, and its precision of 0.301 is a mean over all 800.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.evaluation import metrics
from keyart.evaluation.curves import threshold_sweep
from keyart.evaluation.ranking import Floats, ratio

POINTS = 101  # thresholds of the sweep: 0, 0.01 ... 1
HALF = 0.5
LOW = 0.33  # the other threshold at which the study gives the Hamming loss

# Keras clips probabilities here before it takes logarithms.
_EPSILON = 1e-7


class Sweep(NamedTuple):
    """One threshold for all genres, from 0 to 1: each (points,).

    hits_of_cells, false_of_cells: what the study drew as its ROC curve, both divided by all film x
    genre cells. true_positive_rate (of the cells that are true), false_positive_rate (of those
    that are not): what a ROC curve is. A rate that has no cells is NaN.
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
        """The point with the least Hamming loss, the lowest of equals."""
        return int(np.argmin(self.hamming_loss))


def sweep(scores: npt.ArrayLike, truth: npt.ArrayLike) -> Sweep:
    """The study's sweep of 101 thresholds."""
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
class StudyScores:
    """The study's figures of one part, all at a threshold of 0.5 unless they say otherwise.

    null: the label accuracy of predicting nothing. best_threshold: with the least Hamming loss, of
    the films that it was chosen on, which in the study were the test's own; loss: mean binary
    cross-entropy. predicted: films of each genre, (genres,).
    """

    films: int
    loss: float
    label_accuracy: float
    hamming_loss: float
    hamming_loss_low: float
    best_threshold: float
    best_label_accuracy: float
    null: float
    precision: float
    recall: float
    top_class: float
    predicted: tuple[int, ...]


def study_scores(scores: npt.ArrayLike, truth: npt.ArrayLike) -> StudyScores:
    """All of the study's figures. Raises ValueError for tables that do not fit."""
    values, true = metrics.checked_scores(scores, truth, low=0, high=1)
    chosen = values >= HALF
    swept = sweep(values, true)
    by_film = metrics.precision_recall_f1(chosen, true, "samples")
    return StudyScores(
        films=len(true),
        loss=cross_entropy(values, true),
        label_accuracy=float(metrics.label_accuracy(chosen, true)),
        hamming_loss=float(metrics.hamming_loss(chosen, true)),
        hamming_loss_low=float(metrics.hamming_loss(values >= LOW, true)),
        best_threshold=float(swept.thresholds[swept.best]),
        best_label_accuracy=float(swept.label_accuracy[swept.best]),
        null=null_model(true),
        precision=float(by_film.precision),
        recall=float(by_film.recall),
        top_class=float(metrics.top_class(values, true)),
        predicted=tuple(int(count) for count in chosen.sum(axis=0)),
    )


def null_model(truth: npt.ArrayLike) -> float:
    """Label accuracy of predicting nothing of any film."""
    _, true = metrics.checked_flags(truth, truth)
    return float(metrics.label_accuracy(np.zeros_like(true), true))


def cross_entropy(scores: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Mean binary cross-entropy over all film x genre cells, scores clipped as Keras clips them."""
    values, true = metrics.checked_scores(scores, truth, low=0, high=1)
    likely = np.where(true, values, 1 - values)
    return float(-np.log(np.clip(likely, _EPSILON, 1 - _EPSILON)).mean())
