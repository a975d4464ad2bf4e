"""Films before they are in a catalog: which of a table can be used, and what their posters are."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keyart.catalog.films_table import Columns, FilmsTable, Listing
from keyart.catalog.listed import ListedFilms
from keyart.catalog.poster_folder import (
    NOT_PLANNED,
    PosterFile,
    PosterFolder,
    no_match_note,
    shared_note,
    unused_note,
)
from keyart.catalog.rejections import Rejection
from keyart.copies import copy_posters
from keyart.errors import PosterError
from keyart.film import Film
from keyart.genres import Vocabulary
from keyart.images.decode import decoding
from keyart.images.poster import read_file
from keyart.near_duplicates import poster_hash, thumbnail
from keyart.parallel import Progress, batches, ordered

_BATCH = 32  # posters in one task
_EXAMPLES = 2  # ids in a note
_LONGEST_CELL = 200  # letters of a cell in a message


@dataclass(frozen=True, slots=True)
class Examined:
    """A film whose poster decodes. hash, thumbnail: see near_duplicates.py."""

    film: Film
    path: Path
    width: int
    height: int
    sha256: str
    hash: int
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """The films of a table, sorted by what a catalog can do with them.

    new: films that it can take in. other_genres: genres of films that it has with other genres,
    by film id. unmapped: how often each genre name maps to nothing. unmapped_cells: the same of
    whole cells.
    """

    new: list[tuple[Film, Listing]]
    other_genres: dict[str, tuple[str, ...]]
    rejections: list[Rejection]
    unmapped: Counter[str]
    unmapped_cells: Counter[str]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a table and a folder of posters offer to a catalog.

    rows: of the table; each is one of examined, other_genres and rejections, or one of the
    `without_poster`, for whose films no poster was planned. notes: on how the table and the folder
    were read.
    """

    rows: int
    without_poster: int
    examined: list[Examined]
    other_genres: dict[str, tuple[str, ...]]
    rejections: list[Rejection]
    unmapped: Counter[str]
    unmapped_cells: Counter[str]
    notes: list[str]


def read_offer(
    films: Path | ListedFilms,
    posters: Path | None,
    vocabulary: Vocabulary,
    *,
    columns: Columns | None = None,
    known: Mapping[str, Sequence[str]] | None = None,
    progress: Progress | None = None,
) -> Offer:
    """Read a films table, or take the films that something else lists, and examine their posters.

    columns: names of the table's columns, as in `Catalog.build`. known: the genres of the films
    that the catalog has. progress: called with (posters examined, posters). Raises TableError.
    """
    listings: Iterable[Listing]
    notes: list[str] = []
    folder = None
    if isinstance(films, ListedFilms):
        listings, posters_by_line = films.listings, films.posters

        def find(listing: Listing) -> PosterFile | str:
            return posters_by_line.get(listing.line, NOT_PLANNED)
    else:
        assert posters is not None, "a table comes with a folder of posters"
        listings = table = FilmsTable(films, vocabulary, columns)
        notes += table.notes
        pictures = folder = PosterFolder(posters, films)

        def find(listing: Listing) -> PosterFile | str:
            return pictures.find(listing.film_id, listing.poster)

    sifted = _Sifted(listings, find, known or {})
    choice = choose_films(sifted, vocabulary, known)
    located, missing = _locate(choice.new, find)
    examined, unread = _examine_posters(located, progress)
    rejections = [*choice.rejections, *missing, *unread]
    rows = len(examined) + len(choice.other_genres) + len(rejections)
    assert rows == sifted.kept, f"{films}: {sifted.kept} rows kept, {rows} accounted for"
    rejections += sifted.rejections
    if folder and isinstance(films, Path):
        notes += _notes(films, folder, sifted, located)
    return Offer(
        rows + len(sifted.rejections) + sifted.without_poster,
        sifted.without_poster,
        examined,
        choice.other_genres,
        rejections,
        choice.unmapped,
        choice.unmapped_cells,
        notes,
    )


class _Sifted:
    """The rows of a table that a catalog has to look at.

    A table may have a million films, of which a few thousand have posters. Films without one are
    left out here, so memory depends on the posters: if no poster was planned (no row names one, no
    file is named after the id, and the catalog does not have the film) they are counted, otherwise
    they are rejections.

    files: posters that belong to any film. without: the first ids without one. When all rows have
    been read: kept, without_poster: how many were kept and counted; rejections: of the others.
    """

    def __init__(
        self,
        listings: Iterable[Listing],
        find: Callable[[Listing], PosterFile | str],
        known: Mapping[str, object],
    ) -> None:
        self._listings, self._find, self._known = listings, find, known
        self._with_file: set[str] = set()
        self.rejections: list[Rejection] = []
        self.files: set[Path] = set()
        self.without: list[str] = []
        self.kept = self.without_poster = 0
        for listing in listings:
            if listing.problem:
                continue
            found = find(listing)
            if isinstance(found, Path):
                self.files.add(found)
                self._with_file.add(listing.film_id)
            elif len(self.without) < _EXAMPLES and listing.film_id not in known:
                self.without.append(listing.film_id)

    def __iter__(self) -> Iterator[Listing]:
        # In a second pass: another row of a film may name its poster, and must not be lost.
        for listing in self._listings:
            film = listing.film_id
            if listing.problem or not film or film in self._with_file or film in self._known:
                self.kept += 1
                yield listing
            elif (missing := self._find(listing)) == NOT_PLANNED:
                self.without_poster += 1
            else:
                self.rejections.append(Rejection(film, str(missing)))


