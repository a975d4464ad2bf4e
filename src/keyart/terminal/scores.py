"""What `keyart evaluate` prints: metrics next to constant guesses, and two models compared."""

import json
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from keyart.errors import counted
from keyart.evaluation.compare import Comparison
from keyart.metric_table import MetricTable, SplitMetrics
from keyart.model_metrics import (
    BASELINES,
    HEADLINE,
    METRICS,
    BoxMetrics,
    Difference,
    Interval,
    Metric,
    Unsure,
)

_MAP = "mean_average_precision"


def show_scores(metrics: MetricTable, split: str, *, as_json: bool = False) -> None:
    """Print the metrics of one split with 95% intervals, next to the constant guesses."""
    scored = metrics.split(split)
    if as_json:
        whole = metrics.to_json()
        titles = {part: whole[part] for part in ("evidence", "never_seen") if split == "test"}
        _print_json(scored.to_json() | titles)
        return
    console = Console(highlight=False)
    table = Table(
        title=f"{metrics.name}: {counted(scored.films, 'film')} of the {split} split, thresholds "
        f"chosen {metrics.aim}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    table.add_column("model", justify="right", style="bold")
    table.add_column("95% interval", justify="right", style="dim", no_wrap=True)
    box = scored.box.model if scored.box and scored.box.is_whole else None
    if box is not None:
        table.add_column("box", justify="right")
    for label in BASELINES.values():
        table.add_column(label, justify="right")
    for row in scored.rows():
        cells = [] if box is None else [box[row.name]]
        cells += [row.baselines[name] for name in BASELINES]
        table.add_row(
            _label(row.metric), _number(row.found), _interval(row.found), *map(_number, cells)
        )
    console.print(table)
    console.print("↓ lower is better", style="dim")
    console.print()
    if scored.box is not None:
        _show_box(console, scored.box)
    if scored.model.unsure:
        console.print(_unsure(scored.films, scored.model.unsure, metrics.precision), soft_wrap=True)
        console.print()
    console.print(_genres(scored))
    if split == "test" and (rows := metrics.by_evidence()):
        console.print()
        console.print(_evidence(rows, scored))
        console.print(_about_series(metrics), style="dim", soft_wrap=True)


def _show_box(console: Console, box: BoxMetrics) -> None:
    """The model that comes with keyart on the same films, and whether the model is better."""
    if box.model is not None and not box.is_whole:
        rows = [(METRICS[name], box.differences[name]) for name in HEADLINE]
        console.print(_differences("next to the box", rows, other="box"))
        console.print()
    console.print(box.verdict, soft_wrap=True)
    console.print()


def show_comparison(found: Comparison, *, as_json: bool = False) -> None:
    """Print how the metrics of two models differ, and whether that could be chance."""
    if as_json:
        _print_json(found.to_json())
        return
    console = Console(highlight=False)
    differences = found.differences
    console.print(
        f"[bold]{found.model.name}[/] compared with [bold]{found.other.name}[/]: "
        f"{counted(differences.films, 'film')} of the {found.split} split",
        soft_wrap=True,
    )
    for side in (found.model, found.other):
        if side.left_out:
            console.print(
                f"left out: {counted(side.left_out, 'film')} that only {side.name} has",
                soft_wrap=True,
            )
        if side.split_method != "catalog":
            console.print(
                f"{side.name} was trained on a {side.split_method} split: it may have seen "
                "near-duplicates of these films",
                soft_wrap=True,
            )
    rows = [(METRICS[name], difference) for name, difference in differences.metrics.items()]
    console.print(_differences("metric", rows))
    console.print("↓ lower is better", style="dim")
    console.print()
    genres = [(Metric(name, ""), row["average_precision"]) for name, row in
              differences.genres.items()]  # fmt: skip
    console.print(_differences("AP of genre", genres))
    console.print()
    console.print(_conclusion(found))


def _print_json(plain: object) -> None:
    json.dump(plain, sys.stdout, indent=2)
    print()


def _evidence(rows: Iterable[tuple[str, str, SplitMetrics]], all_films: SplitMetrics) -> Table:
    """The metrics by what predictions rest on, on all films and on those of unseen series."""
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column("evidence", no_wrap=True)
    columns = ("test films", "films", "mAP", "95%\ninterval", "top\nclass", "top\nthree")
    for column in columns:
        table.add_column(column, justify="left" if column == "test films" else "right")
    for evidence, films, scored in rows:
        found = scored.model
        table.add_row(
            evidence if films == "all" else "",
            films,
            f"{scored.films:,}",
            _number(found[_MAP]),
            _interval(found[_MAP]),
            _number(found["top_class"]),
            _number(found["top_three"]),
        )
    guesses = [all_films.row(name).best_guess for name in (_MAP, "top_class", "top_three")]
    guess, *others = map(_number, guesses)
    table.add_row("best guess", "all", f"{all_films.films:,}", guess, "", *others)
    return table


def _about_series(metrics: MetricTable) -> str:
    if metrics.never_seen:
        return (
            "Each row is the films that have this evidence. A series was seen if the model learned "
            "from a title with the same stem."
        )
    return (
        "Each row is the films that have this evidence. This model does not know which series it "
        "learned from, or it learned from all of them."
    )


def _genres(scored: SplitMetrics) -> Table:
    # As narrow as it can be: a terminal has 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 1))
    columns = (
        "genre", "AP", "95%\ninterval", "guess", "AUC", "F1", "pre-\ncision", "thres-\nhold",
        "pre-\ndicted", "true",
    )  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column == "genre" else "right", no_wrap=True)
    guesses = scored.baselines["genre_rates"].genres
    for name, row in scored.model.genres.items():
        table.add_row(
            name,
            _number(row.average_precision),
            _interval(row.average_precision),
            _number(guesses[name].average_precision),
            _number(row.roc_auc),
            _number(row.f1),
            _number(row.precision),
            "" if row.threshold is None else f"{row.threshold:.2f}",
            f"{row.predicted:,}",
            f"{row.true:,}",
        )
    return table


