"""Archives of bundles: read from .zip, .tar and .tar.gz at an address, written as .zip.

An address carries the SHA-256 of the archive: https://HOST/MODEL.zip#sha256=HEX. Nothing in an
archive is trusted before that hash is right, and not much after it: only the names that a bundle
has, only regular files, only so many bytes.
"""

import gzip
import hashlib
import ipaddress
import logging
import re
import shutil
import stat
import struct
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from keyart.errors import HubError, one_line
from keyart.files import replacing
from keyart.manifest import LARGEST, MEMBERS
from keyart.version import __version__

LARGEST_ARCHIVE = 8 << 30
_SECONDS = 30  # without a byte
_PIECE = 1 << 20
_MOST_FILES = 1_000
_MOST_RATIO = 100  # unpacked bytes for one of the archive; networks hardly shrink
_LARGEST_INDEX = 1 << 20  # bytes of a zip's list of files, and of a tar's header
_NAME = re.compile(
    rf"(?:\./)?(?:(?P<top>[^/\\]+)/)?(?P<inner>(?:{MEMBERS}/\d{{1,2}}/){{0,4}}(?P<file>[\w.]+))"
)

_log = logging.getLogger("keyart.archives")


@dataclass(frozen=True)
class Address:
    """Where an archive is, and its SHA-256. shown: without what may be secret in it."""

    url: str
    sha256: str

    @classmethod
    def parse(cls, text: str) -> "Address":
        """From https://HOST/MODEL.zip#sha256=HEX. Raises HubError."""
        url, _, fragment = text.partition("#")
        try:
            parts = urlsplit(url)
            host, has_password = parts.hostname, parts.username is not None
        except ValueError:
            host, has_password = None, False
        if not host or not url.isascii() or not url.isprintable() or " " in url:
            raise HubError(
                f"{url[:200]!r}: not an address; write https://HOST/MODEL.zip#sha256=HEX"
            )
        shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        if has_password:
            raise HubError(f"{shown}: an address with a password in it; use one without")
        if not _may_ask(url):
            raise HubError(f"{shown}: http can be read by others on the way; use https")
        match = re.fullmatch("sha256=([0-9a-fA-F]{64})", fragment)
        if not match:
            raise HubError(
                f"{shown}: add #sha256= and the SHA-256 of the archive, 64 digits that keyart "
                "publish prints, so that it is the model that you mean"
            )
        return cls(url, match[1].lower())

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return (
            f"{urlunsplit((parts.scheme, parts.netloc, parts.path, '', ''))}#sha256={self.sha256}"
        )


def fetch(address: Address, folder: Path) -> None:
    """Fetch an archive, check its hash, and unpack it into an empty folder. Raises HubError."""
    archive = folder / ".archive"
    _download(address, archive)
    try:
        unpack(archive, folder)
    except _DAMAGED as error:
        raise HubError(f"{address}: {one_line(error)}; ask for another archive") from error
    archive.unlink()


