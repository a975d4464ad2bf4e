"""What commands print for people: catalogs, scores, and a training as it goes."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.table import Table

from keyart.progress import clock, progress

if TYPE_CHECKING:
    from keyart.catalog.table import Catalog
    from keyart.explain import Explanation
    from keyart.similar import Similar
    from keyart.training.ensemble import Ensemble
    from keyart.training.loop import Progress as Step
    from keyart.training.run import Watcher
    from keyart.twins import Twins

# The figures that `evaluate` prints, best known first, with the names people call them by.
FIGURES = {
    "mean_average_precision": "mAP",
    "micro_average_precision": "micro AP",
    "mean_roc_auc": "mean ROC AUC",
    "top_class": "top class is right",
    "top_three": "one of top three is right",
    "f1_micro": "micro F1",
    "f1_macro": "macro F1",
    "precision_micro": "micro precision",
    "recall_micro": "micro recall",
    "f1_samples": "F1 by film",
    "precision_samples": "precision by film",
    "recall_samples": "recall by film",
    "ranking_loss": "ranking loss, less is better",
    "expected_calibration_error": "calibration error, less",
    "brier": "Brier, less",
    "hamming_loss": "Hamming loss, less",
    "label_accuracy": "label accuracy",
}
BASELINES = {
    "nothing": "nothing",
    "genre_rates": "genre rates",
    "most_frequent": "most frequent",
}


def show_scores(metrics: Mapping[str, Any], split: str, *, as_json: bool = False) -> None:
    """Print one part's figures, with 95% intervals, beside the constant guesses."""
    from keyart.evaluation.glossary import aim

    scored = metrics["splits"][split]
    if as_json:
        json.dump(scored, sys.stdout, indent=2)
        print()
        return
    console = Console(highlight=False)
    table = Table(
        title=f"{metrics['name']}: {scored['films']:,} films of the {split} part, thresholds "
        f"{aim(metrics.get('thresholds', 'f1'))}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    table.add_column("model", justify="right", style="bold")
    table.add_column("95% interval", justify="right", style="dim", no_wrap=True)
    for name in BASELINES.values():
        table.add_column(name, justify="right")
    for figure, label in FIGURES.items():
        row = scored["model"]["figures"][figure]
        guesses = [scored["baselines"][b]["figures"][figure] for b in BASELINES]
        table.add_row(label, _number(row), _interval(row), *map(_number, guesses))
    console.print(table)
    console.print()
    console.print(_unsure(scored["films"], scored["model"]["unsure"]), soft_wrap=True)
    console.print()
    # As narrow as it can be: a terminal has 80 columns.
    genres = Table(box=None, pad_edge=False, padding=(0, 0, 0, 1))
    columns = ("genre", "AP", "95%\ninterval", "guess", "AUC", "F1", "pre-\ncision", "thres-\nhold")
    for column in columns:
        genres.add_column(column, justify="left" if column == "genre" else "right", no_wrap=True)
    genres.add_column("said", justify="right")
    genres.add_column("true", justify="right")
    guess = scored["baselines"]["genre_rates"]["genres"]
    for name, row in scored["model"]["genres"].items():
        genres.add_row(
            name,
            _number(row["average_precision"]),
            _interval(row["average_precision"]),
            _number(guess[name]["average_precision"]),
            _number(row["roc_auc"]),
            _number(row["f1"]),
            _number(row["precision"]),
            "" if row["threshold"] is None else f"{row['threshold']:.2f}",
            f"{row['predicted']:,}",
            f"{row['true']:,}",
        )
    console.print(genres)


def show_comparison(found: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Print how one model's figures differ from another's, and whether that could be chance."""
    from keyart.evaluation.glossary import GLOSSARY

    if as_json:
        json.dump(found, sys.stdout, indent=2)
        print()
        return
    console = Console(highlight=False)
    console.print(
        f"[bold]{found['run']}[/] against [bold]{found['against']}[/]: {found['films']:,} films "
        f"of the {found['part']} part",
        soft_wrap=True,
    )
    for whose, name in (("run", found["run"]), ("against", found["against"])):
        if left_out := found["left_out"][whose]:
            console.print(f"left out: {left_out:,} films of {name} alone", soft_wrap=True)
    rows = {label: (found["figures"][name], name) for name, label in FIGURES.items()}
    verdicts = [_verdict(row, low=GLOSSARY[name].low) for row, name in rows.values()]
    _comparison_table(
        console, [(label, row) for label, (row, _) in rows.items()], verdicts, "figure"
    )
    genres = [(name, row["average_precision"]) for name, row in found["genres"].items()]
    verdicts_ = [_verdict(row, low=False) for _, row in genres]
    console.print()
    _comparison_table(console, genres, verdicts_, "AP of genre")
    console.print()
    console.print(_conclusion(found, sum("real" in verdict for verdict in verdicts), len(rows)))


def _comparison_table(
    console: Console,
    rows: Sequence[tuple[str, Mapping[str, Any] | None]],
    verdicts: Sequence[str],
    title: str,
) -> None:
    # As narrow as it can be: a terminal has 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 1))
    for column in (title, "run", "against", "differs", "95% interval", "which is"):
        left = column in (title, "which is")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for (label, row), verdict in zip(rows, verdicts, strict=True):
        if row is None:
            table.add_row(label, "", "", "", "", "unknown")
            continue
        colour = {"real, better": "green", "real, worse": "red"}.get(verdict, "dim")
        table.add_row(
            label.removesuffix(", less is better").removesuffix(", less"),
            f"{row['run']:.3f}",
            f"{row['against']:.3f}",
            f"{row['value']:+.3f}",
            f"{row['low']:+.3f} to {row['high']:+.3f}",
            f"[{colour}]{verdict}[/]",
        )
    console.print(table)


def _verdict(row: Mapping[str, Any] | None, *, low: bool) -> str:
    """Whether a difference is real and for the better. low: whether less is better."""
    if row is None:
        return "unknown"
    if not row["real"]:
        return "none" if row["low"] == row["high"] == 0 else "could be chance"
    return "real, better" if (row["value"] < 0) == low else "real, worse"


def _conclusion(found: Mapping[str, Any], real: int, figures: int) -> str:
    """The comparison in two sentences, by mAP."""
    row = found["figures"]["mean_average_precision"]
    verdict = _verdict(row, low=False)
    told = f"{real} of {figures} figures differ really; of equal models about one in twenty would."
    if row is None or verdict == "none":
        return f"In mAP they do not differ. {told}"
    by = f"{abs(row['value']):.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
    if verdict == "could be chance":
        return f"The difference in mAP, {by}, could be chance. {told}"
    better = verdict.removeprefix("real, ")
    return f"{found['run']} is really {better} in mAP than {found['against']}, by {by}. {told}"


def _unsure(films: int, unsure: Mapping[str, Any]) -> str:
    """How many films get no genre, and how right the others and the surest half are."""
    told = f"Unsure of {unsure['films']:,} of {films:,} films, whose scores clear no threshold."
    right = unsure["others"]["top_class"]
    if right is not None:
        told += f" Of the others the surest genre is right for {_share(right)}"
        half = next(point for point in unsure["curve"] if point["coverage"] == 0.5)
        told += f"; of the surest half of all films for {_share(half['top_class'])}."
    return told


def _share(figure: Mapping[str, float]) -> str:
    low, high = (f"{100 * figure[end]:.1f}" for end in ("low", "high"))
    return f"{100 * figure['value']:.1f}% ({low}-{high})"


def _number(figure: Mapping[str, float] | None) -> str:
    return "" if figure is None else f"{figure['value']:.3f}"


def _interval(figure: Mapping[str, float] | None) -> str:
    return "" if figure is None else f"{figure['low']:.3f}-{figure['high']:.3f}"


def show_ensemble(ensemble: "Ensemble") -> None:
    """Print what was averaged, with each member's weight and log loss beside the average's."""
    table = Table(box=None, pad_edge=False)
    for column in ("member", "weight", "validation log loss"):
        table.add_column(column, justify="left" if column == "member" else "right", no_wrap=True)
    for name, weight, loss in zip(ensemble.names, ensemble.weights, ensemble.losses, strict=True):
        table.add_row(name, f"{weight:.3f}", f"{loss:.4f}")
    how = "weights learned on validation films" if ensemble.learned else "equal weights"
    table.add_row(f"average, {how}", "", f"{ensemble.loss:.4f}", style="bold")
    console = Console(highlight=False)
    console.print(table)
    console.print()


@contextmanager
def watch_training(*, quiet: bool) -> Iterator["Watcher"]:
    """Yield a Watcher that draws a bar on a terminal and prints a line an epoch elsewhere."""
    from keyart.training.run import Watcher

    console = Console(stderr=True, highlight=False)

    def say(sentence: str) -> None:
        if not quiet:
            console.print(sentence)

    if console.is_terminal and not quiet:
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[facts]}"),
            console=console,
            transient=True,
        )
        with bar:
            yield Watcher(_PixelBar(bar), _TrainingBar(bar, console), say)
    else:
        with progress("pixels", quiet=quiet) as pixels:
            yield Watcher(pixels, (lambda step: None) if quiet else _Lines(console), say)


class _PixelBar:
    """Posters decoded; gone once all are."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._bar.add_task("pixels", total=total, facts="")
        self._bar.update(self._task, completed=done, facts=f"{done:,} of {total:,} posters")
        if done == total:
            self._bar.remove_task(self._task)


class _TrainingBar:
    """Epoch, loss, rate and time left; a line an epoch stays above it."""

    def __init__(self, bar: Progress, console: Console) -> None:
        self._bar, self._console = bar, console
        self._task: TaskID | None = None
        self._left = _TimeLeft()

    def __call__(self, step: "Step") -> None:
        done, total = (step.epoch - 1) * step.steps + step.step, step.epochs * step.steps
        if self._task is None:
            self._task = self._bar.add_task("training", total=total, facts="")
        self._bar.update(
            self._task,
            completed=done,
            description=f"epoch {step.epoch} of {step.epochs}",
            facts=(
                f"loss {step.loss:.4f}  rate {step.learning_rate:.1e}  {self._left(done, total)}"
            ),
        )
        if step.row is not None:
            self._console.print(_epoch_line(step), soft_wrap=True)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._left = _TimeLeft()

    def __call__(self, step: "Step") -> None:
        left = self._left((step.epoch - 1) * step.steps + step.step, step.epochs * step.steps)
        if step.row is not None:
            self._console.print(f"{_epoch_line(step)}  {left}", soft_wrap=True)


class _TimeLeft:
    """The time left, from the steps seen so far (a resumed training starts in the middle)."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int) -> str:
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
        started, skipped = self._first
        if done == skipped:
            return ""
        return f"{clock((now - started) / (done - skipped) * (total - done))} left"


def _epoch_line(step: "Step") -> str:
    assert step.row is not None
    row = step.row
    return (
        f"epoch {step.epoch:>3} of {step.epochs}  loss {row['train_loss']:.4f}  "
        f"validation: loss {row['validation_loss']:.4f}, "
        f"mAP {row['validation_mean_average_precision']:.3f}, "
        f"top class {row['validation_top_class']:.3f}  ({clock(row['seconds'])})"
    )


def show_catalog(catalog: "Catalog", *, as_json: bool = False) -> None:
    """Print a catalog's counts by genre and part, its years, groups and rejections."""
    from keyart.catalog.show import summarise

    summary = summarise(catalog)
    if as_json:
        json.dump(summary.to_json(), sys.stdout, indent=2, ensure_ascii=False)
        print()
        return
    console = Console(highlight=False)
    console.print(
        f"[bold]{summary.path}[/]: {summary.films:,} films, {summary.megabytes:,.0f} MB, "
        f"fingerprint {summary.fingerprint[:12]}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for column in ("genre", "films", "share", *summary.parts):
        table.add_column(column, justify="left" if column == "genre" else "right", no_wrap=True)
    for name, parts in summary.genres.items():
        films = sum(parts.values())
        counts = [f"{count:,}" for count in parts.values()]
        table.add_row(name, f"{films:,}", f"{films / summary.films:.1%}", *counts)
    totals = [f"{count:,}" for count in summary.parts.values()]
    table.add_row("all", f"{summary.films:,}", "", *totals, style="bold")
    console.print(table)
    small, large = summary.smallest, summary.largest
    console.print(f"posters   {small[0]}x{small[1]} to {large[0]}x{large[1]} pixels")
    years = "  ".join(f"{decade} {count:,}" for decade, count in summary.decades.items())
    console.print(f"years     {years}", soft_wrap=True)
    biggest = f", the largest {len(summary.largest_groups[0])}" if summary.largest_groups else ""
    console.print(
        f"groups    {summary.groups:,} of near-duplicate posters, with "
        f"{summary.grouped_films:,} films{biggest}"
    )
    console.print(f"rejected  {sum(summary.rejections.values()):,} (rejections.csv lists them)")
    for reason, count in summary.rejections.items():
        console.print(f"            {count:>6,}  {reason}", soft_wrap=True)
    if summary.unmapped:
        console.print("genres that map to nothing in the vocabulary")
        for name, count in summary.unmapped.items():
            hint = summary.suggestions.get(name)
            console.print(f"            {count:>6,}  {name}" + (f" ({hint}?)" if hint else ""))
    for note in summary.notes:
        console.print(f"note      {note}", soft_wrap=True)


def show_explanations(explanations: Sequence["Explanation"]) -> None:
    """Print, for each genre, its score and where on the poster it comes from."""
    console = Console(highlight=False)
    for one in explanations:
        verdict = "answered" if one.score >= one.threshold else "not answered"
        console.print(
            f"[bold]{one.genre}[/]  {one.score:.0%} ({verdict}, threshold {one.threshold:.0%}), "
            f"mostly from the {one.where}"
            if one.where != "nowhere in particular"
            else f"[bold]{one.genre}[/]  {one.score:.0%}, from nowhere in particular",
            soft_wrap=True,
        )


def show_similar(similar: Sequence["Similar"]) -> None:
    """Print known films whose posters are like the one asked about, most similar first."""
    table = Table(box=None, pad_edge=False)
    for column in ("likeness", "film", "title", "year", "genres"):
        table.add_column(column, justify="right" if column == "likeness" else "left")
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
