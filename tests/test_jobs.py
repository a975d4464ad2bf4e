"""Long jobs on this machine: equal to one sitting, resumed after any kill, never mixed."""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import onnxruntime
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyart.__main__ import main
from keyart.catalog.catalog import Catalog
from keyart.errors import JobError, KeyartError
from keyart.evidence import KINDS
from keyart.images.archive import Member
from keyart.jobs import machines, plan, run, status, worker
from keyart.jobs.plan import Choices, Plan, write_plan
from keyart.jobs.run import run_job
from keyart.jobs.shard import compute_shard
from keyart.jobs.status import JobStatus, job_status
from keyart.jobs.worker import Setup
from keyart.locks import lock_folder
from keyart.prediction import Failure, Prediction, Query
from keyart.predictor import Predictor
from keyart.queries import find_films
from keyart.stores.paths import RemotePath, place
from keyart.writers import to_table
from tests.object_store import object_store
from tests.test_full_disk import no_file_beyond
from tests.tiny import tiny_bundle
from tests.tiny_catalog import encoded, poster, tiny_films

FILMS = 40
CHOICES = Choices("0" * 64, "tiny", None, False, KINDS, None, None, 16)


@pytest.fixture(scope="module")
def posters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 files, of which 4.png is no picture."""
    folder = tmp_path_factory.mktemp("posters")
    for film in range(FILMS):
        content = encoded(poster(film, (24, 36)), "PNG")
        (folder / f"{film:02d}.png").write_bytes(content if film != 4 else b"no picture")
    return folder


@pytest.fixture(scope="module")
def finished(posters: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished job with three shards; it must not be changed."""
    folder = tmp_path_factory.mktemp("finished") / "job"
    run_job(posters, folder, model=tiny_model, shard_size=16, workers=2)
    return folder


