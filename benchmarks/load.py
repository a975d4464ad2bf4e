"""A load generator lean enough to share two cores with what it loads: asyncio, no HTTP library."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np


@dataclass
class Outcome:
    """What requests got: seconds of each, by status. failed: connections that broke."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    failed: int = 0
    took: float = 0.0

    def count(self, status: int) -> int:
        """Requests that got this status."""
        return len(self.seconds.get(status, ()))

    def quantile(self, status: int, part: float) -> float:
        """Seconds within which this part of a status's requests were answered; NaN for none."""
        seconds = self.seconds.get(status)
        return float(np.quantile(seconds, part)) if seconds else float("nan")


class _Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionError("the service hung up"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or self._answer is None:
            return
        at = head.lower().index(b"content-length:") + 15
        length = int(head[at : head.find(b"\r", at) if b"\r" in head[at:] else len(head)])
        if len(body) >= length and not self._answer.done():
            self._buffer = b""
            self._answer.set_result(int(head[9:12]))

    async def ask(self, request: bytes) -> int:
        """Send a request; the status of its answer."""
        if self.transport is None:
            raise ConnectionError("the service hung up")
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer


def requests_for(url: str, posters: Sequence[bytes], path: str = "/v1/predictions") -> list[bytes]:
    """Posters as whole HTTP requests."""
    head = f"POST {path} HTTP/1.1\r\nhost: {urlsplit(url).netloc}\r\ncontent-type: image/jpeg\r\n"
    return [f"{head}content-length: {len(p)}\r\n\r\n".encode() + p for p in posters]


def closed_loop(url: str, requests: Sequence[bytes], clients: int, count: int) -> Outcome:
    """`clients` that each send the next request when they have their answer; `count` in all."""
    return asyncio.run(_closed_loop(url, requests, clients, count))


def open_loop(url: str, requests: Sequence[bytes], rate: float, seconds: float) -> Outcome:
    """Requests at a steady rate, whatever the answers: what a crowd does.

    Seconds are counted from when a request was due, so that no wait is hidden.
    """
    return asyncio.run(_open_loop(url, requests, rate, seconds))


async def _connect(url: str) -> _Connection:
    where = urlsplit(url)
    assert where.hostname
    assert where.port
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(_Connection, where.hostname, where.port)
    return connection


async def _closed_loop(url: str, requests: Sequence[bytes], clients: int, count: int) -> Outcome:
    outcome = Outcome()
    left = iter(range(count))

    async def client() -> None:
        connection = await _connect(url)
        for number in left:
            began = time.perf_counter()
            try:
                status = await connection.ask(requests[number % len(requests)])
            except ConnectionError:
                outcome.failed += 1
                connection = await _connect(url)
                continue
            outcome.seconds.setdefault(status, []).append(time.perf_counter() - began)
        if connection.transport:
            connection.transport.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    outcome.took = time.perf_counter() - began
    return outcome


async def _open_loop(url: str, requests: Sequence[bytes], rate: float, seconds: float) -> Outcome:
    outcome = Outcome()
    idle: list[_Connection] = [await _connect(url) for _ in range(64)]
    tasks: set[asyncio.Task[None]] = set()

    async def one(number: int, due: float) -> None:
        # Idle connections are closed after a while, as keep-alive goes.
        while idle and idle[-1].transport is None:
            idle.pop()
        connection = idle.pop() if idle else await _connect(url)
        try:
            status = await connection.ask(requests[number % len(requests)])
        except ConnectionError:
            outcome.failed += 1
            return
        outcome.seconds.setdefault(status, []).append(time.perf_counter() - due)
        idle.append(connection)

    began = time.perf_counter()
    number = 0
    while (now := time.perf_counter() - began) < seconds:
        while number / rate <= now:
            task = asyncio.create_task(one(number, began + number / rate))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.sleep(max(0, number / rate - (time.perf_counter() - began)))
    await asyncio.gather(*tasks)
    outcome.took = time.perf_counter() - began
    for connection in idle:
        if connection.transport:
            connection.transport.close()
    return outcome
