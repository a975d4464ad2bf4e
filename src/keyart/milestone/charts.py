"""The charts of the study: learning, the threshold sweep, and the ROC curve, right and wrong."""

from dataclasses import replace

import numpy as np

from keyart.milestone.metrics import LOW, StudyMetrics, Sweep
from keyart.report.charts import Chart, by_threshold, learning_charts, level, threshold_chart
from keyart.report.svg import UNIT, Axis, Line, around
from keyart.run import History


def learning(history: History, metrics: StudyMetrics) -> list[Chart]:
    """Loss and label accuracy by epoch, with a line for the test split. The study had no mAP."""
    test = {name: metrics[name] for name in ("loss", "label_accuracy")}
    shown = {
        name: column for name, column in history.items() if "mean_average_precision" not in name
    }
    charts = learning_charts(shown, test, metrics.nothing)
    caption = "By epoch at a threshold of 0.5, which is also that of the test score."
    return [
        replace(chart, caption=caption) if chart.title == "Label accuracy" else chart
        for chart in charts
    ]


def rocs(swept: Sweep) -> list[Chart]:
    """The ROC curve, and the curve that the study drew in its place."""
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
        Chart.of_lines(
            "ROC curve",
            right,
            Axis("share of false pairs that are predicted", 0, 1),
            UNIT,
            "ROC curve of all film and genre pairs",
            caption="The share of true pairs that are predicted against the share of false pairs "
            "that are predicted, at 101 thresholds.",
        ),
        Chart.of_lines(
            "The study's ROC curve: wrong",
            wrong,
            Axis("wrongly predicted pairs, as a share of all pairs", 0, 1),
            UNIT,
            "The curve that the study called its ROC curve, but that is not one",
            caption="The same counts, both divided by the number of all pairs. Only "
            f"{positives:.1%} of the pairs are true, so the curve cannot rise above "
            f"{positives:.3f}, whatever the model. It shows how rare genres are.",
        ),
    ]


def sweep_charts(swept: Sweep, metrics: StudyMetrics) -> list[Chart]:
    """Label accuracy and Hamming loss by threshold, with the best threshold."""
    at, best = swept.thresholds, swept.best
    accuracy = [
        level(metrics.nothing, f"predicting nothing {metrics.nothing:.4f}"),
        by_threshold(at, swept.label_accuracy, "one", "label accuracy", digits=4),
    ]
    loss = [by_threshold(at, swept.hamming_loss, "two", "Hamming loss", digits=4)]
    dot = f"Dot: {metrics.best_label_accuracy:.4f} at {metrics.best_threshold:.2f}"
    return [
        threshold_chart(
            "Label accuracy",
            accuracy,
            caption=f"{dot}, chosen on the films that are shown, as in the study. keyart chooses "
            "thresholds on the validation split.",
            points=[(float(at[best]), float(swept.label_accuracy[best]), dot)],
        ),
        threshold_chart(
            "Hamming loss",
            loss,
            around("", swept.hamming_loss),
            caption=f"{metrics.hamming_loss_low:.4f} at {LOW}, {metrics.hamming_loss:.4f} at 0.5.",
            points=[
                (
                    float(at[best]),
                    float(swept.hamming_loss[best]),
                    f"{swept.hamming_loss[best]:.4f} at {metrics.best_threshold:.2f}",
                )
            ],
        ),
    ]
