"""Long jobs as people see them: a line that changes on a terminal, a line a minute elsewhere."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from keyart.errors import counted
from keyart.jobs.status import EVERY, JobStatus
from keyart.terminal.progress import clock


@contextmanager
def job_progress(*, quiet: bool) -> Iterator[Callable[[JobStatus], None]]:
    """Yield a function that shows on standard error how far a job is."""
    console = Console(stderr=True)
    if quiet:
        yield lambda status: None
    elif console.is_terminal:
        with Progress(
            BarColumn(), TextColumn("{task.description}"), console=console, transient=True
        ) as bar:
            task = bar.add_task("", total=None)
            yield lambda status: bar.update(
                task, description=job_line(status), completed=status.films_done, total=status.films
            )
    else:
        yield _lines()


def _lines() -> Callable[[JobStatus], None]:
    last = time.monotonic()

    def show(status: JobStatus) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            print(job_line(status), file=sys.stderr, flush=True)

    return show


def job_line(status: JobStatus) -> str:
    """How far a job is, in a line."""
    parts = [
        f"{status.films_done:,} of {counted(status.films, 'film')}",
        f"{status.shards_done:,} of {counted(status.shards, 'shard')}",
    ]
    if status.failed:
        parts.append(f"{status.failed:,} not predicted")
    if status.by_title:
        parts.append(f"{status.by_title:,} by their titles")
    if status.rate:
        parts.append(f"{status.rate:,.{0 if status.rate >= 10 else 1}f} films/s")
    if status.seconds_left:
        parts.append(f"{clock(status.seconds_left)} left")
    return ", ".join(parts)


def show_status(status: JobStatus, *, as_json: bool = False) -> None:
    """Print how far a job is."""
    if as_json:
        print(json.dumps(status.to_dict(), ensure_ascii=False))
        return
    print(f"{status.folder}: {status.state}, model {status.model}")
    print(job_line(status))
    if status.state == "stopped":
        print("run the command again to resume")


def stopped_line(status: JobStatus) -> str:
    """What is said when somebody stops a job."""
    saved = f"{status.shards_done:,} of {counted(status.shards, 'shard')} saved in {status.folder}"
    return f"{saved}: run the same command again to resume"


def finished_lines(status: JobStatus, errors: object) -> Iterator[str]:
    """What is said at the end of a job."""
    shards, films = counted(status.shards, "shard"), counted(status.films, "film")
    yield f"{status.folder}: {shards} with {films}, {status.computed:,} computed now"
    where = f"see {errors}" if errors else "see the column reason, or --errors FILE lists them"
    if status.by_title:
        yield f"{counted(status.by_title, 'film')} predicted by their titles: {where}"
    if status.failed:
        yield f"{status.failed:,} of {films} could not be predicted; {where}"
