"""What is printed about a fetch: its plan, its progress, the terms of its sources."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from keyart.errors import counted
from keyart.printable import json_text
from keyart.terminal.progress import clock

if TYPE_CHECKING:
    from keyart.sources.fetch import Fetch, Status
    from keyart.sources.follow import Followed
    from keyart.sources.run import Tally

_FEW = 10  # of what is listed by frequency


def show_notice() -> None:
    """Print TMDb's terms on standard error, in a box."""
    from keyart.sources.tmdb import NOTICE

    Console(stderr=True, highlight=False).print(
        Panel(Text(NOTICE), title="Before you fetch", border_style="bold red")
    )


def show_plan(fetch: "Fetch", *, as_json: bool) -> None:
    """Print what a plan found."""
    status, planned = fetch.status(), fetch.planned
    assert planned is not None, "this is called after a plan"
    if as_json:
        print(json_text(status.to_json() | {"new": planned.new, "notes": list(planned.notes)}))
        return
    console = Console(highlight=False, soft_wrap=True)
    facts = status.facts
    console.print(
        f"[bold]{fetch.path}[/]: {counted(planned.films, 'film')}, {planned.new:,} of them new"
    )
    console.print(f"posters   {status.posters['planned']:,} to fetch, {status.here:,} fetched")
    console.print(f"genres    of {counted(facts['with_genres'], 'film')}, by {facts['rule']}")
    if facts["genres_of_several"]:
        differ, several = facts["genres_differ"], facts["genres_of_several"]
        console.print(
            f"          sources disagree on {differ:,} of {several:,} films with several sources"
        )
    for pair, count in facts["pairs"].items():
        console.print(
            f"            {pair}: {count['differ']:,} of {count['films']:,} differ, "
            f"Jaccard index {count['jaccard']:.2f}"
        )
    _counted(console, "genre names that are not in the vocabulary", facts["unmapped"])
    _counted(console, "films without an address of a poster", facts["without_place"])
    _counted(console, "lines that cannot be used", facts["problems"])
    for note in planned.notes:
        console.print(f"note      {note}", markup=False)
    if planned.gone:
        first = ", ".join(planned.first_gone)
        console.print(
            f"gone      {planned.gone:,} films are no longer in any list; they are kept: {first}"
        )
    _terms(console, status)


def show_run(fetch: "Fetch", tally: "Tally", followed: "Followed | None", *, as_json: bool) -> None:
    """Print what a run did."""
    if as_json:
        more: dict[str, object] = {"path": str(fetch.path)}
        if followed is not None:
            more["catalog"] = {
                "films": len(followed.catalog) if followed.catalog else 0,
                "new": followed.new,
            }
        print(json_text(tally.to_json() | more))
        return
    console = Console(highlight=False, soft_wrap=True)
    posters = tally.posters
    console.print(
        f"[bold]{fetch.path}[/]: {counted(posters['fetched'], 'poster')} fetched with "
        f"{counted(tally.requests, 'request')} in {clock(tally.seconds)}"
    )
    if tally.unchanged:
        console.print(f"          {tally.unchanged:,} have not changed")
    for status, meaning in _MEANINGS.items():
        if posters[status]:
            console.print(f"          {posters[status]:,} {meaning}")
    if tally.left:
        console.print(f"          {tally.left:,} are left for the next run")
    for stopped in tally.stopped:
        console.print(f"note      {stopped}", markup=False)


_MEANINGS = {
    "absent": "were not found; they are tried again in 30 days",
    "refused": "are not posters, or may not be fetched; keyart fetch status says why",
    "failed": "failed; the next run tries them again",
    "expired": "were removed, because their terms require it",
}


def show_followed(followed: "Followed", path: "Path | None") -> None:
    """Print what became of the catalog."""
    films = len(followed.catalog) if followed.catalog else 0
    print(f"{path}: {counted(films, 'film')}, {followed.new:,} of them new")


def show_status(status: "Status", *, as_json: bool) -> None:
    """Print how far a fetch is."""
    if as_json:
        print(json_text(status.to_json()))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"[bold]{status.path}[/]: {counted(status.films, 'film')}, "
        f"{counted(status.here, 'poster')} here, {counted(status.requests, 'request')} so far"
    )
    for name, count in status.posters.items():
        if count:
            console.print(f"            {count:>9,}  {name}")
    _counted(console, "why posters are missing", status.reasons)
    if status.gone:
        console.print(f"gone      {status.gone:,} films are no longer in any list; they are kept")
    if status.first_expiry:
        console.print(
            f"expiry    {status.expiring:,} posters expire within 30 days, the first on "
            f"{status.first_expiry:%Y-%m-%d}"
        )
    _terms(console, status)


def _terms(console: Console, status: "Status") -> None:
    from keyart.sources.terms import TERMS

    for name in status.terms:
        console.print(f"terms     {TERMS[name].name}: {TERMS[name].summary}", markup=False)


def _counted(console: Console, title: str, counts: "dict[str, int] | object") -> None:
    assert isinstance(counts, dict)
    if counts:
        console.print(title)
        for what, count in list(counts.items())[:_FEW]:
            console.print(f"            {count:>9,}  {what}", markup=False)
