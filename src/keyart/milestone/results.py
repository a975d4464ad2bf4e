"""The outcome: every row next to what the study published, and what the leak is worth in words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from keyart.milestone.finished import Finished
from keyart.milestone.metrics import TABLE
from keyart.milestone.published import PUBLISHED, SOURCE, Published
from keyart.milestone.rows import HONEST, LEAKY, Row
from keyart.model_metrics import Interval, intervals_to_json


@dataclass(frozen=True)
class Result:
    """The outcome of a row. finished: None if it was not run; `why` says why not.

    epochs: how many it trained, and the seconds that they took; None if it has no epochs.
    """

    row: Row
    finished: Finished | None
    why: str = ""
    epochs: int | None = None
    seconds: float | None = None

    @property
    def published(self) -> Sequence[Published]:
        """What the study published about this row."""
        return PUBLISHED.get(self.row.name, ())

    def value(self, metric: str) -> float | None:
        """A metric of TABLE; None if the row was not run."""
        return self.finished.value(metric) if self.finished else None

    def interval(self, metric: str) -> Interval | None:
        """Its 95% confidence interval, if it has one."""
        return self.finished.interval(metric) if self.finished else None


def leak_sentences(results: Sequence[Result]) -> tuple[str, ...]:
    """What the leak is worth, in sentences; none without both of its rows."""
    found = {result.row.name: result.finished for result in results}
    leaky, honest = found.get(LEAKY), found.get(HONEST)
    if leaky is None or honest is None:
        return ()
    points, honest_points = (
        100 * (one.study.top_class - one.most_frequent) for one in (leaky, honest)
    )
    gain, honest_gain = (one.study.label_accuracy - one.study.nothing for one in (leaky, honest))
    return (
        f"The leak is worth {points - honest_points:+.1f} points of top class and "
        f"{gain - honest_gain:+.4f} of label accuracy, each compared with a constant guess.",
        "With the leak, films are copied before they are split. The top genre is right for "
        f"{leaky.study.top_class:.1%} of test images, {points:+.1f} points compared with always "
        f"predicting the most frequent genre. Label accuracy is {gain:+.4f} compared with "
        "predicting nothing.",
        "Without the leak, films are split before they are copied. The top genre is right for "
        f"{honest.study.top_class:.1%} of test films, {honest_points:+.1f} points compared with "
        f"always predicting the most frequent genre. Label accuracy is {honest_gain:+.4f} compared "
        "with predicting nothing.",
        "The difference is what the network remembers of posters that it has seen. It does not "
        "help with other posters.",
    )


def results_to_json(results: Sequence[Result]) -> dict[str, Any]:
    """All results as plain JSON."""
    return {
        "source_of_published": SOURCE,
        "leak": list(leak_sentences(results)),
        "rows": [_row(result) for result in results],
    }


def _row(result: Result) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "name": result.row.name,
        "what": result.row.what,
        "not_run": result.why or None,
        "epochs": result.epochs,
        "seconds": result.seconds,
        "published": [asdict(text) for text in result.published],
    }
    finished = result.finished
    if finished is None:
        return plain
    accuracy, threshold = finished.validated
    intervals: Mapping[str, Interval | None] = {name: finished.interval(name) for name in TABLE}
    return plain | {
        "films": dict(finished.films),
        "metrics": {
            **asdict(finished.study),
            "predicted": dict(zip(finished.genres, finished.study.predicted, strict=True)),
        },
        "intervals": intervals_to_json({n: found for n, found in intervals.items() if found}),
        "label_accuracy_at_validation_threshold": accuracy,
        "validation_threshold": threshold,
        "top_class_of_most_frequent_genre": finished.most_frequent,
    }
