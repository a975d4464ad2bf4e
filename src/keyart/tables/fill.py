"""A person's own table, given back with genres: every row and column as it was, in order."""

import os
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from gzip import GzipFile
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from keyart.catalog.films_table import Columns
from keyart.catalog.table_file import TableFile, read_table
from keyart.copies import local_file
from keyart.errors import OutputError, TableError, listed
from keyart.evidence import KINDS, Kind
from keyart.files import StrPath, is_same_file, replacing
from keyart.parallel import Progress
from keyart.prediction import Failure, Prediction
from keyart.predictor import Predictor
from keyart.queries import TableFilms
from keyart.stores.paths import on_this_machine, place
from keyart.tables.delimited_text import DelimitedText
from keyart.tables.excel import Excel
from keyart.tables.filling import (
    SCORE,
    Filling,
    Style,
    Value,
    has_no_value,
    new_cells,
    new_columns,
)
from keyart.tables.frames import Frame, kind_of_frame
from keyart.tables.json_text import JsonText
from keyart.tables.parquet import Parquet
from keyart.writers import Written, counting, errors_file

_KINDS: Any = {"delimited": DelimitedText, "json": JsonText, "excel": Excel, "parquet": Parquet}
_BACKUP = ".bak"


@dataclass
class Filled(Written):
    """What `fill` did with the rows of a table's file.

    out: the filled table. backup: the table as it was, if it was filled in place. kept: rows that
    had something in the column to fill, and keep it; all others are `films`. unsure: films without
    a genre that keeps the wanted precision. notes: for people.
    """

    out: Path = field(default_factory=Path)
    backup: Path | None = None
    kept: int = 0
    unsure: int = 0
    notes: Sequence[str] = ()

    @property
    def rows(self) -> int:
        """All rows of the table."""
        return self.films + self.kept


def fill(
    table: Any,
    out: StrPath | None = None,
    *,
    in_place: bool = False,
    into: str | None = None,
    scores: bool = False,
    posters: StrPath | None = None,
    columns: Columns | None = None,
    model: Predictor | StrPath | None = None,
    precision: float | None = None,
    balanced: bool = False,
    evidence: Collection[Kind] = KINDS,
    errors: StrPath | None = None,
    progress: Progress | None = None,
) -> Any:
    """Add genres to a table of films. All rows and columns stay as they are, in order.

    table: a file (CSV and its like, JSON, Parquet, .xlsx; also gzipped), or a DataFrame: of pandas,
    Polars, pyarrow, or anything else with `__arrow_c_stream__`. A file needs `out`, a file of the
    same kind, or `in_place`, which keeps the table as it was next to it, in NAME.bak. Returns a
    `Filled` for a file, and for a DataFrame a new one of the same kind.

    New columns are keyart_genres, keyart_maybe, keyart_unsure and, with `scores`, keyart_score_NAME
    for each genre; keyart_error says why a poster or a row could not be used. Columns that have
    these names already are replaced where they are. into: fill the empty cells of this column
    instead, as its other cells are written, and change nothing else; a film without a sure genre
    stays empty.

    posters, columns: as for `find_films`. model, precision, balanced: as for `load`; a Predictor
    decides for itself. evidence: as for `Predictor.predict_many`. errors: a CSV of the posters and
    rows that could not be used. progress: called with (films done, films).

    Raises TableError for a table that cannot be read or filled, and OutputError for a place to
    write that is the table itself, or of another kind.
    """
    if errors is not None:
        errors_file(errors)
    target, before = Path(), None
    if kind_of_frame(table) is not None:
        if out is not None or in_place:
            raise TypeError("a DataFrame is returned; out and in_place are for files")
        source: Any = Frame(table)
        known: TableFile = source.table
    elif not isinstance(table, str | os.PathLike):
        raise TypeError(f"table: expected a file or a DataFrame, got a {type(table).__name__}")
    else:
        named = on_this_machine(table) if in_place else place(table)
        target = _target(named, out, in_place=in_place)
        if errors is not None:
            errors_file(errors, table=named, out=target)
        file = local_file(named)
        before = _state(file)
        known = read_table(file)
        assert known.file is not None
        source = _KINDS[known.file.kind](known)
        if out is not None and str(target) != "-":
            _check_suffix(target, known.path, source.suffixes)
    predictor = Predictor.of(model, precision=precision, balanced=balanced)
    names, style = new_columns(predictor.genres, scores=scores), None
    if into is not None:
        names = (known.named(into),)
        style = Style.of(known, names[0], predictor.bundle.vocabulary)
    _check_columns(known, names)
    source.check(predictor.genres, names)
    notes = _notes(known, source, names, in_place=in_place)
    films = TableFilms(known, posters, columns or {})
    asked = _asked(known, source, names[0] if style else None)
    answers = predictor.predict_many(compress(films, asked), evidence=evidence)
    unsure = 0

    def rows(counted: Iterator[Prediction | Failure]) -> Iterator[Sequence[Value] | None]:
        nonlocal unsure
        done, total = 0, sum(asked)
        for wanted in asked:
            if not wanted:
                yield None
                continue
            film = next(counted)
            done += 1
            unsure += isinstance(film, Prediction) and film.unsure
            if progress:
                progress(done, total)
            if style is None:
                yield new_cells(film, predictor.genres, scores=scores)
            else:
                sure = isinstance(film, Prediction) and film.genres
                yield [style.cell(sure)] if sure else None

    with counting(answers, errors) as (written, counted):
        filling = Filling(names, rows(counted), only_empty=style is not None)
        if isinstance(source, Frame):
            return source.filled(filling)
        backup = None
        with _writing(target, packed=_is_packed(known, target)) as partial:
            source.write(filling, partial)
            if in_place:
                if _state(known.path) != before:
                    raise TableError(f"{known.path}: changed while it was read; run it again")
                backup = _back_up(known.path)
    assert written.films == sum(asked)
    kept = len(asked) - sum(asked)
    return Filled(**vars(written), out=target, backup=backup, kept=kept, unsure=unsure, notes=notes)


