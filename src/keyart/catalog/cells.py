"""Cells of tables that spreadsheets open: text that begins like a formula would be run."""

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def as_cell(text: str) -> str:
    """Text as a cell that no spreadsheet runs: an apostrophe says that it is text."""
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """The text that as_cell() was called on; other cells are their own text."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
