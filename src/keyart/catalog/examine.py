"""Films before they are in a catalog: which listings can be used, and what their posters are."""

import hashlib
import os
import stat
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from keyart.catalog.films_table import Listing
from keyart.catalog.poster_folder import PosterFolder
from keyart.catalog.rejections import Rejection
from keyart.errors import PosterError
from keyart.film import Film
from keyart.genres import Vocabulary
from keyart.images.decode import decode
from keyart.near_duplicates import poster_hash, thumbnail

Progress = Callable[[int, int], None]
MAX_BYTES = 100_000_000  # a poster of 80 million pixels, the most that is decoded, as JPEG
_CHUNK = 32


@dataclass(frozen=True, slots=True)
class Examined:
    """A film whose poster decodes. hash, thumbnail: see duplicates.py."""

    film: Film
    path: Path
    width: int
    height: int
    sha256: str
    hash: int
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """What a table offers to a catalog.

    new: films that the catalog can take in. other_genres: films that it has already, with other
    genres than the table gives them: (as it has them, as the table has them). unmapped: how often
    each genre name mapped to nothing.
    """

    new: list[tuple[Film, Listing]]
    other_genres: dict[str, tuple[Sequence[str], Sequence[str]]]
    rejections: list[Rejection]
    unmapped: Counter[str]


def choose_films(
    listings: Iterable[Listing],
    vocabulary: Vocabulary,
    known: Mapping[str, Sequence[str]] | None = None,
) -> Choice:
    """Films that a catalog can take in, as far as their listing tells.

    known: the genres of the films that it has already. A film listed twice with the same genres
    counts once; where its lines disagree, none of them is believed.
    """
    known = known or {}
    other_genres: dict[str, tuple[Sequence[str], Sequence[str]]] = {}
    rejections: list[Rejection] = []
    unmapped: Counter[str] = Counter()
    by_id: dict[str, list[tuple[Film, Listing]]] = {}
    for listing in listings:
        if listing.problem or not listing.film_id:
            reason = f"line {listing.line}: {listing.problem or 'no film id'}"
            rejections.append(Rejection(listing.film_id, reason))
            continue
        if listing.film_id not in known:  # or a table read twice would count twice
            unmapped.update(name for name in listing.genres if not vocabulary.resolve(name))
        named = {genre for name in listing.genres for genre in vocabulary.resolve(name)}
        genres = tuple(genre for genre in vocabulary.names if genre in named)
        film = Film(listing.film_id, listing.title, listing.year, genres)
        by_id.setdefault(listing.film_id, []).append((film, listing))

    chosen: list[tuple[Film, Listing]] = []
    for film_id, entries in by_id.items():
        (film, listing), *again = entries
        if any(other.genres != film.genres for other, _ in again):
            lines = "; ".join(f"line {entry.line}: {'|'.join(f.genres)}" for f, entry in entries)
            rejections.append(Rejection(film_id, f"listed with different genres ({lines})"))
            continue
        for _, repeat in again:
            reason = f"line {repeat.line} lists it again with the same genres; counted once"
            rejections.append(Rejection(film_id, reason))
        if film_id in known and film.genres and film.genres != tuple(known[film_id]):
            other_genres[film_id] = (known[film_id], film.genres)
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
    return Choice(chosen, other_genres, rejections, unmapped)


def kept_as_it_was(film_id: str, has: Sequence[str], given: Sequence[str]) -> Rejection:
    """The rejection of genres for a film that is in the catalog with others."""
    reason = f"is in the catalog with {'|'.join(has)}, not {'|'.join(given)}; kept as it was"
    return Rejection(film_id, reason)


def examine_posters(
    chosen: Sequence[tuple[Film, Listing]], folder: PosterFolder, progress: Progress | None
) -> tuple[list[Examined], list[Rejection]]:
    """Find, read and decode the posters of films, on all cores, a bounded number at a time."""
    examined: list[Examined] = []
    rejections: list[Rejection] = []
    located: list[tuple[Film, Path]] = []
    for film, listing in chosen:
        path = folder.find(film.film_id, listing.poster)
        if path is None:
            rejections.append(Rejection(film.film_id, "no poster found"))
        else:
            located.append((film, path))

    workers = os.cpu_count() or 1
    waiting: deque[Future[list[Examined | Rejection]]] = deque()
    films = iter(located)
    done = 0

    def take() -> None:
        nonlocal done
        outcomes = waiting.popleft().result()
        done += len(outcomes)
        examined.extend(outcome for outcome in outcomes if isinstance(outcome, Examined))
        rejections.extend(outcome for outcome in outcomes if isinstance(outcome, Rejection))
        if progress:
            progress(done, len(located))

    with ThreadPoolExecutor(workers) as pool:
        while chunk := list(islice(films, _CHUNK)):
            waiting.append(pool.submit(lambda some: [_examine(*one) for one in some], chunk))
            if len(waiting) > 2 * workers:
                take()
        while waiting:
            take()
    return examined, rejections


def _examine(film: Film, path: Path) -> Examined | Rejection:
    try:
        data = _read(path)
        rgb = decode(data)
    except PosterError as error:
        return Rejection(film.film_id, f"{path.name}: {error}")
    except OSError as error:
        return Rejection(film.film_id, f"{path.name}: {error.strerror or error}")
    height, width, _ = rgb.shape
    digest = hashlib.sha256(data).hexdigest()
    small = thumbnail(rgb).tobytes()
    return Examined(film, path, width, height, digest, poster_hash(rgb), small)


def _read(path: Path) -> bytes:
    """A poster's bytes. Raises PosterError, OSError."""
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):  # reading a pipe or a device may never end
        raise PosterError("not a file")
    if facts.st_size > MAX_BYTES:
        raise PosterError(f"{facts.st_size:,} bytes; a poster has at most {MAX_BYTES:,}")
    return path.read_bytes()
