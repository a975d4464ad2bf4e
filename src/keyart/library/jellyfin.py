"""Jellyfin and Emby: items are read whole, changed, and posted back whole.

https://api.jellyfin.org and https://dev.emby.media/reference/RestAPI: /Items, /Items/{id},
/Items/{id}/Images/Primary; Emby has single items at /Users/{user}/Items/{id}.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keyart.errors import LibraryError
from keyart.library.connection import Connection, Key
from keyart.library.edit import As
from keyart.library.server_items import Item, ServerFilm, digest_of, texts, title_of, year_of
from keyart.library.target import FailedError

_PAGE = 200  # films of one answer
# What an update writes, whatever it was for.
_EDITABLE = (
    "Name", "OriginalTitle", "ForcedSortName", "SortName", "Overview", "Genres", "Tags", "TagItems",
    "Taglines", "Studios", "People", "ProductionYear", "PremiereDate", "EndDate", "DateCreated",
    "OfficialRating", "CustomRating", "CommunityRating", "CriticRating", "ProviderIds", "LockData",
    "LockedFields", "ProductionLocations", "PreferredMetadataLanguage",
    "PreferredMetadataCountryCode", "Path",
)  # fmt: skip


class Jellyfin:
    """A server of Jellyfin."""

    variable = "JELLYFIN_API_KEY"

    def __init__(self, url: str) -> None:
        """Raises LibraryError without a key, or for what is no address."""
        key = Key(self.variable)
        self._connection = Connection(url, key, self._headers(key))
        self.url = self._connection.url

    def _headers(self, key: Key) -> dict[str, str]:
        return {"Authorization": f'MediaBrowser Token="{key.text}"'}

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def check(self, writes: As) -> None:
        """Genres and tags can be written."""

    def films(self) -> Iterator[ServerFilm]:
        """All films, page by page."""
        start, total = 0, 1
        while start < total:
            page = self._connection.get(
                "/Items",
                IncludeItemTypes="Movie",
                Recursive="true",
                Fields="Genres,Tags,ProviderIds,Settings",
                SortBy="SortName",
                StartIndex=str(start),
                Limit=str(_PAGE),
            )
            items = _list(page, "Items")
            total = page.get("TotalRecordCount", 0)
            if not isinstance(total, int) or (not items and start < total):
                raise FailedError(f"{self.url}/Items: the list of films ends early")
            yield from map(_film, items)
            start += len(items)

    def item(self, item: str) -> Item:
        """A whole item."""
        whole = self._connection.get(self._path(item))
        if not isinstance(whole, dict) or whole.get("Id") != item:
            raise FailedError(f"{self.url}: the answer is not about item {item}")
        return Item(whole, texts(whole.get("Genres")), _tags(whole), digest_of(whole, _EDITABLE))

    def _path(self, item: str) -> str:
        return f"/Items/{_id(item)}"

    def picture(self, path: str) -> bytes:
        """A poster."""
        return self._connection.picture(path)

    def write(self, item: Item, kind: As, values: Sequence[str]) -> None:
        """Post an item back with other genres or tags."""
        whole = self._changed(item.whole, "Genres" if kind == "genre" else "Tags", values)
        self._connection.send("POST", f"/Items/{_id(str(item.whole['Id']))}", body=whole)

    def _changed(
        self, whole: Mapping[str, Any], name: str, values: Sequence[str]
    ) -> dict[str, Any]:
        return {**whole, name: list(values)}


class Emby(Jellyfin):
    """A server of Emby, which has single items below a user."""

    variable = "EMBY_API_KEY"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._user = ""

    def _headers(self, key: Key) -> dict[str, str]:
        return {**super()._headers(key), "X-Emby-Token": key.text}

    def _path(self, item: str) -> str:
        if not self._user:
            users = self._connection.get("/Users")
            admins = [
                one["Id"]
                for one in (users if isinstance(users, list) else [])
                if isinstance(one, dict)
                and isinstance(one.get("Id"), str)
                and isinstance(one.get("Policy"), dict)
                and one["Policy"].get("IsAdministrator")
            ]
            if not admins:
                raise LibraryError(f"{self.url}: has no administrator that the key may ask for")
            self._user = admins[0]
        return f"/Users/{_id(self._user)}/Items/{_id(item)}"

    def _changed(
        self, whole: Mapping[str, Any], name: str, values: Sequence[str]
    ) -> dict[str, Any]:
        # Emby has names in one list and names with numbers in another, and reads the second.
        other = {"Genres": "GenreItems", "Tags": "TagItems"}[name]
        known = {one.get("Name"): one for one in whole.get(other) or [] if isinstance(one, dict)}
        items = [known.get(value, {"Name": value}) for value in values]
        return {**super()._changed(whole, name, values), other: items}


def _film(item: Mapping[str, Any]) -> ServerFilm:
    if not isinstance(item, dict) or not isinstance(item.get("Id"), str):
        raise FailedError("the list of films has something else in it")
    number, images = _id(item["Id"]), item.get("ImageTags")
    has_poster = isinstance(images, dict) and "Primary" in images
    found = item.get("ProviderIds")
    providers = found if isinstance(found, dict) else {}
    ids = {kind.casefold(): value for kind, value in providers.items() if isinstance(value, str)}
    fields = {name.casefold() for name in texts(item.get("LockedFields"))}
    locked = fields if item.get("LockData") is not True else {"genres", "tags"}
    return ServerFilm(
        item["Id"],
        title_of(item.get("Name")),
        year_of(item.get("ProductionYear")),
        {kind: ids[kind] for kind in ("imdb", "tmdb") if ids.get(kind)},
        texts(item.get("Genres")),
        _tags(item),
        frozenset(locked & {"genres", "tags"}),
        f"/Items/{number}/Images/Primary" if has_poster else "",
    )


def _tags(item: Mapping[str, Any]) -> list[str]:
    return texts(item.get("Tags")) or texts(item.get("TagItems"), "Name")


def _id(text: str) -> str:
    """An id as a part of a path. Raises FailedError: servers have letters, digits and '-' there."""
    if not text or not text.isascii() or not text.replace("-", "").isalnum():
        raise FailedError("an id of the server is none")
    return text


def _list(page: Any, name: str) -> list[Any]:
    found = page.get(name) if isinstance(page, dict) else None
    if not isinstance(found, list):
        raise FailedError(f"the answer has no {name}")
    return found
