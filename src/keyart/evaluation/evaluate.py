"""Evaluation: a network's answers on parts of a catalog, and the figures they earn."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from keyart.catalog.catalog import Catalog
from keyart.catalog.prepared import prepared_films
from keyart.catalog.split import SPLITS
from keyart.errors import CatalogError, RunError
from keyart.evaluation.baselines import fit_baselines
from keyart.evaluation.decide import Decision
from keyart.evaluation.scoring import score_split
from keyart.files import replacing, write_json
from keyart.network import BATCH, Logits
from keyart.parallel import batches, ordered
from keyart.predictor import Predictor
from keyart.scorer import Scores

FORMAT = 1


@dataclass(frozen=True)
class Evaluation:
    """metrics: what metrics.json holds. predictions: a table for each part, as in the run."""

    metrics: dict[str, Any]
    predictions: dict[str, pa.Table]

    def headline(self, part: str) -> dict[str, dict[str, float] | None]:
        """A part's figures, each with its interval."""
        figures: dict[str, dict[str, float] | None]
        figures = self.metrics["splits"][part]["model"]["figures"]
        return figures


def catalog_logits(predictor: Predictor, catalog: Catalog, rows: npt.NDArray[np.int64]) -> Logits:
    """A model's logits (rows, genres) of these films of a catalog, on all cores."""
    stores = [prepared_films(catalog, spec) for spec in predictor.scorer.specs]

    def work(chosen: list[int]) -> Logits:
        return predictor.logits([store[np.array(chosen)] for store in stores])

    return np.concatenate(list(ordered(work, batches(rows.tolist(), BATCH))))


def evaluate(
    decision: Decision,
    catalog: Catalog,
    logits: Mapping[str, Logits],
    *,
    name: str,
    rows: Mapping[str, npt.NDArray[np.int64]] | None = None,
) -> Evaluation:
    """Score parts of a catalog, beside constant guesses that know its training part.

    logits: of the parts to score, (films, genres) each. rows: of the films of each part, if they
    are not the catalog's own. Raises CatalogError for an empty part.
    """
    films = rows or {part: catalog.rows(part) for part in SPLITS}
    truth = catalog.truth
    baselines = fit_baselines(truth[films["train"]])
    splits, predictions = {}, {}
    for part in logits:
        chosen = films[part]
        if len(chosen) == 0:
            raise CatalogError(f"{catalog.path}: its {part} part has no films to score")
        scores = decision.calibration.apply(logits[part])
        splits[part] = score_split(
            scores,
            truth[chosen],
            decision.thresholds,
            catalog.groups[chosen],
            catalog.vocabulary,
            baselines,
        )
        predictions[part] = _table(catalog, chosen, scores, scores >= decision.thresholds)
    metrics = {
        "format": FORMAT,
        "name": name,
        "catalog": catalog.fingerprint,
        "vocabulary": list(catalog.vocabulary.names),
        "films": {part: len(films[part]) for part in SPLITS},
        "thresholds": decision.criterion,
        "notes": list(decision.notes),
        "splits": splits,
    }
    return Evaluation(metrics, predictions)


def _table(
    catalog: Catalog, rows: np.ndarray[Any, Any], scores: Scores, chosen: np.ndarray[Any, Any]
) -> pa.Table:
    names = catalog.vocabulary.names
    films = catalog.to_table().take(pa.array(rows))
    columns = {
        "film_id": films["film_id"],
        "title": films["title"],
        "group": films["group"],
        "truth": pa.array([list(catalog.vocabulary.decode(row)) for row in catalog.truth[rows]]),
        "genres": pa.array([list(catalog.vocabulary.decode(row)) for row in chosen]),
    }
    for column, name in enumerate(names):
        columns[name] = pa.array(scores[:, column].astype(np.float32))
    return pa.table(columns)


def write_evaluation(run: Path, evaluation: Evaluation) -> None:
    """Write metrics.json, and predictions-PART.parquet for each part, into a run's folder."""
    for part, table in evaluation.predictions.items():
        with replacing(run / f"predictions-{part}.parquet") as beside:
            pq.write_table(table, beside)
    write_json(run / "metrics.json", evaluation.metrics)


def read_metrics(run: Path) -> dict[str, Any]:
    """A run's metrics.json. Raises RunError where there is none that can be read."""
    try:
        metrics: dict[str, Any] = json.loads((run / "metrics.json").read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"{run}: no metrics.json that can be read; keyart evaluate {run}") from error
    if metrics.get("format") != FORMAT:
        raise RunError(f"{run / 'metrics.json'}: of another format; keyart evaluate {run}")
    return metrics