def _download(address: Address, file: Path) -> None:
    request = urllib.request.Request(address.url, headers={"User-Agent": f"keyart/{__version__}"})
    digest, size = hashlib.sha256(), 0
    too_large = HubError(f"{address}: has more than the {LARGEST_ARCHIVE:,} bytes that it may")
    try:
        opener = urllib.request.build_opener(_Redirects)
        with opener.open(request, timeout=_SECONDS) as answer, file.open("wb") as written:
            announced = answer.headers.get("Content-Length") or ""
            expected = int(announced) if announced.isdecimal() else None
            if expected and expected > LARGEST_ARCHIVE:
                raise too_large
            _log.info("fetching %s", address)
            while piece := answer.read(_PIECE):
                size += len(piece)
                if size > LARGEST_ARCHIVE:
                    raise too_large
                digest.update(piece)
                written.write(piece)
    except urllib.error.HTTPError as error:
        error.close()
        said = "redirects to a non-https address" if error.code < 400 else f"answers {error.code}"
        raise HubError(f"{address}: the host {said}; check the address") from None
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = one_line(str(getattr(error, "reason", error)) or type(error).__name__)
        raise HubError(f"{address}: cannot be fetched ({reason}); check the connection") from None
    if expected is not None and size < expected:
        raise HubError(f"{address}: was cut after {size:,} of {expected:,} bytes; try again")
    if digest.hexdigest() != address.sha256:
        raise HubError(
            f"{address}: what is there has the SHA-256 {digest.hexdigest()}; it has "
            "changed: ask who published it"
        )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and on this machine."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not _may_ask(newurl):
            raise urllib.error.URLError("redirects to a non-https address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _may_ask(url: str) -> bool:
    """Whether a host may be asked: by https, or by http on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        return parts.scheme == "https"
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"


@dataclass(frozen=True)
class _Entry:
    """A file in an archive. opened: its content."""

    name: str
    size: int
    opened: IO[bytes]


_DAMAGED = (
    ValueError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    gzip.BadGzipFile,
)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a bundle's archive into an empty folder: the files of a bundle, or nothing else.

    They may be in one folder of the archive. Raises ValueError and other errors of damage.
    """
    entries = _zipped(archive) if zipfile.is_zipfile(archive) else _tarred(archive)
    most, total = (1 << 20) + _MOST_RATIO * archive.stat().st_size, 0
    tops = set()
    with closing(entries):
        for count, entry in enumerate(entries):
            match = _NAME.fullmatch(entry.name)
            if not match or match["file"] not in LARGEST or ".." in entry.name:
                raise ValueError(f"holds {entry.name[:100]!r}, which is no file of a bundle")
            total += entry.size
            if entry.size > LARGEST[match["file"]] or total > most or count >= _MOST_FILES:
                raise ValueError(
                    f"{entry.name[:100]!r} in it unpacks to more than a bundle may have"
                )
            tops.add(match["top"])
            if len(tops) > 1:
                raise ValueError("holds files in several folders, where a bundle is one")
            target = folder / match["inner"]
            if target.exists():
                raise ValueError(f"holds {entry.name[:100]!r} twice")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                shutil.copyfileobj(entry.opened, file, _PIECE)


def _zipped(archive: Path) -> Generator[_Entry, None, None]:
    _check_index(archive)
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if info.is_dir():
                continue
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                raise ValueError(f"holds {info.filename[:100]!r}, which is a link or a device")
            if info.flag_bits & 1 or info.compress_type not in (
                zipfile.ZIP_STORED,
                zipfile.ZIP_DEFLATED,
            ):
                raise ValueError(
                    f"holds {info.filename[:100]!r}, which is encrypted or packed oddly"
                )
            with opened.open(info) as file:
                yield _Entry(info.filename, info.file_size, file)


def _check_index(archive: Path) -> None:
    """A zip ends with the size of its list of files, which is read into memory as a whole."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - (1 << 16) - 22))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 16 or struct.unpack_from("<I", tail, at + 12)[0] > _LARGEST_INDEX:
        raise ValueError("lists more files than a bundle has")


def _tarred(archive: Path) -> Generator[_Entry, None, None]:
    with archive.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        content: Any = gzip.GzipFile(fileobj=file) if packed else file
        with tarfile.open(fileobj=_Pieces(content), mode="r:") as opened:  # type: ignore[call-overload]
            for info in opened:
                if info.isdir():
                    continue
                if not info.isreg():
                    raise ValueError(f"holds {info.name[:100]!r}, which is a link or a device")
                inner = opened.extractfile(info)
                assert inner is not None
                yield _Entry(info.name, info.size, inner)


class _Pieces:
    """A file that is read in pieces only: a tar's header may claim to have any size."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_INDEX:
            raise ValueError("has a header that is larger than any")
        return self._file.read(size)


def write_archive(bundle: Path, file: Path) -> str:
    """Write a bundle as a zip, whole or not at all. Returns its SHA-256.

    The same bundle gives the same bytes. They are stored as they are: networks hardly shrink.
    """
    with replacing(file) as partial:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for source in bundle_files(bundle):
                info = zipfile.ZipInfo(source.relative_to(bundle).as_posix())
                info.external_attr = (stat.S_IFREG | 0o644) << 16
                with source.open("rb") as content, archive.open(info, "w", force_zip64=True) as to:
                    shutil.copyfileobj(content, to, _PIECE)
        with partial.open("rb") as written:
            return hashlib.file_digest(written, "sha256").hexdigest()


def bundle_files(bundle: Path) -> list[Path]:
    """The files of a bundle and of its members, in order."""
    return sorted(file for file in bundle.rglob("*") if file.is_file() and file.name in LARGEST)
