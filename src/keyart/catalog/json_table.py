"""Tables in JSON: a line for each row, an array, or an object that holds one."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from keyart.catalog.content import Text
from keyart.errors import TableError, one_line

Numbered = tuple[int, Mapping[str, Any]]
"""The number of a row, from 1, and its cells."""

_NOT_BLANK = re.compile(r"[^ \t\n\r]")


class JsonTable:
    """The rows of a table in JSON, in their order. columns: the names in any of them.

    Lines and arrays of objects are read one object at a time, anything else at once. Raises
    TableError.
    """

    def __init__(self, path: Path, text: Text) -> None:
        self._path, self._text = path, text
        self.rows: Callable[[], Iterator[Numbered]] = self._one_by_one()
        names: dict[str, None] = {}
        try:
            for _, cells in self.rows():
                names.update(dict.fromkeys(cells))
        except (ValueError, RecursionError):  # an array that is none, or not one of objects
            rows = _whole(path, text.whole())
            self.rows = lambda: iter(rows)
            names = dict.fromkeys(name for _, cells in rows for name in cells)
        self.columns = tuple(names)

    def _one_by_one(self) -> Callable[[], Iterator[Numbered]]:
        """How to read rows without what is around them."""
        values = _Values(self._text.pieces())
        try:
            if values.next_letter() == "[":
                return self._array
            values.take()
            if values.next_letter():  # another one follows: JSON lines
                return lambda: _lines(self._path, self._text.lines())
        except (ValueError, RecursionError):
            pass
        rows = _whole(self._path, self._text.whole())
        return lambda: iter(rows)

    def _array(self) -> Iterator[Numbered]:
        """The objects of an array. Raises ValueError and RecursionError."""
        values, number = _Values(self._text.pieces()), 0
        values.skip("[")
        while number or values.next_letter() != "]":
            if number:
                if values.next_letter() == "]":
                    break
                values.skip(",")
            if values.next_letter() != "{":
                raise ValueError("not an object")
            number += 1
            yield number, values.take()
        values.skip("]")
        if values.next_letter():
            raise ValueError("more than an array")


class _Values:
    """The values in JSON text, one after another. All methods raise ValueError."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces, self._text, self._at = pieces, "", 0
        self._decoder = json.JSONDecoder()

    def next_letter(self) -> str:
        """The next letter that is not blank; "" at the end."""
        while True:
            match = _NOT_BLANK.search(self._text, self._at)
            if match:
                self._at = match.start()
                return match[0]
            self._text, self._at = next(self._pieces, ""), 0
            if not self._text:
                return ""

    def skip(self, letter: str) -> None:
        """Go over this letter, and no other one."""
        if self.next_letter() != letter:
            raise ValueError(f"expected {letter}")
        self._at += 1

    def take(self) -> Any:
        """The next value."""
        self.next_letter()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError:
                # It may go on in the next pieces. Twice as many each time, or a long one would be
                # read from its start for every piece.
                more = self._more(len(self._text) - self._at)
                if not more:
                    raise
                self._text, self._at = self._text[self._at :] + more, 0
            else:
                self._at = end
                return value

    def _more(self, letters: int) -> str:
        parts: list[str] = []
        while sum(map(len, parts)) < letters and (piece := next(self._pieces, "")):
            parts.append(piece)
        return "".join(parts)


def _whole(path: Path, text: str) -> list[Numbered]:
    """The rows of a table in JSON. In JSON lines a row's number is its line. Raises TableError."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise TableError(f"{path}: not a table: its JSON is nested too deeply") from error
    except ValueError as error:  # the first object is followed by another one: JSON lines
        if text.lstrip().startswith("["):
            raise TableError(f"{path}: not JSON ({one_line(error)})") from error
        return list(_lines(path, text.split("\n")))
    rows = _rows(value) if isinstance(value, dict) else value
    if not isinstance(rows, list) or not all(isinstance(cells, dict) for cells in rows):
        raise TableError(f"{path}: not a table: expected an array of objects, one for each film")
    return list(enumerate(rows, start=1))


def _lines(path: Path, lines: Iterable[str]) -> Iterator[Numbered]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TableError(f"{path} line {number}: not JSON ({one_line(error)})") from error
        if not isinstance(cells, dict):
            raise TableError(
                f"{path} line {number}: expected one object per line, as in JSON lines"
            )
        yield number, cells


def _rows(value: dict[str, Any]) -> list[Any]:
    """The rows in an object: an answer of TMDb, what pandas writes, or a single row."""
    lists = [one for one in value.values() if _is_table(one)]
    if len(lists) == 1 and "genres" not in value:
        rows: list[Any] = lists[0]
        return rows
    columns = list(value.values())
    if columns and all(isinstance(one, dict) for one in columns):
        keys = dict.fromkeys(key for one in columns for key in one)
        return [{name: cells.get(key) for name, cells in value.items()} for key in keys]
    return [value] if value else []


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)
