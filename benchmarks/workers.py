"""What two workers cost, next to one process: CPU seconds of an epoch, and the bytes of a step.

    python -m benchmarks.workers CATALOG

CPU seconds, because two workers on one machine share its cores. Each process has one thread.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from keyart.catalog.catalog import Catalog
from keyart.models.classifier import GenreClassifier
from keyart.run import Run
from keyart.training.callbacks import Callbacks, Step
from keyart.training.images import as_found
from keyart.training.join import joined_here
from keyart.training.loop import Examples, fit
from keyart.training.machine import choose_machine, keep_freed_memory
from keyart.training.networks import build_network
from keyart.training.recipe import load_recipe
from keyart.training.sources import PixelSource, Whole
from keyart.training.workers import ALONE, Workers

FILMS, BATCH, EPOCHS = 768, 128, 2
RECIPE = load_recipe(
    "posternet",
    {"batch_size": BATCH, "epochs": EPOCHS, "ema_decay": None, "height": 192, "width": 128},
)


def main() -> None:
    """Measure, and print a line for each kind."""
    catalog = Path(sys.argv[1]).absolute()
    if len(sys.argv) > 2:
        port, rank = map(int, sys.argv[2:])
        torch.set_num_threads(1)
        if port == 0:
            work(catalog, ALONE)
        else:
            with joined_here(port, rank, 2) as group:
                work(catalog, group)
        return
    for count in (1, 2):
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        port = store.port if count > 1 else 0
        command = [sys.executable, "-m", "benchmarks.workers", str(catalog), str(port)]
        workers = [
            subprocess.Popen([*command, str(rank)], stdout=subprocess.PIPE, text=True)
            for rank in range(count)
        ]
        times = [json.loads(worker.communicate()[0]) for worker in workers]
        cpu, wall = sum(one[0] for one in times), max(one[1] for one in times)
        print(f"{count} process(es): {cpu:.1f} CPU s an epoch, {wall:.1f} s", flush=True)
    network = build_network(RECIPE, len(Catalog.open(catalog).vocabulary))
    gradients, norms = bytes_of(network)
    print(
        f"a step: {gradients:,} bytes of gradients, {norms:,} of {layers(network)} normalisations"
    )


def work(catalog: Path, workers: Workers) -> None:
    """Train, and print the CPU seconds and the seconds of the last epoch."""
    keep_freed_memory()
    opened = Catalog.open(catalog)
    recipe = RECIPE
    machine = choose_machine(recipe.optimisation.dtype, "off", 0)
    torch.manual_seed(0)
    network = build_network(recipe, len(opened.vocabulary))
    examples = Examples(
        PixelSource(opened.pixels(recipe.spec), recipe, machine),
        opened.truth,
        as_found(opened.rows("train")[:FILMS]),
        as_found(opened.rows("validation")[:BATCH]),
    )
    ends: list[tuple[float, float]] = []

    def note(step: Step) -> None:
        if step.row is not None:
            ends.append((time.process_time(), time.monotonic()))

    with tempfile.TemporaryDirectory() as folder:
        callbacks = Callbacks(steps=note)
        trainee = Whole(network, None, 0)
        fit(trainee, examples, recipe, machine, Run(folder), callbacks, network.state_dict, workers)
    print(json.dumps([late - early for early, late in zip(*ends[-2:], strict=True)]))


def bytes_of(network: GenreClassifier) -> tuple[int, int]:
    """Bytes that all workers agree on in a step: gradients, and sums of batch normalisations."""
    gradients = sum(4 * parameter.numel() for parameter in network.parameters())
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    forward = sum(8 * (2 * norm.num_features + 1) for norm in norms)
    return gradients, forward + sum(8 * 2 * norm.num_features for norm in norms)


def layers(network: GenreClassifier) -> int:
    """The number of batch normalisations."""
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


if __name__ == "__main__":
    main()
