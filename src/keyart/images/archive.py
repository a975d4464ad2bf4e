"""Pictures in a .zip or .tar, read where they are: nothing is written under a member's name."""

import bz2
import gzip
import logging
import lzma
import os
import tarfile
import tempfile
import threading
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any, NamedTuple

from keyart.errors import PosterError, one_line, why
from keyart.images.folder import SUFFIXES, no_pictures
from keyart.images.kind import HEAD, READ, kind_of
from keyart.images.poster import KeptPoster, check_size
from keyart.printable import printable

_log = logging.getLogger(__name__)

_SUFFIXES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
_COMPRESSED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_BROKEN = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError,
    tarfile.TarError, zipfile.BadZipFile, zipfile.LargeZipFile,
)  # fmt: skip
# RuntimeError: a member that a password protects.

_MOST_MEMBERS = 2_000_000
# Posters do not shrink; other files next to them may, 20 times. Bombs unpack to 1,000 times.
_MOST_TIMES, _ANY_BYTES = 100, 1_000_000_000
_MOST_BYTES = 200_000_000_000
_PIECE = 1_000_000


def is_archive(path: Path) -> bool:
    """Whether a file's name ends like an archive's of pictures."""
    return path.name.casefold().endswith(_SUFFIXES)


class _Entry(NamedTuple):
    """A file in an archive: its name there, its size, and what finds its bytes."""

    name: str
    size: int
    key: Any


@dataclass(frozen=True)
class Member(KeptPoster):
    """A file in an archive. place: its path there, which leads nowhere else."""

    archive: "Archive" = field(repr=False)
    place: str
    entry: _Entry = field(repr=False, compare=False)

    def __fspath__(self) -> str:
        return os.path.join(self.archive.path, self.place)

    def __str__(self) -> str:
        return self.__fspath__()

    @property
    def name(self) -> str:
        """Its name, without the folders before it."""
        return self.place.rpartition("/")[2]

    def read(self) -> bytes:
        """Its content. Raises PosterError."""
        check_size(self.entry.size)
        return self.archive.content(self.entry, self.entry.size)

    def is_picture(self) -> bool:
        """As `is_picture` of a file in a folder."""
        if PurePosixPath(self.place).suffix.casefold() in SUFFIXES:
            return True
        try:
            return kind_of(self.archive.content(self.entry, HEAD)) in READ
        except PosterError:
            return False


class Archive:
    """The files of an archive, sorted by their paths in it. Many threads may read them.

    Left out are folders, links, hidden files, and files with names that lead out of the archive,
    which a warning counts. A compressed .tar is decompressed once, into a temporary file that has
    no name and goes with this process. Raises PosterError for what is no archive, is damaged, has
    too many members, or unpacks to much more than its size.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._zip: zipfile.ZipFile | None = None
        with ExitStack() as failing:
            try:
                self._file: IO[bytes] = failing.enter_context(path.open("rb"))
                entries = list(self._entries(failing))
            except _BROKEN as error:
                raise PosterError(f"{path}: damaged archive ({_told(error)})") from error
            failing.pop_all()
        weakref.finalize(self, self._file.close)
        self.members = sorted(self._members(entries), key=lambda member: member.place)

    def pictures(self) -> list[Member]:
        """The members that are pictures. Raises PosterError if there are none."""
        found = [member for member in self.members if member.is_picture()]
        if not found:
            others = [PurePosixPath(member.place) for member in self.members]
            raise PosterError(no_pictures(self.path, others, "in this archive"))
        return found

    def has(self, path: Path) -> bool:
        """Whether there is a file or a folder at this path, which begins with the archive's own."""
        place = PurePath(os.path.relpath(path, self.path))
        return place in self._places

    def content(self, entry: _Entry, most: int) -> bytes:
        """The first `most` bytes of a member. Raises PosterError."""
        try:
            if self._zip is not None:
                with self._zip.open(entry.key) as file:
                    data = file.read(min(most, entry.size))
            else:
                with self._lock:
                    self._file.seek(entry.key)
                    data = self._file.read(min(most, entry.size))
        except _BROKEN as error:
            raise PosterError(f"damaged in its archive ({_told(error)})") from error
        if len(data) < min(most, entry.size):
            raise PosterError("damaged in its archive (it is cut short)")
        return data

    def _entries(self, failing: ExitStack) -> Iterator[_Entry]:
        """All regular files, with names as found. failing: closes files after an error."""
        size = os.fstat(self._file.fileno()).st_size
        head = self._file.read(512)
        self._file.seek(0)
        most = min(_MOST_BYTES, _ANY_BYTES + _MOST_TIMES * size)
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            self._zip = zipfile.ZipFile(self._file)
            entries = self._zip.infolist()
            if sum(one.file_size for one in entries) > most:
                raise PosterError(f"{self.path}: over {most:,} bytes when unpacked; split it")
            self._count(len(entries))
            for one in entries:
                kind = one.external_attr >> 28 if one.create_system == 3 else 0
                if not one.is_dir() and kind in (0, 8):  # a regular file of Unix, not a link
                    yield _Entry(one.filename, one.file_size, one)
            return
        for start, opened in _COMPRESSED.items():
            if head.startswith(start):
                with self._file as file, opened(file) as packed:
                    unpacked = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as this is)
                    self._file = failing.enter_context(unpacked)
                    _decompress(self.path, packed, self._file, most)
                head = self._file.read(512)
                self._file.seek(0)
        if head[257:262] != b"ustar":
            raise PosterError(f"{self.path}: not an archive; give a .zip or a .tar")
        with tarfile.open(fileobj=self._file, mode="r:") as archive:
            for number, tarred in enumerate(archive):
                self._count(number)
                if tarred.isreg() and not tarred.issparse():
                    yield _Entry(tarred.name, tarred.size, tarred.offset_data)

    def _count(self, members: int) -> None:
        if members > _MOST_MEMBERS:
            raise PosterError(f"{self.path}: over {_MOST_MEMBERS:,} members; split it")

    def _members(self, entries: Iterable[_Entry]) -> Iterator[Member]:
        out = 0
        self._places: set[PurePath] = set()
        for entry in entries:
            name = entry.name.replace("\\", "/")  # as some programs of Windows write it
            parts = [part for part in name.split("/") if part not in ("", ".")]
            if name.startswith("/") or ".." in parts or ":" in name.partition("/")[0]:
                out += 1
            elif parts and not any(part.startswith((".", "__MACOSX")) for part in parts):
                place = "/".join(parts)
                self._places |= {PurePath(place), *PurePath(place).parents}
                yield Member(self, place, entry)
        if out:
            _log.warning(
                "%s: %s; left out", printable(self.path), f"{out:,} names lead out of the archive"
            )


def _decompress(path: Path, packed: Any, file: IO[bytes], most: int) -> None:
    while piece := packed.read(_PIECE):
        if file.tell() + len(piece) > most:
            raise PosterError(f"{path}: over {most:,} bytes when decompressed; split it")
        file.write(piece)
    file.seek(0)


def _told(error: Exception) -> str:
    return why(error) if isinstance(error, OSError) and error.errno else one_line(error)
