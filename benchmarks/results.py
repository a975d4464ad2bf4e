"""The table of docs/results.md: what finished runs reached on the test split, and at what cost.

python -m benchmarks.results RUN [RUN ...]

Metrics and intervals come from each run's metrics.json, the time of training from its history.csv,
the parameters from its weights; posters/s is measured here: the exported network on prepared
pixels, on all cores, the best of three rounds.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.measure import Clock
from keyart.manifest import WEIGHTS
from keyart.predictor import Predictor
from keyart.run import Run
from keyart.training.checkpoint import load_tensors

METRICS = {
    "mean_average_precision": "mAP",
    "top_class": "top class",
    "top_three": "top three",
    "f1_micro": "micro F1",
    "mean_roc_auc": "mean AUC",
    "expected_calibration_error": "ECE",
}
_POSTERS = 512


def posters_a_second(run: Path) -> float:
    """The rate of a run's exported network on prepared pixels, decoding not counted."""
    predictor = Predictor.load(run)
    shape = (_POSTERS, *predictor.image_specs[0].shape)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    rows = np.arange(_POSTERS)
    network = predictor.scorer.network
    assert network is not None, "an ensemble has several networks"
    rates = []
    for _ in range(3):
        with Clock() as clock:
            network.logits_of_rows(pixels, rows)
        rates.append(_POSTERS / clock.seconds)
    return max(rates)


def training_time(run: Run) -> str:
    """The time that a run's epochs took; nothing for an ensemble, which has none."""
    if run.history is None:
        return ""
    seconds = float(run.history["seconds"].sum())
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def row(run: Run) -> str:
    """A run's row of the table, in Markdown."""
    model = run.metrics.split("test").model
    cells = [run.name]
    for name in METRICS:
        found = model[name]
        interval = f"{found.low:.3f}-{found.high:.3f}" if found else ""
        cells.append(f"{found.value:.3f}<br><small>{interval}</small>" if found else "-")
    tensors, _ = load_tensors(run.bundle_path / WEIGHTS)
    cells.append(f"{sum(tensor.numel() for tensor in tensors.values()) / 1e6:.1f} M")
    cells.append(training_time(run))
    cells.append(f"{posters_a_second(run.path):,.0f}")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    runs = parser.parse_args().runs
    head = ["run", *METRICS.values(), "parameters", "training", "posters/s"]
    print("| " + " | ".join(head) + " |")
    print("|---" + "|---:" * (len(head) - 1) + "|")
    for run in runs:
        print(row(Run.open(run)))


if __name__ == "__main__":
    main()
