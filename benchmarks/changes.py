"""What one change of a recipe does, on the validation split alone: the rows of docs/results.md.

python -m benchmarks.changes CATALOG --recipe R [--set KEY=VALUE ...] --out DIR CHANGE ...

Each CHANGE is one `KEY=VALUE`, or several joined by `+`. The recipe as it is, and each change of
it, is trained into DIR with every seed of --seeds; the table gives the validation metrics of the
best epoch, as means over seeds, and their differences from the recipe as it is. Trainings that are
there already are read, not run again.
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keyart.catalog.catalog import Catalog
from keyart.run import Run
from keyart.training.callbacks import Callbacks, Row
from keyart.training.machine import keep_freed_memory
from keyart.training.recipe import Recipe, load_recipe, parse_settings
from keyart.training.train import learn

_SILENT = Callbacks(lambda done, total: None, lambda step: None, lambda line: None)
_AS_IT_IS = "as it is"


def best_epoch(run: Path) -> Row:
    """The row of a run's history with the greatest validation mAP."""
    header, *lines = (run / "history.csv").read_text().split()
    rows = [
        dict(zip(header.split(","), map(float, line.split(",")), strict=True)) for line in lines
    ]
    return max(rows, key=lambda row: row["validation_mean_average_precision"])


def trained(catalog: Catalog, recipe: str, settings: Sequence[str], out: Path) -> Row:
    """Train, unless that is done, and return the best epoch's metrics."""
    chosen = load_recipe(recipe, parse_settings(settings))
    assert isinstance(chosen, Recipe)
    run = out / hashlib.sha256(chosen.to_toml().encode()).hexdigest()[:16]
    if not (run / "done").exists():
        learn(catalog, chosen, Run(run), _SILENT, resume=True)
        (run / "done").touch()
    return best_epoch(run)


def main() -> None:
    """Train what is missing and print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("changes", nargs="+", metavar="CHANGE")
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    keep_freed_memory()
    catalog = Catalog.open(given.catalog)
    print("| change | mAP | | top class | | best epoch |\n|---|---:|---:|---:|---:|---:|")
    before: tuple[float, float] | None = None
    for change in (_AS_IT_IS, *given.changes):
        changed = [] if change == _AS_IT_IS else change.split("+")
        rows = [
            trained(catalog, given.recipe, [*given.settings, *changed, f"seed={seed}"], given.out)
            for seed in range(given.seeds)
        ]
        precision = float(np.mean([row["validation_mean_average_precision"] for row in rows]))
        top = float(np.mean([row["validation_top_class"] for row in rows]))
        epochs = ", ".join(f"{row['epoch']:.0f}" for row in rows)
        was = before or (precision, top)
        before = was
        print(
            f"| {change} | {precision:.3f} | {precision - was[0]:+.3f} | {top:.3f} "
            f"| {top - was[1]:+.3f} | {epochs} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
