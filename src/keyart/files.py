"""Writes that are whole or absent: to a partial file next to the target, synced, then renamed.

A partial is called `.NAME.OWNER.HEX.partial`. OWNER names the process that writes it, so that the
next writer of NAME can remove what a killed process left, and leaves alone what another one is
still writing.
"""

import csv
import errno
import os
import shutil
import stat
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from keyart.errors import OutputError, StoreChangedError
from keyart.exchange import exchange
from keyart.owners import is_alive, owner
from keyart.printable import ESCAPE, json_text
from keyart.stores.paths import RemotePath, place, staging_folder
from keyart.stores.upload import upload_new

if TYPE_CHECKING:
    import numpy as np

StrPath = str | os.PathLike[str]


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut. Does nothing if folders cannot be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make the content of a file survive a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def replacing(path: Path, *, create_only: bool = False, swept: bool = False) -> Iterator[Path]:
    """Yield a partial file to write; on success it replaces the file at `path`.

    After an error nothing new is left and the file at `path` is as it was. A replaced file keeps
    its mode, and its owner if this process may give files away. A symbolic link stays a link: its
    target is replaced. create_only: replace nothing. swept: the caller has removed what killed
    processes left; to look for it takes time in a folder of thousands of files. Raises OutputError
    if there is a device, a pipe or a folder at `path`, and FileExistsError if there is a file after
    all, which another process may have written meanwhile. An object of a store is written at the
    end, at once.
    """
    path = place(path)
    if isinstance(path, RemotePath):
        with staged(path) as file:
            yield file
            try:
                write = path.bucket.put_new if create_only else path.bucket.put
                write(path.key, file)
            except StoreChangedError as error:
                raise FileExistsError(errno.EEXIST, "already exists", str(path)) from error
        return
    target = _regular_target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not swept:
        sweep(target.parent, target.name)
    partial = _partial(target)
    try:
        with _named(path):
            yield partial
            _keep_mode(target, partial)
            sync_file(partial)
            if create_only:
                _link(partial, target)
            else:
                os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(target.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a partial folder to fill; on success it becomes `path`, which must not exist.

    After an error nothing is left. The caller has checked that there is nothing at `path`. In a
    store, data is written first, and last the file that says it is whole, see `upload_new`.
    """
    path = place(path)
    if isinstance(path, RemotePath):
        with staged(path) as folder:
            folder.mkdir()
            yield folder
            upload_new(folder, path)
        return
    with _filling(path) as partial:
        yield partial
        _sync_all(partial)
        os.rename(partial, path)


def make_once(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder that several processes may want, unless it is there. fill: as `new_folder`.

    Of processes that make it at once, the first one's counts.
    """
    if path.is_dir():
        return
    try:
        with new_folder(path) as partial:
            fill(partial)
    except OSError:
        if not path.is_dir():  # else another process was faster
            raise


@contextmanager
def staged(path: RemotePath) -> Iterator[Path]:
    """Yield a free name on this machine for what goes to a store next; it is removed at the end.

    Raises StoreError if the store cannot be reached, before any work is done.
    """
    path.bucket.check(path.key)
    with _filling(staging_folder() / path.name) as partial:
        yield partial / path.name


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a partial folder to fill; on success it replaces the folder at `path`.

    After an error the folder at `path` is as it was. The system exchanges the two in one step. If
    it cannot, a process that is killed between two renames leaves the old folder under another
    name, and `recover_folder` puts it back.
    """
    recover_folder(path)
    with _filling(path) as partial:
        yield partial
        _sync_all(partial)
        if not exchange(partial, path):
            stale = partial.with_name(partial.name + _OLD)
            os.rename(path, stale)
            os.rename(partial, path)
            shutil.rmtree(stale, ignore_errors=True)


@contextmanager
def _filling(path: Path) -> Iterator[Path]:
    """Yield a new partial folder for `path`; what is left of it afterwards is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, path.name)
    partial = _partial(path)
    try:
        with _named(path):
            partial.mkdir()
            yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync_folder(path.parent)


