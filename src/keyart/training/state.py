"""The loop's state between two epochs, and how the result of an epoch changes it."""

from dataclasses import dataclass, field

from keyart.training.callbacks import Row
from keyart.training.recipe import Recipe


@dataclass
class LoopState:
    """The loop's state apart from tensors. history: one row per epoch, oldest first."""

    epochs_done: int = 0
    best: float | None = None  # of what is monitored
    best_epoch: int = 0
    waited: int = 0  # epochs since the best, or since the last cut
    stale: int = 0  # epochs since the best
    rate_factor: float = 1.0
    stopped: bool = False
    history: list[Row] = field(default_factory=list)

    def take(self, row: Row, recipe: Recipe) -> None:
        """Add the row of a finished epoch: the best so far, a plateau cut, early stopping."""
        self.epochs_done += 1
        self.history.append(row)
        value = monitored(row, recipe)
        if self.best is None or value < self.best - recipe.ending.min_delta:
            self.best, self.best_epoch = value, self.epochs_done
            self.waited = self.stale = 0
        else:
            self.waited += 1
            self.stale += 1
        optimisation = recipe.optimisation
        if optimisation.schedule == "plateau" and self.waited >= optimisation.plateau_patience:
            lowest = optimisation.final_learning_rate / optimisation.learning_rate
            self.rate_factor = max(lowest, self.rate_factor * optimisation.plateau_factor)
            self.waited = 0
        patience = recipe.ending.early_stopping_patience
        self.stopped = patience is not None and self.stale >= patience


def monitored(row: Row, recipe: Recipe) -> float:
    """The validation metric that decides which epoch is best, as a loss: lower is better."""
    if recipe.ending.monitor == "map":
        return -row["validation_mean_average_precision"]
    return row["validation_loss"]
