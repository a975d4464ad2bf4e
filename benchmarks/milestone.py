"""The study's two networks: how fast keyart trains them, against plain PyTorch, Keras and itself.

python -m benchmarks.milestone [scratch] [vgg16] [--keras PYTHON]

What is compared takes turns within one run, for machines are shared. Keras lives in an environment
of its own, made once by

python3 -m venv benchmarks/keras/.venv
benchmarks/keras/.venv/bin/pip install -r benchmarks/keras/requirements.txt

and found there, or by --keras. Pixels are random or painted, and VGG16's weights random: speed asks
for no others.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import Clock, Row, print_rows
from benchmarks.speed import dense_rate
from keyart.catalog.catalog import Catalog
from keyart.demo.painted import paint_films
from keyart.files import write_json
from keyart.models.classifier import GenreClassifier, build_classifier
from keyart.run import Run
from keyart.training.callbacks import Callbacks, Step
from keyart.training.images import as_found
from keyart.training.loop import Examples, fit
from keyart.training.machine import choose_machine, keep_freed_memory
from keyart.training.recipe import Recipe, load_recipe, parse_settings
from keyart.training.sources import PixelSource, Whole
from keyart.training.train import train

GENRES = 19
BACKENDS = ("tensorflow", "jax", "torch")
# In batches of the study's 128, all frameworks side by side take more than 24 GB.
IMAGES, BATCH, ROUNDS = 64, 32, 3  # a turn's images, a step's, and turns
STUDY = (5_045, 800)  # the VGG16 notebook's images to train on and to validate with
EPOCHS = 13
SAMPLE = 512  # images whose features are computed again
_WARM = 2  # steps
_TEST = 50  # images that a catalog's test split needs
_KERAS = Path(__file__).with_name("keras")

Turn = Callable[[], float]
"""Trains on IMAGES images and returns the seconds that they took."""


def network(recipe: Recipe) -> GenreClassifier:
    """The recipe's network, with random weights."""
    torch.manual_seed(0)
    return build_classifier(recipe.network.backbone, recipe.spec, GENRES, recipe.network.dropout)


