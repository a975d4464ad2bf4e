"""Search: trainings with variants of a recipe. Optuna chooses each by the results so far.

    search.json    what is searched: the catalog, the recipe and the space
    search.db      all trials (Optuna's SQLite storage), unless another database holds them
    recipe.toml    the recipe that the search began with
    best.toml      the best variant so far, for keyart train --recipe
    report.html    history, importances, and all trials
    trials/        a folder for each trial: recipe and history; checkpoints while it runs

A search may be killed and run again, and several processes may run it at once. Trials see only the
train and validation splits.
"""

import math
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from keyart.catalog.catalog import Catalog
from keyart.catalog.terms import check_agreement
from keyart.errors import RecipeError, SearchError, TrainingError
from keyart.run import Run
from keyart.search import study as storing
from keyart.search.report import write_best_recipe, write_search_report
from keyart.search.space import assignments, suggest
from keyart.search.study import (
    Search,
    counts,
    open_search,
    queue_again,
    quiet_optuna,
    storage_errors,
)
from keyart.stores.paths import on_this_machine
from keyart.training.callbacks import Callbacks, Row, Step
from keyart.training.checkpoint import load_tensors, rows_done
from keyart.training.recipe import Recipe
from keyart.training.train import learn

_SCORE = "validation_mean_average_precision"
# After this many failures and no success, more trials would fail too.
_HOPELESS = 3
_REPORT_EVERY = 30.0  # seconds; drawing the page takes some

_TRIAL_ERRORS = (TrainingError, RecipeError, torch.OutOfMemoryError)


class _OutOfTime(Exception):
    """The hours ended during a trial."""


class _Surplus(Exception):
    """Other processes have just started the last trials that were asked for."""


