"""Several runs in one table: their metrics, which differences are real, and their recipes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from keyart.evaluation.scoring import Differences, compare_scores
from keyart.model_metrics import METRICS, Difference, Interval, ModelMetrics
from keyart.reading import parse_toml
from keyart.report.charts import Chart
from keyart.report.contents import Contents
from keyart.report.svg import Axis, Line, Style, around
from keyart.run import ScoredFilms

_STYLES: tuple[Style, ...] = ("one", "two", "three", "four")


@dataclass(frozen=True)
class Cell:
    """A metric of a run. best: of all runs. difference: from the first run, if it is known."""

    found: Interval | None
    best: bool
    difference: Difference | None


@dataclass(frozen=True)
class ComparedRow:
    """A metric, or the average precision of a genre, over all runs."""

    label: str
    lower_is_better: bool
    cells: Sequence[Cell]


@dataclass(frozen=True)
class SideBySide:
    """Runs compared with the first.

    scored: names of the runs in the tables; not_scored: of the others. paired: whether any
    differences are known. recipe_rows: the keys in which recipes differ, with the value of each
    run. same_catalog: whether all runs were trained on one.
    """

    names: Sequence[str]
    scored: Sequence[str]
    not_scored: Sequence[str]
    metric_rows: Sequence[ComparedRow]
    genre_rows: Sequence[ComparedRow]
    paired: bool
    recipe_rows: Sequence[tuple[str, Sequence[str]]]
    chart: Chart | None
    same_catalog: bool

    @classmethod
    def of(cls, runs: Sequence[Contents]) -> Self:
        """Compare runs on the split that the first is reported on."""
        names = _distinct([run.name for run in runs])
        scored = {
            name: run
            for name, run in zip(names, runs, strict=True)
            if run.split is not None and run.split_name == runs[0].split_name
        }
        films = [run.films for run in scored.values()]
        differences = [_difference(one, films[0]) for one in films]
        models = [run.split.model for run in scored.values() if run.split is not None]
        compared = list(zip(models, differences, strict=True))
        recipes = [parse_toml(run.recipe) if run.recipe else {} for run in runs]
        return cls(
            names=names,
            scored=list(scored),
            not_scored=[name for name in names if name not in scored],
            metric_rows=_metric_rows(compared) if compared else [],
            genre_rows=_genre_rows(compared) if compared else [],
            paired=any(differences),
            recipe_rows=_recipe_rows(recipes),
            chart=_learning_chart(names, runs),
            same_catalog=len({run.metrics.catalog for run in runs if run.metrics}) <= 1,
        )


_Compared = tuple[ModelMetrics, Differences | None]
"""The metrics of a run, and how they differ from those of the first."""


def _metric_rows(runs: Sequence[_Compared]) -> list[ComparedRow]:
    return [
        _row(
            metric.label,
            [
                (model[name], differences[name] if differences else None)
                for model, differences in runs
            ],
            lower_is_better=metric.lower_is_better,
        )
        for name, metric in METRICS.items()
    ]


def _genre_rows(runs: Sequence[_Compared]) -> list[ComparedRow]:
    """The average precision of each genre that all runs know."""
    first, _ = runs[0]
    return [
        _row(
            name,
            [
                (
                    model.genres[name].average_precision,
                    differences.genres[name]["average_precision"] if differences else None,
                )
                for model, differences in runs
            ],
        )
        for name in first.genres
        if all(name in model.genres for model, _ in runs)
    ]


def _row(
    label: str,
    found: Sequence[tuple[Interval | None, Difference | None]],
    *,
    lower_is_better: bool = False,
) -> ComparedRow:
    known = [one.value for one, _ in found if one is not None]
    best = (min if lower_is_better else max)(known) if known else None
    cells = [
        Cell(one, one is not None and one.value == best, difference) for one, difference in found
    ]
    return ComparedRow(label, lower_is_better, cells)


def _difference(films: ScoredFilms | None, first: ScoredFilms | None) -> Differences | None:
    """How a run differs from the first; None for the first, or if films or genres differ."""
    if films is None or first is None or films is first:
        return None
    same = (
        films.vocabulary.names == first.vocabulary.names
        and list(films.film_ids) == list(first.film_ids)
        and list(films.groups) == list(first.groups)
        and np.array_equal(films.truth, first.truth)
    )
    return compare_scores(films, first) if same else None


def _recipe_rows(recipes: Iterable[Mapping[str, Any]]) -> list[tuple[str, Sequence[str]]]:
    """The keys in which recipes differ, with the value in each."""
    flat = [_flat(recipe) for recipe in recipes]
    keys = dict.fromkeys(key for recipe in flat for key in recipe)
    rows = [(key, [recipe.get(key, "-") for recipe in flat]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _flat(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Keys and their values as text. Keys are unique, whatever table they are in."""
    flat: dict[str, str] = {}
    for key, value in recipe.items():
        if isinstance(value, dict):
            flat |= _flat(value)
        else:
            flat[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return flat


def _learning_chart(names: Sequence[str], runs: Sequence[Contents]) -> Chart | None:
    """Validation mAP of every run by epoch; None if fewer than two have it."""
    column = "validation_mean_average_precision"
    lines = []
    for place, (name, run) in enumerate(zip(names, runs, strict=True)):
        if run.history is not None and column in run.history:
            x, y = run.history["epoch"], run.history[column]
            tips = [f"{name}, epoch {e:.0f}: {v:.4f}" for e, v in zip(x, y, strict=True)]
            style = _STYLES[place % len(_STYLES)]
            lines.append(Line(x, y, style, name, tips, dots=len(x) == 1))
    if len(lines) < 2:
        return None
    last = max(float(line.x.max()) for line in lines)
    return Chart.of_lines(
        "Mean average precision on validation",
        lines,
        Axis("epoch", 1, max(2.0, last), ticks=min(8, max(1, int(last) - 1))),
        around("", *(line.y for line in lines)),
        "Validation mAP of every run by epoch",
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """Names that differ: the second 'run' becomes 'run (2)'."""
    distinct: list[str] = []
    for name in names:
        before = names[: len(distinct)].count(name)
        distinct.append(f"{name} ({before + 1})" if before else name)
    return distinct
