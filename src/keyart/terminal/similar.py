"""What is printed about similar posters and near-duplicates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from keyart.similar import Similar
    from keyart.twins import Twins


def show_similar(similar: Sequence["Similar"]) -> None:
    """Print known films with posters like the given one, most similar first."""
    table = Table(box=None, pad_edge=False)
    for column in ("similarity", "film", "title", "year", "genres"):
        table.add_column(column, justify="right" if column == "similarity" else "left")
    for one in similar:
        year = "" if one.year is None else str(one.year)
        table.add_row(f"{one.similarity:.3f}", one.film_id, one.title, year, " · ".join(one.genres))
    Console(highlight=False).print(table)


def show_twins(twins: Sequence["Twins"]) -> None:
    """Print pairs of known films whose posters are near-duplicates."""
    console = Console(highlight=False)
    for pair in twins:
        known = "" if pair.grouped else "  (not grouped in the catalog)"
        console.print(f"{pair.similarity:.3f}  {pair.first}  {pair.second}{known}")
    console.print(f"{len(twins):,} pairs")
