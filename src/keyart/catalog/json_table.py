"""Tables in JSON: a line for each row, an array, or an object that holds one."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keyart.errors import TableError, one_line

Numbered = tuple[int, Mapping[str, Any]]
"""The number of a row, from 1, and its cells."""


def read_json(path: Path, text: str) -> list[Numbered]:
    """The rows of a table in JSON. In JSON lines a row's number is its line. Raises TableError."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise TableError(f"{path}: not a table: its JSON is nested too deeply") from error
    except ValueError as error:  # the first object is followed by another one: JSON lines
        if text.lstrip().startswith("["):
            raise TableError(f"{path}: not JSON ({one_line(error)})") from error
        return list(_lines(path, text))
    rows = _rows(value) if isinstance(value, dict) else value
    if not isinstance(rows, list) or not all(isinstance(cells, dict) for cells in rows):
        raise TableError(f"{path}: not a table: expected an array of objects, one for each film")
    return list(enumerate(rows, start=1))


def _lines(path: Path, text: str) -> Iterator[Numbered]:
    for number, line in enumerate(text.split("\n"), start=1):
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
