"""Run a job, or go on with it: `keyart predict PATH --out FOLDER/`."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pyarrow as pa

from keyart.bundle import BOX
from keyart.catalog.table import parquet_file
from keyart.errors import JobError, counted
from keyart.evidence import KINDS, Kind, check_kinds
from keyart.files import StrPath, replacing, sweep, write_csv
from keyart.jobs.machines import Here, Machines, computed
from keyart.jobs.plan import PLAN, SHARD, Choices, Plan, write_plan
from keyart.jobs.status import (
    MANIFEST,
    JobStatus,
    Progress,
    about_shard,
    counts_of,
    finished_shards,
    write_manifest,
)
from keyart.jobs.worker import Setup
from keyart.locks import lock_folder
from keyart.network import Device, check_device
from keyart.predictor import Predictor
from keyart.queries import find_films
from keyart.stores.paths import is_remote
from keyart.trial import networks_of
from keyart.writers import errors_file

_WAITING = 8  # posters that a process asks a store for at once
Report = Callable[[JobStatus], None]
_WAIT = 1.0  # seconds between two looks at the clock


def run_job(
    paths: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    model: StrPath | None = None,
    posters: StrPath | None = None,
    columns: Mapping[str, str] | None = None,
    evidence: Collection[Kind] = KINDS,
    precision: float | None = None,
    balanced: bool = False,
    top: int | None = None,
    min_score: float | None = None,
    shard_size: int | None = None,
    workers: int | None = None,
    ray: str | None = None,
    device: Device = "cpu",
    errors: StrPath | None = None,
    progress: Report | None = None,
) -> JobStatus:
    """Predict many films in shards, into a folder; the same call resumes an interrupted job.

    The folder gets a plan first (plan.parquet), then a file for each shard of films
    (scores-*.parquet, with the columns of `to_table`), and manifest.json last. Finished
    shards stay: a killed job loses only the shards in progress. Scores are equal to the last bit to
    those of `Predictor.predict_many` on the same kind of processor.

    paths, posters, columns: as for `find_films`. model, precision, balanced, device: as for `load`.
    evidence: as for `Predictor.predict_many`. top, min_score: as for `to_table`. shard_size: films
    in a shard, a multiple of 16; None means 1,024. workers: processes; None means one for each core
    or GPU. ray: the address of a Ray cluster that computes ('auto': the one of this machine), or
    'local' to start one here. errors: a CSV (film_id, poster, reason) of the posters that could not
    be read. progress: called with a JobStatus now and then.

    A poster that ends its process twice becomes a row with that reason. Raises JobError if the
    folder is not this job's, another process works on it, or films or posters have changed since
    the plan was written; what `find_films` and `load` raise; and OSError.
    """
    if is_remote(out):
        raise JobError(
            f"{out}: a job writes to a disk; give a folder there, and copy it afterwards"
        )
    folder = Path(out)
    if errors is not None:
        errors_file(errors)
    check_device(device)
    if workers is not None and workers < 1:
        raise ValueError(f"workers: expected at least 1, got {workers}")
    used = check_kinds(evidence)
    bundle = Predictor.load(model, precision=precision, balanced=balanced).bundle
    several = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    films = find_films(several, posters=posters, columns=dict(columns or {}))
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    try:
        sweep(folder)
        known = Plan.read(folder) if (folder / PLAN).exists() else None
        choices = Choices(
            bundle.fingerprint,
            str(bundle.provenance.get("name") or bundle.path.name),
            precision,
            balanced,
            tuple(kind for kind in KINDS if kind in used),
            top,
            min_score,
            shard_size or (known.choices.shard_size if known else SHARD),
        )
        if known is None:
            _check_new(folder)
            known = write_plan(folder, films, choices)
        else:
            known.check_choices(choices)
            known.check_films(films)
        setup = Setup(
            None if bundle.path == BOX else os.path.abspath(bundle.path),
            bundle.fingerprint,
            precision,
            balanced,
            choices.evidence,
            top,
            min_score,
            tuple(one.onnx_sha256 for one in networks_of(bundle)),
            threads=_WAITING if any(map(is_remote, [*several, posters or ""])) else 1,
        )
        status = _finish(known, _machines(setup, workers, ray, device), progress)
    finally:
        os.close(lock)
        if not (folder / PLAN).exists():
            with suppress(OSError):  # it is not empty
                folder.rmdir()
    if errors is not None:
        write_csv(errors_file(errors), ("film_id", "poster", "reason"), unread(known))
    return status


Opened = Callable[[], AbstractContextManager[Machines]]


def _machines(setup: Setup, workers: int | None, ray: str | None, device: Device) -> Opened:
    """What opens the place where shards are computed."""
    if ray is None:
        return lambda: Here(setup, workers=workers, device=device)
    from keyart.jobs.on_ray import OnRay

    return lambda: OnRay(setup, ray, workers=workers, device=device)


def _check_new(folder: Path) -> None:
    """Raise JobError if a folder is there and has other things in it."""
    if folder.is_dir() and any(not name.startswith(".") for name in os.listdir(folder)):
        raise JobError(f"{folder}: has files, but no plan of a job; give a new or an empty folder")


def _lock(folder: Path) -> int:
    try:
        return lock_folder(folder, ".lock")
    except BlockingIOError as error:
        raise JobError(
            f"{folder}: another process is at work on this job; see keyart job status {folder}"
        ) from error


def _finish(plan: Plan, opened: Opened, report: Report | None) -> JobStatus:
    """Compute the shards that are not there, then write the manifest."""
    record = Progress(plan, dict(finished_shards(plan)))
    missing = [shard for shard in range(plan.shards) if shard not in record.done]
    try:
        if missing:
            record.write()
            with opened() as machines:
                for _ in _written(plan, missing, machines, record):
                    record.write()
                    if report is not None:
                        report(record.status("running"))
        if missing or not (plan.folder / MANIFEST).is_file():
            write_manifest(plan, record.done)
            record.write("finished")
    except BaseException as error:
        record.write("stopped")
        if isinstance(error, OSError):
            error.add_note(
                f"{len(record.done):,} of {counted(plan.shards, 'shard')} saved in {plan.folder}: "
                "run the same command again to resume"
            )
        raise
    status = record.status("finished")
    if report is not None:
        report(status)
    return status


def _written(
    plan: Plan, missing: Iterable[int], machines: Machines, record: Progress
) -> Iterator[None]:
    """Write each shard as soon as it is computed; a step for each, and now and then one more."""
    names = plan.names
    tasks = ((shard, _stream(plan.rows(shard)), about_shard(plan, shard)) for shard in missing)
    for one in computed(machines, tasks, _WAIT):
        if one is not None:
            shard, content = one
            path = plan.folder / names[shard]
            # On a disk without locks another process may have written it: it is the same.
            with suppress(FileExistsError), replacing(path, create_only=True) as partial:
                partial.write_bytes(content)
            counts = counts_of(pa.BufferReader(content), {})
            assert counts is not None
            record.add(shard, counts)
        yield


def _stream(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def unread(plan: Plan) -> Iterator[tuple[str | None, str, str]]:
    """Id, poster and reason of each film whose poster could not be read, in order."""
    for name in plan.names:
        with parquet_file(plan.folder / name) as file:
            columns = ["film_id", "poster", "reason", "evidence"]
            for film in file.read(columns=columns).to_pylist():
                used = (film["evidence"] or "").split("|")
                if film["reason"] is not None and "poster" not in used:
                    yield film["film_id"], film["poster"], film["reason"]
