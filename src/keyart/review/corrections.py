"""Corrections: the genres that people say a poster has, kept so that a model can learn from them.

They are kept in SQLite or PostgreSQL, together with the posters. Nothing is ever changed or
removed: the newest correction of a poster counts, the earlier ones are its history.
"""

import csv
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from keyart.errors import AlreadyCorrectedError, CorrectionsError
from keyart.files import new_folder
from keyart.images.kind import kind_of

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog

DEFAULT_URL = "sqlite:///keyart-corrections.sqlite"
_LONGEST = 300  # characters of a name or an author

_metadata = MetaData()
_posters = Table(
    "posters",
    _metadata,
    Column("sha256", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
_corrections = Table(
    "corrections",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("poster_sha256", ForeignKey("posters.sha256"), nullable=False, index=True),
    Column("title", String(_LONGEST), nullable=False),
    Column("model", String(64), nullable=False),
    Column("scores", JSON, nullable=False),
    Column("old_genres", JSON, nullable=False),
    Column("new_genres", JSON, nullable=False),
    Column("author", String(_LONGEST), nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Correction:
    """One person's correction of one poster.

    title: of the film, or the poster's file name. model: fingerprint of the bundle that gave the
    scores and old_genres that the person saw. time: aware, UTC.
    """

    poster_sha256: str
    title: str
    model: str
    scores: Mapping[str, float]
    old_genres: tuple[str, ...]
    new_genres: tuple[str, ...]
    author: str = "anonymous"
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


class Corrections:
    """The store of corrections. Many threads and processes may use it at once."""

    def __init__(self, url: str = DEFAULT_URL) -> None:
        """Open the store at an SQLAlchemy URL, and make its tables if there are none.

        Raises CorrectionsError if it is not a URL of SQLite or PostgreSQL, or cannot be reached.
        """
        self._url = _driver_url(url)
        self.name = self._url.render_as_string(hide_password=True)
        try:
            self._engine = create_engine(self._url, pool_pre_ping=True)
        except ImportError as error:
            raise CorrectionsError(
                f"{self.name}: PostgreSQL needs a driver: pip install 'keyart[postgresql]'"
            ) from error
        if self._url.get_backend_name() == "sqlite":
            event.listen(self._engine, "connect", _prepare_sqlite)
        with self._errors():
            _create_tables(self._engine)

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    def add(
        self, correction: Correction, poster: bytes, *, replace: bool = False
    ) -> tuple[Correction, bool]:
        """Keep a correction and its poster's file. Returns what counts now, and whether it is new.

        It is not new if the poster has the same genres already. Raises AlreadyCorrectedError if the
        poster has other genres and `replace` is false, CorrectionsError if it cannot be kept.
        """
        if not correction.new_genres:
            raise CorrectionsError("a correction needs at least one genre")
        if hashlib.sha256(poster).hexdigest() != correction.poster_sha256:
            raise CorrectionsError("the correction is for another poster than the given one")
        correction = replace_fields(
            correction,
            title=_clean(correction.title),
            author=_clean(correction.author) or "anonymous",
        )
        dialect = postgresql if self._url.get_backend_name() == "postgresql" else sqlite
        with self._errors(), self._engine.begin() as connection:
            # The poster's row is the lock: a second correction waits here until the first is kept.
            values = {"sha256": correction.poster_sha256, "content": poster}
            connection.execute(dialect.insert(_posters).values(values).on_conflict_do_nothing())
            known = _latest(connection, correction.poster_sha256)
            if known and known.new_genres == correction.new_genres:
                return known, False
            if known and not replace:
                raise AlreadyCorrectedError(
                    f"{known.author} already corrected this poster to "
                    f"{', '.join(known.new_genres)}; replace it to change that"
                )
            connection.execute(_corrections.insert().values(_to_row(correction)))
        return correction, True

    def latest(self, poster_sha256: str) -> Correction | None:
        """The correction that counts for a poster, None if there is none."""
        with self._errors(), self._engine.connect() as connection:
            return _latest(connection, poster_sha256)

    def all(self) -> Iterator[Correction]:
        """Every correction ever made, oldest first."""
        query = select(_corrections).order_by(_corrections.c.id)
        with self._errors(), self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=500).execute(query):
                yield _from_row(row)

    def standing(self) -> Iterator[tuple[Correction, bytes]]:
        """The corrections that count, one for each poster, with the posters' files."""
        newest = select(func.max(_corrections.c.id)).group_by(_corrections.c.poster_sha256)
        query = (
            select(_corrections, _posters.c.content)
            .join(_posters, _posters.c.sha256 == _corrections.c.poster_sha256)
            .where(_corrections.c.id.in_(newest))
            .order_by(_corrections.c.id)
        )
        with self._errors(), self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=50).execute(query):
                yield _from_row(row), row.content

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise CorrectionsError(f"{self.name}: {reason}") from error


@dataclass(frozen=True, slots=True)
class Exported:
    """How many films an export wrote. known: those that are in the given catalog."""

    films: int
    known: int


def export_corrections(
    url: str, out: str | os.PathLike[str], *, catalog: "Catalog | None" = None
) -> Exported:
    """Write the corrections that count as a films table and posters, to add to a catalog.

    url: of the store. out: a new folder, with films.csv (film_id, title, genres, poster) and
    posters/. catalog: a poster that is in it keeps its film id, so that `keyart catalog build
    --grow` recognises it; other posters get an id made from their bytes. Raises CorrectionsError.
    """
    out = Path(out)
    if out.exists():
        raise CorrectionsError(f"{out}: already exists; name another folder or remove it")
    known: dict[str, tuple[str, str]] = {}
    if catalog:
        columns = catalog.columns(["poster_sha256", "film_id", "title"]).to_pylist()
        known = {row["poster_sha256"]: (row["film_id"], row["title"]) for row in columns}
    store = Corrections(url)
    films = matched = 0
    try:
        with new_folder(out) as partial:
            (partial / "posters").mkdir()
            with (partial / "films.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["film_id", "title", "genres", "poster"])
                for correction, poster in store.standing():
                    sha256 = correction.poster_sha256
                    film_id = f"corrected-{sha256[:16]}"
                    title = correction.title
                    if sha256 in known:
                        film_id, title = known[sha256]
                        matched += 1
                    name = f"{sha256}.{(kind_of(poster) or 'jpeg').lower()}"
                    (partial / "posters" / name).write_bytes(poster)
                    writer.writerow([film_id, title, "|".join(correction.new_genres), name])
                    films += 1
    finally:
        store.close()
    return Exported(films, matched)


def _driver_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise CorrectionsError(
            f"{url!r}: not a database's URL; write sqlite:///FILE or postgresql://HOST/NAME"
        ) from error
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise CorrectionsError(f"{parsed.drivername}: corrections are kept in SQLite or PostgreSQL")
    return parsed


def _prepare_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    # Readers do not wait for writers; writers wait for each other.
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _create_tables(engine: Engine) -> None:
    try:
        _metadata.create_all(engine)
    except SQLAlchemyError:
        # Another process may have made them after the check: check again.
        _metadata.create_all(engine)


def _latest(connection: Connection, poster_sha256: str) -> Correction | None:
    query = (
        select(_corrections)
        .where(_corrections.c.poster_sha256 == poster_sha256)
        .order_by(_corrections.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return _from_row(row) if row else None


def _to_row(correction: Correction) -> dict[str, Any]:
    return {
        "poster_sha256": correction.poster_sha256,
        "title": correction.title,
        "model": correction.model,
        "scores": dict(correction.scores),
        "old_genres": list(correction.old_genres),
        "new_genres": list(correction.new_genres),
        "author": correction.author,
        "time": correction.time,
    }


def _from_row(row: Row[Any]) -> Correction:
    time: datetime = row.time
    return Correction(
        row.poster_sha256,
        row.title,
        row.model,
        row.scores,
        tuple(row.old_genres),
        tuple(row.new_genres),
        row.author,
        # SQLite does not store the time zone; all times are in UTC.
        time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC),
    )


def _clean(text: str) -> str:
    """Text that every database accepts: no control characters, no surrogates, not too long."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(letter for letter in whole if letter.isprintable()).strip()[:_LONGEST]
