"""Scoring: every metric of a split with its confidence interval, next to the constant guesses."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.evaluation import metrics
from keyart.evaluation.baselines import Baseline
from keyart.evaluation.bootstrap import (
    Bounds,
    WeightedMetrics,
    bootstrap,
    group_numbers,
    paired_bootstrap,
)
from keyart.evaluation.coverage import COVERAGES, unsure_metrics
from keyart.evaluation.metrics import Flags
from keyart.evaluation.ranking import Floats
from keyart.genres import Vocabulary
from keyart.metric_table import SplitMetrics
from keyart.model_metrics import (
    GENRE_METRICS,
    METRICS,
    CoveragePoint,
    Difference,
    GenreMetrics,
    Interval,
    ModelMetrics,
    Unsure,
)
from keyart.run import ScoredFilms

UNSURE_METRICS = ("share", "top_class", "precision", "recall", "genres")

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
    predicted: npt.ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> SplitMetrics:
    """Every metric of one split.

    scores: (films, genres), calibrated; truth: (films, genres); thresholds: (genres,);
    predicted: (films, genres), what keeps a promised precision; None takes what the thresholds
    give. groups: (films,), near-duplicate posters under one name; baselines: from `fit_baselines`
    on the training films. Undefined metrics are None. Raises ValueError for shapes that do not fit.
    """
    values, true = metrics.checked_scores(scores, truth, low=0, high=1)
    group = group_numbers(groups, len(true))
    cuts = _thresholds(thresholds, vocabulary, true)

    def intervals(wanted: WeightedMetrics) -> dict[str, Bounds]:
        return bootstrap(wanted, group, resamples=resamples, seed=seed, chunk=_chunk(true))

    def scored(
        values: Floats, predicted: Flags, cuts: list[float | None], unsure: Unsure | None = None
    ) -> ModelMetrics:
        found = intervals(all_metrics(values, predicted, true))
        return ModelMetrics(
            {name: _interval(found[name]) for name in METRICS},
            {
                name: GenreMetrics(
                    **{metric: _interval(found[metric], column) for metric in GENRE_METRICS},
                    threshold=cuts[column],
                    predicted=int(predicted[:, column].sum()),
                    true=int(true[:, column].sum()),
                )
                for column, name in enumerate(vocabulary.names)
            },
            unsure,
        )

    reached = values >= cuts
    kept = reached if predicted is None else metrics.checked_flags(predicted, true)[0]
    unsure = _unsure(values, kept, intervals(unsure_metrics(values, kept, true)))
    return SplitMetrics(
        len(true),
        int(group.max()) + 1,
        scored(values, reached, cuts.tolist(), unsure),
        {
            name: scored(*baseline.predict(len(true)), [None] * len(vocabulary))
            for name, baseline in baselines.items()
        },
    )


def _unsure(scores: Floats, predicted: Flags, found: Mapping[str, Bounds]) -> Unsure:
    """How many films get no genre, how right the model is about the others, and the curve."""
    surest = np.sort(scores.max(axis=1))[::-1]
    points = (
        CoveragePoint(
            coverage,
            float(surest[max(0, round(coverage * len(surest)) - 1)]),
            _interval(found["curve"], point),
        )
        for point, coverage in enumerate(COVERAGES)
    )
    return Unsure(
        int((~predicted.any(axis=1)).sum()),
        **{name: _interval(found[name]) for name in UNSURE_METRICS},
        curve=tuple(points),
    )


@dataclass(frozen=True)
class Differences:
    """How the metrics of one model differ from those of another on the same films.

    Each is model - other; None if it is undefined. groups: of near-duplicate posters. genres: the
    metrics of each genre. unsure: by UNSURE_METRICS.
    """

    films: int
    groups: int
    metrics: Mapping[str, Difference | None]
    genres: Mapping[str, Mapping[str, Difference | None]]
    unsure: Mapping[str, Difference | None]

    def __getitem__(self, metric: str) -> Difference | None:
        """The difference in the metric of this name."""
        return self.metrics[metric]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON. real: whether the interval leaves out 0."""
        return {
            "films": self.films,
            "groups": self.groups,
            "metrics": _differences_to_json(self.metrics),
            "genres": {name: _differences_to_json(row) for name, row in self.genres.items()},
            "unsure": _differences_to_json(self.unsure),
        }


def compare_scores(
    model: ScoredFilms,
    other: ScoredFilms,
    groups: npt.ArrayLike | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Differences:
    """How the metrics of a model differ from those of another, by a paired bootstrap.

    Both models scored the same films in the same order. groups: (films,), near-duplicate posters
    under one name; None takes those of `model`. Raises ValueError if films, genres or truths are
    not the same.
    """
    if model.vocabulary.names != other.vocabulary.names or model.film_ids != other.film_ids:
        raise ValueError("expected the same films and genres from both models")
    if not np.array_equal(model.truth, other.truth):
        raise ValueError("expected the same true genres from both models")
    true = model.truth
    group = group_numbers(model.groups if groups is None else groups, len(true))
    once = np.ones((1, len(true)))

    def differences(ours: WeightedMetrics, theirs: WeightedMetrics) -> dict[str, _Compared]:
        values, others = ours(once), theirs(once)
        found = paired_bootstrap(
            ours, theirs, group, resamples=resamples, seed=seed, chunk=_chunk(true)
        )
        return {name: (values[name][0], others[name][0], row) for name, row in found.items()}

    found = differences(*(all_metrics(one.scores, one.predicted, true) for one in (model, other)))
    unsure = differences(
        *(unsure_metrics(one.scores, one.predicted, true) for one in (model, other))
    )
    return Differences(
        len(true),
        int(group.max()) + 1,
        {name: _difference(found[name]) for name in METRICS},
        {
            name: {metric: _difference(found[metric], column) for metric in GENRE_METRICS}
            for column, name in enumerate(model.vocabulary.names)
        },
        {name: _difference(unsure[name]) for name in UNSURE_METRICS},
    )


def all_metrics(
    scores: npt.ArrayLike, predicted: npt.ArrayLike, truth: npt.ArrayLike
) -> WeightedMetrics:
    """METRICS and GENRE_METRICS as a function of film weights (resamples, films).

    The scores are sorted here, once, for all resamples.
    """
    values, true = metrics.checked_scores(scores, truth, low=0, high=1)
    chosen, _ = metrics.checked_flags(predicted, truth)
    by_genre, together = metrics.genre_rankings(values, true), metrics.micro_ranking(values, true)

    def weighted(weights: Floats) -> dict[str, Floats]:
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

    return weighted


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


_Compared = tuple[Floats, Floats, Bounds]
"""A metric of two models, and the bounds of the difference."""


def _interval(bounds: Bounds, column: int | None = None) -> Interval | None:
    value, low, high = (float(end if column is None else end[column]) for end in bounds)
    return None if np.isnan(value) else Interval(value, low, high)


def _difference(compared: _Compared, column: int | None = None) -> Difference | None:
    ours, theirs, bounds = compared
    interval = _interval(bounds, column)
    if interval is None:
        return None
    model, other = (float(one if column is None else one[column]) for one in (ours, theirs))
    return Difference(model, other, interval.value, interval.low, interval.high)


def _differences_to_json(found: Mapping[str, Difference | None]) -> dict[str, Any]:
    return {name: one and {**asdict(one), "real": one.is_real} for name, one in found.items()}
