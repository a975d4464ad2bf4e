"""Which genres films have together, and what that says of a film when evidence is added up.

Poster, title and year are learned separately, so none knows what the others say. If the poster
looks like horror and the title sounds like romance, their sum makes both likely, though few films
are both, and it may make five genres likely, though a film seldom has five. So the sum scores whole
sets of genres, as a label powerset does, and a genre gets the scores of all sets that have it:

    P(set) ~ exp(sum of the logits of its genres) * (unseen + (1 - unseen) * lift(set) ** weight)

The term with the lift is there only for sets that at least two films have. lift: how many films
have the set, divided by how many would if genres were independent. unseen: the share of films with
a set that no other has, which is the chance of a set that was never seen (Good, 1953). With few
films it is large, and the genres are nearly independent. All sets are summed up exactly: those
without a lift by a product over genres.

Measured on 2,422 validation films with poster, title and year, a tenth left out in turn: mAP 0.428
instead of 0.419, top class 0.695 instead of 0.692, log loss 0.2247 instead of 0.2269. With a poster
alone it does not help (0.312 instead of 0.314), for a network sees all of it at once; so there it
is not done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.calibration import sigmoid

Floats = npt.NDArray[np.float64]
MOST_SETS = 20_000  # that are listed, the commonest
_MOST_LIFTED = 2_000  # sets with a lift, the commonest; a film costs as many exponentials
_MOST_CELLS = 200_000  # genres of all of those, for catalogs of many genres
_ROWS = 1_024  # films at a time, for memory
_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class GenreSets:
    """The sets of genres that some films have.

    members: (sets, genres), each set once and with at least one genre, the commonest first. films:
    (sets,), how many films have just these genres. others: how many films have a set that is not
    listed.
    """

    members: npt.NDArray[np.bool_]
    films: npt.NDArray[np.int64]
    others: int = 0

    @classmethod
    def from_labels(
        cls,
        truth: npt.NDArray[np.bool_],
        films: npt.NDArray[np.int64] | None = None,
        others: int = 0,
    ) -> "GenreSets | None":
        """The sets of some films, or None if none has a genre.

        truth: (rows, genres). films: (rows,), how many films each row stands for; one by default.
        others: as in the class.
        """
        films = np.ones(len(truth), np.int64) if films is None else films
        some = truth.any(1)
        if not some.any():
            return None
        members, place = np.unique(truth[some], axis=0, return_inverse=True)
        count = np.bincount(place.ravel(), films[some]).astype(np.int64)
        order = np.argsort(-count, kind="stable")
        listed, rest = order[:MOST_SETS], order[MOST_SETS:]
        return cls(members[listed], count[listed], others + int(count[rest].sum()))

    @property
    def total(self) -> int:
        """How many films there are."""
        return int(self.films.sum()) + self.others

    def rate(self, genre: int) -> float:
        """The share of films that have a genre, of those with a set that is listed."""
        return float(self.films[self.members[:, genre]].sum() / self.films.sum())

    def spread(self, rates: Mapping[int, float]) -> "GenreSets":
        """With genres that no set has so far, each in this share of the films of every set."""
        members, films = self.members, self.films
        for genre, rate in rates.items():
            having, more = np.rint(films * rate).astype(np.int64), members.copy()
            more[:, genre] = True
            members = np.concatenate([members, more])
            films = np.concatenate([films - having, having])
            members, films = members[films > 0], films[films > 0]
        found = GenreSets.from_labels(members, films, self.others)
        assert found is not None  # no set is empty
        return found

    def merged(self, more: "GenreSets") -> "GenreSets":
        """The sets of these films and of other ones, of the same genres."""
        both = GenreSets.from_labels(
            np.concatenate([self.members, more.members]),
            np.concatenate([self.films, more.films]),
            self.others + more.others,
        )
        assert both is not None  # no set is empty
        return both

    def project(self, columns: Sequence[Sequence[int]]) -> "GenreSets | None":
        """The sets in other genres. columns: for each of them, the genres here that it stands for.

        None if no film has any of them.
        """
        return GenreSets.from_labels(
            np.stack([self.members[:, list(chosen)].any(1) for chosen in columns], axis=1),
            self.films,
            self.others,
        )

    def log_odds(self, logits: npt.ArrayLike, weight: float) -> Floats:
        """The log-odds (..., genres) of each genre. logits: (..., genres), of the evidence."""
        given = np.asarray(logits, np.float64)
        rows = given.reshape(-1, given.shape[-1])
        found = np.empty_like(rows)
        for start in range(0, len(rows), _ROWS):
            block = slice(start, start + _ROWS)
            has, lacks, *_ = self._scores(rows[block], weight)
            found[block] = np.log(has) - np.log(lacks)
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
            has, lacks, lifted, independent, marginals = self._scores(logits[block], weight)
            wanted = truth[block]
            losses[block] = -np.log(np.where(wanted, has, lacks)).sum(1)
            by_score = np.where(wanted, -1 / has, 1 / lacks)
            # The sum of by_score * score, without a difference of large numbers.
            usual = np.where(wanted, 0, 1 / lacks).sum(1) - wanted.shape[1]
            by_set = lifted * (by_score @ self._lifted.T - usual[:, None])
            by_product = independent * ((by_score * marginals).sum(1) - usual)
            slopes[block] = by_set @ self._lifted + marginals * (
                by_product[:, None] + independent[:, None] * by_score * (1 - marginals)
            )
            by_weight += float((by_set @ self._lift).sum())
        return losses, slopes, by_weight

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: each set as the places of its genres, and its films."""
        genres = [np.flatnonzero(row).tolist() for row in self.members]
        return {"genres": genres, "films": self.films.tolist(), "others": self.others}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], genres: int) -> "GenreSets":
        """The inverse of `to_json`, of a checked manifest. genres: how many there are."""
        members = np.zeros((len(plain["genres"]), genres), np.bool_)
        for row, places in zip(members, plain["genres"], strict=True):
            row[places] = True
        return cls(members, np.array(plain["films"], np.int64), plain["others"])

    @cached_property
    def _with_lift(self) -> npt.NDArray[np.bool_]:
        """(sets,), those that several films have, as far as they are not too many."""
        genres = self.members.shape[1]
        repeated: npt.NDArray[np.bool_] = self.films > 1
        repeated[np.flatnonzero(repeated)[min(_MOST_LIFTED, _MOST_CELLS // genres) :]] = False
        return repeated

    @cached_property
    def _lifted(self) -> Floats:
        """(sets with a lift, genres)."""
        return self.members[self._with_lift].astype(np.float64)

    @cached_property
    def _unseen(self) -> float:
        return (self.total - int(self.films[self._with_lift].sum()) + 1) / (self.total + 2)

    @cached_property
    def _lift(self) -> Floats:
        """(sets with a lift,), its logarithm."""
        listed = self.films.sum()
        rates = (self.films @ self.members + 0.5) / (listed + 1)
        chance = self._lifted @ np.log(rates) + (1 - self._lifted) @ np.log1p(-rates)
        lift: Floats = np.log(self.films[self._with_lift] / self.total) - chance
        return lift

    def _scores(
        self, logits: Floats, weight: float
    ) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """The scores of genres, and what they consist of. logits: (films, genres).

        Returns the probability that a film has each genre, and that it lacks it (films, genres);
        that of each set with a lift (films, sets); that of the product over genres (films,), and of
        each genre in it (films, genres).
        """
        by_set = logits @ self._lifted.T + weight * self._lift + np.log1p(-self._unseen)
        product = np.log(self._unseen) + np.logaddexp(0, logits).sum(1)
        most = np.maximum(by_set.max(1, initial=-np.inf), product)
        lifted, independent = np.exp(by_set - most[:, None]), np.exp(product - most)
        total = lifted.sum(1) + independent
        lifted, independent = lifted / total[:, None], independent / total
        marginals = sigmoid(logits)
        has = lifted @ self._lifted + independent[:, None] * marginals
        lacks = lifted @ (1 - self._lifted) + independent[:, None] * sigmoid(-logits)
        return np.maximum(has, _LEAST), np.maximum(lacks, _LEAST), lifted, independent, marginals
