"""A frozen backbone's features, a head on them, and fine-tuning, compared with plain PyTorch.

python -m benchmarks.finetune CATALOG [--set KEY=VALUE ...]

CATALOG: of real or painted films; its feature cache is left out of account and untouched. --set:
over the recipe mobilenetv2, as for weights in a local file; without any they are random, which
takes as long. Both ways of fine-tuning take turns on the same posters within one run.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.measure import Clock, Row, print_rows
from keyart.catalog.catalog import Catalog
from keyart.models.classifier import GenreClassifier, build_classifier
from keyart.run import Run
from keyart.training.averaging import start_average
from keyart.training.callbacks import Callbacks
from keyart.training.features import Changes, cached_features
from keyart.training.freezing import freeze_stages
from keyart.training.images import as_found
from keyart.training.loop import Examples, fit
from keyart.training.machine import Machine, choose_machine, keep_freed_memory
from keyart.training.recipe import Recipe, load_recipe, parse_settings
from keyart.training.sources import PixelSource, Whole
from keyart.training.train import train

_TURNS, _STEPS = 3, 8
_SILENT = Callbacks(lambda done, total: None, lambda step: None, lambda line: None)


def build(recipe: Recipe, genres: int) -> GenreClassifier:
    """The recipe's classifier."""
    return build_classifier(
        recipe.network.backbone, recipe.spec, genres, recipe.network.dropout,
        weights=recipe.network.weights, pad_type=recipe.network.pad_type,
    )  # fmt: skip


def bench_features(catalog: Catalog, recipe: Recipe) -> list[Row]:
    """Computing features of every poster, finding them again, and a head's training on them."""
    pixels = catalog.pixels(recipe.spec)
    machine = choose_machine(recipe.optimisation.dtype, "off", 0)
    unchanged = Changes(0, 0, 0, 0, 0, 0)
    model = build(recipe, len(catalog.vocabulary))

    def features(views: int) -> float:
        with Clock() as clock:
            cached_features(catalog, pixels, model, recipe.spec, views, unchanged, machine)
        return clock.seconds

    computed, found = features(1), features(1)
    features(2)
    # A head alone, as `frozen` trains it, from the recipe to its best weights.
    frozen = recipe.with_settings(
        frozen=True, head_epochs=0, mixup=0, cutmix=0, epochs=20, batch_size=256
    )
    with tempfile.TemporaryDirectory() as folder:
        seconds: list[float] = []
        watcher = replace(
            _SILENT, steps=lambda step: seconds.append(step.row["seconds"]) if step.row else None
        )
        train(catalog, frozen, out=Path(folder) / "run", callbacks=watcher, resume=False)
    rate = len(catalog) / computed
    return [
        Row(
            f"features of {len(catalog):,} posters, {recipe.data.height}x{recipe.data.width}",
            f"{computed:.0f} s, {rate:,.0f} posters/s", "< 150 s for 24,899", computed,
        ),
        Row("... from the cache", f"{found:.2f} s", "< 2 s", found),
        Row("a head on them, 20 epochs", f"{sum(seconds):.1f} s", "< 10 s", sum(seconds)),
    ]  # fmt: skip


def plain(
    recipe: Recipe, genres: int, pixels: torch.Tensor, truth: torch.Tensor
) -> Callable[[], float]:
    """Fine-tuning as one would write it down first: all layers, eager, fp32."""
    model = build(recipe, genres).to(memory_format=torch.contiguous_format).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.optimisation.learning_rate)

    def turn() -> float:
        with Clock() as clock:
            for step in range(_STEPS):
                batch = slice(
                    step * recipe.optimisation.batch_size,
                    (step + 1) * recipe.optimisation.batch_size,
                )
                loss = F.binary_cross_entropy_with_logits(model(pixels[batch]), truth[batch])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
        return clock.seconds

    turn()
    return turn


def bench_tuning(recipe: Recipe, genres: int, machine: Machine) -> list[Row]:
    """Posters a second in fine-tuning, over whole steps with augmentation and averaging."""
    images = _STEPS * recipe.optimisation.batch_size
    shape = (images, recipe.data.height, recipe.data.width, 3)
    draws = np.random.default_rng(0)
    pixels = draws.integers(0, 256, shape, dtype=np.uint8)
    truth = draws.random((images, genres)) < 0.1
    turn = plain(recipe, genres, torch.from_numpy(pixels), torch.from_numpy(truth).float())
    model = build(recipe, genres)
    freeze_stages(model, recipe.network.frozen_stages)
    start_average(model)
    rows = as_found(np.arange(images))
    examples = Examples(PixelSource(pixels, recipe, machine), truth, rows, rows.take(np.arange(8)))
    epochs = recipe.with_settings(epochs=_TURNS + 1)
    ours: list[float] = []
    theirs: list[float] = []
    clock = Clock()

    def watch(step: object) -> None:
        row, place = getattr(step, "row", None), getattr(step, "step", 0)
        if row is None and place == 1:
            clock.__enter__()
        if row is None and place == _STEPS:
            clock.__exit__()
            ours.append(clock.seconds / (_STEPS - 1) * _STEPS)
            theirs.append(turn())

    with tempfile.TemporaryDirectory() as folder:
        trainee = Whole(model, None, 0)
        callbacks = Callbacks(steps=watch)
        fit(trainee, examples, epochs, machine, Run(folder), callbacks, model.state_dict)
    mine, plainly = images / float(np.median(ours[1:])), images / float(np.median(theirs[1:]))
    ratio = mine / plainly
    return [
        Row("fine-tuning, keyart", f"{mine:.0f} posters/s", "", mine),
        Row("... plain eager fp32 PyTorch, all layers", f"{plainly:.0f} posters/s", "", plainly),
        Row("keyart compared with it", f"{ratio:.1f}x", ">= 2.2x", ratio),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    given = parser.parse_args()
    keep_freed_memory()
    recipe = load_recipe("mobilenetv2", parse_settings(["weights=none", *given.settings]))
    machine = choose_machine(recipe.optimisation.dtype, "off", 0)
    with tempfile.TemporaryDirectory() as folder:
        # A copy, so that the catalog's own cache stays as it is.
        copy = Path(folder) / "catalog"
        shutil.copytree(given.catalog, copy, ignore=shutil.ignore_patterns("features"))
        catalog = Catalog.open(copy)
        print_rows(bench_tuning(recipe, len(catalog.vocabulary), machine))
        print_rows(bench_features(catalog, recipe))


if __name__ == "__main__":
    main()
