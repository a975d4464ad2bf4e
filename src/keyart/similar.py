"""Known posters that look like another, as the bundle's own network sees them.

An index is a folder:
    index.json       format, fingerprints of the model and of the catalog, counts
    embeddings.npy   (films, channels) float32, centred on their mean and of length 1
    mean.npy         (channels,) that mean
    films.arrow      film_id, title, year, genres, group, poster_sha256, thumbnail (JPEG)

Search is exact: one product of the embeddings with the query's. A million films of 256 channels
take some 0.1 s and are mapped, not read.
"""

import io
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

import keyart
from keyart.bundle import Bundle
from keyart.catalog.table import Catalog
from keyart.errors import PosterError, PosterIndexError
from keyart.files import new_folder, write_json
from keyart.images.decode import Pixels, decode
from keyart.predictor import Predictor

FORMAT = 1
FACTS, EMBEDDINGS, MEAN, FILMS = "index.json", "embeddings.npy", "mean.npy", "films.arrow"
LARGEST = 1_000_000
THUMBNAIL_HEIGHT = 240

# Two films whose posters are at least so similar are listed as near-duplicates. Measured on real
# posters, PosterNet's embeddings: 107 of 117 known pairs reach it, and 4 of 6.7 million others.
DUPLICATE = 0.985

_CHUNK = 16  # posters a task
_BLOCK = 1_024  # rows of a block in the search for near-duplicates

_SCHEMA = pa.schema(
    [
        ("film_id", pa.string()),
        ("title", pa.string()),
        ("year", pa.int32()),
        ("genres", pa.list_(pa.string())),
        ("group", pa.string()),
        ("poster_sha256", pa.string()),
        ("thumbnail", pa.binary()),
    ]
)

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


@dataclass(frozen=True, slots=True)
class Twins:
    """Two films of one index whose posters are near-duplicates.

    grouped: the catalog knows it, and keeps them in one part of its split.
    """

    first: str
    second: str
    similarity: float
    grouped: bool


@dataclass(frozen=True)
class PosterIndex:
    """An index that was opened. facts: index.json."""

    path: Path
    facts: dict[str, Any]
    embeddings: Embeddings
    mean: Embeddings
    films: pa.Table

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
            with pa.memory_map(str(path / FILMS)) as file:
                films = pa.ipc.open_file(file).read_all()
        except FileNotFoundError as error:
            raise PosterIndexError(
                f"{path}: no index here ({error.filename} is missing); make one with keyart index"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, EOFError, pa.ArrowException) as error:
            raise PosterIndexError(f"{path}: damaged ({error}); make it again") from error
        if embeddings.shape != (len(films), len(mean)) or films.schema != _SCHEMA:
            raise PosterIndexError(f"{path}: damaged (its files disagree); make it again")
        if bundle and facts.get("model") != bundle.fingerprint:
            raise PosterIndexError(
                f"{path}: made with another model than {bundle.path}; make it again with keyart "
                f"index CATALOG --model {bundle.path}"
            )
        return cls(path, facts, embeddings, mean, films)

    def __len__(self) -> int:
        return len(self.films)

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
        return [self._similar(int(place), float(likeness[place])) for place in best]

    def thumbnail(self, place: int) -> bytes:
        """A known poster, small, as JPEG. Raises IndexError where there is no such place."""
        if not 0 <= place < len(self.films):
            raise IndexError(place)
        found: bytes = self.films["thumbnail"][place].as_py()
        return found

    def twins(self, least: float = DUPLICATE) -> list[Twins]:
        """All pairs of films whose posters are at least so similar, most similar first.

        Exact: all pairs are compared, a block at a time, at the speed of a matrix product.
        """
        found = []
        for start in range(0, len(self), _BLOCK):
            rows = self.embeddings[start : start + _BLOCK]
            for other in range(start, len(self), _BLOCK):
                likeness = rows @ self.embeddings[other : other + _BLOCK].T
                first, second = np.nonzero(likeness >= least)
                for a, b in zip(first.tolist(), second.tolist(), strict=True):
                    if start + a < other + b:
                        found.append((start + a, other + b, float(likeness[a, b])))
        found.sort(key=lambda pair: (-pair[2], pair[:2]))
        return [
            Twins(self._ids[a], self._ids[b], likeness, self._groups[a] == self._groups[b])
            for a, b, likeness in found
        ]

    @cached_property
    def _ids(self) -> list[str]:
        ids: list[str] = self.films["film_id"].to_pylist()
        return ids

    @cached_property
    def _groups(self) -> list[str]:
        groups: list[str] = self.films["group"].to_pylist()
        return groups

    def _similar(self, place: int, similarity: float) -> Similar:
        film = {
            name: self.films[name][place].as_py() for name in _SCHEMA.names if name != "thumbnail"
        }
        return Similar(
            place,
            film["film_id"],
            film["title"],
            film["year"],
            tuple(film["genres"]),
            film["poster_sha256"],
            similarity,
        )


