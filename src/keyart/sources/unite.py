"""One film of several sources: united by id, its genres on the vocabulary, disagreement counted."""

import json
import sqlite3
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from keyart.genres import Vocabulary
from keyart.sources.lists import SOURCES, Listed

# Whose title and year a film takes, if several sources have them.
_TITLES = ("table", "imdb", "movielens", "tmdb")

_TABLES = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -16000;  -- kB
    CREATE TABLE films (
        number INTEGER PRIMARY KEY, film_id TEXT UNIQUE, film TEXT, taken INTEGER DEFAULT 0
    );
    CREATE TABLE tmdb (tmdb_id TEXT PRIMARY KEY, film_id TEXT) WITHOUT ROWID;
"""


@dataclass(slots=True)
class United:
    """One film, and what each source says about it. genres: names as found, by source."""

    film_id: str
    imdb_id: str = ""
    tmdb_id: str = ""
    title: str = ""
    year: int | None = None
    titled_by: str = ""
    place: str = ""
    genres: dict[str, Sequence[str]] = field(default_factory=dict)

    def add(self, listed: Listed) -> None:
        """Add what a source says, apart from ids."""
        self.place = self.place or listed.place
        if listed.genres:
            before = self.genres.get(listed.source, ())
            self.genres[listed.source] = tuple(dict.fromkeys((*before, *listed.genres)))
        better = not self.titled_by or (
            _TITLES.index(listed.source) < _TITLES.index(self.titled_by)
        )
        if listed.title and (better or not self.title):
            self.title, self.titled_by = listed.title, listed.source
        if listed.year and (better or self.year is None):
            self.year = listed.year

    def to_json(self) -> str:
        """Its values, in their order."""
        return json.dumps([getattr(self, one.name) for one in fields(self)])


class Films:
    """The films of all sources by id: IMDb's if it is known, otherwise the source's own.

    Ids of TMDb and MovieLens are plain numbers, which could be each other's: they become tmdb-949
    and movielens-6. links: pairs of ids of IMDb and TMDb that belong together.

    IMDb lists a million films, so they are in a database, which is in memory only in part and is
    gone with this object.
    """

    def __init__(self, links: Iterable[tuple[str, str]] = ()) -> None:
        self._films = sqlite3.connect("", isolation_level=None)  # "": a temporary file
        weakref.finalize(self, self._films.close)
        self._films.executescript(_TABLES)
        for imdb, tmdb in links:
            if imdb and tmdb:
                self._films.execute("REPLACE INTO tmdb VALUES (?, ?)", (tmdb, imdb))

    def __iter__(self) -> Iterator[United]:
        """The films that were not taken, in the order in which they were found."""
        found = self._films.execute("SELECT film FROM films WHERE NOT taken ORDER BY number")
        return (United(*json.loads(film)) for (film,) in found)

    def take(self, film_id: str) -> United | None:
        """A film, once."""
        film = self._find(film_id)
        self._films.execute("UPDATE films SET taken = 1 WHERE film_id = ?", (film_id,))
        return film

    def _find(self, film_id: str) -> United | None:
        select = "SELECT film FROM films WHERE film_id = ? AND NOT taken"
        found = self._films.execute(select, (film_id,)).fetchone()
        return United(*json.loads(found[0])) if found else None

    def _of_tmdb(self, tmdb_id: str) -> str:
        select = "SELECT film_id FROM tmdb WHERE tmdb_id = ?"
        found = self._films.execute(select, (tmdb_id,)).fetchone() if tmdb_id else None
        return str(found[0]) if found else ""

    def add(self, listed: Listed, *, only_known: bool = False) -> None:
        """Add what a source says. only_known: a film that no other source has is left out."""
        imdb = listed.imdb_id or self._of_tmdb(listed.tmdb_id)
        film_id = imdb or _own(listed)
        before = self._find(film_id)
        if before is None and only_known:
            return
        film = before or United(film_id, imdb)
        if listed.tmdb_id and not film.tmdb_id:
            film.tmdb_id = listed.tmdb_id
            self._films.execute(
                "INSERT OR IGNORE INTO tmdb VALUES (?, ?)", (listed.tmdb_id, film_id)
            )
        film.add(listed)
        if before is None:
            insert = "INSERT INTO films (film, film_id) VALUES (?, ?)"
        else:
            insert = "UPDATE films SET film = ? WHERE film_id = ?"
        self._films.execute(insert, (film.to_json(), film_id))


def _own(listed: Listed) -> str:
    if listed.source == "table":
        return listed.own_id
    return f"tmdb-{listed.tmdb_id}" if listed.tmdb_id else f"{listed.source}-{listed.own_id}"


def unite_genres(
    named: Mapping[str, Sequence[str]], vocabulary: Vocabulary, prefer: str | None
) -> tuple[str, ...]:
    """A film's genres of the vocabulary, in its order: the union over all sources.

    named: names as found, by source. prefer: the source that decides alone if it has any.
    """
    by_source = {source: _resolved(names, vocabulary) for source, names in named.items()}
    if prefer is not None and by_source.get(prefer):
        return by_source[prefer]
    found = {genre for genres in by_source.values() for genre in genres}
    return tuple(genre for genre in vocabulary.names if genre in found)


def _resolved(names: Iterable[str], vocabulary: Vocabulary) -> tuple[str, ...]:
    found = {genre for name in names for genre in vocabulary.resolve(name)}
    return tuple(genre for genre in vocabulary.names if genre in found)


@dataclass
class Agreement:
    """How sources agree. pairs: films, those that differ and the sum of Jaccard indexes."""

    several: int = 0
    differ: int = 0
    pairs: dict[str, list[float]] = field(default_factory=dict)
    unmapped: Counter[str] = field(default_factory=Counter)

    def add(self, named: Mapping[str, Sequence[str]], vocabulary: Vocabulary) -> None:
        """Count one film. A source without a genre of the vocabulary says nothing."""
        for names in named.values():
            self.unmapped.update(name for name in names if not vocabulary.resolve(name))
        sets = {one: set(_resolved(named[one], vocabulary)) for one in SOURCES if one in named}
        sets = {source: genres for source, genres in sets.items() if genres}
        self.several += len(sets) > 1
        self.differ += len({frozenset(genres) for genres in sets.values()}) > 1
        sources = list(sets)
        for number, one in enumerate(sources):
            for other in sources[number + 1 :]:
                count = self.pairs.setdefault(f"{one} and {other}", [0, 0, 0.0])
                count[0] += 1
                count[1] += sets[one] != sets[other]
                count[2] += len(sets[one] & sets[other]) / len(sets[one] | sets[other])

    def to_json(self) -> dict[str, Any]:
        """The counts, with the mean Jaccard index of each pair of sources."""
        pairs = {
            pair: {"films": int(films), "differ": int(differ), "jaccard": round(total / films, 4)}
            for pair, (films, differ, total) in self.pairs.items()
        }
        return {
            "genres_of_several": self.several,
            "genres_differ": self.differ,
            "pairs": pairs,
            "unmapped": dict(self.unmapped.most_common(100)),
        }
