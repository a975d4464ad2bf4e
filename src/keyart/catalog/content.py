"""What is in the file of a table: bytes and lines that are read in pieces, as often as needed.

A table may have a million rows, so nothing of it stays in memory. What is read of it is read again
when it is needed again.
"""

import codecs
import gzip
import os
import re
import stat
import sys
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import IO

from keyart.errors import TableError, why

FORMATS = "CSV, TSV, Parquet, JSON or Excel's .xlsx"
_PIECE = 1_000_000
_IN_MEMORY = 16_000_000  # of what cannot be read twice; more goes to a temporary file
_NOT_ASCII, _HALVES = re.compile("[^\x00-\x7f]"), re.compile("[\udc80-\udcff]")

_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}


class Content:
    """The bytes of a file, decompressed. size: how many there are.

    A regular file stays where it is. A pipe cannot be read twice, and gzip is slow to read twice:
    what they hold is kept until this is gone.
    """

    def __init__(self, path: Path, *, most: int, most_times: int, any_size: int) -> None:
        """Open a file. most: bytes. most_times: of its compressed size, above `any_size`.

        Raises TableError.
        """
        self.path = path
        self._as_found: tuple[int, ...] = ()
        try:
            if path.is_block_device() or path.is_char_device():  # it may never end
                raise TableError(f"{path}: is a device, not a file; give a table")
            self._open(path.open("rb"))
            if stat.S_ISREG(os.fstat(self.file.fileno()).st_mode):
                self._as_found = self._stamp()
                self.size = os.fstat(self.file.fileno()).st_size
            else:
                self._keep(self.file, most)
        except FileNotFoundError as error:
            raise TableError(f"{path}: no such file; give a table") from error
        except OSError as error:
            raise TableError(f"{path}: cannot be read ({why(error)})") from error
        if self.size > most:
            raise TableError(f"{path}: over {most:,} bytes; split it")
        if self.start(2) == b"\x1f\x8b":
            self._decompress(min(most, any_size + most_times * self.size))

    def start(self, count: int) -> bytes:
        """The first bytes."""
        return self._read(0, count)

    def pieces(self) -> Iterator[bytes]:
        """All bytes, from the start."""
        at = 0
        while piece := self._read(at, _PIECE):
            yield piece
            at += len(piece)

    def _open(self, file: IO[bytes]) -> None:
        self.file: IO[bytes] = file
        self._as_found = ()
        self._close = weakref.finalize(self, file.close)

    def _stamp(self) -> tuple[int, ...]:
        """What changes if somebody writes to a regular file."""
        now = os.fstat(self.file.fileno())
        return now.st_size, now.st_mtime_ns

    def _read(self, at: int, count: int) -> bytes:
        try:
            # Each time: several may read at once, each at its own place.
            self.file.seek(at)
            found = self.file.read(count)
            if self._as_found and self._as_found != self._stamp():
                raise TableError(f"{self.path}: changed while it was read; run it again")
        except OSError as error:
            raise TableError(f"{self.path}: cannot be read ({why(error)})") from error
        return found

    def _decompress(self, most: int) -> None:
        packed = self.file
        packed.seek(0)
        try:
            with gzip.open(packed) as file:
                self._keep(file, most)
        except (OSError, EOFError, zlib.error) as error:
            reason = " ".join(str(error).split())
            raise TableError(f"{self.path}: damaged gzip ({reason}); download it again") from error
        if self.size > most:
            raise TableError(
                f"{self.path}: over {most:,} bytes when decompressed; split or decompress it"
            )

    def _keep(self, file: IO[bytes] | gzip.GzipFile, most: int) -> None:
        """Keep what a file holds, up to a little over `most` bytes, and read that from now on."""
        close = self._close
        kept = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 closed with this object
        self._open(kept)
        # Not read(most), which takes that much memory for any file.
        while kept.tell() <= most and (piece := file.read(_PIECE)):
            kept.write(piece)
        self.size = kept.tell()
        close()


class Text:
    """The text in a file. notes: for people, on how it was read.

    Raises TableError if it is no text.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self.notes: list[str] = []
        start = content.start(200)
        found = next((_MARKS[mark] for mark in _MARKS if start.startswith(mark)), None)
        if found is None and b"\x00" in start:  # UTF-16 without a mark
            little = start[1::2].count(0) > start[::2].count(0)
            found = "utf-16-le" if little else "utf-16-be"
        self._encoding, self._errors = found or "utf-8", "strict"
        no_text = TableError(f"{content.path}: not text; give {FORMATS}")
        try:
            nulls = any("\x00" in piece for piece in self.pieces())
        except UnicodeDecodeError as error:
            if found not in (None, "utf-8-sig"):
                raise no_text from error
            self._read_damaged()
            nulls = any("\x00" in piece for piece in self.pieces())
        if nulls:
            raise no_text

    def pieces(self) -> Iterator[str]:
        """All of it, in pieces."""
        decoder = codecs.getincrementaldecoder(self._encoding)(self._errors)
        start = True
        for piece in self._content.pieces():
            if text := decoder.decode(piece):
                damaged = self._encoding == "utf-8" and self._errors != "strict"
                yield text.removeprefix("\ufeff") if start and damaged else text
                start = False
        if text := decoder.decode(b"", final=True):
            yield text

    def exact(self) -> "Text":
        """The same text, with each byte that is none as a character of its own."""
        other = copy(self)
        if self._errors == "replace":
            other._errors = "surrogateescape"
        return other

    def of(self, path: Path) -> "Text":
        """The text of another file, read in the same way."""
        other = copy(self)
        other._content = Content(path, most=sys.maxsize, most_times=0, any_size=sys.maxsize)
        return other

    @property
    def mark(self) -> bytes:
        """The byte order mark that the file begins with, if it does."""
        start = self._content.start(4)
        return next((mark for mark in _MARKS if start.startswith(mark)), b"")

    @property
    def encoding(self) -> str:
        """What turns pieces of `exact` into the file's bytes, with surrogateescape."""
        if self._encoding in ("utf-16", "utf-32"):
            return f"{self._encoding}-{'le' if self.mark.startswith(bytes([255, 254])) else 'be'}"
        return self._encoding.removesuffix("-sig")

    def lines(self) -> Iterator[str]:
        r"""What "\n" separates: all of the text, also the empty line at its end."""
        parts: list[str] = []
        for piece in self.pieces():
            first, *others = piece.split("\n")
            parts.append(first)
            if others:
                yield "".join(parts)
                yield from others[:-1]
                parts = [others[-1]]
        yield "".join(parts)

    def whole(self) -> str:
        """All of it, in memory."""
        return "".join(self.pieces())

    def first_letters(self) -> str:
        """The first letters that are not blank, at least two of them if it has so many."""
        text = ""
        for piece in self.pieces():
            text = (text + piece).lstrip()
            if len(text) > 1:
                break
        return text

    def _read_damaged(self) -> None:
        """Text that is not UTF-8 throughout: Windows-1252, or UTF-8 with some damage."""
        self._encoding, self._errors = "utf-8", "surrogateescape"
        wrong = other = 0
        for piece in self.pieces():
            halves = len(_HALVES.findall(piece))
            wrong += halves
            other += len(_NOT_ASCII.findall(piece)) - halves
        self._errors = "replace"
        note = f"{wrong:,} of its bytes were read as \N{REPLACEMENT CHARACTER}"
        if other <= wrong:
            self._encoding, note = "cp1252", "it was read as Windows-1252 (Latin-1)"
        self.notes.append(f"{self._content.path.name} is not UTF-8; {note}")
