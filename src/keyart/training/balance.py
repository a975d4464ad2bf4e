"""Weights that let rare genres count for more in the loss."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

# Beta of the effective number of samples; Cui et al. 2019 (arXiv 1901.05555), section 3.
_BETA = 0.999


def genre_weights(
    balance: str, counts: npt.NDArray[np.int64], films: int
) -> npt.NDArray[np.float64]:
    """The weight of each genre's column in the loss.

    balance: 'none'; 'inverse' (in inverse proportion to the genre's count); 'effective' (to its
    effective number of samples, which flattens the largest). Both have mean 1, and a genre without
    films weighs as much as the rarest of the others; otherwise it would outweigh all of them.
    'study': the 2017 study's films / (genres x (count + 1)), without a mean of 1. counts:
    (genres,), films of each genre among the `films` of the training split. Returns (genres,).
    """
    if balance == "none":
        return np.ones(len(counts))
    if balance == "study":
        studys: npt.NDArray[np.float64] = films / (len(counts) * (counts + 1.0))
        return studys
    rarest = counts[counts > 0].min(initial=films)
    counts = np.maximum(counts, rarest)
    samples = counts if balance == "inverse" else 1 - np.power(_BETA, counts)  # up to a factor
    weights: npt.NDArray[np.float64] = 1.0 / samples
    weights /= weights.mean()
    return weights


def cell_weights(weights: Tensor, truth: Tensor, balance_by: str) -> Tensor:
    """The weight of every cell of a batch.

    weights: (genres,). truth: (films, genres). balance_by: 'genre' (each column its own weight);
    'first_genre' (all cells of a film have the weight of its first genre: Keras 2 took the argmax
    of a row as its class, which is the first positive column of a multi-hot row. A film without
    genres counts as having the first). Returns a tensor that broadcasts to (films, genres).
    """
    if balance_by == "genre":
        return weights
    first = (truth > 0).to(torch.uint8).argmax(1)
    return weights[first][:, None]
