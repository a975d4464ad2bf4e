"""What a report finds in a run, and which sentence says what is missing."""

from dataclasses import dataclass
from typing import Self

from keyart.files import StrPath
from keyart.metric_table import MetricTable, SplitMetrics
from keyart.run import History, Run, ScoredFilms

_SPLITS = ("test", "validation", "train")  # a report is about the first of them that was scored
_ONE_STEP = ("validation_loss", "validation_mean_average_precision")  # columns of a history


@dataclass(frozen=True)
class Contents:
    """The contents of a run; None for what it does not have. split_name: what is reported on."""

    run: Run
    name: str
    metrics: MetricTable | None
    split_name: str
    films: ScoredFilms | None
    history: History | None
    recipe: str | None
    is_ensemble: bool

    @classmethod
    def read(cls, path: StrPath) -> Self:
        """Read a run. Raises RunError if it is not a run, or if something in it is damaged."""
        run = Run.open(path)
        metrics = run.metrics if run.metrics_path.is_file() else None
        scored = metrics.splits if metrics else {}
        split = next((name for name in _SPLITS if name in scored), _SPLITS[0])
        has_films = metrics is not None and run.predictions_path(split).is_file()
        has_recipe = run.recipe_path.is_file()
        return cls(
            run=run,
            name=metrics.name if metrics else run.name,
            metrics=metrics,
            split_name=split,
            films=run.predictions(split) if has_films else None,
            history=run.history,
            recipe=run.recipe_text if has_recipe else None,
            is_ensemble=has_recipe and "ensemble" in run.recipe,
        )

    @property
    def split(self) -> SplitMetrics | None:
        """The metrics of the split that is reported on."""
        return self.metrics.splits.get(self.split_name) if self.metrics else None

    @property
    def no_metrics(self) -> str:
        """Why there are no metrics; empty if there are."""
        if self.metrics is None:
            return f"{self.name} has no metrics yet."
        return "" if self.split else f"No split of {self.name} was scored."

    @property
    def no_films(self) -> str:
        """Why there is nothing to say about single films; empty if there is."""
        if self.no_metrics or self.films:
            return self.no_metrics
        return f"{self.name} has no predictions on the {self.split_name} split yet."

    @property
    def no_history(self) -> str:
        """Why there are no learning curves; empty if there are."""
        if self.is_ensemble:
            return f"{self.name} was not trained. It averages other runs; see their reports."
        if self.history is None:
            return f"{self.name} has not finished an epoch yet."
        if not self.is_one_step:
            return ""
        loss, found = (self.history[column][0] for column in _ONE_STEP)
        return (
            f"{self.name} was not trained in several epochs, so there are no curves. On the "
            f"validation films its loss is {loss:.4f} and its mAP {found:.3f}."
        )

    @property
    def is_one_step(self) -> bool:
        """Whether it is finished after a single epoch, of which there is no curve to draw."""
        return (
            self.metrics is not None
            and self.history is not None
            and all(len(self.history.get(column, ())) == 1 for column in _ONE_STEP)
        )

    @property
    def no_recipe(self) -> str:
        """Why there is no recipe; empty if there is."""
        return "" if self.recipe else f"{self.name} has no recipe."
