"""Painted films: a catalog of posters that never were, for the demo and the tests.

Each genre leans towards scenes, palettes, lettering and words of its own, and films have one to
three genres, so that a poster tells something of its genres and never all.
"""

import csv
import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from keyart.demo.painting.accents import Accent
from keyart.demo.painting.canvas import Canvas
from keyart.demo.painting.lettering import LETTERINGS, set_credits, set_title
from keyart.demo.painting.looks import LOOKS, Scene
from keyart.demo.painting.palettes import PALETTES
from keyart.files import replacing, write_bytes
from keyart.film import Film
from keyart.genres import DEFAULT_VOCABULARY

# Painted against type: without exceptions the task would be a matter of palettes alone.
EXCEPTIONS = 0.1
# Films that show an earlier film's artwork, so that there are near-duplicates to be found.
RE_RELEASES = 0.015
SIZE = (200, 300)
_FIRST_RE_RELEASE = 20
_ACCENTED = 0.75  # of the posters carry an accent of their last genre
_LAST_YEAR = 2024
_NEW = 1 << 32  # numbers of new posters start here, far from any catalog's


@dataclass(frozen=True)
class Design:
    """All that is decided before the brush: the film, and how its poster is meant to look."""

    film: Film
    scene: Scene
    palette: str
    lettering: str
    accent: Accent | None
    seed: tuple[int, int]


def design(number: int, seed: int = 0) -> Design:
    """The film of that number and its poster's design; the same for a seed, whatever the count."""
    rng = np.random.default_rng([seed, number, 0])
    genres = _genres(rng)
    against_type = rng.random() < EXCEPTIONS
    models = [str(name) for name in rng.choice(list(LOOKS), 2)] if against_type else list(genres)
    # The first genre shows most; the others lend a palette, a lettering, a scene or an accent.
    scene_of, palette_of, type_of = (LOOKS[_pick(models, rng)] for _ in range(3))
    accents = LOOKS[models[-1]].accents
    years = LOOKS[genres[0]].years
    ordered = tuple(name for name in DEFAULT_VOCABULARY.names if name in genres)
    year = int(rng.integers(years[0], years[1] + 1))
    return Design(
        film=Film(f"painted-{number:05}", _title(genres, rng), year, ordered),
        scene=scene_of.scenes[int(rng.integers(len(scene_of.scenes)))],
        palette=str(rng.choice(palette_of.palettes)),
        lettering=str(rng.choice(type_of.letterings)),
        accent=accents[int(rng.integers(len(accents)))] if rng.random() < _ACCENTED else None,
        seed=(seed, number),
    )


def _genres(rng: np.random.Generator) -> tuple[str, ...]:
    names = list(LOOKS)
    shares = np.array([LOOKS[name].share for name in names])
    genres = [str(rng.choice(names, p=shares / shares.sum()))]
    for _ in range(int(rng.choice([0, 1, 2], p=[0.35, 0.45, 0.2]))):
        company = LOOKS[genres[-1]].with_
        genres.append(company[int(rng.integers(len(company)))])
    return tuple(dict.fromkeys(genres))


def _title(genres: tuple[str, ...], rng: np.random.Generator) -> str:
    """Words of the film's genres, mostly of its first."""
    before, noun = LOOKS[_pick(list(genres), rng)], LOOKS[_pick(list(genres), rng)]
    first, second, third = (
        str(rng.choice(words)) for words in (before.first, noun.second, before.second)
    )
    form = rng.random()
    if form < 0.1 and third != second:
        return f"The {third} and the {second}"
    if form < 0.18:
        return f"The {second}"
    return f"The {first} {second}" if form < 0.38 else f"{first} {second}"


def _pick(names: list[str], rng: np.random.Generator) -> str:
    """One of the names, the first one most often."""
    return names[0] if rng.random() < 0.55 else names[int(rng.integers(len(names)))]


def paint_poster(plan: Design, size: tuple[int, int] = SIZE) -> Image.Image:
    """Paint a design. size: (width, height) in pixels."""
    rng = np.random.default_rng([*plan.seed, 1])
    look = PALETTES[plan.palette].printed(rng)
    canvas = Canvas(size)
    at = plan.scene(canvas, look, rng)
    if plan.accent:
        plan.accent(canvas, look, rng)
    set_title(canvas, look, plan.film.title, at, LETTERINGS[plan.lettering], rng)
    set_credits(canvas, look, plan.film.year or 0, rng)
    grain_at = (int(rng.integers(256)), int(rng.integers(256)))
    return canvas.finished(grain_at, float(rng.uniform(0.05, 0.3)), float(rng.uniform(0.0, 0.5)))


def artwork_of(number: int, seed: int = 0) -> int:
    """The film whose artwork a film shows: its own, or an earlier one's, re-released."""
    rng = np.random.default_rng([seed, number, 2])
    if number < _FIRST_RE_RELEASE or rng.random() >= RE_RELEASES:
        return number
    return artwork_of(int(rng.integers(number)), seed)


def painted_film(number: int, seed: int = 0) -> tuple[Film, bytes]:
    """A film of the catalog and its poster as JPEG. A few show an earlier film's artwork again."""
    plan, original = design(number, seed), artwork_of(number, seed)
    if original == number:
        return plan.film, _jpeg(paint_poster(plan), 85)
    rng = np.random.default_rng([seed, number, 3])
    earlier = design(original, seed)
    year = min(_LAST_YEAR, (earlier.film.year or 0) + int(rng.integers(5, 40)))
    film = replace(
        earlier.film, film_id=plan.film.film_id, title=f"{earlier.film.title} Returns", year=year
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
    for film, poster in _all(lambda number: painted_film(number, seed), range(count)):
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
    number = _NEW
    while len(paths) < count:
        plan = design(number, seed)
        name = plan.film.title.lower().replace("'", "").replace(" ", "-")
        path = folder / f"{name}.jpg"
        if path not in paths:  # titles repeat now and then
            write_bytes(path, _jpeg(paint_poster(plan), 90))
            paths.append(path)
        number += 1
    return paths


def _all(
    work: Callable[[int], tuple[Film, bytes]], numbers: Iterable[int]
) -> Iterable[tuple[Film, bytes]]:
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from pool.map(work, numbers)
