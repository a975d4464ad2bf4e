"""Confidence intervals: groups (near-duplicates, series) are drawn again, with replacement."""

from collections.abc import Callable, Iterator, Mapping
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.evaluation.ranking import Floats

WeightedMetrics = Callable[[Floats], Mapping[str, Floats]]
"""From film weights (resamples, films), each metric: (resamples,) or (resamples, genres)."""


class Bounds(NamedTuple):
    """A metric and its 95% confidence interval: each () or (genres,), NaN if undefined."""

    value: Floats
    low: Floats
    high: Floats


def bootstrap(
    metrics: WeightedMetrics,
    groups: npt.ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    chunk: int = 100,
) -> dict[str, Bounds]:
    """The 95% confidence interval of every metric.

    groups: (films,), a name or number each; films of one group are drawn together. chunk: how many
    resamples are held at once; it does not change the result.

    The intervals are bias-corrected percentiles (Efron 1981). Plain percentiles are too high for
    average precision: a true film that is drawn twice ranks with itself, and this counts more the
    rarer the genre is. On 1,200 posters plain intervals held the mAP of the films they came from in
    72% of draws, corrected ones in 97%. Resamples in which a metric is undefined do not count for
    it.
    """
    group = group_numbers(groups)
    value = {name: found[0] for name, found in metrics(np.ones((1, len(group)))).items()}
    drawn: dict[str, list[Floats]] = {name: [] for name in value}
    for weights in resampled_weights(group, resamples, seed, chunk):
        for name, found in metrics(weights).items():
            drawn[name].append(found)
    return {name: _bounds(value[name], np.concatenate(drawn[name])) for name in value}


def paired_bootstrap(
    metrics: WeightedMetrics,
    others: WeightedMetrics,
    groups: npt.ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    chunk: int = 100,
) -> dict[str, Bounds]:
    """The 95% confidence interval of every difference `metrics` - `others`, over the same films.

    Both are computed on the same draws, so that films that are hard for both cancel out. A
    difference is real if its interval leaves out 0.
    """

    def difference(weights: Floats) -> dict[str, Floats]:
        second = others(weights)
        return {name: found - second[name] for name, found in metrics(weights).items()}

    return bootstrap(difference, groups, resamples=resamples, seed=seed, chunk=chunk)


def resampled_weights(
    groups: npt.ArrayLike, resamples: int, seed: int = 0, chunk: int = 100
) -> Iterator[Floats]:
    """How often each film was drawn: (up to `chunk`, films) at a time, `resamples` rows in all."""
    group = group_numbers(groups)
    count = int(group.max()) + 1
    generator = np.random.default_rng(seed)
    for first in range(0, resamples, chunk):
        rows = min(chunk, resamples - first)
        draws = generator.integers(count, size=(rows, count))
        draws += np.arange(rows)[:, None] * count
        times = np.bincount(draws.ravel(), minlength=rows * count).reshape(rows, count)
        yield times.astype(np.float64)[:, group]


def group_numbers(groups: npt.ArrayLike, films: int | None = None) -> npt.NDArray[np.int64]:
    """Groups as numbers from 0, in the order of their names. groups: (films,)."""
    names = np.asarray(groups)
    if names.ndim != 1 or len(names) == 0 or films not in (None, len(names)):
        expected = "one for each film" if films is None else f"({films},)"
        raise ValueError(f"groups: expected {expected}, got the shape {names.shape}")
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def folds_of(groups: npt.ArrayLike, folds: int = 5, seed: int = 0) -> npt.NDArray[np.int64]:
    """A fold for each film (films,), from 0; films of one group share it."""
    numbers = group_numbers(groups)
    shuffled = np.random.default_rng(seed).permutation(numbers.max() + 1)
    found: npt.NDArray[np.int64] = (shuffled % folds)[numbers]
    return found


_NORMAL = NormalDist()


def _bounds(value: Floats, drawn: Floats) -> Bounds:
    """Bias-corrected percentiles of `drawn` (resamples, ...) around `value` (...)."""
    low, high = np.full(value.shape, np.nan), np.full(value.shape, np.nan)
    for place in np.ndindex(value.shape):
        draws = drawn[(slice(None), *place)]
        draws = draws[~np.isnan(draws)]
        if len(draws) == 0 or np.isnan(value[place]):
            continue
        # How far the value is from the middle of its resamples, in standard deviations. Draws
        # that differ from it only by rounding are ties.
        tied = np.isclose(draws, value[place], rtol=1e-9, atol=1e-12)
        below = np.mean((draws < value[place]) & ~tied) + np.mean(tied) / 2
        edge = 0.5 / len(draws)
        bias = _NORMAL.inv_cdf(float(np.clip(below, edge, 1 - edge)))
        tails = [_NORMAL.cdf(2 * bias + _NORMAL.inv_cdf(tail)) for tail in (0.025, 0.975)]
        # A value beyond all of its resamples still belongs to its own interval.
        ends = np.append(np.quantile(draws, tails), value[place])
        low[place], high[place] = ends.min(), ends.max()
    return Bounds(value, low[()], high[()])
