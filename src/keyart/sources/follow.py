"""From the posters that have arrived to a catalog: a new one, or a catalog that grows."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from keyart.catalog.catalog import Catalog
from keyart.files import StrPath, replacing
from keyart.parallel import Progress, batches
from keyart.sources.manifest import BATCH, FILMS, POSTERS, Manifest, Row
from keyart.stores.paths import place

_COLUMNS = ("film_id", "title", "year", "genres", "poster")


@dataclass(frozen=True)
class Followed:
    """What became of a catalog. catalog: None if nothing has arrived yet. new: films it gained."""

    catalog: Catalog | None
    new: int


def write_films(manifest: Manifest, known: frozenset[str] = frozenset()) -> tuple[Path, int]:
    """Write the table of the films whose posters are here, and that are not known yet.

    Returns the table's path and the number of its films.
    """
    path, films = manifest.folder / FILMS, 0
    schema = pa.schema([manifest.schema.field(name) for name in _COLUMNS])
    with (
        replacing(path) as partial,
        pa.OSFile(os.fsencode(partial), "wb") as sink,
        pq.ParquetWriter(sink, schema, compression="zstd") as file,
    ):
        for part in batches(_arrived(manifest, known), BATCH):
            file.write_table(pa.Table.from_pylist(part, schema))
            films += len(part)
    return path, films


def _arrived(manifest: Manifest, known: frozenset[str]) -> Iterator[Row]:
    for _, row in manifest.rows(_COLUMNS):
        if row["poster"] and row["genres"] and row["film_id"] not in known:
            yield row


def follow(folder: Path, out: StrPath, progress: Progress | None = None) -> Followed:
    """Build the catalog at `out` from what has arrived, or add to it what it does not have.

    Raises CatalogError and FetchError.
    """
    manifest = Manifest(folder)
    catalog = Catalog.open(out) if place(out).exists() else None
    known = frozenset(film.film_id for film in catalog) if catalog else frozenset[str]()
    rejected = {one.film_id for one in catalog.rejections()} if catalog else set[str]()
    table, films = write_films(manifest, known | rejected)
    if not films:
        return Followed(catalog, 0)
    posters = folder / POSTERS
    if catalog is None:
        catalog = Catalog.build(
            table, posters, out, vocabulary=manifest.settings.vocabulary, progress=progress
        )
    else:
        catalog = catalog.grow(table, posters, progress=progress)
    return Followed(catalog, len(catalog) - len(known))
