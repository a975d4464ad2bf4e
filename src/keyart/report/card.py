"""The model card: what a model was trained on, how good it is, what it must not be used for."""

from collections.abc import Mapping
from typing import Any

from keyart.metric_table import MetricTable
from keyart.report.glossary import aim, plain

_SHOWN = {
    "mean_average_precision": "mAP (mean average precision)",
    "micro_average_precision": "micro AP",
    "mean_roc_auc": "mean ROC AUC",
    "top_class": "top class is right",
    "top_three": "one of the top three is right",
    "f1_micro": "micro F1",
    "f1_macro": "macro F1",
    "expected_calibration_error": "expected calibration error",
    "label_accuracy": "label accuracy",
}


def model_card(table: MetricTable, recipe: str) -> str:
    """Markdown. metrics: as in metrics.json, with a test part. recipe: TOML."""
    metrics = plain(table)
    test = metrics["splits"]["test"]
    model, guess = test["model"], test["baselines"]["genre_rates"]
    films = metrics["films"]
    lines = [
        f"# {metrics['name']}",
        "",
        "Predicts the genres of a film from its poster, with calibrated scores.",
        "",
        "## Data",
        "",
        f"Trained on {films['train']:,} films; calibrated and given its thresholds on "
        f"{films['validation']:,} others; scored once on {films['test']:,} that neither saw. "
        "Films whose posters are near-duplicates are in one part. Catalog fingerprint "
        f"`{metrics['catalog']}`.",
        "",
        "## Figures on the test part",
        "",
        "With 95% intervals (bootstrap over groups of near-duplicates), beside the best that a "
        "constant guess gets: nothing, each genre's rate, or the most frequent genres.",
        "",
        "| figure | model | 95% interval | guess |",
        "|---|---:|---:|---:|",
    ]
    for name, label in _SHOWN.items():
        row = model["figures"][name]
        best = _best_guess(test["baselines"], name)
        lines.append(f"| {label} | {_value(row)} | {_range(row)} | {_value(best)} |")
    lines += [
        "",
        f"A genre is said from its threshold up, chosen on validation films "
        f"{aim(metrics.get('thresholds', 'f1'))}.",
        "",
        *_unsure(test["films"], model.get("unsure")),
        "Label accuracy says little: predicting nothing scores "
        f"{_value(test['baselines']['nothing']['figures']['label_accuracy'])}.",
        "",
        "| genre | AP | 95% interval | guess | F1 | threshold | predicted | true |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in model["genres"].items():
        other = guess["genres"][name]["average_precision"]
        lines.append(
            f"| {name} | {_value(row['average_precision'])} | {_range(row['average_precision'])} "
            f"| {_value(other)} | {_value(row['f1'])} | {row['threshold']:.2f} "
            f"| {row['predicted']:,} | {row['true']:,} |"
        )
    lines += ["", "## Limits", "", *_weak_genres(model["genres"], guess["genres"])]
    lines += [f"- {note}" for note in metrics.get("notes", [])]
    lines += [
        "- A poster shows how a film was sold, not what it is; genres differ from one database "
        "to the next, and that noise caps every figure.",
        "- Films of other times, countries and styles than those of the training part may be "
        "judged worse than the figures say.",
        "",
        "## Not for",
        "",
        "Deciding what anyone may see, buy or be paid for; age ratings; judging people on "
        "posters. Scores are a help for a person who checks them.",
        "",
        "## Recipe",
        "",
        "```toml",
        recipe.strip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _unsure(films: int, unsure: Mapping[str, Any] | None) -> list[str]:
    if unsure is None:
        return []
    told = f"It is unsure of {unsure['films']:,} of {films:,} films: no score clears its threshold."
    top, said = unsure["others"]["top_class"], unsure["others"]["precision"]
    if top is not None:
        told += (
            f" For the others its surest genre is right with {_value(top)} ({_range(top)}), and "
            f"{_value(said)} ({_range(said)}) of the genres it says are right."
        )
    return [told, ""]


def _weak_genres(genres: Mapping[str, Any], guess: Mapping[str, Any]) -> list[str]:
    """The genres that are hardly better than a guess: their interval reaches down to it."""
    weak = [
        name
        for name, row in genres.items()
        if row["average_precision"] is None
        or row["average_precision"]["low"] <= 1.5 * guess[name]["average_precision"]["value"]
    ]
    if not weak:
        return []
    return [f"- Little better than a guess (under 1.5 times its AP) may be: {', '.join(weak)}."]


def _best_guess(baselines: Mapping[str, Any], figure: str) -> Mapping[str, float] | None:
    rows = [guess["figures"][figure] for guess in baselines.values()]
    known = [row for row in rows if row is not None]
    best = min if figure == "expected_calibration_error" else max
    return best(known, key=lambda row: row["value"]) if known else None


def _value(figure: Mapping[str, float] | None) -> str:
    return "-" if figure is None else f"{figure['value']:.3f}"


def _range(figure: Mapping[str, float] | None) -> str:
    return "-" if figure is None else f"{figure['low']:.3f} to {figure['high']:.3f}"
