"""Titles and credit blocks: set where the scene leaves room, in a colour that can be read.

One font ships with Pillow, so a lettering is what is done to it: weight, width, spacing, slant,
and one effect at most.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from keyart.demo.painting.canvas import Canvas, Color, TitleAt, luminance, mix
from keyart.demo.painting.palettes import Palette

_WIDEST = 86.0  # of a line, in poster units
_TALLEST = 38.0  # of a title, in poster units
_READABLE = 4.0  # contrast, as WCAG 2 counts it for large text with a margin

Effect = Callable[[Image.Image, np.random.Generator], Image.Image]


@dataclass(frozen=True, slots=True)
class Lettering:
    """What is done to the font.

    height: of capitals, in poster units. bold, spacing: shares of the font size. narrow: width
    beside the usual. slant: shear. stacked: every line as wide as the widest. stencil: letters are
    cut. dance: letters tumble. fill: 'plain', 'gilt' (a metal's gradient), 'neon' (glowing tubes)
    or 'sign' (knocked out of a board).
    """

    height: float = 11.0
    capitals: bool = True
    bold: float = 0.03
    spacing: float = 0.0
    narrow: float = 1.0
    slant: float = 0.0
    stacked: bool = False
    stencil: bool = False
    dance: bool = False
    fill: str = "plain"
    effect: Effect | None = None


@lru_cache(maxsize=256)
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(pixels)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow is built with FreeType in all wheels
    return font


@lru_cache(maxsize=2048)
def _letter(letter: str, pixels: int, bold: int) -> tuple[Image.Image, float]:
    """A letter's mask, its capitals' foot at 0.85 of the mask's height, and how far it advances."""
    font = _font(pixels)
    advance = font.getlength(letter)
    edge = bold + 2
    mask = Image.new("L", (round(advance) + 2 * edge, round(1.2 * pixels)))
    draw = ImageDraw.Draw(mask)
    foot = round(0.85 * pixels)
    draw.text((edge, foot), letter, 255, font, anchor="ls", stroke_width=bold)
    return mask, advance


def _line(text: str, style: Lettering, pixels: int, rng: np.random.Generator) -> Image.Image:
    """A line's mask: from the head of its capitals to a descender's foot, without side margins."""
    bold = round(style.bold * pixels)
    letters = [_letter(letter, pixels, bold) for letter in text]
    gap = style.spacing * pixels + bold
    wide = sum(advance + gap for _, advance in letters)
    line = Image.new("L", (round(wide) + 4 * bold + pixels // 4, round(1.5 * pixels)))
    x = pixels / 8
    for mask, advance in letters:
        at = (round(x - bold), round(0.15 * pixels))
        if style.stencil and advance > 0.45 * pixels:
            mask = mask.copy()
            middle = mask.width // 2
            mask.paste(0, (middle - max(1, pixels // 34), 0, middle + pixels // 34, mask.height))
        if style.dance:
            mask = mask.rotate(float(rng.uniform(-13, 13)), Image.Resampling.BICUBIC)
            at = (at[0], at[1] + round(float(rng.uniform(-0.09, 0.09)) * pixels))
        line.paste(255, at, mask)
        x += advance + gap
    left, _, right, _ = line.getbbox() or (0, 0, line.width, line.height)
    room = 0.1 if style.dance else 0.0
    foot = 1.0 if style.capitals else 1.2
    head = (0.27 - room) * pixels - bold
    return line.crop((left, round(head), right, round((foot + room) * pixels + bold)))


def _block(
    lines: Sequence[str], style: Lettering, canvas: Canvas, rng: np.random.Generator
) -> Image.Image:
    """The mask of a whole title, at its size on the canvas."""
    pixels = max(12, round(0.2 * canvas.image.width))
    masks = [_line(line, style, pixels, rng) for line in lines]
    scale = style.height * canvas.unit_y / (0.72 * pixels)
    most = _WIDEST * canvas.unit_x
    widest = max(mask.width for mask in masks) * scale * style.narrow
    fit = min(1.0, most / widest)
    sizes: list[tuple[float, float]] = []
    for mask in masks:
        if style.stacked:
            tall = min(mask.height * most / (mask.width * style.narrow), 2.3 * mask.height * scale)
            sizes.append((most, tall))
        else:
            sizes.append((mask.width * scale * style.narrow * fit, mask.height * scale * fit**0.5))
    gap = 0.2 * min(tall for _, tall in sizes)
    limit = _TALLEST * canvas.unit_y
    shrink = min(1.0, limit / (sum(tall for _, tall in sizes) + gap * (len(sizes) - 1)))
    gap *= shrink
    total = sum(tall for _, tall in sizes) * shrink + gap * (len(sizes) - 1)
    block = Image.new("L", (round(max(wide for wide, _ in sizes)), round(total) + 2))
    y = 0.0
    for mask, (wide, tall) in zip(masks, sizes, strict=True):
        line = mask.resize((max(1, round(wide)), max(1, round(tall * shrink))))
        block.paste(line, ((block.width - line.width) // 2, round(y)))
        y += tall * shrink + gap
    if style.slant:
        lean = style.slant * block.height
        size = (block.width + round(abs(lean)), block.height)
        shear = (1, style.slant, -max(0.0, lean), 0, 1, 0)
        block = block.transform(size, Image.Transform.AFFINE, shear, Image.Resampling.BICUBIC)
    return style.effect(block, rng) if style.effect else block


def arched(block: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Letters that grow towards the middle, over a straight foot, as on a saloon's sign."""
    rise = 0.42
    bent = Image.new("L", (block.width, round(block.height * (1 + rise))))
    step = max(2, block.width // 40)
    for left in range(0, block.width, step):
        right = min(left + step, block.width)
        middle = (left + right) / 2 / block.width * 2 - 1
        tall = round(block.height * (1 + rise * (1 - middle**2)))
        piece = block.crop((left, 0, right, block.height)).resize((right - left, tall))
        bent.paste(piece, (left, bent.height - tall))
    return bent


def worn(block: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Letters whose ink has flaked off."""
    coarse = rng.uniform(0, 255, (max(2, block.height // 3), max(2, block.width // 3)))
    flakes = Image.fromarray(coarse.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8))
    ink = flakes.point([255 if level > 92 else 60 for level in range(256)]).resize(block.size)
    return ImageChops.multiply(block, ink)


def dripping(block: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Letters that run."""
    deep = round(0.4 * block.height)
    running = Image.new("L", (block.width, block.height + deep))
    running.paste(block)
    draw = ImageDraw.Draw(running)
    lit = np.asarray(block) > 128
    feet = block.height - 1 - lit[::-1].argmax(axis=0)
    columns = np.flatnonzero(lit.any(axis=0))
    thick = max(2, block.width // 90)
    for x in rng.choice(columns, min(len(columns), int(rng.integers(7, 14))), replace=False):
        foot, long = int(feet[x]), float(rng.exponential(0.14) + 0.05) * block.height
        end = min(running.height - thick - 1, foot + long)
        draw.rectangle((x - thick / 2, foot - 2, x + thick / 2, end), 255)
        draw.ellipse((x - thick * 0.8, end - thick * 0.8, x + thick * 0.8, end + thick * 0.8), 255)
    return running


LETTERINGS = {
    "plain": Lettering(height=10.5, capitals=False, bold=0.015),
    "quiet": Lettering(height=5.6, bold=0.0, spacing=0.3),
    "slender": Lettering(height=13.5, bold=0.0, narrow=0.58, spacing=0.06),
    "stacked": Lettering(height=12.0, bold=0.05, narrow=0.8, stacked=True),
    "condensed": Lettering(height=15.0, bold=0.05, narrow=0.6, spacing=0.02),
    "racing": Lettering(height=12.0, bold=0.055, slant=0.24, stacked=True),
    "hand": Lettering(height=11.5, capitals=False, bold=0.0, slant=0.26, narrow=0.9),
    "tumbling": Lettering(height=14.0, capitals=False, bold=0.06, spacing=0.02, dance=True),
    "shouting": Lettering(height=13.5, bold=0.065, dance=True),
    "arched": Lettering(height=11.0, bold=0.055, narrow=0.72, effect=arched),
    "worn": Lettering(height=13.0, bold=0.05, narrow=0.75, stacked=True, effect=worn),
    "dripping": Lettering(height=12.5, bold=0.05, narrow=0.8, effect=dripping),
    "stencil": Lettering(height=12.5, bold=0.05, narrow=0.75, stencil=True),
    "neon": Lettering(height=10.5, bold=0.03, spacing=0.06, fill="neon"),
    "machine": Lettering(height=8.0, bold=0.01, spacing=0.2, narrow=1.2),
    "gilt": Lettering(height=11.0, bold=0.03, spacing=0.05, narrow=0.85, fill="gilt"),
    "sign": Lettering(height=9.5, bold=0.045, narrow=0.8, fill="sign"),
    "label": Lettering(height=6.2, capitals=False, bold=0.03, fill="sign"),
}


def set_title(
    canvas: Canvas, look: Palette, title: str, at: TitleAt, style: Lettering,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Set the title in one to three lines, where the scene leaves room."""
    lines = _broken(title.upper() if style.capitals else title)
    block = _block(lines, style, canvas, rng)
    wide, tall = block.width / canvas.unit_x, block.height / canvas.unit_y
    if at == "top":  # small titles hang lower, so that they belong to the scene
        top = 8.0 + max(0.0, 24.0 - tall) * 0.35
    else:
        top = 62.0 - tall / 2 if at == "middle" else 128.0 - tall
    tone = _readable(canvas, look, top, tall, rng)
    corner = (round((canvas.image.width - block.width) / 2), round(top * canvas.unit_y))
    if style.fill == "sign":
        left = 50 - wide / 2
        canvas.box(left - 4, top - 3, left + wide + 4, top + tall + 3, tone)
        canvas.box(left - 5, top - 4, left + wide + 5, top - 3.4, tone)
        canvas.box(left - 5, top + tall + 3.4, left + wide + 5, top + tall + 4, tone)
        inks = [look.shade, look.light, look.sky, look.accent]
        tone = max(inks, key=lambda ink: _contrast(ink, tone))
    elif style.fill == "neon" and luminance(tone) > 0.4:
        small = block.resize((max(1, block.width // 6), max(1, block.height // 6)))
        halo = Image.new("L", (small.width + 12, small.height + 12))
        halo.paste(small, (6, 6))
        halo = halo.filter(ImageFilter.GaussianBlur(2)).resize((halo.width * 6, halo.height * 6))
        canvas.image.paste(look.accent, (corner[0] - 36, corner[1] - 36), halo)
        tone = mix(tone, (255, 255, 255), 0.55)
    elif style.fill == "gilt":
        _shadow(canvas, block, corner)
        metal = [mix(tone, look.light, 0.7), tone, mix(tone, look.haze, 0.35), tone]
        canvas.image.paste(_bands(metal, block.size), corner, block)
        return
    elif style.bold > 0.04 and luminance(tone) > 0.4:
        _shadow(canvas, block, corner)
    canvas.image.paste(tone, corner, block)


def _shadow(canvas: Canvas, block: Image.Image, corner: tuple[int, int]) -> None:
    offset = round(0.5 * canvas.unit_x)
    faint = block.point([level * 2 // 5 for level in range(256)])
    canvas.image.paste((0, 0, 0), (corner[0] + offset, corner[1] + offset), faint)


def _bands(stops: Sequence[Color], size: tuple[int, int]) -> Image.Image:
    """A gradient from the first colour above to the last below."""
    place = np.linspace(0, 1, size[1])
    levels = np.linspace(0, 1, len(stops))
    column = [np.interp(place, levels, [stop[band] for stop in stops]) for band in range(3)]
    field = Image.fromarray(np.stack(column, axis=1).astype(np.uint8)[:, None, :])
    return field.resize(size, Image.Resampling.BOX)


_CREDITS = (
    "A PAINTED PICTURE  IN FULL COLOUR  WITH LIGHT  SOUND  AND SHADOW",
    "PRESENTED ON PAPER  SET  IN ONE FONT  CUT  BY CHANCE  SCORE  TO COME",
    "COSTUMES  FROM THE PALETTE  SETS  OF FEW STROKES  GRAIN  ADDED LATER",
    "ALL FILMS ARE INVENTED  NO STARS  WERE HARMED  BUT MANY  WERE PAINTED",
    "PRODUCED AT RANDOM  FROM A SEED  PRINTED TWICE  SHOWN ONCE  EVERYWHERE",
)


@cache
def _credit(number: int) -> Image.Image:
    """A line of the credit block, before it is squeezed."""
    return _line(_CREDITS[number], Lettering(bold=0.03, spacing=0.02), 40, np.random.default_rng(0))


def set_credits(canvas: Canvas, look: Palette, year: int, rng: np.random.Generator) -> None:
    """The block of credits at the foot, hardly to be read, and the year."""
    tone = _readable(canvas, look, 133, 14, rng)
    size = (round(float(rng.uniform(62, 82)) * canvas.unit_x), round(2.7 * canvas.unit_y))
    for row, number in enumerate(rng.permutation(len(_CREDITS))[: int(rng.integers(2, 4))]):
        place = ((canvas.image.width - size[0]) // 2, round((134 + 3.4 * row) * canvas.unit_y))
        canvas.image.paste(tone, place, _credit(int(number)).resize(size, Image.Resampling.BOX))
    middle = (canvas.image.width / 2, 146.2 * canvas.unit_y)
    font = _font(max(8, round(3.6 * canvas.unit_y)))
    ImageDraw.Draw(canvas.image).text(middle, str(year), tone, font, anchor="mm")


def _broken(title: str) -> list[str]:
    """The title in lines: a line ends with a word of more than three letters."""
    lines, line = [], ""
    for word in title.split():
        line = f"{line} {word}".strip()
        if len(word) > 3:
            lines.append(line)
            line = ""
    return [*lines, line] if line else lines


def _contrast(tone: Color, ground: Color) -> float:
    bright, dark = sorted((luminance(tone) + 0.05, luminance(ground) + 0.05), reverse=True)
    return bright / dark


def _readable(
    canvas: Canvas, look: Palette, top: float, height: float, rng: np.random.Generator
) -> Color:
    """A colour of the palette that stands out there; where none does, the ground is faded."""
    ground, unrest = canvas.tone(8, top, 92, min(150, top + height))
    best = max((look.light, look.shade), key=lambda tone: _contrast(tone, ground))
    accent = _contrast(look.accent, ground) > _READABLE and rng.random() < 0.45
    if accent and unrest < 0.12:
        return look.accent
    if _contrast(best, ground) > 1.5 * _READABLE and unrest < 0.16:
        return best
    # Towards the nearer end, so that the fade looks like the scene's own light or dusk.
    bright = luminance(ground) > 0.45
    best, far = (look.shade, look.light) if bright else (look.light, look.shade)
    start, end = (top - 12, 150.0) if top > 100 else (top + height + 14, 0.0)
    canvas.fade(start, end, far, 0.85)
    return best
