"""A fetch: from lists of films to posters, and on to a catalog. What `keyart fetch` calls."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from keyart.errors import FetchError, nearest
from keyart.files import StrPath
from keyart.genres import DEFAULT_VOCABULARY, Vocabulary
from keyart.parallel import Progress
from keyart.sources.addresses import Resolve, parse_networks, resolve
from keyart.sources.follow import Followed, follow
from keyart.sources.lists import SOURCES, Choice
from keyart.sources.manifest import STATUSES, Manifest, alone
from keyart.sources.pace import Limits
from keyart.sources.places import AtTmdb, Column, Mirror, Place, Template
from keyart.sources.plan import Planned, plan
from keyart.sources.run import Run, Tally, expire
from keyart.sources.terms import TERMS
from keyart.sources.tmdb import Tmdb, read_key
from keyart.stores.paths import on_this_machine
from keyart.stores.paths import place as named_place

DAY = 86_400


@dataclass(frozen=True)
class Status:
    """How far a fetch is.

    posters: films by status. reasons: why films have no poster, the most frequent first. here:
    posters that have arrived and are kept. gone: films that no list has any more. requests: so far.
    expiring: posters that must go within 30 days. facts: of the plan.
    """

    path: Path
    films: int
    posters: Mapping[str, int]
    reasons: Mapping[str, int]
    here: int
    gone: int
    requests: int
    expiring: int
    first_expiry: datetime | None
    place: str
    terms: Sequence[str]
    facts: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "films": self.films,
            "posters": dict(self.posters),
            "reasons": dict(self.reasons),
            "here": self.here,
            "gone": self.gone,
            "requests": self.requests,
            "expiring": self.expiring,
            "first_expiry": self.first_expiry.isoformat() if self.first_expiry else None,
            "place": self.place,
            "terms": list(self.terms),
            "plan": dict(self.facts),
        }


class Fetch:
    """A folder into which posters are fetched: its manifest, and what has arrived."""

    def __init__(self, path: Path, planned: Planned | None = None) -> None:
        self.path = path
        self.planned = planned

    @classmethod
    def open(cls, path: StrPath) -> Self:
        """Open a folder that `plan` made. Raises FetchError."""
        return cls(Manifest(Path(path)).folder)

    @classmethod
    def plan(
        cls,
        tables: Sequence[StrPath],
        out: StrPath,
        *,
        url_column: str | None = None,
        url_template: str | None = None,
        mirror: StrPath | None = None,
        tmdb: bool = False,
        size: str = "w342",
        vocabulary: Vocabulary | StrPath | None = None,
        types: Sequence[str] = ("movie",),
        years: tuple[int | None, int | None] = (None, None),
        min_votes: int = 0,
        only: str | None = None,
        prefer: str | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> Self:
        """Plan which posters to fetch. Uses no network.

        tables: IMDb's title.basics and title.ratings, MovieLens's movies and links, TMDb's daily
        export of ids, tables of your own; also gzipped. Their films are united by id. out: the
        folder; if it has a manifest, that is brought up to date: films that no list has any more
        stay, and are counted.

        Where the posters are, one of: url_column, a column of addresses in your table;
        url_template, an address with {film_id}, {imdb_id}, {imdb_number} or {tmdb_id}; mirror, a
        folder; tmdb, in this `size`.

        vocabulary: as in `Catalog.build`. types: of IMDb's titles; adult ones never count. years:
        first and last. min_votes: at IMDb. only: the source whose films count ('imdb',
        'movielens', 'tmdb', 'table'); the others add genres to them. prefer: the source whose
        genres decide where it has any; None means the union. columns: names of your table's
        columns.

        Raises FetchError, TableError and VocabularyError.
        """
        folder = on_this_machine(out)
        given = [url_column is not None, url_template is not None, mirror is not None, tmdb]
        if sum(given) != 1:
            raise FetchError(
                f"{sum(given)} places of posters were given; give one of --url-column, "
                "--url-template, --mirror and --tmdb"
            )
        for source in filter(None, (only, prefer)):
            if source not in SOURCES:
                raise FetchError(
                    f"no source {source!r}{nearest(source, SOURCES)}; they are {', '.join(SOURCES)}"
                )
        place: Place = Column()
        if url_template is not None:
            place = Template(url_template)
        elif mirror is not None:
            place = Mirror(named_place(mirror))
        elif tmdb:
            place = AtTmdb(size)
        if vocabulary is None:
            vocabulary = DEFAULT_VOCABULARY
        elif not isinstance(vocabulary, Vocabulary):
            vocabulary = Vocabulary.read(Path(vocabulary))
        named = dict(columns or {})
        if url_column is not None:
            named["poster"] = url_column
        planned = plan(
            [Path(table) for table in tables],
            folder,
            place,
            vocabulary=vocabulary,
            choice=Choice(frozenset(types), years, min_votes),
            only=only,
            prefer=prefer,
            columns=named,
        )
        return cls(folder, planned)

    def run(
        self,
        *,
        refresh: bool = False,
        limits: Limits | None = None,
        allow_networks: Sequence[str] = (),
        key_file: StrPath | None = None,
        tmdb: Tmdb | None = None,
        resolver: Resolve = resolve,
        progress: Progress | None = None,
    ) -> Tally:
        """Fetch what is due; continues where an earlier run ended, even after a kill.

        Posters that may not be kept any longer are removed first. refresh: ask again for posters
        that are here, which costs little if they have not changed. limits: how much to ask for.
        allow_networks: private networks to fetch from, such as 10.0.0.0/8; redirects never
        lead to one. key_file: of TMDb's key, which is otherwise in TMDB_API_KEY. tmdb, resolver:
        other servers, for tests.

        Raises FetchError if it cannot start or continue.
        """
        limits = limits or Limits()
        if not (limits.rate > 0 and limits.connections >= 1 and limits.tries >= 1):
            raise FetchError("rate, connections and tries must be above 0")
        networks = parse_networks(allow_networks)
        manifest = Manifest(self.path)
        key = read_key(Path(key_file) if key_file else None) if self._asks_tmdb(manifest) else None
        with alone(self.path):
            manifest = Manifest(self.path)  # nobody else changes it now
            manifest.settle()
            expire(manifest, now=time.time())
            run = Run(
                manifest,
                limits,
                tmdb=tmdb or Tmdb(),
                key=key,
                networks=networks,
                resolver=resolver,
                refresh=refresh,
                progress=progress,
            )
            return run.carry_out()

    def follow(self, catalog: StrPath, *, progress: Progress | None = None) -> Followed:
        """Make a catalog of the films whose posters are here, or add those that it lacks.

        progress: called with (posters examined, posters). Raises FetchError, and CatalogError as
        `Catalog.build` and `Catalog.grow` do.
        """
        return follow(self.path, catalog, progress)

    def expire(self) -> int:
        """Remove the posters that may not be kept any longer. Returns how many there were."""
        with alone(self.path):
            manifest = Manifest(self.path)
            manifest.settle()
            return expire(manifest, now=time.time())

    @property
    def needs_notice(self) -> bool:
        """Whether the posters come from a source with terms to be read before each run."""
        return self._asks_tmdb(Manifest(self.path))

    @staticmethod
    def _asks_tmdb(manifest: Manifest) -> bool:
        return manifest.settings.place.partition(" ")[0] == "tmdb"

    def status(self) -> Status:
        """How far the fetch is, also while a run goes on."""
        manifest = Manifest(self.path)
        posters, reasons, terms = Counter[str](), Counter[str](), Counter[str]()
        here = gone = requests = expiring = 0
        first: datetime | None = None
        soon = time.time() + 30 * DAY
        names = ("status", "reason", "poster", "listed", "attempts", "expires_at", "terms")
        for _, row in manifest.rows(names):
            posters[row["status"]] += 1
            here += row["poster"] is not None
            gone += not row["listed"]
            requests += row["attempts"]
            terms.update(row["terms"])
            if row["reason"] and row["status"] != "fetched":
                reasons[row["reason"]] += 1
            if row["poster"] and row["expires_at"]:
                expiring += row["expires_at"].timestamp() <= soon
                first = min(first or row["expires_at"], row["expires_at"])
        return Status(
            self.path,
            len(manifest),
            {status: posters[status] for status in STATUSES},
            dict(reasons.most_common(20)),
            here,
            gone,
            requests,
            expiring,
            first,
            manifest.settings.place,
            [name for name in TERMS if terms[name]],
            manifest.settings.facts,
        )
