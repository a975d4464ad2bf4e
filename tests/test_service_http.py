"""service/guard.py, uploads.py: the ways in which clients may speak HTTP, over real sockets."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from typing import Any
from urllib.parse import urlsplit

import h11
import httpx
import pytest
from fastapi import FastAPI

from keyart.predictor import Predictor
from keyart.service.app import create_app
from tests.wire import GREEN, RED

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
PREDICT = "/v1/predictions"


@pytest.fixture(scope="module")
def port(tiny_predictor: Predictor, client_of: Serve) -> Iterator[int]:
    with client_of(create_app(tiny_predictor, hosts=frozenset())) as talking:
        yield int(urlsplit(str(talking.base_url)).port or 0)


def ask(
    port: int, method: str, path: str, body: bytes | None = None, kind: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer, as Python's own client reads them."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as link:
        link.request(method, path, body, {"content-type": kind} if kind else {})
        answer = link.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()


class Talk:
    """A connection on which h11 says what the service may say, and when."""

    def __init__(self, port: int) -> None:
        self._link = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._state = h11.Connection(h11.CLIENT)

    def send(self, event: Any) -> None:
        self._link.sendall(self._state.send(event) or b"")

    def next(self) -> Any:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            self._state.receive_data(self._link.recv(65_536))
        return event

    def silent(self, seconds: float = 0.2) -> bool:
        """Whether the service says nothing for a while."""
        self._link.settimeout(seconds)
        try:
            self._state.receive_data(self._link.recv(65_536))
        except TimeoutError:
            return True
        finally:
            self._link.settimeout(10)
        return False

    def close(self) -> None:
        self._link.close()


def expecting(port: int, path: str, length: int) -> Talk:
    """A connection on which a client asks whether it may send its body."""
    talk = Talk(port)
    headers = [
        ("Host", f"localhost:{port}"), ("Expect", "100-Continue"), ("Content-Length", str(length)),
    ]  # fmt: skip
    talk.send(h11.Request(method="POST", target=path, headers=headers))
    return talk


@pytest.mark.parametrize(
    "kind",
    [
        None, "image/jpeg", "IMAGE/JPEG", "image/jpg", "Image/JPG; charset=binary", "image/pjpeg",
        "image/png", "image/heic", "image/jpeg ; q=1", "application/octet-stream",
        "APPLICATION/Octet-Stream", "binary/octet-stream", "application/x-www-form-urlencoded",
    ],
)  # fmt: skip
def test_the_content_of_a_picture_decides_not_its_type(port: int, kind: str | None) -> None:
    status, _, body = ask(port, "POST", PREDICT, RED, kind)
    assert status == 200
    assert json.loads(body)["predictions"][0]["genres"] == ["Red"]
    assert ask(port, "POST", PREDICT, b"no picture \xff", kind)[0] == 415


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/v1/model", "/openapi.json", "/page/app.js"]
)
def test_head_gives_the_same_response_as_get_without_its_body(port: int, path: str) -> None:
    status, headers, body = ask(port, "HEAD", path)
    same, expected, content = ask(port, "GET", path)
    assert (status, body) == (same, b"") == (200, b"")
    assert headers["content-length"] == expected["content-length"] == str(len(content))
    assert headers["content-type"] == expected["content-type"]
    assert headers["content-security-policy"] == expected["content-security-policy"]


def test_head_of_what_is_only_posted_is_not_allowed(port: int) -> None:
    status, headers, body = ask(port, "HEAD", PREDICT)
    assert (status, headers["allow"], body) == (405, "POST", b"")
    assert b'method="HEAD"' in ask(port, "GET", "/metrics")[2]


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (
            "form-data; name=\"poster\"; filename*=UTF-8''Am%C3%A9lie%20%22x%22.jpg",
            'Amélie "x".jpg',
        ),
        (
            "form-data; name=poster; filename*=utf-8'fr'Am%C3%A9lie.jpg; filename=a.jpg",
            "Amélie.jpg",
        ),
        ('form-data; name="poster"; filename="a.jpg"; filename*=utf-8\'\'b.jpg', "b.jpg"),
        ("FORM-DATA; name=poster; FileName*=ISO-8859-1''Am%E9lie.jpg", "Amélie.jpg"),
        ("form-data; name=poster; filename*=utf-8''..%2F..%2Fevil.jpg", "evil.jpg"),
        ("form-data; name=poster; filename*=zlib''a.jpg", "poster"),
        ("form-data; name=poster; filename=a.jpg; filename*=zlib''b.jpg", "a.jpg"),
        (
            "form-data; name=poster; filename=\"; filename*=utf-8''b.jpg\"",
            "; filename*=utf-8''b.jpg",
        ),
        ("form-data; name=poster; filename=a.jpg", "a.jpg"),
    ],
)
def test_a_file_name_may_be_given_with_its_charset(port: int, disposition: str, name: str) -> None:
    head = f"--edge\r\ncontent-disposition: {disposition}\r\n\r\n".encode("latin-1")
    body = head + GREEN + b"\r\n--edge--\r\n"
    status, _, answer = ask(port, "POST", PREDICT, body, "Multipart/Form-Data; boundary=edge")
    assert status == 200, answer
    (found,) = json.loads(answer)["predictions"]
    assert (found["poster"], found["genres"]) == (name, ["Green"])


def test_a_whole_url_as_target_counts_with_its_own_host(port: int) -> None:
    def status(target: str, host: str) -> int:
        with closing(Talk(port)) as talk:
            talk.send(h11.Request(method="GET", target=target, headers=[("Host", host)]))
            found: int = talk.next().status_code
            return found

    here = f"localhost:{port}"
    assert status(f"http://{here}/healthz", here) == 200
    assert status(f"HTTP://{here}/healthz?a=http://x/y", "evil.example") == 200
    assert status(f"http://{here}", here) == 200
    assert status("http://evil.example/healthz", here) == 421
    assert status("http:///healthz", here) == 400
    assert status(f"http://ada@{here}/healthz", here) == 400
    assert status("http://[/healthz", here) == 400


def test_a_client_that_expects_100_continue_sends_its_body_when_asked(port: int) -> None:
    with closing(expecting(port, PREDICT, len(RED))) as talk:
        assert talk.next().status_code == 100
        talk.send(h11.Data(data=RED))
        talk.send(h11.EndOfMessage())
        answer = talk.next()
        assert answer.status_code == 200
        assert (b"connection", b"close") not in answer.headers
        assert talk.next().data.startswith(b'{"model"')


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [("/nope", 10, 404), (PREDICT, 99_999_999, 413), ("/healthz", 10, 405)],
)
def test_a_client_that_expects_100_continue_is_refused_without_its_body(
    port: int, path: str, length: int, status: int
) -> None:
    with closing(expecting(port, path, length)) as talk:
        answer = talk.next()
        assert answer.status_code == status
        # Whether the body or another request comes next is unknown.
        assert (b"connection", b"close") in answer.headers
        while not isinstance(talk.next(), h11.EndOfMessage):
            pass
        assert isinstance(talk.next(), h11.ConnectionClosed)
