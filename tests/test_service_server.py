"""service/server.py: the process that serves: it starts, warns, refuses, shares and stops."""

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from keyart.errors import BundleError, ServiceError
from keyart.predictor import Predictor
from keyart.service import server
from keyart.service.app import create_app
from keyart.service.server import listen, serve
from tests.tiny import tiny_bundle
from tests.wire import GREEN, RED

SCRIPT = """
import sys
for name in ("torch", "timm", "scipy", "sklearn", "imagehash", "matplotlib", "onnx", "pyarrow"):
    sys.modules[name] = None
from keyart.service.server import serve
def say(line):
    print(line, file=sys.stderr, flush=True)
if __name__ == "__main__":
    serve(sys.argv[1], host=sys.argv[2], port=0, workers=int(sys.argv[3]),
          allowed_hosts=["posters.example"], say=say)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle").path


@contextmanager
def process(
    model: Path, host: str = "127.0.0.1", workers: int = 1
) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """A serving process, its URL, and the lines it said; it is killed if it still lives."""
    arguments = [sys.executable, "-c", SCRIPT, str(model), host, str(workers)]
    environment = {k: v for k, v in os.environ.items() if k != "KEYART_TOKEN"}
    running = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=environment)
    assert running.stderr
    lines: list[str] = []
    try:
        for line in running.stderr:
            lines.append(line)
            if found := re.search(r"http://[^ ]+:(\d+)", line):
                break
        else:
            raise AssertionError("".join(lines))
        url = f"http://127.0.0.1:{found[1]}"
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield running, url, lines
    finally:
        if running.poll() is None:
            running.kill()
        running.wait()
        running.stderr.close()


def test_it_serves_without_what_training_needs_and_says_where(model: Path) -> None:
    with process(model) as (running, url, lines):
        answer = httpx.post(f"{url}/v1/predictions", content=RED, trust_env=False)
        assert answer.json()["predictions"][0]["genres"] == ["Red"]
        assert len(lines) == 1
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) in (0, -signal.SIGTERM)


def test_the_body_of_a_response_does_not_wait_until_its_head_is_acknowledged() -> None:
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_accepted_requests_are_answered_after_a_stop(model: Path) -> None:
    answers: list[int] = []
    broken: list[str] = []

    with process(model) as (running, url, _):

        def ask() -> None:
            try:
                with httpx.Client(trust_env=False, timeout=30) as talking:
                    while True:
                        posters = [("poster", (f"{n}.png", GREEN)) for n in range(8)]
                        answer = talking.post(f"{url}/v1/predictions", files=posters)
                        answers.append(answer.status_code)
            except httpx.ConnectError:
                pass  # nobody listens any more: that is how a stop looks from outside
            except httpx.TransportError as error:
                broken.append(repr(error))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        # uvicorn does not stop a connection that is made while it closes the others: wait for all.
        end = time.monotonic() + 60
        while len(answers) < 20 and time.monotonic() < end:
            time.sleep(0.01)
        running.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(30)
        assert running.wait(20) in (0, -signal.SIGTERM)
    assert len(answers) > 4
    assert set(answers) <= {200, 503}
    # A connection that the server closes between two requests may be met by the next request; no
    # request that was read is lost, so none fails while its answer is being received.
    assert not [error for error in broken if "incomplete" in error.lower()], broken


def test_a_half_sent_request_is_answered_after_the_stop_was_asked_for(model: Path) -> None:
    with process(model) as (running, url, _):
        port = int(url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.sendall(
                f"POST /v1/predictions HTTP/1.1\r\nhost: localhost:{port}\r\n"
                f"expect: 100-continue\r\ncontent-length: {len(RED)}\r\n\r\n".encode()
            )
            assert link.recv(100).startswith(b"HTTP/1.1 100"), "the request is being answered"
            link.sendall(RED[:20])
            running.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            link.sendall(RED[20:])
            assert link.recv(100).startswith(b"HTTP/1.1 200")
        assert running.wait(20) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("method", [b"CONNECT", b"POST", b"HEAD"])
def test_a_request_that_turns_out_to_be_malformed_is_answered_once(
    tiny_predictor: Predictor, caplog: pytest.LogCaptureFixture, method: bytes
) -> None:
    # The head is sound, so the service answers it; the first chunk of the body is none.
    head = method + b" /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server.running(create_app(tiny_predictor)) as url:
        logs = [logging.getLogger(name) for name in ("uvicorn.error", "asyncio")]
        for log in logs:
            log.addHandler(caplog.handler)
        with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1]))) as link:
            link.sendall(head + b"no chunk\r\n")
            answer = b"".join(iter(lambda: link.recv(1_000), b""))
    for log in logs:
        log.removeHandler(caplog.handler)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_without_a_token_other_addresses_than_loopback_warn_and_answer_to_given_names(
    model: Path,
) -> None:
    with process(model, host="0.0.0.0") as (_, url, lines):
        assert lines[0].startswith("warning: anybody who reaches 0.0.0.0")
        assert "--allowed-host" in lines[0]
        for host, status in (("evil.example", 421), ("posters.example", 200), ("10.0.0.1", 200)):
            answer = httpx.get(f"{url}/healthz", headers={"host": host}, trust_env=False)
            assert answer.status_code == status


def test_workers_share_the_port_and_their_metrics(model: Path) -> None:
    with process(model, workers=2) as (running, url, _):
        count = 12
        for _ in range(count):
            answer = httpx.post(f"{url}/v1/predictions", content=RED, trust_env=False, timeout=60)
            assert answer.status_code == 200
        text = httpx.get(f"{url}/metrics", trust_env=False).text
        assert f'keyart_posters_total{{outcome="answered"}} {count}.0' in text
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) in (0, -signal.SIGTERM)


def test_workers_end_with_a_parent_that_is_killed_and_free_the_port(model: Path) -> None:
    with process(model, workers=2) as (running, url, _):
        port = int(url.rsplit(":", 1)[1])
        running.kill()
        running.wait()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                break
            time.sleep(0.1)
        listen("127.0.0.1", port).close()


def test_anything_that_cannot_be_served_is_an_error_of_one_line(
    model: Path, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="no such folder; give a run or a bundle"):
        serve(tmp_path / "none")
    with pytest.raises(ServiceError, match="--workers 0"):
        serve(model, workers=0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=f"127.0.0.1:{port}: cannot listen"):
            serve(model, port=port)
