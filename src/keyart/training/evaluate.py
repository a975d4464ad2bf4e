"""Scoring a saved model again: on its own catalog or another, with its thresholds or new ones."""

import logging
import os

from keyart.bundle_thresholds import change_thresholds
from keyart.catalog.catalog import Catalog
from keyart.catalog.split import SPLITS
from keyart.copies import changing_folder
from keyart.decisions import Films
from keyart.errors import RunError
from keyart.evaluation.decide import Decision
from keyart.evaluation.evaluate import catalog_logits, evaluate_model, learn_typical
from keyart.evaluation.thresholds import Criterion, check_criterion
from keyart.files import no_folder
from keyart.metric_table import MetricTable
from keyart.places import find_model, in_store
from keyart.predictor import Predictor
from keyart.report.card import model_card
from keyart.report.page import write_report
from keyart.run import Run
from keyart.stores.paths import STORES

_log = logging.getLogger("keyart.training")


def evaluate(
    model: Run | Predictor | str | os.PathLike[str],
    catalog: Catalog | str | os.PathLike[str] | None = None,
    split: str = "test",
    *,
    thresholds: Criterion | None = None,
    precision: float | None = None,
    save: bool = False,
) -> MetricTable:
    """Score a model on a catalog, and return its metrics next to those of constant guesses.

    model: a run, a bundle or what else `keyart.load` takes, or a predictor. catalog: None takes the
    one that the run was trained on. split: "train", "validation" or "test".

    A run on its own catalog is always scored on validation and test, and its metrics.json and
    predictions are written. On another catalog only `split` is scored and nothing is written.

    thresholds, precision: choose new thresholds on the catalog's validation split, either for a
    criterion or so that predicted genres are right in this share of cases (see
    `choose_thresholds`). Nothing is written then, unless `save` is set: the run's bundle, model
    card, metrics, predictions and report get the new thresholds.

    Raises RunError for a bundle without a catalog and if there is no run to save to, CatalogError
    for a catalog of other genres, and ValueError for arguments that do not go together.
    """
    criterion = _criterion(split, thresholds, precision, save=save)
    if isinstance(model, Run):
        model = model.place
    stored = None if isinstance(model, Predictor) else in_store(model)
    if stored is not None and stored.scheme in STORES:
        with changing_folder(stored) as folder:
            return evaluate(
                folder, catalog, split, thresholds=thresholds, precision=precision, save=save
            )
    run = None
    if isinstance(model, Predictor):
        name = str(model.bundle.path)
    else:
        found = find_model(model)
        run, name = Run(found.path), found.name
    if run is not None and (problem := no_folder(run.path)):
        raise RunError(f"{problem}; give a run or a bundle")
    has_origin = run is not None and run.has_origin
    predictor = model if isinstance(model, Predictor) else Predictor.load(name)
    if catalog is None:
        if run is None or not has_origin:
            raise RunError(f"{name}: a bundle does not know its catalog; give one with --catalog")
        catalog = run.catalog_path()
    opened = catalog if isinstance(catalog, Catalog) else Catalog.open(catalog)
    own = run if run and has_origin and run.origin.fingerprint == opened.fingerprint else None
    if own and own.origin.split != "catalog":
        raise RunError(
            f"{name}: was trained on a split of its own, so the splits of the catalog hold films "
            "that it knows; its metrics are in its metrics.json and report"
        )
    if save and not own:
        raise RunError(f"{name}: only a run can keep thresholds, and only from its own catalog")
    splits = (split,)
    if own:
        splits = ("validation", "test", *(("train",) if split == "train" else ()))
    decision, films, table, scored = evaluate_model(predictor, opened, splits, criterion)
    if own and (criterion is None or save):
        own.write_evaluation(table, scored)
    if own and save:
        _keep_thresholds(own, predictor, decision, films, table, opened)
    return table


def _criterion(
    split: str, thresholds: Criterion | None, precision: float | None, *, save: bool
) -> Criterion | float | None:
    if split not in SPLITS:
        raise ValueError(f"split: expected {', '.join(SPLITS)}, got {split!r}")
    if thresholds is not None and precision is not None:
        raise ValueError("give thresholds or precision, not both")
    criterion = thresholds if precision is None else precision
    if criterion is None:
        if save:
            raise ValueError("save needs thresholds or precision")
        return None
    check_criterion(criterion)
    return criterion


def _keep_thresholds(
    run: Run,
    predictor: Predictor,
    decision: Decision,
    films: Films | None,
    table: MetricTable,
    catalog: Catalog,
) -> None:
    bundle = predictor.bundle
    typical = bundle.typical or learn_typical(
        catalog,
        predictor.image_specs[0],
        lambda rows: catalog_logits(predictor, catalog, rows),
        {split: catalog.rows(split) for split in SPLITS},
    )
    change_thresholds(
        bundle,
        decision.decisions,
        films,
        typical=typical,
        card=model_card(table, str(bundle.provenance.get("recipe", ""))),
        provenance={**bundle.provenance, **table.provenance()},
    )
    write_report([run.path], run.report_path, catalog=catalog.path)
    _log.info("%s: keeps thresholds %s", run.path, table.aim)
