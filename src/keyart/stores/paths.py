"""Addresses of object stores as paths: s3://, gs://, az:// and, to read only, http(s)://.

A command's argument is a path before keyart sees it, which makes s3:/bucket/films of
s3://bucket/films. Both are read as the address.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from keyart.cache import cache_folder
from keyart.errors import StoreError
from keyart.stores.client import Bucket, Object, open_bucket

StrPath = str | os.PathLike[str]
_ADDRESS = re.compile(r"(s3|gs|az|https?|file):[/\\]+(.*)", re.IGNORECASE | re.DOTALL)
STORES, WEB = ("s3", "gs", "az"), ("http", "https")


if TYPE_CHECKING:
    _Base = Path
else:
    _Base = type(Path())  # Path itself makes instances of this class


class RemotePath(_Base):
    """An object, or the beginning of the names of several, in an object store.

    It joins and splits as other paths do, and prints as its address. seen: the object as it was
    listed; None if it was not.
    """

    seen: Object | None = None

    def __str__(self) -> str:
        if not self.parts or not self.parts[0].endswith(":"):
            return "/".join(self.parts) or "."  # of a path relative to an address
        scheme, *rest = self.parts
        return f"{scheme}//{'/'.join(rest)}"

    def __fspath__(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self),)

    def as_posix(self) -> str:
        """The address."""
        return str(self)

    def as_uri(self) -> str:
        """The address."""
        return str(self)

    @property
    def scheme(self) -> str:
        """s3, gs, az, http or https."""
        return str(self.parts[0]).removesuffix(":")

    @property
    def bucket(self) -> Bucket:
        """The bucket, or the host. Raises MissingExtraError and StoreError."""
        return open_bucket(f"{self.scheme}://{self.parts[1]}")

    @property
    def key(self) -> str:
        """The name within the bucket; empty for the whole bucket."""
        return "/".join(self.parts[2:])

    def resolve(self, strict: bool = False) -> "RemotePath":
        """The path itself: an address is always whole."""
        return self

    def absolute(self) -> "RemotePath":
        """The path itself: an address is always whole."""
        return self

    def is_absolute(self) -> bool:
        """An address is always whole."""
        return True

    def is_symlink(self) -> bool:
        """Object stores have no links."""
        return False

    def is_file(self) -> bool:
        """Whether there is an object of this name. Raises StoreError."""
        return bool(self.key) and self.bucket.head(self.key) is not None

    def is_dir(self) -> bool:
        """Whether any object's name begins so, as of a folder's files. Raises StoreError."""
        return self.bucket.has_any(self.key)

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there is an object of this name, or of a name that begins so."""
        return self.is_file() or self.is_dir()

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: object stores have no folders."""

    def read_bytes(self) -> bytes:
        """The content of the object. Raises FileNotFoundError and StoreError."""
        return self.bucket.get(self.key)[0]

    def objects(self) -> "Iterator[RemotePath]":
        """All objects below, sorted by name, a thousand in memory. Raises StoreError."""
        top = self.parts[:2]
        for part in self.bucket.list(self.key):
            for one in part:
                found = type(self)(*top, *one.key.split("/"))
                found.seen = one
                yield found


def place(path: StrPath) -> Path:
    """What a name stands for: a RemotePath for an address, otherwise a path of this machine.

    file:// is a path of this machine. Raises StoreError for an address with credentials in it.
    """
    if isinstance(path, RemotePath):
        return path
    text = os.fspath(path)
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return Path(path)
    scheme, rest = match[1].lower(), match[2].replace("\\", "/")
    if scheme == "file":
        return Path("/" + unquote(rest.removeprefix("localhost/")))
    host, _, key = rest.partition("/")
    if "@" in host or ("@" in rest and ":" in rest.partition("@")[0] and scheme not in WEB):
        raise StoreError(
            f"{scheme}://...@{rest.rpartition('@')[2]}: has a password or a key in it; take it "
            f"out and give it {_own_way(scheme)}"
        )
    if "?" in rest or "#" in rest:
        raise StoreError(
            f"{scheme}://{re.split('[?#]', rest)[0]}: has more than a name after it (? or #); a "
            f"key or a signature in an address is not used: give it {_own_way(scheme)}"
        )
    if not host or any(part in ("", ".", "..") for part in key.rstrip("/").split("/") if key):
        raise StoreError(f"{scheme}://{rest}: not an address; write {scheme}://BUCKET/NAME")
    return RemotePath(f"{scheme}://{rest}")


def is_remote(path: StrPath) -> bool:
    """Whether `place` would make a RemotePath of it. Raises StoreError."""
    return isinstance(place(path), RemotePath)


def on_this_machine(path: StrPath) -> Path:
    """A path of this machine, for a folder that is written little by little. Raises StoreError."""
    named = place(path)
    if isinstance(named, RemotePath):
        raise StoreError(f"{named}: this needs a folder of this machine; give one, and copy it")
    return named


def stores_folder() -> Path:
    """The folder of what is kept of object stores. Raises StoreError for a user without a home."""
    folder = cache_folder("stores")
    if folder is None:
        raise StoreError("no folder for copies of objects; give one in KEYART_CACHE")
    return folder


def staging_folder() -> Path:
    """The folder in which is written what goes to a store then, made if it is not there."""
    folder = stores_folder() / "staging"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _own_way(scheme: str) -> str:
    ways = {
        "s3": "in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in a profile",
        "gs": "in GOOGLE_APPLICATION_CREDENTIALS",
        "az": "in AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    }
    return ways.get(scheme, "to a store of its own, such as s3://")
