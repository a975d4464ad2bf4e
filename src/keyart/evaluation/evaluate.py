"""Evaluation: a model's scores on the splits of a catalog, and the metrics they get."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.bundle import Bundle
from keyart.catalog.catalog import Catalog
from keyart.catalog.prepared import prepared_films
from keyart.catalog.split import SPLITS
from keyart.errors import CatalogError
from keyart.evaluation.baselines import fit_baselines
from keyart.evaluation.decide import Decision, decide_again
from keyart.evaluation.scoring import score_split
from keyart.evaluation.thresholds import Criterion
from keyart.metric_table import MetricTable
from keyart.network import BATCH, Logits
from keyart.parallel import batches, ordered
from keyart.predictor import Predictor
from keyart.run import ScoredFilms
from keyart.scorer import Scores

Rows = npt.NDArray[np.int64]


def evaluate_model(
    predictor: Predictor,
    catalog: Catalog,
    splits: Sequence[str],
    criterion: Criterion | float | None = None,
) -> tuple[Decision, MetricTable, dict[str, ScoredFilms]]:
    """Score a model on splits of a catalog with the same genres.

    criterion: choose thresholds for it on the catalog's validation split (see
    `choose_thresholds`); None keeps the thresholds of the model. Returns the thresholds with what
    they are for, the metrics, and the scored films of each split. Raises CatalogError for other
    genres and for an empty split.
    """
    bundle = predictor.bundle
    _check_genres(bundle, catalog)
    decision = Decision.of(bundle)
    needed = dict.fromkeys([*splits, *(["validation"] if criterion is not None else [])])
    logits = {
        split: catalog_logits(predictor, catalog, _films(catalog, split, catalog.rows(split)))
        for split in needed
    }
    if criterion is not None:
        scores = bundle.calibration.apply(logits["validation"])
        truth = catalog.truth[catalog.rows("validation")]
        decision = decide_again(decision, scores, truth, bundle.vocabulary, criterion)
    name = str(bundle.provenance.get("name", bundle.path.name))
    wanted = {split: logits[split] for split in splits}
    return decision, *evaluate_logits(decision, catalog, wanted, name=name)


def evaluate_logits(
    decision: Decision,
    catalog: Catalog,
    logits: Mapping[str, Logits],
    *,
    name: str,
    rows: Mapping[str, Rows] | None = None,
) -> tuple[MetricTable, dict[str, ScoredFilms]]:
    """Score splits of a catalog, next to constant guesses that know its training films.

    logits: of the splits to score, (films, genres) each. name: of the model. rows: the films of
    each split; None takes the splits of the catalog. Raises CatalogError for an empty split.
    """
    films = rows or {split: catalog.rows(split) for split in SPLITS}
    baselines = fit_baselines(catalog.truth[films["train"]])
    splits, scored = {}, {}
    for split in logits:
        chosen = _films(catalog, split, films[split])
        scores = decision.calibration.apply(logits[split])
        scored[split] = _scored_films(catalog, chosen, scores, decision)
        splits[split] = score_split(
            scores,
            catalog.truth[chosen],
            decision.thresholds,
            catalog.groups[chosen],
            catalog.vocabulary,
            baselines,
        )
    table = MetricTable(
        name,
        catalog.fingerprint,
        catalog.vocabulary.names,
        {split: len(films[split]) for split in SPLITS},
        decision.criterion,
        decision.notes,
        splits,
    )
    return table, scored


def catalog_logits(predictor: Predictor, catalog: Catalog, rows: Rows) -> Logits:
    """A model's logits (rows, genres) of these films of a catalog, on all cores."""
    stores = [prepared_films(catalog, spec) for spec in predictor.scorer.specs]

    def work(chosen: list[int]) -> Logits:
        return predictor.logits([store[np.array(chosen)] for store in stores])

    return np.concatenate(list(ordered(work, batches(rows.tolist(), BATCH))))


def _films(catalog: Catalog, split: str, rows: Rows) -> Rows:
    if len(rows) == 0:
        raise CatalogError(f"{catalog.path}: its {split} split has no films")
    return rows


def _scored_films(catalog: Catalog, rows: Rows, scores: Scores, decision: Decision) -> ScoredFilms:
    films = catalog.to_table()

    def texts(column: str) -> list[str]:
        values: list[Any] = films[column].take(rows).to_pylist()
        return [str(value) for value in values]

    return ScoredFilms(
        catalog.vocabulary,
        texts("film_id"),
        texts("title"),
        texts("group"),
        catalog.truth[rows],
        scores >= decision.thresholds,
        scores,
    )


def _check_genres(bundle: Bundle, catalog: Catalog) -> None:
    """Raise CatalogError if a catalog has other genres than the model."""
    ours, theirs = bundle.vocabulary.names, catalog.vocabulary.names
    if ours != theirs:
        raise CatalogError(
            f"{catalog.path}: its genres ({', '.join(theirs)}) are not the model's "
            f"({', '.join(ours)}); build it with the model's vocabulary"
        )
