"""Verifying a catalog: every byte, every rule, every poster."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from keyart.catalog.rejections import read_rejections
from keyart.catalog.split import SPLITS
from keyart.catalog.table import COLUMNS, FACTS, SCHEMA, Catalog, Fingerprint, sha256_of
from keyart.catalog.write import count_films
from keyart.errors import CatalogError, PosterError
from keyart.images.decode import decode

_CHUNK = 256


def check_catalog(path: Path, progress: Callable[[int, int], None] | None = None) -> list[str]:
    """All that is wrong with a catalog, a line each; empty where it is sound.

    Checks the shards' hashes and columns, that ids are unique, that no group lies in two parts,
    that genres and counts are those of catalog.json, and that every poster has its hash and
    decodes. progress: called with (posters checked, posters).
    """
    try:
        catalog = Catalog.open(path)
        problems = _damaged_shards(catalog) or _empty_cells(catalog)
        if problems:
            return problems  # what they hold cannot be trusted
        return [*_broken_rules(catalog), *_broken_posters(catalog, progress)]
    except CatalogError as error:
        return [str(error)]


def _damaged_shards(catalog: Catalog) -> list[str]:
    problems = []
    for shard, facts in zip(catalog.shards, catalog.facts["shards"], strict=True):
        if sha256_of(shard) != facts["sha256"]:
            problems.append(f"{shard}: changed since it was written")
            continue
        try:
            schema = pq.read_schema(shard)
        except (OSError, pa.ArrowException) as error:
            problems.append(f"{shard}: not Parquet ({error})")
            continue
        if not schema.equals(SCHEMA):
            problems.append(f"{shard}: its columns are not a catalog's")
    return problems


def _empty_cells(catalog: Catalog) -> list[str]:
    return [
        f"{catalog.path}: {count:,} films without {name}"
        for name in COLUMNS
        if name != "year" and (count := catalog.films[name].null_count)
    ]


def _broken_rules(catalog: Catalog) -> Iterator[str]:
    rows = catalog.films.to_pylist()
    if len(rows) != len(catalog):
        yield f"{catalog.path}: {len(rows):,} films where {FACTS} says {len(catalog):,}"
    for film_id, count in Counter(row["film_id"] for row in rows).items():
        if count > 1:
            yield f"{film_id}: is in the catalog {count} times"
    sides = defaultdict(set)
    broken = False
    for row in rows:
        sides[row["group"]].add(row["split"])
        if row["split"] not in SPLITS:
            broken = True
            yield f"{row['film_id']}: is in no part ({row['split']!r})"
        unknown = [genre for genre in row["genres"] if genre not in catalog.vocabulary.names]
        if unknown or not row["genres"]:
            broken = True
            yield f"{row['film_id']}: genres that the vocabulary lacks: {unknown or 'none at all'}"
    for group, parts in sides.items():
        if len(parts) > 1:
            yield f"group {group}: lies in {' and '.join(sorted(parts))}; that leaks"
    for name, counted in ({} if broken else count_films(catalog.vocabulary, rows)).items():
        if counted != catalog.facts[name]:
            yield f"{catalog.path}: {FACTS} has other {name} than its films"
    fingerprint = Fingerprint(catalog.vocabulary)
    for row in rows:
        fingerprint.add(row)
    if fingerprint.hex() != catalog.fingerprint:
        yield f"{catalog.path}: its films are not those that {FACTS} was written for"
    if len(read_rejections(catalog)) != catalog.facts["rejections"]:
        yield f"{catalog.path}: rejections are missing from rejections.csv"


def _broken_posters(catalog: Catalog, progress: Callable[[int, int], None] | None) -> Iterator[str]:
    films = zip(
        catalog.films["film_id"].to_pylist(),
        catalog.films["poster_sha256"].to_pylist(),
        zip(catalog.films["width"].to_pylist(), catalog.films["height"].to_pylist(), strict=True),
        catalog.posters(),
        strict=True,
    )
    done = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        while chunk := list(islice(films, _CHUNK)):
            for problem in pool.map(lambda film: _broken_poster(*film), chunk):
                if problem:
                    yield problem
            done += len(chunk)
            if progress:
                progress(done, len(catalog))


def _broken_poster(
    film_id: str, sha256: str, size: tuple[int, int], poster: bytes | None
) -> str | None:
    if hashlib.sha256(poster or b"").hexdigest() != sha256:
        return f"{film_id}: its poster is not the one that was put in"
    try:
        height, width, _ = decode(poster or b"").shape
    except PosterError as error:
        return f"{film_id}: {error}"
    if (width, height) != size:
        return f"{film_id}: its poster has {width}x{height} pixels, not {size[0]}x{size[1]}"
    return None
