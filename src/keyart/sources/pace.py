"""How often a host is asked: so many requests a second, and one pause for all when it says so."""

import random
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MOST_PAUSES = 8  # one after another; together over four minutes


@dataclass(frozen=True)
class Limits:
    """What a run may take.

    rate: requests a second to a host. connections: at a time, to a host and in all; as many
    requests may be repeated after a kill. seconds, bytes: of one poster. tries: requests for one
    poster in a run. backoff: seconds of the first pause if a host does not say how long; each
    further one is twice as long. patience: the longest pause that a run waits for.

    rate and connections are for the servers of others; raise them for your own only.
    """

    rate: float = 20.0
    connections: int = 8
    seconds: float = 60.0
    bytes: int = 20_000_000
    tries: int = 6
    backoff: float = 1.0
    patience: float = 900.0


@dataclass(frozen=True, slots=True)
class Job:
    """One poster to fetch. row: in the manifest. tries: requests for it in this run."""

    row: int
    film_id: str
    host: str
    url: str
    imdb_id: str
    tmdb_id: str
    etag: str
    attempts: int
    tries: int = 0


class Host:
    """When a host may be asked next, and what waits for it."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.waiting: deque[Job] = deque()
        self.stopped = ""  # why it is not asked any more in this run
        self._limits = limits
        # This machine's own files are not a host.
        self._every = 1 / limits.rate if name else 0.0
        self._next = self._until = self._paused_at = 0.0
        self._pauses = self._broken = 0  # since it last gave an answer

    @property
    def free_at(self) -> float:
        """The time of time.monotonic() at which it may be asked."""
        return max(self._next, self._until)

    def take_turn(self, now: float) -> None:
        """Count one request that is sent now."""
        self._next = max(self._next, now) + self._every

    def answered(self) -> None:
        """It gave an answer: the next pause is short again."""
        self._pauses = self._broken = 0

    def broke(self, asked_at: float) -> None:
        """A request failed. If all do, the host or the way to it is down: that is a pause too."""
        self._broken += 1
        if self._broken > self._limits.connections:
            self.pause(asked_at, None)

    def pause(self, asked_at: float, retry_after: float | None) -> None:
        """It asked for a pause: nobody asks it before that is over.

        asked_at: when the request was sent. Answers to requests from before the last pause began
        are about that one, so they make no longer one.
        """
        now = time.monotonic()
        if asked_at >= self._paused_at:
            self._pauses += 1
            self._paused_at = now
        seconds = retry_after
        if seconds is None:
            seconds = backoff(self._limits.backoff, self._pauses)
        if seconds > self._limits.patience:
            self.stopped = f"{self.name} asks to wait for {seconds:,.0f} s; run it again then"
        if self._pauses > _MOST_PAUSES:
            self.stopped = f"{self.name} gives no answer after {_MOST_PAUSES} pauses; try it later"
        self._until = max(self._until, now + seconds)


def backoff(first: float, times: int) -> float:
    """Seconds to wait after so many failures: twice as long each time, by chance up to half less.

    By chance, so that those who failed together do not come back together.
    """
    return first * 2.0 ** min(times - 1, 8) * (0.5 + random.random() / 2)


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for: a number of them, or a date. None: it does not.

    Source: RFC 9110, section 10.2.3.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
