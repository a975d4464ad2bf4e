"""Training in several processes of this machine, which are started again if one is lost."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from keyart.errors import KeyartError, TrainingError
from keyart.parallel import cores
from keyart.training.callbacks import Callbacks
from keyart.training.join import LostWorkerError
from keyart.training.reports import Job, Report, Teller, error_of

RESTARTS = 3
"""How often workers start again in one training after one was lost."""

_GRACE = 5.0  # seconds in which the worker that failed first is found out


def train_here(job: Job, workers: int, callbacks: Callbacks) -> None:
    """Train in `workers` processes, until the best weights are in the run's folder.

    The folder must have been started. If a worker is killed or does not answer, all start again
    from the last checkpoint. Raises what a worker raised, and LostWorkerError after RESTARTS.
    """
    teller = Teller(callbacks)
    for _ in range(RESTARTS):
        try:
            return _attempt(job, workers, teller)
        except LostWorkerError as lost:
            callbacks.message(f"{lost}; continuing from the last checkpoint")
    return _attempt(job, workers, teller)


def _attempt(job: Job, count: int, teller: Teller) -> None:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    # The store is here, so that no other process can take its port first.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    events: queue.Queue[tuple[int, Report | None]] = queue.Queue()
    with _processes(job, count, store.port, events) as processes:
        failures: dict[int, Report] = {}
        running, deadline = set(range(count)), None
        while running:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                rank, event = events.get(timeout=left)
            except queue.Empty:
                break  # the others wait for the worker that failed
            if event is None:
                running.discard(rank)
                if processes[rank].wait() != 0 and deadline is None:
                    deadline = time.monotonic() + _GRACE
            elif "failure" in event:
                failures[rank] = event
            elif rank == 0:
                teller.tell(event)
        if deadline is not None:
            raise _cause(processes, failures)


def _cause(processes: list["_Process"], failures: dict[int, Report]) -> KeyartError | OSError:
    """The error that made the workers fail."""
    own = {rank: one for rank, one in failures.items() if one["failure"] != "LostWorkerError"}
    if own:
        rank, failure = min(own.items())
        return error_of(rank, failure)
    for rank, process in enumerate(processes):
        code = process.poll()
        if code and rank not in failures:
            if code < 0:
                return LostWorkerError(f"worker {rank} was killed (signal {-code})")
            return TrainingError(f"worker {rank} ended with status {code}: {process.last_line()}")
    silent = [rank for rank, process in enumerate(processes) if process.poll() is None]
    return LostWorkerError(f"worker {silent[0] if silent else 0} does not answer")


@contextmanager
def _processes(
    job: Job, count: int, port: int, events: queue.Queue[tuple[int, Report | None]]
) -> Iterator[list["_Process"]]:
    """Start the workers, and end those that still run afterwards."""
    with ExitStack() as stack:
        started: list[_Process] = []
        for rank in range(count):
            process = _Process(rank, count)
            stack.callback(process.end)
            started.append(process)
            process.begin({**asdict(job), "port": port, "rank": rank, "count": count}, events)
        yield started


class _Process:
    """A process that is a worker. It ends if its standard input is closed."""

    def __init__(self, rank: int, count: int) -> None:
        self._rank = rank
        self._errors: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
        source = str(Path(__file__).parents[2])
        paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
        threads = str(max(1, cores() // count))
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "OMP_NUM_THREADS": threads,
        }
        if sys.platform == "linux":
            environment["GLOO_SOCKET_IFNAME"] = "lo"  # no one else can connect
        self._process = subprocess.Popen(
            [sys.executable, "-m", "keyart.training.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
        )

    def begin(self, job: dict[str, Any], events: queue.Queue[tuple[int, Report | None]]) -> None:
        """Send it its job, and put what it reports into `events`; None when it has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has failed already, and says so
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        threading.Thread(target=self._read, args=(events,), daemon=True).start()

    def _read(self, events: queue.Queue[tuple[int, Report | None]]) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as reports:
            for line in reports:
                events.put((self._rank, json.loads(line)))
        events.put((self._rank, None))

    def wait(self) -> int:
        """Its exit status."""
        return self._process.wait()

    def poll(self) -> int | None:
        """Its exit status; None if it runs."""
        return self._process.poll()

    def last_line(self) -> str:
        """The last line that it printed as an error."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def end(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._errors.close()
