"""catalog/table_file.py: one table in every format is the same rows, with their lines."""

import datetime
import gzip
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyart.catalog import excel_table, table_file
from keyart.catalog.table_file import Row, read_table
from keyart.errors import MissingExtraError, TableError
from tests.excel import sheet, workbook

CELLS = [
    {"IMDb ID": "tt1", "title": "a, b", "Poster_Path": "x\x85y.png"},
    {"IMDb ID": "tt2", "title": "“q”", "Poster_Path": ""},
]
BY_COLUMN = {name: dict(enumerate(row[name] for row in CELLS)) for name in CELLS[0]}
CSV = 'IMDb ID,title,Poster_Path\ntt1,"a, b",x\x85y.png\n\ntt2,“q”,\n'
TSV = "IMDb ID\ttitle\tPoster_Path\ntt1\ta, b\tx\x85y.png\n\ntt2\t“q”\t\n"


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(CELLS), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


FORMATS: dict[str, tuple[bytes, list[int]]] = {
    "t.csv": (CSV.encode(), [2, 4]),
    "crlf.csv": (CSV.replace("\n", "\r\n").encode("utf-8-sig"), [2, 4]),
    "t.tsv": (TSV.encode(), [2, 4]),
    "t.jsonl": ("\n\n".join(json.dumps(row, ensure_ascii=False) for row in CELLS).encode(), [1, 3]),
    "t.parquet": (parquet(), [1, 2]),
    "t.csv.gz": (gzip.compress(CSV.encode()), [2, 4]),
    "named-wrongly.csv": (gzip.compress(TSV.encode()), [2, 4]),
    "utf-16.csv": (CSV.replace("\n", "\r\n").encode("utf-16"), [2, 4]),
    "utf-16-without-a-mark.txt": (TSV.encode("utf-16-le"), [2, 4]),
    "big-endian.csv": (CSV.encode("utf-16-be"), [2, 4]),
    "utf-32.csv": (CSV.encode("utf-32"), [2, 4]),
    "sep.csv": (b"sep=;\n" + CSV.replace(",", ";").replace("a; b", "a, b").encode(), [3, 5]),
    "array.json": (json.dumps(CELLS, indent=1).encode(), [1, 2]),
    "answer.json": (json.dumps({"page": 1, "results": CELLS}).encode(), [1, 2]),
    "columns.json": (json.dumps(BY_COLUMN).encode(), [1, 2]),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    content, lines = FORMATS[name]
    (tmp_path / name).write_bytes(content)
    table = read_table(str(tmp_path / name))
    assert table.path == tmp_path / name
    assert table.columns == ("IMDb ID", "title", "Poster_Path")
    assert list(table.rows) == [Row(line, cells) for line, cells in zip(lines, CELLS, strict=True)]
    assert not table.notes


def test_a_column_goes_by_any_spelling_and_the_first_wanted_one_wins(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Film-ID,imdbId,imdb_id,\na,b,c,d\n")
    table = read_table(tmp_path / "t.csv")
    assert table.column(["title", "imdb_id", "film_id"]) == "imdbId"
    assert table.column(["filmid"]) == "Film-ID"
    assert table.column(["title"]) is None


def test_a_header_alone_is_a_table_with_columns_and_no_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n\na,b\n\n , \n,\n")
    table = read_table(tmp_path / "t.csv")
    assert table.columns == ("a", "b")
    assert [row.cells for row in table.rows] == [{"a": " ", "b": " "}]


def test_a_row_of_another_length_than_the_header_has_a_problem(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1\n1,2,,3\n1,2,,\n")
    rows: list[tuple[dict[str, Any], str]] = [
        (dict(row.cells), row.problem) for row in read_table(tmp_path / "t.csv").rows
    ]
    remedy = "but the header has 2; quote what holds a separator"
    assert rows == [
        ({"a": "1"}, f"1 field, {remedy}"),
        ({"a": "1", "b": "2"}, f"4 fields, {remedy}"),
        ({"a": "1", "b": "2"}, ""),
    ]


def test_parquet_without_pyarrow_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.parquet").write_bytes(parquet())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'keyart\[catalog\]'"):
        read_table(tmp_path / "t.parquet")


def test_a_missing_table_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.csv: no such file; give a table$"):
        read_table(tmp_path / "none.csv")


def test_excel_gives_the_first_sheet_that_has_rows_with_the_numbers_that_excel_shows(
    tmp_path: Path,
) -> None:
    book = openpyxl.Workbook()
    book.active.title = "empty"
    films = book.create_sheet("Films")
    for row in (["id", None, "Title", "Released"], [7, "note", "=1+1", None], [], ["x", 1, 300, 2]):
        films.append(row)
    films["D2"] = datetime.date(1995, 10, 30)
    book.create_sheet("More").append(["other"])
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.columns == ("id", "Title", "Released")
    assert [(row.line, dict(row.cells)) for row in table.rows] == [
        (2, {"id": 7, "Title": None, "Released": datetime.datetime(1995, 10, 30)}),
        (4, {"id": "x", "Title": 300, "Released": 2}),
    ]
    assert list(table.notes) == ["t.xlsx has 2 sheets with rows; the first, 'Films', was read"]


def test_an_error_says_which_sheet_it_is_about(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["My films"])
    book.create_sheet("Films").append(["id"])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(TableError, match=r"no films in it; .*; the first, 'Sheet', was read$"):
        read_table(tmp_path / "t.xlsx")


@pytest.mark.parametrize(
    ("indices", "value"), [([0] * 250_000, "a"), ([0] * 1_000, "a" * 100_000)], ids=["rows", "text"]
)
def test_a_small_parquet_file_of_a_huge_table_is_refused(
    tmp_path: Path, indices: list[int], value: str
) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int8()), [value])
    pq.write_table(pa.table({"id": column}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 10_000
    with pytest.raises(TableError, match=r"over 20.,... rows or 6.,[0-9,]+ bytes in memory, wh"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs devices")
def test_a_device_is_no_table_and_a_pipe_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").symlink_to("/dev/zero")
    monkeypatch.setattr(table_file, "_MOST_BYTES", 5_000_000)
    with pytest.raises(TableError, match=r"t\.csv: is a device, not a file; give a table"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "large.csv").write_bytes(b"id\n" + b"a" * 7_000_000)
    with pytest.raises(TableError, match=r"large\.csv: over 5,000,000 bytes; split it"):
        read_table(tmp_path / "large.csv")
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("id\na\n",))
    writer.start()
    assert [row.cells for row in read_table(tmp_path / "pipe").rows] == [{"id": "a"}]
    writer.join()


def test_excel_rows_outside_of_the_size_that_the_file_states_are_read(tmp_path: Path) -> None:
    stated = sheet([["id"], ["a"], ["b"]]).replace(
        "<sheetData>", '<dimension ref="A1"/><sheetData>'
    )
    (tmp_path / "t.xlsx").write_bytes(workbook(stated))
    assert [row.cells["id"] for row in read_table(tmp_path / "t.xlsx").rows] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (sheet([["id"], ["a"]]).replace('r="2"', 'r="900000000"'), "over 1,048,576 rows or 5"),
        (sheet([["id"], *[["a"] * 400] * 200]), "over 1,048,576 rows or 50,000 cells; save it as"),
        (sheet([["id"], *[["a"]] * 20_000]), "over [0-9,]+ bytes when unpacked; save it as CSV"),
    ],
    ids=["rows", "cells", "bytes"],
)
def test_a_small_excel_file_with_a_huge_table_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str
) -> None:
    monkeypatch.setattr(excel_table, "_MOST_CELLS", 50_000)
    monkeypatch.setattr(excel_table, "_ANY_BYTES", 0)
    monkeypatch.setattr(excel_table, "_MOST_TIMES", 10 if "bytes" in message else 1_000)
    (tmp_path / "t.xlsx").write_bytes(workbook(content))
    with pytest.raises(TableError, match=message):
        read_table(tmp_path / "t.xlsx")


