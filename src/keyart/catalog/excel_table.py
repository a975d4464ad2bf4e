"""Tables in Excel's .xlsx."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyart.catalog.json_table import Numbered
from keyart.errors import TableError, one_line
from keyart.extras import extras

OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_MOST_BYTES = 400_000_000  # of its XML
_MOST_TIMES = 100  # the size of the file, above _ANY_BYTES: tables shrink 5 to 30 times
_ANY_BYTES = 16_000_000
_MOST_ROWS = 1_048_576  # Excel's own limit; a damaged file counts to billions
_MOST_CELLS = 50_000_000  # empty ones left of others among them: a few bytes name column XFD


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a table is in a workbook.

    sheet: its title. header: the row of the columns' names, from 1. places: the column of each
    name, from 1. width: the last column that has a value anywhere.
    """

    sheet: str
    header: int
    places: Sequence[tuple[str, int]]
    width: int


def read_excel(
    path: Path, data: bytes
) -> tuple[tuple[str, ...], list[Numbered], list[str], Layout | None]:
    """The columns and rows of the first sheet that has any, notes, and where they are.

    A row's number is the one that Excel shows. Formulas have the values that Excel stored. Raises
    TableError, and MissingExtraError without openpyxl.
    """
    if data.startswith(OLD_EXCEL):
        raise TableError(f"{path}: an Excel file of before 2007; save it as .xlsx or CSV")
    with extras():
        import openpyxl

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
        if not any(entry.filename.startswith("xl/") for entry in entries):
            raise TableError(f"{path}: a ZIP archive, but not of Excel; give CSV or .xlsx")
        most = min(_MOST_BYTES, _ANY_BYTES + _MOST_TIMES * len(data))
        if sum(entry.file_size for entry in entries) > most:
            raise TableError(f"{path}: over {most:,} bytes when unpacked; save it as CSV")
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheets = {sheet.title: list(_filled_rows(path, sheet)) for sheet in book.worksheets}
    except TableError:
        raise
    except Exception as error:  # whatever openpyxl's readers of ZIP and XML raise
        raise TableError(f"{path}: damaged Excel file ({one_line(error)})") from error
    filled = [title for title, rows in sheets.items() if rows]
    if not filled:
        return (), [], [], None
    notes = []
    if len(filled) > 1:
        notes.append(
            f"{path.name} has {len(filled)} sheets with rows; the first, {filled[0]!r}, was read"
        )
    (number, header), *rows = sheets[filled[0]]
    columns = {at: str(name).strip() for at, name in enumerate(header) if name is not None}
    places = [(name, at + 1) for at, name in columns.items()]
    layout = Layout(filled[0], number, places, max(len(row) for _, row in sheets[filled[0]]))
    cells: list[Numbered] = [(number, _cells(columns, row)) for number, row in rows]
    return tuple(columns.values()), cells, notes, layout


def _filled_rows(path: Path, sheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    """The rows that have a value, with their numbers, up to their last value."""
    sheet.reset_dimensions()  # some programs write a size that is too small; rows would be lost
    cells = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells += len(row)
        if number > _MOST_ROWS or cells > _MOST_CELLS:
            raise TableError(
                f"{path}: over {_MOST_ROWS:,} rows or {_MOST_CELLS:,} cells; save it as CSV"
            )
        filled = [at for at, value in enumerate(row) if value is not None and str(value).strip()]
        if filled:
            yield number, row[: filled[-1] + 1]


def _cells(columns: dict[int, str], row: Sequence[Any]) -> dict[str, Any]:
    return {name: row[at] for at, name in columns.items() if at < len(row)}
