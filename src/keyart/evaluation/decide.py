"""How scores become answers: calibration and thresholds, both from the validation part alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keyart.calibration import Calibration
from keyart.evaluation.calibrators import fit_calibration
from keyart.evaluation.thresholds import choose_thresholds
from keyart.genres import Vocabulary


@dataclass(frozen=True)
class Decision:
    """From logits to genres. thresholds: (genres,). notes: what fell back, and why."""

    calibration: Calibration
    thresholds: npt.NDArray[np.float64]
    notes: tuple[str, ...]


def decide(
    logits: npt.NDArray[np.float32],
    truth: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.object_],
    vocabulary: Vocabulary,
) -> Decision:
    """Fit calibration, then thresholds on calibrated scores, to the validation films.

    logits, truth: (films, genres). groups: (films,), near-duplicate posters under one name.
    """
    fitted = fit_calibration(logits, truth, groups)
    chosen = choose_thresholds(fitted.calibration.apply(logits), truth)
    reasons = [("calibration", fitted.fallbacks), ("threshold", chosen.fallbacks)]
    notes = tuple(
        f"{vocabulary.names[column]}: {what}: {reason}"
        for what, fallbacks in reasons
        for column, reason in sorted(fallbacks.items())
    )
    return Decision(fitted.calibration, chosen.values, notes)
