"""Lists of films as their publishers write them: IMDb, MovieLens, TMDb's ids, a table of your own.

IMDb's files and TMDb's have millions of lines, so they are read line by line; all other tables are
small and go through the one reader of tables.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from keyart.catalog.films_table import Columns, FilmsTable, film_id_of
from keyart.catalog.table_file import folded, read_table
from keyart.errors import TableError, why
from keyart.film import EARLIEST, LATEST
from keyart.genres import Vocabulary

Kind = Literal["imdb", "votes", "movielens", "links", "tmdb", "table"]
SOURCES = ("imdb", "movielens", "tmdb", "table")
"""Where films and their genres come from."""

_LONGEST_LINE = 1_000_000  # bytes; IMDb's longest has 600
_MOST_PROBLEMS = 1_000
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Listed:
    """A film as one source lists it.

    own_id: of MovieLens or of a table of your own. genres: names as found. place: the table's cell
    that says where the poster is.
    """

    source: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    imdb_id: str = ""
    tmdb_id: str = ""
    own_id: str = ""
    place: str = ""


@dataclass(frozen=True)
class Choice:
    """Which films of IMDb count.

    types: of titleType. years: first and last, None if open; this is for the films of all sources.
    votes: the fewest, for which title.ratings is needed.
    """

    types: frozenset[str] = frozenset(("movie",))
    years: tuple[int | None, int | None] = (None, None)
    votes: int = 0

    def has_year(self, year: int | None) -> bool:
        """Whether a film of that year counts. One without a year counts if any year does."""
        first, last = self.years
        if first is None and last is None:
            return True
        return year is not None and (first or year) <= year <= (last or year)


@dataclass
class Reading:
    """What was found in the tables. problems: lines that cannot be used, by what is wrong."""

    films: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def problem(self, what: str) -> None:
        """Count one line."""
        if what not in self.problems and len(self.problems) == _MOST_PROBLEMS:
            what = "other problems"  # they name cells, of which there may be millions
        self.problems[what] = self.problems.get(what, 0) + 1


def kind_of_table(path: Path) -> Kind:
    """What a table is, by its first line. Raises TableError if it is no list of films."""
    with _bytes_of(path) as file:
        first = file.readline(_LONGEST_LINE).decode("utf-8", "replace").strip("\ufeff\r\n ")
    columns = {folded(name) for name in first.split("\t")}
    if {"tconst", "titletype", "primarytitle"} <= columns:
        return "imdb"
    if {"tconst", "numvotes"} <= columns:
        return "votes"
    if first.startswith("{") and '"id"' in first and '"popularity"' in first:
        try:
            record = json.loads(first)
        except ValueError:
            record = {}
        if isinstance(record, dict) and {"id", "original_title", "video"} <= record.keys():
            return "table" if {"genres", "genre_ids", "poster_path"} & record.keys() else "tmdb"
    columns = {folded(name) for name in first.split(",")}
    if {"movieid", "imdbid"} <= columns:
        return "links"
    if {"movieid", "rating"} <= columns or {"userid", "movieid"} <= columns:
        raise TableError(f"{path}: has ratings of users, not films; give movies.csv and links.csv")
    if {"movieid", "title"} <= columns or _is_dat(first):
        return "movielens"
    return "table"


def _is_dat(line: str) -> bool:
    """Whether a line is of MovieLens's movies.dat."""
    fields = line.split("::")
    return len(fields) == 3 and fields[0].isdigit()


def read_votes(path: Path, least: int, reading: Reading) -> frozenset[int]:
    """The numbers of the IMDb films that have at least so many votes."""
    found = []
    for cells in _tsv(path, ("tconst", "numVotes"), reading):
        number, votes = _imdb_number(cells["tconst"]), cells["numVotes"]
        if not number or not votes.isdigit():
            reading.problem(f"{path.name}: no id of IMDb, or no number of votes")
        elif int(votes) >= least:
            found.append(number)
    return frozenset(found)


def read_imdb(
    path: Path, choice: Choice, voted: frozenset[int] | None, reading: Reading
) -> Iterator[Listed]:
    """The films of title.basics.tsv, without adult ones. voted: those with enough votes."""
    needed = ("tconst", "titleType", "primaryTitle", "isAdult", "startYear", "genres")
    for cells in _tsv(path, needed, reading):
        if cells["titleType"] not in choice.types or cells["isAdult"] == "1":
            continue
        number = _imdb_number(cells["tconst"])
        if not number:
            reading.problem(f"{path.name}: no id of IMDb")
            continue
        year = _year(cells["startYear"])
        if (voted is not None and number not in voted) or not choice.has_year(year):
            continue
        title, genres = cells["primaryTitle"], cells["genres"]
        names = () if genres == r"\N" else tuple(genres.split(","))
        yield Listed("imdb", "" if title == r"\N" else title, year, names, f"tt{number:07}")


def read_tmdb(path: Path, reading: Reading) -> Iterator[Listed]:
    """The films of TMDb's daily export of ids, without adult ones."""
    for line in _lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            number, title = int(record["id"]), str(record.get("original_title") or "")
        except (ValueError, KeyError, TypeError, RecursionError):
            reading.problem(f"{path.name}: not an entry of TMDb's export")
            continue
        if number > 0 and not record.get("adult"):
            yield Listed("tmdb", title, None, (), tmdb_id=str(number))


