"""What an answer rests on, a film's poster, title and year, and how their logits are added up."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from keyart.genre_sets import GenreSets

Kind = Literal["poster", "title", "year"]
Evidence = tuple[Kind, ...]
"""The kinds that an answer rests on, in the order poster, title, year."""

KINDS: Evidence = get_args(Kind)
POSTER: Evidence = ("poster",)
# A year by itself says too little to answer.
FUSED: tuple[Evidence, ...] = (
    ("poster", "title", "year"),
    ("poster", "title"),
    ("poster", "year"),
    ("title", "year"),
    ("title",),
)
"""What a title model adds to the poster by itself, most evidence first."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fusion:
    """How the logits of some kinds of evidence are added up: weighted, with an intercept.

    weights: of each kind, the same for all genres. intercept: (genres,). sets: the sets of genres
    that films have; with None the genres are independent. sets_weight: how much these sets count.
    """

    weights: Mapping[Kind, float]
    intercept: Floats
    sets: GenreSets | None = None
    sets_weight: float = 0.0

    @property
    def evidence(self) -> Evidence:
        """The kinds that it adds up."""
        return tuple(self.weights)

    def logits(self, found: Mapping[Kind, npt.ArrayLike]) -> Floats:
        """The logits (..., genres) of all evidence together. found: the logits of each kind."""
        total = self.intercept
        for kind, weight in self.weights.items():
            total = total + weight * np.asarray(found[kind], np.float64)
        return total if self.sets is None else self.sets.log_odds(total, self.sets_weight)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "weights": dict(self.weights),
            "intercept": self.intercept.tolist(),
            "sets_weight": None if self.sets is None else self.sets_weight,
        }


def check_kinds(evidence: Collection[Kind]) -> frozenset[Kind]:
    """The kinds that answers may rest on. Raises ValueError if they are not some of KINDS."""
    used = frozenset(() if isinstance(evidence, str) else evidence)
    if not used or not used <= set(KINDS):
        raise ValueError(
            f"evidence: expected a collection of {', '.join(map(repr, KINDS))}, got {evidence!r}"
        )
    return used


def best_evidence(found: Collection[str], known: Collection[Evidence]) -> Evidence | None:
    """The most of the evidence that was `found` that a model knows to use; None if there is none.

    known: what its title model was fitted for, a subset of FUSED.
    """
    usable = (*(one for one in FUSED if one in known), POSTER)
    return next((one for one in usable if set(one) <= set(found)), None)