def find_similar(poster: Path, model: Path, index: Path, count: int = 5) -> list[Similar]:
    """The known posters nearest to a poster's file.

    Raises PosterError, BundleError, PosterIndexError.
    """
    predictor = Predictor.load(model)
    known = PosterIndex.open(index, predictor.bundle)
    try:
        pixels = predictor.spec.prepare(poster.read_bytes())
    except OSError as error:
        raise PosterError(f"{poster}: {error.strerror}") from error
    return known.nearest(predictor.embeddings(pixels[None])[0], count)


def find_twins(model: Path, index: Path) -> list[Twins]:
    """The near-duplicates among the posters of an index. Raises BundleError, PosterIndexError."""
    return PosterIndex.open(index, Predictor.load(model).bundle).twins()


def build_index(
    catalog: Catalog, model: Path, out: Path, *, progress: Progress | None = None
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
    predictor: Predictor, catalog: Catalog, folder: Path, progress: Progress | None
) -> Embeddings:
    """Write embeddings.npy, not yet centred, and films.arrow. Returns the embeddings' mean."""
    films = catalog.films.select([name for name in _SCHEMA.names if name != "thumbnail"])
    total: npt.NDArray[np.float64] | None = None
    done = 0
    with (
        (folder / EMBEDDINGS).open("wb") as file,
        pa.OSFile(str(folder / FILMS), "wb") as sink,
        pa.ipc.new_file(sink, _SCHEMA) as writer,
    ):
        for embeddings, thumbnails in _embed_all(predictor, catalog.posters()):
            if total is None:
                shape = (len(catalog), embeddings.shape[1])
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                total = np.zeros(shape[1])
            file.write(np.ascontiguousarray(embeddings, "<f4").data)
            total += embeddings.sum(0, dtype=np.float64)
            some = films.slice(done, len(thumbnails))
            column = pa.array(thumbnails, pa.binary())
            writer.write_table(some.append_column(_SCHEMA.field("thumbnail"), column))
            done += len(thumbnails)
            if progress:
                progress(done, len(catalog))
    assert total is not None
    assert done == len(catalog)
    return (total / done).astype(np.float32)


def _embed_all(
    predictor: Predictor, posters: Iterator[bytes]
) -> Iterator[tuple[Embeddings, list[bytes]]]:
    """Embeddings and thumbnails in order, on all cores, a bounded number at a time."""

    def embed(chunk: list[bytes]) -> tuple[Embeddings, list[bytes]]:
        spec = predictor.spec
        at_least = (max(2 * spec.height, THUMBNAIL_HEIGHT), 2 * spec.width)
        decoded = [decode(data, at_least=at_least) for data in chunk]
        pixels = np.stack([spec.resize(rgb) for rgb in decoded])
        return predictor.embeddings(pixels), [_thumbnail(rgb) for rgb in decoded]

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
