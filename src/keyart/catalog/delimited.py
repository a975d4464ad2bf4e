"""Delimited text: CSV, TSV, and what spreadsheets and databases write in their place.

Quotation marks are what goes wrong: IMDb's TSV quotes nothing, CSV quotes what holds a separator,
and people write 12" in both. So the text decides. A mark opens a quoted field only if another one
closes it right before a separator or the end of a line, and if the field does not swallow rows. A
line with another number of fields than the header is a record with a problem, never a shifted one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate
from typing import NamedTuple

_SEPARATORS = (",", "\t", ";", "|")
# The most that one quoted field may span.
_LINES, _LETTERS = 200, 1_000_000

# MovieLens has two tables without a header: movies.dat, and u.item with a column for each genre.
_DAT = ("movie_id", "title", "genres")
_ITEM = (
    "movie_id", "title", "release_date", "video_release_date", "imdb_url", "unknown", "Action",
    "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_DAT_LINE = re.compile(r"[0-9]+::.*::[^:]*")
_ITEM_LINE = re.compile(r"[0-9]+(\|[^|]*){4}(\|[01]){19}")


class Record(NamedTuple):
    """One record: the line in which it ends, from 1, its fields, and what is wrong with it.

    first: the line in which it begins.
    """

    line: int
    fields: list[str]
    problem: str
    first: int = 0


@dataclass(frozen=True)
class Delimited:
    """Delimited text that was read, without its empty lines.

    A record without a problem has a field for each column. header: None if the text has none.
    """

    columns: tuple[str, ...]
    records: list[Record]
    header: Record | None
    dialect: "Dialect"
    lines: Sequence[str]

    def spans(self, record: Record) -> list[tuple[int, int]]:
        """Where a record's fields begin and end in the text, with their quotation marks.

        Of all fields that are written there, also empty ones past the last column.
        """
        start = self._starts[record.first - 1]
        text = "\n".join(self.lines[record.first - 1 : record.line])
        columns = None if record is self.header else len(self.columns)
        return [(start + at, start + end) for at, end in self.dialect.spans(text, columns)]

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((len(line) + 1 for line in self.lines), initial=0))


def read_delimited(text: str, *, tabs: bool = False) -> Delimited:
    """Read delimited text. tabs: a tab is the likeliest separator."""
    if "\n" not in text:
        text = text.replace("\r", "\n")  # line ends of old Macs
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    header = lines[start].strip("\r") if start < len(lines) else ""
    if _DAT_LINE.fullmatch(header):
        return Dialect("::", quotes=False).read(lines, start, _DAT)
    if _ITEM_LINE.fullmatch(header):
        return Dialect("|", quotes=False).read(lines, start, _ITEM)
    if named := re.fullmatch("sep=(.)", header.strip(), re.IGNORECASE):  # it is for Excel
        separator, start = named[1], start + 1
    else:
        # The first of equals: a table of one column has no separator to count.
        unquoted = re.sub('"[^"]*"', "", header)
        separator = max(("\t", *_SEPARATORS) if tabs else _SEPARATORS, key=unquoted.count)
    dialect = Dialect(separator, quotes=separator != "\t" or _quotes_tabs(lines[start:]))
    first = next(dialect.records(lines, start, None), None)
    if first is None:
        return Delimited((), [], None, dialect, lines)
    columns = first.fields
    while columns and not columns[-1].strip():
        del columns[-1]
    return dialect.read(lines, first.line, columns, first)


def _quotes_tabs(lines: Sequence[str]) -> bool:
    """Whether text separated by tabs quotes fields: its header does, or most marks need it.

    Only what quotes doubles a mark, or has a tab or a line end in a field.
    """
    header = lines[0].split("\t") if lines else []
    if any(field.startswith('"') for field in header):
        return True
    dialect, needed, lone, at = Dialect("\t", quotes=True), 0, 0, 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if '"' not in line:
            continue
        fields, unclosed = dialect.fields(line)
        over = dialect.over_lines(lines, at - 1, len(header)) if unclosed else None
        if over and len(over[1]) == len(header):
            needed += 1
            at = over[0]
        elif len(fields) != len(header) or fields == line.strip("\r").split("\t"):
            lone += 1
        else:
            needed += 1
    return needed > lone


@dataclass(frozen=True)
class Dialect:
    """How fields are separated, and whether they are quoted."""

    separator: str
    quotes: bool

    def read(
        self,
        lines: Sequence[str],
        start: int,
        columns: Sequence[str],
        header: Record | None = None,
    ) -> Delimited:
        """The records from line `start` on."""
        records = list(self.records(lines, start, len(columns)))
        return Delimited(tuple(columns), records, header, self, lines)

    def records(self, lines: Sequence[str], start: int, columns: int | None) -> Iterator[Record]:
        """The records from line `start` on. columns: their number; None if it is not known."""
        at = start
        while at < len(lines):
            line = lines[at].removesuffix("\r")
            after, fields = at + 1, line.split(self.separator)
            if self.quotes and '"' in line:
                quoted, unclosed = self.fields(line)
                if unclosed:
                    after, quoted = self.over_lines(lines, at, columns) or (after, quoted)
                if after > at + 1 or len(quoted) == columns or len(fields) != columns:
                    fields = quoted
            first, at = at + 1, after
            if any(fields):
                yield Record(at, *_fitted(fields, columns), first)

    def spans(self, text: str, columns: int | None) -> list[tuple[int, int]]:
        """Where the fields of a record that has this text begin and end, see `records`."""
        if self.quotes and '"' in text:
            quoted = self._parse(text)[3]
            split = text.count(self.separator) + 1
            if "\n" in text or len(quoted) == columns or split != columns:
                return quoted
        spans, at = [], 0
        for field in text.removesuffix("\r").split(self.separator):
            spans.append((at, at + len(field)))
            at += len(field) + len(self.separator)
        return spans

    def fields(self, text: str) -> tuple[list[str], bool]:
        """The fields of a record, and whether a mark opens one and nothing closes it.

        The record ends with the first line end that is not in a quoted field.
        """
        return self._parse(text)[:2]

    def _parse(self, text: str) -> tuple[list[str], bool, int, list[tuple[int, int]]]:
        """As `fields`, how many lines the record has, and where its fields begin and end."""
        fields: list[str] = []
        spans: list[tuple[int, int]] = []
        at, unclosed = 0, False
        while True:
            begin = at
            if quoted := _quoted(self.separator).match(text, at):
                fields.append(quoted[1].replace('""', '"'))
                at = quoted.end()
            elif escaped := _escaped(self.separator).match(text, at):
                fields.append(re.sub(r"\\(.)|\"\"", lambda m: m[1] or '"', escaped[1]))
                at = escaped.end()
            else:
                end = _end(self.separator).search(text, at)
                stop = end.start() if end else len(text)
                fields.append(text[at:stop])
                unclosed = unclosed or fields[-1].lstrip(" ").startswith('"')
                at = stop
            spans.append((begin, at))
            if not text.startswith(self.separator, at):
                return fields, unclosed, text.count("\n", 0, at) + 1, spans
            at += len(self.separator)

    def over_lines(
        self, lines: Sequence[str], at: int, columns: int | None
    ) -> tuple[int, list[str]] | None:
        """A record with quoted fields over several lines, and the line after it; None if it is not.

        A field that swallows rows is none: most of its lines have as many fields as the header, or
        all of them have, and together they have not. Its text may have as many commas; in prose a
        space follows each.
        """
        letters, last = 0, at
        while last < len(lines) and last - at < _LINES and letters < _LETTERS:
            letters += len(lines[last])
            last += 1
        fields, _, count, _ = self._parse("\n".join(lines[at:last]))
        if count == 1:
            return None
        span = lines[at : at + count]
        swallowed = any(
            re.search(rf"{re.escape(self.separator)}(?:\S|\Z)", field)
            for field in fields
            if "\n" in field
        )
        rows = sum(len(line.split(self.separator)) == columns for line in span)
        if (swallowed and 2 * rows > count) or (rows == count and len(fields) != columns):
            return None
        return at + count, fields


def _fitted(fields: list[str], columns: int | None) -> tuple[list[str], str]:
    """The fields without empty ones past the last column, and what is wrong with their number."""
    if columns is None:
        return fields, ""
    while len(fields) > columns and not fields[-1].strip():
        del fields[-1]
    if len(fields) == columns:
        return fields, ""
    found = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
    return fields, f"{found}, but the header has {columns}; quote what holds a separator"


def _close(separator: str) -> str:
    """What follows a quoted field."""
    return rf'" *(?={re.escape(separator)}|\r?(?:\n|\Z))'


@cache
def _quoted(separator: str) -> re.Pattern[str]:
    """A quoted field, with marks in it doubled."""
    return re.compile(rf' *"((?:[^"]++|"")*+){_close(separator)}')


@cache
def _escaped(separator: str) -> re.Pattern[str]:
    r"""A quoted field, with marks in it as \", as MySQL writes them."""
    return re.compile(rf' *"((?:[^"\\]++|\\.|"")*+){_close(separator)}', re.DOTALL)


@cache
def _end(separator: str) -> re.Pattern[str]:
    """The end of a field that is not quoted."""
    return re.compile(rf"{re.escape(separator)}|\r?\n|\r\Z")
