"""A hub on this machine for tests: it answers as the real one does, and notes what it was asked.

Repositories with commits, branches and tags; private and gated ones; small files in commits and
large ones by LFS, which a redirect to another host gives out.
"""

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml
from huggingface_hub import constants

OWNER = "hf_owner_" + "a" * 28
READER = "hf_reader_" + "b" * 28
Files = dict[str, bytes]
_LARGE = (".onnx", ".safetensors", ".bin")


@dataclass
class Repository:
    """commits: files of each, in order. revisions: of branches and tags."""

    commits: dict[str, Files] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def commit(self, files: Files) -> str:
        """A commit with these files, and no others, on main."""
        content = json.dumps([sorted((name, _sha1(data)) for name, data in files.items()),
                              len(self.commits)])  # fmt: skip
        self.revisions["main"] = commit = _sha1(content.encode())
        self.commits[commit] = dict(files)
        return commit

    @property
    def files(self) -> Files:
        """Those of main."""
        return self.commits[self.revisions["main"]]


@dataclass
class Request:
    method: str
    path: str
    token: str


@dataclass
class Hub:
    """users: names by token, with whether they may write. status: an answer to everything."""

    port: int = 0
    repositories: dict[str, Repository] = field(default_factory=dict)
    users: dict[str, tuple[str, bool]] = field(
        default_factory=lambda: {OWNER: ("owner", True), READER: ("reader", False)}
    )
    asked: list[Request] = field(default_factory=list)
    large: Files = field(default_factory=dict)
    status: int = 0
    says: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def downloads(self) -> list[str]:
        """The files that were asked for, of whatever commit."""
        return [
            one.path.split("/resolve/")[1].partition("/")[2]
            for one in self.asked
            if one.method == "GET" and "/resolve/" in one.path
        ] + [one.path for one in self.asked if one.method == "GET" and one.path.startswith("/cdn")]


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


