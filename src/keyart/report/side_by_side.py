"""Several runs side by side: figures, what is really better, and what their recipes changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keyart.evaluation.scoring import compare_scores
from keyart.report.charts import Chart, History
from keyart.report.findings import Predictions
from keyart.report.glossary import GLOSSARY, Found
from keyart.report.svg import Axis, Line, Look, around, line_chart

_LOOKS: tuple[Look, ...] = ("one", "two", "three", "four")


@dataclass(frozen=True)
class Cell:
    """A run's figure. best: of all runs. difference: to the first run, where it can be told."""

    found: Found
    best: bool
    difference: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Row:
    """A figure or a genre, over all runs."""

    label: str
    low: bool
    cells: Sequence[Cell]


Differences = Sequence[Mapping[str, Any] | None]
"""For each run what `compare_scores` says of it and the first; None for the first, or unknown."""


def figure_rows(models: Sequence[Mapping[str, Any]], differences: Differences) -> list[Row]:
    """A row a figure. models: the "model" entries of metrics.json."""
    rows = []
    for name, entry in GLOSSARY.items():
        found = [model["figures"][name] for model in models]
        other = [each and each["figures"][name] for each in differences]
        rows.append(_row(entry.label, entry.low, found, other))
    return rows


def genre_rows(models: Sequence[Mapping[str, Any]], differences: Differences) -> list[Row]:
    """The average precision of each genre that all runs know."""
    names = [name for name in models[0]["genres"] if all(name in m["genres"] for m in models)]
    rows = []
    for name in names:
        found = [model["genres"][name]["average_precision"] for model in models]
        other = [each and each["genres"][name]["average_precision"] for each in differences]
        rows.append(_row(name, False, found, other))
    return rows


def difference(
    first: tuple[Predictions, Mapping[str, Any]], other: tuple[Predictions, Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """How a run differs from the first over the same films, or None where films or genres differ.

    Each run: its predictions, and the "genres" of its model in metrics.json.
    """
    (one, one_genres), (two, two_genres) = first, other
    same = (
        list(one_genres) == list(two_genres)
        and one.film_ids == two.film_ids
        and one.groups == two.groups
        and np.array_equal(one.truth, two.truth)
    )
    if not same:
        return None
    told = compare_scores(two, one).to_json()
    return told | {"figures": told["metrics"]}


def recipe_rows(recipes: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The keys in which recipes differ, with the value in each."""
    keys = list(dict.fromkeys(key for recipe in recipes for key in recipe))
    rows = [(key, [_value(recipe.get(key)) for recipe in recipes]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def learning_chart(names: Sequence[str], histories: Sequence[History | None]) -> Chart | None:
    """Validation mAP of every run, by epoch; None where fewer than two have it."""
    column = "validation_mean_average_precision"
    lines = []
    for place, (name, history) in enumerate(zip(names, histories, strict=True)):
        if history is not None and column in history:
            x, y = history["epoch"], history[column]
            tips = [f"{name}, epoch {e:.0f}: {v:.4f}" for e, v in zip(x, y, strict=True)]
            look = _LOOKS[place % len(_LOOKS)]
            lines.append(Line(x, y, look, name, tips, dots=len(x) == 1))
    if len(lines) < 2:
        return None
    last = max(float(line.x.max()) for line in lines)
    axis = Axis("epoch", 1, max(2.0, last), ticks=min(8, max(1, int(last) - 1)))
    picture = line_chart(
        lines, axis, around("", *(line.y for line in lines)), "Validation mAP of every run by epoch"
    )
    return Chart(
        "Mean average precision on validation",
        picture,
        [(line.look, line.name) for line in lines],
    )


def _row(
    label: str, low: bool, found: Sequence[Found], differences: Sequence[Mapping[str, Any] | None]
) -> Row:
    known = [row["value"] for row in found if row is not None]
    best = (min if low else max)(known) if known else None
    return Row(
        label,
        low,
        [
            Cell(row, row is not None and row["value"] == best, other)
            for row, other in zip(found, differences, strict=True)
        ],
    )


def _value(value: Any) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)
