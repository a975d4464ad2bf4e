"""The films that paths name: posters, folders and archives of them, patterns, tables.

`_parts_of` is the only place that tells kinds of paths apart.
"""

import glob
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from keyart.catalog.films_table import Columns, film_of, find_columns, unnamed_columns
from keyart.catalog.kept import catalog_films, is_catalog
from keyart.catalog.poster_folder import PosterFolder
from keyart.catalog.table_file import TableFile, is_table, read_table
from keyart.copies import local_file
from keyart.errors import KeyartError, PosterError, TableError, why
from keyart.files import StrPath
from keyart.images.archive import Archive, is_archive
from keyart.images.folder import files_below, is_picture, no_pictures, stem
from keyart.images.kind import HEAD
from keyart.images.poster import MAX_BYTES, KeptPoster, check_size
from keyart.library.folder import FolderFilm, read_folder
from keyart.prediction import Query
from keyart.printable import printable
from keyart.stores.paths import RemotePath, place

_log = logging.getLogger(__name__)
STANDARD_INPUT = "-"
_FILES = ("path", "file", "image")  # columns of posters, in tables that need not be of films
_NAMED = re.compile(r"(.*\S)\s+\((18[89][0-9]|19[0-9]{2}|20[0-9]{2})\)")  # "Alien (1979)"
_OF_ITS_FOLDER = ("poster", "folder", "cover")  # pictures that media servers name so
# "poster (1950).jpg" is the 1,950th of many posters; page/names.js has the same names.
_NO_TITLES = {
    *_OF_ITS_FOLDER, "posters", "front", "image", "img", "picture", "pic", "photo", "scan", "file",
    "download", "screenshot", "thumb", "thumbnail", "untitled", "unnamed",
}  # fmt: skip
_LONGEST_LINE = 100_000  # bytes of a path on standard input
_LIKE_TEXT = (b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II", b"MM")
_BINARY = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f]|\0\0|\A\xff\xd8\xff")


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
    pictures in it and below it, sorted; in a media library, with videos or NFO files, it stands for
    its films, each with its poster and with the title and year of its NFO, and fan art, logos and
    the like are no posters. An archive (.zip, .tar, also compressed) stands for its pictures,
    sorted, and is read without unpacking it. A pattern ('posters/*.jpg', with ** for folders at any
    depth) stands for what it matches, sorted. '-' is standard input: one picture, or lines of
    paths, each of which may be any of these; a line that names nothing becomes a Failure.

    A table stands for its rows, each of them, in order; a row's poster is the file that it names,
    by its path from the table's folder or from `posters`, or the file in `posters` that is named
    after its id, or the cell itself if it holds the bytes of a picture (also as {"bytes": ...}, as
    Hugging Face's datasets have it). A row whose poster is not found is predicted from its title,
    if the model has learned titles, and otherwise becomes a Failure. A table of titles needs no
    posters. A catalog stands for its films, with the posters that it keeps.

    posters: the folder or the archive of the tables' posters. columns: names of the tables'
    columns, as in `Catalog.build`. Raises PosterError if a path does not exist, a pattern matches
    nothing, or a folder has no pictures; TableError if a table cannot be read, or does not say
    which posters it is about, or if there are `columns` but no table.
    """
    for part in _parts(paths, posters, columns):
        yield from part


class NamedFilms:
    """The films that paths name, as `find_films` gives them, as often as they are asked for.

    Tables stay where they are, because one may have a million rows; anything else is a list here.
    """

    def __init__(
        self,
        paths: StrPath | Iterable[StrPath],
        *,
        posters: StrPath | None = None,
        columns: Columns | None = None,
    ) -> None:
        """Look into folders and open tables, with the errors of `find_films`."""
        self._parts = [
            part if isinstance(part, TableFilms) else list(part)
            for part in _parts(paths, posters, columns)
        ]

    def __iter__(self) -> Iterator[Query]:
        return (film for part in self._parts for film in part)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def without_posters(self) -> int:
        """How many have no poster, because their table names none: they go by their titles."""
        return sum(
            part.without_posters
            if isinstance(part, TableFilms)
            else sum(film.poster is None for film in part)
            for part in self._parts
        )


def _parts(
    paths: StrPath | Iterable[StrPath], posters: StrPath | None, columns: Columns | None
) -> Iterator[Iterable[Query]]:
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    if hasattr(several, "columns"):  # it would iterate over their names
        raise TypeError(
            f"expected paths, got a {type(several).__name__}; give it to keyart.fill, or pass its "
            "column of paths"
        )
    wanted = dict(columns or {})  # until there is a table that may have them
    for path in several:
        for part in _parts_of(os.fspath(path), posters, columns or {}):
            if isinstance(part, TableFilms) or path == STANDARD_INPUT:
                wanted.clear()
            yield part
    for kind, name in wanted.items():
        option = "--poster-column" if kind == "poster" else f"--{kind}"
        remedy = "; a file's own name may give both: Alien (1979).jpg"
        raise TableError(
            f"{option} {name!r} names a column of a table, and there is no table"
            f"{remedy if kind in ('title', 'year') else ''}"
        )


def _parts_of(given: str, posters: StrPath | None, columns: Columns) -> Iterator[Iterable[Query]]:
    """The films of one path: those of each table, and others."""
    path = place(given)
    if given == STANDARD_INPUT:
        yield _given(posters, columns)
    elif is_catalog(path):
        yield (Query(*film) for film in catalog_films(path))
    elif path.is_dir():
        yield _in_folder(path)
    elif not os.path.lexists(path) and glob.has_magic(given):
        for match in _matching(given):
            yield from _parts_of(str(match), posters, columns)
    elif not path.exists():
        raise PosterError(f"{path}: no such file or folder")
    elif is_table(path):
        yield TableFilms(read_table(local_file(path)), posters, columns)
    elif is_archive(path):
        archive = Archive(local_file(path))
        yield (_named(member, path / member.place, archive.has) for member in archive.pictures())
    else:
        yield [_of_file(path)]


def _in_folder(path: Path) -> Iterator[Query]:
    """The films of a media library, and the pictures that may be other films' posters, by path."""
    contents = read_folder(path)
    films, pictures = contents.films, contents.pictures
    if not films and not pictures:
        raise PosterError(no_pictures(path, files_below(path)))
    if films or contents.left_out:
        _log.info("%s", contents.note(path))
    for film in films:
        if film.problem:
            _log.warning("%s: %s; its name says what it is", path / film.name, film.problem)
    found: list[tuple[Path, Path | FolderFilm]] = [(picture, picture) for picture in pictures]
    found += [(film.poster or path / film.name, film) for film in films]
    exists: Callable[[Path], bool] = os.path.exists
    if isinstance(path, RemotePath):  # it was listed: nothing needs to be asked again
        exists = set(pictures).__contains__
    for _, one in sorted(found, key=lambda pair: pair[0]):
        yield _named(one, one, exists) if isinstance(one, Path) else _of_library(one)


def _of_library(film: FolderFilm) -> Query:
    return Query(film.poster, film.known_id, film.title, film.year)


def _matching(pattern: str) -> list[Path]:
    """What a pattern matches, but not files that are neither poster nor table.

    ** goes into folders by itself: those that it matches do not count again.
    """
    paths = map(Path, sorted(glob.glob(pattern, recursive=True)))
    deep = "**" in Path(pattern).parts
    found = [
        path
        for path in paths
        if (not deep if path.is_dir() else is_picture(path) or is_table(path) or is_archive(path))
    ]
    if not found:
        raise PosterError(f"{pattern}: no file of this name, and no picture fits it as a pattern")
    return found


class _Given(KeptPoster):
    """The picture that came on standard input."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __fspath__(self) -> str:
        return STANDARD_INPUT

    def read(self) -> bytes:
        check_size(len(self._content))
        return self._content


def _given(posters: StrPath | None, columns: Columns) -> Iterator[Query]:
    """The films of standard input: a picture, or else lines of paths, by their first bytes.

    Lines are read as they are needed. Null characters end paths too, as of `find -print0`.
    """
    file = sys.stdin.buffer
    head = file.readline(_LONGEST_LINE)
    if head.startswith(_LIKE_TEXT):  # these kinds may have a line end before what tells them apart
        head += file.read(max(0, HEAD - len(head))) + file.readline(_LONGEST_LINE)
    if _BINARY.search(head):
        yield Query(_Given(head + file.read(MAX_BYTES + 1)))
        return
    if b"\0" in head:
        head += file.read()
    empty = True
    for line in _lines(head, lambda: file.readline(_LONGEST_LINE)):
        path = os.fsdecode(line)
        if not path.strip():
            continue
        empty = False
        try:
            if path == STANDARD_INPUT:
                raise PosterError("standard input cannot name itself")
            for part in _parts_of(path, posters, columns):
                yield from part
        except (KeyartError, OSError, ValueError) as error:
            yield Query(path, problem=why(error).removeprefix(f"{path}: "))
    if empty:
        raise PosterError("nothing on standard input; give a picture, or paths, one a line")


def _lines(first: bytes, read: Callable[[], bytes]) -> Iterator[bytes]:
    """Lines without their ends, of the bytes that were read already and of what follows."""
    piece = first
    while piece:
        yield from re.split(rb"\r?\n|\0", piece)
        piece = read()


def _of_file(poster: Path) -> Query:
    return _named(poster, poster, os.path.exists)


def _named(poster: Path | KeptPoster, path: Path, exists: Callable[[Path], bool]) -> Query:
    """A poster, with the title and the year of its name or of its folder's name, if it has them.

    path: where it is. exists: whether there is another file where it is.
    """
    named, name = path, stem(path.name)
    if name.casefold().endswith("-poster"):  # Alien (1979)-poster.jpg
        name = name[: -len("-poster")]
    if name.casefold() in _OF_ITS_FOLDER:
        # It may be the working directory.
        named = (path if isinstance(path, RemotePath) else Path(os.path.abspath(path))).parent
        name = named.name
    match = _NAMED.fullmatch(name)
    if match is None or printable(name) != name:  # broken text is no title
        return Query(poster)
    title = match[1].strip()
    if title.casefold() in _NO_TITLES or _is_numbered(
        named, title, named.name[len(name) :], exists
    ):
        return Query(poster)
    return Query(poster, None, title, int(match[2]))


def _is_numbered(named: Path, title: str, suffix: str, exists: Callable[[Path], bool]) -> bool:
    """Whether the number in a name counts pictures that were renamed together."""
    others = (named.with_name(f"{title} ({count}){suffix}") for count in (1, 2))
    return any(map(exists, others))


class TableFilms:
    """The films of a table, one for each of its rows, as `find_films` gives them."""

    def __init__(self, table: TableFile, posters: StrPath | None, given: Columns) -> None:
        """Find the columns, and look into the folder of posters. Raises TableError."""
        self._table = table
        found = self._columns = find_columns(table, given)
        if "poster" not in found and (column := table.column(_FILES)) is not None:
            found["poster"] = column
        has_posters = "poster" in found or (posters is not None and "id" in found)
        if not has_posters and (posters is not None or "title" not in found):
            shown = ", ".join(table.columns) or "(none)"
            missing = "no poster column, and no titles"
            remedy = "give the folder of posters that are named after the ids with --posters, or "
            remedy += "say with --title which column holds titles"
            if posters is not None:
                missing = "neither a poster column nor ids"
                remedy = "say with --id which one holds the ids that the posters are named after"
            raise table.error(
                f"{missing}; its columns are {shown}; say with --poster-column which one names "
                f"files, or {remedy}"
            )
        for note in [*table.notes, *unnamed_columns(table, found)]:
            _log.info("%s", note)
        self._folder = PosterFolder(_folder(posters), table.path) if has_posters else None

    def __len__(self) -> int:
        return len(self._table.rows)

    @cached_property
    def without_posters(self) -> int:
        """How many films have no poster, because the table names none at all."""
        return 0 if self._folder else sum(not row.problem for row in self._table.rows)

    def __iter__(self) -> Iterator[Query]:
        for row in self._table.rows:
            picture = _picture(row.cells.get(self._columns.get("poster", "")))
            if picture is not None:
                row = replace(row, cells={**row.cells, self._columns["poster"]: None})
            film = film_of(row, self._columns)
            where, film_id, title = f"line {film.line}", film.film_id or None, film.title or None
            if row.problem:  # its cells may stand in the wrong columns: no title to answer by
                yield Query(film.poster or where, film_id, problem=f"{where}: {row.problem}")
            elif picture is not None:
                yield Query(picture, film_id, title, film.year)
            elif self._folder is None:
                yield Query(None, film_id, title, film.year)
            else:
                found = self._folder.find(film.film_id, film.poster)
                if isinstance(found, str):
                    yield Query(film.poster or where, film_id, title, film.year, found)
                else:
                    yield Query(found, film_id, title, film.year)


def _picture(cell: object) -> bytes | None:
    """The picture that a cell holds, rather than its name."""
    content = cell.get("bytes") if isinstance(cell, Mapping) else cell
    if isinstance(content, bytes) and _BINARY.search(content[:HEAD]):
        return content
    return None


def _folder(posters: StrPath | None) -> Path | Archive | None:
    path = place(posters) if posters else None
    is_one = path is not None and is_archive(path) and path.is_file()
    return Archive(local_file(path)) if path and is_one else path
