"""The metrics of a model on its splits, next to constant guesses and to the box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyart.model_metrics import (
    METRICS,
    BoxMetrics,
    Interval,
    Metric,
    ModelMetrics,
    intervals_to_json,
)

FORMAT = 4
"""The number of the format of metrics.json."""

_CRITERIA = {
    "f1": "for each genre's F1",
    "micro_f1": "for micro F1",
    "hamming": "for the least Hamming loss",
}


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
            None if plain["box"] is None else BoxMetrics.from_json(plain["box"]),
        )


@dataclass(frozen=True)
class MetricTable:
    """All metrics of a model, as metrics.json holds them.

    catalog: the fingerprint of the catalog. films: how many each split has. criterion: what the
    thresholds are best for (see `choose_thresholds`). All metrics are for these thresholds, except
    `unsure`, which is for those that keep `precision`; None if no precision is promised. notes:
    what fell back, and why. splits: those that were scored, by their posters. evidence: the test
    split by other evidence, as "poster+title+year", on the films that have it; empty if the model
    learned no titles.
    never_seen: the same, and "poster", on the films of no series that it learned from.
    """

    name: str
    catalog: str
    vocabulary: tuple[str, ...]
    films: Mapping[str, int]
    criterion: str
    notes: tuple[str, ...]
    splits: Mapping[str, SplitMetrics]
    evidence: Mapping[str, SplitMetrics] = field(default_factory=dict)
    never_seen: Mapping[str, SplitMetrics] = field(default_factory=dict)
    precision: float | None = None

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
        return _CRITERIA[self.criterion]

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
            "precision": self.precision,
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
                _splits(plain["splits"]),
                _splits(plain["evidence"]),
                _splits(plain["never_seen"]),
                None if plain["precision"] is None else float(plain["precision"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"damaged ({type(error).__name__}: {error})") from error


def _splits(plain: Mapping[str, Any]) -> dict[str, SplitMetrics]:
    return {name: SplitMetrics.from_json(found) for name, found in plain.items()}


def _criterion(plain: Any) -> str:
    if plain in _CRITERIA:
        return str(plain)
    raise ValueError(f"unknown criterion {plain!r}")