@pytest.fixture
def job(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished job."""
    return Path(shutil.copytree(finished, tmp_path / "job"))


def scores_in(folder: Path) -> pa.Table:
    files = sorted(folder.glob("scores-*.parquet"))
    return pa.concat_tables([pq.read_table(file).replace_schema_metadata() for file in files])


def at_once(predictor: Predictor, films: Path | list[Path]) -> pa.Table:
    """The predictions of all films in one sitting, in single precision."""
    answers: list[Prediction | Failure] = list(predictor.predict_many(find_films(films)))
    table = to_table(answers)
    single = [pa.float32() if one.type == pa.float64() else one.type for one in table.schema]
    return table.cast(pa.schema(list(zip(table.column_names, single, strict=True))))


def test_an_archive_that_replaced_another_at_its_path_is_read_afresh(tmp_path: Path) -> None:
    path = tmp_path / "posters.zip"
    for number in (1, 22):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("before.png", bytes(number))
            file.writestr("a.png", encoded(poster(number), "PNG"))
        member = next(find_films([path])).poster  # by name: a.png is first
        assert isinstance(member, Member)
        assert plan.kept(os.fspath(path), member.place).read() == encoded(poster(number), "PNG")


def test_a_job_gives_the_scores_of_one_sitting_to_the_last_bit(
    finished: Path, posters: Path, tiny_predictor: Predictor
) -> None:
    expected = at_once(tiny_predictor, posters)
    assert scores_in(finished).equals(expected)
    assert expected["reason"][4].as_py() == (
        "not a picture in a known format (JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIF)"
    )
    manifest = json.loads((finished / "manifest.json").read_text())
    assert [one["films"] for one in manifest["shards"]] == [16, 16, 8]
    assert (manifest["films"], manifest["failed"]) == (FILMS, 1)
    # As the documentation reads them.
    files = str(finished / "scores-*.parquet")
    with duckdb.connect() as database:
        database.execute(f"SELECT count(*) FROM '{files}' WHERE reason IS NULL")
        assert database.fetchall() == [(39,)]
    assert polars.read_parquet(files)["poster"].to_list() == expected["poster"].to_pylist()


def test_a_finished_job_computes_nothing_again(
    job: Path, posters: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_worker(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(worker, "Worker", no_worker)
    monkeypatch.setattr(machines, "Worker", no_worker)
    before = {file.name: file.stat().st_mtime_ns for file in job.iterdir()}
    done = run_job(posters, job, model=tiny_model)
    assert (done.state, done.computed, done.shards_done) == ("finished", 0, 3)
    assert {file.name: file.stat().st_mtime_ns for file in job.iterdir()} == before


def test_only_the_missing_shard_is_computed(
    job: Path, finished: Path, posters: Path, tiny_model: Path
) -> None:
    lost = sorted(job.glob("scores-*"))[1]
    lost.unlink()
    assert job_status(job).state == "stopped"
    assert run_job(posters, job, model=tiny_model, workers=1).computed == 1
    assert lost.read_bytes() == (finished / lost.name).read_bytes()


def processes_of(pid: int) -> Iterator[int]:
    """The children of a process."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        yield from map(int, path.read_text().split())


def test_a_killed_job_keeps_its_shards_and_leaves_no_process(
    posters: Path, tiny_predictor: Predictor, tmp_path: Path
) -> None:
    mine = Path(shutil.copytree(posters, tmp_path / "posters"))
    (mine / "20.png").write_bytes(b"SLOW")  # so that it is killed in the second shard
    job, model = tmp_path / "job", tiny_predictor.bundle.path
    slow = "from keyart.jobs import worker; worker._MODULE = 'tests.dying_worker'; "
    command = [sys.executable, "-c", f"{slow} from keyart.__main__ import main; main()"]
    command += ["predict", str(mine), "--out", f"{job}/", "--model", str(model)]
    command += ["--shard-size", "16", "--workers", "1"]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not list(job.glob("scores-*")):
        assert running.poll() is None
        time.sleep(0.01)
    children = list(processes_of(running.pid))
    assert children
    assert job_status(job).state == "running"
    running.kill()
    running.wait()
    (first,) = job.glob("scores-*")
    written = first.stat().st_mtime_ns
    assert job_status(job).state == "stopped"
    done = run_job(mine, job, model=model, workers=1)
    assert (done.state, done.computed) == ("finished", 2)
    assert first.stat().st_mtime_ns == written
    assert scores_in(job).equals(at_once(tiny_predictor, mine))
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_poster_that_ends_its_process_twice_is_left_out_with_the_reason(
    posters: Path, finished: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_MODULE", "tests.dying_worker")
    mine = Path(shutil.copytree(posters, tmp_path / "posters"))
    (mine / "07.png").write_bytes(b"KILL")
    (mine / "20.png").write_bytes(b"ONCE")
    (mine / "21.png").write_bytes(b"BUG")
    done = run_job(mine, tmp_path / "job", model=tiny_model, shard_size=16, workers=1)
    assert (done.state, done.failed) == ("finished", 3)
    assert (mine / ".07.png.deaths").read_text() == "xx"
    assert (mine / ".20.png.deaths").read_text() == "x"
    found, before = (scores_in(one).to_pylist() for one in (tmp_path / "job", finished))
    assert found[7]["reason"] == "ends the process that reads it (SIGSEGV), 2 times"
    assert found[7]["Red"] is None
    error = "ZeroDivisionError: by a poster of no height"
    assert found[21]["reason"] == f"ends the process that reads it ({error}), 2 times"
    assert found[20]["genres"] == "Green"
    for one in (*found, *before):
        del one["poster"]
    others = [film for film in range(FILMS) if film not in (7, 20, 21)]
    assert [found[film] for film in others] == [before[film] for film in others]


def test_a_process_that_cannot_work_at_all_stops_the_job(
    posters: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_MODULE", "tests.nowhere")
    reason = r"ended 2 times \(ModuleNotFoundError: No module named 'tests.nowhere'\), before the"
    with pytest.raises(JobError, match=reason):
        run_job(posters, tmp_path / "job", model=tiny_model, shard_size=16, workers=1)
    assert job_status(tmp_path / "job").state == "stopped"


def test_another_model_or_another_choice_is_refused(
    job: Path, posters: Path, tiny_model: Path, tmp_path: Path
) -> None:
    other = tiny_bundle(tmp_path / "other", name="other").path
    cases: list[tuple[str, dict[str, Any]]] = [
        (r"a job of the model tiny \(\w{12}\), not other", {"model": other}),
        ("a job without --balanced, not with --balanced", {"balanced": True}),
        ("a job with --evidence all, not with --evidence poster", {"evidence": ("poster",)}),
        ("a job with --shard-size 16, not with --shard-size 32", {"shard_size": 32}),
        ("a job without --top, not with --top 3", {"top": 3}),
    ]
    for match, choices in cases:
        with pytest.raises(JobError, match=match):
            run_job(posters, job, **{"model": tiny_model, **choices})


def test_shards_of_another_job_are_refused_by_name(
    job: Path, posters: Path, tiny_model: Path
) -> None:
    first, second, _ = sorted(job.glob("scores-*"))
    stray = job / "scores-000000-0123456789ab.parquet"
    shutil.copy(first, stray)
    message = f"{stray.name}: not of this job; move it out"
    with pytest.raises(JobError, match=message):
        job_status(job)
    with pytest.raises(JobError, match=message):
        run_job(posters, job, model=tiny_model)
    stray.unlink()
    shutil.copy(first, second)
    with pytest.raises(JobError, match=f"{second.name}: of a job with another plan"):
        job_status(job)
    second.write_bytes(first.read_bytes()[:-100])
    with pytest.raises(JobError, match=f"{second.name}: damaged; remove it"):
        job_status(job)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "17.png").write_bytes(b"other"), "17.png: has changed since"),
        (lambda folder: (folder / "17.png").unlink(), "17.png: is gone since"),
        (lambda folder: (folder / "17a.png").write_bytes(b"new"), "17a.png: is new since"),
        (lambda folder: (folder / "99.png").write_bytes(b"new"), "99.png: is new since"),
        (lambda folder: (folder / "39.png").unlink(), "39.png: is gone since"),
        (lambda folder: os.utime(folder / "02.png", (0, 0)), "02.png: has changed since"),
    ],
)
def test_posters_that_changed_since_the_plan_are_refused_by_name(
    posters: Path, tmp_path: Path, change: object, message: str
) -> None:
    mine = Path(shutil.copytree(posters, tmp_path / "posters"))
    planned = write_plan(tmp_path, find_films(mine), CHOICES)
    planned.check_films(find_films(mine))
    assert callable(change)
    change(mine)
    with pytest.raises(JobError, match=message):
        planned.check_films(find_films(mine))


