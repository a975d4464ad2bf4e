"""Requests to a media server: with its key, bounded in bytes and time, and never redirected."""

import json
import os
import time
from collections.abc import Mapping
from typing import Any

import httpx2

from keyart.errors import LibraryError, one_line
from keyart.library.target import ChangedError, FailedError
from keyart.reading import parse_json
from keyart.sources.places import address_problem
from keyart.version import __version__

SECONDS = 30.0  # for a connection to say something
_LONGEST = 120.0  # seconds of one answer
_WAITS = (0.5, 2.0)  # seconds before a question is asked again
_AGAIN = (429, 502, 503, 504)
_MOST_BYTES = 64_000_000
_IN_A_ROW = 5  # questions without an answer; then the server is down


class Key:
    """The key of a server, from the environment. It never shows itself."""

    def __init__(self, variable: str) -> None:
        """Raises LibraryError if there is none."""
        self.variable = variable
        self.text = os.environ.get(variable, "").strip()
        if not self.text:
            raise LibraryError(f"{variable}: not set; put a key of the server in this variable")
        if not (self.text.isascii() and self.text.isprintable()) or set(self.text) & set(' "'):
            raise LibraryError(f"{variable}: not a key; copy it from the server's settings")

    def __repr__(self) -> str:
        return "Key(...)"


class Connection:
    """A server that is asked, one question at a time.

    headers: with the key. Raises LibraryError if the key is refused: nothing would fare better.
    """

    def __init__(self, url: str, key: Key, headers: Mapping[str, str]) -> None:
        """Raises LibraryError for what is no address."""
        self.url = url.rstrip("/")
        problem = address_problem(self.url)
        if not problem and set(self.url) & set("?#"):
            problem = "an address with more than a path; leave out what follows it"
        if problem:
            raise LibraryError(f"{_bare(url)}: {problem}; give a server, as http://host:8096")
        secure = self.url.startswith("https:")
        self._key = key
        self._unanswered = 0
        self._client = httpx2.Client(
            headers={
                "User-Agent": f"keyart/{__version__}",
                "Accept": "application/json",
                **headers,
            },
            timeout=httpx2.Timeout(SECONDS, connect=10.0),
            # Reading the certificates takes longer than a question in one's own network.
            verify=httpx2.create_ssl_context(trust_env=False) if secure else False,
            trust_env=False,  # a server of one's own is not behind a proxy
            follow_redirects=False,  # the key goes nowhere else
        )

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None, **query: str) -> Any:
        """The JSON at a path; asked again if nothing comes. Raises ChangedError, FailedError."""
        body = self._asked(path, headers, query)
        try:
            return parse_json(body)
        except ValueError as error:
            raise FailedError(f"{self.url}{path}: the answer is not JSON") from error

    def picture(self, path: str, **query: str) -> bytes:
        """A picture at a path. Raises ChangedError and FailedError."""
        return self._asked(path, {"Accept": "image/*"}, query)

    def _asked(self, path: str, headers: Mapping[str, str] | None, query: dict[str, str]) -> bytes:
        for wait in (*_WAITS, None):
            try:
                return self.send("GET", path, headers, query)
            except FailedError:
                if wait is None or self._unanswered >= _IN_A_ROW:
                    raise
                time.sleep(wait)
        raise AssertionError("the last question returns or raises")

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> bytes:
        """One request. Raises ChangedError for 404, LibraryError for 401, FailedError else."""
        where = f"{self.url}{path}"
        if self._unanswered >= _IN_A_ROW:
            raise FailedError(f"{self.url}: does not answer")
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        given = dict(headers or {}) | ({"Content-Type": "application/json"} if content else {})
        began = time.monotonic()
        try:
            with self._client.stream(
                method, where, headers=given, params=query or None, content=content
            ) as response:
                found = bytearray()
                for piece in response.iter_bytes():
                    found += piece
                    if len(found) > _MOST_BYTES:
                        raise FailedError(f"{where}: answers more than {_MOST_BYTES:,} bytes")
                    if time.monotonic() - began > _LONGEST:
                        raise FailedError(f"{where}: took over {_LONGEST:g} s")
        except httpx2.TimeoutException as error:
            self._unanswered += 1
            raise FailedError(f"{self.url}: took over {SECONDS:g} s to answer") from error
        except (httpx2.HTTPError, OSError) as error:
            self._unanswered += 1
            raise FailedError(f"{self.url}: connection failed: {one_line(error)}") from error
        status = response.status_code
        self._unanswered = 0 if status < 500 else self._unanswered + 1
        if status in (401, 403):
            raise LibraryError(
                f"{self.url}: refuses the key ({status}); set {self._key.variable} to one of an "
                "administrator"
            )
        if status == 404:
            raise ChangedError("is not there any more")
        if 300 <= status < 400:
            raise FailedError(f"{where}: redirects elsewhere; give the address that answers itself")
        if status >= 400:
            again = "; try again later" if status in _AGAIN else ""
            raise FailedError(f"{where}: answers {status}{again}")
        return bytes(found)


def _bare(url: str) -> str:
    """An address without what may be secret in it."""
    before, _, after = url.partition("://")
    host = after.rpartition("@")[2].partition("?")[0]
    return f"{before}://{host}" if after else url.partition("?")[0]
