"""A disk that takes no more bytes: one line that says what is saved, and nothing half-written."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy.exc import OperationalError

from keyart.__main__ import main
from keyart.catalog.catalog import Catalog
from keyart.files import disk_error, write_array
from keyart.run import Run
from keyart.search.study import storage_errors
from keyart.training.checkpoint import load_tensors, save_tensors
from keyart.training.finish import saying_what_is_saved
from tests.tiny_catalog import tiny_films

UNCHANGED = "what was there before is unchanged, and nothing is half-written"


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: a full disk, for all that writes know."""
    resource = pytest.importorskip("resource")  # Windows has none
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with posters/, catalog/ and a poster."""
    folder = tmp_path_factory.mktemp("full")
    table, posters = tiny_films(folder, range(30))
    Catalog.build(table, posters, folder / "catalog")
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "predict {f}/posters --model {m} --out {o}.csv",
        "predict {f}/posters --model {m} --out {o}.json",
        "predict {f}/posters --model {m} --out {o}.parquet",
        "explain {f}/posters/f0000.png --model {m} --genre Red --out {o}.png",
        "index {f}/catalog --model {m} --out {o}",
        "catalog build --films {f}/films.csv --posters {f}/posters --out {o}",
        "catalog show {f}/catalog --json --sheet {o}.webp",
    ],
)
def test_a_command_says_in_one_line_that_the_disk_is_full(
    place: Path,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
) -> None:
    words = line.format(f=place, m=tiny_model, o=tmp_path / "out").split()
    old = tmp_path / "out.csv"
    old.write_text("old")
    monkeypatch.setattr(sys, "argv", ["keyart", *words])
    with no_file_beyond(1000), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {tmp_path / 'out'}")
    assert shown.endswith(f"; {UNCHANGED}\n")
    assert shown.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]
    assert old.read_text() == "old"


def test_a_training_says_how_far_it_is_saved(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    tensors = {"a": torch.arange(1000)}

    def save() -> list[str]:
        with pytest.raises(OSError, match="large") as caught, saying_what_is_saved(run):
            save_tensors(run.last_checkpoint, {"a": torch.zeros(100_000)}, {})
        assert caught.value.filename == str(run.last_checkpoint)
        return getattr(caught.value, "__notes__", [])

    with no_file_beyond(10_000):
        assert save() == []
        run.origin_path.write_text("{}")
        (note,) = save()
        assert note == f"the training in {run.path} is begun: continue it with --resume"
        save_tensors(run.last_checkpoint, tensors, {})
        (note,) = save()
        assert "is saved up to the last checkpoint: continue it with --resume" in note
    kept, _ = load_tensors(run.last_checkpoint)
    assert torch.equal(kept["a"], tensors["a"])


@pytest.mark.parametrize("begun", [False, True])
def test_a_search_says_that_its_trials_are_kept(tmp_path: Path, begun: bool) -> None:
    if begun:
        (tmp_path / "search.json").write_text("{}")
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    with pytest.raises(OSError, match="No space left") as caught, storage_errors(tmp_path, None):
        raise OperationalError("INSERT", {}, full)
    notes = getattr(caught.value, "__notes__", [])
    kept = f"the search in {tmp_path} keeps its trials: the same command continues it"
    assert notes == ([kept] if begun else [])


def test_an_error_of_sqlite_that_is_not_the_disks_stays_one(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.sqlite")) as database:
        with pytest.raises(sqlite3.OperationalError) as caught:
            database.execute("SELECT * FROM nowhere")
        database.execute("PRAGMA page_size = 512")
        database.execute("CREATE TABLE films (film BLOB)")
        database.execute("PRAGMA max_page_count = 3")
        with pytest.raises(sqlite3.OperationalError) as full:
            database.execute("INSERT INTO films VALUES (zeroblob(100000))")
    assert disk_error(caught.value, tmp_path) is None
    assert disk_error(ValueError(), tmp_path) is None
    found = disk_error(full.value, tmp_path)
    assert found is not None
    assert found.strerror == "No space left on device"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12).reshape(3, 4)),
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4)[:, ::2],
        np.zeros((0, 5), np.float32),
        np.array([True, False]),
    ],
)
def test_an_array_is_read_back_as_it_was_written(
    tmp_path: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> None:
    write_array(tmp_path / "x.npy", array)
    again = np.load(tmp_path / "x.npy")
    assert again.dtype == array.dtype
    assert np.array_equal(again, array)
