"""Bearer tokens: who may use the API."""

import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from keyart.errors import ServiceError, why
from keyart.reading import read_bytes

VARIABLE = "KEYART_TOKEN"

_log = logging.getLogger("keyart.service")

_MOST_BYTES = 10_000_000  # of a file of tokens
_LINE = re.compile(r"([^\s:]{1,100}):([0-9a-f]{64})")


class Tokens:
    """The tokens that are let in, kept only as SHA-256 digests.

    A token is 256 random bits, so its plain digest cannot be reversed by guessing.
    """

    def __init__(self, digests: Mapping[str, str], file: Path | None = None) -> None:
        """digests: the name of each token's holder, and the token's SHA-256 in hex.

        file: read again whenever it changes; its tokens are let in as well.
        """
        self._digests = _to_bytes(digests)
        self._file = file
        self._seen: tuple[int, ...] = ()
        self._in_file: dict[str, bytes] = {}

    @classmethod
    def read(cls, file: str | os.PathLike[str] | None) -> "Tokens | None":
        """Tokens of a file (NAME:SHA256 a line, '#' starts a comment) and of $KEYART_TOKEN.

        None if there are no tokens: the service is open. Raises ServiceError for a line of another
        form, or a file without tokens.
        """
        digests: dict[str, str] = {}
        if token := os.environ.get(VARIABLE):
            digests["token"] = hashlib.sha256(token.encode()).hexdigest()
        if not file:
            return cls(digests) if digests else None
        if not _read_lines(Path(file)):
            raise ServiceError(f"{file}: no token in it; make one with keyart token")
        return cls(digests, Path(file))

    def holder(self, token: str) -> str | None:
        """The name of a token's holder, None for an unknown token."""
        self._refresh()
        given = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        # All are compared, each in constant time: the time reveals nothing about any of them.
        for name, digest in [*self._in_file.items(), *self._digests.items()]:
            if hmac.compare_digest(given, digest):
                found = name
        return found

    def _refresh(self) -> None:
        """Read the file again if it has changed. One that cannot be read lets nobody in."""
        if self._file is None:
            return
        seen: tuple[int, ...] = ()
        try:
            facts = self._file.stat()
            seen = (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        except OSError:
            pass  # as any file that cannot be read
        if seen and seen == self._seen:
            return
        before, self._in_file, self._seen = self._in_file, {}, seen
        try:
            self._in_file = _to_bytes(_read_lines(self._file))
        except ServiceError as error:
            if before:
                _log.error("nobody's token is accepted: %s", error)


def _to_bytes(digests: Mapping[str, str]) -> dict[str, bytes]:
    return {name: bytes.fromhex(digest) for name, digest in digests.items()}


def _read_lines(file: Path) -> dict[str, str]:
    """The digests of a tokens file. Raises ServiceError."""
    digests: dict[str, str] = {}
    try:
        text = read_bytes(file, _MOST_BYTES, links=True).decode("utf-8")
    except (OSError, ValueError) as error:
        raise ServiceError(
            f"{file}: cannot be read ({why(error)}); give a file of tokens"
        ) from error
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.partition("#")[0].strip()
        match = _LINE.fullmatch(line)
        if match:
            digests[match[1]] = match[2]
        elif line:
            raise ServiceError(
                f"{file} line {number}: expected NAME:SHA256; make one with keyart token"
            )
    return digests


def new_token(name: str) -> tuple[str, str]:
    """A new token, and its line for the tokens file. Raises ServiceError."""
    token = secrets.token_urlsafe(32)
    line = f"{name}:{hashlib.sha256(token.encode()).hexdigest()}"
    if not _LINE.fullmatch(line):
        raise ServiceError(f"{name!r}: a name has up to 100 characters, no spaces, no colons")
    return token, line
