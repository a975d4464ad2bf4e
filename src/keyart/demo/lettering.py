"""Titles and credits: set at the top and the foot, in a colour that can be read.

Pillow ships one font, so a lettering is a list of what is done to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from keyart.demo.canvas import Canvas
from keyart.demo.colors import Color, contrast, luminance, mix
from keyart.demo.layout import Layout

_WIDEST = 86.0  # of a line, in poster units
_TALLEST = 38.0  # of a title, in poster units
_READABLE = 4.5  # contrast: WCAG 2.2, success criterion 1.4.3
_COVER = 0.9  # how much of a scene is covered if no colour could be read


@dataclass(frozen=True, slots=True)
class Lettering:
    """What is done to the font.

    height: of capitals, in poster units. bold, spacing: shares of the font size. narrow: a factor
    of the width. slant: shear. stacked: all lines are equally wide. dance: letters tumble. fill:
    'plain', 'neon' (a glow) or 'sign' (on a board). effect: a change to the whole title's mask.
    """

    height: float
    capitals: bool = True
    bold: float = 0.05
    spacing: float = 0.0
    narrow: float = 1.0
    slant: float = 0.0
    stacked: bool = False
    dance: bool = False
    fill: str = "plain"
    effect: Callable[[Image.Image, np.random.Generator], Image.Image] | None = None


@lru_cache(maxsize=256)
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(pixels)
    assert isinstance(font, ImageFont.FreeTypeFont)  # all wheels of Pillow have FreeType
    return font


@lru_cache(maxsize=2048)
def _letter(letter: str, pixels: int, bold: int) -> tuple[Image.Image, float]:
    """A letter's mask, with the baseline at 0.85 of the font size, and its advance in pixels."""
    font = _font(pixels)
    advance, edge = font.getlength(letter), bold + 2
    mask = Image.new("L", (round(advance) + 2 * edge, round(1.2 * pixels)))
    at = (edge, round(0.85 * pixels))
    ImageDraw.Draw(mask).text(at, letter, 255, font, anchor="ls", stroke_width=bold)
    return mask, advance


