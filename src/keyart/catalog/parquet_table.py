"""Tables in Parquet, read a few hundred rows at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from keyart.catalog.content import Content
from keyart.catalog.json_table import Numbered
from keyart.errors import TableError, one_line
from keyart.extras import extras

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 512  # read at once


class ParquetTable:
    """The rows of a Parquet file. columns: their names.

    Raises TableError if the file is damaged, or has more than `most_rows` rows or `most_bytes`
    bytes in memory, and MissingExtraError without pyarrow.
    """

    def __init__(self, content: Content, *, most_bytes: int, most_rows: int) -> None:
        with extras():
            import pyarrow  # noqa: F401

        self._content = content
        path, rows, size = content.path, 0, 0
        with self._reading():
            self.columns = tuple(self._open().schema_arrow.names)
            # A few bytes may stand for billions of rows, or of letters.
            for part in self._parts():
                rows += part.num_rows
                size += part.num_rows * len(self.columns)
                size += sum(_without_dictionary(column).nbytes for column in part.columns)
                if size > most_bytes or rows > most_rows:
                    raise TableError(
                        f"{path}: over {most_rows:,} rows or {most_bytes:,} bytes in memory, which "
                        "is too much for its size; save it as CSV"
                    )

    def rows(self) -> Iterator[Numbered]:
        """The rows, with their numbers from 1."""
        number, parts = 0, self._parts()
        while True:
            with self._reading():
                part = next(parts, None)
                if part is None:
                    return
                columns = [_values(_without_dictionary(column)) for column in part.columns]
            for cells in zip(*columns, strict=True):
                number += 1
                yield number, dict(zip(self.columns, cells, strict=True))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            message = f"{self._content.path}: damaged Parquet ({one_line(error)})"
            raise TableError(message) from error

    def _parts(self) -> "Iterator[pa.RecordBatch]":
        # Not pq.read_table, which refuses two columns of one name.
        yield from self._open().iter_batches(_ROWS)

    def _open(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pq.ParquetFile(pa.PythonFile(self._content.file, mode="r"))


def _without_dictionary(column: Any) -> Any:
    """A column as large as its values will be."""
    return column.dictionary_decode() if hasattr(column, "dictionary_decode") else column


def _values(column: Any) -> list[Any]:
    """A column's values; as text if Python has no such values, such as nanoseconds."""
    import pyarrow as pa

    try:
        values: list[Any] = column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError):
        values = [str(value) for value in column.cast(pa.string())]
    return values
