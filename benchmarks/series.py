"""What a series leak is worth: titles learned with and without the series of the films kept apart.

python -m benchmarks.series CATALOG [--titles TABLE] [--model MODEL]

CATALOG is one that was split without series. Its test films are scored twice, with the same poster
logits. The title model without the leak learns from no film whose series a validation or test film
has. The one with the leak learns from as few films: others were left out by chance. Prints the
table of docs/results.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keyart.catalog.catalog import Catalog
from keyart.catalog.split import SPLITS
from keyart.decisions import Films
from keyart.evaluation.evaluate import catalog_logits, evidence_of_rows, fuse_titles
from keyart.evaluation.fusing import rows_with
from keyart.evaluation.scoring import compare_scores
from keyart.evidence import Evidence
from keyart.network import Logits
from keyart.predictor import Predictor
from keyart.run import ScoredFilms
from keyart.series import series_stem
from keyart.training.titles import TitledFilms, fit_titles, read_titled_films, title_key

Rows = npt.NDArray[np.int64]
_EVIDENCE: tuple[Evidence, ...] = (("title", "year"), ("poster", "title", "year"))
_METRICS = ("mean_average_precision", "top_class", "top_three")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--titles", type=Path, help="films without posters, to learn titles from")
    parser.add_argument("--model", type=Path, help="of posters; the one in the box by default")
    given = parser.parse_args()
    catalog, model = Catalog.open(given.catalog), Predictor.load(given.model)
    rows = {split: catalog.rows(split) for split in SPLITS}
    logits = {s: catalog_logits(model, catalog, rows[s]) for s in ("validation", "test")}
    apart = np.concatenate([rows["validation"], rows["test"]])
    kept_apart = {catalog.stems[row] for row in apart} - {""}
    sources = {"the catalog's titles": [_of_catalog(catalog, rows["train"])]}
    if given.titles:
        table = catalog.to_table().take(apart)
        listed = zip(*(table[name].to_pylist() for name in ("title", "year")), strict=True)
        ids = set(table["film_id"].to_pylist())
        more, _ = read_titled_films(
            given.titles, catalog.vocabulary, ids | {title_key(*one) for one in listed}
        )
        sources["and the table's"] = [*sources["the catalog's titles"], more]
    for name, films in sources.items():
        leaky, honest = zip(*(_both(one, kept_apart) for one in films), strict=True)
        left_out = sum(len(one) for one in films) - sum(len(one) for one in honest)
        print(f"\n{name}: {left_out:,} of {sum(len(one) for one in films):,} films left out")
        scored = [_scored(sources, catalog, rows, logits) for sources in (leaky, honest)]
        _print(*scored)


def _both(films: TitledFilms, kept_apart: set[str]) -> tuple[TitledFilms, TitledFilms]:
    """These films with the series of others, and without; as many of each."""
    shared = np.array([series_stem(title) in kept_apart for title in films.titles])
    alone = np.flatnonzero(~shared)
    chance = np.random.default_rng(0).permutation(alone)[: len(alone) - int(shared.sum())]
    return _take(films, np.sort([*chance, *np.flatnonzero(shared)])), _take(films, alone)


def _of_catalog(catalog: Catalog, rows: Rows) -> TitledFilms:
    table = catalog.to_table().take(rows)
    titles, years = (table[name].to_pylist() for name in ("title", "year"))
    return TitledFilms(titles, years, catalog.truth[rows], np.ones(len(catalog.vocabulary), bool))


def _take(films: TitledFilms, chosen: Rows) -> TitledFilms:
    titles, years = ([column[row] for row in chosen] for column in (films.titles, films.years))
    return TitledFilms(titles, years, films.truth[chosen], films.labelled)


def _scored(
    sources: Sequence[TitledFilms],
    catalog: Catalog,
    rows: dict[str, Rows],
    logits: dict[str, Logits],
) -> dict[Evidence, ScoredFilms]:
    """The test films as a title model of these sources scores them, for each evidence."""
    titles = fit_titles(sources)
    films = fuse_titles(titles, catalog, logits["validation"], rows, "f1")
    assert films is not None
    return {evidence: _scores(films, evidence, catalog, rows, logits) for evidence in _EVIDENCE}


def _scores(
    films: Films,
    evidence: Evidence,
    catalog: Catalog,
    rows: dict[str, Rows],
    logits: dict[str, Logits],
) -> ScoredFilms:
    """The films that have a title and a year, whichever evidence it is."""
    found = evidence_of_rows(films.titles, catalog, logits["test"], rows["test"])
    having = rows_with(found, _EVIDENCE[-1])
    fused = films.fusions[evidence].logits({kind: found[kind][having] for kind in evidence})
    own = films.decisions[evidence]
    scores = own.calibration.apply(fused)
    table = catalog.to_table().take(rows["test"][having])
    ids, titles, groups = (table[name].to_pylist() for name in ("film_id", "title", "group"))
    truth, predicted = catalog.truth[rows["test"][having]], scores >= own.thresholds
    return ScoredFilms(catalog.vocabulary, ids, titles, groups, truth, predicted, scores)


def _print(leaky: dict[Evidence, ScoredFilms], honest: dict[Evidence, ScoredFilms]) -> None:
    for evidence in _EVIDENCE:
        both = set(leaky[evidence].film_ids) & set(honest[evidence].film_ids)
        one, other = (
            found.take([row for row, film in enumerate(found.film_ids) if film in both])
            for found in (leaky[evidence], honest[evidence])
        )
        found = compare_scores(one, other).metrics
        cells = []
        for name in _METRICS:
            difference = found[name]
            assert difference is not None
            cells.append(
                f"{difference.model:.3f} | {difference.other:.3f} | {difference.value:+.3f} "
                f"({difference.low:+.3f} to {difference.high:+.3f})"
            )
        print(f"| {', '.join(evidence)} | {len(both):,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
