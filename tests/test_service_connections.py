"""service/connections.py: clients that wait, send or read slowly keep nobody else out."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from keyart.predictor import Predictor
from keyart.service import connections
from keyart.service.app import create_app
from tests.wire import RED

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
MOST = 40


@pytest.fixture
def api(
    tiny_predictor: Predictor, client_of: Serve, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    monkeypatch.setattr(connections, "MOST", MOST)
    with client_of(create_app(tiny_predictor)) as talking:
        yield talking


def opened(api: httpx.Client, stack: ExitStack) -> socket.socket:
    where = urlsplit(str(api.base_url))
    address = (str(where.hostname), int(where.port or 0))
    return stack.enter_context(socket.create_connection(address, timeout=10))


def closed(link: socket.socket) -> bool:
    link.settimeout(0.05)
    try:
        return link.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def answered(api: httpx.Client) -> bool:
    with httpx.Client(base_url=api.base_url, trust_env=False, timeout=10) as fresh:
        return fresh.post("/v1/predictions", content=RED).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ",
        b"POST /v1/predictions HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n\xff\xd8\xff",
    ],
    ids=["idle", "headers", "body"],
)
def test_connections_that_wait_for_their_clients_keep_nobody_out(
    api: httpx.Client, sent: bytes
) -> None:
    with ExitStack() as stack:
        links = []
        for _ in range(2 * MOST):
            links.append(opened(api, stack))
            links[-1].sendall(sent)
        assert answered(api)
        assert answered(api)
        time.sleep(0.2)
        still = [not closed(link) for link in links]
        # Those that have waited for the longest are closed, and no more of them than must be.
        assert still[: MOST - 4] == [False] * (MOST - 4)
        assert still[-MOST // 2 :] == [True] * (MOST // 2)


def test_a_connection_that_keeps_sending_is_not_closed_for_idle_ones(api: httpx.Client) -> None:
    head = f"POST /v1/predictions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(RED)}\r\n\r\n"
    with ExitStack() as stack:
        sending = opened(api, stack)
        sending.sendall(head.encode())
        for at in range(len(RED)):
            if at < 2 * MOST:
                opened(api, stack)
            sending.sendall(RED[at : at + 1])
            time.sleep(0.002)
        assert sending.recv(100).startswith(b"HTTP/1.1 200")


def test_nobody_waits_for_a_client_that_does_not_read_its_answers(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_READ_SECONDS", 0.3)
    with ExitStack() as stack:
        link = opened(api, stack)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asked = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 600
        link.settimeout(5)
        end = time.monotonic() + 10
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                link.sendall(asked)
                time.sleep(0.05)
        assert time.monotonic() < end
        assert answered(api)
