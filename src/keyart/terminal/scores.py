"""What `keyart evaluate` prints: figures beside constant guesses, and two models side by side."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

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
    from keyart.report.glossary import aim

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
    from keyart.report.glossary import GLOSSARY

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
        if (split := found["splits"][whose]) != "catalog":
            console.print(
                f"{name} has a {split} split: it may know near-duplicates of these films",
                soft_wrap=True,
            )
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
