"""Films and posters for tests of catalogs: smooth fields of colour, each unlike all others."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from keyart.genres import STUDY_GENRES


def poster(seed: int, size: tuple[int, int] = (60, 90)) -> Image.Image:
    """A poster of its own: a few colours, blended. size: width, height."""
    colours = np.random.default_rng(seed).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def write_table(path: Path, films: Iterable[tuple[str, str]]) -> Path:
    """A films table of (film id, genres joined by |)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["film_id", "title", "year", "genres"])
        for number, (film_id, genres) in enumerate(films):
            writer.writerow([film_id, f"Film {film_id}", 1950 + number % 70, genres])
    return path


def write_posters(folder: Path, posters: Mapping[str, bytes]) -> Path:
    """A folder of files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in posters.items():
        (folder / name).write_bytes(content)
    return folder


def some_genres(seed: int) -> str:
    """One to three genres, the first ones of the vocabulary more often."""
    random = np.random.default_rng(seed)
    rates = 1 / np.arange(1, len(STUDY_GENRES) + 1)
    picked = random.choice(
        len(STUDY_GENRES), random.integers(1, 4), replace=False, p=rates / rates.sum()
    )
    return "|".join(STUDY_GENRES[column] for column in picked)


def tiny_films(folder: Path, seeds: Iterable[int]) -> tuple[Path, Path]:
    """One film per seed, f0007 for 7, with its own poster. Returns the table and the folder."""
    seeds = list(seeds)
    posters = {f"f{seed:04}.png": encoded(poster(seed), "PNG") for seed in seeds}
    table = write_table(folder / "films.csv", [(f"f{s:04}", some_genres(s)) for s in seeds])
    return table, write_posters(folder / "posters", posters)
