"""The journal of changes to a library: each is written down before it is made, so it can be undone.

A file of JSON lines that only grows. The first names the library. Each other one is a change, with
the old bytes and the digests of before and after: whether it was made is seen in the library. So a
process that is killed anywhere leaves nothing unsaid; a last line that is torn was not acted on.
"""

import base64
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from keyart.errors import LibraryError, other_format, why
from keyart.files import sync_folder, write_all
from keyart.library.edit import Edit
from keyart.library.plan import Place
from keyart.locks import lock_handle
from keyart.reading import read_bytes

_FORMAT = 1
_MOST_BYTES = 2_000_000_000


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FileRecord(_Strict):
    """A change of a file. path: from the library's folder. before: the SHA-256 of the file, None if
    it is new; after: the same afterwards. old, new: bytes at `at`, in base64.
    """

    path: str
    before: str | None
    after: str
    at: int
    old: str
    new: str

    @classmethod
    def of(cls, path: str, before: str | None, after: str, edit: Edit) -> Self:
        """The record of an edit."""
        old, new = (base64.b64encode(data).decode() for data in (edit.old, edit.new))
        return cls(path=path, before=before, after=after, at=edit.at, old=old, new=new)

    @property
    def edit(self) -> Edit:
        """The edit. Raises ValueError for what is not base64."""
        old, new = (base64.b64decode(text, validate=True) for text in (self.old, self.new))
        return Edit(self.at, old, new)


class ItemRecord(_Strict):
    """A change of an item of a server, see ItemChange."""

    item: str
    before: str
    old_values: list[str]
    new_values: list[str]
    kind: str


Record = FileRecord | ItemRecord


class Journal:
    """An open journal. records: those that are in it, in order."""

    def __init__(self, path: Path, place: Place, records: list[Record], handle: int) -> None:
        self.path, self.place, self.records, self._handle = path, place, records, handle
        self._known = {_text(record) for record in records}

    @classmethod
    def open(cls, path: Path, place: Place) -> Self:
        """Open a journal to add to it, or make one. Raises LibraryError, also for another one's.

        A torn last line is removed: nothing was done by it.
        """
        head = json.dumps({"keyart_journal": _FORMAT, "library": place.model_dump()}) + "\n"
        try:
            if path.exists() and not _is_begun(path, head.encode()):
                known, records, end = _read(path)
                if known != place:
                    raise LibraryError(
                        f"{path}: is the journal of {known.where}; choose another file for "
                        f"{place.where}"
                    )
                handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
                lock_handle(handle)
                os.ftruncate(handle, end)
                os.lseek(handle, end, os.SEEK_SET)
                return cls(path, place, records, handle)
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
            journal = cls(path, place, [], os.open(path, flags, 0o600))
        except BlockingIOError as error:
            raise LibraryError(f"{path}: another process writes it; wait for it") from error
        except OSError as error:
            raise LibraryError(f"{path}: {why(error)}; give a file for the journal") from error
        lock_handle(journal._handle)
        journal._write(head)
        sync_folder(path.parent)
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._handle)

    def add(self, records: Iterable[Record]) -> None:
        """Write down what is about to be done; on return it is on the disk. Raises OSError."""
        lines = {_text(record): record for record in records}
        new = {text: record for text, record in lines.items() if text not in self._known}
        if new:
            self._write("".join(new))
            self._known |= new.keys()
            self.records += new.values()

    def _write(self, text: str) -> None:
        write_all(self._handle, text.encode())
        os.fsync(self._handle)


def _is_begun(path: Path, head: bytes) -> bool:
    """Whether a process was killed while it wrote the first line."""
    return (
        path.is_file() and path.stat().st_size < len(head) and (head.startswith(path.read_bytes()))
    )


def read_journal(path: Path) -> tuple[Place, list[Record]]:
    """The library of a journal, and its records in order. Raises LibraryError."""
    try:
        place, records, _ = _read(path)
    except OSError as error:
        raise LibraryError(f"{path}: {why(error)}; give a journal") from error
    return place, records


def _read(path: Path) -> tuple[Place, list[Record], int]:
    """Also the end of the last whole line."""
    try:
        data = read_bytes(path, _MOST_BYTES, links=True)
    except ValueError as error:
        raise LibraryError(f"{path}: {error}; give a journal") from error
    end = data.rfind(b"\n") + 1
    lines = data[:end].split(b"\n")[:-1]
    try:
        head: Any = json.loads(lines[0]) if lines else None
        version = head["keyart_journal"]
        if version != _FORMAT:
            raise LibraryError(
                other_format(path, version, reads=_FORMAT, remedy="undo it with that keyart")
            )
        place = Place.model_validate(head["library"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise LibraryError(
            f"{path}: not a journal; keyart library apply PLAN --journal FILE writes one"
        ) from error
    records: list[Record] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            cells = json.loads(line)
            kind = ItemRecord if "item" in cells else FileRecord
            record = kind.model_validate(cells)
            if isinstance(record, FileRecord):
                _ = record.edit
            records.append(record)
        except (ValueError, TypeError, RecursionError, ValidationError) as error:
            raise LibraryError(
                f"{path} line {number}: damaged; put back a copy of the journal"
            ) from error
    return place, records, end


def _text(record: Record) -> str:
    return record.model_dump_json() + "\n"
