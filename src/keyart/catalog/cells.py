"""The text of cells: what spreadsheets would run as a formula, and what no file can hold."""

import re

_HALF = re.compile("[\ud800-\udfff]")  # of a character outside of the first 65,536
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def as_cell(text: str) -> str:
    """Text as a cell that no spreadsheet runs: an apostrophe says that it is text."""
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """The text that as_cell() was called on; other cells are their own text."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def sound(text: str) -> str:
    """Text that any file can hold: JSON may name halves of a character, as in \\ud83d alone."""
    return text if text.isascii() else _HALF.sub("\N{REPLACEMENT CHARACTER}", text)
