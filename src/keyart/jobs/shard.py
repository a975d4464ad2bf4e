"""One shard: from its rows of the plan to the Parquet file of its predictions."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from keyart.errors import JobError, PosterError
from keyart.evidence import Evidence
from keyart.images.poster import MAX_BYTES, KeptPoster, check_size, read_file
from keyart.jobs.plan import Row, kept, name_in, state_of, state_of_object
from keyart.prediction import Query
from keyart.predictor import Predictor
from keyart.stores.paths import RemotePath, place
from keyart.writers import Written, parquet_bytes

Announce = Callable[[int], None]


@dataclass(frozen=True)
class PlannedPoster(KeptPoster):
    """A poster that must be as it was when the plan was written.

    number: of its row in the shard, with which `announce` is called before it is read.
    """

    row: Row
    number: int
    announce: Announce = field(repr=False, compare=False)

    def __fspath__(self) -> str:
        return name_in(self.row)

    def read(self) -> bytes:
        """Its content. Raises PosterError, and JobError if the file has changed."""
        self.announce(self.number)
        name = os.fsdecode(self.row["poster"])
        path = place(name)
        if isinstance(path, RemotePath):
            return self._of_store(path)
        self._check(*state_of(path))
        if self.row["place"] is not None:
            return kept(name, self.row["place"]).read()
        return read_file(path)

    def _of_store(self, path: RemotePath) -> bytes:
        """An object's content. It is read once: no copy is kept."""
        check_size(self.row["size"] or 0)
        try:
            content, found = path.bucket.get(path.key, MAX_BYTES)
        except FileNotFoundError:
            self._check(None, None)
            raise PosterError("no such object") from None
        self._check(*state_of_object(found))
        return content

    def _check(self, size: int | None, changed: int | None) -> None:
        """Raise JobError if the poster is not as it was."""
        if (size, changed) != (self.row["size"], self.row["changed_ns"]):
            what = "has changed" if size is not None else "is gone"
            seen = f"since the plan was written, as {socket.gethostname()} sees it"
            raise JobError(
                f"{name_in(self.row)}: {what} {seen}; restore it, or choose another folder with "
                "--out for a new job"
            )


def compute_shard(
    predictor: Predictor,
    rows: pa.Table,
    *,
    evidence: Evidence,
    about: Mapping[str, str],
    killers: Mapping[int, str],
    announce: Announce,
    threads: int | None = 1,
    top: int | None = None,
    min_score: float | None = None,
) -> bytes:
    """The Parquet file of a shard.

    rows: of the plan. about: metadata of the file, to which counts are added. killers: posters that
    are not read again, by their row, with the reasons. announce: called with the row of each poster
    that is about to be read. top, min_score: as for `to_table`. Raises JobError if a poster has
    changed.
    """
    films = (
        _query(row, number, killers.get(number), announce)
        for number, row in enumerate(rows.to_pylist())
    )
    written, answers = Written(), []
    for answer in predictor.predict_many(films, evidence=evidence, workers=threads):
        written.add(answer)
        answers.append(answer)
    counts = {"failed": written.failed, "by_title": written.by_title}
    about = {**about, **{name: str(count) for name, count in counts.items()}}
    return parquet_bytes(answers, predictor.genres, about, top=top, min_score=min_score)


def _query(row: dict[str, Any], number: int, killed: str | None, announce: Announce) -> Query:
    film = (row["film_id"], row["title"], row["year"])
    problem = row["problem"] or killed
    if problem:
        return Query(name_in(row), *film, problem=problem)
    if row["poster"] is None:
        return Query(None, *film)
    return Query(PlannedPoster(row, number, announce), *film)
