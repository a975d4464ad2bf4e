"""Ranking: cells sorted by score once, to get areas under curves for any film weights."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Ranking:
    """Film x genre cells from the highest score down; cells of equal score are one block.

    scores, truth: (cells,). films: (cells,), the film each cell belongs to; None if cell i is
    film i.

    Only blocks with a positive add to an area, so weights are summed only between those blocks. For
    a genre that few films have, this saves most of the work.
    """

    def __init__(
        self,
        scores: Floats,
        truth: npt.NDArray[np.bool_],
        films: npt.NDArray[np.int64] | None = None,
    ) -> None:
        order = np.argsort(-scores, kind="stable")
        ranked, positive = scores[order], truth[order]
        begins = np.ones(len(order), dtype=np.bool_)
        begins[1:] = ranked[1:] != ranked[:-1]
        starts = np.flatnonzero(begins)
        ends = np.append(starts[1:], len(order))
        block = np.cumsum(begins) - 1
        holding, first_positive = np.unique(block[positive], return_index=True)
        start, end = starts[holding], ends[holding]

        self._film = order if films is None else films[order]
        self._positive_film = self._film[positive]
        self._first_positive = first_positive
        self._cuts = np.unique(np.concatenate([[0], start, end[end < len(order)]]))
        self._before = np.searchsorted(self._cuts, start)
        self._through = np.searchsorted(self._cuts, end)

    def areas(self, weights: Floats) -> tuple[Floats, Floats]:
        """Average precision and ROC AUC for each row of `weights` (rows, films).

        Average precision is the area under the precision-recall steps: precision at each block,
        times the recall gained in it. ROC AUC counts a tied pair as half. Both are NaN if no
        positive has weight, ROC AUC also if no negative has. Returns two (rows,).
        """
        if len(self._positive_film) == 0:
            undefined = np.full(len(weights), np.nan)
            return undefined, undefined.copy()
        segments = np.add.reduceat(weights.take(self._film, axis=1), self._cuts, axis=1)
        above = np.zeros((len(weights), len(self._cuts) + 1))
        np.cumsum(segments, axis=1, out=above[:, 1:])
        before, through = above[:, self._before], above[:, self._through]
        hits = np.add.reduceat(
            weights.take(self._positive_film, axis=1), self._first_positive, axis=1
        )
        hits_through = np.cumsum(hits, axis=1)
        positives = hits_through[:, -1]
        negatives = above[:, -1] - positives

        precision = np.divide(hits_through, through, out=np.zeros_like(hits), where=through > 0)
        won = np.sum(hits * precision, axis=1)
        tied = through - before - hits
        below = negatives[:, None] - (through - hits_through)
        ordered = np.sum(hits * (below + tied / 2), axis=1)
        return ratio(won, positives), ratio(ordered, positives * negatives)


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Floats:
    """`part` / `whole`, NaN if `whole` is 0: a share of nothing is undefined."""
    undefined = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=undefined, where=whole > 0)
    return undefined
