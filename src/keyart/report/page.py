"""The report: one page that opens offline and shows how good runs are, and where they fail.

It is made from run folders alone, and a catalog for the posters. Two reports of the same runs
are equal byte for byte.
"""

import csv
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

import keyart
from keyart.catalog.catalog import Catalog
from keyart.errors import RunError
from keyart.files import write_text
from keyart.report import charts, side_by_side
from keyart.report.findings import Predictions, read_predictions, surest
from keyart.report.gallery import gallery, poster_uris
from keyart.report.glossary import GLOSSARY, HEADLINE, Found, aim, best_guess, plain, verdict
from keyart.report.svg import interval_bar
from keyart.run import Run

_PARTS = ("test", "validation", "train")  # the first that was scored is reported
_BASELINES = {
    "nothing": "says nothing",
    "genre_rates": "each genre's rate",
    "most_frequent": "most frequent genres",
}

_ENDS = ("low", "high")


@dataclass(frozen=True)
class _Run:
    """What a run folder holds; None for what it does not. part: that the report is of."""

    path: Path
    name: str
    metrics: Mapping[str, Any] | None
    part: str
    history: charts.History | None
    predictions: Predictions | None
    recipe: str | None

    @property
    def split(self) -> Mapping[str, Any] | None:
        """The part's entry in metrics.json."""
        if self.metrics is None:
            return None
        split: Mapping[str, Any] | None = self.metrics["splits"].get(self.part)
        return split

    def missing(self, *names: str) -> str:
        """Why a section that needs these files is left out."""
        absent = [name for name in names if not (self.path / name).is_file()]
        return f"{self.name} has no {' and no '.join(absent)} yet." if absent else ""


