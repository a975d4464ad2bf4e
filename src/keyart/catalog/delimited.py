"""Delimited text: CSV, TSV, and what spreadsheets and databases write in their place.

Quotation marks are what goes wrong: IMDb's TSV quotes nothing, CSV quotes what holds a separator,
and people write 12" in both. So the text decides. A mark opens a quoted field only if another one
closes it right before a separator or the end of a line, and if the field does not swallow rows. A
line with another number of fields than the header is a record with a problem, never a shifted one.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from typing import NamedTuple

from keyart.errors import counted

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


class Delimited:
    """Delimited text, which is read again each time that it is needed.

    columns: their names. A record without a problem has a field for each column. Empty lines are
    none. header: where the columns are named; None if nothing names them.
    """

    def __init__(self, lines: Callable[[], Iterable[str]], *, tabs: bool = False) -> None:
        """Read the header.

        lines: gives all lines, from the first one, at each call. tabs: a tab is the likeliest
        separator.
        """
        self._lines = lines
        start, header = 0, ""
        for line in self._from(0):
            if line.strip():
                header = line.strip("\r")
                break
            start += 1
        self._start = start
        self.columns: tuple[str, ...] = _DAT
        self.header: Record | None = None
        if _DAT_LINE.fullmatch(header):
            self.dialect = Dialect("::", quotes=False)
            return
        if _ITEM_LINE.fullmatch(header):
            self.dialect, self.columns = Dialect("|", quotes=False), _ITEM
            return
        if named := re.fullmatch("sep=(.) *", header, re.IGNORECASE):  # it is for Excel
            separator, start = named[1], start + 1
        else:
            # The first of equals: a table of one column has no separator to count.
            unquoted = re.sub('"[^"]*"', "", header)
            separator = max(("\t", *_SEPARATORS) if tabs else _SEPARATORS, key=unquoted.count)
        quotes = separator != "\t" or _quotes_tabs(self._from(start))
        self.dialect = Dialect(separator, quotes=quotes)
        first = next(self.dialect.records(self._from(start), start, None), Record(start, [], ""))
        while first.fields and not first.fields[-1].strip():
            del first.fields[-1]
        self._start, self.columns, self.header = first.line, tuple(first.fields), first

    def records(self) -> Iterator[Record]:
        """The records, from the first one."""
        return self.dialect.records(self._from(self._start), self._start, len(self.columns))

    def lines(self) -> Iterator[str]:
        """All lines, also those before the header and empty ones."""
        return self._from(0)

    @property
    def line_end(self) -> str:
        """What is between lines, besides what these end with."""
        return "\n" if len(list(islice(self._lines(), 2))) > 1 else "\r"

    def _from(self, start: int) -> Iterator[str]:
        """The lines from this one on."""
        lines = iter(self._lines())
        first, second = next(lines, ""), next(lines, None)
        if second is None:
            return islice(first.split("\r"), start, None)  # line ends of old Macs
        return islice(chain((first, second), lines), start, None)


class _Ahead:
    """Lines, one after another, with a look at those that follow."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self._waiting = lines, deque[str]()

    def take(self) -> str | None:
        """The next line; None after the last one."""
        return self._waiting.popleft() if self._waiting else next(self._lines, None)

    def span(self, line: str) -> list[str]:
        """A line that was taken, and those that one record may have after it."""
        letters, most = len(line), _LINES - 1
        for number in range(most):
            if letters >= _LETTERS:
                most = number
                break
            if number == len(self._waiting):
                if (other := next(self._lines, None)) is None:
                    break
                self._waiting.append(other)
            letters += len(self._waiting[number])
        return [line, *islice(self._waiting, most)]


def _quotes_tabs(lines: Iterator[str]) -> bool:
    """Whether text separated by tabs quotes fields: its header does, or most marks need it.

    Only what quotes doubles a mark, or has a tab or a line end in a field.
    """
    ahead = _Ahead(lines)
    line = ahead.take()
    header = line.split("\t") if line is not None else []
    if any(field.startswith('"') for field in header):
        return True
    dialect, needed, lone = Dialect("\t", quotes=True), 0, 0
    while line is not None:
        if '"' in line:
            fields, unclosed = dialect.fields(line)
            over = dialect.over_lines(ahead.span(line), len(header)) if unclosed else None
            if over and len(over[1]) == len(header):
                needed += 1
                for _ in range(over[0] - 1):
                    ahead.take()
            elif len(fields) != len(header) or fields == line.strip("\r").split("\t"):
                lone += 1
            else:
                needed += 1
        line = ahead.take()
    return needed > lone


@dataclass(frozen=True)
class Dialect:
    """How fields are separated, and whether they are quoted."""

    separator: str
    quotes: bool

    def records(self, lines: Iterator[str], start: int, columns: int | None) -> Iterator[Record]:
        """The records of lines. start: how many come before. columns: None if it is not known."""
        ahead, at = _Ahead(lines), start
        while (found := ahead.take()) is not None:
            line, at = found.removesuffix("\r"), at + 1
            first = at
            fields = line.split(self.separator)
            if self.quotes and '"' in line:
                quoted, unclosed = self.fields(line)
                over = self.over_lines(ahead.span(found), columns) if unclosed else None
                if over is not None:
                    count, quoted = over
                    for _ in range(count - 1):
                        ahead.take()
                    at += count - 1
                if over is not None or len(quoted) == columns or len(fields) != columns:
                    fields = quoted
            if any(fields):
                yield Record(at, *_fitted(fields, columns), first)

    def spans(self, text: str, columns: int | None) -> list[tuple[int, int]]:
        """Where the fields of a record of this text begin and end, with their quotation marks.

        Also of empty ones past the last column. columns: as for `records`.
        """
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

    def over_lines(self, lines: Sequence[str], columns: int | None) -> tuple[int, list[str]] | None:
        """How many of these lines one record has, and its fields; None if it has not several.

        A field that swallows rows is none: most of its lines have as many fields as the header, or
        all of them have, and together they have not. Its text may have as many commas; in prose a
        space follows each.
        """
        fields, _, count, _ = self._parse("\n".join(lines))
        if count == 1:
            return None
        span = lines[:count]
        swallowed = any(
            re.search(rf"{re.escape(self.separator)}(?:\S|\Z)", field)
            for field in fields
            if "\n" in field
        )
        rows = sum(len(line.split(self.separator)) == columns for line in span)
        if (swallowed and 2 * rows > count) or (rows == count and len(fields) != columns):
            return None
        return count, fields


def _fitted(fields: list[str], columns: int | None) -> tuple[list[str], str]:
    """The fields without empty ones past the last column, and what is wrong with their number."""
    if columns is None:
        return fields, ""
    while len(fields) > columns and not fields[-1].strip():
        del fields[-1]
    if len(fields) == columns:
        return fields, ""
    found = counted(len(fields), "field")
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
