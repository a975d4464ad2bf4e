"""Where the posters of a prediction come from: files, folders, or a table that names them."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from keyart.errors import PosterError, TableError
from keyart.images.folder import files_below, is_picture

_TABLES = frozenset((".csv", ".tsv"))
_COLUMNS = ("poster", "poster_path", "poster_file", "path", "file", "filename", "image")


def find_posters(paths: Sequence[Path]) -> Iterator[Path]:
    """The posters that `paths` name, in order: files as they are, folders with all pictures below
    them (sorted), CSV or TSV tables by their poster column (relative to the table's folder).

    Raises PosterError for a path that does not exist and for a folder without pictures,
    TableError for a table without a poster column.
    """
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in files_below(path) if is_picture(file))
            if not found:
                raise PosterError(f"{path}: no pictures in this folder or below it")
            yield from found
        elif not path.exists():
            raise PosterError(f"{path}: no such file or folder")
        elif path.suffix.lower() in _TABLES:
            yield from _posters_of_table(path)
        else:
            yield path


def _posters_of_table(path: Path) -> Iterator[Path]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    rows = csv.reader(text.splitlines(), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    header = next(rows, [])
    names = [name.strip().casefold() for name in header]
    column = next((names.index(name) for name in _COLUMNS if name in names), None)
    if column is None:
        raise TableError(
            f"{path}: no poster column; its columns are {', '.join(header) or '(none)'}; "
            f"name one of them {', '.join(_COLUMNS)}"
        )
    for row in rows:
        if len(row) > column and row[column].strip():
            yield path.parent / row[column].strip()
