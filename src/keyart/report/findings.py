"""What a run's predictions show beyond the figures: mistakes, surest hits, worst misses."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.evaluation.metrics import Flags
from keyart.evaluation.ranking import Floats
from keyart.run import Run, ScoredFilms

Predictions = ScoredFilms


def read_predictions(path: Path) -> Predictions:
    """Read predictions-SPLIT.parquet. Raises RunError if it is damaged."""
    return Run(path.parent).predictions(path.stem.removeprefix("predictions-"))


class Mistakes(NamedTuple):
    """missed: (genres,), films that have a genre and were not given it. wrong: (genres, genres),
    how many of those were given another genre (the column) that they do not have. others:
    (genres,), films given a genre that they do not have, whatever else they have."""

    missed: npt.NDArray[np.int64]
    wrong: npt.NDArray[np.int64]
    others: npt.NDArray[np.int64]

    @property
    def share(self) -> Floats:
        """`wrong` as a share of `missed`; 0 where nothing was missed."""
        return np.asarray(self.wrong / np.maximum(self.missed, 1)[:, None])


def mistakes(chosen: Flags, truth: Flags) -> Mistakes:
    """Which genres are mistaken for which. chosen, truth: (films, genres)."""
    missed, wrong = truth & ~chosen, chosen & ~truth
    return Mistakes(
        missed.sum(axis=0), missed.T.astype(np.int64) @ wrong.astype(np.int64), wrong.sum(axis=0)
    )


def telling(found: Mistakes, films: int, count: int = 5) -> list[tuple[int, int, float]]:
    """The pairs (missed genre, genre said instead, times as often as over all films).

    Those that exceed what is usual by most films; a handful of films tells nothing.
    """
    usual = found.missed[:, None] * found.others[None, :] / films
    excess = np.where(found.wrong >= 5, found.wrong - usual, 0)
    pairs = []
    for place in np.argsort(-excess, axis=None, kind="stable")[:count]:
        row, column = (int(index) for index in np.unravel_index(place, excess.shape))
        if excess[row, column] > 0:
            pairs.append((row, column, float(found.wrong[row, column] / usual[row, column])))
    return pairs


def surest(found: Predictions, *, right: bool, count: int = 12, each: int = 2) -> list[int]:
    """The films with the highest top score whose top genre is (or is not) true, surest first.

    At most `each` with the same top genre, so that one easy genre does not fill the page, and
    one of each group of near-duplicates. Returns rows of `found`.
    """
    top = found.scores.argmax(axis=1)
    films = np.arange(len(top))
    eligible = films[found.truth[films, top] == right]
    order = eligible[np.argsort(-found.scores[eligible, top[eligible]], kind="stable")]
    rows: list[int] = []
    groups: set[str] = set()
    shown = [0] * found.scores.shape[1]
    for row in order.tolist():
        if found.groups[row] not in groups and shown[top[row]] < each:
            groups.add(found.groups[row])
            shown[top[row]] += 1
            rows.append(row)
        if len(rows) == count:
            break
    return rows
