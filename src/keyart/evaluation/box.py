"""The model that comes with keyart, on the films that another model is scored on.

It is the second baseline: who trains wants to know whether it was worth it. Films that the box was
trained on are left out, because it scores too well on them. The package has no list of them, only
32-bit hashes of their ids, of their titles with years, and of their posters.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from keyart.bundle import Bundle, boxed_bundle
from keyart.catalog.catalog import Catalog
from keyart.errors import BundleError
from keyart.evaluation.scoring import compare_scores, score_split
from keyart.genres import Vocabulary
from keyart.model_metrics import BoxMetrics
from keyart.network import BATCH, Logits
from keyart.parallel import batches, ordered
from keyart.predictor import Predictor
from keyart.run import ScoredFilms
from keyart.titles import Hashes, hash_of, title_parts

FILMS = "box-films.bin"
"""The hashes, rising, little-endian, in this package."""

_FEWEST_FILMS = 10  # if fewer are left, they are too few to stand for the others


@cache
def box() -> Predictor | None:
    """The model that comes with keyart; None if this keyart has none."""
    try:
        return Predictor.load(boxed_bundle())
    except BundleError:
        return None


def is_box(bundle: Bundle) -> bool:
    """Whether a bundle is the model that comes with keyart, or a copy of it."""
    known = box()
    return known is not None and known.bundle.fingerprint == bundle.fingerprint


def box_metrics(
    catalog: Catalog, rows: npt.NDArray[np.int64], films: ScoredFilms
) -> BoxMetrics | None:
    """The metrics of the box on films that a model has scored, in the genres that both know.

    rows: of the films in the catalog. None if the box has none of the genres, or was trained on
    nearly all of the films.
    """
    known = box()
    if known is None:
        return None
    columns = shared_columns(films.vocabulary, known.bundle.vocabulary)
    if not columns:
        return None
    unlike = len(films.vocabulary) - len(columns)
    new = ~trained_on(catalog, rows)
    if new.sum() < min(_FEWEST_FILMS, len(new)):
        return BoxMetrics(0, int((~new).sum()), unlike, (), None, {})
    ours, theirs = (np.array(side) for side in zip(*columns.items(), strict=True))
    vocabulary = Vocabulary(tuple(films.vocabulary.names[column] for column in ours))
    kept = np.flatnonzero(new)
    model = films.take(kept.tolist())
    logits = _logits(known, catalog, rows[kept])
    scores = known.bundle.calibration.apply(logits)[:, theirs]
    thresholds = known.bundle.thresholds[theirs]
    truth = model.truth[:, ours]

    def scored(predicted: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> ScoredFilms:
        return ScoredFilms(
            vocabulary, model.film_ids, model.titles, model.groups, truth, predicted, scores
        )

    return BoxMetrics(
        len(kept),
        int((~new).sum()),
        unlike,
        vocabulary.names,
        score_split(scores, truth, thresholds, model.groups, vocabulary, {}).model,
        compare_scores(
            scored(model.predicted[:, ours], model.scores[:, ours]),
            scored(scores >= thresholds, scores),
        ).metrics,
    )


def shared_columns(ours: Vocabulary, theirs: Vocabulary) -> dict[int, int]:
    """The columns of genres that two vocabularies share, by name or an alias of one genre."""
    found: dict[int, int] = {}
    for column, name in enumerate(ours.names):
        alike = [one for one in theirs.names if ours.resolve(one) == (name,)]
        alike = list(theirs.resolve(name)) or alike
        if len(alike) == 1 and theirs.names.index(alike[0]) not in found.values():
            found[column] = theirs.names.index(alike[0])
    return found


def trained_on(catalog: Catalog, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether the box was trained on films of a catalog, by id, title and year, or poster."""
    keys = list(film_keys(catalog, rows))
    starts = np.cumsum([0, *(len(one) for one in keys[:-1])])
    seen: npt.NDArray[np.bool_] = np.logical_or.reduceat(
        np.isin(np.concatenate(keys), _trained_films()), starts
    )
    return seen


def film_keys(catalog: Catalog, rows: npt.NDArray[np.int64]) -> Iterator[Hashes]:
    """The hashes by which films are known: of the id, the title with the year, and the poster."""
    table = catalog.to_table().select(["film_id", "title", "year"]).take(rows)
    posters = catalog.hashes()[0][rows].tolist()
    for film, poster in zip(table.to_pylist(), posters, strict=True):
        texts = [f"id {film['film_id']}", f"poster {poster:016x}"]
        parts = title_parts(film["title"])
        if parts and film["year"]:
            texts.append(f"title {parts[0]} {film['year']}")
        yield np.array([hash_of(text) for text in texts], np.uint32)


@cache
def _trained_films() -> Hashes:
    content = (resources.files("keyart.evaluation") / FILMS).read_bytes()
    return np.frombuffer(content, "<u4").astype(np.uint32)


def _logits(known: Predictor, catalog: Catalog, rows: npt.NDArray[np.int64]) -> Logits:
    """The box's logits (rows, genres).

    It may take posters of a size that no other model takes, so they are prepared for these films
    alone, and not kept.
    """
    wanted = set(rows.tolist())
    posters = (one for row, one in enumerate(catalog.posters()) if row in wanted)

    def work(batch: Sequence[bytes]) -> Logits:
        return known.poster_logits([known.prepare(one) for one in batch])

    order = np.argsort(rows)
    found = np.concatenate(list(ordered(work, batches(posters, BATCH))))
    logits = np.empty_like(found)
    logits[order] = found
    return logits
