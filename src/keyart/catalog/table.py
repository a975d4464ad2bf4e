"""A catalog on disk: Parquet shards, and the catalog.json that names them and is written last.

    catalog.json            format, vocabulary, counts, fingerprint, split, shards with their hashes
    films-00000.parquet ... a row a film, the poster's bytes as they were found
    rejections.csv          film_id, reason

Reading it needs pyarrow alone. A shard that catalog.json does not name is no part of the catalog.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

import keyart
from keyart.catalog.split import SPLITS
from keyart.errors import CatalogError, KeyartError, VocabularyError
from keyart.genres import Vocabulary

FORMAT = 1
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
_TOLD = {"films", "fingerprint", "parts", "counts", "split", "unmapped", "notes", "rejections"}


@dataclass(frozen=True)
class Catalog:
    """A catalog that was opened. facts: catalog.json."""

    path: Path
    vocabulary: Vocabulary
    facts: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> "Catalog":
        """Open a catalog. Raises CatalogError: not there, damaged, of a newer format.

        Sizes are checked; `keyart catalog check` reads every byte.
        """
        file = path / FACTS
        try:
            facts = json.loads(file.read_bytes())
            version = facts["format"]
        except FileNotFoundError as error:
            raise CatalogError(
                f"{path}: no catalog here (no {FACTS}); make one with keyart catalog build"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CatalogError(f"{file}: damaged ({error!r}); build the catalog again") from error
        if not isinstance(version, int) or version > FORMAT:
            raise CatalogError(
                f"{path}: format {version}, written by a newer keyart; this {keyart.__version__} "
                f"reads up to format {FORMAT}: upgrade keyart"
            )
        try:
            names = tuple(facts["vocabulary"]["names"])
            aliases = {a: tuple(to) for a, to in facts["vocabulary"]["aliases"].items()}
            vocabulary = Vocabulary(names, aliases)
            if missing := _TOLD - facts.keys():
                raise KeyError(*sorted(missing))
            for shard in facts["shards"]:
                size = (path / shard["name"]).stat().st_size
                if size != shard["size"]:
                    raise CatalogError(
                        f"{path / shard['name']}: {size:,} bytes where {shard['size']:,} were "
                        "written; build the catalog again"
                    )
        except OSError as error:
            raise CatalogError(f"{error.filename}: missing from the catalog") from error
        except (KeyError, TypeError, AttributeError, ValueError, VocabularyError) as error:
            raise CatalogError(f"{file}: damaged ({error!r}); build the catalog again") from error
        return cls(path, vocabulary, facts)

    def __len__(self) -> int:
        return int(self.facts["films"])

    @property
    def fingerprint(self) -> str:
        """Changes with any film, genre, group, part or poster."""
        return str(self.facts["fingerprint"])

    @property
    def shards(self) -> list[Path]:
        """The Parquet files, in order."""
        return [self.path / shard["name"] for shard in self.facts["shards"]]

    @cached_property
    def films(self) -> pa.Table:
        """All columns but the posters."""
        return self.columns(COLUMNS)

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some columns of all films. Raises CatalogError where a shard cannot be read."""
        schema = pa.schema([SCHEMA.field(name) for name in names])
        with self._reading():
            parts = [pq.ParquetFile(shard).read(columns=list(names)) for shard in self.shards]
            return pa.concat_tables([schema.empty_table(), *parts])

    @cached_property
    def truth(self) -> npt.NDArray[np.bool_]:
        """Multi-hot genres (films, genres)."""
        return self.vocabulary.encode(self.films["genres"].to_pylist())

    @cached_property
    def groups(self) -> npt.NDArray[np.object_]:
        """The group of near-duplicates of each film, (films,)."""
        return np.array(self.films["group"].to_pylist(), dtype=object)

    def rows(self, part: str) -> npt.NDArray[np.int64]:
        """The rows of 'train', 'validation' or 'test', in catalog order."""
        if part not in SPLITS:
            raise KeyartError(f"no part {part!r}; the parts are {', '.join(SPLITS)}")
        return np.flatnonzero(np.array(self.films["split"].to_pylist(), dtype=object) == part)

    def posters(self) -> Iterator[bytes]:
        """The posters' bytes in catalog order, a row group in memory at a time.

        Raises CatalogError where a shard cannot be read.
        """
        for shard in self.shards:
            with self._reading(), pq.ParquetFile(shard) as file:
                for group in range(file.num_row_groups):
                    for poster in file.read_row_group(group, columns=["poster"])["poster"]:
                        yield poster.as_py()

    def poster(self, row: int) -> bytes:
        """The poster of one film. Raises CatalogError: no such row, a shard cannot be read."""
        if not 0 <= row < len(self):
            raise CatalogError(f"{self.path}: no row {row:,}; its films are 0 to {len(self) - 1:,}")
        left = row
        for shard in self.shards:
            with self._reading(), pq.ParquetFile(shard) as file:
                for group in range(file.num_row_groups):
                    films = file.metadata.row_group(group).num_rows
                    if left < films:
                        poster = file.read_row_group(group, columns=["poster"])["poster"][left]
                        found: bytes = poster.as_py()
                        return found
                    left -= films
        raise CatalogError(f"{self.path}: damaged (no row {row:,}); build it again")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException, KeyError) as error:
            reason = " ".join(str(error).split())
            raise CatalogError(f"{self.path}: damaged ({reason}); build it again") from error


class Fingerprint:
    """The digest of a catalog's content, film by film in catalog order."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._digest = hashlib.sha256("|".join(vocabulary.names).encode())

    def add(self, film: Mapping[str, Any]) -> None:
        """Take in a film's row (its poster stands for itself by its SHA-256)."""
        parts = (film["film_id"], film["genres"], film["group"], film["split"])
        self._digest.update(json.dumps([*parts, film["poster_sha256"]]).encode())

    def hex(self) -> str:
        """The fingerprint so far."""
        return self._digest.hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, a piece in memory at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
