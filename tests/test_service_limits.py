"""service/limits.py, uploads.py: bad and hostile requests are refused, and the next is served."""

import contextlib
import io
import json
import socket
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from keyart.predictor import Predictor
from keyart.service.app import create_app
from keyart.service.limits import Limits
from keyart.service.uploads import safe_name
from tests.test_decode import png_header
from tests.wire import GREEN, RED, encoded, plain

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
SECONDS = 1.0  # that a client may take; a busy machine needs some of it for the quickest answer
LIMITS = Limits(body=1_000_000, posters=4, fields=6, field=100, pixels=1_000_000, seconds=SECONDS)
BOUNDARY = "x" * 20


@pytest.fixture(scope="module")
def api(tiny_predictor: Predictor, client_of: Serve) -> Iterator[httpx.Client]:
    with client_of(create_app(tiny_predictor, limits=LIMITS)) as talking:
        yield talking


@pytest.fixture(autouse=True)
def serves_the_next(api: httpx.Client) -> Iterator[None]:
    """Whatever a test did, the next poster is answered, and no bytes are held for nothing."""
    yield
    answer = api.post("/v1/predictions", content=RED)
    assert answer.json()["predictions"][0]["genres"] == ["Red"]


def problem(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    detail: str = response.json()["detail"]
    return detail


def connect(api: httpx.Client) -> socket.socket:
    where = urlsplit(str(api.base_url))
    return socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=20)


def raw(api: httpx.Client, *pieces: bytes, pause: float = 0) -> tuple[int, dict[str, Any]]:
    """Send bytes as they are; status and document of the first answer.

    What follows a refused request may be read as a second one, and answered too.
    """
    with connect(api) as link:
        for piece in pieces:
            link.sendall(piece)
            time.sleep(pause)
        answer = b""
        while chunk := link.recv(65_536):
            answer += chunk
            head, _, body = answer.partition(b"\r\n\r\n")
            length = [line for line in head.split(b"\r\n") if b"content-length" in line.lower()]
            if length and len(body) >= int(length[0].split(b":")[1]):
                break
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    if not body.startswith(b"{"):
        return status, {}
    document: dict[str, Any] = json.JSONDecoder().raw_decode(body.decode())[0]
    return status, document


