"""Predictions written down: as an Arrow table, CSV, JSON or Parquet."""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from keyart.errors import KeyartError
from keyart.extras import extras
from keyart.files import replacing, write_csv, writing_text
from keyart.parallel import batches
from keyart.prediction import Failure, Prediction

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "json", "parquet"]

_BLOCK = 4_096  # rows of a Parquet row group


@dataclass
class Written:
    """What `write_predictions` wrote. failures: the posters that could not be read."""

    predictions: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def posters(self) -> int:
        """All posters, read or not."""
        return self.predictions + len(self.failures)


def to_table(films: Iterable[Prediction | Failure]) -> "pa.Table":
    """Predictions as an Arrow table; `.to_pandas()` and `polars.from_arrow()` take it from there.

    Columns: poster, genres (joined by '|'), unsure, reason (why a poster could not be read, else
    null), then one column of scores for each genre, null for a poster that could not be read. One
    row for each film, in order. Needs pyarrow (`keyart[catalog]`).
    """
    with extras():
        import pyarrow as pa

    answers = list(films)
    names = list(dict.fromkeys(name for one in answers for name in _scores(one)))
    columns: dict[str, list[object]] = {
        "poster": [one.poster for one in answers],
        "genres": [
            "|".join(one.genres) if isinstance(one, Prediction) else None for one in answers
        ],
        "unsure": [one.unsure if isinstance(one, Prediction) else None for one in answers],
        "reason": [one.reason if isinstance(one, Failure) else None for one in answers],
    }
    columns |= {name: [_scores(one).get(name) for one in answers] for name in names}
    kinds = {"unsure": pa.bool_(), **dict.fromkeys(names, pa.float64())}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in columns])
    return pa.table(columns, schema)


def write_predictions(
    films: Iterable[Prediction | Failure],
    out: str | os.PathLike[str] | None,
    *,
    genres: Sequence[str],
    format: Format | None = None,
    errors: str | os.PathLike[str] | None = None,
) -> Written:
    """Write predictions as they come: to the file `out`, whole or not at all.

    out: None or "-" for standard output. genres: the columns of scores, `Predictor.genres`. format:
    one record for each poster with poster, genres and a score for each genre; None takes it
    from the suffix of `out`. errors: a CSV (poster, reason) of the posters that could not be read.
    Raises KeyartError for an unknown suffix, and for Parquet to standard output.
    """
    path = None if out is None or os.fspath(out) == "-" else Path(out)
    format = format or _by_suffix(path)
    written = Written()

    def readable() -> Iterator[Prediction]:
        for film in films:
            if isinstance(film, Failure):
                written.failures.append(film)
            else:
                written.predictions += 1
                yield film

    if format == "parquet":
        if path is None:
            raise KeyartError("Parquet is not text; name a file to write it to with --out")
        _write_parquet(readable(), genres, path)
    else:
        with writing_text(path) as file:
            (_write_csv if format == "csv" else _write_json)(readable(), genres, file)
    if errors is not None:
        rows = [(failure.poster, failure.reason) for failure in written.failures]
        write_csv(Path(errors), ("poster", "reason"), rows)
    return written


def _by_suffix(out: Path | None) -> Format:
    known: dict[str, Format] = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
    suffix = out.suffix.casefold() if out else ""
    if suffix not in known:
        raise KeyartError(f"{out}: which format? end the name in {', '.join(known)}")
    return known[suffix]


def _genres(film: Prediction | Failure) -> str | None:
    return "|".join(film.genres) if isinstance(film, Prediction) else None


def _scores(film: Prediction | Failure) -> dict[str, float]:
    return dict(film.scores) if isinstance(film, Prediction) else {}


def _write_csv(films: Iterable[Prediction], names: Sequence[str], file: IO[str]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["poster", "genres", *names])
    for film in films:
        scores = [f"{film.scores[name]:.6f}" for name in names]
        writer.writerow([film.poster, "|".join(film.genres), *scores])


def _write_json(films: Iterable[Prediction], names: Sequence[str], file: IO[str]) -> None:
    file.write("[")
    for number, film in enumerate(films):
        record = film.to_dict()
        record["scores"] = {name: round(film.scores[name], 6) for name in names}
        file.write(",\n " if number else "\n ")
        file.write(json.dumps(record, ensure_ascii=False))
    file.write("\n]\n")


def _write_parquet(films: Iterable[Prediction], names: Sequence[str], path: Path) -> None:
    # Imported before the first poster is read; the base install does not have it.
    with extras():
        import pyarrow as pa
        import pyarrow.parquet as pq

    schema = pa.schema(
        [("poster", pa.string()), ("genres", pa.string())]
        + [(name, pa.float32()) for name in names]
    )
    with (
        replacing(path) as partial,
        pa.OSFile(os.fsencode(partial), "wb") as sink,
        pq.ParquetWriter(sink, schema) as writer,
    ):
        for block in batches(films, _BLOCK):
            columns: dict[str, list[object]] = {
                "poster": [film.poster for film in block],
                "genres": ["|".join(film.genres) for film in block],
            }
            columns |= {name: [film.scores[name] for film in block] for name in names}
            writer.write_table(pa.table(columns, schema))
