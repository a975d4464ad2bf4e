"""Media servers for tests, on this machine: Jellyfin, Emby and Plex, as far as keyart asks them.

They answer as the real ones do: no answer without a key, lists with the fields that were asked for,
updates that empty what was not sent, 404 for what is gone. And they fail: they refuse, hang, cut
answers, and let somebody else change an item in between.
"""

import http.server
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

SECRET = "s3cret-0123456789abcdef"
ADMIN = "5f0c8a2e"
_EDITABLE = {
    "Name", "OriginalTitle", "Overview", "Genres", "Tags", "ProductionYear", "ProviderIds",
    "LockData", "LockedFields", "People", "Studios", "Taglines",
}  # fmt: skip
_ASKED = {"Genres": ["Genres"], "Tags": ["Tags"], "ProviderIds": ["ProviderIds"],
          "Settings": ["LockData", "LockedFields"]}  # fmt: skip


@dataclass
class MediaServer:
    """What a server has, and what was asked of it.

    items: by id. posters: the picture of each. fault: called before each answer with the method and
    the path; it may raise Fault. after: the same after a change was made.
    """

    kind: str
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    posters: dict[str, bytes] = field(default_factory=dict)
    fault: Callable[[str, str], None] = lambda method, path: None
    after: Callable[[str, str], None] = lambda method, path: None
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def changes(self) -> int:
        """How many requests would have changed something."""
        return sum(method != "GET" for method, _ in self.asked)


class Fault(Exception):
    """What goes wrong: a status to answer, seconds to hang, or an answer that is cut."""

    def __init__(self, status: int = 0, seconds: float = 0.0) -> None:
        self.status, self.seconds = status, seconds


Answer = tuple[int, Any]


def jellyfin_item(number: int, title: str, **more: Any) -> dict[str, Any]:
    """A film as Jellyfin and Emby have it."""
    return {
        "Id": f"{number:032x}", "Name": title, "ProductionYear": 1979, "Type": "Movie",
        "OriginalTitle": None, "Overview": f"What happens in {title}.", "Genres": [], "Tags": [],
        "Taglines": ["…"],
        "People": [{"Name": "Sigourney Weaver", "Role": "Ripley", "Type": "Actor"}],
        "Studios": [{"Name": "Fox", "Id": 7}], "ProviderIds": {"Imdb": f"tt{number:07}"},
        "LockData": False, "LockedFields": [], "ImageTags": {"Primary": "a1"},
        "UserData": {"PlayCount": 0}, "Etag": "0", "GenreItems": [], "TagItems": [], **more,
    }  # fmt: skip


def plex_item(number: int, title: str, **more: Any) -> dict[str, Any]:
    """A film as Plex has it."""
    return {
        "ratingKey": str(number), "title": title, "year": 1979, "type": "movie", "summary": "…",
        "librarySectionID": 1, "thumb": f"/library/metadata/{number}/thumb/160", "updatedAt": 1,
        "Guid": [{"id": f"imdb://tt{number:07}"}], **more,
    }  # fmt: skip


