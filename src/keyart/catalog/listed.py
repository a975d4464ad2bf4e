"""Films that something else than a table lists, such as a media library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keyart.catalog.films_table import Listing


@dataclass(frozen=True, slots=True)
class ListedFilms:
    """Films, as a table would list them. posters: the file of each, by its line."""

    path: Path
    listings: Sequence[Listing]
    posters: Mapping[int, Path]
