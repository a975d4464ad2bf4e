"""Tables in Excel's .xlsx."""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyart.catalog.content import Content
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
class Sheet:
    """The first sheet with rows. columns: their names. notes: for people.

    title: its own. header: the row of the columns' names, from 1. width: the last column that has a
    value anywhere.
    """

    columns: tuple[str, ...]
    notes: list[str]
    title: str
    header: int
    width: int
    _places: Mapping[int, str]
    _rows: Sequence[tuple[int, Sequence[Any]]]

    def rows(self) -> Iterator[Numbered]:
        """The rows with their numbers, which are those that Excel shows."""
        for number, row in self._rows:
            yield number, {name: row[at] for at, name in self._places.items() if at < len(row)}

    @property
    def places(self) -> dict[str, int]:
        """The column of each name, from 1."""
        return {name: at + 1 for at, name in self._places.items()}


def read_excel(content: Content) -> Sheet:
    """The first sheet that has any rows. Formulas have the values that Excel stored.

    Excel's own limit bounds the rows, which are kept in memory: its format takes a minute to read.
    Raises TableError, and MissingExtraError without openpyxl.
    """
    path = content.path
    file = io.BytesIO(b"".join(content.pieces()))  # at most a hundred megabytes
    if content.start(len(OLD_EXCEL)) == OLD_EXCEL:
        raise TableError(f"{path}: an Excel file of before 2007; save it as .xlsx or CSV")
    with extras():
        import openpyxl

    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
        if not any(entry.filename.startswith("xl/") for entry in entries):
            raise TableError(f"{path}: a ZIP archive, but not of Excel; give CSV or .xlsx")
        most = min(_MOST_BYTES, _ANY_BYTES + _MOST_TIMES * content.size)
        if sum(entry.file_size for entry in entries) > most:
            raise TableError(f"{path}: over {most:,} bytes when unpacked; save it as CSV")
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        found: list[tuple[int, Sequence[Any]]] = []
        filled: list[str] = []
        for sheet in book.worksheets:
            before = len(filled)
            for row in _filled_rows(path, sheet):
                if len(filled) == before:
                    filled.append(sheet.title)
                if before == 0:
                    found.append(row)
    except TableError:
        raise
    except Exception as error:  # whatever openpyxl's readers of ZIP and XML raise
        raise TableError(f"{path}: damaged Excel file ({one_line(error)})") from error
    if not filled:
        return Sheet((), [], "", 0, 0, {}, ())
    notes = []
    if len(filled) > 1:
        notes.append(
            f"{path.name} has {len(filled)} sheets with rows; the first, {filled[0]!r}, was read"
        )
    width = max(len(row) for _, row in found)
    number, header = found.pop(0)
    places = {at: str(name).strip() for at, name in enumerate(header) if name is not None}
    return Sheet(tuple(places.values()), notes, filled[0], number, width, places, found)


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
        width = len(row)
        while width and (row[width - 1] is None or not str(row[width - 1]).strip()):
            width -= 1
        if width:
            yield number, row[:width]
