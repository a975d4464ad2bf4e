"""Carrying a manifest out: which posters are due, one request after another, each written down."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from urllib.parse import unquote, urlsplit

from keyart.errors import FetchError, PosterError, PosterWaitsError
from keyart.images.poster import read_file
from keyart.parallel import Progress
from keyart.sources.addresses import Network, Resolve, resolve
from keyart.sources.arrival import receive, remove
from keyart.sources.manifest import POSTERS, Change, Journal, Manifest, Row
from keyart.sources.pace import Job, Limits, backoff, retry_after
from keyart.sources.schedule import Schedule
from keyart.sources.terms import TERMS
from keyart.sources.tmdb import Key, Tmdb
from keyart.sources.web import BrokenError, RefusedError, Reply, Web
from keyart.stores.paths import STORES, place

DAY = 86_400
# Seconds before what was not there, and what is no poster, is asked for again.
_AGAIN = {"absent": 30 * DAY, "refused": 7 * DAY}
_FOLD = 10_000  # lines of the journal, then it becomes part of the manifest
_NEEDED = ("film_id", "status", "attempts", "url", "imdb_id", "tmdb_id", "etag", "retry_at",
           "expires_at", "poster", "listed")  # fmt: skip


@dataclass
class Tally:
    """What a run did. posters: by what came of them. stopped: hosts that ended it early."""

    posters: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    unchanged: int = 0
    seconds: float = 0.0
    left: int = 0
    stopped: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """For programs."""
        return {
            **{name: self.posters[name] for name in ("fetched", "absent", "refused", "failed")},
            "unchanged": self.unchanged,
            "left": self.left,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
        }


def is_due(row: Row, now: float, *, refresh: bool) -> bool:
    """Whether a poster is to be fetched now."""
    status, retry_at = row["status"], row["retry_at"]
    if not row["listed"]:
        return False
    if status == "fetched":
        return refresh
    if status in _AGAIN:  # without a time: the plan found no place to ask
        return retry_at is not None and retry_at.timestamp() <= now
    return True


def expire(manifest: Manifest, *, now: float) -> int:
    """Remove the posters that may not be kept any longer. Returns how many."""
    posters, removed = manifest.folder / POSTERS, 0
    journal = Journal(manifest.journal)
    try:
        for number, row in manifest.rows(("poster", "expires_at")):
            if row["poster"] and row["expires_at"] and row["expires_at"].timestamp() <= now:
                # Written down first: a poster whose file is gone would count as fetched.
                journal.add({"row": number, "status": "expired", "poster": None, "etag": None,
                             "sha256": None, "expires_at": None, "reason": None})  # fmt: skip
                remove(posters, row["poster"])
                removed += 1
    finally:
        journal.close()
    manifest.fold()
    return removed


class Run:
    """One run over a manifest, whose folder this process holds."""

    def __init__(
        self,
        manifest: Manifest,
        limits: Limits,
        *,
        tmdb: Tmdb,
        key: Key | None,
        networks: Sequence[Network],
        resolver: Resolve = resolve,
        refresh: bool,
        progress: Progress | None,
    ) -> None:
        self._manifest, self._limits, self._tmdb = manifest, limits, tmdb
        self._key, self._networks, self._resolver = key, networks, resolver
        self._refresh, self._progress = refresh, progress
        self._posters = manifest.folder / POSTERS
        self._place, _, self._size = manifest.settings.place.partition(" ")
        self._now = time.time()
        self._total = 0
        self._old: dict[int, str] = {}
        self._recording = Lock()
        self.tally = Tally()

    def carry_out(self) -> Tally:
        """Fetch what is due. Raises FetchError if it cannot go on at all."""
        started = time.monotonic()
        self._total = sum(
            is_due(row, self._now, refresh=self._refresh) for _, row in self._manifest.rows(_NEEDED)
        )
        self._journal = Journal(self._manifest.journal)
        try:
            _run(self._all())
        finally:
            self._journal.close()
            self._manifest.fold()
            self.tally.seconds = time.monotonic() - started
            self.tally.left = self._total - self.tally.posters.total() - self.tally.unchanged
        return self.tally

    def _jobs(self) -> Iterator[Job]:
        for number, row in self._manifest.rows(_NEEDED):
            if is_due(row, self._now, refresh=self._refresh):
                url = row["url"] or self._tmdb.question(row["tmdb_id"], row["imdb_id"])
                host = "" if self._place == "mirror" else str(urlsplit(url).netloc).lower()
                etag = row["etag"] if row["status"] == "fetched" and row["poster"] else None
                if row["poster"]:
                    self._old[number] = row["poster"]
                yield Job(
                    number, row["film_id"], host, row["url"] or "", row["imdb_id"] or "",
                    row["tmdb_id"] or "", etag or "", row["attempts"],
                )  # fmt: skip

    async def _all(self) -> None:
        schedule = Schedule(self._jobs(), self._limits)
        async with Web(
            self._limits,
            networks=self._networks,
            resolver=self._resolver,
            key=self._key,
            api=self._tmdb.api,
            turn=schedule.turn,
        ) as web:
            try:
                async with asyncio.TaskGroup() as slots:
                    for _ in range(self._limits.connections):
                        slots.create_task(self._slot(schedule, web))
            except ExceptionGroup as group:  # one slot's error ended all of them
                raise group.exceptions[0] from None
            finally:
                self.tally.requests = web.requests
                self.tally.stopped = schedule.stopped

    async def _slot(self, schedule: Schedule, web: Web) -> None:
        """Send one request after another. None is sent before the last one is written down."""
        while (job := await schedule.next()) is not None:
            again, after = None, 0.0
            try:
                change, again, after = await self._one(job, schedule, web)
                await asyncio.to_thread(self._record, job, change, again)
            finally:
                await schedule.done(again, after=after)

    async def _one(
        self, job: Job, schedule: Schedule, web: Web
    ) -> tuple[Change, Job | None, float]:
        """One request for a job: what it changed, and the job that follows, in so many seconds."""
        asked_at = time.monotonic()
        tried = replace(job, tries=job.tries + 1, attempts=job.attempts + 1)
        try:
            if self._place == "mirror":
                reply = Reply(job.url, 200, {}, await asyncio.to_thread(_read, job.url), 0.0)
            else:
                url = job.url or self._tmdb.question(job.tmdb_id, job.imdb_id)
                reply = await web.get(url, etag=job.etag if job.url else "")
        except RefusedError as error:
            return _no_poster(tried, "refused", str(error)), None, 0.0
        except BrokenError as error:
            schedule.host(job.host).broke(asked_at)
            return self._failed(tried, str(error))
        if reply.status in (429, 503):
            name = str(urlsplit(reply.url).netloc).lower()
            wait = retry_after(reply.headers.get("retry-after"))
            schedule.host(name).pause(reply.asked_at, wait)
            return self._failed(tried, f"the server is busy ({reply.status})", wait=0.0)
        schedule.host(job.host).answered()
        if reply.status >= 500:
            return self._failed(tried, f"the server failed ({reply.status})")
        if reply.status in (404, 410):
            return _no_poster(tried, "absent", f"not there ({reply.status})"), None, 0.0
        if not job.url:
            return self._located(tried, reply)
        if reply.status == 304 and job.etag:
            return {"status": "fetched", "attempts": tried.attempts}, None, 0.0
        if reply.status != 200:
            return _no_poster(tried, "refused", f"the server said {reply.status}"), None, 0.0
        try:
            place, digest = await asyncio.to_thread(receive, self._posters, job.film_id, reply.body)
        except PosterWaitsError as error:
            return self._failed(tried, str(error))
        except PosterError as error:
            if tried.tries < 2 and reply.body[:1] not in (b"<", b"{"):  # it may have been cut
                return self._failed(tried, str(error))
            return _no_poster(tried, "refused", str(error)), None, 0.0
        return self._arrived(tried, place, digest, reply), None, 0.0

    def _arrived(self, job: Job, place: str, digest: str, reply: Reply) -> Change:
        now = int(time.time())
        keep = TERMS["tmdb"].keep if self._place == "tmdb" else None
        return {
            "row": job.row,
            "status": "fetched",
            "attempts": job.attempts,
            "poster": place,
            "sha256": digest,
            "etag": reply.headers.get("etag"),
            "fetched_at": now,
            "expires_at": now + int(keep.total_seconds()) if keep else None,
            "retry_at": None,
            "reason": None,
        }

    def _failed(
        self, job: Job, reason: str, *, wait: float | None = None
    ) -> tuple[Change, Job | None, float]:
        """A request that may work later: in this run, or in the next one."""
        change: Change = {"attempts": job.attempts, "reason": reason}
        if job.tries >= self._limits.tries:
            return change | {"status": "failed"}, None, 0.0
        return change, job, backoff(self._limits.backoff, job.tries) if wait is None else wait

    def _located(self, job: Job, reply: Reply) -> tuple[Change, Job | None, float]:
        """TMDb said where a poster is."""
        if reply.status == 401:
            raise FetchError(f"TMDb refuses the key: {_said(reply.body)}; make another one")
        if reply.status != 200:
            return _no_poster(job, "refused", f"TMDb said {reply.status}"), None, 0.0
        try:
            answer = self._tmdb.answer(reply.body, self._size, self._manifest.settings.vocabulary)
        except (ValueError, KeyError, TypeError) as error:
            return self._failed(job, " ".join(str(error).split())[:200])
        if answer is None:
            return _no_poster(job, "absent", "TMDb does not know the film"), None, 0.0
        known: Change = {"tmdb_id": answer.tmdb_id, "genres_tmdb": list(answer.genres)}
        if answer.url is None:
            return known | _no_poster(job, "absent", "TMDb has no poster of it"), None, 0.0
        found = replace(job, url=answer.url, host=str(urlsplit(answer.url).netloc).lower(), tries=0)
        return known | {"url": answer.url, "attempts": job.attempts}, found, 0.0

    def _record(self, job: Job, change: Change, again: Job | None) -> None:
        """Write down what a request changed, before the next one is sent."""
        with self._recording:
            self._write_down(job, change, again)

    def _write_down(self, job: Job, change: Change, again: Job | None) -> None:
        old = self._old.get(job.row)
        self._journal.add({**change, "row": job.row})
        if self._journal.lines >= _FOLD:
            self._journal.close()
            self._manifest.fold()
            self._journal = Journal(self._manifest.journal)
        if again is not None:
            return
        self._old.pop(job.row, None)
        place = change.get("poster")
        if place and old and old != place:  # another kind of picture than before
            remove(self._posters, old)
        if change.get("status") == "fetched" and place is None:
            self.tally.unchanged += 1
        else:
            self.tally.posters[change["status"]] += 1
        if self._progress:
            done = self.tally.posters.total() + self.tally.unchanged
            self._progress(done, self._total)


def _no_poster(job: Job, status: str, reason: str) -> Change:
    return {
        "status": status,
        "attempts": job.attempts,
        "reason": reason[:300],
        "retry_at": int(time.time()) + _AGAIN[status],
    }


def _said(body: bytes) -> str:
    try:
        return str(json.loads(body)["status_message"])[:100].rstrip(".")
    except (ValueError, KeyError, TypeError):
        return "401"


def _read(url: str) -> bytes:
    """A file of a mirror."""
    parts = urlsplit(url)
    if parts.scheme not in ("file", *STORES):
        raise RefusedError("not a file of the mirror")
    try:
        return read_file(Path(unquote(parts.path)) if parts.scheme == "file" else place(url))
    except PosterError as error:
        raise RefusedError(str(error)) from error


def _run(work: Coroutine[None, None, None]) -> None:
    """Run it to its end, also if this thread has an event loop already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="keyart") as thread:
        thread.submit(asyncio.run, work).result()
