"""Reading a media library's folder: its films, with their posters and NFO files, and what is left.

Nothing has to be said about the layout. A folder with one film, in as many parts and versions as
there are, is the film's own: poster.jpg and movie.nfo in it are the film's. If it has several, only
files with the name of a video are the film's.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from keyart.errors import NfoError, why
from keyart.images.folder import SUFFIXES, files_below, is_picture
from keyart.library import names
from keyart.library.edit import digest
from keyart.library.nfo import MOST_BYTES, Nfo, read_nfo
from keyart.printable import printable
from keyart.reading import read_bytes

_KINDS = {
    "art": "fan art, logos and the like",
    "disc": "parts of discs",
    "extras": "extras",
    "series": "art of series",
    "sets": "art of sets",
}
_SERIES = "tvshow.nfo"
_NO_FILM = {"tvshow", "season", "set", "artist", "album", "collection"}  # of NFO files


@dataclass(frozen=True)
class NfoFile:
    """An NFO of a film. sha256: of its bytes. nfo: None if `problem` says why it cannot be used."""

    path: Path
    sha256: str = ""
    nfo: Nfo | None = None
    problem: str = ""


@dataclass(frozen=True)
class FolderFilm:
    """A film of a library's folder. name: its path there, of the video, or of the NFO without one.

    title, year, ids: of the NFO, or else of names. new_nfo: where one would be written. own:
    whether the folder has no other film. problem: why its NFO files cannot be used; empty if they
    can, or there are none.
    """

    name: str
    title: str | None
    year: int | None
    ids: Mapping[str, str]
    poster: Path | None
    files: Sequence[NfoFile]
    new_nfo: Path
    own: bool
    problem: str = ""

    @property
    def known_id(self) -> str | None:
        """IMDb's id, or TMDb's, if one is known."""
        tmdb = f"tmdb-{self.ids['tmdb']}" if "tmdb" in self.ids else None
        return self.ids.get("imdb", tmdb)

    @property
    def film_id(self) -> str:
        """IMDb's id, or TMDb's, or the film's path in the library."""
        return self.known_id or self.name

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of all elements of a name in its NFO files, each once."""
        read = (file.nfo for file in self.files if file.nfo is not None)
        return tuple(dict.fromkeys(text for nfo in read for text in nfo.texts(name)))

    @property
    def locked(self) -> frozenset[str]:
        """What must be left alone, of "genres" and "tags"."""
        read = (file.nfo for file in self.files if file.nfo is not None)
        return frozenset[str]().union(*(nfo.locked for nfo in read))


@dataclass(frozen=True)
class Contents:
    """What a folder holds. films: in the order of their paths. pictures: those of no film.

    left_out: how many pictures are art, and of what kind.
    """

    films: Sequence[FolderFilm]
    pictures: Sequence[Path]
    left_out: Counter[str]

    def note(self, path: Path) -> str:
        """What was found, for people, in a line."""
        found = [f"{len(self.films):,} films of a media library"] if self.films else []
        if self.films and self.pictures:
            found.append(f"{len(self.pictures):,} other pictures")
        if self.left_out:
            kinds = ", ".join(_KINDS[kind] for kind in sorted(self.left_out))
            found.append(f"{self.left_out.total():,} pictures are left out: {kinds}")
        return f"{path}: {'; '.join(found)}"


@dataclass
class _Folder:
    """One folder, and what is right in it. films: stems of the videos of each, the first leads."""

    path: Path
    files: list[str]
    films: list[list[str]] = field(default_factory=list)
    disc: Path | None = None
    own: bool = False
    kind: str = ""  # "series", "extras" and so on, if it has no films

    @cached_property
    def split(self) -> list[tuple[str, str, str]]:
        """Each file's name, its stem and its suffix. A folder may have thousands of films."""
        return [(name, *names.split_suffix(name)) for name in self.files]

    @cached_property
    def by_name(self) -> dict[str, str]:
        """The names of its files, by their lower case."""
        return {name.casefold(): name for name in self.files}

    @cached_property
    def videos(self) -> dict[str, str]:
        """The names of its videos, by their stems."""
        return {stem: name for name, stem, suffix in self.split if suffix in names.VIDEOS}

    @cached_property
    def pictures(self) -> dict[str, str]:
        """The names of its pictures, by their stems in lower case."""
        known = SUFFIXES | {names.LEGACY}
        found = [(stem.casefold(), name) for name, stem, suffix in self.split if suffix in known]
        return dict(reversed(found))  # of several with one stem, the first

    @cached_property
    def nfo_files(self) -> list[str]:
        """The names of the NFO files that may be of films."""
        return [
            name
            for name, stem, suffix in self.split
            if suffix == ".nfo" and stem.casefold() not in _NO_FILM
        ]


