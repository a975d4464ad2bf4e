"""Posters and fields out of a request's body: a form with one or many, or a picture alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from keyart.service.limits import Limits
from keyart.service.problems import Problem

_PICTURES = (b"", b"application/octet-stream", b"image/jpeg", b"image/png", b"image/webp")
_LONGEST_NAME = 200
_SIGNATURES = {b"GIF8": "GIF", b"PK\x03\x04": "a ZIP archive", b"%PDF": "PDF", b"BM": "BMP"}


@dataclass(frozen=True, slots=True)
class Upload:
    """A poster that a client sent. name: of its file, without folders or control characters."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """What a request brought."""

    posters: Sequence[Upload]
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def one(self) -> Upload:
        """The only poster. Raises Problem where there are more."""
        if len(self.posters) != 1:
            raise Problem("too-many", f"send one poster at a time, not {len(self.posters)}")
        return self.posters[0]

    def value(self, name: str) -> str:
        """The first value of a field, '' where there is none."""
        return next(iter(self.fields.get(name, ())), "")


def read_form(body: bytes, content_type: str, limits: Limits) -> Form:
    """Take a request's body apart. Raises Problem: 400, 413, 415, 422."""
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        form = _read_multipart(body, options.get(b"boundary", b""), limits)
    elif kind in _PICTURES:
        form = Form([Upload("poster", body)] if body else [])
    else:
        raise Problem(
            "unsupported",
            "send a form (multipart/form-data) or a JPEG, PNG or WebP as the body",
        )
    if not form.posters:
        raise Problem("invalid", "there is no poster in the request")
    return form


def check_kind(data: bytes) -> None:
    """Let JPEG, PNG and WebP pass, by content. Raises Problem 415 for anything else."""
    if (
        data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
        or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
    ):  # fmt: skip
        return
    if not data:
        raise Problem("unreadable", "the file is empty")
    found = next((name for start, name in _SIGNATURES.items() if data.startswith(start)), None)
    detail = f"this is {found}" if found else "this is not a picture that is taken here"
    raise Problem("unsupported", f"{detail}; send JPEG, PNG or WebP")


def safe_name(raw: bytes) -> str:
    """A file name as it may be shown: its last part, printable, not too long."""
    text = raw.decode("utf-8", "replace").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(x for x in text if x.isprintable()).strip()[:_LONGEST_NAME] or "poster"


class _Collector:
    """The callbacks of the parser: collects parts, and counts them as they come."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.posters: list[Upload] = []
        self.fields: dict[str, list[str]] = {}
        self._fields = 0
        self.ended = False
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._pieces: list[bytes] = []
        self._size = 0
        self._disposition: dict[bytes, bytes] = {}

    def on_part_begin(self) -> None:
        self._headers, self._pieces, self._size = {}, [], 0

    def on_header_begin(self) -> None:
        self._name = self._value = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._name.lower()] = self._value

    def on_headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        kind, self._disposition = parse_options_header(disposition.decode("latin-1"))
        if kind != b"form-data" or b"name" not in self._disposition:
            raise Problem("malformed", "a part of the form has no name")
        if b"filename" in self._disposition:
            if len(self.posters) >= self.limits.posters:
                raise Problem("too-many", f"send up to {self.limits.posters} posters at a time")
        else:
            self._fields += 1
            if self._fields > self.limits.fields:
                raise Problem("too-many", f"a form may have up to {self.limits.fields} fields")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if b"filename" not in self._disposition and self._size > self.limits.field:
            raise Problem("too-large", f"a field may have up to {self.limits.field:,} bytes")
        self._pieces.append(data[start:end])

    def on_part_end(self) -> None:
        content = b"".join(self._pieces)
        if b"filename" in self._disposition:
            # A browser sends an empty, nameless file where none was chosen.
            filename = self._disposition[b"filename"]
            if content or filename:
                self.posters.append(Upload(safe_name(filename), content))
            return
        name = self._disposition[b"name"].decode("utf-8", "replace")
        self.fields.setdefault(name, []).append(content.decode("utf-8", "replace"))

    def on_end(self) -> None:
        self.ended = True


def _read_multipart(body: bytes, boundary: bytes, limits: Limits) -> Form:
    if not boundary:
        raise Problem("malformed", "the form's content type has no boundary")
    collector = _Collector(limits)
    names = [name for name in dir(collector) if name.startswith("on_")]
    callbacks = {name: getattr(collector, name) for name in names}
    try:
        parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Problem("malformed", f"the form cannot be taken apart ({error})") from error
    if not collector.ended:
        raise Problem("malformed", "the form ends before its last part does")
    return Form(collector.posters, collector.fields)
