"""serve: the service on a socket, in one process or several, until it is stopped."""

import asyncio
import ipaddress
import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors.multiprocess import Multiprocess

from keyart.bundle import boxed_bundle
from keyart.errors import ServiceError
from keyart.files import StrPath
from keyart.parallel import cores
from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.service.app import create_app
from keyart.service.guard import LOOPBACK_HOSTS
from keyart.service.tokens import VARIABLE, Tokens
from keyart.similar import Index

_HEADER_SECONDS = 10.0
_STOP_SECONDS = 60
_CONNECTIONS = 1_000

_log = logging.getLogger("keyart.service")


@dataclass(frozen=True, slots=True)
class _Settings:
    """What a process serves; worker processes get a copy and load it all themselves."""

    model: Path
    index: Path | None
    corrections: str | None
    tokens: Path | None
    threads: int
    any_host: bool


def serve(
    model: StrPath | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    index: StrPath | None = None,
    corrections: str | None = None,
    tokens: StrPath | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then answer what was accepted and return.

    model: a run or a bundle; None for the model that comes with keyart. port: 0 takes a free one.
    workers: processes, each with its own copy of the model. index: folder of known posters.
    corrections: an SQLite or PostgreSQL URL; None keeps none. tokens: file of the tokens that are
    let in; None lets everybody in, unless $KEYART_TOKEN is set. say: gets the lines for people;
    None logs them. Raises ServiceError, BundleError, PosterIndexError, CorrectionsError.
    """
    if workers < 1:
        raise ServiceError(f"--workers {workers}: at least one process must serve")
    loopback = _is_loopback(host)
    open_to_all = Tokens.read(tokens) is None
    settings = _Settings(
        model=Path(model) if model else boxed_bundle(),
        index=Path(index) if index else None,
        corrections=corrections,
        tokens=Path(tokens) if tokens else None,
        threads=max(1, cores() // workers),
        # Loopback without tokens only answers to localhost, whatever name a web page gave it.
        any_host=not loopback or not open_to_all,
    )
    app = _load(settings)  # also if there are several workers: it finds errors early, and once
    listener = _listen(host, port)
    bound = listener.getsockname()[1]
    if not loopback and open_to_all:
        (say or _log.warning)(
            f"warning: anybody who reaches {host}:{bound} may use this service and correct genres; "
            f"set --tokens FILE or ${VARIABLE}"
        )
    shown = f"[{host}]" if ":" in host else host
    (say or _log.info)(
        f"keyart serves {settings.model} at http://{shown}:{bound} (Ctrl-C stops it)"
    )
    if workers == 1:
        uvicorn.Server(_config(lambda: app)).run(sockets=[listener])
        return
    with _shared_metrics():
        Multiprocess(_config(partial(_load, settings), workers), sockets=[listener]).run()


def _load(settings: _Settings) -> FastAPI:
    predictor = Predictor.load(settings.model)
    return create_app(
        predictor,
        index=Index.open(settings.index, predictor) if settings.index else None,
        corrections=Corrections(settings.corrections) if settings.corrections else None,
        tokens=Tokens.read(settings.tokens),
        hosts=None if settings.any_host else LOOPBACK_HOSTS,
        threads=settings.threads,
    )


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve `app` in a thread of this process, on a free port of loopback; yields its URL.

    For notebooks and tests. Leaving the block answers what was accepted, then stops.
    """
    with _listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(_config(lambda: app))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that waits for a request's headers, but not forever.

    uvicorn has a time limit only between two requests.
    """

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request, unless the server has stopped meanwhile.

        uvicorn stops the connections that are made. One that is accepted before the stop and made
        after it would be served until the time limit of the stop, and then broken off.
        """
        super().connection_made(transport)
        server = getattr(transport, "_server", None)  # asyncio has no public name for it
        if server is not None and not server.is_serving():
            self.shutdown()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Keep the deadline while headers are incomplete; a byte now and then does not move it."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self._between_requests():
            if self._waiting is None:
                self._waiting = self.loop.call_later(_HEADER_SECONDS, self._give_up)
        else:
            self._unwatch()

    def _unwatch(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _between_requests(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or cycle.response_complete

    def _give_up(self) -> None:
        self._waiting = None
        if self._between_requests() and not self.transport.is_closing():
            self.transport.close()


def _config(factory: Callable[[], FastAPI], workers: int = 1) -> uvicorn.Config:
    log_config = deepcopy(LOGGING_CONFIG)
    # A log of malformed forms would fill the disk; clients get an error, and metrics count them.
    log_config["loggers"]["python_multipart"] = {"level": "ERROR"}
    return uvicorn.Config(
        factory,
        factory=True,
        workers=workers,
        http=PatientProtocol,
        ws="none",
        log_config=log_config,
        log_level="error",
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which worker processes add up their metrics."""
    with tempfile.TemporaryDirectory(prefix="keyart-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            yield
        finally:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
        # Connections inherit it; asyncio sets it only on sockets that name their protocol. Without
        # it, the body of an answer waits 40 ms until the client acknowledges the head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise ServiceError(
            f"{host}:{port}: cannot listen there ({error.strerror or error}); choose another --port"
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
