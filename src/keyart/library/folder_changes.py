"""Changes of the NFO files in a library's folder: each file is old or new, whole, at any moment."""

import errno
import os
from pathlib import Path
from typing import Self

from keyart.errors import LibraryError, NfoError, why
from keyart.files import no_folder, replacing, sweep, sync_folder
from keyart.library.edit import Edit, digest, make_edit, new_nfo
from keyart.library.journal import FileRecord, Record
from keyart.library.nfo import MOST_BYTES
from keyart.library.plan import FileChange, ItemChange, Plan, PlannedFilm
from keyart.library.target import ChangedError, FailedError, State
from keyart.locks import lock_folder
from keyart.reading import read_bytes

_LOCK = ".keyart-lock"  # on Windows
# Errors of the whole disk: no other file would fare better.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class FolderTarget:
    """A library's folder, held by this process while it is open."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._handle = -1
        self._swept: set[Path] = set()

    def __enter__(self) -> Self:
        """Raises LibraryError if there is no such folder, or another process changes it."""
        try:
            if problem := no_folder(self._root):
                raise LibraryError(f"{problem}; is the library's disk there?")
            self._handle = lock_folder(self._root, _LOCK)
        except BlockingIOError as error:
            raise LibraryError(
                f"{self._root}: another process is changing it; wait for it"
            ) from error
        except OSError as error:
            raise LibraryError(f"{self._root}: {why(error)}") from error
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._handle)

    def record(
        self, film: PlannedFilm, change: FileChange | ItemChange, plan: Plan
    ) -> FileRecord | None:
        """What a change comes down to; None if it is made already.

        Raises ChangedError and FailedError.
        """
        assert isinstance(change, FileChange), "a plan has one kind of changes"
        path = self._path(change.path)
        data = self._read(path)
        if data is not None and digest(data) == change.after:
            return None
        if change.sha256 is None:
            return self._new(film, change, path, plan)
        if data is None:
            raise ChangedError(f"{change.path}: is not there any more")
        if digest(data) != change.sha256:
            raise ChangedError(f"{change.path}: was changed after the plan was made")
        try:
            edit = make_edit(data, film.writes, plan.writes)
        except NfoError as error:
            raise ChangedError(f"{change.path}: {error}; make the plan again") from error
        return self._as_planned(change, edit, edit.apply(data))

    def _new(self, film: PlannedFilm, change: FileChange, path: Path, plan: Plan) -> FileRecord:
        others = [path.name] if path.exists() or path.is_symlink() else []
        if change.alone:  # a folder of its own, in which any NFO would be the film's
            others += [one.name for one in path.parent.glob("*") if one.suffix.lower() == ".nfo"]
        if others:
            raise ChangedError(f"{change.path}: there is an NFO now, {others[0]}")
        if not path.parent.is_dir():
            raise ChangedError(f"{change.path}: its folder is not there any more")
        data = new_nfo(film.title or path.stem, film.year, film.ids, film.writes, plan.writes)
        return self._as_planned(change, Edit(0, b"", data), data)

    def _as_planned(self, change: FileChange, edit: Edit, after: bytes) -> FileRecord:
        # The edit is made again, not taken from the plan: so no plan can write anything else.
        if digest(after) != change.after:
            raise ChangedError(f"{change.path}: its plan is of another keyart; make it again")
        return FileRecord.of(change.path, change.sha256, change.after, edit)

    def state(self, record: Record) -> State:
        """How far a change is. Raises ChangedError and FailedError."""
        assert isinstance(record, FileRecord), "a journal has one kind of records"
        data = self._read(self._path(record.path))
        found = None if data is None else digest(data)
        if found == record.after:
            return "after"
        if found == record.before:
            return "before"
        raise ChangedError("is not there any more" if found is None else "was changed since")

    def make(self, record: Record) -> None:
        """Make a change. Raises ChangedError and FailedError."""
        assert isinstance(record, FileRecord)
        path = self._path(record.path)
        if record.before is not None:
            self._replace(path, record.edit, record.before)
            return
        try:
            with replacing(path, create_only=True, swept=True) as partial:
                partial.write_bytes(record.edit.new)
        except FileExistsError as error:
            raise ChangedError(f"{record.path}: there is one now") from error
        except OSError as error:
            raise _failed(record.path, error) from error

    def take_back(self, record: Record) -> None:
        """Undo a change. Raises ChangedError and FailedError."""
        assert isinstance(record, FileRecord)
        path = self._path(record.path)
        if record.before is not None:
            self._replace(path, record.edit.undone(), record.after)
            return
        try:
            path.unlink()
            sync_folder(path.parent)
        except OSError as error:
            raise _failed(record.path, error) from error

    def _replace(self, path: Path, edit: Edit, before: str) -> None:
        """Replace a file, if its digest is still this one."""
        name = path.relative_to(self._root).as_posix()
        try:
            with replacing(path, swept=True) as partial:
                data = read_bytes(path, MOST_BYTES)
                partial.write_bytes(edit.apply(data))
                if digest(read_bytes(path, MOST_BYTES)) != before:
                    raise ChangedError(f"{name}: was changed just now")
        except OSError as error:
            raise _failed(name, error) from error
        except (ValueError, NfoError) as error:
            raise ChangedError(f"{name}: {error}") from error

    def _path(self, name: str) -> Path:
        """The file of a name in a plan or a journal. Raises ChangedError if it lies elsewhere."""
        path = self._root / name
        folder = Path(os.path.realpath(path.parent))
        inside = folder.is_relative_to(os.path.realpath(self._root))
        if not inside or path.suffix.casefold() != ".nfo":
            raise ChangedError(f"{name}: is no NFO in {self._root}")
        if path.parent not in self._swept:
            self._swept.add(path.parent)
            sweep(path.parent)  # what a killed process left half-written
        return path

    def _read(self, path: Path) -> bytes | None:
        """A file's content; None if there is none."""
        try:
            return read_bytes(path, MOST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed(path.relative_to(self._root).as_posix(), error) from error
        except ValueError as error:
            raise ChangedError(f"{path.relative_to(self._root).as_posix()}: {error}") from error


def _failed(name: str, error: OSError) -> Exception:
    if error.errno in _OF_THE_DISK:
        return error
    return FailedError(f"{name}: {why(error)}")
