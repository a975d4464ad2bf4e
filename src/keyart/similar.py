"""An index of known posters, to look up those that a model's network finds similar.

An index is a folder:
    index.json       format, fingerprints of the model and of the catalog, counts
    embeddings.npy   (films, channels) float32, centred on their mean and of length 1
    mean.npy         (channels,) that mean
    hashes.npy       (films,) uint64 perceptual hashes, see near_duplicates.py
    small.npy        (films, 12, 8, 3) uint8, the posters in 12x8 pixels
    films.sqlite     place, film_id, title, year, genres, poster_sha256, thumbnail (JPEG)

Search is exact: one product of the embeddings with the query's. A million films of 256 channels
are 1 GB, which is mapped, not read; docs/benchmarks.md has the time of a query. Using an index
needs neither pyarrow nor a catalog.
"""

import io
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from keyart.errors import PosterIndexError, other_format, why
from keyart.files import StrPath, disk_error, new_folder, no_folder, write_array, write_json
from keyart.film import Film
from keyart.images.decode import Pixels, decode
from keyart.images.poster import Poster
from keyart.near_duplicates import near_pairs
from keyart.parallel import Progress, batches, ordered
from keyart.predictor import Embeddings, Predictor
from keyart.reading import read_json
from keyart.version import __version__

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog

FORMAT = 2
FACTS, EMBEDDINGS, MEAN, FILMS = "index.json", "embeddings.npy", "mean.npy", "films.sqlite"
HASHES, SMALL = "hashes.npy", "small.npy"
LARGEST = 1_000_000
THUMBNAIL_HEIGHT = 240

_LARGEST_FACTS = 1 << 20  # bytes
_BATCH = 16  # posters a task
_BLOCK = 1_024  # rows centred or compared at once

TABLE = """
CREATE TABLE films (
    place INTEGER PRIMARY KEY, film_id TEXT NOT NULL, title TEXT NOT NULL, year INTEGER,
    genres TEXT NOT NULL, poster_sha256 TEXT NOT NULL, thumbnail BLOB NOT NULL
)
"""
_REBUILD = "an index of an older keyart; make it again with keyart index"
_COLUMNS = "place, film_id, title, year, genres, poster_sha256"


