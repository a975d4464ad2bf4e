"""An index of known posters, to look up those that a model's network finds similar.

An index is a folder:
    index.json       format, fingerprints of the model and of the catalog, counts
    embeddings.npy   (films, channels) float32, centred on their mean, of length 1, and turned
                     to their principal axes
    mean.npy, axes.npy, norms.npy   that mean, the axes, and the lengths before
    front.npy, rest.npy             the first 64 channels of each, and the length of the others
    hashes.npy       (films,) uint64 perceptual hashes, see near_duplicates.py
    small.npy        (films, 12, 8, 3) uint8, the posters in 12x8 pixels
    films.sqlite     place, film_id, title, year, genres, poster_sha256, thumbnail (JPEG)
    unread.csv       posters that could not be read, if there are any, with the reasons

Search is exact: the first channels rule out nearly all films, and the others are compared in full.
The files are mapped, not read; docs/benchmarks.md has the time of a query among a million. Using an
index needs neither pyarrow nor a catalog.
"""

import csv
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from keyart.copies import local_tree
from keyart.errors import PosterIndexError, other_format, why
from keyart.files import (
    StrPath,
    disk_error,
    new_folder,
    no_folder,
    recover_folder,
    replacing_folder,
    write_json,
)
from keyart.film import Film
from keyart.images.poster import Poster
from keyart.indexing import (
    BLOCK,
    HASHES,
    SMALL,
    UNREAD,
    Embedded,
    Key,
    Known,
    Old,
    full_name,
    key_of,
    keys_of_catalog,
    of_catalog,
    of_films,
    query_films,
    write_films,
)
from keyart.near_duplicates import check_hashing, near_pairs
from keyart.parallel import Progress, batches
from keyart.prediction import Failure, Query
from keyart.predictor import Embeddings, Predictor
from keyart.queries import NamedFilms
from keyart.reading import read_json
from keyart.stores.paths import RemotePath, place
from keyart.version import __version__

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog

FORMAT = 3
FACTS = "index.json"
LARGEST = 1_000_000

