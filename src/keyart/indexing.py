"""The known posters of an index: where they come from, and how the index's files are written."""

import hashlib
import io
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

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
from keyart.prediction import NO_POSTER, Failure, Query
from keyart.predictor import Embeddings, Predictor

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog

EMBEDDINGS, MEAN, FILMS = "embeddings.npy", "mean.npy", "films.sqlite"
AXES, FRONT, REST, NORMS = "axes.npy", "front.npy", "rest.npy", "norms.npy"
HASHES, SMALL, UNREAD = "hashes.npy", "small.npy", "unread.csv"
THUMBNAIL_HEIGHT = 240
BLOCK = 1_024  # rows centred or compared at once

_BATCH = 16  # posters a task
_FRONT = 64  # channels that a search looks at first
_FIRST = 200  # posters that it compares in full to know how similar the others must be
_ROUNDING = 1e-5  # of a similarity in float32

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


Key = tuple[str, str]
"""A film's id, and the SHA-256 of its poster."""


def full_name(film_id: str) -> str:
    """The id of a film that may go by the path of its poster: one path is written in many ways."""
    return os.path.abspath(film_id)


def of_catalog(catalog: "Catalog", wanted: Sequence[bool] | None = None) -> Iterator[Known]:
    """The posters of a catalog, which knows their hashes. wanted: of which rows; None for all."""
    hashes, small = catalog.hashes()
    for place, (film, poster) in enumerate(zip(catalog, catalog.posters(), strict=True)):
        if wanted is None or wanted[place]:
            yield Known(film, poster, int(hashes[place]), small[place])


def keys_of_catalog(catalog: "Catalog") -> list[Key]:
    """The key of each of its posters."""
    table = catalog.to_table().select(["film_id", "poster_sha256"]).to_pydict()
    return list(zip(table["film_id"], table["poster_sha256"], strict=True))


def key_of(known: Known) -> Key | None:
    """The key of a poster, with the full name of its film; None if it cannot be read."""
    try:
        if known.problem:
            raise PosterError(known.problem)
        content = _bytes(content_of(known.poster))
    except PosterError:
        return None
    return full_name(known.film.film_id), hashlib.sha256(content).hexdigest()


def of_films(films: Iterable[Query]) -> Iterator[Known]:
    """The posters of films, as `find_films` gives them. A film without an id goes by its path."""
    for film in films:
        name = film.film_id or name_of(film.poster or "", film.title or "")
        known = Film(name, film.title or "", film.year, ())
        if film.poster is None:
            yield Known(known, "", problem=film.problem or NO_POSTER)
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


def query_films(path: Path, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of an index's films. Each query has its own connection: threads need not share one."""
    file = path / FILMS
    if not file.exists():
        raise FileNotFoundError(2, "missing", str(file))
    # Nobody writes to an index: it needs no lock, and works on a read-only disk.
    uri = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        return database.execute(query, values).fetchall()


class Old(NamedTuple):
    """An index that grows. rows: its embeddings before they were centred, one block at a time."""

    path: Path
    films: int
    rows: Callable[[], Iterator[Embeddings]]


def write_films(
    predictor: Predictor,
    known: Iterable[Known],
    total: int,
    folder: Path,
    progress: Progress | None,
    old: Old | None = None,
) -> tuple[int, int]:
    """Write the files of an index, other than its facts. Returns how many posters and channels.

    total: how many known ones there are, readable or not. old: an index whose posters come first.
    """
    sum_: npt.NDArray[np.float64] | None = None
    done = asked = 0
    hashes: list[npt.NDArray[np.uint64]] = []
    small: list[Pixels] = []
    failures: list[Failure] = []
    if old:
        shutil.copyfile(old.path / FILMS, folder / FILMS)
        hashes, small = [np.load(old.path / HASHES)], [np.load(old.path / SMALL)]
    with (
        (folder / EMBEDDINGS).open("w+b") as file,
        closing(sqlite3.connect(folder / FILMS)) as database,
    ):

        def add(rows: Embeddings) -> None:
            nonlocal sum_
            if sum_ is None:
                sum_ = np.zeros(rows.shape[1])
                _write_header(file, (total, len(sum_)))
            file.write(np.ascontiguousarray(rows, "<f4").data)
            sum_ += rows.sum(0, dtype=np.float64)

        if old:
            for rows in old.rows():
                add(rows)
            done = old.films
        else:
            database.execute(TABLE)
        for embeddings, read, unread in _reading(predictor, known):
            if read:
                add(embeddings)
                hashes.append(np.array([one.hash for one in read], np.uint64))
                small.append(np.stack([one.small for one in read]))
            for one in read:
                film = one.film
                row = (film.film_id, film.title, film.year, "|".join(film.genres), one.sha256)
                database.execute(
                    "INSERT INTO films VALUES (?, ?, ?, ?, ?, ?, ?)", (done, *row, one.thumbnail)
                )
                done += 1
            failures += unread
            asked += len(read) + len(unread)
            if progress:
                progress(asked, total)
        database.commit()
        if sum_ is None:
            reasons = "; ".join(f"{one.poster}: {one.reason}" for one in failures[:2])
            raise PosterError(f"none of {total:,} posters can be read ({reasons})")
        file.seek(0)
        _write_header(file, (done, len(sum_)))  # as long as before, whatever the number
    mean = (sum_ / done).astype(np.float32)
    write_search(folder, mean)
    write_array(folder / HASHES, np.concatenate(hashes))
    write_array(folder / SMALL, np.concatenate(small).reshape(done, *THUMBNAIL))
    if failures:
        lines = [(one.poster, one.reason) for one in failures]
        write_csv(folder / UNREAD, ("poster", "reason"), lines)
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


def write_search(folder: Path, mean: Embeddings) -> None:
    """Centre the embeddings of an index, turn them, and write what a search needs of them.

    They are turned so that the first channels hold as much of them as they can (their principal
    axes); lengths and similarities stay. The front of each row is in a file of its own, with the
    length of the rest.
    """
    rows = np.load(folder / EMBEDDINGS, mmap_mode="r+")
    films, channels = rows.shape
    norms, gram = np.empty(films, np.float32), np.zeros((channels, channels))
    for some in _blocks(films):
        apart = rows[some] - mean
        norms[some] = np.linalg.norm(apart, axis=1)
        rows[some] = apart / np.maximum(norms[some, None], np.finfo(np.float32).tiny)
        gram += rows[some].T.astype(np.float64) @ rows[some]
    axes = np.ascontiguousarray(np.linalg.eigh(gram)[1][:, ::-1], np.float32)
    shape = (films, min(_FRONT, channels))
    front = np.lib.format.open_memmap(folder / FRONT, "w+", np.float32, shape)
    rest = np.empty(films, np.float32)
    for some in _blocks(films):
        turned = rows[some] @ axes
        rows[some], front[some] = turned, turned[:, : shape[1]]
        rest[some] = np.linalg.norm(turned[:, shape[1] :], axis=1)
    rows.flush()
    front.flush()
    for name, values in ((MEAN, mean), (AXES, axes), (REST, rest), (NORMS, norms)):
        write_array(folder / name, values)


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, rows, BLOCK))


