"""The posters most similar to one, among those of a folder that has no index."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from keyart.errors import PosterError
from keyart.files import StrPath
from keyart.film import Film
from keyart.images.poster import Poster
from keyart.indexing import best_of, centred, embedded, of_films
from keyart.parallel import Progress
from keyart.prediction import Failure, Query
from keyart.predictor import Embeddings, Predictor
from keyart.similar import Similar, known_films


def nearest_among(
    poster: Poster,
    known: "StrPath | Iterable[StrPath | Query]",
    count: int = 5,
    *,
    model: Predictor | StrPath | None = None,
    progress: Progress | None = None,
) -> tuple[list[Similar], list[Failure], int]:
    """The posters most like a poster among those of a folder, which has no index.

    known, model, progress: as for `Index.build`; `poster` itself, if it is among them, is left out.
    All are embedded for this search, in memory; for many searches make an index. Returns the
    similar posters, those that cannot be read, and how many were compared. Raises PosterError if
    `poster` or none of the known ones can be read.
    """
    predictor = Predictor.of(model)
    query = predictor.embed([poster])[0]
    total = known_films(known)
    found: list[Embeddings] = []
    films: list[Film] = []
    unread: list[Failure] = []
    others = (one for one in of_films(total) if not _is_same_file(one.poster, poster))
    for embeddings, read, failures in embedded(predictor, others):
        if read:
            found.append(embeddings)
        films += read
        unread += failures
        if progress:
            progress(len(films) + len(unread), len(total))
    if not films:
        reasons = "; ".join(f"{one.poster}: {one.reason}" for one in unread[:2])
        raise PosterError(f"none of {len(unread):,} posters can be read ({reasons})")
    rows = np.concatenate(found)
    mean = rows.mean(0, dtype=np.float64).astype(np.float32)
    likeness = centred(rows, mean) @ centred(query[None], mean)[0]
    best = [
        Similar(
            place, films[place].film_id, films[place].title, films[place].year, (), "",
            float(likeness[place]),
        )
        for place in best_of(likeness, count)
    ]  # fmt: skip
    return best, unread, len(films)


def _is_same_file(one: Poster, other: Poster) -> bool:
    try:
        return (
            isinstance(one, str | Path)
            and isinstance(other, str | Path)
            and os.path.samefile(one, other)
        )
    except (OSError, ValueError):
        return False
