"""A search on disk: a folder with what is searched, and Optuna's database of its trials.

Optuna's heartbeats say which trials are alive. A trial without one for `GRACE` seconds is lost with
its process; it is queued again, with the same values.
"""

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL, NullPool
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

from keyart.catalog.catalog import Catalog
from keyart.errors import SearchError
from keyart.files import disk_error, new_folder, write_json, write_text
from keyart.search.space import Space, Value, read_space, start_of, written
from keyart.training.recipe import Recipe, load_recipe

HEARTBEAT = 10  # seconds
GRACE = 60  # seconds
_SQLITE_WAIT = 60  # seconds for another process to finish a write; each takes milliseconds
_ATTEMPTS = 5  # to open a database in which other processes make the tables at this moment

_ASKED = "search.json"
_DATABASE = "search.db"
_RECIPE = "recipe.toml"


@dataclass(frozen=True)
class Search:
    """A search and what it has found so far.

    name: of the recipe, as it was given. catalog: its fingerprint. study: Optuna's own object.
    """

    folder: Path
    name: str
    catalog: str
    space: Space
    study: optuna.Study = field(repr=False)

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, in the order in which they began."""
        return self.study.get_trials(deepcopy=False)

    @property
    def complete(self) -> list[FrozenTrial]:
        """The trials that trained to their end."""
        return self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    @property
    def failed(self) -> list[FrozenTrial]:
        """The trials that ended with an error, without the lost ones."""
        return [one for one in self.trials if "error" in one.user_attrs]

    @property
    def best(self) -> FrozenTrial | None:
        """The complete trial with the highest validation mAP; None if there is none yet."""
        return self.study.best_trial if self.complete else None

    @property
    def start(self) -> FrozenTrial | None:
        """The trial of the recipe as it was given, if it is complete."""
        return next((one for one in self.complete if one.user_attrs.get("start")), None)

    @property
    def best_recipe_path(self) -> Path:
        """The best recipe, for `train`; it exists once a trial is complete."""
        return self.folder / "best.toml"

    @property
    def report_path(self) -> Path:
        """The page that shows the search."""
        return self.folder / "report.html"

    def recipe(self, values: Mapping[str, Value]) -> Recipe:
        """The recipe that the search began with, with these values set. Raises RecipeError."""
        return load_recipe(self.folder / _RECIPE, values)

    def trial_folder(self, trial: FrozenTrial) -> Path:
        """The folder of a trial. A trial that runs again continues in the folder of the first."""
        first = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
        return self.folder / "trials" / f"{trial.number if first is None else first:04}"


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial counts as one of those asked for: it has ended, or is running; not lost."""
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    return trial.state in states or "error" in trial.user_attrs


