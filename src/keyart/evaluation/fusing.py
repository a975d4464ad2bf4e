"""How posters, titles and years are fused: fitted on validation films, which no part has seen.

The title model and the network learn from training films, on which both score better than on
others; a fusion fitted there would trust the one that learned them by heart. On validation films a
weight for each kind of evidence and an intercept for each genre are all there is to fit. Measured
on 2,449 validation films, left out in turn: mAP 0.4025 with one weight for all genres, and 0.4026
at best with weights of their own for each genre, so there is one. Which genres go together makes
more of a difference: see genre_sets.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keyart.calibration import sigmoid
from keyart.decisions import DEFAULT_PRECISION, Decisions, Films
from keyart.evaluation.bootstrap import folds_of
from keyart.evaluation.decide import PRECISIONS, Decision, decide, decide_again
from keyart.evaluation.metrics import Flags
from keyart.evaluation.promise import SILENT
from keyart.evaluation.ranking import Floats
from keyart.evaluation.thresholds import Criterion
from keyart.evidence import FUSED, Evidence, Fusion, Kind
from keyart.genre_sets import GenreSets
from keyart.genres import Vocabulary
from keyart.title_model import TitleModel

FEWEST_FILMS = 40  # with less, evidence is not used, unless it is known how to
# Penalties: they decide only where films say next to nothing, of a genre that none or all have.
# Weights that are known count as much as those of some hundred films. With a penalty of 3, 30 and
# 100 on known intercepts, 100 films of other decades get a Brier score of 0.0688, 0.0680 and 0.0680
# (the box 0.0674), and 300 of another balance of genres 0.0691, 0.0688 and 0.0689 (the box 0.0718).
_SHRINK, _USUAL = 1.0, {"poster": 1.0, "title": 0.7, "year": 0.7}
_USUAL_SETS = 0.4
_SHRINK_TO_KNOWN = 200.0
_STEADY, _STEADY_TO_KNOWN = 0.1, 30.0

Found = Mapping[Kind, Floats]
"""The logits (films, genres) of each kind of evidence; NaN in the rows of films without it."""


class Known(NamedTuple):
    """How the model that another one started from answers with some evidence.

    Intercepts and thresholds are NaN for genres that it does not know.
    """

    fusion: Fusion
    decision: Decision


def fit_films(
    titles: TitleModel,
    found: Found,
    truth: Flags,
    groups: npt.NDArray[np.object_],
    vocabulary: Vocabulary,
    criterion: Criterion | float,
    known: Mapping[Evidence, Known] | None = None,
    sets: GenreSets | None = None,
) -> Films:
    """Fusion, calibration and thresholds for each evidence that enough validation films have.

    found: the logits of validation films. truth: (films, genres). groups: (films,), near-duplicate
    posters under one name. known: how a model that this one started from answers with evidence; the
    answers stay near that. sets: of training films.
    """
    known = known or {}
    sets = _shared_sets(sets, [one.fusion for one in known.values()])
    fusions: dict[Evidence, Fusion] = {}
    decisions: dict[Evidence, Decisions] = {}
    for evidence in FUSED:
        having = rows_with(found, evidence)
        if len(having) < (1 if evidence in known else FEWEST_FILMS):
            continue
        chosen = {kind: found[kind][having] for kind in evidence}
        before = known.get(evidence)
        if before is None:
            fusion = fit_fusion(chosen, truth[having], None, sets)
        else:
            before = _completed(before, chosen, truth[having], sets)
            fusion = _fit_near(before, chosen, truth[having], groups[having], sets)
        fusions[evidence] = fusion
        decisions[evidence] = decide(
            fusion.logits(chosen).astype(np.float32),
            truth[having],
            groups[having],
            vocabulary,
            criterion,
            known=before.decision if before else None,
        ).decisions
    return Films(titles, fusions, decisions)


def decide_films_again(
    films: Films,
    found: Found,
    truth: Flags,
    groups: npt.NDArray[np.object_],
    vocabulary: Vocabulary,
    decision: Decision,
    criterion: Criterion | float,
    *,
    leaning: bool,
) -> Films:
    """The same fusions and calibrations with other thresholds.

    decision: what posters alone had so far. criterion, leaning: as for `decide_again`; the rest is
    as for `fit_films`. Evidence that no film has keeps its thresholds, and with a precision that it
    has none for, it predicts nothing.
    """
    precision = decision.precision or DEFAULT_PRECISION
    if not isinstance(criterion, str):
        precision = criterion
    decisions = {}
    for evidence, fusion in films.fusions.items():
        having = rows_with(found, evidence)
        own = films.decisions[evidence]
        if not len(having):
            silent = np.full(truth.shape[1], SILENT)
            wanted = sorted({*PRECISIONS, precision})
            kept = {at: own.precision_thresholds.get(at, silent) for at in wanted}
            decisions[evidence] = replace(own, precision_thresholds=kept, precision=precision)
            continue
        logits = fusion.logits({kind: found[kind][having] for kind in evidence})
        before = replace(
            decision,
            calibration=own.calibration,
            thresholds=own.thresholds,
            precision_thresholds=own.precision_thresholds,
        )
        decisions[evidence] = decide_again(
            before,
            own.calibration.apply(logits),
            truth[having],
            groups[having],
            vocabulary,
            criterion,
            leaning=leaning,
        ).decisions
    return replace(films, decisions=decisions)


def rows_with(found: Found, evidence: Evidence) -> npt.NDArray[np.int64]:
    """The films that have all of this evidence."""
    return np.flatnonzero(~np.any([np.isnan(found[kind][:, 0]) for kind in evidence], axis=0))


def fit_stack(logits: list[Floats], truth: Flags) -> tuple[Floats, Floats]:
    """How much each of several logits (films, genres) counts, and an intercept for each genre.

    Returns the weights (parts,), none below 0, and the intercepts (genres,), of least log loss.
    """
    fit = _fit(logits, np.ones(len(logits)), truth)
    return fit.weights, fit.intercept


def fit_parts(logits: list[Floats], truth: Flags) -> Floats:
    """How much each of several logits (films, genres) of one kind of evidence counts: (parts,)."""
    return _fit(logits, np.full(len(logits), _USUAL["title"]), truth).weights


def fit_fusion(
    found: Found, truth: Flags, known: Fusion | None = None, sets: GenreSets | None = None
) -> Fusion:
    """The weights of least log loss, none below 0, and an intercept for each genre.

    found: without NaN. truth: (films, genres). known: the fusion to stay near, if there is one.
    sets: of training films. They are used if these films' log loss is clearly lower with them (by
    more than twice its standard error, on enough films), and not if it is clearly higher; else if
    `known` uses sets. Both losses are those of the films that are fitted; sets have one parameter
    more.
    """
    usual = np.array([(known.weights if known else _USUAL)[kind] for kind in found])
    logits = list(found.values())
    fit, used = _fit(logits, usual, truth, known), None
    if sets is not None:
        with_sets = _fit(logits, usual, truth, known, sets)
        gains = fit.losses - with_sets.losses
        wanted = known is not None and known.sets is not None
        if _is_clear(gains) or (wanted and not _is_clear(-gains)):
            fit, used = with_sets, sets
    return Fusion(
        dict(zip(found, fit.weights.tolist(), strict=True)),
        fit.intercept,
        used,
        0.0 if used is None else fit.sets_weight,
    )


def _completed(known: Known, found: Found, truth: Flags, sets: GenreSets | None) -> Known:
    """With intercepts of the genres that are not known, as the films say."""
    intercept = known.fusion.intercept
    unknown = np.isnan(intercept)
    if not unknown.any():
        return known
    fitted = fit_fusion(found, truth, known.fusion, sets).intercept
    whole = np.where(unknown, fitted, intercept)
    return known._replace(fusion=replace(known.fusion, intercept=whole))


def _fit_near(
    known: Known,
    found: Found,
    truth: Flags,
    groups: npt.NDArray[np.object_],
    sets: GenreSets | None,
) -> Fusion:
    """The known fusion, or one near it if that is better on films left out.

    Better is a mean log loss that is lower by more than its standard error. groups: (films,), which
    stay in one fold. The rest is as for `fit_fusion`.
    """
    fold = folds_of(groups)
    gains = np.zeros(len(truth))

    def loss(fusion: Fusion, rows: npt.NDArray[np.bool_]) -> Floats:
        logits = known.decision.calibration.logits(
            fusion.logits({k: v[rows] for k, v in found.items()})
        )
        losses: Floats = np.logaddexp(0, np.where(truth[rows], -logits, logits)).sum(1)
        return losses

    kept = known.fusion if known.fusion.sets is None else replace(known.fusion, sets=sets)
    for number in np.unique(fold):
        out = fold == number
        rest = {kind: logits[~out] for kind, logits in found.items()}
        if (~out).any():
            near = fit_fusion(rest, truth[~out], known.fusion, sets)
            gains[out] = loss(kept, out) - loss(near, out)
    error = gains.std() / np.sqrt(max(len(gains) - 1, 1))
    return fit_fusion(found, truth, known.fusion, sets) if gains.mean() > error else kept


def _is_clear(gains: Floats) -> bool:
    """Whether the mean is above 0 by more than chance explains. gains: (films,)."""
    if len(gains) < FEWEST_FILMS:
        return False
    return bool(gains.mean() > 2 * gains.std(ddof=1) / np.sqrt(len(gains)))


def _shared_sets(own: GenreSets | None, known: Sequence[Fusion]) -> GenreSets | None:
    """The sets of all fusions: those of the catalog, with those of a larger one that was learned.

    A catalog that is as large knows its sets itself, and may be the same catalog. In the larger
    one, a genre that it did not know is in as many films of each set as in all of this one.
    """
    before = next((one.sets for one in known if one.sets is not None), None)
    if before is None or own is None:
        return own if before is None else before
    if own.total >= before.total:
        return own
    unknown = np.flatnonzero(np.isnan(known[0].intercept)).tolist()
    return before.spread({genre: own.rate(genre) for genre in unknown}).merged(own)


@dataclass(frozen=True)
class _Fit:
    """Weights (parts,), intercepts (genres,), the weight of sets, and each film's log loss."""

    weights: Floats
    intercept: Floats
    sets_weight: float
    losses: Floats


