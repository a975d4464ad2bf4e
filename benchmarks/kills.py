"""`python -m benchmarks.kills --times 200`: commands killed at random moments, and what they leave.

Each command that writes runs in a process that gets `kill -9` after a random time. What is on disk
must be the old or the new, whole; and the same command, started again, must finish with what an
undisturbed one makes and leave nothing else. Prints a table; ends with 1 if anything was lost.
"""

import argparse
import csv
import hashlib
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keyart.bundle import read_bundle
from keyart.catalog.catalog import Catalog
from keyart.catalog.check import check_catalog
from keyart.demo.painted import paint_films
from keyart.indexing import EMBEDDINGS
from keyart.predictor import Predictor
from keyart.review.corrections import Correction, Corrections
from keyart.run import Run
from keyart.similar import Index
from keyart.training.checkpoint import load_tensors

# A server that has imported everything forks each command: the kills meet work, not imports.
_PROCESSES = multiprocessing.get_context("forkserver")
_IMPORTED = [__name__, "keyart.__main__", "keyart.cli", "keyart.catalog.catalog", "keyart.similar",
             "keyart.writers", "keyart.review.corrections", "pyarrow.parquet"]  # fmt: skip
_FOR_TRAINING = ["keyart.training.train", "keyart.training.export", "keyart.report.page",
                 "keyart.terminal.training", "keyart.terminal.scores"]  # fmt: skip
_LIMIT = 300  # seconds of an undisturbed command
_SMALL = ("--recipe", "demo", "--set", "epochs=2", "--set", "height=48", "--set", "width=32",
          "--set", "batch_size=16", "--set", "compile=off")  # fmt: skip


@dataclass
class Given:
    """What all commands are given: painted films, a catalog, a finished run, corrections."""

    folder: Path
    films: Path
    more_films: Path
    posters: Path
    catalog: Path
    run: Path
    corrections: str


@dataclass(frozen=True)
class Job:
    """A command that writes.

    words: its arguments, to write to a path. state: a hash of what is at the path, or "old" for
    what was there before; raises if it is neither whole nor absent. begin: puts there what the
    command changes. resume: how it is called again.
    """

    name: str
    words: Callable[[Given, Path], Sequence[object]]
    state: Callable[[Path], str]
    begin: Callable[[Given, Path], None] = lambda given, out: None
    resume: Sequence[str] = ()


@dataclass
class Tally:
    """What happened to the kills of one job."""

    kills: int = 0
    old: int = 0
    new: int = 0
    recovered: int = 0
    lost: list[str] = field(default_factory=list)


def _digest(*contents: bytes) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


def _catalog_state(out: Path) -> str:
    if not out.exists():
        return "old"
    problems = check_catalog(out)
    assert not problems, problems
    return Catalog.open(out).fingerprint


def _run_state(out: Path) -> str:
    run = Run(out)
    for checkpoint in (run.best_checkpoint, run.last_checkpoint):
        if checkpoint.exists():
            load_tensors(checkpoint)
    if run.history_path.exists():
        assert run.history is not None
    if run.recipe_path.exists():
        assert run.recipe
    if not run.bundle_path.exists():
        return "old"
    assert run.bundle.vocabulary
    assert run.metrics
    assert len(run.predictions("test"))
    return _digest(run.best_checkpoint.read_bytes(), run.bundle.onnx.read_bytes())


def _answers_state(out: Path) -> str:
    incomplete = out.with_name(f"{out.name}.incomplete")
    if incomplete.exists() and incomplete.stat().st_size:
        rows = list(csv.reader(incomplete.read_text(encoding="utf-8").splitlines()))
        assert rows[0][:1] in (["film_id"], ["poster"]), rows[0]
    content = out.read_bytes()
    return "old" if content == b"old\n" else _digest(content)


def _index_state(out: Path) -> str:
    if not out.exists():
        return "old"
    index = Index.open(out)
    rows = np.load(index.path / EMBEDDINGS)
    return _digest(rows.tobytes(), index.thumbnail(len(index) - 1))


def _bundle_state(out: Path) -> str:
    return read_bundle(out).fingerprint if out.exists() else "old"


def _corrections_state(out: Path) -> str:
    if not out.exists():
        return "old"
    posters = sorted((out / "posters").iterdir())
    return _digest((out / "films.csv").read_bytes(), *(poster.read_bytes() for poster in posters))


JOBS = (
    Job(
        "catalog build",
        lambda given, out: ("catalog", "build", "--films", given.more_films, "--posters",
                            given.posters, "--out", out, "--quiet"),
        _catalog_state,
    ),
    Job(
        "catalog build --grow",
        lambda given, out: ("catalog", "build", "--films", given.more_films, "--posters",
                            given.posters, "--out", out, "--grow", "--quiet"),
        _catalog_state,
        lambda given, out: _copy(given.catalog, out),
    ),
    Job(
        "train",
        lambda given, out: ("train", given.catalog, "--out", out, *_SMALL, "--quiet"),
        _run_state,
        resume=("--resume",),
    ),
    Job(
        "predict --out",
        lambda given, out: ("predict", given.posters, "--model", given.run, "--format", "csv",
                            "--out", out, "--quiet"),
        _answers_state,
        lambda given, out: _write(out, b"old\n"),
    ),
    Job(
        "index",
        lambda given, out: ("index", given.catalog, "--model", given.run, "--out", out, "--quiet"),
        _index_state,
    ),
    Job("export", lambda given, out: ("export", given.run, "--out", out), _bundle_state),
    Job(
        "corrections export",
        lambda given, out: ("corrections", "export", "--from", given.corrections, "--out", out),
        _corrections_state,
    ),
)  # fmt: skip


