"""Decisions on doubtful genres: what people said about each, kept next to the corrections.

Nothing is ever changed or removed: to undo is one more decision. Every person's newest decision on
a case stands next to those of the others, so two people never overwrite each other.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Column, DateTime, Float, Integer, MetaData, Row, String, Table, Text, select

from keyart.errors import CorrectionsError
from keyart.review.database import LONGEST, Database, clean, utc

DoubtKind = Literal["wrong", "missing"]
Verdict = Literal["accept", "reject", "skip", "undo"]

_metadata = MetaData()
_decisions = Table(
    "decisions",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("film_id", Text, nullable=False),
    Column("poster_sha256", String(64), nullable=False),
    Column("genre", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("p", Float, nullable=False),
    Column("catalog", String(64), nullable=False),
    Column("reviewer", String(64), nullable=False),
    Column("author", String(LONGEST), nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A genre of a film that is in doubt: listed and perhaps wrong, or perhaps missing.

    The poster is part of it, so a film of the same id in another catalog is another case.
    """

    film_id: str
    poster_sha256: str
    genre: str
    kind: DoubtKind


@dataclass(frozen=True, slots=True)
class Decision:
    """What one person said about a case.

    verdict: accept (a wrong genre goes, a missing one comes), reject (the list is right), skip, or
    undo, which takes the person's last word on the case back. key: a name of its own, under which
    it is kept once however often it is sent. reviewer: who it is, for a program; author: for
    people. p: how likely the genre was, as the person saw it. catalog: the fingerprint of the
    reviewed catalog. time: aware, UTC.
    """

    key: str
    case: Case
    verdict: Verdict
    reviewer: str
    author: str
    p: float
    catalog: str
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


class Decisions:
    """The store of decisions. Many threads and processes may use it at once."""

    def __init__(self, url: str) -> None:
        """Open the store at an SQLAlchemy URL, and make its table if there is none.

        Raises CorrectionsError if it is not a URL of SQLite or PostgreSQL, or cannot be reached.
        """
        self._database = Database(url)
        self.name = self._database.name
        try:
            self._create_tables()
        except CorrectionsError:
            # Another process may have made it after the check: check again.
            self._create_tables()

    def close(self) -> None:
        """Close the connections to the database."""
        self._database.close()

    def add(self, decision: Decision) -> bool:
        """Keep a decision; when this returns, it is on the disk. Returns whether it is new.

        Raises CorrectionsError if it cannot be kept.
        """
        known = replace(
            decision,
            reviewer=clean(decision.reviewer)[:64],
            author=clean(decision.author) or "anonymous",
        )
        with self._database.transaction() as connection:
            insert = self._database.insert(_decisions).values(_to_row(known))
            once = insert.on_conflict_do_nothing(index_elements=["key"])
            return connection.execute(once.returning(_decisions.c.id)).first() is not None

    def since(self, number: int = 0) -> Iterator[tuple[int, Decision]]:
        """All decisions after this number, oldest first, each with its number."""
        query = select(_decisions).where(_decisions.c.id > number).order_by(_decisions.c.id)
        for row in self._database.rows(query, 500):
            yield row.id, _from_row(row)

    def _create_tables(self) -> None:
        with self._database.transaction() as connection:
            _metadata.create_all(connection)


def standing(decisions: Iterable[Decision]) -> dict[Case, dict[str, Decision]]:
    """The decisions that stand: every person's newest one on each case, less what was undone."""
    found: dict[Case, dict[str, Decision]] = {}
    for one in decisions:
        apply_decision(found, one)
    return found


def apply_decision(known: dict[Case, dict[str, Decision]], one: Decision) -> None:
    """Let a newer decision stand instead of the same person's older one."""
    by_person = known.setdefault(one.case, {})
    by_person.pop(one.reviewer, None)
    if one.verdict != "undo":
        by_person[one.reviewer] = one
    if not by_person:
        del known[one.case]


def verdict_of(by_person: Mapping[str, Decision]) -> Literal["accept", "reject", "conflict"] | None:
    """What people together say of a case: a conflict if they disagree, None if all skipped it."""
    said = {one.verdict for one in by_person.values()} - {"skip"}
    if said == {"accept", "reject"}:
        return "conflict"
    return "accept" if "accept" in said else "reject" if "reject" in said else None


def _to_row(one: Decision) -> dict[str, Any]:
    case = one.case
    return {
        "key": one.key,
        "film_id": case.film_id,
        "poster_sha256": case.poster_sha256,
        "genre": case.genre,
        "kind": case.kind,
        "verdict": one.verdict,
        "p": one.p,
        "catalog": one.catalog,
        "reviewer": one.reviewer,
        "author": one.author,
        "time": one.time,
    }


def _from_row(row: Row[Any]) -> Decision:
    case = Case(row.film_id, row.poster_sha256, row.genre, row.kind)
    return Decision(
        row.key, case, row.verdict, row.reviewer, row.author, row.p, row.catalog, utc(row.time)
    )
