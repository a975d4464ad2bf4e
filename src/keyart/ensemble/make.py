"""An ensemble: a run whose model averages the calibrated scores of other runs' models.

Its bundle is one like any other: one network that holds its members' (see merge.py), with a
calibration and thresholds of its own, because an average of calibrated scores is too cautious.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.torch import save
from torch import Tensor

from keyart.bundle import write_bundle
from keyart.calibration import sigmoid
from keyart.catalog.catalog import Catalog
from keyart.catalog.prepared import prepared_films
from keyart.ensemble.merge import Member, average_logits, merge
from keyart.errors import BundleError, RunError
from keyart.evaluation.decide import Decision, decide
from keyart.evaluation.evaluate import Evaluation, evaluate, write_evaluation
from keyart.files import new_folder, write_text
from keyart.images.spec import pack_specs
from keyart.predictor import Network, Predictor, Scores
from keyart.report.card import model_card
from keyart.report.page import write_report
from keyart.run import catalog_of, has_origin, read_origin, write_origin
from keyart.training.checkpoint import load_tensors

# The merged network computes what its members' do, and the average in fp64.
TOLERANCE = 1e-5
_PARITY_POSTERS = 64
_LEAST_GAIN = 1e-9  # of log loss, for another step towards the best weights
_MOST_STEPS = 1_000
_SURE = 1e-12  # a score of 0 that was wrong counts as this

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ensemble:
    """What was averaged: members' names, their weights, and the validation part's log loss.

    losses: of each member alone. loss: of the average, before its own calibration.
    """

    names: tuple[str, ...]
    weights: Weights
    losses: tuple[float, ...]
    loss: float
    learned: bool


def make_ensemble(
    runs: Sequence[Path],
    out: Path,
    *,
    learn_weights: bool = False,
    catalog: Path | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Ensemble:
    """Average finished runs of one catalog, and write the run `out`, whole or not at all.

    learn_weights: see `learned_weights`; all count alike otherwise. catalog: where it is now, if
    not where the runs were trained. Raises RunError for runs that cannot be averaged, and
    BundleError where their networks cannot be made one.
    """
    if out.exists():
        raise RunError(f"{out}: is already there; name another folder or remove it")
    names, predictors = _open_members(runs)
    opened = Catalog.open(catalog or catalog_of(runs[0]))
    _check_catalog(runs, opened)
    rows = opened.rows("validation")
    truth = opened.truth[rows]
    scored = []
    for name, predictor in zip(names, predictors, strict=True):
        say(f"scoring the validation part with {name}")
        logits = predictor.network.logits_of_rows(prepared_films(opened, predictor.spec), rows)
        scored.append(predictor.bundle.calibration.apply(logits))
    scores = np.stack(scored)
    equal = np.full(len(runs), 1 / len(runs))
    weights = learned_weights(scores, truth) if learn_weights else equal
    members = [
        Member(name, one.bundle.onnx.read_bytes(), one.spec, one.bundle.calibration)
        for name, one in zip(names, predictors, strict=True)
    ]
    onnx = merge(members, weights)
    spec = pack_specs(one.spec for one in predictors)
    network, pixels = Network(onnx), prepared_films(opened, spec)
    logits = average_logits(scores, weights)
    some = slice(_PARITY_POSTERS)
    check_average(network.logits(pixels[rows[some]]), logits[some])
    decision = decide(logits, truth, opened.groups[rows], opened.vocabulary)
    ensemble = Ensemble(
        tuple(names),
        weights,
        tuple(log_loss(one, truth) for one in scores),
        log_loss(np.tensordot(weights, scores, axes=1), truth),
        learn_weights,
    )
    say("scoring the test part with all of them")
    name = out.resolve().name
    parts = ("validation", "test")
    evaluation = evaluate(
        network, decision, opened, pixels, parts, name=name, logits={"validation": logits}
    )
    recipe = _recipe(ensemble, predictors)
    with new_folder(out) as beside:
        write_text(beside / "recipe.toml", recipe)
        write_origin(beside, opened)
        write_evaluation(beside, evaluation)
        write_report([beside], beside / "report.html", catalog=opened.path)
        write_bundle(
            beside / "bundle",
            onnx=onnx,
            weights=_all_weights(predictors),
            card=model_card(evaluation.metrics, recipe),
            vocabulary=opened.vocabulary,
            spec=spec,
            calibration=decision.calibration,
            thresholds=decision.thresholds,
            precision_thresholds=decision.precision_thresholds,
            provenance=_provenance(name, ensemble, predictors, recipe, decision, evaluation),
        )
    return ensemble


def learned_weights(scores: Scores, truth: npt.NDArray[np.bool_]) -> Weights:
    """The weights (members,), not below 0 and of sum 1, whose average has the least log loss.

    scores: (members, films, genres), calibrated. truth: (films, genres).

    One weight a member, not one a member and genre: those of a genre with forty validation films
    would be learned from chance. The loss is convex in the weights, and each step of expectation
    maximisation (a mixture of known distributions; Dempster, Laird and Rubin 1977) lowers it. As
    it starts from equal weights, it never ends at worse ones.
    """
    given = np.where(truth, scores, 1 - scores).reshape(len(scores), -1)
    given = np.maximum(given, _SURE)  # what each member thought of what is the case
    weights = np.full(len(scores), 1 / len(scores))
    loss = np.inf
    for _ in range(_MOST_STEPS):
        average = weights @ given
        before, loss = loss, -float(np.log(average).mean())
        if before - loss < _LEAST_GAIN:
            break
        weights = weights * (given / average).mean(axis=1)
    total: Weights = weights / weights.sum()
    return total


def log_loss(scores: Scores, truth: npt.NDArray[np.bool_]) -> float:
    """Mean over films and genres of -log(what the scores gave to what is the case)."""
    given = np.maximum(np.where(truth, scores, 1 - scores), _SURE)
    return -float(np.log(given).mean())


def check_average(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> None:
    """Raise BundleError unless a merged network's scores are its members' average, to 1e-5.

    found, expected: logits (films, genres).
    """
    scores, averages = sigmoid(found.astype(np.float64)), sigmoid(expected.astype(np.float64))
    drift = float(np.abs(scores - averages).max())
    if not drift <= TOLERANCE:  # NaN is not within any tolerance
        raise BundleError(
            f"the merged network's scores differ from its members' average by {drift:.2g}, more "
            f"than {TOLERANCE:g}; nothing was written. Please report the members' recipes"
        )


def _open_members(runs: Sequence[Path]) -> tuple[list[str], list[Predictor]]:
    """The runs' names, made to differ, and their models."""
    if len(runs) < 2:
        raise RunError("an ensemble needs two runs or more; name them all")
    predictors = []
    for run in runs:
        if not has_origin(run):
            raise RunError(f"{run}: not a run; a bundle does not know its catalog, so name its run")
        if not (run / "bundle").is_dir():
            raise RunError(f"{run}: is not finished; finish it with keyart train --resume")
        predictors.append(Predictor.load(run))
    for (run, one), (other, another) in combinations(zip(runs, predictors, strict=True), 2):
        if one.bundle.fingerprint == another.bundle.fingerprint:
            raise RunError(f"{other}: is the same model as {run}; name each once")
        _same_genres(run, one.bundle.vocabulary.names, other, another.bundle.vocabulary.names)
    found = [run.resolve().name for run in runs]
    names = [
        f"{name} ({found[: place + 1].count(name)})" if found.count(name) > 1 else name
        for place, name in enumerate(found)
    ]
    return names, predictors


