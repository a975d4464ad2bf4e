"""The one reader of table files: CSV, TSV, Parquet, JSON or Excel, as rows of named cells."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from keyart.catalog.content import FORMATS as FORMATS
from keyart.catalog.content import Content, Text
from keyart.catalog.delimited import Delimited
from keyart.catalog.excel_table import OLD_EXCEL, Sheet, read_excel
from keyart.catalog.json_table import JsonTable, Numbered
from keyart.catalog.parquet_table import ParquetTable
from keyart.errors import TableError, nearest
from keyart.files import StrPath

_JSON = frozenset((".jsonl", ".ndjson", ".json"))
_TABLES = _JSON | {".csv", ".tsv", ".parquet", ".xlsx", ".xls"}

_MOST_BYTES = 4_000_000_000  # IMDb's largest table has 1 GB
_MOST_TIMES = 100  # the compressed size, above _ANY_BYTES: tables shrink 4 to 30 times, bombs 1,000
_ANY_BYTES = 64_000_000
_ANY_ROWS = 200_000
_LOOKED_AT = 100


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
class Opened:
    """The file of a table. text: if it is text. tabs: whether its name says that tabs separate."""

    kind: Literal["parquet", "excel", "json", "delimited"]
    content: Content
    text: Text | None = None
    sheet: Sheet | None = None
    tabs: bool = False


class Rows:
    """The rows of a table, in order. They are read from its file each time."""

    def __init__(self, read: Callable[[], Iterator[Row]]) -> None:
        self._read = read

    def __iter__(self) -> Iterator[Row]:
        return self._read()

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class TableFile:
    """A table that was opened. notes: for people, on how it was read. file: what it was read of."""

    path: Path
    columns: tuple[str, ...]
    rows: Rows
    notes: Sequence[str] = ()
    file: "Opened | None" = None

    @cached_property
    def first_rows(self) -> Sequence[Row]:
        """A hundred rows or fewer, to see what the columns hold."""
        return tuple(islice(self.rows, _LOOKED_AT))

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


@lru_cache(1_024)  # asked for the same columns in every row
def folded(name: str) -> str:
    """The letters and digits of a column's name, in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def is_table(path: Path) -> bool:
    """Whether a file's name ends like a table's. A .txt may be anything."""
    return Path(path.name.casefold().removesuffix(".gz")).suffix in _TABLES


def read_table(path: StrPath) -> TableFile:
    """Open a table file: CSV, TSV, Parquet, JSON (lines or an array) or Excel, also if gzipped.

    The content decides what it is, not the name. Raises TableError if it cannot be read or has no
    rows, and MissingExtraError for Parquet without pyarrow and Excel without openpyxl. Its rows
    raise TableError if the file is changed before they are read.
    """
    table = _read(Path(path))
    if not table.first_rows:
        raise table.error("no films in it; give a table with one row per film")
    return table


def _read(path: Path) -> TableFile:
    content = Content(path, most=_MOST_BYTES, most_times=_MOST_TIMES, any_size=_ANY_BYTES)
    start = content.start(4)
    if start == b"PAR1":
        return _parquet(path, content)
    if start in (b"PK\x03\x04", OLD_EXCEL):
        sheet = read_excel(content)
        file = Opened("excel", content, sheet=sheet)
        return TableFile(path, sheet.columns, _numbered(sheet.rows), sheet.notes, file)
    text = Text(content)
    suffix = Path(path.name.casefold().removesuffix(".gz")).suffix
    if suffix in _JSON or text.first_letters().startswith(("{", "[{")):
        json = JsonTable(path, text)
        file = Opened("json", content, text)
        return TableFile(path, json.columns, _numbered(json.rows), text.notes, file)
    table = Delimited(text.lines, tabs=suffix == ".tsv")

    def rows() -> Iterator[Row]:
        columns = table.columns
        for line, fields, problem, _ in table.records():
            yield Row(line, dict(zip(columns, fields, strict=False)), problem)

    file = Opened("delimited", content, text, tabs=suffix == ".tsv")
    return TableFile(path, table.columns, Rows(rows), text.notes, file)


def _numbered(read: Callable[[], Iterator[Numbered]]) -> Rows:
    return Rows(lambda: (Row(number, cells) for number, cells in read()))


def _parquet(path: Path, content: Content) -> TableFile:
    most_bytes = _ANY_BYTES + _MOST_TIMES * content.size
    most_rows = _ANY_ROWS + content.size  # a row of its own takes a byte at least
    table = ParquetTable(content, most_bytes=most_bytes, most_rows=most_rows)
    return TableFile(path, table.columns, _numbered(table.rows), file=Opened("parquet", content))
