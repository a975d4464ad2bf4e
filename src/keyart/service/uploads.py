"""Posters and fields from a request's body: a form with one or many, or a picture alone."""

import asyncio
import hashlib
import io
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote_to_bytes

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from keyart.service.limits import MEGABYTE, Limits
from keyart.service.problems import Problem

# Types of a body that may be a picture; its content decides. curl sends the last one by default.
_PICTURES = re.compile(
    rb"|image/.*|(application|binary)/octet-stream|application/x-www-form-urlencoded"
)
_FIELDS = b"application/x-www-form-urlencoded"
_PARAMETER = re.compile(rb';\s*([^=;\s]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_LONGEST_NAME = 200
_SIGNATURES = {b"GIF8": "GIF", b"PK\x03\x04": "a ZIP archive", b"%PDF": "PDF", b"BM": "BMP"}


@dataclass(frozen=True, slots=True)
class Upload:
    """A poster that a client sent. name: of its file, without folders or control characters."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """The fingerprint of the file."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Body:
    """The content of a request: its posters, and the form's fields by name."""

    posters: Sequence[Upload]
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Bodies:
    """Reads request bodies: each within a limit, and all together within another.

    Starlette's own body limit answers with plain text, and it knows neither a time limit nor the
    bytes that all requests hold together. So the bytes are counted here.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[Body]:
        """Yield the body; its bytes count as held until the block ends.

        Raises Problem: 400 malformed or closed, 408 too slow, 413 too large, 415 another type,
        503 too much at once.
        """
        taken = 0

        async def chunks() -> AsyncGenerator[bytes, None]:
            nonlocal taken
            async for chunk in request.stream():
                taken += len(chunk)
                self.held += len(chunk)
                self._check_size(taken)
                if self.held > self._limits.memory:
                    raise Problem("busy", "too many uploads at once")
                yield chunk

        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit():
            self._check_size(int(length))
        try:
            async with aclosing(chunks()) as stream:
                body = await self._parse(request.headers, stream)
            yield body
        finally:
            self.held -= taken

    def _check_size(self, size: int) -> None:
        if size > self._limits.body:
            most = self._limits.body / MEGABYTE
            raise Problem("too-large", f"a request may have up to {most:g} MB")

    async def _parse(self, headers: Headers, stream: AsyncGenerator[bytes, None]) -> Body:
        kind, options = parse_options_header(headers.get("content-type", ""))
        seconds = self._limits.seconds
        try:
            async with asyncio.timeout(seconds):
                if kind.strip() == b"multipart/form-data":
                    if options.get(b"charset", b"utf-8").lower() != b"utf-8":
                        # Starlette would decode it by any of Python's codecs.
                        raise Problem("unsupported", "a form must be in UTF-8")
                    return await _read_form(headers, stream, self._limits)
                if _PICTURES.fullmatch(kind.strip()):
                    whole = io.BytesIO()  # gives its bytes away without a copy
                    async for chunk in stream:
                        whole.write(chunk)
                    data = whole.getvalue()
                    if kind.strip() == _FIELDS and data.isascii():  # no picture is
                        return Body([], _read_fields(data.decode(), self._limits))
                    return Body([Upload("poster", data)] if data else [])
        except TimeoutError as error:
            late = f"the request did not arrive within {seconds:g} seconds"
            raise Problem("too-slow", late) from error
        except ClientDisconnect as error:
            raise Problem("hung-up", "the client closed the connection") from error
        raise Problem(
            "unsupported",
            "send a form (multipart/form-data) or a JPEG, PNG or WebP as the body",
        )


class _FormParser(MultiPartParser):
    """Starlette's parser, without its temporary files: `Limits.memory` bounds what it holds."""

    spool_max_size = 0  # for a SpooledTemporaryFile: never write to disk
    ended = False

    def on_headers_finished(self) -> None:
        """Take a file's name also from filename* (RFC 5987), which the parser passes over."""
        part = self._current_part
        given = part.content_disposition or b""
        name = _extended_name(given)
        if name is not None:
            quoted = name.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            part.content_disposition = given + b'; filename="' + quoted + b'"'
        super().on_headers_finished()

    def on_end(self) -> None:
        """The form's last boundary was read."""
        self.ended = True


def _extended_name(disposition: bytes) -> bytes | None:
    """The file name of filename* in UTF-8; None if there is none, or it adds nothing.

    It is CHARSET'LANGUAGE'PERCENT-ENCODED, in UTF-8 or ISO 8859-1. A part with a damaged one is
    still a file.
    """
    found = {name.lower(): value for name, value in _PARAMETER.findall(disposition)}
    if b"filename*" not in found:
        return None
    charset, _, rest = found[b"filename*"].strip(b' "\t').partition(b"'")
    name = unquote_to_bytes(rest.partition(b"'")[2])
    if charset.lower() == b"iso-8859-1":
        return name.decode("latin-1").encode()
    if charset.lower() == b"utf-8":
        return name
    return None if b"filename" in found else b""


async def _read_form(headers: Headers, stream: AsyncGenerator[bytes, None], limits: Limits) -> Body:
    async def whole() -> AsyncGenerator[bytes, None]:
        async for chunk in stream:
            yield chunk
        if not parser.ended:  # raised in here, so that the parser closes its files
            raise MultiPartException("it ends before its last part does")

    parser = _FormParser(
        headers,
        whole(),
        max_files=limits.posters,
        max_fields=limits.fields,
        max_part_size=limits.field,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise _form_problem(error.message, limits) from error
    posters: list[Upload] = []
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
        elif value.size or value.filename:  # a browser sends an empty file if none was chosen
            posters.append(Upload(safe_name(value.filename or ""), await value.read()))
    await form.close()
    return Body(posters, fields)


def _read_fields(text: str, limits: Limits) -> dict[str, list[str]]:
    """The fields of a form without files, as `curl -d title=Alien` sends it. Raises Problem."""
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=limits.fields)
    except ValueError as error:
        raise _form_problem("Too many fields", limits) from error
    if any(len(value) > limits.field for values in fields.values() for value in values):
        raise _form_problem("Part exceeded", limits)
    return fields


def _form_problem(message: str, limits: Limits) -> Problem:
    """Starlette has one exception for all that is wrong with a form; only its text differs."""
    if message.startswith("Too many files"):
        return Problem("too-many", f"send up to {limits.posters} posters at a time")
    if message.startswith("Too many fields"):
        return Problem("too-many", f"a form may have up to {limits.fields} fields")
    if message.startswith("Part exceeded"):
        return Problem("too-large", f"a field may have up to {limits.field:,} bytes")
    return Problem("malformed", f"the form cannot be read ({message.rstrip('.')})")


def check_kind(data: bytes) -> None:
    """Accept JPEG, PNG and WebP, by content. Raises Problem 415 for anything else."""
    if (
        data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
        or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
    ):  # fmt: skip
        return
    if not data:
        raise Problem("unreadable", "the file is empty")
    found = next((name for start, name in _SIGNATURES.items() if data.startswith(start)), None)
    detail = f"this is {found}" if found else "this is not a picture of a known format"
    raise Problem("unsupported", f"{detail}; send JPEG, PNG or WebP")


def safe_name(text: str) -> str:
    """A file name that is safe to show: its last part, printable, not too long."""
    last = text.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(x for x in last if x.isprintable()).strip()[:_LONGEST_NAME] or "poster"
