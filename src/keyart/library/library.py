"""A media library in a folder: its films, a plan for them, and a catalog of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from keyart.catalog.films_table import Listing
from keyart.catalog.genre_cells import genre_names
from keyart.catalog.listed import ListedFilms
from keyart.copies import local_file
from keyart.errors import LibraryError, why
from keyart.files import StrPath, no_folder
from keyart.genres import DEFAULT_VOCABULARY, Vocabulary
from keyart.library.edit import As, digest, make_edit, new_nfo
from keyart.library.folder import Contents, FolderFilm, read_folder
from keyart.library.nfo import MOST_BYTES
from keyart.library.plan import Candidate, FileChange, ItemChange, Place, Plan, make_plan
from keyart.parallel import Progress
from keyart.printable import printable
from keyart.reading import read_bytes
from keyart.stores.paths import on_this_machine
from keyart.stores.paths import place as named_place

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog
    from keyart.images.poster import Poster
    from keyart.predictor import Predictor


class Library:
    """A media library of Kodi, Jellyfin, Emby or Plex in a folder, as `Library.open` reads it.

    It has a length and iterates over its films, each with title, year, ids, genres, tags and
    poster, in the order of their paths.
    """

    def __init__(self, path: Path, contents: Contents) -> None:
        self.path, self._contents = path, contents

    @classmethod
    def open(cls, path: StrPath) -> Self:
        """Read a library's folder: folders with a film each, films side by side, or both.

        Raises LibraryError if there is no such folder, or no film in it.
        """
        root = on_this_machine(path)
        try:
            if problem := no_folder(root):
                raise LibraryError(f"{problem}; give the folder of a media library")
            contents = read_folder(root)
        except OSError as error:
            raise LibraryError(f"{root}: {why(error)}; give the folder of a library") from error
        if not contents.films:
            raise LibraryError(
                f"{root}: no films: no videos, and no NFO files of films, in this folder or below "
                "it; give the folder of a media library"
            )
        return cls(root, contents)

    def __len__(self) -> int:
        return len(self._contents.films)

    def __iter__(self) -> Iterator[FolderFilm]:
        return iter(self._contents.films)

    def __repr__(self) -> str:
        return f"<Library {str(self.path)!r}: {len(self):,} films>"

    def plan(
        self,
        model: "Predictor",
        *,
        writes: As = "genre",
        every: bool = False,
        create: bool = True,
        progress: Progress | None = None,
    ) -> Plan:
        """Plan which genres to write in the NFO files of films. Writes nothing in the library.

        model: its `precision` is what written genres keep, `keyart.load(precision=0.8)`. writes:
        "genre" gives genres to films that have none; "tag" writes <tag>keyart: Sci-Fi</tag>. every:
        tags also for films that have genres. create: whether films without an NFO get one.
        progress: called with (films predicted, films). Raises LibraryError.
        """
        root = Path(self.path).resolve()
        films = [_Planned.of(film, self.path, create) for film in self]
        place = Place(kind="folder", where=printable(root))
        return make_plan(place, films, model, writes=writes, every=every, progress=progress)

    def build_catalog(
        self,
        out: StrPath,
        *,
        vocabulary: Vocabulary | StrPath | None = None,
        split: str | Sequence[float] = "60/20/20",
        seed: int = 0,
        progress: Progress | None = None,
    ) -> "Catalog":
        """Make a catalog of its films, as `Catalog.build` does of a table and a folder of posters.

        Films without a poster are counted, those without a genre rejected. Raises what
        `Catalog.build` raises.
        """
        from keyart.catalog.build import build_catalog
        from keyart.catalog.catalog import Catalog
        from keyart.catalog.remote import new_catalog
        from keyart.catalog.split import parse_fractions

        if vocabulary is None:
            vocabulary = DEFAULT_VOCABULARY
        elif not isinstance(vocabulary, Vocabulary):
            vocabulary = Vocabulary.read(local_file(vocabulary))
        fractions = parse_fractions(split)
        with new_catalog(named_place(out)) as folder:
            build_catalog(
                self._listed(vocabulary),
                None,
                folder,
                vocabulary=vocabulary,
                columns=None,
                fractions=fractions,
                seed=seed,
                progress=progress,
            )
        return Catalog.open(out)

    def grow_catalog(
        self,
        catalog: "Catalog",
        *,
        replace_genres: bool = False,
        progress: Progress | None = None,
    ) -> "Catalog":
        """Add its films to a catalog, as `Catalog.grow` adds a table's; returns the grown one."""
        from keyart.catalog.build import grow_catalog
        from keyart.catalog.remote import growing_catalog

        with growing_catalog(catalog.path) as folder:
            grow_catalog(
                folder,
                self._listed(catalog.vocabulary),
                None,
                columns=None,
                replace_genres=replace_genres,
                progress=progress,
            )
        return type(catalog).open(catalog.path)

    def _listed(self, vocabulary: Vocabulary) -> ListedFilms:
        """Its films as a table would list them."""
        listings, posters = [], {}
        for number, film in enumerate(self, start=1):
            named = film.texts("genre")
            genres = dict.fromkeys(one for text in named for one in genre_names(text, vocabulary))
            listings.append(
                Listing(
                    number,
                    film.film_id,
                    film.title or "",
                    film.year,
                    tuple(genres),
                    None,
                    film.problem,
                    cell=" / ".join(named),
                    where=film.name if film.known_id else "NFO",
                )
            )
            if film.poster is not None:
                posters[number] = film.poster
        return ListedFilms(self.path, listings, posters)


@dataclass(frozen=True)
class _Planned(Candidate):
    """A film of a folder. root: of the library."""

    film: FolderFilm
    root: Path

    @classmethod
    def of(cls, film: FolderFilm, root: Path, create: bool) -> Self:
        """create: whether it may get an NFO file if it has none."""
        problem = film.problem
        if printable(film.new_nfo) != str(film.new_nfo):
            problem = "its name is not UTF-8"
        elif not (problem or film.files or create):
            problem = "no NFO, and none is to be made"
        poster = film.poster
        return cls(
            film.name, film.title, film.year, dict(film.ids), film.texts("genre"),
            film.texts("tag"), film.locked,
            "" if poster is None else printable(poster.relative_to(root).as_posix()),
            problem, film, root,
        )  # fmt: skip

    def poster(self) -> "Poster | None":
        return self.film.poster

    def changes(self, names: Sequence[str], kind: As) -> Sequence[FileChange | ItemChange]:
        if not self.film.files:
            return [self._new(names, kind)]
        changes = []
        for file in self.film.files:
            data = read_bytes(file.path, MOST_BYTES)
            edit = make_edit(data, names, kind)
            codec = file.nfo.codec if file.nfo is not None else "utf-8"
            changes.append(
                FileChange(
                    path=self._relative(file.path),
                    sha256=digest(data),
                    after=digest(edit.apply(data)),
                    at=edit.at,
                    replaces=edit.old.decode(codec),
                    inserts=edit.new.decode(codec),
                )
            )
        return changes

    def _new(self, names: Sequence[str], kind: As) -> FileChange:
        path = self.film.new_nfo
        data = new_nfo(self.title or path.stem, self.year, self.ids, names, kind)
        return FileChange(
            path=self._relative(path),
            sha256=None,
            after=digest(data),
            at=0,
            replaces="",
            inserts=data.decode(),
            alone=self.film.own,
        )

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()
