"""A sample of a catalog: a smaller catalog of some of its films, with every genre in proportion.

Groups stay whole, and every film keeps its split.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from keyart.catalog.rejections import write_rejections
from keyart.catalog.split import SPLITS, split_groups
from keyart.catalog.table import COLUMNS, FACTS, SCHEMA, SHARD, CatalogTable, parquet_file
from keyart.catalog.write import catalog_facts, write_shard
from keyart.errors import CatalogError
from keyart.files import new_folder, write_json


def sample_catalog(catalog: CatalogTable, films: int, out: Path, *, seed: int) -> None:
    """Write about `films` films of a catalog to the new folder `out`, see `Catalog.sample`."""
    if out.exists():
        raise CatalogError(f"{out}: already exists; choose another folder")
    if films > len(catalog):
        raise CatalogError(
            f"{catalog.path}: has {len(catalog):,} films, fewer than the {films:,} asked for"
        )
    rows = sampled_rows(catalog, films, seed=seed)
    splits = np.array(catalog.to_table()["split"].to_pylist(), dtype=object)
    for split in SPLITS:
        if split in splits and split not in splits[rows]:
            raise CatalogError(
                f"{catalog.path}: {films:,} films are too few: the {split} split would have none; "
                "ask for more"
            )
    listed = catalog.columns(COLUMNS).take(pa.array(rows)).to_pylist()
    with new_folder(out) as partial:
        shards = []
        for number, start in enumerate(range(0, len(rows), SHARD)):
            tables = _tables(catalog, rows[start : start + SHARD])
            shards.append(write_shard(partial / f"films-{number:05}.parquet", tables))
        write_rejections(partial, [], [])
        facts = catalog_facts(
            catalog.vocabulary,
            listed,
            shards=shards,
            split=catalog.facts["split"],
            tables=[],
            unmapped=Counter(),
            unmapped_cells=Counter(),
            notes=[f"about {films:,} of the {len(catalog):,} films of {catalog.fingerprint[:12]}"],
            rejections=0,
            terms=catalog.facts.get("terms", []),
        )
        write_json(partial / FACTS, facts)


def sampled_rows(catalog: CatalogTable, films: int, *, seed: int) -> npt.NDArray[np.int64]:
    """The rows of about `films` films, in catalog order, balanced by genre within each split."""
    taken = []
    share = films / len(catalog)
    for split in SPLITS:
        rows = catalog.rows(split)
        names, numbers = np.unique(catalog.groups[rows].astype(str), return_inverse=True)
        genres = np.zeros((len(names), len(catalog.vocabulary)), np.int64)
        np.add.at(genres, numbers, catalog.truth[rows].astype(np.int64))
        sizes = np.bincount(numbers, minlength=len(names))
        dealt = split_groups(genres, sizes, fractions=(share, 1 - share, 0.0), seed=seed)
        taken.append(rows[dealt[numbers] == 0])
    return np.sort(np.concatenate(taken))


def _tables(catalog: CatalogTable, rows: npt.NDArray[np.int64]) -> Iterator[pa.Table]:
    """These rows with their posters, one row group of the catalog in memory at a time."""
    start = 0
    for shard in catalog.shards:
        with parquet_file(shard) as file:
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                here = rows[(rows >= start) & (rows < stop)] - start
                if len(here):
                    yield file.read_row_group(group).take(pa.array(here)).select(SCHEMA.names)
                start = stop