_AT_ONCE = 10_000  # values in a query; SQLite takes 32,766
_LARGEST_FACTS = 1 << 20  # bytes
_REBUILD = "an index of an older keyart; make it again with keyart index"
_FILMS = "SELECT place, film_id, title, year, genres, poster_sha256 FROM films"


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

    Make one with `Index.build` or open one with `Index.open`. facts: index.json.
    """

    def __init__(
        self,
        path: Path,
        facts: dict[str, Any],
        embedded: Embedded,
        predictor: Predictor | None,
        given: Path,
    ) -> None:
        self.path = path
        self.facts = facts
        self._embedded = embedded
        self._given = predictor
        self._place = given

    @classmethod
    def open(cls, path: StrPath, model: Predictor | StrPath | None = None) -> "Index":
        """Open an index.

        model: the model that made it: a Predictor, a run or a bundle. None means the model that
        comes with keyart, which is loaded when a poster must be embedded.

        Raises PosterIndexError if there is no index, or it is damaged, of another format or of
        another model; BundleError.
        """
        path = local_tree(given := place(path))
        recover_folder(path)
        if problem := no_folder(path):
            raise PosterIndexError(f"{problem}; make an index with keyart index")
        try:
            facts = read_json(path / FACTS, _LARGEST_FACTS, links=True)
            if facts["format"] != FORMAT:
                raise PosterIndexError(
                    other_format(path, facts["format"], reads=FORMAT, remedy=_REBUILD)
                )
            vectors = Embedded.open(path)
            hashes, small = (np.load(path / name, mmap_mode="r") for name in (HASHES, SMALL))
            (films,) = query_films(path, "SELECT count(*) FROM films")[0]
        except FileNotFoundError as error:
            raise PosterIndexError(
                f"{path}: no index here ({error.filename} is missing); make one with keyart index"
            ) from error
        except OSError as error:
            name = error.filename or path
            raise PosterIndexError(f"{name}: cannot be read ({why(error)})") from error
        except (ValueError, KeyError, TypeError, EOFError, sqlite3.Error) as error:
            raise PosterIndexError(f"{path}: damaged ({error}); make it again") from error
        if not films == len(vectors.rows) == len(hashes) == len(small):
            raise PosterIndexError(f"{path}: damaged (its files disagree); make it again")
        predictor = None if model is None else Predictor.of(model)
        if predictor:
            _same_model(path, facts, predictor)
        return cls(path, facts, vectors, predictor, given)

    @classmethod
    def build(
        cls,
        known: "Catalog | StrPath | Iterable[StrPath | Query]",
        *,
        out: StrPath,
        model: Predictor | StrPath | None = None,
        progress: Progress | None = None,
    ) -> "Index":
        """Embed known posters and write the index to the new folder `out`.

        known: a catalog, or posters that are in none: a folder of them or another path, or several
        paths, as for `find_films`, or films as it gives them. Then posters that cannot be read are
        left out, and `unread` lists them. model: a Predictor, a run or a bundle; None means the
        model that comes with keyart. progress: called with (posters done, posters).

        Raises PosterIndexError if `out` exists or there are no films or over a million; BundleError
        for a model without embeddings, such as an ensemble; PosterError if no poster can be read,
        and the errors of `find_films`; MissingExtraError without `keyart[catalog]`.
        """
        out = place(out)
        if out.exists():
            raise PosterIndexError(f"{out}: already exists; choose another folder or remove it")
        films = known_films(known)
        _check_size(known, len(films))
        predictor = Predictor.of(model)
        predictor.require("features")
        fingerprint = getattr(films, "fingerprint", None)
        if fingerprint is None:
            check_hashing()  # before the work
        posters = of_films(films) if fingerprint is None else of_catalog(cast("Catalog", films))
        with new_folder(out) as partial, _disk_errors(out):
            count, channels = write_films(predictor, posters, len(films), partial, progress)
            write_json(partial / FACTS, _facts(predictor, fingerprint, count, channels))
        return cls.open(out, predictor)

    def grow(
        self,
        known: "Catalog | StrPath | Iterable[StrPath | Query]",
        *,
        progress: Progress | None = None,
    ) -> tuple["Index", int]:
        """Add the posters that are not in the index yet, and return the index of all of them.

        known, progress: as for `build`. A poster is in the index if one of the same film and the
        same content is, however its path is written. Nothing leaves the index: also returned is how
        many of its posters are not among the known ones any more. The folder is replaced whole, or
        not at all; the mean and the axes are learned again, so that a search finds what it would in
        an index built at once.

        Raises what `build` raises, and PosterIndexError for an index in an object store.
        """
        if isinstance(self._place, RemotePath):
            raise PosterIndexError(f"{self._place}: cannot grow in a store; grow a copy here")
        films = known_films(known)
        catalog = getattr(films, "fingerprint", None)
        if catalog is None:
            check_hashing()  # before the work
        indexed = set(query_films(self.path, "SELECT film_id, poster_sha256 FROM films"))
        if catalog is None:
            indexed = {(full_name(name), content) for name, content in indexed}
            posters = list(of_films(films))
            keys: Sequence[Key | None] = [key_of(one) for one in posters]
            added: Iterable[Known] = (
                one for one, key in zip(posters, keys, strict=True) if key not in indexed
            )
        else:
            keys = keys_of_catalog(films)
            added = of_catalog(films, [key not in indexed for key in keys])
        count = sum(key not in indexed for key in keys)
        _check_size(known, len(self) + count)
        predictor = self.predictor
        old = Old(self.path, len(self), self._embedded.before)
        with replacing_folder(self.path) as partial, _disk_errors(self.path):
            done, channels = write_films(predictor, added, count, partial, progress, old)
            write_json(partial / FACTS, _facts(predictor, catalog, done, channels))
        return type(self).open(self.path, predictor), len(indexed.difference(keys))

    @property
    def unread(self) -> list[Failure]:
        """The posters that could not be read when the index was made, with the reasons."""
        try:
            with (self.path / UNREAD).open(newline="", encoding="utf-8") as file:
                return [Failure(row["poster"], row["reason"]) for row in csv.DictReader(file)]
        except FileNotFoundError:
            return []

    def __len__(self) -> int:
        return len(self._embedded.rows)

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
        if embedding.shape != self._embedded.mean.shape:
            raise PosterIndexError(
                f"{self.path}: an embedding of {len(embedding)} channels, expected "
                f"{len(self._embedded.mean)}; use the model that made the index"
            )
        if not np.isfinite(embedding).all():
            raise PosterIndexError(f"{self.path}: an embedding with NaN or infinity")
        best, likeness = self._embedded.most_similar(embedding, count)
        films: dict[int, tuple[Any, ...]] = {}
        for some in batches(best, _AT_ONCE):
            wanted = f"{_FILMS} WHERE place IN ({', '.join('?' * len(some))})"
            films |= {row[0]: row for row in query_films(self.path, wanted, some)}
        return [
            _similar(films[place], float(similarity))
            for place, similarity in zip(best, likeness, strict=True)
        ]

    def near_duplicates(self) -> list[NearDuplicates]:
        """Pairs of known films that show the same artwork, most similar first.

        By perceptual hash and thumbnail, as in a catalog, see near_duplicates.py. Not every pair of
        a group is listed, but enough of them to connect it.
        """
        pairs = near_pairs(np.load(self.path / HASHES), np.load(self.path / SMALL))
        rows = query_films(
            self.path, "SELECT film_id, title, year, genres FROM films ORDER BY place"
        )
        found = [
            NearDuplicates(_film(rows[first]), _film(rows[second]), float(similarity))
            for (first, second), similarity in zip(
                pairs.tolist(), self._similarities(pairs), strict=True
            )
        ]
        return sorted(found, key=lambda pair: -pair.similarity)

    def _similarities(self, pairs: npt.NDArray[np.int64]) -> Iterator[float]:
        """The cosine of each pair's embeddings."""
        for start in range(0, len(pairs), BLOCK):
            first, second = pairs[start : start + BLOCK].T
            rows = self._embedded.rows
            yield from (rows[first] * rows[second]).sum(1).tolist()

    def thumbnail(self, place: int) -> bytes:
        """A known poster, small, as JPEG. Raises IndexError if there is no such place."""
        rows = query_films(self.path, "SELECT thumbnail FROM films WHERE place = ?", [place])
        if not rows:
            raise IndexError(place)
        found: bytes = rows[0][0]
        return found


