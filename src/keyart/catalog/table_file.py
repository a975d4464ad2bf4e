"""The one reader of table files: CSV, TSV, Parquet, JSON or Excel, as rows of named cells."""

import gzip
import io
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from keyart.catalog.decoding import Decoded, decode
from keyart.catalog.delimited import read_delimited
from keyart.catalog.excel_table import OLD_EXCEL, Layout, read_excel
from keyart.catalog.json_table import read_json
from keyart.errors import TableError, nearest, one_line, why
from keyart.extras import extras
from keyart.files import StrPath

_JSON = frozenset((".jsonl", ".ndjson", ".json"))
_TABLES = _JSON | {".csv", ".tsv", ".parquet", ".xlsx", ".xls"}
FORMATS = "CSV, TSV, Parquet, JSON or Excel's .xlsx"

_MOST_BYTES = 4_000_000_000  # IMDb's largest table has 1 GB
_MOST_TIMES = 100  # the compressed size, above _ANY_BYTES: tables shrink 4 to 30 times, bombs 1,000
_ANY_BYTES = 64_000_000
_PIECE = 1_000_000
_ANY_ROWS = 200_000
_ROWS = 512  # read at once


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    line: the line of the file in which it ends, from 1; in Parquet and JSON arrays, its number.
    cells: by column; text, or the values of JSON, Parquet and Excel. problem: why the cells may be
    wrong; empty if they are right.
    """

    line: int
    cells: Mapping[str, Any]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """A table's file, decompressed. decoded: of text. tabs: its name says that tabs separate."""

    kind: Literal["parquet", "excel", "json", "delimited"]
    data: bytes
    decoded: Decoded | None = None
    tabs: bool = False


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table that was read. notes: for people, on how it was read. layout: where Excel has it."""

    path: Path
    columns: tuple[str, ...]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    layout: Layout | None = None

    def column(self, names: Iterable[str]) -> str | None:
        """The first of these columns that the table has, by its name there.

        Case, spaces and underlines do not matter: imdb_id, imdbId and "IMDb ID" are one. Raises
        TableError if the table has two of exactly that name.
        """
        known: dict[str, str] = {}
        for column in self.columns:
            known.setdefault(folded(column), column)
        found = next((known[folded(name)] for name in names if folded(name) in known), None)
        if found is not None and self.columns.count(found) > 1:
            raise TableError(f"{self.path}: has two columns {found!r}; rename one of them")
        return found

    def error(self, problem: str) -> TableError:
        """What is wrong with it, and how it was read, which may be why."""
        return TableError("; ".join([f"{self.path}: {problem}", *self.notes]))

    def named(self, column: str) -> str:
        """A column that the user names. Raises TableError if there is none, with the nearest."""
        if (found := self.column([column])) is None:
            raise self.error(
                f"has no column {column!r}{nearest(column, self.columns)}; its columns are "
                f"{', '.join(self.columns) or '(none)'}"
            )
        return found


def folded(name: str) -> str:
    """The letters and digits of a column's name, in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def is_table(path: Path) -> bool:
    """Whether a file's name ends like a table's. A .txt may be anything."""
    return Path(path.name.casefold().removesuffix(".gz")).suffix in _TABLES


def read_table(path: StrPath) -> TableFile:
    """Read a table file: CSV, TSV, Parquet, JSON (lines or an array) or Excel, also if gzipped.

    The content decides what it is, not the name. Raises TableError if it cannot be read or has no
    rows, and MissingExtraError for Parquet without pyarrow and Excel without openpyxl.
    """
    return read_content(Path(path), load_table(Path(path)))


def load_table(path: Path) -> Content:
    """The content of a table's file. Raises TableError if it cannot be read."""
    try:
        if path.is_block_device() or path.is_char_device():  # it may never end
            raise TableError(f"{path}: is a device, not a file; name a table")
        with path.open("rb") as file:
            data = _content(file, _MOST_BYTES)
    except FileNotFoundError as error:
        raise TableError(f"{path}: no such file; name a table") from error
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({why(error)})") from error
    if len(data) > _MOST_BYTES:
        raise TableError(f"{path}: over {_MOST_BYTES:,} bytes; split it")
    if data.startswith(b"\x1f\x8b"):
        data = _decompressed(path, data)
    if data.startswith(b"PAR1"):
        return Content("parquet", data)
    if data.startswith((b"PK\x03\x04", OLD_EXCEL)):
        return Content("excel", data)
    try:
        decoded = decode(data)
    except TableError as error:
        raise TableError(f"{path}: not text; give {FORMATS}") from error
    suffix = Path(path.name.casefold().removesuffix(".gz")).suffix
    if suffix in _JSON or decoded.text.lstrip().startswith(("{", "[{")):
        return Content("json", data, decoded)
    return Content("delimited", data, decoded, tabs=suffix == ".tsv")


