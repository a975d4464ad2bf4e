"""The comparison: the films of a catalog through every row of the study and of keyart.

    catalog/        the sample of films, if one was asked for
    milestone.json  what was asked for; the folder keeps to it
    ROW/            a run, the same as `keyart train` makes
    results.json    report.html

A row is done if its run is finished. A milestone that was interrupted continues where it stopped.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keyart.catalog.catalog import Catalog
from keyart.catalog.terms import check_agreement
from keyart.ensemble.make import make_ensemble
from keyart.errors import KeyartError, why
from keyart.evaluation.baselines import fit_baselines
from keyart.files import StrPath, write_json
from keyart.milestone.finished import guess_finished, read_finished
from keyart.milestone.page import write_page
from keyart.milestone.plan import Planned, Request, plan_row
from keyart.milestone.results import Result, results_to_json
from keyart.milestone.rows import (
    HONEST,
    LEAKY,
    ROWS,
    STUDIED,
    Row,
    check_settings,
    check_weights,
    choose_rows,
)
from keyart.run import Run
from keyart.stores.paths import on_this_machine
from keyart.training.callbacks import Callbacks as TrainingCallbacks
from keyart.training.train import train
from keyart.version import __version__

_ASKED, _RESULTS, _REPORT, _CATALOG = "milestone.json", "results.json", "report.html", "catalog"
_FORMAT = 2
_log = logging.getLogger("keyart.milestone")


def _silent() -> AbstractContextManager[TrainingCallbacks]:
    return nullcontext(TrainingCallbacks())


@dataclass(frozen=True)
class Callbacks:
    """What to call while a milestone runs.

    plan: with all planned rows, before anything runs. begin: with each row that is run. not_run:
    with each row that was not, and the reason. training: for each row, for a context manager that
    watches the training.
    """

    plan: Callable[[Sequence[Planned]], None] = lambda planned: None
    begin: Callable[[Row], None] = lambda row: _log.info("%s: %s", row.name, row.what)
    not_run: Callable[[Row, str], None] = lambda row, why: _log.info(
        "%s was not run: %s", row.name, why
    )
    training: Callable[[], AbstractContextManager[TrainingCallbacks]] = _silent


@dataclass(frozen=True)
class Milestone:
    """A comparison that was run. results: of every row, in the order of the table."""

    path: Path
    catalog: Catalog
    results: tuple[Result, ...]

    @property
    def report_path(self) -> Path:
        """The page."""
        return self.path / _REPORT

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as in results.json."""
        return {
            "format": _FORMAT,
            "keyart": __version__,
            "catalog": str(self.catalog.path),
            "fingerprint": self.catalog.fingerprint,
            "films": len(self.catalog),
            **results_to_json(self.results),
        }


def run_milestone(
    catalog: Catalog | StrPath,
    *,
    out: StrPath,
    rows: Iterable[str] | None = None,
    films: int | None = None,
    epochs: int | None = None,
    full: bool = False,
    settings: Mapping[str, Sequence[str]] | None = None,
    weights: Mapping[str, StrPath] | None = None,
    callbacks: Callbacks | None = None,
    agreement: bool = False,
) -> Milestone:
    """Run the rows of the 2017 study and of keyart on a catalog, and compare them with the study.

    Writes runs, results.json and report.html into the folder `out`. Rows that are done are not run
    again. A row that cannot be run does not stop the others.

    rows: names of the rows to run; None for all. films: how many films to sample; None for all.
    epochs: of every network, at most; by default, as many as fit into some 20 minutes on two cores.
    full: whether to use the study's own picture size, batches and epochs. settings: KEY=VALUE
    settings of recipes, by row; `scratch` sets both from-scratch rows. weights: pretrained weights
    of vgg16 or mobilenetv2, a file or "hub", by row. agreement: as in `train`.

    Raises KeyartError if `out` holds another comparison or a row is unknown, CatalogError if the
    catalog has too few films, and WeightsError for a file that does not fit its row.
    """
    folder, watch = on_this_machine(out), callbacks or Callbacks()
    chosen = choose_rows(rows)
    known = {row: str(where) for row, where in (weights or {}).items()}
    request = Request(films, epochs, full, settings or {}, known)
    check_settings(request.settings)
    check_weights(request.weights)
    whole = catalog if isinstance(catalog, Catalog) else Catalog.open(catalog)
    check_agreement(whole, agreement)
    asked = _asked(folder, whole, request)
    request = replace(request, settings=asked["settings"])
    opened = _sample(whole, folder, films)
    write_json(folder / _ASKED, asked)
    planned = [
        Planned(row, done=True) if _run(folder, row).is_finished else plan_row(row, opened, request)
        for row in chosen
    ]
    watch.plan(planned)
    reasons = {row.name: "not asked for" for row in ROWS if row not in chosen}
    for one in planned:
        why = "" if one.done else one.why or _run_row(one, opened, folder, watch)
        if why:
            watch.not_run(one.row, why)
            reasons[one.row.name] = why
    results = [_result(row, opened, folder, reasons.get(row.name, "")) for row in ROWS]
    milestone = Milestone(folder, opened, tuple(results))
    write_json(folder / _RESULTS, milestone.to_json())
    runs = {row.name: run for row in ROWS if (run := _run(folder, row)).is_finished}
    write_page(milestone.report_path, results, opened, runs)
    return milestone


