"""Errors as clients see them: RFC 9457 problem documents."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"

# kind: (status, title). The type of a problem is "urn:keyart:problem:" and its kind.
KINDS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be understood"),
    "hung-up": (400, "The client hung up"),
    "unauthorized": (401, "A token is needed"),
    "forbidden": (403, "The request comes from elsewhere"),
    "not-found": (404, "There is no such thing here"),
    "method": (405, "The method does not fit"),
    "too-slow": (408, "The request took too long to arrive"),
    "already-corrected": (409, "The poster has another correction"),
    "other-model": (409, "The model has changed"),
    "too-large": (413, "The request is too large"),
    "too-many": (413, "The request has too many parts"),
    "unsupported": (415, "Not a JPEG, PNG or WebP poster"),
    "misdirected": (421, "The request is for another host"),
    "unreadable": (422, "The poster cannot be read"),
    "invalid": (422, "The request has a wrong value"),
    "headers": (431, "The request's headers are too large"),
    "internal": (500, "Something broke here"),
    "not-offered": (501, "This service was started without it"),
    "busy": (503, "The service is busy"),
    "unavailable": (503, "The service cannot do this at the moment"),
}

RETRY_AFTER = 1  # seconds
_LINGER = 2.0  # seconds that a refused client is listened to, so that it reads the refusal
_LINGER_BYTES = 64_000_000


class Problem(Exception):
    """A request that is answered with a problem document.

    kind: of KINDS. detail: one line for people. early: the body was not read to its end. more:
    further members of the document.
    """

    def __init__(self, kind: str, detail: str, *, early: bool = False, **more: Any) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.early = early
        self.more = more

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.kind][0]

    def document(self) -> dict[str, Any]:
        """The problem as RFC 9457 has it."""
        status, title = KINDS[self.kind]
        return {
            "type": f"urn:keyart:problem:{self.kind}",
            "title": title,
            "status": status,
            "detail": self.detail,
            **self.more,
        }

    def response(self) -> Response:
        """The answer to send."""
        headers = {}
        if self.kind in ("busy", "unavailable"):
            headers["Retry-After"] = str(RETRY_AFTER)
        if self.kind == "unauthorized":
            headers["WWW-Authenticate"] = 'Bearer realm="keyart"'
        if self.kind == "unsupported":
            headers["Accept-Post"] = "image/jpeg, image/png, image/webp, multipart/form-data"
        return _ProblemResponse(self, headers)


class _ProblemResponse(Response):
    """Sends a problem and, where the body was not read, listens on a little.

    A connection that is closed with unread bytes is reset, and the client may lose the answer that
    is on its way.
    """

    media_type = MEDIA_TYPE

    def __init__(self, problem: Problem, headers: Mapping[str, str]) -> None:
        content = json.dumps(problem.document(), ensure_ascii=False).encode("utf-8")
        super().__init__(content, problem.status, dict(headers))
        self._early = problem.early

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._early:
            await super().__call__(scope, receive, send)
            return
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        try:
            async with asyncio.timeout(_LINGER):
                left = _LINGER_BYTES
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if message["type"] != "http.request" or not message.get("more_body"):
                        break
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})