def known_films(known: Any) -> Any:
    """What can be counted and gone through: a catalog, or films with their posters."""
    if hasattr(known, "fingerprint"):
        return known
    if isinstance(known, str | os.PathLike):
        return NamedFilms(known)
    several = list(known)
    if all(isinstance(one, Query) for one in several):
        return several
    return NamedFilms(several)


def _check_size(known: object, films: int) -> None:
    """Raise PosterIndexError if there are no films, or too many."""
    if not 0 < films <= LARGEST:
        where = getattr(known, "path", known if isinstance(known, str | Path) else "this list")
        raise PosterIndexError(
            f"{where}: has {films:,} films; exact search is for 1 to {LARGEST:,}. For more, put "
            "the embeddings into a library of approximate search, such as FAISS"
        )


def _facts(predictor: Predictor, catalog: str | None, films: int, channels: int) -> dict[str, Any]:
    """What index.json holds."""
    return {
        "format": FORMAT,
        "keyart": __version__,
        "model": predictor.bundle.fingerprint,
        "catalog": catalog,
        "films": films,
        "channels": channels,
    }


def _same_model(path: Path, facts: dict[str, Any], predictor: Predictor) -> None:
    if facts.get("model") != predictor.bundle.fingerprint:
        raise PosterIndexError(
            f"{path}: made with another model than {predictor.bundle.path}; give its model with "
            "--model, or make the index again"
        )


@contextmanager
def _disk_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if disk := disk_error(error, out):
            raise disk from error
        raise


def _film(row: tuple[Any, ...]) -> Film:
    film_id, title, year, genres = row
    return Film(film_id, title, year, tuple(genres.split("|")) if genres else ())


def _similar(row: tuple[Any, ...], similarity: float) -> Similar:
    place, *about, poster_sha256 = row
    film = _film(tuple(about))
    return Similar(
        place, film.film_id, film.title, film.year, film.genres, poster_sha256, similarity
    )
