"""A painted catalog in which some listed genres are known to be wrong."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from keyart.catalog.catalog import Catalog
from tests.tiny import VOCABULARY
from tests.tiny_catalog import encoded, poster

WRONG: Mapping[str, str] = {"f003": "Green", "f043": "Blue", "f088": "Red"}
"""Films that have this genre in the table, and not the one of their poster."""
FILMS = 120


def true_genre(number: int) -> str:
    """The genre of a film's poster: it has its colour."""
    return VOCABULARY.names[number % 3]


def doubtful_catalog(folder: Path, films: int = FILMS) -> Catalog:
    """Films called Film 0, Film 1 ..., each with a poster of the colour of its genre."""
    (folder / "posters").mkdir(parents=True)
    with (folder / "films.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["film_id", "title", "year", "genres"])
        for number in range(films):
            name = f"f{number:03}"
            genre = WRONG.get(name, true_genre(number))
            writer.writerow([name, f"Film {number}", 1950 + number % 50, genre])
            content = encoded(tinted(number), "PNG")
            (folder / "posters" / f"{name}.png").write_bytes(content)
    (folder / "genres.txt").write_text("\n".join(VOCABULARY.names))
    return Catalog.build(
        folder / "films.csv", folder / "posters", folder / "catalog",
        vocabulary=folder / "genres.txt",
    )  # fmt: skip


def tinted(number: int) -> Image.Image:
    """A poster of its own, with one colour stronger than the others."""
    pixels = np.asarray(poster(number)).astype(np.float64) / 2
    pixels[:, :, number % 3] += 60 + 10 * np.sin(number)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
