"""Scoring a saved model anew: on its own catalog or another, with its thresholds or new ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keyart.bundle import Bundle, Decisions, change_thresholds
from keyart.catalog.catalog import Catalog
from keyart.errors import CatalogError, RunError
from keyart.evaluation.decide import Decision, decide_anew
from keyart.evaluation.evaluate import Evaluation, catalog_logits, evaluate, write_evaluation
from keyart.evaluation.thresholds import Criterion
from keyart.predictor import Predictor
from keyart.report.card import model_card
from keyart.report.page import write_report
from keyart.run import catalog_of, has_origin, read_origin


def evaluate_again(
    model: Path,
    catalog: Path | None,
    part: str,
    *,
    criterion: Criterion | float | None = None,
    save: bool = False,
) -> dict[str, Any]:
    """Score a run or a bundle anew and return the metrics.

    A run on its own catalog gets them written (metrics.json, predictions), with at least its
    validation and test parts. On another catalog only `part` is scored, and nothing is written.

    With a `criterion` (see `choose_thresholds`) thresholds are chosen anew on the validation part
    of the catalog that is scored, and nothing is written but with `save`: then the run's bundle
    answers by them from now on, and its metrics, predictions, report and card tell of them.

    Raises RunError for a bundle without a catalog, and where there is no run to save to.
    """
    is_run = has_origin(model)
    if catalog is None and not is_run:
        raise RunError(f"{model}: a bundle does not know its catalog; name one with --catalog")
    opened = Catalog.open(catalog or catalog_of(model))
    own = is_run and read_origin(model).fingerprint == opened.fingerprint
    if own and read_origin(model).split != "catalog":
        raise RunError(
            f"{model}: was trained on a split of its own, so that the catalog's parts hold films "
            "that it knows; its figures stand in its metrics.json and report"
        )
    if save and not own:
        raise RunError(f"{model}: thresholds are saved to a run alone, from its own catalog")
    parts = ("validation", "test", *(("train",) if part == "train" else ())) if own else (part,)
    predictor = Predictor.load(model)
    decision, evaluation = score(predictor, opened, parts, criterion)
    if own and (criterion is None or save):
        write_evaluation(model, evaluation)
    if save:
        bundle = predictor.bundle
        provenance = {**bundle.provenance} | {
            "metrics": evaluation.headline("test"),
            "notes": list(decision.notes),
            "thresholds": decision.criterion,
        }
        change_thresholds(
            bundle,
            Decisions(decision.calibration, decision.thresholds, decision.precision_thresholds),
            card=model_card(evaluation.metrics, str(bundle.provenance.get("recipe", ""))),
            provenance=provenance,
        )
        write_report([model], model / "report.html", catalog=opened.path)
    return evaluation.metrics


def score(
    predictor: Predictor,
    catalog: Catalog,
    parts: Sequence[str],
    criterion: Criterion | float | None = None,
) -> tuple[Decision, Evaluation]:
    """Score a saved model on parts of a catalog of the same genres, and what decided.

    criterion: thresholds are chosen anew by it on the catalog's validation part; None for the
    model's own. Raises CatalogError.
    """
    bundle = predictor.bundle
    _same_genres(bundle, catalog)
    decision = Decision(
        bundle.calibration,
        bundle.thresholds,
        tuple(bundle.provenance.get("notes", ())),
        bundle.provenance.get("thresholds", "f1"),
        bundle.precision_thresholds,
    )
    needed = dict.fromkeys([*parts, *(["validation"] if criterion is not None else [])])
    rows = {part: catalog.rows(part) for part in needed}
    for part, chosen in rows.items():
        if len(chosen) == 0:
            raise CatalogError(f"{catalog.path}: its {part} part has no films")
    logits = {part: catalog_logits(predictor, catalog, chosen) for part, chosen in rows.items()}
    if criterion is not None:
        scores = bundle.calibration.apply(logits["validation"])
        truth = catalog.truth[rows["validation"]]
        decision = decide_anew(decision, scores, truth, bundle.vocabulary, criterion)
    name = str(bundle.provenance.get("name", bundle.path.name))
    evaluation = evaluate(decision, catalog, {part: logits[part] for part in parts}, name=name)
    return decision, evaluation


def _same_genres(bundle: Bundle, catalog: Catalog) -> None:
    """Raise CatalogError if a catalog has other genres than the model."""
    ours, theirs = bundle.vocabulary.names, catalog.vocabulary.names
    if ours != theirs:
        raise CatalogError(
            f"{catalog.path}: its genres ({', '.join(theirs)}) are not the model's "
            f"({', '.join(ours)}); build it with the model's vocabulary"
        )
