"""What a row of the comparison scored: read from its run, or computed for a constant guess."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keyart.catalog.catalog import Catalog
from keyart.catalog.split import SPLITS
from keyart.evaluation import metrics
from keyart.evaluation.baselines import Baseline
from keyart.evaluation.scoring import score_split
from keyart.genres import Vocabulary
from keyart.milestone.metrics import HALF, STUDY_METRICS, StudyMetrics, Sweep, study_metrics, sweep
from keyart.model_metrics import Interval, ModelMetrics
from keyart.run import Run


@dataclass(frozen=True)
class Finished:
    """The test split of a row by the study's metrics, at a threshold of 0.5.

    model: the metrics that have intervals. validated: the label accuracy on test at the threshold
    that is best on validation, and that threshold. films: of each split; images for a row that
    copies films before it splits them. notes: what its run says about genres.
    """

    study: StudyMetrics
    model: ModelMetrics
    validated: tuple[float, float]
    swept: Sweep
    films: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def genres(self) -> tuple[str, ...]:
        """The names of the genres."""
        return tuple(self.model.genres)

    @property
    def true(self) -> tuple[int, ...]:
        """How many test films have each genre."""
        return tuple(genre.true for genre in self.model.genres.values())

    @property
    def most_frequent(self) -> float:
        """The top class of always predicting the most frequent genre of the test split."""
        return max(self.true) / self.films["test"]

    def value(self, metric: str) -> float | None:
        """The metric of this name, one of TABLE."""
        if metric in STUDY_METRICS:
            return self.study[metric]
        found = self.model[metric]
        return found.value if found else None

    def interval(self, metric: str) -> Interval | None:
        """Its 95% confidence interval, if it has one."""
        return self.model.metrics.get(metric)


@dataclass(frozen=True)
class _Split:
    """scores, truth: (films, genres). groups: (films,)."""

    scores: npt.NDArray[np.float64]
    truth: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.object_]


def read_finished(run: Run, *, calibrated: bool = False) -> Finished:
    """The study's metrics of a finished run, from its predictions. Raises RunError, BundleError.

    calibrated: whether to use calibrated scores. The study had no calibration.
    """
    table, calibration = run.metrics, run.bundle.calibration

    def split(name: str) -> _Split:
        films = run.predictions(name)
        scores = films.scores if calibrated else calibration.undo(films.scores)
        return _Split(scores, films.truth, np.array(films.groups, dtype=object))

    vocabulary = Vocabulary(table.vocabulary)
    return _finished(split("validation"), split("test"), vocabulary, table.films, table.notes)


def guess_finished(guess: Baseline, catalog: Catalog) -> Finished:
    """The study's metrics of a constant guess. It needs no run."""

    def split(name: str) -> _Split:
        rows = catalog.rows(name)
        return _Split(guess.predict(len(rows))[0], catalog.truth[rows], catalog.groups[rows])

    films = {name: len(catalog.rows(name)) for name in SPLITS}
    return _finished(split("validation"), split("test"), catalog.vocabulary, films)


def _finished(
    validation: _Split,
    test: _Split,
    vocabulary: Vocabulary,
    films: Mapping[str, int],
    notes: tuple[str, ...] = (),
) -> Finished:
    thresholds = np.full(len(vocabulary), HALF)
    scored = score_split(test.scores, test.truth, thresholds, test.groups, vocabulary, {})
    chosen = sweep(validation.scores, validation.truth)
    threshold = float(chosen.thresholds[chosen.best])
    accuracy = float(metrics.label_accuracy(test.scores >= threshold, test.truth))
    return Finished(
        study=study_metrics(test.scores, test.truth),
        model=scored.model,
        validated=(accuracy, threshold),
        swept=sweep(test.scores, test.truth),
        films=films,
        notes=notes,
    )
