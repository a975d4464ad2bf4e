"""Scoring: every figure of a split, with intervals, beside the constant guesses, as plain JSON."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.evaluation import metrics
from keyart.evaluation.baselines import Baseline
from keyart.evaluation.bootstrap import (
    Figures,
    Interval,
    bootstrap,
    group_numbers,
    is_real,
    paired_bootstrap,
)
from keyart.evaluation.coverage import COVERAGES, unsure_figures
from keyart.evaluation.metrics import Flags
from keyart.evaluation.ranking import Floats
from keyart.genres import Vocabulary

FIGURES = (
    "label_accuracy", "hamming_loss",
    "precision_samples", "recall_samples", "f1_samples",
    "precision_micro", "recall_micro", "f1_micro",
    "precision_macro", "recall_macro", "f1_macro",
    "mean_average_precision", "micro_average_precision", "mean_roc_auc",
    "top_class", "top_three", "ranking_loss", "expected_calibration_error", "brier",
)  # fmt: skip
GENRE_FIGURES = ("average_precision", "roc_auc", "precision", "recall", "f1")
OTHERS = ("top_class", "precision")  # of the films that are not unsure

# Film x genre cells times resamples held at once: 64 MB.
_HELD_CELLS = 8_000_000


def score_split(
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    groups: npt.ArrayLike,
    vocabulary: Vocabulary,
    baselines: Mapping[str, Baseline],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All that metrics.json says of one split.

    scores: (films, genres), calibrated; truth: (films, genres); thresholds: (genres,);
    groups: (films,), near-duplicate posters under one name; baselines: from `fit_baselines` on
    the training films. Undefined figures are None. Raises ValueError for what does not fit.
    """
    values, true = metrics.checked_scores(scores, truth, low=0, high=1)
    group = group_numbers(groups, len(true))
    cuts = _thresholds(thresholds, vocabulary, true)

    def scored(values: Floats, chosen: Flags, cuts: list[float | None]) -> dict[str, Any]:
        intervals = bootstrap(
            all_figures(values, chosen, true),
            group,
            resamples=resamples,
            seed=seed,
            chunk=_chunk(true),
        )
        genres = {}
        for column, name in enumerate(vocabulary.names):
            genres[name] = {
                **{figure: _plain(intervals[figure], column) for figure in GENRE_FIGURES},
                "threshold": cuts[column],
                "predicted": int(chosen[:, column].sum()),
                "true": int(true[:, column].sum()),
            }
        return {"figures": {name: _plain(intervals[name]) for name in FIGURES}, "genres": genres}

    model = scored(values, values >= cuts, cuts.tolist())
    model["unsure"] = _unsure(values, values >= cuts, true, group, resamples, seed)
    return {
        "films": len(true),
        "groups": int(group.max()) + 1,
        "model": model,
        "baselines": {
            name: scored(*baseline.predict(len(true)), [None] * len(vocabulary))
            for name, baseline in baselines.items()
        },
    }


