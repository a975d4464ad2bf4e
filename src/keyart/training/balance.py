"""Weights that let rare genres count for more in the loss."""

import numpy as np
import numpy.typing as npt

# Beta of the effective number of samples; Cui et al. 2019 (arXiv 1901.05555), section 3.
_BETA = 0.999


def genre_weights(balance: str, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The weight of each genre's column in the loss, with mean 1.

    balance: 'none'; 'inverse' (in inverse proportion to the genre's count); 'effective' (to its
    effective number of samples, which flattens the largest). counts: (genres,), films of each
    genre in the training part. Returns (genres,).
    """
    if balance == "none":
        return np.ones(len(counts))
    if balance == "inverse":
        weights = 1.0 / (counts + 1)
    else:
        weights = (1 - _BETA) / (1 - np.power(_BETA, counts + 1))
    normalised: npt.NDArray[np.float64] = weights / weights.mean()
    return normalised
