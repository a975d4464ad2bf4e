"""Films tables: the id, title, year, genres and poster of each film, by the usual column names."""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from keyart.catalog.cells import from_cell, sound
from keyart.catalog.genre_cells import Flags, genre_names
from keyart.catalog.table_file import Row, TableFile, folded, read_table
from keyart.errors import TableError
from keyart.film import EARLIEST, LATEST
from keyart.genres import Vocabulary
from keyart.images.folder import stem

# By preference: if a table has several of them, the first one names the films.
_USUAL = {
    "id": ("film_id", "imdb_id", "tconst", "const", "tmdb_id", "movie_id", "id", "filename"),
    "title": ("title", "primary_title", "movie_title", "name", "original_title"),
    "original_title": ("original_title",),
    "year": ("year", "start_year", "release_year", "release_date"),
    "genres": ("genres", "genre", "genre_names"),
    "genre_ids": ("genre_ids", "tmdb_genre_ids"),
    "poster": ("poster", "poster_file", "poster_path", "filename"),
}
_IMDB = {folded(name) for name in ("imdb_id", "tconst", "const")}
_IMDB_ID = re.compile(r"tt[0-9]{6,}")
_IMDB_PAGE = re.compile(r"imdb\.com/(?:[a-z-]+/)?title/(tt[0-9]+)", re.IGNORECASE)
_TMDB_PAGE = re.compile(r"themoviedb\.org/(?:movie|tv)/([0-9]+)", re.IGNORECASE)
_DATE = re.compile(r"([0-9]{1,2}[ ./-])*[0-9]{4}([./-][0-9]{1,2}){0,2}(T.*|\.0)?")
# What spreadsheets and pandas write for no value. "None" and "NULL" may be titles.
_NO_VALUE = {"nan", "NaN", "NaT", "<NA>", "#N/A", "N/A", "n/a"}
_SHORT = 200  # letters of a cell of genres that others may equal
_LONG = 0.2  # of the films of a table with one row per genre have several genres

Columns = Mapping[str, str]
"""The names of a table's columns: for id, title, year, genres, genre_ids (TMDb's) and poster."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A film as a table lists it.

    line: in the file. genres: names as found. poster: a file name, if the table gives one. cell:
    the text of the genres, as found. problem: why the line cannot be used; empty if it can. lines:
    how many rows of the table it stands for. where: what people call it, if not by its line.
    """

    line: int
    film_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    poster: str | None
    problem: str = ""
    cell: str = field(default="", compare=False)
    lines: int = field(default=1, compare=False)
    where: str = field(default="", compare=False)

    @property
    def place(self) -> str:
        """Where the film is listed, for people."""
        return self.where or f"line {self.line}"


class FilmsTable:
    """The films of a table, in order. They are read from its file each time.

    notes: for people, on how it was read.
    """

    def __init__(
        self,
        path: Path,
        vocabulary: Vocabulary,
        columns: Columns | None = None,
        *,
        need_genres: bool = True,
    ) -> None:
        """Open a films table.

        vocabulary: decides which columns of yes and no are genres. columns: the names of columns
        that are not to be guessed. need_genres: whether a table without genres is an error. Raises
        TableError.
        """
        self.file, self._vocabulary = read_table(path), vocabulary
        self.columns = find_columns(self.file, columns or {})
        table, found = self.file, self.columns
        if "id" not in found:
            raise table.error(
                f"no column of film ids; its columns are {_shown(table)}; name one of them "
                f"{', '.join(_USUAL['id'])}, or say which one it is with --id"
            )
        # The same few hundred texts name the genres of a million films.
        self._genres_in = lru_cache(4_096)(partial(genre_names, vocabulary=vocabulary))
        self._flags = None
        if not {"genres", "genre_ids"} & found.keys():
            others = [name for name in table.columns if name not in found.values()]
            sound = (row.cells for row in table.rows if not row.problem)
            self._flags = Flags.find(others, sound, vocabulary)
            if self._flags is None and need_genres:
                raise table.error(
                    f"no column of genres; its columns are {_shown(table)}; name one of them "
                    "genres, say which one it is with --genres, or give one 0/1 column per genre"
                )
        self.notes = [*table.notes, *unnamed_columns(table, found)]
        self._joined: list[Listing] | None = None
        if is_long_form(self._by_line()):
            self._joined, rows, films = _joined(self._by_line())
            self.notes.append(
                f"{path.name} has one row per film and genre: {rows:,} rows, {films:,} films"
            )

    def __iter__(self) -> Iterator[Listing]:
        return self._by_line() if self._joined is None else iter(self._joined)

    def _by_line(self) -> Iterator[Listing]:
        return (self._listing(row) for row in self.file.rows)

    def _listing(self, row: Row) -> Listing:
        columns = self.columns
        if row.problem:
            return film_of(row, columns)
        if self._flags is not None:
            genres, problem = self._flags.read(row.cells)
            return film_of(row, columns, genres, problem=problem)
        named, genres = "", ()
        for kind in ("genres", "genre_ids"):
            if kind not in columns:
                continue
            cell, tmdb = row.cells.get(columns[kind]), kind == "genre_ids"
            named = named or text_of(cell)
            if isinstance(cell, str) and len(cell) <= _SHORT:
                genres = genres or self._genres_in(cell, tmdb=tmdb)
            else:
                genres = genres or genre_names(cell, self._vocabulary, tmdb=tmdb)
        return film_of(row, columns, genres, cell=named)


