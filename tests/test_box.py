"""The model in the box: it predicts if no other model is given."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from keyart.bundle import BOX, read_bundle
from keyart.cli import app
from keyart.errors import BundleError, ServiceError
from keyart.evidence import FUSED
from keyart.genres import DEFAULT_VOCABULARY
from keyart.predictor import Predictor
from keyart.similar import Index
from tests.tiny import tiny_bundle
from tests.wire import RED

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known_posters: Callable[[Path, Path], Path]
) -> Path:
    """A folder with red.jpg, catalog/ and index/, and keyart with the tiny model in its box."""
    monkeypatch.setattr("keyart.bundle.BOX", tiny_bundle(tmp_path / "box").path)
    known_posters(tmp_path, tmp_path / "box")
    (tmp_path / "red.jpg").write_bytes(RED)
    return tmp_path


def keyart(*arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_shipped_box_is_complete_small_and_says_what_it_is() -> None:
    box = read_bundle(BOX)  # which checks every file's hash
    files = {file.name: file.stat().st_size for file in BOX.iterdir()}
    assert set(files) == {"MODEL_CARD.md", "keyart.json", "model.onnx", "titles.bin"}
    assert sum(files.values()) <= 12_000_000
    assert box.vocabulary.names == DEFAULT_VOCABULARY.names
    assert b".py" not in box.onnx.read_bytes(), "no path of the machine that made it"
    assert 'backbone = "posternet' in box.provenance["recipe"]
    for word in (
        "## Data",
        "## Metrics on the test split",
        "95% interval",
        "## With titles and years",
        "## Limits",
        "## Not for",
    ):
        assert word in box.card
    assert box.films is not None
    assert set(box.films.fusions) == set(FUSED)
    metric = box.provenance["metrics"]["mean_average_precision"]
    assert f"| {metric['value']:.3f} | {metric['low']:.3f} to {metric['high']:.3f} |" in box.card
    assert all(f"| {name} | " in box.card for name in box.vocabulary.names)


def test_every_command_that_takes_a_model_takes_the_one_in_the_box(folder: Path) -> None:
    assert "red.jpg,Red," in keyart("predict", folder / "red.jpg", "--format", "csv")
    assert "Red" in keyart("explain", folder / "red.jpg")
    keyart("index", folder / "catalog", "--out", folder / "again")
    assert len(Index.open(folder / "again")) == 3
    assert "Carrie" in keyart("similar", folder / "red.jpg", "--index", folder / "again")


def test_the_service_takes_the_one_in_the_box(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(settings: Any) -> None:
        raise ServiceError(f"asked for {settings.model}")

    monkeypatch.setattr("keyart.service.server._load", load)
    with pytest.raises(ServiceError, match=r"asked for box$"):
        keyart("serve")


def test_a_named_model_takes_precedence_over_the_one_in_the_box(folder: Path) -> None:
    shutil.rmtree(folder / "box")
    named = tiny_bundle(folder / "named").path
    assert "Red" in keyart("predict", folder / "red.jpg", "--model", named, "--format", "csv")


@pytest.mark.parametrize(
    "command", [("predict", "x"), ("explain", "x"), ("index", "x", "--out", "y"), ("serve",)]
)
def test_an_empty_box_asks_for_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr("keyart.bundle.BOX", tmp_path / "none")
    with pytest.raises(BundleError, match="no model comes with this keyart"):
        keyart(*command)
    assert "A run, a bundle" in keyart(command[0], "--help")


def test_a_wheel_carries_the_box_the_page_and_the_recipes(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    box = tmp_path / "src" / "keyart" / "box"
    shutil.rmtree(box, ignore_errors=True)
    boxed = {f"keyart/box/{file.name}" for file in tiny_bundle(box).path.iterdir()}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=os.environ)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert len(boxed) == 4
    assert boxed <= names
    assert {
        "keyart/service/page/index.html",
        "keyart/service/page/app.js",
        "keyart/training/recipes/posternet.toml",
    } <= names


@pytest.mark.parametrize(
    ("title", "genre"),
    [
        ("Zombie Christmas", "Horror"),
        ("The Bride Wore Spurs", "Western"),
        ("Dinosaur, The (Le dinosaure)", "Animation"),
        ("Wedding Kiss", "Romance"),
    ],
)
def test_the_box_reads_titles(title: str, genre: str) -> None:
    box = Predictor.load()
    rate = {name: box.predict(title="The").scores[name] for name in box.genres}
    assert box.predict(title=title).scores[genre] > 1.5 * rate[genre]
