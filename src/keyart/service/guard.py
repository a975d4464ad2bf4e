"""What surrounds every request: who may ask, how browsers must behave, how long it took."""

import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keyart.service.access import Tokens, check_origin
from keyart.service.metrics import Metrics
from keyart.service.problems import Problem

_log = logging.getLogger("keyart.service")

# Nothing but our own files; posters that the page holds are blobs. No inline script or style.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_HEADER_BYTES = 16_000
_GUARDED = ("/v1/", "/metrics")


class Guard:
    """ASGI middleware. tokens: None lets everybody in. hosts: None answers to any host."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        tokens: Tokens | None,
        hosts: frozenset[str] | None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._tokens = tokens
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            if sum(len(name) + len(value) for name, value in scope["headers"]) > _HEADER_BYTES:
                raise Problem("headers", f"up to {_HEADER_BYTES:,} bytes are read", early=True)
            headers = Headers(scope=scope)
            check_origin(headers, scope["method"], self._hosts)
            if self._tokens and scope["path"].startswith(_GUARDED):
                scope["keyart.holder"] = self._tokens.holder(headers.get("authorization", ""))
            await self._app(scope, receive, send_guarded)
        except Problem as problem:
            await problem.response()(scope, receive, send_guarded)
        except Exception:
            _log.exception("%s %s", scope["method"], scope["path"])
            if status == 500:  # nothing was sent yet
                broken = Problem("internal", "the service's log tells what", early=True)
                await broken.response()(scope, receive, send_guarded)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, _known(scope["method"]), str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)


def _known(method: str) -> str:
    """The method, or 'other': a client must not be able to make series without end."""
    return method if method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
