"""The gallery: films with their posters, small enough for the page to contain them."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from PIL import Image

from keyart.catalog.catalog import Catalog
from keyart.errors import PosterError
from keyart.images.decode import decode
from keyart.report.findings import surest
from keyart.run import ScoredFilms

WIDTH = 150  # pixels
TALLEST = 300


@dataclass(frozen=True)
class ScoredGenre:
    """A genre, its score, and whether the film has it."""

    name: str
    score: float
    true: bool


@dataclass(frozen=True)
class FilmCard:
    """A film of the gallery. poster: a data URI, empty if there is none. top: the top genre."""

    title: str
    poster: str
    predicted: Sequence[ScoredGenre]
    true: Sequence[ScoredGenre]
    top: ScoredGenre


@dataclass(frozen=True)
class Gallery:
    """The surest hits and the worst misses. note: why posters are missing, if any are."""

    hits: Sequence[FilmCard]
    misses: Sequence[FilmCard]
    note: str

    @classmethod
    def of(cls, films: ScoredFilms, catalog: Catalog | None) -> Self:
        """Choose the films, and find their posters in the catalog by film_id."""
        hits, misses = surest(films, right=True), surest(films, right=False)
        shown = [films.film_ids[row] for row in (*hits, *misses)]
        posters = _poster_uris(catalog, shown) if catalog else {}
        lacking = sum(film not in posters for film in shown)
        note = ""
        if catalog is None:
            note = "No catalog was found, so the films are shown without posters."
        elif lacking:
            note = f"The catalog has no poster of {lacking} of these {len(shown)} films."
        return cls(
            [_card(films, row, posters) for row in hits],
            [_card(films, row, posters) for row in misses],
            note,
        )


def _card(films: ScoredFilms, row: int, posters: Mapping[str, str]) -> FilmCard:
    genres = [
        ScoredGenre(name, float(films.scores[row, column]), bool(films.truth[row, column]))
        for column, name in enumerate(films.vocabulary.names)
    ]
    predicted = set(films.vocabulary.decode(films.predicted[row]))
    falling = sorted(genres, key=lambda genre: -genre.score)
    return FilmCard(
        films.titles[row],
        posters.get(films.film_ids[row], ""),
        [genre for genre in falling if genre.name in predicted],
        [genre for genre in falling if genre.true],
        falling[0],
    )


def _poster_uris(catalog: Catalog, film_ids: Sequence[str]) -> dict[str, str]:
    """Data URIs of the posters that the catalog has and that can be decoded."""
    rows = {film: row for row, film in enumerate(catalog.columns(["film_id"])[0].to_pylist())}
    uris = {}
    for film in film_ids:
        if film in rows:
            try:
                uris[film] = _small(catalog.poster(rows[film]))
            except PosterError:
                continue
    return uris


def _small(poster: bytes) -> str:
    image = Image.fromarray(decode(poster, at_least=(2 * TALLEST, 2 * WIDTH)))
    image.thumbnail((WIDTH, TALLEST), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=80, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