def _sync_all(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            sync_file(file)
    sync_folder(folder)


def recover_folder(path: Path) -> None:
    """Put a folder back that a killed `replacing_folder` had moved out of its place."""
    if path.exists():
        return
    for stale in path.parent.glob(f".{escape(path.name)}.*{_PARTIAL}{_OLD}"):
        if not _is_alive(stale):
            with suppress(OSError):  # another process may have done it
                os.rename(stale, path)
            return


def sweep(folder: Path, name: str = "*") -> None:
    """Remove what killed processes left half-written in `folder`, of the file `name` or of all."""
    pattern = name if name == "*" else escape(name)
    for partial in folder.glob(f".{pattern}.*{_PARTIAL}*"):
        only = partial.suffix == _OLD and not (folder / _target(partial)).exists()
        if only or _is_alive(partial):
            continue
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            with suppress(OSError):
                partial.unlink()


def no_folder(path: Path) -> str:
    """Why no folder can be read at `path`; empty if one is there. Raises OSError."""
    if path.is_dir():
        return ""
    return f"{path}: {'is a file, not a folder' if path.exists() else 'no such folder'}"


def disk_error(error: object, path: Path) -> OSError | None:
    """The error of the disk behind an error of SQLite's; None if it is another one."""
    import sqlite3

    if not isinstance(error, sqlite3.Error):
        return None
    code = {
        sqlite3.SQLITE_FULL: errno.ENOSPC,
        sqlite3.SQLITE_READONLY: errno.EROFS,
        sqlite3.SQLITE_IOERR: errno.EIO,
    }.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return OSError(code, os.strerror(code), str(path)) if code else None


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two names are of one file, or of the same one to write."""
    if one == other or isinstance(one, RemotePath) or isinstance(other, RemotePath):
        return one == other
    return os.path.realpath(one) == os.path.realpath(other) or (
        one.exists() and other.exists() and os.path.samefile(one, other)
    )


def known_suffix(path: Path, known: Iterable[str]) -> str:
    """The suffix of a file to write, in lower case. Raises OutputError if it is none of `known`."""
    suffix, names = path.suffix.casefold(), list(known)
    if suffix not in names:
        listed = " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        raise OutputError(f"{path}: cannot be written in this format; end the name in {listed}")
    return suffix


def write_all(handle: int, data: bytes) -> None:
    """Write all of it to an open file: a disk that is nearly full takes a part without an error."""
    while data:
        data = data[os.write(handle, data) :]


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8", ESCAPE))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON that people can read, whole or not at all. NaN is an error."""
    write_text(path, json_text(value) + "\n")


def write_array(path: Path, array: "np.ndarray[Any, Any]") -> None:
    """Write an array as .npy. np.save does not say why a disk takes no more bytes."""
    from numpy.lib import format as npy

    with path.open("wb") as file:
        npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(array))
        file.write(array.ravel(order="A").view("u1").data)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV with `header`, whole or not at all."""
    with (
        replacing(path) as partial,
        partial.open("w", newline="", encoding="utf-8", errors=ESCAPE) as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@contextmanager
def writing_text(path: Path | None) -> Iterator[IO[str]]:
    """Yield a UTF-8 text file for `path`; None or '-' is standard output.

    While it is written the file is called NAME.incomplete, and stays so if the process is killed or
    interrupted: its rows can still be used. After an error it is removed.
    """
    if path is None or str(path) == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    path = place(path)
    if isinstance(path, RemotePath):
        with staged(path) as file:
            with file.open("w", encoding="utf-8", errors=ESCAPE, newline="") as text:
                yield text
            path.bucket.put(path.key, file)
        return
    target = _regular_target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    incomplete = _regular_target(target.with_name(f"{target.name}.incomplete"))
    try:
        with _named(path):
            with incomplete.open("w", encoding="utf-8", errors=ESCAPE, newline="") as file:
                yield file
            _keep_mode(target, incomplete)
            sync_file(incomplete)
            os.replace(incomplete, target)
    except Exception:
        incomplete.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


_PARTIAL, _OLD = ".partial", ".old"
_FORGOTTEN = 7 * 86_400  # seconds after which another machine's partial counts as left behind


def _link(partial: Path, target: Path) -> None:
    """Give a file its name unless there is one already. Raises FileExistsError."""
    try:
        os.link(partial, target)
    except OSError as error:
        if isinstance(error, FileExistsError) or target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        os.rename(partial, target)  # this disk has no links


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{owner()}.{uuid.uuid4().hex[:8]}{_PARTIAL}")


def _target(partial: Path) -> str:
    """The name of the file or folder that a partial is for."""
    return ".".join(partial.name.rpartition(_PARTIAL)[0].split(".")[1:-2])


def _regular_target(path: Path) -> Path:
    """The file that a write to `path` replaces. Raises OutputError if it is not a regular file."""
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    try:
        mode = target.stat().st_mode
    except OSError:
        return target
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise OutputError(f"{path}: is {kind}, not a regular file; choose another file to write")
    return target


def _keep_mode(target: Path, partial: Path) -> None:
    with suppress(OSError):
        before, now = target.stat(), partial.stat()
        if hasattr(os, "chown") and (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
            with suppress(OSError):
                os.chown(partial, before.st_uid, before.st_gid)
        os.chmod(partial, stat.S_IMODE(before.st_mode))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of the system name the file that was to be written, not its partial."""
    try:
        yield
    except OSError as error:
        ours = error.filename is None or _PARTIAL in os.fsdecode(error.filename)
        ours = ours or os.fsdecode(error.filename).endswith(".incomplete")
        if ours and error.errno is not None:
            error.filename = str(path)
        raise


def _is_alive(partial: Path) -> bool:
    """Whether the process that writes a partial is alive, as far as this machine can know."""
    before, _, _ = partial.name.rpartition(_PARTIAL)
    alive = is_alive(before.split(".")[-2])
    if alive is None:
        with suppress(OSError):
            return time.time() - partial.stat().st_mtime < _FORGOTTEN
    return bool(alive)
