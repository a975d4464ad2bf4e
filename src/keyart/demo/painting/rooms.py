"""Rooms: scenes lit by one lamp, from a stage to a corridor. Each says where its title goes."""

import math

import numpy as np

from keyart.demo.painting import props
from keyart.demo.painting.canvas import Canvas, Point, TitleAt, mix
from keyart.demo.painting.palettes import Palette

Rng = np.random.Generator


def stage(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Curtains, spotlights, and a company or a lone star."""
    canvas.gradient([mix(look.sky, look.shade, 0.55), mix(look.sky, look.haze, 0.35)])
    x = 50.0
    for source, spread in ((14, 13), (86, 13), (50, 18)):
        canvas.polygon(
            [(source - 1.5, 40), (source + 1.5, 40), (x + spread, 126), (x - spread, 126)],
            look.light,
            60,
        )
        canvas.disc(source, 40, 2.2, look.light)
    canvas.box(0, 124, 100, 152, look.shade)
    canvas.disc(x, 127, 30, mix(look.haze, look.light, 0.55), flat=0.17)
    canvas.glow(x, 108, 32, look.light, 0.5)
    if rng.random() < 0.5:
        for step in (-2, 2, -1, 1, 0):
            pose = str(rng.choice(["dress", "arms", "dress", "hat"]))
            props.person(
                canvas,
                x + step * 9.5,
                128 - abs(step) * 0.8,
                27 - 2.2 * abs(step),
                look.shade,
                pose,
            )
    else:
        props.person(canvas, x, 129, 38, look.shade, str(rng.choice(["arms", "dress"])))
        canvas.line([(x + 8, 129), (x + 8, 101)], look.shade, 0.7)
        canvas.disc(x + 8, 99.5, 1.5, look.shade)
    for side in (-1, 1):
        edge = 50 + side * 50
        for fold in range(4):
            out = 19 - 5 * fold
            tone = mix(look.accent, look.shade, 0.25 + 0.22 * (fold % 2))
            canvas.curve(
                [
                    (edge + side * 6, -9),
                    (edge - side * (out + 9), -9),
                    (edge - side * out, 60),
                    (edge - side * (out - 2), 145),
                    (edge + side * 6, 160),
                ],
                tone,
            )
    for swag in range(5):
        canvas.disc(
            10 + 20 * swag,
            32,
            11.5,
            mix(look.accent, look.shade, 0.2 + 0.2 * (swag % 2)),
            flat=0.75,
        )
    canvas.box(0, 0, 100, 33, mix(look.accent, look.shade, 0.35))
    for bulb in np.linspace(4, 96, 17):
        canvas.disc(bulb, 41.5 - 2.2 * abs(math.sin(bulb)), 0.9, look.light)
    return "top"


def corridor(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A door ajar at the end of a corridor, its light on the floor, somebody in it."""
    x, horizon = 50 + rng.uniform(-10, 10), 84.0
    wall = mix(look.sky, look.shade, 0.4)
    canvas.gradient([mix(wall, look.shade, 0.6), wall])
    left, right, top, foot = x - 15, x + 15, 62.0, 104.0
    canvas.polygon([(0, 0), (100, 0), (right, top), (left, top)], mix(wall, look.shade, 0.7))
    canvas.polygon([(0, 150), (100, 150), (right, foot), (left, foot)], mix(wall, look.shade, 0.5))
    canvas.polygon([(100, 0), (100, 150), (right, foot), (right, top)], mix(wall, look.haze, 0.2))
    canvas.box(left, top, right, foot, mix(wall, look.haze, 0.4))
    for share in (0.3, 0.62, 1.0):
        a, b = left * (1 - share), 150 - (150 - foot) * share
        up = top + (horizon - top) * 0.2 - (1 - share) * 28
        canvas.polygon(
            [(a - 4 * (1.3 - share), up - 4), (a, up), (a, b - 2), (a - 4 * (1.3 - share), b + 2)],
            mix(wall, look.shade, 0.75),
        )
    glow = mix(look.light, look.accent, rng.choice([0.1, 0.6, 1.0]))
    canvas.glow(x, 86, 40, glow, 0.8)
    canvas.polygon([(x - 7, foot), (x + 7, foot), (x + 30, 150), (x - 22, 150)], glow, 150)
    canvas.box(x - 7, top + 5, x + 7, foot, glow)
    pose = str(rng.choice(["coat", "child", "hat", "dress"]))
    canvas.polygon(
        [(x - 2, foot + 1), (x + 2, foot + 1), (x + 12, 150), (x - 2, 150)], look.shade, 170
    )
    props.person(canvas, x, foot + 1, rng.uniform(24, 31), look.shade, pose)
    return "top"


def blinds(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Light through slats on a wall, and a silhouette with a hat that smokes."""
    canvas.gradient([mix(look.sky, look.shade, 0.5), look.shade])
    lean = rng.uniform(-12, 12)
    tone = mix(look.light, look.accent, rng.choice([0.2, 0.5, 0.9]))
    for slat in range(11):
        up = 40 + 8.4 * slat
        canvas.polygon(
            [(4, up), (96, up + lean), (96, up + lean + 4.8), (4, up + 4.8)], tone, 190 - 9 * slat
        )
    x = rng.uniform(36, 64)
    side = 1 if x < 50 else -1
    figure = [
        (-30, 155),
        (-27, 118),
        (-9, 108),
        (-7, 100),
        (-10, 92),
        (-10.5, 84),
        (10, 84),
        (10.5, 90),
        (12.5, 94),
        (10.5, 96),
        (10, 102),
        (5, 105),
        (7, 109),
        (25, 118),
        (30, 155),
    ]
    canvas.polygon([(x + side * a, b) for a, b in figure], look.shade)
    canvas.disc(x, 85, 17.5, look.shade, flat=0.16)
    canvas.polygon(
        [
            (x - 10.5, 85),
            (x - 9, 72),
            (x - 2, 70),
            (x + 1, 72),
            (x + 5, 70.5),
            (x + 9, 73),
            (x + 10.5, 85),
        ],
        look.shade,
    )
    canvas.box(x - 10.4, 80.5, x + 10.4, 83.2, look.accent)
    tip = (x + side * 18, 99)
    canvas.line([(x + side * 10, 100), tip], look.light, 0.8)
    canvas.glow(*tip, 4, look.accent, 1.0)
    for puff in range(9):
        canvas.disc(
            tip[0] + 3 * math.sin(puff * 0.9) * side,
            94 - puff * 5,
            1.5 + puff * 0.4,
            look.light,
            45,
        )
    return "top"


def screening(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A projector's beam over rows of heads."""
    canvas.gradient([look.shade, mix(look.sky, look.shade, 0.3), look.shade])
    x = rng.uniform(30, 70)
    canvas.polygon([(x, 116), (4, 44), (96, 44)], look.light, 55)
    canvas.polygon([(x, 116), (16, 44), (84, 44)], look.light, 60)
    canvas.box(10, 46, 90, 88, mix(look.light, look.haze, 0.2))
    canvas.box(12, 48, 88, 86, mix(look.haze, look.accent, rng.uniform(0, 0.6)))
    canvas.disc(rng.uniform(30, 70), 66, 10, look.light)
    line = [(a, 86 - (86 - b) * 0.4) for a, b in props.ridge_line(rng, 78, 20)]
    canvas.polygon([*[(a, b) for a, b in line if 12 <= a <= 88], (88, 86), (12, 86)], look.shade)
    for row in range(3):
        for seat in np.arange(-4 + 5 * (row % 2), 106, 12 - 0.5 * row):
            up = 108 + 12 * row
            tone = mix(look.shade, look.sky, 0.45 - 0.2 * row)
            canvas.disc(seat + rng.normal(0, 0.8), up, 4 + 0.5 * row, tone, flat=1.2)
            canvas.curve(
                [
                    (seat - 7, up + 22),
                    (seat - 6, up + 7),
                    (seat, up + 4),
                    (seat + 6, up + 7),
                    (seat + 7, up + 22),
                ],
                tone,
            )
    return "top"


def staircase(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A spiral that may be a staircase or a state of mind, with somebody falling in."""
    canvas.cover(look.sky)
    turns, x, y = rng.uniform(3.2, 4.4), rng.uniform(44, 56), rng.uniform(80, 92)
    hand = rng.choice([-1, 1])
    inner: list[Point] = []
    outer: list[Point] = []
    for t in np.linspace(0.6, turns * 2 * math.pi, 130):
        radius = 0.36 * t**1.75
        inner.append((x + hand * radius * math.cos(t), y + radius * math.sin(t)))
        wide = radius * 1.25 + 0.6
        outer.append((x + hand * wide * math.cos(t), y + wide * math.sin(t)))
    tone = look.haze if rng.random() < 0.5 else look.accent
    for step in range(0, 129):
        blend = mix(look.shade, tone, 0.25 + 0.75 * step / 129)
        canvas.polygon([inner[step], inner[step + 1], outer[step + 1], outer[step]], blend)
    body = [
        (-0.05, -0.5),
        (0.14, -0.42),
        (0.12, -0.1),
        (0.42, 0.2),
        (0.36, 0.28),
        (0.05, 0.1),
        (0.1, 0.5),
        (0.0, 0.52),
        (-0.1, 0.12),
        (-0.42, -0.02),
        (-0.4, -0.1),
        (-0.12, -0.08),
    ]
    turn = rng.uniform(0, 360)
    canvas.polygon(props.turned(body, x, y, 17, turn), look.shade)
    head = props.turned([(0.06, -0.6)], x, y, 17, turn)[0]
    canvas.disc(*head, 2, look.shade)
    canvas.fade(60, 0, look.sky, 1.0)
    return "top"


def kitchen_table(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A chair, a window, a lamp: nobody is in."""
    wall = mix(look.sky, look.haze, 0.35)
    canvas.gradient([look.sky, wall])
    x = rng.uniform(28, 42)
    side = 1 if rng.random() < 0.5 else -1

    def across(value: float) -> float:
        return value if side == 1 else 100 - value

    def pane(left: float, top: float, right: float, bottom: float) -> None:
        a, b = sorted((across(left), across(right)))
        canvas.box(a, top, b, bottom, mix(look.light, look.accent, 0.25))

    canvas.box(0, 116, 100, 152, mix(look.shade, look.haze, 0.25))
    canvas.glow(across(x), 72, 40, look.light, 0.6)
    for row in range(2):
        for column in range(2):
            left = x - 12 + 12.6 * column
            pane(left, 50 + 17.6 * row, left + 11.6, 66.6 + 17.6 * row)
    light = [(x + 4, 120), (x + 32, 120), (x + 54, 150), (x + 20, 150)]
    canvas.polygon([(across(a), b) for a, b in light], look.light, 85)
    seat = x + 34
    chair = [
        ((seat - 8, 112), (seat + 8, 112), 2.2),
        ((seat - 7, 112), (seat - 8, 134), 1.4),
        ((seat + 7, 112), (seat + 8, 134), 1.4),
        ((seat + 7, 112), (seat + 9, 84), 1.6),
        ((seat + 1, 114), (seat + 1, 130), 1.0),
    ]
    for (a, b), (c, d), width in chair:
        canvas.line([(across(a), b), (across(c), d)], look.shade, width)
    for rung in (86, 92, 98):
        canvas.line([(across(seat + 8.5), rung), (across(seat + 3), rung + 1.5)], look.shade, 1.2)
    canvas.line([(across(seat + 3), 85), (across(seat + 2), 112)], look.shade, 1.2)
    if rng.random() < 0.6:
        canvas.disc(across(seat - 2), 108, 3.2, look.accent)
        canvas.line([(across(seat - 2), 105), (across(seat - 1), 103)], look.shade, 0.5)
    return "top"
