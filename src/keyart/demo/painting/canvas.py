"""A canvas in poster units (100 wide, 150 tall), and the few strokes everything is painted with."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Color = tuple[int, int, int]
Point = tuple[float, float]
# Where a scene leaves room for its title.
TitleAt = Literal["top", "middle", "foot"]

# Pillow's shapes have hard edges: paint at twice the size and halve at the end.
_OVERSAMPLING = 2


def color(code: str) -> Color:
    """The colour of a hexadecimal code such as 'ffd166'."""
    red, green, blue = bytes.fromhex(code)
    return red, green, blue


def mix(first: Color, second: Color, share: float) -> Color:
    """The colour `share` of the way from `first` to `second`."""
    red, green, blue = (
        round(one + (other - one) * share) for one, other in zip(first, second, strict=True)
    )
    return red, green, blue


def luminance(tone: Color) -> float:
    """How bright a colour looks, 0 to 1."""
    return (0.299 * tone[0] + 0.587 * tone[1] + 0.114 * tone[2]) / 255


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
    """A poster while it is painted. Positions and lengths are in poster units."""

    width = 100.0
    height = 150.0

    def __init__(self, size: tuple[int, int]) -> None:
        """`size`: (width, height) of the finished poster, in pixels."""
        self._size = size
        self.image = Image.new("RGB", (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING))
        self._draw = ImageDraw.Draw(self.image, "RGBA")
        self.unit_x = self.image.width / self.width
        self.unit_y = self.image.height / self.height

    def blank(self) -> "Canvas":
        """Another canvas of the same size."""
        return Canvas(self._size)

    def pixels(self, points: Iterable[Point]) -> list[Point]:
        """Poster units to pixels of `image`."""
        return [(x * self.unit_x, y * self.unit_y) for x, y in points]

    def gradient(self, stops: Sequence[Color], tilt: float = 0.0) -> None:
        """Cover everything from the first colour above to the last below, leaning by `tilt`."""
        place = np.linspace(0, 1, self.image.height, dtype=np.float32)[:, None]
        if tilt:
            across = np.linspace(-0.5, 0.5, self.image.width, dtype=np.float32)[None, :]
            place = np.clip(place + tilt * across, 0, 1)
        # All stops at once: a table of the colours along the way, looked up.
        way, levels = np.linspace(0, 1, 512), np.linspace(0, 1, len(stops))
        bands = [np.interp(way, levels, [stop[band] for stop in stops]) for band in range(3)]
        table = np.stack(bands, axis=1).astype(np.uint8)
        field = Image.fromarray(table[(place * 511).astype(np.intp)])
        self.image.paste(field.resize(self.image.size, Image.Resampling.NEAREST))

    def cover(self, tone: Color) -> None:
        """Cover everything with one colour."""
        self.image.paste(tone, (0, 0, *self.image.size))

    def polygon(self, points: Iterable[Point], tone: Color, alpha: int = 255) -> None:
        """A filled polygon."""
        self._draw.polygon(self.pixels(points), fill=(*tone, alpha))

    def curve(self, points: Sequence[Point], tone: Color, alpha: int = 255) -> None:
        """A filled shape with a smooth outline through `points`."""
        self.polygon(smooth(points), tone, alpha)

    def box(
        self, left: float, top: float, right: float, bottom: float, tone: Color, alpha: int = 255
    ) -> None:
        """A filled rectangle."""
        corners = self.pixels([(left, top), (max(left, right), max(top, bottom))])
        self._draw.rectangle(corners, fill=(*tone, alpha))

    def disc(
        self, x: float, y: float, radius: float, tone: Color, alpha: int = 255, flat: float = 1.0
    ) -> None:
        """A filled circle, or an ellipse `flat` times as tall as wide."""
        corners = self.pixels([(x - radius, y - radius * flat), (x + radius, y + radius * flat)])
        self._draw.ellipse(corners, fill=(*tone, alpha))

    def ring(
        self, x: float, y: float, radius: float, tone: Color, width: float, alpha: int = 255
    ) -> None:
        """A circle's line, `width` thick and inside `radius`."""
        corners = self.pixels([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.ellipse(
            corners, outline=(*tone, alpha), width=max(1, round(width * self.unit_x))
        )

    def slice(
        self,
        x: float,
        y: float,
        radius: float,
        start: float,
        end: float,
        tone: Color,
        alpha: int = 255,
    ) -> None:
        """A slice of a disc, from `start` to `end` degrees, clockwise from the right."""
        corners = self.pixels([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.pieslice(corners, start, end, fill=(*tone, alpha))

    def arc(
        self,
        box: tuple[float, float, float, float],
        start: float,
        end: float,
        tone: Color,
        width: float,
    ) -> None:
        """Part of an ellipse's line, from `start` to `end` degrees, clockwise from the right."""
        corners = self.pixels([box[:2], box[2:]])
        self._draw.arc(corners, start, end, fill=tone, width=max(1, round(width * self.unit_x)))

    def line(self, points: Sequence[Point], tone: Color, width: float, alpha: int = 255) -> None:
        """A line through `points`."""
        self._draw.line(
            self.pixels(points),
            fill=(*tone, alpha),
            width=max(1, round(width * self.unit_x)),
            joint="curve",
        )

    def glow(self, x: float, y: float, radius: float, tone: Color, strength: float = 1.0) -> None:
        """Light that falls off softly from a centre."""
        wide, tall = round(2 * radius * self.unit_x), round(2 * radius * self.unit_y)
        corner = (round((x - radius) * self.unit_x), round((y - radius) * self.unit_y))
        left, top = max(0, -corner[0]), max(0, -corner[1])
        right = min(wide, self.image.width - corner[0])
        bottom = min(tall, self.image.height - corner[1])
        if left >= right or top >= bottom:
            return
        halo = _halo(round(strength * 255))
        scale_x, scale_y = halo.width / wide, halo.height / tall
        mask = halo.resize(
            (right - left, bottom - top),
            Image.Resampling.BILINEAR,
            box=(left * scale_x, top * scale_y, right * scale_x, bottom * scale_y),
        )
        self.image.paste(tone, (corner[0] + left, corner[1] + top), mask)

    def fade(self, top: float, bottom: float, tone: Color, strength: float = 1.0) -> None:
        """Fade into `tone` from nothing at height `top` to `strength` at height `bottom`."""
        first, last = sorted((round(top * self.unit_y), round(bottom * self.unit_y)))
        ramp = np.linspace(0, 255 * strength, last - first).astype(np.uint8)
        column = Image.fromarray(ramp[:, None] if top < bottom else ramp[::-1, None])
        mask = column.resize((self.image.width, last - first), Image.Resampling.BOX)
        self.image.paste(tone, (0, first), mask)

    def through(self, other: "Canvas", points: Iterable[Point]) -> None:
        """Show `other` inside the polygon `points`: a double exposure."""
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).polygon(self.pixels(points), fill=255)
        self.image.paste(other.image, (0, 0), mask)

    def tone(self, left: float, top: float, right: float, bottom: float) -> tuple[Color, float]:
        """The mean colour of a box and how far its brightness varies (0 to 1)."""
        corners = self.pixels([(left, top), (right, bottom)])
        (x0, y0), (x1, y1) = corners
        box = (round(x0), round(y0), round(x1), round(y1))
        patch = self.image.resize((12, 6), Image.Resampling.BOX, box=box)
        values = np.asarray(patch, dtype=np.float64).reshape(-1, 3)
        red, green, blue = (round(float(value)) for value in values.mean(axis=0))
        return (red, green, blue), float((values @ [0.299, 0.587, 0.114]).std()) / 255

    def finished(self, grain_at: tuple[int, int], grain: float, vignette: float) -> Image.Image:
        """The poster at its own size, darkened to the corners, with the grain of a print.

        `grain_at`: which piece of the grain; `grain` and `vignette`: how much of each, 0 to 1.
        """
        poster = self.image.reduce(_OVERSAMPLING)
        dark = [round(vignette * level) for level in range(256)]
        poster.paste((0, 0, 0), (0, 0), _corners(poster.size).point(dark))
        left, top = grain_at
        piece = _grain(max(poster.size) + 256).crop(
            (left, top, left + poster.width, top + poster.height)
        )
        printed = ImageChops.overlay(poster, Image.merge("RGB", (piece,) * 3))
        return Image.blend(poster, printed, grain)


@lru_cache(maxsize=256)
def _halo(strength: int) -> Image.Image:
    """A soft round mask, `strength` (0 to 255) at its centre."""
    rise = ImageChops.invert(Image.radial_gradient("L")).resize((128, 128))
    # The gradient of Pillow reaches its end in the corners: bring it to the edge, then soften it.
    table = [round(strength * max(0.0, (level - 75) / 180) ** 1.6) for level in range(256)]
    return rise.point(table)


@lru_cache(maxsize=16)
def _corners(size: tuple[int, int]) -> Image.Image:
    """A mask of the corners: nothing in the middle, 255 at the ends."""
    table = [round(255 * max(0.0, (level - 90) / 165) ** 1.5) for level in range(256)]
    return Image.radial_gradient("L").point(table).resize(size)


@lru_cache(maxsize=4)
def _grain(side: int) -> Image.Image:
    """Film grain around middle grey, the same on every poster of a size."""
    values = np.random.default_rng(0).normal(128, 60, (side, side)).clip(0, 255)
    return Image.fromarray(values.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