def random_posters(count: int, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (count, height, width, 3) and genres (count, GENRES)."""
    random = np.random.default_rng(0)
    pixels = random.integers(
        0, 256, (count, recipe.data.height, recipe.data.width, 3), dtype=np.uint8
    )
    return pixels, random.random((count, GENRES)) < 0.1


@contextmanager
def other_process(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Turn]:
    """A process that trains an epoch of IMAGES for every line that it is given."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked, answers = process.stdin, process.stdout
    if answers.readline().strip() != "ready":
        line = " ".join([*(f"{k}={v}" for k, v in environment.items()), *command])
        raise RuntimeError(f"did not start; to see why, run {line}")

    def turn() -> float:
        asked.write("\n")
        asked.flush()
        return float(answers.readline())

    try:
        yield turn
    finally:
        process.terminate()
        process.wait()


def bench_scratch(work: Path, python: Path | None) -> list[Row]:
    """Images a second of the network from scratch, in training, over whole steps."""
    settings = [f"batch_size={BATCH}", "epochs=1", "compile=on", 'split="catalog"', "upsample=0"]
    recipe = load_recipe("milestone-scratch", parse_settings(settings))
    steps = IMAGES // BATCH
    found: dict[str, list[float]] = {"keyart": []}
    with ExitStack() as stack:
        sizes = [str(IMAGES), str(BATCH)]
        plain = [sys.executable, "-m", "benchmarks.plain", *sizes]
        turns = {"plain PyTorch": stack.enter_context(other_process(plain, {}))}
        for backend in BACKENDS if python else ():
            keras = [str(python), str(_KERAS / "train.py"), *sizes]
            started = other_process(keras, {"KERAS_BACKEND": backend})
            turns[f"Keras on {backend}"] = stack.enter_context(started)
        clock = Clock()

        def watch(step: Step) -> None:
            # The first steps compile and warm up. After each turn keyart waits for the others'.
            done = step.step - _WARM
            if step.row is not None or done < 0 or done % steps:
                return
            if done:
                clock.__exit__()
                found["keyart"].append(clock.seconds)
                for name, turn in turns.items():
                    found.setdefault(name, []).append(turn())
            clock.__enter__()

        count = BATCH * (_WARM + steps * ROUNDS)
        pixels, truth = random_posters(count + BATCH, recipe)
        machine = choose_machine(recipe.optimisation.dtype, recipe.optimisation.compile, 0)
        parts = np.split(np.arange(count + BATCH), [count])
        learned, validated = map(as_found, parts)
        examples = Examples(PixelSource(pixels, recipe, machine), truth, learned, validated)
        model = network(recipe)
        trainee = Whole(model, None, 0)
        run = Run(work / "scratch")
        fit(trainee, examples, recipe, machine, run, Callbacks(steps=watch), model.state_dict)
    rates = {name: IMAGES / float(np.median(seconds)) for name, seconds in found.items()}
    mine = rates.pop("keyart")
    rows = [Row("from scratch, keyart", f"{mine:.1f} images/s", "", mine)]
    rows += [Row(f"... {name}", f"{rate:.2f} images/s", "", rate) for name, rate in rates.items()]
    ratio = mine / rates.pop("plain PyTorch")
    rows.append(Row("keyart compared with plain PyTorch", f"{ratio:.1f}x", ">= 2x", ratio))
    if rates:
        best = max(rates, key=lambda name: rates[name])
        ratio = mine / rates[best]
        rows.append(
            Row(f"keyart compared with {best}, its fastest", f"{ratio:.1f}x", ">= 4x", ratio)
        )
    return rows


class _Trained(Exception):
    """All epochs are over; what follows, scoring and export, is not measured."""


class _Marks:
    """Seconds of a training: of its features, of each epoch of its head, and of all together."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self.features = self.whole = 0.0
        self._started = self._last = time.perf_counter()

    def advance(self, _done: int, _total: int) -> None:
        """Called while features are computed; the network is built before, pixels are there."""
        self.features = time.perf_counter() - self._started

    def step(self, step: Step) -> None:
        """An epoch is what passes between two rows of the history, files included."""
        if step.epoch == 1 and step.step == 1:
            self._last = time.perf_counter()
        if step.row is None:
            return
        now = time.perf_counter()
        self.epochs.append(now - self._last)
        self._last = now
        self.whole = now - self._started
        if step.epoch == step.epochs:
            raise _Trained


def bench_vgg16(work: Path, python: Path | None) -> list[Row]:
    """The study's VGG16 experiment of 13 epochs, with and without a cache of its features."""
    train_images, validation = STUDY
    films = train_images + validation + _TEST
    table = paint_films(films, work / "films")
    fractions = (train_images / films, validation / films, _TEST / films)
    catalog = Catalog.build(table, work / "films" / "posters", work / "c", split=fractions)
    settings = [f"epochs={EPOCHS}", "weights=none", "upsample=0", "feature_views=1", "compile=on"]
    recipe = load_recipe(
        "milestone-vgg16",
        parse_settings([*settings, "early_stopping_patience=none"]),
    )
    machine = choose_machine(recipe.optimisation.dtype, recipe.optimisation.compile, 0)
    dtype = torch.bfloat16 if machine.bf16 else torch.float32
    catalog.pixels(recipe.spec)
    before = dense_rate(dtype)
    marks = _Marks()
    try:
        watcher = Callbacks(marks.advance, marks.step, print)
        train(catalog, recipe, out=work / "vgg16", callbacks=watcher, resume=False)
    except _Trained:
        pass
    dense = (before + dense_rate(dtype)) / 2
    again = _features_again(catalog, recipe)
    counts = [len(catalog.rows(split)) for split in ("train", "validation")]
    operations = _head_operations(network(recipe), *counts)
    epoch, needed = float(np.median(marks.epochs[1:])), operations / dense
    computed = EPOCHS * (sum(counts) / again + epoch)
    name = "bf16" if machine.bf16 else "fp32"
    return [
        Row(f"VGG16 retrained, features of {len(catalog):,} images", f"{marks.features:.0f} s", "",
            marks.features),
        Row(f"... an epoch of its head, {counts[0]:,} + {counts[1]:,} images", f"{epoch:.1f} s", "",
            epoch),
        Row(f"... its matrix products at the dense {name} rate ({dense / 1e9:,.0f} GFLOP/s)",
            f"{needed:.1f} s", "", needed),
        Row("... the epoch compared with them", f"{epoch / needed:.2f}x", "<= 1.5x",
            epoch / needed),
        Row(f"... {EPOCHS} epochs, features included", f"{marks.whole:.0f} s", "", marks.whole),
        Row(f"... features computed again each epoch, from {SAMPLE} images at {again:.1f} images/s",
            f"{computed:.0f} s", "", computed),
        Row("... the second compared with the first", f"{computed / marks.whole:.1f}x", ">= 7x",
            computed / marks.whole),
    ]  # fmt: skip


def _features_again(catalog: Catalog, recipe: Recipe) -> float:
    """Images a second of the frozen convolutions alone, in the loop's batches and arithmetic."""
    machine = choose_machine(recipe.optimisation.dtype, recipe.optimisation.compile, 0)
    model = network(recipe).eval()
    pixels = catalog.pixels(recipe.spec)
    batches = [
        torch.from_numpy(np.array(pixels[start : start + recipe.optimisation.batch_size]))
        for start in range(
            0, SAMPLE + recipe.optimisation.batch_size, recipe.optimisation.batch_size
        )
    ]
    with torch.no_grad(), machine.arithmetic():
        model.pooled(batches[0])
        with Clock() as clock:
            for batch in batches[1:]:
                model.pooled(batch)
    return sum(map(len, batches[1:])) / clock.seconds


def _head_operations(model: GenreClassifier, train_images: int, validation: int) -> float:
    """Floating-point operations of an epoch of a head of dense layers.

    A step takes each layer's product forward, for its weights, and for its inputs. The inputs of
    the first layer are kept features, so it has no third product.
    """
    layers = [m for m in model.head.modules() if isinstance(m, torch.nn.Linear)]
    every = [layer.weight.numel() for layer in layers]
    return 2.0 * (train_images * (3 * sum(every) - every[0]) + validation * sum(every))


BENCHMARKS = {"scratch": bench_scratch, "vgg16": bench_vgg16}


def main() -> None:
    """Run them, print a Markdown table, and write the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which; default both")
    parser.add_argument("--keras", type=Path, help="Python of Keras's environment")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/milestone.json"))
    arguments = parser.parse_args()
    python = arguments.keras or _KERAS / ".venv" / "bin" / "python"
    if not python.exists():
        if arguments.keras:
            parser.error(f"--keras {python}: no such file")
        print(f"no {python}: measured without Keras")
        python = None
    keep_freed_memory()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names or BENCHMARKS:
            rows += BENCHMARKS[name](Path(folder), python)
    print()
    print_rows(rows)
    write_json(arguments.out, {"rows": [row.to_json() for row in rows]})


if __name__ == "__main__":
    main()
