"""The gallery: films with their posters, small enough for the page to contain them."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image

from keyart.bundle import Bundle
from keyart.calibration import log_odds
from keyart.catalog.catalog import Catalog
from keyart.errors import PosterError, listed
from keyart.explain import explain_evidence
from keyart.fusion import fuse
from keyart.images.decode import decode
from keyart.prediction import Query
from keyart.report.findings import surest
from keyart.run import ScoredFilms

WIDTH = 150  # pixels
TALLEST = 300
_WITH_WORDS = 2  # genres whose words are shown


@dataclass(frozen=True)
class ScoredGenre:
    """A genre, its score, and whether the film has it."""

    name: str
    score: float
    true: bool


@dataclass(frozen=True)
class Informed:
    """What the model predicts if it knows the title as well, and the year if there is one.

    evidence: what that rests on, in words. words: for genres, the words of the title that moved
    them, as "Horror: zombie +2.0, wedding -0.8".
    """

    evidence: str
    predicted: Sequence[ScoredGenre]
    words: Sequence[str]


@dataclass(frozen=True)
class FilmCard:
    """A film of the gallery. poster: a data URI, empty if there is none. top: the top genre.

    informed: None if the model makes no use of the title.
    """

    title: str
    poster: str
    predicted: Sequence[ScoredGenre]
    true: Sequence[ScoredGenre]
    top: ScoredGenre
    informed: Informed | None


@dataclass(frozen=True)
class Gallery:
    """The surest hits and the worst misses. note: why posters are missing, if any are."""

    hits: Sequence[FilmCard]
    misses: Sequence[FilmCard]
    note: str

    @property
    def is_informed(self) -> bool:
        """Whether the model makes use of a title of these films."""
        return any(card.informed for card in (*self.hits, *self.misses))

    @classmethod
    def of(cls, films: ScoredFilms, catalog: Catalog | None, bundle: Bundle | None) -> Self:
        """Choose the films, and find their posters and years in the catalog by film_id.

        bundle: the model, for what it says to their titles.
        """
        hits, misses = surest(films, right=True), surest(films, right=False)
        shown = [films.film_ids[row] for row in (*hits, *misses)]
        posters = _poster_uris(catalog, shown) if catalog else {}
        years = _years(catalog, shown) if catalog else {}
        lacking = sum(film not in posters for film in shown)
        note = ""
        if catalog is None:
            note = "No catalog was found, so the films are shown without posters."
        elif lacking:
            note = f"The catalog has no poster of {lacking} of these {len(shown)} films."

        def card(row: int) -> FilmCard:
            film_id = films.film_ids[row]
            informed = _informed(films, row, years.get(film_id), bundle) if bundle else None
            return _card(films, row, posters.get(film_id, ""), informed)

        return cls([card(row) for row in hits], [card(row) for row in misses], note)


def _card(films: ScoredFilms, row: int, poster: str, informed: Informed | None) -> FilmCard:
    genres = [
        ScoredGenre(name, float(films.scores[row, column]), bool(films.truth[row, column]))
        for column, name in enumerate(films.vocabulary.names)
    ]
    predicted = set(films.vocabulary.decode(films.predicted[row]))
    falling = sorted(genres, key=lambda genre: -genre.score)
    return FilmCard(
        films.titles[row],
        poster,
        [genre for genre in falling if genre.name in predicted],
        [genre for genre in falling if genre.true],
        falling[0],
        informed,
    )


def _informed(films: ScoredFilms, row: int, year: int | None, bundle: Bundle) -> Informed | None:
    """The scores of a poster, undone to its logits, fused with its film's title and year."""
    film = Query(None, None, films.titles[row].strip() or None, year)
    poster = log_odds(bundle.calibration.undo(films.scores[row])).astype(np.float32)
    (answer,) = fuse(bundle, [poster], [film])
    if answer is None or "title" not in answer[0]:
        return None
    truth = dict(zip(films.vocabulary.names, films.truth[row], strict=True))
    found = explain_evidence(bundle, poster, film, answer[0])
    found = sorted((one for one in found if one.score >= one.threshold), key=lambda one: -one.score)
    words = [
        f"{one.genre}: "
        + ", ".join(f"{word}\N{NO-BREAK SPACE}{part:+.1f}" for word, part in one.telling.items())
        for one in found[:_WITH_WORDS]
        if one.telling
    ]
    return Informed(
        listed(answer[0]),
        [ScoredGenre(one.genre, one.score, bool(truth[one.genre])) for one in found],
        words,
    )


def _years(catalog: Catalog, film_ids: Sequence[str]) -> dict[str, int | None]:
    """The years of these films, as far as the catalog knows them."""
    wanted = set(film_ids)
    ids, years = (column.to_pylist() for column in catalog.columns(["film_id", "year"]))
    return {film: year for film, year in zip(ids, years, strict=True) if film in wanted}


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
