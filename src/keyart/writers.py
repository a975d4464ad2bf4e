"""Predictions written down: as an Arrow table, CSV, JSON or Parquet."""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from keyart.errors import KeyartError, OutputError
from keyart.extras import extras
from keyart.files import StrPath, is_same_file, known_suffix, replacing, writing_text
from keyart.parallel import batches
from keyart.prediction import Failure, Prediction
from keyart.stores.paths import place

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "json", "ndjson", "parquet"]

_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
}
_HEAD = ("film_id", "title", "poster", "genres", "maybe", "unsure", "evidence", "reason")
_BLOCK = 4_096  # rows of a Parquet row group
_KEPT = 1_000  # failures in memory


@dataclass
class Written:
    """What `write_predictions` wrote.

    predictions: how many films were predicted. by_title: those of them whose poster could not be
    read, and that were predicted by their title. failed: how many were not predicted. failures: the
    first thousand of these; all are in the file of errors, if one is asked for. titled: whether any
    of them has a title.
    """

    predictions: int = 0
    by_title: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    titled: bool = False

    @property
    def films(self) -> int:
        """All films, predicted or not."""
        return self.predictions + self.failed

    def add(self, film: Prediction | Failure) -> str:
        """Count a film. Returns why its poster could not be read; empty if it was."""
        if isinstance(film, Prediction):
            self.predictions += 1
            self.by_title += bool(film.problem)
            return film.problem
        self.failed += 1
        self.titled = self.titled or film.title is not None
        if len(self.failures) < _KEPT:
            self.failures.append(film)
        return film.reason


@contextmanager
def counting(
    films: Iterable[Prediction | Failure], errors: StrPath | None
) -> Iterator[tuple[Written, Iterator[Prediction | Failure]]]:
    """Yield the films, and what counts them as they come.

    errors: a CSV of those whose posters could not be read, written as they come: film_id, poster,
    reason.
    """
    written = Written()
    with nullcontext() if errors is None else writing_text(errors_file(errors)) as file:
        rows = csv.writer(file, lineterminator="\n") if file else None
        if rows:
            rows.writerow(("film_id", "poster", "reason"))

        def counted() -> Iterator[Prediction | Failure]:
            for film in films:
                problem = written.add(film)
                if problem and rows:
                    rows.writerow((film.film_id, film.poster, problem))
                yield film

        yield written, counted()


@dataclass(frozen=True, slots=True)
class Ranked:
    """Which genres are ranked next to the predicted ones, see `Prediction.top`.

    count: at most so many; None for all. min_score: only those with at least this score.
    """

    count: int | None = None
    min_score: float = 0

    def of(self, film: Prediction) -> dict[str, float]:
        """A film's genres with their scores, highest first."""
        return film.top(self.count, self.min_score)


def ranked(top: int | None, min_score: float | None) -> Ranked | None:
    """What is ranked; None if neither is given. Raises ValueError."""
    if top is None and min_score is None:
        return None
    if top is not None and top < 1:
        raise ValueError(f"top: expected at least 1, got {top}")
    if min_score is not None and not 0 <= min_score <= 1:
        raise ValueError(f"min_score: expected 0 to 1, got {min_score}")
    return Ranked(top, min_score or 0)


def to_table(
    films: Iterable[Prediction | Failure],
    *,
    top: int | None = None,
    min_score: float | None = None,
) -> "pa.Table":
    """Predictions as an Arrow table; `.to_pandas()` and `polars.from_arrow()` take it from there.

    Columns: film_id and title (null if they are not known), poster, genres and maybe (joined by
    '|'), unsure, evidence (what the scores rest on, joined by '|'), reason (why a poster could not
    be read, or that it does not look like one, else null), then one column of scores for each
    genre, null for a film that could not be predicted. top, min_score: another column `top`, before
    the scores, ranks the genres, as `Prediction.top` does. One row for each film, in order. Needs
    pyarrow (`keyart[catalog]`).
    """
    answers = list(films)
    names = dict.fromkeys(name for one in answers for name in _scores(one))
    return _arrow(answers, list(names), ranked(top, min_score), "double")


def write_predictions(
    films: Iterable[Prediction | Failure],
    out: StrPath | None,
    *,
    genres: Sequence[str],
    format: Format | None = None,
    errors: StrPath | None = None,
    top: int | None = None,
    min_score: float | None = None,
) -> Written:
    """Write predictions as they come, to the file `out`: one record for each film, in order.

    out: None or "-" for standard output. genres: the columns of scores, `Predictor.genres`. format:
    None takes it from the suffix of `out`; columns as in `to_table`. Each line of ndjson is there
    as soon as it is known. errors: a CSV (film_id,
    poster, reason) of the posters that could not be read. top, min_score: as for `to_table`; JSON
    has the ranked genres with their scores. Raises OutputError for an unknown suffix,
    before the first film is asked for, and KeyartError for Parquet to standard output.
    """
    ranks = ranked(top, min_score)
    path = None if out is None or os.fspath(out) == "-" else place(out)
    if errors is not None:
        errors_file(errors, out=path)
    format = format or _by_suffix(path)
    if format == "parquet" and path is None:
        raise KeyartError("Parquet is not text; give a file to write it to with --out")
    with counting(films, errors) as (written, counted):
        if format == "parquet":
            assert path is not None
            _write_parquet(counted, genres, ranks, path)
        else:
            with writing_text(path) as file:
                if format == "csv":
                    _write_csv(counted, genres, ranks, file)
                elif format == "ndjson":
                    _write_lines(counted, ranks, file)
                else:
                    _write_json(counted, ranks, file)
    return written