def _fit(
    logits: list[Floats],
    usual: Floats,
    truth: Flags,
    known: Fusion | None = None,
    sets: GenreSets | None = None,
) -> _Fit:
    """The least penalised log loss, by L-BFGS-B with weights of at least 0.

    The last parameter is the weight of the sets, which has no effect without any.
    """
    from scipy.optimize import minimize

    parts, genres = len(logits), truth.shape[1]
    inputs = np.stack(logits, axis=-1) if logits else np.empty((*truth.shape, 0))
    rate = (truth.sum(0) + 1) / (len(truth) + 2)
    intercept, steady = np.log(rate / (1 - rate)), np.full(genres, _STEADY)
    if known is not None:
        unknown = np.isnan(known.intercept)
        intercept = np.where(unknown, intercept, known.intercept)
        steady = np.where(unknown, _STEADY, _STEADY_TO_KNOWN)
    sets_weight = known.sets_weight if known and known.sets else _USUAL_SETS
    start = np.concatenate([usual, intercept, [sets_weight]])
    shrink = _SHRINK_TO_KNOWN if known else _SHRINK
    penalty = np.full(len(start), shrink)
    penalty[parts : parts + genres] = steady

    def of_films(at: Floats) -> tuple[Floats, Floats, float]:
        total = inputs @ at[:parts] + at[parts:-1]
        if sets is not None:
            return sets.loss(total, float(at[-1]), truth)
        losses = np.logaddexp(0, np.where(truth, -total, total)).sum(1)
        return losses, sigmoid(total) - truth, 0.0

    def loss(at: Floats) -> tuple[float, Floats]:
        losses, slopes, by_sets = of_films(at)
        away = at - start
        slope = np.concatenate([np.einsum("fgk,fg->k", inputs, slopes), slopes.sum(0), [by_sets]])
        return float(losses.sum() + (penalty * away**2).sum() / 2), slope + penalty * away

    bounds = [(0.0, None)] * parts + [(None, None)] * genres + [(0.0, None)]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": 1_000, "ftol": 1e-10},
    ).x  # fmt: skip
    weights, intercept = found[:parts], found[parts:-1]
    return _Fit(weights, intercept, float(found[-1]), of_films(found)[0])
