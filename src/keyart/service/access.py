"""Who may ask: bearer tokens, the host a request is for, the site it comes from."""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from keyart.errors import ServiceError
from keyart.service.problems import Problem

VARIABLE = "KEYART_TOKEN"
LOOPBACK_HOSTS = frozenset(("localhost", "127.0.0.1", "[::1]"))

_LINE = re.compile(r"([^\s:]{1,100}):([0-9a-f]{64})")


class Tokens:
    """The bearer tokens that open the API, kept as SHA-256 digests alone.

    A token is 256 random bits, so that a plain digest of it cannot be guessed back.
    """

    def __init__(self, digests: Mapping[str, str]) -> None:
        """digests: the name of a token's holder, and the token's SHA-256 in hex."""
        self._digests = {name: bytes.fromhex(digest) for name, digest in digests.items()}

    @classmethod
    def read(cls, file: Path | None) -> "Tokens | None":
        """Tokens of a file (NAME:SHA256 a line, '#' starts a comment) and of $KEYART_TOKEN.

        None where there are none: the service is open. Raises ServiceError for a line that is
        neither, or a file without tokens.
        """
        digests: dict[str, str] = {}
        if file:
            try:
                text = file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ServiceError(f"{file}: cannot be read ({error})") from error
            for number, line in enumerate(text.splitlines(), start=1):
                line = line.partition("#")[0].strip()
                match = _LINE.fullmatch(line)
                if match:
                    digests[match[1]] = match[2]
                elif line:
                    raise ServiceError(
                        f"{file} line {number}: expected NAME:SHA256; make one with keyart token"
                    )
            if not digests:
                raise ServiceError(f"{file}: no token in it; make one with keyart token")
        if token := os.environ.get(VARIABLE):
            digests["token"] = hashlib.sha256(token.encode()).hexdigest()
        return cls(digests) if digests else None

    def holder(self, authorization: str) -> str:
        """The name behind an Authorization header. Raises Problem 401."""
        scheme, _, token = authorization.partition(" ")
        given = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        found = None
        # All are compared, each in constant time: the time tells nothing of any of them.
        for name, digest in self._digests.items():
            if hmac.compare_digest(given, digest):
                found = name
        if scheme.casefold() != "bearer" or found is None:
            raise Problem("unauthorized", "send 'Authorization: Bearer TOKEN'", early=True)
        return found


def new_token(name: str) -> tuple[str, str]:
    """A fresh token, and the line of a tokens file that lets it in. Raises ServiceError."""
    token = secrets.token_urlsafe(32)
    line = f"{name}:{hashlib.sha256(token.encode()).hexdigest()}"
    if not _LINE.fullmatch(line):
        raise ServiceError(f"{name!r}: a name has up to 100 characters, no spaces, no colons")
    return token, line


def check_origin(headers: Headers, method: str, hosts: frozenset[str] | None) -> None:
    """Refuse what another site's page sends, and what is meant for another host.

    hosts: names that the service answers to, None for any. Without this a page anywhere on the web
    could use a service on its visitor's machine. Raises Problem: 403, 421.
    """
    host = headers.get("host", "")
    if hosts is not None and host.rsplit(":", 1)[0] not in hosts and host not in hosts:
        raise Problem("misdirected", "this service answers to localhost alone", early=True)
    if method in ("GET", "HEAD", "OPTIONS"):
        return
    origin = headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != host
    if elsewhere or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Problem("forbidden", "pages of other sites may not use this service", early=True)