def read_films(
    path: Path,
    vocabulary: Vocabulary,
    columns: Columns | None = None,
    *,
    need_genres: bool = True,
) -> tuple[list[Listing], list[str]]:
    """The films of a table and the notes on it, see `FilmsTable`, in memory."""
    table = FilmsTable(path, vocabulary, columns, need_genres=need_genres)
    return list(table), table.notes


def find_columns(table: TableFile, given: Columns) -> dict[str, str]:
    """The columns of a films table by what they hold, see `Columns`.

    given: those that the user names. Others are found by their usual names; ids also by how they
    look. Raises TableError for a name that is not a column.
    """
    if unknown := [kind for kind in given if kind not in _USUAL]:
        raise TableError(f"columns: {unknown[0]!r} is none of {', '.join(_USUAL)}")
    for kind, column in given.items():
        if not isinstance(column, str):  # pandas has numbers as names of columns
            raise TypeError(f"columns: expected the name of the {kind} as text, got {column!r}")
    found = {kind: table.named(name) for kind, name in given.items()}
    for kind, names in _USUAL.items():
        free = [name for name in names if kind in ("id", "poster") or name not in found.values()]
        if kind not in found and (name := table.column(free)) is not None:
            found[kind] = name
    if "id" not in found and (name := _column_of_ids(table)) is not None:
        found["id"] = name
    return found


def unnamed_columns(table: TableFile, found: Columns) -> list[str]:
    """Notes if no column has a usual name of titles, or of years, but others could hold them."""
    others = [name for name in table.columns if name not in found.values()]
    rows = table.first_rows
    notes = []
    for kind, may_be in (("title", _may_be_titles), ("year", _may_be_years)):
        likely = [name for name in others if may_be([row.cells.get(name) for row in rows])]
        if kind == "year" and any(film_of(row, found).year for row in rows):
            continue  # the titles end with it
        if kind not in found and likely:
            notes.append(
                f"{table.path.name} has no column named {kind}; if the {kind}s are in "
                f"{_short(likely)}, say so with --{kind}"
            )
    return notes


def _may_be_titles(cells: Sequence[Any]) -> bool:
    """Whether most of a column's cells are words that no other row has."""
    texts = {text_of(cell) for cell in cells}
    return sum(any(map(str.isalpha, text)) for text in texts) > len(cells) / 2


def _may_be_years(cells: Sequence[Any]) -> bool:
    """Whether most of a column's cells are years or dates, not all of one year."""
    years = [
        year
        for text in map(text_of, cells)
        if _DATE.fullmatch(text) and (year := _year(text)) is not None
    ]
    return len(years) > len(cells) / 2 and len(set(years)) > 1


def film_id_of(value: Any, column: str) -> str:
    """A film's id, written one way: IMDb's as tt and at least seven digits, also of its pages."""
    text = text_of(value)
    if folded(column) == "filename":
        return stem(text.replace("\\", "/").rpartition("/")[2])
    if "." in text:  # in few of a million rows
        if page := _IMDB_PAGE.search(text) or _TMDB_PAGE.search(text):
            text = page[1]
        # Spreadsheets and pandas turn numbers with gaps into floats: 85549.0.
        if number := re.fullmatch(r"([0-9]+)\.0", text):
            text = number[1]
    imdb = folded(column) in _IMDB
    match = re.fullmatch(r"(?:tt)?0*([0-9]+)" if imdb else r"tt0*([0-9]+)", text, re.IGNORECASE)
    return f"tt{match[1]:0>7}" if match else text


