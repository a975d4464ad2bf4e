"""One shard: from its rows of the plan to the Parquet file of its predictions."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from keyart.errors import JobError
from keyart.evidence import Evidence
from keyart.files import printable
from keyart.images.poster import KeptPoster, read_file
from keyart.jobs.plan import Row, kept, name_in, state_of
from keyart.prediction import Query
from keyart.predictor import Predictor
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
        path = os.fsdecode(self.row["poster"])
        size, changed = state_of(path)
        if (size, changed) != (self.row["size"], self.row["changed_ns"]):
            what = "has changed" if size is not None else "is gone"
            raise JobError(
                f"{printable(path)}: {what} since the plan was written, as {socket.gethostname()} "
                "sees it; restore it, or name another folder with --out for a new job"
            )
        if self.row["place"] is not None:
            return kept(path, self.row["place"]).read()
        return read_file(Path(path))


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
