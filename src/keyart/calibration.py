"""Calibration: for each genre the curve that turns a model's logits into probabilities."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Method = Literal["identity", "temperature", "platt", "isotonic"]

# Far beyond the point where a sigmoid is 0 or 1; keeps slope x logit finite.
LARGEST_LOGIT = 1e6
_EDGE = 1e-12


@dataclass(frozen=True, slots=True)
class GenreCalibration:
    """A strictly rising curve from logit to calibrated logit: it keeps the order of films.

    Without knots it is the line `slope` * logit + `intercept`. With knots (logit, calibrated logit)
    it is straight between them and continues beyond them with `slope`.
    """

    method: Method
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ValueError(f"unknown method {self.method!r}")
        numbers = (self.slope, self.intercept, *(number for knot in self.knots for number in knot))
        if not all(map(math.isfinite, numbers)) or self.slope <= 0:
            raise ValueError("expected finite numbers and a slope above 0")
        for (logit, value), (next_logit, next_value) in zip(
            self.knots, self.knots[1:], strict=False
        ):
            if next_logit <= logit or next_value <= value:
                raise ValueError("expected knots that rise")

    def apply(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Calibrated logits, in the shape of `logits`."""
        if not self.knots:
            return logits * self.slope + self.intercept
        at, value = np.array(self.knots).T
        within = np.clip(logits, at[0], at[-1])
        joined: npt.NDArray[np.float64] = np.interp(within, at, value)
        return joined + self.slope * (logits - within)

    def undo(self, calibrated: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The inverse of `apply`."""
        if not self.knots:
            return (calibrated - self.intercept) / self.slope
        at, value = np.array(self.knots).T
        within = np.clip(calibrated, value[0], value[-1])
        joined: npt.NDArray[np.float64] = np.interp(within, value, at)
        return joined + (calibrated - within) / self.slope

    def then(self, other: "GenreCalibration") -> "GenreCalibration":
        """The curve that applies this one, and `other` to what it gives."""
        if other.method == "identity":
            return self
        if self.method == "identity":
            return other
        slope, shift = self.slope * other.slope, self.intercept * other.slope + other.intercept
        if not self.knots and not other.knots:
            return GenreCalibration("platt", slope, shift)
        bends = np.array([knot for knot, _ in other.knots])
        at = np.unique([*(knot for knot, _ in self.knots), *self.undo(bends)])
        value = other.apply(self.apply(at))
        # Knots that differ only by rounding are one.
        rises = np.append(True, np.diff(np.maximum.accumulate(value)) > 0)
        knots = zip(at[rises].tolist(), value[rises].tolist(), strict=True)
        return GenreCalibration("isotonic", slope, 0.0, tuple(knots))

    @property
    def line(self) -> tuple[float, float]:
        """The slope and intercept of the line that is nearest to the curve."""
        if not self.knots:
            return self.slope, self.intercept
        if len(self.knots) == 1:
            ((at, value),) = self.knots
            return self.slope, value - self.slope * at
        at, value = np.array(self.knots).T
        slope, intercept = np.polyfit(at, value, 1)
        return float(slope), float(intercept)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One curve for each genre, in vocabulary order."""

    genres: tuple[GenreCalibration, ...]

    @classmethod
    def identity(cls, genres: int) -> "Calibration":
        """Scores are the plain sigmoid of the logits."""
        return cls((GenreCalibration("identity"),) * genres)

    def apply(self, logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Scores from 0 to 1. logits: (..., genres), finite; ValueError otherwise."""
        values = np.asarray(logits, dtype=np.float64)
        if values.ndim == 0 or values.shape[-1] != len(self.genres):
            raise ValueError(f"logits: expected (..., {len(self.genres)}), got {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError("logits: expected finite numbers, got NaN or infinity")
        return sigmoid(self.logits(values))

    def logits(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Calibrated logits (..., genres)."""
        values = np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)
        curved = [curve.apply(values[..., genre]) for genre, curve in enumerate(self.genres)]
        return np.stack(curved, axis=-1)

    def undo(self, scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Plain sigmoids of the logits that `apply` turned into `scores` (..., genres).

        A score that a file rounded to 0 or 1 counts as the nearest number inside.
        """
        edge = float(np.finfo(np.float32).epsneg) / 2
        values = np.clip(np.asarray(scores, dtype=np.float64), np.finfo(np.float32).tiny, 1 - edge)
        logits = np.log(values) - np.log1p(-values)
        plain = [curve.undo(logits[..., genre]) for genre, curve in enumerate(self.genres)]
        return sigmoid(np.stack(plain, axis=-1))

    def to_json(self) -> list[dict[str, Any]]:
        """Plain JSON: one object for each genre, in vocabulary order."""
        return [
            {"method": curve.method, "slope": curve.slope, "intercept": curve.intercept}
            | ({"knots": [list(knot) for knot in curve.knots]} if curve.knots else {})
            for curve in self.genres
        ]

    @classmethod
    def from_json(cls, value: Sequence[dict[str, Any]]) -> "Calibration":
        """The inverse of `to_json`. Raises ValueError, with the genre, for anything else."""
        if not isinstance(value, list):
            raise ValueError(f"calibration: expected a list, got {type(value).__name__}")
        genres = []
        for number, entry in enumerate(value):
            try:
                knots = tuple((float(at), float(to)) for at, to in entry.get("knots", ()))
                genres.append(
                    GenreCalibration(
                        entry["method"], float(entry["slope"]), float(entry["intercept"]), knots
                    )
                )
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise ValueError(f"calibration of genre {number}: {error!r}") from error
        return cls(tuple(genres))


def log_odds(scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The inverse of the sigmoid, finite also for scores that were rounded to 0 or 1."""
    inside = np.clip(np.asarray(scores, np.float64), _EDGE, 1 - _EDGE)
    odds: npt.NDArray[np.float64] = np.log(inside) - np.log1p(-inside)
    return odds


def sigmoid(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """1 / (1 + exp(-logits)), without overflow at either end."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0, small) / (1.0 + small)
