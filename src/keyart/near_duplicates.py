"""Near-duplicate posters: the same artwork under two films, in another size, crop or colour.

Two posters are near-duplicates if their perceptual hashes are close and their thumbnails are alike
in colour. The hash finds candidates among all pairs; the thumbnail refuses those that only share a
layout, such as dark posters with a title at the foot. Catalogs and indexes both use this.

Measured on 24,899 real posters: 117 pairs, 104 of them with nearly equal hashes. The 13 others were
looked at: 12 show the same artwork or fill the same template, one pair is two films' white posters.
Beyond the limits, at a hash distance of 14 and 16, 2 of 9 alike pairs were template posters and
none the same artwork. Thumbnails of 24x16 pixels, compared among all pairs without the hash, found
146 more pairs that correlate over 0.9; of the 40 most alike none showed the same artwork: some fill
one seller's template, the others share a plain red, yellow or white ground. A false pair only
makes the split less free; a missed one leaks.
"""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from keyart.extras import extras
from keyart.hamming import Hashes, Pairs, close_pairs
from keyart.images.decode import Pixels

THUMBNAIL = (12, 8, 3)
RADIUS = 12
LEAST_LIKENESS = 0.9
_LATER, _EARLIER = 512, 4_096  # compared at once
_SEVERAL = 64  # posters of two hashes make more pairs than this: they are compared in blocks
_CANDIDATES = 65_536  # pairs of thumbnails compared at once, at most

Thumbnails = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


def check_hashing() -> None:
    """Raise MissingExtraError if posters cannot be hashed."""
    with extras():
        import imagehash  # noqa: F401


def poster_hash(rgb: Pixels) -> int:
    """A 64-bit perceptual hash (low frequencies of the grey picture). rgb: (height, width, 3)."""
    with extras():
        import imagehash  # only new posters are hashed

    bits = imagehash.phash(Image.fromarray(rgb)).hash.ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def thumbnail(rgb: Pixels) -> Pixels:
    """The poster in 12x8 pixels: (12, 8, 3)."""
    size = (THUMBNAIL[1], THUMBNAIL[0])
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))


def near_pairs(hashes: Hashes, thumbnails: Thumbnails, *, since: int = 0) -> Pairs:
    """Pairs (earlier, later) of near-duplicates among posters.

    hashes: (posters,). thumbnails: (posters, 12, 8, 3). since: return only pairs with a later
    poster of at least this number, for a catalog that grows. Returns (pairs, 2), enough of them to
    connect all near-duplicates: a poster that equals earlier ones is paired only with the first.

    Exact. A million posters take two to three minutes on two cores, if their hashes differ as those
    of real posters do, and twice the memory of their thumbnails (docs/benchmarks.md).
    """
    order = np.argsort(hashes, kind="stable")  # of one hash, earlier posters first
    originals = _originals(hashes[order], thumbnails, order)
    rows = np.arange(len(hashes))
    copies = np.flatnonzero((originals < rows) & (rows >= since))
    found = [np.stack([originals[copies], copies], axis=1)]

    # A poster of one colour is like its exact copies only.
    plain = (thumbnails == thumbnails[:, :1, :1]).all((1, 2, 3))
    distinct = order[(originals == rows)[order] & ~plain[order]]
    if not len(distinct):
        return np.concatenate(found)
    # Posters of one hash are a stretch of `distinct`; stretches with a new poster come last.
    starts = _starts(hashes[distinct])
    stretches = np.stack([starts, np.append(starts[1:], len(distinct))], axis=1)
    latest = distinct[stretches[:, 1] - 1]
    stretches = stretches[np.argsort(latest, kind="stable")]
    new = int((latest < since).sum())
    every = np.arange(new, len(stretches))
    found += _alike(thumbnails, distinct, stretches, np.stack([every, every], axis=1), since)
    for pairs in close_pairs(hashes[distinct[stretches[:, 0]]], RADIUS, since=new):
        found += _alike(thumbnails, distinct, stretches, pairs, since)
    return np.concatenate(found)


def _starts(values: Hashes) -> Rows:
    """Where each stretch of equal values begins."""
    return np.flatnonzero(np.diff(values, prepend=~values[:1]))


