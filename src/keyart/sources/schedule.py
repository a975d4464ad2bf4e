"""Which request is sent next, and when."""

import asyncio
import heapq
import time
from collections.abc import Iterator
from itertools import count

from keyart.sources.pace import Host, Job, Limits

_WAITING = 256  # jobs in memory that are not sent yet


class Schedule:
    """Jobs in their order, each as soon as its host may be asked; retries when their time comes.

    A host that is paused holds up nobody else's jobs. At most a few hundred jobs are in memory.
    """

    def __init__(self, jobs: Iterator[Job], limits: Limits) -> None:
        self._jobs, self._limits = jobs, limits
        self._hosts: dict[str, Host] = {}
        self._later: list[tuple[float, int, Job]] = []
        self._number = count()
        self._running = 0
        self._left = True  # whether `jobs` may have more
        self._changed = asyncio.Condition()
        self.skipped = 0  # of hosts that are not asked any more

    def host(self, name: str) -> Host:
        """A host by its name."""
        if name not in self._hosts:
            # Hosts that nothing waits for may still have to be asked slowly: keep the last ones.
            if len(self._hosts) > 4 * _WAITING:
                now = time.monotonic()
                idle = [one for one in self._hosts.values() if not one.waiting and not one.stopped]
                for one in idle:
                    if one.free_at < now:
                        del self._hosts[one.name]
            self._hosts[name] = Host(name, self._limits)
        return self._hosts[name]

    @property
    def stopped(self) -> list[str]:
        """Why hosts are not asked any more in this run."""
        return [host.stopped for host in self._hosts.values() if host.stopped]

    async def next(self) -> Job | None:
        """The next job, when it may be sent; None if there is none left. Call `done` after it."""
        async with self._changed:
            while True:
                now = time.monotonic()
                self._fill(now)
                ready = [host for host in self._hosts.values() if host.waiting]
                first = min(ready, key=lambda host: host.free_at, default=None)
                if first is not None and first.free_at <= now:
                    first.take_turn(now)
                    self._running += 1
                    return first.waiting.popleft()
                if first is None and not self._later and not self._running:
                    self._changed.notify_all()
                    return None
                times = [first.free_at] if first else []
                times += [self._later[0][0]] if self._later else []
                wait = max(0.001, min(times) - now) if times else None
                try:
                    await asyncio.wait_for(self._changed.wait(), wait)
                except TimeoutError:
                    continue

    async def turn(self, name: str) -> None:
        """Wait until a host may be asked, for a request that is no job of its own."""
        host = self.host(name)
        while (wait := host.free_at - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        host.take_turn(time.monotonic())

    async def done(self, again: Job | None = None, *, after: float = 0.0) -> None:
        """A job was sent. again: it is to be sent once more, in so many seconds."""
        async with self._changed:
            self._running -= 1
            if again is not None:
                heapq.heappush(self._later, (time.monotonic() + after, next(self._number), again))
            self._changed.notify_all()

    def _fill(self, now: float) -> None:
        """Give jobs to their hosts: retries that are due first, then new ones."""
        for host in self._hosts.values():
            if host.stopped:
                self.skipped += len(host.waiting)
                host.waiting.clear()
        while self._later and self._later[0][0] <= now:
            self._give(heapq.heappop(self._later)[2], first=True)
        waiting = sum(len(host.waiting) for host in self._hosts.values())
        while self._left and waiting + len(self._later) < _WAITING:
            job = next(self._jobs, None)
            if job is None:
                self._left = False
                break
            waiting += self._give(job)

    def _give(self, job: Job, *, first: bool = False) -> bool:
        host = self.host(job.host)
        if host.stopped:
            self.skipped += 1
        elif first:
            host.waiting.appendleft(job)
        else:
            host.waiting.append(job)
        return not host.stopped
