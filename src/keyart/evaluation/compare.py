"""Two models over the same films: how their figures differ, and whether that could be chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.catalog.catalog import Catalog
from keyart.errors import RunError
from keyart.evaluation.bootstrap import group_numbers
from keyart.evaluation.evaluate import read_metrics
from keyart.evaluation.metrics import Flags
from keyart.evaluation.ranking import Floats
from keyart.evaluation.rescore import score
from keyart.evaluation.scoring import FIGURES, GENRE_FIGURES, all_figures, compare_scores
from keyart.genres import Vocabulary
from keyart.predictor import Predictor
from keyart.report.findings import Predictions, predictions_of, read_predictions
from keyart.run import has_origin, read_origin


@dataclass(frozen=True)
class _Scored:
    """A part's films as a model scored them. thresholds: (genres,). split: how the films were."""

    path: Path
    films: Predictions
    thresholds: Floats
    vocabulary: Vocabulary
    split: str

    @property
    def places(self) -> dict[str, int]:
        """The row of each film."""
        return {film: row for row, film in enumerate(self.films.film_ids)}


def compare_models(
    model: Path, other: Path, part: str, catalog: Path | None = None, *, resamples: int = 1000
) -> dict[str, Any]:
    """How `model` differs from `other` on the films that a part has of both, as plain JSON.

    Each figure has both values and their difference, model - other, with the 95% interval of a
    paired bootstrap and "real": whether that interval leaves out 0.

    Without a catalog both are runs, compared by the predictions they hold: films that one run
    alone has in that part are left out and counted, so that a run can be compared with one from
    before its catalog grew. "splits" tells whose parts were not the catalog's own, so that it may
    have learned from near-duplicates of these films. With a catalog, both are scored on it.
    Raises RunError where the runs have no such films, other genres, or other truths.
    """
    opened = Catalog.open(catalog) if catalog else None
    first, second = (_scored(path, part, opened) for path in (model, other))
    if first.vocabulary.names != second.vocabulary.names:
        unlike = set(first.vocabulary.names) ^ set(second.vocabulary.names)
        what = f"not both have {', '.join(sorted(unlike))}" if unlike else "in another order"
        raise RunError(f"{model} and {other} know other genres ({what}): nothing to compare")
    ours, theirs = _common(first, second, part)
    truth = first.films.truth[ours]
    _same_truth(first, second, ours, theirs)
    scores, other_scores = first.films.scores[ours], second.films.scores[theirs]
    found = compare_scores(
        other_scores,
        second.thresholds,
        scores,
        first.thresholds,
        truth,
        joined_groups(_groups(first, ours), _groups(second, theirs)),
        first.vocabulary,
        resamples=resamples,
    )
    return {
        "run": str(model),
        "against": str(other),
        "part": part,
        "splits": {"run": first.split, "against": second.split},
        "left_out": {
            "run": len(first.films.film_ids) - len(ours),
            "against": len(second.films.film_ids) - len(theirs),
        },
        **_with_values(
            found,
            _figures(scores, first.thresholds, truth),
            _figures(other_scores, second.thresholds, truth),
        ),
    }


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


def _scored(path: Path, part: str, catalog: Catalog | None) -> _Scored:
    if catalog is not None:
        predictor = Predictor.load(path)
        vocabulary = predictor.bundle.vocabulary
        decision, evaluation = score(predictor, catalog, [part])
        films = predictions_of(evaluation.predictions[part], vocabulary)
        return _Scored(path, films, decision.thresholds, vocabulary, "catalog")
    file = path / f"predictions-{part}.parquet"
    if not file.is_file():
        if has_origin(path) or (path / "metrics.json").is_file():
            raise RunError(f"{path}: has no {file.name}; keyart evaluate {path} --split {part}")
        raise RunError(f"{path}: not a run; name a catalog to score it on with --catalog")
    metrics = read_metrics(path)
    try:
        vocabulary = Vocabulary(tuple(metrics["vocabulary"]))
        genres = metrics["splits"][part]["model"]["genres"]
        thresholds = np.array([genres[name]["threshold"] for name in vocabulary.names], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path / 'metrics.json'}: damaged; keyart evaluate {path}") from error
    split = read_origin(path).split if has_origin(path) else "catalog"
    return _Scored(path, read_predictions(file, vocabulary), thresholds, vocabulary, split)


def _common(first: _Scored, second: _Scored, part: str) -> tuple[list[int], list[int]]:
    """The rows, in either, of the films that both have."""
    theirs = second.places
    shared = [(row, theirs[film]) for film, row in first.places.items() if film in theirs]
    if not shared:
        raise RunError(
            f"{first.path} and {second.path}: no film is in the {part} part of both, so they were "
            "trained on unlike catalogs; score both on one with --catalog"
        )
    return [ours for ours, _ in shared], [other for _, other in shared]


def _same_truth(first: _Scored, second: _Scored, ours: list[int], theirs: list[int]) -> None:
    truth, other = first.films.truth[ours], second.films.truth[theirs]
    unlike = np.flatnonzero((truth != other).any(axis=1))
    if len(unlike):
        example = unlike[0]
        film = first.films.film_ids[ours[example]]
        one, two = (
            "|".join(first.vocabulary.decode(table[example])) or "nothing"
            for table in (truth, other)
        )
        raise RunError(
            f"{first.path} and {second.path}: {len(unlike):,} of {len(truth):,} films do not "
            f"have the same genres in both catalogs, as {film} ({one}; {two}); score both on one "
            "catalog with --catalog"
        )


def _groups(scored: _Scored, rows: list[int]) -> list[str]:
    return [scored.films.groups[row] for row in rows]


def _figures(scores: Floats, thresholds: Floats, truth: Flags) -> dict[str, Floats]:
    once = np.ones((1, len(truth)))
    return {n: f[0] for n, f in all_figures(scores, scores >= thresholds, truth)(once).items()}


def _with_values(
    found: dict[str, Any], ours: Mapping[str, Floats], theirs: Mapping[str, Floats]
) -> dict[str, Any]:
    """The differences of `compare_scores`, each beside the two values it is of."""

    def beside(difference: Any, name: str, column: int | None = None) -> Any:
        run, against = (
            float(v[name] if column is None else v[name][column]) for v in (ours, theirs)
        )
        return difference and {"run": run, "against": against, **difference}

    figures = {name: beside(found["figures"][name], name) for name in FIGURES}
    genres = {
        genre: {name: beside(row[name], name, column) for name in GENRE_FIGURES}
        for column, (genre, row) in enumerate(found["genres"].items())
    }
    return {**found, "figures": figures, "genres": genres}
