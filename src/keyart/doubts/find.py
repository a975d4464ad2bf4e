"""find_doubts: the genres that the evidence contradicts in a catalog's films, and those it misses.

Ranked by -log p, where p is how likely the list is right about the genre. From a listed genre's
-log p that of any film is taken off: a rare genre is unlikely for every film, so that alone is no
reason to doubt it. Missing genres are found better without that (docs/doubts.md).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from keyart.catalog.catalog import Catalog
from keyart.catalog.row_store import RowStore
from keyart.doubts.out_of_fold import FOLDS, STEPS, Chances, chances
from keyart.errors import DoubtsError
from keyart.evaluation.bootstrap import group_numbers
from keyart.evaluation.box import is_box, trained_on
from keyart.evaluation.metrics import Flags
from keyart.evaluation.ranking import Floats
from keyart.files import StrPath
from keyart.network import BATCH
from keyart.parallel import Progress, batches, ordered
from keyart.predictor import Embeddings, Predictor
from keyart.review.decisions import DoubtKind
from keyart.review.doubts import Doubt, Doubts, SimilarFilm

MOST = 500
FEWEST_FILMS = 20  # a genre that fewer films have, or lack, is not judged
SIMILAR = 6
_FEWEST_GROUPS = 50


def find_doubts(
    catalog: Catalog | StrPath,
    model: Predictor | StrPath | None = None,
    *,
    most: int = MOST,
    kinds: Sequence[DoubtKind] = ("wrong", "missing"),
    progress: Progress | None = None,
) -> Doubts:
    """Find genres of a catalog's films that are probably wrong, and genres that are missing.

    model: a Predictor, a run or a bundle; None means the model that comes with keyart. Only its
    network's features of the posters are used: what judges a film is learned from the catalog's
    other films, in 5 folds, from features, titles and years. most: how many doubts of each kind.
    progress: called with (done, total) steps, of posters and of folds.

    Raises DoubtsError if the catalog is too small, BundleError for a model without features, such
    as an ensemble, and CatalogError.
    """
    opened = catalog if isinstance(catalog, Catalog) else Catalog.open(catalog)
    predictor = Predictor.of(model)
    predictor.require("features")
    truth, groups = opened.truth, opened.groups
    judged = np.flatnonzero(np.minimum(truth.sum(0), (~truth).sum(0)) >= FEWEST_FILMS)
    if len(set(groups)) < _FEWEST_GROUPS or len(judged) < 2:
        raise DoubtsError(
            f"{opened.path}: {len(opened):,} films with {len(judged)} genres of {FEWEST_FILMS} "
            f"films or more are too few to judge each other; it takes {_FEWEST_GROUPS} films and "
            "2 such genres"
        )
    films, done = len(opened), 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(films + done * films // STEPS, 2 * films)

    features = poster_features(
        opened, predictor, lambda some, _: progress(some, 2 * films) if progress else None
    )
    table = opened.to_table()
    found = chances(
        features,
        table["title"].to_pylist(),
        table["year"].to_pylist(),
        truth[:, judged],
        groups,
        step=step,
    )
    return _doubts(opened, predictor, features, found, judged, most, kinds)


def poster_features(
    catalog: Catalog, predictor: Predictor, progress: Progress | None = None
) -> Embeddings:
    """The model's features of a catalog's posters, (films, channels), kept in its folder."""
    network = predictor.scorer.network
    assert network is not None
    posters = [str(digest) for digest in catalog.to_table()["poster_sha256"].to_pylist()]
    name = f"means-{predictor.bundle.fingerprint[:24]}"
    store = RowStore(catalog.folder / "features", name)
    missing = store.missing(posters)
    if len(missing):
        pixels = catalog.pixels(predictor.image_specs[0])

        def work(rows: list[int]) -> Embeddings:
            (features,) = network.run(["features"], pixels[np.array(rows)])
            means: Embeddings = features.mean((2, 3), dtype=np.float32)
            return means

        computed = []
        for some in ordered(work, batches(missing.tolist(), BATCH)):
            computed.append(some)
            if progress:
                progress(min(BATCH * len(computed), len(missing)), len(missing))
        store.add([posters[row] for row in missing], np.concatenate(computed))
    return np.asarray(store.of(posters), np.float32)


def _doubts(
    catalog: Catalog,
    predictor: Predictor,
    features: Embeddings,
    found: Chances,
    judged: npt.NDArray[np.int64],
    most: int,
    kinds: Sequence[DoubtKind],
) -> Doubts:
    listed = catalog.truth[:, judged]
    right, doubt = doubtfulness(found.together, listed)
    cells = [
        (kind, divmod(int(cell), len(judged)))
        for kind in kinds
        for cell in _ranked(doubt, listed if kind == "wrong" else ~listed, most)
    ]
    cells.sort(key=lambda one: -doubt[one[1]])
    rows = np.array([row for _, (row, _) in cells], np.int64)
    films = catalog.to_table().select(["film_id", "title", "year", "genres", "poster_sha256"])
    columns = films.to_pydict()
    names = [catalog.vocabulary.names[column] for column in judged]

    def similar(places: npt.NDArray[np.int64], likeness: Embeddings) -> tuple[SimilarFilm, ...]:
        return tuple(
            SimilarFilm(
                row, columns["film_id"][row], columns["title"][row], tuple(columns["genres"][row]),
                round(one, 4),
            )
            for row, one in zip(places.tolist(), likeness.tolist(), strict=True)
        )  # fmt: skip

    cases = []
    for (kind, (row, genre)), near in zip(
        cells, nearest(features, catalog.groups, rows), strict=True
    ):
        cases.append(
            Doubt(
                row,
                columns["film_id"][row],
                columns["poster_sha256"][row],
                columns["title"][row],
                columns["year"][row],
                tuple(columns["genres"][row]),
                names[genre],
                kind,
                float(right[row, genre]),
                float(doubt[row, genre]),
                {
                    part: round(float(alone[row, genre]), 6)
                    for part, alone in found.alone.items()
                    if _says(part, columns["title"][row], columns["year"][row])
                },
                similar(*near),
            )
        )
    return Doubts(
        catalog.fingerprint,
        predictor.bundle.fingerprint,
        len(catalog),
        tuple(_notes(catalog, predictor, judged)),
        tuple(cases),
    )


def _says(part: str, title: str, year: int | None) -> bool:
    """Whether a film has this kind of evidence."""
    return {"title": bool(title.strip()), "year": year is not None}.get(part, True)


def doubtfulness(likely: Floats, listed: Flags) -> tuple[Floats, Floats]:
    """How likely the list is right about each genre of each film, and how doubtful that makes it.

    likely: how likely the films have the genres. Both (films, genres), as what is returned.
    """
    rate = (listed.sum(0) + 1) / (len(listed) + 2)
    right = np.where(listed, likely, 1 - likely)
    usual = np.where(listed, rate, 1.0)
    return right, np.log(usual) - np.log(right)


def _ranked(doubt: Floats, asked: Flags, most: int) -> npt.NDArray[np.int64]:
    """The most doubtful ones of the cells that are asked about."""
    cells = np.flatnonzero(asked)
    order = np.argsort(-doubt.ravel()[cells], kind="stable")[:most]
    return cells[order].astype(np.int64)


def nearest(
    features: Embeddings,
    groups: npt.NDArray[np.object_],
    rows: npt.NDArray[np.int64],
    count: int = SIMILAR,
) -> Iterator[tuple[npt.NDArray[np.int64], Embeddings]]:
    """For each of these rows the films of other groups with the most similar posters.

    Yields their rows, most similar first, and their cosines, after the mean was taken off.
    """
    apart = features - features.mean(0)
    apart /= np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    group = group_numbers(groups)  # numbers are compared much faster than names
    for row in rows.tolist():
        likeness = apart @ apart[row]
        likeness[group == group[row]] = -2.0
        # The films at least as similar as the last one that counts, among which ties are in order.
        least = max(-2.0, np.partition(likeness, -count)[-count]) if count < len(group) else -2.0
        likely = np.flatnonzero((likeness >= least) & (likeness > -2.0))
        best = likely[np.argsort(-likeness[likely], kind="stable")[:count]]
        yield best, likeness[best]


def _notes(catalog: Catalog, predictor: Predictor, judged: npt.NDArray[np.int64]) -> Iterator[str]:
    yield (
        f"judged by models of the other films: {FOLDS} folds of groups, over poster, title and year"
    )
    others = [
        name for place, name in enumerate(catalog.vocabulary.names) if place not in set(judged)
    ]
    if others:
        yield f"fewer than {FEWEST_FILMS} films have, or lack: {', '.join(others)}; not judged"
    seen = 0
    if is_box(predictor.bundle):
        seen = int(trained_on(catalog, np.arange(len(catalog))).sum())
    elif predictor.bundle.provenance.get("catalog") == catalog.fingerprint:
        seen = len(catalog.rows("train"))
    if seen:
        yield (
            f"the features of {seen:,} films come from a network that learned from their genres "
            "as listed; what judges a film has not seen it"
        )
