"""What would be fetched: lists of films to a manifest, without the network."""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from keyart.catalog.films_table import Columns
from keyart.catalog.terms import SourceTerms, write_terms
from keyart.errors import FetchError, listed
from keyart.genres import Vocabulary
from keyart.parallel import batches
from keyart.sources.lists import (
    SOURCES,
    Choice,
    Reading,
    kind_of_table,
    read_imdb,
    read_links,
    read_movielens,
    read_own,
    read_tmdb,
    read_votes,
)
from keyart.sources.manifest import (
    BATCH,
    MANIFEST,
    POSTERS,
    SCHEMA,
    Manifest,
    Row,
    Settings,
    alone,
    write_manifest,
)
from keyart.sources.places import Place
from keyart.sources.terms import TERMS
from keyart.sources.unite import Agreement, Films, United, unite_genres

# What stays of a film that was planned before.
_OF_POSTER = ("poster", "sha256", "fetched_at", "expires_at")
_SHOWN = 3  # films that are gone
_KEPT = ("url", "status", "reason", "attempts", "etag", "retry_at")


@dataclass(frozen=True)
class Planned:
    """What a plan says, for people and programs.

    films: in the manifest. new, gone: films that an earlier manifest did not have, and those that
    no list has any more; gone ones are kept. first_gone: some of them.
    """

    films: int
    new: int
    gone: int
    first_gone: Sequence[str]
    facts: dict[str, Any]
    notes: Sequence[str]


def read_sources(
    tables: Sequence[Path],
    vocabulary: Vocabulary,
    *,
    choice: Choice,
    only: str | None,
    columns: Columns,
    reading: Reading,
) -> Films:
    """The films of all tables, united. only: the source whose films are planned; None means all.

    Raises TableError and FetchError.
    """
    kinds = [(kind_of_table(path), path) for path in tables]
    names = {kind for kind, _ in kinds}
    films_of = sorted(names & set(SOURCES))
    if "links" in names and "movielens" not in names:
        raise FetchError("links.csv needs MovieLens's movies.csv; give that table too")
    if not films_of:
        raise FetchError(f"{listed([str(path) for path in tables])}: no list of films among them")
    if only is not None and only not in films_of:
        raise FetchError(f"no table of {only} was given; there are films of {listed(films_of)}")
    if choice.votes and "votes" not in names:
        raise FetchError("votes are in title.ratings.tsv.gz; give that table too")
    links: dict[str, tuple[str, str]] = {}
    voted: frozenset[int] | None = None
    for kind, path in kinds:
        if kind == "links":
            links |= read_links(path, reading)
        elif kind == "votes" and choice.votes:
            voted = (voted or frozenset()) | read_votes(path, choice.votes, reading)
    films = Films(links.values())
    # Own tables first: their ids are the user's. IMDb's and TMDb's lists, the longest, last.
    order = ["table", "movielens", "imdb", "tmdb"]
    if only is not None:
        order.sort(key=lambda source: source != only)
    for source in order:
        for path in (path for kind, path in kinds if kind == source):
            if source == "table":
                found = read_own(path, vocabulary, columns, reading)
            elif source == "movielens":
                found = read_movielens(path, links, vocabulary, reading)
            elif source == "imdb":
                found = read_imdb(path, choice, voted, reading)
            else:
                found = read_tmdb(path, reading)
            for film in found:
                reading.films += 1
                films.add(film, only_known=only is not None and source != only)
    return films


def plan(
    tables: Sequence[Path],
    out: Path,
    place: Place,
    *,
    vocabulary: Vocabulary,
    choice: Choice,
    only: str | None,
    prefer: str | None,
    columns: Columns,
) -> Planned:
    """Write the manifest of a folder, or bring the one that is there up to date."""
    reading = Reading()
    films = read_sources(
        tables, vocabulary, choice=choice, only=only, columns=columns, reading=reading
    )
    if not any(choice.has_year(film.year) for film in films):
        counted = "; ".join(f"{what} ({count:,})" for what, count in reading.problems.items())
        raise FetchError("; ".join(filter(None, ["no film in these lists can be used", counted])))
    later = place.source  # TMDb names genres when it is asked
    if prefer not in (None, later) and not any(
        prefer in film.genres for film in films if choice.has_year(film.year)
    ):
        raise FetchError(f"no film has genres of {prefer}; prefer another source")
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        (out / POSTERS).mkdir(exist_ok=True)
        old: Iterable[Row] = ()
        if (out / MANIFEST).exists():
            before = Manifest(out)
            before.fold()
            old = (row for _, row in before.rows())
        for journal in out.glob("journal-*.ndjson"):
            journal.unlink()  # of a manifest that was removed
        merge = _Merge(place, vocabulary, prefer)
        facts = _facts(tables, prefer, reading)
        settings = Settings(uuid.uuid4().hex[:12], place.name, prefer, vocabulary, facts)
        rows = merge.rows(old, films, choice, facts)
        parts = (pa.Table.from_pylist(part, SCHEMA) for part in batches(rows, BATCH))
        _write_terms(out, {place.source})  # before anything can be fetched
        write_manifest(out / MANIFEST, parts, settings)
        _write_terms(out, merge.sources)
    return Planned(
        merge.films, merge.new, merge.gone, merge.first_gone, facts, tuple(reading.notes)
    )


