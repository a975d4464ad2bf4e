"""Emblems: one large thing on a plain ground. Each says where its title goes."""

import math

import numpy as np

from keyart.demo.painting import props
from keyart.demo.painting.canvas import Canvas, TitleAt, mix, smooth
from keyart.demo.painting.palettes import Palette

Rng = np.random.Generator


def _ground(canvas: Canvas, look: Palette, rng: Rng) -> None:
    """A plain ground: one colour, or two that meet softly or in rays."""
    kind = rng.random()
    if kind < 0.35:
        canvas.cover(look.sky)
    elif kind < 0.8:
        canvas.gradient([look.sky, mix(look.sky, look.haze, 0.7)], float(rng.uniform(-0.4, 0.4)))
    else:
        _rays(canvas, look, 50, 80, 14)


def _rays(canvas: Canvas, look: Palette, x: float, y: float, count: int) -> None:
    canvas.cover(look.sky)
    tone = mix(look.sky, look.haze, 0.55)
    for ray in range(count):
        a, b = 2 * math.pi * ray / count, 2 * math.pi * (ray + 0.5) / count
        canvas.polygon(
            [
                (x, y),
                (x + 160 * math.cos(a), y + 160 * math.sin(a)),
                (x + 160 * math.cos(b), y + 160 * math.sin(b)),
            ],
            tone,
        )