def post(headers: str = "", path: str = "/v1/predictions") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n".encode()


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """A form of parts (content-disposition, content)."""
    body = b""
    for disposition, content in parts:
        body += f"--{BOUNDARY}\r\ncontent-disposition: {disposition}\r\n\r\n".encode()
        body += content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def send(api: httpx.Client, body: bytes) -> httpx.Response:
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return api.post("/v1/predictions", content=body, headers=headers)


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "a")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (b"", 422, "no poster and no title"),
        (b"just text", 415, "not a picture"),
        (zipped(), 415, "ZIP archive"),
        (b"%PDF-1.7", 415, "PDF"),
        (encoded(plain((9, 9, 9)), "GIF"), 415, "GIF"),
        (encoded(plain((9, 9, 9)), "BMP"), 415, "BMP"),
        (encoded(plain((9, 9, 9)), "TIFF"), 415, "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "not a picture"),
        (RED[: len(RED) // 3], 422, ""),
        (b"\xff\xd8\xff" + b"\0" * 999, 422, ""),
        (GREEN[:40], 422, ""),
        (png_header(60_000, 60_000), 422, "too large to decode"),
        (png_header(1_001, 1_000), 422, "1001x1000, over 1,000,000 pixels"),
        (encoded(plain((9, 9, 9), (8, 8))), 422, "at least 16"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else None,
)
def test_anything_but_a_poster_is_refused_with_a_problem(
    api: httpx.Client, data: bytes, status: int, said: str
) -> None:
    assert said in problem(api.post("/v1/predictions", content=data), status)
    if data:
        files = {"poster": ("honest.jpg", data, "image/jpeg")}
        assert said in problem(api.post("/v1/predictions", files=files), status)


def test_the_content_decides_and_not_the_name(api: httpx.Client) -> None:
    files = {"poster": ("archive.zip", RED, "application/zip")}
    assert api.post("/v1/predictions", files=files).json()["predictions"][0]["genres"] == ["Red"]


def test_a_declared_length_over_the_limit_is_refused_at_once(api: httpx.Client) -> None:
    started = time.perf_counter()
    status, document = raw(api, post("content-length: 1000001\r\n"))
    assert (status, document["type"]) == (413, "urn:keyart:problem:too-large")
    assert time.perf_counter() - started < SECONDS


def test_bytes_are_counted_if_no_length_is_declared(api: httpx.Client) -> None:
    chunk = b"%x\r\n" % 60_000 + b"a" * 60_000 + b"\r\n"
    status, document = raw(api, post("transfer-encoding: chunked\r\n"), *[chunk] * 17)
    assert (status, document["detail"]) == (413, "a request may have up to 1 MB")
    whole = b"".join(b"%x\r\n" % 100 + RED[at : at + 100].ljust(100, b"\0") + b"\r\n"
                     for at in range(0, len(RED), 100))  # fmt: skip
    status, document = raw(api, post("transfer-encoding: chunked\r\n"), whole + b"0\r\n\r\n")
    assert (status, document["predictions"][0]["genres"]) == (200, ["Red"])


def test_a_refusal_reaches_a_client_that_is_still_sending(api: httpx.Client) -> None:
    files = {"poster": ("large.jpg", b"\xff\xd8\xff" + b"a" * 8_000_000, "image/jpeg")}
    for _ in range(3):
        assert problem(api.post("/v1/predictions", files=files), 413)


def test_a_slow_client_gets_a_problem_and_delays_nobody(api: httpx.Client) -> None:
    with connect(api) as slow:
        slow.sendall(post("content-length: 5000\r\n") + b"\xff\xd8\xff")
        started = time.perf_counter()
        assert api.post("/v1/predictions", content=RED).status_code == 200
        assert time.perf_counter() - started < SECONDS
        answer = slow.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 408")
    assert SECONDS - 0.1 < time.perf_counter() - started < 10 * SECONDS


def test_headers_that_never_end_are_not_waited_for(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyart.service.connections.HEADER_SECONDS", 0.3)
    with connect(api) as silent, connect(api) as dripping:
        started = time.perf_counter()
        dripping.sendall(b"POST / HTTP/1.1\r\n")
        for _ in range(8):
            time.sleep(0.1)
            try:
                dripping.sendall(b"a")
            except OSError:
                break
        assert silent.recv(100) == b""
        assert time.perf_counter() - started < 5
        with contextlib.suppress(ConnectionResetError):
            assert dripping.recv(100) == b""


def test_a_client_that_disconnects_leaves_nothing(api: httpx.Client) -> None:
    for cut in (10, len(RED) - 1, len(RED)):
        for _ in range(5):
            with connect(api) as link:
                link.sendall(post(f"content-length: {len(RED)}\r\n") + RED[:cut])
    time.sleep(0.2)
    text = api.get("/metrics").text
    assert "\nkeyart_waiting_posters 0.0\n" in text
    assert 'status="500"' not in text


def test_ten_thousand_tiny_parts_are_refused_early(api: httpx.Client) -> None:
    for disposition in ('form-data; name="a"', 'form-data; name="poster"; filename="a"'):
        body = multipart(*[(disposition, b"x")] * 10_000)
        started = time.process_time()  # the service is in this process
        problem(send(api, body), 413)
        assert time.process_time() - started < 0.4


def test_a_long_field_is_refused(api: httpx.Client) -> None:
    poster = ('form-data; name="poster"; filename="a.jpg"', RED)
    assert "100 bytes" in problem(
        send(api, multipart(poster, ('form-data; name="title"', b"x" * 101))), 413
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--" + BOUNDARY.encode(),
        multipart(('form-data; name="poster"; filename="a.jpg"', RED))[:-30],
        multipart(("form-data", RED)),
        multipart(("attachment; filename=a.jpg", RED)),
        b"\r\n" * 1000,
        b"no boundary at all" * 50,
        f"--{BOUNDARY}\r\nbad header\r\n\r\nx\r\n--{BOUNDARY}--".encode(),
        f"--{BOUNDARY}\r\n{'a: b' * 5_000}\r\n\r\nx\r\n--{BOUNDARY}--".encode(),
        (f"--{BOUNDARY}\r\n" + "a: b\r\n" * 5_000 + f"\r\nx\r\n--{BOUNDARY}--").encode(),
    ],
)
def test_bodies_that_are_not_forms_are_malformed(api: httpx.Client, body: bytes) -> None:
    assert send(api, body).status_code in (400, 422)


def test_a_form_without_boundary_or_of_another_type_is_refused(api: httpx.Client) -> None:
    for kind, status in [
        ("multipart/form-data", 400),
        (f"multipart/form-data; boundary={'b' * 5_000}", 400),
        ("multipart/mixed; boundary=a", 415),
        ("text/html", 415),
        ("application/json", 415),
    ]:
        answer = api.post("/v1/predictions", content=RED, headers={"content-type": kind})
        problem(answer, status)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\evil.jpg", "evil.jpg"),
        ("/abs/olute.png", "olute.png"),
        ("a\x00b\r\nSet-Cookie: x.jpg", "abSet-Cookie: x.jpg"),
        ("<script>alert(1)</script>.jpg", "script>.jpg"),
        ("ünï\u202egpj.exe", "ünïgpj.exe"),
        ("\ufffd\ufffd.jpg", "\ufffd\ufffd.jpg"),
        ("", "poster"),
        ("a" * 999, "a" * 200),
    ],
)
def test_a_file_name_is_its_last_printable_part(given: str, kept: str) -> None:
    assert safe_name(given) == kept


def test_a_path_in_a_file_name_goes_nowhere(api: httpx.Client) -> None:
    body = multipart(('form-data; name="poster"; filename="../../../tmp/evil.jpg"', RED))
    assert send(api, body).json()["predictions"][0]["poster"] == "evil.jpg"


def test_a_file_name_that_is_not_utf_8_is_still_shown(api: httpx.Client) -> None:
    body = multipart(('form-data; name="poster"; filename="NAME"', RED))
    answer = send(api, body.replace(b"NAME", b"\xff\xfe.jpg"))
    assert answer.json()["predictions"][0]["poster"].endswith(".jpg")


@pytest.mark.parametrize("charset", ["idna", "unicode_escape", "zlib", "no-such"])
def test_a_form_is_read_as_utf_8_or_not_at_all(api: httpx.Client, charset: str) -> None:
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}; charset={charset}"}
    body = multipart(('form-data; name="poster"; filename="a.jpg"', RED))
    problem(api.post("/v1/predictions", content=body, headers=headers), 415)


