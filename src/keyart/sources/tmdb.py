"""TMDb: its key, where it says that a poster is, and its notice."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyart.catalog.genre_cells import genre_names
from keyart.errors import FetchError, why
from keyart.genres import Vocabulary
from keyart.reading import parse_json, read_bytes

VARIABLE = "TMDB_API_KEY"
_KEY = re.compile(r"[A-Za-z0-9._~+/=-]{8,2000}")
_PATH = re.compile(r"/[A-Za-z0-9_-]+\.[a-z]{3,4}")
_SIZES = ("w92", "w154", "w185", "w342", "w500", "w780", "original")

NOTICE = """\
TMDb's terms of use
  - Its content must not train a model without a written agreement with TMDb: keyart trains on these
    posters only with --i-have-an-agreement.
  - Posters may be kept for six months at most: keyart removes them then (keyart fetch expire).
  - What shows or uses them must say: "This product uses TMDB and the TMDB APIs but is not endorsed,
    certified, or otherwise approved by TMDB." Cards, reports and the page of keyart do.
  https://www.themoviedb.org/api-terms-of-use"""


@dataclass(frozen=True)
class Tmdb:
    """Where TMDb answers. api, images: other addresses are for tests, and for a mirror of it."""

    api: str = "https://api.themoviedb.org/3"
    images: str = "https://image.tmdb.org/t/p"

    def question(self, tmdb_id: str, imdb_id: str) -> str:
        """The address that says where the poster of a film is."""
        if tmdb_id:
            return f"{self.api}/movie/{int(tmdb_id)}"
        return f"{self.api}/find/{imdb_id}?external_source=imdb_id"

    def answer(self, body: bytes, size: str, vocabulary: Vocabulary) -> "Answer | None":
        """What the API says of a film; None if it does not know it. Raises ValueError."""
        found = parse_json(body)
        if isinstance(found, dict) and "movie_results" in found:
            found = next(iter(found["movie_results"]), None)
            if found is None:
                return None
        if not isinstance(found, dict) or not isinstance(found.get("id"), int):
            raise ValueError("TMDb's answer is not about a film")
        path = found.get("poster_path")
        if path is not None and not (isinstance(path, str) and _PATH.fullmatch(path)):
            raise ValueError("TMDb's answer names no file as the poster")
        genres: Any = found.get("genres") or found.get("genre_ids") or ()
        url = f"{self.images}/{size}{path}" if path else None
        return Answer(str(found["id"]), url, genre_names(genres, vocabulary, tmdb=True))


@dataclass(frozen=True)
class Answer:
    """What TMDb says of a film. url: of its poster, None if it has none."""

    tmdb_id: str
    url: str | None
    genres: tuple[str, ...]


class Key:
    """A key of TMDb's API. It never shows itself, and is sent nowhere but to the API."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Key(...)"

    @property
    def headers(self) -> Mapping[str, str]:
        """How a read access token is sent."""
        return {"Authorization": f"Bearer {self._text}"} if "." in self._text else {}

    @property
    def params(self) -> Mapping[str, str]:
        """How the older kind of key is sent."""
        return {} if "." in self._text else {"api_key": self._text}


def read_key(file: Path | None = None) -> Key:
    """The key in a file, or in the environment. Raises FetchError, which never shows it."""
    if file is not None:
        try:
            text, where = read_bytes(file, 10_000, links=True).decode(), str(file)
        except (OSError, ValueError) as error:
            reason = why(error) if isinstance(error, OSError) else "not a text file"
            raise FetchError(f"{file}: {reason}; give a file that holds a key of TMDb") from error
    else:
        text, where = os.environ.get(VARIABLE, ""), VARIABLE
    text = text.strip()
    if not text:
        raise FetchError(
            f"{where}: no key of TMDb; set {VARIABLE} or give a file with --tmdb-key-file"
        )
    if not _KEY.fullmatch(text):
        raise FetchError(f"{where}: not a key of TMDb; copy it from the settings of your account")
    return Key(text)


def check_size(size: str) -> None:
    """Raises FetchError for a size that TMDb does not have."""
    if size not in _SIZES:
        raise FetchError(f"no size {size!r} at TMDb; its sizes are {', '.join(_SIZES)}")
