"""All pairs of 64-bit hashes within a distance, without comparing every hash with every other.

The distance is the Hamming distance: how many bits differ. The bits are cut into bands. If two
hashes differ in at most `radius` bits, they differ in at most t bits of some band, for any limits t
of the bands whose t + 1 sum to more than the radius (the pigeonhole principle; Norouzi, Punjani and
Fleet 2014, arXiv:1307.2982). So hashes are sorted by each band, and only those whose bands are
close are compared. Limits are chosen by how many comparisons they need: a band that is the same in
many hashes, as in those of blank posters, is left out. If comparing all pairs is less work, that
is done.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.parallel import batches, ordered

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]

_BANDS = ((0, 13), (13, 13), (26, 13), (39, 13), (52, 12))  # first bit, bits
_MOST = 4  # bits that may differ in a band
# Comparisons that take as long as going to the next value of a band, and to one close to it.
_SWITCH, _JOIN = 40_000, 600
_ROWS, _COLUMNS = 64, 4_096  # compared at once: what a core's cache holds
_KEYS = 256  # values of a band in a task


class _Band(NamedTuple):
    """Some bits of all hashes, and in how many of them two close hashes may differ."""

    shift: int
    bits: int
    limit: int


def close_pairs(hashes: Hashes, radius: int, *, since: int = 0) -> Iterator[Pairs]:
    """Yield all pairs of places (pairs, 2), first < second, whose hashes differ in few bits.

    hashes: (hashes,). radius: the most bits. since: only pairs whose second place is at least this.
    Each pair is found once. Runs on all cores.
    """
    every = (len(hashes) - since) * len(hashes)
    # Planning costs more than it saves for a few hashes.
    bands, needed = _plan(hashes, radius) if every > _SWITCH * len(_BANDS) else ((), np.inf)
    if needed >= every:
        yield from _compare_all(hashes, radius, since)
        return
    for number, band in enumerate(bands):
        for found in _compare_band(hashes, radius, band):
            found = found[found[:, 1] >= since]
            for earlier in bands[:number]:  # which have found theirs
                differ = _value(hashes[found[:, 0]] ^ hashes[found[:, 1]], earlier)
                found = found[np.bitwise_count(differ) > earlier.limit]
            if len(found):
                yield found


def _value(hashes: Hashes, band: _Band) -> Hashes:
    return (hashes >> np.uint64(band.shift)) & np.uint64((1 << band.bits) - 1)


def _flips(bits: int, most: int) -> npt.NDArray[np.int64]:
    """All numbers of so many bits of which at most `most` are 1, fewest first."""
    numbers = np.arange(1 << bits)
    ones = np.bitwise_count(numbers)
    few = numbers[ones <= most]
    return few[np.argsort(ones[few], kind="stable")]


def _plan(hashes: Hashes, radius: int) -> tuple[tuple[_Band, ...], float]:
    """The bands that need the fewest comparisons, and how many those are."""
    costs = []
    for shift, bits in _BANDS:
        counts = np.bincount(
            _value(hashes, _Band(shift, bits, 0)).astype(np.int64), minlength=1 << bits
        ).astype(np.float64)
        flips, places = _flips(bits, _MOST), np.arange(1 << bits)
        compared = np.array([counts @ counts[places ^ flip] for flip in flips]) / 2
        ends = np.searchsorted(np.bitwise_count(flips), np.arange(_MOST + 1), side="right")
        switches = (counts > 0).sum() * (_SWITCH + ends * _JOIN)
        costs.append([0.0, *(np.cumsum(compared)[ends - 1] + switches).tolist()])
    limits = [
        some for some in product(range(_MOST + 2), repeat=len(_BANDS)) if sum(some) == radius + 1
    ]
    if not limits:
        return (), np.inf

    def needed(some: Sequence[int]) -> float:
        return float(sum(cost[limit] for cost, limit in zip(costs, some, strict=True)))

    best = min(limits, key=needed)
    bands = tuple(
        _Band(*place, limit - 1) for place, limit in zip(_BANDS, best, strict=True) if limit
    )
    return bands, needed(best)


def _compare_band(hashes: Hashes, radius: int, band: _Band) -> Iterator[Pairs]:
    """Pairs within the radius that are close in one band."""
    values = _value(hashes, band).astype(np.int64)
    order = np.argsort(values, kind="stable")
    grouped, starts = hashes[order], np.searchsorted(values[order], np.arange((1 << band.bits) + 1))
    flips = _flips(band.bits, band.limit)

    def compare(some: list[int]) -> Pairs:
        found = []
        for value in some:
            rows = slice(starts[value], starts[value + 1])
            found += _compare(grouped, rows, [rows], radius)
            # A pair of two values is found at the lower one.
            higher = (value ^ flips)[(value ^ flips) > value]
            columns = [slice(starts[one], starts[one + 1]) for one in higher.tolist()]
            found += _compare(grouped, rows, columns, radius)
        if not found:
            return np.empty((0, 2), np.int64)
        places = np.concatenate(found)
        return np.sort(order[places[places[:, 0] != places[:, 1]]], axis=1)

    yield from (
        _once(pairs) for pairs in ordered(compare, batches(np.unique(values).tolist(), _KEYS))
    )


def _once(pairs: Pairs) -> Pairs:
    """Each pair of places once: those of one value are found from both sides."""
    return np.unique(pairs, axis=0) if len(pairs) else pairs


def _compare(hashes: Hashes, rows: slice, columns: Sequence[slice], radius: int) -> list[Pairs]:
    """Pairs (row, column) within the radius, of a stretch of hashes and several others."""
    others = np.concatenate([hashes[one] for one in columns]) if columns else hashes[:0]
    if not len(others):
        return []
    found, places = [], None
    for first in range(rows.start, rows.stop, _ROWS):
        last = min(first + _ROWS, rows.stop)
        for start in range(0, len(others), _COLUMNS):
            block = others[start : start + _COLUMNS]
            close = np.bitwise_count(hashes[first:last, None] ^ block[None, :]) <= radius
            if not close.any():
                continue
            if places is None:
                places = np.concatenate([np.arange(one.start, one.stop) for one in columns])
            i, j = np.nonzero(close)
            found.append(np.stack([first + i, places[start + j]], axis=1))
    return found


def _compare_all(hashes: Hashes, radius: int, since: int) -> Iterator[Pairs]:
    """Pairs within the radius, by comparing all."""

    def compare(start: int) -> Pairs:
        last = min(start + _ROWS, len(hashes))
        found = _compare(hashes, slice(start, last), [slice(0, last)], radius)
        pairs = np.concatenate([np.empty((0, 2), np.int64), *found])[:, ::-1]
        return pairs[pairs[:, 0] < pairs[:, 1]]

    starts = range(since, len(hashes), _ROWS)
    yield from (pairs for pairs in ordered(compare, starts) if len(pairs))
