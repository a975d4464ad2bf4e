"""Filling a DataFrame: pandas, Polars, Arrow, or what offers Arrow's streams."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from keyart.catalog.table_file import Row, Rows, TableFile
from keyart.extras import extras
from keyart.tables.filling import JOINED_BY, SCORE, UNSURE, Filling, Value
from keyart.tables.parquet import filled_columns

NAME = Path("DataFrame")
"""What messages call a table that is in no file."""


def kind_of_frame(table: Any) -> str | None:
    """'pandas', 'polars' or 'arrow'; None for what is no DataFrame."""
    package = type(table).__module__.partition(".")[0]
    if package in ("pandas", "polars") and type(table).__name__ == "DataFrame":
        return package
    return "arrow" if hasattr(table, "__arrow_c_stream__") else None


class Frame:
    """A DataFrame, to be filled. table: its rows, as of a file."""

    def __init__(self, frame: Any) -> None:
        self._kind = kind_of_frame(frame)
        self._frame = frame
        if self._kind == "arrow":
            with extras():
                import pyarrow as pa

            try:
                self._frame = frame if isinstance(frame, pa.Table) else pa.table(frame)
            except pa.ArrowException as error:  # one column alone
                raise TypeError(f"expected a table, got a {type(frame).__name__}") from error
        self.table = _rows(self._frame, self._kind)

    def check(self, names: Sequence[str], filling: Sequence[str]) -> None:
        """A DataFrame holds any name in any column."""

    def filled(self, filling: Filling) -> Any:
        """A new DataFrame of the same kind, with the same columns, types and index."""
        filling = replace(filling, rows=list(filling.rows))
        if self._kind == "arrow":
            return filled_columns(self._frame, filling, list(filling.rows), self.table)
        columns = self._columns(filling)
        if self._kind == "polars":
            import polars

            kinds: Any = {name: _polars_type(polars, name) for name in columns}
            if filling.only_empty:
                kinds = {name: self._frame.schema[name] for name in columns}
            return self._frame.with_columns(
                polars.Series(name, values, dtype=kinds[name]) for name, values in columns.items()
            )
        new = self._frame.copy()
        if filling.only_empty:
            place = self.table.columns.index(filling.columns[0])
            found = [row for row in filling.rows if row is not None]
            if found and _refuses_text(new.dtypes.iloc[place]):  # all empty, or a set of categories
                new.isetitem(place, new.iloc[:, place].astype(object))
            for number, row in enumerate(filling.rows):
                if row is not None:
                    new.iat[number, place] = row[0]
            return new
        for name, values in columns.items():
            new[name] = values
            if name == UNSURE:
                new[name] = new[name].astype("boolean")
        return new

    def _columns(self, filling: Filling) -> Mapping[str, list[Any]]:
        columns: dict[str, list[Any]] = {}
        for number, name in enumerate(filling.columns):
            old: Sequence[Any] = [None] * len(self.table.rows)
            if filling.only_empty:
                old = [row.cells[name] for row in self.table.rows]
            columns[name] = [
                before if row is None else _plain(row[number], keep=filling.only_empty)
                for before, row in zip(old, filling.rows, strict=True)
            ]
        return columns


def _refuses_text(kind: Any) -> bool:
    """Whether a type of pandas holds no new text: categories, numbers, dates, yes and no."""
    return bool(kind.name == "category" or kind.kind in "biufcmM")


def _plain(value: Value, *, keep: bool) -> Any:
    return value if keep or not isinstance(value, tuple) else JOINED_BY.join(value)


def _polars_type(polars: Any, name: str) -> Any:
    if name == UNSURE:
        return polars.Boolean
    return polars.Float64 if name.startswith(SCORE) else polars.String


def _rows(frame: Any, kind: str | None) -> TableFile:
    if kind == "pandas":
        names = [str(name) for name in frame.columns]
        objects = frame.astype(object).where(frame.notna(), None)  # of a NaN, an NA or a NaT
        columns = [objects.iloc[:, at].tolist() for at in range(len(names))]
    elif kind == "polars":
        names, columns = frame.columns, [column.to_list() for column in frame.get_columns()]
    else:
        names, columns = frame.column_names, [column.to_pylist() for column in frame.columns]
    rows = [
        Row(number, dict(zip(names, cells, strict=True)))
        for number, cells in enumerate(zip(*columns, strict=True), start=1)
    ]
    return TableFile(NAME, tuple(names), Rows(lambda: iter(rows)))
