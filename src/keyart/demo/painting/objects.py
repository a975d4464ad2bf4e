"""Objects: one thing of every day, from a rubber duck to a guitar. Each says
where its title goes."""

import math

import numpy as np

from keyart.demo.painting import props
from keyart.demo.painting.canvas import Canvas, Point, TitleAt, mix, smooth
from keyart.demo.painting.palettes import Palette

Rng = np.random.Generator


def _ground(canvas: Canvas, look: Palette, rng: Rng) -> None:
    if rng.random() < 0.5:
        canvas.cover(look.sky)
    else:
        canvas.gradient([look.sky, mix(look.sky, look.haze, 0.7)], float(rng.uniform(-0.4, 0.4)))


def critter(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A round creature that looks at us, with one to three eyes."""
    _ground(canvas, look, rng)
    top, half = rng.uniform(62, 72), rng.uniform(28, 38)
    fur = look.accent if rng.random() < 0.7 else mix(look.shade, look.accent, 0.45)
    dark = mix(fur, look.shade, 0.7)
    kind = rng.random()
    for side in (-1, 1):
        x = 50 + side * half * 0.62
        if kind < 0.4:  # horns
            canvas.curve(
                [(x - 5, top + 12), (x + side * 4, top - 13), (x + 5, top + 12)], look.light
            )
        elif kind < 0.75:  # ears
            canvas.disc(x, top + 4, 10, fur)
            canvas.disc(x, top + 4, 5.5, mix(fur, look.light, 0.5))
        else:  # feelers
            canvas.line([(50 + side * 9, top + 6), (x, top - 11)], dark, 1.4)
            canvas.disc(x, top - 12, 3.4, look.light)
    body = [
        (50 - half * 1.08, 156),
        (50 - half, 102),
        (50 - half * 0.6, top + 7),
        (50, top),
        (50 + half * 0.6, top + 7),
        (50 + half, 102),
        (50 + half * 1.08, 156),
    ]
    canvas.curve(body, fur)
    for x in rng.uniform(50 - half * 0.8, 50 + half * 0.8, 7):
        canvas.disc(x, rng.uniform(122, 140), rng.uniform(1.2, 3.2), mix(fur, look.light, 0.3))
    eyes = int(rng.choice([1, 2, 2, 3]))
    size = 12.5 if eyes == 1 else 9.0 if eyes == 2 else 7.0
    gaze = rng.uniform(-0.3, 0.3)
    for number in range(eyes):
        x = 50 + (number - (eyes - 1) / 2) * size * 2.05
        y = top + 23 - (3 if eyes == 3 and number == 1 else 0)
        canvas.disc(x, y, size, look.light)
        canvas.disc(x + gaze * size, y + 0.1 * size, size * 0.52, look.shade)
        canvas.disc(x + gaze * size + size * 0.18, y - 0.12 * size, size * 0.16, look.light)
    smile = [
        (50 - half * 0.5, top + 38),
        (50, top + 41),
        (50 + half * 0.5, top + 38),
        (50 + half * 0.3, top + 49),
        (50, top + 53),
        (50 - half * 0.3, top + 49),
    ]
    canvas.curve(smile, dark)
    for x in (50 - half * 0.22, 50 + half * 0.2):
        canvas.polygon([(x - 3, top + 39.5), (x + 3, top + 39.5), (x, top + 45)], look.light)
    return "top"


def duck(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A rubber duck, where nobody expected one."""
    _ground(canvas, look, rng)
    side = int(rng.choice([-1, 1]))

    def at(points: list[Point]) -> list[Point]:
        return [(50 + side * a, b) for a, b in points]

    rubber = look.accent if rng.random() < 0.5 else mix(look.light, look.accent, 0.12)
    low = mix(rubber, look.shade, 0.22)
    canvas.curve(
        at(
            [
                (-34, 92),
                (-26, 100),
                (-4, 98),
                (10, 92),
                (27, 100),
                (30, 114),
                (18, 127),
                (-8, 130),
                (-26, 122),
                (-33, 108),
            ]
        ),
        rubber,
    )
    canvas.disc(50 + side * 15, 80, 17, rubber)
    canvas.curve(at([(30, 78), (41, 79), (44, 83), (35, 87), (29, 86)]), look.shade)
    canvas.curve(
        at([(30, 77), (40, 77), (45, 80.5), (36, 83), (29, 83)]), mix(look.shade, look.accent, 0.5)
    )
    canvas.curve(at([(-24, 104), (-8, 103), (5, 108), (-4, 118), (-18, 118)]), low)
    canvas.disc(50 + side * 20, 75, 3.0, look.shade)
    canvas.disc(50 + side * 21, 74, 1.0, look.light)
    if rng.random() < 0.5:  # it wears dark glasses
        for a in (12, 25):
            canvas.box(50 + side * a - 5, 72, 50 + side * a + 5, 78.5, look.shade)
        canvas.line(at([(0, 73), (30, 73)]), look.shade, 1.2)
    for layer in range(3):
        xs = np.linspace(-2, 102, 60)
        ys = 121 + 7 * layer + 1.8 * np.sin(xs * 0.3 + 2 * layer + rng.uniform(0, 2))
        water = mix(mix(look.haze, look.light, 0.3), look.shade, 0.25 + 0.25 * layer)
        props.land(canvas, [(float(a), float(b)) for a, b in zip(xs, ys, strict=True)], water)
    return "top"


def disguise(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Glasses, a nose, a moustache, and nobody behind them."""
    _ground(canvas, look, rng)
    y, ink = rng.uniform(80, 88), look.shade
    for side in (-1, 1):
        x = 50 + side * 19
        canvas.disc(x, y, 15.5, ink)
        canvas.disc(x, y, 12.5, mix(look.light, look.haze, 0.25))
        canvas.slice(x, y, 12.5, 200, 250, look.light, 160)
        canvas.line([(x + side * 14, y - 2), (x + side * 26, y - 8)], ink, 2.6)
        brow = [
            (x - 14, y - 19),
            (x - side * 2, y - 25 - rng.uniform(0, 5)),
            (x + 14, y - 19),
            (x, y - 20),
        ]
        canvas.curve(brow, ink)
        tip = [
            (50, y + 27),
            (50 + side * 12, y + 22),
            (50 + side * 24, y + 28),
            (50 + side * 35, y + 21),
            (50 + side * 29, y + 37),
            (50 + side * 12, y + 38),
            (50, y + 32),
        ]
        canvas.curve(tip, ink)
    canvas.line([(44, y - 2), (56, y - 2)], ink, 3.0)
    canvas.curve(
        [(46, y), (54, y), (59, y + 19), (57, y + 26), (43, y + 26), (41, y + 19)], look.accent
    )
    return "top"


def breakfast(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A plate from above: an egg, a fork, and perhaps a smile."""
    _ground(canvas, look, rng)
    y = rng.uniform(88, 94)
    canvas.disc(51.5, y + 2, 36, look.shade, 70)
    canvas.disc(50, y, 36, look.light)
    canvas.ring(50, y, 28, mix(look.light, look.shade, 0.14), 0.8)
    white = [
        (50 + r * math.cos(t), y + r * math.sin(t))
        for t, r in zip(np.linspace(0, 2 * math.pi, 9)[:-1], rng.uniform(17, 26, 8), strict=True)
    ]
    canvas.polygon(
        [(a + 0.8, b + 1.2) for a, b in smooth(white)], mix(look.light, look.shade, 0.25)
    )
    canvas.curve(white, mix(look.light, look.haze, 0.25))
    yolk = mix(look.accent, (255, 186, 30), 0.8)
    canvas.disc(50, y, 11, yolk)
    canvas.disc(46.5, y - 4, 2.6, mix(yolk, (255, 255, 255), 0.6))
    if rng.random() < 0.5:
        for x in (46.0, 54.0):
            canvas.disc(x, y - 1.5, 1.2, look.shade)
        canvas.arc((45, y - 2, 55, y + 6), 20, 160, look.shade, 1.0)
    for x in (7.0, 93.0):
        canvas.line([(x, y - 8), (x, y + 32)], look.shade, 2.0)
    for x in (4.5, 7.0, 9.5):
        canvas.line([(x, y - 24), (x, y - 10)], look.shade, 1.0)
    canvas.box(4.2, y - 12, 9.8, y - 8, look.shade)
    canvas.curve([(91.5, y - 24), (97, y - 18), (96, y + 2), (91.5, y + 4)], look.shade)
    return "top"


def card(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A playing card with a hole in it."""
    _ground(canvas, look, rng)
    turn, x, y = float(rng.uniform(-22, 22)), 50.0, 86.0

    def at(points: list[Point], size: float = 1.0) -> list[Point]:
        return props.turned(points, x, y, size, turn)

    face: list[Point] = [(-25, -36), (25, -36), (25, 36), (-25, 36)]
    for offset in (9, 0):
        back = props.turned(face, x + 1.5 + offset * 0.4, y + 2, 1, turn + offset)
        canvas.polygon(
            back, look.shade if offset == 0 else look.accent, 110 if offset == 0 else 255
        )
    canvas.polygon(at(face), look.light)
    pip = [
        (0.0, -1.0),
        (0.3, -0.55),
        (0.78, -0.05),
        (0.8, 0.4),
        (0.42, 0.62),
        (0.1, 0.38),
        (0.28, 1.0),
        (-0.28, 1.0),
        (-0.1, 0.38),
        (-0.42, 0.62),
        (-0.8, 0.4),
        (-0.78, -0.05),
        (-0.3, -0.55),
    ]
    ink = look.accent if rng.random() < 0.5 else look.shade
    if rng.random() < 0.5:
        canvas.polygon(at(smooth(pip, 4), 17), ink)
    else:
        props.heart(canvas, x, y, 17, ink, degrees=turn)
    for a, b in ((-19, -28), (19, 28)):
        spot = at([(a, b)])[0]
        canvas.polygon(props.turned(smooth(pip, 3), *spot, 4, turn + (180 if b > 0 else 0)), ink)
    hole = at([(rng.uniform(-12, 14), rng.uniform(-18, 16))])[0]
    burst = props.star_points(9, 0.5)
    canvas.polygon(props.turned(burst, *hole, 6, 10), mix(look.light, look.shade, 0.35))
    canvas.disc(*hole, 3.2, look.shade)
    return "top"


def frames(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A contact sheet: many small pictures in two inks, one of them marked."""
    canvas.cover(mix(look.sky, look.light, 0.15))
    marked = int(rng.integers(12))
    for number in range(12):
        left, top = 9.5 + 28 * (number % 3), 46 + 21 * (number // 3)
        tone = mix(look.shade, look.haze, rng.uniform(0.1, 0.75))
        canvas.box(left, top, left + 25, top + 18, look.shade)
        canvas.box(left + 1, top + 1, left + 24, top + 17, tone)
        view = rng.integers(4)
        pale = mix(tone, look.light, 0.7)
        if view == 0:
            canvas.disc(left + rng.uniform(7, 18), top + 8, rng.uniform(3, 5), pale)
            canvas.polygon(
                [
                    (left + 1, top + 17),
                    (left + 9, top + 8),
                    (left + 15, top + 13),
                    (left + 19, top + 10),
                    (left + 24, top + 17),
                ],
                look.shade,
            )
        elif view == 1:
            canvas.disc(left + 12.5, top + 8, 3.4, pale, flat=1.25)
            canvas.polygon(
                [
                    (left + 4, top + 17),
                    (left + 8, top + 12.5),
                    (left + 17, top + 12.5),
                    (left + 21, top + 17),
                ],
                pale,
            )
        elif view == 2:
            for x in np.arange(3, 22, 4):
                canvas.box(left + x, top + rng.uniform(4, 12), left + x + 3, top + 17, pale)
        else:
            props.person(canvas, left + rng.uniform(7, 18), top + 16.5, 12, pale, "coat")
        if number == marked:
            canvas.ring(left + 12.5, top + 9, 15, look.accent, 1.3)
    return "top"


def globe(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A globe of lines with a route across it."""
    _ground(canvas, look, rng)
    y, radius = rng.uniform(86, 92), rng.uniform(32, 37)
    canvas.disc(50, y, radius, mix(look.sky, look.haze, 0.85))
    for patch in range(6):
        t, r = rng.uniform(0, 6.28), rng.uniform(0.1, 0.62) * radius
        x, up = 50 + r * math.cos(t), y + r * math.sin(t)
        shore = [
            (x + s * math.cos(a), up + s * math.sin(a))
            for a, s in zip(np.linspace(0, 6.28, 9)[:-1], rng.uniform(4, 11.5, 8), strict=True)
        ]
        canvas.curve(shore, mix(look.shade, look.haze, 0.25 + 0.06 * patch))
    ink = mix(look.light, look.shade, 0.15)
    for wide in (0.33, 0.72, 1.0):
        canvas.line([*props.oval(50, y, radius * wide, radius), (50 + radius * wide, y)], ink, 0.45)
    for up in (-0.6, -0.3, 0.0, 0.3, 0.6):
        half = radius * math.sqrt(1 - up**2)
        canvas.line([(50 - half, y + up * radius), (50 + half, y + up * radius)], ink, 0.45)
    start, end = (50 - radius * 0.6, y + radius * 0.3), (50 + radius * 0.55, y - radius * 0.4)
    for t in np.linspace(0, 1, 13):
        lift = 15 * math.sin(math.pi * t)
        canvas.disc(
            start[0] + (end[0] - start[0]) * t,
            start[1] + (end[1] - start[1]) * t - lift,
            0.9,
            look.accent,
        )
    canvas.disc(*end, 2.4, look.accent)
    return "top"


def guitar(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A guitar, tilted, in the light."""
    _ground(canvas, look, rng)
    turn = float(rng.choice([-1, 1]) * rng.uniform(18, 38))
    canvas.glow(50, 94, 48, look.light, 0.5)

    def at(points: list[Point]) -> list[Point]:
        return props.turned(points, 50, 90, 1, turn)

    body: list[Point] = [
        (0, 4),
        (12, 5),
        (15, 14),
        (12, 21),
        (19, 31),
        (17, 42),
        (0, 47),
        (-17, 42),
        (-19, 31),
        (-12, 21),
        (-15, 14),
        (-12, 5),
    ]
    canvas.polygon([(a + 1.5, b + 2) for a, b in at(smooth(body))], look.shade, 120)
    canvas.polygon(at(smooth(body)), look.accent)
    canvas.polygon(
        at(smooth([(a * 0.86, 25.5 + (b - 25.5) * 0.88) for a, b in body])),
        mix(look.accent, look.light, 0.18),
    )
    canvas.polygon(at(props.oval(0, 19, 6.5, 6.5)), look.shade)
    canvas.polygon(at([(-2.2, -42), (2.2, -42), (2.6, 17), (-2.6, 17)]), look.shade)
    canvas.polygon(
        at([(-3.6, -54), (3.6, -54), (2.6, -41), (-2.6, -41)]), mix(look.shade, look.accent, 0.4)
    )
    canvas.polygon(at([(-7, 33), (7, 33), (7, 36), (-7, 36)]), look.shade)
    for string in (-1.2, 0.0, 1.2):
        canvas.line(at([(string, -50), (string, 34)]), look.light, 0.25)
    for peg in (-52, -48, -44):
        for side in (-1, 1):
            canvas.disc(*at([(side * 4.6, peg)])[0], 1.1, look.light)
    return "top"