def read_content(path: Path, content: Content) -> TableFile:
    """The table in a file's content. Raises TableError, and MissingExtraError."""
    table = _read(path, content)
    if not table.rows:
        raise table.error("no films in it; give a table with one row per film")
    return table


def _read(path: Path, content: Content) -> TableFile:
    if content.kind == "parquet":
        return _read_parquet(path, content.data)
    if content.kind == "excel":
        columns, cells, notes, layout = read_excel(path, content.data)
        return TableFile(path, columns, [Row(*one) for one in cells], notes, layout)
    assert content.decoded is not None
    text, note = content.decoded.text, content.decoded.note
    notes = [f"{path.name} is not UTF-8; {note}"] if note else []
    if content.kind == "json":
        rows = [Row(*one) for one in read_json(path, text)]
        columns = tuple(dict.fromkeys(name for row in rows for name in row.cells))
        return TableFile(path, columns, rows, notes)
    found = read_delimited(text, tabs=content.tabs)
    rows = [
        Row(one.line, dict(zip(found.columns, one.fields, strict=False)), one.problem)
        for one in found.records
    ]
    return TableFile(path, found.columns, rows, notes)


def _decompressed(path: Path, data: bytes) -> bytes:
    most = min(_MOST_BYTES, _ANY_BYTES + _MOST_TIMES * len(data))
    try:
        with gzip.open(io.BytesIO(data)) as file:
            content = _content(file, most)
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"{path}: damaged gzip ({error}); download it again") from error
    if len(content) > most:
        raise TableError(f"{path}: over {most:,} bytes when decompressed; split or decompress it")
    return content


def _content(file: BinaryIO | gzip.GzipFile, most: int) -> bytes:
    """What is in a file, up to a little over `most` bytes."""
    content = io.BytesIO()
    # Not read(most), which takes that much memory for any file.
    while content.tell() <= most and (piece := file.read(_PIECE)):
        content.write(piece)
    return content.getvalue()


def _read_parquet(path: Path, data: bytes) -> TableFile:
    with extras():
        import pyarrow as pa
        import pyarrow.parquet as pq

    most_bytes = _ANY_BYTES + _MOST_TIMES * len(data)
    most_rows = _ANY_ROWS + len(data)  # a row of its own takes a byte at least
    try:
        # Not pq.read_table, which refuses two columns of one name.
        file = pq.ParquetFile(pa.BufferReader(data))
        names = tuple(file.schema_arrow.names)
        columns: list[list[Any]] = [[] for _ in names]
        rows = size = 0
        # In parts: a few bytes may stand for billions of rows, or of letters.
        for part in file.iter_batches(_ROWS):
            parts = [_without_dictionary(column) for column in part.columns]
            rows += part.num_rows
            size += part.num_rows * len(names) + sum(column.nbytes for column in parts)
            if size > most_bytes or rows > most_rows:
                raise TableError(
                    f"{path}: over {most_rows:,} rows or {most_bytes:,} bytes in memory, which is "
                    "too much for its size; save it as CSV"
                )
            for values, column in zip(columns, parts, strict=True):
                values += _values(column)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise TableError(f"{path}: damaged Parquet ({one_line(error)})") from error
    listed = [
        Row(number, dict(zip(names, cells, strict=True)))
        for number, cells in enumerate(zip(*columns, strict=True), start=1)
    ]
    return TableFile(path, names, listed)


def _without_dictionary(column: Any) -> Any:
    """A column as large as its values will be."""
    return column.dictionary_decode() if hasattr(column, "dictionary_decode") else column


def _values(column: Any) -> list[Any]:
    """A column's values; as text if Python has no such values, such as nanoseconds."""
    import pyarrow as pa

    try:
        values: list[Any] = column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError):
        values = [str(value) for value in column.cast(pa.string())]
    return values
