"""keyart.fill: a person's own table given back with genres, from Python and the command line."""

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import polars
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

import keyart
from keyart.catalog.table_file import Row, Rows, TableFile
from keyart.cli import app
from keyart.errors import OutputError, TableError
from keyart.genres import DEFAULT_VOCABULARY
from keyart.predictor import Predictor
from keyart.tables.fill import Filled
from keyart.tables.filling import Style
from tests.tiny_titles import titled_bundle

TABLE = (
    "Plakat;title;note;Genre\r\n"
    "a.png;Nothing known;1;\r\n"
    'gone.png;Moon;"2;\r\n2";\r\n'
    "gone.png;Unheard of;;\r\n"
    "a.png;x;y;Red / Scarlet\r\n"
)


@pytest.fixture
def model(tmp_path: Path) -> Predictor:
    return Predictor(titled_bundle(tmp_path / "titled"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of four films: by a poster, by a title, by nothing, and one that has a genre."""
    Image.new("RGB", (40, 60), (200, 96, 96)).save(tmp_path / "a.png")
    path = tmp_path / "films.csv"
    path.write_bytes(TABLE.encode())
    return path


def fill(table: Path, out: Path | None = None, **options: Any) -> Filled:
    options.setdefault("columns", {"poster": "Plakat"})
    filled = keyart.fill(table, out, **options)
    assert isinstance(filled, Filled)
    return filled


def test_each_row_keeps_its_place_and_says_what_is_predicted_or_why_nothing_is(
    table: Path, model: Predictor
) -> None:
    out = table.with_name("filled.csv")
    asked = []
    filled = fill(
        table, out, model=model, scores=True, errors=table.with_name("errors.csv"),
        progress=lambda *at: asked.append(at),
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(out.read_bytes().decode(), newline=""), delimiter=";"))
    assert [row["note"] for row in rows] == ["1", "2;\r\n2", "", "y"]
    assert list(rows[0]) == [
        "Plakat", "title", "note", "Genre", "keyart_genres", "keyart_maybe", "keyart_unsure",
        "keyart_score_Red", "keyart_score_Green", "keyart_score_Blue", "keyart_error",
    ]  # fmt: skip
    by_poster = model.predict(table.with_name("a.png"), title="Nothing known")
    assert rows[0]["keyart_genres"] == "|".join(by_poster.genres) == "Red"
    assert float(rows[0]["keyart_score_Red"]) == pytest.approx(by_poster.scores["Red"], abs=1e-6)
    assert rows[1]["keyart_genres"] == "Blue"
    assert rows[1]["keyart_error"] == f"no poster found: gone.png is not in {table.parent}"
    assert [rows[2][name] for name in list(rows[2])[4:10]] == [""] * 6
    assert rows[2]["keyart_error"].startswith("no poster found: gone.png is not in")
    assert (filled.rows, filled.predictions, filled.failed) == (4, 3, 1)
    assert filled.rows == filled.films
    assert asked[-1] == (4, 4)
    errors = list(csv.DictReader(table.with_name("errors.csv").read_text().splitlines()))
    assert [row["poster"] for row in errors] == ["gone.png", "gone.png"]
    assert table.read_bytes() == TABLE.encode()


def test_into_fills_the_empty_cells_of_a_column_as_it_is_written_and_asks_for_no_others(
    table: Path, model: Predictor
) -> None:
    out = table.with_name("filled.csv")
    asked = []
    filled = fill(table, out, model=model, into="genre", progress=lambda *at: asked.append(at))
    assert out.read_bytes().decode() == TABLE.replace("known;1;", "known;1;Red").replace(
        '2";', '2";Blue'
    )
    assert (filled.rows, filled.kept, filled.films) == (4, 1, 3)
    assert asked[-1] == (3, 3)
    out.write_bytes(TABLE.replace("Red / Scarlet", "gone").encode())
    for column, message in (("title", "only 0 of the 4 filled cells of 'title' name a genre of"),
                            ("Gener", "has no column 'Gener'; did you mean 'Genre'")):  # fmt: skip
        with pytest.raises(TableError, match=message):
            fill(table, out, model=model, into=column)


@pytest.mark.parametrize(
    ("cells", "written"),
    [
        (["Science Fiction, War", "Drama"], "War, Science Fiction"),
        (["Sci-Fi; Drama;War", "x; y"], "War; Sci-Fi"),
        (["['Drama', 'War']", ""], "['War', 'Sci-Fi']"),
        (['["Drama"]', '["SF"]'], '["War", "Sci-Fi"]'),
        (["", ""], "War|Sci-Fi"),
        ([["Science Fiction"], []], ["War", "Science Fiction"]),
        ([None, []], ["War", "Sci-Fi"]),
    ],
)
def test_a_column_is_filled_with_the_names_and_the_marks_that_it_uses(
    cells: list[Any], written: Any
) -> None:
    rows = [Row(number, {"g": cell}) for number, cell in enumerate(cells, start=1)]
    style = Style.of(
        TableFile(Path("t"), ("g",), Rows(lambda: iter(rows))), "g", DEFAULT_VOCABULARY
    )
    assert style.cell(["War", "Sci-Fi"]) == written


def test_in_place_keeps_every_older_table(table: Path, model: Predictor) -> None:
    first = fill(table, model=model, in_place=True)
    assert first.backup == table.with_name("films.csv.bak")
    once = table.read_bytes()
    second = fill(table, model=model, in_place=True)
    assert second.backup == table.with_name("films.csv.bak2")
    assert table.with_name("films.csv.bak").read_bytes() == TABLE.encode()
    assert table.with_name("films.csv.bak2").read_bytes() == once == table.read_bytes()


@pytest.mark.parametrize("replaced", [True, False])
def test_a_table_that_changes_while_it_is_read_is_left_as_it_is(
    table: Path, model: Predictor, replaced: bool
) -> None:
    def change(done: int, total: int) -> None:
        if replaced:
            table.with_name("new.csv").write_text("changed")
            os.replace(table.with_name("new.csv"), table)
        else:
            table.write_text("changed")

    with pytest.raises(TableError, match="changed while it was read; run it again"):
        fill(table, model=model, in_place=True, progress=change)
    assert table.read_text() == "changed"
    assert not list(table.parent.glob("*.bak*"))
    assert not list(table.parent.glob(".films*"))


def test_places_that_a_filled_table_cannot_go_to_are_refused(table: Path, model: Predictor) -> None:
    link = table.with_name("link.csv")
    os.symlink(table, link)
    for out, message in (
        (table, "is the table itself; fill it with --in-place, which keeps a copy"),
        (link, "is the table itself"),
        (table.with_name("a.xlsx"), r"given back in its own kind; end the name in .csv or .tsv"),
        (table.with_name("a.parquet"), "given back in its own kind"),
    ):
        with pytest.raises(OutputError, match=message):
            fill(table, out, model=model)
    for errors, message in (
        (link, "is the table itself; choose another file with --errors"),
        (table.with_name("out.csv"), "is also what --out names; choose another file"),
    ):
        with pytest.raises(OutputError, match=message):
            fill(table, table.with_name("out.csv"), model=model, errors=errors)
    for wrong in ({}, {"out": link, "in_place": True}):
        with pytest.raises(TypeError, match="out"):
            fill(table, model=model, **wrong)  # type: ignore[arg-type]
    assert table.read_bytes() == TABLE.encode()


def test_all_kinds_of_tables_get_the_same_answers(table: Path, model: Predictor) -> None:
    rows = [{"title": "Moon", "year": 1950}, {"title": None, "year": 1950}, {"title": "Love"}]
    frame = polars.DataFrame(rows)
    folder = table.parent
    frame.write_csv(folder / "t.csv")
    frame.write_parquet(folder / "t.parquet")
    (folder / "t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    book = openpyxl.Workbook()
    for row in [("title", "year"), *frame.rows()]:
        book.active.append(row)
    book.save(folder / "t.xlsx")
    with gzip.open(folder / "t.csv.gz", "wb") as file:
        file.write((folder / "t.csv").read_bytes())
    for name in ("t.csv", "t.parquet", "t.jsonl", "t.xlsx", "t.csv.gz"):
        fill(folder / name, folder / f"filled-{name}", model=model, columns={})
    expected = ["Blue", None, "Green"]
    into = keyart.fill(frame, model=model)
    assert into["keyart_genres"].to_list() == expected
    assert into["keyart_error"].to_list() == [None, "it has no poster and no title", None]
    assert pq.read_table(folder / "filled-t.parquet")["keyart_genres"].to_pylist() == expected
    assert keyart.fill(frame.to_arrow(), model=model)["keyart_genres"].to_pylist() == expected
    assert polars.read_csv(folder / "filled-t.csv")["keyart_genres"].to_list() == expected
    packed = (folder / "filled-t.csv.gz").read_bytes()
    assert gzip.decompress(packed) == (folder / "filled-t.csv").read_bytes()
    lines = (folder / "filled-t.jsonl").read_text().splitlines()
    assert [json.loads(line)["keyart_genres"] for line in lines] == [["Blue"], None, ["Green"]]
    sheet = openpyxl.load_workbook(folder / "filled-t.xlsx").active
    assert [sheet.cell(row, 3).value for row in (2, 3, 4)] == expected
    with pytest.raises(TypeError, match="a DataFrame is returned; out and in_place are for files"):
        keyart.fill(frame, folder / "x.csv", model=model)


def test_a_workbook_with_what_would_be_lost_is_filled_only_into_another_file(
    table: Path, model: Predictor
) -> None:
    path, out = table.with_name("t.xlsx"), table.with_name("out.xlsx")
    book = openpyxl.Workbook()
    book.active.append(["title"])
    book.active.append(["Moon"])
    book.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macros")
    with pytest.raises(TableError, match="has macros, which would be lost or changed; fill it"):
        fill(path, model=model, in_place=True, columns={})
    assert fill(path, out, model=model, columns={}).notes == [
        "t.xlsx has macros, which the filled table lacks or has changed"
    ]
    assert out.exists()


def test_scores_of_an_earlier_fill_that_stay_are_named(table: Path, model: Predictor) -> None:
    out = table.with_name("out.csv")
    fill(table, model=model, in_place=True, scores=True)
    notes = fill(table, out, model=model).notes
    assert notes == [
        "keyart_score_Red, keyart_score_Green and keyart_score_Blue of an earlier fill: "
        "left as they were"
    ]
    assert fill(table, out, model=model, scores=True).notes == []


def test_the_command_says_what_became_of_each_row(
    table: Path, model: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(table.parent)
    options = ["--model", str(model.bundle.path), "--poster-column", "Plakat"]
    done = CliRunner().invoke(app, ["fill", "films.csv", "--out", "new.csv", *options])
    assert done.exit_code == 0
    assert done.stderr.splitlines()[:2] == [
        "new.csv: 4 rows: 3 with genres, 0 unsure, 1 that could not be predicted",
        "1 of 4 films predicted by their titles: their posters could not be read; "
        "--errors FILE lists them",
    ]
    done = CliRunner().invoke(app, ["fill", "films.csv", "--in-place", "--into", "Genre", *options])
    assert done.stderr.splitlines()[0] == (
        "films.csv: 4 rows: 2 with genres, 0 unsure, 1 already filled, 1 that could not be "
        "predicted; original: films.csv.bak"
    )
    printed = CliRunner().invoke(app, ["fill", "films.csv", "--out", "-", "-q", *options])
    assert printed.stdout_bytes.startswith(b"Plakat;title;note;Genre;keyart_genres;")
    for wrong in ([], ["--in-place", "--out", "x.csv"]):
        assert CliRunner().invoke(app, ["fill", "films.csv", *wrong, *options]).exit_code == 2


def test_importing_keyart_imports_no_library_of_tables() -> None:
    libraries = "{'pandas', 'polars', 'openpyxl', 'pyarrow'}"
    code = f"import sys, keyart.tables.fill; print({libraries} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
