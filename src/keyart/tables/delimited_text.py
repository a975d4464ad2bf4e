"""Filling CSV and its like: cells are put into the text, and every other byte stays."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path

from keyart.catalog.cells import as_cell
from keyart.catalog.delimited import Delimited, Record
from keyart.catalog.table_file import TableFile
from keyart.errors import TableError
from keyart.tables.filling import JOINED_BY, Filling, Value

Edit = tuple[int, int, str]
"""Where a piece of a record's text begins and ends, and what replaces it."""

_LOOKED_AT = 100  # records, for the decimal comma
_COMMA, _POINT = re.compile(r"-?[0-9]+,[0-9]+"), re.compile(r"-?[0-9]+\.[0-9]+")


class DelimitedText:
    """A table of delimited text, to be filled. It is read and written line by line."""

    suffixes = (".csv", ".tsv", ".txt", ".tab")

    def __init__(self, table: TableFile) -> None:
        assert table.file is not None
        assert table.file.text is not None
        self._table, self._tabs = table, table.file.tabs
        self._text = table.file.text.exact()
        self._found = Delimited(self._text.lines, tabs=self._tabs)
        self._line_end = self._found.line_end
        self._pen = _Pen.of(self._found)

    def check(self, names: Sequence[str], filling: Sequence[str]) -> None:
        """Raise TableError if the table cannot hold these names of genres, or these columns."""
        path, encoding = self._table.path, self._text.encoding
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
        encoding, between = self._text.encoding, b""
        with out.open("wb") as file:
            file.write(self._text.mark)
            for line in self._lines(filling):
                file.write(between + line.encode(encoding, "surrogateescape"))
                between = self._line_end.encode(encoding)
        self._check_written(out, filling.columns)

    def _lines(self, filling: Filling) -> Iterator[str]:
        """The lines of the filled table, or several of a record that has several."""
        lines, at = self._found.lines(), 0
        for record, columns, values in self._changed(filling):
            yield from islice(lines, record.first - 1 - at)
            text = "\n".join(islice(lines, record.line - record.first + 1))
            at = record.line
            spans = self._found.dialect.spans(text, columns)
            yield _edited(text, self._edits(record, text, spans, filling.columns, values))
        yield from lines

    def _changed(
        self, filling: Filling
    ) -> Iterator[tuple[Record, int | None, Sequence[Value] | None]]:
        """The header and the records, the number of columns that each is read with, and values."""
        if self._found.header is not None:
            yield self._found.header, None, None
        for record, values in zip(self._found.records(), filling.rows, strict=True):
            if values is not None:
                yield record, len(self._found.columns), values

    def _edits(
        self,
        record: Record,
        text: str,
        spans: Sequence[tuple[int, int]],
        names: Sequence[str],
        values: Sequence[Value] | None,
    ) -> Iterator[Edit]:
        """What changes in a record. values: None for the header."""
        columns = self._found.columns
        new = [at for at, name in enumerate(names) if name not in columns]
        if values is None:
            self._width = len(spans)  # it may go on with empty names: new columns come after them
            yield from self._added(spans, len(spans), [names[at] for at in new])
            return
        if len(record.fields) < len(columns):
            return  # too short: new cells would stand in the wrong columns
        if record.problem:  # too long, and must not come to fit the longer header
            reason = f"line {record.line}: {record.problem}"
            added: list[Value] = [*[None] * (len(new) - 1), reason]
            yield from self._added(spans, len(spans), added if new else ())
            return
        placed = [(columns.index(name), at) for at, name in enumerate(names) if name in columns]
        for place, at in sorted(placed):
            start, end = spans[place]
            quoted = text[start:end].lstrip(" ").startswith('"')
            yield start, end, self._written(values[at], quoted=quoted)
        width = len(columns) if self._found.header is None else self._width
        yield from self._added(spans, width, [values[at] for at in new])

    def _added(
        self, spans: Sequence[tuple[int, int]], width: int, values: Sequence[Value]
    ) -> Iterator[Edit]:
        """New cells after the first `width` fields."""
        if not values:
            return
        separator = self._found.dialect.separator
        _, end = spans[min(width, len(spans)) - 1]
        missing = separator * max(0, width - len(spans))
        yield end, end, missing + "".join(separator + self._written(one) for one in values)

    def _written(self, value: Value, *, quoted: bool = False) -> str:
        """A cell's text, as far as the encoding can hold it."""
        encoding = self._text.encoding
        return (
            self._pen.cell(value, quoted=quoted)
            .encode(encoding, "backslashreplace")
            .decode(encoding)
        )

    def _check_written(self, out: Path, filled: Sequence[str]) -> None:
        """Read the filled table again: lone quotation marks can be read in two ways."""
        again = Delimited(self._text.of(out).lines, tabs=self._tabs)
        kept = [at for at, name in enumerate(self._found.columns) if name not in filled]
        new = [at for at, name in enumerate(again.columns) if name in filled]
        for before, after in zip_longest(self._found.records(), again.records()):
            if (
                before is None
                or after is None
                or before.line != after.line
                or bool(before.problem) != bool(after.problem)
                or any(before.fields[at] != after.fields[at] for at in kept if not before.problem)
                # The marks around a new cell are read as letters of it.
                or any(after.fields[at][:1] == '"' for at in new if not before.problem)
            ):
                line = (before or after).line
                raise TableError(
                    f"{self._table.path}: line {line}: with more cells in it, its quotation marks "
                    "could be read in another way; quote its fields, and double the marks in them"
                )


def _edited(text: str, edits: Iterable[Edit]) -> str:
    pieces, at = [], 0
    for start, end, new in edits:
        pieces += [text[at:start], new]
        at = end
    return "".join([*pieces, text[at:]])


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
    def of(cls, found: Delimited) -> "_Pen":
        """As the table is written."""
        dialect = found.dialect
        looked = list(islice(found.records(), _LOOKED_AT))
        last = looked[-1].line if looked else 0
        lines = list(islice(found.lines(), last))

        def quoted(record: Record | None, columns: int | None) -> bool:
            if record is None or not dialect.quotes:
                return False
            text = "\n".join(lines[record.first - 1 : record.line])
            spans = dialect.spans(text, columns)
            return all(text.startswith('"', start) for start, _ in spans)

        texts = quoted(found.header, None)
        width = len(found.columns)
        cells = [field for record in looked for field in record.fields]
        comma = dialect.separator == ";" and any(map(_COMMA.fullmatch, cells))
        return cls(
            dialect.separator,
            quotes=dialect.quotes,
            texts=texts,
            numbers=texts and all(quoted(record, width) for record in looked[:2]),
            comma=comma and not any(map(_POINT.fullmatch, cells)),
        )

    def cell(self, value: Value, *, quoted: bool = False) -> str:
        """A cell's text. quoted: the cell that it replaces was."""
        if value is None:
            return '""' if self._quotes and (quoted or self._numbers) else ""
        if isinstance(value, bool):
            text, like = ("true" if value else "false"), self._numbers
        elif isinstance(value, float):
            text, like = f"{value:.6f}", self._numbers
            text = text.replace(".", ",") if self._comma else text
        else:
            text, like = value if isinstance(value, str) else JOINED_BY.join(value), self._texts
            text = as_cell(text)
        if not self._quotes:
            return re.sub(r"[\t\r\n]", " ", text)
        special = (self._separator, '"', "\n", "\r")
        if quoted or like or any(mark in text for mark in special) or text != text.strip():
            escaped = text.replace('"', '""')
            return f'"{escaped}"'
        return text
