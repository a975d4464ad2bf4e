"""Broken recipes and settings are refused in one line, in bounded time."""

import os
import re
import resource
import time
from pathlib import Path

import pytest

from keyart.errors import KeyartError, RecipeError, RunError, WeightsError
from keyart.images.spec import ImageSpec
from keyart.models.backbones import build_backbone
from keyart.run import Run
from keyart.training.checkpoint import load_tensors
from keyart.training.recipe import any_recipe, parse_settings

SECONDS = 2.0  # of a processor
MEGABYTES = 200


def refusal(kind: type[KeyartError], door: object, *arguments: object) -> str:
    """The one line with which something is refused."""
    assert callable(door)
    began, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(kind) as refused:
        door(*arguments)
    line = str(refused.value)
    assert time.process_time() - began < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024 < MEGABYTES
    assert line.isprintable()
    assert len(line) < 1_000
    return line


RECIPES: dict[str, tuple[bytes, str]] = {
    "noise": (bytes(range(128, 256)), "cannot be read"),
    "UTF-16": ("[data]\nheight = 32".encode("utf-16"), "cannot be read"),
    "a NUL": (b"[data]\nheight = \0", "not TOML"),
    "cut": (b"[data]\nheight = ", "not TOML"),
    "key twice": (b"[data]\nheight = 32\nheight = 64", "not TOML"),
    "table twice": (b"[data]\n[data]", "not TOML"),
    "1 MB of spaces": (b" " * 1_000_000, "1,000,000 bytes, more than the 64,000"),
    "64 KB of dotted keys": (b"a." * 31_000 + b"a = 1", "more than 2,000 dots"),
    "2,000 dotted keys": (b"a." * 2_000 + b"a = 1", "more than 32 levels"),
    "lists nested 30,000 deep": (b"a = " + b"[" * 30_000 + b"]" * 30_000, "more than 32 levels"),
    "tables nested 10,000 deep": (b"a = " + b"{b=" * 10_000 + b"1", "more than 32 levels"),
    "number of 60,000 digits": (b"[data]\nheight = " + b"9" * 60_000, "not TOML"),
    "key of 60,000 letters": (b"[data]\n" + b"x" * 60_000 + b" = 1", "no key 'xxx"),
    "key of two lines": (b'[data]\n"a\\nb" = 1', r"no key 'a\\nb'"),
    "table of two lines": (b'["a\\nb"]\n', r"no table \['a\\nb'\]"),
    "table of escapes": (b'["\\u001b[31m"]\n', r"no table \['\\x1b"),
    "text of two lines": (b'[data]\nfit = "a\\nb"', r"fit = 'a\\nb'"),
    "text of 60,000 letters": (b'[data]\nfit = "' + b"x" * 60_000 + b'"', r"fit = 'xxx"),
    "30,000 values": (b"[data]\nfit = [" + b"1," * 30_000 + b"]", "fit = list of 30,000"),
    "height is 10^9": (b"[data]\nheight = 1_000_000_000", "less than or equal to 2048"),
    "height is 0": (b"[data]\nheight = 0", "height = 0"),
    "height is negative": (b"[data]\nheight = -1", "height = -1"),
    "height is a fraction": (b"[data]\nheight = 32.5", "height = 32.5"),
    "height is true": (b"[data]\nheight = true", "height = True"),
    "height is text": (b'[data]\nheight = "32"', "height = '32'"),
    "height is a date": (b"[data]\nheight = 1979-05-27", "height = '1979-05-27'"),
    "height is a table": (b"[data.height]\na = 1", r"height = \{'a': 1\}"),
    "upsample is 10^6": (b"[data]\nupsample = 1_000_000", "less than or equal to 100"),
    "genres are numbers": (b"[data]\nupsample_genres = [1]", "upsample_genres"),
    "zoom is NaN": (b"[data]\nzoom = nan", "zoom = nan"),
    "mixup is infinite": (b"[data]\nmixup = inf", "mixup = inf"),
    "views are 10^9": (b"[network]\nfeature_views = 1_000_000_000", "less than or equal to 100"),
    "std is 0": (b"[network]\nstd = [0, 0, 0]", "std = "),
    "std is infinite": (b"[network]\nstd = [inf, 1, 1]", "std = "),
    "mean is NaN": (b"[network]\nmean = [nan, 0, 0]", "mean = "),
    "mean of two": (b"[network]\nmean = [0.5, 0.5]", "mean = "),
    "epochs are 10^18": (b"[optimisation]\nepochs = 1_000_000_000_000_000_000", "100000"),
    "batch of 10^12": (b"[optimisation]\nbatch_size = 1_000_000_000_000", "100000"),
    "learning rate is infinite": (b"[optimisation]\nlearning_rate = inf", "learning_rate = inf"),
    "learning rate is 1e308": (b"[optimisation]\nlearning_rate = 1e308", "learning_rate = 1e"),
    "seed is 2^32": (b"[optimisation]\nseed = 4_294_967_296", "4294967295"),
    "patience is 10^30": (
        b"[ending]\nearly_stopping_patience = 1_000_000_000_000_000_000_000_000_000_000",
        "early_stopping_patience",
    ),
    "min_delta is -inf": (b"[ending]\nmin_delta = -inf", "min_delta = -inf"),
    "precision is NaN": (b"[ending]\nthresholds = nan", "thresholds = nan"),
    "trees are 10^9": (
        b"[classifier]\nkind = 'random-forest'\ntrees = 1_000_000_000", "100000"
    ),
    "components are 10^9": (
        b"[classifier]\nkind = 'qda'\ncomponents = 1_000_000_000", "100000"
    ),
    "features of titles": (
        b"[classifier]\nkind = 'qda'\n[data]\nfeatures = 'facts'", "features = 'facts'"
    ),
    "kind is a table": (b"[classifier.kind]", "kind = "),
    "kind of two lines": (b'[classifier]\nkind = "a\\nb"', r"kind = 'a\\nb'"),
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_a_broken_recipe_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    content, reason = RECIPES[name]
    file = tmp_path / "recipe.toml"
    file.write_bytes(content)
    line = refusal(RecipeError, any_recipe, file)
    assert line.startswith(f"{file}: ")
    assert re.search(reason, line), line


def _made(kind: str, file: Path) -> Path:
    """What is no regular file, of that name."""
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    elif kind == "folder":
        file.mkdir()
    elif kind == "link to itself":
        file.symlink_to(file)
    return file


ODD = ["pipe", "device", "folder", "link to itself", "absent"]


@pytest.mark.parametrize("kind", ODD)
def test_only_a_regular_file_is_a_recipe(kind: str, tmp_path: Path) -> None:
    line = refusal(RecipeError, any_recipe, _made(kind, tmp_path / "recipe.toml"))
    assert "cannot be read" in line


@pytest.mark.parametrize("kind", ODD)
def test_only_a_regular_file_has_weights(kind: str, tmp_path: Path) -> None:
    file = str(_made(kind, tmp_path / "odd.safetensors"))

    def build() -> None:
        build_backbone("posternet-small", ImageSpec(32, 24), weights=file)

    assert re.search("not a safetensors file|no such weights", refusal(WeightsError, build))
    assert "missing or damaged" in refusal(RunError, load_tensors, Path(file))


@pytest.mark.parametrize("kind", ODD)
def test_only_regular_files_make_a_run(kind: str, tmp_path: Path) -> None:
    run = Run(tmp_path)
    for file in (run.recipe_path, run.metrics_path):
        _made(kind, file)
    assert "recipe.toml" in refusal(RunError, lambda: run.recipe)
    assert "metrics.json" in refusal(RunError, lambda: run.metrics)


def test_a_recipe_may_be_a_link_and_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_bytes(b"\xef\xbb\xbf[data]\r\nheight = 64\r\n")
    (tmp_path / "two.toml").symlink_to(tmp_path / "one.toml")
    assert any_recipe(tmp_path / "two.toml").spec.height == 64


@pytest.mark.parametrize(
    "setting",
    [
        "height=" + "9" * 10_000,
        "height=" + "[" * 10_000,
        "height=" + "a." * 10_000,
        "height=1e400",
        "height=\n\n",
        "fit=" + "x" * 100_000,
        "fit=\x1b[31m",
        "x" * 10_000 + "=1",
        "a\nb=1",
        "learning_rate=nan",
        "learning_rate=-inf",
        "std=[0,0,0]",
        "seed=18446744073709551616",
    ],
)
def test_a_broken_setting_is_refused_in_one_line(setting: str) -> None:
    line = refusal(RecipeError, lambda: any_recipe("posternet", parse_settings([setting])))
    assert line.startswith("settings: ")
