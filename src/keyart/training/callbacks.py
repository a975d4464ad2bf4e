"""Functions that a training calls while it runs."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

Row = dict[str, float]
"""The row of history.csv of one epoch, by column."""

_log = logging.getLogger("keyart.training")


@dataclass(frozen=True)
class Step:
    """The state after a step. row: the epoch's row of history.csv, after its last step."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    learning_rate: float
    row: Row | None = None


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Callbacks:
    """Functions that a training calls; the default is to log messages and to ignore the rest.

    posters: with (done, total) while posters are prepared. steps: with each Step. message: with
    sentences for people.

        keyart.train(catalog, out="run", callbacks=Callbacks(steps=lambda step: print(step.loss)))
    """

    posters: Callable[[int, int], None] = _ignore
    steps: Callable[[Step], None] = _ignore
    message: Callable[[str], None] = _log.info
