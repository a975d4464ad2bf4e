"""What surrounds every request: its target, hosts and origins, headers for browsers, metrics."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import re
import time
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keyart.service.metrics import Metrics
from keyart.service.problems import Problem

_log = logging.getLogger("keyart.service")
_NO_MEMORY = re.compile("bad_?alloc|bad allocation|[Ff]ailed to allocate|can't start new thread")
_PORT = re.compile(r":[0-9]*\Z")

# Only our own files; posters that the page shows are blobs. No inline script or style.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_NO_STORE = (b"cache-control", b"no-store")
_CLOSE = (b"connection", b"close")
_HEADER_BYTES = 16_000
_LINGER = 2.0  # seconds that a refused client is read on, so that it gets the refusal
_LINGER_BYTES = 64_000_000


class Guard:
    """ASGI middleware.

    hosts: names that the service answers to, besides localhost and IP addresses; None for any.
    posting: paths that posters are sent to. If the queue is full, they are refused here: routing,
    tokens and forms cost four times as much, and refusals come by the hundred.

    Starlette's TrustedHostMiddleware and its handler of unexpected errors answer outside of this:
    in plain text, without these headers and uncounted. So both are done here.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        hosts: frozenset[str] | None,
        posting: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._posting = posting
        self._metrics = metrics
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        method = scope["method"]
        # The server sends the answer to HEAD without its body.
        scope = {**scope, "method": "GET" if method == "HEAD" else method}
        status = 500
        complete = False  # the whole request was read, or the client is gone
        # The client sends no body before it is asked to; reading the body asks for it.
        unasked = Headers(scope=scope).get("expect", "").lower() == "100-continue"

        async def receive_watched() -> Message:
            nonlocal complete, unasked
            unasked = False
            message = await receive()
            complete = message["type"] != "http.request" or not message.get("more_body")
            return message

        async def linger() -> None:
            """Read on a little: the client may lose an answer if its bytes are left unread."""
            left = _LINGER_BYTES
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER):
                    while not complete and left > 0:
                        left -= len((await receive_watched()).get("body", b""))

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], *_HEADERS]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(_NO_STORE)
                if unasked:  # nobody can say whether its body or another request comes next
                    headers.append(_CLOSE)
                message = {**message, "headers": headers}
            elif status >= 400 and not (complete or unasked or message.get("more_body")):
                await send({**message, "more_body": True})
                await linger()
                message = {"type": "http.response.body"}
            await send(message)

        try:
            _take_target(scope)
            check_headers(Headers(scope=scope), scope["method"], self._hosts)
            if method == "POST" and scope["path"] in self._posting:
                scope["state"]["service"].admit()
            await self._app(scope, receive_watched, send_guarded)
        except Problem as problem:
            await problem.response()(scope, receive_watched, send_guarded)
        except Exception as error:
            if _lacks_memory(error):
                broken = Problem("busy", "no memory is free for this request now")
            else:
                _log.exception("%s %s", scope["method"], scope["path"])
                broken = Problem("internal", "the reason is in the log of the service")
            if status == 500:  # nothing was sent yet
                await broken.response()(scope, receive_watched, send_guarded)
        finally:
            refused = scope["path"] if scope["path"] in self._posting else "other"
            route = getattr(scope.get("route"), "path", refused)
            self._metrics.requests.labels(route, _known(method), str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)


def _lacks_memory(error: Exception) -> bool:
    """Whether the system had no memory for it: each library says so in its own way."""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or _NO_MEMORY.search(str(error)) is not None
    )


def check_headers(headers: Headers, method: str, hosts: frozenset[str] | None) -> None:
    """Refuse too many headers, requests for other hosts, and those of other sites' pages.

    Without this, a page anywhere on the web could use a service on its visitor's machine. Raises
    Problem: 403, 421, 431.
    """
    if sum(len(name) + len(value) for name, value in headers.raw) > _HEADER_BYTES:
        raise Problem("headers", f"they may have up to {_HEADER_BYTES:,} bytes")
    host = headers.get("host", "")
    if hosts is not None and not _answers_to(host, hosts):
        raise Problem(
            "misdirected",
            "this service answers to localhost, IP addresses and the names of --allowed-host",
        )
    if method in ("GET", "HEAD", "OPTIONS"):
        return
    origin = headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != host
    if elsewhere or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Problem("forbidden", "pages of other sites may not use this service")


def _take_target(scope: Scope) -> None:
    """Turn a whole URL as the target, as clients of proxies send it, into a path and a host.

    The URL's host counts, not that of the header (RFC 9112, 3.2.2). Raises Problem 400.
    """
    target = scope["raw_path"].decode("latin-1")
    if not target.lower().startswith(("http://", "https://")):
        return
    try:
        url = urlsplit(target)
        host = url.netloc.encode("ascii")
    except ValueError as error:
        raise Problem("malformed", "the target of the request is not a URL") from error
    if not host or b"@" in host:
        raise Problem("malformed", "the target of the request needs a host, without a user")
    path = url.path or "/"
    others = [(name, value) for name, value in scope["headers"] if name != b"host"]
    scope["path"], scope["raw_path"] = unquote(path), path.encode("latin-1")
    scope["headers"] = [(b"host", host), *others]


def _answers_to(host: str, hosts: frozenset[str]) -> bool:
    """Whether a Host header is localhost, an IP address or one of these names.

    A page that was opened at an IP address comes from there: no other site can have its origin.
    """
    name = _PORT.sub("", host).lower().rstrip(".")
    if name == "localhost" or name in {known.lower().rstrip(".") for known in hosts}:
        return True
    try:
        ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return ":" not in name or name.startswith("[")


def _known(method: str) -> str:
    """The method, or 'other': a client must not be able to create any number of series."""
    return method if method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
