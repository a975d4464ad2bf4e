"""`python -m benchmarks.fetch`: posters from an unreliable server, and memory of long plans.

- 5,000 posters from a server on this machine that answers 5% of all requests with 429, 2% with 503,
  and cuts 1%: requests for a poster, wrong files, files left over.
- Runs over plans of 20,000 and 200,000 films, whose answers are made in the process: peak memory.
"""

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from keyart.sources import web
from keyart.sources.fetch import Fetch
from keyart.sources.manifest import Manifest
from keyart.sources.pace import Limits
from tests.poster_server import picture, serving, unreliable

# In a process of its own, whose peak of memory is that of the run.
_LONG = """
import sys
from benchmarks.fetch import long_run, peak
before = peak()
print(long_run(sys.argv[1]), before, peak())
"""


def peak() -> int:
    """The most memory that this process has had, in kB. (ru_maxrss may be that of its parent.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def write_films(path: Path, films: int, address: str) -> Path:
    """A table of films with addresses of posters."""
    with path.open("w") as file:
        file.write("film_id,title,year,genres,url\n")
        file.writelines(f"f{n:06},Film {n},1990,Drama,{address}/{n}.jpg\n" for n in range(films))
    return path


def unreliable_run(work: Path, films: int, seed: int) -> dict[str, object]:
    """Fetch posters from a server that throttles, is busy, and cuts answers."""
    with serving(unreliable(seed, throttled=0.05, busy=0.02, cut=0.01)) as server:
        table = write_films(work / "films.csv", films, server.url)
        fetch = Fetch.plan([table], work / "fetch", url_column="url")
        limits = Limits(rate=1_000, backoff=0.05)
        tally = fetch.run(limits=limits, allow_networks=["127.0.0.1"])
        answered = dict(server.answered)
    wrong = missing = 0
    known = set()
    for number, row in Manifest(fetch.path).rows(["poster", "sha256"]):
        if row["poster"] is None:
            missing += 1
            continue
        file = fetch.path / "posters" / row["poster"]
        known.add(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        wrong += digest != row["sha256"] or digest != hashlib.sha256(picture(number)).hexdigest()
    left = [file for file in fetch.path.rglob("*") if file.is_file() and file not in known]
    return {
        "posters": films,
        "requests": tally.requests,
        "requests_a_poster": round(tally.requests / films, 4),
        "answered": answered,
        "missing": missing,
        "wrong": wrong,
        "left_over": [file.name for file in left if file.suffix != ".parquet"],
        "seconds": round(tally.seconds, 1),
    }


def long_run(folder: str) -> int:
    """Carry out a plan with answers that are made here. Returns how many requests there were."""

    async def get(self: web.Web, url: str, *, etag: str = "") -> web.Reply:
        await asyncio.sleep(0)
        self.requests += 1
        return web.Reply(url, 404, {}, b"", time.monotonic())

    web.Web.get = get  # type: ignore[method-assign]
    return Fetch.open(folder).run(limits=Limits(rate=1e9)).requests


def memory(work: Path, sizes: list[int]) -> Iterator[dict[str, object]]:
    """The peak memory of runs over plans of these sizes."""
    for films in sizes:
        table = write_films(work / f"{films}.csv", films, "https://posters.example")
        fetch = Fetch.plan([table], work / str(films), url_column="url")
        started = time.monotonic()
        command = [sys.executable, "-c", _LONG, str(fetch.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        requests, before, most = map(int, done.stdout.split())
        yield {
            "films": films,
            "requests": requests,
            "imported_mb": round(before / 1024, 1),
            "peak_mb": round(most / 1024, 1),
            "seconds": round(time.monotonic() - started, 1),
            "absent": fetch.status().posters["absent"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posters", type=int, default=5_000)
    parser.add_argument("--plans", type=int, nargs="*", default=[20_000, 200_000])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.posters:
            print(json.dumps(unreliable_run(Path(folder), arguments.posters, arguments.seed)))
        for row in memory(Path(folder), arguments.plans):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