def _write_terms(out: Path, sources: set[str]) -> None:
    """Put the terms of these sources next to the posters."""
    known = [TERMS[name] for name in TERMS if name in sources]
    terms = [SourceTerms(one.name, one.attribution, one.agreement) for one in known]
    if terms:
        write_terms(out / POSTERS, terms)


class _Merge:
    """The rows of a new manifest: the old ones in their order, brought up to date, and new ones.

    Old films that no list has any more stay, as not listed.
    """

    def __init__(self, place: Place, vocabulary: Vocabulary, prefer: str | None) -> None:
        self._place, self._vocabulary, self._prefer = place, vocabulary, prefer
        self._problems, self._agreement = Counter[str](), Agreement()
        self.films = self.new = self.gone = self.with_genres = 0
        self.first_gone: list[str] = []
        self.sources: set[str] = set()  # whose terms apply

    def rows(
        self, old: Iterable[Row], films: Films, choice: Choice, facts: dict[str, Any]
    ) -> Iterator[Row]:
        """The rows, one after another. facts: is filled with what they showed, at the end."""
        for row in old:
            self.films += 1
            film = films.take(row["film_id"])
            if film is not None and choice.has_year(film.year):
                yield self._row(film, row)
            else:
                self.gone += 1
                if len(self.first_gone) < _SHOWN:
                    self.first_gone.append(row["film_id"])
                yield {**row, "listed": False}
        for film in films:
            if choice.has_year(film.year):
                self.films += 1
                self.new += 1
                yield self._row(film, None)
        facts |= {
            "films": self.films,
            "with_genres": self.with_genres,
            "without_place": dict(self._problems.most_common(100)),
            **self._agreement.to_json(),
        }

    def _row(self, film: United, old: Row | None) -> Row:
        place = self._place
        spot = place.find(film)
        named = {source: list(names) for source, names in film.genres.items()}
        if old and "tmdb" not in named and old["genres_tmdb"] and place.source == "tmdb":
            named["tmdb"] = old["genres_tmdb"]
        self._agreement.add(named, self._vocabulary)
        genres = unite_genres(named, self._vocabulary, self._prefer)
        self.with_genres += bool(genres)
        terms = [one for one in TERMS if one in named or one == place.source]
        self.sources.update(terms)
        row: Row = {
            "film_id": film.film_id,
            "title": film.title,
            "year": film.year,
            "genres": list(genres),
            "status": "planned",
            "attempts": 0,
            "url": spot.url if spot.url and not spot.problem else None,
            "imdb_id": film.imdb_id or None,
            "tmdb_id": film.tmdb_id or (old or {}).get("tmdb_id"),
            "source": place.source,
            "terms": terms,
            "listed": True,
            **{f"genres_{source}": named.get(source) for source in SOURCES},
        }
        if old and old["poster"]:  # it stays until another one has arrived
            row |= {name: old[name] for name in _OF_POSTER}
        if spot.problem:
            self._problems[spot.problem] += 1
            row |= {"status": "refused", "reason": spot.problem}
        elif old and old["source"] == place.source and (not spot.url or spot.url == old["url"]):
            row |= {name: old[name] for name in _KEPT}
        return row


def _facts(tables: Sequence[Path], prefer: str | None, reading: Reading) -> dict[str, Any]:
    rule = "the union of all sources"
    if prefer is not None:
        rule = f"the genres of {prefer} if it has any, otherwise {rule}"
    return {
        "planned_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tables": [path.name for path in tables],
        "entries": reading.films,
        "problems": dict(Counter(reading.problems).most_common(100)),
        "rule": rule,
    }
