"""catalog/poster_paths.py: the posters that files, folders and tables name, in order."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyart.catalog.poster_paths import find_posters
from keyart.errors import PosterError, TableError

NAMES = ["b.png", "a, b.png", "sub/next\x85line.png", "“q”\u2028.png"]


def tables() -> dict[str, bytes]:
    """One list of posters, in every kind of table."""
    rows = [{"title": f"Film {n}", "Poster": name} for n, name in enumerate([*NAMES, ""])]
    quoted = "".join(f'{row["title"]},"{row["Poster"]}"\r\n' for row in rows)
    tabs = "".join(f"{row['title']}\t{row['Poster']}\n" for row in rows)
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return {
        "list.csv": f"\ufefftitle,Poster\r\n{quoted}".encode(),
        "semicolons.csv": f"title;Poster\n{tabs.replace(chr(9), ';')}".encode(),
        "list.TSV": f"title\tPoster\n{tabs}".encode(),
        "one.tsv": "\n".join(["image", *NAMES]).encode(),
        "list.jsonl": lines.encode(),
        "list.parquet": sink.getvalue().to_pybytes(),
    }


@pytest.mark.parametrize("name", tables())
def test_a_table_names_posters_relative_to_itself(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(tables()[name])
    assert list(find_posters([path])) == [tmp_path / poster for poster in NAMES]
    assert list(find_posters(str(path))) == list(find_posters([path]))


def test_a_table_without_a_poster_column_names_the_columns_it_has(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("title,year\nA,1999\n")
    with pytest.raises(TableError, match=r"no poster column; its columns are title, year; name"):
        list(find_posters([path]))
    path.write_text("")
    with pytest.raises(TableError, match=r"no poster column; its columns are \(none\)"):
        list(find_posters([path]))


def test_a_table_with_no_rows_names_no_poster(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("title,poster\n")
    assert list(find_posters([path])) == []


def test_files_folders_and_tables_come_in_the_order_given(tmp_path: Path) -> None:
    folder = tmp_path / "posters"
    (folder / "below").mkdir(parents=True)
    for name in ("b.png", "a.JPG", "below/c.webp", "notes.txt", ".hidden.png"):
        (folder / name).write_bytes(b"")
    os.symlink(folder, folder / "again")  # a loop of links ends
    table = tmp_path / "list.csv"
    table.write_text("file\nposters/b.png\n")
    strange = folder / "notes.txt"
    assert list(find_posters([strange, table, folder])) == [
        strange,
        folder / "b.png",
        folder / "a.JPG",
        folder / "b.png",
        folder / "below" / "c.webp",
    ]


def test_missing_paths_and_empty_folders_are_errors(tmp_path: Path) -> None:
    with pytest.raises(PosterError, match="no such file"):
        list(find_posters([tmp_path / "none.jpg"]))
    with pytest.raises(PosterError, match="no files in this folder"):
        list(find_posters([tmp_path]))
