"""The plan of a job: which film is in which shard. It is written before anything is computed.

    plan.parquet    a row for each film: its poster's path, size and time of change, and what its
                    table says. Row group K is shard K. The metadata has the choices of the job.

The same films and choices make the same plan, so shards keep their names when a job goes on.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from keyart.catalog.kept import CatalogPoster
from keyart.errors import JobError, other_format
from keyart.evidence import KINDS, POSTER, Evidence
from keyart.files import StrPath, replacing
from keyart.images.archive import Archive, Member, is_archive
from keyart.images.poster import KeptPoster, Poster, name_of
from keyart.network import BATCH
from keyart.parallel import batches
from keyart.prediction import Query
from keyart.printable import printable
from keyart.stores.client import Object
from keyart.stores.paths import RemotePath, place

FORMAT = 1
PLAN = "plan.parquet"
SHARD = 1_024
"""Films in a shard, if nobody says otherwise: some seconds of one core."""

SCHEMA = pa.schema(
    [
        ("poster", pa.binary()),  # a path, which need not be UTF-8, or a name if there is a problem
        ("place", pa.string()),  # in a file of many: the row of a catalog's, the name in an archive
        ("size", pa.int64()),  # null if the file could not be read
        ("changed_ns", pa.int64()),
        ("film_id", pa.string()),
        ("title", pa.string()),
        ("year", pa.int32()),
        ("problem", pa.string()),
    ]
)
_KEY = b"keyart"  # of the metadata
_AGAIN = "choose another folder with --out for a new job"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Choices:
    """What all shards of a job have in common.

    model: the fingerprint of its bundle. name: of the model, for people. precision, balanced: as
    for `Predictor.load`. evidence: as for `Predictor.predict_many`. top, min_score: as for
    `to_table`. shard_size: films in a shard.
    """

    model: str
    name: str
    precision: float | None
    balanced: bool
    evidence: Evidence
    top: int | None
    min_score: float | None
    shard_size: int

    def __post_init__(self) -> None:
        if self.shard_size < 1 or self.shard_size % BATCH:
            # Shards of whole batches: each film's batch is the one it has without shards.
            raise JobError(f"shard size: expected a multiple of {BATCH}, got {self.shard_size}")


@dataclass(frozen=True)
class Plan:
    """A job's plan, read from its folder. films, shards: how many there are."""

    folder: Path
    choices: Choices
    films: int
    shards: int

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the plan in a job's folder. Raises JobError if there is none, or it is damaged."""
        path = folder / PLAN
        try:
            with _opened(path) as file:
                metadata = file.metadata
                known = json.loads((metadata.metadata or {})[_KEY])
                version = known.pop("format")
                if version != FORMAT:
                    remedy = "finish the job with the keyart that began it"
                    raise JobError(other_format(path, version, reads=FORMAT, remedy=remedy))
                choices = Choices(**known | {"evidence": tuple(known["evidence"])})
                return cls(folder, choices, metadata.num_rows, metadata.num_row_groups)
        except FileNotFoundError as error:
            raise JobError(f"{folder}: no job here (no {PLAN})") from error
        except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise JobError(f"{path}: damaged; {_AGAIN}") from error

    @cached_property
    def digest(self) -> str:
        """A hash of the plan, which each shard's file repeats."""
        with (self.folder / PLAN).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]

    @property
    def names(self) -> list[str]:
        """The names of the shards' files, in order."""
        model = self.choices.model[:12]
        return [f"scores-{shard:06d}-{model}.parquet" for shard in range(self.shards)]

    def rows(self, shard: int) -> pa.Table:
        """The films of a shard, with the columns of SCHEMA."""
        return self._file.read_row_group(shard)

    @cached_property
    def _file(self) -> pq.ParquetFile:
        """Opened once: the metadata of ten thousand shards take a moment to read."""
        return _opened(self.folder / PLAN)

    def check_choices(self, choices: Choices) -> None:
        """Raise JobError if these are not the choices of this job, with the first that differs."""
        for name, planned in asdict(self.choices).items():
            given = getattr(choices, name)
            if given == planned or name == "name":  # the same model may lie in another folder
                continue
            if name == "model":
                theirs, ours = (f"{one.name} ({one.model[:12]})" for one in (self.choices, choices))
                raise JobError(f"{self.folder}: a job of the model {theirs}, not {ours}; {_AGAIN}")
            theirs, ours = (_option(name, value) for value in (planned, given))
            raise JobError(f"{self.folder}: a job {theirs}, not {ours}; {_AGAIN}")

    def check_films(self, films: Iterable[Query]) -> None:
        """Raise JobError if these are not the films of this job, or a poster has changed."""
        found = tables_of(films, self.choices.shard_size)
        for shard, table in zip_longest(range(self.shards), found):
            planned = None if shard is None else self.rows(shard)
            if planned is None or table is None or not planned.equals(table):
                ours = [] if planned is None else planned.to_pylist()
                theirs = [] if table is None else table.to_pylist()
                raise JobError(
                    f"{_difference(ours, theirs)} since the plan in {self.folder} was written; "
                    f"restore it, or {_AGAIN}"
                )


