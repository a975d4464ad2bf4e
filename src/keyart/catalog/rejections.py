"""The films that are not in a catalog, and why: rejections.csv."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keyart.catalog.table import REJECTIONS, CatalogTable
from keyart.copies import copy_of
from keyart.errors import CatalogError
from keyart.files import write_csv
from keyart.stores.paths import RemotePath


@dataclass(frozen=True, slots=True)
class Rejection:
    """A film that is not in the catalog, and why."""

    film_id: str
    reason: str


def read_rejections(catalog: CatalogTable) -> list[Rejection]:
    """The films that are not in a catalog, and why. Raises CatalogError."""
    path = catalog.path / catalog.facts.get("rejections_file", REJECTIONS)
    try:
        source = copy_of(path) if isinstance(path, RemotePath) else path
        with source.open(newline="", encoding="utf-8") as file:
            rows = [Rejection(row["film_id"], row["reason"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise CatalogError(f"{path}: missing or damaged; build the catalog again") from error
    # A process that was killed while it grew may have left rows that catalog.json does not count.
    return rows[: int(catalog.facts["rejections"])]


def write_rejections(
    folder: Path, old: Sequence[Rejection], new: Sequence[Rejection]
) -> list[Rejection]:
    """Write rejections.csv: the old rows as they were, then the new ones by film.

    A row that is there is not written again, so growing twice by one table adds nothing. Returns
    what was written.
    """
    fresh = sorted(set(new) - set(old), key=lambda one: (one.film_id, one.reason))
    rows = [*old, *fresh]
    write_csv(folder / REJECTIONS, ("film_id", "reason"), [(r.film_id, r.reason) for r in rows])
    return rows
