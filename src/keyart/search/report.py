"""The result of a search: the best recipe with its evidence, and a page of importances and trials.

The charts are Optuna's, drawn by matplotlib as SVG, in the colours of the page, light or dark.
Plotly's would need 4 MB of JavaScript on each page, and no style sheet reaches them.
"""

import io
import re
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import optuna.visualization.matplotlib as charts
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from optuna.importance import get_param_importances
from optuna.trial import FrozenTrial, TrialState

from keyart.files import write_text
from keyart.report.charts import Chart
from keyart.report.templates import template
from keyart.search.space import rounded, written
from keyart.search.study import Search
from keyart.version import __version__

# Fewer trials show nothing about importance.
_FEWEST = 5
_LISTED = 50  # trials, the best first
_SCORE = "validation mAP"

# The colours of Optuna's charts, and those of the page in their place.
_COLOURS = {
    "#ffffff": "var(--line)",  # the grid; the background is transparent
    "#e5e5e5": "var(--panel)",
    "#cccccc": "var(--line)",
    "#555555": "var(--soft)",
    "#1f77b4": "var(--one)",
    "#3182bd": "var(--one)",
    "#d62728": "var(--two)",
}


def write_best_recipe(search: Search) -> None:
    """Write the best trial's recipe, with its evidence at the top, if a trial is complete."""
    best, start = search.best, search.start
    if best is None:
        return
    began = f" The recipe that the search began with has {start.value:.4f}." if start else ""
    lines = [
        f"Found by keyart {__version__}: keyart tune CATALOG --recipe {search.name}; "
        f"catalog {search.catalog[:12]}.",
        f"{_counts(search)}; {_time(search)} of training.",
        f"The best, trial {best.number}, has a validation mAP of {best.value:.4f} in epoch "
        f"{best.user_attrs['best_epoch']}.{began}",
        "The best of many is partly luck on the validation split. The test split shows how good",
        "it is: keyart train CATALOG --recipe best.toml --out RUN",
    ]
    evidence = "\n".join(f"# {line}" for line in lines)
    recipe = search.recipe(rounded(best.params))
    write_text(search.best_recipe_path, f"{evidence}\n\n{recipe.to_toml()}")


def write_search_report(search: Search) -> None:
    """Write the page of a search as it stands, whole or not at all."""
    page = {
        "search": search,
        "counts": _counts(search),
        "time": _time(search),
        "changes": _changes(search),
        "history": _history(search) if search.complete else None,
        "importances": _importances(search),
        "fewest": _FEWEST,
        "epochs": _epochs(search),
        "slices": [_slice(search, key) for key in search.space if _varies(search, key)],
        "space": {key: written(dimension) for key, dimension in search.space.items()},
        "rows": _rows(search),
        "listed": _LISTED,
    }
    write_text(search.report_path, template("search.html.j2", room="search").render(page))


def _counts(search: Search) -> str:
    """How many trials are complete, pruned and failed."""
    pruned = sum(one.state == TrialState.PRUNED for one in search.trials)
    complete, failed = len(search.complete), len(search.failed)
    return (
        f"{complete + pruned + failed} trials: {complete} complete, {pruned} pruned, "
        f"{failed} failed"
    )


def _time(search: Search) -> str:
    """Time that all trials took, in all processes together: hours, minutes, seconds."""
    durations = [one.duration for one in search.trials if one.duration]
    return _clock(sum(durations, timedelta()))


def _clock(duration: timedelta) -> str:
    return str(timedelta(seconds=round(duration.total_seconds())))


def _changes(search: Search) -> list[tuple[str, str, str]]:
    """Each searched key: its value in the best recipe, and in the one to begin with."""
    if search.best is None:
        return []
    before = rounded(search.start.params) if search.start else {}
    return [
        (key, _word(value), _word(before[key]) if key in before else "-")
        for key, value in rounded(search.best.params).items()
    ]


