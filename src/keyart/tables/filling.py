"""What is filled into a table: new columns with what is predicted, or the empty cells of one."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyart.catalog.genre_cells import genre_names
from keyart.catalog.table_file import Row, TableFile
from keyart.genres import Vocabulary
from keyart.prediction import Failure, Prediction

GENRES, MAYBE, UNSURE, ERROR = "keyart_genres", "keyart_maybe", "keyart_unsure", "keyart_error"
SCORE = "keyart_score_"
JOINED_BY = "|"

Value = str | bool | float | tuple[str, ...] | list[str] | None
"""Of a cell: text, yes or no, a score, names of genres; a list for a column of lists."""

_LIKELY = 0.1  # of the filled cells of a column of genres name one; of a column of titles, 1%
_BETWEEN = re.compile(r"\s*[|,;/]\s*")


@dataclass(frozen=True)
class Filling:
    """What to write into a table.

    columns: their names. rows: for each row of the table the values of these columns, or None for a
    row that stays as it is; read once. only_empty: the column exists, and only its empty cells
    change.
    """

    columns: Sequence[str]
    rows: Iterable[Sequence[Value] | None]
    only_empty: bool = False


def new_columns(genres: Sequence[str], *, scores: bool) -> tuple[str, ...]:
    """The names of the columns that hold predictions."""
    return (GENRES, MAYBE, UNSURE, *([SCORE + name for name in genres] if scores else []), ERROR)


def new_cells(film: Prediction | Failure, genres: Sequence[str], *, scores: bool) -> list[Value]:
    """The values of `new_columns` for a film."""
    if isinstance(film, Failure):
        empty: list[Value] = [None] * (3 + (len(genres) if scores else 0))
        return [*empty, film.reason]
    found = [film.scores[name] for name in genres] if scores else []
    return [film.genres, film.maybe, film.unsure, *found, film.problem or film.warning or None]


def is_empty(cell: Any) -> bool:
    r"""Whether a cell has no value: nothing, spaces, a NaN, an empty list, or IMDb's \N."""
    if isinstance(cell, str):
        return cell.strip() in ("", r"\N")
    if isinstance(cell, list | tuple):
        return not cell
    return cell is None or bool(cell != cell)


@dataclass(frozen=True)
class Style:
    """How a column writes genres: with which names, and joined by what.

    names: by the vocabulary's own. join: between names in a text. form: 'text', 'list', or 'json'
    and 'python', which are lists as text.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    join: str = JOINED_BY
    form: str = "text"

    @classmethod
    def of(cls, table: TableFile, column: str, vocabulary: Vocabulary) -> "Style":
        """The style of a column's filled cells. Raises TableError if they are not genres."""
        known, filled, lists, written, quotes = 0, 0, 0, 0, 0
        names: dict[str, Counter[str]] = {}
        between: Counter[str] = Counter()
        for row in table.rows:
            cell = row.cells.get(column)
            lists += isinstance(cell, list | tuple)
            if row.problem or is_empty(cell):
                continue
            filled += 1
            known += _count(cell, vocabulary, names)
            if isinstance(cell, str):
                written += cell.lstrip().startswith("[")
                quotes += "'" in cell
                between.update(_BETWEEN.findall(cell))
            elif not isinstance(cell, list | tuple):
                raise table.error(
                    f"{column!r} holds numbers, not names of genres; choose another column"
                )
            elif any(isinstance(one, Mapping) for one in cell):
                raise table.error(
                    f"{column!r} holds objects, not names of genres; fill new columns"
                )
        if known < _LIKELY * filled:
            raise table.error(
                f"only {known:,} of the {filled:,} filled cells of {column!r} name a genre of this "
                "model; give the column of genres with --into"
            )
        best = {
            genre: max(found, key=lambda name: (found[name], name == genre))
            for genre, found in names.items()
        }
        if lists:
            return cls(best, form="list")
        if 2 * written > filled:
            return cls(best, form="python" if quotes else "json")
        return cls(best, max(between, key=between.__getitem__, default=JOINED_BY))

    def cell(self, genres: Iterable[str]) -> str | list[str]:
        """Genres as this column writes them."""
        found = [self.names.get(name, name) for name in genres]
        if self.form == "list":
            return found
        if self.form == "json":
            return json.dumps(found, ensure_ascii=False)
        return str(found) if self.form == "python" else self.join.join(found)


def _count(cell: Any, vocabulary: Vocabulary, names: dict[str, Counter[str]]) -> bool:
    """Count the names that a cell uses for genres. Returns whether it names one at all."""
    known = False
    for name in genre_names(cell, vocabulary):
        genres = vocabulary.resolve(name)
        known = known or bool(genres)
        for genre in genres:
            names.setdefault(genre, Counter())[name if len(genres) == 1 else genre] += 1
    return known


def has_no_value(row: Row, column: str) -> bool:
    """Whether a row's cell may be filled."""
    return not row.problem and is_empty(row.cells.get(column))
