"""The metrics: pure functions of scores or predicted genres, and of the true genres.

For all of them:
- scores, predicted and truth are (films, genres) tables; predicted = scores >= thresholds.
- `weights` counts films: (films,) gives one result; (resamples, films) gives one for each row, so
  that the bootstrap can ask for a thousand at once. None counts every film once.
- A rate that has nothing to count, such as precision if nothing is predicted, is 0 (scikit-learn's
  `zero_division=0`). If there is nothing to find, such as a genre that no film has, a metric is
  undefined: it is NaN, and means over genres leave it out.
- Tables of other shapes, NaN scores and negative or infinite weights raise ValueError.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.evaluation.ranking import Floats, Ranking, ratio

Flags = npt.NDArray[np.bool_]


def label_accuracy(
    predicted: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """Share of film x genre cells that are right. Near 0.89 for predicting nothing."""
    chosen, true = checked_flags(predicted, truth)
    return film_mean((chosen == true).mean(axis=1), weights)


def hamming_loss(
    predicted: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """Share of film x genre cells that are wrong: 1 - label accuracy."""
    return 1 - label_accuracy(predicted, truth, weights)


class PrecisionRecallF1(NamedTuple):
    """The share of predicted that are true, of true that are predicted, and the harmonic mean."""

    precision: Floats
    recall: Floats
    f1: Floats


def precision_recall_f1(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    average: Literal["samples", "micro", "macro", "genre"],
    weights: npt.ArrayLike | None = None,
) -> PrecisionRecallF1:
    """Precision, recall and F1.

    average: "samples" is the mean over films; "micro" counts all cells together; "genre" is one
    for each genre, (genres,); "macro" is the mean of "genre" over the genres that some film has.
    """
    chosen, true = checked_flags(predicted, truth)
    if average == "samples":
        hits = (chosen & true).sum(axis=1)
        by_film = _rates(hits, chosen.sum(axis=1), true.sum(axis=1))
        return PrecisionRecallF1(*(film_mean(rate, weights) for rate in by_film))
    return genre_counts(chosen, true, weights).rates(average)


class GenreCounts(NamedTuple):
    """Films of each genre that are hits, predicted and true: each (genres,) or (rows, genres)."""

    hits: Floats
    predicted: Floats
    true: Floats

    def rates(self, average: Literal["micro", "macro", "genre"]) -> PrecisionRecallF1:
        """Precision, recall and F1, averaged as in `precision_recall_f1`."""
        counts = [count.sum(axis=-1) for count in self] if average == "micro" else list(self)
        undefined = counts[2] == 0
        rates = [np.where(undefined, np.nan, rate)[()] for rate in _rates(*counts)]
        return PrecisionRecallF1(*(map(genre_mean, rates) if average == "macro" else rates))


def genre_counts(predicted: Flags, truth: Flags, weights: npt.ArrayLike | None) -> GenreCounts:
    """The counts that all averages except "samples" follow from."""
    tables = np.concatenate([predicted & truth, predicted, truth], axis=1).astype(np.float64)
    counts = film_weights(weights, len(truth)) @ tables
    return GenreCounts(*np.split(counts, 3, axis=-1))


def average_precision(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """Average precision of each genre: area under the precision-recall steps. Ties are exact.

    Returns (genres,), NaN for a genre that no film has.
    """
    return _areas(scores, truth, weights)[0]


def mean_average_precision(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """Mean of the genres' average precision (mAP), over the genres that some film has."""
    return genre_mean(average_precision(scores, truth, weights))


