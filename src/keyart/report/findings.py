"""What predictions show beyond metrics: mistakes, the surest hits and the worst misses."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.run import ScoredFilms

Flags = npt.NDArray[np.bool_]


class Mistakes(NamedTuple):
    """Which genres are mistaken for which.

    missed: (genres,), films that have a genre that was not predicted. wrong: (genres, genres), for
    how many of those another genre (the column) was predicted that they do not have. others:
    (genres,), films with a wrongly predicted genre, whatever they have.
    """

    missed: npt.NDArray[np.int64]
    wrong: npt.NDArray[np.int64]
    others: npt.NDArray[np.int64]

    @property
    def share(self) -> npt.NDArray[np.float64]:
        """`wrong` as a share of `missed`; 0 if nothing was missed."""
        return np.asarray(self.wrong / np.maximum(self.missed, 1)[:, None])


def mistakes(predicted: Flags, truth: Flags) -> Mistakes:
    """Count the mistakes. predicted, truth: (films, genres)."""
    missed, wrong = truth & ~predicted, predicted & ~truth
    return Mistakes(
        missed.sum(axis=0), missed.T.astype(np.int64) @ wrong.astype(np.int64), wrong.sum(axis=0)
    )


def standing_out(found: Mistakes, films: int, count: int = 5) -> list[tuple[int, int, float]]:
    """The pairs (missed genre, genre predicted instead, times as often as over all films).

    Those that exceed the usual rate by most films. Fewer than five films prove nothing.
    """
    usual = found.missed[:, None] * found.others[None, :] / films
    excess = np.where(found.wrong >= 5, found.wrong - usual, 0)
    pairs = []
    for place in np.argsort(-excess, axis=None, kind="stable")[:count]:
        row, column = (int(index) for index in np.unravel_index(place, excess.shape))
        if excess[row, column] > 0:
            pairs.append((row, column, float(found.wrong[row, column] / usual[row, column])))
    return pairs


def surest(films: ScoredFilms, *, right: bool, count: int = 12, each: int = 2) -> list[int]:
    """The films with the highest top scores that have a right (or wrong) top genre, surest first.

    At most `each` with the same top genre, so that one easy genre does not fill the page, and one
    of each group of near-duplicates. Returns row numbers.
    """
    top = films.scores.argmax(axis=1)
    rows = np.arange(len(top))
    eligible = rows[films.truth[rows, top] == right]
    order = eligible[np.argsort(-films.scores[eligible, top[eligible]], kind="stable")]
    chosen: list[int] = []
    groups: set[str] = set()
    shown = [0] * films.scores.shape[1]
    for row in order.tolist():
        if films.groups[row] not in groups and shown[top[row]] < each:
            groups.add(films.groups[row])
            shown[top[row]] += 1
            chosen.append(row)
        if len(chosen) == count:
            break
    return chosen
