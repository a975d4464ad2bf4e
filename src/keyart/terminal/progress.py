"""Progress of long work: a bar on a terminal, a line now and then elsewhere, none if quiet."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

_EVERY = 15.0  # seconds between two lines if there is no terminal

Item = TypeVar("Item")
Advance = Callable[[int, int], None]


@contextmanager
def progress(label: str, *, quiet: bool) -> Iterator[Advance]:
    """Yield a function to call with (done, total); it shows them on standard error."""
    console = Console(stderr=True)
    if quiet:
        yield lambda done, total: None
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(label, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        yield _lines(label)


def _lines(label: str) -> Advance:
    last = time.monotonic()
    first: tuple[float, int] | None = None

    def show(done: int, total: int) -> None:
        nonlocal last, first
        now = time.monotonic()
        # What came before the first call, such as reading a long table, says nothing of the rate.
        began, before = first = first or (now, done)
        if now - last < _EVERY:
            return
        last = now
        left = (now - began) / (done - before) * (total - done) if done > before else 0
        print(f"{label}: {done:,} of {total:,}, {clock(left)} left", file=sys.stderr, flush=True)

    return show


def advancing(items: Iterable[Item], total: int, advance: Advance) -> Iterator[Item]:
    """The items, each counted once it has come."""
    for done, item in enumerate(items, start=1):
        advance(done, total)
        yield item


def clock(seconds: float) -> str:
    """Seconds as people read them: 42 s, 3 min, 1 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