def queue_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial again that was interrupted, unless it is queued already."""
    history = RetryHeartbeatStaleTrialCallback.retry_history
    if not any(trial.number in history(one) for one in study.get_trials(deepcopy=False)):
        RetryHeartbeatStaleTrialCallback()(study, trial)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's log and its warnings about experimental features meanwhile."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


@contextmanager
def storage_errors(out: Path, storage: str | None) -> Iterator[None]:
    """Turn a database's errors into one line. Raises SearchError, and OSError for a full disk.

    Errors of the disk also say how to continue.
    """
    try:
        yield
    except OSError as error:
        _say_how_to_continue(error, out)
        raise
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        if disk := disk_error(getattr(cause, "orig", None), out / _DATABASE):
            _say_how_to_continue(disk, out)
            raise disk from error
        where = "--storage" if storage else out / _DATABASE
        reason = str(cause or error).strip().partition("\n")[0]
        raise SearchError(f"{where}: not a database that can be used ({reason})") from error


def _say_how_to_continue(error: OSError, out: Path) -> None:
    if (out / _ASKED).exists():
        error.add_note(f"the search in {out} keeps its trials: the same command continues it")


def open_search(
    catalog: Catalog,
    recipe: str,
    out: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    search: Sequence[str] = (),
    storage: str | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Search:
    """Begin the search in the folder `out`, or open it again. Raises SearchError, RecipeError."""

    def variant(values: Mapping[str, Value]) -> Recipe:
        return load_recipe(recipe, {**(settings or {}), **values})

    base, space = variant({}), read_space(search, variant)
    asked = {
        "catalog": catalog.fingerprint,
        "recipe": base.to_toml(),
        "space": {key: written(dimension) for key, dimension in sorted(space.items())},
    }
    # One database may hold several searches.
    study_name = f"keyart-{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]}"
    if out.exists() and any(out.iterdir()) and not (out / _ASKED).exists():
        raise SearchError(f"{out}: is there and holds no search; choose another folder")
    if not (out / _ASKED).exists():
        try:
            if out.exists():
                out.rmdir()  # empty; Windows renames no folder onto another
            with new_folder(out) as partial:
                write_text(partial / _RECIPE, base.to_toml())
                write_json(partial / _ASKED, {"name": recipe, **asked})
                _begin_study(_open_storage(partial, storage), study_name, start_of(space, base))
        except OSError:
            if not (out / _ASKED).exists():
                raise
            # Another process has just begun it.
    name = _same_search(out, asked, storage)

    def lost(study: optuna.Study, trial: FrozenTrial) -> None:
        queue_again(study, trial)
        say(f"trial {trial.number} was interrupted; it will be tried again")

    try:
        study = optuna.load_study(study_name=study_name, storage=_open_storage(out, storage, lost))
    except KeyError as error:
        raise SearchError(
            f"{'--storage' if storage else out / _DATABASE}: does not hold this search; give the "
            "database that it began with, or another folder"
        ) from error
    return Search(out, name, catalog.fingerprint, space, study)


def _begin_study(storage: RDBStorage, name: str, start: dict[str, Value]) -> None:
    try:
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    except DuplicatedStudyError:
        return  # a process with another folder has begun this search in the same database
    study.enqueue_trial(start, user_attrs={"start": True})
    storage.remove_session()


def _open_storage(
    folder: Path,
    url: str | None,
    lost: Callable[[optuna.Study, FrozenTrial], None] | None = None,
) -> RDBStorage:
    """The database at `url`, or the folder's own. lost: called for each trial that is lost."""
    # No pool: an open connection would prevent the folder from being renamed (on Windows), or time
    # out between two heartbeats.
    options: dict[str, Any] = {"poolclass": NullPool}
    if url is None:
        url = URL.create("sqlite", database=str(folder / _DATABASE)).render_as_string()
    if url.startswith("sqlite"):
        options["connect_args"] = {"timeout": _SQLITE_WAIT}
    for attempt in range(_ATTEMPTS):
        try:
            return RDBStorage(
                url,
                options,
                heartbeat_interval=HEARTBEAT,
                grace_period=GRACE,
                heartbeat_stale_trial_callback=lost,
            )
        except ImportError as error:
            raise SearchError("--storage: the database's driver is missing; install it") from error
        except (IntegrityError, ProgrammingError):
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(1)
    raise AssertionError("unreachable")


def _same_search(out: Path, asked: Mapping[str, Any], storage: str | None) -> str:
    """Check that `out` holds the search that is asked for. Returns the name of its recipe."""
    found = json.loads((out / _ASKED).read_text(encoding="utf-8"))
    for key, words in (
        ("catalog", "on another catalog"),
        ("recipe", "with another recipe"),
        ("space", "of another space"),
    ):
        if found.get(key) != asked[key]:
            raise SearchError(
                f"{out}: holds a search {words}; choose another folder, or ask for the same search "
                "to continue"
            )
    own = (out / _DATABASE).exists()
    if own and storage is not None:
        raise SearchError(f"{out}: its trials are in {_DATABASE}; leave --storage out")
    if not own and storage is None:
        raise SearchError(f"{out}: its trials are in another database; give it with --storage")
    return str(found["name"])