def _differences(
    title: str, rows: Iterable[tuple[Metric, Difference | None]], *, other: str = "other"
) -> Table:
    # As narrow as it can be: a terminal has 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 1))
    for column in (title, "model", other, "difference", "95% interval", ""):
        justify = "left" if column in (title, "") else "right"
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for metric, row in rows:
        if row is None:
            table.add_row(_label(metric), "", "", "", "", "[dim]undefined[/]")
            continue
        verdict = row.verdict(lower_is_better=metric.lower_is_better)
        colour = {"better": "green", "worse": "red"}.get(verdict, "dim")
        table.add_row(
            _label(metric),
            f"{row.model:.3f}",
            f"{row.other:.3f}",
            f"{row.value:+.3f}",
            f"{row.low:+.3f} to {row.high:+.3f}",
            f"[{colour}]{verdict}[/]",
        )
    return table


def _conclusion(found: Comparison) -> str:
    """The comparison in two sentences, by mAP."""
    rows = found.differences.metrics
    real = sum(row is not None and row.is_real for row in rows.values())
    text = (
        f"{real} of {len(rows)} metrics differ by more than chance; for equal models about one in "
        "twenty would."
    )
    row = found[_MAP]
    if row is None or row.verdict() == "none":
        return f"There is no difference in mAP. {text}"
    by = f"{abs(row.value):.3f} ({row.low:+.3f} to {row.high:+.3f})"
    if not row.is_real:
        return f"The difference in mAP, {by}, could be chance. {text}"
    return f"{found.model.name} is {row.verdict()} than {found.other.name} in mAP by {by}. {text}"


def _unsure(films: int, unsure: Unsure, precision: float | None) -> str:
    """What keeps the promised precision, how many films get no genre, and the surest half."""
    wanted = "with these thresholds" if precision is None else f"to keep a precision of {precision}"
    if unsure.precision is None or unsure.genres is None or unsure.recall is None:
        text = f"Unsure about all {counted(films, 'film')}: {wanted}, no genre is predicted."
        if precision is None:
            return text
        return (
            f"{text} More validation films may prove that precision; `keyart predict --balanced` "
            "predicts genres without it."
        )
    text = (
        f"Predicted {wanted}: {unsure.genres.value:.2f} genres a film, of which "
        f"{_share(unsure.precision)} are right; {_share(unsure.recall)} of the true genres. Unsure "
        f"about {unsure.films:,} of {counted(films, 'film')}."
    )
    if unsure.top_class is not None:
        text += f" For the others the top genre is right in {_share(unsure.top_class)}"
        half = next(point for point in unsure.curve if point.coverage == 0.5)
        if half.top_class is not None:
            text += f"; for the surest half of all films, in {_share(half.top_class)}"
        text += "."
    return text


def _label(metric: Metric) -> str:
    return f"{metric.label} ↓" if metric.lower_is_better else metric.label


def _share(found: Interval) -> str:
    return f"{100 * found.value:.1f}% ({100 * found.low:.1f}-{100 * found.high:.1f})"


def _number(found: Interval | None) -> str:
    return "" if found is None else f"{found.value:.3f}"


def _interval(found: Interval | None) -> str:
    return "" if found is None else f"{found.low:.3f}-{found.high:.3f}"
