"""Films before they are in a catalog: which of a table can be used, and what their posters are."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keyart.catalog.films_table import Columns, Listing, read_films
from keyart.catalog.poster_folder import PosterFolder, no_match_note, shared_note, unused_note
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

    rows: of the table; each is one of examined, other_genres and rejections. notes: on how the
    table and the folder were read.
    """

    rows: int
    examined: list[Examined]
    other_genres: dict[str, tuple[str, ...]]
    rejections: list[Rejection]
    unmapped: Counter[str]
    unmapped_cells: Counter[str]
    notes: list[str]


def read_offer(
    films: Path,
    posters: Path,
    vocabulary: Vocabulary,
    *,
    columns: Columns | None = None,
    known: Mapping[str, Sequence[str]] | None = None,
    progress: Progress | None = None,
) -> Offer:
    """Read a films table and examine the posters of its films.

    columns: names of the table's columns, as in `Catalog.build`. known: the genres of the films
    that the catalog has. progress: called with (posters examined, posters). Raises TableError.
    """
    listings, notes = read_films(films, vocabulary, columns)
    choice = choose_films(listings, vocabulary, known)
    folder = PosterFolder(posters, films)
    located, missing = _locate(choice.new, folder)
    examined, unread = _examine_posters(located, progress)
    rejections = [*choice.rejections, *missing, *unread]
    rows = len(examined) + len(choice.other_genres) + len(rejections)
    assert rows == len(listings), f"{films}: {len(listings)} rows read, {rows} accounted for"
    if folder.note:
        notes.append(folder.note)
    elif missing and not located:
        notes += no_match_note(folder, [one.film_id for one in missing])
    else:
        paths = [folder.find(one.film_id, one.poster) for one in listings if not one.problem]
        notes += shared_note(folder, [path for _, path in located])
        notes += unused_note(folder, [path for path in paths if isinstance(path, Path)], films.name)
    return Offer(
        rows,
        examined,
        choice.other_genres,
        rejections,
        choice.unmapped,
        choice.unmapped_cells,
        notes,
    )


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
            reason = f"line {listing.line}: {listing.problem or 'no film id'}"
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
            lines = "; ".join(f"line {entry.line}: {'|'.join(f.genres)}" for f, entry in entries)
            rejections += [
                Rejection(film_id, f"line {entry.line}: listed with different genres ({lines})")
                for _, entry in entries
            ]
            continue
        for _, repeat in again:
            reason = f"line {repeat.line} lists it again with the same genres; counted once"
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
    chosen: Iterable[tuple[Film, Listing]], folder: PosterFolder
) -> tuple[list[tuple[Film, Path]], list[Rejection]]:
    """The poster's file of each film, and the films without one."""
    located: list[tuple[Film, Path]] = []
    missing: list[Rejection] = []
    for film, listing in chosen:
        found = folder.find(film.film_id, listing.poster)
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
