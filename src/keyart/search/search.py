"""Search: trainings by variants of a recipe, each learning from those before, to find a better one.

    journal.log    all that is known, a line an event (Optuna's journal)
    recipe.toml    the recipe as the search found it
    best.toml      the best variant so far, for keyart train --recipe
    report.html    importances, and what was tried
    trials/        a folder a trial: its recipe and history; checkpoints while it runs

A search may be killed and run again, and run by several processes at once: what they know of each
other is in the journal and in locks. Trials see the training and validation parts alone.
"""

import csv
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from keyart.catalog.catalog import Catalog
from keyart.errors import RecipeError, SearchError, TrainingError
from keyart.files import write_text
from keyart.run import has_origin
from keyart.search.journal import HeldLock, is_free, locked, open_journal
from keyart.search.report import best_recipe_toml, write_search_report
from keyart.search.space import (
    Choice,
    Range,
    Space,
    Value,
    Variant,
    assignments,
    read_space,
    rounded,
    start_of,
)
from keyart.training.checkpoint import history_of, load_tensors
from keyart.training.loop import BEST, LAST, Progress
from keyart.training.recipe import Recipe, load_recipe
from keyart.training.run import Watcher, learn
from keyart.training.state import Row

_STUDY = "keyart"
_RECIPE = "recipe.toml"
_SCORE = "validation_mean_average_precision"
# So many failures without a single success are no bad luck.
_HOPELESS = 3


class _OutOfTime(Exception):
    """The search's hours are over in the middle of a trial."""


@dataclass(frozen=True)
class Search:
    """A search that is open in a folder: its study, the space it searches, and how to make the
    recipe of given values."""

    folder: Path
    study: optuna.Study
    space: Space
    variant: Variant

    @property
    def recipe(self) -> Recipe:
        """The recipe as the search found it."""
        return self.variant({})

    def lock(self, trial: int) -> Path:
        """The lock that a trial's process holds."""
        return self.folder / "trials" / f"{trial:04}.lock"

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Its trials of these states, or all, the first asked first."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def best(self) -> FrozenTrial | None:
        """The complete trial of the highest validation mAP, None where none is complete."""
        return self.study.best_trial if self.trials(TrialState.COMPLETE) else None

    def counted(self) -> int:
        """Trials that have ended for good, or are under way."""
        ended = self.trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        return len(ended) + len(self.failed())

    def failed(self) -> list[FrozenTrial]:
        """Trials that ended in an error of their own; killed ones are not among them."""
        return [one for one in self.trials(TrialState.FAIL) if "error" in one.user_attrs]


