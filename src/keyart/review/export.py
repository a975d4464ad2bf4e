"""Exporting corrections: a films table and posters, for a catalog to grow by."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keyart.catalog.cells import as_cell
from keyart.errors import CorrectionsError
from keyart.files import StrPath, new_folder
from keyart.images.kind import kind_of
from keyart.review.corrections import Corrections
from keyart.review.database import driver_url

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Exported:
    """How many films an export wrote. known: those that are in the given catalog."""

    films: int
    known: int


def export_corrections(url: str, out: StrPath, *, catalog: "Catalog | None" = None) -> Exported:
    """Write the corrections that count as a films table and posters, to add to a catalog.

    url: of the store. out: a new folder, with films.csv (film_id, title, genres, poster) and
    posters/. catalog: a poster that is in it keeps its film id, so that `keyart catalog build
    --grow` recognises it; other posters get an id made from their bytes. Raises CorrectionsError.
    """
    out = Path(out)
    if out.exists():
        raise CorrectionsError(f"{out}: already exists; choose another folder or remove it")
    known: dict[str, tuple[str, str]] = {}
    if catalog:
        columns = catalog.columns(["poster_sha256", "film_id", "title"]).to_pylist()
        known = {row["poster_sha256"]: (row["film_id"], row["title"]) for row in columns}
    place = driver_url(url)
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").exists():
        raise CorrectionsError(f"{place}: no such file; keyart serve makes it")
    store = Corrections(url)
    films = matched = 0
    try:
        with new_folder(out) as partial:
            (partial / "posters").mkdir()
            with (partial / "films.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["film_id", "title", "genres", "poster"])
                for correction, poster in store.standing():
                    sha256 = correction.poster_sha256
                    film_id = f"corrected-{sha256[:16]}"
                    title = correction.title
                    if sha256 in known:
                        film_id, title = known[sha256]
                        matched += 1
                    name = f"{sha256}.{(kind_of(poster) or 'jpeg').lower()}"
                    (partial / "posters" / name).write_bytes(poster)
                    row = [film_id, title, "|".join(correction.new_genres), name]
                    writer.writerow(map(as_cell, row))
                    films += 1
    finally:
        store.close()
    return Exported(films, matched)
