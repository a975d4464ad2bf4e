"""Plex: films of its movie libraries, and their labels.

Its genres come from its agents and are theirs, so what keyart predicts becomes labels. Requests are
those of python-plexapi: /library/sections, /library/metadata/{key}, PUT with label[0].tag.tag.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keyart.errors import LibraryError
from keyart.library.connection import Connection, Key
from keyart.library.edit import As
from keyart.library.server_items import Item, ServerFilm, digest_of, texts, title_of, year_of
from keyart.library.target import FailedError

_PAGE = 200
_EDITABLE = (
    "title", "titleSort", "originalTitle", "year", "summary", "tagline", "studio", "contentRating",
    "originallyAvailableAt", "Genre", "Label", "Collection", "Country", "librarySectionID",
)  # fmt: skip


class Plex:
    """A server of Plex."""

    variable = "PLEX_TOKEN"

    def __init__(self, url: str) -> None:
        """Raises LibraryError without a token, or for what is no address."""
        key = Key(self.variable)
        headers = {"X-Plex-Token": key.text, "X-Plex-Client-Identifier": "keyart",
                   "X-Plex-Product": "keyart"}  # fmt: skip
        self._connection = Connection(url, key, headers)
        self.url = self._connection.url

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def check(self, writes: As) -> None:
        """Raises LibraryError for genres."""
        if writes == "genre":
            raise LibraryError("Plex takes labels, not genres; add --as tag")

    def films(self) -> Iterator[ServerFilm]:
        """All films of all movie libraries, page by page."""
        for section in _rows(self._connection.get("/library/sections"), "Directory"):
            if section.get("type") != "movie":
                continue
            start, total = 0, 1
            while start < total:
                page = self._connection.get(
                    f"/library/sections/{_number(section.get('key'))}/all",
                    {
                        "X-Plex-Container-Start": str(start),
                        "X-Plex-Container-Size": str(_PAGE),
                    },
                    type="1",
                    includeGuids="1",
                )
                films = _rows(page, "Metadata")
                total = page["MediaContainer"].get("totalSize", len(films))
                if not isinstance(total, int) or (not films and start < total):
                    raise FailedError(f"{self.url}: the list of films ends early")
                yield from map(_film, films)
                start += len(films)

    def item(self, item: str) -> Item:
        """A whole item."""
        rows = _rows(self._connection.get(f"/library/metadata/{_number(item)}"), "Metadata")
        if len(rows) != 1 or str(rows[0].get("ratingKey")) != item:
            raise FailedError(f"{self.url}: the answer is not about item {item}")
        whole = rows[0]
        return Item(
            whole,
            texts(whole.get("Genre"), "tag"),
            texts(whole.get("Label"), "tag"),
            digest_of(_without_numbers(whole), _EDITABLE),
        )

    def picture(self, path: str) -> bytes:
        """A poster."""
        return self._connection.picture(path)

    def write(self, item: Item, kind: As, values: Sequence[str]) -> None:
        """Give an item these labels."""
        assert kind == "tag", "only labels are planned"
        gone = [label for label in item.tags if label not in values]
        query = {"type": "1", "id": _number(item.whole["ratingKey"])}
        query |= {f"label[{place}].tag.tag": value for place, value in enumerate(values)}
        if gone:
            query["label[].tag.tag-"] = ",".join(gone)
        section = _number(item.whole.get("librarySectionID"))
        self._connection.send("PUT", f"/library/sections/{section}/all", query=query)


def _film(row: Mapping[str, Any]) -> ServerFilm:
    thumb = row.get("thumb")
    guids = [text.partition("://") for text in texts(row.get("Guid"), "id")]
    return ServerFilm(
        _number(row.get("ratingKey")),
        title_of(row.get("title")),
        year_of(row.get("year")),
        {kind: value for kind, _, value in guids if kind in ("imdb", "tmdb") and value},
        texts(row.get("Genre"), "tag"),
        texts(row.get("Label"), "tag"),
        frozenset(),
        thumb if isinstance(thumb, str) and thumb.startswith("/library/metadata/") else "",
    )


def _without_numbers(whole: Mapping[str, Any]) -> dict[str, Any]:
    """Names of genres and labels alone: a label that is given again has another id."""
    return {
        name: sorted(texts(value, "tag")) if name[:1].isupper() else value
        for name, value in whole.items()
    }


def _rows(page: Any, name: str) -> list[dict[str, Any]]:
    container = page.get("MediaContainer") if isinstance(page, dict) else None
    if not isinstance(container, dict):
        raise FailedError("the answer has no MediaContainer")
    rows = container.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FailedError(f"the answer has no {name}")
    return rows


def _number(value: Any) -> str:
    """A key as a part of a path. Raises FailedError: Plex has numbers there."""
    text = str(value)
    if not (text.isascii() and text.isdecimal()):
        raise FailedError("a key of the server is no number")
    return text
