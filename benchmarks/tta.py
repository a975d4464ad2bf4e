"""What test-time augmentation and larger pictures than those of the training are worth.

python -m benchmarks.tta RUN [--catalog CATALOG] [--tta N ...] [--size HEIGHTxWIDTH ...]

Scores a finished run's network on the validation split, with each number of views at each size of
picture (by default its own). Nothing is calibrated, so the loss shows whether calibration is
needed. rate: posters a second, as a share of that of the first line.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.measure import Clock
from keyart.catalog.catalog import Catalog
from keyart.run import Run
from keyart.training.images import choose_images
from keyart.training.loop import all_logits, validation_metrics
from keyart.training.machine import choose_machine, keep_freed_memory
from keyart.training.networks import load_best
from keyart.training.sources import PixelSource

_BATCH = 64


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    return int(height), int(width)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--catalog", type=Path)
    counts = [1, 2, 5, 10]
    parser.add_argument("--tta", type=int, nargs="+", choices=counts, default=counts)
    parser.add_argument("--size", type=_size, nargs="*", default=[])
    given = parser.parse_args()
    keep_freed_memory()
    network, recipe = load_best(Run(given.run))
    catalog = Catalog.open(given.catalog) if given.catalog else Run(given.run).catalog
    films = choose_images(catalog, recipe.data.split, 0, (), recipe.optimisation.seed)["validation"]
    machine = choose_machine(recipe.optimisation.dtype, "off", 0)
    network.to(machine.device)

    def infer(pixels: Tensor) -> Tensor:
        with torch.no_grad(), machine.arithmetic():
            logits: Tensor = network(pixels).float()
        return logits

    first_rate = None
    print("| size | tta | mAP | top class | loss | rate |\n|---|---:|---:|---:|---:|---:|")
    for height, width in given.size or [(recipe.data.height, recipe.data.width)]:
        sized = recipe.with_settings(height=height, width=width)
        source = PixelSource(catalog.pixels(sized.spec), sized, machine)
        network.tta = 1
        all_logits(infer, source, films, _BATCH)  # warms memory up
        for views in given.tta:
            network.tta = views
            with Clock() as clock:
                logits = all_logits(infer, source, films, _BATCH)
            metrics = validation_metrics(logits, catalog.truth[films.rows])
            rate = len(films) / clock.seconds
            first_rate = first_rate or rate
            print(
                f"| {height}x{width} | {views} "
                f"| {metrics['validation_mean_average_precision']:.4f} "
                f"| {metrics['validation_top_class']:.3f} | {metrics['validation_loss']:.4f} "
                f"| {rate / first_rate:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
