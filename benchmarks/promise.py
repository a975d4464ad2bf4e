"""How often a promised precision holds: validation and test films, split again and again.

python -m benchmarks.promise CATALOG [--model MODEL] [--resplits 200] [--logits FILE]

Each time, half of the groups of the catalog's validation and test films, drawn by chance, are what
calibration and thresholds are fitted on, and the others are predicted. The network and the titles
stay as they are: they have seen neither. Prints a table for posters alone and with titles and
years: the promise (evaluation/promise.py), thresholds for each genre by itself without a test (what
keyart had before), and the balanced ones.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keyart.catalog.catalog import Catalog
from keyart.evaluation.bootstrap import group_numbers
from keyart.evaluation.calibrators import fit_calibration
from keyart.evaluation.evaluate import catalog_logits, evidence_of_rows
from keyart.evaluation.fusing import rows_with
from keyart.evaluation.metrics import Flags
from keyart.evaluation.promise import SILENT, promised_thresholds
from keyart.evaluation.ranking import Floats
from keyart.evaluation.thresholds import choose_thresholds
from keyart.evidence import Evidence
from keyart.predictor import Predictor

_WANTED = (0.6, 0.8)
_PRIOR_FILMS = 30  # of the thresholds by genre: imagined films, right as often as the scores say
_WITH_TITLES: Evidence = ("poster", "title", "year")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--model", type=Path, help="the one in the box by default")
    parser.add_argument("--resplits", type=int, default=200)
    parser.add_argument("--logits", type=Path, help=".npy of all posters, kept if it is not there")
    given = parser.parse_args()
    catalog, model = Catalog.open(given.catalog), Predictor.load(given.model)
    rows = np.concatenate([catalog.rows("validation"), catalog.rows("test")])
    if given.logits and given.logits.exists():
        posters = np.load(given.logits)
    else:
        posters = catalog_logits(model, catalog, rows)
        if given.logits:
            np.save(given.logits, posters)
    truth, groups = catalog.truth[rows], catalog.groups[rows]
    print("| evidence | thresholds | kept | precision | genres a film | films without any |")
    print("|---|---|---:|---:|---:|---:|")
    _resplit("poster", posters, truth, groups, given.resplits)
    films = model.bundle.films
    if films is not None and _WITH_TITLES in films.fusions:
        found = evidence_of_rows(films.titles, catalog, posters, rows)
        having = rows_with(found, _WITH_TITLES)
        logits = films.fusions[_WITH_TITLES].logits({k: found[k][having] for k in _WITH_TITLES})
        _resplit("poster, title, year", logits, truth[having], groups[having], given.resplits)


def _resplit(
    evidence: str,
    logits: npt.NDArray[np.floating],
    truth: Flags,
    groups: npt.NDArray[np.object_],
    times: int,
) -> None:
    """Print the rows of one evidence."""
    random, group = np.random.default_rng(0), group_numbers(groups, len(truth))
    results: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for _ in range(times):
        fitting = (random.random(group.max() + 1) < 0.5)[group]
        calibration = fit_calibration(logits[fitting], truth[fitting], groups[fitting]).calibration
        scores, true = calibration.apply(logits), truth[fitting]
        known, others = scores[fitting], (scores[~fitting], truth[~fitting])
        for wanted in _WANTED:
            promised = promised_thresholds(known, true, groups[fitting], wanted)
            by_genre = _by_genre(known, true, wanted)
            results.setdefault(("promise", wanted), []).append(_measure(promised, *others))
            results.setdefault(("by genre", wanted), []).append(_measure(by_genre, *others))
        balanced = choose_thresholds(known, true).values
        results.setdefault(("balanced", 0.0), []).append(_measure(balanced, *others))
    for (name, wanted), measured in sorted(results.items(), key=lambda item: -item[0][1]):
        hits, predicted, without = np.array(measured).T
        spoke = predicted > 0
        precision = hits[spoke] / predicted[spoke]
        kept = 1 - (precision < wanted).sum() / times
        said = f"{precision.mean():.3f}" if spoke.any() else ""
        print(
            f"| {evidence} | {name}{f' {wanted:g}' if wanted else ''} "
            f"| {f'{kept:.1%}' if wanted else ''} | {said} | {predicted.mean():.2f} "
            f"| {without.mean():.1%} |",
            flush=True,
        )


def _measure(thresholds: Floats, scores: Floats, truth: Flags) -> tuple[float, float, float]:
    """Right genres a film, predicted genres a film, and the share of films without any."""
    predicted = (scores >= thresholds) & (thresholds < SILENT)
    hits, films = (predicted & truth).sum(), len(truth)
    return float(hits / films), float(predicted.sum() / films), float((~predicted.any(1)).mean())


def _by_genre(scores: Floats, truth: Flags, wanted: float) -> Floats:
    """For each genre the lowest threshold of this precision; SILENT if there is none."""
    chosen = np.full(truth.shape[1], SILENT)
    count = np.arange(1, len(truth) + 1)
    for genre in range(truth.shape[1]):
        order = np.argsort(-scores[:, genre], kind="stable")
        descending = scores[order, genre]
        imagined = _PRIOR_FILMS * np.cumsum(descending) / count
        precision = (np.cumsum(truth[order, genre]) + imagined) / (count + _PRIOR_FILMS)
        reached = np.flatnonzero(precision >= wanted)
        if len(reached):
            chosen[genre] = descending[reached[-1]]
    return chosen


if __name__ == "__main__":
    main()
