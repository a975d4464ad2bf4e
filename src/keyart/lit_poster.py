"""Explanations as pictures: the poster lit where a genre comes from, and what moved the score."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keyart.errors import PosterError
from keyart.explain import Explanation, Map, percent, resized_map
from keyart.images.decode import MAX_PIXELS, Pixels, decode
from keyart.images.poster import Poster, content_of

# The poster is dark where nothing speaks for the genre, and glows where most does.
_DIM = np.array([10, 12, 22], np.float32)
_GLOW = np.array([255, 176, 32], np.float32)
_LARGEST = 1_000  # pixels on the longer side of a single lit poster

# The sheet, in pixels.
_PANEL, _NARROWEST, _GAP = 480, 320, 24
_LINE, _LABEL, _NUMBER = 26, 116, 52
_PAPER, _INK, _SOFT = (16, 16, 20), (255, 226, 170), (170, 164, 152)
_FOR, _AGAINST, _TRACK = (255, 176, 32), (118, 158, 214), (44, 44, 52)
# Pillow's own font has Latin letters only; a title may be in any script.
_FONTS = ("DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "arial.ttf")


def glow(rgb: Pixels, heat: Map) -> Pixels:
    """The poster, bright where the evidence is. heat: (rows, columns) in [0, 1]. Returns RGB."""
    height, width = rgb.shape[:2]
    light = np.clip(resized_map(heat, width, height), 0, 1).astype(np.float32)[..., None]
    light = light**0.8
    dimmed = rgb * (0.32 + 0.68 * light) + _DIM * (1 - light)
    lit = dimmed + (_GLOW - dimmed) * (0.3 * light**2)
    picture: Pixels = np.clip(lit, 0, 255).astype(np.uint8)
    return picture


def glow_png(data: bytes, explanation: Explanation, *, max_pixels: int = MAX_PIXELS) -> bytes:
    """A poster's file, bright where a genre comes from, as PNG of at most 1,000 pixels a side.

    Raises PosterError.
    """
    if not explanation.map.size:
        raise PosterError("this explanation is of a film without a poster")
    at_least = (_LARGEST, _LARGEST)
    image = Image.fromarray(decode(data, at_least=at_least, max_pixels=max_pixels))
    image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    Image.fromarray(glow(np.asarray(image), explanation.heat)).save(file, "PNG")
    return file.getvalue()


def draw_explanations(poster: Poster | None, explanations: Sequence[Explanation]) -> Image.Image:
    """The poster, then a copy for each genre, lit where the genre comes from.

    Under each copy are the genre's steps, see Explanation, and the words of the title that moved
    it. poster: as for Predictor.explain; None draws what is under it. Returns a PIL image. Raises
    PosterError.
    """
    columns = [_column(one) for one in explanations]
    rgb = None if poster is None else _panel(poster)
    wide = max([_NARROWEST, *([] if rgb is None else [rgb.shape[1]])])
    foot = _LINE * max((len(lines) for lines in columns), default=0) + 2 * _GAP
    top = _GAP if rgb is None else _PANEL + 2 * _GAP
    count = len(columns) + (rgb is not None)
    size = (_GAP + count * (wide + _GAP), top + foot)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    if rgb is not None:
        for place, one in enumerate([None, *explanations]):
            lit = rgb if one is None or not one.map.size else glow(rgb, one.heat)
            left = _GAP + place * (wide + _GAP) + (wide - rgb.shape[1]) // 2
            sheet.paste(Image.fromarray(lit), (left, _GAP))
    for place, lines in enumerate(columns, start=int(rgb is not None)):
        left = _GAP + place * (wide + _GAP)
        for row, line in enumerate(lines):
            line.draw(pen, left, top + row * _LINE, wide)
    return sheet


@dataclass(frozen=True, slots=True)
class _Line:
    """A line under a picture: a label, a number, and a bar from one place to another, 0 to 1.

    mark: a place on the bar.
    """

    label: str
    number: str = ""
    bar: tuple[float, float] | None = None
    mark: float | None = None
    colour: tuple[int, int, int] = _FOR
    size: int = 15

    def draw(self, pen: ImageDraw.ImageDraw, left: int, top: int, wide: int) -> None:
        room = wide if self.bar is None else _LABEL - 8
        font, label = _fitting(self.label, self.size, room)
        ink = _INK if self.size > 15 or self.bar else _SOFT
        pen.text((left, top + _LINE // 2), label, ink, font, anchor="lm")
        if self.bar is None:
            return
        start, end = left + _LABEL, left + wide - _NUMBER
        middle = top + _LINE // 2
        pen.rectangle((start, middle - 4, end, middle + 4), _TRACK)
        low, high = (start + round(one * (end - start)) for one in sorted(self.bar))
        pen.rectangle((low, middle - 4, max(high, low + 1), middle + 4), self.colour)
        if self.mark is not None:
            at = start + round(self.mark * (end - start))
            pen.line((at, middle - 8, at, middle + 8), _INK)
        font, number = _fitting(self.number, 15, _NUMBER)
        pen.text((left + wide, middle), number, _INK, font, anchor="rm")


def _column(one: Explanation) -> list[_Line]:
    """The lines under a genre's picture."""
    lines = [_Line(f"{one.genre} {percent(one.score)}", size=20)]
    if one.rate is not None:
        lines.append(_Line("any film", percent(one.rate), (0.0, one.rate), None, _SOFT))
    for number, (kind, score) in enumerate(one.steps.items(), start=1):
        # Thresholds are those of all the evidence together.
        mark = min(1.0, one.threshold) if number == len(one.steps) else None
        label = f"+ {kind}" if number > 1 else kind
        lines.append(_Line(label, percent(score), (0.0, score), mark))
    words = one.telling
    most = max([1.0, *map(abs, words.values())])
    if words:
        lines.append(_Line("Words of the title, in log-odds"))
    for word, part in words.items():
        colour = _FOR if part > 0 else _AGAINST
        bar = (0.5, 0.5 + 0.5 * part / most)
        lines.append(_Line(word, f"{part:+.1f}", bar, 0.5, colour))
    return lines


def _panel(poster: Poster) -> Pixels:
    """The poster, as high as a panel."""
    content = content_of(poster)
    rgb = decode(content) if isinstance(content, bytes) else content
    width = max(1, round(rgb.shape[1] * _PANEL / rgb.shape[0]))
    small = Image.fromarray(rgb).resize((width, _PANEL), Image.Resampling.LANCZOS)
    return np.asarray(small, np.uint8)


def _fitting(text: str, size: int, room: int) -> tuple[ImageFont.FreeTypeFont, str]:
    """A font that has all letters of a text, and the text, cut to what fits into `room` pixels."""
    font = next((one for one in _fonts(size) if _has_all(one, text)), _fonts(size)[0])
    while len(text) > 1 and font.getlength(text) > room:
        text = text[:-2].rstrip() + "\u2026"
    return font, text


@cache
def _fonts(size: int) -> list[ImageFont.FreeTypeFont]:
    found = [ImageFont.load_default(size)]
    for name in _FONTS:
        with contextlib.suppress(OSError):
            found.append(ImageFont.truetype(name, size))
    return [font for font in found if isinstance(font, ImageFont.FreeTypeFont)]


def _has_all(font: ImageFont.FreeTypeFont, text: str) -> bool:
    """Whether no letter is drawn as the box that stands for a letter which a font lacks."""
    box = bytes(font.getmask("\U0010fffd"))
    return all(bytes(font.getmask(letter)) != box for letter in set(text) if not letter.isspace())
