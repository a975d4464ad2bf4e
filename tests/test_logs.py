"""training/logs.py and report/watch.py: what a training says while it runs."""

import json
import shutil
import sys
import threading
import types
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from keyart.errors import RecipeError, RunError, ServiceError
from keyart.report.watch import News, watching
from keyart.run import Run
from keyart.training.callbacks import Callbacks, Row, Step
from keyart.training.logs import TensorBoard, open_logs, reporting
from keyart.training.recipe import Recipe
from tests.event_files import curves, events

RECIPE = Recipe().with_settings(epochs=3)


class Heard:
    """A log that remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def start(self, name: str, settings: Mapping[str, object], epochs_done: int) -> None:
        self.calls.append(("start", name, settings["epochs"], epochs_done))

    def epoch(self, number: int, row: Row) -> None:
        self.calls.append(("epoch", number, row["train_loss"]))

    def end(self, metrics: Mapping[str, float] | None) -> None:
        self.calls.append(("end", metrics))


def step(epoch: int, number: int, *, ends: bool = False) -> Step:
    row = {"epoch": float(epoch), "train_loss": 1 / epoch, "validation_top_class": 0.5}
    return Step(epoch, 3, number, 2, 1 / (epoch + number), 1e-3, row if ends else None)


def test_a_log_hears_the_start_each_epoch_and_that_a_training_broke_off(tmp_path: Path) -> None:
    heard, seen = Heard(), list[Step]()
    run = Run(tmp_path)
    with (
        suppress(KeyboardInterrupt),
        reporting(run, RECIPE, [heard], Callbacks(steps=seen.append)) as callbacks,
    ):
        for epoch in (1, 2):
            callbacks.steps(step(epoch, 1))
            callbacks.steps(step(epoch, 2, ends=True))
            assert json.loads(run.progress_path.read_text())["epoch"] == epoch
        raise KeyboardInterrupt
    assert heard.calls == [
        ("start", tmp_path.name, 3, 0), ("epoch", 1, 1.0), ("epoch", 2, 0.5), ("end", None)
    ]  # fmt: skip
    assert len(seen) == 4
    assert not run.progress_path.exists()


def test_a_training_that_takes_no_step_is_in_no_log(tmp_path: Path) -> None:
    heard = Heard()
    with (
        pytest.raises(RunError),
        reporting(Run(tmp_path), RECIPE, [heard, "tensorboard"], Callbacks()),
    ):
        raise RunError("the folder has another training")
    assert heard.calls == []
    assert list(tmp_path.iterdir()) == []


def test_progress_is_written_every_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, run = [100.0], Run(tmp_path)
    monkeypatch.setattr("keyart.training.logs.time.monotonic", lambda: clock[0])
    steps = []
    with suppress(SystemExit), reporting(run, RECIPE, [], Callbacks()) as callbacks:
        for number in range(1, 7):
            callbacks.steps(step(1, number))
            steps.append(json.loads(run.progress_path.read_text())["step"])
            clock[0] += 1
        raise SystemExit
    assert steps == [1, 1, 3, 3, 5, 5]


def test_a_log_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="log: expected tensorboard, or an object, got 'wandb'"):
        open_logs(["wandb"], Run(tmp_path))


@pytest.mark.parametrize("method", ["start", "epoch", "end"])
def test_an_error_in_a_log_names_it_and_the_other_logs_are_ended(
    tmp_path: Path, method: str
) -> None:
    first, last = Heard(), Heard()

    class Broken(Heard):
        pass

    def fail(self: Broken, *given: object) -> None:
        raise ValueError("no network")

    setattr(Broken, method, fail)
    run, broken = Run(tmp_path), Broken()
    error: BaseException | None = None
    try:
        with reporting(run, RECIPE, [first, broken, last], Callbacks()) as callbacks:
            callbacks.steps(step(1, 1))
            callbacks.steps(step(1, 2, ends=True))
            raise KeyboardInterrupt
    except (ValueError, KeyboardInterrupt) as raised:
        error = raised
    if method == "end":  # it does not hide why the training ended
        assert isinstance(error, KeyboardInterrupt)
    else:
        assert str(error) == "no network"
        (note,) = error.__notes__ if error else [""]
        assert note.startswith(f"in {method} of the log Broken")
    assert first.calls[-1] == ("end", None)
    assert last.calls == [] if method == "start" else last.calls[-1] == ("end", None)
    assert (("end", None) in broken.calls) is (method == "epoch")
    assert not run.progress_path.exists()


def test_tensorboard_has_a_curve_for_each_column_and_replaces_lost_epochs(tmp_path: Path) -> None:
    log = TensorBoard(tmp_path)
    log.start("run", RECIPE.settings(), 4)
    log.epoch(5, {"epoch": 5.0, "seconds": 2.0, "train_loss": 0.25, "validation_loss": 0.5})
    log.end({"top_class": 0.75})
    assert curves(tmp_path) == [
        ("seconds", 5, 2.0), ("loss/train", 5, 0.25), ("loss/validation", 5, 0.5),
        ("test/top_class", 0, 0.75),
    ]  # fmt: skip
    purged = [event.step for event in events(tmp_path) if event.session_log.status]
    assert purged == [5]  # of the epochs from here on, the earlier ones are dropped


def run_of(folder: Path, epochs: int) -> Run:
    """A run that has trained so many epochs."""
    run = Run(folder)
    run.write_recipe(RECIPE.to_toml())
    if epochs:
        run.write_history(
            [
                {"epoch": n, "train_loss": 1 / n, "validation_loss": 0.5 + n % 2}
                for n in range(1, epochs + 1)
            ]
        )
    return run


def at_step(run: Run, at: float) -> None:
    facts = {"epoch": 2, "epochs": 4, "step": 5, "steps": 10, "loss": 0.3, "learning_rate": 1e-3}
    run.progress_path.write_text(json.dumps({**facts, "row": None, "at": at}))


def test_news_say_how_far_a_training_is_and_when_it_may_be_dead(tmp_path: Path) -> None:
    run = run_of(tmp_path, 0)
    news = News.of(run)
    assert (news.state, news.share, news.charts) == ("No step has been taken yet.", None, [])
    run_of(tmp_path, 3)
    at_step(run, at=1_000.0)
    news = News.of(run, now=1_010.0)
    assert news.state == "Epoch 2 of 4, step 5 of 10: loss 0.3000, learning rate 1.0e-03."
    assert news.share == pytest.approx(15 / 40)
    assert ("validation loss", "1.5000", "0.5000") in news.figures
    assert [chart.title for chart in news.charts] == ["Loss"]
    assert "No news for 5 min" in News.of(run, now=1_300.0).state


@pytest.mark.parametrize(
    "damage",
    [{"epoch": 10**400}, {"loss": 10**400}, {"at": 10**400}, {"step": -100}, {"step": 11_000}],
)
def test_progress_that_cannot_be_true_is_damage(tmp_path: Path, damage: dict[str, int]) -> None:
    run = run_of(tmp_path, 1)
    at_step(run, at=1.0)
    run.progress_path.write_text(
        json.dumps({**json.loads(run.progress_path.read_text()), **damage})
    )
    with pytest.raises(RunError, match=r"progress.json: damaged \(.*delete it"):
        News.of(run)


def test_a_history_of_any_numbers_has_curves_and_a_run_that_is_gone_is_told(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", 1)
    run.history_path.write_text("epoch,train_loss\n1,1e308\n2,-1e308\n3,inf\n4,\n")
    assert len(News.of(run).charts) == 1
    shutil.rmtree(run.path)
    with pytest.raises(RunError, match="run: holds no run any more"):
        News.of(run)


def test_the_page_follows_the_run_and_is_for_this_machine_alone(tmp_path: Path) -> None:
    run = run_of(tmp_path / "<run>", 1)
    with watching(run) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(f"{address}/") as answer:
            page = answer.read().decode()
        assert "&lt;run&gt;" in page
        assert "No step has been taken yet." in page
        at_step(run, at=0.0)
        with urllib.request.urlopen(f"{address}/news") as answer:
            assert "step 5 of 10" in json.load(answer)["html"]
        run.progress_path.write_text("{")
        with urllib.request.urlopen(f"{address}/news") as answer:
            assert "progress.json: cannot be read" in json.load(answer)["html"]
        for path, host, status in (
            ("/report.html", "localhost", 404),
            ("/../recipe.toml", "localhost", 404),
            ("/", "films.example", 403),
        ):
            request = urllib.request.Request(f"{address}{path}", headers={"Host": host})
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(request)
            with error.value as refused:
                assert refused.code == status
        with (
            pytest.raises(ServiceError, match="choose another with --port"),
            watching(run, port=server.server_port),
        ):
            pass
        server.shutdown()


def test_a_folder_without_a_run_is_not_watched(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run"), watching(tmp_path):
        pass


def test_the_log_of_the_page_reports_to_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parent.parent / "docs" / "following.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0].rpartition("keyart.train(")[0]
    mlflow, calls = types.ModuleType("mlflow"), list[tuple[object, ...]]()
    for name in ("start_run", "log_params", "log_metrics", "end_run"):

        def call(*given: object, name: str = name, **named: object) -> None:
            calls.append((name, *given, *named.values()))

        setattr(mlflow, name, call)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    names: dict[str, Any] = {}
    exec(code, names)
    with (
        suppress(SystemExit),
        reporting(run_of(tmp_path, 0), RECIPE, [names["MLflow"]()], Callbacks()) as callbacks,
    ):
        callbacks.steps(step(1, 1))
        callbacks.steps(step(1, 2, ends=True))
        raise SystemExit
    assert calls[0] == ("start_run", tmp_path.name)
    assert calls[1] == ("log_params", RECIPE.settings())
    assert calls[2] == ("log_metrics", step(1, 2, ends=True).row, 1)
    assert calls[3:] == [("end_run", "FAILED")]
    names["MLflow"]().end({"top_class": 0.5})
    assert calls[4:] == [("log_metrics", {"test_top_class": 0.5}), ("end_run",)]
