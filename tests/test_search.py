"""Searches: killed, resumed, shared, pruned; and a best recipe that trains."""

import json
import logging
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
import torch
from markupsafe import Markup
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from keyart.catalog.catalog import Catalog
from keyart.errors import RecipeError, SearchError, TrainingError
from keyart.files import write_csv
from keyart.report.charts import Chart
from keyart.run import Run
from keyart.search import report
from keyart.search import search as searches
from keyart.search import study as storing
from keyart.search.search import tune
from keyart.search.space import Value, default_space, read_space, start_of
from keyart.search.study import Search, open_search
from keyart.training import loop
from keyart.training.callbacks import Callbacks, Step
from keyart.training.checkpoint import history_of, save_tensors
from keyart.training.recipe import Recipe, load_recipe, parse_settings
from keyart.training.train import learn
from tests.forks import Forks, forks_of
from tests.tiny_catalog import tiny_films

SMALL = ("epochs=4", "height=32", "width=24", "batch_size=16", "keep=last")
RATES = ("learning_rate=1e-4..1e-1",)


def silent(steps: Callable[[Step], None] = lambda step: None) -> Callbacks:
    return Callbacks(lambda done, total: None, steps, lambda sentence: None)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("catalog")
    table, posters = tiny_films(folder, range(60))
    return Catalog.build(table, posters, folder / "catalog")


def score_of(recipe: Recipe) -> float:
    """What a pretended training reaches: best near a rate of 0.01."""
    return 0.5 - 0.1 * abs(math.log10(recipe.optimisation.learning_rate) + 2)


def pretend(
    catalog: Catalog, recipe: Recipe, run: Run, watcher: Callbacks, *, resume: bool
) -> None:
    """In place of `learn`: a history that rises to the recipe's score, and nothing trained."""
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    run.origin_path.write_text("{}")
    file = run.history_path
    done = len(file.read_text().splitlines()) - 1 if file.exists() else 0
    rows = [row_of(recipe, epoch) for epoch in range(1, done + 1)]
    for epoch in range(done + 1, recipe.optimisation.epochs + 1):
        rows.append(row_of(recipe, epoch))
        write_csv(file, list(rows[0]), [list(row.values()) for row in rows])
        checkpoint(run.path, rows)
        watcher.steps(Step(epoch, recipe.optimisation.epochs, 1, 1, 0.5, 0.1, rows[-1]))


def checkpoint(run: Path, rows: list[dict[str, float]]) -> None:
    file = run / "checkpoints" / "last.safetensors"
    save_tensors(file, {"of": torch.zeros(1)}, {"state": json.dumps({"history": rows})})


def row_of(recipe: Recipe, epoch: int) -> dict[str, float]:
    score = score_of(recipe) * epoch / recipe.optimisation.epochs
    return {"epoch": epoch, "validation_loss": 0.5, "validation_mean_average_precision": score}


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searches, "learn", pretend)


def sought(catalog: Catalog, out: Path, **changes: Any) -> Search:
    arguments: dict[str, Any] = {"recipe": "demo", "trials": 6, "search": RATES}
    return tune(catalog, out=out, **(arguments | parse_settings(SMALL) | changes))


def states(search: Search) -> list[str]:
    return [trial.state.name for trial in search.trials]


def of(search: Search, *wanted: TrialState) -> list[FrozenTrial]:
    return [trial for trial in search.trials if trial.state in wanted]