def answer(server: MediaServer, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
    """What a server says. bytes are a picture."""
    if server.kind == "plex":
        return _plex(server, method, path, query)
    item = rf"/Users/{ADMIN}/Items/(\w+)" if server.kind == "emby" else r"/Items/(\w+)"
    if method == "GET" and path == "/Items":
        return 200, _list(server, query)
    if method == "GET" and path == "/Users" and server.kind == "emby":
        users = [{"Id": "77", "Policy": {"IsAdministrator": False}}]
        return 200, [*users, {"Id": ADMIN, "Policy": {"IsAdministrator": True}}]
    if match := re.fullmatch(r"/Items/(\w+)/Images/Primary", path):
        return (200, server.posters[match[1]]) if match[1] in server.posters else (404, None)
    if method == "GET" and (match := re.fullmatch(item, path)):
        return (200, server.items[match[1]]) if match[1] in server.items else (404, None)
    if method == "POST" and (match := re.fullmatch(r"/Items/(\w+)", path)):
        if match[1] not in server.items:
            return 404, None
        _update(server, server.items[match[1]], body)
        return 204, None
    return 404, None


def _list(server: MediaServer, query: dict[str, str]) -> dict[str, Any]:
    assert query["IncludeItemTypes"] == "Movie"
    assert query["Recursive"] == "true"
    names = ["Id", "Name", "ProductionYear", "Type", "ImageTags", "UserData"]
    for one in query["Fields"].split(","):
        names += _ASKED[one]
    films = sorted(server.items.values(), key=lambda one: str(one["Name"]))
    start, limit = int(query["StartIndex"]), int(query["Limit"])
    page = [{name: one[name] for name in names} for one in films[start : start + limit]]
    return {"Items": page, "TotalRecordCount": len(films), "StartIndex": start}


def _update(server: MediaServer, item: dict[str, Any], body: dict[str, Any]) -> None:
    for name in _EDITABLE:
        item[name] = body.get(name)  # what is not sent is emptied
    for name, other in (("Genres", "GenreItems"), ("Tags", "TagItems")):
        if server.kind == "emby":
            item[name] = [one["Name"] for one in body.get(other) or []]
        item[name] = list(dict.fromkeys(item[name] or []))
        item[other] = [{"Name": one, "Id": len(one)} for one in item[name]]
    item["Etag"] = str(int(item["Etag"]) + 1)


def _plex(server: MediaServer, method: str, path: str, query: dict[str, str]) -> Answer:
    films = list(server.items.values())
    if path == "/library/sections":
        sections = [{"key": "2", "type": "show"}, {"key": "1", "type": "movie"}]
        return 200, {"MediaContainer": {"size": 2, "Directory": sections}}
    if method == "GET" and path == "/library/sections/1/all":
        start, size = int(query["start"]), int(query["size"])
        page = [{k: v for k, v in one.items() if k != "Label"} for one in films]
        rows = page[start : start + size]
        return 200, {"MediaContainer": {"totalSize": len(films), "Metadata": rows}}
    if match := re.fullmatch(r"/library/metadata/(\d+)", path):
        found = [server.items[match[1]]] if match[1] in server.items else []
        return (200, {"MediaContainer": {"Metadata": found}}) if found else (404, None)
    if match := re.fullmatch(r"/library/metadata/(\d+)/thumb/\d+", path):
        return 200, server.posters[match[1]]
    if method == "PUT" and path == "/library/sections/1/all" and query["type"] == "1":
        item = server.items[query["id"]]
        given = [v for k, v in query.items() if re.fullmatch(r"label\[\d+\]\.tag\.tag", k)]
        gone = query.get("label[].tag.tag-", "").split(",")
        had = [one["tag"] for one in item.get("Label", [])]
        labels = [one for one in dict.fromkeys([*had, *given]) if one not in gone]
        item["Label"] = [{"id": n, "tag": one} for n, one in enumerate(sorted(labels))]
        item["updatedAt"] += 1
        return 200, None
    return 404, None


def _is_allowed(kind: str, headers: Any) -> bool:
    if kind == "plex":
        return bool(headers.get("X-Plex-Token") == SECRET)
    return bool(headers.get("Authorization") == f'MediaBrowser Token="{SECRET}"')


@contextmanager
def serving(kind: str, *items: dict[str, Any], poster: bytes = b"") -> Iterator[MediaServer]:
    """A server of a kind on a free port, with these films, which have the same poster."""
    name = "ratingKey" if kind == "plex" else "Id"
    server = MediaServer(kind, {one[name]: one for one in items})
    server.posters = dict.fromkeys(server.items, poster)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            path, query = unquote(parts.path), dict(parse_qsl(parts.query))
            for header in ("Start", "Size"):
                if given := self.headers.get(f"X-Plex-Container-{header}"):
                    query[header.lower()] = given
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            server.asked.append((self.command, path))
            assert SECRET not in self.path
            if not _is_allowed(kind, self.headers):
                self._send(401, None)
                return
            try:
                server.fault(self.command, path)
                status, value = answer(server, self.command, path, query, body)
                if self.command != "GET":
                    server.after(self.command, path)
            except Fault as fault:
                if fault.status:
                    self._send(fault.status, None)
                    return
                time.sleep(fault.seconds)
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._send(status, value)

        do_GET = do_POST = do_PUT = _answer

        def _send(self, status: int, value: Any) -> None:
            picture = isinstance(value, bytes)
            data = value if picture else b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "image/png" if picture else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http_server.daemon_threads = True
    server.port = http_server.server_address[1]
    thread = threading.Thread(target=http_server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http_server.shutdown()
        http_server.server_close()
        thread.join()