def _asked(table: TableFile, source: Any, into: str | None) -> bytearray:
    """Which rows are asked about, as 1 and 0: all, or those that have nothing in a column."""
    if into is None:
        return bytearray([1]) * len(table.rows)
    if isinstance(source, Excel):
        return bytearray(source.has_no_value(row, into) for row in table.rows)
    # A row whose cells may be shifted has a cell that nobody knows: it is refused.
    return bytearray(bool(row.problem) or has_no_value(row, into) for row in table.rows)


def _check_columns(table: TableFile, names: Sequence[str]) -> None:
    twice = [name for name in names if table.columns.count(name) > 1]
    if twice:
        raise TableError(f"{table.path}: has two columns {twice[0]!r}; rename one of them")


def _notes(table: TableFile, source: Any, names: Sequence[str], *, in_place: bool) -> list[str]:
    """What people should know before they use the filled table. Raises TableError."""
    notes = []
    old = [name for name in table.columns if name.startswith(SCORE) and name not in names]
    if old and len(names) > 1:
        more = [f"{len(old) - 3} more"] if len(old) > 3 else []
        notes.append(f"{listed([*old[:3], *more])} of an earlier fill: left as they were")
    if isinstance(source, Excel) and source.lost:
        if in_place:
            raise TableError(
                f"{table.path}: has {listed(source.lost)}, which would be lost or changed; fill it "
                "into another file with --out, or save it as CSV"
            )
        notes.append(
            f"{table.path.name} has {listed(source.lost)}, which the filled table lacks or has "
            "changed"
        )
    return notes


def _target(path: Path, out: StrPath | None, *, in_place: bool) -> Path:
    if in_place:
        if out is not None:
            raise TypeError("give out or in_place, not both")
        return path
    if out is None:
        raise TypeError("where to? give out, or in_place")
    target = place(out)
    if is_same_file(target, path):
        raise OutputError(
            f"{target}: is the table itself; fill it with --in-place, which keeps a copy"
        )
    return target


def _check_suffix(target: Path, path: Path, suffixes: Sequence[str]) -> None:
    def suffix(of: Path) -> str:
        return Path(of.name.casefold().removesuffix(".gz")).suffix

    if suffix(target) not in {*suffixes, suffix(path)}:
        raise OutputError(
            f"{target}: a table is given back in its own kind; end the name in "
            f"{' or '.join(dict.fromkeys([suffix(path) or suffixes[0], *suffixes]))}"
        )


def _is_packed(table: TableFile, target: Path) -> bool:
    """Whether the filled table is gzipped: its name says so, or it is filled in place and was."""
    if table.path != target:
        return target.name.casefold().endswith(".gz")
    with target.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None  # reading it says what is wrong
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _back_up(path: Path) -> Path:
    """Keep a copy of a file next to it, and no older copy is lost."""
    number, backup = 1, path.with_name(path.name + _BACKUP)
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}{_BACKUP}{number}")
    with replacing(backup) as partial:
        shutil.copy2(path, partial)
    return backup


@contextmanager
def _writing(target: Path, *, packed: bool) -> Iterator[Path]:
    """A file to write the table to, which then goes to `target`, whole or not at all."""
    if str(target) == "-":
        with TemporaryDirectory() as folder:
            yield Path(folder, "table")
            with Path(folder, "table").open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    with replacing(target) as partial:
        yield partial
        if packed:
            plain = partial.with_name(f"{partial.name}.plain")
            os.replace(partial, plain)
            try:
                with (
                    plain.open("rb") as file,
                    partial.open("wb") as raw,
                    GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as zipped,
                ):
                    shutil.copyfileobj(file, zipped)
            finally:
                plain.unlink()
