"""Films tables: the id, title, year, genres and poster of each film, by the usual column names."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from keyart.catalog.cells import from_cell
from keyart.catalog.table_file import Row, TableFile, folded, read_table
from keyart.errors import TableError
from keyart.genres import Vocabulary

# By preference: if a table has several of them, the first one names the films.
_ID = ("film_id", "imdb_id", "tconst", "tmdb_id", "movie_id", "id", "filename")
_IMDB = ("imdb_id", "tconst")
_TITLE = ("title", "primary_title", "name", "original_title")
_YEAR = ("year", "start_year", "release_year", "release_date")
_GENRES = ("genres", "genre", "genre_names")
_POSTER = ("poster", "poster_file", "poster_path", "filename")
_NO_GENRES = ("", r"\N", "(no genres listed)", "N/A", "None")


@dataclass(frozen=True, slots=True)
class Listing:
    """A film as a table lists it.

    line: in the file. genres: names as found. poster: a file name, if the table gives one.
    problem: why the line cannot be used; empty if it can.
    """

    line: int
    film_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    poster: str | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Columns:
    """The names of a table's columns. flags: columns of 0 and 1, one per genre, if no `genres`."""

    film_id: str
    title: str | None
    year: str | None
    genres: str | None
    poster: str | None
    flags: Sequence[str]


def read_films(path: Path, vocabulary: Vocabulary) -> tuple[list[Listing], list[str]]:
    """Read a films table. Returns its films, and notes on how it was read.

    vocabulary: decides which columns of 0 and 1 are genres. Raises TableError.
    """
    table = read_table(path)
    if not table.rows:
        raise TableError(f"{path}: no films in it; give a table with one row per film")
    columns = _columns(table, vocabulary)
    return [_listing(row, columns) for row in table.rows], list(table.notes)


def _columns(table: TableFile, vocabulary: Vocabulary) -> _Columns:
    found = ", ".join(table.columns) or "(none)"
    film_id = table.column(_ID)
    if film_id is None:
        raise TableError(
            f"{table.path}: no column of film ids; its columns are {found}; name one of them "
            f"{', '.join(_ID)}"
        )
    genres = table.column(_GENRES)
    flags = _flag_columns(table, vocabulary) if genres is None else []
    if genres is None and not flags:
        raise TableError(
            f"{table.path}: no column of genres; its columns are {found}; name one of them genres, "
            "or give one 0/1 column per genre"
        )
    title, year, poster = (table.column(names) for names in (_TITLE, _YEAR, _POSTER))
    return _Columns(film_id, title, year, genres, poster, flags)


def _flag_columns(table: TableFile, vocabulary: Vocabulary) -> list[str]:
    """Columns that hold only 0 and 1, if at least two of them are genres."""
    others = {folded(name) for name in (*_ID, *_TITLE, *_YEAR, *_POSTER)}
    flags = [
        name
        for name in dict.fromkeys(table.columns)
        if folded(name) not in others and all(_is_flag(row.cells.get(name)) for row in table.rows)
    ]
    return flags if sum(bool(vocabulary.resolve(name)) for name in flags) >= 2 else []


def _listing(row: Row, columns: _Columns) -> Listing:
    def cell(name: str | None) -> Any:
        return None if name is None else row.cells.get(name)

    title, year = _text(cell(columns.title)), _year(cell(columns.year))
    if year is None and (match := re.search(r"\(([0-9]{4})\)\s*$", title)):
        year, title = int(match[1]), title[: match.start()].strip()
    if columns.genres is not None:
        genres = _names(cell(columns.genres))
    else:
        genres = tuple(name for name in columns.flags if _is_set(cell(name)))
    problem = ""
    if row.extra:
        problem = f"{row.extra} more fields than columns; quote what holds a separator"
    film_id = _film_id(cell(columns.film_id), columns.film_id)
    poster = _text(cell(columns.poster)) or None
    return Listing(row.line, film_id, title, year, genres, poster, problem)


def _is_flag(value: Any) -> bool:
    return _text(value) in ("0", "1", "0.0", "1.0", "", "True", "False")


def _is_set(value: Any) -> bool:
    return _text(value) in ("1", "1.0", "True")


def _text(value: Any) -> str:
    """A cell as text; empty if it has no value, which IMDb writes as \\N."""
    text = "" if value is None else str(value).strip()
    return "" if text == r"\N" else from_cell(text)


def _film_id(value: Any, column: str) -> str:
    """A film's id, written one way: IMDb's as tt and at least seven digits."""
    text = PurePath(_text(value)).stem if folded(column) == "filename" else _text(value)
    # Spreadsheets and pandas turn numbers with gaps into floats: 85549.0.
    if number := re.fullmatch(r"([0-9]+)\.0", text):
        text = number[1]
    imdb = folded(column) in map(folded, _IMDB)
    match = re.fullmatch(r"(?:tt)?0*([0-9]+)" if imdb else r"tt0*([0-9]+)", text, re.IGNORECASE)
    return f"tt{match[1]:0>7}" if match else text


def _year(value: Any) -> int | None:
    match = re.match(r"[0-9]{4}(?![0-9])", _text(value))
    return int(match[0]) if match else None


def _names(value: Any) -> tuple[str, ...]:
    """Genre names from a list, or from text that joins them with | or , or ;."""
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            value = value.strip().strip("[]")
    if isinstance(value, list | tuple):
        given = [one.get("name") if isinstance(one, dict) else one for one in value]
    else:
        given = re.split(r"[|,;]", "" if value is None else str(value))
    names = (str(one).strip() for one in given)
    return tuple(dict.fromkeys(name for name in names if name not in _NO_GENRES))
