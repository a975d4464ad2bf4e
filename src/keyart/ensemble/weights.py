"""The weights of an ensemble's members: equal, or learned on validation films."""

import numpy as np
import numpy.typing as npt

from keyart.scorer import Scores

_LEAST_GAIN = 1e-9  # of log loss, for another step
_MOST_STEPS = 1_000
_SURE = 1e-12  # a score of 0 that was wrong counts as this

Weights = npt.NDArray[np.float64]


def learned_weights(scores: Scores, truth: npt.NDArray[np.bool_]) -> Weights:
    """The weights (members,), at least 0 and of sum 1, of the average with the least log loss.

    scores: (members, films, genres), calibrated. truth: (films, genres).

    One weight for each member, not one for each member and genre: the weights of a genre with forty
    validation films would be learned from chance. The loss is convex in the weights, and each step
    of expectation maximisation (a mixture of known distributions; Dempster, Laird and Rubin 1977)
    lowers it. It starts from equal weights, so it never ends at worse ones.
    """
    given = np.where(truth, scores, 1 - scores).reshape(len(scores), -1)
    given = np.maximum(given, _SURE)  # the probability that each member gave to the truth
    weights = np.full(len(scores), 1 / len(scores))
    loss = np.inf
    for _ in range(_MOST_STEPS):
        average = weights @ given
        before, loss = loss, -float(np.log(average).mean())
        if before - loss < _LEAST_GAIN:
            break
        weights = weights * (given / average).mean(axis=1)
    total: Weights = weights / weights.sum()
    return total


def log_loss(scores: Scores, truth: npt.NDArray[np.bool_]) -> float:
    """Mean over films and genres of -log(the score that the truth got)."""
    given = np.maximum(np.where(truth, scores, 1 - scores), _SURE)
    return -float(np.log(given).mean())
