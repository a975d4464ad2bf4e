"""A canvas in poster units (100 wide, 150 tall), and the strokes of all scenes."""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from keyart.demo.colors import Color, Palette

Point = tuple[float, float]

# Pillow's shapes have hard edges: paint at twice the size and halve at the end.
_OVERSAMPLING = 2


@lru_cache(maxsize=512)
def path(text: str) -> tuple[Point, ...]:
    """Points from text such as '0,1 .5,2', as in SVG."""
    pairs = (pair.split(",") for pair in text.split())
    return tuple((float(x), float(y)) for x, y in pairs)


def placed(
    points: Iterable[Point], x: float, y: float, size: float = 1.0, degrees: float = 0.0
) -> list[Point]:
    """Scale `points` by `size`, turn them clockwise and move them from (0, 0) to (x, y)."""
    cos, sin = size * math.cos(math.radians(degrees)), size * math.sin(math.radians(degrees))
    return [(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in points]


def mirrored(half: str) -> list[Point]:
    """A symmetric outline from its right half."""
    return [*path(half), *((-x, y) for x, y in reversed(path(half)))]


def oval(
    x: float, y: float, wide: float, tall: float, start: float = 0.0, end: float = 360.0
) -> list[Point]:
    """Points of an ellipse around (x, y), from `start` to `end` degrees, clockwise from the right.

    wide, tall: half of its width and height.
    """
    turns = np.radians(np.linspace(start, end, 33))
    return [(x + wide * math.cos(t), y + tall * math.sin(t)) for t in turns]


def star(spikes: int, inner: float) -> list[Point]:
    """A star of radius 1. Its inner corners are at radius `inner`."""
    turns = [step * math.pi / spikes for step in range(2 * spikes)]
    reach = [1.0, inner] * spikes
    return [(math.sin(t) * r, -math.cos(t) * r) for t, r in zip(turns, reach, strict=True)]


def smooth(points: Sequence[Point], steps: int = 6) -> list[Point]:
    """A closed Catmull-Rom curve through `points`, with `steps` points for each."""
    knots = np.asarray(points, dtype=np.float64)
    before, after, beyond = (np.roll(knots, shift, axis=0) for shift in (1, -1, -2))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    curve = 0.5 * (
        2 * knots
        + (after - before) * t
        + (2 * before - 5 * knots + 4 * after - beyond) * t**2
        + (3 * knots - before - 3 * after + beyond) * t**3
    )
    return [(float(x), float(y)) for x, y in curve.transpose(1, 0, 2).reshape(-1, 2)]


class Canvas:
    """A poster while it is painted: the image, its five colours and its random numbers.

    Positions and lengths are in poster units.
    """

    def __init__(self, size: tuple[int, int], palette: Palette, rng: np.random.Generator) -> None:
        """`size`: (width, height) of the finished poster in pixels."""
        self.sky, self.haze, self.shade, self.accent, self.light = self.palette = palette
        self.size, self.rng = size, rng
        self.image = Image.new("RGB", (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING))
        self._draw = ImageDraw.Draw(self.image, "RGBA")
        self.unit_x, self.unit_y = self.image.width / 100, self.image.height / 150

    def blank(self) -> "Canvas":
        """Another canvas of the same size, with the same colours and random numbers."""
        return Canvas(self.size, self.palette, self.rng)

    def between(self, low: float, high: float) -> float:
        """A random number from `low` to `high`."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """True in `share` of all cases."""
        return bool(self.rng.random() < share)

    def pose(self, poses: str) -> str:
        """One of the words in `poses`."""
        words = poses.split()
        return words[int(self.rng.integers(len(words)))]

    def _pixels(self, points: Iterable[Point]) -> list[Point]:
        return [(x * self.unit_x, y * self.unit_y) for x, y in points]

    def _thick(self, width: float) -> int:
        return max(1, round(width * self.unit_x))

    def gradient(self, *stops: Color) -> None:
        """Cover everything, from the first colour at the top to the last at the bottom."""
        way, levels = np.linspace(0, 1, self.image.height), np.linspace(0, 1, len(stops))
        bands = [np.interp(way, levels, band) for band in zip(*stops, strict=True)]
        column = Image.fromarray(np.stack(bands, axis=1).astype(np.uint8)[:, None])
        self.image.paste(column.resize(self.image.size, Image.Resampling.NEAREST))

    def polygon(self, points: Iterable[Point], tone: Color, alpha: int = 255) -> None:
        """A filled polygon."""
        self._draw.polygon(self._pixels(points), fill=(*tone, alpha))

    def curve(self, points: Sequence[Point], tone: Color, alpha: int = 255) -> None:
        """A filled shape with a smooth outline through `points`."""
        self.polygon(smooth(points), tone, alpha)

    def box(
        self, left: float, top: float, right: float, bottom: float, tone: Color, alpha: int = 255
    ) -> None:
        """A filled rectangle."""
        corners = self._pixels([(left, top), (max(left, right), max(top, bottom))])
        self._draw.rectangle(corners, fill=(*tone, alpha))

    def disc(
        self, x: float, y: float, radius: float, tone: Color, alpha: int = 255, flat: float = 1.0
    ) -> None:
        """A filled circle, or an ellipse that is `flat` times as tall as wide."""
        corners = self._pixels([(x - radius, y - radius * flat), (x + radius, y + radius * flat)])
        self._draw.ellipse(corners, fill=(*tone, alpha))

    def ring(self, x: float, y: float, radius: float, tone: Color, width: float) -> None:
        """The line of a circle, `width` thick and inside `radius`."""
        corners = self._pixels([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.ellipse(corners, outline=tone, width=self._thick(width))

    def line(self, points: Iterable[Point], tone: Color, width: float, alpha: int = 255) -> None:
        """A line through `points`."""
        fill, thick = (*tone, alpha), self._thick(width)
        self._draw.line(self._pixels(points), fill=fill, width=thick, joint="curve")

    def glow(self, x: float, y: float, radius: float, tone: Color, strength: float = 1.0) -> None:
        """Light that falls off softly from a centre."""
        size = (round(2 * radius * self.unit_x), round(2 * radius * self.unit_y))
        corner = (round((x - radius) * self.unit_x), round((y - radius) * self.unit_y))
        halo = _halo(round(strength * 255)).resize(size, Image.Resampling.BILINEAR)
        self.image.paste(tone, corner, halo)

    def fade(self, top: float, bottom: float, tone: Color, strength: float = 1.0) -> None:
        """Fade into `tone`: nothing at height `top`, `strength` at height `bottom`."""
        first, last = sorted((round(top * self.unit_y), round(bottom * self.unit_y)))
        ramp = np.linspace(0, 255 * strength, last - first).astype(np.uint8)
        column = Image.fromarray(ramp[:, None] if top < bottom else ramp[::-1, None])
        mask = column.resize((self.image.width, last - first), Image.Resampling.BOX)
        self.image.paste(tone, (0, first), mask)

    def show_inside(self, points: Iterable[Point], other: "Canvas") -> None:
        """Show `other` inside a polygon, like a double exposure."""
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).polygon(self._pixels(points), fill=255)
        self.image.paste(other.image, (0, 0), mask)

    def tones(self, top: float, bottom: float) -> list[Color]:
        """The colours between two heights: the means of 96 cells."""
        (x0, y0), (x1, y1) = self._pixels([(8, top), (92, bottom)])
        box = (round(x0), round(y0), round(x1), round(y1))
        cells = np.asarray(self.image.resize((16, 6), Image.Resampling.BOX, box=box))
        return [(int(r), int(g), int(b)) for r, g, b in cells.reshape(-1, 3)]

    def finished(self) -> Image.Image:
        """The poster at its final size, with darker corners and the grain of a print."""
        left, top = (int(value) for value in self.rng.integers(256, size=2))
        grain, vignette = self.between(0.05, 0.3), self.between(0.0, 0.5)
        poster = self.image.reduce(_OVERSAMPLING)
        dark = [round(vignette * level) for level in range(256)]
        poster.paste((0, 0, 0), (0, 0), _corners(poster.size).point(dark))
        box = (left, top, left + poster.width, top + poster.height)
        piece = _grain(max(poster.size) + 256).crop(box)
        printed = ImageChops.overlay(poster, Image.merge("RGB", (piece,) * 3))
        return Image.blend(poster, printed, grain)


@lru_cache(maxsize=256)
def _halo(strength: int) -> Image.Image:
    """A soft round mask, `strength` (0 to 255) at its centre."""
    rise = ImageChops.invert(Image.radial_gradient("L")).resize((128, 128))
    # Pillow's gradient ends in the corners. Bring its end to the edge, then soften it.
    table = [round(strength * max(0.0, (level - 75) / 180) ** 1.6) for level in range(256)]
    return rise.point(table)


@lru_cache(maxsize=16)
def _corners(size: tuple[int, int]) -> Image.Image:
    """A mask of the corners: 0 in the middle, 255 at the ends."""
    table = [round(255 * max(0.0, (level - 90) / 165) ** 1.5) for level in range(256)]
    return Image.radial_gradient("L").point(table).resize(size)


@lru_cache(maxsize=4)
def _grain(side: int) -> Image.Image:
    """Film grain around middle grey, the same for all posters of a size."""
    values = np.random.default_rng(0).normal(128, 60, (side, side)).clip(0, 255)
    return Image.fromarray(values.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
