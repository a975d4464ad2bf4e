"""Titles and credit blocks: set where the scene leaves room, in a colour that can be read."""

from functools import lru_cache

import numpy as np
from PIL import ImageDraw, ImageFont

from keyart.catalog.sources.painting.canvas import Canvas, Color, TitleAt, luminance
from keyart.catalog.sources.painting.palettes import Palette

_WIDEST = 88.0  # of a line, in poster units
_USUAL = 15.0  # height of a usual title's letters
_SMALLEST = 7.0


@lru_cache(maxsize=256)
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(pixels)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow is built with FreeType in all wheels
    return font


def set_title(
    canvas: Canvas, look: Palette, title: str, at: TitleAt, size: float, rng: np.random.Generator
) -> None:
    """Set the title in one to three lines. size: 1 is usual."""
    lines = _broken(title, rng)
    height = max(_SMALLEST, _USUAL * size * float(rng.uniform(0.85, 1.1)))
    draw = ImageDraw.Draw(canvas.image)
    widest = max(draw.textlength(line, _font(100)) for line in lines) / 100
    height = min(height, _WIDEST / widest * canvas.unit_x / canvas.unit_y, 54 / len(lines))
    step = height * 1.02
    block = step * len(lines)
    top = {"top": 9.0, "middle": 72.0 - block / 2, "foot": 131.0 - block}[at]
    tone = _readable(canvas, look, top, block, rng)
    pixels = max(8, round(height * canvas.unit_y))
    bold = max(0, round(pixels * float(rng.choice([0.0, 0.02, 0.035]))))
    for number, line in enumerate(lines):
        place = (canvas.image.width / 2, (top + step * (number + 0.5)) * canvas.unit_y)
        draw.text(
            place, line, tone, _font(pixels), anchor="mm", stroke_width=bold, stroke_fill=tone
        )


def set_credits(canvas: Canvas, look: Palette, year: int, rng: np.random.Generator) -> None:
    """The block of credits at the foot, too small to be read, and the year."""
    tone = _readable(canvas, look, 136, 9, rng)
    draw = ImageDraw.Draw(canvas.image)
    for row in range(2):
        words = rng.uniform(1.2, 7.5, int(rng.integers(9, 13)))
        x = 50 - (words.sum() + 0.9 * (len(words) - 1)) / 2
        for word in words:
            tall = 1.2 if rng.random() < 0.7 else 0.8
            canvas.box(x, 137.4 + row * 2.4 - tall, x + float(word), 137.4 + row * 2.4, tone, 190)
            x += float(word) + 0.9
    place = (canvas.image.width / 2, 144.5 * canvas.unit_y)
    draw.text(place, str(year), tone, _font(max(8, round(4.4 * canvas.unit_y))), anchor="mm")


def _broken(title: str, rng: np.random.Generator) -> list[str]:
    """The title in lines: short words stay with the next one."""
    words = title.split()
    if len(words) == 1 or (len(title) < 10 and rng.random() < 0.5):
        return [title]
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) <= 3:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines if len(lines) <= 3 else [" ".join(lines[:-2]), *lines[-2:]]


def _readable(
    canvas: Canvas, look: Palette, top: float, height: float, rng: np.random.Generator
) -> Color:
    """The palette's colour that stands out most, or now and then its accent if that does."""
    ground, unrest = canvas.tone(8, top, 92, top + height)

    def contrast(tone: Color) -> float:
        bright, dark = sorted((luminance(tone) + 0.05, luminance(ground) + 0.05), reverse=True)
        return bright / dark

    best = max((look.light, look.shade), key=contrast)
    if contrast(look.accent) > 3.2 and unrest < 0.15 and rng.random() < 0.45:
        return look.accent
    return best