def parquet_bytes(
    films: Iterable[Prediction | Failure],
    genres: Sequence[str],
    about: Mapping[str, str],
    *,
    top: int | None = None,
    min_score: float | None = None,
) -> bytes:
    """A Parquet file of predictions, as `write_predictions` writes it. about: its metadata."""
    ranks = ranked(top, min_score)
    with extras():
        import pyarrow as pa
        import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    schema = _arrow([], genres, ranks, "float").schema.with_metadata(dict(about))
    with pq.ParquetWriter(sink, schema) as writer:
        for block in batches(films, _BLOCK):
            rows = _arrow(block, genres, ranks, "float")
            writer.write_table(rows.replace_schema_metadata(dict(about)))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def errors_file(path: StrPath, *, table: Path | None = None, out: Path | None = None) -> Path:
    """The file of errors, which is a CSV.

    Raises OutputError if its name says something else, or is that of the table that is read, or of
    the file that is written besides.
    """
    known_suffix(Path(path), (".csv",))
    named = place(path)
    for other, what in ((table, "the table itself"), (out, "also what --out names")):
        if other is not None and is_same_file(named, other):
            raise OutputError(f"{path}: is {what}; choose another file with --errors")
    return named


def _by_suffix(out: Path | None) -> Format:
    if out is None:
        raise KeyartError("in which format? standard output has no suffix that says it")
    return _FORMATS[known_suffix(out, _FORMATS)]


def _columns(ranks: Ranked | None) -> tuple[str, ...]:
    """The columns before the scores."""
    return _HEAD if ranks is None else (*_HEAD, "top")


def _head(film: Prediction | Failure, ranks: Ranked | None) -> list[Any]:
    """The values of the columns before the scores."""
    about = [film.film_id, film.title, film.poster]
    if isinstance(film, Failure):
        return [*about, None, None, None, None, film.reason, *([None] if ranks else [])]
    return [
        *about,
        "|".join(film.genres),
        "|".join(film.maybe),
        film.unsure,
        "|".join(film.evidence),
        film.problem or film.warning or None,
        *(["|".join(ranks.of(film))] if ranks else []),
    ]


def _scores(film: Prediction | Failure) -> Mapping[str, float]:
    return film.scores if isinstance(film, Prediction) else {}


def _write_csv(
    films: Iterable[Prediction | Failure],
    names: Sequence[str],
    ranks: Ranked | None,
    file: IO[str],
) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*_columns(ranks), *names])
    words = {True: "true", False: "false"}
    for film in films:
        scores = _scores(film)
        head = [words.get(cell, cell) for cell in _head(film, ranks)]
        writer.writerow([*head, *(f"{scores[name]:.6f}" if scores else None for name in names)])


def _record(film: Prediction | Failure, ranks: Ranked | None) -> str:
    """A film as JSON, in one line."""
    record = film.to_dict()
    if isinstance(film, Prediction):
        scores = record.pop("scores")
        if ranks:
            record["top"] = {name: round(score, 6) for name, score in ranks.of(film).items()}
        record["scores"] = {name: round(score, 6) for name, score in scores.items()}
    return json.dumps(record, ensure_ascii=False)


def _write_json(films: Iterable[Prediction | Failure], ranks: Ranked | None, file: IO[str]) -> None:
    file.write("[\n ")
    for number, film in enumerate(films):
        file.write(",\n " if number else "")
        file.write(_record(film, ranks))
    file.write("\n]\n")


def _write_lines(
    films: Iterable[Prediction | Failure], ranks: Ranked | None, file: IO[str]
) -> None:
    for film in films:
        file.write(f"{_record(film, ranks)}\n")
        file.flush()  # the reader of a pipe need not wait for the rest


def _write_parquet(
    films: Iterable[Prediction | Failure],
    names: Sequence[str],
    ranks: Ranked | None,
    path: Path,
) -> None:
    # Imported before the first poster is read; the base install does not have it.
    with extras():
        import pyarrow as pa
        import pyarrow.parquet as pq

    schema = _arrow([], names, ranks, "float").schema
    with (
        replacing(path) as partial,
        pa.OSFile(os.fsencode(partial), "wb") as sink,
        pq.ParquetWriter(sink, schema) as writer,
    ):
        for block in batches(films, _BLOCK):
            writer.write_table(_arrow(block, names, ranks, "float"))


def _arrow(
    films: Sequence[Prediction | Failure], names: Sequence[str], ranks: Ranked | None, kind: str
) -> "pa.Table":
    """Films as an Arrow table, with scores as 'float' or 'double'."""
    with extras():
        import pyarrow as pa

    head = _columns(ranks)
    heads = [_head(film, ranks) for film in films]
    columns = [list(column) for column in zip(*heads, strict=True)] or [[] for _ in head]
    columns += [[_scores(film).get(name) for film in films] for name in names]
    kinds = [pa.bool_() if name == "unsure" else pa.string() for name in head]
    kinds += [pa.type_for_alias(kind)] * len(names)
    return pa.table(
        [pa.array(column, to) for column, to in zip(columns, kinds, strict=True)],
        names=[*head, *names],
    )
