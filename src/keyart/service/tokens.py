"""Bearer tokens: who may use the API."""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from keyart.errors import ServiceError

VARIABLE = "KEYART_TOKEN"

_LINE = re.compile(r"([^\s:]{1,100}):([0-9a-f]{64})")


class Tokens:
    """The tokens that are let in, kept only as SHA-256 digests.

    A token is 256 random bits, so its plain digest cannot be reversed by guessing.
    """

    def __init__(self, digests: Mapping[str, str]) -> None:
        """digests: the name of each token's holder, and the token's SHA-256 in hex."""
        self._digests = {name: bytes.fromhex(digest) for name, digest in digests.items()}

    @classmethod
    def read(cls, file: str | os.PathLike[str] | None) -> "Tokens | None":
        """Tokens of a file (NAME:SHA256 a line, '#' starts a comment) and of $KEYART_TOKEN.

        None if there are no tokens: the service is open. Raises ServiceError for a line of another
        form, or a file without tokens.
        """
        digests: dict[str, str] = {}
        if file:
            try:
                text = Path(file).read_text(encoding="utf-8")
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

    def holder(self, token: str) -> str | None:
        """The name of a token's holder, None for an unknown token."""
        given = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        # All are compared, each in constant time: the time reveals nothing about any of them.
        for name, digest in self._digests.items():
            if hmac.compare_digest(given, digest):
                found = name
        return found


def new_token(name: str) -> tuple[str, str]:
    """A new token, and the line of a tokens file that lets it in. Raises ServiceError."""
    token = secrets.token_urlsafe(32)
    line = f"{name}:{hashlib.sha256(token.encode()).hexdigest()}"
    if not _LINE.fullmatch(line):
        raise ServiceError(f"{name!r}: a name has up to 100 characters, no spaces, no colons")
    return token, line
