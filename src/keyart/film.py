"""Film: the record that everything here is about."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Film:
    """One film, with the genres its cataloguers gave it.

    `film_id` is unique in a catalog; `year` is None where unknown; `genres` are names of the
    vocabulary, in its order.
    """

    film_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
