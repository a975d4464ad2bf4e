"""A table of films as people have it: CSV, TSV, Parquet or JSON lines, columns by usual names."""

import ast
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from keyart.errors import TableError
from keyart.genres import Vocabulary

# By preference: where a table has several of them, the first one names the films. Case, spaces and
# underlines are no matter: imdb_id, imdbId and "IMDb ID" are one.
_ID = ("film_id", "imdb_id", "tconst", "tmdb_id", "movie_id", "id", "filename")
_IMDB = ("imdb_id", "tconst")
_TITLE = ("title", "primary_title", "name", "original_title")
_YEAR = ("year", "start_year", "release_year", "release_date")
_GENRES = ("genres", "genre", "genre_names")
_POSTER = ("poster", "poster_file", "poster_path", "filename")
_NO_GENRES = ("", r"\N", "(no genres listed)", "N/A", "None")

_Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """A film as a table lists it. line: in the file. genres: names as found. poster: a file name
    where the table gives one. problem: why the line cannot be used, empty where it can."""

    line: int
    film_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    poster: str | None
    problem: str = ""


def read_films(path: Path, vocabulary: Vocabulary) -> tuple[list[Listing], list[str]]:
    """Read a films table. Returns its films and notes on how it was read.

    vocabulary: tells 0/1 columns of genres from others. Raises TableError.
    """
    rows, notes = _read_rows(path)
    if not rows:
        raise TableError(f"{path}: no films in it; give a table with a row a film")
    names = dict.fromkeys(name for _, row in rows for name in row if name is not None)
    columns: dict[str, Any] = {}
    for name in names:
        columns.setdefault(_folded(str(name)), name)
    found = ", ".join(map(str, names)) or "(none)"

    def column(wanted: Iterable[str]) -> Any:
        """The name, in this table, of the first of the columns that it has."""
        return next((columns[_folded(name)] for name in wanted if _folded(name) in columns), None)

    def cell(row: _Row, name: Any) -> Any:
        return None if name is None else row.get(name)

    id_name = column(_ID)
    if id_name is None:
        raise TableError(
            f"{path}: no column of film ids; its columns are {found}; name one of them "
            f"{', '.join(_ID)}"
        )
    genre_name, title_name, year_name = column(_GENRES), column(_TITLE), column(_YEAR)
    poster_name = column(_POSTER)
    flags = [] if genre_name is not None else _flag_columns(rows, columns, vocabulary)
    if genre_name is None and not flags:
        raise TableError(
            f"{path}: no column of genres; its columns are {found}; name one of them genres, or "
            "give one 0/1 column a genre"
        )
    imdb = _folded(str(id_name)) in map(_folded, _IMDB)
    file = _folded(str(id_name)) == "filename"
    films = []
    for line, row in rows:
        title = _text(cell(row, title_name))
        year = _year(cell(row, year_name))
        if year is None and (match := re.search(r"\(([0-9]{4})\)\s*$", title)):
            year, title = int(match[1]), title[: match.start()].strip()
        if genre_name is not None:
            genres = _names(cell(row, genre_name))
        else:
            genres = tuple(str(name) for name in flags if _is_set(row.get(name)))
        film_id = _film_id(cell(row, id_name), imdb=imdb, file=file)
        poster = _text(cell(row, poster_name)) or None
        extra = sum(bool(str(cell).strip()) for cell in row.get(None) or ())
        problem = f"{extra} more fields than columns; quote what holds a separator" if extra else ""
        films.append(Listing(line, film_id, title, year, genres, poster, problem))
    return films, notes


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _read_rows(path: Path) -> tuple[list[tuple[int, _Row]], list[str]]:
    """Rows with their line numbers, and notes."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise TableError(f"{path}: no such file; name a table of films") from error
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror})") from error
    if data.startswith(b"PAR1"):
        try:
            table = pq.read_table(pa.BufferReader(data)).to_pylist()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise TableError(f"{path}: damaged Parquet ({error})") from error
        return list(enumerate(table, start=1)), []
    notes = []
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        notes.append(f"{path.name} is not UTF-8; it was read as Windows-1252 (Latin-1)")
    if "\x00" in text:
        raise TableError(f"{path}: not text; give CSV, TSV, Parquet or JSON lines")
    if path.suffix.casefold() in (".jsonl", ".ndjson", ".json") or text.lstrip().startswith("{"):
        return list(_json_lines(path, text)), notes
    return list(_csv_rows(path, text)), notes


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, _Row]]:
    header = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(",\t;", key=header.count)
    # IMDb's own files quote nothing, and have titles that begin with a quotation mark.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if header.startswith("tconst\t") else csv.QUOTE_MINIMAL
    # Not splitlines(): damaged titles hold characters that it takes for ends of lines.
    lines = io.StringIO(text, newline="")
    reader = csv.DictReader(lines, delimiter=delimiter, quoting=quoting)
    try:
        for row in reader:
            if any(row.values()):
                yield reader.line_num, row
    except csv.Error as error:
        raise TableError(f"{path} line {reader.reader.line_num}: {error}") from error


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, _Row]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TableError(f"{path} line {number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise TableError(f"{path} line {number}: expected an object a line, as in JSON lines")
        yield number, row


def _flag_columns(
    rows: Sequence[tuple[int, _Row]], columns: Mapping[str, Any], vocabulary: Vocabulary
) -> list[Any]:
    """Columns that hold nothing but 0 and 1, if two of them at least are genres."""
    others = {_folded(name) for name in (*_ID, *_TITLE, *_YEAR, *_POSTER)}
    flags = [
        name
        for key, name in columns.items()
        if key not in others and all(_is_flag(row.get(name)) for _, row in rows)
    ]
    return flags if sum(bool(vocabulary.resolve(str(name))) for name in flags) >= 2 else []


def _is_flag(value: Any) -> bool:
    return _text(value) in ("0", "1", "0.0", "1.0", "", "True", "False")


def _is_set(value: Any) -> bool:
    return _text(value) in ("1", "1.0", "True")


def _text(value: Any) -> str:
    """A cell as text. Empty where there is none: IMDb writes \\N."""
    text = "" if value is None else str(value).strip()
    return "" if text == r"\N" else text


def _film_id(value: Any, *, imdb: bool, file: bool) -> str:
    text = PurePath(_text(value)).stem if file else _text(value)
    # Spreadsheets and pandas turn numbers with gaps into floats: 85549.0.
    if number := re.fullmatch(r"([0-9]+)\.0", text):
        text = number[1]
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
        parts = [part.get("name") if isinstance(part, dict) else part for part in value]
    else:
        parts = re.split(r"[|,;]", "" if value is None else str(value))
    names = (str(part).strip() for part in parts)
    return tuple(dict.fromkeys(name for name in names if name not in _NO_GENRES))