def _line(text: str, style: Lettering, pixels: int, rng: np.random.Generator) -> Image.Image:
    """The mask of a line, cropped to its letters."""
    bold = round(style.bold * pixels)
    letters = [_letter(letter, pixels, bold) for letter in text]
    gap = style.spacing * pixels + bold
    wide = sum(advance + gap for _, advance in letters)
    line = Image.new("L", (round(wide) + 4 * bold + pixels // 4, round(1.5 * pixels)))
    x = pixels / 8
    for mask, advance in letters:
        top = 0.15 * pixels
        if style.dance:
            mask = mask.rotate(float(rng.uniform(-13, 13)), Image.Resampling.BICUBIC)
            top += float(rng.uniform(-0.09, 0.09)) * pixels
        line.paste(255, (round(x - bold), round(top)), mask)
        x += advance + gap
    left, _, right, _ = line.getbbox() or (0, 0, line.width, line.height)
    room = 0.1 if style.dance else 0.0
    head, foot = 0.27 - room, (1.0 if style.capitals else 1.2) + room
    return line.crop((left, round(head * pixels - bold), right, round(foot * pixels + bold)))


def _block(title: str, style: Lettering, art: Canvas) -> Image.Image:
    """The mask of a whole title, at its size on the canvas."""
    pixels = max(12, round(0.2 * art.image.width))
    text = title.upper() if style.capitals else title
    masks = [_line(line, style, pixels, art.rng) for line in _broken(text)]
    most = _WIDEST * art.unit_x
    sizes = np.array([[mask.width * style.narrow, mask.height] for mask in masks])
    sizes *= style.height * art.unit_y / (0.72 * pixels)
    wide, tall = sizes.T
    if style.stacked:
        wide, tall = np.full(len(masks), most), tall * np.minimum(most / wide, 2.3)
    else:
        fit = min(1.0, most / wide.max())
        wide, tall = wide * fit, tall * fit**0.5
    gap = 0.2 * tall.min()
    shrink = min(1.0, _TALLEST * art.unit_y / (tall + gap).sum())
    tops = np.cumsum([0.0, *((tall + gap) * shrink)]).round().astype(int).tolist()
    block = Image.new("L", (round(wide.max()), tops[-1]))
    for mask, top, across, down in zip(masks, tops[:-1], wide, tall * shrink, strict=True):
        line = mask.resize((round(across), round(down)))
        block.paste(line, ((block.width - line.width) // 2, top))
    if style.slant:
        lean = style.slant * block.height
        shear = (1, style.slant, -lean, 0, 1, 0)
        size = (block.width + round(lean), block.height)
        block = block.transform(size, Image.Transform.AFFINE, shear, Image.Resampling.BICUBIC)
    return style.effect(block, art.rng) if style.effect else block


def _broken(title: str) -> list[str]:
    """The lines of a title. A line ends with a word of more than three letters."""
    lines = [""]
    for word in title.split():
        lines[-1] = f"{lines[-1]} {word}".strip()
        if len(word) > 3:
            lines.append("")
    return [line for line in lines if line]


def arched(block: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Letters that grow towards the middle, as on the sign of a saloon."""
    bent = Image.new("L", (block.width, round(block.height * 1.42)))
    step = max(2, block.width // 40)
    for left in range(0, block.width, step):
        right = min(left + step, block.width)
        tall = round(block.height * (1.42 - 0.42 * ((left + right) / block.width - 1) ** 2))
        piece = block.crop((left, 0, right, block.height)).resize((right - left, tall))
        bent.paste(piece, (left, bent.height - tall))
    return bent


def dripping(block: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Letters that drip."""
    running = Image.new("L", (block.width, round(1.4 * block.height)))
    running.paste(block)
    draw = ImageDraw.Draw(running)
    lit = np.asarray(block) > 128
    feet = block.height - 1 - lit[::-1].argmax(axis=0)
    columns = np.flatnonzero(lit.any(axis=0))
    thick = max(2, block.width // 90)
    for x in rng.choice(columns, min(len(columns), int(rng.integers(7, 14))), replace=False):
        foot, long = int(feet[x]), float(rng.exponential(0.14) + 0.05) * block.height
        end, drop = min(running.height - thick - 1, foot + long), thick * 0.8
        draw.rectangle((x - thick / 2, foot - 2, x + thick / 2, end), 255)
        draw.ellipse((x - drop, end - drop, x + drop, end + drop), 255)
    return running


LETTERINGS = {
    "plain": Lettering(10.5, capitals=False, bold=0.015),
    "quiet": Lettering(5.6, bold=0.0, spacing=0.3),
    "slender": Lettering(13.5, bold=0.0, narrow=0.58, spacing=0.06),
    "stacked": Lettering(12.0, narrow=0.8, stacked=True),
    "condensed": Lettering(15.0, narrow=0.6, spacing=0.02),
    "racing": Lettering(12.0, bold=0.055, slant=0.24, stacked=True),
    "hand": Lettering(11.5, capitals=False, bold=0.0, slant=0.26, narrow=0.9),
    "tumbling": Lettering(14.0, capitals=False, bold=0.06, spacing=0.02, dance=True),
    "shouting": Lettering(13.5, bold=0.065, dance=True),
    "arched": Lettering(11.0, bold=0.055, narrow=0.72, effect=arched),
    "dripping": Lettering(12.5, narrow=0.8, effect=dripping),
    "neon": Lettering(10.5, bold=0.03, spacing=0.06, fill="neon"),
    "machine": Lettering(8.0, bold=0.01, spacing=0.2, narrow=1.2),
    "sign": Lettering(9.5, bold=0.045, narrow=0.8, fill="sign"),
    "label": Lettering(6.2, capitals=False, bold=0.03, fill="sign"),
}


def set_title(art: Canvas, title: str, style: Lettering, layout: Layout) -> None:
    """Set a title at the top or the foot, in one to three lines."""
    block = _block(title, style, art)
    wide, tall = block.width / art.unit_x, block.height / art.unit_y
    room = max(0.0, 24.0 - tall) * 0.35  # small titles stand closer to the scene
    top = 128.0 - room - tall if layout.foot else 8.0 + room
    if layout.band:
        above, below = (top - 5, 150) if layout.foot else (0, top + tall + 5)
        art.box(0, above, 100, below, getattr(art, layout.band))
    tone = _readable_ink(art, top, tall, _READABLE)
    corner = ((art.image.width - block.width) // 2, round(top * art.unit_y))
    if style.fill == "sign":
        paper = max(art.palette, key=lambda ink: contrast(ink, tone))
        for edge, ink in ((5.0, tone), (4.4, paper), (4.0, tone)):  # a board with a thin frame
            out = wide / 2 + edge
            art.box(50 - out, top + 1 - edge, 50 + out, top + tall - 1 + edge, ink)
        tone = paper
    elif style.fill == "neon" and luminance(tone) > 0.4:
        halo = Image.new("L", (block.width + 72, block.height + 72))
        halo.paste(block, (36, 36))
        halo = halo.reduce(6).filter(ImageFilter.GaussianBlur(2)).resize(halo.size)
        art.image.paste(art.accent, (corner[0] - 36, corner[1] - 36), halo)
        tone = mix(tone, (255, 255, 255), 0.55)
    elif style.bold > 0.04 and luminance(tone) > 0.4:
        offset = round(0.5 * art.unit_x)
        shadow = block.point([level * 2 // 5 for level in range(256)])
        art.image.paste((0, 0, 0), (corner[0] + offset, corner[1] + offset), shadow)
    art.image.paste(tone, corner, block)


_CREDITS = (
    "A PAINTED PICTURE  IN FULL COLOUR  WITH LIGHT  SOUND  AND SHADOW",
    "PRESENTED ON PAPER  SET  IN ONE FONT  CUT  BY CHANCE  SCORE  TO COME",
    "COSTUMES  FROM THE PALETTE  SETS  OF FEW STROKES  GRAIN  ADDED LATER",
    "ALL FILMS ARE INVENTED  NO STARS  WERE HARMED  BUT MANY  WERE PAINTED",
)


@cache
def _credit(number: int) -> Image.Image:
    style = Lettering(3.0, bold=0.03, spacing=0.02)
    return _line(_CREDITS[number], style, 40, np.random.default_rng(0))


def set_credits(art: Canvas, year: int) -> None:
    """Set the block of credits at the foot, hardly readable, and the year."""
    tone = _readable_ink(art, 133, 14, 0.6 * _READABLE)
    size = (round(art.between(62, 82) * art.unit_x), round(2.7 * art.unit_y))
    for row, number in enumerate(art.rng.permutation(len(_CREDITS))[: art.rng.integers(2, 4)]):
        place = ((art.image.width - size[0]) // 2, round((134 + 3.4 * row) * art.unit_y))
        art.image.paste(tone, place, _credit(int(number)).resize(size, Image.Resampling.BOX))
    middle, font = (art.image.width / 2, 146.2 * art.unit_y), _font(round(3.6 * art.unit_y))
    ImageDraw.Draw(art.image).text(middle, str(year), tone, font, anchor="mm")


def _readable_ink(art: Canvas, top: float, height: float, least: float) -> Color:
    """A colour with this contrast to everything at that height, which is covered if none has it."""
    ground = art.tones(top, min(150, top + height))
    worst = {ink: min(contrast(ink, tone) for tone in ground) for ink in art.palette}
    if worst[art.accent] > least and art.chance(0.45):
        return art.accent
    best = max(art.light, art.shade, key=worst.__getitem__)
    if worst[best] > least:
        return best
    # Cover up to the nearer end, so that it looks like light or dusk of the scene.
    bright = sum(map(luminance, ground)) > 0.45 * len(ground)
    cover, ink = (art.light, art.shade) if bright else (art.shade, art.light)
    above, below, clear = (
        (top, 150.0, top - 14) if top > 75 else (0.0, top + height, top + height + 14)
    )
    art.fade(clear, top if top > 75 else below, cover, _COVER)
    art.box(0, above, 100, below, cover, round(255 * _COVER))
    return ink