def micro_average_precision(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """Average precision of all film x genre cells in one ranking."""
    values, true = checked_scores(scores, truth)
    rows = film_weights(weights, len(true))
    return _like(rows, micro_ranking(values, true).areas(np.atleast_2d(rows))[0])


def roc_auc(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """Area under the ROC curve of each genre; a tie counts half.

    Returns (genres,), NaN for a genre that no film or every film has.
    """
    return _areas(scores, truth, weights)[1]


def mean_roc_auc(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """Mean of the genres' ROC AUC, over the genres that some but not all films have."""
    return genre_mean(roc_auc(scores, truth, weights))


def top_class(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """How often the highest score is one of the film's genres (the study's "top class").

    Among equal scores, the genre that comes first in the vocabulary counts as the higher.
    """
    return _top_hit(scores, truth, 1, weights)


def top_three(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """How often at least one of the three highest scores is one of the film's genres.

    Among equal scores, the genre that comes first in the vocabulary counts as the higher.
    """
    return _top_hit(scores, truth, 3, weights)


def ranking_loss(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """Mean share, over films, of (true, other) genre pairs in the wrong order; a tie is wrong.

    0 for a film with every genre or none, as in scikit-learn's `label_ranking_loss`.
    """
    values, true = checked_scores(scores, truth)
    swapped = np.zeros(len(true))
    for genre in range(true.shape[1]):
        above = (values >= values[:, genre : genre + 1]) & ~true
        swapped += true[:, genre] * above.sum(axis=1)
    pairs = true.sum(axis=1) * (~true).sum(axis=1)
    return film_mean(swapped / np.maximum(pairs, 1), weights)


def expected_calibration_error(
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    bins: int = 15,
) -> Floats:
    """Mean gap between score and rate of truth, over all film x genre cells in `bins` bins.

    The bins have equal width on [0, 1] (Guo et al. 2017, arXiv:1706.04599). Their edges do not
    depend on the scores, so that two models, or two resamples of one model, get the same bins.
    Bin i holds i / bins <= score < (i + 1) / bins; the last holds 1 too.
    """
    values, true = checked_scores(scores, truth, low=0, high=1)
    films, genres = true.shape
    cell = np.arange(films)[:, None] * bins + bin_of(values, bins)
    gaps = np.bincount(cell.ravel(), weights=(values - true).ravel(), minlength=films * bins)
    by_bin = film_mean(gaps.reshape(films, bins), weights)
    return np.asarray(np.abs(by_bin).sum(axis=-1) / genres)[()]


def brier(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """Mean squared difference between score and truth, over all film x genre cells."""
    values, true = checked_scores(scores, truth, low=0, high=1)
    return film_mean(((values - true) ** 2).mean(axis=1), weights)


def film_weights(weights: npt.ArrayLike | None, films: int) -> Floats:
    """`weights` as (films,) or (resamples, films); ones for None. Raises ValueError."""
    if weights is None:
        return np.ones(films)
    counts = np.asarray(weights, dtype=np.float64)
    if counts.ndim not in (1, 2) or counts.shape[-1] != films:
        raise ValueError(
            f"weights: expected ({films},) or (resamples, {films}), got {counts.shape}"
        )
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        raise ValueError("weights: expected finite numbers of at least 0")
    return counts


def film_mean(values: npt.NDArray[Any], weights: npt.ArrayLike | None = None) -> Floats:
    """Weighted mean over films of `values` (films, ...); NaN if all weights are 0."""
    rows = film_weights(weights, len(values))
    total = rows.sum(axis=-1)
    sums = rows @ values
    return ratio(sums, total.reshape(total.shape + (1,) * (sums.ndim - total.ndim)))[()]


def genre_mean(values: Floats) -> Floats:
    """Mean over the last axis, of the genres with a defined metric; NaN if there are none."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1))[()]


def bin_of(scores: Floats, bins: int) -> npt.NDArray[np.int64]:
    """The bin of equal width on [0, 1] that each score is in."""
    return np.minimum((scores * bins).astype(np.int64), bins - 1)


def genre_rankings(scores: Floats, truth: Flags) -> list[Ranking]:
    """A ranking of the films for each genre."""
    return [Ranking(column, true) for column, true in zip(scores.T, truth.T, strict=True)]


def micro_ranking(scores: Floats, truth: Flags) -> Ranking:
    """All film x genre cells in one ranking."""
    films = np.repeat(np.arange(truth.shape[0]), truth.shape[1])
    return Ranking(scores.ravel(), truth.ravel(), films)


def _areas(
    scores: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Floats, Floats]:
    values, true = checked_scores(scores, truth)
    rows = film_weights(weights, len(true))
    areas = [ranking.areas(np.atleast_2d(rows)) for ranking in genre_rankings(values, true)]
    precision, auc = (np.stack(area, axis=-1) for area in zip(*areas, strict=True))
    return _like(rows, precision), _like(rows, auc)


def _like(rows: Floats, results: Floats) -> Floats:
    """Drop the axis of resamples if `weights` had none."""
    return results if rows.ndim == 2 else results[0]


def _top_hit(
    scores: npt.ArrayLike, truth: npt.ArrayLike, count: int, weights: npt.ArrayLike | None
) -> Floats:
    values, true = checked_scores(scores, truth)
    top = np.argsort(-values, axis=1, kind="stable")[:, :count]
    found: Flags = np.take_along_axis(true, top, axis=1)
    return film_mean(np.asarray(found.any(axis=1)), weights)


def _rates(hits: Any, predicted: Any, true: Any) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 from counts; 0 if there is nothing to count."""
    return (
        np.nan_to_num(ratio(hits, predicted)),
        np.nan_to_num(ratio(hits, true)),
        np.nan_to_num(ratio(2 * hits, predicted + true)),
    )


def _flags(name: str, table: npt.ArrayLike) -> Flags:
    flags = np.asarray(table)
    if flags.ndim != 2 or 0 in flags.shape:
        raise ValueError(
            f"{name}: expected (films, genres) with at least one of each, got {flags.shape}"
        )
    if flags.dtype != np.bool_ and not np.isin(flags, (0, 1)).all():
        raise ValueError(f"{name}: expected true or false in every cell, got other numbers")
    return flags.astype(np.bool_)


def checked_flags(predicted: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[Flags, Flags]:
    """Both as tables of one shape. Raises ValueError."""
    chosen, true = _flags("predicted", predicted), _flags("truth", truth)
    if chosen.shape != true.shape:
        raise ValueError(f"predicted: expected the shape of truth {true.shape}, got {chosen.shape}")
    return chosen, true


def checked_scores(
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    low: float = -np.inf,
    high: float = np.inf,
    name: str = "scores",
) -> tuple[Floats, Flags]:
    """Both as tables of one shape. Raises ValueError, which calls the first table `name`."""
    values, true = np.asarray(scores, dtype=np.float64), _flags("truth", truth)
    if values.shape != true.shape:
        raise ValueError(f"{name}: expected the shape of truth {true.shape}, got {values.shape}")
    if np.isnan(values).any():
        film, genre = np.argwhere(np.isnan(values))[0]
        raise ValueError(f"{name}: expected numbers, got NaN at film {film}, genre {genre}")
    if values.min() < low or values.max() > high:
        raise ValueError(
            f"{name}: expected {low:g} to {high:g}, got {values.min():g} to {values.max():g}"
        )
    return values, true
