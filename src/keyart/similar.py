"""Known posters that look like another, as the bundle's own network sees them.

An index is a folder:
    index.json       format, fingerprints of the model and of the catalog, counts
    embeddings.npy   (films, channels) float32, centred on their mean and of length 1
    mean.npy         (channels,) that mean
    films.sqlite     place, film_id, title, year, genres, grouped, poster_sha256, thumbnail (JPEG)

Search is exact: one product of the embeddings with the query's. A million films of 256 channels
are 1 GB, which is mapped, not read; docs/benchmarks.md has the time that a query takes. Looking
something up needs neither pyarrow nor a catalog.
"""

import io
import json
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import keyart
from keyart.bundle import Bundle
from keyart.errors import PosterIndexError
from keyart.files import new_folder, write_json
from keyart.images.decode import Pixels, decode
from keyart.predictor import Predictor

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog

FORMAT = 1
FACTS, EMBEDDINGS, MEAN, FILMS = "index.json", "embeddings.npy", "mean.npy", "films.sqlite"
LARGEST = 1_000_000
THUMBNAIL_HEIGHT = 240

_CHUNK = 16  # posters a task
_BLOCK = 1_024  # rows centred at once

TABLE = """
CREATE TABLE films (
    place INTEGER PRIMARY KEY, film_id TEXT NOT NULL, title TEXT NOT NULL, year INTEGER,
    genres TEXT NOT NULL, grouped TEXT NOT NULL, poster_sha256 TEXT NOT NULL,
    thumbnail BLOB NOT NULL
)
"""
_COLUMNS = "place, film_id, title, year, genres, poster_sha256"

Embeddings = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Similar:
    """A known film whose poster is near to another.

    place: its row in the index. similarity: cosine, 1 for the same look, 0 for no more in common
    than any two posters have.
    """

    place: int
    film_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    poster_sha256: str
    similarity: float


