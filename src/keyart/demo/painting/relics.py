"""Relics: one thing with a past, from a crown to a sheriff's star. Each says
where its title goes."""

import math

import numpy as np

from keyart.demo.painting import props
from keyart.demo.painting.canvas import Canvas, Point, TitleAt, mix
from keyart.demo.painting.palettes import Palette

Rng = np.random.Generator


def parachutes(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Parachutes over a burning horizon."""
    canvas.gradient([look.sky, look.haze, mix(look.haze, look.accent, 0.45)])
    canvas.glow(rng.uniform(20, 80), 124, 45, look.accent, 0.7)
    for number in range(int(rng.integers(7, 12))):
        near = 0.35 + 0.65 * number / 10
        x, y, size = rng.uniform(6, 94), rng.uniform(52, 100), 4 + 9 * near
        tone = mix(look.haze, look.shade, near)
        dome: list[Point] = [
            (x + size * math.cos(t), y - size * 0.72 * math.sin(t))
            for t in np.linspace(0, math.pi, 14)
        ]
        canvas.polygon(dome, tone)
        for share in (-1.0, -0.35, 0.35, 1.0):
            canvas.line([(x + share * size, y), (x, y + size * 1.1)], tone, 0.25)
        props.person(canvas, x, y + size * 1.75, size * 0.85, tone, "coat")
    props.land(canvas, props.ridge_line(rng, 124, 4), mix(look.shade, look.haze, 0.25))
    props.land(canvas, props.ridge_line(rng, 134, 3), look.shade)
    return "top"


def helmet(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A helmet on a rifle in the earth."""
    canvas.gradient([look.sky, look.haze, mix(look.haze, look.light, 0.3)])
    x = rng.uniform(42, 58)
    canvas.disc(x, 92, rng.uniform(24, 32), mix(look.accent, look.haze, rng.choice([0.1, 0.5])))
    canvas.polygon([(x - 2.2, 78), (x + 2.2, 78), (x + 1.2, 136), (x - 1.2, 136)], look.shade)
    canvas.polygon([(x - 2.6, 66), (x + 2.6, 66), (x + 4.5, 92), (x - 3.5, 92)], look.shade)
    canvas.line([(x + 3, 88), (x + 8, 101), (x + 1.5, 116)], look.shade, 0.8)
    shell = [(x - 15, 80), (x - 12, 66), (x, 59), (x + 12, 66), (x + 15, 80), (x, 83)]
    canvas.curve(shell, look.shade)
    canvas.disc(x, 80, 17, look.shade, flat=0.17)
    props.land(canvas, props.ridge_line(rng, 126, 4), look.shade)
    for place in rng.uniform(2, 98, 14):
        canvas.line(
            [(place, 128), (place + rng.normal(0, 1.5), 128 - rng.uniform(3, 8))], look.shade, 0.5
        )
    return "top"


def badge(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A sheriff's star on boards, shot through."""
    for plank in range(7):
        tone = mix(look.sky, look.shade, 0.12 + 0.22 * rng.random())
        canvas.box(0, plank * 22, 100, plank * 22 + 22, tone)
        canvas.box(0, plank * 22, 100, plank * 22 + 0.7, look.shade)
        for _ in range(4):
            left, up = rng.uniform(-10, 90), plank * 22 + rng.uniform(3, 20)
            canvas.box(left, up, left + rng.uniform(12, 40), up + 0.4, mix(tone, look.shade, 0.35))
    turn, metal = float(rng.uniform(-14, 14)), mix(look.accent, look.light, 0.45)
    points = props.star_points(int(rng.choice([5, 6])), 0.5)
    canvas.polygon(props.turned(points, 52, 91, 33, turn), look.shade, 150)
    canvas.polygon(props.turned(points, 50, 88, 33, turn), metal)
    for a, b in points[::2]:
        canvas.disc(*props.turned([(a, b)], 50, 88, 33, turn)[0], 3.6, metal)
    canvas.polygon(props.turned(points, 50, 88, 26, turn), mix(metal, look.shade, 0.25))
    canvas.disc(50, 88, 12, metal)
    canvas.ring(50, 88, 10.5, mix(metal, look.shade, 0.5), 0.8)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(30, 70), rng.uniform(66, 112)
        canvas.polygon(
            props.turned(props.star_points(8, 0.55), x, y, 4.4, 0), mix(metal, (0, 0, 0), 0.45)
        )
        canvas.disc(x, y, 2.3, (12, 8, 6))
    return "top"


def wagon(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A covered wagon on its way into a great low sun."""
    canvas.gradient([look.sky, look.haze, mix(look.haze, look.light, 0.5)])
    canvas.disc(50, 104, rng.uniform(34, 44), mix(look.accent, look.light, rng.choice([0.1, 0.5])))
    props.land(canvas, props.ridge_line(rng, 120, 3, 0.1), mix(look.shade, look.haze, 0.4))
    x, foot = rng.uniform(42, 56), 126.0
    cover = [
        (x - 20, foot - 14),
        (x - 23, foot - 30),
        (x - 9, foot - 36),
        (x + 9, foot - 35),
        (x + 22, foot - 33),
        (x + 18, foot - 14),
    ]
    canvas.curve(cover, mix(look.light, look.haze, 0.25))
    for rib in (-13, -3, 8):
        canvas.line(
            [(x + rib, foot - 35), (x + rib, foot - 14)], mix(look.light, look.shade, 0.35), 0.5
        )
    canvas.polygon(
        [(x - 22, foot - 16), (x + 21, foot - 16), (x + 17, foot - 8), (x - 18, foot - 8)],
        look.shade,
    )
    canvas.line([(x + 16, foot - 9), (x + 36, foot - 6)], look.shade, 1.0)
    for wheel, radius in ((-13.0, 8.5), (13.0, 7.0)):
        canvas.ring(x + wheel, foot - radius, radius, look.shade, 1.1)
        for t in np.linspace(0, math.pi, 5)[:-1]:
            a, b = radius * math.cos(t), radius * math.sin(t)
            canvas.line(
                [(x + wheel - a, foot - radius - b), (x + wheel + a, foot - radius + b)],
                look.shade,
                0.6,
            )
    props.person(canvas, x + 31, foot + 2, 17, look.shade, "hat")
    props.land(canvas, props.ridge_line(rng, 128, 2, 0.1), look.shade)
    return "top"


def hand(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A hand that comes out of the earth."""
    canvas.gradient([look.sky, mix(look.sky, look.haze, 0.8), look.haze])
    canvas.disc(
        50 + rng.uniform(-12, 12),
        78,
        rng.uniform(25, 32),
        mix(look.light, look.haze, rng.choice([0.15, 0.6])),
    )
    x, tone = rng.uniform(44, 56), look.shade
    canvas.curve(
        [
            (x - 8, 146),
            (x - 7, 118),
            (x - 11, 108),
            (x - 9, 98),
            (x + 9, 97),
            (x + 11, 107),
            (x + 7, 118),
            (x + 8, 146),
        ],
        tone,
    )
    for root, joint, tip in (
        ((-9, 104), (-17, 96), (-20, 85)),
        ((-7, 99), (-10, 83), (-8, 70)),
        ((-2, 98), (-2, 80), (1, 65)),
        ((4, 98), (6, 82), (11, 69)),
        ((8, 101), (14, 90), (21, 81)),
    ):
        bend = rng.normal(0, 1.2)
        points = [
            (x + root[0], root[1]),
            (x + joint[0] + bend, joint[1]),
            (x + tip[0] + bend, tip[1]),
        ]
        canvas.line([(float(a), float(b)) for a, b in points], tone, 4.2)
        canvas.disc(x + tip[0] + bend, tip[1], 2.0, tone)
        canvas.polygon(
            [
                (x + tip[0] + bend - 1.6, tip[1]),
                (x + tip[0] + bend + 1.6, tip[1]),
                (x + tip[0] * 1.04 + bend, tip[1] - 5),
            ],
            tone,
        )
    props.land(canvas, props.ridge_line(rng, 128, 3, 0.9), tone)
    for place in (rng.uniform(6, 22), rng.uniform(78, 92)):  # graves
        canvas.box(place - 6, 114, place + 6, 132, mix(tone, look.haze, 0.25))
        canvas.disc(place, 114, 6, mix(tone, look.haze, 0.25))
    return "top"


def keyhole(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A keyhole, and what is seen through it."""
    canvas.gradient([mix(look.sky, look.shade, 0.3), look.shade])
    inner = canvas.blank()
    inner.gradient([look.haze, look.light])
    inner.glow(50, 84, 40, look.light, 1.0)
    inner.box(0, 117, 100, 150, mix(look.accent, look.shade, 0.35))
    pose = str(rng.choice(["dress", "hat", "coat", "child"]))
    props.person(inner, 50, 120, rng.uniform(32, 42), look.shade, pose)
    turns = np.linspace(0.42 * math.pi, -1.42 * math.pi, 30)
    shape: list[Point] = [(50 + 20 * math.cos(t), 80 + 20 * math.sin(t)) for t in turns]
    shape = [(34, 128), *reversed(shape), (66, 128)]
    plate = [(50 + (a - 50) * 1.22, 94 + (b - 94) * 1.16) for a, b in shape]
    canvas.polygon(plate, mix(look.accent, look.shade, 0.25))
    canvas.through(inner, shape)
    canvas.polygon([(34, 128), (66, 128), (84, 150), (16, 150)], look.light, 60)
    return "top"


def sword(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A sword in a stone, in its own light."""
    canvas.gradient([look.sky, mix(look.sky, look.haze, 0.8), look.shade])
    canvas.glow(50, 88, 52, look.haze, 0.9)
    for t in np.linspace(0, 2 * math.pi, 13)[:-1]:
        canvas.polygon(
            [
                (50, 88),
                (50 + 90 * math.cos(t), 88 + 90 * math.sin(t)),
                (50 + 90 * math.cos(t + 0.18), 88 + 90 * math.sin(t + 0.18)),
            ],
            look.light,
            26,
        )
    steel, shaded = mix(look.light, look.haze, 0.1), mix(look.light, look.shade, 0.4)
    canvas.polygon([(46.6, 74), (50, 74), (50, 128), (48, 128)], steel)
    canvas.polygon([(50, 74), (53.4, 74), (52, 128), (50, 128)], shaded)
    canvas.curve([(34, 71), (50, 70), (66, 71), (67, 75), (50, 75.5), (33, 75)], look.accent)
    canvas.box(48.4, 57, 51.6, 71, mix(look.shade, look.accent, 0.35))
    canvas.disc(50, 55, 3.6, look.accent)
    canvas.disc(50, 55, 1.6, look.light)
    stone = [(22, 156), (26, 128), (38, 114), (54, 112), (70, 118), (80, 134), (84, 156)]
    canvas.polygon(stone, mix(look.shade, look.haze, 0.25))
    canvas.polygon([(54, 112), (70, 118), (80, 134), (84, 156), (58, 156), (62, 130)], look.shade)
    props.land(canvas, props.ridge_line(rng, 138, 3), look.shade)
    return "top"


def crown(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A crown, set down or fallen."""
    canvas.gradient([mix(look.sky, look.shade, 0.3), mix(look.sky, look.haze, 0.5)])
    canvas.glow(50, 92, 50, look.haze, 0.8)
    turn = float(rng.choice([0.0, rng.uniform(-20, 20)]))
    gold, low = look.accent, mix(look.accent, look.shade, 0.4)

    def at(points: list[Point]) -> list[Point]:
        return props.turned(points, 50, 92, 30, turn)

    canvas.disc(52, 118, 32, look.shade, 130, flat=0.16)
    canvas.polygon(at(props.oval(0, 0.42, 0.9, 0.22)), mix(look.shade, look.accent, 0.3))
    spikes = [
        (-0.9, 0.7),
        (-1.05, -0.45),
        (-0.55, 0.1),
        (-0.42, -0.75),
        (0.0, 0.02),
        (0.42, -0.75),
        (0.55, 0.1),
        (1.05, -0.45),
        (0.9, 0.7),
    ]
    canvas.polygon(at(spikes), gold)
    canvas.polygon(at([(-0.9, 0.5), (0.9, 0.5), (0.9, 0.82), (-0.9, 0.82)]), low)
    for a, b in ((-1.05, -0.5), (-0.42, -0.8), (0.42, -0.8), (1.05, -0.5)):
        canvas.disc(*at([(a, b)])[0], 2.6, look.light)
    for a in (-0.6, -0.2, 0.2, 0.6):
        canvas.disc(*at([(a, 0.66)])[0], 2.0, look.light if abs(a) > 0.3 else look.sky)
    canvas.box(0, 128, 100, 152, look.shade)
    return "top"
