"""The posters that paths name: files, folders of them, or tables that list them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from keyart.catalog.table_file import SUFFIXES, read_table
from keyart.errors import PosterError, TableError
from keyart.files import StrPath
from keyart.images.folder import files_below, is_picture, no_pictures

_COLUMNS = ("poster", "poster_path", "poster_file", "path", "file", "filename", "image")


def find_posters(paths: StrPath | Iterable[StrPath]) -> Iterator[Path]:
    """The posters that one or several paths name, in order.

    A file is a poster. A folder stands for all pictures in it and below it, sorted. A table (CSV,
    TSV, Parquet or JSON lines) lists posters in its poster column, relative to the table's folder.

    Raises PosterError if a path does not exist or a folder has no pictures; TableError if a table
    cannot be read or has no poster column.
    """
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    for path in map(Path, several):
        if path.is_dir():
            files = sorted(files_below(path))
            found = [file for file in files if is_picture(file)]
            if not found:
                raise PosterError(no_pictures(path, files))
            yield from found
        elif not path.exists():
            raise PosterError(f"{path}: no such file or folder")
        elif path.suffix.casefold() in SUFFIXES:
            yield from _listed(path)
        else:
            yield path


def _listed(path: Path) -> Iterator[Path]:
    table = read_table(path)
    column = table.column(_COLUMNS)
    if column is None:
        raise TableError(
            f"{path}: no poster column; its columns are {', '.join(table.columns) or '(none)'}; "
            f"name one of them {', '.join(_COLUMNS)}"
        )
    for row in table.rows:
        cell = row.cells.get(column)
        if cell is not None and (name := str(cell).strip()):
            yield path.parent / name
