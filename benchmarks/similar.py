"""Exact search among a million posters: how long a query takes, and what it keeps in memory.

python -m benchmarks.similar --posters FOLDER [--films 1000000] [--queries 100]

The index is written as `keyart index` writes it, and asked through the code that `keyart similar`
and the service use. Its embeddings are mixtures of those of real posters, two at a time: how many
films a search can rule out depends on what the network sees.
"""

import argparse
import os
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.measure import Row, print_rows
from keyart.files import write_json
from keyart.indexing import EMBEDDINGS, FILMS, HASHES, SMALL, TABLE, write_search
from keyart.near_duplicates import THUMBNAIL
from keyart.predictor import Embeddings, Predictor
from keyart.similar import FACTS, FORMAT, Index

_BLOCK = 50_000  # films written at once


def write_index(folder: Path, films: int, real: Embeddings) -> Path:
    """An index of mixtures of real embeddings."""
    rng, channels = np.random.default_rng(0), real.shape[1]
    header = {"descr": "<f4", "fortran_order": False, "shape": (films, channels)}
    total = np.zeros(channels)
    with (folder / EMBEDDINGS).open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, films, _BLOCK):
            count = min(_BLOCK, films - start)
            one, other = rng.integers(0, len(real), (2, count))
            share = rng.uniform(0.5, 1, (count, 1)).astype(np.float32)
            block = share * real[one] + (1 - share) * real[other]
            block /= np.linalg.norm(block, axis=1, keepdims=True)
            file.write(block.data)
            total += block.sum(0)
    write_search(folder, (total / films).astype(np.float32))
    np.save(folder / HASHES, rng.integers(0, 2**64, films, dtype=np.uint64))
    np.save(folder / SMALL, rng.integers(0, 256, (films, *THUMBNAIL), dtype=np.uint8))
    rows = (
        (
            place,
            f"tt{place:08}",
            f"Film {place}",
            1990,
            "Drama|Romance",
            "0" * 64,
            b"",
        )
        for place in range(films)
    )
    with closing(sqlite3.connect(folder / FILMS)) as database:
        database.execute(TABLE)
        database.executemany("INSERT INTO films VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.commit()
    write_json(folder / FACTS, {"format": FORMAT, "films": films, "channels": channels})
    return folder


def memory(kind: str) -> float:
    """MB of this process: 'RssAnon', its own, or 'RssFile', files that are mapped."""
    text = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(kind)) / 1e3


def bench(folder: Path, films: int, real: Embeddings, queries: int) -> list[Row]:
    """Warm queries, one after the other, each of another poster; and the whole product."""
    index = Index.open(write_index(folder, films, real))
    channels = real.shape[1]
    rng, rows = np.random.default_rng(1), np.load(folder / EMBEDDINGS, mmap_mode="r")
    own, seconds, bare = memory("RssAnon"), [], []
    for place in rng.integers(0, len(real), queries + 1):  # the first maps the files
        noise = 0.1 * rng.standard_normal(channels, np.float32) / channels**0.5
        query = real[place] + noise
        began = time.perf_counter()
        index.nearest(query, 5)
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        rows @ query
        bare.append(time.perf_counter() - began)
    median, slow = np.quantile(seconds[1:], (0.5, 0.99))
    product = float(np.median(bare[1:]))
    size = films * channels * 4 / 1e6
    grown = memory("RssAnon") - own
    return [
        Row(f"a query among {films:,} posters, p50", f"{1000 * median:.0f} ms", "", median),
        Row("... p99", f"{1000 * slow:.0f} ms", "", slow),
        Row("the product with all embeddings", f"{1000 * product:.0f} ms", "", product),
        Row(f"embeddings, {channels} float32 each, mapped", f"{size:,.0f} MB", "", size),
        Row("memory of the queries' own", f"{grown:,.0f} MB", "", grown),
    ]


def main() -> None:
    """Run, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=1_000_000)
    parser.add_argument("--posters", type=Path, required=True)
    parser.add_argument("--embedded", type=int, default=5_000, help="real posters, at most")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/similar.json"))
    arguments = parser.parse_args()
    posters = sorted(path for path in arguments.posters.iterdir() if path.is_file())
    real = Predictor.load().embed(posters[: arguments.embedded])
    with tempfile.TemporaryDirectory() as folder:
        rows = bench(Path(folder), arguments.films, real, arguments.queries)
    print(f"{os.cpu_count()} cores\n")
    print_rows(rows)
    write_json(arguments.out, [row.to_json() for row in rows])


if __name__ == "__main__":
    main()
