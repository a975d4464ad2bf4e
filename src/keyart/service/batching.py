"""A bounded queue of posters, worked off in small batches by one thread for each core."""

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from keyart.errors import PosterError
from keyart.parallel import cores
from keyart.predictor import Predictor
from keyart.scorer import Scores
from keyart.service.limits import Limits
from keyart.service.metrics import Metrics
from keyart.service.problems import Problem

Result = TypeVar("Result")

_NICER = 2  # of 20 steps; each gives a thread about 1.25 times less of a busy core


@dataclass(slots=True)
class _Job:
    """A poster to score, or other work that takes the place of a poster in the queue."""

    future: asyncio.Future[Any]
    data: bytes = b""
    work: Callable[[], Any] | None = None
    outcome: Any = None


class Batcher:
    """Scores posters in the order they came. All methods belong to one event loop.

    Every accepted poster is answered, also while closing. If the queue is full, more posters are
    refused at once: waiting would only make everybody late.
    """

    def __init__(
        self,
        predictor: Predictor,
        limits: Limits,
        metrics: Metrics,
        *,
        threads: int | None = None,
    ) -> None:
        """threads: None means one for each core."""
        self._predictor = predictor
        self._limits = limits
        self._metrics = metrics
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._loop = asyncio.get_running_loop()
        self.waiting = 0
        self.closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"keyart-{number}", daemon=True)
            for number in range(threads or cores())
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether posters are accepted."""
        return not self.closed and all(thread.is_alive() for thread in self._threads)

    def admit(self) -> None:
        """Raise Problem 503 if there is no room for another request."""
        if self.closed:
            raise Problem("unavailable", "the service is stopping")
        if self.waiting >= self._limits.waiting * len(self._threads):
            raise Problem("busy", f"{self.waiting} posters are waiting already")

    async def scores(self, posters: Sequence[bytes]) -> list[Scores | Exception]:
        """Calibrated scores (genres,) of each poster, or the PosterError of one that has none."""
        return await self._answers([_Job(self._loop.create_future(), data) for data in posters])

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, run in the place of a poster. Raises what it raises."""
        (result,) = await self._answers([_Job(self._loop.create_future(), work=work)])
        if isinstance(result, Exception):
            raise result
        answer: Result = result
        return answer

    async def close(self) -> None:
        """Answer everything that was accepted, then stop the threads."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def _answers(self, jobs: list[_Job]) -> list[Any]:
        self.admit()
        self.waiting += len(jobs)
        self._metrics.waiting.inc(len(jobs))
        with self._changed:
            self._jobs.extend(jobs)
            self._changed.notify(len(jobs))
        return [await job.future for job in jobs]

    def _deliver(self, batch: list[_Job]) -> None:
        self.waiting -= len(batch)
        self._metrics.waiting.dec(len(batch))
        for job in batch:
            if not job.future.done():
                job.future.set_result(job.outcome)

    def _work(self) -> None:
        _give_way()
        while batch := self._next_batch():
            self._run(batch)
            try:
                self._loop.call_soon_threadsafe(self._deliver, batch)
            except RuntimeError:  # the loop was closed: nobody waits any more
                return

    def _next_batch(self) -> list[_Job]:
        """Posters to score together, or one other job. Waits for it; empty means stop."""
        with self._changed:
            while not self._jobs:
                if self.closed:
                    return []
                self._changed.wait()
            # A fair share: a batch of all posters would leave the other cores idle.
            share = min(-(-len(self._jobs) // len(self._threads)), self._limits.batch)
            batch = [self._jobs.popleft()]
            while len(batch) < share and batch[0].work is None:
                if not self._jobs or self._jobs[0].work is not None:
                    break
                batch.append(self._jobs.popleft())
            return batch

    def _run(self, batch: list[_Job]) -> None:
        try:
            if batch[0].work is not None:
                batch[0].outcome = batch[0].work()
            else:
                self._score(batch)
        except Exception as error:  # whoever waits for a job must get its error
            for job in batch:
                job.outcome = error

    def _score(self, batch: list[_Job]) -> None:
        prepared = []
        for job in batch:
            try:
                prepared.append(self._predictor.prepare(job.data, self._limits.pixels))
            except PosterError as error:
                job.outcome = error
        if prepared:
            scores = iter(self._predictor.scores(prepared))
            for job in batch:
                if job.outcome is None:
                    job.outcome = next(scores)
        self._metrics.batch.observe(len(prepared))


def _give_way() -> None:
    """Let the event loop go before this thread: refusals matter most when all cores are busy.

    Linux has a priority for each thread. Elsewhere it belongs to the process and is not changed.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        nicer = os.getpriority(os.PRIO_PROCESS, thread) + _NICER
        os.setpriority(os.PRIO_PROCESS, thread, min(nicer, 19))