def tune(
    catalog: Catalog,
    recipe: str,
    out: Path,
    watcher: Watcher,
    *,
    trials: int,
    hours: float | None = None,
    settings: Sequence[str] = (),
    search: Sequence[str] = (),
) -> Search:
    """Search in the folder `out` until `trials` have ended there in all, or `hours` are over.

    recipe, settings: as for `load_recipe`. search: as for `read_space`. A folder that holds this
    very search goes on; trials that died with their process are tried again, from where their
    checkpoints stand. A trial that is under way when the hours are over is stopped after its epoch,
    and goes on when the search does.
    Raises SearchError for a folder of another search, and where no trial can be trained.
    """
    until = None if hours is None else time.monotonic() + 3600 * hours
    opened = open_search(catalog, recipe, out, settings=settings, search=search)
    opened.study.pruner = optuna.pruners.MedianPruner(
        n_startup_trials=min(5, max(1, trials // 4)),
        n_warmup_steps=max(2, opened.recipe.optimisation.epochs // 5),
    )
    while until is None or time.monotonic() < until:
        with locked(out / "lock"):
            _revive(opened, watcher.say)
            if opened.counted() >= trials:
                break
            trial, lock = _ask(opened)
        with lock:
            told = _run(opened, catalog, trial, watcher, until)
            with locked(out / "lock"):
                told()
                opened.lock(trial.number).unlink()  # no one asks after an ended trial
                _write_down(opened)
        _give_up_if_hopeless(opened)
    with locked(out / "lock"):
        _write_down(opened)
    return opened


def open_search(
    catalog: Catalog,
    recipe: str,
    out: Path,
    *,
    settings: Sequence[str] = (),
    search: Sequence[str] = (),
) -> Search:
    """Begin the search in the folder `out`, or go on with it. Raises SearchError, RecipeError."""
    _quieten()

    def asked(values: Mapping[str, Value]) -> Recipe:
        return load_recipe(recipe, [*settings, *assignments(values)])

    def variant(values: Mapping[str, Value]) -> Recipe:
        return load_recipe(str(out / _RECIPE), assignments(values))

    space = read_space(search, asked)
    base = asked({})
    identity = {
        "catalog": catalog.fingerprint,
        "recipe": base.to_toml(),
        "space": {key: str(dimension) for key, dimension in sorted(space.items())},
    }
    journal = out / "journal.log"
    # The lock may be another process's, which begins this search at this moment.
    strange = {path.name for path in out.iterdir()} - {"lock"} if out.exists() else set()
    if strange and not journal.exists():
        raise SearchError(f"{out}: is there and holds no search; name another folder")
    with locked(out / "lock"):
        storage = open_journal(journal)
        if storage.get_all_studies():
            study = optuna.load_study(study_name=_STUDY, storage=storage)
        else:
            study = optuna.create_study(storage=storage, study_name=_STUDY, direction="maximize")
        if "space" in study.user_attrs:
            _same_search(out, study.user_attrs, identity)
        else:
            # The space last: a search that has one is begun.
            study.enqueue_trial(start_of(space, base), user_attrs={"start": True})
            for attribute, value in {"name": recipe, **identity}.items():
                study.set_user_attr(attribute, value)
        if not (out / _RECIPE).exists():
            write_text(out / _RECIPE, base.to_toml())
    return Search(out, study, space, variant)


def _quieten() -> None:
    """Optuna speaks to programmers; we say ourselves what a search does."""
    optuna.logging.disable_default_handler()


def _same_search(out: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for what, words in (
        ("catalog", "on another catalog"),
        ("recipe", "with another recipe"),
        ("space", "of another space"),
    ):
        if found.get(what) != wanted[what]:
            raise SearchError(
                f"{out}: its journal is of a search {words}; name another folder, or ask for the "
                "very same search to go on"
            )


def _revive(search: Search, say: Callable[[str], None]) -> None:
    """Have trials whose process has died tried again. Under the folder's lock."""
    retried = {trial.user_attrs.get("again") for trial in search.trials()}
    for trial in search.trials(TrialState.RUNNING):
        if is_free(search.lock(trial.number)):
            if trial.number not in retried:
                _again(search, trial)
            search.study.tell(trial.number, state=TrialState.FAIL)
            search.lock(trial.number).unlink(missing_ok=True)
            say(f"trial {trial.number} was cut short; it will be tried again")


def _again(search: Search, trial: FrozenTrial) -> None:
    """Have a trial's values tried again, going on in its folder."""
    folder = trial.user_attrs.get("folder", trial.number)
    search.study.enqueue_trial(
        dict(trial.params),
        user_attrs={**trial.user_attrs, "again": trial.number, "folder": folder},
    )


def _ask(search: Search) -> tuple[optuna.Trial, HeldLock]:
    """The next trial, and its lock, held. Under the folder's lock."""
    number = len(search.trials())
    # A seed a trial: processes that ask one after the other do not draw the same.
    search.study.sampler = optuna.samplers.TPESampler(
        seed=(search.recipe.optimisation.seed * 1_000_003 + number) % 2**32
    )
    trial = search.study.ask()
    lock = HeldLock(search.lock(trial.number))
    lock.take(wait=True)
    for key, dimension in search.space.items():
        _suggest(trial, key, dimension)
    return trial, lock


def _suggest(trial: optuna.Trial, key: str, dimension: Range | Choice) -> None:
    if isinstance(dimension, Choice):
        trial.suggest_categorical(key, dimension.values)
    elif dimension.whole:
        trial.suggest_int(key, int(dimension.low), int(dimension.high), log=dimension.log)
    else:
        trial.suggest_float(key, dimension.low, dimension.high, log=dimension.log)


def _run(
    search: Search,
    catalog: Catalog,
    trial: optuna.Trial,
    watcher: Watcher,
    until: float | None,
) -> Callable[[], None]:
    """Train by a trial's recipe; what is then to be told of it, under the folder's lock."""
    folder = search.folder / "trials" / f"{trial.user_attrs.get('folder', trial.number):04}"
    if folder.exists() and not has_origin(folder):
        shutil.rmtree(folder)  # killed before it had begun
    seen = _rows_of(folder)

    def watch(step: Progress) -> None:
        watcher.steps(step)
        if step.row is not None:
            seen.append(step.row)
            trial.report(step.row[_SCORE], len(seen))
            if trial.should_prune():
                raise optuna.TrialPruned
            if until is not None and time.monotonic() > until:
                raise _OutOfTime

    def tell(state: TrialState, value: float | None = None, **facts: Any) -> Callable[[], None]:
        def told() -> None:
            for name, fact in {**facts, "epochs": len(seen)}.items():
                trial.set_user_attr(name, fact)
            search.study.tell(trial, value, state=state)

        return told

    started = time.monotonic()
    values = rounded(trial.params)
    watcher.say(f"trial {trial.number}: {', '.join(assignments(values))}")
    try:
        recipe = search.variant(values)
        learn(catalog, recipe, folder, replace(watcher, steps=watch), resume=True)
        epoch, score = _kept(folder, recipe)
    except optuna.TrialPruned:
        watcher.say(f"trial {trial.number}: pruned after epoch {len(seen)}")
        told = tell(TrialState.PRUNED)
    except _OutOfTime:
        _again(search, search.study.trials[trial.number])
        watcher.say(f"trial {trial.number}: stopped by the hour after epoch {len(seen)}")
        return tell(TrialState.FAIL)
    except (TrainingError, RecipeError, torch.OutOfMemoryError) as error:
        reason = str(error).partition(";")[0]  # further on it tells of weights that go with it
        watcher.say(f"trial {trial.number}: failed: {reason}")
        told = tell(TrialState.FAIL, error=reason)
    else:
        took = time.monotonic() - started
        watcher.say(f"trial {trial.number}: validation mAP {score:.4f} in {took:.0f} s")
        told = tell(TrialState.COMPLETE, score, best_epoch=epoch)
    # Weights are for going on; a trial that has ended keeps its recipe and history.
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return told


def _rows_of(folder: Path) -> list[Row]:
    """The epochs that a trial has behind it, of its head and then of all, as it goes on.

    history.csv may be ahead of the last checkpoint: what will be done again is not behind it.
    """
    stages = (folder / "checkpoints" / "head", folder)
    checkpoints = [stage / "checkpoints" / LAST for stage in stages]
    return [row for file in checkpoints if file.is_file() for row in history_of(file)]


def _kept(folder: Path, recipe: Recipe) -> tuple[int, float]:
    """The epoch whose weights a training keeps, and its score. Raises TrainingError."""
    with (folder / "history.csv").open(newline="", encoding="utf-8") as text:
        scores = [float(row[_SCORE]) for row in csv.DictReader(text)]
    epoch = len(scores)
    if recipe.ending.keep == "best":
        epoch = int(load_tensors(folder / "checkpoints" / BEST)[1]["epoch"])
    if math.isnan(scores[epoch - 1]):
        raise TrainingError("its validation mAP is no number: no validation film has a genre")
    return epoch, scores[epoch - 1]


def _write_down(search: Search) -> None:
    """best.toml and report.html, of what has ended so far. Under the folder's lock."""
    best = search.best()
    if best is not None:
        recipe = search.variant(rounded(best.params))
        write_text(search.folder / "best.toml", best_recipe_toml(search.study, recipe))
    write_search_report(search.study, search.space, search.folder / "report.html")


def _give_up_if_hopeless(search: Search) -> None:
    failed = search.failed()
    if len(failed) >= _HOPELESS and not search.trials(TrialState.COMPLETE, TrialState.PRUNED):
        raise SearchError(
            f"{search.folder}: the first {len(failed)} trials all failed, the last as: "
            f"{failed[-1].user_attrs['error']}"
        )
