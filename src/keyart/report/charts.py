"""The report's charts: which data each shows, and what it says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from keyart.evaluation import curves
from keyart.evaluation.coverage import answered, coverage_curve
from keyart.evaluation.ranking import Floats
from keyart.report.findings import Predictions, mistakes, telling
from keyart.report.glossary import Found
from keyart.report.svg import (
    Axis,
    Line,
    Look,
    around,
    count_bars,
    heat_map,
    line_chart,
    reliability_chart,
    small_chart,
)

History = Mapping[str, Floats]
"""The columns of history.csv, (epochs,) each."""


@dataclass(frozen=True)
class Chart:
    """A picture with its title, the lines that it names, and what to see in it."""

    title: str
    picture: Markup
    legend: Sequence[tuple[str, str]] = ()
    caption: str = ""


def _legend(lines: Sequence[Line]) -> list[tuple[str, str]]:
    return [(line.look, line.name) for line in lines if line.name]


def learning_charts(history: History, test: Mapping[str, Found], nothing: Found) -> list[Chart]:
    """Loss, mAP and label accuracy by epoch. test: the figures of the test part, where known."""
    epochs = history["epoch"]
    charts = []
    for column, title in (
        ("loss", "Loss"),
        ("mean_average_precision", "Mean average precision"),
        ("label_accuracy", "Label accuracy"),
    ):
        lines = []
        looks: tuple[tuple[str, Look], ...] = (("train", "two"), ("validation", "one"))
        for part, look in looks:
            values = history.get(f"{part}_{column}")
            if values is not None:
                name = "training" if part == "train" else part
                tips = [
                    f"epoch {e:.0f}: {name} {v:.4f}" for e, v in zip(epochs, values, strict=True)
                ]
                lines.append(Line(epochs, values, look, name, tips, dots=len(epochs) == 1))
        if not lines:
            continue
        ends = np.array([epochs.min(), max(epochs.max(), epochs.min() + 1)])
        if found := test.get(column):
            level = np.full(2, found["value"])
            lines.append(Line(ends, level, "three", f"test {found['value']:.3f}"))
        if column == "label_accuracy" and nothing:
            level = np.full(2, nothing["value"])
            lines.append(Line(ends, level, "guess", f"saying nothing {nothing['value']:.3f}"))
        marks, caption = [], ""
        if column == "loss" and np.isfinite(history.get("validation_loss", np.nan)).any():
            best = int(np.nanargmin(history["validation_loss"]))
            least = float(history["validation_loss"][best])
            caption = (
                f"The dot: the lowest validation loss, {least:.4f} in epoch {epochs[best]:.0f}."
            )
            marks.append((float(epochs[best]), least, caption))
        x = Axis("epoch", float(ends[0]), float(ends[1]), ticks=min(8, max(1, int(np.ptp(ends)))))
        # The first epoch of a long training lies far off, and would flatten all that follows.
        skipped = 1 if len(epochs) >= 6 else 0
        shown = [line.y[skipped if line.look == "two" else 0 :] for line in lines]
        y = around(title, *shown)
        off = [f"{line.name} begins at {line.y[0]:.3f}" for line in lines if not y.holds(line.y[0])]
        if column == "label_accuracy":
            caption = "By epoch at a threshold of 0.5; the test score at the chosen thresholds."
        if off:
            caption = f"{caption} Outside the picture: {', '.join(off)}.".strip()
        says = f"{title} by epoch, from {epochs[0]:.0f} to {epochs[-1]:.0f}"
        picture = line_chart(lines, x, y, says, points=marks)
        charts.append(Chart(title, picture, _legend(lines), caption))
    return charts


@dataclass(frozen=True)
class GenreCurves:
    """A genre's two curves with their areas."""

    name: str
    precision_recall: Markup
    average_precision: Found
    roc: Markup
    roc_auc: Found


