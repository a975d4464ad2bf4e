"""What a long job loses and repeats when a part of it is killed.

    python -m benchmarks.job_kills POSTERS [--films 512]

Each time one thing is killed when two shards are written; then the job ends by itself, or the same
command runs again. The scores must be equal to the last bit to those of a job that nobody killed.
Posters that are opened twice were repeated: the system counts them (inotify, so on Linux alone).
"""

import argparse
import ctypes
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from benchmarks.jobs import cluster, scores
from keyart.images.folder import files_below, is_picture
from keyart.jobs.run import run_job
from keyart.jobs.status import JobStatus

_SHARD = 64
_OPENED = 0x20  # IN_OPEN of sys/inotify.h
_EVENT = struct.Struct("iIII")


class Opens:
    """Counts how often the files of a folder are opened."""

    def __init__(self, folder: Path) -> None:
        self._c = ctypes.CDLL(None, use_errno=True)
        self._file = self._c.inotify_init1(os.O_NONBLOCK)
        assert self._c.inotify_add_watch(self._file, os.fsencode(folder), _OPENED) > 0

    def count(self) -> int:
        """How many since the last time."""
        opened = 0
        while True:
            try:
                data = os.read(self._file, 1 << 20)
            except BlockingIOError:
                return opened
            at = 0
            while at < len(data):
                *_, length = _EVENT.unpack_from(data, at)
                opened += length > 0  # the folder itself has no name
                at += _EVENT.size + length


Kill = Callable[[JobStatus], None]


def once(kill: Callable[[], object]) -> Kill:
    """Kill when two shards are written, but only the first time."""
    killed: list[int] = []

    def look(status: JobStatus) -> None:
        if status.shards_done >= 2 and not killed:
            killed.append(status.shards_done)
            kill()

    return look


def processes(word: str) -> list[int]:
    """The processes with this word in their command, of those that this one has started."""
    parents, named = {}, []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat, line = (path / "stat").read_text(), (path / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(path.name)] = int(stat.rpartition(")")[2].split()[1])
        if word.encode() in line:
            named.append(int(path.name))

    def mine(process: int) -> bool:
        return process == os.getpid() or (process in parents and mine(parents[process]))

    return list(filter(mine, named))


def kill_one(word: str) -> None:
    """Kill one of the processes with this word in their commands."""
    os.kill(processes(word)[0], signal.SIGKILL)


class Matrix:
    """The rows of the table. expected: the scores of a job that nobody killed."""

    def __init__(self, posters: Path, films: int, folder: Path) -> None:
        self.posters, self.films, self.folder = posters, films, folder
        self._opens = Opens(posters)
        self.expected: pa.Table | None = None

    def job(self, out: Path, kill: Kill | None = None, ray: str | None = None) -> JobStatus:
        """Run the job in this process."""
        return run_job(
            self.posters, out, shard_size=_SHARD, workers=None if ray else 2, ray=ray, progress=kill
        )

    def command(self, out: Path, ray: str | None = None) -> None:
        """Run the job in a process of its own, and kill that when two shards are written."""
        words = ["predict", str(self.posters), "--out", f"{out}/", "--shard-size", str(_SHARD)]
        words += ["--ray", ray] if ray else ["--workers", "2"]
        running = subprocess.Popen([sys.executable, "-m", "keyart", *words])
        while len(list(out.glob("scores-*"))) < 2:
            time.sleep(0.01)
        running.kill()
        running.wait()

    def row(self, name: str, run: Callable[[Path], object], *, again: bool = False) -> None:
        """Print one row. again: whether the same command runs again."""
        out = self.folder / name.replace(" ", "-").replace(",", "")
        self._opens.count()
        run(out)
        kept = len(list(out.glob("scores-*")))
        computed = self.job(out).computed if again else 0
        repeated = self._opens.count() - self.films
        same = scores(out).equals(self.expected)
        then = f"{kept} kept, {computed} computed by the next run" if again else "goes on by itself"
        print(f"| {name} | {then} | {repeated} | {'yes' if same else 'NO'} |", flush=True)


def full_disk(matrix: Matrix, out: Path) -> None:
    """Run the job until no file may grow as large as a shard."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = once(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, before[1])))
    try:
        matrix.job(out, limit)
    except OSError as error:
        print(f"<!-- {error}; {error.__notes__[-1]} -->")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def main() -> None:
    """Kill, run again, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("posters", type=Path)
    parser.add_argument("--films", type=int, default=512)
    given = parser.parse_args()
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.urandom(32).hex()}
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        posters = folder / "posters"
        posters.mkdir()
        files = sorted(filter(is_picture, files_below(given.posters)))[: given.films]
        for file in files:
            shutil.copy2(file, posters)
        matrix = Matrix(posters, len(files), folder)
        matrix.job(folder / "expected")
        matrix.expected = scores(folder / "expected")
        print("| killed | then | posters read twice | scores equal |\n|---|---|---|---|")
        matrix.row("the command", matrix.command, again=True)
        one = once(lambda: kill_one("keyart.jobs.worker"))
        matrix.row("a process", lambda out: matrix.job(out, one))
        matrix.row("disk full", lambda out: full_disk(matrix, out), again=True)
        with cluster(2, 1, "kills") as nodes:
            ray = nodes.address
            matrix.row("Ray: the command", lambda out: matrix.command(out, ray), again=True)
            one = once(lambda: kill_one("ray::_compute"))
            matrix.row("Ray: a process", lambda out: matrix.job(out, one, ray))
            one = once(nodes.lose)
            matrix.row("Ray: a node of two", lambda out: matrix.job(out, one, ray))


if __name__ == "__main__":
    main()
