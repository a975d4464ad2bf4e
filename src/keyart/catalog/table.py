"""A catalog on disk, and how it is read: Parquet shards, and the catalog.json that names them.

    catalog.json            format, vocabulary, counts, fingerprint, split, shards with their hashes
    films-00000.parquet ... one row per film, with the poster's bytes as they were found
    rejections.csv          film_id, reason

Reading it needs only pyarrow. catalog.json is written last: a shard that it does not name does not
belong to the catalog.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from keyart.catalog.kept import content_at
from keyart.catalog.split import ALL_FILMS, SPLITS
from keyart.copies import copy_of, folder_for
from keyart.errors import CatalogError, KeyartError, VocabularyError, other_format, why
from keyart.files import StrPath, no_folder
from keyart.film import Film
from keyart.genres import Vocabulary
from keyart.images.decode import Pixels
from keyart.images.pixels import pixel_store
from keyart.images.spec import ImageSpec
from keyart.near_duplicates import THUMBNAIL
from keyart.parallel import Progress
from keyart.reading import read_json
from keyart.series import RULE, series_stem
from keyart.stores.paths import RemotePath, place

FORMAT = 2
FACTS, REJECTIONS = "catalog.json", "rejections.csv"
ROW_GROUP = 256  # films read at once, or fewer:
ROW_GROUP_BYTES = 32_000_000  # posters may be large
SHARD = 8_192  # films a file

SCHEMA = pa.schema(
    [
        ("film_id", pa.string()),
        ("title", pa.string()),
        ("year", pa.int32()),
        ("genres", pa.list_(pa.string())),
        ("poster", pa.binary()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("group", pa.string()),
        ("split", pa.string()),
        ("poster_sha256", pa.string()),
        ("poster_hash", pa.uint64()),  # perceptual: a catalog grows without decoding old posters
        ("poster_thumbnail", pa.binary()),
    ]
)
COLUMNS = [name for name in SCHEMA.names if name != "poster"]
_KEYS = {"films", "fingerprint", "splits", "counts", "split", "unmapped", "notes", "rejections"}
_MOST_BYTES = 64_000_000  # of catalog.json
_NO_SERIES: Mapping[str, Any] = {"of": "no films", "ignored": ()}
_REBUILD = "a catalog of an older keyart; build it again with keyart catalog build"


@dataclass(frozen=True, repr=False)
class CatalogTable:
    """The films and posters of an opened catalog, read-only.

    facts: catalog.json. folder: where its pixels and features are kept, on this machine: its own,
    or one in the user's cache if it is in an object store.
    """

    path: Path
    vocabulary: Vocabulary
    facts: Mapping[str, Any]
    folder: Path

    @classmethod
    def open(cls, path: StrPath) -> Self:
        """Open a catalog: a folder, or an address in an object store.

        Checks that all files are there and have their size; `check` reads every byte. Of a store,
        only catalog.json is read, and later the shards that are needed.

        Raises CatalogError if there is no catalog, or it is damaged or of another format, and
        StoreError.
        """
        path = place(path)
        if not isinstance(path, RemotePath) and (problem := no_folder(path)):
            raise CatalogError(f"{problem}; make a catalog with keyart catalog build")
        file = path / FACTS
        try:
            return cls.parsed(path, read_json(file, _MOST_BYTES, links=True))
        except FileNotFoundError as error:
            raise CatalogError(
                f"{path}: no catalog here (no {FACTS}); make one with keyart catalog build"
            ) from error
        except OSError as error:
            raise CatalogError(f"{file}: cannot be read ({why(error)})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogError(f"{file}: damaged ({error!r}); build the catalog again") from error

    @classmethod
    def parsed(cls, path: Path, facts: Any) -> Self:
        """The catalog at `path` that has this catalog.json. Raises CatalogError."""
        file = path / FACTS
        try:
            version = facts["format"]
            if version != FORMAT:
                raise CatalogError(other_format(path, version, reads=FORMAT, remedy=_REBUILD))
            names = tuple(facts["vocabulary"]["names"])
            aliases = {a: tuple(to) for a, to in facts["vocabulary"]["aliases"].items()}
            vocabulary = Vocabulary(names, aliases)
            if missing := _KEYS - facts.keys():
                raise KeyError(*sorted(missing))
            series = facts["split"].get("series", _NO_SERIES)  # older catalogs do not have it
            if not all(isinstance(stem, str) for stem in series["ignored"]) or "of" not in series:
                raise TypeError("split series: expected of, rule and ignored stems")
            for shard in facts["shards"]:
                if not re.fullmatch(r"[\w-][\w.-]*", shard["name"]):
                    raise ValueError(f"a shard named {shard['name']!r}")
                if isinstance(path, RemotePath):
                    continue
                size = (path / shard["name"]).stat().st_size
                if size != shard["size"]:
                    raise CatalogError(
                        f"{path / shard['name']}: has {size:,} bytes, expected {shard['size']:,}; "
                        "build the catalog again"
                    )
        except FileNotFoundError as error:
            raise CatalogError(f"{error.filename}: missing from the catalog") from error
        except OSError as error:
            raise CatalogError(f"{error.filename}: cannot be read ({why(error)})") from error
        except (KeyError, TypeError, AttributeError, ValueError, VocabularyError) as error:
            raise CatalogError(f"{file}: damaged ({error!r}); build the catalog again") from error
        remote = isinstance(path, RemotePath)
        folder = folder_for(f"catalog-{facts['fingerprint'][:32]}") if remote else path
        return cls(path, vocabulary, facts, folder)

    def __len__(self) -> int:
        return int(self.facts["films"])

    def __iter__(self) -> Iterator[Film]:
        """The films, in catalog order."""
        names = ("film_id", "title", "year", "genres")
        columns = (self.to_table()[name].to_pylist() for name in names)
        for film_id, title, year, genres in zip(*columns, strict=True):
            yield Film(film_id, title, year, tuple(genres))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self.path)!r}: {len(self):,} films>"

    @property
    def fingerprint(self) -> str:
        """A hash of the content: any other film, genre, group, split or poster changes it."""
        return str(self.facts["fingerprint"])

    @property
    def shards(self) -> list[Path]:
        """The Parquet files on this machine, in order. Raises StoreError."""
        return list(map(self.shard, range(len(self.facts["shards"]))))

    def shard(self, number: int, *, fresh: bool = False) -> Path:
        """A Parquet file on this machine; it is copied there if the catalog is in a store.

        fresh: copy it now. Raises CatalogError if it is missing in the store, and StoreError.
        """
        facts = self.facts["shards"][number]
        path = self.path / str(facts["name"])
        if not isinstance(path, RemotePath):
            return path
        try:
            return copy_of(path, facts["sha256"], fresh=fresh)
        except FileNotFoundError as error:
            raise CatalogError(f"{path}: missing from the catalog") from error

    def films(self) -> list[Film]:
        """All films, in catalog order."""
        return list(self)

    def to_table(self) -> pa.Table:
        """All films as a pyarrow.Table: every column but the posters' bytes.

        Raises CatalogError if a file cannot be read.
        """
        return self._table

    @cached_property
    def _table(self) -> pa.Table:
        return self.columns(COLUMNS)

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some columns of all films. Raises CatalogError if a file cannot be read."""
        schema = pa.schema([SCHEMA.field(name) for name in names])
        with self._reading():
            tables = [parquet_file(shard).read(columns=list(names)) for shard in self.shards]
            return pa.concat_tables([schema.empty_table(), *tables])

    @cached_property
    def truth(self) -> npt.NDArray[np.bool_]:
        """Multi-hot genres (films, genres)."""
        return self.vocabulary.encode(self.to_table()["genres"].to_pylist())

    @cached_property
    def groups(self) -> npt.NDArray[np.object_]:
        """The group of each film, (films,): near-duplicate posters and series share one."""
        return np.array(self.to_table()["group"].to_pylist(), dtype=object)

    def hashes(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
        """What near-duplicates are found by: hashes (films,) and thumbnails (films, 12, 8, 3)."""
        films = self.to_table()
        small = np.frombuffer(b"".join(films["poster_thumbnail"].to_pylist()), np.uint8)
        return films["poster_hash"].to_numpy(), small.reshape(len(films), *THUMBNAIL)

    def rows(self, split: str) -> npt.NDArray[np.int64]:
        """The rows of 'train', 'validation' or 'test', in catalog order."""
        if split not in SPLITS:
            raise KeyartError(f"no split {split!r}; the splits are {', '.join(SPLITS)}")
        splits = np.array(self.to_table()["split"].to_pylist(), dtype=object)
        return np.flatnonzero(splits == split)

    def posters(self) -> Iterator[bytes]:
        """The posters' bytes in catalog order, one row group in memory at a time.

        Raises CatalogError if a file cannot be read.
        """
        for number in range(len(self.facts["shards"])):
            with self._reading(), parquet_file(self.shard(number)) as file:
                for group in range(file.num_row_groups):
                    for poster in file.read_row_group(group, columns=["poster"])["poster"]:
                        yield poster.as_py()

    @cached_property
    def stems(self) -> list[str]:
        """The stem of each film's series, see series.py; "" for titles that name none."""
        ignored = set(self.facts["split"].get("series", _NO_SERIES)["ignored"])
        stems = map(series_stem, self.to_table()["title"].to_pylist())
        return ["" if stem in ignored else stem for stem in stems]

    @property
    def keeps_series(self) -> bool:
        """Whether all films were grouped by series, by the rule of this keyart."""
        series: dict[str, Any] = self.facts["split"].get("series", _NO_SERIES)
        return (series["of"], series.get("rule")) == (ALL_FILMS, RULE)

    def pixels(self, spec: ImageSpec, progress: Progress | None = None) -> Pixels:
        """The prepared posters (films, height, width, 3), decoded the first time only.

        progress: called with (posters done, posters) while they are decoded. Raises PosterError if
        a poster no longer decodes, and CatalogError if a file cannot be read.
        """
        return pixel_store(self.folder, self.fingerprint, spec, len(self), self.posters, progress)

    def poster(self, row: int) -> bytes:
        """The poster of one film. Raises CatalogError: no such row, a file cannot be read."""
        if not 0 <= row < len(self):
            raise CatalogError(f"{self.path}: no row {row:,}; its films are 0 to {len(self) - 1:,}")
        left = row
        for number, facts in enumerate(self.facts["shards"]):
            if left < facts["films"]:
                with self._reading():
                    return content_at(self.shard(number), left)
            left -= facts["films"]
        raise CatalogError(f"{self.path}: damaged (no row {row:,}); build it again")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException, LookupError) as error:
            reason = " ".join(str(error).split())
            raise CatalogError(f"{self.path}: damaged ({reason}); build it again") from error


class Fingerprint:
    """The hash of a catalog's content, film by film in catalog order."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._digest = hashlib.sha256("|".join(vocabulary.names).encode())

    def add(self, film: Mapping[str, Any]) -> None:
        """Add a film's row. Its poster counts through its SHA-256."""
        cells = (film["film_id"], film["genres"], film["group"], film["split"])
        self._digest.update(json.dumps([*cells, film["poster_sha256"]]).encode())

    def hex(self) -> str:
        """The fingerprint so far."""
        return self._digest.hexdigest()


def parquet_file(path: Path) -> pq.ParquetFile:
    """Open a Parquet file. Raises OSError and ArrowException."""
    # As bytes: pyarrow encodes a path as UTF-8, which a path need not be.
    return pq.ParquetFile(pa.OSFile(os.fsencode(path)))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