def genre_curves(found: Predictions, genres: Mapping[str, Mapping[str, Any]]) -> list[GenreCurves]:
    """Precision-recall and ROC of each genre that some film has and some lacks."""
    shown = []
    ends = np.array([0.0, 1.0])
    for column, (name, row) in enumerate(genres.items()):
        scores, truth = found.scores[:, column], found.truth[:, column]
        if not truth.any() or truth.all():
            continue
        pr, roc = curves.precision_recall_curve(scores, truth), curves.roc_curve(scores, truth)
        base = Line(ends, np.full(2, truth.mean()), "guess")
        area, auc = row["average_precision"], row["roc_auc"]
        shown.append(
            GenreCurves(
                name,
                small_chart(
                    [base, Line(pr.recall, pr.precision)],
                    f"{name}: precision against recall, average precision {_number(area)}, "
                    f"base rate {truth.mean():.3f}",
                ),
                area,
                small_chart(
                    [
                        Line(ends, ends, "guess"),
                        Line(roc.false_positive_rate, roc.true_positive_rate),
                    ],
                    f"{name}: ROC curve, area {_number(auc)}",
                ),
                auc,
            )
        )
    return shown


def sweep_charts(found: Predictions, nothing: Found) -> list[Chart]:
    """What one threshold for all genres would give, from 0 to 1."""
    sweep = curves.threshold_sweep(found.scores, found.truth)
    x = Axis("one threshold for every genre", 0, 1)
    at = sweep.thresholds

    def line(values: Floats, look: Look, name: str) -> Line:
        tips = [f"threshold {t:.2f}: {name} {v:.3f}" for t, v in zip(at, values, strict=True)]
        return Line(at, values, look, name, tips)

    # With nothing predicted there is no precision to show.
    precision = np.where(sweep.genres_per_film > 0, sweep.precision_micro, np.nan)
    micro = [
        line(precision, "two", "micro precision"),
        line(sweep.recall_micro, "three", "micro recall"),
        line(sweep.f1_micro, "one", "micro F1"),
        line(sweep.f1_macro, "four", "macro F1"),
    ]
    peak, peaks = "", []
    if np.isfinite(sweep.f1_micro).any():
        best = int(np.nanargmax(sweep.f1_micro))
        peak = f"The dot: the best micro F1, {sweep.f1_micro[best]:.3f} at {at[best]:.2f}."
        peaks.append((float(at[best]), float(sweep.f1_micro[best]), peak))
    accuracy = [line(sweep.label_accuracy, "one", "label accuracy")]
    if nothing:
        level = np.full(2, nothing["value"])
        accuracy.append(Line(np.array([0.0, 1.0]), level, "guess", "saying nothing"))
    said = line(sweep.genres_per_film, "one", "predicted")
    held = float(found.truth.sum(axis=1).mean())
    true = Line(np.array([0.0, 1.0]), np.full(2, held), "guess", f"true {held:.2f}")
    return [
        Chart(
            "Precision, recall and F1",
            line_chart(
                micro, x, Axis("", 0, 1), "Precision, recall and F1 by threshold",
                points=peaks,
            ),
            _legend(micro),
            peak,
        ),
        Chart(
            "Label accuracy",
            line_chart(accuracy, x, Axis("", 0, 1), "Label accuracy by threshold"),
            _legend(accuracy),
            "The higher the threshold the less is said, and the nearer it comes to saying nothing.",
        ),
        Chart(
            "Genres a film",
            line_chart(
                [true, said], x, Axis("", 0, float(found.scores.shape[1])),
                "Genres predicted a film by threshold",
            ),
            _legend([said, true]),
            "How many genres a film is given, beside how many it has.",
        ),
    ]  # fmt: skip