@dataclass(frozen=True, slots=True)
class Similar:
    """A known film with a poster like the one that was looked up.

    place: its row in the index. similarity: cosine of the embeddings; 1 for the same poster, 0 for
    no more in common than any two posters have.
    """

    place: int
    film_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    poster_sha256: str
    similarity: float


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Two known films with near-duplicate posters. similarity: cosine of their embeddings."""

    first: Film
    second: Film
    similarity: float


class Index:
    """The posters of known films, to look up similar ones. Many threads may share one.

    Make one with `Index.build` or open one with `Index.open`. facts: index.json. embeddings:
    (films, channels), centred and of length 1.
    """

    def __init__(
        self,
        path: Path,
        facts: dict[str, Any],
        embeddings: Embeddings,
        mean: Embeddings,
        predictor: Predictor | None,
    ) -> None:
        self.path = path
        self.facts = facts
        self.embeddings = embeddings
        self._mean = mean
        self._given = predictor

    @classmethod
    def open(cls, path: StrPath, model: Predictor | StrPath | None = None) -> "Index":
        """Open an index.

        model: the model that made it: a Predictor, a run or a bundle. None means the model that
        comes with keyart, which is loaded when a poster must be embedded.

        Raises PosterIndexError if there is no index, or it is damaged, of another format or of
        another model; BundleError.
        """
        path = Path(path)
        if problem := no_folder(path):
            raise PosterIndexError(f"{problem}; make an index with keyart index")
        try:
            facts = read_json(path / FACTS, _LARGEST_FACTS, links=True)
            if facts["format"] != FORMAT:
                raise PosterIndexError(
                    other_format(path, facts["format"], reads=FORMAT, remedy=_REBUILD)
                )
            embeddings = np.load(path / EMBEDDINGS, mmap_mode="r")
            mean = np.load(path / MEAN)
            hashes, small = (np.load(path / name, mmap_mode="r") for name in (HASHES, SMALL))
            (films,) = _query(path, "SELECT count(*) FROM films")[0]
        except FileNotFoundError as error:
            raise PosterIndexError(
                f"{path}: no index here ({error.filename} is missing); make one with keyart index"
            ) from error
        except OSError as error:
            name = error.filename or path
            raise PosterIndexError(f"{name}: cannot be read ({why(error)})") from error
        except (ValueError, KeyError, TypeError, EOFError, sqlite3.Error) as error:
            raise PosterIndexError(f"{path}: damaged ({error}); make it again") from error
        if embeddings.shape != (films, len(mean)) or not films == len(hashes) == len(small):
            raise PosterIndexError(f"{path}: damaged (its files disagree); make it again")
        predictor = None if model is None else _predictor(model)
        if predictor:
            _same_model(path, facts, predictor)
        return cls(path, facts, embeddings, mean, predictor)

    @classmethod
    def build(
        cls,
        catalog: "Catalog",
        *,
        out: StrPath,
        model: Predictor | StrPath | None = None,
        progress: Progress | None = None,
    ) -> "Index":
        """Embed all posters of a catalog and write the index to the new folder `out`.

        model: a Predictor, a run or a bundle; None means the model that comes with keyart.
        progress: called with (posters done, posters).

        Raises PosterIndexError if `out` exists or the catalog has no films or over a million;
        BundleError for a model without embeddings, such as an ensemble.
        """
        out = Path(out)
        if out.exists():
            raise PosterIndexError(f"{out}: already exists; name another folder or remove it")
        if not 0 < len(catalog) <= LARGEST:
            raise PosterIndexError(
                f"{catalog.path}: has {len(catalog):,} films; exact search is for 1 to {LARGEST:,}."
                " For more, put the embeddings into a library of approximate search, such as FAISS"
            )
        predictor = _predictor(model)
        predictor.require("features")
        with new_folder(out) as partial, _disk_errors(out):
            mean = _write_films(predictor, catalog, partial, progress)
            write_array(partial / MEAN, mean)
            _centre(partial / EMBEDDINGS, mean)
            hashes, small = catalog.hashes()
            write_array(partial / HASHES, hashes)
            write_array(partial / SMALL, small)
            facts = {
                "format": FORMAT,
                "keyart": __version__,
                "model": predictor.bundle.fingerprint,
                "catalog": catalog.fingerprint,
                "films": len(catalog),
                "channels": len(mean),
            }
            write_json(partial / FACTS, facts)
        return cls.open(out, predictor)

    def __len__(self) -> int:
        return len(self.embeddings)

    def __repr__(self) -> str:
        return f"<Index {str(self.path)!r}: {len(self):,} posters>"

    @cached_property
    def predictor(self) -> Predictor:
        """The model that embeds posters. Raises PosterIndexError if it did not make the index."""
        predictor = self._given or Predictor.load()
        _same_model(self.path, self.facts, predictor)
        return predictor

    def nearest(self, poster: Poster | Embeddings, count: int = 5) -> list[Similar]:
        """The known posters most like a poster, most similar first.

        poster: a path, a file's bytes, a PIL image, a uint8 array (height, width, 3), or the
        embedding (channels,) that the index's model made of it, see `Predictor.embed`.

        Raises PosterError if it cannot be read, PosterIndexError for a model or an embedding that
        does not fit the index.
        """
        if isinstance(poster, np.ndarray) and poster.ndim == 1:
            embedding = np.asarray(poster, np.float32)
        else:
            embedding = self.predictor.embed([cast(Poster, poster)])[0]
        if embedding.shape != self._mean.shape:
            raise PosterIndexError(
                f"{self.path}: an embedding of {len(embedding)} channels, expected "
                f"{len(self._mean)}; use the model that made the index"
            )
        likeness = self.embeddings @ _centred(embedding[None], self._mean)[0]
        count = min(count, len(likeness))
        if count < 1:
            return []
        best = np.argpartition(-likeness, count - 1)[:count]
        best = best[np.lexsort((best, -likeness[best]))]
        marks = ", ".join("?" * count)
        rows = _query(
            self.path, f"SELECT {_COLUMNS} FROM films WHERE place IN ({marks})", best.tolist()
        )
        films = {row[0]: row for row in rows}
        return [_similar(films[place], float(likeness[place])) for place in best.tolist()]

    def near_duplicates(self) -> list[NearDuplicates]:
        """Pairs of known films that show the same artwork, most similar first.

        By perceptual hash and thumbnail, as in a catalog, see near_duplicates.py. Not every pair of
        a group is listed, but enough of them to connect it.
        """
        pairs = near_pairs(np.load(self.path / HASHES), np.load(self.path / SMALL))
        rows = _query(self.path, "SELECT film_id, title, year, genres FROM films ORDER BY place")
        found = [
            NearDuplicates(_film(rows[first]), _film(rows[second]), float(similarity))
            for (first, second), similarity in zip(
                pairs.tolist(), self._similarities(pairs), strict=True
            )
        ]
        return sorted(found, key=lambda pair: -pair.similarity)

    def _similarities(self, pairs: npt.NDArray[np.int64]) -> Iterator[float]:
        """The cosine of each pair's embeddings."""
        for start in range(0, len(pairs), _BLOCK):
            first, second = pairs[start : start + _BLOCK].T
            yield from (self.embeddings[first] * self.embeddings[second]).sum(1).tolist()

    def thumbnail(self, place: int) -> bytes:
        """A known poster, small, as JPEG. Raises IndexError if there is no such place."""
        rows = _query(self.path, "SELECT thumbnail FROM films WHERE place = ?", [place])
        if not rows:
            raise IndexError(place)
        found: bytes = rows[0][0]
        return found