def read_folder(root: Path) -> Contents:
    """Read a folder and all below it. Raises OSError if it cannot be read."""
    folders = {root: _Folder(root, [])}
    for file in sorted(files_below(root)):
        parent = file.parent
        if parent not in folders:
            for path in (parent, *parent.parents):  # also those that hold folders alone
                if path in folders:
                    break
                folders[path] = _Folder(path, [])
        folders[parent].files.append(file.name)
    _sort_out(root, folders)
    with_films = {folder.path for folder in folders.values() if folder.films or folder.disc}
    above = {parent for path in with_films for parent in path.parents}
    films: list[FolderFilm] = []
    pictures: list[Path] = []
    left_out: Counter[str] = Counter()
    for folder in folders.values():
        count = len(folder.films) + (folder.disc is not None)
        folder.own = count == 1 and folder.path not in above
        own = list(_films(root, folder))
        films += own
        taken = {film.poster for film in own}
        for path, kind in _other_pictures(folder, taken, folder.path in above):
            if kind:
                left_out[kind] += 1
            else:
                pictures.append(path)
    return Contents(sorted(films, key=lambda film: film.name), pictures, left_out)


def _sort_out(root: Path, folders: dict[Path, _Folder]) -> None:
    """Say of each folder which films it has, or why it has none. Parents come first."""
    for path in sorted(folders):
        folder = folders[path]
        lower = {name.casefold() for name in folder.files}
        name = path.name.casefold()
        above = [folders[one] for one in path.parents if one in folders]
        inherited = next((one.kind for one in above if one.kind), "")
        if path != root and inherited:
            folder.kind = inherited
        elif path != root and names.is_never_films(name):
            folder.kind = "extras"
        elif path != root and name in names.DISCS:
            folder.kind = "disc"
            folders[path.parent].disc = folders[path.parent].disc or path
        elif _SERIES in lower or (path != root and names.is_season_folder(name)):
            folder.kind = "series"
        elif path != root and names.is_extras(name) and _has_film(path.parent, folders):
            folder.kind = "extras"
        else:
            folder.films = _group(folder, _stems(folder))
    for folder in folders.values():
        if folder.disc is not None:  # the disc is the film, and videos next to it are its extras
            folder.films = []


def _has_film(path: Path, folders: Mapping[Path, _Folder]) -> bool:
    folder = folders.get(path)
    return folder is not None and bool(folder.films or folder.disc)


def _stems(folder: _Folder) -> list[str]:
    """The names of a folder's videos that are films, or else of its NFO files that may be."""
    if folder.videos:
        return sorted(
            stem
            for stem in folder.videos
            if not names.is_extra(stem) and not names.is_episode(stem)
        )
    # Only what is known of films was copied.
    read = (name for name in folder.nfo_files if _read(folder.path / name).nfo is not None)
    return sorted({names.split_suffix(name)[0] for name in read})


def _group(folder: _Folder, stems: Sequence[str]) -> list[list[str]]:
    """The stems of each film: parts of one belong together, and versions that the folder names."""
    films: dict[str, list[str]] = {}
    parts = {stem: names.part_of(stem) for stem in stems}
    counts = Counter(parts.values())
    for stem, part in parts.items():
        films.setdefault(part if part is not None and counts[part] > 1 else stem, []).append(stem)
    if len(films) > 1 and all(names.is_version(stem, folder.path.name) for stem in stems):
        return [list(stems)]
    if len(films) == 2 and "movie" in map(str.casefold, films) and not folder.videos:
        # movie.nfo and Alien.nfo are of one film.
        return [sorted(stems, key=lambda stem: stem.casefold() == "movie")]
    return list(films.values())


def _films(root: Path, folder: _Folder) -> Iterator[FolderFilm]:
    films = [[]] if folder.disc is not None else folder.films
    for stems in films:
        files = _nfo_files(folder, stems)
        problem = next((f"{one.path.name} {one.problem}" for one in files if one.problem), "")
        read = [one.nfo for one in files if one.nfo is not None]
        named = _named(root, folder, stems)
        title = next((nfo.title for nfo in read if nfo.title), None) or named.title or None
        year = next((nfo.year for nfo in read if nfo.year), None) or named.year
        ids = dict(named.ids)
        for one in read:
            ids |= one.ids
        if folder.disc is not None:
            name, new = folder.disc, folder.path / "movie.nfo"
        else:
            nfo = folder.by_name.get(f"{stems[0]}.nfo".casefold(), "")
            several = len(stems) > 1 and names.part_of(stems[0]) is None
            name = folder.path / folder.videos.get(stems[0], nfo)
            new = folder.path / ("movie.nfo" if several else f"{stems[0]}.nfo")
        yield FolderFilm(
            printable(name.relative_to(root).as_posix()),
            title if title is not None and printable(title) == title else None,
            year,
            ids,
            _poster(folder, stems),
            files,
            new,
            folder.own,
            problem,
        )


