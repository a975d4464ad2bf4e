"""The films that paths name: posters, folders of them, and tables with a row for each film."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from keyart.catalog.films_table import Columns, film_of, find_columns
from keyart.catalog.poster_folder import PosterFolder
from keyart.catalog.table_file import is_table, read_table
from keyart.errors import PosterError, TableError
from keyart.files import StrPath
from keyart.images.folder import files_below, is_picture, no_pictures
from keyart.prediction import Query

_FILES = ("path", "file", "image")  # columns of posters, in tables that need not be of films


def find_films(
    paths: StrPath | Iterable[StrPath],
    *,
    posters: StrPath | None = None,
    columns: Columns | None = None,
) -> Iterator[Query]:
    """The films that one or several paths name, in order, for `Predictor.predict_many`.

    A file is a poster. A folder stands for all pictures in it and below it, sorted. A table stands
    for its rows, each of them, in order; a row's poster is the file that it names, by its path from
    the table's folder or from `posters`, or else the file in `posters` that is named after its id.
    A row whose poster is not found becomes a Failure in the answer.

    posters: the folder of the tables' posters. columns: names of the tables' columns, as in
    `Catalog.build`. Raises PosterError if a path does not exist or a folder has no pictures;
    TableError if a table cannot be read, or does not say which posters it is about.
    """
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    for path in map(Path, several):
        if path.is_dir():
            files = sorted(files_below(path))
            found = [file for file in files if is_picture(file)]
            if not found:
                raise PosterError(no_pictures(path, files))
            yield from map(Query, found)
        elif not path.exists():
            raise PosterError(f"{path}: no such file or folder")
        elif is_table(path):
            yield from _listed(path, Path(posters) if posters else None, columns or {})
        else:
            yield Query(path)


def _listed(path: Path, posters: Path | None, given: Columns) -> Iterator[Query]:
    table = read_table(path)
    found = find_columns(table, given)
    if "poster" not in found and (column := table.column(_FILES)) is not None:
        found["poster"] = column
    if "poster" not in found and (posters is None or "id" not in found):
        shown = ", ".join(table.columns) or "(none)"
        missing = "no poster column" if posters is None else "neither a poster column nor ids"
        raise TableError(
            f"{path}: {missing}; its columns are {shown}; say with --poster-column which one names "
            "files, or name the folder of posters that are named after the ids with --posters"
        )
    folder = PosterFolder(posters, path)
    for row in table.rows:
        film = film_of(row, found)
        where = f"line {film.line}"
        file = f"{where}: {row.problem}" if row.problem else folder.find(film.film_id, film.poster)
        poster, problem = (file, "") if isinstance(file, Path) else (film.poster or where, file)
        yield Query(poster, film.film_id or None, film.title or None, film.year, problem)
