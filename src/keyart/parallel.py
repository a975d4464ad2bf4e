"""The one pool of work: ordered, bounded, on all cores; and what the machine offers it."""

import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""Called with (done, total) as work goes on."""


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`; the last one may be shorter."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def ordered(
    work: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None
) -> Iterator[Result]:
    """Yield `work(item)` for each item, in order, computed by a pool of threads.

    Threads, because decoding and the runtime release the interpreter's lock. At most two items
    for each worker are in flight: items are read no faster than results are taken, so memory stays
    bounded. Pass lists (see `batches`) if one item is too little work for a task.

    workers: threads; None means one for each core. An error of `work` is raised in its place in the
    order; an error of `items` ends all at once. If the caller stops early, work that has not begun
    is dropped.
    """
    count = cores() if workers is None else workers
    if count < 1:
        raise ValueError(f"workers: expected at least 1, got {workers}")
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="keyart")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def usable_memory() -> int:
    """Bytes that this process may use: the machine's, or less by a cgroup or a resource limit."""
    limits = [1 << 33]  # where nothing says so
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    if sys.platform != "win32":
        import resource

        soft = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
        limits += [limit for limit in soft if limit != resource.RLIM_INFINITY]
    for file in _cgroup_files():
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            limits.append(int(file.read_text()))
    return min(limits)


def _cgroup_files() -> Iterator[Path]:
    """Where cgroups of either version, from this process's to the root, may state a limit."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            root, file = Path("/sys/fs/cgroup"), "memory.max"
        elif "memory" in controllers.split(","):
            root, file = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
        else:
            continue
        inside = PurePosixPath(name.lstrip("/"))
        for folder in (inside, *inside.parents):
            yield root / folder / file
