"""Filling JSON: members are put into the text of each object, and every other byte stays."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from keyart.catalog.table_file import TableFile
from keyart.errors import TableError
from keyart.tables.filling import Filling, Value

Edit = tuple[int, int, str]

_SPACE = re.compile(r"[ \t\n\r]*")
_decoder = json.JSONDecoder()


@dataclass(frozen=True)
class _Member:
    """A member of an object: its name, and where its name and its value begin and end."""

    name: str
    start: int
    colon: int
    value: int
    end: int


@dataclass(frozen=True)
class _Object:
    """An object: its members, and where it begins and ends."""

    members: Sequence[_Member]
    start: int
    end: int


class JsonText:
    """A table of JSON, in lines or as an array, to be filled."""

    suffixes = (".json", ".jsonl", ".ndjson")

    def __init__(self, table: TableFile) -> None:
        assert table.file is not None
        assert table.file.text is not None
        self._source = table.file.text.exact()
        self._text = self._source.whole()
        self._objects = list(_objects(table.path, self._text))
        if len(self._objects) != len(table.rows):
            raise table.error("holds its columns as objects; save it as an array of rows")
        self._ascii = not self._source.encoding.startswith("utf")

    def check(self, names: Sequence[str], filling: Sequence[str]) -> None:
        """JSON holds any name in any column."""

    def write(self, filling: Filling, out: Path) -> None:
        """Write the filled table."""
        edits = (
            edit
            for one, values in zip(self._objects, filling.rows, strict=True)
            if values is not None
            for edit in self._edits(one, filling.columns, values)
        )
        encoding, at = self._source.encoding, 0
        with out.open("wb") as file:
            file.write(self._source.mark)
            for start, end, new in edits:
                file.write((self._text[at:start] + new).encode(encoding, "surrogateescape"))
                at = end
            file.write(self._text[at:].encode(encoding, "surrogateescape"))

    def _edits(
        self, row: _Object, columns: Sequence[str], values: Sequence[Value]
    ) -> Iterator[Edit]:
        known = {member.name: member for member in row.members}  # of equal names the last counts
        text, members = self._text, row.members
        colon, between = ": ", ", "
        if members:
            colon = text[members[-1].colon : members[-1].value]
            first = text[row.start + 1 : members[0].start]
            between = f",{first or ' ' * colon.endswith(' ')}"
            if len(members) > 1:
                between = text[members[-2].end : members[-1].start]
        compact = not between.endswith((" ", "\n", "\t"))
        added = []
        replaced = []
        for column, value in zip(columns, values, strict=True):
            written = self._value(value, compact=compact)
            if member := known.get(column):
                replaced.append((member.value, member.end, written))
            else:
                added.append(f"{json.dumps(column, ensure_ascii=self._ascii)}{colon}{written}")
        yield from sorted(replaced)
        if added:
            at = members[-1].end if members else row.start + 1
            yield at, at, (between if members else "") + between.join(added)

    def _value(self, value: Value, *, compact: bool) -> str:
        plain: Any = round(value, 6) if isinstance(value, float) else value
        separators = (",", ":") if compact else (", ", ": ")
        return json.dumps(plain, ensure_ascii=self._ascii, separators=separators)


def _objects(path: Path, text: str) -> Iterator[_Object]:
    """The objects that `read_json` takes for rows, in their order."""
    start = _after_space(text, 0)
    try:
        _, end = _decoder.raw_decode(text, start)
        whole = _after_space(text, end) == len(text)
    except RecursionError as error:
        raise TableError(f"{path}: not a table: its JSON is nested too deeply") from error
    except ValueError:
        whole = False
    if not whole:
        at = 0
        for line in text.split("\n"):
            if line.strip():
                yield _object(text, _after_space(text, at))
            at += len(line) + 1
        return
    if text[start] == "{":
        outer = _object(text, start)
        arrays = [one for one in outer.members if text[one.value] == "["]
        rows = [member for member in arrays if _is_table(text, member)]
        names = {member.name for member in outer.members}
        if len(rows) != 1 or "genres" in names:
            if _is_columns(text, outer):
                return
            yield outer
            return
        start = rows[0].value
    yield from _array(text, start)


def _is_table(text: str, member: _Member) -> bool:
    value = json.loads(text[member.value : member.end])
    return bool(value) and all(isinstance(one, dict) for one in value)


def _is_columns(text: str, outer: _Object) -> bool:
    """Whether each member is an object: a column, as pandas writes it."""
    return bool(outer.members) and all(text[one.value] == "{" for one in outer.members)


def _array(text: str, start: int) -> Iterator[_Object]:
    at = _after_space(text, start + 1)
    while text[at] != "]":
        row = _object(text, at)
        yield row
        at = _after_space(text, row.end)
        if text[at] == ",":
            at = _after_space(text, at + 1)


def _object(text: str, start: int) -> _Object:
    members = []
    at = _after_space(text, start + 1)
    while text[at] != "}":
        name, colon = scanstring(text, at + 1, True)
        value = _after_space(text, _after_space(text, colon) + 1)
        _, end = _decoder.raw_decode(text, value)
        members.append(_Member(name, at, colon, value, end))
        at = _after_space(text, end)
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return _Object(members, start, at + 1)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()
