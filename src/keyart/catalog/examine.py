"""Films before they are in a catalog: which listings can be used, and what their posters are."""

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from keyart.catalog.duplicates import poster_hash, thumbnail
from keyart.catalog.sources.films_table import Listing
from keyart.catalog.sources.poster_folder import PosterFolder
from keyart.errors import PosterError
from keyart.film import Film
from keyart.genres import Vocabulary
from keyart.images.decode import decode

Progress = Callable[[int, int], None]
_CHUNK = 32


@dataclass(frozen=True, slots=True)
class Rejection:
    """A film that is not in the catalog, and why."""

    film_id: str
    reason: str


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


def choose_films(
    listings: Iterable[Listing], vocabulary: Vocabulary
) -> tuple[list[tuple[Film, Listing]], list[Rejection], Counter[str]]:
    """Films that a catalog can hold, as far as their listing tells.

    Returns them, the rejections, and how often each genre name mapped to nothing. A film listed
    twice with the same genres counts once; where its lines disagree, none of them is believed.
    """
    rejections: list[Rejection] = []
    unmapped: Counter[str] = Counter()
    by_id: dict[str, list[tuple[Film, Listing]]] = {}
    for listing in listings:
        if not listing.film_id:
            rejections.append(Rejection("", f"line {listing.line}: no film id"))
            continue
        unmapped.update(name for name in listing.genres if not vocabulary.resolve(name))
        named = {genre for name in listing.genres for genre in vocabulary.resolve(name)}
        genres = tuple(genre for genre in vocabulary.names if genre in named)
        film = Film(listing.film_id, listing.title, listing.year, genres)
        by_id.setdefault(listing.film_id, []).append((film, listing))

    chosen: list[tuple[Film, Listing]] = []
    for film_id, entries in by_id.items():
        if len({film.genres for film, _ in entries}) > 1:
            lines = "; ".join(f"line {entry.line}: {'|'.join(f.genres)}" for f, entry in entries)
            rejections.append(Rejection(film_id, f"listed with different genres ({lines})"))
            continue
        (film, listing), *again = entries
        for _, repeat in again:
            reason = f"line {repeat.line} lists it again with the same genres; counted once"
            rejections.append(Rejection(film_id, reason))
        if film.genres:
            chosen.append((film, listing))
        elif listing.genres:
            reason = f"no genre of the vocabulary ({'|'.join(listing.genres)})"
            rejections.append(Rejection(film_id, reason))
        else:
            rejections.append(Rejection(film_id, "no genre given"))
    return chosen, rejections, unmapped


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
        data = path.read_bytes()
        rgb = decode(data)
    except PosterError as error:
        return Rejection(film.film_id, f"{path.name}: {error}")
    except OSError as error:
        return Rejection(film.film_id, f"{path.name}: {error.strerror or error}")
    height, width, _ = rgb.shape
    digest = hashlib.sha256(data).hexdigest()
    small = thumbnail(rgb).tobytes()
    return Examined(film, path, width, height, digest, poster_hash(rgb), small)
