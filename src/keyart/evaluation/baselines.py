"""Baselines: what a constant guess gets, which never looks at a poster."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keyart.evaluation.metrics import Flags, checked_flags
from keyart.evaluation.ranking import Floats


@dataclass(frozen=True)
class Baseline:
    """One prediction for all films. scores: (genres,), 0 to 1. genres: (genres,), the predicted."""

    scores: Floats
    genres: Flags

    def predict(self, films: int) -> tuple[Floats, Flags]:
        """Scores and predicted genres of `films` films: two (films, genres)."""
        shape = (films, len(self.scores))
        return np.broadcast_to(self.scores, shape), np.broadcast_to(self.genres, shape)


def fit_baselines(truth: npt.ArrayLike) -> dict[str, Baseline]:
    """The constant guesses, from the training films only. truth: (films, genres).

    - nothing: every score 0, no genre. Most cells are false, so its label accuracy is high.
    - genre_rates: each genre's rate as its score, and the genres that more than half of the films
      have. No constant does better at label accuracy, Brier score and the ranking metrics.
    - most_frequent: the k most frequent genres, with the k that is best for micro F1. No constant
      does better at it. Its scores are the rates too; scores of 0 and 1 would be easier to beat.
      k is chosen on the training films: one number from thousands of films does not overfit.
    """
    _, true = checked_flags(truth, truth)
    rates = true.mean(axis=0)
    order = np.argsort(-rates, kind="stable")
    counts = np.arange(1, len(rates) + 1)
    micro_f1 = 2 * np.cumsum(rates[order]) / (counts + rates.sum())
    frequent = np.zeros(len(rates), dtype=np.bool_)
    frequent[order[: int(np.argmax(micro_f1)) + 1]] = True
    nothing = np.zeros(len(rates))
    return {
        "nothing": Baseline(nothing, nothing > 0),
        "genre_rates": Baseline(rates, rates > 0.5),
        "most_frequent": Baseline(rates, frequent),
    }