def _notes(
    films: Path,
    folder: PosterFolder,
    sifted: _Sifted,
    located: Sequence[tuple[Film, Path]],
) -> list[str]:
    """On posters that belong to no film of a table, to several, or to none at all."""
    if folder.note:
        return [folder.note]
    if not sifted.files and sifted.without:
        return no_match_note(folder, sifted.without)
    shared = shared_note(folder, [path for _, path in located])
    return [*shared, *unused_note(folder, sifted.files, films.name)]


def choose_films(
    listings: Iterable[Listing],
    vocabulary: Vocabulary,
    known: Mapping[str, Sequence[str]] | None = None,
) -> Choice:
    """Sort the films of a table by what a catalog can do with them.

    known: the genres of the films that it has. A film listed twice with the same genres counts
    once; if its lines disagree, none of them counts.
    """
    known = known or {}
    other_genres: dict[str, tuple[str, ...]] = {}
    rejections: list[Rejection] = []
    unmapped: Counter[str] = Counter()
    unmapped_cells: Counter[str] = Counter()
    by_id: dict[str, list[tuple[Film, Listing]]] = {}
    for listing in listings:
        if listing.problem or not listing.film_id:
            reason = f"{listing.place}: {listing.problem or 'no film id'}"
            rejections.append(Rejection(listing.film_id, reason))
            continue
        if listing.film_id not in known:  # or a table read twice would count twice
            unmapped.update(name for name in listing.genres if not vocabulary.resolve(name))
            if listing.cell and not any(map(vocabulary.resolve, listing.genres)):
                unmapped_cells[listing.cell[:_LONGEST_CELL]] += bool(listing.genres)
        named = {genre for name in listing.genres for genre in vocabulary.resolve(name)}
        genres = tuple(genre for genre in vocabulary.names if genre in named)
        film = Film(listing.film_id, listing.title, listing.year, genres)
        by_id.setdefault(listing.film_id, []).append((film, listing))

    chosen: list[tuple[Film, Listing]] = []
    for film_id, entries in by_id.items():
        (film, listing), *again = entries
        if any(other.genres != film.genres for other, _ in again):
            lines = "; ".join(f"{entry.place}: {'|'.join(f.genres)}" for f, entry in entries)
            rejections += [
                Rejection(film_id, f"{entry.place}: listed with different genres ({lines})")
                for _, entry in entries
            ]
            continue
        for _, repeat in again:
            reason = f"{repeat.place} lists it again with the same genres; counted once"
            rejections.append(Rejection(film_id, reason))
        if film_id in known and film.genres and film.genres != tuple(known[film_id]):
            other_genres[film_id] = film.genres
        elif film_id in known and film.genres:
            rejections.append(Rejection(film_id, "is in the catalog already"))
        elif film_id in known:
            rejections.append(kept_as_it_was(film_id, known[film_id], ["none"]))
        elif film.genres:
            chosen.append((film, listing))
        elif listing.genres:
            reason = f"no genre of the vocabulary ({'|'.join(listing.genres)})"
            rejections.append(Rejection(film_id, reason))
        else:
            rejections.append(Rejection(film_id, "no genre given"))
    return Choice(chosen, other_genres, rejections, unmapped, +unmapped_cells)


def kept_as_it_was(film_id: str, has: Sequence[str], given: Sequence[str]) -> Rejection:
    """The rejection of genres for a film that is in the catalog with others."""
    reason = f"is in the catalog with {'|'.join(has)}, not {'|'.join(given)}; kept as it was"
    return Rejection(film_id, reason)


def _locate(
    chosen: Iterable[tuple[Film, Listing]], find: Callable[[Listing], PosterFile | str]
) -> tuple[list[tuple[Film, Path]], list[Rejection]]:
    """The poster's file of each film, and the films without one."""
    located: list[tuple[Film, Path]] = []
    missing: list[Rejection] = []
    for film, listing in chosen:
        found = find(listing)
        if isinstance(found, Path):
            located.append((film, found))
        else:
            missing.append(Rejection(film.film_id, str(found)))
    return located, missing


def _examine_posters(
    located: Sequence[tuple[Film, Path]], progress: Progress | None
) -> tuple[list[Examined], list[Rejection]]:
    """Read and decode the posters of films, on all cores."""
    examined: list[Examined] = []
    rejections: list[Rejection] = []
    done = 0
    for outcomes in ordered(_examine_batch, batches(located, _BATCH)):
        examined += (outcome for outcome in outcomes if isinstance(outcome, Examined))
        rejections += (outcome for outcome in outcomes if isinstance(outcome, Rejection))
        done += len(outcomes)
        if progress:
            progress(done, len(located))
    return examined, rejections


def _examine_batch(batch: list[tuple[Film, Path]]) -> list[Examined | Rejection]:
    copy_posters(path for _, path in batch)
    return [_examine(film, path) for film, path in batch]


def _examine(film: Film, path: Path) -> Examined | Rejection:
    try:
        data = read_file(path)
        with decoding(data) as rgb:
            height, width, _ = rgb.shape
            digest = hashlib.sha256(data).hexdigest()
            small = thumbnail(rgb).tobytes()
            return Examined(film, path, width, height, digest, poster_hash(rgb), small)
    except PosterError as error:
        return Rejection(film.film_id, f"{path.name}: {error}")
