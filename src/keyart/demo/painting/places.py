"""Places: scenes with a horizon, from the hills to the sea. Each says where its title goes."""

import math

import numpy as np

from keyart.demo.painting import props
from keyart.demo.painting.canvas import Canvas, Point, TitleAt, mix
from keyart.demo.painting.palettes import Palette

Rng = np.random.Generator


def hills(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Ridges that fade into the haze, a sun, firs in front."""
    canvas.gradient([look.sky, mix(look.sky, look.haze, 0.6), look.haze])
    props.low_light(canvas, look, rng, 56, 78)
    layers = int(rng.integers(3, 6))
    for layer in range(layers):
        share = (layer + 1) / layers
        line = props.ridge_line(rng, 84 + 42 * share, 15 - 5 * share)
        tone = mix(mix(look.haze, look.sky, 0.35), look.shade, share**0.8)
        props.land(canvas, line, tone)
        if share > 0.6:
            for x in rng.uniform(-3, 103, 16):
                ground = props.height_at(line, x) + 1.5
                props.pine(canvas, x, ground, rng.uniform(6, 13) * (0.4 + share), tone)
    return "top"


def mountain(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """One great peak with snow, and somebody small before it."""
    canvas.gradient([look.sky, look.haze])
    props.low_light(canvas, look, rng, 48, 62)
    peak: Point = (rng.uniform(38, 62), rng.uniform(48, 58))
    rock = mix(look.shade, look.sky, 0.35)
    canvas.polygon([peak, (118, 135), (-18, 135)], rock)
    canvas.polygon([peak, (118, 135), (peak[0] + 4, 135)], mix(rock, look.shade, 0.55))
    snow: list[Point] = [peak]
    for step, depth in enumerate((13, 9, 17, 10, 15)):
        snow.append((peak[0] + (12 - 5.2 * step) * depth / 13, peak[1] + depth + 2))
    canvas.polygon(snow, mix(look.light, look.haze, 0.12))
    for share in (0.55, 1.0):
        line = props.ridge_line(rng, 105 + 18 * share, 8)
        props.land(canvas, line, mix(rock, look.shade, share))
    x = rng.uniform(25, 75)
    props.person(canvas, x, props.height_at(line, x) + 0.5, 13, look.shade, "coat")
    canvas.line(
        [(x + 2.6, props.height_at(line, x) - 9), (x + 3.4, props.height_at(line, x) + 1)],
        look.shade,
        0.5,
    )
    return "top"


def desert(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A striped sun behind mesas, cacti, a rider's trail."""
    canvas.gradient([look.sky, look.haze, mix(look.haze, look.light, 0.5)])
    x, y, radius = rng.uniform(32, 68), rng.uniform(78, 90), rng.uniform(23, 32)
    sun = mix(look.accent, look.light, 0.15)
    canvas.glow(x, y, radius * 2, look.light, 0.5)
    canvas.disc(x, y, radius, sun)
    for stripe in range(5):
        up = y + radius * (0.12 + 0.19 * stripe)
        canvas.box(x - radius, up, x + radius, up + 0.7 + 0.65 * stripe, look.haze)
    far = mix(look.shade, look.haze, 0.45)
    for left in (rng.uniform(-12, 4), rng.uniform(62, 84)):
        wide, top = rng.uniform(18, 30), rng.uniform(84, 96)
        canvas.polygon(
            [
                (left, 122),
                (left + 3, top + 9),
                (left + 5, top),
                (left + wide, top),
                (left + wide + 2, top + 8),
                (left + wide + 7, 122),
            ],
            far,
        )
    line = props.ridge_line(rng, 121, 3, 0.1)
    props.land(canvas, line, look.shade)
    for place in (rng.uniform(8, 26), rng.uniform(74, 92)):
        props.cactus(
            canvas, place, props.height_at(line, place) + 2, rng.uniform(16, 38), look.shade
        )
    if rng.random() < 0.6:
        place = rng.uniform(42, 58)
        props.person(canvas, place, props.height_at(line, place) + 1, 15, look.shade, "hat")
    return "top"


def forest(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Trunks that fade into fog, and a small light or somebody among them."""
    canvas.gradient([look.sky, look.haze, mix(look.haze, look.light, 0.35)])
    canvas.glow(50 + rng.uniform(-15, 15), 98, 55, look.light, 0.6)
    for layer in range(3):
        tone = mix(mix(look.haze, look.sky, 0.3), look.shade, (layer + 1) / 3)
        for x in rng.uniform(-4, 104, 11 - 3 * layer):
            if layer == 2 and 34 < x < 66:
                continue
            wide = (1.1 + 1.5 * layer) * rng.uniform(0.7, 1.3)
            lean = rng.normal(0, 2)
            canvas.polygon(
                [
                    (x + lean - wide * 0.7, -2),
                    (x + lean + wide * 0.7, -2),
                    (x + wide, 120 + 8 * layer),
                    (x - wide, 120 + 8 * layer),
                ],
                tone,
            )
        props.land(canvas, props.ridge_line(rng, 118 + 8 * layer, 2), tone)
    x = rng.uniform(42, 58)
    props.person(canvas, x, 129, 22, look.shade, str(rng.choice(["coat", "child", "dress"])))
    if rng.random() < 0.5:
        canvas.glow(x + 4, 119, 9, look.accent, 1.0)
    return "middle" if rng.random() < 0.5 else "top"


def sea(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Waves in layers, and a sailing ship or a lighthouse."""
    canvas.gradient([look.sky, look.haze, mix(look.haze, look.light, 0.4)])
    x, _ = props.low_light(canvas, look, rng, 70, 92)
    if rng.random() < 0.6:
        left = float(np.clip(100 - x, 24, 76))
        hull = mix(look.shade, look.haze, 0.1)
        canvas.polygon(
            [(left - 15, 104), (left + 17, 103), (left + 12, 114), (left - 11, 114)], hull
        )
        for mast, top in ((-7, 72), (3, 64), (11, 76)):
            canvas.line([(left + mast, top), (left + mast, 106)], hull, 0.6)
            for low, high in ((top + 2, top + 15), (top + 17, 100)):
                bulge = 4.5
                canvas.polygon(
                    [
                        (left + mast - 4.5, low),
                        (left + mast + 4.5, low),
                        (left + mast + 5.5 + bulge / 2, high),
                        (left + mast - 4, high),
                    ],
                    mix(look.light, look.accent, 0.15),
                )
    else:
        left = 18.0 if x > 50 else 82.0
        away = 140 if left < 50 else -40
        canvas.polygon([(left, 66), (away, 44), (away, 78)], look.light, 110)
        canvas.polygon(
            [(left - 5, 118), (left - 3, 70), (left + 3, 70), (left + 5, 118)], look.light
        )
        for band in (78, 92, 106):
            canvas.polygon(
                [
                    (left - 4, band),
                    (left + 4, band),
                    (left + 4.4, band + 6),
                    (left - 4.4, band + 6),
                ],
                look.accent,
            )
        canvas.box(left - 2.4, 63, left + 2.4, 70, look.shade)
        canvas.disc(left, 66.5, 1.8, look.light)
        canvas.polygon([(left - 3.5, 63), (left + 3.5, 63), (left, 58)], look.shade)
        canvas.curve(
            [(left - 26, 125), (left - 10, 113), (left + 9, 112), (left + 28, 125)], look.shade
        )
    for layer in range(5):
        tone = mix(mix(look.haze, look.sky, 0.7), look.shade, layer / 4)
        swell = np.linspace(-2, 102, 60)
        ys = 109 + 8 * layer + 1.7 * np.sin(swell * (0.28 - 0.03 * layer) + rng.uniform(0, 6))
        line = [(float(a), float(b)) for a, b in zip(swell, ys, strict=True)]
        props.land(canvas, line, tone)
        canvas.line(line, mix(tone, look.light, 0.4), 0.4)
    return "top"


def road(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A road to the horizon, telephone poles, a sun at its end."""
    canvas.gradient([look.sky, look.haze, mix(look.haze, look.light, 0.6)])
    x, horizon = rng.uniform(38, 62), rng.uniform(86, 96)
    canvas.glow(x, horizon, 50, look.light, 0.7)
    canvas.disc(x, horizon - 2, rng.uniform(10, 20), mix(look.accent, look.light, 0.3))
    far = [(a, b * 0.25 + horizon * 0.75) for a, b in props.ridge_line(rng, horizon, 12)]
    props.land(canvas, far, mix(look.shade, look.haze, 0.55))
    ground = mix(look.shade, look.haze, 0.3)
    canvas.box(0, horizon + 2, 100, 152, ground)
    canvas.polygon(
        [(x - 0.8, horizon + 2), (x + 0.8, horizon + 2), (x + 52, 152), (x - 52, 152)], look.shade
    )
    for step in range(7):
        near, wide = 2 + 62 * (step / 7) ** 2, 0.12 + 0.9 * (step / 7) ** 1.5
        end = near + 1.5 + 5 * (step / 7) ** 1.5
        canvas.polygon(
            [
                (x - wide, horizon + near),
                (x + wide, horizon + near),
                (x + wide * 1.25, horizon + end),
                (x - wide * 1.25, horizon + end),
            ],
            look.accent,
        )
    side = rng.choice([-1, 1])
    for pole in (1.0, 2.0, 3.0, 4.5):
        foot = (x + side * (4 + pole**2 * 2.6), horizon + 1.5 + pole**2 * 1.25)
        tall = 4.5 + pole**2 * 2.6
        canvas.line([foot, (foot[0], foot[1] - tall)], look.shade, 0.25 + 0.18 * pole)
        canvas.line(
            [
                (foot[0] - tall * 0.15, foot[1] - tall * 0.9),
                (foot[0] + tall * 0.15, foot[1] - tall * 0.9),
            ],
            look.shade,
            0.25 + 0.12 * pole,
        )
    return "top"


def battlefield(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Soldiers on a ridge, planes above, wire and smoke."""
    canvas.gradient([look.sky, look.haze, mix(look.haze, look.accent, 0.35)])
    if rng.random() < 0.6:
        props.low_light(canvas, look, rng, 76, 92)
    for _ in range(5):
        x, y = rng.uniform(0, 100), rng.uniform(84, 112)
        for puff in range(5):
            canvas.disc(
                x + puff * rng.uniform(-3, 3),
                y - 7 * puff,
                4 + 2.1 * puff,
                mix(look.shade, look.sky, 0.5),
                70,
            )
    heading = rng.uniform(-50, 50)
    lead = (rng.uniform(35, 65), rng.uniform(52, 62))
    for a, b in ((0, 0), (-13, 8), (13, 8), (-26, 16), (26, 16))[: int(rng.choice([3, 5]))]:
        props.plane(canvas, lead[0] + a, lead[1] + b, 5.2, look.shade, heading)
    props.land(canvas, props.ridge_line(rng, 112, 5), mix(look.shade, look.haze, 0.4))
    line = props.ridge_line(rng, 124, 3)
    props.land(canvas, line, look.shade)
    for x in np.arange(rng.uniform(6, 14), 96, rng.uniform(11, 15)):
        ground = props.height_at(line, x) + 1
        tall = rng.uniform(15, 19)
        props.person(canvas, x, ground, tall, look.shade, "coat")
        canvas.disc(x, ground - 0.95 * tall, 0.12 * tall, look.shade, flat=0.65)
        canvas.line(
            [(x - 3, ground - 0.45 * tall), (x + 3.5, ground - 1.0 * tall)], look.shade, 0.6
        )
    for height in (134, 139):
        canvas.line([(0, height), (100, height - 2)], mix(look.shade, look.haze, 0.45), 0.35)
        for x in range(4, 100, 7):
            canvas.line(
                [(x - 1, height - 1.6), (x + 1, height + 1.2)],
                mix(look.shade, look.haze, 0.45),
                0.35,
            )
    return "top"


def umbrella(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Two under one umbrella in a lamplit street, with their reflection."""
    canvas.gradient([look.sky, mix(look.sky, look.haze, 0.5), look.haze])
    for side in (-1, 1):
        for step in range(3):
            x = 50 + side * (22 + 15 * step)
            tone = mix(look.haze, look.shade, 0.35 + 0.25 * step)
            canvas.box(min(x, x + side * 20), 62 - 9 * step, max(x, x + side * 20), 122, tone)
    canvas.glow(50, 90, 48, look.light, 0.8)
    for x in (16, 84):
        canvas.line([(x, 122), (x, 74)], look.shade, 0.9)
        canvas.glow(x, 72, 15, look.accent, 1.0)
        canvas.disc(x, 72, 2.2, look.light)
    canvas.box(0, 120, 100, 152, mix(look.shade, look.sky, 0.25))
    tall = rng.uniform(32, 38)
    props.person(canvas, 45.5, 126, tall, look.shade, "coat")
    props.person(canvas, 54.5, 126, tall * 0.93, look.shade, "dress")
    top = 126 - tall * 1.14
    dome: list[Point] = [
        (50 + 18 * math.cos(t), top + 3 - 12 * math.sin(t)) for t in np.linspace(0, math.pi, 24)
    ]
    canvas.polygon(dome, look.accent)
    for rib in (-12, 0, 12):
        canvas.disc(50 + rib, top + 3.2, 6, mix(look.haze, look.light, 0.5), 0, flat=0.3)
    canvas.line([(50, top - 11), (50, 126 - tall * 0.5)], look.shade, 0.6)
    for x in rng.uniform(24, 76, 9):
        canvas.box(x, 127, x + 0.7, 127 + rng.uniform(4, 15), look.light, 90)
    return "top"


def horizon(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Somebody alone, far off, with a long shadow; or a boat on still water."""
    level = rng.uniform(92, 104)
    canvas.gradient([look.sky, mix(look.sky, look.haze, 0.5), look.haze])
    x = rng.uniform(30, 70)
    if rng.random() < 0.55:
        canvas.glow(x, level, 60, look.light, 0.6)
    canvas.box(0, level, 100, 152, mix(look.haze, look.shade, 0.45))
    canvas.fade(level, 150, look.shade, 0.75)
    if rng.random() < 0.5:
        foot = level + 9
        canvas.polygon(
            [(x - 1.2, foot), (x + 1.2, foot), (x + 16, 150), (x + 7, 150)], look.shade, 150
        )
        pose = str(rng.choice(["coat", "dress", "child", "hat"]))
        props.person(canvas, x, foot, rng.uniform(14, 24), look.shade, pose)
    else:
        boat = [(x - 11, level + 7), (x + 12, level + 6), (x + 8, level + 11), (x - 8, level + 11)]
        canvas.disc(x, level + 13, 13, look.shade, 80, flat=0.2)
        canvas.polygon(boat, look.shade)
        props.person(canvas, x - 2, level + 9, 10, look.shade, "coat")
        canvas.line([(x + 1, level - 1), (x + 13, level + 12)], look.shade, 0.45)
        for y in np.arange(level + 16, 136, 5):
            half = rng.uniform(4, 17)
            canvas.box(x - half, y, x + half * 0.8, y + 0.45, look.light, 110)
    return "top" if rng.random() < 0.7 else "middle"


def balloons(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Hot-air balloons over rolling fields, with clouds."""
    canvas.gradient([look.sky, look.haze])
    for _ in range(4):
        props.cloud(
            canvas, rng.uniform(5, 95), rng.uniform(45, 105), rng.uniform(4, 8), look.light, 200
        )
    spots = [
        (rng.uniform(20, 35), rng.uniform(60, 74)),
        (rng.uniform(62, 82), rng.uniform(54, 66)),
        (rng.uniform(44, 58), rng.uniform(86, 96)),
    ]
    for (x, y), size in zip(spots, rng.permutation([12.0, 8.5, 5.5]), strict=True):
        props.balloon(canvas, x, y, size, (look.accent, mix(look.light, look.haze, 0.2)))
    for share in (0.35, 0.65, 1.0):
        line = props.ridge_line(rng, 108 + 20 * share, 7, 0.0)
        tone = mix(mix(look.haze, look.accent, 0.2), look.shade, share * 0.9)
        props.land(canvas, line, tone)
        for x in rng.uniform(0, 100, 5):
            ground = props.height_at(line, x)
            canvas.disc(x, ground - 1.4, 2.6 * (0.5 + share), mix(tone, look.shade, 0.4))
    return "top"
