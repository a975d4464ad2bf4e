"""Accents: small signs of a second genre, scattered over a scene."""

import math
from collections.abc import Callable

import numpy as np

from keyart.demo.painting import props
from keyart.demo.painting.canvas import Canvas, mix
from keyart.demo.painting.palettes import Palette

Rng = np.random.Generator
Accent = Callable[[Canvas, Palette, Rng], None]


def birds(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """A small flock, far off."""
    x, y = rng.uniform(20, 80), rng.uniform(50, 66)
    for _ in range(int(rng.integers(4, 8))):
        size = rng.uniform(1.2, 2.6)
        props.bird(canvas, x + rng.normal(0, 11), y + rng.normal(0, 5), size, look.shade)


def bats(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """Bats that swarm out."""
    for _ in range(int(rng.integers(6, 11))):
        x, y = rng.uniform(5, 95), rng.uniform(42, 86)
        props.bat(canvas, x, y, rng.uniform(2, 5), look.shade)


def hearts(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """Hearts that rise."""
    for _ in range(int(rng.integers(5, 10))):
        x, y = rng.uniform(8, 92), rng.uniform(44, 124)
        tone = mix(look.accent, (255, 60, 100), 0.5)
        props.heart(canvas, x, y, rng.uniform(1.6, 3.8), tone, 220, rng.uniform(-25, 25))


def snow(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """Flakes, near and far."""
    for x, y, size in zip(
        rng.uniform(0, 100, 90), rng.uniform(0, 150, 90), rng.exponential(0.35, 90), strict=True
    ):
        canvas.disc(x, y, 0.3 + min(size, 1.3), look.light, 190)


def confetti(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """Paper strips in every colour of the palette."""
    tones = (look.accent, look.light, look.haze, look.shade)
    strip = [(-1.0, -0.45), (1.0, -0.45), (1.0, 0.45), (-1.0, 0.45)]
    for _ in range(60):
        spot = props.turned(
            strip,
            rng.uniform(0, 100),
            rng.uniform(0, 130),
            rng.uniform(0.8, 1.7),
            rng.uniform(0, 180),
        )
        canvas.polygon(spot, tones[int(rng.integers(4))])


def embers(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """Sparks that fly up."""
    for x, y in zip(rng.uniform(0, 100, 55), 150 - rng.exponential(40, 55), strict=True):
        lean = rng.normal(0, 0.8)
        canvas.line(
            [(x, y), (x + lean, y - rng.uniform(0.8, 2.6))],
            mix(look.accent, (255, 170, 60), 0.5),
            0.6,
        )


def notes(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """Quavers on the air."""
    for x in np.linspace(12, 84, int(rng.integers(4, 7))):
        y = 62 + 12 * math.sin(x * 0.09 + rng.uniform(0, 2))
        props.note(canvas, x, y, rng.uniform(2.2, 3.6), look.accent)


def bullet_holes(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """Shots through the glass."""
    for _ in range(int(rng.integers(3, 6))):
        x, y, size = rng.uniform(8, 92), rng.uniform(44, 126), rng.uniform(2.2, 3.4)
        for t in rng.uniform(0, 2 * math.pi, 9):
            reach = size * rng.uniform(1.5, 3.6)
            canvas.line(
                [(x, y), (x + reach * math.cos(t), y + reach * math.sin(t))], look.light, 0.3, 190
            )
        canvas.polygon(
            props.turned(props.star_points(9, 0.6), x, y, size * 1.25, 0), look.light, 200
        )
        canvas.disc(x, y, size * 0.7, (8, 8, 10))


def scanlines(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """The lines of a screen, some of them torn."""
    for y in np.arange(0, 150, 2.0):
        canvas.box(0, y, 100, y + 0.6, look.shade, 60)
    for y in rng.uniform(44, 130, 4):
        canvas.box(0, y, 100, y + rng.uniform(0.6, 2.2), look.accent, 90)


def rain(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """Rain in a slant wind."""
    lean = rng.uniform(-3, 3)
    for x, y in zip(rng.uniform(-5, 105, 110), rng.uniform(0, 150, 110), strict=True):
        long = rng.uniform(3, 8)
        canvas.line([(x, y), (x + lean * long / 8, y + long)], look.light, 0.25, 110)


def laurels(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """A festival's laurels, one to three."""
    count = int(rng.integers(1, 4))
    tone = look.light if not look.pale else look.shade
    leaf = [(0.0, -1.0), (0.35, 0.0), (0.0, 1.0), (-0.35, 0.0)]
    for number in range(count):
        x = 50 + 22 * (number - (count - 1) / 2)
        for side in (-1, 1):
            for t in np.linspace(-1.1, 1.0, 8):
                a, b = x + side * 6.0 * math.cos(t), 125 + 5.6 * math.sin(t)
                canvas.polygon(props.turned(leaf, a, b, 1.5, side * (34 + 62 * t)), tone)
        for row in range(2):
            canvas.box(x - 3.2 + row, 123.6 + 2 * row, x + 3.2 - row, 124.6 + 2 * row, tone)


def stripes(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """Two bold stripes across, as on a racing car or a warning sign."""
    y, lean = rng.uniform(44, 54), rng.uniform(10, 26) * rng.choice([-1, 1])
    for offset, thick in ((0.0, 4.0), (6.0, 1.6)):
        canvas.polygon(
            [
                (0, y + offset),
                (100, y + offset + lean),
                (100, y + offset + thick + lean),
                (0, y + offset + thick),
            ],
            look.accent,
        )


def bunting(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """Little flags on a string."""
    tones = (look.accent, look.light, look.shade)
    sag = rng.uniform(5, 10)
    for number, x in enumerate(np.linspace(2, 98, 13)):
        y = 2 + sag * (1 - ((x - 50) / 50) ** 2)
        canvas.polygon([(x - 3.6, y), (x + 3.6, y), (x, y + 7)], tones[number % 3])


def sparkles(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """Four-pointed stars of magic."""
    points = props.star_points(4, 0.2)
    for _ in range(int(rng.integers(10, 18))):
        x, y, size = rng.uniform(5, 95), rng.uniform(40, 128), rng.uniform(1.0, 3.4)
        canvas.polygon(props.turned(points, x, y, size, 0), look.light, 230)