class Refusal(Exception):
    """An answer that is an error. code: in X-Error-Code."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(size)
        parts = urlsplit(self.path)
        self.words, self.query = unquote(parts.path), parse_qs(parts.query)
        self.token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.hub.asked.append(Request(self.command, self.path, self.token))
        try:
            if self.hub.status:
                raise Refusal(self.hub.status, message=self.hub.says)
            if self.token and self.token not in self.hub.users:
                raise Refusal(401, message="Invalid credentials in Authorization header")
            for pattern, method in _ROUTES:
                if match := re.fullmatch(pattern, self.words):
                    method(self, *match.groups())
                    return
            raise Refusal(404)
        except Refusal as error:
            headers = {"X-Error-Code": error.code, "X-Error-Message": error.message}
            said = json.dumps({"error": error.message}).encode()
            self._send(error.status, said, {name: text for name, text in headers.items() if text})

    do_GET = do_HEAD = do_POST = do_PUT = _answer

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    @property
    def user(self) -> tuple[str, bool]:
        return self.hub.users.get(self.token, ("", False))

    def _repository(self, name: str, *, writing: bool = False) -> Repository:
        found = self.hub.repositories.get(name)
        if found is None or (found.private and self.user[0] != name.split("/")[0]):
            # It does not tell a stranger whether there is one.
            raise Refusal(404 if self.token else 401, "RepoNotFound", "Repository not found")
        if writing and not (self.user[1] and self.user[0] == name.split("/")[0]):
            raise Refusal(403, message="You don't have the rights to write to this model")
        return found

    def _commit(self, repository: Repository, revision: str) -> str:
        commit = repository.revisions.get(revision, revision)
        if commit not in repository.commits:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def whoami(self) -> None:
        if not self.token:
            raise Refusal(401, message="Invalid username or password.")
        self._json({"type": "user", "name": self.user[0]})

    def create(self) -> None:
        asked = json.loads(self.body)
        owner, writes = self.user
        name = f"{asked['organization'] or owner}/{asked['name']}"
        if not self.token:
            raise Refusal(401, message="Invalid username or password.")
        if not writes or asked["organization"] not in (None, owner):
            raise Refusal(403, message="You don't have the rights to create a model here")
        url = {"url": f"{self.hub.url}/{name}"}
        if name in self.hub.repositories:
            self._send(409, json.dumps({"error": "You already created it", **url}).encode())
            return
        private = asked.get("visibility") == "private"
        self.hub.repositories[name] = created = Repository(private=private)
        created.commit({".gitattributes": b"*.onnx filter=lfs\n"})
        self._json(url)

    def validate_yaml(self) -> None:
        head = json.loads(self.body)["content"].split("---\n")[1]
        known = yaml.safe_load(head)
        errors = [] if known["license"].islower() else [{"message": "license: not one of ours"}]
        self._send(400 if errors else 200, json.dumps({"errors": errors, "warnings": []}).encode())

    def info(self, name: str, revision: str | None) -> None:
        repository = self._repository(name)
        commit = self._commit(repository, revision or "main")
        files = [{"rfilename": file} for file in repository.commits[commit]]
        self._json({"id": name, "modelId": name, "sha": commit, "siblings": files,
                    "private": repository.private, "tags": [], "gated": False})  # fmt: skip

    def tree(self, name: str, revision: str) -> None:
        repository = self._repository(name)
        files = repository.commits[self._commit(repository, revision)]
        rows = []
        for path, data in files.items():
            row = {"type": "file", "path": path, "size": len(data), "oid": _sha1(data)}
            if path.endswith(_LARGE):
                oid = hashlib.sha256(data).hexdigest()
                row["lfs"] = {"oid": oid, "size": len(data), "pointerSize": 130}
            rows.append(row)
        self._json(rows)

    def resolve(self, name: str, revision: str, path: str) -> None:
        repository = self._repository(name)
        commit = self._commit(repository, revision)
        if repository.gated and self.user[0] != name.split("/")[0]:
            raise Refusal(
                403 if self.token else 401, "GatedRepo", f"Access to {name} is restricted"
            )
        headers = {"X-Repo-Commit": commit}
        data = repository.commits[commit].get(path)
        if data is None:
            raise Refusal(404, "EntryNotFound", "Entry not found")
        if path.endswith(_LARGE):
            oid = hashlib.sha256(data).hexdigest()
            self.hub.large.setdefault(oid, data)
            headers |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(data))}
            # Another host has the large files, and gets no token.
            headers["Location"] = f"http://localhost:{self.hub.port}/cdn/{oid}"
            self._send(302, b"", headers)
            return
        self._send(200, data, headers | {"ETag": f'"{_sha1(data)}"'})

    def cdn(self, oid: str) -> None:
        assert not self.token, "the token left the hub"
        self._send(200, self.hub.large[oid], {"ETag": f'"{oid}"'})

    def preupload(self, name: str, revision: str) -> None:
        self._repository(name, writing=True)
        self._json({"files": [
            {"path": one["path"], "shouldIgnore": False,
             "uploadMode": "lfs" if one["path"].endswith(_LARGE) else "regular"}
            for one in json.loads(self.body)["files"]
        ]})  # fmt: skip

    def batch(self, name: str) -> None:
        self._repository(name, writing=True)
        self._json({"transfer": "basic", "objects": [
            one | {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}}
            for one in json.loads(self.body)["objects"]
        ]})  # fmt: skip

    def upload(self, oid: str) -> None:
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.hub.large[oid] = self.body
        self._send(200, b"")

    def commit(self, name: str, revision: str) -> None:
        repository = self._repository(name, writing=True)
        files = dict(repository.files)
        for line in self.body.splitlines():
            step = json.loads(line)
            value = step["value"]
            if step["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif step["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif step["key"] == "deletedFile":
                del files[value["path"]]
        commit = repository.commit(files)
        self._json({"success": True, "commitOid": commit, "hookOutput": "",
                    "commitUrl": f"{self.hub.url}/{name}/commit/{commit}"})  # fmt: skip

    def log_message(self, *arguments: object) -> None:
        pass


_REPO = "([^/]+/[^/]+)"
_ROUTES: list[tuple[str, Any]] = [
    (rf"/api/models/{_REPO}(?:/revision/(.+))?", _Handler.info),
    (rf"/api/models/{_REPO}/tree/([^/]+)/?", _Handler.tree),
    (rf"/api/models/{_REPO}/preupload/(.+)", _Handler.preupload),
    (rf"/api/models/{_REPO}/commit/(.+)", _Handler.commit),
    ("/api/whoami-v2", _Handler.whoami),
    ("/api/repos/create", _Handler.create),
    ("/api/validate-yaml", _Handler.validate_yaml),
    (rf"/{_REPO}/resolve/([^/]+)/(.+)", _Handler.resolve),
    (rf"/{_REPO}\.git/info/lfs/objects/batch", _Handler.batch),
    ("/lfs/(.+)", _Handler.upload),
    ("/cdn/(.+)", _Handler.cdn),
]


@contextmanager
def hub_here() -> Iterator[Hub]:
    """A hub on a free port of this machine."""
    hub = Hub()

    class Handler(_Handler):
        pass

    Handler.hub = hub

    class Listening(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *arguments: object) -> None:
            pass  # a client that went away

    with Listening(("127.0.0.1", 0), Handler) as listening:
        hub.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hub
        finally:
            listening.shutdown()
            thread.join()


def environment(hub: Hub, home: Path, token: str = "") -> dict[str, str]:
    """The variables with which another process uses this hub, and nothing of this user's."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_XET": "1",  # another protocol, of compiled code; the hub need not have it
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def use(hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch, token: str = "") -> None:
    """Let this process use the hub: huggingface_hub has read the variables when it was imported."""
    for name, text in environment(hub, home, token).items():
        monkeypatch.setenv(name, text)
    url = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + url)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
