"""Catalogs in object stores: made and grown on this machine, then written there.

Shards and rejections go first, under names that no other writer has. catalog.json goes last: it is
created for a new catalog, and replaced in a grown one only if it is still the one that was read. So
the catalog is whole at every moment, and of two writers one gets an error and changes nothing.
"""

import re
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from keyart.catalog.rejections import read_rejections, write_rejections
from keyart.catalog.table import FACTS, REJECTIONS, CatalogTable
from keyart.catalog.write import locked
from keyart.copies import link
from keyart.errors import CatalogError, StoreChangedError, StoreError
from keyart.files import staged, write_json
from keyart.printable import json_text
from keyart.reading import parse_json, read_json
from keyart.stores.client import Object
from keyart.stores.paths import RemotePath

_MOST_BYTES = 64_000_000  # of catalog.json
_OURS = re.compile(r"films-[0-9]{5}[0-9a-z-]*\.parquet|rejections-[0-9a-z]+\.csv")


@contextmanager
def new_catalog(out: Path) -> Iterator[Path]:
    """Yield the folder in which to make a new catalog; if `out` is in a store, it is sent there.

    Raises CatalogError if there is a catalog at `out` in a store.
    """
    if not isinstance(out, RemotePath):
        yield out
        return
    with staged(out) as folder:
        if (out / FACTS).is_file():
            raise CatalogError(
                f"{out}: already exists; add --grow to add films to it, or choose another place"
            )
        yield folder
        _Sending(folder, out).send()


@contextmanager
def growing_catalog(path: Path) -> Iterator[Path]:
    """Yield the folder in which to grow the catalog; if it is in a store, what is new goes there.

    Raises CatalogError, also if another writer has grown it in the meantime.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    with staged(path) as folder:
        try:
            content, seen = path.bucket.get((path / FACTS).key, _MOST_BYTES)
            facts = parse_json(content)
        except FileNotFoundError as error:
            raise CatalogError(f"{path}: no catalog here (no {FACTS}); nothing to grow") from error
        except ValueError as error:
            raise CatalogError(f"{path / FACTS}: damaged ({error})") from error
        catalog = CatalogTable.parsed(path, facts)
        folder.mkdir()
        shards = zip(catalog.shards, facts["shards"], strict=True)
        for copy, shard in shards:
            link(copy, folder / shard["name"])
        write_rejections(folder, read_rejections(catalog), [])
        facts.pop("rejections_file", None)
        write_json(folder / FACTS, facts)
        kept = {shard["name"] for shard in facts["shards"]}
        yield folder
        _Sending(folder, path, kept, seen).send()


@dataclass
class _Sending:
    """A catalog on its way to a store. kept: shards that are there. seen: the old catalog.json."""

    folder: Path
    to: RemotePath
    kept: Collection[str] = ()
    seen: Object | None = None
    written: list[str] = field(default_factory=list)

    def send(self) -> None:
        """Write the data, then catalog.json. Without that, remove the data again."""
        facts = read_json(self.folder / FACTS, _MOST_BYTES)
        writer = uuid.uuid4().hex[:12]
        try:
            for shard in facts["shards"]:
                if shard["name"] not in self.kept:
                    first = re.match("films-[0-9]+", shard["name"])
                    assert first is not None, shard["name"]
                    name = f"{first[0]}-{writer}.parquet"
                    self._write(shard["name"], name)
                    shard["name"] = name
            facts["rejections_file"] = f"rejections-{writer}.csv"
            self._write(REJECTIONS, facts["rejections_file"])
            for version in facts.get("corrections", ()):
                if (self.folder / version["changes"]).exists():  # not those that are there already
                    self._write(version["changes"], version["changes"])
        except BaseException:  # also if it is interrupted
            self._remove()
            raise
        content = (json_text(facts) + "\n").encode()
        key = (self.to / FACTS).key
        try:
            if self.seen is None:
                self.to.bucket.put_new(key, content)
            else:
                self.to.bucket.put_over(key, content, self.seen)
        except StoreChangedError as error:
            self._remove()
            what = "made a catalog here" if self.seen is None else "grown the catalog"
            again = "--grow adds your films to it" if self.seen is None else "run the command again"
            raise CatalogError(
                f"{self.to}: another writer has {what} in the meantime; nothing of it is lost: "
                f"{again}"
            ) from error

    def _write(self, name: str, to: str) -> None:
        key = (self.to / to).key
        self.written.append(key)
        self.to.bucket.put(key, self.folder / name)

    def _remove(self) -> None:
        with suppress(StoreError, OSError):  # then `sweep_catalog` finds it
            self.to.bucket.delete(self.written)


def sweep_catalog(path: Path, older_than: timedelta) -> list[str]:
    """Remove shards and rejections that catalog.json does not name: those of stopped writers.

    older_than: how long ago they were written, at least. What is younger may belong to a writer
    that is still at work. Returns the names of what was removed. Raises CatalogError and
    StoreError.
    """
    before = time.time() - older_than.total_seconds()
    if not isinstance(path, RemotePath):
        return _sweep_folder(path, before)
    # Listed before catalog.json is read: what a writer names there in between is not removed.
    top = len(path.parts)
    old = [
        one
        for part in path.bucket.list(path.key)
        for one in part
        if one.modified.timestamp() < before
        and one.key.count("/") == top - 2
        and _OURS.fullmatch(one.key.rpartition("/")[2])
    ]
    named = _named(path)
    unnamed = [one.key for one in old if one.key.rpartition("/")[2] not in named]
    path.bucket.delete(unnamed)
    return [key.rpartition("/")[2] for key in unnamed]


def _sweep_folder(path: Path, before: float) -> list[str]:
    with locked(path):
        named = _named(path)
        removed = []
        for file in sorted(path.iterdir()):
            unnamed = _OURS.fullmatch(file.name) and file.name not in named
            if unnamed and file.stat().st_mtime < before:
                file.unlink()
                removed.append(file.name)
        return removed


def _named(path: Path) -> set[str]:
    """The files that belong to a catalog; none if there is no catalog (any more)."""
    try:
        facts = CatalogTable.open(path).facts
    except CatalogError:
        if (path / FACTS).is_file():
            raise  # a damaged catalog: nothing is removed
        return set()
    return {shard["name"] for shard in facts["shards"]} | {
        str(facts.get("rejections_file", REJECTIONS))
    }
