"""Fixtures that several test files share."""

import contextlib
import csv
import functools
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Engine, event

from keyart.catalog.catalog import Catalog
from keyart.evaluation.baselines import fit_baselines
from keyart.evaluation.box import box as _box
from keyart.evaluation.scoring import score_split
from keyart.genres import Vocabulary
from keyart.metric_table import MetricTable
from keyart.predictor import Predictor
from keyart.run import Run, ScoredFilms
from keyart.service.server import running
from keyart.similar import Index
from tests.tiny import VOCABULARY, tiny_bundle
from tests.wire import encoded

# The files that take longest. They begin: at the end, a test of a minute would keep one worker busy
# while the others have nothing left to do.
_LONG = (
    "test_train_on_ray", "test_search", "test_launch", "test_docs", "test_service_page",
    "test_jobs_on_ray", "test_cli", "test_review_page", "test_finetune", "test_classical_run",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long files first, and the rest in its order."""
    items.sort(key=lambda item: item.path.stem not in _LONG)


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Undo what a command that ran in this process did to the log: it prints until it ends."""
    log = logging.getLogger("keyart")
    handlers, level = list(log.handlers), log.level
    yield
    log.handlers[:] = handlers
    log.setLevel(level)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what keyart remembers of models out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def unsynced() -> Iterator[None]:
    """Wait for no disk: what tests write must survive a killed process, and no power cut."""

    def relax(connection: object, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            with contextlib.suppress(sqlite3.Error):  # a damaged file: the test is to find out
                connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield
    event.remove(Engine, "connect", relax)


@pytest.fixture(autouse=True, scope="session")
def without_box() -> Iterator[None]:
    """Compare no model with the box: it would take as long as the rest of most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keyart.evaluation.box.box", lambda: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def one_registry() -> Iterator[None]:
    """Let PyTorch collect the operators of ONNX once, and not for each network: it takes a second.

    Only if some test exports: a session without PyTorch is not to import it.
    """
    try:
        if "torch" not in sys.modules:
            raise ImportError
        from torch.onnx._internal.exporter._registration import ONNXRegistry
    except ImportError:  # also where another PyTorch has no such private class
        yield
        return
    collected = functools.cache(ONNXRegistry.from_torchlib)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(collected))
        yield


@pytest.fixture(scope="module")
def next_to_box(without_box: None) -> Iterator[None]:
    """Compare models with the box after all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keyart.evaluation.box.box", _box)
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser. Not for the whole session, as it keeps an event loop in this thread."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tiny_predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """The tiny model, loaded once; it must not be changed."""
    return Predictor.load(tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle").path)


@pytest.fixture(scope="session")
def tiny_model(tiny_predictor: Predictor) -> Path:
    """The tiny model's bundle; it must not be changed."""
    return tiny_predictor.bundle.path


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    """Write a small scored run without a model: see `write_scored_run`."""
    return write_scored_run


@pytest.fixture(scope="session")
def known_posters() -> Callable[[Path, Path], Path]:
    """Index three films for a model: known_posters(folder, model) returns the index's folder."""
    return index_known_posters


@pytest.fixture(scope="session")
def film_index(tiny_predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Index:
    """The index of three films for the tiny model."""
    path = index_known_posters(tmp_path_factory.mktemp("films"), tiny_predictor.bundle.path)
    return Index.open(path, tiny_predictor)


@pytest.fixture(scope="session")
def client_of() -> Callable[[FastAPI], AbstractContextManager[httpx.Client]]:
    """A client of a service that really listens: `with client_of(app) as client`."""

    @contextmanager
    def client(app: FastAPI) -> Iterator[httpx.Client]:
        with (
            running(app) as url,
            httpx.Client(base_url=url, timeout=30, trust_env=False) as talking,
        ):
            yield talking

    return client


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of an empty database, in a PostgreSQL server of our own on a free port."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with _postgres(Path(initdb).resolve().parent) as url:
        yield url


def index_known_posters(folder: Path, model: Path) -> Path:
    """An index of three films, one of them with a title that must be escaped in HTML."""
    posters = folder / "known"
    posters.mkdir()
    films = [
        ("red", "<script>alert('Carrie')</script>", (240, 20, 20), "Red"),
        ("green", "Soylent Green & Co", (20, 240, 20), "Green"),
        ("blue", "Blue Velvet", (20, 20, 240), "Blue|Red"),
    ]
    rng = np.random.default_rng(0)
    with (folder / "known.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["film_id", "title", "year", "genres"])
        for film_id, title, colour, genres in films:
            noise = rng.integers(0, 15, (60, 40, 3))
            rgb = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            (posters / f"{film_id}.png").write_bytes(encoded(rgb))
            writer.writerow([film_id, title, 1976, genres])
    catalog = Catalog.build(
        folder / "known.csv", posters, folder / "catalog", vocabulary=Vocabulary(VOCABULARY.names)
    )
    return Index.build(catalog, out=folder / "index", model=model).path


# No film is a Western, and a genre may be spelled like markup.
RUN_GENRES = ("Action", "Comedy", "Drama", "Rock & <b>Roll", "Western")
RUN_RATES = (0.2, 0.3, 0.6, 0.2, 0.0)


def write_scored_run(
    path: Path,
    *,
    films: int = 60,
    skill: float = 0.4,
    seed: int = 0,
    truth_seed: int = 0,
    titles: Sequence[str] = (),
    genres: Sequence[str] = RUN_GENRES,
    rates: Sequence[float] = RUN_RATES,
    resamples: int = 30,
    epochs: int = 8,
    recipe: str = 'model = "tiny"\nepochs = 8\n',
) -> Path:
    """Write a run folder: film i is `film-i` in the test split; the first have `titles`.

    The films depend on `truth_seed`, its scores on `skill` and `seed`.
    """
    vocabulary = Vocabulary(tuple(genres))
    rng = np.random.default_rng(seed)
    thresholds = np.full(len(genres), 0.45)
    splits, scored = {}, {}
    for split in ("validation", "test"):
        truth = np.random.default_rng(truth_seed).random((films, len(genres))) < rates
        noise = rng.random(truth.shape)
        # As they are read back: predictions are stored in single precision.
        scores = (skill * truth + (1 - skill) * noise).astype(np.float32).astype(np.float64)
        groups = [f"group-{film // 2}" for film in range(films)]
        splits[split] = score_split(
            scores,
            truth,
            thresholds,
            groups,
            vocabulary,
            fit_baselines(truth),
            resamples=resamples,
        )
        names = [*titles, *(f"Film {film}" for film in range(len(titles), films))]
        ids = [f"film-{film}" if split == "test" else f"other-{film}" for film in range(films)]
        scored[split] = ScoredFilms(
            vocabulary, ids, names, groups, truth, scores >= thresholds, scores
        )
    run = Run(path)
    path.mkdir(parents=True)
    run.write_evaluation(
        MetricTable(
            path.name,
            "c0ffee",
            vocabulary.names,
            {"train": 3 * films, "validation": films, "test": films},
            "f1",
            ("Western: threshold: none of 60 films has it",),
            splits,
        ),
        scored,
    )
    run.write_recipe(recipe)
    header = ["epoch", "seconds", "learning_rate", "train_loss", "train_label_accuracy"]
    header += ["validation_loss", "validation_label_accuracy", "validation_mean_average_precision"]
    rows: list[dict[str, object]] = [
        dict(
            zip(
                header,
                (
                    *(epoch, 1.5, 0.01, 0.8 / epoch, 0.9 - 0.4 / epoch),
                    *(0.5 + (epoch - 5) ** 2 / 100, 0.88 - 0.1 / epoch, 0.3 - 0.2 / epoch),
                ),
                strict=True,
            )
        )
        for epoch in range(1, epochs + 1)
    ]
    run.write_history(rows)
    return path


@contextmanager
def _postgres(binaries: Path) -> Iterator[str]:
    """Start a cluster, yield the URL of its empty database, stop it and remove it."""
    # initdb refuses root: Debian's package brings the user postgres.
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="keyart-postgres-"))
    if prefix:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: object) -> None:
        done = subprocess.run(
            [*prefix, *map(str, command)], capture_output=True, text=True, cwd=folder, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")

    data = folder / "data"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    try:
        run(binaries / "initdb", "-D", data, "-A", "trust", "-U", "keyart", "-E", "UTF8", "-N")
        control = (binaries / "pg_ctl", "-D", data, "-w", "-t", "60")
        # The server must not hold this process's pipes open.
        run(*control, "-o", options, "-l", folder / "log", "start")
        try:
            yield f"postgresql://keyart@127.0.0.1:{port}/postgres"
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
