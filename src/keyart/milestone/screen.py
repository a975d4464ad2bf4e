"""What `keyart milestone` prints: the plan before it starts, the table when it ends."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from keyart.milestone.plan import Planned
from keyart.milestone.published import BESIDE
from keyart.milestone.results import Result, leak_sentences
from keyart.milestone.rows import Row
from keyart.terminal.progress import clock

_COLUMNS = {
    "top_class": "top\nclass",
    "label_accuracy": "label\naccuracy",
    "null": "of\nnothing",
    "hamming_loss": "Hamming",
    "precision": "precision",
    "recall": "recall",
    "mean_average_precision": "mAP",
}


def show_plan(planned: Sequence[Planned], done: Sequence[Row], console: Console) -> None:
    """A line a row: what it runs, for how long. The times are those of two idle cores."""
    table = Table(box=None, pad_edge=False, title="The plan", title_justify="left")
    for column in ("row", "epochs", "images", "size", "about"):
        table.add_column(column, justify="left" if column == "row" else "right", no_wrap=True)
    left = 0.0
    for one in planned:
        recipe = one.recipe
        size = f"{recipe.data.height}x{recipe.data.width}" if recipe else ""
        images = f"{one.images:,}" if recipe else ""
        epochs = "" if one.epochs is None else str(one.epochs)
        if one.row in done:
            about = "at once" if one.row.kind == "guess" else "done"
        elif one.why:
            about = "not run"
        else:
            about = clock(one.seconds)
            left += one.seconds
        table.add_row(one.row.name, epochs, images, size, about)
    console.print(table)
    for one in planned:
        if one.why and one.row not in done:
            console.print(f"{one.row.name} is not run: {one.why}", soft_wrap=True)
    console.print(
        f"About {clock(left)} on two idle cores. --epochs, --full and --set change it.",
        soft_wrap=True,
    )


def show_results(results: Sequence[Result]) -> None:
    """Every row beside the study's own figures, and what the leak is worth."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("row", no_wrap=True)
    for column in _COLUMNS.values():
        table.add_column(column, justify="right", min_width=6)
    reasons = []
    for result in results:
        if result.finished is None:
            reasons.append(f"{result.row.name} not run: {result.why}")
            continue
        table.add_row(result.row.name, *(_number(result.figure(name)) for name in _COLUMNS))
        for text in BESIDE.get(result.row.name, ()):
            cells = (_number(text.figures.get(name)) for name in _COLUMNS)
            table.add_row(f"  study, {text.short}", *cells, style="dim")
    console.print(table)
    for reason in reasons:
        console.print(reason, soft_wrap=True)
    for sentence in leak_sentences(results) or ():
        console.print(sentence, soft_wrap=True)


def show_json(told: Mapping[str, Any]) -> None:
    """The same for a program: what results.json holds."""
    json.dump(told, sys.stdout, indent=2, ensure_ascii=False)
    print()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
