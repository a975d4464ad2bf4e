"""Filling Parquet: row group by row group; other columns keep their types and metadata."""

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyart.catalog.table_file import TableFile
from keyart.errors import TableError, one_line
from keyart.extras import extras
from keyart.tables.filling import JOINED_BY, SCORE, UNSURE, Filling, Value

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_NAMES = {"UNCOMPRESSED": "NONE"}  # of reading and of writing


class Parquet:
    """A table of Parquet, to be filled."""

    suffixes = (".parquet", ".pq")

    def __init__(self, table: TableFile) -> None:
        with extras():
            import pyarrow as pa
            import pyarrow.parquet as pq

        assert table.file is not None
        self._table, self._content = table, table.file.content
        self._file = pq.ParquetFile(pa.PythonFile(self._content.file, mode="r"))

    def check(self, names: Sequence[str], filling: Sequence[str]) -> None:
        """Parquet holds any name in any column."""

    def write(self, filling: Filling, out: Path) -> None:
        """Write the filled table."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows_left = iter(filling.rows)
        writer: Any = None
        facts = self._file.metadata
        with pa.OSFile(os.fsencode(out), "wb") as sink:
            for group in range(facts.num_row_groups):
                rows = self._file.read_row_group(group)
                values = list(islice(rows_left, rows.num_rows))
                filled = filled_columns(rows, filling, values, self._table)
                if writer is None:
                    writer = pq.ParquetWriter(sink, filled.schema, **_options(self._file, filled))
                writer.write_table(filled, row_group_size=max(1, filled.num_rows))
            if writer is not None:
                writer.close()


def filled_columns(
    rows: "pa.Table", filling: Filling, values: Sequence[Sequence[Value] | None], table: TableFile
) -> "pa.Table":
    """Rows as an Arrow table, with filled columns; the others are the same."""
    import pyarrow as pa

    for number, name in enumerate(filling.columns):
        cells = [None if row is None else row[number] for row in values]
        if filling.only_empty:
            place = rows.schema.get_field_index(name)
            field, old = rows.schema.field(place), rows.column(place).to_pylist()
            chosen = [
                before if row is None else cell
                for before, cell, row in zip(old, cells, values, strict=True)
            ]
            try:
                array = _array(chosen, field.type)
            except (pa.ArrowException, TypeError) as error:
                raise TableError(
                    f"{table.path}: {name!r} is a column of {field.type}, which cannot hold names "
                    f"of genres ({one_line(error)}); choose another one"
                ) from error
            rows = rows.set_column(place, field, array)
            continue
        kind = pa.bool_() if name == UNSURE else pa.string()
        kind = pa.float64() if name.startswith(SCORE) else kind
        texts = [JOINED_BY.join(cell) if isinstance(cell, tuple) else cell for cell in cells]
        array = pa.array(texts, kind)
        place = rows.schema.get_field_index(name)
        rows = rows.append_column(name, array) if place < 0 else rows.set_column(place, name, array)
    return rows


def _array(values: Sequence[Any], kind: "pa.DataType") -> "pa.Array":
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, kind)


def _options(file: "pq.ParquetFile", filled: "pa.Table") -> dict[str, Any]:
    """How the file was written: compression of each column, and timestamps of old Hadoop."""
    facts = file.metadata
    compression: Any = "snappy"
    old_timestamps = False
    if facts.num_row_groups:
        chunks = [facts.row_group(0).column(at) for at in range(facts.num_columns)]
        old_timestamps = any(one.physical_type == "INT96" for one in chunks)
        used = {one.path_in_schema: _NAMES.get(one.compression, one.compression) for one in chunks}
        usual = max(set(used.values()), key=list(used.values()).count, default="SNAPPY")
        if len(set(used.values())) > 1:
            compression = {name: usual for name in filled.schema.names} | used
        else:
            compression = usual
    return {
        "compression": compression,
        "use_deprecated_int96_timestamps": old_timestamps,
        "store_schema": b"ARROW:schema" in (facts.metadata or {}),
    }
