"""How posters, titles and years are fused: fitted on validation films, which no part has seen.

The title model and the network learn from training films, on which both score better than on
others; a fusion fitted there would trust the one that learned them by heart. On validation films a
weight for each kind of evidence and an intercept for each genre are all there is to fit. Measured
on 2,449 validation films, left out in turn: mAP 0.4025 with one weight for all genres, and 0.4026
at best with weights of their own for each genre, so there is one.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from keyart.calibration import sigmoid
from keyart.decisions import Decisions, Films
from keyart.evaluation.decide import Decision, decide, decide_again
from keyart.evaluation.metrics import Flags
from keyart.evaluation.promise import SILENT
from keyart.evaluation.ranking import Floats
from keyart.evaluation.thresholds import Criterion
from keyart.evidence import FUSED, Evidence, Fusion, Kind
from keyart.genres import Vocabulary
from keyart.title_model import TitleModel

FEWEST_FILMS = 40  # with less, evidence is not used, unless it is known how to
# Penalties: they decide only where films say next to nothing, of a genre that none or all have.
# Weights that are known count as much as those of some hundred films.
_SHRINK, _USUAL = 1.0, {"poster": 1.0, "title": 0.7, "year": 0.7}
_SHRINK_TO_KNOWN = 200.0
_STEADY, _STEADY_TO_KNOWN = 0.1, 3.0

Found = Mapping[Kind, Floats]
"""The logits (films, genres) of each kind of evidence; NaN in the rows of films without it."""


def fit_films(
    titles: TitleModel,
    found: Found,
    truth: Flags,
    groups: npt.NDArray[np.object_],
    vocabulary: Vocabulary,
    criterion: Criterion | float,
    known: Mapping[Evidence, Fusion] | None = None,
) -> Films:
    """Fusion, calibration and thresholds for each evidence that enough validation films have.

    found: the logits of validation films. truth: (films, genres). groups: (films,), near-duplicate
    posters under one name. known: how a model that this one started from adds up evidence; the
    fusions stay near that.
    """
    known = known or {}
    fusions: dict[Evidence, Fusion] = {}
    decisions: dict[Evidence, Decisions] = {}
    for evidence in FUSED:
        having = rows_with(found, evidence)
        if len(having) < (1 if evidence in known else FEWEST_FILMS):
            continue
        chosen = {kind: found[kind][having] for kind in evidence}
        fusions[evidence] = fusion = fit_fusion(chosen, truth[having], known.get(evidence))
        decisions[evidence] = decide(
            fusion.logits(chosen).astype(np.float32),
            truth[having],
            groups[having],
            vocabulary,
            criterion,
            calibrated=evidence in known,
        ).decisions
    return Films(titles, fusions, decisions)


def decide_films_again(
    films: Films,
    found: Found,
    truth: Flags,
    groups: npt.NDArray[np.object_],
    vocabulary: Vocabulary,
    decision: Decision,
) -> Films:
    """The same fusions and calibrations with other thresholds, as those of posters alone.

    decision: that of posters alone; the rest as for `fit_films`. Evidence that no film has keeps
    its thresholds, and with a precision that it has none for, it predicts nothing.
    """
    decisions = {}
    for evidence, fusion in films.fusions.items():
        having = rows_with(found, evidence)
        own = films.decisions[evidence]
        if not len(having):
            silent = np.full(truth.shape[1], SILENT)
            wanted = decision.precision_thresholds
            kept = {at: own.precision_thresholds.get(at, silent) for at in wanted}
            decisions[evidence] = replace(
                own, precision_thresholds=kept, precision=decision.precision
            )
            continue
        logits = fusion.logits({kind: found[kind][having] for kind in evidence})
        before = replace(decision, calibration=own.calibration)
        decisions[evidence] = decide_again(
            before,
            own.calibration.apply(logits),
            truth[having],
            groups[having],
            vocabulary,
            decision.criterion,
        ).decisions
    return replace(films, decisions=decisions)


def rows_with(found: Found, evidence: Evidence) -> npt.NDArray[np.int64]:
    """The films that have all of this evidence."""
    return np.flatnonzero(~np.any([np.isnan(found[kind][:, 0]) for kind in evidence], axis=0))


def fit_stack(logits: list[Floats], truth: Flags) -> tuple[Floats, Floats]:
    """How much each of several logits (films, genres) counts, and an intercept for each genre.

    Returns the weights (parts,), none below 0, and the intercepts (genres,), of least log loss.
    """
    kept = list(range(len(logits)))
    while True:
        found, intercept = _fit([logits[part] for part in kept], np.ones(len(kept)), truth)
        if not len(found) or found.min() >= 0:
            break
        del kept[int(found.argmin())]  # as in fit_fusion
    weights = np.zeros(len(logits))
    weights[kept] = found
    return weights, intercept


def fit_fusion(found: Found, truth: Flags, known: Fusion | None = None) -> Fusion:
    """The weights of least log loss, none below 0, and an intercept for each genre.

    found: without NaN. truth: (films, genres). known: the fusion to stay near, if there is one.
    """
    kinds = list(found)
    while True:
        usual = np.array([(known.weights if known else _USUAL)[kind] for kind in kinds])
        weights, intercept = _fit([found[kind] for kind in kinds], usual, truth, known)
        if not len(weights) or weights.min() >= 0:
            break
        del kinds[int(weights.argmin())]  # it would speak against itself: chance, of few films
    fitted = dict(zip(kinds, weights.tolist(), strict=True))
    return Fusion({kind: fitted.get(kind, 0.0) for kind in found}, intercept)


def fit_parts(logits: list[Floats], truth: Flags) -> Floats:
    """How much each of several logits (films, genres) of one kind of evidence counts: (parts,)."""
    weights, _ = _fit(logits, np.full(len(logits), _USUAL["title"]), truth)
    return np.maximum(weights, 0)


def _fit(
    logits: list[Floats], usual: Floats, truth: Flags, known: Fusion | None = None
) -> tuple[Floats, Floats]:
    """Newton's method on the penalised log loss, with steps that are halved until it falls."""
    genres = truth.shape[1]
    inputs = np.stack(logits, axis=-1) if logits else np.empty((*truth.shape, 0))
    shrink = _SHRINK_TO_KNOWN if known else _SHRINK
    steady = _STEADY_TO_KNOWN if known else _STEADY
    rate = (truth.sum(0) + 1) / (len(truth) + 2)
    start = known.intercept if known else np.log(rate / (1 - rate))
    signs = np.where(truth, 1.0, -1.0)

    def loss(weights: Floats, intercept: Floats) -> float:
        linear = inputs @ weights + intercept
        penalty = (
            shrink * ((weights - usual) ** 2).sum() + steady * ((intercept - start) ** 2).sum()
        )
        return float(np.logaddexp(0, -signs * linear).sum() + penalty / 2)

    weights, intercept = usual.copy(), start.copy()
    least = loss(weights, intercept)
    for _ in range(100):
        chance = sigmoid(inputs @ weights + intercept)
        gap, bend = chance - truth, chance * (1 - chance)
        slope = np.einsum("fgk,fg->k", inputs, gap) + shrink * (weights - usual)
        slopes = gap.sum(0) + steady * (intercept - start)
        across = np.einsum("fgk,fg->kg", inputs, bend)
        own = bend.sum(0) + steady
        curve = np.einsum("fgk,fg,fgl->kl", inputs, bend, inputs) + shrink * np.eye(len(usual))
        # The intercepts are eliminated: each one meets the weights alone, not the others.
        step = np.linalg.solve(curve - (across / own) @ across.T, slope - (across / own) @ slopes)
        steps = (slopes - across.T @ step) / own
        scale = 1.0
        while (tried := loss(weights - scale * step, intercept - scale * steps)) > least:
            scale /= 2
            if scale < 1e-9:
                return weights, intercept
        weights, intercept = weights - scale * step, intercept - scale * steps
        gained, least = least - tried, tried
        if gained < 1e-9 * genres:
            break
    return weights, intercept
