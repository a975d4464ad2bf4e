"""The known posters of an index: where they come from, and how the index's files are written."""

import hashlib
import io
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from keyart.errors import PosterError
from keyart.files import write_array, write_csv
from keyart.film import Film
from keyart.images.decode import Pixels, decode
from keyart.images.poster import Poster, content_of, name_of
from keyart.near_duplicates import THUMBNAIL, poster_hash, thumbnail
from keyart.parallel import Progress, batches, ordered
from keyart.prediction import Failure, Query
from keyart.predictor import Embeddings, Predictor

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog

EMBEDDINGS, MEAN, FILMS = "embeddings.npy", "mean.npy", "films.sqlite"
HASHES, SMALL, UNREAD = "hashes.npy", "small.npy", "unread.csv"
THUMBNAIL_HEIGHT = 240
BLOCK = 1_024  # rows centred or compared at once

_BATCH = 16  # posters a task
_NO_POSTER = "it has no poster"

TABLE = """
CREATE TABLE films (
    place INTEGER PRIMARY KEY, film_id TEXT NOT NULL, title TEXT NOT NULL, year INTEGER,
    genres TEXT NOT NULL, poster_sha256 TEXT NOT NULL, thumbnail BLOB NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A poster to index, and its film. hash, small: see near_duplicates.py; None if not known.

    problem: why there is no poster to read.
    """

    film: Film
    poster: Poster
    hash: int | None = None
    small: Pixels | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Read:
    """A known poster that was read."""

    film: Film
    sha256: str
    hash: int
    small: Pixels
    thumbnail: bytes


def of_catalog(catalog: "Catalog") -> Iterator[Known]:
    """The posters of a catalog, which knows their hashes."""
    hashes, small = catalog.hashes()
    for place, (film, poster) in enumerate(zip(catalog, catalog.posters(), strict=True)):
        yield Known(film, poster, int(hashes[place]), small[place])


def of_films(films: Iterable[Query]) -> Iterator[Known]:
    """The posters of films, as `find_films` gives them. A film without an id goes by its path."""
    for film in films:
        name = film.film_id or name_of(film.poster or "", film.title or "")
        known = Film(name, film.title or "", film.year, ())
        if film.poster is None:
            yield Known(known, "", problem=film.problem or _NO_POSTER)
        else:
            yield Known(known, film.poster, problem=film.problem)


def embedded(
    predictor: Predictor, known: Iterable[Known]
) -> Iterator[tuple[Embeddings, list[Film], list[Failure]]]:
    """The embeddings of posters in batches, their films, and the posters that cannot be read."""

    def work(batch: list[Known]) -> tuple[Embeddings, list[Film], list[Failure]]:
        films, failures, prepared = [], [], []
        for one in batch:
            try:
                if one.problem:
                    raise PosterError(one.problem)
                prepared.append(predictor.prepare(one.poster))
                films.append(one.film)
            except PosterError as error:
                failures.append(_failure(one, error))
        empty: Embeddings = np.empty((0, 0), np.float32)
        return predictor.embed_prepared(prepared) if prepared else empty, films, failures

    return ordered(work, batches(known, _BATCH))


