"""Calls of the store of corrections: a store that hangs holds up no other request."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from keyart.errors import AlreadyCorrectedError, CorrectionsError, CorrectionsFullError
from keyart.service.problems import Problem

Result = TypeVar("Result")

_THREADS = 4
_MOST = 32  # calls that run or wait
_SECONDS = 4.0  # for an answer; the store itself gives up on its database a little earlier


class StoreCalls:
    """Runs calls in a few threads of their own, for a few seconds."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="keyart-store")
        self._calls: set[Future[Any]] = set()

    async def run(self, call: Callable[[], Result]) -> Result:
        """What the call returns. Raises Problem: 409, 429, 503."""
        if len(self._calls) >= _MOST:
            raise Problem("unavailable", "the store of corrections does not keep up")
        future = self._pool.submit(call)
        self._calls.add(future)
        future.add_done_callback(self._calls.discard)
        try:
            async with asyncio.timeout(_SECONDS):
                return await asyncio.wrap_future(future)
        except AlreadyCorrectedError as error:
            raise Problem("already-corrected", str(error)) from error
        except CorrectionsFullError as error:
            raise Problem("full", str(error)) from error
        except (CorrectionsError, TimeoutError) as error:
            raise Problem("unavailable", "the store of corrections cannot be reached") from error

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
