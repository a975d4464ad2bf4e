"""Near-duplicates among many posters: time, memory, and the pairs of comparing all.

python -m benchmarks.near_duplicates [--posters FOLDER] [--count N ...] [--blank N]

The posters of a folder, as often as needed: copies have a thumbnail with noise of their own, and up
to 24 bits of the hash flipped. Without a folder, hashes are random. --blank: so many of them have
the same hash in all but three bits, and thumbnails that differ. Each count runs in a process of its
own. Up to 50,000, the pairs of hashes are compared with those of comparing all.
"""

import argparse
import multiprocessing
import resource
import time
from pathlib import Path

import numpy as np

from keyart.hamming import Hashes, close_pairs
from keyart.images.decode import decode
from keyart.near_duplicates import RADIUS, Thumbnails, near_pairs, poster_hash, thumbnail
from keyart.parallel import ordered

_CHECKED = 50_000


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posters", type=Path)
    parser.add_argument("--count", type=int, nargs="+", default=[25_000, 100_000, 1_000_000])
    parser.add_argument("--blank", type=int, default=0)
    given = parser.parse_args()
    known = _read(given.posters) if given.posters else None
    print("| posters | pairs | seconds | processor seconds | memory, MB | as comparing all |")
    print("|---:|---:|---:|---:|---:|---|")
    for count in given.count:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_measure, args=(known, count, given.blank))
        process.start()
        process.join()


def _read(folder: Path) -> tuple[Hashes, Thumbnails]:
    def look(path: Path) -> tuple[int, Thumbnails]:
        rgb = decode(path.read_bytes())
        return poster_hash(rgb), thumbnail(rgb)

    found = list(ordered(look, sorted(path for path in folder.iterdir() if path.is_file())))
    return np.array([one for one, _ in found], np.uint64), np.stack([small for _, small in found])


def _measure(known: tuple[Hashes, Thumbnails] | None, count: int, blank: int) -> None:
    hashes, thumbnails = _posters(known, count)
    if blank:
        random = np.random.default_rng(1)
        hashes[:blank] = np.uint64(1) << random.integers(0, 3, blank, dtype=np.uint64)
        thumbnails[:blank] = random.integers(0, 256, (blank, 12, 8, 3), dtype=np.uint8)
    start, worked = time.perf_counter(), time.process_time()
    pairs = near_pairs(hashes, thumbnails)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    agrees = ""
    if count <= _CHECKED:
        close = np.concatenate([np.empty((0, 2), np.int64), *close_pairs(hashes, RADIUS)])
        agrees = "yes" if np.array_equal(np.unique(close, axis=0), _all_close(hashes)) else "NO"
    print(
        f"| {count:,} | {len(pairs):,} | {seconds:.1f} | {worked:.1f} | {memory:,} | {agrees} |",
        flush=True,
    )


def _posters(known: tuple[Hashes, Thumbnails] | None, count: int) -> tuple[Hashes, Thumbnails]:
    random = np.random.default_rng(0)
    if known is None:
        hashes = random.integers(0, 2**64, count, dtype=np.uint64)
        return hashes, random.integers(0, 256, (count, 12, 8, 3), dtype=np.uint8)
    rows = np.arange(count) % len(known[0])
    hashes, thumbnails = known[0][rows], known[1][rows]
    again = np.arange(len(known[0]), count)
    for start in range(0, len(again), 100_000):
        some = again[start : start + 100_000]
        noise = random.integers(0, 9, thumbnails[some].shape, dtype=np.uint8)
        thumbnails[some] = np.minimum(thumbnails[some], 247) + noise
    flips = random.integers(0, 25, len(again))
    for flip in range(24):
        some = again[flips > flip]
        hashes[some] ^= np.uint64(1) << random.integers(0, 64, len(some), dtype=np.uint64)
    return hashes, thumbnails


def _all_close(hashes: Hashes) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(hashes), 256):
        close = np.bitwise_count(hashes[start : start + 256, None] ^ hashes[None, :]) <= RADIUS
        first, second = np.nonzero(close)
        pairs = np.stack([first + start, second], axis=1)
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.unique(np.concatenate(found), axis=0)


if __name__ == "__main__":
    main()
