"""What a row of the comparison scored: read from its run, or computed of a constant guess."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keyart.bundle import read_bundle
from keyart.evaluation import metrics
from keyart.evaluation.metrics import Flags
from keyart.evaluation.ranking import Floats
from keyart.evaluation.scoring import score_split
from keyart.genres import Vocabulary
from keyart.metric_table import intervals_to_json
from keyart.milestone.scores import HALF, StudyScores, Sweep, study_scores, sweep
from keyart.report.glossary import Found
from keyart.run import Run

# As `StudyScores` and the study call them, and as `score_split` does.
_SCORED = {
    "top_class": "top_class",
    "label_accuracy": "label_accuracy",
    "hamming_loss": "hamming_loss",
    "precision": "precision_samples",
    "recall": "recall_samples",
    "mean_average_precision": "mean_average_precision",
}


@dataclass(frozen=True)
class Finished:
    """A row's test part by the study's scores, at a threshold of 0.5.

    intervals: of figures that have one, with 95% intervals over groups. validated: the label
    accuracy on test at the threshold that is best on validation, and that threshold. counts: films
    that have each genre. films: of training, validation and test, images where it copied them.
    notes: what its run says of genres that fell back.
    """

    genres: tuple[str, ...]
    scores: StudyScores
    intervals: Mapping[str, Found]
    validated: tuple[float, float]
    swept: Sweep
    counts: tuple[int, ...]
    films: tuple[int, int, int]
    notes: tuple[str, ...] = ()

    @property
    def guess(self) -> float:
        """How often the genre that most test films have is right, said of all of them."""
        return max(self.counts) / self.films[2]


@dataclass(frozen=True)
class Part:
    """scores, truth: (films, genres). groups: (films,)."""

    scores: Floats
    truth: Flags
    groups: npt.NDArray[np.object_]


def read_finished(run: Path, *, calibrated: bool = False) -> Finished:
    """The study's scores of a finished run, from its predictions. Raises RunError, BundleError.

    calibrated: of its calibrated scores; else of those before, as the study took them.
    """
    table = Run(run).metrics
    vocabulary = Vocabulary(table.vocabulary)
    calibration = read_bundle(run / "bundle").calibration

    def part(name: str) -> Part:
        found = Run(run).predictions(name)
        groups = np.array(found.groups, dtype=object)
        scores = found.scores if calibrated else calibration.undo(found.scores)
        return Part(scores, found.truth, groups)

    films = table.films
    sizes = (films["train"], films["validation"], films["test"])
    found = scored(part("validation"), part("test"), vocabulary, sizes)
    return replace(found, notes=table.notes)


def scored(
    validation: Part, test: Part, vocabulary: Vocabulary, films: tuple[int, int, int]
) -> Finished:
    """The study's scores of a test part, with the threshold that validation would choose."""
    split = score_split(
        test.scores,
        test.truth,
        np.full(len(vocabulary), HALF),
        test.groups,
        vocabulary,
        {},
    )
    figures = intervals_to_json(split.model.metrics)
    chosen = sweep(validation.scores, validation.truth)
    threshold = float(chosen.thresholds[chosen.best])
    accuracy = float(metrics.label_accuracy(test.scores >= threshold, test.truth))
    return Finished(
        genres=vocabulary.names,
        scores=study_scores(test.scores, test.truth),
        intervals={name: figures[known] for name, known in _SCORED.items()},
        validated=(accuracy, threshold),
        swept=sweep(test.scores, test.truth),
        counts=tuple(int(count) for count in test.truth.sum(axis=0)),
        films=films,
    )
