"""A corrected version of a catalog: other genres for some films, and a file of what changed.

The version it comes from stays as it is. catalog.json keeps a list of all corrections, and the
folder the file of changes of each.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keyart.catalog.rejections import read_rejections, write_rejections
from keyart.catalog.table import COLUMNS, FACTS, CatalogTable, parquet_file, sha256_of
from keyart.catalog.write import catalog_facts, with_genres, write_shard
from keyart.errors import CatalogError
from keyart.files import new_folder, write_bytes, write_csv, write_json

CHANGES = (
    "film_id", "title", "source", "kind", "genre", "verdict", "outcome", "genres_before",
    "genres_after", "author", "time", "p",
)  # fmt: skip


def write_corrected(
    catalog: CatalogTable,
    genres: Mapping[str, Sequence[str]],
    changes: Iterable[Sequence[object]],
    out: Path,
    provenance: Mapping[str, Any],
) -> None:
    """Write a corrected version of a catalog to the new folder `out`, see `Catalog.corrected`."""
    if out.exists() or out.is_symlink():
        raise CatalogError(f"{out}: already exists; choose another folder for the new version")
    rows = catalog.columns(COLUMNS).to_pylist()
    if unknown := genres.keys() - {row["film_id"] for row in rows}:
        raise CatalogError(f"{catalog.path}: has no film {min(unknown)}")
    in_order = {name: _in_order(catalog, names) for name, names in genres.items()}
    before = catalog.facts
    earlier = list(before.get("corrections", ()))
    with new_folder(out) as partial:
        shards = [
            _write_shard(shard, facts, in_order, partial / facts["name"])
            for shard, facts in zip(catalog.shards, before["shards"], strict=True)
        ]
        write_rejections(partial, read_rejections(catalog), [])
        for one in earlier:
            write_bytes(partial / one["changes"], (catalog.path / one["changes"]).read_bytes())
        file = partial / f"changes-{len(earlier) + 1}.csv"
        write_csv(file, CHANGES, changes)
        entry = {
            "from": catalog.fingerprint,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "films": len(genres),
            **provenance,
            "changes": file.name,
            "sha256": sha256_of(file),
        }
        facts = catalog_facts(
            catalog.vocabulary,
            [{**row, "genres": in_order.get(row["film_id"], row["genres"])} for row in rows],
            shards=shards,
            split=before["split"],
            tables=before.get("tables", ()),
            unmapped=Counter(before["unmapped"]),
            unmapped_cells=Counter(before.get("unmapped_cells", {})),
            notes=before["notes"],
            rejections=before["rejections"],
            terms=before.get("terms", ()),
            corrections=[*earlier, entry],
        )
        write_json(partial / FACTS, facts)


def _in_order(catalog: CatalogTable, names: Sequence[str]) -> list[str]:
    """Genres in the order of the vocabulary, each once."""
    if not names or set(names) - set(catalog.vocabulary.names):
        raise CatalogError(f"{catalog.path}: not genres of its vocabulary: {', '.join(names)!r}")
    return sorted(set(names), key=catalog.vocabulary.names.index)


def _write_shard(
    shard: Path, facts: Mapping[str, Any], genres: Mapping[str, Sequence[str]], path: Path
) -> Mapping[str, Any]:
    """Copy a shard, or write it with other genres. Returns its entry of catalog.json."""
    with parquet_file(shard) as source:
        if genres.keys().isdisjoint(source.read(columns=["film_id"])["film_id"].to_pylist()):
            shutil.copyfile(shard, path)
            return facts
        groups = map(source.read_row_group, range(source.num_row_groups))
        return write_shard(path, (with_genres(group, genres) for group in groups))