def _asked(out: Path, catalog: Catalog, request: Request) -> dict[str, Any]:
    """The content of milestone.json, checked against what the folder was started with.

    A row keeps its first settings; only a row without a run may get others.
    """
    settings = {row: list(given) for row, given in request.settings.items()}
    asked: dict[str, Any] = {
        "format": _FORMAT,
        "catalog": catalog.fingerprint,
        "films": request.films,
        "epochs": request.epochs,
        "full": request.full,
    }
    file = out / _ASKED
    if not file.exists():
        if out.exists() and any(out.iterdir()):
            raise KeyartError(f"{out}: is not empty and has no comparison; choose another folder")
        return {**asked, "settings": settings}
    try:
        before = json.loads(file.read_bytes())
        changed = [key for key, value in asked.items() if before[key] != value]
        known: dict[str, list[str]] = dict(before["settings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeyartError(f"{file}: damaged ({why(error)}); choose another folder") from error
    if "format" in changed:
        raise KeyartError(
            f"{file}: format {before['format']}, but this keyart reads format {_FORMAT}; name "
            "another folder"
        )
    if changed:
        key = changed[0]
        how = "with another catalog" if key == "catalog" else _option(key, before[key])
        raise KeyartError(f"{out}: was started {how}; do the same, or choose another folder")
    for row, given in settings.items():
        made = [out / one for one in ((row, LEAKY) if row == HONEST else (row,))]
        if given != known.get(row, []) and any(run.exists() for run in made):
            raise KeyartError(
                f"{out / row}: was started with {_set(row, known)}; do the same, or choose another "
                "folder"
            )
    return {**asked, "settings": known | settings}


def _set(row: str, settings: Mapping[str, Sequence[str]]) -> str:
    return " ".join(f"--set {row}.{one}" for one in settings.get(row, [])) or "no settings"


def _option(key: str, value: Any) -> str:
    if value is None or value is False:
        return f"without --{key}"
    return f"with --{key}" if value is True else f"with --{key} {value}"


def _sample(catalog: Catalog, out: Path, films: int | None) -> Catalog:
    if films is None:
        return catalog
    if (out / _CATALOG).exists():
        return Catalog.open(out / _CATALOG)
    return catalog.sample(films, out=out / _CATALOG)


def _run(out: Path, row: Row) -> Run:
    return Run(out / row.name)


def _run_row(planned: Planned, catalog: Catalog, out: Path, watch: Callbacks) -> str:
    """Make the run of a row. Returns why, if it could not be made."""
    row, run = planned.row, _run(out, planned.row)
    watch.begin(row)
    try:
        if row.kind == "ensemble":
            members = _members(out)
            if len(members) < 2:
                return f"it needs two finished rows to average, and there are {len(members)}"
            make_ensemble(members, out=run.path, learn_weights=True)
        elif planned.recipe is not None:
            with watch.training() as callbacks:
                # `run_milestone` has checked the agreement, before all rows.
                train(
                    catalog,
                    planned.recipe,
                    out=run,
                    resume=True,
                    callbacks=callbacks,
                    agreement=True,
                )
    except KeyartError as error:
        return str(error)
    return ""


def _members(out: Path) -> list[Path]:
    """The runs that the ensemble averages. Not the leaky one: its films are split differently."""
    kinds = ("classical", "network")
    rows = [row for row in ROWS if row.kind in kinds and row.name != LEAKY]
    return [run.path for row in rows if (run := _run(out, row)).is_finished]


def _result(row: Row, catalog: Catalog, out: Path, why: str) -> Result:
    if row.kind == "guess":
        guesses = fit_baselines(catalog.truth[catalog.rows("train")])
        guess = guesses["nothing" if row.name == "null" else "genre_rates"]
        return Result(row, guess_finished(guess, catalog))
    run = _run(out, row)
    if not run.is_finished:
        return Result(row, None, why or "it was interrupted")
    finished = read_finished(run, calibrated=row.name not in STUDIED)
    history = run.history
    if history is None:
        return Result(row, finished)
    return Result(row, finished, "", len(history["epoch"]), float(history["seconds"].sum()))
