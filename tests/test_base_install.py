"""What `pip install keyart` brings: enough to predict, and one line if an extra is needed."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from keyart.extras import EXTRAS
from keyart.review.corrections import Corrections
from tests.tiny import tiny_bundle
from tests.wire import RED

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

# Refuses what the base install lacks, as if it were not there.
SCRIPT = """
import sys
from keyart.extras import EXTRAS

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {*EXTRAS, "timm", "torchvision", "sklearn"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
sys.argv[0] = "keyart"
from keyart.__main__ import main
main()
"""


def keyart(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, known_posters: Callable[[Path, Path], Path]
) -> Path:
    """A folder with bundle/, index/, red.jpg and a store of corrections."""
    folder = tmp_path_factory.mktemp("base")
    known_posters(folder, tiny_bundle(folder / "bundle").path)
    (folder / "red.jpg").write_bytes(RED)
    Corrections(f"sqlite:///{folder / 'out.sqlite'}").close()
    return folder


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("predict", "{p}", "--model", "{m}", "--format", "csv"), "red.jpg,Red,"),
        (("predict", "{p}", "--model", "{m}", "--format", "json"), '"genres": ["Red"]'),
        (("predict", "{p}", "--model", "{m}"), "Red"),
        (("explain", "{p}", "--model", "{m}", "--genre", "Red", "--out", "{o}.png"), "Red"),
        (("similar", "{p}", "--model", "{m}", "--index", "{i}"), "Carrie"),
        (("similar", "--model", "{m}", "--index", "{i}"), "0 pairs"),
        (("similar", "{p}", "{k}", "--model", "{m}"), "known"),
        (("fill", "{t}", "--model", "{m}", "--out", "-"), "red.jpg,Red,,false,"),
        (("corrections", "export", "--from", "sqlite:///{o}.sqlite", "--out", "{o}"), "0 films"),
        (("token", "ada"), "ada:"),
    ],
)
def test_the_base_install_predicts(place: Path, command: tuple[str, ...], shown: str) -> None:
    names = {"p": "red.jpg", "m": "bundle", "i": "index", "o": "out", "k": "known", "t": "t.csv"}
    (place / "t.csv").write_text("path\nred.jpg\n")
    done = keyart(*(word.format(**{k: place / v for k, v in names.items()}) for word in command))
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


def test_without_a_named_model_the_one_that_comes_with_keyart_predicts(place: Path) -> None:
    done = keyart("predict", place / "red.jpg", "--format", "json")
    assert done.returncode == 0, done.stderr
    (film,) = json.loads(done.stdout)
    assert len(film["scores"]) == 19
    assert all(0 < score < 1 for score in film["scores"].values())


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("catalog", "show", "x"), "catalog"),
        (("catalog", "build", "--films", "x", "--posters", "x", "--out", "x"), "catalog"),
        (("fetch", "plan", "x", "--tmdb", "--out", "x"), "fetch"),
        (("fetch", "run", "x"), "fetch"),
        (("index", "{p}", "--model", "{m}", "--out", "{o}"), "catalog"),
        (("predict", "{p}", "--model", "{m}", "--format", "parquet", "--out", "{o}"), "catalog"),
        (("predict", "{p}", "--model", "{m}", "--out", "{o}/"), "catalog"),
        # They import pyarrow before all else; the extra that brings it is not enough.
        (("train", "x", "--out", "x"), "train"),
        (("evaluate", "x"), "train"),
        (("milestone", "x", "--out", "x"), "train"),
        (("report", "x", "--out", "x.html"), "train"),
        (("demo",), "train"),
    ],
)
def test_what_needs_more_says_what_to_install(
    place: Path, command: tuple[str, ...], extra: str
) -> None:
    names = {"p": place / "red.jpg", "m": place / "bundle", "o": place / "out.parquet"}
    done = keyart(*(word.format(**names) for word in command))
    assert done.returncode == 1
    assert done.stderr.startswith("error: this needs ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(f": pip install 'keyart[{extra}]'\n")
    assert not (place / "out.parquet").exists()


# One that another one brings comes before it.
EXTRA_NAMES = ("catalog", "fetch", "train", "hub", "text", "remote", "cluster", "tensorboard")
# Packages whose modules have other names.
MODULES = {"scikit-learn": "sklearn", "tensorboardx": "tensorboardX"}


def test_every_package_of_the_extras_is_known_with_its_extra() -> None:
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    declared = {Requirement(line).name: extra for extra in EXTRA_NAMES for line in extras[extra]}
    declared.pop("keyart")  # one extra brings the other
    assert {MODULES.get(name, name): extra for name, extra in declared.items()} == EXTRAS
