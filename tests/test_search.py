"""Searches: killed, resumed, shared, pruned; and a best recipe that trains."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from optuna.trial import TrialState

from keyart.catalog.catalog import Catalog
from keyart.errors import RecipeError, SearchError, TrainingError
from keyart.files import write_csv
from keyart.search import search as searches
from keyart.search.journal import HeldLock, is_free, open_journal
from keyart.search.search import Search, open_search, tune
from keyart.search.space import (
    Choice,
    Range,
    Value,
    assignments,
    default_space,
    read_space,
    start_of,
)
from keyart.training.checkpoint import history_of, save_tensors
from keyart.training.loop import Progress
from keyart.training.recipe import Recipe, load_recipe
from keyart.training.run import Watcher, learn
from tests.tiny_catalog import tiny_films

SMALL = ("epochs=4", "height=32", "width=24", "batch_size=16", "keep=last")
RATES = ("learning_rate=1e-4..1e-1",)


def silent(steps: Callable[[Progress], None] = lambda step: None) -> Watcher:
    return Watcher(lambda done, total: None, steps, lambda sentence: None)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("catalog")
    table, posters = tiny_films(folder, range(60))
    return Catalog.build(table, posters, folder / "catalog")


def score_of(recipe: Recipe) -> float:
    """What a pretended training reaches: best near a rate of 0.01."""
    return 0.5 - 0.1 * abs(math.log10(recipe.optimisation.learning_rate) + 2)


def pretend(catalog: Catalog, recipe: Recipe, run: Path, watcher: Watcher, *, resume: bool) -> None:
    """In place of `learn`: a history that rises to the recipe's score, and nothing trained."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "checkpoints").mkdir(exist_ok=True)
    (run / "checkpoints" / "catalog.json").write_text("{}")
    file = run / "history.csv"
    done = len(file.read_text().splitlines()) - 1 if file.exists() else 0
    rows = [row_of(recipe, epoch) for epoch in range(1, done + 1)]
    for epoch in range(done + 1, recipe.optimisation.epochs + 1):
        rows.append(row_of(recipe, epoch))
        write_csv(file, list(rows[0]), [list(row.values()) for row in rows])
        checkpoint(run, rows)
        watcher.steps(Progress(epoch, recipe.optimisation.epochs, 1, 1, 0.5, 0.1, rows[-1]))


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
    arguments: dict[str, Any] = {"trials": 6, "settings": SMALL, "search": RATES}
    return tune(catalog, "demo", out, silent(), **(arguments | changes))


def states(search: Search) -> list[str]:
    return [trial.state.name for trial in search.trials()]


@pytest.mark.usefixtures("pretended")
def test_a_search_begins_with_the_recipe_as_it_is_and_ends_with_a_better_one(
    catalog: Catalog, tmp_path: Path
) -> None:
    found = sought(catalog, tmp_path / "out", trials=15)
    first = found.trials()[0]
    assert first.params["learning_rate"] == load_recipe("demo").learning_rate
    assert len(states(found)) == 15
    best = found.best()
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


@pytest.mark.usefixtures("pretended")
def test_what_lies_below_the_median_is_stopped_early(catalog: Catalog, tmp_path: Path) -> None:
    found = sought(catalog, tmp_path / "out", trials=16)
    pruned = found.trials(TrialState.PRUNED)
    assert pruned
    complete = [trial.value or 0 for trial in found.trials(TrialState.COMPLETE)]
    for trial in pruned:
        folder = tmp_path / "out" / "trials" / f"{trial.number:04}"
        assert len((folder / "history.csv").read_text().splitlines()) - 1 < 4
        assert not (folder / "checkpoints").exists()
        assert score_of(Recipe().with_settings(learning_rate=trial.params["learning_rate"])) < max(complete)


@pytest.mark.usefixtures("pretended")
def test_a_search_goes_on_to_more_trials_and_no_further(catalog: Catalog, tmp_path: Path) -> None:
    sought(catalog, tmp_path / "out", trials=3)
    lines = (tmp_path / "out" / "journal.log").read_bytes()
    assert len(states(sought(catalog, tmp_path / "out", trials=3))) == 3
    assert (tmp_path / "out" / "journal.log").read_bytes() == lines
    assert len(states(sought(catalog, tmp_path / "out", trials=5))) == 5


@pytest.mark.usefixtures("pretended")
def test_a_trial_that_the_hours_cut_short_goes_on_with_the_search(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(1_000_000))
    clock = SimpleNamespace(monotonic=lambda: float(next(now)))
    monkeypatch.setattr("keyart.search.search.time", clock)
    out = tmp_path / "out"
    cut = sought(catalog, out, hours=4 / 3600)
    assert states(cut) == ["FAIL", "WAITING"]
    assert cut.best() is None
    assert not (out / "best.toml").exists()
    assert "No trial has ended yet" in (out / "report.html").read_text()
    before = (out / "trials" / "0000" / "history.csv").read_text().splitlines()
    assert 1 < len(before) < 5
    epochs: list[int] = []
    tune(
        catalog, "demo", out, silent(lambda step: epochs.append(step.epoch)),
        trials=1, settings=SMALL, search=RATES,
    )  # fmt: skip
    assert epochs == list(range(len(before), 5))
    assert not (out / "trials" / "0001").exists()


