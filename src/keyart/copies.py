"""Local copies of what is in object stores: each is whole or absent, and all together are bounded.

They are in the folder `stores` of the user's cache, see cache.py. A copy's name changes with the
content, so it is never out of date. When they grow beyond KEYART_CACHE_GB, those that were not used
for longest are removed.
"""

import filecmp
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from keyart.errors import KeyartError, StoreError
from keyart.files import make_once, replacing, staged
from keyart.stores.paths import RemotePath, StrPath, place, staging_folder, stores_folder
from keyart.stores.upload import data_first, upload_new

_MOST_GB = 20.0
# Seconds for which a copy is safe after each use, in whichever process. A training takes hours.
_IN_USE, _POSTER_IN_USE = 86_400, 3_600
_AT_ONCE = 16  # small objects that are read at the same time
_SHARE = 0.05  # of the bound: how much is copied before the sizes are counted again


def copy_of(path: RemotePath, sha256: str | None = None, *, fresh: bool = False) -> Path:
    """A local copy of an object, with the suffix of its name.

    sha256: of its content, if that is known; copies are checked to have it. fresh: copy it now,
    even if there is a copy. Raises FileNotFoundError and StoreError.
    """
    if sha256:
        target = _entry(f"file-{sha256[:32]}") / f"{sha256[:32]}{path.suffix}"
    else:
        target = _entry(f"file-{_version(path)}") / path.name
    if fresh or not target.exists():
        _fetch(path, target, sha256)
    return target


def local_file(path: StrPath) -> Path:
    """A file on this machine: the one that is named, or the copy of the object that is named.

    Raises FileNotFoundError and StoreError for an object that cannot be read.
    """
    named = place(path)
    return copy_of(named) if isinstance(named, RemotePath) else named


def _fetch(path: RemotePath, target: Path, sha256: str | None = None) -> None:
    """Write an object to a file in a copy's folder, whole or not at all.

    Raises FileNotFoundError, and StoreError if it does not have the hash.
    """
    with replacing(target) as partial:
        path.bucket.download(path.key, partial, path.seen)
        if sha256 is not None:
            with partial.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                raise StoreError(f"{path}: is not the file that was written; write it again")
        size = partial.stat().st_size
    _make_room(size)


def folder_for(key: str) -> Path:
    """The folder of copies under a key, made if it is not there, and used now."""
    return _entry(key)


def copied_folder(key: str, name: str, fill: Callable[[Path], None]) -> Path:
    """The folder `name` under a key; `fill` gets an empty folder the first time."""
    target = _entry(key) / name
    if not target.is_dir():
        make_once(target, fill)
        _make_room(_size(target))
    return target


def copied_tree(path: RemotePath, leave_out: str = "(?!)") -> Path | None:
    """A copy of all objects below an address, as a folder of its name; None if there are none.

    leave_out: a pattern of the names, from there, that are not copied. Raises StoreError.
    """
    depth = len(path.parts)
    found = [
        one for one in path.objects() if not re.fullmatch(leave_out, "/".join(one.parts[depth:]))
    ]
    if not found:
        return None
    listed = [f"{one.key}\0{one.seen.version if one.seen else ''}" for one in found]
    digest = hashlib.sha256("\0".join(listed).encode()).hexdigest()

    def fill(folder: Path) -> None:
        for one in found:
            to = folder.joinpath(*one.parts[depth:])
            to.parent.mkdir(parents=True, exist_ok=True)
            one.bucket.download(one.key, to, one.seen)

    return copied_folder(f"tree-{digest[:32]}", path.name, fill)


def local_tree(path: Path) -> Path:
    """A folder on this machine: the one that is named, or a copy of all objects below an address.

    Raises StoreError if there are none.
    """
    if not isinstance(path, RemotePath):
        return path
    copy = copied_tree(path)
    if copy is None:
        raise StoreError(f"{path}: nothing there; check the name")
    return copy


@contextmanager
def changing_folder(path: RemotePath) -> Iterator[Path]:
    """Yield a copy of all objects below an address; what changes in it is written there at the end.

    The file that says it is whole comes last. Errors name the address. Raises StoreError.
    """
    copy = local_tree(path)
    with staged(path) as folder:
        # Links will do: files are replaced here, never changed.
        shutil.copytree(copy, folder, copy_function=link)
        with naming(path, folder):
            yield folder
        changed = [
            name
            for name in data_first(folder)
            if not (copy / name).exists() or not filecmp.cmp(copy / name, folder / name, False)
        ]
        for name in changed:
            path.bucket.put((path / name).key, folder / name)