@dataclass(frozen=True)
class PosterIndex:
    """An index that was opened. facts: index.json."""

    path: Path
    facts: dict[str, Any]
    embeddings: Embeddings
    mean: Embeddings

    @classmethod
    def open(cls, path: Path, bundle: Bundle | None = None) -> "PosterIndex":
        """Open an index. bundle: the model whose embeddings are to be looked for in it.

        Raises PosterIndexError: not there, damaged, of a newer format, of another model.
        """
        try:
            facts = json.loads((path / FACTS).read_bytes())
            if facts["format"] > FORMAT:
                raise PosterIndexError(
                    f"{path}: format {facts['format']}, written by a newer keyart; this "
                    f"{keyart.__version__} reads up to format {FORMAT}: upgrade keyart"
                )
            embeddings = np.load(path / EMBEDDINGS, mmap_mode="r")
            mean = np.load(path / MEAN)
            (films,) = _query(path, "SELECT count(*) FROM films")[0]
        except FileNotFoundError as error:
            raise PosterIndexError(
                f"{path}: no index here ({error.filename} is missing); make one with keyart index"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, EOFError, sqlite3.Error) as error:
            raise PosterIndexError(f"{path}: damaged ({error}); make it again") from error
        if embeddings.shape != (films, len(mean)):
            raise PosterIndexError(f"{path}: damaged (its files disagree); make it again")
        if bundle and facts.get("model") != bundle.fingerprint:
            raise PosterIndexError(
                f"{path}: made with another model than {bundle.path}; make it again with keyart "
                f"index CATALOG --model {bundle.path}"
            )
        return cls(path, facts, embeddings, mean)

    def __len__(self) -> int:
        return len(self.embeddings)

    def nearest(self, embedding: Embeddings, count: int = 5) -> list[Similar]:
        """The known posters nearest to one, nearest first.

        embedding: (channels,), as Predictor.embeddings gives it.
        """
        likeness = self.embeddings @ _centred(embedding[None], self.mean)[0]
        count = min(count, len(likeness))
        if not count:
            return []
        best = np.argpartition(-likeness, count - 1)[:count]
        best = best[np.lexsort((best, -likeness[best]))]
        marks = ", ".join("?" * count)
        rows = _query(
            self.path, f"SELECT {_COLUMNS} FROM films WHERE place IN ({marks})", best.tolist()
        )
        films = {row[0]: row for row in rows}
        return [_similar(films[place], float(likeness[place])) for place in best.tolist()]

    def thumbnail(self, place: int) -> bytes:
        """A known poster, small, as JPEG. Raises IndexError where there is no such place."""
        rows = _query(self.path, "SELECT thumbnail FROM films WHERE place = ?", [place])
        if not rows:
            raise IndexError(place)
        found: bytes = rows[0][0]
        return found

    def films(self, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Some columns of all known films, in order."""
        return _query(self.path, f"SELECT {', '.join(columns)} FROM films ORDER BY place")


def find_similar(poster: Path, model: Path, index: Path, count: int = 5) -> list[Similar]:
    """The known posters nearest to a poster's file.

    Raises PosterError, BundleError, PosterIndexError.
    """
    predictor = Predictor.load(model)
    known = PosterIndex.open(index, predictor.bundle)
    return known.nearest(predictor.embed([poster])[0], count)


def build_index(
    catalog: "Catalog", model: Path, out: Path, *, progress: Progress | None = None
) -> PosterIndex:
    """Embed all posters of a catalog with a bundle's network and write the index, whole or not.

    progress: called with (posters done, posters). Raises PosterIndexError where `out` exists, the
    catalog is empty or has over a million films; BundleError where the network does not tell its
    features.
    """
    if out.exists():
        raise PosterIndexError(f"{out}: is already there; name another folder or remove it")
    if not 0 < len(catalog) <= LARGEST:
        raise PosterIndexError(
            f"{catalog.path}: {len(catalog):,} films; exact search is for 1 to {LARGEST:,}. For "
            "more, put the embeddings into a library of approximate search, such as FAISS"
        )
    predictor = Predictor.load(model)
    predictor.require("features")
    with new_folder(out) as beside:
        mean = _write_embeddings(predictor, catalog, beside, progress)
        np.save(beside / MEAN, mean)
        _centre(beside / EMBEDDINGS, mean)
        facts = {
            "format": FORMAT,
            "keyart": keyart.__version__,
            "model": predictor.bundle.fingerprint,
            "catalog": catalog.fingerprint,
            "films": len(catalog),
            "channels": len(mean),
        }
        write_json(beside / FACTS, facts)
    return PosterIndex.open(out, predictor.bundle)


def _write_embeddings(
    predictor: Predictor, catalog: "Catalog", folder: Path, progress: Progress | None
) -> Embeddings:
    """Write embeddings.npy, not yet centred, and films.sqlite. Returns the embeddings' mean."""
    films = catalog.to_table().to_pylist()
    total: npt.NDArray[np.float64] | None = None
    done = 0
    with (
        (folder / EMBEDDINGS).open("wb") as file,
        closing(sqlite3.connect(folder / FILMS)) as database,
    ):
        database.execute(TABLE)
        for embeddings, thumbnails in _embed_all(predictor, catalog.posters()):
            if total is None:
                shape = (len(catalog), embeddings.shape[1])
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                total = np.zeros(shape[1])
            file.write(np.ascontiguousarray(embeddings, "<f4").data)
            total += embeddings.sum(0, dtype=np.float64)
            some = films[done : done + len(thumbnails)]
            rows = [
                _row(place, film, thumbnail)
                for place, (film, thumbnail) in enumerate(
                    zip(some, thumbnails, strict=True), start=done
                )
            ]
            database.executemany("INSERT INTO films VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            done += len(rows)
            if progress:
                progress(done, len(catalog))
        database.commit()
    assert total is not None
    assert done == len(catalog)
    return (total / done).astype(np.float32)


def _row(place: int, film: dict[str, Any], thumbnail: bytes) -> tuple[Any, ...]:
    genres = "|".join(film["genres"])
    about = (film["film_id"], film["title"], film["year"], genres)
    return (place, *about, film["group"], film["poster_sha256"], thumbnail)


def _query(path: Path, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of an index's films. A connection a query: threads need not share one."""
    file = path / FILMS
    if not file.exists():
        raise FileNotFoundError(2, "missing", str(file))
    # Nobody writes to an index: it needs no lock, and works on a read-only disk.
    uri = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        return database.execute(query, values).fetchall()


def _similar(row: tuple[Any, ...], similarity: float) -> Similar:
    place, film_id, title, year, genres, poster_sha256 = row
    return Similar(
        place,
        film_id,
        title,
        year,
        tuple(genres.split("|")) if genres else (),
        poster_sha256,
        similarity,
    )


def _embed_all(
    predictor: Predictor, posters: Iterator[bytes]
) -> Iterator[tuple[Embeddings, list[bytes]]]:
    """Embeddings and thumbnails in order, on all cores, a bounded number at a time."""

    def embed(chunk: list[bytes]) -> tuple[Embeddings, list[bytes]]:
        (spec,) = predictor.image_specs  # a network with features has one
        at_least = (max(2 * spec.height, THUMBNAIL_HEIGHT), 2 * spec.width)
        decoded = [decode(data, at_least=at_least) for data in chunk]
        prepared = [(spec.resize(rgb),) for rgb in decoded]
        return predictor.embed_prepared(prepared), [_thumbnail(rgb) for rgb in decoded]

    workers = os.cpu_count() or 1
    waiting: deque[Future[tuple[Embeddings, list[bytes]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        while chunk := list(islice(posters, _CHUNK)):
            waiting.append(pool.submit(embed, chunk))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _thumbnail(rgb: Pixels) -> bytes:
    image = Image.fromarray(rgb)
    # A strip a mile wide stays a strip, but a short one.
    image.thumbnail((4 * THUMBNAIL_HEIGHT, THUMBNAIL_HEIGHT), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=82)
    return file.getvalue()


def _centre(path: Path, mean: Embeddings) -> None:
    rows = np.load(path, mmap_mode="r+")
    for start in range(0, len(rows), _BLOCK):
        rows[start : start + _BLOCK] = _centred(rows[start : start + _BLOCK], mean)
    rows.flush()


def _centred(embeddings: Embeddings, mean: Embeddings) -> Embeddings:
    """What sets posters apart: without what all have in common, and of length 1 again."""
    apart = embeddings - mean
    norms = np.linalg.norm(apart, axis=1, keepdims=True)
    unit: Embeddings = apart / np.maximum(norms, np.finfo(np.float32).tiny)
    return unit