@pytest.mark.usefixtures("pretended")
def test_epochs_that_are_done_again_after_a_kill_are_counted_once(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    now = iter(range(1_000_000))
    clock = SimpleNamespace(monotonic=lambda: float(next(now)))
    monkeypatch.setattr("keyart.search.search.time", clock)
    sought(catalog, out, hours=4 / 3600)
    run = out / "trials" / "0000"
    lines = (run / "history.csv").read_text().splitlines()
    assert len(lines) > 2  # and yet the last checkpoint was made after the first epoch
    checkpoint(run, history_of(run / "checkpoints" / "last.safetensors")[:1])

    def go_on(
        catalog: Catalog, recipe: Recipe, run: Path, watcher: Watcher, *, resume: bool
    ) -> None:
        (run / "history.csv").write_text("\n".join(lines[:2]) + "\n")
        pretend(catalog, recipe, run, watcher, resume=resume)

    monkeypatch.setattr(searches, "learn", go_on)
    found = sought(catalog, out, trials=1, hours=None)
    (trial,) = found.trials(TrialState.COMPLETE)
    assert trial.user_attrs["epochs"] == 4
    assert sorted(trial.intermediate_values) == [2, 3, 4]


@pytest.mark.usefixtures("pretended")
def test_the_report_tells_that_the_key_which_decides_matters_most(
    catalog: Catalog, tmp_path: Path
) -> None:
    sought(catalog, tmp_path / "out", trials=40, search=(*RATES, "dropout=0.0..0.5"))
    page = (tmp_path / "out" / "report.html").read_text()
    shares = dict(re.findall(r"(learning_rate|dropout): (\d+)%", page))
    assert set(shares) == {"learning_rate", "dropout"}
    assert int(shares["learning_rate"]) > int(shares["dropout"])
    assert page.index("learning_rate: ") < page.index("dropout: ")


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": "posternet"}, "with another recipe"),
        ({"settings": ("epochs=9",)}, "with another recipe"),
        ({"search": ("dropout=0.1..0.2",)}, "of another space"),
    ],
)
def test_the_journal_of_another_search_is_refused(
    catalog: Catalog, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    out = tmp_path / "out"
    sought(catalog, out, trials=1)
    before = (out / "journal.log").read_bytes()
    arguments: dict[str, Any] = {"recipe": "demo", "settings": SMALL, "search": RATES}
    with pytest.raises(SearchError, match=f"its journal is of a search {words}"):
        tune(catalog, out=out, watcher=silent(), trials=2, **(arguments | changes))
    assert (out / "journal.log").read_bytes() == before


@pytest.mark.usefixtures("pretended")
def test_the_journal_of_another_catalog_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sought(catalog, out, trials=1)
    table, posters = tiny_films(tmp_path, range(100, 120))
    other = Catalog.build(table, posters, tmp_path / "other")
    with pytest.raises(SearchError, match="its journal is of a search on another catalog"):
        sought(other, out)


def test_a_folder_that_holds_something_else_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SearchError, match="is there and holds no search"):
        sought(catalog, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_trial_that_fails_is_counted_and_not_tried_again(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[float] = []

    def learn_or_fail(*arguments: Any, **options: Any) -> None:
        calls.append(arguments[1].learning_rate)
        if len(calls) == 2:
            raise TrainingError("the loss became nan")
        pretend(*arguments, **options)

    monkeypatch.setattr(searches, "learn", learn_or_fail)
    found = sought(catalog, tmp_path / "out", trials=4)
    assert states(found)[1] == "FAIL"
    assert len(calls) == len(set(calls)) == 4
    assert "failed: the loss became nan" in (tmp_path / "out" / "report.html").read_text()


def test_where_every_trial_fails_the_search_gives_up_and_says_why(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise TrainingError("no films")

    monkeypatch.setattr(searches, "learn", fail)
    with pytest.raises(SearchError, match="the first 3 trials all failed, the last as: no films"):
        sought(catalog, tmp_path / "out")


def test_a_validation_part_without_genres_is_told(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.score_of", lambda recipe: math.nan)
    monkeypatch.setattr(searches, "learn", pretend)
    with pytest.raises(SearchError, match="no validation film has a genre"):
        sought(catalog, tmp_path / "out")


# What a process of its own runs: a search whose first trial tells when an epoch is over, and waits.
KILLED = """
import sys, time
from pathlib import Path
from keyart.training import loop
from keyart.training.run import Watcher
from keyart.search.search import tune

loop._SECONDS_BETWEEN_CHECKPOINTS = 0

def steps(step):
    if step.row is not None and step.epoch == 2:
        print("second epoch", flush=True)
        time.sleep(60)

tune(
    Catalog.open(Path(sys.argv[1])), "demo", Path(sys.argv[2]),
    Watcher(lambda *_: None, steps, lambda _: None),
    trials=2, settings=sys.argv[3].split(), search=sys.argv[4].split(),
)
"""


def test_a_killed_search_goes_on_where_its_checkpoints_stand(
    catalog: Catalog, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(catalog.path), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, " ".join(SMALL), RATES[0]], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "second epoch\n"
        process.send_signal(signal.SIGKILL)
    # Half a line, as of a process that was killed while it wrote.
    with (out / "journal.log").open("ab") as file:
        file.write(b'{"op_code":')
    epochs: list[int] = []
    said: list[str] = []
    watcher = Watcher(lambda *_: None, lambda step: epochs.append(step.epoch), said.append)
    found = tune(catalog, "demo", out, watcher, trials=2, settings=SMALL, search=RATES)
    assert states(found)[:2] == ["FAIL", "COMPLETE"]
    first, again = found.trials()[:2]
    assert again.params == first.params
    assert again.user_attrs["again"] == 0
    assert min(epochs[: epochs.index(4)]) == 3
    assert "trial 0 was cut short; it will be tried again" in said
    assert found.counted() == 2
    history = (out / "trials" / "0000" / "history.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in history] == ["epoch", "1", "2", "3", "4"]
    for line in (out / "journal.log").read_text().splitlines():
        json.loads(line)
    names = {path.name for path in (out / "trials" / "0000").iterdir()}
    assert names == {"recipe.toml", "history.csv"}, "no trial looks at the test part"


def test_two_processes_share_a_search(catalog: Catalog, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [sys.executable, "-m", "keyart", "tune", catalog.path, "--recipe", "demo"]
    words += ["--out", out, "--trials", "5", "--search", RATES[0]]
    for setting in SMALL:
        words += ["--set", setting]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen([*map(str, words)], stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    found = open_search(catalog, "demo", out, settings=SMALL, search=RATES)
    assert len(states(found)) == found.counted() == 5
    assert not found.trials(TrialState.RUNNING, TrialState.WAITING)
    trained = [sum("mAP" in line or "pruned" in line for line in one.splitlines()) for one in said]
    assert sum(trained) == 5
    rates = {trial.params["learning_rate"] for trial in found.trials()}
    assert len(rates) == 5, "processes do not try the same"
    assert (out / "best.toml").exists()
    assert not list((out / "trials").glob("*.lock"))
    # The best recipe trains, as it is.
    best = load_recipe(str(out / "best.toml"), ["epochs=1"])
    learn(catalog, best, tmp_path / "run", silent(), resume=False)
    assert (tmp_path / "run" / "history.csv").exists()


def test_a_dead_process_holds_no_lock(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    with HeldLock(place) as lock:
        assert lock.take(wait=False)
        assert not is_free(place)
    assert is_free(place)
    script = """
    import sys, time
    from pathlib import Path
    from keyart.search.journal import HeldLock
    lock = HeldLock(Path(sys.argv[1])); lock.take(wait=False)
    print("held", flush=True); time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert not is_free(place)
        process.kill()
    assert is_free(place)


@pytest.mark.usefixtures("pretended")
def test_a_damaged_journal_is_an_error(catalog: Catalog, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sought(catalog, out, trials=1)
    journal = out / "journal.log"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([lines[0], "{nonsense\n", *lines[1:]]))
    with pytest.raises(SearchError, match="not a journal, or damaged"):
        open_journal(journal)


def variant(values: Mapping[str, Value]) -> Recipe:
    return load_recipe("demo", assignments(values))


def test_a_space_is_read_from_settings_and_from_a_table(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text('[search]\nloss = ["bce", "focal"]\nepochs = "5..20"\n')
    space = read_space(["learning_rate=1e-4..1e-2", "flip=true|false", str(file)], variant)
    assert space == {
        "learning_rate": Range(1e-4, 1e-2),
        "flip": Choice((True, False)),
        "loss": Choice(("bce", "focal")),
        "epochs": Range(5, 20),
    }
    rate, epochs = space["learning_rate"], space["epochs"]
    assert isinstance(rate, Range)
    assert isinstance(epochs, Range)
    assert (rate.log, rate.whole, epochs.log, epochs.whole) == (True, False, False, True)
    assert read_space(["ema_decay=none|0.99"], variant) == {
        "ema_decay": Choice((None, 0.99))
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
