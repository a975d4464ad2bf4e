"""A page for people on this machine alone, served from this process by the standard library."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from keyart.errors import ServiceError, why

HTML, JSON, JPEG = "text/html; charset=utf-8", "application/json", "image/jpeg"


class Answer(NamedTuple):
    """What a path of a page has. keeps: whether the browser may keep it."""

    kind: str
    body: bytes
    keeps: bool = False


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that went away, as it does when one scrolls past a picture."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def serving(answer: Callable[[str], Answer | None], port: int = 0) -> Iterator[ThreadingHTTPServer]:
    """Yield a server on the loopback address; the caller runs it with `serve_forever`.

    answer: what a path has; None if there is nothing. It is called in several threads. port: 0
    takes a free one. Raises ServiceError if the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # hundreds of thumbnails over one connection
        timeout = 60

        def do_GET(self) -> None:
            host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
            if host not in ("127.0.0.1", "localhost"):  # a site elsewhere that names this machine
                self._send(403, Answer("text/plain", b"this page is for this machine alone\n"))
                return
            found = answer(self.path)
            missing = Answer("text/plain", b"not found\n")
            self._send(404 if found is None else 200, found or missing)

        def _send(self, status: int, found: Answer) -> None:
            self.send_response(status)
            self.send_header("Content-Type", found.kind)
            self.send_header("Content-Length", str(len(found.body)))
            self.send_header("Cache-Control", "max-age=3600" if found.keeps else "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing of each request."""

    try:
        server = _Server(("127.0.0.1", port), Handler)
    except OSError as error:
        raise ServiceError(f"port {port}: {why(error)}; choose another with --port") from error
    with server:
        yield server
