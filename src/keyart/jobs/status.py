"""How far a job is, read from its folder, by the process that computes or by any other.

progress.jsonl    a line a minute: time, state, what is done, rate, seconds left, process
manifest.json     written last: the model, the choices, and each shard with its counts
"""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from keyart.errors import JobError, why
from keyart.files import StrPath, write_json
from keyart.jobs.plan import Plan
from keyart.owners import is_alive, owner
from keyart.stores.paths import on_this_machine
from keyart.version import __version__

PROGRESS, MANIFEST = "progress.jsonl", "manifest.json"
EVERY = 60.0  # seconds between two lines of PROGRESS
_SILENT = 3 * EVERY  # a job of another machine that wrote nothing for so long does not run
State = Literal["running", "stopped", "finished"]


class Counts(NamedTuple):
    """What is in one or several shards. by_title: films whose posters could not be read."""

    films: int = 0
    failed: int = 0
    by_title: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """The counts of both."""
        return Counts(*(one + two for one, two in zip(self, other, strict=True)))


@dataclass(frozen=True)
class JobStatus:
    """How far a job is.

    films, shards: of the plan; films_done, shards_done: those that are written. failed: films that
    were not predicted. by_title: films that were predicted by their title, as their poster could
    not be read. rate: films a second, of the current or the last run, if it is known.
    seconds_left: at that rate. computed: shards that this run computed; None if another one asks.
    """

    folder: Path
    state: State
    model: str
    films: int
    films_done: int
    shards: int
    shards_done: int
    failed: int
    by_title: int
    rate: float | None = None
    seconds_left: float | None = None
    computed: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"folder": str(self.folder)}


def job_status(folder: StrPath) -> JobStatus:
    """How far the job in a folder is, see `run_job`. Raises JobError if there is no job."""
    plan = Plan.read(on_this_machine(folder))
    done = dict(finished_shards(plan))
    counts = total(done)
    line = last_line(plan.folder)
    alive = is_alive(str(line.get("process")))
    if alive is None:
        alive = _seconds_since(line, "time") < _SILENT
    state: State = "running" if alive and line.get("state") == "running" else "stopped"
    if len(done) == plan.shards and (plan.folder / MANIFEST).is_file():
        state = "finished"
    rate, left = line.get("rate"), None
    if state == "running" and (computed := counts.films - int(line.get("films_before", 0))):
        rate = computed / _seconds_since(line, "began")
        left = (plan.films - counts.films) / rate
    return JobStatus(
        plan.folder,
        state,
        plan.choices.name,
        plan.films,
        counts.films,
        plan.shards,
        len(done),
        counts.failed,
        counts.by_title,
        rate,
        left,
    )


def _seconds_since(line: Mapping[str, Any], key: str) -> float:
    """How long ago a time in a line was; without end if the line does not have it."""
    with suppress(KeyError, ValueError, TypeError):
        return (datetime.now(UTC) - datetime.fromisoformat(line[key])).total_seconds()
    return math.inf


def finished_shards(plan: Plan) -> Iterator[tuple[int, Counts]]:
    """The shards that are written. Raises JobError for files that belong to another job."""
    names = {name: shard for shard, name in enumerate(plan.names)}
    for path in sorted(plan.folder.glob("scores-*.parquet")):
        if path.name not in names:
            raise JobError(f"{path}: not of this job; move it out of {plan.folder}")
        shard = names[path.name]
        try:
            counts = counts_of(pa.OSFile(os.fsencode(path)), about_shard(plan, shard))
        except (pa.ArrowException, OSError, KeyError, ValueError, AttributeError) as error:
            raise JobError(f"{path}: damaged; remove it, and run the command again") from error
        if counts is None:
            raise JobError(f"{path}: of a job with another plan; move it out of {plan.folder}")
        yield shard, counts


def counts_of(file: pa.NativeFile, expected: Mapping[str, str]) -> Counts | None:
    """What is in a shard's file; None if it does not say of itself what is expected."""
    with pq.ParquetFile(file) as shard:
        about = {key.decode(): value.decode() for key, value in shard.metadata.metadata.items()}
        films = shard.metadata.num_rows
    if any(about.get(key) != value for key, value in expected.items()):
        return None
    return Counts(films, int(about["failed"]), int(about["by_title"]))


def about_shard(plan: Plan, shard: int) -> dict[str, str]:
    """What a shard's file says of itself, as its metadata."""
    return {"plan": plan.digest, "shard": str(shard), "model": plan.choices.model}


def total(shards: Mapping[int, Counts]) -> Counts:
    """The sum of counts."""
    counts = Counts()
    for one in shards.values():
        counts = counts.plus(one)
    return counts


def write_manifest(plan: Plan, done: Mapping[int, Counts]) -> None:
    """Write the manifest of a job of which all shards are there."""
    files = [
        {"name": name, "bytes": (plan.folder / name).stat().st_size, **done[shard]._asdict()}
        for shard, name in enumerate(plan.names)
    ]
    counts = {"plan": plan.digest, **total(done)._asdict()}
    about = {"format": 1, "keyart": __version__, **asdict(plan.choices), **counts}
    write_json(plan.folder / MANIFEST, {**about, "shards": files})


class Progress:
    """Counts what one run of a job does, and writes a line a minute."""

    def __init__(self, plan: Plan, done: Mapping[int, Counts]) -> None:
        self._plan = plan
        self.done = dict(done)
        self._total = total(done)
        self._before = self._total.films
        self._computed = 0
        self._began = time.monotonic()
        self._next = 0.0
        self._about = {"process": owner(), "began": _now(), "films_before": self._before}

    def add(self, shard: int, counts: Counts) -> None:
        """A shard is written."""
        self.done[shard] = counts
        self._total = self._total.plus(counts)
        self._computed += 1

    def status(self, state: State) -> JobStatus:
        """How far the job is now."""
        plan, counts = self._plan, self._total
        seconds = time.monotonic() - self._began
        computed = counts.films - self._before
        rate = computed / seconds if computed else None
        left = (plan.films - counts.films) / rate if rate else None
        return JobStatus(
            plan.folder, state, plan.choices.name, plan.films, counts.films, plan.shards,
            len(self.done), counts.failed, counts.by_title, rate, left, self._computed,
        )  # fmt: skip

    def write(self, state: State = "running") -> None:
        """Append a line to PROGRESS, if it is time or the state is not 'running'."""
        now = time.monotonic()
        if state == "running" and now < self._next:
            return
        self._next = now + EVERY
        status = self.status(state).to_dict()
        about = {"time": _now(), **self._about}
        line = json.dumps(about | {key: status[key] for key in status if key != "folder"})
        with suppress(OSError), (self._plan.folder / PROGRESS).open("a") as file:
            file.write(line + "\n")  # a full disk stops the job when a shard is written


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def last_line(folder: Path) -> dict[str, Any]:
    """The last whole line of PROGRESS; empty if there is none."""
    try:
        with (folder / PROGRESS).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 10_000))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise JobError(f"{folder / PROGRESS}: cannot be read ({why(error)})") from error
    for line in reversed(lines):
        with suppress(ValueError):  # a line that a kill cut short
            found = json.loads(line)
            if isinstance(found, dict):
                return found
    return {}
