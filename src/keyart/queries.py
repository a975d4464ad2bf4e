"""The films that paths name: posters, folders of them, and tables with a row for each film."""

import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from keyart.catalog.films_table import Columns, film_of, find_columns, unnamed_columns
from keyart.catalog.poster_folder import PosterFolder
from keyart.catalog.table_file import is_table, read_table
from keyart.copies import local_file
from keyart.errors import PosterError
from keyart.files import StrPath, printable
from keyart.images.folder import files_below, is_picture, no_pictures, stem
from keyart.prediction import Query
from keyart.stores.paths import place

_log = logging.getLogger(__name__)
_FILES = ("path", "file", "image")  # columns of posters, in tables that need not be of films
_NAMED = re.compile(r"(.*\S) \((18[89][0-9]|19[0-9]{2}|20[0-9]{2})\)")  # "Alien (1979)"
_OF_ITS_FOLDER = ("poster", "folder", "cover")  # pictures that media servers name so
# "poster (1950).jpg" is the 1,950th of many posters; page/names.js has the same names.
_NO_TITLES = {
    *_OF_ITS_FOLDER, "posters", "front", "image", "img", "picture", "pic", "photo", "scan", "file",
    "download", "screenshot", "thumb", "thumbnail", "untitled", "unnamed",
}  # fmt: skip


def find_films(
    paths: StrPath | Iterable[StrPath],
    *,
    posters: StrPath | None = None,
    columns: Columns | None = None,
) -> Iterator[Query]:
    """The films that one or several paths name, in order, for `Predictor.predict_many`.

    A file is a poster; 'Alien (1979).jpg' and 'Alien (1979)/poster.jpg' (folder.jpg, cover.jpg)
    give the film's title and year as well, and other names do not, nor do numbered ones, as
    'poster (1950).jpg', or 'scan-a (1950).jpg' next to 'scan-a (1).jpg'. A folder stands for all
    pictures in it and below it, sorted. A table stands for its rows, each of them, in order; a
    row's poster is the file that it names, by its path from the table's folder or from `posters`,
    or else the file in `posters` that is named after its id. A row whose poster is not found is
    answered by its title, if the model has learned titles, and otherwise becomes a Failure. A table
    of titles needs no posters.

    posters: the folder of the tables' posters. columns: names of the tables' columns, as in
    `Catalog.build`. Raises PosterError if a path does not exist or a folder has no pictures;
    TableError if a table cannot be read, or does not say which posters it is about.
    """
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    for path in map(place, several):
        if path.is_dir():
            files = sorted(files_below(path))
            found = [file for file in files if is_picture(file)]
            if not found:
                raise PosterError(no_pictures(path, files))
            yield from map(_named, found)
        elif not path.exists():
            raise PosterError(f"{path}: no such file or folder")
        elif is_table(path):
            yield from _listed(path, place(posters) if posters else None, columns or {})
        else:
            yield _named(path)


def _named(poster: Path) -> Query:
    """A poster, with the title and the year of its name or of its folder's name, if it has them."""
    named, name = poster, stem(poster.name)
    if name.casefold() in _OF_ITS_FOLDER:
        named = Path(os.path.abspath(poster)).parent  # it may be the working directory
        name = named.name
    match = _NAMED.fullmatch(name)
    if match is None or printable(name) != name:  # broken text is no title
        return Query(poster)
    title = match[1].strip()
    if title.casefold() in _NO_TITLES or _is_numbered(named, title, named.name[len(name) :]):
        return Query(poster)
    return Query(poster, None, title, int(match[2]))


def _is_numbered(named: Path, title: str, suffix: str) -> bool:
    """Whether the number in a name counts pictures that were renamed together."""
    others = (named.with_name(f"{title} ({count}){suffix}") for count in (1, 2))
    return any(map(os.path.exists, others))


def _listed(path: Path, posters: Path | None, given: Columns) -> Iterator[Query]:
    table = read_table(local_file(path))
    found = find_columns(table, given)
    if "poster" not in found and (column := table.column(_FILES)) is not None:
        found["poster"] = column
    has_posters = "poster" in found or (posters is not None and "id" in found)
    if not has_posters and (posters is not None or "title" not in found):
        shown = ", ".join(table.columns) or "(none)"
        missing = "no poster column, and no titles"
        remedy = "name the folder of posters that are named after the ids with --posters, or say "
        remedy += "with --title which column holds titles"
        if posters is not None:
            missing = "neither a poster column nor ids"
            remedy = "say with --id which one holds the ids that the posters are named after"
        raise table.error(
            f"{missing}; its columns are {shown}; say with --poster-column which one names files, "
            f"or {remedy}"
        )
    for note in [*table.notes, *unnamed_columns(table, found)]:
        _log.info("%s", note)
    folder = PosterFolder(posters, path) if has_posters else None
    for row in table.rows:
        film = film_of(row, found)
        where, film_id, title = f"line {film.line}", film.film_id or None, film.title or None
        if row.problem:  # its cells may stand in the wrong columns: it has no title to answer by
            yield Query(film.poster or where, film_id, problem=f"{where}: {row.problem}")
        elif folder is None:
            yield Query(None, film_id, title, film.year)
        else:
            file = folder.find(film.film_id, film.poster)
            poster, problem = (file, "") if isinstance(file, Path) else (film.poster or where, file)
            yield Query(poster, film_id, title, film.year, problem)
