"""serve: the service on a socket, in one process or several, until it is told to stop."""

import asyncio
import ipaddress
import json
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors.multiprocess import Multiprocess

from keyart.errors import ServiceError
from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.service.access import LOOPBACK_HOSTS, VARIABLE, Tokens
from keyart.service.app import create_app
from keyart.service.limits import Limits
from keyart.similar import Index

_SETTINGS = "KEYART_SERVICE_SETTINGS"  # how worker processes learn what to serve
_HEADER_SECONDS = 10.0
_STOP_SECONDS = 60
_CONNECTIONS = 1_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What to serve.

    model: a run or a bundle. index: of known posters, None for none. corrections: URL of their
    store, None keeps none. tokens: file of those that may ask, None lets everybody in unless
    $KEYART_TOKEN is set. waiting: posters a core accepted and unanswered, None for the default.
    """

    model: Path
    index: Path | None = None
    corrections: str | None = None
    tokens: Path | None = None
    waiting: int | None = None
    threads: int | None = None
    any_host: bool = False


def serve(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    *,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> None:
    """Serve until SIGINT or SIGTERM, then answer what was accepted and return.

    port: 0 takes a free one. workers: processes, each with its own copy of the model. say: gets the
    lines for people. Raises ServiceError, BundleError, PosterIndexError, CorrectionsError.
    """
    if workers < 1:
        raise ServiceError(f"--workers {workers}: at least one process must serve")
    loopback = _is_loopback(host)
    tokens = Tokens.read(settings.tokens)
    threads = max(1, (os.cpu_count() or 1) // workers)
    # Loopback without tokens answers to localhost alone, whatever name a web page gave it.
    any_host = not loopback or tokens is not None
    settings = replace(settings, threads=threads, any_host=any_host)
    app = build_app(settings)  # also with several workers: what is wrong is said here, once
    listener = _listen(host, port)
    bound = listener.getsockname()[1]
    if not loopback and tokens is None:
        say(
            f"warning: anybody who reaches {host}:{bound} may use this service and correct genres; "
            f"set --tokens FILE or ${VARIABLE}"
        )
    shown = f"[{host}]" if ":" in host else host
    say(f"keyart serves {settings.model} at http://{shown}:{bound} (Ctrl-C stops it)")
    # What clients get wrong is theirs to know, and in the figures; a log of it would fill the disk.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    with _environment(settings, workers):
        config = _config(app if workers == 1 else "keyart.service.server:worker_app", workers)
        if workers == 1:
            uvicorn.Server(config).run(sockets=[listener])
        else:
            Multiprocess(config, sockets=[listener]).run()


def build_app(settings: Settings) -> FastAPI:
    """Load all that `settings` name and make the application."""
    predictor = Predictor.load(settings.model)
    limits = Limits() if settings.waiting is None else Limits(waiting=settings.waiting)
    return create_app(
        predictor,
        limits=limits,
        index=Index.open(settings.index, predictor) if settings.index else None,
        corrections=Corrections(settings.corrections) if settings.corrections else None,
        tokens=Tokens.read(settings.tokens),
        hosts=None if settings.any_host else LOOPBACK_HOSTS,
        threads=settings.threads,
    )


def worker_app() -> FastAPI:
    """The application of a worker process, which finds its settings in the environment."""
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    values = json.loads(os.environ[_SETTINGS])
    for name in ("model", "index", "tokens"):
        values[name] = Path(values[name]) if values[name] else None
    return build_app(Settings(**values))


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that waits for a request's headers, but not for ever."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Go on waiting while headers are incomplete; a byte now and then buys no time."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
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


def _config(app: FastAPI | str, workers: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
        http=PatientProtocol,
        ws="none",
        log_level="error",
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )


@contextmanager
def _environment(settings: Settings, workers: int) -> Iterator[None]:
    """What worker processes inherit: the settings, and a folder where they add up their figures."""
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="keyart-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        os.environ[_SETTINGS] = json.dumps(asdict(settings), default=str)
        try:
            yield
        finally:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"], os.environ[_SETTINGS]


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
        # Connections inherit it; asyncio sets it only on sockets that name their protocol. Without
        # it an answer's body waits 40 ms for the client to acknowledge its head.
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
