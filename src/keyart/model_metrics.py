"""The metrics of a model on one split, and what each metric means."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric in words. headline: whether it stands at the top of a report."""

    label: str
    meaning: str
    lower_is_better: bool = False
    headline: bool = False


METRICS: Mapping[str, Metric] = {
    "mean_average_precision": Metric(
        "mAP", "mean average precision: how high the films of each genre rank by its score, "
        "averaged over genres; rare genres count as much as common ones",
        headline=True,
    ),
    "micro_average_precision": Metric(
        "Micro AP", "average precision of all film and genre pairs in one ranking",
    ),
    "mean_roc_auc": Metric(
        "Mean ROC AUC", "how often a film of a genre scores higher for it than another film does, "
        "averaged over genres; 0.5 is chance",
        headline=True,
    ),
    "top_class": Metric(
        "Top class", "how often the genre with the highest score is one of the film's genres",
        headline=True,
    ),
    "top_three": Metric(
        "Top three", "how often at least one of the three highest scores is a genre of the film",
        headline=True,
    ),
    "f1_micro": Metric(
        "Micro F1", "harmonic mean of precision and recall, over all film and genre pairs",
        headline=True,
    ),
    "precision_micro": Metric("Micro precision", "share of the predicted genres that are true"),
    "recall_micro": Metric("Micro recall", "share of the true genres that are predicted"),
    "f1_macro": Metric("Macro F1", "mean of the F1 of each genre"),
    "precision_macro": Metric("Macro precision", "mean of the precision of each genre"),
    "recall_macro": Metric("Macro recall", "mean of the recall of each genre"),
    "f1_samples": Metric("F1 by film", "mean of the F1 of each film"),
    "precision_samples": Metric("Precision by film", "mean of the precision of each film"),
    "recall_samples": Metric("Recall by film", "mean of the recall of each film"),
    "expected_calibration_error": Metric(
        "Calibration error", "mean gap between a score and the rate at which it comes true; a "
        "constant guess of each genre's rate is near 0 although it cannot tell films apart",
        lower_is_better=True, headline=True,
    ),
    "brier": Metric(
        "Brier score", "mean squared gap between score and truth", lower_is_better=True,
    ),
    "ranking_loss": Metric(
        "Ranking loss", "share of a film's pairs of a true and another genre in the wrong order",
        lower_is_better=True,
    ),
    "label_accuracy": Metric(
        "Label accuracy", "share of film and genre pairs that are right; high if nothing is "
        "predicted",
        headline=True,
    ),
    "hamming_loss": Metric("Hamming loss", "1 - label accuracy", lower_is_better=True),
}  # fmt: skip
"""Every metric of a split, best known first."""

HEADLINE = tuple(name for name, metric in METRICS.items() if metric.headline)

GENRE_METRICS = ("average_precision", "roc_auc", "precision", "recall", "f1")
"""Every metric of one genre."""

BASELINES: Mapping[str, str] = {
    "nothing": "nothing",
    "genre_rates": "genre rates",
    "most_frequent": "most frequent",
}
"""The constant guesses: predict no genre, each genre's rate, or the most frequent genres."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A metric with its 95% confidence interval. An undefined metric is None instead."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of one model minus that of another on the same films.

    model, other: the two values. value, low, high: the difference and its 95% confidence interval.
    """

    model: float
    other: float
    value: float
    low: float
    high: float

    @property
    def is_real(self) -> bool:
        """Whether the interval leaves out 0, so that chance does not explain the difference."""
        return self.low > 0 or self.high < 0

    def verdict(self, *, lower_is_better: bool = False) -> str:
        """Whether the first model is better or worse: the sign alone may be chance."""
        if not self.is_real:
            return "none" if self.low == self.high == 0 else "could be chance"
        return "better" if (self.value < 0) == lower_is_better else "worse"


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """How often the top genre is right if only the surest films get an answer.

    coverage: the share of films answered. confidence: the lowest top score among them.
    """

    coverage: float
    confidence: float
    top_class: Interval | None


@dataclass(frozen=True, slots=True)
class Unsure:
    """What is predicted with the precision that the model promises, if it does; and what is not.

    films, share: those that get no genre. top_class: of the other films; None if there are none.
    precision, recall: of all predicted genres together. genres: predicted ones a film.
    """

    films: int
    share: Interval | None
    top_class: Interval | None
    precision: Interval | None
    recall: Interval | None
    genres: Interval | None
    curve: tuple[CoveragePoint, ...]


@dataclass(frozen=True, slots=True)
class GenreMetrics:
    """The metrics of one genre.

    threshold: None for a constant guess. predicted, true: how many films.
    """

    average_precision: Interval | None
    roc_auc: Interval | None
    precision: Interval | None
    recall: Interval | None
    f1: Interval | None
    threshold: float | None
    predicted: int
    true: int

    def __getitem__(self, metric: str) -> Interval | None:
        """The metric of this name, one of GENRE_METRICS."""
        if metric not in GENRE_METRICS:
            raise KeyError(metric)
        found: Interval | None = getattr(self, metric)
        return found