def test_films_of_another_folder_are_not_said_to_have_gone(posters: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(posters / "02.png", other)
    planned = write_plan(tmp_path, find_films(posters), CHOICES)
    with pytest.raises(JobError, match=r"00.png: is no longer among the films since"):
        planned.check_films(find_films(other))


def test_a_poster_that_changes_while_the_job_runs_stops_it(
    posters: Path, tmp_path: Path, tiny_predictor: Predictor
) -> None:
    mine = Path(shutil.copytree(posters, tmp_path / "posters"))
    rows = write_plan(tmp_path, find_films(mine), CHOICES).rows(0)
    (mine / "03.png").write_bytes((mine / "02.png").read_bytes())
    read: list[int] = []
    with pytest.raises(JobError, match=r"03\.png: has changed since .*; restore it, or choose"):
        compute_shard(
            tiny_predictor, rows, evidence=KINDS, about={}, killers={}, announce=read.append
        )
    assert read == [0, 1, 2, 3]


texts = st.none() | st.text(st.characters(codec="utf-8"), max_size=3)
queries = st.builds(Query, st.none(), texts, texts, st.none() | st.integers(1900, 2000))


@settings(max_examples=15, deadline=None)
@given(films=st.lists(queries, max_size=40), others=st.lists(queries, max_size=40))
def test_a_plan_has_the_same_films_in_the_same_order_and_no_others(
    films: list[Query], others: list[Query], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("plan")
    planned = write_plan(folder, films, CHOICES)
    assert (planned.films, planned.shards) == (len(films), -(-len(films) // 16))
    rows = [row for shard in range(planned.shards) for row in planned.rows(shard).to_pylist()]
    assert [(row["film_id"], row["title"], row["year"]) for row in rows] == [
        (film.film_id, film.title, film.year) for film in films
    ]
    planned.check_films(films)
    if others != films:
        with pytest.raises(JobError, match="since the plan"):
            planned.check_films(others)
    content = (folder / plan.PLAN).read_bytes()
    write_plan(folder, films, CHOICES)
    assert (folder / plan.PLAN).read_bytes() == content


def test_catalogs_archives_and_tables_make_jobs_too(
    tmp_path: Path, tiny_predictor: Predictor, tiny_model: Path
) -> None:
    Catalog.build(*tiny_films(tmp_path, range(20)), tmp_path / "catalog")
    (tmp_path / "titles.csv").write_text("film_id,title,year\na,Alien,1979\nb,,\n")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        for film in range(3):
            archive.writestr(f"a/{film}.png", encoded(poster(film, (24, 36)), "PNG"))
    all_kinds = [tmp_path / name for name in ("catalog", "titles.csv", "more.zip")]
    run_job(all_kinds, tmp_path / "job", model=tiny_model, shard_size=16, workers=1)
    found = scores_in(tmp_path / "job")
    assert found.equals(at_once(tiny_predictor, all_kinds))
    assert found["film_id"].to_pylist()[:20] == [f"f{film:04d}" for film in range(20)]
    assert found["poster"][3].as_py().endswith("films-00000.parquet row 3")
    assert [reason is None for reason in found["reason"].to_pylist()] == (
        [True] * 20 + [False] * 2 + [True] * 3
    )


def test_a_bucket_makes_a_job_and_is_read_once(
    posters: Path,
    finished: Path,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, job, cache = "s3://films/job/posters", tmp_path / "job", tmp_path / "cache"
    with object_store() as store:
        store.use(monkeypatch, cache)
        for file in posters.iterdir():
            path = place(f"{url}/{file.name}")
            assert isinstance(path, RemotePath)
            path.bucket.put(path.key, file.read_bytes())
        run_job(url, job, model=tiny_model, shard_size=16, workers=1)
        gets = [path for method, path in store.asked if method == "GET" and path.endswith(".png")]
        assert len(gets) == len(set(gets)) == FILMS
        found, expected = (scores_in(one).to_pylist() for one in (job, finished))
        for one, other in zip(found, expected, strict=True):
            assert one.pop("poster") == f"{url}/{Path(other.pop('poster')).name}"
        assert found == expected
        assert run_job(url, job, model=tiny_model).computed == 0
        sorted(job.glob("scores-*"))[1].unlink()
        path = place(f"{url}/20.png")
        assert isinstance(path, RemotePath)
        path.bucket.put(path.key, b"another")
        with pytest.raises(JobError, match=r"posters/20\.png: has changed since the plan"):
            run_job(url, job, model=tiny_model)
    assert list(cache.rglob("*.png")) == []


def test_two_processes_do_not_work_on_one_job(job: Path, posters: Path, tiny_model: Path) -> None:
    lock = lock_folder(job, ".lock")
    try:
        with pytest.raises(JobError, match="another process is at work on this job"):
            run_job(posters, job, model=tiny_model)
    finally:
        os.close(lock)


def test_a_full_disk_says_what_is_saved_and_the_job_goes_on(
    posters: Path,
    finished: Path,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = tmp_path / "job"
    words = ["keyart", "predict", str(posters), "--out", f"{job}/", "--model", str(tiny_model)]
    monkeypatch.setattr(sys, "argv", [*words, "--shard-size", "16", "--workers", "1"])
    size = min(file.stat().st_size for file in finished.glob("scores-*")) - 1
    write_plan(job, find_films(posters), Plan.read(finished).choices)
    with no_file_beyond(size), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {job}/scores-00000")
    assert shown.endswith(f"0 of 3 shards saved in {job}: run the same command again to resume\n")
    assert shown.count("\n") == 1
    assert list(job.glob("*.partial")) == list(job.glob("scores-*")) == []
    assert run_job(posters, job, model=tiny_model, workers=1).computed == 3
    assert scores_in(job).equals(scores_in(finished))


def test_status_of_a_job_that_another_machine_runs(job: Path) -> None:
    (job / "manifest.json").unlink()
    sorted(job.glob("scores-*"))[2].unlink()
    began = datetime.now(UTC) - timedelta(seconds=100)

    def line(seconds: float) -> dict[str, object]:
        written = datetime.now(UTC) - timedelta(seconds=seconds)
        return {
            **{"time": written.isoformat(), "began": began.isoformat(), "films_before": 16},
            **{"state": "running", "process": "00000000-1-1", "rate": None},
        }

    with (job / "progress.jsonl").open("a") as file:
        file.write(json.dumps(line(50)) + "\n")
        file.write('{"time": "cut sho')
    found = job_status(job)
    assert (found.state, found.films_done, found.shards_done) == ("running", 32, 2)
    assert found.rate == pytest.approx(16 / 100, rel=0.05)
    assert found.seconds_left == pytest.approx(8 / 0.16, rel=0.05)
    with (job / "progress.jsonl").open("a") as file:
        file.write("\n" + json.dumps(line(1_000)) + "\n")
    assert job_status(job).state == "stopped"


def test_a_line_a_minute_says_how_far_the_job_is(
    posters: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "EVERY", 0)
    job = tmp_path / "job"
    seen: list[JobStatus] = []
    run_job(
        posters, job, model=tiny_model, shard_size=16, workers=1, progress=seen.append,
        errors=tmp_path / "errors.csv",
    )  # fmt: skip
    lines = [json.loads(line) for line in (job / "progress.jsonl").read_text().splitlines()]
    done = [line["films_done"] for line in lines]
    assert done[0] == 0
    assert done == sorted(done)
    assert {16, 32, 40} <= set(done)
    assert [line["state"] for line in lines] == ["running"] * (len(lines) - 1) + ["finished"]
    assert all(one.rate is None or one.rate > 0 for one in seen)
    assert seen[-1].state == "finished"
    header, row = (tmp_path / "errors.csv").read_text().splitlines()
    assert header == "film_id,poster,reason"
    assert row.split('"')[:2] == [
        f",{posters / '04.png'},",
        "not a picture in a known format (JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIF)",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--out {tmp}/job/ --shard-size 10", "shard size: expected a multiple of 16, got 10"),
        ("--out {tmp}/full", "full: has files, but no plan of a job"),
        ("--out {tmp}/job/ --format csv", "a job writes Parquet"),
        ("--out {tmp}/a.csv --ray local", "--ray and --shard-size are for jobs"),
        ("--out {tmp}/job/ --device cuda", "device cuda: this ONNX Runtime is for processors"),
        ("--out s3://films/job/", "a job writes to a disk; give a folder there"),
        ("--device cuda", "device cuda: this ONNX Runtime is for processors alone"),
        ("--out {tmp}/job/ --errors errors.txt", "cannot be written in this format"),
    ],
)
def test_what_cannot_be_a_job_is_refused_in_one_line(
    posters: Path,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    message: str,
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    command = ["keyart", "predict", str(posters), "--model", str(tiny_model)]
    monkeypatch.setattr(sys, "argv", [*command, *words.format(tmp=tmp_path).split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (1, 2)
    shown = " ".join(capsys.readouterr().err.split())
    assert message in shown.replace("│ ", "")
    assert not (tmp_path / "job" / "plan.parquet").exists()


def test_a_job_is_a_command_and_so_is_its_status(
    job: Path,
    posters: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["keyart", "predict", str(posters), "--out", str(job), "--model", str(tiny_model)]
    for command in (words, ["keyart", "job", "status", str(job), "--json"]):
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
    shown = capsys.readouterr()
    assert "3 shards with 40 films, 0 computed now" in shown.err
    assert "1 of 40 films could not be predicted" in shown.err
    assert json.loads(shown.out)["state"] == "finished"


def test_whoever_stops_a_job_is_told_what_is_saved(
    job: Path,
    posters: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: object, progress: Callable[[JobStatus], None], **__: object) -> None:
        progress(job_status(job))
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_job", stopped)
    words = ["keyart", "predict", str(posters), "--out", str(job), "--model", str(tiny_model)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    saved = f"3 of 3 shards saved in {job}: run the same command again to resume"
    assert capsys.readouterr().err.splitlines()[0] == saved


def test_a_folder_without_a_job_has_no_status(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"no job here \(no plan.parquet\)"):
        job_status(tmp_path)
    (tmp_path / "plan.parquet").write_bytes(b"PAR1")
    with pytest.raises(JobError, match="damaged"):
        job_status(tmp_path)


def test_posters_in_memory_make_no_job(tmp_path: Path) -> None:
    films = [Query(np.zeros((3, 2, 3), np.uint8))]
    with pytest.raises(KeyartError, match="in memory: a job reads posters from files"):
        write_plan(tmp_path, films, CHOICES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Specified provider 'CUDA")
def test_a_gpu_that_does_not_work_is_refused_and_not_replaced_by_the_processor(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: named)
    with pytest.raises(KeyartError, match="device cuda: no GPU, or its driver"):
        Predictor.load(tiny_model, device="cuda")


def test_each_gpu_has_a_process_with_its_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup = Setup(None, "0" * 64, None, False, KINDS, None, None)
    with pytest.raises(JobError, match="no NVIDIA GPU on this machine"):
        machines.Here(setup, workers=None, device="cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert machines.gpus_here() == ["3", "5"]
    monkeypatch.setattr(machines, "gpus_here", lambda: ["0", "1", "2"])
    monkeypatch.setattr(machines, "cores", lambda: 13)
    started: list[Setup] = []
    monkeypatch.setattr(machines, "Worker", started.append)
    machines.Here(setup, workers=None, device="cuda")
    assert [(one.gpu, one.threads) for one in started] == [("0", 4), ("1", 4), ("2", 4)]
    started.clear()
    machines.Here(setup, workers=2, device="cuda")
    assert [one.gpu for one in started] == ["0", "1"]
