"""What is printed about similar posters and near-duplicates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from keyart.film import Film
    from keyart.similar import NearDuplicates, Similar


def show_similar(similar: Sequence["Similar"]) -> None:
    """Print known films with posters like the given one, most similar first."""
    table = Table(box=None, pad_edge=False)
    for column in ("similarity", "film", "title", "year", "genres"):
        table.add_column(column, justify="right" if column == "similarity" else "left")
    for one in similar:
        year = "" if one.year is None else str(one.year)
        table.add_row(f"{one.similarity:.3f}", one.film_id, one.title, year, " · ".join(one.genres))
    Console(highlight=False).print(table)


def show_near_duplicates(pairs: Sequence["NearDuplicates"]) -> None:
    """Print pairs of known films that show the same artwork, most similar first."""
    console = Console(highlight=False, markup=False)
    for pair in pairs:
        console.print(
            f"{pair.similarity:.3f}  {_named(pair.first)}  |  {_named(pair.second)}", soft_wrap=True
        )
    console.print(f"{len(pairs):,} pairs of near-duplicates")


def _named(film: "Film") -> str:
    year = "" if film.year is None else f" ({film.year})"
    return f"{film.film_id}  {film.title}{year}".rstrip()
