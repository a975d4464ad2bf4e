"""What servers have in common: films in lists, and items that are read whole and written back."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from keyart.film import EARLIEST, LATEST
from keyart.library.edit import As


@dataclass(frozen=True)
class ServerFilm:
    """A film in a server's list. poster: the path of its picture there; empty if it has none."""

    item: str
    title: str | None
    year: int | None
    ids: Mapping[str, str]
    genres: Sequence[str]
    tags: Sequence[str]
    locked: frozenset[str]
    poster: str


@dataclass(frozen=True)
class Item:
    """A whole item. whole: as the server gave it. genres, tags: of it; tags of Plex are labels.

    digest: changes with everything that people and programs can edit in it.
    """

    whole: Mapping[str, Any]
    genres: list[str]
    tags: list[str]
    digest: str

    def values(self, kind: As) -> list[str]:
        """Its genres or its tags."""
        return self.genres if kind == "genre" else self.tags


class ServerApi(Protocol):
    """What a kind of server is asked. All but `check` raise ChangedError and FailedError."""

    url: str

    def close(self) -> None:
        """End the connection."""

    def check(self, writes: As) -> None:
        """Raises LibraryError if this cannot be written there."""

    def films(self) -> Iterator[ServerFilm]:
        """All films."""

    def item(self, item: str) -> Item:
        """A whole item."""

    def picture(self, path: str) -> bytes:
        """A poster."""

    def write(self, item: Item, kind: As, values: Sequence[str]) -> None:
        """Write an item back with other genres or tags."""


def digest_of(whole: Mapping[str, Any], names: Sequence[str]) -> str:
    """The SHA-256 of some fields of an item."""
    some = {name: whole[name] for name in names if whole.get(name) not in (None, "", [], {})}
    text = json.dumps(some, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def texts(values: Any, name: str | None = None) -> list[str]:
    """The texts in a list, or those of a name in a list of objects."""
    if not isinstance(values, list):
        return []
    found = values if name is None else [one.get(name) for one in values if isinstance(one, dict)]
    return [one for one in found if isinstance(one, str) and one]


def year_of(value: Any) -> int | None:
    """A year, if it is one."""
    return value if isinstance(value, int) and EARLIEST <= value <= LATEST else None


def title_of(value: Any) -> str | None:
    """A title, if it is one."""
    return value if isinstance(value, str) and value.strip() else None
