"""What is printed about similar posters and near-duplicates."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, JustifyMethod
from rich.table import Table

from keyart.errors import counted

if TYPE_CHECKING:
    from keyart.film import Film
    from keyart.prediction import Failure
    from keyart.similar import NearDuplicates, Similar

_ANY_WIDTH = 10_000  # columns, where lines are not wrapped
_LISTED = 10  # posters that could not be read


def show_similar(similar: Sequence["Similar"]) -> None:
    """Print known films with posters like the given one, most similar first."""
    table = Table(box=None, pad_edge=False)
    for column in ("similarity", "film", "title", "year", "genres"):
        justify: JustifyMethod = "right" if column == "similarity" else "left"
        table.add_column(column, justify=justify, overflow="fold")  # paths are whole
    for one in similar:
        year = "" if one.year is None else str(one.year)
        table.add_row(f"{one.similarity:.3f}", one.film_id, one.title, year, " · ".join(one.genres))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _ANY_WIDTH
    console.print(table)


def unread_lines(unread: Sequence["Failure"], read: int, listed: Path | None) -> Iterator[str]:
    """Lines for standard error: how many posters could not be read, and why.

    read: how many could. listed: the file that lists all of them.
    """
    if unread:
        more = f"; {listed} lists them" if listed else ""
        posters = counted(len(unread) + read, "poster")
        yield f"{len(unread):,} of {posters} could not be read{more}"
    for one in unread[:_LISTED]:
        yield f"  {one.poster}: {one.reason}"
    if len(unread) > _LISTED:
        yield "  ... and more"


def show_near_duplicates(pairs: Sequence["NearDuplicates"]) -> None:
    """Print pairs of known films that show the same artwork, most similar first."""
    console = Console(highlight=False, markup=False)
    for pair in pairs:
        console.print(
            f"{pair.similarity:.3f}  {_named(pair.first)}  |  {_named(pair.second)}", soft_wrap=True
        )
    console.print(f"{counted(len(pairs), 'pair')} of near-duplicates")


def _named(film: "Film") -> str:
    year = "" if film.year is None else f" ({film.year})"
    return f"{film.film_id}  {film.title}{year}".rstrip()
