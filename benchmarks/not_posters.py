"""How many pictures that are no posters get the warning that they are none, and how many posters.

python -m benchmarks.not_posters CATALOG --originals DIR [--photographs DIR] [--screenshots DIR]
    [--model MODEL]

One-coloured pictures, gradients, noise and pages of text are painted. Landscape stills are cut from
the middle of the posters in `--originals`. Photographs and screenshots are cut to portrait; a
screenshot also stands as it is. The posters are those of CATALOG. Prints the table of
docs/trust.md, where the photographs were desktop backgrounds.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from keyart.catalog.catalog import Catalog
from keyart.evidence import POSTER
from keyart.prediction import Prediction
from keyart.predictor import Predictor
from keyart.queries import find_films

_SIZE = 300, 444  # width, height
_STILLS = 150
_CUTS = 3  # of a picture, at chance places
_INK, _PAPER = (30, 30, 30), (250, 248, 240)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--originals", type=Path, required=True)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--model", default="box")
    given = parser.parse_args()
    model, random = Predictor.load(given.model), np.random.default_rng(0)
    catalog = Catalog.open(given.catalog)
    warned = {
        answer.film_id: bool(answer.warning)
        for answer in model.predict_many(find_films(given.catalog), evidence=POSTER)
        if isinstance(answer, Prediction)
    }
    film_ids = catalog.to_table()["film_id"].to_pylist()
    test = [film_ids[row] for row in catalog.rows("test").tolist()]
    _row("posters, test split", [warned[film] for film in test])
    _row("posters, all splits", list(warned.values()))

    def row(name: str, pictures: Iterable[Image.Image]) -> None:
        answers = model.predict_many(pictures)
        _row(name, [bool(one.warning) for one in answers if isinstance(one, Prediction)])

    row("one colour", (_flat(random) for _ in range(40)))
    row("gradients", (_gradient(random) for _ in range(40)))
    row("noise, fine to coarse", (_noise(random, 2 ** (place % 5)) for place in range(40)))
    row("pages of text", (_page(random) for _ in range(60)))
    row("landscape stills, cut from posters", _stills(given.originals))
    if given.screenshots is not None:
        row("screenshots as they are", _pictures(given.screenshots))
        row("screenshots, cut to portrait", _portraits(given.screenshots, random))
    if given.photographs is not None:
        row("photographs, cut to portrait", _portraits(given.photographs, random))


def _row(name: str, warned: list[bool]) -> None:
    share = f" ({np.mean(warned):.1%})" if name.startswith("posters") else ""
    print(f"| {name} | {sum(warned):,} of {len(warned):,}{share} |", flush=True)


def _flat(random: np.random.Generator) -> Image.Image:
    red, green, blue = random.integers(0, 256, 3).tolist()
    return Image.new("RGB", _SIZE, (red, green, blue))


def _gradient(random: np.random.Generator) -> Image.Image:
    """From one colour to another, in any direction."""
    width, height = _SIZE
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    share = ((x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(2) + 1)[..., None] / 2
    first, last = random.integers(0, 256, (2, 3))
    return Image.fromarray(((1 - share) * first + share * last).astype(np.uint8))


def _noise(random: np.random.Generator, grain: int) -> Image.Image:
    """Coloured noise. grain: pixels that a spot is wide."""
    width, height = _SIZE
    spots = random.integers(0, 256, (height // grain + 1, width // grain + 1, 3), dtype=np.uint8)
    return Image.fromarray(spots.repeat(grain, 0).repeat(grain, 1)[:height, :width])


def _page(random: np.random.Generator) -> Image.Image:
    """Lines of made-up words in one or two columns, now and then in white on black."""
    ink, paper = (_INK, _PAPER) if random.random() < 0.8 else (_PAPER, _INK)
    page = Image.new("RGB", _SIZE, paper)
    draw, size = ImageDraw.Draw(page), int(random.integers(8, 15))
    columns, (width, height) = int(random.integers(1, 3)), _SIZE
    room = (width - 24) // columns
    for column in range(columns):
        left = 12 + column * room
        for top in range(14, height - 14 - size, round(size * 1.5)):
            line = ""
            while draw.textlength(line, font_size=size) < room - 24:
                letters = random.integers(ord("a"), ord("z") + 1, random.integers(2, 10))
                line += "".join(map(chr, letters)) + " "
            if random.random() > 0.08:  # the others end a paragraph
                draw.text((left, top), line.rsplit(" ", 2)[0], ink, font_size=size)
    return page


def _stills(folder: Path) -> Iterator[Image.Image]:
    """Pictures of 16:9 from the middle of posters."""
    for poster in sorted(folder.iterdir())[:_STILLS]:
        with Image.open(poster) as picture:
            rgb = picture.convert("RGB")
        height = round(rgb.width * 9 / 16)
        top = (rgb.height - height) // 2
        yield rgb.crop((0, top, rgb.width, top + height))


def _pictures(folder: Path) -> Iterator[Image.Image]:
    """All pictures of a folder and its folders."""
    known = set(Image.registered_extensions())
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in known:
            with Image.open(file) as picture:
                yield picture.convert("RGB")


def _portraits(folder: Path, random: np.random.Generator) -> Iterator[Image.Image]:
    """Cuts of 2:3, as large as the pictures allow."""
    for picture in _pictures(folder):
        width = min(picture.width, picture.height * 2 // 3)
        height = min(picture.height, width * 3 // 2)
        for _ in range(_CUTS):
            left = int(random.integers(0, picture.width - width + 1))
            top = int(random.integers(0, picture.height - height + 1))
            yield picture.crop((left, top, left + width, top + height))


if __name__ == "__main__":
    main()
