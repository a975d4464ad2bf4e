"""hamming.py: the pairs that comparing all hashes finds, each once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyart import hamming
from keyart.hamming import Hashes, close_pairs


def found(hashes: Hashes, radius: int, since: int = 0) -> list[tuple[int, int]]:
    pairs = [np.empty((0, 2), np.int64), *close_pairs(hashes, radius, since=since)]
    return sorted(map(tuple, np.concatenate(pairs).tolist()))


def all_pairs(hashes: Hashes, radius: int, since: int = 0) -> list[tuple[int, int]]:
    close = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= radius
    first, second = np.nonzero(np.triu(close, 1))
    return [(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True) if b >= since]


def altered(count: int, seed: int, held: int = 0) -> Hashes:
    """Hashes of which many are others with up to 16 bits flipped. held: leading bits all share."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, count, dtype=np.uint64)
    copies, originals = random.integers(0, count, (2, count // 2))
    hashes[copies] = hashes[originals]
    flips = random.integers(0, 17, len(copies))
    for flip in range(16):
        some = copies[flips > flip]
        hashes[some] ^= np.uint64(1) << random.integers(0, 64, len(some), dtype=np.uint64)
    return hashes & np.uint64(2 ** (64 - held) - 1)


@pytest.fixture
def banded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands even for a few hashes, in small blocks and tasks."""
    for name, value in (("_SWITCH", 0), ("_JOIN", 0), ("_ROWS", 2), ("_COLUMNS", 3), ("_KEYS", 50)):
        monkeypatch.setattr(hamming, name, value)


@pytest.mark.parametrize("radius", [0, 3, 8, 12])
@pytest.mark.parametrize("held", [0, 30])
@pytest.mark.parametrize("since", [0, 200])
@pytest.mark.usefixtures("banded")
def test_bands_find_what_comparing_all_finds(radius: int, held: int, since: int) -> None:
    hashes = altered(400, radius, held)
    bands, needed = hamming._plan(hashes, radius)
    assert needed < 400 * 400 / 2
    assert sum(band.limit + 1 for band in bands) == radius + 1
    expected = all_pairs(hashes, radius, since)
    assert found(hashes, radius, since) == expected
    assert expected


@given(st.integers(0, 300), st.integers(0, 40), st.integers(0, 2**32), st.data())
@settings(max_examples=40, deadline=None)
def test_comparing_all_finds_each_pair_once(
    count: int, radius: int, seed: int, data: st.DataObject
) -> None:
    hashes = altered(count, seed) if count else np.empty(0, np.uint64)
    since = data.draw(st.integers(0, count))
    assert found(hashes, radius, since) == all_pairs(hashes, radius, since)


def test_a_band_that_all_hashes_share_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamming, "_SWITCH", 0)
    monkeypatch.setattr(hamming, "_JOIN", 0)
    hashes = altered(2_000, 2)
    hashes &= ~np.uint64(0b1_1111_1111_1111)
    bands, needed = hamming._plan(hashes, 12)
    assert 0 not in [band.shift for band in bands]
    assert needed < 2_000**2 / 4
