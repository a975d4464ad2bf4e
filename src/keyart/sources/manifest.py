"""The manifest: one row per film, what is to be fetched and what came of it, in Parquet.

    FETCH/manifest.parquet      all films, and how they were planned (in the file's metadata)
    FETCH/journal-ID.ndjson     what has happened since: one line per request
    FETCH/posters/              what has arrived, each file whole
    FETCH/films.parquet         films with posters that have arrived, for catalog build

A run appends to the journal, and now and then folds it into the manifest. So a request is written
down in a millisecond whatever the size of the manifest, and memory stays flat: rows are read and
written a few thousand at a time.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from keyart.catalog.table import parquet_file
from keyart.errors import FetchError, VocabularyError, one_line, other_format, why
from keyart.files import no_folder, replacing, sweep, write_all
from keyart.genres import Vocabulary
from keyart.locks import lock_folder
from keyart.sources.unite import unite_genres
from keyart.version import __version__

FORMAT = 1
MANIFEST, POSTERS, FILMS = "manifest.parquet", "posters", "films.parquet"
STATUSES = ("planned", "fetched", "absent", "refused", "failed", "expired")
BATCH = 4_096  # rows in memory at once
_KEY = b"keyart.fetch"
_TIME = pa.timestamp("ms", tz="UTC")  # Parquet has no seconds
_TIMES = ("fetched_at", "expires_at", "retry_at")
_NAMES = pa.list_(pa.string())

SCHEMA = pa.schema(
    [
        ("film_id", pa.string()),
        ("title", pa.string()),
        ("year", pa.int32()),
        ("genres", _NAMES),  # of the vocabulary, united over the sources
        ("poster", pa.string()),  # the file below posters/, once it has arrived
        ("status", pa.string()),
        ("reason", pa.string()),  # why there is no poster
        ("attempts", pa.int32()),  # requests that were answered, or failed
        ("url", pa.string()),
        ("imdb_id", pa.string()),
        ("tmdb_id", pa.string()),
        ("etag", pa.string()),
        ("sha256", pa.string()),
        ("fetched_at", _TIME),
        ("expires_at", _TIME),  # the poster must be gone by then
        ("retry_at", _TIME),  # not asked for again before
        ("source", pa.string()),  # of the poster
        ("terms", _NAMES),  # the sources whose terms apply to the row
        ("listed", pa.bool_()),  # whether the sources still have the film
        ("genres_imdb", _NAMES),  # names as each source has them
        ("genres_movielens", _NAMES),
        ("genres_tmdb", _NAMES),
        ("genres_table", _NAMES),
    ]
)

Row = dict[str, Any]
Change = dict[str, Any]
"""What one request changed: the number of the row, and the columns that are different now."""


@dataclass(frozen=True)
class Settings:
    """How a manifest was planned. id: names the journal that belongs to it."""

    id: str
    place: str
    prefer: str | None
    vocabulary: Vocabulary
    facts: Mapping[str, Any]

    def to_json(self) -> bytes:
        """The metadata of the file."""
        value = {
            "format": FORMAT,
            "keyart": __version__,
            "id": self.id,
            "place": self.place,
            "prefer": self.prefer,
            "vocabulary": {
                "names": list(self.vocabulary.names),
                "aliases": {alias: list(to) for alias, to in self.vocabulary.aliases.items()},
            },
            "facts": dict(self.facts),
        }
        return json.dumps(value).encode()


class Manifest:
    """An opened manifest. Changes are only seen after `fold`, or in `rows`."""

    schema = SCHEMA

    def __init__(self, folder: Path) -> None:
        """Open the manifest of a folder. Raises FetchError."""
        self.folder = folder
        self.path = folder / MANIFEST
        if problem := no_folder(folder):
            raise FetchError(f"{problem}; make a manifest with keyart fetch plan")
        try:
            with parquet_file(self.path) as file:
                metadata = file.metadata.metadata or {}
                schema = file.schema_arrow
                self.groups: list[int] = [
                    file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)
                ]
        except FileNotFoundError as error:
            raise FetchError(
                f"{folder}: no manifest here (no {MANIFEST}); make one with keyart fetch plan"
            ) from error
        except (OSError, pa.ArrowException) as error:
            raise FetchError(f"{self.path}: damaged ({one_line(error)}); plan it again") from error
        self.settings = self._settings(metadata.get(_KEY, b""))
        if not SCHEMA.equals(schema, check_metadata=False):
            raise FetchError(f"{self.path}: damaged (other columns); plan it again")
        self.journal = folder / f"journal-{self.settings.id}.ndjson"

    def __len__(self) -> int:
        return sum(self.groups)

    def _settings(self, text: bytes) -> Settings:
        try:
            value = json.loads(text)
            version = value["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise FetchError(
                f"{self.path}: is no manifest of keyart; choose another file"
            ) from error
        if version != FORMAT:
            raise FetchError(other_format(self.path, version, reads=FORMAT, remedy="plan it again"))
        try:
            aliases = {alias: tuple(to) for alias, to in value["vocabulary"]["aliases"].items()}
            vocabulary = Vocabulary(tuple(value["vocabulary"]["names"]), aliases)
            return Settings(
                str(value["id"]), value["place"], value["prefer"], vocabulary, value["facts"]
            )
        except (KeyError, TypeError, AttributeError, VocabularyError) as error:
            raise FetchError(f"{self.path}: damaged ({error!r}); plan it again") from error

    def tables(self, columns: Iterable[str] | None = None) -> Iterator[tuple[int, pa.Table]]:
        """The rows in tables, each with the number of its first row, without the journal."""
        names, start = None if columns is None else list(columns), 0
        for group, size in enumerate(self.groups):
            try:
                # Opened again: a fold replaces the file, with the same rows in the same groups.
                with parquet_file(self.path) as file:
                    table = file.read_row_group(group, columns=names)
            except (OSError, pa.ArrowException, IndexError) as error:
                raise FetchError(f"{self.path}: damaged ({one_line(error)})") from error
            yield start, table
            start += size

    def rows(self, columns: Iterable[str] | None = None) -> Iterator[tuple[int, Row]]:
        """All rows with their numbers, as they are now."""
        changes = self.changes()
        for start, table in self.tables(columns):
            for number, row in enumerate(table.to_pylist(), start=start):
                if change := changes.get(number):
                    row = self._changed(row, change)
                yield number, row

    def _changed(self, row: Row, change: Change) -> Row:
        """A row after a change: times as times, and genres united again if TMDb named some."""
        for name, value in change.items():
            if name in row:
                is_time = name in _TIMES and value is not None
                row[name] = datetime.fromtimestamp(value, UTC) if is_time else value
        if "genres_tmdb" in change and "genres" in row:
            named = {
                name.removeprefix("genres_"): row[name] or () for name in row if "genres_" in name
            }
            united = unite_genres(named, self.settings.vocabulary, self.settings.prefer)
            row["genres"] = list(united)
        return row

    def changes(self) -> dict[int, Change]:
        """What the journal says, by row. A last line that was cut off does not count."""
        found: dict[int, Change] = {}
        try:
            with self.journal.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    change = json.loads(line)
                    found.setdefault(change.pop("row"), {}).update(change)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = why(error) if isinstance(error, OSError) else "not a journal of keyart"
            raise FetchError(f"{self.journal}: damaged ({reason}); remove it") from error
        return found

    def fold(self) -> None:
        """Write what the journal says into the manifest, and remove the journal.

        Killed in between, it is folded in once more, which changes nothing.
        """
        changes = self.changes()
        if changes:
            write_manifest(self.path, self._folded(changes), self.settings)
        self.journal.unlink(missing_ok=True)

    def settle(self) -> None:
        """Fold in what a stopped run left, and remove posters that it had not written down."""
        if not self.journal.exists():
            return
        known = {row["poster"] for _, row in self.rows(["poster"]) if row["poster"]}
        posters = self.folder / POSTERS
        for file in posters.glob("[0-9a-f][0-9a-f]/*"):
            if file.relative_to(posters).as_posix() not in known:
                file.unlink(missing_ok=True)
        self.fold()

    def _folded(self, changes: Mapping[int, Change]) -> Iterator[pa.Table]:
        for start, table in self.tables():
            touched = [row for row in range(start, start + len(table)) if row in changes]
            if touched:
                rows = table.to_pylist()
                for row in touched:
                    rows[row - start] = self._changed(rows[row - start], changes[row])
                table = pa.Table.from_pylist(rows, SCHEMA)
            yield table


class Journal:
    """Appends what happened. A line is written in one piece, or is cut off and does not count."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self.lines = 0
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)

    def add(self, change: Change) -> None:
        """Write one change down. It survives the process from now on."""
        end = os.lseek(self._handle, 0, os.SEEK_END)
        try:
            write_all(self._handle, json.dumps(change, separators=(",", ":")).encode() + b"\n")
        except OSError:
            os.ftruncate(self._handle, end)  # or the next line would go on in this one
            raise
        self.lines += 1

    def close(self) -> None:
        """Sync and close the file."""
        os.fsync(self._handle)
        os.close(self._handle)


def write_manifest(path: Path, tables: Iterable[pa.Table], settings: Settings) -> None:
    """Write a manifest, whole or not at all, each table as a row group.

    settings: are written last, so its facts may be filled while the tables are made.
    """
    with (
        replacing(path) as partial,
        pa.OSFile(os.fsencode(partial), "wb") as sink,
        pq.ParquetWriter(sink, SCHEMA, compression="zstd") as file,
    ):
        for table in tables:
            file.write_table(table, row_group_size=max(1, len(table)))
        file.add_key_value_metadata({_KEY: settings.to_json()})


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a fetch's folder for this process, and clear what killed ones left half-written."""
    try:
        handle = lock_folder(folder, ".fetching")
    except BlockingIOError as error:
        raise FetchError(f"{folder}: another process is fetching into it; wait for it") from error
    try:
        sweep(folder)
        with suppress(OSError):
            for inner in (folder / POSTERS).iterdir():
                sweep(inner)
        yield
    finally:
        os.close(handle)
