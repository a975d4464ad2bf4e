"""A film: what everything here is about."""

from dataclasses import dataclass

EARLIEST, LATEST = 1870, 2100  # a year outside is a mistake


@dataclass(frozen=True, slots=True)
class Film:
    """One film, with the genres that its catalog lists.

    film_id: unique in a catalog. year: None if unknown. genres: names of the vocabulary, in its
    order.
    """

    film_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
