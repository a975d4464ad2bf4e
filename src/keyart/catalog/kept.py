"""Posters that are kept in a catalog, for those who predict its films."""

import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from keyart.errors import CatalogError, PosterError, one_line
from keyart.extras import extras
from keyart.images.poster import KeptPoster

FACTS = "catalog.json"


@dataclass(frozen=True)
class CatalogPoster(KeptPoster):
    """The poster of one film in a catalog. file: of the catalog. row: of the file."""

    file: Path
    row: int

    def __fspath__(self) -> str:
        return f"{os.fspath(self.file)} row {self.row}"

    def read(self) -> bytes:
        """Its content. Raises PosterError if its part of the file cannot be read."""
        try:
            return content_at(self.file, self.row)
        # pyarrow's errors are among these; LookupError: the file lacks the row, or the column.
        except (CatalogError, OSError, ValueError, LookupError) as error:
            raise PosterError(f"damaged in its catalog ({one_line(error)})") from error


def content_at(file: Path, row: int) -> bytes:
    """The poster in a row of a catalog's file. Raises pyarrow's errors, OSError, LookupError."""
    facts = os.stat(file)
    state = facts.st_size, facts.st_mtime_ns, facts.st_ino
    starts = _starts(file, state)
    group = bisect_right(starts, row) - 1
    content: bytes = _posters(file, state, group)[row - starts[group]].as_py()
    return content


def is_catalog(path: Path) -> bool:
    """Whether there is a catalog at `path`."""
    return (path / FACTS).is_file()


def catalog_films(path: Path) -> Iterator[tuple[CatalogPoster, str, str, int | None]]:
    """Poster, id, title and year of each film of a catalog, in order. Raises CatalogError."""
    with extras():
        from keyart.catalog.table import CatalogTable

    catalog = CatalogTable.open(path)
    columns = (catalog.to_table()[name].to_pylist() for name in ("film_id", "title", "year"))
    films = zip(*columns, strict=True)
    for shard in catalog.shards:
        with _reading(shard) as file:
            rows = file.metadata.num_rows
        for row in range(rows):
            yield CatalogPoster(shard, row), *next(films)


# Posters are read one after another: the last row groups are enough, for a few threads at once.
# The state of the file is part of the key: another catalog may have been built at its path.
@lru_cache(maxsize=8)
def _posters(file: Path, state: tuple[int, ...], group: int) -> Any:
    with _reading(file) as parquet:
        return parquet.read_row_group(group, columns=["poster"])["poster"].combine_chunks()


@lru_cache(maxsize=8)
def _starts(file: Path, state: tuple[int, ...]) -> list[int]:
    """The first row of each row group."""
    with _reading(file) as parquet:
        groups = range(parquet.num_row_groups)
        sizes = [parquet.metadata.row_group(group).num_rows for group in groups]
    return list(accumulate(sizes[:-1], initial=0))


def _reading(file: Path) -> Any:
    with extras():
        from keyart.catalog.table import parquet_file
    try:
        return parquet_file(file)
    except OSError as error:
        raise CatalogError(f"{file}: cannot be read ({error})") from error