def _alike(
    thumbnails: Thumbnails, distinct: Rows, stretches: Pairs, pairs: Pairs, since: int
) -> list[Pairs]:
    """Near-duplicates among the posters of pairs of stretches, whose hashes are close."""
    sizes = np.diff(stretches, axis=1)[:, 0]
    count = sizes[pairs].prod(1)
    found = []
    for first, second in pairs[count > _SEVERAL].tolist():
        left, right = (distinct[slice(*stretches[one])] for one in (first, second))
        found += _connecting(thumbnails, left, right, since)
    few = pairs[(count <= _SEVERAL) & (count > (pairs[:, 0] == pairs[:, 1]))]
    for some in range(0, len(few), _CANDIDATES // _SEVERAL + 1):
        rows = _members(distinct, stretches, few[some : some + _CANDIDATES // _SEVERAL + 1])
        rows = rows[(rows[:, 0] != rows[:, 1]) & (rows.max(1) >= since)]
        rows = np.unique(np.sort(rows, axis=1), axis=0)  # both orders of those of one stretch
        one, other = (_centred(thumbnails[rows[:, end]]) for end in (0, 1))
        found.append(rows[(one * other).sum(1) >= LEAST_LIKENESS])
    return found


def _members(distinct: Rows, stretches: Pairs, pairs: Pairs) -> Pairs:
    """All pairs of posters, one of the first stretch and one of the second, of each pair."""
    starts, sizes = stretches[:, 0][pairs], np.diff(stretches, axis=1)[:, 0][pairs]
    count = sizes.prod(1)
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    across = np.repeat(sizes[:, 1], count)
    first = np.repeat(starts[:, 0], count) + number // across
    second = np.repeat(starts[:, 1], count) + number % across
    return np.stack([distinct[first], distinct[second]], axis=1)


def _connecting(thumbnails: Thumbnails, left: Rows, right: Rows, since: int) -> list[Pairs]:
    """Near-duplicates among many posters of close hashes: just enough of them to connect all.

    A hundred thousand posters with one template would make five thousand million pairs. So what is
    connected already is not compared again.
    """
    rows = np.union1d(left, right)
    parent = np.arange(len(rows))

    def roots(places: Rows) -> Rows:
        while (parent[parent[places]] != parent[places]).any():
            parent[places] = parent[parent[places]]
        return parent[places]

    found = []
    same = left[0] == right[0]
    for start in range(0, len(left), _LATER):
        some = np.searchsorted(rows, left[start : start + _LATER])
        ours = _centred(thumbnails[rows[some]])
        for other in range(start // _EARLIER * _EARLIER if same else 0, len(right), _EARLIER):
            others = np.searchsorted(rows, right[other : other + _EARLIER])
            apart = roots(some)[:, None] != roots(others)[None, :]
            apart &= np.maximum(rows[some][:, None], rows[others][None, :]) >= since
            if not apart.any():
                continue
            apart &= ours @ _centred(thumbnails[rows[others]]).T >= LEAST_LIKENESS
            i, j = np.nonzero(apart)
            ends = np.stack([roots(some)[i], roots(others)[j]], axis=1)
            _, once = np.unique(np.sort(ends, axis=1), axis=0, return_index=True)
            for place in once.tolist():
                one, two = (int(roots(ends[place : place + 1, end])[0]) for end in (0, 1))
                if one != two:
                    parent[max(one, two)] = min(one, two)
                    found.append(sorted((rows[some[i[place]]], rows[others[j[place]]])))
    return [np.array(found, np.int64).reshape(-1, 2)]


def _originals(sorted_hashes: Hashes, thumbnails: Thumbnails, order: Rows) -> Rows:
    """For each poster, the first one with the same hash and thumbnail."""
    originals = np.arange(len(order))
    # Ten thousand copies of one "no poster" picture would make fifty million pairs.
    starts = _starts(sorted_hashes)
    sizes = np.diff(starts, append=len(order))
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        first: dict[bytes, int] = {}
        for row in order[start : start + size].tolist():
            originals[row] = first.setdefault(thumbnails[row].tobytes(), row)
    return originals


def _centred(thumbnails: Thumbnails) -> npt.NDArray[np.float32]:
    """Rows so that the dot product of two is their correlation, which ignores brightness."""
    flat = thumbnails.reshape(len(thumbnails), math.prod(THUMBNAIL)).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    centred: npt.NDArray[np.float32] = np.divide(
        flat, norm, out=np.zeros_like(flat), where=norm > 0
    )
    return centred
