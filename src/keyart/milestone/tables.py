"""What `keyart milestone` prints: the plan before it starts, and a table when it ends."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from keyart.milestone.experiment import Callbacks
from keyart.milestone.metrics import describe
from keyart.milestone.plan import Planned
from keyart.milestone.results import Result, leak_sentences
from keyart.terminal.progress import clock
from keyart.terminal.training import watch_training

# A terminal has 80 columns.
_SHOWN = (
    "top_class", "label_accuracy", "nothing", "hamming_loss", "precision_samples",
    "recall_samples", "mean_average_precision",
)  # fmt: skip


def printing(*, quiet: bool) -> Callbacks:
    """Callbacks that print on standard error what a milestone does."""
    console = Console(stderr=True, highlight=False, quiet=quiet)
    return Callbacks(
        plan=lambda planned: show_plan(planned, console),
        begin=lambda row: console.print(f"\n[bold]{row.name}[/]: {row.what}", soft_wrap=True),
        not_run=lambda row, why: console.print(
            f"[bold]{row.name}[/] was not run: {why}", soft_wrap=True
        ),
        training=lambda: watch_training(quiet=quiet),
    )


def show_plan(planned: Sequence[Planned], console: Console) -> None:
    """Print what each row runs, and for how long on two idle cores."""
    table = Table(box=None, pad_edge=False, title="The plan", title_justify="left")
    for column in ("row", "epochs", "images", "size", "about"):
        table.add_column(column, justify="left" if column == "row" else "right", no_wrap=True)
    for one in planned:
        recipe = one.recipe
        table.add_row(
            one.row.name,
            "" if one.epochs is None else str(one.epochs),
            f"{one.images:,}" if recipe else "",
            f"{recipe.data.height}x{recipe.data.width}" if recipe else "",
            _time(one),
        )
    console.print(table)
    seconds = sum(one.seconds for one in planned if not one.done and not one.why)
    console.print(
        f"About {clock(seconds)} on two idle cores. Change it with --epochs, --full and --set.",
        soft_wrap=True,
    )


def show_results(results: Sequence[Result]) -> None:
    """Print every row next to the study's own metrics, and what the leak is worth."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column("row", no_wrap=True)
    for name in _SHOWN:
        table.add_column(describe(name).label, justify="right")
    not_run: dict[str, list[str]] = {}
    for result in results:
        if result.finished is None:
            not_run.setdefault(result.why, []).append(result.row.name)
            continue
        table.add_row(result.row.name, *(_number(result.value(name)) for name in _SHOWN))
        for text in result.published:
            cells = (_number(text.metrics.get(name)) for name in _SHOWN)
            table.add_row(f"  study, {text.short}", *cells, style="dim")
    console.print(table)
    for why, names in not_run.items():
        console.print(f"Not run: {', '.join(names)}; {why}", soft_wrap=True)
    for sentence in leak_sentences(results):
        console.print(sentence, soft_wrap=True)


def _time(planned: Planned) -> str:
    if planned.done:
        return "at once" if planned.row.kind == "guess" else "done"
    return "not run" if planned.why else clock(planned.seconds)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
