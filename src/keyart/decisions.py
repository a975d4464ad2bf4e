"""From logits to genres: what a saved model decides with, for each evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.calibration import Calibration
from keyart.evidence import Evidence, Fusion
from keyart.genre_sets import GenreSets
from keyart.genres import Vocabulary
from keyart.title_model import TitleModel

Thresholds = npt.NDArray[np.float64]
DEFAULT_PRECISION = 0.6
"""The precision that predicted genres keep unless another is wanted."""


@dataclass(frozen=True)
class Decisions:
    """From logits to genres: what a bundle decides with.

    thresholds: (genres,), balanced: the scores of the best F1, or another criterion.
    precision_thresholds: those that keep several precisions; a genre that cannot keep it has 1.
    precision: the one to keep; None if genres are predicted from the balanced thresholds.
    """

    calibration: Calibration
    thresholds: Thresholds
    precision_thresholds: Mapping[float, Thresholds] = field(default_factory=dict)
    precision: float | None = None

    @property
    def predicting(self) -> Thresholds:
        """(genres,), the score from which a genre is predicted; 1 if it never is."""
        if self.precision is None:
            return self.thresholds
        return self.precision_thresholds[self.precision]

    def predicted(self, scores: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which genres are predicted. scores: (..., genres), calibrated."""
        return _reached(scores, self.predicting)

    def possible(self, scores: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which genres reach a balanced threshold, but are not predicted."""
        return _reached(scores, self.thresholds) & ~self.predicted(scores)


def _reached(scores: npt.ArrayLike, thresholds: Thresholds) -> npt.NDArray[np.bool_]:
    # A score may be 1 to the last bit; a genre that is silent stays so.
    reached: npt.NDArray[np.bool_] = (np.asarray(scores) >= thresholds) & (thresholds < 1)
    return reached


@dataclass(frozen=True)
class Films:
    """How a model answers for films of which it knows more than the poster.

    fusions, decisions: for each evidence that it can use, besides the poster alone.
    """

    titles: TitleModel
    fusions: Mapping[Evidence, Fusion]
    decisions: Mapping[Evidence, Decisions]

    @property
    def sets(self) -> GenreSets | None:
        """The sets of genres that the fusions share; None if none uses them.

        Raises ValueError if they use different ones.
        """
        used = {id(one.sets): one.sets for one in self.fusions.values() if one.sets is not None}
        if len(used) > 1:
            raise ValueError("the fusions of a model use different sets of genres")
        return next(iter(used.values()), None)


def decisions_from_json(names: tuple[str, ...], plain: Mapping[str, Any]) -> Decisions:
    """The inverse of `decisions_to_json`, of a checked manifest."""
    return Decisions(
        Calibration.from_json(plain["calibration"]),
        np.array([plain["thresholds"][name] for name in names], np.float64),
        {
            float(precision): np.array([cuts[name] for name in names], np.float64)
            for precision, cuts in plain["precision_thresholds"].items()
        },
    )


def evidence_to_json(vocabulary: Vocabulary, films: Films) -> dict[str, Any]:
    """Fusions and decisions by evidence, as plain JSON."""
    return {
        "+".join(evidence): {
            **fusion.to_json(),
            **decisions_to_json(vocabulary, films.decisions[evidence]),
        }
        for evidence, fusion in films.fusions.items()
    }


def decisions_to_json(vocabulary: Vocabulary, decisions: Decisions) -> dict[str, Any]:
    """Plain JSON, by the names of the genres."""
    return {
        "thresholds": _by_genre(vocabulary, decisions.thresholds),
        "precision_thresholds": _by_precision(vocabulary, decisions.precision_thresholds),
        "calibration": decisions.calibration.to_json(),
    }


def _by_genre(vocabulary: Vocabulary, thresholds: Thresholds) -> dict[str, float]:
    return dict(zip(vocabulary.names, map(float, thresholds), strict=True))


def _by_precision(
    vocabulary: Vocabulary, thresholds: Mapping[float, Thresholds]
) -> dict[str, dict[str, float]]:
    """JSON names are text: "0.8"."""
    return {f"{at:g}": _by_genre(vocabulary, cuts) for at, cuts in thresholds.items()}
