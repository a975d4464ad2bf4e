"""One film of several sources: united by id, its genres on the vocabulary, disagreement counted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyart.genres import Vocabulary
from keyart.sources.lists import SOURCES, Listed

# Whose title and year a film takes, if several sources have them.
_TITLES = ("table", "imdb", "movielens", "tmdb")


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
    genres: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Films:
    """The films of all sources by id: IMDb's if it is known, otherwise the source's own.

    Ids of TMDb and MovieLens are plain numbers, which could be each other's: they become tmdb-949
    and movielens-6. links: pairs of ids of IMDb and TMDb that belong together.
    """

    def __init__(self, links: Iterable[tuple[str, str]] = ()) -> None:
        self._by_id: dict[str, United] = {}
        self._of_tmdb = {tmdb: imdb for imdb, tmdb in links if imdb and tmdb}

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> list[United]:
        """The films, in the order in which they were found."""
        return list(self._by_id.values())

    def add(self, listed: Listed, *, only_known: bool = False) -> None:
        """Add what a source says. only_known: a film that no other source has is left out."""
        imdb = listed.imdb_id or self._of_tmdb.get(listed.tmdb_id, "")
        film_id = imdb or _own(listed)
        film = self._by_id.get(film_id)
        if film is None:
            if only_known:
                return
            film = self._by_id[film_id] = United(film_id, imdb)
        if listed.tmdb_id and not film.tmdb_id:
            film.tmdb_id = listed.tmdb_id
            self._of_tmdb.setdefault(listed.tmdb_id, film_id)
        film.place = film.place or listed.place
        if listed.genres:
            before = film.genres.get(listed.source, ())
            film.genres[listed.source] = tuple(dict.fromkeys((*before, *listed.genres)))
        better = not film.titled_by or (
            _TITLES.index(listed.source) < _TITLES.index(film.titled_by)
        )
        if listed.title and (better or not film.title):
            film.title, film.titled_by = listed.title, listed.source
        if listed.year and (better or film.year is None):
            film.year = listed.year


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
