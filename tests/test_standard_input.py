"""predict's patterns, standard input, ranks, and answers that come one by one."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from typer.testing import CliRunner

from keyart.cli import app
from keyart.errors import PosterError
from keyart.images.poster import content_of
from keyart.prediction import Prediction, Query
from keyart.predictor import Predictor
from keyart.queries import find_films
from keyart.writers import to_table, write_predictions
from tests.wire import encoded, plain


def given(content: bytes, monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """The films of standard input."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    return list(find_films("-"))


def tree(folder: Path, *places: str) -> list[Path]:
    """Empty files at these places."""
    paths = [folder / place for place in places]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def test_patterns_stand_for_the_pictures_and_tables_that_they_match_sorted(tmp_path: Path) -> None:
    b, a, deep, _, literal = tree(
        tmp_path, "b.jpg", "a.png", "sub/more/c.jpg", "notes.txt", "x[1].jpg"
    )

    def found(pattern: str) -> list[object]:
        return [film.poster for film in find_films(tmp_path / pattern)]

    assert found("*.jpg") == [b, literal]
    assert found("*") == [a, b, deep, literal]  # a folder that matches stands for its pictures
    assert found("**") == found("**/*") == [a, b, deep, literal]  # each once
    assert found("**/*.jpg") == [b, deep, literal]
    assert found("?.*") == [a, b]
    assert found("x[1].jpg") == [literal]  # a file of this name is no pattern
    for nothing in ("*.gif", "*.txt", "none[1].jpg"):
        with pytest.raises(PosterError, match="no file of this name, and no picture fits it"):
            found(nothing)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_picture_on_standard_input_is_told_by_its_content(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = encoded(plain((10, 20, 30), (10, 266)), kind)  # 266 has a line end as its first byte
    (film,) = given(picture, monkeypatch)
    assert os.fspath(film.poster) == "-"  # type: ignore[arg-type]
    assert film.poster is not None
    assert content_of(film.poster) == picture


@pytest.mark.parametrize("between", [b"\n", b"\r\n", b"\0"])
def test_lines_of_paths_on_standard_input_are_films_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    # Names that begin as BMP, GIF, TIFF and RIFF files do.
    names = ["GIF89a.jpg", "BM.jpg", "sub/II é.jpg", "RIFF", "MM.png"]
    tree(tmp_path, *names)
    Path("films.csv").write_text("title\nHeat\nAlien\n")
    lines = [*(os.fsencode(name) for name in names), b"gone.jpg", b"films.csv", b"-"]
    if between != b"\0":
        lines.insert(2, b"")
    *films, gone, heat, alien, itself = given(between.join(lines), monkeypatch)
    assert [film.poster for film in films] == [Path(name) for name in names]
    assert gone == Query("gone.jpg", problem="no such file or folder")
    assert (heat.title, alien.title) == ("Heat", "Alien")
    assert itself.problem == "standard input cannot name itself"


def test_an_empty_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for nothing in (b"", b"\n \n"):
        with pytest.raises(PosterError, match="nothing on standard input; give a picture, or"):
            given(nothing, monkeypatch)


def film(**scores: float) -> Prediction:
    return Prediction("a.jpg", ("Drama",), (), scores, dict.fromkeys(scores, 0.5))


def test_top_and_min_score_rank_genres_in_python_tables_and_json(tmp_path: Path) -> None:
    one = film(Action=0.2, Drama=0.9, Horror=0.5)
    assert list(one.top(2)) == ["Drama", "Horror"]
    assert one.top(None, 0.5) == {"Drama": 0.9, "Horror": 0.5}
    assert list(one.top(1, 0.1)) == ["Drama"]
    genres = list(one.scores)
    table = to_table([one], top=2, min_score=0.6)
    assert table["top"].to_pylist() == ["Drama"]
    assert table.column_names[8:] == ["top", *genres]
    assert "top" not in to_table([one]).column_names
    for name in ("a.csv", "a.parquet", "a.json", "a.ndjson"):
        write_predictions([one], tmp_path / name, genres=genres, min_score=0.3)
    (row,) = csv.DictReader((tmp_path / "a.csv").read_text().splitlines())
    assert (row["top"], row["genres"]) == ("Drama|Horror", "Drama")
    (record,) = json.loads((tmp_path / "a.json").read_text())
    assert record["top"] == {"Drama": 0.9, "Horror": 0.5}
    assert list(record)[-2:] == ["top", "scores"]
    assert json.loads((tmp_path / "a.ndjson").read_text()) == record
    for wrong in ({"top": 0}, {"min_score": 1.5}):
        with pytest.raises(ValueError, match="expected"):
            to_table([one], **wrong)


def test_the_command_ranks_genres_for_few_and_for_many(tmp_path: Path, tiny_model: Path) -> None:
    Image.new("RGB", (40, 60), (200, 150, 96)).save(tmp_path / "a.png")
    options = ["--model", str(tiny_model), "--top", "2"]
    few = CliRunner().invoke(app, ["predict", str(tmp_path / "a.png"), *options])
    bars = [line.split()[-3] for line in few.stdout.splitlines() if "%" in line]
    assert len(bars) == 2
    many = CliRunner().invoke(app, ["predict", *[str(tmp_path / "a.png")] * 13, *options])
    assert many.stdout.count("top: Red 99% · Green 80%") == 13


def test_answers_come_as_lines_while_others_are_still_asked_for(
    tmp_path: Path, tiny_predictor: Predictor
) -> None:
    """A line is in the file before the next film is asked for."""
    out = tmp_path / "answers"
    seen = []
    with out.open("w") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", file)

        def films() -> object:
            for _ in range(3):
                seen.append(len(out.read_text().splitlines()))
                yield film(Drama=0.9)

        write_predictions(films(), None, genres=["Drama"], format="ndjson")  # type: ignore[arg-type]
    assert seen == [0, 1, 2]


def test_a_pipe_that_is_closed_early_ends_quietly(tmp_path: Path, tiny_model: Path) -> None:
    poster = tmp_path / "a.png"
    Image.new("RGB", (40, 60), (200, 150, 96)).save(poster)
    (tmp_path / "list").write_text(f"{poster}\n" * 2_000)
    command = [sys.executable, "-m", "keyart", "predict", "-", "--model", str(tiny_model)]
    with (
        (tmp_path / "list").open() as lines,
        subprocess.Popen(
            [*command, "--format", "ndjson"],
            stdin=lines,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running,
    ):
        assert running.stdout
        assert running.stderr
        assert json.loads(running.stdout.readline())["poster"] == str(poster)
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(30) == 1
