"""Where a training is reported to while it runs: its own folder, TensorBoard, or a log of yours."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

from keyart.errors import RecipeError
from keyart.extras import extras
from keyart.files import write_json
from keyart.run import Run
from keyart.training.callbacks import Callbacks, Row, Step
from keyart.training.checkpoint import rows_done
from keyart.training.recipe_tables import Tables

LOGS = ("tensorboard",)
"""The names of the logs that keyart has."""

_PROGRESS_EVERY = 2.0  # seconds


class TrainingLog(Protocol):
    """Gets a training's epochs and metrics. Methods are called in the process that trains."""

    def start(self, name: str, settings: Mapping[str, object], epochs_done: int) -> None:
        """The training begins, or continues after `epochs_done` epochs.

        name: of the run's folder. settings: the keys of the recipe.
        """

    def epoch(self, number: int, row: Row) -> None:
        """An epoch has ended.

        number: from 1, through all stages of the training. row: its columns of history.csv.
        """

    def end(self, metrics: Mapping[str, float] | None) -> None:
        """The training has ended.

        metrics: on the test split; None if it was interrupted or failed.
        """


class TensorBoard:
    """Curves for TensorBoard: event files in a folder. Needs keyart[tensorboard]."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def start(self, name: str, settings: Mapping[str, object], epochs_done: int) -> None:
        """Open the event file. Epochs that are trained again replace those that were lost."""
        with extras():
            from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(self.folder), purge_step=epochs_done + 1)
        lines = "\n".join(f"    {key} = {value}" for key, value in settings.items())
        self._writer.add_text("recipe", lines, 0)

    def epoch(self, number: int, row: Row) -> None:
        """Add a point to each curve."""
        for column, value in row.items():
            if column != "epoch":
                split, _, metric = column.partition("_")
                curve = f"{metric}/{split}" if split in ("train", "validation") else column
                self._writer.add_scalar(curve, value, number)
        self._writer.flush()

    def end(self, metrics: Mapping[str, float] | None) -> None:
        """Add the metrics on the test split, and close the file."""
        for name, value in (metrics or {}).items():
            self._writer.add_scalar(f"test/{name}", value, 0)
        self._writer.close()


def open_logs(logs: Sequence[TrainingLog | str], run: Run) -> list[TrainingLog]:
    """The logs, those by name in the run's folder. Raises RecipeError for an unknown name."""
    opened: list[TrainingLog] = []
    for log in logs:
        if not isinstance(log, str):
            opened.append(log)
        elif log in LOGS:
            opened.append(TensorBoard(run.path / log))
        else:
            raise RecipeError(f"log: expected {' or '.join(LOGS)}, or an object, got {log!r}")
    return opened


@contextmanager
def reporting(
    run: Run, recipe: Tables, logs: Sequence[TrainingLog | str], callbacks: Callbacks
) -> Iterator[Callbacks]:
    """Yield callbacks that also report to the logs, and to progress.json in the run.

    The logs start with the first step, when the run is known to be this training's. Their end is
    the end of the block; the run has metrics then, unless it fails.
    """
    report = _Report(run, recipe, open_logs(logs, run))
    if run.is_finished:  # to resume it does nothing
        yield callbacks
        return

    def steps(step: Step) -> None:
        report.take(step)
        callbacks.steps(step)

    try:
        yield replace(callbacks, steps=steps)
    except BaseException:
        with suppress(Exception):  # of a log: the first error is the one to know
            report.end(None)
        raise
    found = run.metrics.split("test").model.metrics
    report.end({name: interval.value for name, interval in found.items() if interval is not None})


@contextmanager
def _named(log: TrainingLog, method: str) -> Iterator[None]:
    """An error also says which log it came from, and that the training is not lost."""
    try:
        yield
    except Exception as error:
        error.add_note(
            f"in {method} of the log {type(log).__name__}; the training is saved up to its last "
            "checkpoint, and resuming continues it"
        )
        raise


@dataclass
class _Report:
    """Reports the steps of one training."""

    run: Run
    recipe: Tables
    logs: Sequence[TrainingLog]
    done: int | None = None  # epochs; None before the first step
    started: list[TrainingLog] = field(default_factory=list)
    written: float = 0.0  # progress.json, on the monotonic clock

    def take(self, step: Step) -> None:
        if self.done is None:
            self._start(len(rows_done(self.run)))  # the first step has no row
        assert self.done is not None
        if step.row is not None:
            self.done += 1
            for log in self.logs:
                with _named(log, "epoch"):
                    log.epoch(self.done, step.row)
        now = time.monotonic()
        if step.row is not None or now - self.written >= _PROGRESS_EVERY:
            self.written = now
            write_json(self.run.progress_path, {**asdict(step), "row": None, "at": time.time()})

    def _start(self, done: int) -> None:
        self.done = done
        for log in self.logs:
            with _named(log, "start"):
                log.start(self.run.name, self.recipe.settings(), done)
            self.started.append(log)

    def end(self, metrics: Mapping[str, float] | None) -> None:
        if self.done is None and metrics is not None:
            self._start(0)  # a classical model has no steps
        if self.done is None:
            return
        self.run.progress_path.unlink(missing_ok=True)
        with ExitStack() as every:  # whatever another one raises
            for log in reversed(self.started):
                every.callback(self._end, log, metrics)

    def _end(self, log: TrainingLog, metrics: Mapping[str, float] | None) -> None:
        with _named(log, "end"):
            log.end(metrics)
