"""Painted films: an invented catalog for the demo and the tests.

Each genre tends towards its own scenes, palettes, lettering and words. Films have one to three
genres, so a poster says something about its genres, but not everything.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from keyart.demo import emblems, places
from keyart.demo.accents import ACCENTS
from keyart.demo.canvas import Canvas
from keyart.demo.colors import PALETTES
from keyart.demo.genres import LOOKS, Look, one_of
from keyart.demo.layout import Layout
from keyart.demo.lettering import LETTERINGS, set_credits, set_title
from keyart.files import replacing, write_bytes
from keyart.film import Film
from keyart.genres import DEFAULT_VOCABULARY
from keyart.parallel import ordered

# Posters painted against type. Without them, a palette would almost give the genres away.
EXCEPTIONS = 0.1
# Films that show an earlier film's poster again, so that there are near-duplicates to find.
RE_RELEASES = 0.015
SIZE = (200, 300)
_FIRST_RE_RELEASE = 20
_ACCENTED = 0.75  # of the posters have an accent of their last genre
_LAST_YEAR = 2024
_NEW = 1 << 32  # numbers of new posters start here, far from those of any catalog

SCENES = {
    scene.__name__: scene
    for scene in (
        *(places.battlefield, places.castle, places.desert, places.haunted_house, places.horizon),
        *(places.mountain, places.skyline, places.stage, places.umbrella),
        *(emblems.blast, emblems.critter, emblems.crown, emblems.disguise, emblems.faces),
        *(emblems.frames, emblems.keyhole, emblems.love, emblems.record, emblems.space),
        emblems.target,
    )
}


@dataclass(frozen=True)
class Design:
    """A film and the look of its poster: all decisions before the painting.

    scene, palette, lettering, accent: names in the tables SCENES, PALETTES and so on.
    """

    film: Film
    scene: str
    palette: str
    lettering: str
    accent: str | None
    layout: Layout
    seed: tuple[int, int]


def design(number: int, seed: int = 0) -> Design:
    """The film with this number and the design of its poster, whatever the number of films."""
    rng = np.random.default_rng([seed, number, 0])
    shares = np.array([look.share for look in LOOKS.values()])
    genres = [str(rng.choice(list(LOOKS), p=shares / shares.sum()))]
    for _ in range(int(rng.choice(3, p=[0.35, 0.45, 0.2]))):
        genres.append(one_of(LOOKS[genres[-1]].company, rng))
    film = Film(
        film_id=f"painted-{number:05}",
        title=_title(genres, rng),
        year=int(rng.integers(*LOOKS[genres[0]].years, endpoint=True)),
        genres=tuple(name for name in DEFAULT_VOCABULARY.names if name in genres),
    )
    if rng.random() < EXCEPTIONS:
        genres = [str(name) for name in rng.choice(list(LOOKS), 2)]
    # The first genre shows most. The others lend a scene, a palette, a lettering or an accent.
    accented = rng.random() < _ACCENTED
    return Design(
        film=film,
        scene=one_of(_look(genres, rng).scenes, rng),
        palette=one_of(_look(genres, rng).palettes, rng),
        lettering=one_of(_look(genres, rng).letterings, rng),
        accent=one_of(LOOKS[genres[-1]].accents, rng) if accented else None,
        layout=Layout.drawn(rng),
        seed=(seed, number),
    )


def _look(genres: list[str], rng: np.random.Generator) -> Look:
    """The look of one of the genres, most often of the first."""
    return LOOKS[genres[0] if rng.random() < 0.55 else str(rng.choice(genres))]


def _title(genres: list[str], rng: np.random.Generator) -> str:
    """A title of words of the film's genres, most often of its first."""
    first, second = _look(genres, rng), _look(genres, rng)
    adjective, noun = one_of(first.adjectives, rng), one_of(second.nouns, rng)
    other, form = one_of(first.nouns, rng), rng.random()
    if form < 0.1 and other != noun:
        return f"The {other} and the {noun}"
    if form < 0.18:
        return f"The {noun}"
    return f"The {adjective} {noun}" if form < 0.38 else f"{adjective} {noun}"


def paint_poster(plan: Design, size: tuple[int, int] = SIZE) -> Image.Image:
    """Paint the poster of a design. size: (width, height) in pixels."""
    rng = np.random.default_rng([*plan.seed, 1])
    art = Canvas(size, PALETTES[plan.palette].printed(rng), rng)
    SCENES[plan.scene](art)
    plan.layout.frame(art)
    if plan.accent:
        ACCENTS[plan.accent].scatter(art)
    set_title(art, plan.film.title, LETTERINGS[plan.lettering], plan.layout)
    plan.layout.surround(art)
    set_credits(art, plan.film.year or 0)
    return art.finished()


def artwork_of(number: int, seed: int = 0) -> int:
    """The number of the film that this film's artwork comes from: its own, or an earlier one."""
    rng = np.random.default_rng([seed, number, 2])
    if number < _FIRST_RE_RELEASE or rng.random() >= RE_RELEASES:
        return number
    return artwork_of(int(rng.integers(number)), seed)


def painted_film(number: int, seed: int = 0) -> tuple[Film, bytes]:
    """A film of the catalog and its poster as JPEG. A few show an earlier film's artwork."""
    plan, original = design(number, seed), artwork_of(number, seed)
    if original == number:
        return plan.film, _jpeg(paint_poster(plan), 85)
    rng = np.random.default_rng([seed, number, 3])
    earlier = design(original, seed)
    year = min(_LAST_YEAR, (earlier.film.year or 0) + int(rng.integers(5, 40)))
    title = f"{earlier.film.title} Returns"
    film = replace(earlier.film, film_id=plan.film.film_id, title=title, year=year)
    art = paint_poster(earlier).resize((160, 240), Image.Resampling.LANCZOS)
    art = ImageEnhance.Brightness(art).enhance(float(rng.uniform(0.9, 1.1)))
    return film, _jpeg(art, 75)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def paint_films(
    count: int, folder: Path, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Paint `count` films into folder/posters, then list them in folder/films.csv.

    progress: called with (painted, count). Returns the path of the table.
    """
    posters, table = folder / "posters", folder / "films.csv"
    posters.mkdir(parents=True, exist_ok=True)
    with replacing(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["film_id", "title", "year", "genres"])
        films = ordered(partial(painted_film, seed=seed), range(count))
        for painted, (film, poster) in enumerate(films, 1):
            (posters / f"{film.film_id}.jpg").write_bytes(poster)
            writer.writerow([film.film_id, film.title, film.year, "|".join(film.genres)])
            if progress:
                progress(painted, count)
    return table


def paint_new_posters(count: int, folder: Path, *, seed: int = 0) -> list[Path]:
    """Paint posters that are in no catalog, to predict them. Files are named after their titles."""
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