def test_no_poster_of_a_form_that_is_cut_off_is_answered(api: httpx.Client) -> None:
    part = ('form-data; name="poster"; filename="a.jpg"', RED)
    assert "ends before" in problem(send(api, multipart(part, part)[:-60]), 400)


def test_uploads_are_never_written_to_disk(
    tiny_predictor: Predictor, client_of: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rollover(file: object) -> None:
        raise AssertionError("a temporary file was written")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rollover)
    with client_of(create_app(tiny_predictor)) as talking:
        files = {"poster": ("large.jpg", RED + b"\0" * 9_000_000, "image/jpeg")}
        answer = talking.post("/v1/predictions", files=files)
    assert answer.json()["predictions"][0]["genres"] == ["Red"]


@pytest.mark.parametrize(
    ("headers", "statuses"),
    [
        ("content-length: 10\r\ncontent-length: 20\r\n", (400,)),
        ("content-length: -5\r\n", (400,)),
        ("content-length: 1e3\r\n", (400,)),
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", (400, 415, 422)),
        ("transfer-encoding: gzip\r\n", (400, 501)),
        ("transfer-encoding: chunked, chunked\r\n", (400, 501)),
        ("host: y\r\ncontent-length: 0\r\n", (400, 422)),
        (f"x: {'a' * 70_000}\r\n", (400, 431)),
        ("a: b\r\n" * 20_000, (400, 431)),
        ("bad\x00name: b\r\n", (400,)),
        (" folded: b\r\n", (400, 422)),
    ],
)  # fmt: skip
def test_header_tricks_are_refused(
    api: httpx.Client, headers: str, statuses: tuple[int, ...]
) -> None:
    status, _ = raw(api, post(headers) + b"0\r\n\r\n")
    assert status in statuses


def test_a_compressed_body_is_not_unpacked(api: httpx.Client) -> None:
    import gzip

    headers = {"content-encoding": "gzip"}
    problem(api.post("/v1/predictions", content=gzip.compress(RED), headers=headers), 415)


def test_no_address_is_fetched_for_a_client(api: httpx.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/poster.jpg"
        problem(api.post(f"/v1/predictions?url={url}", content=url.encode()), 415)
        body = multipart(('form-data; name="poster"', url.encode()))
        problem(send(api, body), 422)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_all_bodies_together_are_bounded(tiny_predictor: Predictor, client_of: Serve) -> None:
    limits = Limits(body=100_000, memory=150_000, seconds=5)
    app = create_app(tiny_predictor, limits=limits)
    with client_of(app) as talking, connect(talking) as first:
        first.sendall(post("content-length: 99000\r\n") + b"a" * 90_000)
        time.sleep(0.3)
        answer = talking.post("/v1/predictions", content=b"a" * 90_000)
        assert problem(answer, 503) == "too many uploads at once"
        assert answer.headers["retry-after"] == "1"
        first.sendall(b"a" * 9_000)
        assert first.recv(100).startswith(b"HTTP/1.1 415")
        problem(talking.post("/v1/predictions", content=b"a" * 90_000), 415)


def test_a_full_queue_refuses_before_it_reads_and_counts_it(
    tiny_predictor: Predictor, client_of: Serve
) -> None:
    with client_of(create_app(tiny_predictor, limits=Limits(waiting=0))) as talking:
        for path in ("predictions", "explanations", "similar", "corrections"):
            # Not even the first byte of its body is there.
            status, document = raw(talking, post("content-length: 10\r\n", f"/v1/{path}"))
            assert (status, document["type"]) == (503, "urn:keyart:problem:busy")
        assert talking.get("/readyz").status_code == 200
        text = talking.get("/metrics").text
        assert 'keyart_posters_total{outcome="refused"} 4.0' in text
        assert 'keyart_requests_total{method="POST",route="/v1/similar",status="503"} 1.0' in text