def _named(root: Path, folder: _Folder, stems: Sequence[str]) -> names.Named:
    """What the names of the video and of its own folder say; the one with a year says more."""
    found = [names.parse_name(_base(stem)) for stem in stems[:1]]
    if folder.own and folder.path != root:
        found.insert(0, names.parse_name(folder.path.name))
    # A folder with a year is named after its film; another may be called Downloads.
    best = next((one for one in found if one.title and one.year), None)
    best = best or next((one for one in reversed(found) if one.title), names.Named(""))
    ids = {kind: value for one in reversed(found) for kind, value in one.ids}
    return names.Named(best.title, best.year, tuple(ids.items()))


def _base(stem: str) -> str:
    return names.part_of(stem) or stem


def _nfo_files(folder: _Folder, stems: Sequence[str]) -> list[NfoFile]:
    """The NFO files of a film that there are, read."""
    wanted = [stem for one in stems for stem in (one, _base(one))]
    if folder.own:
        wanted += ["movie", folder.path.name]
    found = [folder.by_name.get(f"{stem}.nfo".casefold()) for stem in wanted]
    paths = [folder.path / name for name in dict.fromkeys(found) if name is not None]
    if folder.disc is not None:
        inner = {entry.casefold(): entry for entry in _entries(folder.disc)}
        name = inner.get(names.DISCS[folder.disc.name.casefold()].casefold())
        paths += [folder.disc / name] if name is not None else []
    others = folder.nfo_files
    if not paths and folder.own and others:  # Kodi takes any NFO of a folder, if there is one
        if len(others) > 1:
            problem = f"is one of {len(others)} NFO files, none of them named after the film"
            return [NfoFile(folder.path / others[0], problem=problem)]
        paths = [folder.path / others[0]]
    return [_read(path) for path in paths]


def _entries(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _read(path: Path) -> NfoFile:
    try:
        data = read_bytes(path, MOST_BYTES)
        return NfoFile(path, digest(data), read_nfo(data))
    except NfoError as error:
        return NfoFile(path, problem=str(error))
    except (OSError, ValueError) as error:
        return NfoFile(path, problem=f"cannot be read: {why(error)}")


def _poster(folder: _Folder, stems: Sequence[str]) -> Path | None:
    """The picture of a film that is most surely its poster."""
    pictures = folder.pictures
    bases = dict.fromkeys(one for stem in stems for one in (stem, _base(stem)))
    wanted = [form.format(base) for form in names.OF_VIDEO[:1] for base in bases]
    if folder.own:
        wanted += [names.OF_FOLDER[0], names.OF_VIDEO[0].format(folder.path.name)]
    wanted += [form.format(base) for form in names.OF_VIDEO[1:-1] for base in bases]
    if folder.own:
        wanted += names.OF_FOLDER[1:]
    wanted += bases
    if folder.own:
        wanted.append(folder.path.name)
    found = (pictures[name.casefold()] for name in wanted if name.casefold() in pictures)
    return next((folder.path / name for name in found), None)


def _other_pictures(
    folder: _Folder, taken: set[Path | None], above: bool
) -> Iterator[tuple[Path, str]]:
    """The pictures that are no film's poster, and what they are; "" if they may be posters.

    above: whether there are films below the folder.
    """
    pictures = [name for name in folder.files if _is_picture(folder.path / name)]
    stems = {names.split_suffix(name)[0].casefold() for name in pictures}
    of_films = {stem.casefold() for film in folder.films for stem in (*film, *map(_base, film))}
    if folder.own:
        of_films.add(folder.path.name.casefold())
    has_films = bool(folder.films or folder.disc)
    for name in pictures:
        path = folder.path / name
        if path in taken:
            continue
        stem = names.split_suffix(name)[0]
        folded, whose = stem.casefold(), names.art_of(stem)
        generic = folded in names.GENERIC
        kind = ""
        if folder.kind:
            kind = folder.kind
        elif names.is_art(stem):
            kind = "art" if has_films or above or stems & names.GENERIC else ""
        elif whose is not None and not has_films:
            posters = {whose.casefold(), f"{whose.casefold()}-poster"} - {folded}
            kind = "art" if stems & posters else ""
        elif has_films and (folded in of_films or (whose or "").casefold() in of_films):
            kind = "art"
        elif names.of_season(stem) and (has_films or above or generic):
            kind = "series"
        elif generic and (has_films or above):
            kind = "sets"
        yield path, kind


def _is_picture(path: Path) -> bool:
    suffix = names.split_suffix(path.name)[1]
    return suffix in SUFFIXES or (suffix not in names.NO_PICTURES and is_picture(path))
