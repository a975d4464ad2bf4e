"""`make bench`: how fast and how large keyart is on this machine, as a table and as JSON.

Uses the real posters that KEYART_REAL_POSTERS names, painted ones if it is not set. Rates are
compared within one run, because machines are shared: a ratio says more than a rate.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Row, print_rows
from benchmarks.speed import (
    bench_catalog,
    bench_memory,
    bench_pixels,
    bench_predict,
    bench_start,
    bench_titles,
    bench_training,
)
from keyart.demo.painted import paint_films
from keyart.files import write_json

BENCHMARKS: dict[str, Callable[[Path, Path, Path], list[Row]]] = {
    "catalog": bench_catalog,
    "pixels": bench_pixels,
    "training": bench_training,
    "predict": bench_predict,
    "titles": bench_titles,
    "start": bench_start,
    "memory": bench_memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which; default all")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/bench.json"))
    arguments = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        real = os.environ.get("KEYART_REAL_POSTERS")
        if real:
            films, posters = Path(real, "films.csv"), Path(real, "images")
        else:
            films = paint_films(2_000, work / "painted")
            posters = work / "painted" / "posters"
        for name in arguments.names or BENCHMARKS:
            rows += BENCHMARKS[name](work, films, posters)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    kind = "real posters" if real else "painted posters"
    print(f"\n{machine}, {kind}\n")
    print_rows(rows)
    facts = {"machine": machine, "posters": kind, "rows": [row.to_json() for row in rows]}
    write_json(arguments.out, facts)
    print(f"\n{json.dumps(str(arguments.out))} holds the same as JSON")


if __name__ == "__main__":
    main()