def rows_of(out: Path) -> list[object]:
    """All that the database holds about its trials."""
    with sqlite3.connect(out / "search.db") as database:
        tables = ("trials", "trial_params", "trial_values", "trial_user_attributes")
        return [database.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost trial is noticed within two seconds, not a minute."""
    monkeypatch.setattr(storing, "HEARTBEAT", 1)
    monkeypatch.setattr(storing, "GRACE", 2)


@pytest.fixture(autouse=True)
def sketched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep matplotlib from drawing the charts of pages that a test does not look at.

    A page takes longer than the search: all else about it is written as always.
    """
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(
            report, "_chart", lambda title, draw, caption: Chart(title, Markup(), (), caption)
        )


@pytest.fixture
def drawn() -> None:
    """The test wants real charts."""


@pytest.mark.usefixtures("pretended", "drawn")
def test_a_search_begins_with_the_recipe_as_it_is_and_ends_with_a_better_one(
    catalog: Catalog, tmp_path: Path
) -> None:
    found = sought(catalog, tmp_path / "out", trials=15)
    first = found.trials[0]
    assert first.params["learning_rate"] == load_recipe("demo").optimisation.learning_rate
    assert len(states(found)) == 15
    best = found.best
    assert best is not None
    assert best.value is not None
    assert first.value is not None
    assert best.value > first.value
    text = (tmp_path / "out" / "best.toml").read_text()
    assert text.startswith("# Found by keyart ")
    assert f"validation mAP of {best.value:.4f}" in text
    assert f"began with has {first.value:.4f}" in text
    recipe = load_recipe(str(tmp_path / "out" / "best.toml"))
    assert recipe.optimisation.learning_rate == float(f"{best.params['learning_rate']:.3g}")
    assert recipe.data.height == 32
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"Trial {best.number} has a validation mAP of {best.value:.4f}" in page
    assert "<script" not in page
    assert "http:" not in page
    assert "https:" not in page


@pytest.mark.usefixtures("pretended", "drawn")
def test_trials_below_the_median_are_stopped_early(catalog: Catalog, tmp_path: Path) -> None:
    found = sought(catalog, tmp_path / "out", trials=16)
    pruned = of(found, TrialState.PRUNED)
    assert pruned
    complete = [trial.value or 0 for trial in of(found, TrialState.COMPLETE)]
    for trial in pruned:
        folder = tmp_path / "out" / "trials" / f"{trial.number:04}"
        assert len((folder / "history.csv").read_text().splitlines()) - 1 < 4
        assert not (folder / "checkpoints").exists()
        assert score_of(Recipe().with_settings(learning_rate=trial.params["learning_rate"])) < max(
            complete
        )


@pytest.mark.usefixtures("pretended")
def test_a_search_continues_to_more_trials_and_no_further(catalog: Catalog, tmp_path: Path) -> None:
    sought(catalog, tmp_path / "out", trials=3)
    rows = rows_of(tmp_path / "out")
    assert len(states(sought(catalog, tmp_path / "out", trials=3))) == 3
    assert rows_of(tmp_path / "out") == rows
    assert len(states(sought(catalog, tmp_path / "out", trials=5))) == 5


@pytest.mark.usefixtures("pretended", "drawn")
def test_a_trial_that_runs_out_of_hours_continues_with_the_search(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(1_000_000))
    clock = SimpleNamespace(monotonic=lambda: float(next(now)), sleep=lambda seconds: None)
    monkeypatch.setattr("keyart.search.search.time", clock)
    out = tmp_path / "out"
    cut = sought(catalog, out, hours=5 / 3600)
    assert states(cut) == ["FAIL", "WAITING"]
    assert cut.best is None
    assert not (out / "best.toml").exists()
    assert "No trial is complete yet" in (out / "report.html").read_text()
    before = (out / "trials" / "0000" / "history.csv").read_text().splitlines()
    assert 1 < len(before) < 5
    epochs: list[int] = []
    sought(catalog, out, trials=1, callbacks=silent(lambda step: epochs.append(step.epoch)))
    assert epochs == list(range(len(before), 5))
    assert not (out / "trials" / "0001").exists()


@pytest.mark.usefixtures("pretended")
def test_epochs_that_are_done_again_after_a_kill_are_counted_once(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    now = iter(range(1_000_000))
    clock = SimpleNamespace(monotonic=lambda: float(next(now)), sleep=lambda seconds: None)
    monkeypatch.setattr("keyart.search.search.time", clock)
    sought(catalog, out, hours=5 / 3600)
    run = out / "trials" / "0000"
    lines = (run / "history.csv").read_text().splitlines()
    assert len(lines) > 2  # and yet the last checkpoint was made after the first epoch
    checkpoint(run, history_of(run / "checkpoints" / "last.safetensors")[:1])

    def go_on(
        catalog: Catalog, recipe: Recipe, run: Run, watcher: Callbacks, *, resume: bool
    ) -> None:
        run.history_path.write_text("\n".join(lines[:2]) + "\n")
        pretend(catalog, recipe, run, watcher, resume=resume)

    monkeypatch.setattr(searches, "learn", go_on)
    found = sought(catalog, out, trials=1, hours=None)
    (trial,) = of(found, TrialState.COMPLETE)
    assert trial.last_step == 4
    assert sorted(trial.intermediate_values) == [1, 2, 3, 4]


@pytest.mark.usefixtures("pretended")
def test_the_report_shows_that_the_deciding_key_matters_most(
    catalog: Catalog, tmp_path: Path
) -> None:
    sought(catalog, tmp_path / "out", trials=40, search=(*RATES, "dropout=0.0..0.5"))
    page = (tmp_path / "out" / "report.html").read_text()
    shares = dict(re.findall(r"(learning_rate|dropout) (\d+)%", page))
    assert set(shares) == {"learning_rate", "dropout"}
    assert int(shares["learning_rate"]) > int(shares["dropout"])
    assert list(shares) == ["learning_rate", "dropout"]


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": "posternet"}, "with another recipe"),
        ({"epochs": 9}, "with another recipe"),
        ({"search": ("dropout=0.1..0.2",)}, "of another space"),
    ],
)
def test_the_folder_of_another_search_is_refused(
    catalog: Catalog, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    out = tmp_path / "out"
    sought(catalog, out, trials=1)
    before = rows_of(out)
    with pytest.raises(SearchError, match=f"holds a search {words}"):
        sought(catalog, out, trials=2, **changes)
    assert rows_of(out) == before


@pytest.mark.usefixtures("pretended")
def test_the_folder_of_a_search_on_another_catalog_is_refused(
    catalog: Catalog, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    sought(catalog, out, trials=1)
    table, posters = tiny_films(tmp_path, range(100, 120))
    other = Catalog.build(table, posters, tmp_path / "other")
    with pytest.raises(SearchError, match="holds a search on another catalog"):
        sought(other, out)


def test_a_folder_that_holds_something_else_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SearchError, match="is there and holds no search"):
        sought(catalog, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.usefixtures("drawn")
def test_a_trial_that_fails_is_counted_and_not_tried_again(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[float] = []

    def learn_or_fail(*arguments: Any, **options: Any) -> None:
        calls.append(arguments[1].optimisation.learning_rate)
        if len(calls) == 2:
            raise TrainingError("the loss became nan")
        pretend(*arguments, **options)

    monkeypatch.setattr(searches, "learn", learn_or_fail)
    found = sought(catalog, tmp_path / "out", trials=4)
    assert states(found)[1] == "FAIL"
    assert len(calls) == len(set(calls)) == 4
    assert "failed: the loss became nan" in (tmp_path / "out" / "report.html").read_text()


def test_if_every_trial_fails_the_search_stops_and_says_why(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise TrainingError("no films")

    monkeypatch.setattr(searches, "learn", fail)
    with pytest.raises(SearchError, match="the first 3 trials all failed, the last as: no films"):
        sought(catalog, tmp_path / "out")


def test_a_validation_split_without_genres_is_reported(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.score_of", lambda recipe: math.nan)
    monkeypatch.setattr(searches, "learn", pretend)
    with pytest.raises(SearchError, match="no validation film has a genre"):
        sought(catalog, tmp_path / "out")


def search_and_wait(catalog: str, out: str) -> None:
    """What another process does that is to be killed: its first trial stops after two epochs."""
    loop._SECONDS_BETWEEN_CHECKPOINTS = 0
    storing.HEARTBEAT, storing.GRACE = 1, 2

    def steps(step: Step) -> None:
        if step.row is not None and step.epoch == 2:
            print("second epoch", flush=True)
            time.sleep(60)

    sought(Catalog.open(catalog), Path(out), trials=2, callbacks=silent(steps))


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forks_of(__name__) as made:
        yield made


@pytest.mark.usefixtures("short_grace")
def test_a_killed_search_continues_from_its_checkpoints(
    catalog: Catalog, tmp_path: Path, forks: Forks
) -> None:
    out, said_there = tmp_path / "out", tmp_path / "said"
    process = forks.start("search_and_wait", str(catalog.path), str(out), out=said_there)
    while not (said_there.exists() and said_there.read_text() == "second epoch\n"):
        assert forks.runs(process)
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    assert forks.wait(process) == -signal.SIGKILL
    epochs: list[int] = []
    said: list[str] = []
    watcher = Callbacks(lambda *_: None, lambda step: epochs.append(step.epoch), said.append)
    # The trial that was asked for might be alive: the search waits until it is known to be lost.
    found = sought(catalog, out, trials=1, callbacks=watcher)
    assert states(found) == ["FAIL", "COMPLETE"]
    first, again = found.trials
    assert (
        again.params
        == first.params
        == {"learning_rate": load_recipe("demo").optimisation.learning_rate}
    )
    assert found.start == again
    assert sorted(again.intermediate_values) == [1, 2, 3, 4]
    assert set(epochs) == {3, 4}, "it continues from its checkpoint"
    assert "trial 0 was interrupted; it will be tried again" in said
    history = (out / "trials" / "0000" / "history.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in history] == ["epoch", "1", "2", "3", "4"]
    names = {path.name for path in (out / "trials" / "0000").iterdir()}
    assert names == {"recipe.toml", "history.csv"}, "no trial looks at the test split"


def test_two_processes_share_a_search(catalog: Catalog, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [sys.executable, "-m", "keyart", "tune", catalog.path, "--recipe", "demo"]
    words += ["--out", out, "--trials", "5", "--search", RATES[0]]
    for setting in SMALL:
        words += ["--set", setting]
    said: list[str] = []
    with subprocess.Popen([*map(str, words)], stderr=subprocess.PIPE, text=True) as other:
        while not (out / "search.db").exists():  # this process has nothing to import any more
            assert other.poll() is None, other.communicate()[1]
            time.sleep(0.01)
        watcher = Callbacks(lambda *_: None, lambda step: None, said.append)
        sought(catalog, out, trials=5, callbacks=watcher)
        said += other.communicate()[1].splitlines()
    assert other.returncode == 0, said
    found = sought(catalog, out, trials=5)
    assert len(of(found, TrialState.COMPLETE, TrialState.PRUNED)) == 5
    assert not of(found, TrialState.RUNNING, TrialState.WAITING)
    assert sum("mAP" in line or "pruned" in line for line in said) == 5, "each is trained once"
    rates = {trial.params["learning_rate"] for trial in found.trials if trial.params}
    assert len(rates) == 5, "processes do not try the same"
    assert (out / "best.toml").exists()
    # The best recipe trains, as it is.
    best = load_recipe(str(out / "best.toml"), {"epochs": 1})
    learn(catalog, best, Run(tmp_path / "run"), silent(), resume=False)
    assert (tmp_path / "run" / "history.csv").exists()


@pytest.mark.usefixtures("pretended")
def test_a_damaged_database_is_an_error(catalog: Catalog, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sought(catalog, out, trials=1)
    (out / "search.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(SearchError, match=r"search.db: not a database that can be used") as raised:
        sought(catalog, out, trials=2)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("pretended")
def test_several_folders_share_the_trials_of_one_database(catalog: Catalog, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    sought(catalog, tmp_path / "one", trials=2, storage=url)
    assert not (tmp_path / "one" / "search.db").exists()
    found = sought(catalog, tmp_path / "two", trials=3, storage=url)
    assert len(states(found)) == 3
    assert [one.number for one in found.trials if one.user_attrs.get("start")] == [0]
    other = sought(catalog, tmp_path / "three", trials=1, storage=url, dropout=0.4)
    assert len(states(other)) == 1, "another search in the same database is on its own"
    with pytest.raises(SearchError, match="its trials are in another database; give it with"):
        sought(catalog, tmp_path / "one", trials=3)
    sought(catalog, tmp_path / "own", trials=1)
    with pytest.raises(SearchError, match=r"its trials are in search.db; leave --storage out"):
        sought(catalog, tmp_path / "own", trials=1, storage=url)


def begin(catalog: str, out: str, url: str, ready: str) -> None:
    """What several processes do at the same moment: begin in a database without tables."""
    warnings.simplefilter("ignore")
    opened = Catalog.open(catalog)
    Path(f"{out}-is-ready").touch()
    while not Path(ready).exists():
        time.sleep(0.001)
    open_search(opened, "demo", Path(out), storage=url)


def test_machines_begin_a_search_in_one_database_at_the_same_moment(
    catalog: Catalog, tmp_path: Path, postgres_url: str, forks: Forks
) -> None:
    url = postgres_url.replace("postgresql://", "postgresql+psycopg://")
    outs, go = [tmp_path / "one", tmp_path / "two"], tmp_path / "go"
    machines = [forks.start("begin", *map(str, (catalog.path, out, url, go))) for out in outs]
    while not all(Path(f"{out}-is-ready").exists() for out in outs):
        assert all(map(forks.runs, machines))
        time.sleep(0.01)
    go.touch()
    assert [forks.wait(machine) for machine in machines] == [0, 0]
    with storing.quiet_optuna():
        for out in outs:
            found = open_search(catalog, "demo", out, storage=url)
            assert [one.user_attrs for one in found.trials] == [{"start": True}]


@pytest.mark.parametrize("url", ["nonsense", "oracle:///x", "sqlite:////nowhere/at/all.db"])
def test_a_database_that_cannot_be_opened_is_an_error_of_one_line(
    catalog: Catalog, tmp_path: Path, url: str
) -> None:
    with pytest.raises(SearchError, match="--storage: ") as raised:
        sought(catalog, tmp_path / "out", storage=url)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists(), "a search that could not begin leaves nothing"


@pytest.mark.usefixtures("drawn")
def test_a_search_that_ctrl_c_ends_continues_with_the_same_trial(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(step: Step) -> None:
        if step.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(searches, "learn", pretend)
    with pytest.raises(KeyboardInterrupt):
        sought(catalog, tmp_path / "out", callbacks=silent(interrupt))
    epochs: list[int] = []
    watcher = silent(lambda step: epochs.append(step.epoch))
    found = sought(catalog, tmp_path / "out", trials=1, callbacks=watcher)
    assert states(found) == ["FAIL", "COMPLETE"]
    assert epochs == [3, 4]
    assert "2 trials" not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.usefixtures("pretended", "short_grace")
def test_a_suspended_process_leaves_its_trial_to_the_one_that_took_it_over(
    catalog: Catalog, tmp_path: Path
) -> None:
    """As a laptop that slept: its trial is given to another process while it is in the middle."""
    said: list[str] = []

    def suspended(step: Step) -> None:
        if not said_taken():
            study = open_search(
                catalog, "demo", tmp_path / "out", settings=parse_settings(SMALL), search=RATES
            )
            trial = study.trials[0]
            study.study.tell(0, state=TrialState.FAIL)
            storing.queue_again(study.study, trial)

    def said_taken() -> bool:
        return any("another process has taken it over" in one for one in said)

    watcher = Callbacks(lambda *_: None, suspended, said.append)
    found = sought(catalog, tmp_path / "out", trials=2, callbacks=watcher)
    assert said_taken()
    assert states(found) == ["FAIL", "COMPLETE", "COMPLETE"]


def test_trials_started_at_the_same_moment_are_not_too_many(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "learn", pretend)
    enough = iter([False, False, False, True])
    monkeypatch.setattr(searches, "_enough", lambda search, trials: next(enough))
    found = sought(catalog, tmp_path / "out", trials=2)
    assert states(found)[2:] == ["FAIL"]
    assert not (tmp_path / "out" / "trials" / "0002").exists()
    assert found.failed == []


@pytest.mark.usefixtures("pretended", "drawn")
def test_a_search_changes_no_setting_of_its_host(catalog: Catalog, tmp_path: Path) -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    verbosity, handlers = optuna.logging.get_verbosity(), logging.getLogger("optuna").handlers[:]
    drawn, filters = dict(mpl.rcParams), warnings.filters[:]
    sought(catalog, tmp_path / "out", trials=6)
    assert optuna.logging.get_verbosity() == verbosity
    assert logging.getLogger("optuna").handlers == handlers
    assert dict(mpl.rcParams) == drawn
    assert warnings.filters == filters
    assert plt.get_fignums() == []


def variant(values: Mapping[str, Value]) -> Recipe:
    return load_recipe("demo", values)


def test_a_space_is_read_from_settings_and_from_a_table(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text('[search]\nloss = ["bce", "focal"]\nepochs = "5..20"\n')
    space = read_space(["learning_rate=1e-4..1e-2", "flip=true|false", str(file)], variant)
    assert space == {
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "flip": CategoricalDistribution((True, False)),
        "loss": CategoricalDistribution(("bce", "focal")),
        "epochs": IntDistribution(5, 20, log=False),
    }
    assert read_space(["ema_decay=none|0.99"], variant) == {
        "ema_decay": CategoricalDistribution((None, 0.99))
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("learning_rat=1e-4..1e-2", "no recipe key 'learning_rat'; did you mean 'learning_rate'"),
        ("learning_rate", "write key=low..high"),
        ("learning_rate=1..", "a range is two numbers"),
        ("learning_rate=2..1", "a range is two numbers"),
        ("dropout=0.5..1.5", "dropout = 1.5"),
        ("loss=bce|magic", "loss = 'magic'"),
        ("nowhere.toml", "cannot be read"),
    ],
)
def test_a_space_that_no_recipe_has_is_refused(setting: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_space([setting], variant)


def test_the_default_space_is_about_the_recipe_and_holds_it() -> None:
    plain = Recipe().with_settings(dropout=0.2)
    space = default_space(plain)
    assert start_of(space, plain).keys() == space.keys()
    frozen = default_space(Recipe().with_settings(frozen=True))
    assert "zoom" not in frozen
    assert "layer_decay" in default_space(Recipe().with_settings(weights="hub"))
