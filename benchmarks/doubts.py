"""How many planted genres the doubts find: wrong ones, and missing ones.

python -m benchmarks.doubts CATALOG [--model MODEL] [--seeds 3] [--share 0.02] [--draw rate|uniform]
    [--review 300] [--picture FILE]

In a share of the films one listed genre, drawn by chance, is replaced by another that the film does
not have, drawn by the genres' rates or uniformly. Prints the precision of the first 30 to 1,000
doubts by -log p, and by -log p less what it is for any film, and draws the curve of the latter.
--review: after so many reviewed cases (planted ones are mended, others stay), heads are trained
again on the training films; prints what that changes on the test films, as they were listed. Needs
minutes a seed.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keyart.calibration import sigmoid
from keyart.catalog.catalog import Catalog
from keyart.doubts.find import doubtfulness, poster_features
from keyart.doubts.out_of_fold import chances
from keyart.evaluation.bootstrap import paired_bootstrap
from keyart.evaluation.metrics import Flags
from keyart.evaluation.ranking import Floats
from keyart.evaluation.scoring import all_metrics
from keyart.predictor import Embeddings, Predictor
from keyart.training.near import fit_plain

_PLACES = (30, 100, 300, 1_000)
_CURVE = 1_000
_PENALTY = 1_000.0


def main() -> None:
    """Print the tables, and draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--model", type=Path, help="the one in the box by default")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.02)
    parser.add_argument("--draw", choices=("rate", "uniform"), default="rate")
    parser.add_argument("--review", type=int, default=300)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    catalog = Catalog.open(given.catalog)
    features = poster_features(catalog, Predictor.load(given.model))
    films = catalog.to_table()
    curves: dict[str, list[Floats]] = {"wrong": [], "missing": []}
    print("| seed | kind | ranked by | " + " | ".join(f"first {k:,}" for k in _PLACES) + " |")
    for seed in range(given.seeds):
        listed, wrong, missing = plant(catalog.truth, given.share, seed, given.draw == "rate")
        found = chances(
            features,
            films["title"].to_pylist(),
            films["year"].to_pylist(),
            listed,
            catalog.groups,
        )
        right, doubt = doubtfulness(found.together, listed)
        for kind, asked, planted in (("wrong", listed, wrong), ("missing", ~listed, missing)):
            curve = precisions(doubt, asked, planted)
            curves[kind].append(curve)
            for name, ranked in (("-log p", precisions(-right, asked, planted)), ("doubt", curve)):
                cells = " | ".join(f"{ranked[min(k, len(ranked)) - 1]:.2f}" for k in _PLACES)
                print(f"| {seed} | {kind} | {name} | {cells} |", flush=True)
        if given.review:
            mended = review(listed, catalog.truth, doubt, given.review)
            print(retrained(catalog, features, listed, mended), flush=True)
    if given.picture:
        draw(curves, given.picture)


def plant(truth: Flags, share: float, seed: int, by_rate: bool) -> tuple[Flags, Flags, Flags]:
    """Genres with planted mistakes, and where they are: wrong ones, missing ones."""
    random, listed, rate = np.random.default_rng(seed), truth.copy(), truth.mean(0)
    for film in random.choice(len(truth), round(share * len(truth)), replace=False):
        has, lacks = np.flatnonzero(truth[film]), np.flatnonzero(~truth[film])
        weights = rate[lacks] / rate[lacks].sum() if by_rate else None
        listed[film, random.choice(has)] = False
        listed[film, random.choice(lacks, p=weights)] = True
    return listed, listed & ~truth, truth & ~listed


def precisions(doubt: Floats, asked: Flags, planted: Flags) -> Floats:
    """The share of planted cells among the first 1, 2, ... of those asked about."""
    cells = np.flatnonzero(asked)
    order = cells[np.argsort(-doubt.ravel()[cells], kind="stable")[:_CURVE]]
    found: Floats = planted.ravel()[order].cumsum() / np.arange(1, len(order) + 1)
    return found


def review(listed: Flags, truth: Flags, doubt: Floats, cases: int) -> Flags:
    """The genres after the most doubtful cases were looked at by who knows the truth."""
    mended = listed.copy().ravel()
    first = np.argsort(-doubt.ravel(), kind="stable")[:cases]
    mended[first] = truth.ravel()[first]
    return mended.reshape(listed.shape)


def retrained(catalog: Catalog, features: Embeddings, before: Flags, after: Flags) -> str:
    """What heads trained on mended genres gain on test films, with its interval."""
    test = catalog.rows("test")
    inputs = (features - features.mean(0)) / np.maximum(features.std(0), 1e-6)
    scores = [_heads(inputs.astype(np.float64), truth, catalog) for truth in (after, before)]
    true, groups = catalog.truth[test], catalog.groups[test]
    with_mended, as_listed = (all_metrics(one, one >= 0.5, true) for one in scores)
    found = paired_bootstrap(with_mended, as_listed, groups)["mean_average_precision"]
    mended = int((before != after)[catalog.rows("train")].sum())
    return (
        f"retrained: {mended} genres of training films mended; mAP on test films "
        f"{float(found.value):+.5f} ({float(found.low):+.5f} to {float(found.high):+.5f})"
    )


def _heads(inputs: npt.NDArray[np.float64], truth: Flags, catalog: Catalog) -> Floats:
    train, test = catalog.rows("train"), catalog.rows("test")
    fitted = fit_plain(inputs[train], truth[train], _PENALTY)
    return sigmoid(inputs[test] @ fitted.slopes + fitted.intercepts)


def draw(curves: dict[str, list[Floats]], path: Path) -> None:
    """Draw the mean precision of the first doubts, and that of each seed."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for (kind, several), colour in zip(curves.items(), ("#9c1f18", "#2f5f9e"), strict=True):
        first = np.arange(1, len(several[0]) + 1)
        for one in several:
            axes.plot(first[19:], one[19:], color=colour, alpha=0.25, linewidth=1)
        axes.plot(first[19:], np.mean(several, 0)[19:], color=colour, linewidth=2, label=kind)
    axes.set(xlabel="first doubts", ylabel="share that was planted", ylim=(0, None), xscale="log")
    axes.set_xticks([30, 100, 300, 1_000], ["30", "100", "300", "1,000"])
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