def calibration_charts(found: Predictions, error: Found) -> list[Chart]:
    """Do scores of 30% prove true 30% of the time?"""
    scores, truth = found.scores.ravel(), found.truth.ravel()
    wide = curves.calibration_curve(scores, truth)
    fine = curves.calibration_curve(scores, truth, strategy="mass", bins=20)
    most = float(max(fine.score.max(), fine.rate.max()))
    return [
        Chart(
            "Over all scores",
            reliability_chart(*wide, Axis("score", 0, 1, percent=True),
                              "Reliability diagram in 15 bins of equal width"),
            [("one", "as often as scores say"), ("guess", "perfect")],
            "15 bins of equal width, those of the calibration error"
            + (f" ({_number(error)})." if error else ".")
            + " The bars below count film and genre pairs, in powers of ten.",
        ),
        Chart(
            "Where most scores lie",
            reliability_chart(*fine, Axis("score", 0, min(1.0, most * 1.08 + 1e-6), percent=True),
                              "Reliability diagram in 20 bins of equal counts"),
            [("one", "as often as scores say"), ("guess", "perfect")],
            "20 bins of about as many pairs each: most genres are unlikely for most films.",
        ),
    ]  # fmt: skip


def counts_chart(genres: Mapping[str, Mapping[str, Any]]) -> Chart:
    """Films given each genre beside films that have it, the most frequent first."""
    names = sorted(genres, key=lambda name: -genres[name]["true"])
    true = [genres[name]["true"] for name in names]
    predicted = [genres[name]["predicted"] for name in names]
    return Chart(
        "Predicted against true",
        count_bars(names, predicted, true, "Films predicted and true by genre"),
        [("one", "films given the genre"), ("two", "films that have it")],
    )


def mistakes_chart(found: Predictions, names: Sequence[str]) -> tuple[Chart, list[str]]:
    """The heat map, and the pairs that stand out as sentences."""
    seen = mistakes(found.predicted, found.truth)
    share = seen.share
    tips = [
        [
            f"{said} was said of {seen.wrong[r, c]:,} of {seen.missed[r]:,} {name} films that "
            f"were not recognised as such"
            for c, said in enumerate(names)
        ]
        for r, name in enumerate(names)
    ]
    picture = heat_map(
        names, share, tips, seen.missed > 0, "Heat map of genres mistaken for one another"
    )
    caption = (
        "Each row takes the films that have its genre but were not given it; each cell is the "
        "percentage of them that were wrongly given the column's genre. A film may be given "
        "several genres, so a row need not add up to 100."
    )
    pairs = [
        f"Missed {names[r]} was called {names[c]} in {seen.wrong[r, c]:,} of {seen.missed[r]:,} "
        f"films, {times:.1f} times the usual rate"
        for r, c, times in telling(seen, len(found.truth))
    ]
    return Chart("Which genres are mistaken for which", picture, (), caption), pairs


def coverage_chart(found: Predictions) -> Chart:
    """How much surer of its answers it is when it may keep silent."""
    curve = coverage_curve(found.scores, found.truth)
    rest = answered(found.scores, found.predicted, found.truth)
    # Of a handful of films a share is chance.
    films = len(found.truth)
    fewest = min(1.0, max(10, films // 100) / films)
    x, y = (part[curve.covered >= fewest] for part in (curve.covered, curve.top_class))
    line = Line(x, y, "one", "surest genre is right")
    level = Line(np.array([0.0, 1.0]), np.full(2, y[-1]), "guess", "when every film is answered")
    caption = "Answering only the surest share of films, by their highest score."
    marks, low = [], float(y.min())
    if rest.share > 0:
        at, right = float(rest.share), float(rest.top_class)
        low = min(low, right)
        caption += f" The dot: the {100 * at:.1f}% with a genre said, right for {100 * right:.1f}%."
        marks.append((at, right, f"{100 * at:.1f}% answered, {100 * right:.1f}% right"))
    axis = Axis("", max(0.0, np.floor(low * 10 - 0.5) / 10), 1, percent=True)
    picture = line_chart(
        [level, line], Axis("films answered", 0, 1, percent=True), axis,
        "Correctness of the surest genre against the share of films answered", points=marks,
    )  # fmt: skip
    return Chart("Fewer answers, better answers", picture, _legend([line, level]), caption)


def _number(found: Found) -> str:
    return "unknown" if found is None else f"{found['value']:.3f}"
