"""A page of a run while it trains: how far it is, its curves, its latest epoch.

The page asks for news every two seconds. Everything comes from the run's folder, so it may be
watched from another terminal, before the training begins and after it was killed.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import Any

from keyart.errors import KeyartError, RunError, why
from keyart.files import StrPath
from keyart.local_page import HTML, JSON, Answer, serving
from keyart.reading import read_json
from keyart.report import charts
from keyart.report.charts import Chart
from keyart.report.templates import template
from keyart.run import History, Run

_LARGEST = 1 << 16  # bytes of progress.json
_SILENT = 60.0  # seconds without news after which a training may be dead
_SHOWN = {
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "validation_mean_average_precision": "validation mAP",
    "validation_top_class": "validation top class",
}


@dataclass(frozen=True)
class News:
    """What is known of a run now. share: of the whole training that is done, from 0 to 1.

    state: a sentence. figures: name, latest and best value of what is measured by epoch.
    """

    state: str
    share: float | None
    figures: list[tuple[str, str, str]]
    charts: list[Chart]
    is_finished: bool

    @classmethod
    def of(cls, run: Run, now: float | None = None) -> "News":
        """Read a run's folder. now: the time in seconds since the epoch. Raises RunError."""
        if not run.exists():
            raise RunError(f"{run.path}: holds no run any more")
        finished, progress = run.is_finished, _progress(run)
        stage = run if run.history_path.is_file() or not run.head.exists() else run.head
        history = stage.history
        drawn = charts.learning_charts(history, {}, None) if history else []
        state, share = "No step has been taken yet.", None
        if finished:
            state, share = "The training has ended.", 1.0
        elif progress is not None:
            state, share = _where(progress, time.time() if now is None else now)
        return cls(state, share, _figures(history) if history else [], drawn, finished)

    def html(self, run: Run) -> str:
        """The part of the page that changes."""
        has_report = self.is_finished and run.report_path.is_file()
        return template("news.html.j2").render(news=self, has_report=has_report)


def _progress(run: Run) -> Mapping[str, Any] | None:
    try:
        found = read_json(run.progress_path, _LARGEST)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{run.progress_path}: cannot be read ({why(error)})") from error
    if not isinstance(found, dict):
        raise RunError(f"{run.progress_path}: damaged; delete it")
    return found


def _where(progress: Mapping[str, Any], now: float) -> tuple[str, float]:
    try:
        epoch, epochs, step, steps = (
            int(progress[name]) for name in ("epoch", "epochs", "step", "steps")
        )
        loss, rate, at = (float(progress[name]) for name in ("loss", "learning_rate", "at"))
        share = ((epoch - 1) * steps + step) / (epochs * steps)
        if not 0 <= share <= 1:
            raise ValueError(f"step {step} of {steps}")
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise RunError(f"progress.json: damaged ({error}); delete it") from error
    state = (
        f"Epoch {epoch} of {epochs}, step {step:,} of {steps:,}: loss {loss:.4f}, "
        f"learning rate {rate:.1e}."
    )
    if now - at > _SILENT:
        state += (
            f" No news for {(now - at) / 60:.0f} min: the end of an epoch may take long, or the "
            "training was stopped. keyart train --resume continues it."
        )
    return state, share


def _figures(history: History) -> list[tuple[str, str, str]]:
    found = []
    for column, name in _SHOWN.items():
        if column in history:
            values = history[column]
            known = values[values == values]  # without NaN
            best = (known.min() if column.endswith("loss") else known.max()) if len(known) else None
            found.append((name, f"{values[-1]:.4f}", "-" if best is None else f"{best:.4f}"))
    return found


@contextmanager
def watching(run: StrPath, *, port: int = 0) -> Iterator[ThreadingHTTPServer]:
    """Yield a server of the page on this machine; the caller runs it. port: 0 takes a free one.

    Raises RunError if the folder holds no run, ServiceError if the port is taken.
    """
    opened = Run.open(run)

    def answer(path: str) -> Answer | None:
        if path == "/":
            page = template("watch.html.j2").render(name=opened.name, news=_news(opened))
            return Answer(HTML, page.encode())
        if path == "/news":
            return Answer(JSON, json.dumps({"html": _news(opened)}).encode())
        if path == "/report.html" and opened.report_path.is_file():
            return Answer(HTML, opened.report_path.read_bytes())
        return None

    with serving(answer, port) as server:
        yield server


def _news(run: Run) -> str:
    """The part of the page that changes, or what is wrong with the run."""
    try:
        return News.of(run).html(run)
    except (KeyartError, OSError) as error:
        news = News(str(error), None, [], [], False)
        return template("news.html.j2").render(news=news, has_report=False)
