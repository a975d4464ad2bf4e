"""Making an ensemble: a run with a model that averages the calibrated scores of other runs.

Its bundle holds the members' bundles. It has a calibration and thresholds of its own, because an
average of calibrated scores is too cautious.
"""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keyart.bundle import Content, Member, write_bundle
from keyart.catalog.catalog import Catalog
from keyart.catalog.split import SPLITS
from keyart.catalog.terms import terms_of, terms_to_json
from keyart.ensemble.weights import Weights, learned_weights, log_loss
from keyart.errors import RunError
from keyart.evaluation.decide import decide
from keyart.evaluation.evaluate import (
    catalog_logits,
    evaluate_logits,
    fuse_titles,
    learn_typical,
)
from keyart.files import new_folder, no_folder
from keyart.network import Logits
from keyart.predictor import Predictor
from keyart.report.card import model_card
from keyart.report.page import write_report
from keyart.run import Run
from keyart.scorer import Scores, average_logits
from keyart.stores.paths import place
from keyart.title_model import TitleModel, joined_series

_SPLITS = ("validation", "test")
_log = logging.getLogger("keyart.ensemble")


@dataclass(frozen=True)
class Ensemble:
    """What was averaged: the members' names and weights, and log losses on validation films.

    path: the run's folder. losses: of each member alone. loss: of the average, before its own
    calibration. learned: whether the weights were learned; equal otherwise.
    """

    path: Path
    names: tuple[str, ...]
    weights: Weights
    losses: tuple[float, ...]
    loss: float
    learned: bool


def make_ensemble(
    runs: Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str],
    learn_weights: bool = False,
    catalog: str | os.PathLike[str] | None = None,
) -> Ensemble:
    """Average finished runs of one catalog, and write the run `out`, whole or not at all.

    learn_weights: learn one weight for each run on the validation split; equal weights otherwise.
    catalog: where the runs' catalog is now, if it has moved. Raises RunError for runs that cannot
    be averaged.
    """
    folder, members = place(out), [Run(run) for run in runs]
    if folder.exists():
        raise RunError(f"{folder}: already exists; choose another folder or remove it")
    names, predictors = _open_members(members)
    opened = Catalog.open(catalog) if catalog else members[0].catalog
    _check_catalog(members, opened)
    scores = {split: _member_scores(names, predictors, opened, split) for split in _SPLITS}
    rows = opened.rows("validation")
    truth = opened.truth[rows]
    equal = np.full(len(members), 1 / len(members))
    weights = learned_weights(scores["validation"], truth) if learn_weights else equal
    logits = {split: average_logits(scores[split], weights) for split in _SPLITS}
    decision = decide(logits["validation"], truth, opened.groups[rows], opened.vocabulary)
    ensemble = Ensemble(
        folder,
        tuple(names),
        weights,
        tuple(log_loss(one, truth) for one in scores["validation"]),
        log_loss(np.tensordot(weights, scores["validation"], axes=1), truth),
        learn_weights,
    )
    name = folder.resolve().name
    titles = learned_titles(predictors)
    by_split = {split: opened.rows(split) for split in SPLITS}
    films = fuse_titles(titles, opened, logits["validation"], by_split, decision.criterion)
    table, scored = evaluate_logits(decision, opened, logits, name=name, films=films)
    recipe = _recipe(ensemble, predictors)

    def score(rows: npt.NDArray[np.int64]) -> Logits:
        found = [
            one.bundle.calibration.apply(catalog_logits(one, opened, rows)) for one in predictors
        ]
        return average_logits(np.stack(found), weights)

    spec = predictors[0].image_specs[0]
    typical = learn_typical(opened, spec, score, by_split)
    content = Content(
        [
            Member(member, float(weight), one.bundle)
            for member, weight, one in zip(names, weights, predictors, strict=True)
        ],
        opened.vocabulary,
        decision.decisions,
        card=model_card(table, recipe),
        provenance=table.provenance()
        | {"recipe": recipe, "terms": terms_to_json(terms_of(opened))},
        films=films,
        typical=typical,
    )
    with new_folder(folder) as partial:
        run = Run(partial)
        run.write_recipe(recipe)
        run.write_origin(opened)
        run.write_evaluation(table, scored)
        bundle = content.unwritten(run.bundle_path)
        write_report([partial], run.report_path, catalog=opened.path, bundle=bundle)
        write_bundle(run.bundle_path, content)
    return ensemble