def _history(search: Search) -> Chart:
    start = search.start

    def draw() -> Axes:
        axes = charts.plot_optimization_history(search.study, target_name=_SCORE)
        if start is not None and start.value is not None:
            axes.axhline(start.value, color="#555555", linestyle=":", label="first recipe")
        axes.legend(loc="lower right")
        return axes

    return _chart("Validation mAP, trial by trial", draw, "A dot is a complete trial.")


def _importances(search: Search) -> Chart | None:
    """How important each key is for the best scores (PED-ANOVA, arXiv:2304.10255)."""
    complete = search.complete
    # Without any difference there is nothing to explain.
    if len(complete) < _FEWEST or len({one.value for one in complete}) == 1:
        return None
    shares = get_param_importances(search.study)

    def draw() -> Axes:
        axes = charts.plot_param_importances(search.study)
        axes.set_ylabel("")
        return _without_legend(axes)

    words = ", ".join(f"{key} {share:.0%}" for key, share in shares.items())
    return _chart("Importance of each key", draw, f"{words}.")


def _epochs(search: Search) -> Chart | None:
    if not any(one.intermediate_values for one in search.trials):
        return None

    def draw() -> Axes:
        axes = charts.plot_intermediate_values(search.study)
        axes.set(xlabel="epoch", ylabel=_SCORE)
        return _without_legend(axes)  # it would name every trial

    return _chart("Validation mAP, epoch by epoch", draw, "A line is a trial, pruned ones too.")


def _without_legend(axes: Axes) -> Axes:
    if legend := axes.get_legend():
        legend.remove()
    return axes


def _varies(search: Search, key: str) -> bool:
    return len({one.params[key] for one in search.complete if key in one.params}) > 1


def _slice(search: Search, key: str) -> Chart:
    """Validation mAP against one key."""

    def draw() -> Axes:
        axes = charts.plot_slice(search.study, params=[key], target_name=_SCORE)
        assert isinstance(axes, Axes)
        return axes

    return _chart(key, draw, "Darker dots are later trials.")


def _chart(title: str, draw: Callable[[], Axes], caption: str) -> Chart:
    """One of Optuna's charts as SVG for the page. Settings of matplotlib are restored."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # Text stays text, charts are small enough for a phone, and their bytes are reproducible.
    drawn = mpl.rc_context(
        {"svg.fonttype": "none", "figure.figsize": (4.6, 3.2), "svg.hashsalt": "keyart"}
    )
    with drawn, plt.ioff(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's functions are experimental
        axes = draw()
        for place in ("left", "center"):
            axes.set_title("", loc=place)  # the page has its own
        figure = axes.get_figure(root=True)
        assert figure is not None
        figure.savefig(file, format="svg", bbox_inches="tight", transparent=True, metadata=nothing)
        plt.close(figure)
    svg = file.getvalue()[file.getvalue().index("<svg") :]
    # HTML needs no namespaces, and the page sets the size.
    svg = re.sub(r' (xmlns(:xlink)?="[^"]*"|(width|height)="[^"]*pt")', "", svg)
    for colour, variable in _COLOURS.items():
        svg = svg.replace(colour, variable)
    said = f'<svg role="img" aria-label="{escape(title)}"'
    return Chart(title, Markup(svg.replace("<svg", said, 1)), (), caption)


def _rows(search: Search) -> list[dict[str, Any]]:
    """A row for each trial that has ended: complete ones, the best first, then the others."""
    ended = [one for one in search.trials if one.state == TrialState.PRUNED]
    ended = sorted(search.complete, key=lambda one: -(one.value or 0)) + ended + search.failed
    return [
        {
            "number": one.number,
            "score": f"{one.value:.4f}" if one.state == TrialState.COMPLETE else "-",
            "epochs": one.last_step or "-",
            "time": _clock(one.duration) if one.duration else "-",
            "values": [_word(rounded(one.params).get(key, "-")) for key in search.space],
            "ended": _ending(one),
        }
        for one in ended[:_LISTED]
    ]


def _ending(trial: FrozenTrial) -> str:
    if "error" in trial.user_attrs:
        return f"failed: {trial.user_attrs['error']}"
    return trial.state.name.lower()


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