def text_of(value: Any) -> str:
    """A cell as text; empty if it has no value, which IMDb writes as \\N."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = "" if value is None or value != value else str(value).strip()
    return "" if text == r"\N" else from_cell(sound(text))


def _shown(table: TableFile) -> str:
    return _short(table.columns)


def _short(columns: Sequence[str]) -> str:
    names = [name if len(name) <= 40 else f"{name[:40]}..." for name in columns]
    return ", ".join(names[:40]) + (", ..." if len(names) > 40 else "") or "(none)"


def _column_of_ids(table: TableFile) -> str | None:
    """The column that holds nothing but ids or pages of IMDb, or pages of TMDb."""
    for column in table.columns:
        cells = (text_of(row.cells.get(column)) for row in table.first_rows)
        some = [cell for cell in cells if cell]
        if some and all(
            _IMDB_ID.fullmatch(cell) or _IMDB_PAGE.search(cell) or _TMDB_PAGE.search(cell)
            for cell in some
        ):
            return column
    return None


def film_of(
    row: Row,
    columns: Columns,
    genres: tuple[str, ...] = (),
    *,
    problem: str = "",
    cell: str = "",
) -> Listing:
    """What a row says about its film. columns: as `find_columns` gives.

    genres, cell: of `Listing`, which are not read here. problem: with the genres.
    """

    def text(kind: str) -> str:
        found = text_of(row.cells.get(columns[kind])) if kind in columns else ""
        return "" if found in _NO_VALUE else found

    title, year = _as_title(text("title")), _year(text("year"))
    if year is None and title and (match := re.search(r"\(\d{4}\)\s*$", title)):
        year = _year(match[0])
        title = title if year is None else title[: match.start()].strip()
    original = _as_title(text("original_title"))
    if original.casefold() not in ("", title.casefold()):
        title = f"{title} / {original}" if title else original  # as title_parts reads them
    film_id = film_id_of(row.cells.get(columns["id"]), columns["id"]) if "id" in columns else ""
    poster = text("poster") or None
    return Listing(row.line, film_id, title, year, genres, poster, row.problem or problem, cell)


def _as_title(title: str) -> str:
    """A title that was read as a number: 300.0 is "300", but "2.0" is a film of that name."""
    return title.removesuffix(".0") if re.fullmatch(r"[0-9]{2,}\.0", title) else title


def _year(text: str) -> int | None:
    """The first year in a cell: 1995, 1995-10-30, 30-Oct-1995 or 10/30/1995, in any digits."""
    years = map(int, re.findall(r"(?<!\d)\d{4}(?!\d)", text))
    return next((year for year in years if EARLIEST <= year <= LATEST), None)


def is_long_form(listings: Iterable[Listing]) -> bool:
    """Whether a table has one row per film and genre.

    It has if no row has several genres, none is there twice, and a good part of the films have
    several rows. Otherwise these are rows that disagree.
    """
    # Hashes of 64 bits: the ids of a million films would take more memory than all else.
    films, pairs, alike = array("q"), array("q"), array("q")
    for one in listings:
        if one.problem or not one.film_id or not one.genres:
            continue
        if len(one.genres) > 1:
            return False
        films.append(hash(one.film_id))
        pairs.append(hash((one.film_id, one.genres)))
        alike.append(hash((one.film_id, one.title, one.year, one.poster)))
    _, rows = np.unique(np.array(films), return_counts=True)
    several = int((rows > 1).sum())
    return (
        several > 0
        and len(np.unique(np.array(pairs))) == len(films)
        and len(np.unique(np.array(alike))) == len(rows)
        and several >= _LONG * len(rows)
    )


def _joined(listings: Iterable[Listing]) -> tuple[list[Listing], int, int]:
    """The films of such a table as if it had one row per film; how many rows and films it has."""
    films: dict[str, Listing] = {}
    others, rows = [], 0
    for one in listings:
        if one.problem or not one.film_id or not one.genres:
            others.append(one)
            continue
        rows += 1
        if film := films.get(one.film_id):
            genres = (*film.genres, *one.genres)
            films[one.film_id] = replace(film, genres=genres, lines=film.lines + 1, cell="")
        else:
            films[one.film_id] = one
    joined = sorted([*films.values(), *others], key=lambda one: one.line)
    return joined, rows, len(films)
