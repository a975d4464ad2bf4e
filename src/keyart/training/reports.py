"""What workers of a training report to the process that started them, and how it tells it on.

A report is a dictionary that JSON can hold: of a step, of posters that are prepared, a message, or
a failure.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from keyart import errors
from keyart.errors import KeyartError, TrainingError, one_line
from keyart.training.callbacks import Callbacks, Row, Step

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """What workers are to train. catalog, run: absolute paths. recipe: as TOML."""

    catalog: str
    recipe: str
    run: str


def sending(send: Callable[[Report], None]) -> Callbacks:
    """Callbacks that send reports."""
    return Callbacks(
        posters=lambda done, total: send({"posters": (done, total)}),
        steps=lambda step: send({"step": asdict(step)}),
        message=lambda sentence: send({"message": sentence}),
    )


def failure(error: Exception) -> Report:
    """The report of an error."""
    if isinstance(error, OSError) and not isinstance(error, KeyartError) and error.errno:
        return {"failure": "OSError", "errno": error.errno, "file": str(error.filename or "")}
    return {"failure": type(error).__name__, "message": one_line(error)}


def error_of(rank: int, report: Report) -> KeyartError | OSError:
    """The error that a worker's report of a failure stands for."""
    name = str(report["failure"])
    if name == "OSError":
        return OSError(report["errno"], os.strerror(report["errno"]), report["file"] or None)
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, KeyartError):
        where = f"worker {rank}: " if rank else ""
        return kind(where + report["message"])
    return TrainingError(f"worker {rank}: {name}: {report['message']}")


class Teller:
    """Passes reports to callbacks. Epochs that are trained again after a loss are passed once."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._told: list[Row] = []

    def tell(self, report: Report) -> None:
        """Call the function that a report is for."""
        if "step" in report:
            step = Step(**report["step"])
            if step.row is not None:
                row = {**step.row, "seconds": 0.0}
                if row in self._told:
                    return
                self._told.append(row)
            self._callbacks.steps(step)
        elif "posters" in report:
            self._callbacks.posters(*report["posters"])
        else:
            self._callbacks.message(report["message"])
