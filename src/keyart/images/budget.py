"""One budget of memory for all decodes in flight, so that no set of posters fills the machine."""

import contextlib
import ctypes
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from keyart.errors import PosterError, PosterWaitsError
from keyart.parallel import usable_memory

MEGABYTE = 1_000_000
MOST = 1_000 * MEGABYTE  # of a large machine
LEAST = 64 * MEGABYTE
# Up to here a decode takes milliseconds and stays in this process; see apart.py for larger ones.
_LARGEST_SMALL = 64 * MEGABYTE
# After a decode of more, the C library is asked to hand back what it keeps: some ms.
_HANDED_BACK = 16 * MEGABYTE


class Budget:
    """Bytes that all decodes in flight share, each by the estimate of its header.

    A quarter belongs to small decodes, so that they pass while a large one waits. Both parts serve
    in the order of arrival: nobody starves. All methods may be called by any thread.
    """

    def __init__(self, total: int) -> None:
        self._small = _Lane(total // 4)
        self._large = _Lane(total - total // 4)
        self.small = min(total // 8, _LARGEST_SMALL)
        """Bytes up to which a decode counts as small."""

    @property
    def most(self) -> int:
        """Bytes that a single decode may take."""
        return self._large.size

    @contextmanager
    def taking(self, amount: int, patience: float | None = None) -> Iterator[None]:
        """Hold `amount` bytes of the budget, waiting until they are free.

        patience: seconds to wait; None means without end. Raises PosterError if the budget never
        has as much, PosterWaitsError if it is not free in time.
        """
        lane = self._small if amount <= self.small else self._large
        if amount > lane.size:
            raise PosterError(
                f"too large to decode: it takes about {amount // MEGABYTE:,} MB of memory, over "
                f"{lane.size // MEGABYTE:,} MB; save it with fewer pixels"
            )
        lane.take(amount, patience)
        try:
            yield
        finally:
            if amount > _HANDED_BACK:
                hand_back()
            lane.give(amount)


class _Lane:
    """A semaphore of bytes that serves in the order of arrival."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = size
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    def take(self, amount: int, patience: float | None) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                if not self._changed.wait_for(
                    lambda: self._queue[0] is ticket and self._free >= amount, patience
                ):
                    raise PosterWaitsError("other large posters are being decoded; try again later")
                self._free -= amount
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def give(self, amount: int) -> None:
        with self._changed:
            self._free += amount
            self._changed.notify_all()


def hand_back() -> None:
    """Hand freed memory back to the system: glibc keeps up to 64 MB for each thread."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # other C libraries have none
        ctypes.CDLL(None).malloc_trim(0)


_lock = threading.Lock()
_budget: Budget | None = None


def decode_budget() -> Budget:
    """The budget of this process: a quarter of the memory that it may use, at most 1 GB."""
    global _budget
    with _lock:
        if _budget is None:
            _budget = Budget(max(LEAST, min(MOST, usable_memory() // 4)))
        return _budget


def limit_decoding(total: int) -> None:
    """Give this process another budget, in bytes; decodes in flight keep the one they began with.

    For several processes that share a machine, such as those of a service.
    """
    global _budget
    with _lock:
        _budget = Budget(total)
