"""How scores become answers: calibration and thresholds, both from the validation part alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from keyart.calibration import Calibration
from keyart.evaluation.calibrators import fit_calibration
from keyart.evaluation.thresholds import Criterion, choose_thresholds
from keyart.genres import Vocabulary

PRECISIONS = tuple(percent / 100 for percent in range(50, 100, 5))
"""The precisions that a bundle brings thresholds for: 0.5 to 0.95."""

_THRESHOLD = ": threshold: "  # in notes, between the genre and the reason


@dataclass(frozen=True)
class Decision:
    """From logits to genres.

    thresholds: (genres,), chosen by `criterion`. notes: what fell back, and why.
    precision_thresholds: for each of PRECISIONS the thresholds (genres,) that reach it; a genre
    that cannot is never said, at 1. Empty where they were never chosen.
    """

    calibration: Calibration
    thresholds: npt.NDArray[np.float64]
    notes: tuple[str, ...]
    criterion: Criterion | float = "f1"
    precision_thresholds: Mapping[float, npt.NDArray[np.float64]] = field(default_factory=dict)


def decide(
    logits: npt.NDArray[np.float32],
    truth: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.object_],
    vocabulary: Vocabulary,
    criterion: Criterion | float = "f1",
) -> Decision:
    """Fit calibration, then thresholds on calibrated scores, to the validation films.

    logits, truth: (films, genres). groups: (films,), near-duplicate posters under one name.
    criterion: what thresholds are best for, see `choose_thresholds`.
    """
    fitted = fit_calibration(logits, truth, groups)
    scores = fitted.calibration.apply(logits)
    notes = tuple(
        f"{vocabulary.names[column]}: calibration: {reason}"
        for column, reason in sorted(fitted.fallbacks.items())
    )
    undecided = Decision(fitted.calibration, np.ones(len(vocabulary)), notes)
    return decide_anew(undecided, scores, truth, vocabulary, criterion)


def decide_anew(
    decision: Decision,
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.bool_],
    vocabulary: Vocabulary,
    criterion: Criterion | float,
) -> Decision:
    """The decision with thresholds by another criterion; its calibration stays.

    scores, truth: (films, genres) of validation films, the scores calibrated.
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
