"""What a search found: the best recipe with its evidence, and a page of importances and trials."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from optuna.trial import FrozenTrial, TrialState

import keyart
from keyart.files import write_text
from keyart.report.charts import Chart
from keyart.report.svg import Axis, Line, around, interval_bar, line_chart
from keyart.search.space import Choice, Range, Space, rounded
from keyart.terminal.progress import clock
from keyart.training.recipe import Recipe

# Fewer trials tell nothing of what matters.
_FEWEST = 5
_LISTED = 50  # trials, the best first


def best_recipe_toml(study: optuna.Study, recipe: Recipe) -> str:
    """The best trial's recipe, which opens with its evidence."""
    best, start = study.best_trial, _start(study)
    lines = [
        f"Found by keyart {keyart.__version__}: keyart tune CATALOG --recipe "
        f"{study.user_attrs['name']}; catalog {study.user_attrs['catalog'][:12]}.",
        f"{_counts(study)}; {clock(_seconds(study))} of training.",
        f"The best, trial {best.number}, has a validation mAP of {best.value:.4f} in epoch "
        f"{best.user_attrs['best_epoch']}."
        + (f" The recipe that the search began with has {start.value:.4f}." if start else ""),
        "The luckiest of many on the validation part: how good it is the test part says, with",
        "  keyart train CATALOG --recipe best.toml --out RUN",
    ]
    return "\n".join(f"# {line}" for line in lines) + "\n\n" + recipe.to_toml()


def write_search_report(study: optuna.Study, space: Space, out: Path) -> None:
    """Write the page of a search as it stands, whole or not at all."""
    complete = _complete(study)
    best = study.best_trial if complete else None
    start = _start(study)
    loaders = [PackageLoader(f"keyart.{room}", "") for room in ("search", "report")]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = {
        "version": keyart.__version__,
        "name": study.user_attrs["name"],
        "catalog": study.user_attrs["catalog"],
        "counts": _counts(study),
        "took": clock(_seconds(study)),
        "best": best and {"number": best.number, "value": best.value},
        "start": start and start.value,
        "changes": _changes(best, start),
        "importances": _importances(study),
        "fewest": _FEWEST,
        "history": _history_chart(complete, start) if complete else None,
        "slices": [chart for key in space if (chart := _slice_chart(key, space[key], complete))],
        "space": {key: str(dimension) for key, dimension in space.items()},
        "keys": list(space),
        "rows": _rows(study, space),
        "listed": _LISTED,
    }
    write_text(out, environment.get_template("search.html.j2").render(page))


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _start(study: optuna.Study) -> FrozenTrial | None:
    """The trial of the recipe as it was, once it has ended."""
    return next((one for one in _complete(study) if one.user_attrs.get("start")), None)


def _counts(study: optuna.Study) -> str:
    """How many trials ended in which way."""
    ended = study.get_trials(deepcopy=False)
    failed = sum("error" in one.user_attrs for one in ended)
    pruned = sum(one.state == TrialState.PRUNED for one in ended)
    complete = len(_complete(study))
    return (
        f"{complete + pruned + failed} trials: {complete} complete, {pruned} pruned, "
        f"{failed} failed"
    )


def _seconds(study: optuna.Study) -> float:
    """Time that all trials took, of all processes together."""
    durations = [one.duration for one in study.get_trials(deepcopy=False)]
    return sum(one.total_seconds() for one in durations if one is not None)


def _changes(best: FrozenTrial | None, start: FrozenTrial | None) -> list[dict[str, str]]:
    """Each searched key of the best recipe, beside what it was."""
    if best is None:
        return []
    before = rounded(start.params) if start else {}
    return [
        {"key": key, "now": _word(value), "was": _word(before[key]) if key in before else "-"}
        for key, value in rounded(best.params).items()
    ]


