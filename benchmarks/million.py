"""`python -m benchmarks.million`: tables of a million films, and catalogs of many small posters.

- A table of titles next to 5,000 posters: `catalog build`. The same table: `predict`.
- A table of films with addresses: `fetch plan`.
- Painted posters of 60x90 pixels: `catalog build`, `show` and `check`, for each of several sizes.

Each command runs in a process of its own. Memory is its peak (VmHWM), with all that it imports.
Seconds are of the processor, on all cores: others may use the machine at the same time.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from keyart.parallel import ordered

_GENRES = ("Drama", "Comedy", "Action|Crime", "Horror|Thriller", "Documentary", "Short", "", "War")
_COMMAND = """
import sys
from pathlib import Path
from keyart.__main__ import main
try:
    main()
finally:
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM")).split()[1]
    print(peak, file=sys.stderr)
"""


def keyart(*arguments: object) -> tuple[float, float]:
    """Processor seconds and peak memory in MB of a command."""
    command = [sys.executable, "-c", _COMMAND, *map(str, arguments)]
    before = _children()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: {done.stderr[-1_000:]}")
    return _children() - before, int(done.stderr.split()[-1]) / 1024


def _children() -> float:
    """The processor seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_titles(path: Path, films: int) -> Path:
    """A table of films: id, title, year, genres."""
    with path.open("w") as file:
        file.write("film_id,title,year,genres\n")
        for n in range(films):
            genres = _GENRES[n % len(_GENRES)]
            file.write(f"tt{n:07},The {n % 977} Days of Film {n},{1930 + n % 95},{genres}\n")
    return path


def write_addresses(path: Path, films: int) -> Path:
    """A table of films with the addresses of their posters."""
    with path.open("w") as file:
        file.write("film_id,title,year,genres,url\n")
        file.writelines(
            f"f{n},Film {n},1990,Drama,https://example.org/{n}.jpg\n" for n in range(films)
        )
    return path


def write_posters(folder: Path, posters: int, every: int = 1) -> Path:
    """Small JPEGs, each unlike all others, for every so many of the films of `write_titles`."""
    folder.mkdir()

    def paint(number: int) -> None:
        colours = np.random.default_rng(number).integers(0, 256, (8, 6, 3), dtype=np.uint8)
        image = Image.fromarray(colours).resize((60, 90), Image.Resampling.BICUBIC)
        image.save(folder / f"tt{number * every:07}.jpg", quality=80)

    for _ in ordered(paint, range(posters)):
        pass
    return folder


def show(what: str, count: int, run: Callable[[], tuple[float, float]]) -> None:
    """Print a line of the table."""
    seconds, memory = run()
    each = f"{seconds / count * 1e3:.2f}"
    print(f"| {what} | {count:,} | {memory:,.0f} | {seconds:,.0f} | {each} |", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--titles", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--posters", type=int, default=5_000, help="next to them")
    parser.add_argument("--plans", type=int, nargs="*", default=[20_000, 200_000])
    parser.add_argument("--builds", type=int, nargs="*", default=[25_000, 100_000])
    given = parser.parse_args()
    print("| command | rows | peak memory, MB | processor seconds | ms a row |")
    print("|---|---:|---:|---:|---:|")
    for films in given.titles:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            table = write_titles(work / "films.csv", films)
            posters = write_posters(work / "posters", given.posters, films // given.posters)
            build = ("catalog", "build", "--films", table, "--posters", posters, "--quiet")
            show("catalog build", films, partial(keyart, *build, "--out", work / "catalog"))
            predict = ("predict", table, "--out", work / "answers.csv", "--quiet")
            show("predict, titles", films, partial(keyart, *predict))
    for films in given.plans:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            table = write_addresses(work / "films.csv", films)
            plan = ("fetch", "plan", table, "--url-column", "url", "--out", work / "fetch")
            show("fetch plan", films, partial(keyart, *plan))
    for films in given.builds:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            table = write_titles(work / "films.csv", films * 2)
            posters = write_posters(work / "posters", films, 2)
            build = ("catalog", "build", "--films", table, "--posters", posters, "--quiet")
            show("catalog build, posters", films, partial(keyart, *build, "--out", work / "cat"))
            show("catalog show", films, partial(keyart, "catalog", "show", work / "cat"))
            show("catalog check", films, partial(keyart, "catalog", "check", work / "cat", "-q"))


if __name__ == "__main__":
    main()
