"""Filling CSV and its like: cells are put into the text, and every other byte stays."""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from keyart.catalog.cells import as_cell
from keyart.catalog.delimited import Delimited, Record, read_delimited
from keyart.catalog.table_file import Content, TableFile
from keyart.errors import TableError
from keyart.tables.filling import JOINED_BY, Filling, Value

Edit = tuple[int, int, str]

_LOOKED_AT = 100  # records, for the decimal comma
_COMMA, _POINT = re.compile(r"-?[0-9]+,[0-9]+"), re.compile(r"-?[0-9]+\.[0-9]+")


class DelimitedText:
    """A table of delimited text, to be filled."""

    suffixes = (".csv", ".tsv", ".txt", ".tab")

    def __init__(self, table: TableFile, content: Content) -> None:
        assert content.decoded is not None
        self._decoded, self._table = content.decoded, table
        self._text = self._decoded.exact
        self._tabs = content.tabs
        self._found = read_delimited(self._text, tabs=content.tabs)
        lines = [record.line for record in self._found.records]
        assert lines == [row.line for row in table.rows], f"{table.path}: read in two ways"
        self._pen = _Pen.of(self._found, self._text)

    def check(self, names: Sequence[str], filling: Sequence[str]) -> None:
        """Raise TableError if the table cannot hold these names of genres, or these columns."""
        path, encoding = self._table.path, self._decoded.encoding
        for name in names:
            try:
                name.encode(encoding)
            except UnicodeEncodeError as error:
                raise TableError(
                    f"{path}: its encoding, {encoding}, cannot hold {name!r}; save it as UTF-8"
                ) from error
        if self._found.header is None and not set(filling) <= set(self._table.columns):
            raise TableError(f"{path}: has no header to name new columns in; add one")

    def write(self, filling: Filling, out: Path) -> None:
        """Write the filled table. Raises TableError if a reader could take it for another one."""
        edits = list(self._edits(filling))
        with out.open("wb") as file:
            file.writelines(self._decoded.edited(edits))
        pieces, at = [], 0
        for start, end, new in edits:
            pieces += [self._text[at:start], new]
            at = end
        self._check_written("".join([*pieces, self._text[at:]]), filling)

    def _check_written(self, text: str, filling: Filling) -> None:
        """Read the filled table again: lone quotation marks can be read in two ways."""
        columns, again = self._found.columns, read_delimited(text, tabs=self._tabs)
        kept = [at for at, name in enumerate(columns) if name not in filling.columns]
        for before, after in zip_longest(self._found.records, again.records):
            if (
                before is None
                or after is None
                or bool(before.problem) != bool(after.problem)
                or before.line != after.line
                or any(before.fields[at] != after.fields[at] for at in kept if not before.problem)
            ):
                line = (before or after or self._found.records[-1]).line
                raise TableError(
                    f"{self._table.path}: line {line}: with more cells in it, its quotation marks "
                    "could be read in another way; quote its fields, and double the marks in them"
                )

    def _edits(self, filling: Filling) -> Iterator[Edit]:
        columns, header = self._found.columns, self._found.header
        places = [columns.index(name) if name in columns else -1 for name in filling.columns]
        width = len(columns)
        if header is not None:
            # A header may go on with empty names: new columns come after them.
            width = len(self._found.spans(header))
            names = [name for name, place in zip(filling.columns, places, strict=True) if place < 0]
            yield from self._added(header, width, names)
        for record, values in zip(self._found.records, filling.rows, strict=True):
            if values is None or len(record.fields) < len(columns):
                continue  # too short: new cells would stand in the wrong columns
            if record.problem:  # too long, and must not come to fit the longer header
                reason = f"line {record.line}: {record.problem}"
                new = places.count(-1)
                yield from self._added(record, 0, [*[None] * (new - 1), reason] if new else ())
                continue
            spans = self._found.spans(record)
            placed = sorted(zip(places, range(len(values)), strict=True))
            for place, number in placed:
                if place >= 0:
                    start, end = spans[place]
                    quoted = self._text[start:end].lstrip(" ").startswith('"')
                    yield start, end, self._pen.cell(values[number], quoted=quoted)
            added = [values[number] for place, number in placed if place < 0]
            yield from self._added(record, width, added)

    def _added(self, record: Record, width: int, values: Sequence[Value]) -> Iterator[Edit]:
        """New cells of a record, after its first `width` fields; 0: after the last one."""
        if not values:
            return
        spans = self._found.spans(record)
        width = width or len(spans)
        missing = max(0, width - len(spans))
        _, end = spans[min(width, len(spans)) - 1]
        separator = self._found.dialect.separator
        cells = [self._pen.cell(value) for value in values]
        yield end, end, separator * missing + "".join(separator + cell for cell in cells)


class _Pen:
    """Writes cells as a table writes its own.

    texts, numbers: whether these are quoted even if they need not be. comma: of decimals.
    """

    def __init__(
        self, separator: str, *, quotes: bool, texts: bool, numbers: bool, comma: bool
    ) -> None:
        self._separator, self._quotes = separator, quotes
        self._texts, self._numbers, self._comma = texts, numbers, comma

    @classmethod
    def of(cls, found: Delimited, text: str) -> "_Pen":
        """As the table is written."""
        dialect = found.dialect

        def quoted(record: Record | None) -> bool:
            spans = found.spans(record) if record else []
            return bool(spans) and all(text.startswith('"', start) for start, _ in spans)

        looked = found.records[:_LOOKED_AT]
        cells = [field for record in looked for field in record.fields]
        comma = dialect.separator == ";" and any(map(_COMMA.fullmatch, cells))
        return cls(
            dialect.separator,
            quotes=dialect.quotes,
            texts=dialect.quotes and quoted(found.header),
            numbers=dialect.quotes and quoted(found.header) and all(map(quoted, looked[:2])),
            comma=comma and not any(map(_POINT.fullmatch, cells)),
        )

    def cell(self, value: Value, *, quoted: bool = False) -> str:
        """A cell's text. quoted: the cell that it replaces was."""
        if value is None:
            return '""' if self._quotes and (quoted or self._numbers) else ""
        quoted = self._quotes and (quoted or (self._texts if isinstance(value, str) else False))
        if isinstance(value, bool):
            text, quoted = ("true" if value else "false"), quoted or self._numbers
        elif isinstance(value, float):
            text, quoted = f"{value:.6f}", quoted or self._numbers
            text = text.replace(".", ",") if self._comma else text
        elif isinstance(value, str):
            text = as_cell(value)
        else:
            text, quoted = as_cell(JOINED_BY.join(value)), quoted or (self._quotes and self._texts)
        if not self._quotes:
            return re.sub(r"[\t\r\n]", " ", text)
        special = (self._separator, '"', "\n", "\r")
        if quoted or any(mark in text for mark in special) or text != text.strip():
            escaped = text.replace('"', '""')
            return f'"{escaped}"'
        return text