@dataclass(frozen=True, eq=False)
class Embedded:
    """The embeddings of an index, mapped into memory.

    rows: (films, channels), centred on `mean`, of length 1, and turned to `axes` (channels,
    channels). front: (films, 64), the first channels. rest: (films,), the length of the others.
    norms: (films,), the lengths before.
    """

    rows: Embeddings
    mean: Embeddings
    axes: Embeddings
    front: Embeddings
    rest: Embeddings
    norms: Embeddings

    @classmethod
    def open(cls, folder: Path) -> "Embedded":
        """Map the files of an index. Raises OSError, and ValueError if they are damaged."""
        large = (np.load(folder / name, mmap_mode="r") for name in (EMBEDDINGS, FRONT, REST, NORMS))
        rows, front, rest, norms = large
        mean, axes = np.load(folder / MEAN), np.load(folder / AXES)
        films, channels = rows.shape
        if (
            mean.shape != (channels,)
            or axes.shape != (channels, channels)
            or front.shape != (films, min(_FRONT, channels))
            or not rest.shape == norms.shape == (films,)
        ):
            raise ValueError("its files disagree")
        return cls(rows, mean, axes, front, rest, norms)

    def before(self) -> Iterator[Embeddings]:
        """The rows as they were before they were centred and turned, one block at a time."""
        for some in _blocks(len(self.rows)):
            yield (self.rows[some] @ self.axes.T) * self.norms[some, None] + self.mean

    def most_similar(self, query: Embeddings, count: int) -> tuple[Sequence[int], Embeddings]:
        """The places of the rows most similar to an embedding, and their similarities.

        Exact. A similarity is that of the fronts plus at most the product of the lengths of the
        rests (Cauchy and Schwarz), so most rows are ruled out by a part of their channels.
        """
        turned = centred(query[None], self.mean)[0] @ self.axes
        wide = self.front.shape[1]
        most = self.front @ turned[:wide]
        first = best_of(most, max(_FIRST, count))
        wanted = np.sort(self.rows[np.sort(first)] @ turned)[-min(count, len(first)) :][:1]
        most += self.rest * np.linalg.norm(turned[wide:])
        places = np.flatnonzero(most >= wanted - _ROUNDING)
        found = self.rows[places] @ turned
        best = best_of(found, count)
        return places[best].tolist(), found[best]


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
    least = np.partition(likeness, -count)[-count]
    above = np.flatnonzero(likeness > least)
    best = np.concatenate([above, np.flatnonzero(likeness == least)[: count - len(above)]])
    found: list[int] = best[np.argsort(-likeness[best], kind="stable")].tolist()
    return found
