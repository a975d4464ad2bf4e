"""A folder of posters, and which of them belongs to which film."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote

from keyart.copies import local_poster
from keyart.errors import PosterError, TableError
from keyart.files import no_folder
from keyart.images.archive import Archive, Member
from keyart.images.folder import files_below, is_picture, no_pictures, stem

_WEB = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_SHOWN = 3  # examples in a note
_LONGEST = 200  # letters of a name in a message
NOT_PLANNED = "no poster found"
"""Why a film has no file if its table names none, and none is named after its id."""

PosterFile = Path | Member
"""A poster on the disk or in an archive."""


class PosterFolder:
    """Finds the file of a film: the one that its table names, otherwise the one named after its id.

    A table names a file by its path, from the table's folder or from the folder of posters. Case,
    Unicode form, the system's separators and a web address's query make no difference, unless
    there are files that differ in nothing else. The files 'tt0085549', '0085549' and '85549' all
    belong to the IMDb film tt0085549, because sources pad numbers differently. A film with a plain
    number as its id (MovieLens, TMDb) never gets a file named tt..., which is a number of IMDb.

    folder: of posters, or an archive of them; None if the table's paths alone say where they are,
    anywhere on the disk.
    note: a folder without pictures; otherwise empty. Raises TableError if there is no such folder.
    """

    def __init__(self, folder: Path | Archive | None, table: Path | None = None) -> None:
        archive = folder if isinstance(folder, Archive) else None
        if isinstance(folder, Path) and (problem := no_folder(folder)):
            raise TableError(f"{problem}; give the folder of posters")
        self._anywhere = folder is None
        self.folder = (table or Path()).parent
        if folder is not None:
            self.folder = folder.path if isinstance(folder, Archive) else folder
        self._root = Path(os.path.abspath(self.folder))
        self._table = Path(os.path.abspath(table)).parent if table else self._root
        self._entries: dict[Path, dict[str, list[Path]]] = {}  # of folders that were looked into
        self.pictures: list[PosterFile] = []
        self._by_path: dict[str, PosterFile] = {}
        self._by_folded: dict[str, list[PosterFile]] = {}
        self._by_stem: dict[str, list[PosterFile]] = {}  # with the folders before it
        self._by_name: dict[str, list[PosterFile]] = {}  # without them
        self._by_key: dict[str, list[PosterFile]] = {}
        files: Sequence[PosterFile] = archive.members if archive else ()
        if isinstance(folder, Path):
            files = sorted(files_below(folder))
        for file in files:
            place = self.relative(file).replace(os.sep, "/")
            self._by_path[place] = file
            self._by_folded.setdefault(_folded(place), []).append(file)
            if file.is_picture() if isinstance(file, Member) else is_picture(file):
                self.pictures.append(file)
                parent, _, name = place.rpartition("/")
                for bare in _bare(name):
                    self._by_stem.setdefault(_folded(f"{parent}/{bare}"), []).append(file)
                    self._by_name.setdefault(_folded(bare), []).append(file)
                    self._by_key.setdefault(_key(bare), []).append(file)
        self.note = ""
        if folder and not self.pictures:
            self.note = no_pictures(self.folder, map(PurePosixPath, self._by_path))

    def find(self, film_id: str, poster: str | None = None) -> PosterFile | str:
        """The file of a film, or why it has none.

        poster: what its table names. Only a film without it goes by its id. A web address names no
        file here, and neither does a path of TMDb's server (/xyz.jpg), unless the file is here.
        """
        if poster is not None and not _WEB.match(poster):
            if files := self._named(poster):
                return self._only(files)
            if self._anywhere or not re.fullmatch(r"/[^/\\]+", poster):
                return f"no poster found: {poster[:_LONGEST]} is not in {self.folder}"
        if self._anywhere:
            missing = (
                f"nothing is downloaded from {poster[:_LONGEST]}" if poster else "the row has none"
            )
            return f"no poster found: {missing}; give the folder of posters with --posters"
        files = self._of(film_id)
        return self._only(files) if files else NOT_PLANNED

    def relative(self, file: PosterFile) -> str:
        """A file's path, for people: from the folder if it is in it."""
        if isinstance(file, Member):
            return file.place
        return str(file.relative_to(self.folder)) if file.is_relative_to(self.folder) else str(file)

    def _only(self, files: Sequence[PosterFile]) -> PosterFile | str:
        """The file, if all are the same picture; otherwise why none of them is taken."""
        if len(files) == 1 or len({_content(file) for file in files}) == 1:
            return files[0]
        shown = " and ".join(self.relative(file) for file in files[:_SHOWN])
        return f"two posters fit: {shown}; keep one, or name it in the table's poster column"

    def _named(self, poster: str) -> Sequence[PosterFile]:
        """The files that a table means by a name."""
        spellings = [poster, re.sub(r"[?#].*", "", poster)]
        spellings += map(unquote, tuple(spellings))
        spellings = [re.sub("^file:/*(?=/)", "", one).replace("\\", "/") for one in spellings]
        for spelling in dict.fromkeys(spellings):
            places = list(self._places(spelling))
            for place in places:
                if place in self._by_path:
                    return [self._by_path[place]]
            for place in places:
                if files := self._by_folded.get(_folded(place)):
                    return files
            if near := self._next_to_the_table(spelling):
                return near
            for place in places:  # a name without its suffix, or of a file that was converted
                parent, _, name = place.rpartition("/")
                if files := self._by_stem.get(_folded(f"{parent}/{stem(name)}")):
                    return files
            bare = spelling.lstrip("/")
            if "/" not in bare and (files := self._by_name.get(_folded(stem(bare)))):
                return files
        return []

    def _places(self, spelling: str) -> Iterator[str]:
        """Where in the folder a name may lead, as paths from there."""
        for start in (self._root, self._table):
            path = Path(os.path.normpath(start / spelling.removeprefix("./")))
            if path.is_relative_to(self._root) and path != self._root:
                yield path.relative_to(self._root).as_posix()
        parts = [part for part in spelling.split("/") if part not in ("", ".")]
        if ".." in parts or not parts:
            return
        yield "/".join(parts)
        for at, part in enumerate(
            parts[:-1]
        ):  # a path of another machine, to a folder of this name
            if _folded(part) == _folded(self._root.name):
                yield "/".join(parts[at + 1 :])

    def _next_to_the_table(self, spelling: str) -> list[Path]:
        """The files that a path leads to from the table's folder."""
        path = Path(os.path.normpath(self._table / spelling))
        below = path.is_relative_to(self._table) and path != self._table
        try:
            if (below or self._anywhere) and path.is_file():
                return [path]
        except (OSError, ValueError):  # a name that is too long, or has a null character
            return []
        if not below:
            return []
        *parents, name = path.relative_to(self._table).parts
        folders = [self._table]
        for part in parents:
            folders = [one for folder in folders for one in self._like(folder, part)]
        files = [one for folder in folders for one in self._like(folder, name)]
        return [file for file in files if file.is_file()]

    def _like(self, folder: Path, name: str) -> list[Path]:
        """What a folder has by this name, if case and Unicode form do not matter."""
        if folder not in self._entries:
            entries = self._entries[folder] = {}
            with suppress(OSError):
                for entry in sorted(os.listdir(folder)):
                    entries.setdefault(_folded(entry), []).append(folder / entry)
        return self._entries[folder].get(_folded(name), [])

    def _of(self, film_id: str) -> list[PosterFile]:
        """The files that are named after an id."""
        key = _key(film_id)
        files = [*self._by_key.get(key, ())]
        if re.fullmatch("tt[0-9]+", key):
            files += self._by_key.get(key.removeprefix("tt"), ())
        # Of files that differ in nothing but case, the one that is written like the id.
        wanted = normalize("NFC", film_id)
        exact = [file for file in files if normalize("NFC", stem(file.name)) == wanted]
        alike = {_folded(stem(file.name)) for file in files}
        return exact if exact and len(alike) == 1 else files


