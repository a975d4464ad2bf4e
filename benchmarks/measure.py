"""How the benchmarks measure: time, rates, and the memory of a whole process."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """A line of the table. value: the number behind `measured`, for programs."""

    what: str
    measured: str
    wanted: str
    value: float

    def to_json(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return asdict(self)


def print_rows(rows: Sequence[Row]) -> None:
    """Print rows as the Markdown table that docs/benchmarks.md carries."""
    print("| what | measured | wanted |\n|---|---:|---:|")
    for row in rows:
        print(f"| {row.what} | {row.measured} | {row.wanted} |")


class Clock:
    """`with Clock() as clock: ...`, then clock.seconds."""

    seconds: float = 0.0

    def __enter__(self) -> "Clock":
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started


def keyart(*arguments: object) -> list[str]:
    """The command line that runs keyart in this environment."""
    return [sys.executable, "-m", "keyart", *map(str, arguments)]


def cold_seconds(command: Sequence[str], times: int = 5) -> float:
    """Median wall time of a whole process, after one run that warms the disk's cache."""
    seconds = []
    for _ in range(times + 1):
        with Clock() as clock:
            subprocess.run(command, check=True, capture_output=True)
        seconds.append(clock.seconds)
    return sorted(seconds[1:])[times // 2]


def peak_memory(command: Sequence[str]) -> float:
    """Largest private memory of a process and its children, in GB: mapped files not counted.

    Sampled every 0.2 s from /proc (Linux).
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_private(pid) for pid in _family(process.pid)))
        time.sleep(0.2)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed")
    return peak / 1e6


def _family(pid: int) -> list[int]:
    pids = [pid]
    for parent in pids:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                pids += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return pids


def _private(pid: int) -> int:
    """RssAnon of a process in kB, 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