@contextmanager
def working_folder(path: RemotePath) -> Iterator[Path]:
    """Yield a folder for long work, which goes to the store at its end.

    It stays on this machine if the work is stopped, so that it can be resumed. Errors name the
    address. Raises StoreError if something is there already.
    """
    path.bucket.check(path.key)
    if path.is_dir():
        raise StoreError(f"{path}: has files already; choose another place or remove them")
    name = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    folder = stores_folder() / "work" / name / path.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with naming(path, folder):
        yield folder
    upload_new(folder, path)
    shutil.rmtree(folder.parent, ignore_errors=True)


@contextmanager
def naming(path: RemotePath, folder: Path) -> Iterator[None]:
    """Errors about a folder that stands for an address name the address."""
    try:
        yield
    except KeyartError as error:
        raise type(error)(str(error).replace(str(folder), str(path))) from error


def link(source: StrPath, target: StrPath) -> None:
    """Give a file a second name, or copy it if the disk has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def local_poster(path: Path, most: int | None = None) -> Path:
    """A poster's file on this machine: a copy if it is in a store.

    Raises FileNotFoundError, and StoreError for an object that cannot be read, or that has more
    than `most` bytes.
    """
    if not isinstance(path, RemotePath):
        return path
    digest = _version(path)
    if most is not None and path.seen is not None and path.seen.size > most:
        raise StoreError(f"{path}: {path.seen.size:,} bytes; a poster has at most {most:,}")
    target = _folder() / "posters" / digest[:2] / digest
    if target.exists():
        _used(target)
    else:
        _fetch(path, target)
    return target


def copy_posters(paths: Iterable[object]) -> None:
    """Copy those of the posters that are in object stores, several at a time.

    Errors come when each one is read.
    """
    remote = [path for path in paths if isinstance(path, RemotePath)]
    if len(remote) < 2:
        return

    def copy(path: RemotePath) -> None:
        with suppress(OSError, StoreError):
            local_poster(path)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="keyart") as threads:
        list(threads.map(copy, remote))


def _version(path: RemotePath) -> str:
    """A name for an object's content. Raises FileNotFoundError and StoreError."""
    if path.seen is None:
        path.seen = path.bucket.head(path.key)
    if path.seen is None:
        raise FileNotFoundError(2, "no such object in the store", str(path))
    return hashlib.sha256(f"{path}\0{path.seen.version}".encode()).hexdigest()[:32]


def _entry(key: str) -> Path:
    entry = _folder() / key
    entry.mkdir(parents=True, exist_ok=True)
    _used(entry)
    return entry


def _folder() -> Path:
    return stores_folder() / "copies"


def _used(entry: Path) -> None:
    with suppress(OSError):  # another process may have removed it
        os.utime(entry)


_lock = Lock()
_copied = float("inf")  # bytes since the sizes were counted


def _make_room(added: int) -> None:
    """Remove the copies that were not used for longest, if there are too many bytes of them."""
    global _copied
    try:
        most = float(os.environ.get("KEYART_CACHE_GB") or _MOST_GB) * 1e9
    except ValueError:
        raise StoreError(
            f"KEYART_CACHE_GB={os.environ['KEYART_CACHE_GB']}: not a number; give gigabytes"
        ) from None
    with _lock:
        _copied += added
        if _copied < most * _SHARE:
            return
        _copied = 0
        entries = [found for entry in _entries() if (found := _use_of(entry)) is not None]
        total = sum(size for _, size, _ in entries)
        now = time.time()
        for used, size, entry in sorted(entries):
            if total <= most:
                return
            if used < now - (_IN_USE if entry.is_dir() else _POSTER_IN_USE):
                _remove(entry)
                total -= size


def _entries() -> list[Path]:
    folder = _folder()
    found = [one for one in folder.iterdir() if one.name != "posters"]
    return [*found, *(folder / "posters").glob("*/*")]


def _use_of(entry: Path) -> tuple[float, int, Path] | None:
    """When an entry was used, and its bytes; None if another process has just removed it."""
    with suppress(OSError):
        return entry.stat().st_mtime, _size(entry), entry
    return None


def _remove(entry: Path) -> None:
    gone = staging_folder() / f".{entry.name}.{uuid.uuid4().hex[:8]}.gone"
    with suppress(OSError):
        os.rename(entry, gone)  # in one step: another process sees it whole or not at all
        if gone.is_dir():
            shutil.rmtree(gone, ignore_errors=True)
        else:
            gone.unlink()


def _size(entry: Path) -> int:
    with suppress(OSError):
        if not entry.is_dir():
            return entry.stat().st_size
        return sum(file.stat().st_size for file in entry.rglob("*") if file.is_file())
    return 0