def _unsure(
    scores: Floats,
    predicted: Flags,
    truth: Flags,
    group: npt.NDArray[np.int64],
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """How many films get no genre, how right the model is about the others, and the curve."""
    intervals = bootstrap(
        unsure_figures(scores, predicted, truth),
        group,
        resamples=resamples,
        seed=seed,
        chunk=_chunk(truth),
    )
    surest = np.sort(scores.max(axis=1))[::-1]
    return {
        "films": int((~predicted.any(axis=1)).sum()),
        "share": _plain(intervals["unsure"]),
        "others": {name: _plain(intervals[name]) for name in OTHERS},
        "curve": [
            {
                "coverage": share,
                "confidence": float(surest[max(0, round(share * len(surest)) - 1)]),
                "top_class": _plain(intervals["curve"], point),
            }
            for point, share in enumerate(COVERAGES)
        ],
    }


def compare_scores(
    scores: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    other_scores: npt.ArrayLike,
    other_thresholds: npt.ArrayLike,
    truth: npt.ArrayLike,
    groups: npt.ArrayLike,
    vocabulary: Vocabulary,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """How the figures of a second run differ from the first's on the same films.

    Every difference is second - first, with the interval of a paired bootstrap and "real": whether
    that interval leaves out 0. Arguments as in `score_split`.
    """

    _, true = metrics.checked_flags(truth, truth)
    group = group_numbers(groups, len(true))
    runs = []
    for table, cuts in ((scores, thresholds), (other_scores, other_thresholds)):
        values, _ = metrics.checked_scores(table, true, low=0, high=1)
        runs.append((values, values >= _thresholds(cuts, vocabulary, true), true))

    def differences(figures: Callable[[Floats, Flags, Flags], Figures]) -> dict[str, Interval]:
        first, second = (figures(*run) for run in runs)
        return paired_bootstrap(
            first, second, group, resamples=resamples, seed=seed, chunk=_chunk(true)
        )

    found, unsure = differences(all_figures), differences(unsure_figures)
    return {
        "films": len(true),
        "groups": int(group.max()) + 1,
        "figures": {name: _plain_difference(found[name]) for name in FIGURES},
        "genres": {
            name: {figure: _plain_difference(found[figure], column) for figure in GENRE_FIGURES}
            for column, name in enumerate(vocabulary.names)
        },
        "unsure": {
            "share": _plain_difference(unsure["unsure"]),
            "others": {name: _plain_difference(unsure[name]) for name in OTHERS},
        },
    }


def all_figures(scores: npt.ArrayLike, predicted: npt.ArrayLike, truth: npt.ArrayLike) -> Figures:
    """FIGURES and GENRE_FIGURES as a function of film weights (resamples, films).

    The scores are sorted here, once, for all resamples.
    """
    values, true = metrics.checked_scores(scores, truth, low=0, high=1)
    chosen, _ = metrics.checked_flags(predicted, truth)
    by_genre, together = metrics.genre_rankings(values, true), metrics.micro_ranking(values, true)

    def figures(weights: Floats) -> dict[str, Floats]:
        areas = [ranking.areas(weights) for ranking in by_genre]
        average_precision, roc_auc = (np.stack(area, axis=-1) for area in zip(*areas, strict=True))
        accuracy = metrics.label_accuracy(chosen, true, weights)
        found: dict[str, Floats] = {
            "label_accuracy": accuracy,
            "hamming_loss": 1 - accuracy,
            "average_precision": average_precision,
            "roc_auc": roc_auc,
            "mean_average_precision": metrics.genre_mean(average_precision),
            "micro_average_precision": together.areas(weights)[0],
            "mean_roc_auc": metrics.genre_mean(roc_auc),
            "top_class": metrics.top_class(values, true, weights),
            "top_three": metrics.top_three(values, true, weights),
            "ranking_loss": metrics.ranking_loss(values, true, weights),
            "expected_calibration_error": metrics.expected_calibration_error(values, true, weights),
            "brier": metrics.brier(values, true, weights),
        }
        counts = metrics.genre_counts(chosen, true, weights)
        for average, rates in (
            ("samples", metrics.precision_recall_f1(chosen, true, "samples", weights)),
            ("micro", counts.rates("micro")),
            ("macro", counts.rates("macro")),
        ):
            found |= {f"{name}_{average}": rate for name, rate in rates._asdict().items()}
        return found | counts.rates("genre")._asdict()

    return figures


def _thresholds(thresholds: npt.ArrayLike, vocabulary: Vocabulary, truth: Flags) -> Floats:
    cuts = np.asarray(thresholds, dtype=np.float64)
    if truth.shape[1] != len(vocabulary) or cuts.shape != (len(vocabulary),):
        raise ValueError(
            f"expected truth (films, {len(vocabulary)}) and thresholds ({len(vocabulary)},), "
            f"got {truth.shape} and {cuts.shape}"
        )
    return cuts


def _chunk(truth: Flags) -> int:
    return max(1, _HELD_CELLS // truth.size)


def _plain(interval: Interval, column: int | None = None) -> dict[str, float] | None:
    value, low, high = (float(part if column is None else part[column]) for part in interval)
    return None if np.isnan(value) else {"value": value, "low": low, "high": high}


def _plain_difference(interval: Interval, column: int | None = None) -> dict[str, Any] | None:
    plain = _plain(interval, column)
    real = is_real(interval)
    return plain and {**plain, "real": bool(real if column is None else real[column])}
