"""Writing a catalog's files: shards of films with their posters, and catalog.json last."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from keyart.catalog.split import SPLITS
from keyart.catalog.table import (
    FORMAT,
    ROW_GROUP,
    ROW_GROUP_BYTES,
    SCHEMA,
    SHARD,
    CatalogTable,
    Fingerprint,
    parquet_file,
    sha256_of,
)
from keyart.copies import local_poster
from keyart.errors import CatalogError, why
from keyart.files import replacing, sweep
from keyart.genres import Vocabulary
from keyart.locks import lock_folder
from keyart.version import __version__

Row = dict[str, Any]
_LOCK = ".growing"  # of a catalog that grows, on Windows


def write_shards(
    folder: Path, rows: Sequence[Row], paths: Sequence[Path], *, first: int
) -> list[dict[str, Any]]:
    """Write rows, with their posters read again, as shards numbered from `first`.

    rows: without their posters, which are in `paths`. Returns the shards' entries of catalog.json.
    Raises CatalogError if a poster is no longer the one that was examined.
    """
    shards = []
    for number, start in enumerate(range(0, len(rows), SHARD), start=first):
        tables = _row_groups(rows[start : start + SHARD], paths[start : start + SHARD])
        shards.append(write_shard(folder / f"films-{number:05}.parquet", tables))
    return shards


def write_shard(path: Path, tables: Iterable[pa.Table]) -> dict[str, Any]:
    """Write one shard, each table as a row group. Returns its entry of catalog.json."""
    films = 0
    with (
        replacing(path) as partial,
        pa.OSFile(os.fsencode(partial), "wb") as sink,
        pq.ParquetWriter(sink, SCHEMA, compression="none", use_dictionary=False) as file,
    ):
        for table in tables:
            file.write_table(table, row_group_size=len(table))
            films += len(table)
    size = path.stat().st_size
    return {"name": path.name, "films": films, "size": size, "sha256": sha256_of(path)}


def write_genres(
    catalog: CatalogTable, genres: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Write the shards that hold any of these films again, under new names, with these genres.

    genres: by film id. Everything else stays as it is. Returns the entries of catalog.json for all
    shards, in their order; until they are written there, the old shards are the catalog.
    """
    facts = []
    for shard, before in zip(catalog.shards, catalog.facts["shards"], strict=True):
        with parquet_file(shard) as source:
            films = source.read(columns=["film_id"])["film_id"].to_pylist()
            if genres.keys().isdisjoint(films):
                facts.append(before)
                continue
            path = shard.with_name(f"{_next_name(shard.stem)}.parquet")
            groups = map(source.read_row_group, range(source.num_row_groups))
            facts.append(write_shard(path, (with_genres(group, genres) for group in groups)))
    return facts


def with_genres(table: pa.Table, genres: Mapping[str, Sequence[str]]) -> pa.Table:
    """A table of films with other genres for some of them, by film id."""
    films = zip(table["film_id"].to_pylist(), table["genres"].to_pylist(), strict=True)
    column = [genres.get(film_id, has) for film_id, has in films]
    place = SCHEMA.get_field_index("genres")
    field = SCHEMA.field(place)
    return table.set_column(place, field, pa.array(column, field.type))


def _next_name(stem: str) -> str:
    """films-00003, films-00003-1, films-00003-2: the name after this one."""
    name, number, *revision = stem.split("-")
    last = int(revision[-1]) if revision and revision[-1].isdecimal() else 0
    return f"{name}-{number}-{last + 1}"


def _row_groups(rows: Sequence[Row], paths: Sequence[Path]) -> Iterator[pa.Table]:
    """Rows with their posters, in tables of a bounded size."""
    waiting: list[Row] = []
    size = 0
    for row, path in zip(rows, paths, strict=True):
        poster = local_poster(path).read_bytes()
        if hashlib.sha256(poster).hexdigest() != row["poster_sha256"]:
            raise CatalogError(f"{path}: changed while the catalog was made; run it again")
        if waiting and (len(waiting) == ROW_GROUP or size + len(poster) > ROW_GROUP_BYTES):
            yield pa.Table.from_pylist(waiting, SCHEMA)
            waiting, size = [], 0
        waiting.append({**row, "poster": poster})
        size += len(poster)
    if waiting:
        yield pa.Table.from_pylist(waiting, SCHEMA)


def catalog_facts(
    vocabulary: Vocabulary,
    rows: Sequence[Row],
    *,
    shards: Sequence[Mapping[str, Any]],
    split: Mapping[str, Any],
    tables: Sequence[Mapping[str, Any]],
    unmapped: Counter[str],
    unmapped_cells: Counter[str],
    notes: Sequence[str],
    rejections: int,
    terms: Sequence[Mapping[str, Any]] = (),
    corrections: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The content of catalog.json.

    rows: all films of the catalog, in its order. corrections: the versions that were corrected by
    people, see corrected.py.
    """
    fingerprint = Fingerprint(vocabulary)
    for row in rows:
        fingerprint.add(row)
    return {
        "format": FORMAT,
        "keyart": __version__,
        "vocabulary": {
            "names": list(vocabulary.names),
            "aliases": {alias: list(to) for alias, to in vocabulary.aliases.items()},
        },
        "films": len(rows),
        "fingerprint": fingerprint.hex(),
        **count_films(vocabulary, rows),
        "split": dict(split),
        "tables": list(tables),
        "unmapped": dict(unmapped.most_common()),
        "unmapped_cells": dict(unmapped_cells.most_common()),
        "notes": list(dict.fromkeys(notes)),
        "rejections": rejections,
        "terms": list(terms),
        **({"corrections": list(corrections)} if corrections else {}),
        "shards": list(shards),
    }


def count_films(vocabulary: Vocabulary, rows: Sequence[Row]) -> dict[str, Any]:
    """Films in each split, and with each genre in each split."""
    counts = {name: dict.fromkeys(SPLITS, 0) for name in vocabulary.names}
    for row in rows:
        for genre in row["genres"]:
            counts[genre][row["split"]] += 1
    return {
        "splits": {split: sum(row["split"] == split for row in rows) for split in SPLITS},
        "counts": counts,
    }


@contextmanager
def growing(folder: Path) -> Iterator[None]:
    """Lock a catalog's folder while it grows; afterwards remove what was replaced or left over.

    A second process that wants to grow it at the same time gets a CatalogError. The lock ends with
    the process, however that ends.
    """
    with locked(folder):
        _remove_leftovers(folder)
        try:
            yield
        finally:
            _remove_leftovers(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a catalog's folder. Raises CatalogError if another process has it, or it is none."""
    try:
        handle = lock_folder(folder, _LOCK)
    except BlockingIOError as error:
        raise CatalogError(f"{folder}: another process is growing it; wait for it") from error
    except OSError as error:
        raise CatalogError(f"{folder}: no catalog here ({why(error)})") from error
    try:
        yield
    finally:
        os.close(handle)


def _remove_leftovers(folder: Path) -> None:
    """Remove shards that catalog.json does not name, and half-written files."""
    named = {shard.name for shard in CatalogTable.open(folder).shards}
    for file in folder.glob("films-*.parquet"):
        if file.name not in named:
            file.unlink()
    sweep(folder)