def write_films(
    predictor: Predictor,
    known: Iterable[Known],
    total: int,
    folder: Path,
    progress: Progress | None,
) -> tuple[int, int]:
    """Write the files of an index, other than its facts. Returns how many posters and channels.

    total: how many there are, readable or not.
    """
    sum_: npt.NDArray[np.float64] | None = None
    done = asked = 0
    hashes: list[int] = []
    small: list[Pixels] = []
    failures: list[Failure] = []
    with (
        (folder / EMBEDDINGS).open("w+b") as file,
        closing(sqlite3.connect(folder / FILMS)) as database,
    ):
        database.execute(TABLE)
        for embeddings, read, unread in _reading(predictor, known):
            if sum_ is None and read:
                sum_ = np.zeros(embeddings.shape[1])
                _write_header(file, (total, len(sum_)))
            if sum_ is not None and read:
                file.write(np.ascontiguousarray(embeddings, "<f4").data)
                sum_ += embeddings.sum(0, dtype=np.float64)
            for one in read:
                film = one.film
                row = (film.film_id, film.title, film.year, "|".join(film.genres), one.sha256)
                database.execute(
                    "INSERT INTO films VALUES (?, ?, ?, ?, ?, ?, ?)", (done, *row, one.thumbnail)
                )
                done += 1
            hashes += (one.hash for one in read)
            small += (one.small for one in read)
            failures += unread
            asked += len(read) + len(unread)
            if progress:
                progress(asked, total)
        database.commit()
        assert asked == total, f"{total} posters, {asked} read or not"
        if sum_ is None:
            reasons = "; ".join(f"{one.poster}: {one.reason}" for one in failures[:2])
            raise PosterError(f"none of {total:,} posters can be read ({reasons})")
        file.seek(0)
        _write_header(file, (done, len(sum_)))  # as long as before, whatever the number
    mean = (sum_ / done).astype(np.float32)
    write_array(folder / MEAN, mean)
    _centre(folder / EMBEDDINGS, mean)
    write_array(folder / HASHES, np.array(hashes, np.uint64))
    write_array(folder / SMALL, np.stack(small).reshape(done, *THUMBNAIL))
    if failures:
        rows = [(one.poster, one.reason) for one in failures]
        write_csv(folder / UNREAD, ("poster", "reason"), rows)
    return done, len(mean)


def _write_header(file: Any, shape: tuple[int, int]) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _reading(
    predictor: Predictor, known: Iterable[Known]
) -> Iterator[tuple[Embeddings, list[_Read], list[Failure]]]:
    """As `embedded`, with all that an index keeps of each poster."""
    spec = predictor.image_specs[0]  # a network with features has one
    at_least = (max(spec.at_least[0], THUMBNAIL_HEIGHT), spec.at_least[1])

    def work(batch: list[Known]) -> tuple[Embeddings, list[_Read], list[Failure]]:
        read, failures, prepared = [], [], []
        for one in batch:
            try:
                if one.problem:
                    raise PosterError(one.problem)
                content = content_of(one.poster)
                rgb = decode(content, at_least=at_least) if isinstance(content, bytes) else content
            except PosterError as error:
                failures.append(_failure(one, error))
                continue
            prepared.append((spec.resize(rgb),))
            read.append(
                _Read(
                    one.film,
                    hashlib.sha256(_bytes(content)).hexdigest(),
                    poster_hash(rgb) if one.hash is None else one.hash,
                    thumbnail(rgb) if one.small is None else one.small,
                    _jpeg(rgb),
                )
            )
        empty: Embeddings = np.empty((0, 0), np.float32)
        return predictor.embed_prepared(prepared) if prepared else empty, read, failures

    return ordered(work, batches(known, _BATCH))


def _bytes(content: bytes | Pixels) -> bytes:
    return content if isinstance(content, bytes) else content.tobytes()


def _failure(known: Known, error: PosterError) -> Failure:
    return Failure(known.film.film_id, str(error), title=known.film.title or None)


def _jpeg(rgb: Pixels) -> bytes:
    image = Image.fromarray(rgb)
    # A strip a mile wide stays a strip, but a short one.
    image.thumbnail((4 * THUMBNAIL_HEIGHT, THUMBNAIL_HEIGHT), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=82)
    return file.getvalue()


def _centre(path: Path, mean: Embeddings) -> None:
    rows = np.load(path, mmap_mode="r+")
    for start in range(0, len(rows), BLOCK):
        rows[start : start + BLOCK] = centred(rows[start : start + BLOCK], mean)
    rows.flush()


def centred(embeddings: Embeddings, mean: Embeddings) -> Embeddings:
    """What sets posters apart: without what all have in common, and of length 1 again."""
    apart = embeddings - mean
    norms = np.linalg.norm(apart, axis=1, keepdims=True)
    unit: Embeddings = apart / np.maximum(norms, np.finfo(np.float32).tiny)
    return unit


def best_of(likeness: Embeddings, count: int) -> Sequence[int]:
    """The places of the highest values, highest first; of equals the earlier ones."""
    count = min(count, len(likeness))
    if count < 1:
        return []
    best = np.argpartition(-likeness, count - 1)[:count]
    found: list[int] = best[np.lexsort((best, -likeness[best]))].tolist()
    return found
