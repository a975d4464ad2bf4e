"""The outcome: every row beside what the study published, and what the leak is worth in words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from keyart.milestone.finished import Finished
from keyart.milestone.published import BESIDE, SOURCE
from keyart.milestone.rows import HONEST, LEAKY, Row
from keyart.report.glossary import Found


@dataclass(frozen=True)
class Result:
    """A row's outcome. finished: None where it was not run, and `why` says why not.

    epochs: that it trained, and seconds, the time they took; None for what has no epochs.
    """

    row: Row
    finished: Finished | None
    why: str = ""
    epochs: int | None = None
    seconds: float | None = None

    def figure(self, name: str) -> float | None:
        """One of the study's figures, or the mAP; None where the row was not run."""
        if self.finished is None:
            return None
        if name == "mean_average_precision":
            found = self.finished.intervals[name]
            return None if found is None else found["value"]
        return float(getattr(self.finished.scores, name))

    def interval(self, name: str) -> Found:
        """A figure's 95% interval, where it has one."""
        return None if self.finished is None else self.finished.intervals.get(name)

    def published(self, name: str) -> list[float]:
        """The study's own figures, one a text of its that gives it."""
        texts = BESIDE.get(self.row.name, ())
        return [text.figures[name] for text in texts if name in text.figures]


def leak_sentences(results: Sequence[Result]) -> tuple[str, str] | None:
    """What the leak is worth, in two sentences; None without both of its rows."""
    found = {result.row.name: result.finished for result in results}
    leaky, honest = found.get(LEAKY), found.get(HONEST)
    if leaky is None or honest is None:
        return None
    with_leak, without = leaky.scores, honest.scores
    above, honestly_above = (
        100 * (found.scores.top_class - found.guess) for found in (leaky, honest)
    )
    first = (
        "Copied before it is split, the network finds a true genre first for "
        f"{with_leak.top_class:.1%} of its test images, {above:+.1f} points from saying the most "
        f"frequent genre of all of them, at a Hamming loss of {with_leak.hamming_loss:.4f}; split "
        f"before it is copied, all else the same, for {without.top_class:.1%} of its test films, "
        f"{honestly_above:+.1f} points, at {without.hamming_loss:.4f}."
    )
    gain = with_leak.label_accuracy - with_leak.null
    honest_gain = without.label_accuracy - without.null
    second = (
        f"So the leak is worth {above - honestly_above:+.1f} points of top class and "
        f"{gain - honest_gain:+.4f} of label accuracy over such guesses ({gain:+.4f} over "
        f"predicting nothing with it, {honest_gain:+.4f} without): what the network remembers of "
        "posters it has seen, not what it tells of others."
    )
    return first, second


def to_json(results: Sequence[Result], facts: Mapping[str, Any]) -> dict[str, Any]:
    """All of it for a program. facts: what was asked for, and of which catalog."""
    return {
        **facts,
        "source_of_published": SOURCE,
        "leak": leak_sentences(results),
        "rows": [_row(result) for result in results],
    }


def _row(result: Result) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": result.row.name,
        "what": result.row.what,
        "not_run": result.why or None,
        "epochs": result.epochs,
        "seconds": result.seconds,
        "published": [asdict(text) for text in BESIDE.get(result.row.name, ())],
    }
    if result.finished is None:
        return told
    finished = result.finished
    accuracy, threshold = finished.validated
    return told | {
        "films": dict(zip(("train", "validation", "test"), finished.films, strict=True)),
        "scores": {
            **asdict(finished.scores),
            "predicted": dict(zip(finished.genres, finished.scores.predicted, strict=True)),
        },
        "label_accuracy_at_validation_threshold": accuracy,
        "validation_threshold": threshold,
        "top_class_of_most_frequent_genre": finished.guess,
        "figures": dict(finished.intervals),
    }
