"""Filling Excel's .xlsx through openpyxl, and what that cannot keep."""

import io
import re
import warnings
import zipfile
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

from keyart.catalog.table_file import Row, TableFile
from keyart.errors import TableError, one_line
from keyart.extras import extras
from keyart.tables.filling import JOINED_BY, Filling, Value, is_empty

# Parts of a workbook that openpyxl writes again as they were, or that Excel makes by itself.
_KEPT = re.compile(
    r"\[Content_Types\]\.xml|(.*/)?_rels/.*|docProps/.*|xl/[^/]*\.xml|xl/media/.*"
    r"|xl/(theme|tables|worksheets|externalLinks|printerSettings)/.*|xl/comments.*"
    r"|xl/drawings/(comment|vml|drawing).*"
)
_CHANGED = {
    "charts": r"xl/(charts|chartsheets)/",
    "diagrams": r"xl/diagrams/",
    "macros": r"xl/vba",
    "pivot tables": r"xl/pivot",
    "slicers": r"xl/(slicer|timeline)",
    "form controls": r"xl/(activeX|ctrlProps)/",
    "embedded files": r"xl/embeddings/",
    "threaded comments": r"xl/(threadedComments|persons)/",
    "queries": r"xl/(connections|queryTables/|model/)|customXml/",
    "signatures": r"_xmlsignatures/",
}
# Inside of parts that are kept: what is drawn other than pictures, and Excel's newer additions.
_SHAPES = re.compile(rb"<(?:\w+:)?(?:sp|grpSp|cxnSp)[ >]")
_ADDITIONS = re.compile(rb"<(?:\w+:)?ext [^>]*uri=")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_WIDTH = 24  # characters of a new column


class Excel:
    """A table in a workbook, to be filled. lost: kinds of things that a new workbook lacks."""

    suffixes = (".xlsx",)

    def __init__(self, table: TableFile) -> None:
        """Raises TableError for a workbook that openpyxl cannot read."""
        with extras():
            import openpyxl

        assert table.file is not None
        assert table.file.sheet is not None
        self._table, self._layout = table, table.file.sheet
        data = b"".join(table.file.content.pieces())
        self.lost = _lost(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about what `lost` names
                self._book: Any = openpyxl.load_workbook(io.BytesIO(data), rich_text=True)
        except Exception as error:  # whatever openpyxl's readers of ZIP and XML raise
            raise TableError(f"{table.path}: damaged Excel file ({one_line(error)})") from error
        self._sheet = self._book[self._layout.title]

    def check(self, names: Sequence[str], filling: Sequence[str]) -> None:
        """Raise TableError if the sheet has no columns left for new ones."""
        new = set(filling) - set(self._table.columns)
        if self._layout.width + len(new) > 16_384:
            raise TableError(f"{self._table.path}: Excel has no columns left for {len(new)} more")

    def has_no_value(self, row: Row, column: str) -> bool:
        """Whether a cell is empty and may be filled: no formula, and not hidden by a merged one."""
        cell = self._sheet.cell(row.line, self._layout.places[column])
        return type(cell).__name__ != "MergedCell" and is_empty(cell.value)

    def write(self, filling: Filling, out: Path) -> None:
        """Write the filled workbook."""
        sheet, places = self._sheet, self._layout.places
        new = [name for name in filling.columns if name not in places]
        for place, name in enumerate(new, start=self._layout.width + 1):
            places[name] = place
            self._put(self._layout.header, place, name, like=self._layout.width)
            letter = sheet.cell(self._layout.header, place).column_letter
            sheet.column_dimensions[letter].width = _WIDTH
        for row, values in zip(self._table.rows, filling.rows, strict=True):
            if values is None:
                continue
            for name, value in zip(filling.columns, values, strict=True):
                like = self._layout.width if name in new else None
                self._put(row.line, places[name], value, like=like)
        self._book.save(out)

    def _put(self, row: int, column: int, value: Value, like: int | None) -> None:
        """Set a cell's value. like: the column that a new cell looks like."""
        cell = self._sheet.cell(row, column)
        if like is not None:
            other = self._sheet.cell(row, like)
            if other.has_style and not cell.has_style:
                for part in ("font", "fill", "border", "alignment", "protection"):
                    setattr(cell, part, copy(getattr(other, part)))
        if isinstance(value, tuple | list):
            value = JOINED_BY.join(value)
        if isinstance(value, str):
            cell.value = _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", value) or None
            if value:
                cell.data_type = "s"  # text that begins with = is no formula
        else:
            cell.value = value


def _lost(data: bytes) -> list[str]:
    """What a workbook has that openpyxl leaves out, or does not write again as it was."""
    lost = set()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            kinds = [kind for kind, pattern in _CHANGED.items() if re.match(pattern, name)]
            lost |= set(kinds)
            if not kinds and not name.endswith("/") and not _KEPT.fullmatch(name):
                lost.add(name)
            if re.fullmatch(r"xl/drawings/drawing[^/]*\.xml", name):
                lost |= {"shapes"} if _SHAPES.search(archive.read(name)) else set()
            if re.fullmatch(r"xl/worksheets/[^/]*\.xml", name):
                found = _ADDITIONS.search(archive.read(name))
                lost |= {"sparklines or conditional formats of newer Excel"} if found else set()
    return sorted(lost)
