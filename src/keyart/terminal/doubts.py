"""What is printed about doubtful genres, and about a corrected version of a catalog."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keyart.errors import counted
from keyart.printable import json_text
from keyart.stores.paths import place

if TYPE_CHECKING:
    from keyart.review.apply import Applied
    from keyart.review.doubts import Doubts

_SHOWN = 20


def show_doubts(doubts: "Doubts", out: Path | None = None, *, as_json: bool = False) -> None:
    """Print the doubts: all of them as JSON, or the first ones as a table. out: their file."""
    if as_json:
        print(json_text(doubts.to_json()))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("film", "title", "doubt", "evidence", "similar posters"):
        table.add_column(column, overflow="fold")
    for one in doubts.cases[:_SHOWN]:
        year = "" if one.year is None else f" ({one.year})"
        having = sum(one.genre in film.genres for film in one.similar)
        sign = "not" if one.kind == "wrong" else "+"
        table.add_row(
            escape(one.film_id),
            escape(f"{one.title}{year}"),
            escape(f"{sign} {one.genre}"),
            escape(one.explained()),
            f"{having} of {len(one.similar)} have it",
        )
    console = Console(highlight=False)
    console.print(table)
    wrong = sum(one.kind == "wrong" for one in doubts)
    kinds = [f"{counted(wrong, 'listed genre')} probably wrong"] if wrong else []
    if missing := len(doubts) - wrong:
        kinds.append(f"{missing:,} missing" if wrong else counted(missing, "missing genre"))
    console.print(
        f"{' and '.join(kinds) or 'no doubtful genre'}, in {counted(doubts.films, 'film')}"
        + (f"; the first {_SHOWN} are shown" if len(doubts) > _SHOWN else "")
        + (f"; all are in {place(out)}" if out else "; --out FILE writes all"),
        markup=False,
        soft_wrap=True,
    )
    for note in doubts.notes:
        console.print(f"- {note}", markup=False, soft_wrap=True)


def show_applied(applied: "Applied", *, as_json: bool = False) -> None:
    """Print what a version of a catalog changed."""
    version = applied.catalog.facts["corrections"][-1]
    if as_json:
        facts = {"catalog": str(applied.catalog.path), "fingerprint": applied.catalog.fingerprint}
        print(json_text({**facts, **version}))
        return
    console = Console(highlight=False, markup=False)

    def line(text: str) -> None:
        console.print(text, soft_wrap=True)

    line(
        f"{applied.catalog.path}: {counted(applied.films, 'film')} changed, "
        f"{counted(applied.added, 'genre')} added, {applied.removed:,} removed "
        f"(version {applied.catalog.fingerprint[:12]} of {version['from'][:12]})"
    )
    for outcome, count in applied.outcomes.items():
        line(f"  {count:>6,}  {outcome}")
    people = ", ".join(f"{name} {count:,}" for name, count in version["authors"].items())
    line(f"by person: {people}; {version['changes']} lists all changes")
