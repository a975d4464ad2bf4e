"""The metrics of a model on its splits, next to constant guesses, and what each metric means."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 3
"""The number of the format of metrics.json."""


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

_CRITERIA = {
    "f1": "for each genre's F1",
    "micro_f1": "for micro F1",
    "hamming": "for the least Hamming loss",
}


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
    """The films that get no genre, because no score reaches its threshold.

    films, share: how many. top_class, precision: of the other films; None if there are none.
    """

    films: int
    share: Interval | None
    top_class: Interval | None
    precision: Interval | None
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


@dataclass(frozen=True, slots=True)
class Row:
    """A metric of a model next to the constant guesses, for a table."""

    name: str
    metric: Metric
    found: Interval | None
    baselines: Mapping[str, Interval | None]

    @property
    def best_guess(self) -> Interval | None:
        """The constant guess that is best at this metric."""
        known = [guess for guess in self.baselines.values() if guess is not None]
        best = min if self.metric.lower_is_better else max
        return best(known, key=lambda guess: guess.value) if known else None

    @property
    def verdict(self) -> str:
        """Whether the model is "better", "worse" or "level" with the best guess; "" if unknown.

        Level means that the confidence interval holds the guess.
        """
        found, guess = self.found, self.best_guess
        if found is None or guess is None:
            return ""
        if found.low <= guess.value <= found.high:
            return "level"
        return "better" if (found.value < guess.value) == self.metric.lower_is_better else "worse"


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
        if not found.is_real:
            return f"No clear difference from the box{where}: {by}. More test films would tell."
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


@dataclass(frozen=True)
class SplitMetrics:
    """A model on one split, next to constant guesses. groups: of near-duplicate posters.

    box: the model that comes with keyart on the same films; None if it was not compared.
    """

    films: int
    groups: int
    model: ModelMetrics
    baselines: Mapping[str, ModelMetrics] = field(default_factory=dict)
    box: BoxMetrics | None = None

    def rows(self, names: Sequence[str] = tuple(METRICS)) -> list[Row]:
        """A row for each of the named metrics."""
        return [self.row(name) for name in names]

    def row(self, name: str) -> Row:
        """The metric `name` of the model next to those of the constant guesses."""
        guesses = {baseline: guess[name] for baseline, guess in self.baselines.items()}
        return Row(name, METRICS[name], self.model[name], guesses)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "films": self.films,
            "groups": self.groups,
            "model": self.model.to_json(),
            "baselines": {name: guess.to_json() for name, guess in self.baselines.items()},
            "box": self.box and self.box.to_json(),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "SplitMetrics":
        """Read `to_json`. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            int(plain["films"]),
            int(plain["groups"]),
            ModelMetrics.from_json(plain["model"]),
            {name: ModelMetrics.from_json(row) for name, row in plain["baselines"].items()},
            BoxMetrics.from_json(box) if (box := plain.get("box")) is not None else None,
        )


@dataclass(frozen=True)
class MetricTable:
    """All metrics of a model, as metrics.json holds them.

    catalog: the fingerprint of the catalog. films: how many each split has. criterion: what the
    thresholds are best for (see `choose_thresholds`). notes: what fell back, and why. splits: those
    that were scored, by their posters. evidence: the test split by other evidence, as
    "poster+title+year", on the films that have it; empty if the model learned no titles.
    never_seen: the same, and "poster", on the films of no series that it learned from.
    """

    name: str
    catalog: str
    vocabulary: tuple[str, ...]
    films: Mapping[str, int]
    criterion: str | float
    notes: tuple[str, ...]
    splits: Mapping[str, SplitMetrics]
    evidence: Mapping[str, SplitMetrics] = field(default_factory=dict)
    never_seen: Mapping[str, SplitMetrics] = field(default_factory=dict)

    def by_evidence(self) -> list[tuple[str, str, SplitMetrics]]:
        """The test split by evidence: what predictions rest on, which films, and their metrics.

        Empty if the model learned no titles.
        """
        if not self.evidence:
            return []
        rows = []
        for evidence, split in {"poster": self.split("test"), **self.evidence}.items():
            name = evidence.replace("+", ", ")
            rows.append((name, "all", split))
            if evidence in self.never_seen:
                rows.append((name, "series never seen", self.never_seen[evidence]))
        return rows

    def split(self, name: str) -> SplitMetrics:
        """The metrics of one split. Raises KeyError if it was not scored."""
        return self.splits[name]

    @property
    def aim(self) -> str:
        """What the thresholds were chosen for, in words: "for each genre's F1"."""
        if isinstance(self.criterion, str):
            return _CRITERIA[self.criterion]
        return f"for a precision of {self.criterion:g}"

    def provenance(self) -> dict[str, Any]:
        """What a bundle keeps of the metrics, if the test split was scored."""
        test = self.splits["test"]
        return {
            "name": self.name,
            "catalog": self.catalog,
            "films": dict(self.films),
            "metrics": intervals_to_json(test.model.metrics),
            "rates": {name: one.true / test.films for name, one in test.model.genres.items()},
            "notes": list(self.notes),
            "thresholds": self.criterion,
        }

    def __repr__(self) -> str:
        scores = ", ".join(
            f"{name} mAP {found.value:.3f}"
            for name, split in self.splits.items()
            if (found := split.model["mean_average_precision"])
        )
        return f"<MetricTable {self.name!r}: {scores}>"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as in metrics.json."""
        return {
            "format": FORMAT,
            "name": self.name,
            "catalog": self.catalog,
            "vocabulary": list(self.vocabulary),
            "films": dict(self.films),
            "criterion": self.criterion,
            "notes": list(self.notes),
            "splits": {name: split.to_json() for name, split in self.splits.items()},
            "evidence": {name: found.to_json() for name, found in self.evidence.items()},
            "never_seen": {name: found.to_json() for name, found in self.never_seen.items()},
        }

    @classmethod
    def from_json(cls, plain: Any) -> "MetricTable":
        """Read `to_json`. Raises ValueError with what is wrong: another format, or damage."""
        if not isinstance(plain, dict):
            raise ValueError("not a table of metrics")
        if (found := plain.get("format")) != FORMAT:
            raise ValueError(f"format {found}, but this keyart reads format {FORMAT}")
        try:
            return cls(
                str(plain["name"]),
                str(plain["catalog"]),
                tuple(str(name) for name in plain["vocabulary"]),
                {split: int(films) for split, films in plain["films"].items()},
                _criterion(plain["criterion"]),
                tuple(str(note) for note in plain["notes"]),
                *(
                    {name: SplitMetrics.from_json(split) for name, split in found.items()}
                    for found in (plain["splits"], plain["evidence"], plain.get("never_seen", {}))
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"damaged ({type(error).__name__}: {error})") from error


def intervals_to_json(intervals: Mapping[str, Interval | None]) -> dict[str, Any]:
    """Metrics as plain JSON: value, low and high by name."""
    return {name: asdict(found) if found else None for name, found in intervals.items()}


def _criterion(plain: Any) -> str | float:
    if plain in _CRITERIA or isinstance(plain, int | float):
        known: str | float = plain
        return known
    raise ValueError(f"unknown criterion {plain!r}")


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
        tuple(
            CoveragePoint(
                float(point["coverage"]), float(point["confidence"]), _interval(point["top_class"])
            )
            for point in plain["curve"]
        ),
    )