def learned_titles(predictors: Sequence[Predictor]) -> TitleModel | None:
    """The members' title model: one with an encoder, or else that of most n-grams.

    It has seen the series that any of them has seen.
    """
    known = [one.bundle.films.titles for one in predictors if one.bundle.films is not None]
    if not known:
        return None
    series = joined_series([titles.series for titles in known])
    best = max(known, key=lambda titles: (titles.text is not None, len(titles.hashes)))
    return replace(best, series=series)


def _member_scores(
    names: Sequence[str], predictors: Sequence[Predictor], catalog: Catalog, split: str
) -> Scores:
    """Calibrated scores (members, films, genres) of one split."""
    rows = catalog.rows(split)
    scores = []
    for name, predictor in zip(names, predictors, strict=True):
        _log.info("scoring the %s split with %s", split, name)
        scores.append(predictor.bundle.calibration.apply(catalog_logits(predictor, catalog, rows)))
    return np.stack(scores)


def _open_members(runs: Sequence[Run]) -> tuple[list[str], list[Predictor]]:
    """The runs' names, made unique, and their models."""
    if len(runs) < 2:
        raise RunError("an ensemble needs two runs or more")
    predictors = []
    for run in runs:
        if problem := no_folder(run.path):
            raise RunError(f"{problem}; give a run")
        if not run.has_origin:
            raise RunError(
                f"{run.path}: not a run; a bundle does not know its catalog; give its run"
            )
        if not run.is_finished:
            raise RunError(f"{run.path}: is not finished; finish it with keyart train --resume")
        predictors.append(Predictor.load(run))
    for (run, one), (other, another) in combinations(zip(runs, predictors, strict=True), 2):
        if one.bundle.fingerprint == another.bundle.fingerprint:
            raise RunError(f"{other.path}: is the same model as {run.path}; name each once")
        _same_genres(
            run.path, one.bundle.vocabulary.names, other.path, another.bundle.vocabulary.names
        )
    found = [run.name for run in runs]
    names = [
        f"{name} ({found[: place + 1].count(name)})" if found.count(name) > 1 else name
        for place, name in enumerate(found)
    ]
    return names, predictors


def _same_genres(run: Path, names: Sequence[str], other: Path, others: Sequence[str]) -> None:
    for number, (ours, theirs) in enumerate(zip(names, others, strict=False), start=1):
        if ours != theirs:
            raise RunError(
                f"{other}: its genre {number} is {theirs!r} where {run} has {ours!r}; an ensemble "
                "needs one vocabulary"
            )
    if len(names) != len(others):
        raise RunError(
            f"{other}: has {len(others)} genres and {run} has {len(names)}; an ensemble needs one "
            "vocabulary"
        )


def _check_catalog(runs: Sequence[Run], catalog: Catalog) -> None:
    """Raise RunError unless all runs were trained on this catalog, and on its split."""
    for run in runs:
        origin = run.origin
        if origin.fingerprint != catalog.fingerprint:
            raise RunError(
                f"{run.path}: was trained on another catalog than {catalog.path}; train it on "
                "that one"
            )
        if origin.split != "catalog":
            raise RunError(
                f"{run.path}: was trained on a split of its own ({origin.split}), and may know "
                'films that the others are tested on; train it with split = "catalog"'
            )


def _recipe(ensemble: Ensemble, predictors: Sequence[Predictor]) -> str:
    """What was averaged, as TOML, in the place of a trained run's recipe."""
    how = "learned on the validation split" if ensemble.learned else "equal"
    return (
        f"# An average of the calibrated scores of these runs; weights: {how}.\n"
        f"ensemble = {json.dumps(list(ensemble.names), ensure_ascii=False)}\n"
        f"weights = {json.dumps([round(float(weight), 6) for weight in ensemble.weights])}\n"
        f"bundles = {json.dumps([one.bundle.fingerprint for one in predictors])}\n"
    )
