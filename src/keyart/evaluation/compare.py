"""Two models on the same films: how their metrics differ, and whether that could be chance."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.catalog.catalog import Catalog
from keyart.errors import RunError
from keyart.evaluation.bootstrap import group_numbers
from keyart.evaluation.evaluate import evaluate_model
from keyart.evaluation.scoring import Differences, compare_scores
from keyart.files import StrPath, no_folder
from keyart.model_metrics import Difference
from keyart.places import find_model
from keyart.predictor import Predictor
from keyart.run import Run, ScoredFilms


@dataclass(frozen=True)
class Compared:
    """A model of a comparison.

    left_out: how many of its films the other model does not have. split_method: how its films were
    split; if it is not "catalog", the model may have learned from near-duplicates of these films.
    """

    name: str
    left_out: int
    split_method: str


@dataclass(frozen=True)
class Comparison:
    """How the metrics of `model` differ from those of `other` on the films that both have."""

    model: Compared
    other: Compared
    split: str
    differences: Differences

    def __getitem__(self, metric: str) -> Difference | None:
        """The difference in the metric of this name."""
        return self.differences[metric]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "model": asdict(self.model),
            "other": asdict(self.other),
            "split": self.split,
            **self.differences.to_json(),
        }


def compare(
    model: Run | Predictor | StrPath,
    other: Run | Predictor | StrPath,
    *,
    catalog: Catalog | StrPath | None = None,
    split: str = "test",
    resamples: int = 1000,
) -> Comparison:
    """Compare two models on the films of a split that both have.

    Each metric has both values and the difference model - other, with the 95% confidence interval
    of a paired bootstrap.

    model, other: as for `evaluate`. catalog: score both models on it. None compares two runs by the
    predictions they hold; films that only one of them has are left out and counted, so that a run
    can be compared with one from before its catalog grew. resamples: of the bootstrap. Raises
    RunError if the runs have no such films, other genres, or other true genres.
    """
    opened = catalog if isinstance(catalog, Catalog | None) else Catalog.open(catalog)
    first, second = (_scored(one, split, opened) for one in (model, other))
    names = f"{first.name} and {second.name}"
    _check_genres(first, second, names)
    rows, other_rows = _common(first, second, names, split)
    ours, theirs = first.films.take(rows), second.films.take(other_rows)
    _check_truth(ours, theirs, names)
    groups = joined_groups(ours.groups, theirs.groups)
    return Comparison(
        Compared(first.name, len(first.films) - len(ours), first.split_method),
        Compared(second.name, len(second.films) - len(theirs), second.split_method),
        split,
        compare_scores(ours, theirs, groups, resamples=resamples),
    )


def joined_groups(first: Sequence[str], second: Sequence[str]) -> npt.NDArray[np.int64]:
    """A number for each film: films that share a group in either list share one. (films,)."""
    numbers = group_numbers(first)
    while True:
        spread = numbers
        for groups in (group_numbers(first), group_numbers(second)):
            lowest = np.full(len(numbers), len(numbers))
            np.minimum.at(lowest, groups, spread)
            spread = lowest[groups]
        if np.array_equal(spread, numbers):
            return numbers
        numbers = spread


@dataclass(frozen=True)
class _Scored:
    """The films of a split as a model scored them. split_method: see Compared."""

    name: str
    films: ScoredFilms
    split_method: str


def _scored(model: Run | Predictor | StrPath, split: str, catalog: Catalog | None) -> _Scored:
    if isinstance(model, Predictor):
        name, path, predictor = str(model.bundle.path), model.bundle.path, model
    else:
        place = find_model(model)
        name, path, predictor = place.name, place.path, None
    if catalog is not None:
        predictor = predictor or Predictor.load(name)
        return _Scored(name, evaluate_model(predictor, catalog, [split])[3][split], "catalog")
    run = Run(path)
    if predictor is None and (problem := no_folder(run.path)):
        raise RunError(f"{problem}; give a run or a bundle")
    if predictor is not None or not run.exists():
        raise RunError(f"{name}: not a run; give a catalog to score it on with --catalog")
    method = run.origin.split if run.has_origin else "catalog"
    return _Scored(name, run.predictions(split), method)


def _check_genres(first: _Scored, second: _Scored, names: str) -> None:
    ours, theirs = (one.films.vocabulary.names for one in (first, second))
    if ours != theirs:
        unlike = set(ours) ^ set(theirs)
        what = f"only one has {', '.join(sorted(unlike))}" if unlike else "in another order"
        raise RunError(f"{names} know other genres ({what}), so they cannot be compared")


def _common(first: _Scored, second: _Scored, names: str, split: str) -> tuple[list[int], list[int]]:
    """The rows, in either, of the films that both have."""
    places = {film: row for row, film in enumerate(second.films.film_ids)}
    shared = [
        (row, places[film]) for row, film in enumerate(first.films.film_ids) if film in places
    ]
    if not shared:
        raise RunError(
            f"{names}: no film is in the {split} split of both, because they were trained on "
            "different catalogs; score both on one with --catalog"
        )
    return [ours for ours, _ in shared], [theirs for _, theirs in shared]


def _check_truth(ours: ScoredFilms, theirs: ScoredFilms, names: str) -> None:
    unlike = np.flatnonzero((ours.truth != theirs.truth).any(axis=1))
    if len(unlike):
        row = unlike[0]
        one, two = (
            "|".join(films.vocabulary.decode(films.truth[row])) or "nothing"
            for films in (ours, theirs)
        )
        raise RunError(
            f"{names}: {len(unlike):,} of {len(ours):,} films do not have the same genres in both "
            f"catalogs, as {ours.film_ids[row]} ({one}; {two}); score both on one catalog with "
            "--catalog"
        )
