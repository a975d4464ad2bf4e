"""catalog/table_file.py: one table in every format is the same rows, with their lines."""

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyart.catalog.table_file import Row, read_table
from keyart.errors import MissingExtraError, TableError

CELLS = [
    {"IMDb ID": "tt1", "title": "a, b", "Poster_Path": "x\x85y.png"},
    {"IMDb ID": "tt2", "title": "“q”", "Poster_Path": ""},
]
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
    with pytest.raises(TableError, match=r"none\.csv: no such file; name a table$"):
        read_table(tmp_path / "none.csv")