def _predictor(model: Predictor | StrPath | None) -> Predictor:
    return model if isinstance(model, Predictor) else Predictor.load(model)


def _same_model(path: Path, facts: dict[str, Any], predictor: Predictor) -> None:
    if facts.get("model") != predictor.bundle.fingerprint:
        raise PosterIndexError(
            f"{path}: made with another model than {predictor.bundle.path}; name its model with "
            "--model, or make the index again"
        )


def _write_films(
    predictor: Predictor, catalog: "Catalog", folder: Path, progress: Progress | None
) -> Embeddings:
    """Write embeddings.npy, not yet centred, and films.sqlite. Returns the embeddings' mean."""
    films = zip(catalog, catalog.to_table()["poster_sha256"].to_pylist(), strict=True)
    spec = predictor.image_specs[0]  # a network with features has one
    at_least = (max(spec.at_least[0], THUMBNAIL_HEIGHT), spec.at_least[1])

    def embed(posters: list[bytes]) -> tuple[Embeddings, list[bytes]]:
        decoded = [decode(poster, at_least=at_least) for poster in posters]
        prepared = [(spec.resize(rgb),) for rgb in decoded]
        return predictor.embed_prepared(prepared), [_thumbnail(rgb) for rgb in decoded]

    total: npt.NDArray[np.float64] | None = None
    done = 0
    with (
        (folder / EMBEDDINGS).open("wb") as file,
        closing(sqlite3.connect(folder / FILMS)) as database,
    ):
        database.execute(TABLE)
        for embeddings, thumbnails in ordered(embed, batches(catalog.posters(), _BATCH)):
            if total is None:
                shape = (len(catalog), embeddings.shape[1])
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                total = np.zeros(shape[1])
            file.write(np.ascontiguousarray(embeddings, "<f4").data)
            total += embeddings.sum(0, dtype=np.float64)
            for thumbnail in thumbnails:
                film, sha256 = next(films)
                row = (film.film_id, film.title, film.year, "|".join(film.genres), sha256)
                database.execute(
                    "INSERT INTO films VALUES (?, ?, ?, ?, ?, ?, ?)", (done, *row, thumbnail)
                )
                done += 1
            if progress:
                progress(done, len(catalog))
        database.commit()
    assert total is not None
    assert done == len(catalog)
    return (total / done).astype(np.float32)


@contextmanager
def _disk_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if disk := disk_error(error, out):
            raise disk from error
        raise


def _query(path: Path, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of an index's films. Each query has its own connection: threads need not share one."""
    file = path / FILMS
    if not file.exists():
        raise FileNotFoundError(2, "missing", str(file))
    # Nobody writes to an index: it needs no lock, and works on a read-only disk.
    uri = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        return database.execute(query, values).fetchall()


def _film(row: tuple[Any, ...]) -> Film:
    film_id, title, year, genres = row
    return Film(film_id, title, year, tuple(genres.split("|")) if genres else ())


def _similar(row: tuple[Any, ...], similarity: float) -> Similar:
    place, *about, poster_sha256 = row
    film = _film(tuple(about))
    return Similar(
        place, film.film_id, film.title, film.year, film.genres, poster_sha256, similarity
    )


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