def _same_genres(run: Path, names: Sequence[str], other: Path, others: Sequence[str]) -> None:
    for place, (ours, theirs) in enumerate(zip(names, others, strict=False), start=1):
        if ours != theirs:
            raise RunError(
                f"{other}: its genre {place} is {theirs!r} where {run} has {ours!r}; an ensemble "
                "needs one vocabulary"
            )
    if len(names) != len(others):
        raise RunError(
            f"{other}: has {len(others)} genres and {run} has {len(names)}; an ensemble needs one "
            "vocabulary"
        )


def _check_catalog(runs: Sequence[Path], catalog: Catalog) -> None:
    """Raise RunError unless all runs were trained on this catalog, and on its split."""
    for run in runs:
        origin = read_origin(run)
        if origin.fingerprint != catalog.fingerprint:
            raise RunError(
                f"{run}: was trained on another catalog than {catalog.path}; train it on that one"
            )
        if origin.split != "catalog":
            raise RunError(
                f"{run}: was trained on a split of its own ({origin.split}), and may know films "
                'that the others are tested on; train it with split = "catalog"'
            )


def _recipe(ensemble: Ensemble, predictors: Sequence[Predictor]) -> str:
    """What was averaged, as TOML; it stands where a trained run has its recipe."""
    how = "learned on the validation part" if ensemble.learned else "all alike"
    return (
        f"# An average of the calibrated scores of these runs; weights: {how}.\n"
        f"ensemble = {json.dumps(list(ensemble.names), ensure_ascii=False)}\n"
        f"weights = {json.dumps([round(float(weight), 6) for weight in ensemble.weights])}\n"
        f"bundles = {json.dumps([one.bundle.fingerprint for one in predictors])}\n"
    )


def _all_weights(predictors: Sequence[Predictor]) -> bytes:
    """All members' tensors in one safetensors file, each named by its member's place: '0.stem'."""
    tensors: dict[str, Tensor] = {}
    for place, predictor in enumerate(predictors):
        loaded, _ = load_tensors(predictor.bundle.weights)
        tensors |= {f"{place}.{name}": tensor for name, tensor in loaded.items()}
    content: bytes = save(tensors)
    return content


def _origins(member: Predictor) -> dict[str, Any]:
    """Where a member's weights, which are the ensemble's too, came from, or its own members'."""
    told = member.bundle.provenance
    return {key: told[key] for key in ("backbone", "members") if key in told}


def _provenance(
    name: str,
    ensemble: Ensemble,
    predictors: Sequence[Predictor],
    recipe: str,
    decision: Decision,
    evaluation: Evaluation,
) -> Mapping[str, Any]:
    return {
        "name": name,
        "recipe": recipe,
        "members": [
            {
                "name": member,
                "bundle": one.bundle.fingerprint,
                "weight": float(weight),
                **_origins(one),
            }
            for member, one, weight in zip(
                ensemble.names, predictors, ensemble.weights, strict=True
            )
        ],
        "catalog": evaluation.metrics["catalog"],
        "films": evaluation.metrics["films"],
        "figures": evaluation.headline("test"),
        "notes": list(decision.notes),
        "thresholds": decision.criterion,
    }
