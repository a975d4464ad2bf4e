"""The door of the service: requests, byte by byte, to a server that listens on loopback."""

import http.client
import logging
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import h11
import numpy as np

from benchmarks.fuzz.campaign import Door, Refused
from benchmarks.fuzz.mutate import ODD, mutate, numbered, pick
from benchmarks.fuzz.pictures import mutated_picture
from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.service.app import create_app
from keyart.service.server import running
from keyart.similar import Index
from tests.conftest import index_known_posters
from tests.tiny import tiny_bundle
from tests.wire import RED

_POSTING = ("/v1/predictions", "/v1/explanations", "/v1/similar", "/v1/corrections")
_PATHS = (
    *_POSTING,
    *("/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/app.js", "/nowhere", "/%00"),
    *(
        "/v1/model",
        "/v1/similar/1.jpg",
        f"/v1/similar/{'9' * 20}.jpg",
        f"/v1/corrections/{'0' * 64}",
    ),
)
_METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "PATCH", "get", "POST", "CONNECT")
_QUERIES = (
    *("genre=Red", "genre=Red&genre=blue", "method=occlusion", "count=3", "count=-1", "genre=%00"),
    *(f"count={'9' * 5_000}", "method=", "genre=%FF", "&&=&", "count=nan", "genre=Red&genre=Red"),
)
_TYPES = (
    *("image/jpeg", "image/jpg", "IMAGE/PNG", "application/octet-stream", "", "text/html", "*/*"),
    *("application/json", "multipart/form-data", "multipart/form-data; boundary=", "a/b; x=\xff"),
)
_HEADERS = (
    *("Accept: image/png", "Expect: 100-continue", "Origin: http://elsewhere", "Accept: \xff\xfe"),
    *("Authorization: Bearer x", "Content-Encoding: gzip", "Transfer-Encoding: chunked"),
    *("Content-Length: 5", "Content-Length: -1", "Upgrade: websocket", "Range: bytes=0-1"),
    *("Host: other", f"X: {'y' * 9_000}"),
)
_FIELDS = ("genre", "title", "author", "model", "replace", "poster", "", "\xe9")
_BOUNDARY = "boundary"
_SECONDS = 20.0


class _Errors(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def requests(folder: Path, stack: ExitStack) -> Door:
    """Send a request and read the answer: no 5xx but 503, and no error in the log."""
    address = urlsplit(listening(folder, stack))
    errors = _Errors()
    for name in ("keyart", "uvicorn.error", "asyncio"):
        logging.getLogger(name).addHandler(errors)

    def check(number: int, data: bytes) -> object:
        target = _target(data)
        with socket.create_connection((address.hostname, address.port), _SECONDS) as line:
            if target is None:  # the service waits for the rest: hang up
                line.sendall(data)
                line.shutdown(socket.SHUT_WR)
                while line.recv(65_536):
                    pass
                raise Refused("incomplete")
            status, body = _answer(line, data)
        if errors.lines:
            logged, errors.lines[:] = "\n".join(errors.lines), ()
            what = logged.splitlines()[-1].partition(":")[0]
            raise AssertionError(f"logged {what}: {logged}")
        if status >= 500 and status != 503:
            raise AssertionError(f"status {status}: {body[:300]!r}")
        if status >= 400:
            raise Refused(f"status {status}")
        # Metrics count and corrections are kept, so only these answers stay the same.
        return body if target.startswith(_POSTING[:3]) else 200

    return Door(mutated_request, check)


def listening(folder: Path, stack: ExitStack) -> str:
    """Start a service of the tiny model, with an index and corrections; its URL."""
    predictor = Predictor.load(tiny_bundle(folder / "bundle").path)
    index = Index.open(index_known_posters(folder, predictor.bundle.path))
    store = Corrections(f"sqlite:///{folder}/corrections.sqlite")
    return stack.enter_context(running(create_app(predictor, index=index, corrections=store)))


def mutated_request(number: int) -> bytes:
    """A request: often one that is answered, then one or several things wrong with it."""
    rng = numbered("requests", number)
    path = pick(_POSTING if rng.random() < 0.6 else _PATHS, rng)
    method = "POST" if path in _POSTING and rng.random() < 0.9 else pick(_METHODS, rng)
    query = "?" + pick(_QUERIES, rng) if rng.random() < 0.4 else ""
    picture = RED if rng.random() < 0.4 else mutated_picture(number)
    if rng.random() < 0.5:
        kind, body = f"multipart/form-data; boundary={_BOUNDARY}", _form(picture, rng)
    else:
        kind, body = pick(_TYPES, rng) if rng.random() < 0.4 else "image/jpeg", picture
    headers = ["Host: localhost", "Connection: close", f"Content-Type: {kind}"]
    if method == "POST" or rng.random() < 0.1:
        headers.append(f"Content-Length: {len(body)}")
    else:
        body = b""
    if rng.random() < 0.3:
        headers.append(pick(_HEADERS, rng))
    head = (
        "\r\n".join([f"{method} {path}{query} HTTP/1.1", *headers]).encode("latin-1") + b"\r\n\r\n"
    )
    chance = rng.random()
    if chance < 0.2:
        head = mutate(head, [head], rng)
    return mutate(head + body, [head], rng) if chance > 0.9 else head + body


def _form(picture: bytes, rng: np.random.Generator) -> bytes:
    parts = [b'name="poster"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + picture]
    for _ in range(int(rng.integers(4))):
        value = pick(("Red", "Green", "1", *map(str, ODD)), rng)
        part = f'name="{pick(_FIELDS, rng)}"\r\n\r\n{value}'.encode("utf-8", "surrogatepass")
        parts.insert(int(rng.integers(len(parts) + 1)), part)
    edge = f"--{_BOUNDARY}".encode()
    form = b"".join(edge + b"\r\nContent-Disposition: form-data; " + one + b"\r\n" for one in parts)
    form += edge + b"--\r\n"
    return mutate(form, [form], rng) if rng.random() < 0.3 else form


def _target(data: bytes) -> str | None:
    """What a request is for, by the parser of the service; None if more bytes are needed."""
    if not data:  # which is the end for h11
        return None
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=65_536)
    parser.receive_data(data)
    target = ""
    try:
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Request):
                target = event.target.decode("latin-1")
            elif event in (h11.NEED_DATA, h11.PAUSED):
                return None
    except h11.RemoteProtocolError:
        pass
    return target


def _answer(line: socket.socket, data: bytes) -> tuple[int, bytes]:
    method = data.split(b" ", 1)[0].decode("latin-1")
    response = http.client.HTTPResponse(line, method=method)
    try:
        line.sendall(data)
        response.begin()
        body = response.read()
        line.shutdown(socket.SHUT_WR)
        while line.recv(65_536):  # what goes wrong is in the log before the connection is closed
            pass
        return response.status, body
    except (ConnectionResetError, BrokenPipeError):  # refused before it was read
        return 400, b""
    finally:
        response.close()
