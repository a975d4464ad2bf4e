"""The figures in words: what each is called, what it means in a line, which way is better."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from keyart.metric_table import MetricTable


class Entry(NamedTuple):
    """A figure's short name and its meaning; `low` where less is better."""

    label: str
    meaning: str
    low: bool = False


GLOSSARY: Mapping[str, Entry] = {
    "mean_average_precision": Entry(
        "mAP", "mean average precision: how high each genre's own films rank by its score, "
        "averaged over genres, rare ones counting as much as common ones",
    ),
    "micro_average_precision": Entry(
        "Micro AP", "average precision of all film and genre pairs in one ranking",
    ),
    "mean_roc_auc": Entry(
        "Mean ROC AUC", "how often a film of a genre scores higher for it than another film does, "
        "averaged over genres; 0.5 is chance",
    ),
    "top_class": Entry("Top class", "how often the surest genre is one of the film's genres"),
    "top_three": Entry(
        "Top three", "how often at least one of the three surest genres is one of the film's",
    ),
    "f1_micro": Entry(
        "Micro F1", "precision and recall of the predicted genres in one, all pairs together",
    ),
    "precision_micro": Entry("Micro precision", "share of the predicted genres that are true"),
    "recall_micro": Entry("Micro recall", "share of the true genres that are predicted"),
    "f1_macro": Entry("Macro F1", "mean of the genres' own F1"),
    "precision_macro": Entry("Macro precision", "mean of the genres' own precision"),
    "recall_macro": Entry("Macro recall", "mean of the genres' own recall"),
    "f1_samples": Entry("F1 by film", "mean of the films' own F1"),
    "precision_samples": Entry("Precision by film", "mean of the films' own precision"),
    "recall_samples": Entry("Recall by film", "mean of the films' own recall"),
    "expected_calibration_error": Entry(
        "Calibration error", "how far scores lie from the rate at which they prove true, on "
        "average; a constant guess of each genre's rate is near 0 without telling films apart",
        low=True,
    ),
    "brier": Entry("Brier score", "mean squared gap between score and truth", low=True),
    "ranking_loss": Entry(
        "Ranking loss", "share of a film's pairs of a true and another genre in the wrong order",
        low=True,
    ),
    "label_accuracy": Entry(
        "Label accuracy", "share of film and genre pairs told rightly; high for saying nothing",
    ),
    "hamming_loss": Entry("Hamming loss", "1 - label accuracy", low=True),
}  # fmt: skip

HEADLINE = (
    "mean_average_precision", "top_class", "top_three", "f1_micro", "mean_roc_auc",
    "expected_calibration_error", "label_accuracy",
)  # fmt: skip


def aim(criterion: str | float) -> str:
    """What thresholds chosen by a criterion (see `choose_thresholds`) are best at."""
    words = {
        "f1": "for each genre's F1",
        "micro_f1": "for micro F1",
        "hamming": "for the least Hamming loss",
    }
    return words[criterion] if isinstance(criterion, str) else f"for a precision of {criterion:g}"


Found = Mapping[str, float] | None
"""A figure of metrics.json: value, low and high; None where it is undefined."""


def best_guess(baselines: Mapping[str, Any], name: str) -> Found:
    """The figure `name` of the constant guess that is best at it."""
    known = [row for guess in baselines.values() if (row := guess["figures"][name]) is not None]
    best = min if GLOSSARY[name].low else max
    return best(known, key=lambda row: row["value"]) if known else None


def verdict(name: str, found: Found, guess: Found) -> str:
    """Whether a figure's interval lies beyond the guess: better, worse or level; "" if unknown."""
    if found is None or guess is None:
        return ""
    if found["low"] <= guess["value"] <= found["high"]:
        return "level"
    return "better" if (found["value"] < guess["value"]) == GLOSSARY[name].low else "worse"


def plain(table: MetricTable) -> dict[str, Any]:
    """The table as the page and the card still read it."""
    told = table.to_json()
    for split in told["splits"].values():
        for model in (split["model"], *split["baselines"].values()):
            model["figures"] = model.pop("metrics")
        unsure = split["model"]["unsure"]
        unsure["others"] = {name: unsure.pop(name) for name in ("top_class", "precision")}
    return told | {"thresholds": told["criterion"]}
