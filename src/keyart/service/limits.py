"""What a request may be: bytes, parts, pixels, seconds; counted as they arrive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from keyart.service.problems import Problem

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what clients may ask for.

    body: bytes of a request. posters, fields: parts of a form. field: bytes of a form's field.
    pixels: of a poster, checked on its header. seconds: until a body has arrived. waiting: posters
    a thread, accepted and not answered yet, beyond which requests are refused. batch: posters a
    run. memory: bytes of all bodies at once.
    """

    body: int = 32 * MEGABYTE
    posters: int = 32
    fields: int = 40
    field: int = 2_000
    pixels: int = 25_000_000
    seconds: float = 30.0
    waiting: int = 7
    batch: int = 8
    memory: int = 256 * MEGABYTE


class Bodies:
    """Reads request bodies, none larger than a limit, all together within another."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the whole body; its bytes count as held until the block ends.

        Raises Problem: 413 over the limit, 408 too slow, 503 too much at once, 400 hung up.
        """
        held = 0
        declared = _declared_length(request)
        if declared is not None and declared > self._limits.body:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.seconds):
                async for chunk in request.stream():
                    held += len(chunk)
                    self.held += len(chunk)
                    if held > self._limits.body:
                        raise self._too_large()
                    if self.held > self._limits.memory:
                        raise Problem("busy", "too many uploads at once", early=True)
                    body += chunk
            yield bytes(body)
        except TimeoutError as error:
            raise Problem(
                "too-slow",
                f"the request did not arrive within {self._limits.seconds:g} seconds",
                early=True,
            ) from error
        except ClientDisconnect as error:
            raise Problem("hung-up", "the client hung up") from error
        finally:
            self.held -= held

    def _too_large(self) -> Problem:
        size = self._limits.body / MEGABYTE
        return Problem("too-large", f"a request may have up to {size:g} MB", early=True)


def _declared_length(request: Request) -> int | None:
    value = request.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None
