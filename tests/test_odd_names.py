"""Files with names that are not text: Latin-1 bytes on a disk that others read as UTF-8."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyart import owners
from keyart.__main__ import main
from keyart.catalog.catalog import Catalog
from keyart.files import StrPath, write_csv, write_json, write_text
from keyart.prediction import Failure, Prediction
from keyart.predictor import Predictor
from keyart.printable import printable
from keyart.terminal.predictions import failure_lines, show_predictions
from keyart.writers import counting, to_table
from tests.tiny_catalog import encoded, poster, tiny_films

ODD = os.fsdecode(b"caf\xe9.png")
SHOWN = r"caf\xe9.png"


@pytest.fixture
def posters(tmp_path: Path) -> Path:
    """Two posters and a file that is none, one of each with an odd name."""
    folder = tmp_path / "posters"
    folder.mkdir()
    try:
        (folder / ODD).write_bytes(encoded(poster(1), "PNG"))
    except OSError:
        pytest.skip("this disk has names that are text alone")
    (folder / "zoo.png").write_bytes(encoded(poster(2), "PNG"))
    (folder / os.fsdecode(b"\xff.png")).write_bytes(b"nothing")
    return folder


Command = Callable[..., str]


@pytest.fixture
def keyart(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """keyart(*words, status=0) runs a command and returns what it printed, errors last."""

    def run(*words: StrPath, status: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["keyart", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        assert ended.value.code == status, (words, shown)
        return shown.out + shown.err

    return run


@pytest.mark.parametrize("kind", ["table", "csv", "json", "parquet"])
def test_a_folder_with_odd_names_is_predicted_to_its_end(
    posters: Path, tiny_model: Path, tmp_path: Path, keyart: Command, kind: str
) -> None:
    out, errors = tmp_path / f"answers.{kind}", tmp_path / "errors.csv"
    words = ("predict", posters, "--model", tiny_model, "--format", kind)
    keyart(*words, "--out", out, "--errors", errors)
    if kind == "csv":
        names = [row["poster"] for row in rows_of(out)]
    elif kind == "json":
        names = [record["poster"] for record in json.loads(out.read_text(encoding="utf-8"))]
    elif kind == "parquet":
        names = pq.read_table(out)["poster"].to_pylist()
    else:
        lines = out.read_text(encoding="utf-8").splitlines()
        names = [line.split("  ")[0] for line in lines if ".png" in line]
    unread = [] if kind == "table" else [r"\xff.png"]
    assert [name.rpartition("/")[2] for name in names] == [SHOWN, "zoo.png", *unread]
    (row,) = rows_of(errors)
    assert row["poster"].endswith(r"\xff.png")


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_odd_names_are_printed_escaped(posters: Path, tiny_model: Path) -> None:
    words = ["predict", posters, "--model", tiny_model]
    done = subprocess.run(
        [sys.executable, "-m", "keyart", *map(str, words)],
        capture_output=True,
        encoding="utf-8",  # what is printed must be UTF-8
        check=False,
    )
    assert done.returncode == 0
    assert SHOWN in done.stdout
    assert r"\xff.png: " in done.stderr


def test_python_gives_odd_names_as_text(posters: Path, tiny_predictor: Predictor) -> None:
    answers = list(tiny_predictor.predict_many(sorted(posters.iterdir())))
    assert [one.poster.rpartition("/")[2] for one in answers] == [SHOWN, "zoo.png", r"\xff.png"]
    table = to_table(answers)
    assert table["poster"].to_pylist() == [one.poster for one in answers]


def test_catalogs_and_indexes_work_in_folders_with_odd_names(
    tmp_path: Path, tiny_model: Path, keyart: Command
) -> None:
    odd = tmp_path / os.fsdecode(b"\xe9t\xe9")
    try:
        odd.mkdir()
    except OSError:
        pytest.skip("this disk has names that are text alone")
    table, folder = tiny_films(odd, range(8))
    more, _ = tiny_films(odd / "more", range(4, 12))
    catalog = ("catalog", "build", "--posters")
    commands = [
        (*catalog, folder, "--films", table, "--out", odd / "c", "--quiet"),
        (*catalog, more.parent / "posters", "--films", more, "--out", odd / "c", "--grow", "-q"),
        ("catalog", "check", odd / "c"),
        ("catalog", "show", odd / "c"),
        ("catalog", "show", odd / "c", "--json", "--sheet", odd / "sheet.png"),
        ("index", odd / "c", "--model", tiny_model, "--out", odd / "i"),
        ("similar", folder / "f0000.png", "--model", tiny_model, "--index", odd / "i"),
        ("explain", folder / "f0000.png", "--model", tiny_model, "--out", odd / "e.png"),
    ]
    for words in commands:
        keyart(*words)
    assert len(Catalog.open(odd / "c")) == 12
    missing = keyart("catalog", "show", odd / "none", status=1)
    assert missing.startswith(f"error: {tmp_path}/\\xe9t\\xe9/none: no such folder")


@given(st.binary(max_size=30).filter(lambda name: b"\0" not in name))
def test_any_name_becomes_text_and_text_stays_as_it_is(name: bytes) -> None:
    shown = printable(os.fsdecode(name))
    assert shown == name.decode("utf-8", "backslashreplace")
    assert printable(shown) == shown


def test_odd_names_are_written_escaped_and_in_json_they_come_back(tmp_path: Path) -> None:
    write_text(tmp_path / "x.txt", ODD)
    assert (tmp_path / "x.txt").read_text(encoding="utf-8") == SHOWN
    write_csv(tmp_path / "x.csv", ["name"], [[ODD]])
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == f"name\n{SHOWN}\n"
    write_json(tmp_path / "x.json", {"é": ODD})
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert "é" in text
    assert json.loads(text) == {"é": ODD}


def test_a_file_with_an_odd_name_is_written_and_its_leftovers_removed(tmp_path: Path) -> None:
    dead = f".{ODD}.{owners._machine()}-99999999-1.0123abcd.partial"
    (tmp_path / dead).touch()
    write_text(tmp_path / ODD, "x")
    assert os.listdir(os.fsencode(tmp_path)) == [b"caf\xe9.png"]


def test_a_title_is_one_line_that_a_terminal_does_not_obey(
    capsys: pytest.CaptureFixture[str],
) -> None:
    title = "\x1b[31mTwo\nlines\u202e of\u200d \U0001f3ac\x07"
    scores = {"Drama": 0.9}
    film = Prediction("p.jpg", ("Drama",), (), scores, scores, title=title)
    for count in (1, 100):
        show_predictions([film], count)
        first = capsys.readouterr().out.splitlines()[0]
        assert first.startswith(" [31mTwo lines  of\u200d \U0001f3ac   Drama")
    failed = [Failure(title, "it has no poster")] * 2
    with counting(failed, None) as (written, films):
        assert list(films) == failed
    assert len("\n".join(failure_lines(written, None)).splitlines()) == 3
