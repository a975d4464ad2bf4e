"""A review in progress: which case comes next for whom, and what was decided.

Decisions are in the store before anything else happens, and other processes may write there too. So
this keeps nothing that a stop could lose: only a copy of the store, and who looks at what.
"""

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import uuid4

from PIL import Image

from keyart.errors import DoubtsError
from keyart.images.decode import decode
from keyart.review.decisions import (
    Case,
    Decision,
    Decisions,
    DoubtKind,
    Verdict,
    standing,
    verdict_of,
)
from keyart.review.doubts import Doubt, Doubts
from keyart.service.problems import Problem
from keyart.service.tokens import Tokens

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog

SHOWN_SECONDS = 10.0  # after the last sign of a page that shows a case
_AGAIN = 100  # numbers that are read again: in PostgreSQL a lower one may come later


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a review is. others: cases that only other people decided."""

    cases: int
    accepted: int
    rejected: int
    conflicts: int
    others: int
    skipped: int

    @property
    def decided(self) -> int:
        """The cases that need nobody any more; a conflict is one for whoever applies them."""
        return self.accepted + self.rejected + self.conflicts


class Reviewing:
    """The cases of a catalog's doubts, for several people at once. Many threads may use it."""

    def __init__(
        self, catalog: "Catalog", doubts: Doubts, store: Decisions, tokens: Tokens | None = None
    ) -> None:
        """Raises DoubtsError if the doubts are those of another catalog, or there are none."""
        if doubts.catalog != catalog.fingerprint:
            raise DoubtsError(
                f"{catalog.path}: the doubts are those of another catalog or an older version; "
                "find them again with keyart catalog doubts"
            )
        if not doubts:
            raise DoubtsError(f"{catalog.path}: no genre is in doubt")
        self.tokens = tokens
        self.doubts = doubts
        self.vocabulary = catalog.vocabulary.names
        self.name = catalog.path.name
        self._catalog = catalog
        self._store = store
        self._places = {one.case: place for place, one in enumerate(doubts)}
        self._log: dict[int, Decision] = {}
        self._standing: dict[Case, dict[str, Decision]] = {}
        self._shown: dict[str, tuple[int, float]] = {}  # to whom: the place of a case, and when
        self._lock = threading.Lock()
        self._picture = lru_cache(1_000)(self._read_picture)
        self._rows = {row for one in doubts for row in (one.row, *(s.row for s in one.similar))}

    def close(self) -> None:
        """Close the connections to the store."""
        self._store.close()

    def doubt(self, place: int) -> Doubt:
        """The doubt of a place. Raises Problem."""
        if not 0 <= place < len(self.doubts):
            raise Problem("not-found", f"there is no case {place}")
        found: Doubt = self.doubts[place]
        return found

    def next(self, reviewer: str, kind: str, genre: str, count: int = 2) -> list[int]:
        """The places of the cases to show next, the first of them now.

        kind, genre: of the cases; empty for all. What others look at comes last.
        """
        self._catch_up()
        with self._lock:
            self._forget_shown()
            seen = {place for who, (place, _) in self._shown.items() if who != reviewer}
            free: list[int] = []
            busy: list[int] = []
            for place in self._open(reviewer, kind, genre):
                (busy if place in seen else free).append(place)
                if len(free) == count:
                    break
            found = [*free, *busy][:count]
            if found:
                self._shown[reviewer] = found[0], time.monotonic()
            return found

    def look(self, reviewer: str, place: int) -> list[Decision]:
        """Note that somebody looks at a case. Returns what others decided on it."""
        self._catch_up()
        with self._lock:
            self._shown[reviewer] = place, time.monotonic()
        return self.others(reviewer, place)

    def others(self, reviewer: str, place: int) -> list[Decision]:
        """What other people decided on a case."""
        known = self._standing.get(self.doubt(place).case, {})
        return [one for who, one in known.items() if who != reviewer and one.verdict != "skip"]

    def decide(
        self, place: int, verdict: Verdict, reviewer: str, author: str, key: str
    ) -> list[Decision]:
        """Keep a decision; it is on the disk when this returns. Returns those of others.

        key: of this decision; sent again, it is kept once. Raises CorrectionsError.
        """
        doubt = self.doubt(place)
        self._store.add(
            Decision(key, doubt.case, verdict, reviewer, author, doubt.p, self.doubts.catalog)
        )
        self._catch_up()
        return self.others(reviewer, place)

    def undo(self, reviewer: str, author: str, key: str) -> int | None:
        """Take a person's last decision back. Returns the place of its case, None for none.

        Raises CorrectionsError.
        """
        self._catch_up()
        with self._lock:
            sent_before = [one for one in self._log.values() if one.key == key]
            mine = [
                one
                for _, one in sorted(self._log.items())
                if self._standing.get(one.case, {}).get(reviewer) is one
                and one.case in self._places
            ]
        if sent_before:
            return self._places.get(sent_before[0].case)
        if not mine:
            return None
        place = self._places[mine[-1].case]
        self.decide(place, "undo", reviewer, author, key)
        return place

    def again(self, reviewer: str, author: str) -> int:
        """Take back all that a person skipped. Returns how many cases that were."""
        self._catch_up()
        skipped = [
            self._places[case]
            for case, by_person in self._standing.items()
            if case in self._places
            and reviewer in by_person
            and by_person[reviewer].verdict == "skip"
        ]
        for place in skipped:
            self.decide(place, "undo", reviewer, author, uuid4().hex)
        return len(skipped)

    def progress(self, reviewer: str, kind: str = "", genre: str = "") -> Progress:
        """How far the review is, of one kind and genre or of all."""
        outcomes: Counter[str] = Counter()
        for case, by_person in self._standing.items():
            if case not in self._places or not _fits(case, kind, genre):
                continue
            together = verdict_of(by_person)
            outcomes[together or "open"] += 1
            mine = by_person.get(reviewer)
            outcomes["others"] += together is not None and (mine is None or mine.verdict == "skip")
            outcomes["skipped"] += together is None and mine is not None
        cases = sum(_fits(case, kind, genre) for case in self._places)
        accepted, rejected, conflicts = map(outcomes.get, ("accept", "reject", "conflict"))
        return Progress(
            cases, accepted or 0, rejected or 0, conflicts or 0,
            outcomes["others"], outcomes["skipped"],
        )  # fmt: skip

    def genres(self, reviewer: str, kind: str) -> dict[str, int]:
        """The genres with open cases, and how many, in the order of the vocabulary."""
        with self._lock:
            found = Counter(self.doubt(place).genre for place in self._open(reviewer, kind, ""))
        return {name: found[name] for name in self.vocabulary if found[name]}

    def picture(self, row: int, height: int) -> bytes:
        """The poster of a film that a case shows, up to this high, as JPEG. Raises Problem."""
        if row not in self._rows:
            raise Problem("not-found", f"no case shows film {row}")
        found: bytes = self._picture(row, height)
        return found

    def _read_picture(self, row: int, height: int) -> bytes:
        image = Image.fromarray(decode(self._catalog.poster(row)))
        image.thumbnail((4 * height, height), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=88)
        return file.getvalue()

    def _open(self, reviewer: str, kind: str, genre: str) -> Iterator[int]:
        """The places of the cases that this person can decide and nobody has."""
        for case, place in self._places.items():
            if _fits(case, kind, genre):
                known = self._standing.get(case, {})
                if verdict_of(known) is None and reviewer not in known:
                    yield place

    def _forget_shown(self) -> None:
        before = time.monotonic() - SHOWN_SECONDS
        self._shown = {who: one for who, one in self._shown.items() if one[1] > before}

    def _catch_up(self) -> None:
        """Read what this process and others have decided since."""
        with self._lock:
            first = max(self._log, default=0) - _AGAIN
            new = {
                number: one for number, one in self._store.since(first) if number not in self._log
            }
            if new:
                self._log |= new
                self._standing = standing(one for _, one in sorted(self._log.items()))


def _fits(case: Case, kind: DoubtKind | str, genre: str) -> bool:
    return kind in ("", case.kind) and genre in ("", case.genre)
