"""Painted films: a catalog of posters that never were, for the demo and the tests.

Each genre leans towards scenes, palettes, lettering and words of its own, and films have one to
three genres, so that a poster tells something of its genres and never all.
"""

import csv
import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from keyart.catalog.sources.painting.canvas import Canvas
from keyart.catalog.sources.painting.lettering import set_credits, set_title
from keyart.catalog.sources.painting.looks import LOOKS, Scene
from keyart.catalog.sources.painting.palettes import PALETTES
from keyart.files import replacing, write_bytes
from keyart.film import Film
from keyart.genres import DEFAULT_VOCABULARY

# Painted against type: without exceptions the task would be a matter of palettes alone.
EXCEPTIONS = 0.15
# Films that show an earlier film's artwork, so that there are near-duplicates to be found.
RE_RELEASES = 0.015
SIZE = (200, 300)
_FIRST_RE_RELEASE = 20
_NEW = 1 << 32  # numbers of new posters start here, far from any catalog's


@dataclass(frozen=True)
class Design:
    """All that is decided before the brush: the film, and how its poster is meant to look."""

    film: Film
    scene: Scene
    palette: str
    size: float
    capitals: bool
    seed: tuple[int, int]


def design(number: int, seed: int = 0) -> Design:
    """The film of that number and its poster's design; the same for a seed, whatever the count."""
    rng = np.random.default_rng([seed, number, 0])
    genres = _genres(rng)
    against_type = rng.random() < EXCEPTIONS
    models = [str(name) for name in rng.choice(list(LOOKS), 2)] if against_type else list(genres)
    # The first genre shows most; the others lend a palette or a scene.
    scene_of, palette_of, type_of = (LOOKS[_pick(models, rng)] for _ in range(3))
    words_of = LOOKS[_pick(list(genres), rng)]
    first, second = str(rng.choice(words_of.first)), str(rng.choice(words_of.second))
    title = f"The {first} {second}" if rng.random() < 0.2 else f"{first} {second}"
    years = LOOKS[genres[0]].years
    ordered = tuple(name for name in DEFAULT_VOCABULARY.names if name in genres)
    film = Film(f"painted-{number:05}", title, int(rng.integers(years[0], years[1] + 1)), ordered)
    return Design(
        film,
        scene_of.scenes[int(rng.integers(len(scene_of.scenes)))],
        str(rng.choice(palette_of.palettes)),
        type_of.size,
        bool(rng.random() < type_of.capitals),
        (seed, number),
    )


def _genres(rng: np.random.Generator) -> tuple[str, ...]:
    names = list(LOOKS)
    shares = np.array([LOOKS[name].share for name in names])
    genres = [str(rng.choice(names, p=shares / shares.sum()))]
    for _ in range(int(rng.choice([0, 1, 2], p=[0.35, 0.45, 0.2]))):
        company = LOOKS[genres[-1]].with_
        genres.append(company[int(rng.integers(len(company)))])
    return tuple(dict.fromkeys(genres))


def _pick(names: list[str], rng: np.random.Generator) -> str:
    """One of the names, the first one most often."""
    return names[0] if rng.random() < 0.55 else names[int(rng.integers(len(names)))]


def paint_poster(plan: Design, size: tuple[int, int] = SIZE) -> Image.Image:
    """Paint a design. size: (width, height) in pixels."""
    rng = np.random.default_rng([*plan.seed, 1])
    look = PALETTES[plan.palette].printed(rng)
    canvas = Canvas(size)
    at = plan.scene(canvas, look, rng)
    title = plan.film.title.upper() if plan.capitals else plan.film.title
    set_title(canvas, look, title, at, plan.size, rng)
    set_credits(canvas, look, plan.film.year or 0, rng)
    grain_at = (int(rng.integers(256)), int(rng.integers(256)))
    return canvas.finished(grain_at, float(rng.uniform(0.05, 0.3)), float(rng.uniform(0.0, 0.5)))


def _painted(number: int, seed: int) -> tuple[Film, bytes]:
    """A film of the catalog and its poster as JPEG. A few show an earlier film's artwork again."""
    rng = np.random.default_rng([seed, number, 2])
    plan = design(number, seed)
    if number < _FIRST_RE_RELEASE or rng.random() >= RE_RELEASES:
        return plan.film, _jpeg(paint_poster(plan), 85)
    earlier = design(int(rng.integers(number)), seed)
    film = Film(
        plan.film.film_id, f"{earlier.film.title} Returns", plan.film.year, earlier.film.genres
    )
    art = paint_poster(earlier).resize((160, 240), Image.Resampling.LANCZOS)
    art = ImageEnhance.Brightness(art).enhance(float(rng.uniform(0.9, 1.1)))
    return film, _jpeg(art, 75)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def paint_films(
    count: int,
    folder: Path,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Paint `count` films into folder/posters and list them in folder/films.csv, written last.

    progress: called with (painted, count). Returns the path of the table.
    """
    posters = folder / "posters"
    posters.mkdir(parents=True, exist_ok=True)
    films: list[Film] = []
    for film, poster in _all(lambda number: _painted(number, seed), range(count)):
        (posters / f"{film.film_id}.jpg").write_bytes(poster)
        films.append(film)
        if progress:
            progress(len(films), count)
    table = folder / "films.csv"
    with replacing(table) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["film_id", "title", "year", "genres"])
        for film in films:
            writer.writerow([film.film_id, film.title, film.year, "|".join(film.genres)])
    return table


def paint_new_posters(count: int, folder: Path, *, seed: int = 0) -> list[Path]:
    """Paint posters that no catalog has, for predicting; named after their titles."""
    paths: list[Path] = []
    for number in range(count):
        plan = design(_NEW + number, seed)
        name = plan.film.title.lower().replace("'", "").replace(" ", "-")
        path = folder / f"{name}.jpg"
        write_bytes(path, _jpeg(paint_poster(plan), 90))
        paths.append(path)
    return paths


def _all(
    work: Callable[[int], tuple[Film, bytes]], numbers: Iterable[int]
) -> Iterable[tuple[Film, bytes]]:
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from pool.map(work, numbers)
