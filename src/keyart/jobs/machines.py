"""Where shards are computed: processes of this machine, or tasks on a Ray cluster (on_ray.py)."""

import os
import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from keyart.errors import JobError
from keyart.jobs.worker import Setup, Worker
from keyart.network import Device
from keyart.parallel import cores


class Machines(Protocol):
    """What computes shards. A handle stands for a shard in hand."""

    def most(self) -> int:
        """How many shards to have in hand at once: enough that nobody waits."""
        ...

    def submit(self, rows: bytes, about: dict[str, str]) -> Any:
        """Begin a shard, see `Worker.compute`. Returns its handle."""
        ...

    def first(self, handles: Sequence[Any], seconds: float) -> Any | None:
        """The first of the handles that is done; None if none is after so many seconds."""
        ...

    def result(self, handle: Any) -> bytes:
        """The file of a shard that is done. Raises what computing it raised."""
        ...


def computed(
    machines: Machines, shards: Iterable[tuple[int, bytes, dict[str, str]]], seconds: float
) -> Iterator[tuple[int, bytes] | None]:
    """Number and file of each shard, as they are done; None whenever `seconds` have passed.

    shards: number, rows and metadata. They are read no faster than they are computed.
    """
    waiting: dict[Any, int] = {}

    def done(most: int) -> Iterator[tuple[int, bytes] | None]:
        while waiting and len(waiting) >= most:
            handle = machines.first(list(waiting), seconds)
            yield None if handle is None else (waiting.pop(handle), machines.result(handle))

    for shard, rows, about in shards:
        waiting[machines.submit(rows, about)] = shard
        yield from done(machines.most())
    yield from done(1)


class Here:
    """Processes of this machine, each for one shard at a time."""

    def __init__(self, setup: Setup, *, workers: int | None, device: Device) -> None:
        setups = [setup] * (workers or cores())
        if device == "cuda":
            gpus = gpus_here()[:workers]
            threads = max(1, cores() // len(gpus))
            setups = [replace(setup, gpu=gpu, threads=threads) for gpu in gpus]
        self._workers = [Worker(one) for one in setups]
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)
        self._pool = ThreadPoolExecutor(len(self._workers), thread_name_prefix="keyart")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.close()
        self._pool.shutdown(cancel_futures=True)

    def most(self) -> int:
        """As many as there are workers, and one for each to begin at once when it is done."""
        return 2 * len(self._workers)

    def submit(self, rows: bytes, about: dict[str, str]) -> "Future[bytes]":
        """Begin a shard."""
        return self._pool.submit(self._compute, rows, about)

    def first(self, handles: Sequence["Future[bytes]"], seconds: float) -> "Future[bytes] | None":
        """The first that is done."""
        done, _ = wait(handles, seconds, FIRST_COMPLETED)
        return next(iter(done), None)

    def result(self, handle: "Future[bytes]") -> bytes:
        """The shard's file."""
        return handle.result()

    def _compute(self, rows: bytes, about: dict[str, str]) -> bytes:
        worker = self._free.get()
        try:
            return worker.compute(rows, about)
        finally:
            self._free.put(worker)


def gpus_here() -> list[str]:
    """The GPUs that this process may use, by number. Raises JobError if there are none."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        found = [one.strip() for one in allowed.split(",") if one.strip() not in ("", "-1")]
    else:
        count = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
        found = [str(number) for number in range(count)]
    if not found:
        raise JobError("device cuda: no NVIDIA GPU on this machine; leave the device out")
    return found
