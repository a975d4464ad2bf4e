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
from tests.commands import Done
from tests.tiny import tiny_bundle
from tests.wire import RED

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

# Refuses what the base install lacks, as if it were not there. It runs one command after another,
# each as if it were alone: a process for each would import everything again.
SCRIPT = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from keyart.extras import EXTRAS

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {*EXTRAS, "timm", "torchvision", "sklearn"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from keyart.__main__ import main

def run(words):
    status, out, err = 0, *(io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    sys.argv = ["keyart", *words]
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
    for file in (out, err):
        file.flush()
    return status, *(file.buffer.getvalue().decode() for file in (out, err))

json.dump([run(words) for words in json.load(sys.stdin)], sys.stdout)
"""


def keyart(commands: list[list[str]]) -> list[Done]:
    """Run commands in another process. Returns what each printed, and how it ended."""
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(commands), capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return [Done(*one) for one in json.loads(process.stdout)]


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


# Words in braces are paths: see `done`.
PREDICTING: list[tuple[tuple[str, ...], str]] = [
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
]
NO_MODEL_NAMED = ("predict", "{p}", "--format", "json")
NEEDING_MORE: list[tuple[tuple[str, ...], str]] = [
    (("catalog", "show", "x"), "catalog"),
    (("catalog", "build", "--films", "x", "--posters", "x", "--out", "x"), "catalog"),
    (("fetch", "plan", "x", "--tmdb", "--out", "x"), "fetch"),
    (("fetch", "run", "x"), "fetch"),
    (("index", "{p}", "--model", "{m}", "--out", "{q}"), "catalog"),
    (("predict", "{p}", "--model", "{m}", "--format", "parquet", "--out", "{q}"), "catalog"),
    (("predict", "{p}", "--model", "{m}", "--out", "{q}/"), "catalog"),
    # They import pyarrow before all else; the extra that brings it is not enough.
    (("train", "x", "--out", "x"), "train"),
    (("evaluate", "x"), "train"),
    (("milestone", "x", "--out", "x"), "train"),
    (("report", "x", "--out", "x.html"), "train"),
    (("demo",), "train"),
]


@pytest.fixture(scope="module")
def done(place: Path) -> dict[tuple[str, ...], Done]:
    """What the base install answered to every command."""
    names = {"p": "red.jpg", "m": "bundle", "i": "index", "o": "out", "k": "known", "t": "t.csv"}
    paths = {short: str(place / name) for short, name in {**names, "q": "out.parquet"}.items()}
    (place / "t.csv").write_text("path\nred.jpg\n")
    commands = [command for command, _ in [*PREDICTING, *NEEDING_MORE]] + [NO_MODEL_NAMED]
    answers = keyart([[word.format(**paths) for word in command] for command in commands])
    return dict(zip(commands, answers, strict=True))


@pytest.mark.parametrize(("command", "shown"), PREDICTING)
def test_the_base_install_predicts(
    done: dict[tuple[str, ...], Done], command: tuple[str, ...], shown: str
) -> None:
    assert done[command].status == 0, done[command].err
    assert shown in done[command].out


def test_without_a_named_model_the_one_that_comes_with_keyart_predicts(
    done: dict[tuple[str, ...], Done],
) -> None:
    answer = done[NO_MODEL_NAMED]
    assert answer.status == 0, answer.err
    (film,) = json.loads(answer.out)
    assert len(film["scores"]) == 19
    assert all(0 < score < 1 for score in film["scores"].values())


@pytest.mark.parametrize(("command", "extra"), NEEDING_MORE)
def test_what_needs_more_says_what_to_install(
    place: Path, done: dict[tuple[str, ...], Done], command: tuple[str, ...], extra: str
) -> None:
    answer = done[command]
    assert answer.status == 1
    assert answer.err.startswith("error: this needs ")
    assert answer.err.count("\n") == 1
    assert answer.err.endswith(f": pip install 'keyart[{extra}]'\n")
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