def _importances(study: optuna.Study) -> list[dict[str, Any]]:
    """How much each key matters for being among the best (PED-ANOVA, arXiv:2304.10255)."""
    complete = _complete(study)
    # With nothing that differs there is nothing to explain.
    if len(complete) < _FEWEST or len({one.value for one in complete}) == 1:
        return []
    found = optuna.importance.get_param_importances(study)
    most = max(found.values(), default=0.0) or 1.0
    return [
        {
            "key": key,
            "share": share,
            "bar": interval_bar(share, share, share, None, most, f"{key}: {share:.0%}"),
        }
        for key, share in found.items()
    ]


def _history_chart(complete: Sequence[FrozenTrial], start: FrozenTrial | None) -> Chart:
    numbers = np.array([float(one.number) for one in complete])
    values = np.array([float(one.value or 0) for one in complete])
    best = Line(numbers, np.maximum.accumulate(values), "one", "best so far")
    ends = np.array([0.0, max(numbers.max(), 1.0)])
    lines = [best]
    if start is not None and start.value is not None:
        level = np.full(2, start.value)
        lines.append(Line(ends, level, "guess", f"the recipe it began with {start.value:.4f}"))
    points = [
        (number, value, f"trial {number:.0f}: {value:.4f}")
        for number, value in zip(numbers.tolist(), values.tolist(), strict=True)
    ]
    picture = line_chart(
        lines, Axis("trial", 0, float(ends[1])), around("", values),
        "Validation mAP of each trial, and the best so far", points=points,
    )  # fmt: skip
    legend = [(line.style, line.name) for line in lines]
    return Chart("Validation mAP, trial by trial", picture, legend, "A dot: a complete trial.")


def _slice_chart(
    key: str, dimension: Range | Choice, complete: Sequence[FrozenTrial]
) -> Chart | None:
    """Validation mAP against one key; None where no trial tells it."""
    told = [(one.params[key], float(one.value or 0)) for one in complete if key in one.params]
    if not told:
        return None
    scores = np.array([score for _, score in told])
    if isinstance(dimension, Choice):
        places = [float(dimension.values.index(value)) for value, _ in told]
        title = ", ".join(map(_word, dimension.values)) + ", from left to right"
        axis = Axis("", -0.5, len(dimension.values) - 0.5, ticks=1)
        caption = title[0].upper() + title[1:] + "."
    elif dimension.log:
        places = [math.log10(value) for value, _ in told]
        axis = Axis("power of ten", math.log10(dimension.low), math.log10(dimension.high))
        caption = "By orders of magnitude: -3 is 0.001."
    else:
        places = [float(value) for value, _ in told]
        axis, caption = Axis("", dimension.low, dimension.high), ""
    points = [
        (place, score, f"{_word(value)}: {score:.4f}")
        for place, (value, score) in zip(places, told, strict=True)
    ]
    picture = line_chart(
        [], axis, around("", scores), f"Validation mAP against {key}", height=200, points=points
    )
    return Chart(key, picture, (), caption)


def _rows(study: optuna.Study, space: Space) -> list[dict[str, Any]]:
    """A row a trial that has ended, the best first, then those that were pruned or failed."""
    ended = [
        one
        for one in study.get_trials(deepcopy=False)
        if one.state in (TrialState.COMPLETE, TrialState.PRUNED) or "error" in one.user_attrs
    ]
    ended.sort(key=lambda one: -one.value if one.value is not None and _done(one) else 1.0)
    return [
        {
            "number": one.number,
            "score": f"{one.value:.4f}" if one.value is not None and _done(one) else "-",
            "state": _state(one),
            "epochs": one.user_attrs.get("epochs", "-"),
            "took": clock(one.duration.total_seconds()) if one.duration else "-",
            "values": [_word(rounded(one.params).get(key, "-")) for key in space],
        }
        for one in ended[:_LISTED]
    ]


def _done(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE


def _state(trial: FrozenTrial) -> str:
    if "error" in trial.user_attrs:
        return f"failed: {trial.user_attrs['error']}"
    return "complete" if _done(trial) else "pruned"


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