def unused_note(folder: PosterFolder, used: Iterable[PosterFile], table: str) -> list[str]:
    """A note on the pictures that belong to no film of a table, if there are any."""
    known = set(used)
    unused = [file for file in folder.pictures if file not in known]
    if not unused:
        return []
    shown = _some([folder.relative(file) for file in unused])
    return [
        f"{len(unused):,} of {len(folder.pictures):,} pictures in {folder.folder.name} belong to "
        f"no film of {table}: {shown}"
    ]


def shared_note(folder: PosterFolder, used: Iterable[PosterFile]) -> list[str]:
    """A note on the files that several films have as their poster, if there are any."""
    shared = {file: films for file, films in Counter(used).items() if films > 1}
    if not shared:
        return []
    shown = [f"{folder.relative(file)} ({films} films)" for file, films in shared.items()]
    files = "file is" if len(shared) == 1 else "files are"
    return [f"{len(shared):,} {files} the poster of several films: {_some(shown)}"]


def no_match_note(folder: PosterFolder, film_ids: Sequence[str]) -> list[str]:
    """A note on ids and names of files that do not fit at all, and what helps."""
    ids = ", ".join(film_ids[:2])
    files = ", ".join(folder.relative(file) for file in folder.pictures[:2])
    return [
        f"no id fits a file in {folder.folder}: the ids are like {ids}, and the files like "
        f"{files}; give the column of file names with --poster-column, or that of ids with --id"
    ]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _content(file: PosterFile) -> str:
    try:
        if isinstance(file, Member):
            return hashlib.sha256(file.read()).hexdigest()
        with local_poster(file).open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, PosterError):
        return str(file)


def _folded(name: str) -> str:
    """One spelling of names that differ in case or Unicode form."""
    return normalize("NFC", normalize("NFC", name).casefold())


def _bare(name: str) -> set[str]:
    """The names that a file goes by: without its suffix, whatever that is, or as it is."""
    return {stem(name), re.sub(r"\.[a-z0-9]{1,5}$", "", stem(name), flags=re.IGNORECASE) or name}


def _key(name: str) -> str:
    """One key for ids that differ in case or in leading zeros: 'TT0085549' is 'tt85549'."""
    text = _folded(name.strip())
    match = re.fullmatch(r"(tt)?0*([0-9]+)", text)
    return f"{match[1] or ''}{match[2]}" if match else text
