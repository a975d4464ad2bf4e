"""What each kind of evidence says of a film's genres, by models that have not seen the film.

The groups of a catalog are dealt into folds. What judges the films of one fold is fitted on the
films of the others: heads on the network's features, n-grams of titles, how much each of these
counts, and the calibration.

Tried without gain (docs/doubts.md): which genres go together, the genres of the nearest posters,
and asking poster and title to contradict a genre each by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keyart.calibration import LARGEST_LOGIT, sigmoid
from keyart.evaluation.bootstrap import folds_of, group_numbers
from keyart.evaluation.calibrators import fit_calibration
from keyart.evaluation.fusing import fit_stack
from keyart.evaluation.metrics import Flags
from keyart.evaluation.ranking import Floats
from keyart.title_model import is_year
from keyart.training.near import fit_plain
from keyart.training.titles import TitledFilms, fit_titles

FOLDS = 5
# For each film that a head learns from. On 20,000 films of real posters 0.015 and 0.05 find as many
# planted genres, 0.15 finds fewer (docs/doubts.md).
_HEAD_PENALTY = 0.04
_SMALLEST = 1e-9  # a probability that -log makes 21

Fold = npt.NDArray[np.int64]
Step = Callable[[], None]


@dataclass(frozen=True)
class Chances:
    """How likely each genre of each film is, judged by what has not seen the film.

    together: (films, genres), by all evidence. alone: the same, by each kind of evidence by itself.
    """

    together: Floats
    alone: dict[str, Floats]


def chances(
    features: npt.ArrayLike,
    titles: Sequence[str],
    years: Sequence[int | None],
    truth: Flags,
    groups: npt.ArrayLike,
    *,
    step: Step = lambda: None,
) -> Chances:
    """How likely each genre of each film is.

    features: of the posters (films, channels). truth: the listed genres (films, genres). groups:
    (films,), which stay in one fold. step: called STEPS times, as the work goes on.
    """
    fold = folds_of(groups)
    parts = {
        "poster": poster_logits(features, truth, fold, step),
        **title_logits(titles, years, truth, fold, step),
    }
    return combined(parts, truth, groups, fold, step)


STEPS = 3 * FOLDS


def poster_logits(
    features: npt.ArrayLike, truth: Flags, fold: Fold, step: Step = lambda: None
) -> Floats:
    """What heads on the features (films, channels) say: (films, genres)."""
    inputs = np.asarray(features, np.float64)
    spread = inputs.std(0)
    spread[spread < 1e-6] = 1.0  # a constant feature
    inputs = (inputs - inputs.mean(0)) / spread
    found = np.empty(truth.shape)
    for number in range(FOLDS):
        held = fold == number
        fitted = fit_plain(inputs[~held], truth[~held], _HEAD_PENALTY * float((~held).sum()))
        found[held] = inputs[held] @ fitted.slopes + fitted.intercepts
        step()
    return found


def title_logits(
    titles: Sequence[str],
    years: Sequence[int | None],
    truth: Flags,
    fold: Fold,
    step: Step = lambda: None,
) -> dict[str, Floats]:
    """What titles and years say: (films, genres) each, 0 for films without them."""
    by_title, by_year = np.zeros(truth.shape), np.zeros(truth.shape)
    all_genres = np.ones(truth.shape[1], bool)
    for number in range(FOLDS):
        seen, held = (np.flatnonzero(one).tolist() for one in (fold != number, fold == number))
        films = TitledFilms(
            [titles[row] for row in seen], [years[row] for row in seen], truth[seen], all_genres
        )
        model = fit_titles([films])
        if model is not None:
            said = model.logits_of_titles([titles[row] or None for row in held])
            for row, logits in zip(held, said, strict=True):
                year = years[row]
                if logits is not None:
                    by_title[row] = logits
                if year is not None and is_year(year):
                    by_year[row] = model.year_logits(year)
        step()
    return {"title": by_title, "year": by_year}


def combined(
    parts: dict[str, Floats],
    truth: Flags,
    groups: npt.ArrayLike,
    fold: Fold,
    step: Step = lambda: None,
) -> Chances:
    """Weigh the parts (films, genres) against each other and calibrate the sum."""
    group = group_numbers(groups)
    together = np.empty(truth.shape)
    alone = {name: np.empty(truth.shape) for name in parts}
    for number in range(FOLDS):
        held = fold == number
        for name, logits in parts.items():
            alone[name][held] = sigmoid(_stacked([logits], truth, held)[1])
        known, judged = _stacked(list(parts.values()), truth, held)
        calibration = fit_calibration(known, truth[~held], group[~held]).calibration
        together[held] = calibration.apply(judged)
        step()
    return Chances(np.clip(together, _SMALLEST, 1 - _SMALLEST), alone)


def _stacked(parts: list[Floats], truth: Flags, held: Flags) -> tuple[Floats, Floats]:
    """The weighted sum of logits, fitted on the other films: of these, and of the held ones."""
    weights, intercept = fit_stack([part[~held] for part in parts], truth[~held])
    both = [np.stack([part[films] for part in parts], -1) @ weights for films in (~held, held)]
    known, judged = (np.clip(one + intercept, -LARGEST_LOGIT, LARGEST_LOGIT) for one in both)
    return known, judged
