"""The study's charts: learning with the test line, the threshold sweep, and the ROC twice."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from markupsafe import Markup

from keyart.evaluation.ranking import Floats
from keyart.milestone.scores import StudyScores, Sweep
from keyart.report.charts import Chart, History, learning_charts
from keyart.report.svg import Axis, Line, Look, around, count_bars, line_chart

_UNIT = Axis("", 0, 1)


def learning(history: History, scores: StudyScores) -> list[Chart]:
    """Loss and label accuracy by epoch, with the test part's as a line. mAP the study had not."""
    test = {
        "loss": _point(scores.loss),
        "label_accuracy": _point(scores.label_accuracy),
    }
    charts = learning_charts(history, test, _point(scores.null))
    told = {"Label accuracy": "By epoch, at a threshold of 0.5, of the test part too."}
    return [
        replace(chart, caption=told.get(chart.title, chart.caption))
        for chart in charts
        if chart.title in ("Loss", "Label accuracy")
    ]


def rocs(swept: Sweep) -> list[Chart]:
    """The ROC curve as it is, and beside it the one that the study drew, named as wrong."""
    ends = np.array([0.0, 1.0])
    tips = [f"threshold {threshold:.2f}" for threshold in swept.thresholds]
    positives = float(swept.hits_of_cells[0])
    right = [
        Line(ends, ends, "guess", "chance"),
        Line(swept.false_positive_rate, swept.true_positive_rate, "one", "all genres", tips),
    ]
    wrong = [
        Line(ends, ends, "guess", "the diagonal"),
        Line(swept.false_of_cells, swept.hits_of_cells, "two", "all genres", tips),
    ]
    return [
        Chart(
            "ROC as it is",
            line_chart(
                right, Axis("of all false pairs, those predicted", 0, 1), _UNIT,
                "ROC curve of all film and genre pairs",
            ),
            _legend(right),
            "True pairs predicted, of all that are true, against false pairs predicted, of all "
            "that are false, at 101 thresholds.",
        ),
        Chart(
            "ROC as the study drew it: wrong",
            line_chart(
                wrong, Axis("of all pairs, those predicted wrongly", 0, 1), _UNIT,
                "The curve that the study called its ROC, which is none",
            ),
            _legend(wrong),
            f"The same counts, both divided by all pairs. As {positives:.1%} of the pairs are "
            f"true, it cannot rise above {positives:.3f}, whatever the model: the curve says how "
            "rare genres are.",
        ),
    ]  # fmt: skip


def sweep_charts(swept: Sweep, scores: StudyScores) -> list[Chart]:
    """Label accuracy and Hamming loss by threshold, and the best threshold."""
    at, best = swept.thresholds, swept.best
    level = np.full(2, scores.null)
    accuracy = [
        Line(np.array([0.0, 1.0]), level, "guess", f"predicting nothing {scores.null:.4f}"),
        _by_threshold(at, swept.label_accuracy, "one", "label accuracy"),
    ]
    loss = [_by_threshold(at, swept.hamming_loss, "two", "Hamming loss")]
    peak = f"The dot: {scores.best_label_accuracy:.4f} at {scores.best_threshold:.2f}"
    x = Axis("one threshold for every genre", 0, 1)
    accuracy_chart = Chart(
        "Label accuracy by threshold",
        line_chart(
            accuracy, x, _UNIT, "Label accuracy by threshold",
            points=[(float(at[best]), float(swept.label_accuracy[best]), peak)],
        ),
        _legend(accuracy),
        f"{peak}, chosen on these very films, as the study chose it; keyart chooses on validation.",
    )  # fmt: skip
    loss_chart = Chart(
        "Hamming loss by threshold",
        line_chart(
            loss, x, around("", swept.hamming_loss), "Hamming loss by threshold",
            points=[(float(at[best]), float(swept.hamming_loss[best]), peak)],
        ),
        _legend(loss),
        f"{scores.hamming_loss_low:.4f} at 0.33, {scores.hamming_loss:.4f} at 0.5.",
    )  # fmt: skip
    return [accuracy_chart, loss_chart]


def predicted_chart(names: Sequence[str], scores: StudyScores, true: Sequence[int]) -> Chart:
    """Films predicted of each genre at 0.5 beside those that have it, the most frequent first."""
    order = sorted(range(len(names)), key=lambda column: -true[column])
    picture: Markup = count_bars(
        [names[column] for column in order],
        [scores.predicted[column] for column in order],
        [true[column] for column in order],
        "Films predicted and true by genre",
    )
    return Chart(
        "Predicted films per genre",
        picture,
        [("one", "predicted at 0.5"), ("two", "have it")],
    )


def _by_threshold(at: Floats, values: Floats, look: Look, name: str) -> Line:
    tips = [f"threshold {t:.2f}: {name} {v:.4f}" for t, v in zip(at, values, strict=True)]
    return Line(at, values, look, name, tips)


def _point(value: float) -> dict[str, float]:
    """A figure without an interval."""
    return {"value": value, "low": value, "high": value}


def _legend(lines: Sequence[Line]) -> list[tuple[str, str]]:
    return [(line.look, line.name) for line in lines]