def rays(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Rays behind people with raised arms, a star, or a great letterless shield."""
    _rays(canvas, look, 50, 92, int(rng.integers(12, 20)))
    canvas.disc(50, 92, 31, look.accent)
    canvas.ring(50, 92, 34, look.accent, 1.2)
    if rng.random() < 0.5:
        star = props.star_points(5, 0.42)
        canvas.polygon(props.turned(star, 50, 90, 24, 0), look.light)
        canvas.polygon(props.turned(star, 50, 90, 15, 0), look.shade)
    for x, tall in ((28, 30), (72, 30), (39, 38), (61, 38), (50, 46)):
        props.person(
            canvas, x, 138, tall, look.shade, str(rng.choice(["arms", "coat"], p=[0.6, 0.4]))
        )
    canvas.box(0, 134, 100, 152, look.shade)
    return "top"


def space(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A planet with rings, stars, and a rocket under way."""
    canvas.gradient([look.shade, look.sky, mix(look.sky, look.haze, 0.45)])
    canvas.glow(rng.uniform(10, 90), rng.uniform(60, 120), 60, look.haze, 0.4)
    props.stars(canvas, rng, 90, 150, look.light)
    x, y, radius = rng.uniform(52, 76), rng.uniform(72, 90), rng.uniform(19, 28)
    canvas.glow(x, y, radius * 1.7, look.haze, 0.8)
    canvas.disc(x, y, radius, mix(look.haze, look.light, 0.25))
    for band in range(4):
        up = y - radius * (0.65 - 0.38 * band)
        half = math.sqrt(max(0.0, radius**2 - (up - y) ** 2))
        canvas.disc(x, up, half, mix(look.haze, look.accent, 0.25 * band), 120, flat=0.14)
    night = [
        (x + radius * math.cos(t), y + radius * math.sin(t)) for t in np.linspace(-1.2, 1.94, 24)
    ]
    night += [
        (x + radius * 0.72 * math.cos(t) + 0.5, y + radius * 0.9 * math.sin(t))
        for t in np.linspace(1.75, -1.1, 24)
    ]
    canvas.polygon(night, look.shade, 130)
    for wide in (1.75, 1.55):
        canvas.arc(
            (x - radius * wide, y - radius * 0.36, x + radius * wide, y + radius * 0.36),
            -14,
            194,
            mix(look.accent, look.light, 0.3),
            0.9,
        )
    left, low, turn = rng.uniform(18, 32), rng.uniform(108, 122), rng.uniform(18, 42)
    trail = props.turned(
        [(-0.22, 0.75), (0.22, 0.75), (0.05, 4.2), (-0.05, 4.2)], left, low, 13, turn
    )
    canvas.polygon(trail, look.light, 120)
    flame = props.turned([(-0.2, 0.75), (0.2, 0.75), (0.0, 1.6)], left, low, 13, turn)
    canvas.polygon(flame, look.accent)
    fins = [(-0.24, 0.2), (-0.55, 0.85), (-0.18, 0.72), (0.18, 0.72), (0.55, 0.85), (0.24, 0.2)]
    canvas.polygon(props.turned(fins, left, low, 13, turn), look.accent)
    hull = [
        (0.0, -1.2),
        (0.2, -0.75),
        (0.28, -0.1),
        (0.2, 0.75),
        (-0.2, 0.75),
        (-0.28, -0.1),
        (-0.2, -0.75),
    ]
    canvas.polygon(smooth(props.turned(hull, left, low, 13, turn)), look.light)
    port = props.turned([(0.0, -0.3)], left, low, 13, turn)[0]
    canvas.disc(*port, 1.7, look.shade)
    return "top"


def machine_eye(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Concentric rings of light: a lens, a portal, a machine that watches."""
    canvas.gradient([look.shade, mix(look.sky, look.shade, 0.4)])
    y = rng.uniform(80, 90)
    for line in np.linspace(6, 94, 12):
        canvas.line([(line, 0), (50 + (line - 50) * 0.3, y)], look.haze, 0.25, 110)
        canvas.line([(line * 1.6 - 30, 152), (50 + (line - 50) * 0.3, y)], look.haze, 0.25, 150)
    canvas.glow(50, y, 60, look.haze, 0.75)
    canvas.disc(50, y, 32, look.shade)
    for step in range(7):
        radius = 31 - 3.6 * step
        canvas.ring(
            50, y, radius, mix(look.accent, look.light, 0.5 * (step % 2)), 0.6 + 0.2 * (step % 3)
        )
        start = rng.uniform(0, 360)
        canvas.arc(
            (50 - radius, y - radius, 50 + radius, y + radius), start, start + 80, look.light, 1.6
        )
    canvas.glow(50, y, 13, look.light, 1.0)
    props.person(canvas, 50, y + 32, rng.uniform(17, 26), look.shade, "coat")
    canvas.box(0, y + 31, 100, 152, mix(look.shade, look.sky, 0.2))
    canvas.line([(0, y + 31), (100, y + 31)], look.accent, 0.5)
    return "top"


def eye(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A great eye, something reflected in it."""
    _ground(canvas, look, rng)
    y, wide, open_ = rng.uniform(74, 88), rng.uniform(34, 42), rng.uniform(0.42, 0.62)
    top = [
        (50 - wide + 2 * wide * t, y - wide * open_ * math.sin(math.pi * t) ** 0.9)
        for t in np.linspace(0, 1, 24)
    ]
    low = [
        (50 + wide - 2 * wide * t, y + wide * open_ * 0.8 * math.sin(math.pi * t))
        for t in np.linspace(0, 1, 24)
    ]
    canvas.polygon([(a, b - 3.2) for a, b in top] + [(a, b + 1.5) for a, b in low], look.shade)
    canvas.polygon(top + low, look.light)
    iris = wide * open_ * 0.86
    eyeball = canvas.blank()
    eyeball.cover(look.light)
    eyeball.disc(50, y, iris, look.shade)
    eyeball.disc(50, y, iris * 0.93, look.accent)
    for spoke in np.linspace(0, 2 * math.pi, 40):
        eyeball.line(
            [
                (50 + iris * 0.42 * math.cos(spoke), y + iris * 0.42 * math.sin(spoke)),
                (50 + iris * 0.88 * math.cos(spoke), y + iris * 0.88 * math.sin(spoke)),
            ],
            mix(look.accent, look.shade, 0.5),
            0.4,
        )
    eyeball.disc(50, y, iris * 0.45, look.shade)
    if rng.random() < 0.5:
        props.person(
            eyeball, 50, y + iris * 0.36, iris * 0.72, look.light, str(rng.choice(["coat", "hat"]))
        )
    else:
        eyeball.disc(50 + iris * 0.3, y - iris * 0.35, iris * 0.17, look.light)
    eyeball.fade(y + 2, y - wide * open_, look.shade, 0.5)
    canvas.through(eyeball, top + low)
    for t in np.linspace(0.12, 0.88, 11):
        a, b = 50 - wide + 2 * wide * t, y - wide * open_ * math.sin(math.pi * t) ** 0.9 - 2.5
        canvas.line([(a, b), (a + (t - 0.5) * 15, b - 8)], look.shade, 1.0)
    if rng.random() < 0.4:
        canvas.polygon(
            [
                (50 + 4, y + wide * open_ * 0.7),
                (50 + 8, y + wide * open_ * 0.66),
                (50 + 7, 132),
                (50 + 5, 132),
            ],
            look.accent,
        )
    return "top"


def love(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A great heart: whole, with two people in it, or one of many."""
    _ground(canvas, look, rng)
    kind, lean = rng.random(), rng.uniform(-9, 9)
    if kind < 0.4:
        props.heart(canvas, 50, 85, 36, look.accent, degrees=lean)
        props.person(canvas, 43, 112, 40, look.light, "coat")
        props.person(canvas, 57, 112, 36, look.light, "dress")
    elif kind < 0.75:
        for x, tone in ((38, look.accent), (62, mix(look.light, look.haze, 0.2))):
            props.heart(canvas, x, 86, 26, tone, 225, (x - 50) * 0.9)
    else:
        for row in range(4):
            for column in range(4):
                x, y = 17 + 22 * column, 54 + 21 * row
                solo = row == 1 and column == 2
                tone = look.accent if solo else mix(look.sky, look.light, 0.55)
                props.heart(canvas, x, y, 8.2, tone, degrees=rng.uniform(-8, 8))
    return "top"


def faces(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A head in profile, or two face to face, with another view inside: a double exposure."""
    canvas.gradient([mix(look.sky, look.light, 0.1), mix(look.sky, look.haze, 0.6)])
    profile = [
        (0.10, 1.3),
        (0.13, 1.0),
        (0.20, 0.80),
        (0.10, 0.60),
        (0.06, 0.38),
        (0.18, 0.12),
        (0.42, 0.02),
        (0.64, 0.06),
        (0.77, 0.19),
        (0.80, 0.31),
        (0.785, 0.37),
        (0.835, 0.45),
        (0.885, 0.52),
        (0.865, 0.555),
        (0.80, 0.57),
        (0.81, 0.60),
        (0.832, 0.625),
        (0.805, 0.65),
        (0.825, 0.675),
        (0.80, 0.71),
        (0.815, 0.755),
        (0.78, 0.805),
        (0.66, 0.83),
        (0.58, 0.89),
        (0.60, 1.0),
        (0.66, 1.3),
    ]
    inner = canvas.blank()
    inner.gradient([look.shade, mix(look.shade, look.accent, 0.55), look.accent])
    inner.glow(50, 76, 34, look.light, 0.55)
    for share in (0.4, 0.7, 1.0):
        line = props.ridge_line(rng, 82 + 34 * share, 13)
        props.land(inner, line, mix(look.accent, look.shade, share))
        for x in rng.uniform(0, 100, 12):
            props.pine(
                inner,
                x,
                props.height_at(line, x) + 1,
                8 * share + 4,
                mix(look.accent, look.shade, share),
            )
    size, up = 78.0, 46.0
    if rng.random() < 0.55:
        side = rng.choice([-1, 1])
        outline = [
            (50 + side * size * 1.05 * (a - 0.47), up + size * b) for a, b in smooth(profile)
        ]
        canvas.through(inner, outline)
    else:
        for side, tone in ((-1, look.shade), (1, look.accent)):
            outline = [
                (50 - side * 52 + side * 56 * a, up + 10 + 66 * b) for a, b in smooth(profile)
            ]
            canvas.polygon(outline, tone)
    return "top"


def target(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A crosshair on somebody who runs or waits."""
    _ground(canvas, look, rng)
    x, y = 50 + rng.uniform(-7, 7), rng.uniform(80, 90)
    canvas.disc(x, y, 37, mix(look.haze, look.light, 0.45))
    canvas.glow(x, y, 37, look.light, 0.5)
    props.person(
        canvas, x, y + 25, rng.uniform(36, 46), look.shade, str(rng.choice(["coat", "hat"]))
    )
    canvas.ring(x, y, 38, look.shade, 3.2)
    canvas.ring(x, y, 20, look.accent, 0.9)
    for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        canvas.line([(x + a * 7, y + b * 7), (x + a * 44, y + b * 44)], look.accent, 0.8)
        canvas.line([(x + a * 30, y + b * 30), (x + a * 44, y + b * 44)], look.shade, 2.2)
    canvas.disc(x, y, 1.1, look.accent)
    return "top"


def blast(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """An explosion, and somebody who walks away from it."""
    canvas.gradient([look.shade, look.sky, look.haze])
    y = rng.uniform(84, 94)
    canvas.glow(50, y, 70, look.accent, 0.9)
    for layer, share in enumerate((1.0, 0.76, 0.52, 0.3)):
        spikes = int(rng.integers(11, 17))
        tone = mix(mix(look.haze, look.accent, min(1, layer * 0.5)), look.light, 0.33 * layer)
        points = props.star_points(spikes, rng.uniform(0.55, 0.7))
        jagged = [
            (a * r, b * r)
            for (a, b), r in zip(points, rng.uniform(0.75, 1.1, 2 * spikes), strict=True)
        ]
        canvas.polygon(props.turned(jagged, 50, y, 50 * share, rng.uniform(0, 40)), tone)
    for _ in range(24):
        t, reach, size = rng.uniform(0, 2 * math.pi), rng.uniform(26, 58), rng.uniform(0.8, 2.6)
        shard = props.turned(
            props.star_points(3, 0.5),
            50 + reach * math.cos(t),
            y + reach * math.sin(t),
            size,
            t * 57,
        )
        canvas.polygon(shard, look.shade)
    canvas.polygon([(0, 126), (100, 122), (100, 152), (0, 152)], look.shade)
    for x in (50,) if rng.random() < 0.6 else (38, 50, 62):
        props.person(canvas, x, 128, 40 if x == 50 else 35, look.shade, "coat")
    return "top"


def record(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A record with its grooves, sometimes with an arm, sometimes rising like a sun."""
    _ground(canvas, look, rng)
    x, y, radius = rng.uniform(40, 60), rng.uniform(84, 96), rng.uniform(36, 44)
    canvas.disc(x + 1.5, y + 2, radius, look.shade, 90)
    canvas.disc(x, y, radius, mix((12, 12, 14), look.shade, 0.5))
    for groove in np.arange(radius * 0.42, radius * 0.96, 2.3):
        canvas.ring(x, y, groove, mix(look.shade, look.light, 0.22), 0.3)
    for start in (-62, 118):
        canvas.slice(x, y, radius * 0.96, start, start + 26, look.light, 34)
    canvas.disc(x, y, radius * 0.36, look.accent)
    canvas.ring(x, y, radius * 0.3, look.light, 0.5)
    canvas.disc(x, y, 1.4, look.sky)
    if rng.random() < 0.6:
        canvas.line(
            [(92, 50), (90, 84), (x + radius * 0.55, y + radius * 0.3)],
            mix(look.light, look.haze, 0.3),
            1.6,
        )
        canvas.disc(92, 50, 4, mix(look.light, look.shade, 0.3))
    return "top"