def read_links(path: Path, reading: Reading) -> dict[str, tuple[str, str]]:
    """MovieLens's links.csv: ids of IMDb and TMDb by those of MovieLens; empty if it has none."""
    table = read_table(path)
    names = [table.named(name) for name in ("movieId", "imdbId")]
    tmdb = table.column(["tmdbId"])
    links = {}
    for row in table.rows:
        own, imdb = (str(row.cells.get(name) or "").strip() for name in names)
        number = str(row.cells.get(tmdb) or "").strip() if tmdb else ""
        if row.problem or not own.isdigit():
            reading.problem(f"{path.name}: {row.problem or 'no id of MovieLens'}")
            continue
        if imdb and not _imdb_number(imdb):
            reading.problem(f"{path.name}: an imdbId that is not one")
        links[own] = (_imdb_id(imdb), number.removesuffix(".0") if _whole(number) else "")
    return links


def read_movielens(
    path: Path, links: Mapping[str, tuple[str, str]], vocabulary: Vocabulary, reading: Reading
) -> Iterator[Listed]:
    """The films of MovieLens's movies.csv or movies.dat, with their ids from links.csv."""
    table = FilmsTable(path, vocabulary)
    reading.notes += table.notes
    for film in table:
        if film.problem or not film.film_id:
            reading.problem(f"{path.name}: {film.problem or 'no id'}")
            continue
        imdb, tmdb = links.get(film.film_id, ("", ""))
        yield Listed("movielens", film.title, film.year, film.genres, imdb, tmdb, film.film_id)


def read_own(
    path: Path, vocabulary: Vocabulary, columns: Columns, reading: Reading
) -> Iterator[Listed]:
    """The films of a table of your own. It may leave the genres to another source."""
    table = FilmsTable(path, vocabulary, columns, need_genres=False)
    reading.notes += table.notes
    id_column, tmdb_column = table.columns["id"], table.file.column(["tmdb_id"])
    imdb = folded(id_column) in ("imdbid", "tconst", "const")
    rows = iter(table.file.rows if tmdb_column else ())
    for film in table:
        number = ""
        if tmdb_column:  # in the film's own row; both go by the line
            cells = next(row.cells for row in rows if row.line == film.line)
            number = film_id_of(cells.get(tmdb_column), tmdb_column)
        if film.problem or not film.film_id:
            reading.problem(f"{path.name}: {film.problem or 'no film id'}")
            continue
        if imdb and not _imdb_number(film.film_id):
            reading.problem(f"{path.name}: an id of IMDb that is not one, such as {film.film_id!r}")
            continue
        yield Listed(
            "table",
            film.title,
            film.year,
            film.genres,
            film.film_id if _imdb_number(film.film_id) and film.film_id.startswith("tt") else "",
            number if number.isdigit() else "",
            film.film_id,
            film.poster or "",
        )


def _tsv(path: Path, needed: Iterable[str], reading: Reading) -> Iterator[dict[str, str]]:
    r"""The rows of an IMDb file: tabs separate, nothing is quoted, \N is empty."""
    lines = _lines(path)
    header = next(lines, "").removeprefix("\ufeff").rstrip("\r\n").split("\t")
    if missing := [name for name in needed if name not in header]:
        raise TableError(f"{path}: has no column {missing[0]}; download the file again")
    places = {name: header.index(name) for name in needed}
    for line in lines:
        fields = line.rstrip("\r\n").split("\t")
        if len(fields) != len(header):
            reading.problem(f"{path.name}: {len(fields)} fields, but the header has {len(header)}")
            continue
        yield {name: fields[place] for name, place in places.items()}


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text file in UTF-8, also gzipped, one in memory at a time."""
    with _bytes_of(path) as file:
        while line := file.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                raise TableError(f"{path}: a line of over {_LONGEST_LINE:,} bytes; not such a list")
            yield line.decode("utf-8", "replace")


@contextmanager
def _bytes_of(path: Path) -> Iterator[gzip.GzipFile | BinaryIO]:
    """Open a file, or what is compressed in it. Raises TableError for what goes wrong."""
    try:
        if not path.is_file():
            known = "is not a regular file" if path.exists() else "no such file"
            raise TableError(f"{path}: {known}; give a list of films")
        with path.open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = " ".join(str(error).split())
        raise TableError(f"{path}: damaged gzip ({reason}); download it again") from error
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({why(error)})") from error


def _imdb_number(text: str) -> int:
    """The number in an id of IMDb; 0 if it is none."""
    digits = text.strip().removesuffix(".0").removeprefix("tt")
    return int(digits) if digits.isdecimal() and digits.isascii() and len(digits) <= 12 else 0


def _imdb_id(text: str) -> str:
    number = _imdb_number(text)
    return f"tt{number:07}" if number else ""


def _whole(text: str) -> bool:
    return text.removesuffix(".0").isdecimal() and text.isascii()


def _year(text: str) -> int | None:
    year = int(text) if text.isdecimal() and len(text) == 4 else None
    return year if year and EARLIEST <= year <= LATEST else None
