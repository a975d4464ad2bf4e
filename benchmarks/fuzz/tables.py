"""The door of films tables: CSV, TSV, JSON, Parquet, Excel and others, as people have them.

A table that was not mutated must come back as it was painted: every row, its id, title and genres.
"""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.fuzz.campaign import Door, put
from benchmarks.fuzz.mutate import mutate, mutate_tree, numbered, pick
from keyart.catalog.examine import choose_films
from keyart.catalog.films_table import read_films
from keyart.genres import DEFAULT_VOCABULARY
from tests.excel import sheet, workbook

_TITLES = (
    *("Alien", '12" of Snow', '"Quoted" Start', "Ends\x85Here", "Crème, brûlée", "A; B", "=1+1"),
    *("It's", "天空の城", "  spaces  ", "Tom & Jerry", "a\u2028b", "O'Brien | Sons", '""', "NULL"),
)
_TWO_LINES = "Two\nLines"
_SPELLINGS = ("|", ",", ";", " / ", "['", '["', "['numpy", "{", "tmdb")
_KINDS = ("csv", "semicolon", "tsv", "flags", "dat", "jsonl", "array", "parquet", "excel")


@dataclass(frozen=True)
class _Film:
    film_id: str
    title: str
    year: str
    genres: tuple[str, ...]


@dataclass(frozen=True)
class _Painted:
    """A table. sound: it was not mutated, so that `films` are in it."""

    name: str
    data: bytes
    films: list[_Film]
    sound: bool
    how: str


def tables(folder: Path, stack: ExitStack) -> Door:
    """Read the films of a table and sort them, as a catalog does."""

    def check(number: int, data: bytes) -> object:
        painted = _paint(number)
        file = folder / painted.name
        put(file, data)
        listings, notes = read_films(file, DEFAULT_VOCABULARY)
        choice = choose_films(listings, DEFAULT_VOCABULARY)
        assert len(choice.new) + len(choice.rejections) == len(listings), "rows are lost"
        if painted.sound and data == painted.data:
            found = [
                (one.film_id, one.title.strip(), str(one.year), _resolved(one.genres))
                for one in listings
            ]
            expected = [
                (one.film_id, one.title.strip(), one.year, set(map(str, one.genres)))
                for one in painted.films
            ]
            assert found == expected, (
                f"{painted.how} is not read as painted: {_first_difference(found, expected)}"
            )
        return repr((listings, notes))

    return Door(mutated_table, check)


def mutated_table(number: int) -> bytes:
    """A table, painted by its number; two of three are mutated."""
    return _paint(number).data


def painted_name(number: int) -> str:
    """The file's name."""
    return _paint(number).name


def painted_films(number: int, data: bytes) -> list[tuple[str, str]] | None:
    """The ids and titles that a table has; None if it was mutated."""
    painted = _paint(number)
    if not painted.sound or data != painted.data:
        return None
    return [(one.film_id, one.title.strip()) for one in painted.films]


def _resolved(names: tuple[str, ...]) -> set[str]:
    return {genre for name in names for genre in DEFAULT_VOCABULARY.resolve(name)}


def _first_difference(found: Sequence[object], expected: Sequence[object]) -> str:
    if len(found) != len(expected):
        return f"{len(found)} of {len(expected)} rows"
    return next(
        f"{one} for {other}" for one, other in zip(found, expected, strict=True) if one != other
    )


