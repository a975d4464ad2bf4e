"""The one reader of table files: CSV, TSV, Parquet or JSON lines, as rows of named cells."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from keyart.errors import TableError
from keyart.extras import extras
from keyart.files import StrPath

JSON_SUFFIXES = frozenset((".jsonl", ".ndjson", ".json"))
SUFFIXES = frozenset((".csv", ".tsv", ".parquet")) | JSON_SUFFIXES


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    line: the line of the file in which it ends, from 1; in Parquet, its number. cells: by column;
    text, or the values of JSON and Parquet. extra: how many non-empty cells have no column.
    """

    line: int
    cells: Mapping[str, Any]
    extra: int = 0


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table that was read. notes: for people, on how it was read."""

    path: Path
    columns: tuple[str, ...]
    rows: Sequence[Row]
    notes: Sequence[str] = ()

    def column(self, names: Iterable[str]) -> str | None:
        """The first of these columns that the table has, by its name there.

        Case, spaces and underlines do not matter: imdb_id, imdbId and "IMDb ID" are one.
        """
        known: dict[str, str] = {}
        for column in self.columns:
            known.setdefault(folded(column), column)
        return next((known[folded(name)] for name in names if folded(name) in known), None)


def folded(name: str) -> str:
    """The letters and digits of a column's name, in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def read_table(path: StrPath) -> TableFile:
    """Read a table file: Parquet by its first bytes, JSON lines and TSV by name, else CSV.

    Raises TableError if it cannot be read, and MissingExtraError for Parquet without pyarrow.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise TableError(f"{path}: no such file; name a table") from error
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror})") from error
    if data.startswith(b"PAR1"):
        return _read_parquet(path, data)
    text, notes = _decode(path, data)
    if path.suffix.casefold() in JSON_SUFFIXES or text.lstrip().startswith("{"):
        rows = list(_json_rows(path, text))
        columns = tuple(dict.fromkeys(name for row in rows for name in row.cells))
        return TableFile(path, columns, rows, notes)
    return _read_csv(path, text, notes)


def _decode(path: Path, data: bytes) -> tuple[str, list[str]]:
    """The text of a file, and notes."""
    notes = []
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        notes.append(f"{path.name} is not UTF-8; it was read as Windows-1252 (Latin-1)")
    if "\x00" in text:
        raise TableError(f"{path}: not text; give CSV, TSV, Parquet or JSON lines")
    return text, notes


def _read_parquet(path: Path, data: bytes) -> TableFile:
    with extras():
        import pyarrow as pa
        import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
        cells = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableError(f"{path}: damaged Parquet ({error})") from error
    rows = [Row(number, row) for number, row in enumerate(cells, start=1)]
    return TableFile(path, tuple(table.column_names), rows)


def _read_csv(path: Path, text: str, notes: Sequence[str]) -> TableFile:
    header = text.lstrip("\r\n").partition("\n")[0]
    # The first of equals: a table of one column has no delimiter to count.
    delimiter = max("\t,;" if path.suffix.casefold() == ".tsv" else ",\t;", key=header.count)
    # IMDb's own files quote nothing, and have titles that begin with a quotation mark.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if header.startswith("tconst\t") else csv.QUOTE_MINIMAL
    # Not splitlines(): damaged titles hold characters that it takes for ends of lines.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
    try:
        columns = tuple(next((cells for cells in reader if cells), ()))
        rows = []
        for cells in reader:
            if any(cells):
                extra = sum(bool(cell.strip()) for cell in cells[len(columns) :])
                rows.append(Row(reader.line_num, dict(zip(columns, cells, strict=False)), extra))
    except csv.Error as error:
        raise TableError(f"{path} line {reader.line_num}: {error}") from error
    return TableFile(path, columns, rows, notes)


def _json_rows(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TableError(f"{path} line {number}: not JSON ({error})") from error
        if not isinstance(cells, dict):
            raise TableError(
                f"{path} line {number}: expected one object per line, as in JSON lines"
            )
        yield Row(number, cells)
