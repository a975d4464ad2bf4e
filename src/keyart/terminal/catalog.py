"""What is printed about a catalog: its counts, its rejections, its notes."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from keyart.errors import counted, listed
from keyart.printable import json_text

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog
    from keyart.catalog.show import Summary

_CELLS = 20  # of those that map to nothing


def show_catalog(catalog: "Catalog", *, as_json: bool = False) -> None:
    """Print a catalog's counts by genre and split, its years, groups and rejections."""
    summary = catalog.summary()
    if as_json:
        print(json_text(summary.to_json()))
        return
    console = Console(highlight=False)
    size = f"{summary.megabytes:,.0f}" if summary.megabytes >= 1 else "under 1"
    console.print(
        f"[bold]{summary.path}[/]: {counted(summary.films, 'film')}, {size} MB, "
        f"fingerprint {summary.fingerprint[:12]}",
        soft_wrap=True,
    )
    console.print(_genres(summary))
    sizes = {f"{wide}x{high}": None for wide, high in (summary.smallest, summary.largest)}
    console.print(f"posters   {' to '.join(sizes)} pixels")
    years = "  ".join(f"{decade} {count:,}" for decade, count in summary.decades.items())
    console.print(f"years     {years}", soft_wrap=True)
    biggest = f", the largest {len(summary.largest_groups[0])}" if summary.largest_groups else ""
    console.print(
        f"groups    {summary.groups:,} of near-duplicate posters"
        f"{' and of series' if summary.keeps_series else ''}, "
        f"with {counted(summary.grouped_films, 'film')}{biggest}"
    )
    console.print(f"series    {_series(summary)}", soft_wrap=True, markup=False)
    for table in summary.tables:
        became = [counted(table["films"], "film"), f"{table['rejections']:,} rejected"]
        if without := table["without_poster"]:
            became.append(f"{without:,} without a poster")
        console.print(
            f"table     {table['name']}: {counted(table['rows'], 'row')}: {listed(became)}",
            soft_wrap=True,
            markup=False,
        )
    console.print(f"rejected  {sum(summary.rejections.values()):,} (rejections.csv lists them)")
    for reason, count in summary.rejections.items():
        console.print(f"            {count:>6,}  {reason}", soft_wrap=True)
    if summary.unmapped_cells:
        console.print("cells without any genre of the vocabulary")
        for cell, count in list(summary.unmapped_cells.items())[:_CELLS]:
            console.print(f"            {count:>6,}  {cell}", soft_wrap=True, markup=False)
        if (more := len(summary.unmapped_cells) - _CELLS) > 0:
            console.print(f"            and {more:,} more")
    if summary.unmapped:
        console.print("genre names that are not in the vocabulary")
        for name, count in summary.unmapped.items():
            hint = summary.suggestions.get(name)
            console.print(f"            {count:>6,}  {name}" + (f" ({hint}?)" if hint else ""))
    for note in summary.notes:
        console.print(f"note      {note}", soft_wrap=True)


def _series(summary: "Summary") -> str:
    """How many there are, and whether they leak."""
    line = f"{summary.series:,} by their titles, with {counted(summary.series_films, 'film')}"
    for stem, films in list(summary.largest_series.items())[:1]:
        line += f", the largest {films} ({stem})"
    if summary.keeps_series:
        return line
    return (
        f"{line}; {summary.split_series:,} are in several splits, because an older version made "
        "the catalog: build it again to keep each in one split"
    )


def _genres(summary: "Summary") -> Table:
    """Films of each genre, in all and in each split."""
    table = Table(box=None, pad_edge=False)
    for column in ("genre", "films", "share", *summary.splits):
        table.add_column(column, justify="left" if column == "genre" else "right", no_wrap=True)
    for name, splits in summary.genres.items():
        films = sum(splits.values())
        counts = [f"{count:,}" for count in splits.values()]
        table.add_row(name, f"{films:,}", f"{films / summary.films:.1%}", *counts)
    totals = [f"{count:,}" for count in summary.splits.values()]
    table.add_row("all", f"{summary.films:,}", "", *totals, style="bold")
    return table
