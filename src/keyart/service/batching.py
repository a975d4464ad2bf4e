"""A bounded queue of posters, worked off in small batches by one thread a core."""

import asyncio
import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keyart.errors import PosterError
from keyart.predictor import Predictor
from keyart.scorer import Scores
from keyart.service.limits import Limits
from keyart.service.metrics import Metrics
from keyart.service.problems import Problem

_NICER = 2  # of 20 steps; each gives a thread some 1.25 times less of a busy core


@dataclass(slots=True)
class _Job:
    """A poster to score, or other work that takes a poster's place in the queue."""

    future: asyncio.Future[Any]
    data: bytes = b""
    work: Callable[[], Any] | None = None
    outcome: Any = None


class Batcher:
    """Answers posters in the order they came. All methods belong to one event loop.

    What was accepted is answered, also while closing. What comes when the queue is full is refused
    at once: waiting would only make everybody late.
    """

    def __init__(
        self,
        predictor: Predictor,
        limits: Limits,
        metrics: Metrics,
        *,
        threads: int | None = None,
    ) -> None:
        """threads: None is one a core."""
        self._predictor = predictor
        self._limits = limits
        self._metrics = metrics
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self.waiting = 0
        self.closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"keyart-{number}", daemon=True)
            for number in range(threads or os.cpu_count() or 1)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether posters are answered."""
        return not self.closed and all(thread.is_alive() for thread in self._threads)

    def admit(self) -> None:
        """Raise Problem 503 where there is no room for another request."""
        if self.closed:
            raise Problem("unavailable", "the service is stopping", early=True)
        if self.waiting >= self._limits.waiting * len(self._threads):
            raise Problem("busy", f"{self.waiting} posters are waiting already", early=True)

    async def scores(self, posters: Sequence[bytes]) -> list[Scores | Exception]:
        """Calibrated scores (genres,) of each poster, or the PosterError of one that has none."""
        self.admit()
        jobs = [_Job(self._loop.create_future(), data) for data in posters]
        return await self._answers(jobs)

    async def run(self, work: Callable[[], Any]) -> Any:
        """What `work` returns, run in the place of a poster. Raises what it raises."""
        self.admit()
        (result,) = await self._answers([_Job(self._loop.create_future(), work=work)])
        if isinstance(result, Exception):
            raise result
        return result

    async def close(self) -> None:
        """Answer everything that was accepted, then stop the threads."""
        self.closed = True
        # These come last in the queue: a thread that meets one has answered all before it.
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def _answers(self, jobs: list[_Job]) -> list[Any]:
        self.waiting += len(jobs)
        self._metrics.waiting.inc(len(jobs))
        for job in jobs:
            self._queue.put(job)
        return [await job.future for job in jobs]

    def _deliver(self, batch: list[_Job]) -> None:
        self.waiting -= len(batch)
        self._metrics.waiting.dec(len(batch))
        for job in batch:
            if not job.future.done():
                job.future.set_result(job.outcome)

    def _work(self) -> None:
        _give_way()
        carried: _Job | None = None
        while True:
            job = carried or self._queue.get()
            carried = None
            if job is None:
                return
            batch = [job]
            if job.work is None:
                # A fair share: a batch that took all would leave the other cores idle.
                share = -(-(1 + self._queue.qsize()) // len(self._threads))
                carried = self._fill(batch, min(share, self._limits.batch))
            self._run(batch)
            try:
                self._loop.call_soon_threadsafe(self._deliver, batch)
            except RuntimeError:  # the loop was closed under us: nobody waits any more
                return

    def _fill(self, batch: list[_Job], most: int) -> _Job | None:
        """Take further posters, up to `most`. Returns a job that belongs to no batch."""
        while len(batch) < most:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return None
            if job is None:
                self._queue.put(None)
                return None
            if job.work is not None:
                return job
            batch.append(job)
        return None

    def _run(self, batch: list[_Job]) -> None:
        if batch[0].work is not None:
            try:
                batch[0].outcome = batch[0].work()
            except Exception as error:  # whoever waits for it must hear of it
                batch[0].outcome = error
            return
        try:
            pixels = []
            for job in batch:
                try:
                    pixels.append(self._predictor.prepare(job.data, self._limits.pixels))
                except PosterError as error:
                    job.outcome = error
            if pixels:
                scores = iter(self._predictor.scores(pixels))
                for job in batch:
                    if job.outcome is None:
                        job.outcome = next(scores)
            self._metrics.batch.observe(len(pixels))
        except Exception as error:
            for job in batch:
                job.outcome = error


def _give_way() -> None:
    """Let the event loop go before this thread: refusals are worth most when all cores are busy.

    Linux has a priority for each thread; elsewhere it is the process's, and stays as it is.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        nicer = os.getpriority(os.PRIO_PROCESS, thread) + _NICER
        os.setpriority(os.PRIO_PROCESS, thread, min(nicer, 19))
