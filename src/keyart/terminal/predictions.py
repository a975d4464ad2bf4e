"""Predictions as people read them: bars for a few posters, a line for each of many."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keyart.bundle import Bundle
from keyart.errors import counted, listed
from keyart.evidence import POSTER
from keyart.explain import Explanation, percent
from keyart.prediction import Failure, Prediction
from keyart.printable import in_one_line
from keyart.queries import NamedFilms
from keyart.stores.paths import place
from keyart.writers import Ranked, Written, counting

if TYPE_CHECKING:
    from keyart.tables.fill import Filled

_SHOWN = 5  # genres of a poster
_DETAILED = 12  # posters up to which bars are drawn
_LISTED = 10  # unreadable posters on standard error
_BAR = 24  # characters of a full bar


def show_predictions(
    films: Iterable[Prediction | Failure],
    count: int,
    file: IO[str] | None = None,
    ranks: Ranked | None = None,
    errors: Path | None = None,
) -> Written:
    """Print predictions as they come.

    count: how many there will be. file: None for the terminal. ranks: which genres have bars; in
    the lines of many films, those that follow the predicted ones, with their scores. errors: as for
    `write_predictions`.
    """
    console = Console(file=file, highlight=False)
    draw = _draw_bars if count <= _DETAILED else _draw_line
    with counting(films, errors) as (written, counted):
        for film in counted:
            if isinstance(film, Prediction):
                draw(film, console, ranks)
    return written


def failure_lines(written: Written, errors: Path | None) -> Iterator[str]:
    """Lines for standard error: how many posters could not be read, and why."""
    if written.by_title:
        where = f"see {errors}" if errors else "--errors FILE lists them"
        yield (
            f"{written.by_title:,} of {counted(written.films, 'film')} predicted by their titles: "
            f"their posters could not be read; {where}"
        )
    if not written.failed:
        return
    count = f"{written.failed:,} of {counted(written.films, 'film')} could not be predicted"
    if not written.titled:
        count = f"{written.failed:,} of {counted(written.films, 'poster')} could not be read"
    if errors:
        yield f"{count}; see {errors}"
        return
    yield count
    for failure in written.failures[:_LISTED]:
        film = f"{failure.film_id}: " if failure.film_id not in (None, failure.poster) else ""
        yield in_one_line(f"  {film}{failure.poster}: {failure.reason}")
    if written.failed > _LISTED:
        yield "  ... and more; --errors FILE lists them all"


def filled_lines(filled: "Filled") -> Iterator[str]:
    """Lines for standard error: what became of the rows of a table that was filled."""
    yield from filled.notes
    sure = filled.predictions - filled.unsure
    counts = [f"{sure:,} with genres", f"{filled.unsure:,} unsure"]
    if filled.kept:
        counts.append(f"{filled.kept:,} already filled")
    if filled.failed:
        counts.append(f"{filled.failed:,} that could not be predicted")
    line = f"{place(filled.out)}: {counted(filled.rows, 'row')}: {', '.join(counts)}"
    yield f"{line}; original: {filled.backup}" if filled.backup else line


def titles_line(films: NamedFilms) -> str:
    """That films come without posters, in a line; empty if none do."""
    if not films.without_posters:
        return ""
    return (
        f"{films.without_posters:,} of {counted(len(films), 'film')} without a poster: only title "
        "and year count; --posters sets the folder of posters"
    )


def precision_line(bundle: Bundle) -> str:
    """What a wanted precision means for posters alone, in a line."""
    at, names = bundle.decisions.predicting, bundle.vocabulary.names
    silent = [name for name, cut in zip(names, at, strict=True) if cut >= 1]
    if len(silent) == len(names):
        return (
            f"from posters alone, this model cannot keep a precision of {bundle.precision:.2f}: "
            "genres are listed as maybe"
        )
    never = (
        f"; these cannot keep it, and are listed as maybe: {', '.join(silent)}" if silent else ""
    )
    return f"at least {bundle.precision:.0%} of the predicted genres are right{never}"


def _draw_bars(film: Prediction, console: Console, ranks: Ranked | None) -> None:
    console.print(
        Text.assemble(
            (in_one_line((film.title or "").strip() or Path(film.poster).name), "bold"),
            "  ",
            _verdict(film),
            ("" if film.evidence == POSTER else f"  by {listed(film.evidence)}", "dim"),
        )
    )
    table = Table.grid(padding=(0, 1))
    for name, score in (ranks or Ranked(_SHOWN)).of(film).items():
        chosen, maybe = name in film.genres, name in film.maybe
        table.add_row(
            Text("  ●", "green") if chosen else Text("  ○" if maybe else "   ", "yellow"),
            Text(name, "bold" if chosen else "" if maybe else "dim"),
            _bar(score, film.thresholds[name], chosen),
            Text(f"{score:4.0%}", "bold" if chosen else "dim"),
        )
    console.print(table)
    console.print()


def _bar(score: float, threshold: float, chosen: bool) -> Text:
    """A bar as long as the score, with a mark at the genre's threshold."""
    filled = round(score * _BAR)
    bar = Text("━" * filled, "green" if chosen else "blue")
    bar.append("─" * (_BAR - filled), "bright_black")
    mark = min(_BAR - 1, int(threshold * _BAR))
    plain = bar.plain
    bar.plain = plain[:mark] + "┃" + plain[mark + 1 :]
    return bar


def _draw_line(film: Prediction, console: Console, ranks: Ranked | None) -> None:
    line = Text.assemble(in_one_line(film.name), "  ", _verdict(film))
    if ranks:
        best = " · ".join(f"{name} {score:.0%}" for name, score in ranks.of(film).items())
        line.append(f"  top: {best or 'none'}", "dim")
    console.print(line, soft_wrap=True)


def _verdict(film: Prediction) -> Text:
    found = Text("unsure", "yellow") if film.unsure else Text(" · ".join(film.genres), "green")
    if film.maybe:
        found.append(f", maybe {' · '.join(film.maybe)}", "yellow")
    return found.append(f"  {film.warning}", "red") if film.warning else found


def show_explanations(explanations: Sequence[Explanation], *, as_json: bool = False) -> None:
    """Print, for each genre, its score, what moved it, and where on the poster it comes from."""
    if as_json:
        sys.stdout.write(json.dumps([one.to_dict() for one in explanations], indent=1) + "\n")
        return
    console = Console(highlight=False)
    if explanations and explanations[0].warning:
        console.print(Text(f"the picture {explanations[0].warning}", "red"))
    for one in explanations:
        predicted = "predicted" if one.predicted else "not predicted"
        verdict = f"({predicted}, threshold {percent(one.threshold)})"
        if one.withheld and one.score >= one.threshold:
            verdict = "(not predicted, because of the picture)"
        elif one.threshold >= 1:
            verdict = "(never predicted: it does not keep the precision)"
        console.print(
            Text.assemble((one.genre, "bold"), f"  {percent(one.score)} {verdict}{one.whence}"),
            soft_wrap=True,
        )
        if one.rate is not None or tuple(one.steps) != POSTER:
            console.print(Text(f"  {one.moved}", "dim"), soft_wrap=True)
        if one.telling:
            words = ", ".join(f"{word} {part:+.1f}" for word, part in one.telling.items())
            console.print(Text(f"  words of the title: {words}", "dim"), soft_wrap=True)
