"""Baselines: what a guess that never looks at a poster gets. Every figure stands beside them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keyart.evaluation.metrics import Flags, checked_flags
from keyart.evaluation.ranking import Floats


@dataclass(frozen=True)
class Baseline:
    """One answer for all films. scores: (genres,), from 0 to 1; genres: (genres,), the said ones"""

    scores: Floats
    genres: Flags

    def predict(self, films: int) -> tuple[Floats, Flags]:
        """Scores and predicted genres of `films` films: two (films, genres)."""
        shape = (films, len(self.scores))
        return np.broadcast_to(self.scores, shape), np.broadcast_to(self.genres, shape)


def fit_baselines(truth: npt.ArrayLike) -> dict[str, Baseline]:
    """The constant guesses, from the training films alone. truth: (films, genres).

    - nothing: every score 0, no genre. Most cells are false, so its label accuracy is high.
    - genre_rates: every genre's rate as its score, and the genres that more than half of the
      films have: the best a constant can do for label accuracy, Brier and the ranking figures.
    - most_frequent: the k most frequent genres, k such that micro F1 is best: the best a constant
      can do for it. Its scores are the rates too; 0 and 1 would only make a weaker opponent.
      k is chosen on the training films: one number from thousands of films does not overfit.
    """
    _, true = checked_flags(truth, truth)
    rates = true.mean(axis=0)
    order = np.argsort(-rates, kind="stable")
    said = np.arange(1, len(rates) + 1)
    micro_f1 = 2 * np.cumsum(rates[order]) / (said + rates.sum())
    frequent = np.zeros(len(rates), dtype=np.bool_)
    frequent[order[: int(np.argmax(micro_f1)) + 1]] = True
    nothing = np.zeros(len(rates))
    return {
        "nothing": Baseline(nothing, nothing > 0),
        "genre_rates": Baseline(rates, rates > 0.5),
        "most_frequent": Baseline(rates, frequent),
    }
