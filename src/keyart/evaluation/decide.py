"""From logits to genres: calibration and thresholds, both fitted on the validation split only."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from keyart.bundle import Bundle
from keyart.calibration import Calibration
from keyart.decisions import DEFAULT_PRECISION, Decisions
from keyart.errors import counted
from keyart.evaluation.calibrators import fit_calibration
from keyart.evaluation.promise import SILENT, promised_thresholds
from keyart.evaluation.thresholds import Criterion, choose_thresholds
from keyart.genres import Vocabulary

PRECISIONS = tuple(percent / 100 for percent in range(50, 100, 5))
"""The precisions that a bundle can promise: 0.5 to 0.95."""

_THRESHOLD = ": threshold: "  # in notes, between the genre and the reason
NOT_PROVEN = "cannot prove a precision"
"""In a note of a model whose precision rests on the one that it started from."""
_ALL_GENRES = f"posters alone{_THRESHOLD}"


@dataclass(frozen=True)
class Decision:
    """Calibration and thresholds, with how they were found.

    thresholds: (genres,), chosen for `criterion`. notes: what fell back, and why.
    precision_thresholds: for each of PRECISIONS the thresholds (genres,) that keep it, see
    promise.py; empty if they were never chosen. precision: the one that predicted genres keep
    unless another is wanted; None if they are those of `thresholds`.
    """

    calibration: Calibration
    thresholds: npt.NDArray[np.float64]
    notes: tuple[str, ...]
    criterion: Criterion = "f1"
    precision_thresholds: Mapping[float, npt.NDArray[np.float64]] = field(default_factory=dict)
    precision: float | None = None

    @classmethod
    def of(cls, bundle: Bundle) -> "Decision":
        """The decision that a saved model keeps."""
        aim: Any = bundle.provenance.get("thresholds")
        return cls(
            bundle.calibration,
            bundle.thresholds,
            tuple(bundle.provenance.get("notes", ())),
            aim if aim in get_args(Criterion) else "f1",  # it may be a precision
            bundle.precision_thresholds,
            bundle.precision,
        )

    @property
    def decisions(self) -> Decisions:
        """What a bundle keeps to decide with."""
        return Decisions(
            self.calibration, self.thresholds, self.precision_thresholds, self.precision
        )


def decide(
    logits: npt.NDArray[np.float32],
    truth: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.object_],
    vocabulary: Vocabulary,
    criterion: Criterion | float = "f1",
    *,
    known: Decision | None = None,
) -> Decision:
    """Fit the calibration, then choose thresholds on calibrated scores, on validation films.

    logits, truth: (films, genres). groups: (films,), near-duplicate posters under one name.
    criterion: what the thresholds are best for, see `choose_thresholds`; or the precision that
    predicted genres keep. known: that of the model that this one started from, for the same
    logits; thresholds are NaN for genres that it does not know. Few films change little of it.
    """
    fitted = fit_calibration(
        logits,
        truth,
        groups,
        known=known.calibration if known else None,
        unknown=np.isnan(known.thresholds) if known else None,
    )
    scores = fitted.calibration.apply(logits)
    notes = _notes(": calibration: ", fitted.fallbacks, vocabulary)
    undecided = Decision(fitted.calibration, np.ones(len(vocabulary)), notes)
    aim = criterion if isinstance(criterion, str) else "f1"
    near = known.thresholds if known and known.criterion == aim else None
    balanced = _balanced(undecided, scores, truth, vocabulary, aim, near)
    precision = DEFAULT_PRECISION if isinstance(criterion, str) else criterion
    promised = known.precision_thresholds if known else {}
    return _promising(balanced, scores, truth, groups, vocabulary, precision, promised)


def decide_again(
    decision: Decision,
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.object_],
    vocabulary: Vocabulary,
    criterion: Criterion | float,
    *,
    leaning: bool,
) -> Decision:
    """The same calibration with thresholds for another criterion, or for another precision.

    scores, truth: (films, genres) of validation films; the scores are calibrated. leaning: whether
    the thresholds of `decision` are partly those of the model that it started from, see
    `promised_thresholds`. Then those for a precision count as proven, and those for the same
    criterion stay.
    """
    if isinstance(criterion, str):
        aim, precision = criterion, decision.precision or DEFAULT_PRECISION
    else:
        aim, precision = decision.criterion, criterion
    if aim != decision.criterion or not leaning:
        decision = _balanced(decision, scores, truth, vocabulary, aim, None)
    promised = decision.precision_thresholds if leaning else {}
    return _promising(decision, scores, truth, groups, vocabulary, precision, promised)


def _balanced(
    decision: Decision,
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.bool_],
    vocabulary: Vocabulary,
    criterion: Criterion,
    near: npt.NDArray[np.float64] | None,
) -> Decision:
    """With thresholds for a criterion. near: as `known` of `choose_thresholds`."""
    chosen = choose_thresholds(scores, truth, criterion, near)
    notes = tuple(note for note in decision.notes if _THRESHOLD not in note)
    notes += _notes(_THRESHOLD, chosen.fallbacks, vocabulary)
    return replace(decision, thresholds=chosen.values, notes=notes, criterion=criterion)


def _promising(
    decision: Decision,
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.object_],
    vocabulary: Vocabulary,
    precision: float,
    promised: Mapping[float, npt.NDArray[np.float64]],
) -> Decision:
    """With thresholds that keep precisions. promised: those that count as proven."""
    notes = tuple(note for note in decision.notes if not note.startswith(_ALL_GENRES))
    promises = {
        wanted: promised_thresholds(scores, truth, groups, wanted, _at_least(promised, wanted))
        for wanted in sorted({*PRECISIONS, precision})
    }
    notes += _silence(promises[precision], precision, vocabulary)
    if promised:
        alone = promised_thresholds(scores, truth, groups, precision)
        if (alone != promises[precision]).any():
            notes += (
                f"{_ALL_GENRES}{counted(len(truth), 'validation film')} {NOT_PROVEN} "
                f"of {precision:g}; the thresholds of the model that it started from "
                "count too",
            )
    return replace(decision, notes=notes, precision_thresholds=promises, precision=precision)


def _notes(about: str, fallbacks: Mapping[int, str], vocabulary: Vocabulary) -> tuple[str, ...]:
    """One note for the genres that have the same reason. fallbacks: reasons by column."""
    reasons: dict[str, list[str]] = {}
    for column, reason in sorted(fallbacks.items()):
        reasons.setdefault(reason, []).append(vocabulary.names[column])
    return tuple(f"{', '.join(names)}{about}{reason}" for reason, names in reasons.items())


def _at_least(
    promised: Mapping[float, npt.NDArray[np.float64]], wanted: float
) -> npt.NDArray[np.float64] | None:
    """The thresholds for a precision, or for the next higher one; None if there are none."""
    at = min((one for one in promised if one >= wanted - 1e-9), default=None)
    return None if at is None else promised[at]


def _silence(
    thresholds: npt.NDArray[np.float64], precision: float, vocabulary: Vocabulary
) -> tuple[str, ...]:
    """A note on the genres that are never predicted."""
    silent = [vocabulary.names[place] for place in np.flatnonzero(thresholds >= SILENT)]
    if not silent:
        return ()
    which = "no genre" if len(silent) == len(vocabulary) else f"all but {', '.join(silent)}"
    return (f"{_ALL_GENRES}a precision of {precision:g} is kept by {which}",)