def _copy(folder: Path, out: Path) -> None:
    shutil.copytree(folder, out)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _command(words: Sequence[str]) -> None:
    """Run a command of keyart in this process."""
    from keyart.__main__ import main

    sys.argv = ["keyart", *words]
    with Path(words[-1]).open("w") as log:  # the last word is where its messages go
        sys.argv.pop()
        sys.stdout = sys.stderr = log
        main()


def run_command(words: Sequence[object], log: Path, *, kill_after: float | None = None) -> int:
    """Run a command; kill it after so many seconds. Returns its exit status, -9 if killed."""
    process = _PROCESSES.Process(target=_command, args=([*map(str, words), str(log)],))
    process.start()
    process.join(_LIMIT if kill_after is None else kill_after)
    process.kill()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def prepare(folder: Path, films: int, model: Path | None) -> Given:
    """Paint films, and make a catalog of two thirds of them, a run and corrections.

    model: a run or a bundle to take instead of training one.
    """
    table = paint_films(films, folder)
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    fewer = folder / "fewer.csv"
    fewer.write_text("".join(lines[: 1 + films * 2 // 3]), encoding="utf-8")
    given = Given(
        folder, fewer, table, folder / "posters", folder / "catalog", model or folder / "run",
        f"sqlite:///{folder / 'corrections.sqlite'}",
    )  # fmt: skip
    log = folder / "log"
    Catalog.build(fewer, given.posters, given.catalog)
    if model is None:
        train = ("train", given.catalog, "--out", given.run, *_SMALL, "--quiet")
        assert run_command(train, log) == 0, log.read_text()
    store = Corrections(given.corrections)
    predictor = Predictor.load(given.run)
    for file in sorted(given.posters.iterdir())[: films // 2]:
        poster, answer = file.read_bytes(), predictor.predict(file)
        correction = Correction(
            hashlib.sha256(poster).hexdigest(), file.name, predictor.bundle.fingerprint,
            answer.scores, answer.genres, ("Drama",),
        )  # fmt: skip
        store.add(correction, poster)
    store.close()
    return given


def leftovers(folder: Path) -> list[str]:
    """Names of what was left half-written."""
    return [
        file.name for file in folder.rglob("*") if file.name.endswith((".partial", ".incomplete"))
    ]


def kill_once(
    job: Job, given: Given, folder: Path, tally: Tally, new: str, kill_after: float
) -> None:
    """Kill a command once, check what is there, and run it again."""
    folder.mkdir()
    out, log = folder / "out", folder / "log"
    tally.kills += 1
    try:
        job.begin(given, out)
        old = job.state(out)
        run_command(job.words(given, out), log, kill_after=kill_after)
        after = job.state(out)
        assert after in (old, new), f"neither old nor new: {log.read_text()}"
        tally.old += after == old
        tally.new += after == new
        if after == old or job.resume:
            resumed = run_command([*job.words(given, out), *job.resume], log)
            assert resumed == 0, f"cannot run again: {log.read_text()}"
        assert job.state(out) == new, "run again, it made something else"
        assert not leftovers(folder), leftovers(folder)
        tally.recovered += 1
    except Exception as error:  # whatever is wrong is a finding
        tally.lost.append(f"{job.name} after {kill_after:.3f} s: {error!r}")
    with suppress(OSError):
        shutil.rmtree(folder)


def campaign(
    times: int,
    seed: int,
    films: int,
    jobs: Sequence[Job] = JOBS,
    model: Path | None = None,
) -> Iterator[dict[str, Tally]]:
    """Kill each job in turn, `times` in all. Yields the tallies so far, by job, after each kill.

    model: see `prepare`; a bundle is enough for jobs that neither train nor export.
    """
    _PROCESSES.set_forkserver_preload([*_IMPORTED, *([] if model else _FOR_TRAINING)])
    random = np.random.default_rng(seed)
    tallies = {job.name: Tally() for job in jobs}
    with tempfile.TemporaryDirectory(prefix="keyart-kills-") as name:
        work = Path(name)
        given = prepare(work / "given", films, model)
        calm: dict[str, tuple[str, float]] = {}
        for number in range(times):
            job = jobs[number % len(jobs)]
            if job.name not in calm:
                folder = work / f"calm-{number}"
                folder.mkdir()
                job.begin(given, folder / "out")
                began = time.monotonic()
                status = run_command(job.words(given, folder / "out"), folder / "log")
                assert status == 0, (folder / "log").read_text()
                calm[job.name] = (job.state(folder / "out"), time.monotonic() - began)
            new, seconds = calm[job.name]
            moment = float(random.uniform(0, 1.05)) * seconds
            kill_once(job, given, work / str(number), tallies[job.name], new, moment)
            yield tallies


def print_table(tallies: dict[str, Tally]) -> None:
    print("| command | kills | old, whole | new, whole | recovered | lost |")
    print("|---|---|---|---|---|---|")
    for name, one in tallies.items():
        cells = (name, one.kills, one.old, one.new, one.recovered, len(one.lost))
        print("|", " | ".join(map(str, cells)), "|")
    for one in tallies.values():
        for line in one.lost:
            print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="kills in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--films", type=int, default=90, help="films to paint")
    arguments = parser.parse_args()
    tallies: dict[str, Tally] = {}
    for done, tallies in enumerate(campaign(arguments.times, arguments.seed, arguments.films), 1):
        if done % 20 == 0:
            print(f"{done} kills", file=sys.stderr, flush=True)
            print_table(tallies)
            sys.stdout.flush()
    print_table(tallies)
    sys.exit(any(one.lost for one in tallies.values()))


if __name__ == "__main__":
    main()
