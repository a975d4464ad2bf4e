"""Plans for media libraries, and what came of them, as people read them."""

import shlex
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from keyart.errors import counted
from keyart.printable import json_text, printable

if TYPE_CHECKING:
    from keyart.library.plan import Plan, PlannedFilm
    from keyart.library.target import Outcome

_SHOWN = 20  # films of a plan
_LISTED = 20  # films that were left alone


def show_plan(plan: "Plan", *, as_json: bool) -> None:
    """Print what a plan would write, and which films it leaves alone."""
    if as_json:
        print(json_text(plan.to_json() | {"plan": str(plan.path)}))
        return
    console = Console(highlight=False, soft_wrap=True)
    changed, what = plan.changed, f"{plan.writes}s"
    for film in changed[:_SHOWN]:
        console.print(_line(film))
    if len(changed) > _SHOWN:
        console.print(f"... and {len(changed) - _SHOWN:,} more; --csv and --html show all of them")
    if changed:
        console.print()
    console.print(
        f"[bold]{plan.path}[/]: {what} for {len(changed):,} of {counted(len(plan.films), 'film')}; "
        "nothing is written yet"
    )
    console.print(
        f"model     {plan.model.name}: at least {plan.model.precision:.0%} of the genres are right",
        markup=False,
    )
    if plan.genres:
        counts = ", ".join(f"{name} {count:,}" for name, count in plan.genres.most_common())
        console.print(f"{what:<10}{counts}", markup=False)
    for reason, count in plan.left.most_common():
        console.print(f"left      {count:,}: {reason}", markup=False)
    broken = [film for film in plan.films if film.left.startswith("its NFO cannot be edited: ")]
    for film in broken[:_SHOWN]:
        console.print(f"          {film.film}: {film.left.partition(': ')[2]}", markup=False)
    if changed:
        path = shlex.quote(printable(plan.path or ""))
        console.print(f"apply     keyart library apply {path} --journal FILE", markup=False)


def _line(film: "PlannedFilm") -> Text:
    genres = " · ".join(f"{name} {score:.0%}" for name, score in film.scores.items())
    return Text.assemble((film.name, "bold"), "  ", (genres, "green"), ("  " + film.film, "dim"))


def show_outcome(outcome: "Outcome", done: str, *, quiet: bool, as_json: bool) -> None:
    """Print what came of applying or undoing; what was left alone on standard error."""
    if as_json:
        print(json_text(outcome.to_json()))
        return
    if not quiet:
        print(f"{outcome.place.where}: {counted(outcome.done, outcome.of[:-1])} {done}")
        if outcome.already:
            print(f"          {outcome.already:,} already {done}")
    for films, why in (
        (outcome.conflicts, "skipped: changed by somebody else"),
        (outcome.failed, "failed"),
    ):
        if films:
            print(f"          {len(films):,} {why}", file=sys.stderr)
            for name, reason in films[:_LISTED]:
                print(f"            {name}: {reason}", file=sys.stderr)
            if len(films) > _LISTED:
                print("            ... and more; --json lists all of them", file=sys.stderr)
