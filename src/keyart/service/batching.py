"""A bounded queue of posters, processed in small batches by one thread for each core.

Posters that take long or much memory have a thread of their own, so that small ones pass them. A
thread that is stuck is replaced.
"""

import asyncio
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from keyart.errors import PosterError
from keyart.images.decode import is_large
from keyart.parallel import cores
from keyart.predictor import Predictor
from keyart.seen import Seen
from keyart.service.limits import Limits
from keyart.service.metrics import Metrics
from keyart.service.problems import Problem

Result = TypeVar("Result")

_NICER = 2  # of 20 steps; each gives a thread about 1.25 times less of a busy core
_LOOK = 0.25  # seconds between two looks at the threads
_MOST_STUCK = 8  # threads that are replaced; each holds its memory and perhaps a core


@dataclass(slots=True)
class _Job:
    """A poster to score, or other work with a poster that takes its place in the queue."""

    future: asyncio.Future[Any]
    data: bytes
    work: Callable[[], Any] | None = None
    outcome: Any = None


class _Worker(threading.Thread):
    """A thread, its queue, and its current job."""

    def __init__(self, jobs: deque[_Job], run: Callable[["_Worker"], None], name: str) -> None:
        super().__init__(target=run, args=(self,), name=name, daemon=True)
        self.jobs = jobs
        self.batch: list[_Job] = []
        self.since = math.inf
        """When its current poster began; infinite if it has none."""
        self.replaced = False


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
        """threads: for small posters; None means one for each core."""
        self._predictor = predictor
        self._limits = limits
        self._metrics = metrics
        self._small: deque[_Job] = deque()
        self._large: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._loop = asyncio.get_running_loop()
        self.waiting = 0
        self.closed = False
        self._count = threads or cores()
        sizes = [spec.at_least for spec in predictor.image_specs]
        self._at_least = max(size[0] for size in sizes), max(size[1] for size in sizes)
        self._stuck: list[_Worker] = []
        self._workers: list[_Worker] = []
        self._workers += [
            *(self._start(self._small, f"keyart-{number}") for number in range(self._count)),
            self._start(self._large, "keyart-large"),
        ]
        self._look = self._loop.call_later(_LOOK, self._replace_stuck)

    def _start(self, jobs: deque[_Job], name: str) -> _Worker:
        worker = _Worker(jobs, self._work, name)
        worker.start()
        return worker

    @property
    def alive(self) -> bool:
        """Whether posters are accepted, and no thread is late or stuck with one."""
        late = time.monotonic() - self._limits.late
        return (
            not self.closed
            and not any(worker.is_alive() for worker in self._stuck)
            and all(worker.is_alive() and worker.since > late for worker in self._workers)
        )

    def admit(self) -> None:
        """Raise Problem 503 if there is no room for another request."""
        if self.closed:
            raise Problem("unavailable", "the service is stopping")
        if self.waiting >= self._limits.waiting * self._count:
            raise Problem("busy", f"{self.waiting} posters are waiting already")

    async def see(self, posters: Sequence[bytes]) -> list[Seen | Exception]:
        """What is seen in each poster, or the PosterError of one that cannot be read."""
        return await self._answers([_Job(self._loop.create_future(), data) for data in posters])

    async def run(self, poster: bytes, work: Callable[[], Result]) -> Result:
        """What `work` returns, run in the place of its poster. Raises what it raises."""
        (result,) = await self._answers([_Job(self._loop.create_future(), poster, work)])
        if isinstance(result, Exception):
            raise result
        answer: Result = result
        return answer

    async def close(self) -> None:
        """Answer everything that was accepted, then stop the threads, except stuck ones."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        while any(worker.is_alive() for worker in self._workers):
            await asyncio.sleep(0.01)
        self._look.cancel()

    async def _answers(self, jobs: list[_Job]) -> list[Any]:
        self.admit()
        self.waiting += len(jobs)
        self._metrics.waiting.inc(len(jobs))
        with self._changed:
            self._small.extend(jobs)
            self._changed.notify_all()
        return [await job.future for job in jobs]

    def _deliver(self, worker: _Worker, batch: list[_Job]) -> None:
        if not worker.replaced:
            self._finish(batch)

    def _finish(self, batch: list[_Job]) -> None:
        self.waiting -= len(batch)
        self._metrics.waiting.dec(len(batch))
        for job in batch:
            if not job.future.done():
                job.future.set_result(job.outcome)

    def _replace_stuck(self) -> None:
        """Start another thread for each that is stuck, and answer the posters that it holds."""
        now = time.monotonic()
        self._stuck = [worker for worker in self._stuck if worker.is_alive()]
        for place, worker in enumerate(self._workers):
            batch = list(worker.batch)
            longest = self._limits.work if batch and batch[0].work else self._limits.stuck
            if now - worker.since < longest or len(self._stuck) >= _MOST_STUCK:
                continue
            worker.replaced = True
            self._stuck.append(worker)
            self._workers[place] = self._start(worker.jobs, worker.name)
            for job in batch:
                if job.outcome is None:
                    job.outcome = Problem("unavailable", "a poster took too long; try again later")
            self._finish(batch)
        self._look = self._loop.call_later(_LOOK, self._replace_stuck)

    def _work(self, worker: _Worker) -> None:
        _give_way()
        while not worker.replaced and (batch := self._next_batch(worker)):
            batch = self._run(worker, batch)
            worker.since, worker.batch = math.inf, []
            try:
                self._loop.call_soon_threadsafe(self._deliver, worker, batch)
            except RuntimeError:  # the loop was closed: nobody waits any more
                return

    def _next_batch(self, worker: _Worker) -> list[_Job]:
        """Posters to score together, or one other job. Waits for it; empty means stop."""
        jobs = worker.jobs
        with self._changed:
            while not jobs:
                # A small poster may still turn out to be large.
                busy = any(other.batch for other in self._workers if other.jobs is not jobs)
                if self.closed and not (jobs is self._large and (self._small or busy)):
                    return []
                self._changed.wait(_LOOK if self.closed else None)
            # A fair share: a batch of all posters would leave the other cores idle.
            share = min(-(-len(jobs) // self._count), self._limits.batch)
            if jobs is self._large:
                share = 1
            batch = [jobs.popleft()]
            while len(batch) < share and batch[0].work is None:
                if not jobs or jobs[0].work is not None:
                    break
                batch.append(jobs.popleft())
            worker.batch = batch
            return batch

    def _run(self, worker: _Worker, batch: list[_Job]) -> list[_Job]:
        """Do a batch. Returns what is done: a small queue's large posters go to the other one."""
        try:
            if worker.jobs is self._small:
                batch = self._without_large(worker, batch)
            if batch and batch[0].work is not None:
                worker.since = time.monotonic()
                batch[0].outcome = batch[0].work()
            else:
                self._score(worker, batch)
        except Exception as error:  # whoever waits for a job must get its error
            for job in batch:
                if job.outcome is None:
                    job.outcome = error
        return batch

    def _without_large(self, worker: _Worker, batch: list[_Job]) -> list[_Job]:
        left: list[_Job] = []
        for job in batch:
            worker.since = time.monotonic()
            try:
                large = is_large(job.data, self._at_least, self._limits.pixels)
            except PosterError as error:
                job.outcome, large = error, False
            if large and len(self._large) < self._limits.large:
                with self._changed:
                    self._large.append(job)
                    worker.batch = [other for other in worker.batch if other is not job]
                    self._changed.notify_all()
                continue
            if large:
                job.outcome = Problem("busy", "too many large posters are waiting already")
            left.append(job)
        return left

    def _score(self, worker: _Worker, batch: list[_Job]) -> None:
        prepared = []
        for job in batch:
            if job.outcome is not None:
                continue
            worker.since = time.monotonic()
            try:
                prepared.append(self._predictor.prepare(job.data, self._limits.pixels))
            except PosterError as error:
                job.outcome = error
        if prepared:
            worker.since = time.monotonic()
            seen = iter(self._predictor.see(prepared))
            for job in batch:
                if job.outcome is None:
                    job.outcome = next(seen)
        self._metrics.batch.observe(len(prepared))


def _give_way() -> None:
    """Let the event loop go before this thread: refusals matter most when all cores are busy.

    Linux has a priority for each thread. Elsewhere it belongs to the process and is not changed.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        nicer = os.getpriority(os.PRIO_PROCESS, thread) + _NICER
        os.setpriority(os.PRIO_PROCESS, thread, min(nicer, 19))