def tune(
    catalog: Catalog | str | os.PathLike[str],
    recipe: str = "posternet",
    *,
    out: str | os.PathLike[str],
    trials: int = 30,
    hours: float | None = None,
    search: Sequence[str] = (),
    storage: str | None = None,
    callbacks: Callbacks | None = None,
    agreement: bool = False,
    **settings: Any,
) -> Search:
    """Search for a better recipe, until `trials` have ended in total or `hours` are over.

    recipe: name of a shipped recipe, or a TOML file. settings: recipe keys that all trials share.
    search: the keys to vary, as for `--search`: "key=low..high", "key=a|b" or a TOML file.
    storage: URL of a database for the trials, for searches on several machines; without it they are
    kept in SQLite in the folder `out`. agreement: as in `train`.

    If `out` holds this search already, it continues. Trials that were lost with their process run
    again from their last checkpoint. When the hours are over, a running trial stops after its
    epoch; it continues with the search.

    Raises SearchError if the folder holds something else, and if the first trials all fail;
    RecipeError for an unknown key or an impossible value.
    """
    out = on_this_machine(out)
    until = math.inf if hours is None else time.monotonic() + 3600 * hours
    call = callbacks or Callbacks()
    if not isinstance(catalog, Catalog):
        catalog = Catalog.open(catalog)
    check_agreement(catalog, agreement)
    with quiet_optuna(), storage_errors(out, storage):
        opened = open_search(
            catalog,
            recipe,
            out,
            settings=settings,
            search=search,
            storage=storage,
            say=call.message,
        )
        base = opened.recipe({}).optimisation
        opened.study.sampler = _Sampler(base.seed)
        opened.study.pruner = optuna.pruners.MedianPruner(
            n_startup_trials=min(5, max(1, trials // 4)),
            n_warmup_steps=max(2, base.epochs // 5),
        )
        objective = _Objective(opened, catalog, call, trials, until)
        reported = time.monotonic()
        while time.monotonic() < until and not _enough(opened, trials):
            try:
                # One at a time: optimize() frees lost trials before each, and sends heartbeats.
                opened.study.optimize(
                    objective, n_trials=1, catch=(*_TRIAL_ERRORS, _OutOfTime, _Surplus)
                )
            except (ValueError, UpdateFinishedTrialError):
                if not objective.taken_over:  # another process sets the state of its trial
                    raise
            write_best_recipe(opened)
            if time.monotonic() - reported > _REPORT_EVERY:
                write_search_report(opened)
                reported = time.monotonic()
            _give_up_if_hopeless(opened)
        write_best_recipe(opened)
        write_search_report(opened)
    return opened


def _enough(search: Search, trials: int) -> bool:
    """Whether `trials` have ended or are running.

    It first makes sure that the running ones are alive, which may take a minute.
    """
    until = time.monotonic() + storing.GRACE + storing.HEARTBEAT
    while True:
        optuna.storages.fail_stale_trials(search.study)
        now = search.trials
        if sum(map(counts, now)) < trials:
            return False
        running = any(one.state == TrialState.RUNNING for one in now)
        if not running or time.monotonic() > until:
            return True
        time.sleep(1)


class _Sampler(optuna.samplers.TPESampler):
    """TPE with another seed for each trial, so that no two processes draw the same values."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self._recipe_seed = seed

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Optuna calls this with each new trial. Only the constructor takes a seed."""
        seeds = np.random.SeedSequence([self._recipe_seed, trial.number])
        super().__init__(seed=int(seeds.generate_state(1)[0]))
        super().before_trial(study, trial)


@dataclass
class _Objective:
    """Trains one trial, as Optuna asks for it; returns its validation mAP."""

    search: Search
    catalog: Catalog
    callbacks: Callbacks
    trials: int
    until: float
    taken_over: bool = False

    def __call__(self, trial: optuna.Trial) -> float:
        known = self.search.trials
        if sum(map(counts, known[: trial.number])) >= self.trials:
            raise _Surplus
        self.taken_over = False
        values = suggest(trial, self.search.space)
        folder = self.search.trial_folder(known[trial.number])
        if folder.exists() and not Run(folder).has_origin:
            shutil.rmtree(folder)  # killed before the training began
        say, started = self.callbacks.message, time.monotonic()
        say(f"trial {trial.number}: {', '.join(assignments(values))}")
        try:
            recipe = self.search.recipe(values)
            epoch, score = self._train(trial, recipe, folder)
        except optuna.TrialPruned:
            say(f"trial {trial.number}: pruned")
            _forget_weights(folder)
            raise
        except _TRIAL_ERRORS as error:
            reason = str(error).partition(";")[0]  # the rest is about weights, which are deleted
            trial.set_user_attr("error", reason)
            say(f"trial {trial.number}: failed: {reason}")
            _forget_weights(folder)
            raise
        except UpdateFinishedTrialError:
            self.taken_over = True  # this process was suspended, and another took its trial
            say(f"trial {trial.number}: another process has taken it over")
            raise
        except BaseException as error:
            queue_again(self.search.study, self.search.study.trials[trial.number])
            if isinstance(error, _OutOfTime):
                say(f"trial {trial.number}: stopped, as the hours are over; it can be continued")
            raise
        trial.set_user_attr("best_epoch", epoch)
        took = time.monotonic() - started
        say(f"trial {trial.number}: validation mAP {score:.4f} in {took:.0f} s")
        _forget_weights(folder)
        return score

    def _train(self, trial: optuna.Trial, recipe: Recipe, folder: Path) -> tuple[int, float]:
        done = 0

        def report(row: Row) -> None:
            nonlocal done
            done += 1
            trial.report(row[_SCORE], done)

        def watch(step: Step) -> None:
            self.callbacks.steps(step)
            if step.row is not None:
                report(step.row)
                if trial.should_prune():
                    raise optuna.TrialPruned
                if time.monotonic() > self.until:
                    raise _OutOfTime

        run = Run(folder)
        for row in rows_done(run):
            report(row)
        learn(self.catalog, recipe, run, replace(self.callbacks, steps=watch), resume=True)
        return _kept(run, recipe)


def _forget_weights(folder: Path) -> None:
    """Delete the checkpoints of a trial that has ended; its recipe and history stay."""
    shutil.rmtree(Run(folder).checkpoints, ignore_errors=True)


def _kept(run: Run, recipe: Recipe) -> tuple[int, float]:
    """The epoch whose weights a training keeps, and its score. Raises TrainingError."""
    history = run.history
    assert history is not None
    scores = history[_SCORE]
    epoch = len(scores)
    if recipe.ending.keep == "best":
        epoch = int(load_tensors(run.best_checkpoint)[1]["epoch"])
    if math.isnan(scores[epoch - 1]):
        raise TrainingError("its validation mAP is undefined: no validation film has a genre")
    return epoch, float(scores[epoch - 1])


def _give_up_if_hopeless(search: Search) -> None:
    failed, states = search.failed, {one.state for one in search.trials}
    if len(failed) >= _HOPELESS and not states & {TrialState.COMPLETE, TrialState.PRUNED}:
        raise SearchError(
            f"{search.folder}: the first {len(failed)} trials all failed, the last as: "
            f"{failed[-1].user_attrs['error']}"
        )