def write_report(runs: Sequence[Path], out: Path, *, catalog: Path | None = None) -> None:
    """Write the report of one run, or of several beside each other, to the file `out`.

    The first run is shown in full. catalog: where the gallery finds its posters, by film_id.
    What a run lacks is left out, with a sentence that says so. Raises RunError for a folder that
    is not a run or is damaged, and CatalogError for a catalog that cannot be opened.
    """
    if not runs:
        raise RunError("no run to report on; name at least one run folder")
    opened = Catalog.open(catalog) if catalog else None
    read = [_read_run(run) for run in runs]
    environment = Environment(
        loader=PackageLoader("keyart.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": _figure,
        "interval": _interval,
        "percent": _percent,
        "share": _share,
        "signed": _signed,
    }
    template = environment.get_template("report.html.j2")
    write_text(out, template.render(_page(read, opened)))


def _page(runs: Sequence[_Run], catalog: Catalog | None) -> dict[str, Any]:
    """All that the template shows; a section that is left out is None, with the reason."""
    run = runs[0]
    split, found = run.split, run.predictions
    no_metrics = run.missing("metrics.json")
    no_films = run.missing("metrics.json", f"predictions-{run.part}.parquet")
    nothing = split["baselines"]["nothing"]["figures"]["label_accuracy"] if split else None
    page: dict[str, Any] = {
        "run": run,
        "split": split,
        "version": keyart.__version__,
        "glossary": GLOSSARY,
        "baselines": _BASELINES,
        "no_metrics": no_metrics,
        "no_films": no_films,
        "no_history": _no_history(run),
        "aim": aim(run.metrics.get("thresholds", "f1")) if run.metrics else "",
        "no_recipe": run.missing("recipe.toml"),
        "learning": None,
        "curves": None,
        "unsure": None,
        "coverage": None,
        "gallery": None,
        "several": _several(runs) if len(runs) > 1 else None,
    }
    if run.history is not None:
        test = (run.metrics or {}).get("splits", {}).get("test")
        figures = test["model"]["figures"] if test else {}
        page["learning"] = charts.learning_charts(run.history, figures, nothing)
    if split is not None:
        page |= {
            "cards": [_card(split, name) for name in HEADLINE],
            "figures": [_figure_row(split, name) for name in GLOSSARY],
            "genres": _genres(split),
            # Absent from what an older keyart scored.
            "unsure": split["model"].get("unsure"),
            "counts_of_genres": charts.counts_chart(split["model"]["genres"]),
        }
    if split is not None and found is not None:
        genres = split["model"]["genres"]
        names = list(genres)
        error = split["model"]["figures"]["expected_calibration_error"]
        confusion, pairs = charts.mistakes_chart(found, names)
        page["curves"] = {
            "genres": charts.genre_curves(found, genres),
            "sweep": charts.sweep_charts(found, nothing),
            "calibration": charts.calibration_charts(found, error),
            "mistakes": confusion,
            "pairs": pairs,
        }
        page["coverage"] = charts.coverage_chart(found)
        page["gallery"] = _gallery(found, names, catalog)
    return page


def _no_history(run: _Run) -> str:
    if run.recipe and "ensemble" in tomllib.loads(run.recipe):
        return f"{run.name} was not trained: it averages other runs, whose reports show theirs."
    return run.missing("history.csv")


def _gallery(found: Predictions, names: Sequence[str], catalog: Catalog | None) -> dict[str, Any]:
    hits, misses = surest(found, right=True), surest(found, right=False)
    shown = [found.film_ids[row] for row in (*hits, *misses)]
    posters = poster_uris(catalog, shown) if catalog else {}
    lacking = sum(film not in posters for film in shown)
    if catalog is None:
        why = "No catalog was named, so the films are shown without their posters."
    elif lacking:
        why = f"The catalog has no poster of {lacking} of these {len(shown)} films."
    else:
        why = ""
    return {
        "hits": gallery(found, hits, names, posters),
        "misses": gallery(found, misses, names, posters),
        "why": why,
    }


def _card(split: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A headline figure beside the best constant guess."""
    found, guess = split["model"]["figures"][name], best_guess(split["baselines"], name)
    bar = ""
    if found is not None:
        # Rates are shown against 1; an error has no such end, so its bar shows what is there.
        known = [found["high"], *([guess["value"]] if guess else [])]
        most = 1.25 * max(*known, 1e-9) if GLOSSARY[name].low else 1.0
        says = f"{GLOSSARY[name].label} {_figure(found)}, best constant guess {_figure(guess)}"
        mark = guess["value"] if guess else None
        bar = interval_bar(found["value"], found["low"], found["high"], mark, most, says)
    return {
        "name": name,
        "entry": GLOSSARY[name],
        "found": found,
        "guess": guess,
        "verdict": verdict(name, found, guess),
        "bar": bar,
    }


def _figure_row(split: Mapping[str, Any], name: str) -> dict[str, Any]:
    found, guess = split["model"]["figures"][name], best_guess(split["baselines"], name)
    return {
        "entry": GLOSSARY[name],
        "found": found,
        "guesses": [split["baselines"][baseline]["figures"][name] for baseline in _BASELINES],
        "best": guess,
        "verdict": verdict(name, found, guess),
    }


def _genres(split: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a genre, the best average precision first; those without one last."""
    guesses = split["baselines"]["genre_rates"]["genres"]
    rows = []
    for name, row in split["model"]["genres"].items():
        found, guess = row["average_precision"], guesses[name]["average_precision"]
        bar = ""
        if found is not None:
            says = f"average precision {_figure(found)}, base rate {_figure(guess)}"
            mark = guess["value"] if guess else None
            bar = interval_bar(found["value"], found["low"], found["high"], mark, 1.0, says)
        times = found["value"] / guess["value"] if found and guess and guess["value"] else None
        rows.append({"name": name, **row, "guess": guess, "bar": bar, "times": times})
    return sorted(
        rows, key=lambda row: -row["average_precision"]["value"] if row["average_precision"] else 1
    )


def _several(runs: Sequence[_Run]) -> dict[str, Any]:
    """The side-by-side section. Runs that were not scored, or on another part, are named in it."""
    first = runs[0]
    names = _distinct([run.name for run in runs])
    scored = [
        (name, run, run.split["model"])
        for name, run in zip(names, runs, strict=True)
        if run.split is not None and run.part == first.part
    ]
    differences: list[Mapping[str, Any] | None] = []
    for place, (_, run, model) in enumerate(scored):
        base_run, base = scored[0][1:]
        if place == 0 or run.predictions is None or base_run.predictions is None:
            differences.append(None)
        else:
            differences.append(
                side_by_side.difference(
                    (base_run.predictions, base["genres"]), (run.predictions, model["genres"])
                )
            )
    models = [model for _, _, model in scored]
    told = [name for name, _, _ in scored]
    recipes = [tomllib.loads(run.recipe) if run.recipe else {} for run in runs]
    return {
        "names": names,
        "told": told,
        "untold": [name for name in names if name not in told],
        "part": first.part,
        "figures": side_by_side.figure_rows(models, differences) if models else [],
        "genres": side_by_side.genre_rows(models, differences) if models else [],
        "paired": any(differences),
        "recipes": side_by_side.recipe_rows(recipes),
        "chart": side_by_side.learning_chart(names, [run.history for run in runs]),
        "catalogs": len({run.metrics["catalog"] for run in runs if run.metrics}) > 1,
    }


def _distinct(names: Sequence[str]) -> list[str]:
    """Names that differ: the second 'run' becomes 'run (2)'."""
    given: list[str] = []
    for name in names:
        again = sum(one == name for one in names[: len(given)])
        given.append(f"{name} ({again + 1})" if again else name)
    return given


def _read_run(path: Path) -> _Run:
    if not any((path / name).is_file() for name in ("recipe.toml", "history.csv", "metrics.json")):
        raise RunError(f"{path}: not a run (no recipe.toml, history.csv or metrics.json in it)")
    metrics = plain(Run(path).metrics) if (path / "metrics.json").is_file() else None
    part, predictions = _PARTS[0], None
    try:
        if metrics is not None:
            part = next((part for part in _PARTS if part in metrics["splits"]), part)
            file = path / f"predictions-{part}.parquet"
            if file.is_file():
                predictions = read_predictions(file)
        name = str(metrics["name"]) if metrics else path.resolve().name
    except (KeyError, TypeError) as error:
        raise RunError(f"{path / 'metrics.json'}: damaged; keyart evaluate {path}") from error
    return _Run(path, name, metrics, part, read_history(path), predictions, _read_recipe(path))


def read_history(path: Path) -> charts.History | None:
    """The columns of a run's history.csv; None where no epoch has ended yet. Raises RunError."""
    file = path / "history.csv"
    if not file.is_file():
        return None
    try:
        with file.open(newline="", encoding="utf-8") as text:
            rows = list(csv.DictReader(text))
        columns = {
            name: np.array([float(row[name] or math.nan) for row in rows])
            for name in (rows[0] if rows else {})
        }
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise RunError(f"{file}: damaged ({error}); delete it to report without it") from error
    if "epoch" not in columns:
        return None
    if not np.isfinite(columns["epoch"]).all():
        raise RunError(f"{file}: damaged (an epoch without a number); delete it to report without")
    return columns


def _read_recipe(path: Path) -> str | None:
    file = path / "recipe.toml"
    if not file.is_file():
        return None
    try:
        text = file.read_text(encoding="utf-8")
        tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise RunError(f"{file}: not TOML ({error}); delete it to report without it") from error
    return text.strip()


def _figure(found: Found) -> str:
    return "-" if found is None else _number(found["value"], found)


def _interval(found: Found) -> str:
    return "-" if found is None else " to ".join(_number(found[end], found) for end in _ENDS)


def _number(value: float, found: Mapping[str, float]) -> str:
    """Three decimals, or four where three would hide the interval."""
    return f"{value:.{4 if 0 < found['high'] < 0.01 else 3}f}"


def _signed(difference: Mapping[str, float], found: Mapping[str, float]) -> str:
    """A difference to another run's figure, with the decimals of the figure itself."""
    sign = "-" if difference["value"] < 0 else "+"
    return sign + _number(abs(difference["value"]), found)


def _share(found: Found) -> str:
    """A share with its interval, in per cent."""
    if found is None:
        return "-"
    low, high = (f"{100 * found[end]:.1f}" for end in _ENDS)
    return f"{100 * found['value']:.1f}% (95% {low} to {high})"


def _percent(score: float) -> str:
    """Nothing is certain: a score below 1 is not shown as 100%, nor one above 0 as 0%."""
    if 0 < score < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= score < 1 else f"{100 * score:.0f}%"
