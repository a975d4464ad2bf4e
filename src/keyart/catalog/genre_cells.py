"""The genres in a table's cells: names in one cell, or a column of yes and no for each genre."""

import ast
import html
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyart.catalog.cells import sound
from keyart.genres import Vocabulary

# TMDb's numbers of genres, for films and for series.
_TMDB = {
    28: "Action", 12: "Adventure", 16: "Animation", 35: "Comedy", 80: "Crime", 99: "Documentary",
    18: "Drama", 10751: "Family", 14: "Fantasy", 36: "History", 27: "Horror", 10402: "Music",
    9648: "Mystery", 10749: "Romance", 878: "Science Fiction", 10770: "TV Movie", 53: "Thriller",
    10752: "War", 37: "Western", 10759: "Action & Adventure", 10762: "Kids", 10763: "News",
    10764: "Reality", 10765: "Sci-Fi & Fantasy", 10766: "Soap", 10767: "Talk",
    10768: "War & Politics",
}  # fmt: skip
_NONE = {
    "", r"\n", "(no genres listed)", "n/a", "na", "nan", "none", "null", "nil", "-", "[]", "{}",
    "<na>",
}  # fmt: skip
_YES = {"1", "1.0", "true", "yes", "y", "t", "x", "on"}
_NO = {"0", "0.0", "false", "no", "n", "f", "off"}
_PREFIX = re.compile(r"(?:genres?|is)[_ .:=-]+", re.IGNORECASE)
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_QUOTED_ONLY = re.compile(rf"(?:\s*(?:{_QUOTED.pattern})\s*,?)*+")
_LONGEST_NAME = 4  # words
_DEEPEST = 20  # lists in lists; before Python ends a recursion


def genre_names(value: Any, vocabulary: Vocabulary, *, tmdb: bool = False) -> tuple[str, ...]:
    """The genres that a cell names, each once, as they are written there.

    value: a list, or text in any of the usual forms: names that |, commas, semicolons or slashes
    separate, lists of Python, NumPy, JSON and PostgreSQL, and TMDb's objects. vocabulary: decides
    whether 'Sci-Fi & Fantasy' is one name, and 'Action / Drama' two. tmdb: numbers are TMDb's.
    """
    names = []
    for text in _pieces(value):
        number = tmdb and re.fullmatch("[0-9]{1,9}", text)
        names += _parted(_TMDB.get(int(text), text) if number else text, vocabulary)
    return tuple(dict.fromkeys(sound(name) for name in names if name.casefold() not in _NONE))


def _pieces(value: Any, deep: int = 0) -> Iterator[str]:
    """The texts of a cell's items. deep: how many lists and objects these are in."""
    if deep > _DEEPEST:
        yield "(nested too deeply)"
        return
    if value is None or isinstance(value, bool) or (isinstance(value, float) and value != value):
        return
    if isinstance(value, Mapping):
        number: Any = value.get("id")
        known = _TMDB.get(number) if isinstance(number, int) else None
        yield from _pieces(value.get("name") or known or number, deep + 1)
    elif isinstance(value, str):
        yield from _pieces_of_text(html.unescape(html.unescape(value)).strip(), deep)
    elif isinstance(value, set | frozenset):
        yield from sorted(map(str, value))
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        for one in value:
            yield from _pieces(one, deep + 1)
    else:
        yield str(value).removesuffix(".0")


def _pieces_of_text(text: str, deep: int) -> Iterator[str]:
    if text.casefold() in _NONE:
        return
    if text[:1] + text[-1:] in ("[]", "{}", "()"):
        found = _list_in(text)
        if found is not None:
            yield from _pieces(found, deep + 1)
            return
        text = text[1:-1]
    for part in re.split(r"[|,;\n]", text.strip("[]{} ")):
        bare = part.strip()
        yield bare[1:-1].strip() if re.fullmatch("'.*'|\".*\"", bare) else bare


def _list_in(text: str) -> Any:
    """The value that text in brackets stands for; None if it is only text in brackets."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if _QUOTED_ONLY.fullmatch(text[1:-1]):  # NumPy's lists have no commas
        quoted = (one or other for one, other in _QUOTED.findall(text))
        return [re.sub(r"\\(.)", r"\1", one) for one in quoted]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _parted(text: str, vocabulary: Vocabulary) -> list[str]:
    """A name of the vocabulary as it is, or its parts if some of them are names."""
    text = text.strip()
    if vocabulary.resolve(text):
        return [text]
    parts = [part.strip() for part in re.split(r"[/&+·•]| - | and ", text)]
    if len(parts) > 1 and any(vocabulary.resolve(part) for part in parts):
        return parts
    return _words(text.split(), vocabulary) or [text]


def _words(words: Sequence[str], vocabulary: Vocabulary) -> list[str]:
    """Names that only spaces separate, the longest first; empty unless all of it is names."""
    found, at = [], 0
    while at < len(words):
        ends = range(min(len(words), at + _LONGEST_NAME), at, -1)
        end = next((end for end in ends if vocabulary.resolve(" ".join(words[at:end]))), None)
        if end is None:
            return []
        found.append(" ".join(words[at:end]))
        at = end
    return found


@dataclass(frozen=True)
class Flags:
    """Columns of yes and no, one for each genre.

    genres: the name of each column's genre. empty_is_no: nothing else says no in them.
    """

    genres: Mapping[str, str]
    empty_is_no: bool

    @classmethod
    def find(
        cls, columns: Iterable[str], rows: Iterable[Mapping[str, Any]], vocabulary: Vocabulary
    ) -> "Flags | None":
        """The flags among columns, if at least two of them are genres of the vocabulary.

        A column with another name is one if it has the prefix of these (genre_Sport), or holds
        nothing but yes and no. rows: are gone through once, and only if there are flags.
        """
        named = {column: sound(_PREFIX.sub("", column)) for column in dict.fromkeys(columns)}
        known = [column for column, genre in named.items() if vocabulary.resolve(genre)]
        if len(known) < 2:
            return None
        prefixed = named[known[0]] != known[0]
        certain = {
            column
            for column, genre in named.items()
            if column in known or (prefixed and genre != column)
        }
        others = [column for column in named if column not in certain]
        has_yes, yes_or_empty = False, True
        for row in rows:
            others = [column for column in others if _answer(row.get(column)) is not None]
            for column in known:
                cell = row.get(column)
                answer = _answer(cell)
                has_yes = has_yes or answer is True
                yes_or_empty = yes_or_empty and bool(answer or _is_empty(cell))
        genres = {
            column: genre
            for column, genre in named.items()
            if column in certain or column in others
        }
        return cls(genres, has_yes and yes_or_empty)

    def read(self, cells: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
        """The genres of a row, and what is wrong with it: a cell that is neither yes nor no."""
        found = []
        for column, genre in self.genres.items():
            value = cells.get(column)
            answer = _answer(value)
            if answer is None and not (self.empty_is_no and _is_empty(value)):
                shown = "empty" if _is_empty(value) else repr(value)
                return (), f"column {column}: {shown} is neither yes nor no; write 1 or 0"
            if answer:
                found.append(genre)
        return tuple(dict.fromkeys(found)), ""


def _answer(value: Any) -> bool | None:
    """Whether a cell says yes or no; None if neither is clear."""
    text = str(value).strip().casefold()
    return True if text in _YES else False if text in _NO else None


def _is_empty(value: Any) -> bool:
    return value is None or not str(value).strip()
