"""A server of posters for tests, on this machine: it does what servers on the internet do.

It throttles, cuts answers, lies about their length, redirects, sends pages instead of pictures and
changes ETags; and it counts what it was asked.
"""

import hashlib
import http.server
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import parse_qs, urlsplit

from tests.tiny_catalog import encoded, poster

PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"


@cache
def picture(number: int) -> bytes:
    """The poster of a film: each unlike all others."""
    return encoded(poster(number, (40, 60)), "JPEG")


@dataclass
class Answer:
    """What a server answers. cut: it announces all and sends half."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    length: int | None = None  # that it announces; None is the truth, -1 says nothing
    seconds: float = 0.0  # it takes, a byte at a time


Route = Callable[["Server", str], Answer]


@dataclass
class Server:
    """What is asked of the server, and when. route: what it answers to a path."""

    route: Route
    port: int = 0
    asked: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0
    answered: Counter[int] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(route: Route) -> Iterator[Server]:
    """A server on a free port of this machine."""
    server = Server(route)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with server.lock:
                server.asked.append(self.path)
                server.times.append(time.monotonic())
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                server.busy += 1
                server.busiest = max(server.busiest, server.busy)
            try:
                self._give(server.route(server, self.path))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                with server.lock:
                    server.busy -= 1

        def _give(self, answer: Answer) -> None:
            with server.lock:
                server.answered[answer.status] += 1
            self.send_response(answer.status)
            length = len(answer.body) if answer.length is None else answer.length
            if length >= 0:
                self.send_header("Content-Length", str(length))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            body = answer.body[: len(answer.body) // 2] if answer.cut else answer.body
            if answer.seconds:
                for at in range(len(body)):
                    time.sleep(answer.seconds)
                    self.wfile.write(body[at : at + 1])
            else:
                self.wfile.write(body)
            if answer.cut or length < 0:
                self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            pass

    class Listening(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *arguments: object) -> None:
            pass  # a client that went away

    with Listening(("127.0.0.1", 0), Handler) as listening:
        server.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def posters(server: Server, path: str) -> Answer:
    """/N.jpg is the poster of film N, with an ETag."""
    number = int(path.rpartition("/")[2].partition(".")[0])
    tag = f'"{hashlib.sha256(picture(number)).hexdigest()[:12]}"'
    if server.headers[-1].get("if-none-match") == tag:
        return Answer(304, headers={"ETag": tag})
    return Answer(200, picture(number), {"ETag": tag, "Content-Type": "image/jpeg"})


def unreliable(seed: int, *, throttled: float, busy: float, cut: float) -> Route:
    """Posters of which some requests get 429, some 503, and some half an answer, by chance."""
    chance = random.Random(seed)

    def route(server: Server, path: str) -> Answer:
        with server.lock:
            drawn, form = chance.random(), chance.random()
        answer = posters(server, path)
        if drawn < throttled + busy:
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
            after = {} if form < 0.3 else {"Retry-After": "0" if form < 0.6 else date}
            return Answer(429 if drawn < throttled else 503, b"slow down", after)
        if drawn < throttled + busy + cut:
            return Answer(200, answer.body, answer.headers, cut=True)
        return answer

    return route


FILM = {"id": 348, "poster_path": "/alien.jpg", "genres": [{"id": 27, "name": "Horror"}]}


def tmdb(key: str, films: dict[str, dict[str, object]], found: dict[str, str]) -> Route:
    """TMDb: /3/movie/ID and /3/find/ttID for who has the key, and /t/p/SIZE/N.jpg."""

    def route(server: Server, path: str) -> Answer:
        parts = urlsplit(path)
        if parts.path.startswith("/t/p/"):
            return posters(server, path)
        asked = parse_qs(parts.query)
        token = server.headers[-1].get("authorization", "").removeprefix("Bearer ")
        if key not in (token, *asked.get("api_key", ())):
            return Answer(401, b'{"status_code":7,"status_message":"Invalid API key."}')
        kind, name = parts.path.removeprefix("/3/").split("/")
        if kind == "movie" and name in films:
            return Answer(200, json.dumps(films[name]).encode())
        if kind == "find":
            results = [films[found[name]]] if name in found else []
            return Answer(200, json.dumps({"movie_results": results}).encode())
        return Answer(404, b'{"status_message":"not found"}')

    return route
