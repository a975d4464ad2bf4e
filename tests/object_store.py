"""An object store for tests, on this machine: moto's S3, behind a proxy.

The proxy fails as networks do: it refuses requests, loses them or their answers, and holds them.
"""

import http.client
import http.server
import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyart.__main__ import main
from keyart.stores import client
from keyart.stores.paths import RemotePath, place

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

BUCKET = "films"
# What becomes of a request: the store answers 503 or 403; it does not arrive; it is carried out,
# but the answer is lost; it waits until the other end is gone. Or a code with which S3 refuses.
FAULTS = ("busy", "denied", "lost", "answer lost", "held")
_REFUSED = b"<Error><Code>%s</Code><Message>secret-in-the-answer</Message></Error>"


@dataclass
class Store:
    """A store that is asked through a proxy. fault: what becomes of a request, by method and name.

    asked: method and path of each request. anonymous: requests are signed by the proxy.
    """

    endpoint: str = ""
    fault: Callable[[str, str], str | None] = lambda method, path: None
    asked: list[tuple[str, str]] = field(default_factory=list)
    anonymous: bool = False
    held: threading.Event = field(default_factory=threading.Event)

    @property
    def puts(self) -> list[str]:
        """The names that were written to, in order; a try after another is one with it."""
        names = [path.partition("?")[0] for method, path in self.asked if method == "PUT"]
        return [name for name, _ in groupby(names)]

    def use(self, patch: pytest.MonkeyPatch, cache: Path) -> None:
        """Point keyart at it, with its copies in `cache`, and without long pauses."""
        for name, value in (self.environment() | {"KEYART_CACHE": str(cache)}).items():
            patch.setenv(name, value)
        client._bucket.cache_clear()
        short = timedelta(milliseconds=10)
        pace = replace(client.PATIENT, retries=3, pause=short, longest_pause=short)
        patch.setattr(client, "PATIENT", pace)

    def environment(self) -> dict[str, str]:
        """What keyart finds the store by."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "key-of-tests",
            "AWS_SECRET_ACCESS_KEY": "secret-of-tests",
            "AWS_REGION": "us-east-1",
        }

    def names(self, prefix: str = "") -> list[str]:
        """The names of all objects that begin so, in order."""
        from obstore.store import S3Store

        config = {**self.environment(), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{moto_port()}"}
        store = S3Store(
            BUCKET,
            endpoint=config["AWS_ENDPOINT_URL"],
            access_key_id="key",
            secret_access_key="secret",
            region="us-east-1",
            client_options={"allow_http": True},
        )
        return sorted(one["path"] for part in store.list(prefix or None) for one in part)


@cache
def moto_port() -> int:
    """The port of moto's server, which runs as long as this process."""
    from moto.server import ThreadedMotoServer
    from werkzeug.serving import WSGIRequestHandler

    WSGIRequestHandler.disable_nagle_algorithm = True  # 40 ms an answer
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    return int(server.get_host_and_port()[1])


def remote(name: str) -> RemotePath:
    """An address as a path."""
    path = place(name)
    assert isinstance(path, RemotePath)
    return path


def put(name: str, content: bytes) -> None:
    """Write an object, whatever is there."""
    path = remote(name)
    path.bucket.put(path.key, content)


def put_folder(name: str, folder: Path) -> None:
    """Write all files of a folder below an address, as other tools do."""
    for file in folder.rglob("*"):
        if file.is_file():
            put(f"{name}/{file.relative_to(folder).as_posix()}", file.read_bytes())


def run_keyart(words: Sequence[str], environment: dict[str, str]) -> None:
    """Run a command: the target of a process of its own."""
    os.environ.update(environment)
    sys.argv = ["keyart", *words]
    main()


def start_keyart(words: Sequence[object], environment: dict[str, str]) -> "ForkServerProcess":
    """Start a command in a process that has keyart imported already, and can be killed."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.object_store", "keyart.cli", "keyart.catalog.catalog"])
    process = processes.Process(target=run_keyart, args=([*map(str, words)], environment))
    process.start()
    return process


@contextmanager
def object_store(buckets: Sequence[str] = (BUCKET,)) -> Iterator[Store]:
    """An empty store with a bucket, and a proxy before it."""
    upstream = moto_port()
    _ask(upstream, "POST", "/moto-api/reset", b"", {})
    for name in buckets:
        _ask(upstream, "PUT", f"/{name}", b"", {})
    store = Store()

    class Proxy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer leaves in one piece
        disable_nagle_algorithm = True

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            store.asked.append((self.command, self.path))
            fault = store.fault(self.command, self.path)
            if fault == "held":
                store.held.set()
                self.rfile.read(1)  # until the other end is gone
            if fault in ("lost", "held"):
                self.close_connection = True
                return
            if fault == "busy":
                self._answer(503, {}, b"")
                return
            if fault is not None and fault != "answer lost":
                code = "AccessDenied" if fault == "denied" else fault
                self._answer(404 if "NoSuch" in code else 403, {}, _REFUSED % code.encode())
                return
            given = dict(self.headers)
            if store.anonymous:  # as a public bucket has it
                given["Authorization"] = "AWS4-HMAC-SHA256 Credential=public/20260101/us-east-1/s3"
            status, headers, content = _ask(upstream, self.command, self.path, body, given)
            if fault == "answer lost":
                self.close_connection = True
                return
            self._answer(status, headers, content)

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            length = headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            self.wfile.flush()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the other end was killed

    with Server(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        store.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        yield store
        server.shutdown()


def _ask(
    port: int, method: str, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        asking.request(method, path, body, headers)
        answer = asking.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        asking.close()
