"""Corrections: the genres that people say a poster has, kept so that a model can learn from them.

They are kept in SQLite or PostgreSQL, together with the posters. Nothing is ever changed or
removed: the newest correction of a poster counts, the earlier ones are its history. What strangers
may add is bounded, a picture is kept once, whatever bytes its file has around it, and a database
that no longer answers is not waited for.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Select,
    String,
    Table,
    func,
    select,
)

from keyart.errors import AlreadyCorrectedError, CorrectionsError, CorrectionsFullError
from keyart.images.decode import decoding
from keyart.review.database import LONGEST, Database, clean, utc

DEFAULT_URL = "sqlite:///keyart-corrections.sqlite"
_ENOUGH = (512, 512)  # pixels; the same picture is the same at any scale, and large ones cost less

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
    Column("title", String(LONGEST), nullable=False),
    Column("model", String(64), nullable=False),
    Column("scores", JSON, nullable=False),
    Column("old_genres", JSON, nullable=False),
    Column("new_genres", JSON, nullable=False),
    Column("author", String(LONGEST), nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
)
# A picture, and the poster that was kept for it first.
_pictures = Table(
    "pictures",
    _metadata,
    Column("pixels_sha256", String(64), primary_key=True),
    Column("poster_sha256", String(64), nullable=False),
)
# What was added on each day, in UTC.
_days = Table(
    "days",
    _metadata,
    Column("day", String(10), primary_key=True),
    Column("corrections", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
_BEFORE = "before"  # the day of what was kept before days were counted
_ROW = 2_000  # bytes of a correction without its poster, about


@dataclass(frozen=True, slots=True)
class Quota:
    """What a store takes, so that nobody fills the disk. bytes, corrections: of a day; total: bytes
    of all days.
    """

    bytes: int = 1_000_000_000
    corrections: int = 20_000
    total: int = 20_000_000_000


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

    def __init__(self, url: str = DEFAULT_URL, *, quota: Quota | None = None) -> None:
        """Open the store at an SQLAlchemy URL, and make its tables if there are none.

        Raises CorrectionsError if it is not a URL of SQLite or PostgreSQL, or cannot be reached.
        """
        self._database = Database(url)
        self.name = self._database.name
        self._quota = quota or Quota()
        try:
            self._create_tables()
        except CorrectionsError:
            # Another process may have made them after the check: check again.
            self._create_tables()

    def close(self) -> None:
        """Close the connections to the database."""
        self._database.close()

    def add(
        self,
        correction: Correction,
        poster: bytes,
        *,
        pixels: str | None = None,
        replace: bool = False,
    ) -> tuple[Correction, bool]:
        """Keep a correction and its poster's file. Returns what counts now, and whether it is new.

        pixels: what pixels_sha256() says of the poster, if it is known. A picture that is kept
        already, in a file with other bytes, is corrected under its first file's sha256.
        It is not new if the poster has the same genres already. Raises AlreadyCorrectedError if the
        poster has other genres and `replace` is false, CorrectionsFullError beyond the quota,
        CorrectionsError if it cannot be kept, and PosterError for a poster that cannot be read.
        """
        if not correction.new_genres:
            raise CorrectionsError("a correction needs at least one genre")
        if hashlib.sha256(poster).hexdigest() != correction.poster_sha256:
            raise CorrectionsError("the correction is for another poster than the given one")
        pixels = pixels or pixels_sha256(poster)
        correction = replace_fields(
            correction,
            title=clean(correction.title),
            author=clean(correction.author) or "anonymous",
        )
        with self._database.transaction() as connection:
            # The picture's row is the lock: a second correction waits until the first is kept.
            values = {"pixels_sha256": pixels, "poster_sha256": correction.poster_sha256}
            same = {"poster_sha256": _pictures.c.poster_sha256}
            connection.execute(
                self._database.insert(_pictures)
                .values(values)
                .on_conflict_do_update(index_elements=["pixels_sha256"], set_=same)
            )
            correction = replace_fields(
                correction, poster_sha256=_kept_as(connection, correction.poster_sha256, pixels)
            )
            known = _latest(connection, correction.poster_sha256)
            if known and known.new_genres == correction.new_genres:
                return known, False
            if known and not replace:
                raise AlreadyCorrectedError(
                    f"{known.author} already corrected this poster to "
                    f"{', '.join(known.new_genres)}; replace it to change that"
                )
            size = _ROW
            if known is None:
                insert = (
                    self._database.insert(_posters)
                    .values(sha256=correction.poster_sha256, content=poster)
                    .on_conflict_do_nothing()
                    .returning(_posters.c.sha256)
                )
                if connection.execute(insert).first():
                    size += len(poster)
            connection.execute(_corrections.insert().values(_to_row(correction)))
            self._count(connection, size)
        return correction, True

    def latest(self, poster_sha256: str) -> Correction | None:
        """The correction that counts for a poster, None if there is none."""
        with self._database.transaction() as connection:
            return _latest(connection, poster_sha256)

    def all(self) -> Iterator[Correction]:
        """Every correction ever made, oldest first."""
        for row in self._database.rows(select(_corrections).order_by(_corrections.c.id), 500):
            yield _from_row(row)

    def current(self) -> Iterator[Correction]:
        """The corrections that count, one for each poster, oldest first."""
        query = select(_corrections).where(_corrections.c.id.in_(_newest()))
        for row in self._database.rows(query.order_by(_corrections.c.id), 500):
            yield _from_row(row)

    def standing(self) -> Iterator[tuple[Correction, bytes]]:
        """The corrections that count, one for each poster, with the posters' files."""
        query = (
            select(_corrections, _posters.c.content)
            .join(_posters, _posters.c.sha256 == _corrections.c.poster_sha256)
            .where(_corrections.c.id.in_(_newest()))
            .order_by(_corrections.c.id)
        )
        for row in self._database.rows(query, 50):
            yield _from_row(row), row.content

    def _count(self, connection: Connection, size: int) -> None:
        """Count a correction of `size` bytes to this day. Raises CorrectionsFullError."""
        day = datetime.now(UTC).date().isoformat()
        insert = self._database.insert(_days).values(day=day, corrections=1, bytes=size)
        more = {"corrections": _days.c.corrections + 1, "bytes": _days.c.bytes + size}
        connection.execute(insert.on_conflict_do_update(index_elements=["day"], set_=more))
        today = connection.execute(select(_days).where(_days.c.day == day)).one()
        total = connection.execute(select(func.sum(_days.c.bytes))).scalar_one()
        if total > self._quota.total:
            raise CorrectionsFullError(
                f"the store of corrections has its {self._quota.total:,} bytes; export them, and "
                "begin another store"
            )
        if today.corrections > self._quota.corrections or today.bytes > self._quota.bytes:
            raise CorrectionsFullError(
                f"the store takes {self._quota.corrections:,} corrections and "
                f"{self._quota.bytes:,} bytes a day; try again tomorrow"
            )

    def _create_tables(self) -> None:
        with self._database.transaction() as connection:
            _metadata.create_all(connection)
            if connection.execute(select(_days).limit(1)).first() is None:
                sizes = select(func.coalesce(func.sum(func.length(_posters.c.content)), 0))
                rows = select(func.count()).select_from(_corrections)
                count = connection.execute(rows).scalar_one()
                size = int(connection.execute(sizes).scalar_one()) + count * _ROW
                insert = self._database.insert(_days).values(
                    day=_BEFORE, corrections=count, bytes=size
                )
                connection.execute(insert.on_conflict_do_nothing())


def pixels_sha256(poster: bytes) -> str:
    """The fingerprint of a poster's picture: metadata and trailing bytes do not change it.

    Raises PosterError.
    """
    with decoding(poster, at_least=_ENOUGH) as pixels:
        found = hashlib.sha256(repr(pixels.shape).encode())
        found.update(np.ascontiguousarray(pixels).data)
    return found.hexdigest()


def _kept_as(connection: Connection, sha256: str, pixels: str) -> str:
    """The sha256 under which a poster is kept: its own, or that of the same picture."""
    own = select(_posters.c.sha256).where(_posters.c.sha256 == sha256)
    if connection.execute(own).first():
        return sha256
    first = select(_pictures.c.poster_sha256).where(_pictures.c.pixels_sha256 == pixels)
    found: str = connection.execute(first).scalar_one()
    return found


def _newest() -> Select[Any]:
    """The ids of the newest correction of each poster."""
    return select(func.max(_corrections.c.id)).group_by(_corrections.c.poster_sha256)


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
    return Correction(
        row.poster_sha256,
        row.title,
        row.model,
        row.scores,
        tuple(row.old_genres),
        tuple(row.new_genres),
        row.author,
        utc(row.time),
    )