def test_excel_without_openpyxl_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openpyxl.Workbook().save(tmp_path / "t.xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'keyart\[catalog\]'"):
        read_table(tmp_path / "t.xlsx")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xls", b"\xd0\xcf\x11\xe0 old", "an Excel file of before 2007; save it as .xlsx or CSV"),
        ("t.xlsx", b"PK\x03\x04 cut", "damaged Excel file (File is not a zip file)"),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "damaged gzip ("),
        ("t.csv", b"a,b\n\x001,2\n", "not text; give CSV, TSV, Parquet, JSON or Excel's .xlsx"),
        ("t.parquet", b"PAR1 and no more", "damaged Parquet ("),
        ("t.json", b'[{"a": 1}, 2]', "not a table: expected an array of objects"),
    ],
)
def test_a_damaged_table_is_one_line_with_its_kind(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError) as caught:
        read_table(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "title", "note"),
    [
        ("Amélie".encode("cp1252"), "Amélie", "it was read as Windows-1252 (Latin-1)"),
        (
            "Amélie Ōkami".encode() + b"\xe9",
            "Amélie Ōkami\ufffd",
            "1 of its bytes were read as \ufffd",
        ),
    ],
)
def test_text_that_is_not_utf_8_is_noted(
    tmp_path: Path, content: bytes, title: str, note: str
) -> None:
    (tmp_path / "t.csv").write_bytes(b"id,title\n1," + content + b"\n")
    table = read_table(tmp_path / "t.csv")
    assert [row.cells["title"] for row in table.rows] == [title]
    assert list(table.notes) == [f"t.csv is not UTF-8; {note}"]


def test_columns_that_nobody_asks_for_stop_no_table(tmp_path: Path) -> None:
    nanoseconds = pa.array([2**62, None], pa.timestamp("ns"))
    nested = pa.array([[{"a": {"b": 1}}], None])
    columns = [pa.array(["1", "2"]), nanoseconds, nested, nanoseconds, pa.array([b"\xff", None])]
    pq.write_table(pa.table(columns, names=["id", "when", "deep", "when", "raw"]), tmp_path / "t")
    table = read_table(tmp_path / "t")
    assert [row.cells["id"] for row in table.rows] == ["1", "2"]
    with pytest.raises(TableError, match="has two columns 'when'; rename one of them"):
        table.column(["when"])
    huge = "x" * 2_000_000
    (tmp_path / "t.csv").write_text(f'id,overview\n1,"{huge}"\n2,\n')
    rows = read_table(tmp_path / "t.csv").rows
    assert [(row.line, len(row.cells["overview"])) for row in rows] == [(2, 2_000_000), (3, 0)]


def test_a_row_without_a_line_end_and_blank_lines_keep_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\r\nid\r\n\r\n1\r\n2")
    assert [row.line for row in read_table(tmp_path / "t.csv").rows] == [4, 5]
