"""Which genres films have together, and what that says of a film when evidence is added up.

Poster, title and year are learned apart, so none knows what the others say. If the poster looks
like horror and the title sounds like romance, their sum makes both likely, though few films are
both, and it may make five genres likely, though a film seldom has five. So the sum scores whole
sets of genres, as a label powerset does, and a genre gets the scores of all sets that have it:

    P(set) ~ exp(sum of the logits of its genres) * (unseen + (1 - unseen) * lift(set) ** weight)

with the second part only for sets that several films have.

lift: how many films have the set, divided by how many would if genres were independent. unseen: the
share of films with a set that no other has, which is the chance of one that was never seen (Good,
1953). With few films it is large, and the genres are nearly independent. All sets are summed up
exactly: the others by a product over genres.

Measured on 2,422 validation films with poster, title and year, a tenth left out in turn: mAP 0.427
instead of 0.419, top class 0.695 instead of 0.693, log loss 0.2246 instead of 0.2269. With a poster
alone nothing changes (0.313), for a network sees all of it at once; so there it is not done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.calibration import sigmoid

Floats = npt.NDArray[np.float64]
MOST_SETS = 2_000  # the commonest; a film costs as many exponentials
_ROWS = 1_024  # films at a time, for memory
_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class GenreSets:
    """The sets of genres that some films have.

    members: (sets, genres), each set once and with at least one genre. films: (sets,), how many
    films have just these genres.
    """

    members: npt.NDArray[np.bool_]
    films: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, truth: npt.NDArray[np.bool_], films: npt.NDArray[np.int64] | None = None
    ) -> "GenreSets | None":
        """The sets of some films, or None if none has a genre.

        truth: (rows, genres). films: (rows,), how many films each row stands for; one by default.
        """
        films = np.ones(len(truth), np.int64) if films is None else films
        some = truth.any(1)
        if not some.any():
            return None
        members, place = np.unique(truth[some], axis=0, return_inverse=True)
        count = np.bincount(place.ravel(), films[some]).astype(np.int64)
        first = np.argsort(-count, kind="stable")[:MOST_SETS]
        return cls(members[first], count[first])

    def also(self, others: "GenreSets") -> "GenreSets":
        """The sets of these films and of others, of the same genres."""
        both = GenreSets.of(
            np.concatenate([self.members, others.members]),
            np.concatenate([self.films, others.films]),
        )
        assert both is not None  # no set is empty
        return both

    def of_genres(self, columns: Sequence[Sequence[int]]) -> "GenreSets | None":
        """The sets in other genres. columns: for each of them, the genres here that it stands for.

        None if no film has any of them.
        """
        return GenreSets.of(
            np.stack([self.members[:, list(chosen)].any(1) for chosen in columns], axis=1),
            self.films,
        )

    def log_odds(self, logits: npt.ArrayLike, weight: float) -> Floats:
        """The log-odds (..., genres) of each genre. logits: (..., genres), of the evidence."""
        given = np.asarray(logits, np.float64)
        rows = given.reshape(-1, given.shape[-1])
        found = np.empty_like(rows)
        for start in range(0, len(rows), _ROWS):
            block = slice(start, start + _ROWS)
            shares, rest, alone = self._shares(rows[block], weight)
            has = shares @ self._kept + rest[:, None] * alone
            lacks = shares @ (1 - self._kept) + rest[:, None] * (1 - alone)
            found[block] = np.log(np.maximum(has, _LEAST)) - np.log(np.maximum(lacks, _LEAST))
        return found.reshape(given.shape)

    def loss(
        self, logits: Floats, weight: float, truth: npt.NDArray[np.bool_]
    ) -> tuple[Floats, Floats, float]:
        """The log loss of each film, and how fast it grows with the logits and with the weight.

        logits, truth: (films, genres). Returns (films,), (films, genres), and the slope of the
        total by the weight.
        """
        losses, slopes, by_weight = np.empty(len(logits)), np.empty_like(logits), 0.0
        for start in range(0, len(logits), _ROWS):
            block = slice(start, start + _ROWS)
            shares, rest, alone = self._shares(logits[block], weight)
            score = np.clip(shares @ self._kept + rest[:, None] * alone, 1e-12, 1 - 1e-12)
            wanted = truth[block]
            losses[block] = -np.log(np.where(wanted, score, 1 - score)).sum(1)
            by_score = (score - wanted) / (score * (1 - score))
            usual = (by_score * score).sum(1)
            by_set = shares * (by_score @ self._kept.T - usual[:, None])
            by_rest = rest * ((by_score * alone).sum(1) - usual)
            slopes[block] = by_set @ self._kept + alone * (
                by_rest[:, None] + rest[:, None] * by_score * (1 - alone)
            )
            by_weight += float((by_set @ self._lift).sum())
        return losses, slopes, by_weight

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: each set as the places of its genres, and its films."""
        genres = [np.flatnonzero(row).tolist() for row in self.members]
        return {"genres": genres, "films": self.films.tolist()}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], genres: int) -> "GenreSets":
        """The inverse of `to_json`, of a checked manifest. genres: how many there are."""
        members = np.zeros((len(plain["genres"]), genres), np.bool_)
        for row, places in zip(members, plain["genres"], strict=True):
            row[places] = True
        return cls(members, np.array(plain["films"], np.int64))

    @cached_property
    def _several(self) -> npt.NDArray[np.bool_]:
        return self.films > 1

    @cached_property
    def _kept(self) -> Floats:
        """(sets, genres), of the sets that several films have."""
        return self.members[self._several].astype(np.float64)

    @cached_property
    def _unseen(self) -> float:
        return float((self.films[~self._several].sum() + 1) / (self.films.sum() + 2))

    @cached_property
    def _lift(self) -> Floats:
        """(sets,), the logarithm of the lift of each of those."""
        total = self.films.sum()
        rates = (self.films @ self.members + 0.5) / (total + 1)
        independent = self._kept @ np.log(rates) + (1 - self._kept) @ np.log1p(-rates)
        lift: Floats = np.log(self.films[self._several] / total) - independent
        return lift

    def _shares(self, logits: Floats, weight: float) -> tuple[Floats, Floats, Floats]:
        """How likely each kept set (films, sets) is, all sets by independence (films,), and the
        genres (films, genres) in the latter.
        """
        by_set = logits @ self._kept.T + weight * self._lift + np.log1p(-self._unseen)
        product = np.log(self._unseen) + np.logaddexp(0, logits).sum(1)
        most = np.maximum(by_set.max(1, initial=-np.inf), product)
        shares, rest = np.exp(by_set - most[:, None]), np.exp(product - most)
        total = shares.sum(1) + rest
        return shares / total[:, None], rest / total, sigmoid(logits)
