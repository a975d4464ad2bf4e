"""Checking a catalog: every byte, every rule, every poster."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from keyart.catalog.groups import splits_of_series
from keyart.catalog.rejections import read_rejections
from keyart.catalog.split import SPLITS
from keyart.catalog.table import (
    COLUMNS,
    FACTS,
    SCHEMA,
    CatalogTable,
    Fingerprint,
    parquet_file,
    sha256_of,
)
from keyart.catalog.write import count_films
from keyart.errors import CatalogError, PosterError, StoreError, counted
from keyart.images.decode import decoding
from keyart.parallel import Progress, batches, ordered

_BATCH = 32  # posters a task
_Film = tuple[str, str, tuple[int, int], bytes | None]  # id, SHA-256, width and height, poster


def check_catalog(path: Path, progress: Progress | None = None) -> list[str]:
    """Everything that is wrong with a catalog, one line each; empty if it is sound.

    Checks the hashes and columns of all files, that ids are unique, that no group lies in two
    splits, nor a series if all films were grouped by series, that genres and counts agree with
    catalog.json, and that every poster has its hash and decodes. progress: called with (posters
    checked, posters).
    """
    try:
        catalog = CatalogTable.open(path)
        problems = _damaged_shards(catalog) or _empty_cells(catalog)
        if problems:
            return problems  # what they hold cannot be trusted
        return [*_broken_rules(catalog), *_broken_posters(catalog, progress)]
    except (CatalogError, StoreError) as error:
        return [str(error)]


def _damaged_shards(catalog: CatalogTable) -> list[str]:
    problems = []
    for number, facts in enumerate(catalog.facts["shards"]):
        try:
            shard = catalog.shard(number, fresh=True)
        except (CatalogError, StoreError) as error:
            problems.append(str(error))
            continue
        if sha256_of(shard) != facts["sha256"]:
            problems.append(f"{shard}: changed since it was written")
            continue
        try:
            schema = parquet_file(shard).schema_arrow
        except (OSError, pa.ArrowException) as error:
            problems.append(f"{shard}: not Parquet ({error})")
            continue
        if not schema.equals(SCHEMA):
            problems.append(f"{shard}: its columns are not those of a catalog")
    return problems


def _empty_cells(catalog: CatalogTable) -> list[str]:
    return [
        f"{catalog.path}: {counted(count, 'film')} without {name}"
        for name in COLUMNS
        if name != "year" and (count := catalog.to_table()[name].null_count)
    ]


def _broken_rules(catalog: CatalogTable) -> Iterator[str]:
    rows = catalog.to_table().to_pylist()
    if len(rows) != len(catalog):
        yield f"{catalog.path}: has {counted(len(rows), 'film')}, but {FACTS} says {len(catalog):,}"
    for film_id, count in Counter(row["film_id"] for row in rows).items():
        if count > 1:
            yield f"{film_id}: is in the catalog {count} times"
    splits = defaultdict(set)
    broken = False
    for row in rows:
        splits[row["group"]].add(row["split"])
        if row["split"] not in SPLITS:
            broken = True
            yield f"{row['film_id']}: is in an unknown split ({row['split']!r})"
        unknown = [genre for genre in row["genres"] if genre not in catalog.vocabulary.names]
        if unknown:
            yield f"{row['film_id']}: has genres that are not in the vocabulary: {unknown}"
        elif not row["genres"]:
            yield f"{row['film_id']}: has no genre"
        broken = broken or bool(unknown) or not row["genres"]
    for group, found in splits.items():
        if len(found) > 1:
            yield f"group {group}: is in {' and '.join(sorted(found))}; that leaks"
    if catalog.keeps_series:
        for stem, counts in splits_of_series(catalog).items():
            if len(counts) > 1:
                yield f"series {stem!r}: is in {' and '.join(sorted(counts))}; that leaks"
    for name, count in ({} if broken else count_films(catalog.vocabulary, rows)).items():
        if count != catalog.facts[name]:
            yield f"{catalog.path}: the {name} in {FACTS} are not those of its films"
    fingerprint = Fingerprint(catalog.vocabulary)
    for row in rows:
        fingerprint.add(row)
    if fingerprint.hex() != catalog.fingerprint:
        yield f"{catalog.path}: its films are not those that {FACTS} was written for"
    if len(read_rejections(catalog)) != catalog.facts["rejections"]:
        yield f"{catalog.path}: rejections are missing from rejections.csv"
    for version in catalog.facts.get("corrections", ()):
        file = catalog.path / version["changes"]
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != version["sha256"]:
            yield f"{file}: missing, or changed since it was written"


def _broken_posters(catalog: CatalogTable, progress: Progress | None) -> Iterator[str]:
    films = catalog.to_table()
    sizes = zip(films["width"].to_pylist(), films["height"].to_pylist(), strict=True)
    posters: Iterator[_Film] = zip(
        films["film_id"].to_pylist(),
        films["poster_sha256"].to_pylist(),
        sizes,
        catalog.posters(),
        strict=True,
    )
    done = 0
    for problems in ordered(_check_posters, batches(posters, _BATCH)):
        yield from filter(None, problems)
        done += len(problems)
        if progress:
            progress(done, len(catalog))


def _check_posters(films: list[_Film]) -> list[str | None]:
    return [_broken_poster(*film) for film in films]


def _broken_poster(
    film_id: str, sha256: str, size: tuple[int, int], poster: bytes | None
) -> str | None:
    if hashlib.sha256(poster or b"").hexdigest() != sha256:
        return f"{film_id}: its poster is not the one that was put in"
    try:
        with decoding(poster or b"") as rgb:
            height, width, _ = rgb.shape
    except PosterError as error:
        return f"{film_id}: {error}"
    if (width, height) != size:
        return f"{film_id}: its poster has {width}x{height} pixels, not {size[0]}x{size[1]}"
    return None
