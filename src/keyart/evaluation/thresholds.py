"""Thresholds: the score from which a genre is predicted, chosen on validation films only."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from keyart.evaluation.metrics import Flags, checked_scores
from keyart.evaluation.ranking import Floats

Criterion = Literal["f1", "micro_f1", "hamming"]
_KNOWN = ", ".join(map(repr, get_args(Criterion)))

# A genre's own best threshold counts as much as the threshold of all genres together when this
# many validation films have it. Measured on real posters with a frozen backbone, 1,500 validation
# films and 2.1 genres a film: own thresholds gave a micro F1 of 0.390, a macro F1 of 0.270 and 4.2
# predicted genres a film; the shared one 0.453, 0.216 and 2.6; this mean 0.447, 0.231 and 2.8.
SHRINKAGE = 200


@dataclass(frozen=True)
class Thresholds:
    """values: (genres,). fallbacks: why a genre (by column) has no threshold of its own."""

    values: Floats
    fallbacks: dict[int, str]


def choose_thresholds(
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    criterion: Criterion = "f1",
    known: Floats | None = None,
) -> Thresholds:
    """A threshold for each genre, so that predicted = scores >= thresholds.

    scores: (films, genres), calibrated. truth: (films, genres). criterion:
    - "f1": the F1 of each genre. If few films have a genre, its own best threshold is chance, and
      for a weak genre it predicts the genre for nearly every film. So it is drawn towards the best
      threshold for micro F1, which for calibrated scores is one threshold for all genres (Lipton,
      Elkan and Narayanaswamy 2014, arXiv:1402.1892: F1 is best at half its best value):
      own x n / (n + SHRINKAGE) + shared x SHRINKAGE / (n + SHRINKAGE), for n films with the genre.
    - "micro_f1": that one threshold for every genre.
    - "hamming": least Hamming loss; each genre's own threshold is drawn towards the shared one as
      above.

    A genre that no film has gets the threshold of all genres together. No threshold equals a
    score, so that a rounded score stays on its side.

    known: (genres,), the thresholds of the model that this one started from; NaN for a genre that
    it does not know. The threshold of all genres together is drawn towards them in the same way,
    for n genres of all films.
    """
    values, true = checked_scores(scores, truth, low=0, high=1)
    films, genres = true.shape
    if criterion not in get_args(Criterion):
        raise ValueError(f"criterion: expected {_KNOWN}, got {criterion!r}")
    together = _best(values.ravel(), true.ravel(), criterion)
    shared = np.full(genres, 0.5 if together is None else together)
    if known is not None:
        trust = true.sum() / (true.sum() + SHRINKAGE)
        drawn = np.where(np.isnan(known), shared, trust * shared + (1 - trust) * known)
        shared = np.array([_off_scores(*one) for one in zip(drawn, values.T, strict=True)])
    chosen = shared.copy()
    fallbacks = {}
    for genre, positives in enumerate(true.sum(axis=0)):
        if positives == 0:
            whose = "of all genres" if known is None else "of the model that it started from"
            fallbacks[genre] = f"none of {films} films has it; takes the threshold {whose}"
        elif criterion != "micro_f1":
            own = _best(values[:, genre], true[:, genre], criterion)
            assert own is not None  # a film has the genre
            trust = positives / (positives + SHRINKAGE)
            near = trust * own + (1 - trust) * shared[genre]
            chosen[genre] = _off_scores(near, values[:, genre])
    return Thresholds(chosen, fallbacks)


def _best(scores: Floats, truth: Flags, criterion: Criterion) -> float | None:
    """The best threshold for some cells; None if none is true. scores, truth: (cells,)."""
    if not truth.any():
        return None
    levels = np.unique(scores)[::-1]
    # Midway between scores, from predicting no cell to predicting all; of equals, the threshold
    # that predicts less.
    thresholds = (np.append(1.0, levels) + np.append(levels, 0.0)) / 2
    predicted = len(scores) - np.searchsorted(np.sort(scores), thresholds)
    hits = truth.sum() - np.searchsorted(np.sort(scores[truth]), thresholds)
    if criterion == "hamming":
        return float(thresholds[np.argmin(predicted - 2 * hits)])
    return float(thresholds[np.argmax(2 * hits / (predicted + truth.sum()))])


def _off_scores(threshold: float, scores: Floats) -> float:
    """The threshold; if it is a score (as float32), midway to the next lower one."""
    rounded, level = scores.astype(np.float32), np.float32(threshold)
    if not (rounded == level).any():
        return threshold
    lower = scores[rounded < level].max(initial=0.0)
    return float(lower + scores[rounded == level].min()) / 2


def check_criterion(criterion: Criterion | float) -> None:
    """Raise ValueError if there is no such criterion."""
    known = criterion in get_args(Criterion) if isinstance(criterion, str) else 0 < criterion < 1
    if not known:
        raise ValueError(
            f"criterion: expected {_KNOWN} or a precision above 0 and below 1, got {criterion!r}"
        )