def _paint(number: int) -> _Painted:
    rng = numbered("tables", number)
    kind = pick(_KINDS, rng)
    titles = list(_TITLES)
    if kind in ("csv", "semicolon"):
        titles.append(_TWO_LINES)
    elif kind == "tsv":  # nothing says whether two marks are a title, or quote an empty one
        titles.remove('""')
    films = [
        _Film(
            str(1 + 7 * row) if kind == "dat" else f"tt{1_000_000 + 7 * row}",
            pick(titles, rng),
            str(rng.integers(1900, 2024)),
            tuple(rng.choice(DEFAULT_VOCABULARY.names, int(rng.integers(1, 4)), replace=False)),
        )
        for row in range(int(rng.integers(1, 12)))
    ]
    spelling = pick(_SPELLINGS, rng)
    suffix, data = _written(kind, films, spelling, rng)
    if sound := bool(rng.random() < 1 / 3):
        if kind in ("csv", "tsv") and rng.random() < 0.2:
            suffix, data = f"{suffix}.gz", gzip.compress(data, mtime=0)
        elif kind in ("csv", "semicolon") and rng.random() < 0.2:
            data = data.decode().encode("utf-16")
    else:
        others = [data, b'"",,\n\t|::\r\n\x00\xff\xfe']
        if kind == "excel" and rng.random() < 0.7:  # else nearly all are damaged archives
            text = sheet(_rows(films, spelling)).encode()
            data = workbook(mutate(text, [text, b'<row r="9999999"><c r="ZZ1" t="s"><v>-1'], rng))
        elif kind == "array" and rng.random() < 0.7:
            tree = json.loads(data)
            for _ in range(int(rng.geometric(0.5))):
                mutate_tree(tree, rng)
            data = json.dumps(tree).encode()
        else:
            data = mutate(data, others, rng)
    return _Painted(f"films{suffix}", data, films, sound, f"{kind} with genres as {spelling}")


def _written(
    kind: str, films: list[_Film], spelling: str, rng: np.random.Generator
) -> tuple[str, bytes]:
    """The suffix and content of a table's file."""
    columns, *rows = _rows(films, spelling)
    if kind == "excel":
        return ".xlsx", workbook(sheet([columns, *rows]))
    if kind == "dat":  # MovieLens's own: no header, the year in the title
        lines = (
            f"{one.film_id}::{one.title} ({one.year})::{'|'.join(one.genres)}" for one in films
        )
        return ".dat", "".join(line + "\n" for line in lines).encode()
    if kind == "tsv":  # IMDb's own: nothing is quoted
        columns = ["tconst", "primaryTitle", "startYear", "genres"]
        return ".tsv", "".join("\t".join(row) + "\n" for row in [columns, *rows]).encode()
    if kind == "flags":
        names = DEFAULT_VOCABULARY.names
        rows = [
            [*row[:3], *(str(int(name in one.genres)) for name in names)]
            for row, one in zip(rows, films, strict=True)
        ]
        prefix = "genre_" if rng.random() < 0.5 else ""
        columns = [*columns[:3], *(prefix + name for name in names)]
    if kind in ("csv", "semicolon", "flags"):
        text = io.StringIO()
        quoting: Literal[0, 1] = csv.QUOTE_ALL if rng.random() < 0.3 else csv.QUOTE_MINIMAL
        end = "\r\n" if rng.random() < 0.5 else "\n"
        writer = csv.writer(
            text, delimiter=";" if kind == "semicolon" else ",", quoting=quoting, lineterminator=end
        )
        writer.writerows([columns, *rows])
        return ".csv", text.getvalue().encode("utf-8-sig" if rng.random() < 0.2 else "utf-8")
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    if kind == "jsonl":
        return ".jsonl", "".join(json.dumps(one) + "\n" for one in records).encode()
    if kind == "array":
        return ".json", json.dumps(records, indent=1).encode()
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), file)
    return ".parquet", file.getvalue()


def _rows(films: list[_Film], spelling: str) -> list[list[str]]:
    rows = [[one.film_id, one.title, one.year, _joined(one.genres, spelling)] for one in films]
    return [["tconst", "title", "year", "genres"], *rows]


def _joined(genres: tuple[str, ...], spelling: str) -> str:
    names = [str(genre) for genre in genres]
    if spelling == "['":
        return str(names)
    if spelling == '["':
        return json.dumps(names)
    if spelling == "['numpy":
        return str(np.array(names))
    if spelling == "{":
        return "{" + ",".join(names) + "}"
    if spelling == "tmdb":
        return json.dumps([{"id": 7, "name": name} for name in names])
    return spelling.join(names)
