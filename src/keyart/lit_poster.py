"""Explanations as pictures: the poster lit where a genre comes from, and what moved the score."""

import contextlib
import io
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

from keyart.errors import PosterError
from keyart.explain import EVEN, Explanation, Map, Method, percent, resized_map
from keyart.images.decode import MAX_PIXELS, Pixels, decode
from keyart.images.poster import Poster, content_of

_LARGEST = 1_000  # pixels on the longer side of a single lit poster

_DESCRIPTION = 0x010E  # EXIF's tag
_VEIL = 0.62  # of the colours over the grey poster
# Lightness and two opponent colours in Oklab, in even steps of lightness.
_RAMP = (
    (0.20, 0.00, -0.08), (0.38, 0.09, -0.13), (0.56, 0.17, -0.02), (0.74, 0.11, 0.13),
    (0.92, -0.01, 0.13),
)  # fmt: skip
_FROM_OKLAB = (
    (1, 0.3963377774, 0.2158037573), (1, -0.1055613458, -0.0638541728),
    (1, -0.0894841775, -1.2914855480),
)  # fmt: skip
_TO_RGB = (
    (4.0767416621, -3.3077115913, 0.2309699292), (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)  # fmt: skip
_LOOKS = (
    "Colour: rise of the log-odds if the", "whole poster looked like this place",
    "Outline: the strongest region",
)  # fmt: skip
_HIDDEN = (
    "Colour: fall of the log-odds if", "this place is hidden", "Outline: the strongest region"
)  # fmt: skip

# The sheet, in pixels.
_PANEL, _NARROWEST, _GAP = 480, 320, 24
_LEGEND = 5  # lines
_LINE, _LABEL, _NUMBER = 26, 116, 52
_PAPER, _INK, _SOFT = (16, 16, 20), (255, 226, 170), (170, 164, 152)
_FOR, _AGAINST, _TRACK = (255, 176, 32), (118, 158, 214), (44, 44, 52)
# Pillow's own font has Latin letters only; a title may be in any script.
_FONTS = ("DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "arial.ttf")


def glow(rgb: Pixels, explanation: Explanation, most: float | None = None) -> Pixels:
    """The poster in grey, under colours that show how much each place speaks for the genre.

    A line goes around the region that speaks most: the strongest place, and what is connected with
    it by places at least half as strong. most: the log-odds of the brightest colour, so that
    several genres share one scale; None takes the strongest place. Returns RGB.
    """
    height, width = rgb.shape[:2]
    most = max(explanation.peak if most is None else most, EVEN)
    rise = np.maximum(resized_map(explanation.rise, width, height), 0)
    grey = np.asarray(Image.fromarray(rgb).convert("L"), np.float32)[..., None]
    low, high = np.quantile(grey, [0.02, 0.98])  # dark posters are as legible as others
    grey = 255 * np.clip((grey - low) / max(high - low, 1), 0, 1)
    lit = (1 - _VEIL) * grey + _VEIL * colours(np.clip(rise / most, 0, 1))
    picture = Image.fromarray(lit.astype(np.uint8))
    if explanation.peak >= EVEN:
        _outline(picture, rise)
    return np.asarray(picture)


def _outline(picture: Image.Image, rise: Map) -> None:
    """Draw a line around the strongest region."""
    mask = Image.fromarray((rise >= rise.max() / 2).astype(np.uint8)).copy()  # may be written
    row, column = np.unravel_index(int(rise.argmax()), rise.shape)
    ImageDraw.floodfill(mask, (int(column), int(row)), 2)
    # A region that fills the picture has a line at its edge.
    region = ImageOps.expand(mask.point(lambda value: 255 * (value == 2)), 3)
    box = (3, 3, picture.width + 3, picture.height + 3)
    wide = max(3, 2 * round(min(picture.size) / 200) + 1)
    for size, colour in ((wide + 2, _PAPER), (wide, _INK)):
        inner = region.filter(ImageFilter.MinFilter(size))
        edge = ImageChops.subtract(region, inner).crop(box)
        picture.paste(colour, mask=edge)


def colours(heat: Map) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """Colours (..., 3) of 0 to 255 for values of 0 to 1, in perceptually even steps.

    From dark blue over purple and orange to light yellow; equal steps of the value are equal steps
    of lightness in Oklab (Ottosson 2020), so that they are read alike, also without colour.
    """
    places = np.linspace(0, 1, len(_RAMP))
    lab = np.stack([np.interp(heat, places, channel) for channel in np.array(_RAMP).T], axis=-1)
    cone = (lab @ np.array(_FROM_OKLAB).T) ** 3
    linear = np.clip(cone @ np.array(_TO_RGB).T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(255 * encoded, np.float32)


def glow_png(data: bytes, explanation: Explanation, *, max_pixels: int = MAX_PIXELS) -> bytes:
    """A poster's file, coloured by what speaks for a genre, as PNG of at most 1,000 pixels a side.

    Raises PosterError.
    """
    if not explanation.map.size:
        raise PosterError("this explanation is of a film without a poster")
    at_least = (_LARGEST, _LARGEST)
    image = Image.fromarray(decode(data, at_least=at_least, max_pixels=max_pixels))
    image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    described(Image.fromarray(glow(np.asarray(image), explanation)), [explanation]).save(
        file, "PNG"
    )
    return file.getvalue()


def draw_explanations(poster: Poster | None, explanations: Sequence[Explanation]) -> Image.Image:
    """The poster, then a copy for each genre, coloured where the genre comes from, on one scale.

    Under each copy are the genre's steps, see Explanation, and the words of the title that moved
    it. poster: as for Predictor.explain; None draws what is under it. Returns a PIL image. Raises
    PosterError.
    """
    columns = [_column(one) for one in explanations]
    rgb = None if poster is None else _panel(poster)
    wide = max([_NARROWEST, *([] if rgb is None else [rgb.shape[1]])])
    rows = [len(lines) for lines in columns] + [0 if rgb is None else _LEGEND]
    foot = _LINE * max(rows) + 2 * _GAP
    top = _GAP if rgb is None else _PANEL + 2 * _GAP
    count = len(columns) + (rgb is not None)
    size = (_GAP + count * (wide + _GAP), top + foot)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    if rgb is not None:
        most = max([EVEN, *(one.peak for one in explanations)])
        _legend(sheet, top, wide, most, {one.method for one in explanations})
        for place, one in enumerate([None, *explanations]):
            lit = rgb if one is None or not one.map.size else glow(rgb, one, most)
            left = _GAP + place * (wide + _GAP) + (wide - rgb.shape[1]) // 2
            sheet.paste(Image.fromarray(lit), (left, _GAP))
    for place, lines in enumerate(columns, start=int(rgb is not None)):
        left = _GAP + place * (wide + _GAP)
        for row, line in enumerate(lines):
            line.draw(pen, left, top + row * _LINE, wide)
    return described(sheet, explanations)


def described(picture: Image.Image, explanations: Sequence[Explanation]) -> Image.Image:
    """The picture, with a description in its EXIF data for those who cannot see it."""
    parts = [f"{one.genre} {percent(one.score)}{one.whence}" for one in explanations]
    picture.getexif()[_DESCRIPTION] = f"Where genres come from: {'; '.join(parts)}."
    return picture


def _legend(
    sheet: Image.Image, top: int, wide: int, most: float, methods: Set[Method | None]
) -> None:
    """What the colours are, under the poster."""
    pen, middle = ImageDraw.Draw(sheet), top + _LINE // 2
    hidden = "occlusion" in methods
    lines = _HIDDEN if hidden else _LOOKS
    for row, text in zip((0, 1, 4), lines, strict=True):
        font, fitted = _fitting(text, 15, wide)
        pen.text((_GAP, middle + row * _LINE), fitted, _SOFT, font, anchor="lm")
    bar = colours(np.linspace(0, 1, wide)[None, :].repeat(14, 0))
    lit = (1 - _VEIL) * 128 + _VEIL * bar
    sheet.paste(Image.fromarray(lit.astype(np.uint8)), (_GAP, top + 2 * _LINE + 6))
    for text, at, anchor in (("0", _GAP, "lm"), (f"+{most:.1f}", _GAP + wide, "rm")):
        font, fitted = _fitting(text, 15, wide)
        pen.text((at, middle + 3 * _LINE), fitted, _INK, font, anchor=anchor)


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
