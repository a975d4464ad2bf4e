"""The charts of the report: which data each shows, and what to see in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from markupsafe import Markup

from keyart.evaluation import curves
from keyart.evaluation.coverage import answered, coverage_curve
from keyart.model_metrics import GenreMetrics, Interval
from keyart.report.findings import mistakes, standing_out
from keyart.report.svg import (
    UNIT,
    Axis,
    Floats,
    Line,
    Style,
    around,
    count_bars,
    heat_map,
    line_chart,
    reliability_chart,
    small_chart,
)
from keyart.run import History, ScoredFilms

_ENDS = np.array([0.0, 1.0])
_THRESHOLDS = Axis("threshold, the same for every genre", 0, 1)
_HISTORY = {
    "loss": "Loss",
    "mean_average_precision": "Mean average precision",
    "label_accuracy": "Label accuracy",
}
_CURVES: tuple[tuple[str, str, Style], ...] = (
    ("train", "training", "two"),
    ("validation", "validation", "one"),
)


@dataclass(frozen=True)
class Chart:
    """A picture with its title, the names of its lines, and what to see in it."""

    title: str
    picture: Markup
    legend: Sequence[tuple[Style, str]] = ()
    caption: str = ""

    @classmethod
    def of_lines(
        cls,
        title: str,
        lines: Sequence[Line],
        x: Axis,
        y: Axis,
        alt: str,
        *,
        caption: str = "",
        points: Sequence[tuple[float, float, str]] = (),
    ) -> Self:
        """A chart of lines, with a legend of those that have a name."""
        picture = line_chart(lines, x, y, alt, points=points)
        legend = [(line.style, line.name) for line in lines if line.name]
        return cls(title, picture, legend, caption)


def level(value: float, name: str, ends: Floats = _ENDS, style: Style = "guess") -> Line:
    """A horizontal line, to compare the others with."""
    return Line(ends, np.full(2, value), style, name)


def by_threshold(
    thresholds: Floats, values: Floats, style: Style, name: str, *, digits: int = 3
) -> Line:
    """A metric for each of many thresholds."""
    tips = [f"threshold {t:.2f}: {name} {v:.{digits}f}"
            for t, v in zip(thresholds, values, strict=True)]  # fmt: skip
    return Line(thresholds, values, style, name, tips)


def threshold_chart(
    title: str,
    lines: Sequence[Line],
    y: Axis = UNIT,
    *,
    caption: str = "",
    points: Sequence[tuple[float, float, str]] = (),
) -> Chart:
    """A chart of lines over the threshold."""
    alt = f"{title} by threshold"
    return Chart.of_lines(title, lines, _THRESHOLDS, y, alt, caption=caption, points=points)


def learning_charts(
    history: History, test: Mapping[str, float], nothing: float | None
) -> list[Chart]:
    """Loss, mAP and label accuracy by epoch.

    test: what the model scores on the test split, as far as it is known. nothing: the label
    accuracy of predicting nothing.
    """
    return [
        _learning_chart(history, column, test.get(column), nothing)
        for column in _HISTORY
        if any(f"{split}_{column}" in history for split in ("train", "validation"))
    ]


def _learning_chart(
    history: History, column: str, test: float | None, nothing: float | None
) -> Chart:
    epochs, title = history["epoch"], _HISTORY[column]
    lines: list[Line] = []
    for split, name, style in _CURVES:
        values = history.get(f"{split}_{column}")
        if values is not None:
            tips = [f"epoch {e:.0f}: {name} {v:.4f}" for e, v in zip(epochs, values, strict=True)]
            lines.append(Line(epochs, values, style, name, tips, dots=len(epochs) == 1))
    ends = np.array([epochs.min(), max(epochs.max(), epochs.min() + 1)])
    if test is not None:
        lines.append(level(test, f"test {test:.3f}", ends, "three"))
    if column == "label_accuracy" and nothing is not None:
        lines.append(level(nothing, f"predicting nothing {nothing:.3f}", ends))
    captions, points = [], []
    if column == "loss" and np.isfinite(history.get("validation_loss", np.nan)).any():
        best = int(np.nanargmin(history["validation_loss"]))
        lowest = float(history["validation_loss"][best])
        dot = f"Dot: the lowest validation loss, {lowest:.4f} in epoch {epochs[best]:.0f}."
        points.append((float(epochs[best]), lowest, dot))
        captions.append(dot)
    if column == "label_accuracy":
        on_test = "" if test is None else "; on test at the chosen thresholds"
        captions.append(f"By epoch at a threshold of 0.5{on_test}.")
    # The first epoch of a long training is far off, and would flatten all others.
    skipped = 1 if len(epochs) >= 6 else 0
    y = around("", *(line.y[skipped if line.name == "training" else 0 :] for line in lines))
    captions += [
        f"The first epoch of {line.name} is not shown ({line.y[0]:.3f})."
        for line in lines
        if not y.holds(line.y[0])
    ]
    x = Axis("epoch", float(ends[0]), float(ends[1]), ticks=min(8, max(1, int(np.ptp(ends)))))
    alt = f"{title} by epoch, from {epochs[0]:.0f} to {epochs[-1]:.0f}"
    return Chart.of_lines(title, lines, x, y, alt, caption=" ".join(captions), points=points)


@dataclass(frozen=True)
class GenreCurves:
    """The two curves of a genre, with the areas under them."""

    name: str
    precision_recall: Markup
    average_precision: Interval | None
    roc: Markup
    roc_auc: Interval | None


def genre_curves(films: ScoredFilms, genres: Mapping[str, GenreMetrics]) -> list[GenreCurves]:
    """Precision-recall and ROC curve of each genre that some films have and some do not."""
    drawn = []
    for column, (name, metrics) in enumerate(genres.items()):
        scores, truth = films.scores[:, column], films.truth[:, column]
        if not truth.any() or truth.all():
            continue
        pr, roc = curves.precision_recall_curve(scores, truth), curves.roc_curve(scores, truth)
        area, auc = metrics.average_precision, metrics.roc_auc
        rate = float(truth.mean())
        drawn.append(
            GenreCurves(
                name,
                small_chart(
                    [level(rate, ""), Line(pr.recall, pr.precision)],
                    f"{name}: precision against recall, average precision {_text(area)}, "
                    f"base rate {rate:.3f}",
                ),
                area,
                small_chart(
                    [
                        Line(_ENDS, _ENDS, "guess"),
                        Line(roc.false_positive_rate, roc.true_positive_rate),
                    ],
                    f"{name}: ROC curve, area {_text(auc)}",
                ),
                auc,
            )
        )
    return drawn


def sweep_charts(films: ScoredFilms, nothing: float | None) -> list[Chart]:
    """What one threshold for all genres gives, from 0 to 1."""
    sweep = curves.threshold_sweep(films.scores, films.truth)
    at = sweep.thresholds
    # If nothing is predicted, there is no precision.
    precision = np.where(sweep.genres_per_film > 0, sweep.precision_micro, np.nan)
    lines = [
        by_threshold(at, precision, "two", "micro precision"),
        by_threshold(at, sweep.recall_micro, "three", "micro recall"),
        by_threshold(at, sweep.f1_micro, "one", "micro F1"),
        by_threshold(at, sweep.f1_macro, "four", "macro F1"),
    ]
    dot, points = "", []
    if np.isfinite(sweep.f1_micro).any():
        best = int(np.nanargmax(sweep.f1_micro))
        dot = f"Dot: the best micro F1, {sweep.f1_micro[best]:.3f} at {at[best]:.2f}."
        points.append((float(at[best]), float(sweep.f1_micro[best]), dot))
    accuracy = [by_threshold(at, sweep.label_accuracy, "one", "label accuracy")]
    if nothing is not None:
        accuracy.append(level(nothing, "predicting nothing"))
    true = float(films.truth.sum(axis=1).mean())
    per_film = [
        by_threshold(at, sweep.genres_per_film, "one", "predicted"),
        level(true, f"true {true:.2f}"),
    ]
    return [
        threshold_chart("Precision, recall and F1", lines, caption=dot, points=points),
        threshold_chart(
            "Label accuracy",
            accuracy,
            caption="The higher the threshold, the fewer genres are predicted, and the closer "
            "label accuracy gets to that of predicting nothing.",
        ),
        threshold_chart(
            "Genres per film",
            per_film,
            Axis("", 0, float(films.scores.shape[1])),
            caption="How many genres a film is predicted to have, and how many it has.",
        ),
    ]


def calibration_charts(films: ScoredFilms, error: Interval | None) -> list[Chart]:
    """Whether genres with a score of 30% are true for 30% of films."""
    scores, truth = films.scores.ravel(), films.truth.ravel()
    equal_width = curves.calibration_curve(scores, truth)
    equal_count = curves.calibration_curve(scores, truth, strategy="mass", bins=20)
    most = float(max(equal_count.score.max(), equal_count.rate.max()))
    zoomed = Axis("score", 0, min(1.0, most * 1.08 + 1e-6), percent=True)
    legend: list[tuple[Style, str]] = [("one", "rate of true genres"), ("guess", "perfect")]
    known = f", the bins of the calibration error ({_text(error)})" if error else ""
    return [
        Chart(
            "Calibration of all scores",
            reliability_chart(
                *equal_width, Axis("score", 0, 1, percent=True),
                "Reliability diagram in 15 bins of equal width",
            ),
            legend,
            f"15 bins of equal width{known}. The bars below count film and genre pairs, on a "
            "logarithmic scale.",
        ),
        Chart(
            "Calibration where most scores are",
            reliability_chart(*equal_count, zoomed, "Reliability diagram in 20 bins of equal size"),
            legend,
            "20 bins with about the same number of pairs. For most films, most genres get a low "
            "score.",
        ),
    ]  # fmt: skip


def counts_chart(
    names: Sequence[str], predicted: Sequence[int], true: Sequence[int], how: str = ""
) -> Chart:
    """Films predicted to have each genre next to films that have it, the most frequent first.

    how: at which threshold.
    """
    order = sorted(range(len(names)), key=lambda column: -true[column])
    picture = count_bars(
        [names[column] for column in order],
        [predicted[column] for column in order],
        [true[column] for column in order],
        "Films predicted and true by genre",
    )
    legend: list[tuple[Style, str]] = [("one", f"predicted{how}"), ("two", "true")]
    return Chart("Films per genre", picture, legend)


def mistakes_chart(films: ScoredFilms) -> tuple[Chart, list[str]]:
    """The heat map of mistakes, and the pairs that stand out as sentences."""
    names = films.vocabulary.names
    found = mistakes(films.predicted, films.truth)
    tips = [
        [
            f"{found.wrong[r, c]:,} of the {found.missed[r]:,} {name} films that the model missed "
            f"were predicted to be {other}"
            for c, other in enumerate(names)
        ]
        for r, name in enumerate(names)
    ]
    picture = heat_map(
        names, found.share, tips, found.missed > 0, "Heat map of genres mistaken for each other"
    )
    caption = (
        "A row has the films with its genre for which the model did not predict it. A cell is the "
        "percentage of them for which the model wrongly predicted the genre of the column. A film "
        "can have several predicted genres, so a row does not have to add up to 100."
    )
    pairs = [
        f"Of {found.missed[r]:,} missed {names[r]} films, {found.wrong[r, c]:,} were predicted to "
        f"be {names[c]}: {times:.1f} times the usual rate."
        for r, c, times in standing_out(found, len(films))
    ]
    return Chart("Which genres are mistaken for which", picture, (), caption), pairs


def coverage_chart(films: ScoredFilms) -> Chart:
    """How much more often the top genre is right if only the surest films get an answer."""
    curve = coverage_curve(films.scores, films.truth)
    rest = answered(films.scores, films.predicted, films.truth)
    # The share of a handful of films is chance.
    fewest = min(1.0, max(10, len(films) // 100) / len(films))
    x, y = (column[curve.covered >= fewest] for column in (curve.covered, curve.top_class))
    lines = [level(float(y[-1]), "if every film gets one"), Line(x, y, "one", "top genre is right")]
    caption = "Films are ordered by their highest score."
    points, low = [], float(y.min())
    if rest.share > 0:
        share, right = float(rest.share), float(rest.top_class)
        low = min(low, right)
        caption += (
            f" Dot: the {100 * share:.1f}% of films with a genre or a maybe; the top genre is "
            f"right for {100 * right:.1f}% of them."
        )
        points.append((share, right, f"{100 * share:.1f}% answered, {100 * right:.1f}% right"))
    return Chart.of_lines(
        "Fewer answers, better answers",
        lines,
        Axis("films that get an answer", 0, 1, percent=True),
        Axis("", max(0.0, np.floor(low * 10 - 0.5) / 10), 1, percent=True),
        "How often the top genre is right against the share of films that get an answer",
        caption=caption,
        points=points,
    )


def _text(found: Interval | None) -> str:
    return "unknown" if found is None else f"{found.value:.3f}"
