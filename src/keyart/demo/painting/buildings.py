"""Buildings: castles, towers, temples under a sky. Each says where its title goes."""

import numpy as np

from keyart.demo.painting import props
from keyart.demo.painting.canvas import Canvas, TitleAt, mix
from keyart.demo.painting.palettes import Palette

Rng = np.random.Generator


def skyline(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A city at night: two rows of towers, lit windows, a moon."""
    canvas.gradient([look.sky, mix(look.sky, look.haze, 0.7), look.haze])
    if not look.pale:
        props.stars(canvas, rng, 30, 60, look.light)
    props.low_light(canvas, look, rng, 46, 66)
    for depth in (0, 1):
        tone = mix(look.sky, look.shade, 0.55 + 0.45 * depth)
        x = -4.0
        while x < 102:
            wide, tall = rng.uniform(8, 17), rng.uniform(26, 62) - 16 * depth
            top = 134 - tall - 6 * (1 - depth)
            canvas.box(x, top, x + wide, 152, tone)
            if rng.random() < 0.4:
                canvas.box(x + wide * 0.45, top - rng.uniform(4, 11), x + wide * 0.55, top, tone)
            elif rng.random() < 0.5:
                canvas.box(x + wide * 0.2, top - 4, x + wide * 0.8, top, tone)
            window = look.accent if depth else mix(look.accent, look.haze, 0.5)
            for row in range(int(tall / 4.2)):
                for column in range(int((wide - 2) / 2.6)):
                    if rng.random() < 0.36:
                        left, up = x + 1.4 + 2.6 * column, top + 2.4 + 4.2 * row
                        canvas.box(left, up, left + 1.3, up + 1.9, window)
            x += wide + rng.choice([0.0, 0.4, 1.5])
    return "top"


def castle(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A castle with flags on its hill, under a great moon."""
    canvas.gradient([look.sky, mix(look.sky, look.haze, 0.75), look.haze])
    props.stars(canvas, rng, 40, 90, look.light)
    x, y = 50 + rng.uniform(-9, 9), rng.uniform(72, 80)
    canvas.glow(x, y, 52, look.light, 0.6)
    canvas.disc(x, y, rng.uniform(22, 29), mix(look.light, look.accent, 0.2))
    props.land(canvas, props.ridge_line(rng, 112, 8), mix(look.shade, look.haze, 0.45))
    tone = mix(look.shade, look.sky, 0.2)
    centre = 50 + rng.uniform(-6, 6)
    canvas.curve(
        [(-20, 155), (centre - 24, 112), (centre, 104), (centre + 24, 112), (120, 155)], tone
    )
    for offset, wide, top in ((-17, 7, 88), (-9, 8, 78), (0, 9, 66), (10, 7, 82), (17, 6, 91)):
        left, up = centre + offset - wide / 2, top + rng.uniform(-4, 4)
        canvas.box(left, up, left + wide, 116, tone)
        roof = rng.uniform(10, 15)
        canvas.polygon(
            [(left - 1.2, up), (left + wide + 1.2, up), (left + wide / 2, up - roof)], tone
        )
        pole = left + wide / 2
        canvas.line([(pole, up - roof - 4), (pole, up - roof + 1)], tone, 0.4)
        canvas.polygon(
            [(pole, up - roof - 4), (pole + 4, up - roof - 3), (pole, up - roof - 1.8)], look.accent
        )
        canvas.box(pole - 0.7, up + 4, pole + 0.7, up + 7, look.accent)
    canvas.box(centre - 19, 98, centre + 19, 118, tone)
    props.land(canvas, props.ridge_line(rng, 134, 5), look.shade)
    return "top"


def haunted_house(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """A crooked house on a hill with one window lit, bare trees, bats."""
    canvas.gradient([look.sky, mix(look.sky, look.haze, 0.8), look.haze])
    x, y = props.low_light(canvas, look, rng, 58, 70)
    for _ in range(int(rng.integers(3, 7))):
        props.bat(
            canvas, x + rng.normal(0, 18), y + rng.normal(0, 9), rng.uniform(2, 4.5), look.shade
        )
    tone = look.shade
    canvas.curve([(-25, 158), (12, 124), (50, 116), (84, 121), (128, 158)], tone)
    left = rng.uniform(34, 46)
    canvas.polygon(
        [(left, 120), (left - 2, 92), (left + 9, 80), (left + 20, 92), (left + 19, 120)], tone
    )
    canvas.polygon(
        [
            (left + 14, 120),
            (left + 15, 78),
            (left + 13, 78),
            (left + 20, 62),
            (left + 27, 77),
            (left + 25, 78),
            (left + 25, 120),
        ],
        tone,
    )
    canvas.box(left + 3, 78, left + 5.5, 90, tone)
    for a, b in ((left + 18.4, 84), (left + 4, 98), (left + 11, 98), (left + 18.4, 100)):
        lit = rng.random() < 0.45 or b == 84
        canvas.box(a, b, a + 3.2, b + 5, look.accent if lit else mix(look.shade, look.haze, 0.3))
        canvas.line([(a + 1.6, b), (a + 1.6, b + 5)], tone, 0.4)
    for place, lean in ((rng.uniform(4, 20), -78), (rng.uniform(80, 96), -100)):
        props.bare_tree(canvas, rng, (place, 138), rng.uniform(15, 21), lean, 2.2, tone)
    return "top"


def temple(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Columns and a pediment against a low sun, with steps."""
    canvas.gradient([look.sky, look.haze])
    canvas.glow(50, 92, 75, look.light, 0.75)
    canvas.disc(50, 90, rng.uniform(22, 34), mix(look.light, look.accent, 0.35))
    tone = mix(look.shade, look.haze, 0.12)
    canvas.polygon([(12, 72), (50, 54), (88, 72)], tone)
    canvas.polygon([(24, 70), (50, 57.5), (76, 70)], mix(tone, look.accent, 0.3))
    canvas.box(12, 72, 88, 77, tone)
    columns = int(rng.choice([4, 5, 6]))
    for place in np.linspace(17, 83, columns):
        broken = rng.random() < 0.15
        top = rng.uniform(90, 104) if broken else 79
        canvas.box(place - 3.2, top, place + 3.2, 118, tone)
        for groove in (-1.4, 0.6):
            canvas.box(
                place + groove, top + 1, place + groove + 0.7, 117, mix(tone, look.light, 0.25)
            )
        if not broken:
            canvas.box(place - 4.2, 77, place + 4.2, 79.5, tone)
    for step in range(4):
        canvas.box(
            8 - 4 * step, 117 + 5 * step, 92 + 4 * step, 152, mix(tone, look.shade, step / 3)
        )
        canvas.box(
            8 - 4 * step,
            117 + 5 * step,
            92 + 4 * step,
            117.6 + 5 * step,
            mix(tone, look.light, 0.3),
        )
    props.person(canvas, rng.uniform(35, 65), 122, 15, look.shade, "coat")
    return "top"


def pyramids(canvas: Canvas, look: Palette, rng: Rng) -> TitleAt:
    """Pyramids over dunes, a caravan on the way."""
    canvas.gradient([look.sky, look.haze, mix(look.haze, look.light, 0.5)])
    props.low_light(canvas, look, rng, 56, 72)
    for x, top, half in ((rng.uniform(58, 76), 70, 34), (rng.uniform(20, 38), 82, 24)):
        tone = mix(look.haze, look.shade, 0.35)
        canvas.polygon([(x, top), (x + half, 118), (x - half, 118)], tone)
        canvas.polygon(
            [(x, top), (x + half, 118), (x + half * 0.25, 118)], mix(tone, look.shade, 0.5)
        )
    for share in (0.5, 0.75, 1.0):
        line = props.ridge_line(rng, 98 + 28 * share, 4.5, 0.0)
        props.land(canvas, line, mix(look.haze, look.shade, share))
        if share == 0.75:
            for x in np.arange(rng.uniform(12, 30), 84, 7.5):
                props.person(canvas, x, props.height_at(line, x) + 0.5, 8, look.shade, "coat")
    return "top"
