"""What commands print about a training while it runs, and about an ensemble."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.table import Table

from keyart.terminal.progress import clock, progress

if TYPE_CHECKING:
    from keyart.ensemble.make import Ensemble
    from keyart.training.callbacks import Callbacks, Step


def show_ensemble(ensemble: "Ensemble") -> None:
    """Print each member's weight and log loss, and the log loss of the average."""
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
def watch_training(*, quiet: bool) -> Iterator["Callbacks"]:
    """Yield callbacks that draw a bar on a terminal, and print one line per epoch elsewhere."""
    from keyart.training.callbacks import Callbacks

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
            yield Callbacks(_PixelBar(bar), _TrainingBar(bar, console), say)
    else:
        with progress("pixels", quiet=quiet) as pixels:
            yield Callbacks(pixels, (lambda step: None) if quiet else _Lines(console), say)


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
    """Epoch, loss, learning rate and time left; a line per epoch stays above it."""

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
