"""serve: the service on a socket, in one process or several, until it is stopped."""

import contextlib
import ctypes
import ipaddress
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG
from uvicorn.supervisors.multiprocess import Multiprocess

from keyart.errors import ServiceError
from keyart.files import StrPath
from keyart.images.budget import LEAST, MOST, limit_decoding
from keyart.parallel import cores, usable_memory
from keyart.places import find_model
from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.service.app import create_app
from keyart.service.connections import PatientProtocol
from keyart.service.limits import Limits
from keyart.service.tokens import VARIABLE, Tokens
from keyart.similar import Index

_STOP_SECONDS = 60
_M_ARENA_MAX = -8  # of malloc.h

_log = logging.getLogger("keyart.service")


@dataclass(frozen=True, slots=True)
class _Settings:
    """What a process serves; worker processes get a copy and load it all themselves."""

    model: str
    index: Path | None
    corrections: str | None
    tokens: Path | None
    threads: int
    memory: int
    hosts: frozenset[str] | None


def serve(
    model: StrPath | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    index: StrPath | None = None,
    corrections: str | None = None,
    tokens: StrPath | None = None,
    allowed_hosts: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then answer the accepted requests and return.

    model: a run, a bundle or what else `keyart.load` takes; None for the model that comes with
    keyart. port: 0 takes a free one.
    workers: processes, each with its own copy of the model. index: folder of known posters.
    corrections: an SQLite or PostgreSQL URL; None keeps none. tokens: file of the accepted
    tokens; None lets everybody in, unless $KEYART_TOKEN is set. The file is read again whenever it
    changes. allowed_hosts: names that the service answers to, besides localhost and IP addresses;
    if there are none, it answers to all names, but only with tokens. say: gets the lines for
    people; None logs them. Raises ServiceError, BundleError, PosterIndexError, CorrectionsError.
    """
    if workers < 1:
        raise ServiceError(f"--workers {workers}: at least one process must serve")
    loopback = is_loopback(host)
    open_to_all = Tokens.read(tokens) is None
    settings = _Settings(
        model=find_model(model).name,
        index=Path(index) if index else None,
        corrections=corrections,
        tokens=Path(tokens) if tokens else None,
        threads=max(1, cores() // workers),
        memory=usable_memory() // workers,
        hosts=answered_hosts(host, allowed_hosts, open_to_all=open_to_all),
    )
    app = _load(settings)  # also if there are several workers: it finds errors early, and once
    listener = listen(host, port)
    bound = listener.getsockname()[1]
    if not loopback and open_to_all:
        (say or _log.warning)(
            f"warning: anybody who reaches {host}:{bound} may use this service and correct genres; "
            f"set --tokens FILE or ${VARIABLE}. It answers to IP addresses and localhost; name "
            "others with --allowed-host"
        )
    (say or _log.info)(
        f"keyart serves {settings.model} at {address(host, bound)} (Ctrl-C stops it)"
    )
    if workers == 1:
        uvicorn.Server(config(lambda: app)).run(sockets=[listener])
        return
    with _shared_metrics():
        Multiprocess(config(partial(_load_in_worker, settings), workers), sockets=[listener]).run()


def _load(settings: _Settings) -> FastAPI:
    _keep_few_arenas()
    limit_decoding(max(LEAST, min(MOST, settings.memory // 4)))
    limits = Limits()
    predictor = Predictor.load(settings.model)
    return create_app(
        predictor,
        limits=replace(limits, memory=min(limits.memory, settings.memory // 8)),
        index=Index.open(settings.index, predictor) if settings.index else None,
        corrections=Corrections(settings.corrections) if settings.corrections else None,
        tokens=Tokens.read(settings.tokens),
        hosts=settings.hosts,
        threads=settings.threads,
    )


def _load_in_worker(settings: _Settings) -> FastAPI:
    threading.Thread(target=_end_with_parent, name="keyart-parent", daemon=True).start()
    return _load(settings)


def _end_with_parent() -> None:
    """Stop this worker if its parent is killed: nobody else would, and it keeps the port."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOP_SECONDS + 5)
    os._exit(1)


def _keep_few_arenas() -> None:
    """Let all threads share two heaps: glibc reserves 64 MB for each thread's own one."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve `app` in a thread of this process, on a free port of loopback; yields its URL.

    For notebooks and tests. Leaving the block answers what was accepted, then stops.
    """
    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(config(lambda: app))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def config(factory: Callable[[], FastAPI], workers: int = 1) -> uvicorn.Config:
    """How uvicorn serves what `factory` makes."""
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


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ServiceError."""
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


def answered_hosts(
    host: str, allowed: Sequence[str], *, open_to_all: bool
) -> frozenset[str] | None:
    """The names that a service answers to; None for any.

    A web page can give any name of its own to this machine's address, and then use the service as
    its own site (DNS rebinding). It knows no token, and cannot take a name here.
    """
    return None if not open_to_all and not allowed else frozenset((host, *allowed))


def address(host: str, port: int) -> str:
    """The URL of a host and a port."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
