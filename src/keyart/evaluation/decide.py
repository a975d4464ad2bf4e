"""From logits to genres: calibration and thresholds, both fitted on the validation split only."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from keyart.bundle import Bundle, Decisions
from keyart.calibration import Calibration
from keyart.evaluation.calibrators import fit_calibration
from keyart.evaluation.thresholds import Criterion, choose_thresholds
from keyart.genres import Vocabulary

PRECISIONS = tuple(percent / 100 for percent in range(50, 100, 5))
"""The precisions that a bundle has thresholds for: 0.5 to 0.95."""

_THRESHOLD = ": threshold: "  # in notes, between the genre and the reason


@dataclass(frozen=True)
class Decision:
    """Calibration and thresholds, with how they were found.

    thresholds: (genres,), chosen for `criterion`. notes: what fell back, and why.
    precision_thresholds: for each of PRECISIONS the thresholds (genres,) that reach it; a genre
    that cannot reach it is never predicted, and has 1. Empty if they were never chosen.
    """

    calibration: Calibration
    thresholds: npt.NDArray[np.float64]
    notes: tuple[str, ...]
    criterion: Criterion | float = "f1"
    precision_thresholds: Mapping[float, npt.NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: Bundle) -> "Decision":
        """The decision that a saved model keeps."""
        return cls(
            bundle.calibration,
            bundle.thresholds,
            tuple(bundle.provenance.get("notes", ())),
            bundle.provenance.get("thresholds", "f1"),
            bundle.precision_thresholds,
        )

    @property
    def decisions(self) -> Decisions:
        """What a bundle keeps to decide with."""
        return Decisions(self.calibration, self.thresholds, self.precision_thresholds)


def decide(
    logits: npt.NDArray[np.float32],
    truth: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.object_],
    vocabulary: Vocabulary,
    criterion: Criterion | float = "f1",
) -> Decision:
    """Fit the calibration, then choose thresholds on calibrated scores, on validation films.

    logits, truth: (films, genres). groups: (films,), near-duplicate posters under one name.
    criterion: what the thresholds are best for, see `choose_thresholds`.
    """
    fitted = fit_calibration(logits, truth, groups)
    scores = fitted.calibration.apply(logits)
    notes = tuple(
        f"{vocabulary.names[column]}: calibration: {reason}"
        for column, reason in sorted(fitted.fallbacks.items())
    )
    undecided = Decision(fitted.calibration, np.ones(len(vocabulary)), notes)
    return decide_again(undecided, scores, truth, vocabulary, criterion)


def decide_again(
    decision: Decision,
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.bool_],
    vocabulary: Vocabulary,
    criterion: Criterion | float,
) -> Decision:
    """The same calibration with thresholds for another criterion.

    scores, truth: (films, genres) of validation films; the scores are calibrated.
    """
    chosen = choose_thresholds(scores, truth, criterion)
    notes = tuple(note for note in decision.notes if _THRESHOLD not in note)
    notes += tuple(
        f"{vocabulary.names[column]}{_THRESHOLD}{reason}"
        for column, reason in sorted(chosen.fallbacks.items())
    )
    return replace(
        decision,
        thresholds=chosen.values,
        notes=notes,
        criterion=criterion,
        precision_thresholds={
            precision: choose_thresholds(scores, truth, precision).values
            for precision in PRECISIONS
        },
    )
