"""Props: small things that scenes are set with, each a silhouette or a few strokes."""

import math

import numpy as np

from keyart.demo.painting.canvas import Canvas, Color, Point, mix
from keyart.demo.painting.palettes import Palette


def turned(points: list[Point], x: float, y: float, size: float, degrees: float) -> list[Point]:
    """`points` around (0, 0), scaled by `size`, turned clockwise and moved to (x, y)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(x + size * (a * cos - b * sin), y + size * (a * sin + b * cos)) for a, b in points]


def star_points(spikes: int, inner: float) -> list[Point]:
    """A star of radius 1 whose inner corners lie at radius `inner`."""
    return [
        (math.sin(step * math.pi / spikes) * reach, -math.cos(step * math.pi / spikes) * reach)
        for step in range(2 * spikes)
        for reach in (1.0 if step % 2 == 0 else inner,)
    ]


def oval(x: float, y: float, wide: float, tall: float) -> list[Point]:
    """An ellipse around (x, y), `wide` and `tall` from its centre."""
    turns = np.linspace(0, 2 * math.pi, 28, endpoint=False)
    return [(x + wide * math.cos(t), y + tall * math.sin(t)) for t in turns]


def ridge_line(
    rng: np.random.Generator, base: float, rise: float, rough: float = 0.3
) -> list[Point]:
    """A skyline of hills from edge to edge around height `base`, up to about `rise` high."""
    phases = rng.uniform(0, 2 * math.pi, 4)
    tempo = rng.uniform(0.7, 1.3, 4) * np.array([0.04, 0.09, 0.21, 0.47])
    share = np.array([0.55, 0.3, rough * 0.4, rough * 0.25])
    xs = np.arange(-2, 104, 2)
    ys = base - rise * (np.sin(xs[:, None] * tempo + phases) * share).sum(axis=1)
    return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]


def land(canvas: Canvas, line: list[Point], tone: Color) -> None:
    """Everything below `line`."""
    canvas.polygon([*line, (line[-1][0], 152), (line[0][0], 152)], tone)


def height_at(line: list[Point], x: float) -> float:
    """The height of a ridge line at `x`."""
    return float(np.interp(x, [point[0] for point in line], [point[1] for point in line]))


def stars(canvas: Canvas, rng: np.random.Generator, count: int, low: float, tone: Color) -> None:
    """A night sky down to height `low`."""
    for x, y, size in zip(
        rng.uniform(0, 100, count),
        rng.uniform(0, low, count),
        rng.exponential(0.22, count),
        strict=True,
    ):
        canvas.disc(x, y, 0.2 + min(size, 0.8), tone, 210)


def person(canvas: Canvas, x: float, ground: float, tall: float, tone: Color, pose: str) -> None:
    """Somebody standing at `x`. `pose`: 'coat', 'dress', 'hat', 'child' or 'arms' (raised)."""

    def at(points: list[Point]) -> list[Point]:
        return [(x + a * tall, ground - b * tall) for a, b in points]

    canvas.disc(x, ground - 0.9 * tall, 0.075 * tall, tone, flat=1.25)
    canvas.polygon(at([(-0.03, 0.86), (0.03, 0.86), (0.04, 0.78), (-0.04, 0.78)]), tone)
    body = [
        (-0.13, 0.77),
        (-0.06, 0.81),
        (0.06, 0.81),
        (0.13, 0.77),
        (0.16, 0.42),
        (0.12, 0.40),
        (0.09, 0.62),
        (0.09, 0.45),
    ]
    left = [(-0.09, 0.45), (-0.09, 0.62), (-0.12, 0.40), (-0.16, 0.42)]
    if pose == "dress":
        skirt = [
            (0.19, 0.2),
            (0.05, 0.18),
            (0.05, 0.0),
            (0.01, 0.0),
            (0.0, 0.18),
            (-0.04, 0.0),
            (-0.07, 0.0),
            (-0.05, 0.18),
            (-0.19, 0.2),
        ]
        canvas.polygon(at(body + skirt + left), tone)
        canvas.disc(x, ground - 0.92 * tall, 0.095 * tall, tone, flat=1.1)
        return
    legs = [(0.08, 0.0), (0.02, 0.0), (0.0, 0.38), (-0.02, 0.0), (-0.08, 0.0)]
    if pose in ("coat", "hat"):
        legs = [
            (0.14, 0.2),
            (0.07, 0.2),
            (0.07, 0.0),
            (0.02, 0.0),
            (0.0, 0.2),
            (-0.02, 0.0),
            (-0.07, 0.0),
            (-0.07, 0.2),
            (-0.14, 0.2),
        ]
    canvas.polygon(at(body + legs + left), tone)
    if pose == "hat":
        canvas.disc(x, ground - 0.95 * tall, 0.15 * tall, tone, flat=0.2)
        canvas.polygon(at([(-0.08, 0.95), (-0.06, 1.04), (0.06, 1.04), (0.08, 0.95)]), tone)
    if pose == "arms":
        for side in (-1, 1):
            arm = [(0.05, 0.8), (0.12, 0.76), (0.3, 1.05), (0.25, 1.07)]
            canvas.polygon(at([(side * a, b) for a, b in arm]), tone)


def pine(canvas: Canvas, x: float, ground: float, tall: float, tone: Color) -> None:
    """A fir of four tiers."""
    canvas.box(x - 0.03 * tall, ground - 0.2 * tall, x + 0.03 * tall, ground + 1, tone)
    for tier in range(4):
        top = ground - tall * (1 - 0.2 * tier)
        half = tall * (0.11 + 0.06 * tier)
        canvas.polygon([(x, top), (x + half, top + 0.4 * tall), (x - half, top + 0.4 * tall)], tone)


def bare_tree(
    canvas: Canvas,
    rng: np.random.Generator,
    start: Point,
    length: float,
    angle: float,
    width: float,
    tone: Color,
    depth: int = 5,
) -> None:
    """A leafless tree that forks `depth` times; `angle` in degrees, -90 is straight up."""
    turn = math.radians(angle)
    end = (start[0] + length * math.cos(turn), start[1] + length * math.sin(turn))
    canvas.line([start, end], tone, width)
    if depth > 1:
        for side in (-1, 1):
            lean = angle + side * float(rng.uniform(14, 42))
            reach = length * float(rng.uniform(0.62, 0.82))
            bare_tree(canvas, rng, end, reach, lean, width * 0.66, tone, depth - 1)


def cactus(canvas: Canvas, x: float, ground: float, tall: float, tone: Color) -> None:
    """A saguaro with two arms."""
    thick = 0.15 * tall

    def limb(left: float, top: float, right: float, bottom: float) -> None:
        canvas.box(left, top + thick / 2, right, bottom, tone)
        canvas.disc((left + right) / 2, top + thick / 2, (right - left) / 2, tone)

    limb(x - thick / 2, ground - tall, x + thick / 2, ground + 1)
    for side, low, high in ((-1, 0.38, 0.72), (1, 0.5, 0.86)):
        out = x + side * 0.27 * tall
        limb(out - thick * 0.4, ground - high * tall, out + thick * 0.4, ground - low * tall)
        canvas.disc(out, ground - low * tall, thick * 0.4, tone)
        canvas.box(
            min(x, out),
            ground - low * tall - thick * 0.4,
            max(x, out),
            ground - low * tall + thick * 0.4,
            tone,
        )


def cloud(canvas: Canvas, x: float, y: float, size: float, tone: Color, alpha: int = 255) -> None:
    """A fair-weather cloud with a flat foot."""
    puffs = ((-0.9, 0.42), (-0.35, 0.62), (0.3, 0.78), (0.95, 0.45))
    for offset, radius in puffs:
        canvas.disc(x + offset * size, y - radius * size, radius * size, tone, alpha)
    canvas.box(x - 0.9 * size, y - 0.5 * size, x + 0.95 * size, y, tone, alpha)


def heart(
    canvas: Canvas,
    x: float,
    y: float,
    size: float,
    tone: Color,
    alpha: int = 255,
    degrees: float = 0,
) -> None:
    """A heart around (x, y), about 2 `size` wide."""
    points = [
        (
            math.sin(t) ** 3,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16,
        )
        for t in np.linspace(0, 2 * math.pi, 40, endpoint=False)
    ]
    canvas.polygon(turned(points, x, y, size, degrees), tone, alpha)


def bird(canvas: Canvas, x: float, y: float, size: float, tone: Color) -> None:
    """A far bird: two wings."""
    canvas.line(
        [
            (x - size, y - 0.5 * size),
            (x - 0.4 * size, y - 0.6 * size),
            (x, y),
            (x + 0.4 * size, y - 0.6 * size),
            (x + size, y - 0.5 * size),
        ],
        tone,
        0.22 * size,
    )


def bat(canvas: Canvas, x: float, y: float, size: float, tone: Color) -> None:
    """A bat with spread wings."""
    half = [
        (0.0, -0.12),
        (0.06, -0.3),
        (0.14, -0.14),
        (0.5, -0.42),
        (1.0, -0.2),
        (0.74, -0.02),
        (0.62, 0.16),
        (0.42, 0.06),
        (0.3, 0.26),
        (0.14, 0.14),
        (0.0, 0.36),
    ]
    wings = half + [(-a, b) for a, b in reversed(half)]
    canvas.polygon(turned(wings, x, y, size, 0), tone)


def note(canvas: Canvas, x: float, y: float, size: float, tone: Color) -> None:
    """Two quavers under one beam."""
    for offset in (0.0, 1.1):
        canvas.disc(x + offset * size, y, 0.34 * size, tone, flat=0.75)
        canvas.box(
            x + (offset + 0.2) * size,
            y - 1.7 * size - 0.2 * offset * size,
            x + (offset + 0.34) * size,
            y,
            tone,
        )
    canvas.polygon(
        [
            (x + 0.2 * size, y - 1.75 * size),
            (x + 1.44 * size, y - 2.0 * size),
            (x + 1.44 * size, y - 1.5 * size),
            (x + 0.2 * size, y - 1.25 * size),
        ],
        tone,
    )


def plane(canvas: Canvas, x: float, y: float, size: float, tone: Color, degrees: float) -> None:
    """A propeller plane from above, flying up before it is turned."""
    half = [
        (0, -1),
        (0.1, -0.85),
        (0.12, -0.45),
        (1.15, -0.25),
        (1.2, -0.02),
        (0.13, 0.05),
        (0.09, 0.62),
        (0.4, 0.75),
        (0.4, 0.9),
        (0, 0.85),
    ]
    canvas.polygon(turned(half + [(-a, b) for a, b in reversed(half)], x, y, size, degrees), tone)


def balloon(canvas: Canvas, x: float, y: float, size: float, tones: tuple[Color, Color]) -> None:
    """A hot-air balloon with stripes and a basket."""
    canvas.polygon(
        [
            (x - 0.55 * size, y + 0.75 * size),
            (x + 0.55 * size, y + 0.75 * size),
            (x + 0.2 * size, y + 1.35 * size),
            (x - 0.2 * size, y + 1.35 * size),
        ],
        tones[0],
    )
    canvas.disc(x, y, size, tones[0])
    for wide in (0.62, 0.22):
        tone = tones[1] if wide > 0.5 else tones[0]
        box = [
            (x + wide * size * math.cos(t), y + size * math.sin(t))
            for t in np.linspace(0, 2 * math.pi, 30)
        ]
        canvas.polygon(box, tone)
    for side in (-0.18, 0.18):
        canvas.line(
            [(x + side * size, y + 1.3 * size), (x + side * size, y + 1.6 * size)], tones[0], 0.3
        )
    canvas.box(
        x - 0.24 * size,
        y + 1.55 * size,
        x + 0.24 * size,
        y + 1.9 * size,
        mix(tones[0], (40, 20, 10), 0.6),
    )


def low_light(
    canvas: Canvas, look: Palette, rng: np.random.Generator, low: float, high: float
) -> tuple[float, float]:
    """A sun or moon with its glow, somewhere between heights `low` and `high`."""
    x, y, radius = rng.uniform(24, 76), rng.uniform(low, high), rng.uniform(9, 19)
    canvas.glow(x, y, radius * 3.2, mix(look.haze, look.light, 0.5), 0.75)
    canvas.disc(x, y, radius, mix(look.light, look.accent, rng.choice([0.0, 0.25, 0.8])))
    return x, y
