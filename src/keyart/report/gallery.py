"""The report's gallery: films with their posters, small enough to be carried in the page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from keyart.catalog.catalog import Catalog
from keyart.errors import PosterError
from keyart.images.decode import decode
from keyart.report.findings import Predictions

WIDTH = 150  # pixels
TALLEST = 300


@dataclass(frozen=True)
class Said:
    """A genre, its score, and whether it is true of the film."""

    name: str
    score: float
    true: bool


@dataclass(frozen=True)
class Card:
    """A film of the gallery. poster: a data URI, empty where none is known."""

    title: str
    poster: str
    predicted: Sequence[Said]
    true: Sequence[Said]
    surest: Said


def gallery(
    found: Predictions, rows: Sequence[int], names: Sequence[str], posters: dict[str, str]
) -> list[Card]:
    """The cards of some rows of `found`. posters: data URIs by film_id."""
    cards = []
    for row in rows:
        said = [
            Said(name, float(found.scores[row, column]), bool(found.truth[row, column]))
            for column, name in enumerate(names)
        ]
        falling = sorted(said, key=lambda one: -one.score)
        chosen = {names[column] for column in found.predicted[row].nonzero()[0]}
        cards.append(
            Card(
                found.titles[row],
                posters.get(found.film_ids[row], ""),
                [one for one in falling if one.name in chosen],
                [one for one in falling if one.true],
                falling[0],
            )
        )
    return cards


def poster_uris(catalog: Catalog, film_ids: Sequence[str]) -> dict[str, str]:
    """Data URIs of those films whose posters the catalog has and that can be decoded."""
    places = {film: row for row, film in enumerate(catalog.columns(["film_id"])[0].to_pylist())}
    uris = {}
    for film in film_ids:
        if film in places:
            try:
                uris[film] = _small(catalog.poster(places[film]))
            except PosterError:
                continue
    return uris


def _small(poster: bytes) -> str:
    image = Image.fromarray(decode(poster, at_least=(2 * TALLEST, 2 * WIDTH)))
    image.thumbnail((WIDTH, TALLEST), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=80, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