@dataclass(frozen=True)
class ModelMetrics:
    """The metrics of a model, or of a constant guess, on one split.

    metrics: by name, in the order of METRICS. genres: in vocabulary order. unsure: None for a
    constant guess.
    """

    metrics: Mapping[str, Interval | None]
    genres: Mapping[str, GenreMetrics]
    unsure: Unsure | None = None

    def __getitem__(self, metric: str) -> Interval | None:
        """The metric of this name."""
        return self.metrics[metric]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = {
            "metrics": intervals_to_json(self.metrics),
            "genres": {name: asdict(genre) for name, genre in self.genres.items()},
        }
        if self.unsure:
            curve = [asdict(point) for point in self.unsure.curve]
            plain["unsure"] = {**asdict(self.unsure), "curve": curve}
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "ModelMetrics":
        """Read `to_json`. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            {name: _interval(plain["metrics"][name]) for name in METRICS},
            {
                name: GenreMetrics(
                    **{metric: _interval(row[metric]) for metric in GENRE_METRICS},
                    threshold=None if row["threshold"] is None else float(row["threshold"]),
                    predicted=int(row["predicted"]),
                    true=int(row["true"]),
                )
                for name, row in plain["genres"].items()
            },
            _unsure(plain["unsure"]) if "unsure" in plain else None,
        )


@dataclass(frozen=True)
class BoxMetrics:
    """The model that comes with keyart on the films of a split, by their posters.

    films: how many were compared. seen: how many were left out, because the box was trained on
    them. unlike: how many of the model's genres the box does not know. genres: those that both
    know. model: the box's metrics, None if nearly all films were left out. differences: model -
    box, by the names of METRICS; both are of these films and genres alone.
    """

    films: int
    seen: int
    unlike: int
    genres: tuple[str, ...]
    model: ModelMetrics | None
    differences: Mapping[str, Difference | None]

    @property
    def is_whole(self) -> bool:
        """Whether its metrics are of all films and genres of the split, as those of the model."""
        return self.model is not None and not self.seen and not self.unlike

    @property
    def is_beaten(self) -> bool:
        """Whether the model's mAP is higher by more than chance."""
        found = self.differences.get("mean_average_precision")
        return found is not None and found.low > 0

    @property
    def verdict(self) -> str:
        """Whether the model beats the box, by mAP, in one sentence or two."""
        found = self.differences.get("mean_average_precision")
        if self.model is None or found is None:
            return (
                f"No comparison with the box is fair: it was trained on {self.seen:,} of these "
                "films."
            )
        where = f" on {self.films:,} films" + (f" that it was not trained on ({self.seen:,} were "
                "left out)" if self.seen else "")  # fmt: skip
        if self.unlike:
            where += f", in the {len(self.genres)} genres that both know"
        by = (
            f"mAP {found.model:.3f} compared with {found.other:.3f} (difference "
            f"{found.low:+.3f} to {found.high:+.3f})"
        )
        if found.verdict() == "none":
            return f"Ranks films exactly as the box does{where}: mAP {found.model:.3f}."
        if not found.is_real:
            return f"No clear difference from the box{where}: {by}. More test films are needed."
        if found.value > 0:
            return f"Better than the box{where}: {by}."
        return f"Worse than the box{where}: {by}. Use the box, or start from it with --from box."

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "films": self.films,
            "seen": self.seen,
            "unlike": self.unlike,
            "genres": list(self.genres),
            "model": self.model and self.model.to_json(),
            "differences": {name: one and asdict(one) for name, one in self.differences.items()},
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "BoxMetrics":
        """Read `to_json`. Raises KeyError, TypeError or ValueError for anything else."""
        model, differences = plain["model"], plain["differences"]
        return cls(
            int(plain["films"]),
            int(plain["seen"]),
            int(plain["unlike"]),
            tuple(str(name) for name in plain["genres"]),
            None if model is None else ModelMetrics.from_json(model),
            {} if model is None else {name: _difference(differences[name]) for name in METRICS},
        )


def intervals_to_json(intervals: Mapping[str, Interval | None]) -> dict[str, Any]:
    """Metrics as plain JSON: value, low and high by name."""
    return {name: asdict(found) if found else None for name, found in intervals.items()}


def _interval(plain: Mapping[str, Any] | None) -> Interval | None:
    if plain is None:
        return None
    return Interval(float(plain["value"]), float(plain["low"]), float(plain["high"]))


def _difference(plain: Mapping[str, Any] | None) -> Difference | None:
    if plain is None:
        return None
    return Difference(*(float(plain[one]) for one in ("model", "other", "value", "low", "high")))


def _unsure(plain: Mapping[str, Any]) -> Unsure:
    return Unsure(
        int(plain["films"]),
        _interval(plain["share"]),
        _interval(plain["top_class"]),
        _interval(plain["precision"]),
        _interval(plain["recall"]),
        _interval(plain["genres"]),
        tuple(
            CoveragePoint(
                float(point["coverage"]), float(point["confidence"]), _interval(point["top_class"])
            )
            for point in plain["curve"]
        ),
    )