def write_plan(folder: Path, films: Iterable[Query], choices: Choices) -> Plan:
    """Write a job's plan, whole or not at all. Raises JobError for posters that are in no file."""
    metadata = {_KEY: json.dumps({"format": FORMAT, **asdict(choices)}).encode()}
    schema = SCHEMA.with_metadata(metadata)
    with (
        replacing(folder / PLAN) as partial,
        pa.OSFile(os.fsencode(partial), "wb") as sink,
        pq.ParquetWriter(sink, schema, compression="zstd") as writer,
    ):
        for table in tables_of(films, choices.shard_size):
            writer.write_table(table, row_group_size=choices.shard_size)
    return Plan.read(folder)


def tables_of(films: Iterable[Query], shard_size: int) -> Iterator[pa.Table]:
    """The rows of a plan, a table for each shard."""
    for batch in batches(enumerate(films), shard_size):
        yield pa.Table.from_pylist([_row(*one) for one in batch], SCHEMA)


def _row(number: int, film: Query) -> dict[str, Any]:
    """A film in a plan. number: of the film, for the name of one that has none."""
    about: dict[str, Any] = {"film_id": film.film_id, "title": film.title, "year": film.year}
    if film.problem:
        assert isinstance(film.poster, str | os.PathLike)
        return about | {"poster": os.fsencode(film.poster), "problem": film.problem}
    if film.poster is None:
        if film.film_id or film.title:
            return about
        return about | {"poster": f"film {number}".encode(), "problem": "it has no poster"}
    file, where = _where(film.poster)
    path = place(file)
    size, changed = state_of(path)
    # Absolute: other processes, on other machines, must find it as well.
    name = str(path) if isinstance(path, RemotePath) else os.path.abspath(path)
    about |= {"poster": os.fsencode(name), "place": where}
    return about | {"size": size, "changed_ns": changed}


def _where(poster: Poster) -> tuple[StrPath, str | None]:
    """The file that a poster is in, and its place there if the file has many."""
    if isinstance(poster, CatalogPoster):
        return poster.file, str(poster.row)
    if isinstance(poster, Member):
        return poster.archive.path, poster.place
    if isinstance(poster, KeptPoster) or not isinstance(poster, str | os.PathLike):
        name = name_of(poster, "a poster in memory")
        raise JobError(f"{name}: a job reads posters from files; save it as one")
    return poster, None


def _option(name: str, value: object) -> str:
    """A choice as people made it: 'with --precision 0.8'."""
    option = f"--{name.replace('_', '-')}"
    if value is None or isinstance(value, bool):
        return f"{'with' if value else 'without'} {option}"
    if isinstance(value, tuple):
        value = "all" if value == KINDS else "poster" if value == POSTER else "|".join(value)
    return f"with {option} {value}"


def state_of(path: Path) -> tuple[int | None, int | None]:
    """The size of a file and when it was changed, in ns; None if it cannot be known.

    Raises StoreError.
    """
    if isinstance(path, RemotePath):
        found = path.seen or path.bucket.head(path.key)
        return (None, None) if found is None else state_of_object(found)
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None, None
    return facts.st_size, facts.st_mtime_ns


def state_of_object(found: Object) -> tuple[int, int]:
    """As `state_of`, of an object in a store."""
    return found.size, int(found.modified.timestamp()) * 1_000_000_000


def _difference(planned: list[Row], found: list[Row]) -> str:
    """What is not as it was, with its name."""
    pairs = list(zip_longest(planned, found))
    old, new = next((old, new) for old, new in pairs if old != new)
    if old is None:
        return f"{name_in(new)}: is new"
    if new is None or _same(old, new):
        return f"{name_in(old)}: {_absent(old) if new is None else 'has changed'}"
    if any(_same(old, other) for other in found):
        return f"{name_in(new)}: is new"
    return f"{name_in(old)}: {_absent(old)}"


def _absent(row: Row) -> str:
    """What became of a film that the plan has: its poster is gone, or was not given this time."""
    here = row["poster"] and row["place"] is None and os.path.exists(os.fsdecode(row["poster"]))
    return "is no longer among the films" if here else "is gone"


def _same(row: Row, other: Row) -> bool:
    """Whether two rows are of one film."""
    return all(row[name] == other[name] for name in ("poster", "place", "film_id"))


def name_in(row: Row) -> str:
    """What people call a film of a plan."""
    if row["poster"] is None:
        return str(row["film_id"] or row["title"])
    name = os.fsdecode(row["poster"])
    if row["place"] is not None:
        name = os.fspath(kept(name, row["place"]))
    return printable(name)


def kept(path: str, place: str) -> KeptPoster:
    """A poster in a file of many."""
    if is_archive(Path(path)):
        return _archive(path, state_of(Path(path)))[place]
    return CatalogPoster(Path(path), int(place))


@lru_cache(maxsize=4)  # by state too: another archive may have replaced it
def _archive(path: str, state: tuple[int | None, int | None]) -> dict[str, Member]:
    return {member.place: member for member in Archive(Path(path)).members}


def _opened(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(pa.OSFile(os.fsencode(path)))
