"""Media servers: their films, a plan for them, and changes of single items.

An item is read whole, compared with what the plan saw, changed in one field and written back. No
server can do that in one step, so what another person changes in that moment is overwritten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from keyart.errors import LibraryError, PosterError
from keyart.library.edit import As
from keyart.library.jellyfin import Emby, Jellyfin
from keyart.library.journal import ItemRecord, Record
from keyart.library.plan import (
    Candidate,
    FileChange,
    ItemChange,
    Place,
    Plan,
    PlannedFilm,
    make_plan,
)
from keyart.library.plex import Plex
from keyart.library.server_items import Item, ServerApi, ServerFilm
from keyart.library.target import ChangedError, FailedError, State
from keyart.parallel import Progress

if TYPE_CHECKING:
    from keyart.images.poster import Poster
    from keyart.predictor import Predictor

ServerKind = Literal["jellyfin", "emby", "plex"]
_APIS: dict[str, type[Jellyfin] | type[Emby] | type[Plex]] = {
    "jellyfin": Jellyfin,
    "emby": Emby,
    "plex": Plex,
}


class MediaServer:
    """A media server, as `MediaServer.open` reaches it. Use it in a with statement."""

    def __init__(self, place: Place, api: ServerApi) -> None:
        self.place, self._api = place, api

    @classmethod
    def open(cls, kind: ServerKind, url: str) -> Self:
        """Reach a server; its key is in JELLYFIN_API_KEY, EMBY_API_KEY or PLEX_TOKEN.

        Raises LibraryError.
        """
        api = _APIS[kind](url)
        return cls(Place(kind=kind, where=api.url), api)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._api.close()

    def plan(
        self,
        model: "Predictor",
        *,
        writes: As = "genre",
        every: bool = False,
        progress: Progress | None = None,
    ) -> Plan:
        """Plan which genres to give to films, as `Library.plan`. Changes nothing on the server.

        Plex takes labels: writes="tag". Raises LibraryError.
        """
        self._api.check(writes)
        try:
            films = [_Planned.of(film, self._api) for film in self._api.films()]
        except (ChangedError, FailedError) as error:
            raise LibraryError(
                f"{error}; is this a server of {self.place.kind.capitalize()}?"
            ) from error
        if not films:
            raise LibraryError(f"{self.place.where}: has no films")
        try:
            return make_plan(self.place, films, model, writes=writes, every=every,
                             progress=progress)  # fmt: skip
        except (ChangedError, FailedError) as error:
            raise LibraryError(f"{error}; make the plan again") from error


@dataclass(frozen=True)
class _Planned(Candidate):
    """A film of a server."""

    api: ServerApi

    @classmethod
    def of(cls, film: ServerFilm, api: ServerApi) -> Self:
        """api: the server's."""
        return cls(
            film.item, film.title, film.year, dict(film.ids), film.genres, film.tags, film.locked,
            film.poster, "", api,
        )  # fmt: skip

    def poster(self) -> "Poster | None":
        if not self.shown_poster:
            return None
        try:
            return self.api.picture(self.shown_poster)
        except (ChangedError, FailedError) as error:
            raise PosterError(str(error)) from error

    def changes(self, names: Sequence[str], kind: As) -> Sequence[FileChange | ItemChange]:
        item = self.api.item(self.name)
        old = item.values(kind)
        has = {name.casefold() for name in old}
        new = [name for name in names if name.casefold() not in has]
        if not new:
            return []
        return [ItemChange(item=self.name, before=item.digest, old=old, new=[*old, *new])]


class ServerTarget:
    """A server, whose items are changed."""

    def __init__(self, place: Place) -> None:
        assert place.kind != "folder"
        self._api: ServerApi = _APIS[place.kind](place.where)
        self._item: Item | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._api.close()

    def record(
        self, film: PlannedFilm, change: FileChange | ItemChange, plan: Plan
    ) -> ItemRecord | None:
        """What a change comes down to; None if it is made already.

        Raises ChangedError and FailedError.
        """
        assert isinstance(change, ItemChange), "a plan has one kind of changes"
        item = self._api.item(change.item)
        if _same(item.values(plan.writes), change.new):
            return None
        if item.digest != change.before:
            raise ChangedError("was changed after the plan was made")
        return ItemRecord(
            item=change.item,
            before=change.before,
            old_values=item.values(plan.writes),
            new_values=change.new,
            kind=plan.writes,
        )

    def state(self, record: Record) -> State:
        """How far a change is. Raises ChangedError and FailedError."""
        assert isinstance(record, ItemRecord), "a journal has one kind of records"
        self._item = self._api.item(record.item)
        values = self._item.values(_kind(record))
        if _same(values, record.new_values):
            return "after"
        if _same(values, record.old_values):
            return "before"
        raise ChangedError(f"was changed since: it has {', '.join(values) or 'none'}")

    def make(self, record: Record) -> None:
        """Make a change of the item that `state` has just read."""
        assert isinstance(record, ItemRecord)
        assert self._item is not None
        if self._item.digest != record.before:
            raise ChangedError("was changed after the plan was made")
        self._write(record, record.new_values)

    def take_back(self, record: Record) -> None:
        """Undo a change of the item that `state` has just read."""
        assert isinstance(record, ItemRecord)
        self._write(record, record.old_values)

    def _write(self, record: ItemRecord, values: Sequence[str]) -> None:
        assert self._item is not None
        kind = _kind(record)
        self._api.write(self._item, kind, values)
        found = self._api.item(record.item).values(kind)
        if not _same(found, values):
            raise FailedError(
                f"the server took {', '.join(values) or 'none'}, but has "
                f"{', '.join(found) or 'none'}"
            )


def _kind(record: ItemRecord) -> As:
    return "tag" if record.kind == "tag" else "genre"


def _same(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two lists have the same names: servers sort them."""
    return sorted(one) == sorted(other)
