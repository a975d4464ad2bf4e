"""Processor seconds of the same predictions: threads, shards, Ray with one and with two nodes.

    python -m benchmarks.jobs POSTERS [--films 4000]

POSTERS is a folder of posters. Each way runs `keyart predict` on the same ones, and the scores must
be equal to the last bit. Counted are all processes of a way: the command, its workers, and Ray's
own from the moment that its nodes are up. Ray runs on this machine, with two processors in all.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from keyart.images.folder import files_below, is_picture

_MARK = "KEYART_BENCHMARK"
_TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """Processor seconds of all processes that have a mark in their environment."""

    def __init__(self, mark: str) -> None:
        self._mark = f"{_MARK}={mark}".encode()
        self._seconds: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def now(self) -> float:
        """The seconds until now."""
        parents: dict[str, str] = {}
        used: dict[str, tuple[str, float]] = {}
        marked = set()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                if self._mark in (process / "environ").read_bytes():
                    marked.add(process.name)
            except OSError:
                continue
            parents[process.name] = fields[1]
            # A number may be used again: the time of start tells processes apart.
            name, ticks = f"{process.name}-{fields[19]}", int(fields[11]) + int(fields[12])
            used[process.name] = name, ticks / _TICKS
        # Ray's workers write their titles over their environment: their parent has the mark.
        while more := {one for one, parent in parents.items() if parent in marked} - marked:
            marked |= more
        self._seconds |= dict(used[one] for one in marked)
        return sum(self._seconds.values())

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            self.now()

    def stop(self) -> float:
        """The seconds in all."""
        self._stop.set()
        self._thread.join()
        return self.now()


@dataclass
class Nodes:
    """A Ray cluster of this machine. address: of it."""

    address: str
    cluster: Any
    nodes: list[Any]

    def lose(self) -> None:
        """Kill all processes of a node."""
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)


@contextmanager
def cluster(nodes: int, processors: int, mark: str) -> Iterator[Nodes]:
    """Start a Ray cluster on this machine. mark: for a Meter."""
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="kr-", dir="/tmp")
    os.environ[_MARK] = mark
    store = {"object_store_memory": 100 << 20}
    head = {"num_cpus": 0, "include_dashboard": False, "temp_dir": folder}
    found: Any = Cluster(initialize_head=True, head_node_args=head | store)
    try:
        added = [found.add_node(num_cpus=processors, **store) for _ in range(nodes)]
        time.sleep(3)  # until their own processes have started
        yield Nodes(str(found.address), found, added)
    finally:
        found.shutdown()
        del os.environ[_MARK]
        shutil.rmtree(folder, ignore_errors=True)


def predict(posters: Path, out: str, mark: str, *words: str) -> tuple[float, float]:
    """Run `keyart predict`. Returns its seconds and its processor seconds."""
    meter = Meter(mark)
    before, began = meter.now(), time.monotonic()
    command = [sys.executable, "-m", "keyart", "predict", str(posters), "--out", out, "-q", *words]
    subprocess.run([*command, "--workers", "2"], check=True, env={**os.environ, _MARK: mark})
    seconds = time.monotonic() - began
    return seconds, meter.stop() - before


def scores(out: Path) -> pa.Table:
    """The predictions in a file, or in a job's folder."""
    files = sorted(out.glob("scores-*.parquet")) if out.is_dir() else [out]
    tables = [pq.read_table(file).replace_schema_metadata() for file in files]
    return pa.concat_tables(tables)


def main() -> None:
    """Measure, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("posters", type=Path)
    parser.add_argument("--films", type=int, default=4_000)
    given = parser.parse_args()
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.urandom(32).hex()}
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        posters = folder / "posters"
        posters.mkdir()
        for file in sorted(filter(is_picture, files_below(given.posters)))[: given.films]:
            (posters / file.name).symlink_to(file.absolute())
        runs = {"threads": predict(posters, f"{folder}/threads.parquet", "threads")}
        expected = scores(folder / "threads.parquet")
        runs["shards"] = predict(posters, f"{folder}/shards/", "shards", "--shard-size", "256")
        for nodes in (1, 2):
            way = f"ray, {nodes} node{'s' if nodes > 1 else ''}"
            with cluster(nodes, 2 // nodes, way) as up:
                words = ("--shard-size", "256", "--ray", up.address)
                runs[way] = predict(posters, f"{folder}/ray{nodes}/", way, *words)
        for out in ("shards", "ray1", "ray2"):
            assert scores(folder / out).equals(expected), out
        base = runs["threads"][1]
        print(f"{expected.num_rows:,} posters; scores equal to the last bit")
        print("| way | seconds | processor seconds | times threads |\n|---|---|---|---|")
        for way, (seconds, used) in runs.items():
            print(f"| {way} | {seconds:.0f} | {used:.1f} | {used / base:.2f} |")


if __name__ == "__main__":
    main()
