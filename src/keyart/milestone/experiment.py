"""The comparison: a catalog's films through every row of the study and of keyart, one run each.

    catalog/        the sample of films, where one was asked for
    milestone.json  what was asked for; a folder keeps to it
    ROW/            a run, made as the commands make it
    results.json    report.html

A row whose run has a bundle is done. Whatever was killed goes on where it was.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

import keyart
from keyart.catalog.catalog import Catalog
from keyart.catalog.split import SPLITS
from keyart.ensemble.make import make_ensemble
from keyart.errors import KeyartError
from keyart.evaluation.baselines import fit_baselines
from keyart.files import write_json
from keyart.milestone.finished import Finished, Part, read_finished, scored
from keyart.milestone.page import write_page
from keyart.milestone.plan import Planned, Request, plan_row
from keyart.milestone.results import Result, to_json
from keyart.milestone.rows import HONEST, LEAKY, ROWS, STUDIED, Row
from keyart.milestone.screen import show_plan
from keyart.report.page import read_history
from keyart.terminal.screens import watch_training
from keyart.training.run import train

ASKED, RESULTS, REPORT, CATALOG = "milestone.json", "results.json", "report.html", "catalog"
_FORMAT = 1


def run_milestone(
    catalog: Path, out: Path, rows: Sequence[Row], request: Request, *, quiet: bool
) -> tuple[list[Result], dict[str, Any]]:
    """Run those of `rows` that are not done, and write results.json and report.html of all.

    Returns every row's result, and what results.json holds. A row that cannot run says why, and
    stops no other. Raises KeyartError where `out` holds another comparison, CatalogError where the
    catalog has too few films, and WeightsError for a file that is not what it was given as.
    """
    console = Console(stderr=True, highlight=False, quiet=quiet)
    asked = _asked(out, Catalog.open(catalog), request)
    request = replace(request, settings=asked["settings"])
    opened = _films(catalog, out, request.films)
    write_json(out / ASKED, asked)
    planned = [Planned(row) if _done(out, row) else plan_row(row, opened, request) for row in rows]
    show_plan(planned, [row for row in rows if _done(out, row)], console)
    why = {}
    for one in planned:
        reason = _run_row(one, opened, out, console, quiet=quiet)
        if reason:
            console.print(f"[bold]{one.row.name}[/] not run: {reason}", soft_wrap=True)
            why[one.row.name] = reason
    results = []
    for row in ROWS:
        reason = why.get(row.name, "" if row in rows else "not asked for")
        results.append(_result(row, opened, out, reason))
    facts = {
        "format": _FORMAT,
        "keyart": keyart.__version__,
        "catalog": str(opened.path),
        "fingerprint": opened.fingerprint,
        "films": len(opened),
    }
    told = to_json(results, facts)
    write_json(out / RESULTS, told)
    write_page(out / REPORT, results, opened, out)
    return results, told


def _asked(out: Path, catalog: Catalog, request: Request) -> dict[str, Any]:
    """What milestone.json shall hold, seen to be what this folder was begun with.

    A row keeps the settings that it was first given; a row without a run may take others.
    """
    settings = {row: list(given) for row, given in request.settings.items()}
    asked: dict[str, Any] = {
        "format": _FORMAT,
        "catalog": catalog.fingerprint,
        "films": request.films,
        "epochs": request.epochs,
        "full": request.full,
    }
    file = out / ASKED
    if not file.exists():
        if out.exists() and any(out.iterdir()):
            raise KeyartError(f"{out}: is there and holds no comparison; name another folder")
        return {**asked, "settings": settings}
    try:
        before = json.loads(file.read_bytes())
        changed = [key for key, value in asked.items() if before[key] != value]
        known: dict[str, list[str]] = dict(before["settings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeyartError(f"{file}: damaged ({error!r}); name another folder") from error
    if changed:
        key = changed[0]
        what = "another catalog" if key == "catalog" else f"--{key} {_said(before[key])}"
        raise KeyartError(
            f"{out}: was begun with {what}; go on with the same, or name another folder"
        )
    for row, given in settings.items():
        made = [out / one for one in ((row, LEAKY) if row == HONEST else (row,))]
        if given != known.get(row, []) and any(run.exists() for run in made):
            raise KeyartError(
                f"{out / row}: was begun with {_set(row, known)}; go on with the same, or name "
                "another folder"
            )
    return {**asked, "settings": known | settings}


def _set(row: str, settings: dict[str, list[str]]) -> str:
    return " ".join(f"--set {row}.{one}" for one in settings.get(row, [])) or "no settings"


def _said(value: Any) -> str:
    return "left out" if value is None or value is False else str(value)


def _films(catalog: Path, out: Path, films: int | None) -> Catalog:
    if films is None:
        return Catalog.open(catalog)
    if (out / CATALOG).exists():
        return Catalog.open(out / CATALOG)
    return Catalog.open(catalog).sample(films, out=out / CATALOG)


def _done(out: Path, row: Row) -> bool:
    return row.kind == "guess" or (out / row.name / "bundle").is_dir()


def _run_row(
    planned: Planned, catalog: Catalog, out: Path, console: Console, *, quiet: bool
) -> str:
    """Make a row's run where it is not done. Returns why not, where it could not be made."""
    row, run = planned.row, out / planned.row.name
    if _done(out, row):
        return ""
    if planned.why:
        return planned.why
    console.print(f"\n[bold]{row.name}[/]: {row.what}", soft_wrap=True)
    try:
        with watch_training(quiet=quiet) as watcher:
            if row.kind == "ensemble":
                members = _members(out)
                if len(members) < 2:
                    return f"of the rows that it averages {len(members)} are done; it needs two"
                make_ensemble(members, out=run, learn_weights=True)
            elif planned.recipe is not None:
                train(catalog, planned.recipe, run, watcher, resume=True)
    except KeyartError as error:
        return str(error)
    return ""


def _members(out: Path) -> list[Path]:
    """The runs that the ensemble averages. Not the leaky one: its films are split otherwise."""
    kinds = ("classical", "network")
    rows = [row for row in ROWS if row.kind in kinds and row.name != LEAKY]
    return [out / row.name for row in rows if _done(out, row)]


def _result(row: Row, catalog: Catalog, out: Path, why: str) -> Result:
    if row.kind == "guess":
        return Result(row, _guess(row, catalog))
    run = out / row.name
    if not _done(out, row):
        return Result(row, None, why or "stopped before it was done")
    finished = read_finished(run, calibrated=row.name not in STUDIED)
    history = read_history(run)
    if history is None:
        return Result(row, finished)
    epochs, seconds = len(history["epoch"]), float(history["seconds"].sum())
    return Result(row, finished, epochs=epochs, seconds=seconds)


def _guess(row: Row, catalog: Catalog) -> Finished:
    """A constant guess's figures: it needs no run."""
    known = fit_baselines(catalog.truth[catalog.rows("train")])
    guess = known["nothing" if row.name == "null" else "genre_rates"]

    def part(name: str) -> Part:
        rows = catalog.rows(name)
        return Part(guess.predict(len(rows))[0], catalog.truth[rows], catalog.groups[rows])

    train, validation, test = (len(catalog.rows(part)) for part in SPLITS)
    sizes = (train, validation, test)
    return scored(part("validation"), part("test"), catalog.vocabulary, sizes)
