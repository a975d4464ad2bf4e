"""A table of films as people have it: CSV, TSV, Parquet or JSON lines, columns by usual names."""

import ast
import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from keyart.errors import TableError
from keyart.genres import Vocabulary

# By preference: where a table has several of them, the first one names the films.
_ID = ("film_id", "imdb_id", "imdbid", "tconst", "tmdb_id", "tmdbid", "movieid", "id", "filename")
_IMDB = ("imdb_id", "imdbid", "tconst")
_TITLE = ("title", "primarytitle", "name", "original_title", "originaltitle")
_YEAR = ("year", "startyear", "release_year", "release_date")
_GENRES = ("genres", "genre", "genre_names")
_POSTER = ("poster", "poster_file", "poster_path", "filename")
_NO_GENRES = ("", r"\N", "(no genres listed)", "N/A")


@dataclass(frozen=True, slots=True)
class Listing:
    """A film as a table lists it. line: in the file. genres: names as found. poster: a file name
    where the table gives one."""

    line: int
    film_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    poster: str | None


def read_films(path: Path, vocabulary: Vocabulary) -> tuple[list[Listing], list[str]]:
    """Read a films table. Returns its films and notes on how it was read.

    vocabulary: tells 0/1 columns of genres from others. Raises TableError.
    """
    rows, notes = _read_rows(path)
    if not rows:
        raise TableError(f"{path}: no films in it; give a table with a row a film")
    columns = {str(name).strip().casefold(): name for name in rows[0][1]}
    found = ", ".join(map(str, rows[0][1])) or "(none)"
    id_name = next((name for name in _ID if name in columns), None)
    if id_name is None:
        raise TableError(
            f"{path}: no column of film ids; its columns are {found}; name one of them "
            f"{', '.join(_ID)}"
        )
    genre_name = next((name for name in _GENRES if name in columns), None)
    flags = [] if genre_name else _flag_columns(rows, columns, vocabulary)
    if genre_name is None and not flags:
        raise TableError(
            f"{path}: no column of genres; its columns are {found}; name one of them genres, or "
            "give one 0/1 column a genre"
        )

    def cell(row: Mapping[Any, Any], names: Iterable[str]) -> Any:
        return next((row.get(columns[name]) for name in names if name in columns), None)

    films = []
    for line, row in rows:
        film_id = _film_id(cell(row, (id_name,)), imdb=id_name in _IMDB, file=id_name == "filename")
        title = str(cell(row, _TITLE) or "").strip()
        year = _year(cell(row, _YEAR))
        if year is None and (match := re.search(r"\((\d{4})\)\s*$", title)):
            year, title = int(match[1]), title[: match.start()].strip()
        if genre_name:
            genres = _names(cell(row, (genre_name,)))
        else:
            genres = tuple(str(name) for name in flags if _is_set(row.get(name)))
        poster = str(cell(row, _POSTER) or "").strip() or None
        films.append(Listing(line, film_id, title, year, genres, poster))
    return films, notes


def _read_rows(path: Path) -> tuple[list[tuple[int, Mapping[Any, Any]]], list[str]]:
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
        except pa.ArrowException as error:
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
        return _json_lines(path, text), notes
    lines = text.splitlines(keepends=True)
    header = lines[0] if lines else ""
    delimiter = max(",\t;", key=header.count)
    reader = csv.DictReader(lines, delimiter=delimiter, strict=False)
    try:
        return [(reader.line_num, row) for row in reader if any(row.values())], notes
    except csv.Error as error:
        raise TableError(f"{path} line {reader.line_num}: {error}") from error


def _json_lines(path: Path, text: str) -> list[tuple[int, Mapping[Any, Any]]]:
    rows: list[tuple[int, Mapping[Any, Any]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise TableError(f"{path} line {number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise TableError(f"{path} line {number}: expected an object a line, as in JSON lines")
        rows.append((number, row))
    return rows


def _flag_columns(
    rows: list[tuple[int, Mapping[Any, Any]]], columns: Mapping[str, Any], vocabulary: Vocabulary
) -> list[Any]:
    """Columns that hold nothing but 0 and 1, if two of them at least are genres."""
    others = (*_ID, *_TITLE, *_YEAR, *_POSTER)
    flags = [
        name
        for key, name in columns.items()
        if key not in others and all(_is_flag(row.get(name)) for _, row in rows)
    ]
    return flags if sum(bool(vocabulary.resolve(str(name))) for name in flags) >= 2 else []


def _is_flag(value: Any) -> bool:
    return str(value).strip() in ("0", "1", "0.0", "1.0", "", "None", "True", "False")


def _is_set(value: Any) -> bool:
    return str(value).strip() in ("1", "1.0", "True")


def _film_id(value: Any, *, imdb: bool, file: bool) -> str:
    text = "" if value is None else str(value).strip()
    if file:
        return Path(text).stem
    if text.endswith(".0") and text[:-2].isdigit():
        text = text[:-2]  # spreadsheets and pandas turn numbers with gaps into floats
    match = re.fullmatch(r"tt(\d+)" if not imdb else r"(?:tt)?(\d+)", text, re.IGNORECASE)
    return f"tt{int(match[1]):07}" if match else text


def _year(value: Any) -> int | None:
    match = re.match(r"\s*(\d{4})", "" if value is None else str(value))
    return int(match[1]) if match else None


def _names(value: Any) -> tuple[str, ...]:
    """Genre names from a list, or from text that joins them with | or , or ;."""
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            value = value.strip().strip("[]")
    if isinstance(value, list | tuple):
        parts = [part.get("name", "") if isinstance(part, dict) else part for part in value]
    else:
        parts = re.split(r"[|,;]", "" if value is None else str(value))
    names = (str(part).strip() for part in parts)
    return tuple(dict.fromkeys(name for name in names if name not in _NO_GENRES))
