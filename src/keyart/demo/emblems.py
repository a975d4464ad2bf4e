"""Scenes of one large thing on a plain ground. Each leaves the top for a title."""

import math

import numpy as np

from keyart.demo.canvas import Canvas, mirrored, oval, path, placed, smooth, star
from keyart.demo.colors import mix
from keyart.demo.props import HEART, land, person, stars


def _plain(art: Canvas) -> None:
    """A ground of one colour, or of two that meet softly."""
    art.gradient(art.sky, mix(art.sky, art.haze, 0.7) if art.chance(0.6) else art.sky)


def disguise(art: Canvas) -> None:
    """Glasses, a nose, a moustache, and nobody behind them."""
    _plain(art)
    y, lift = art.between(80, 88), art.between(0, 5)
    for side in (-1, 1):
        x = 50 + side * 19
        art.disc(x, y, 15.5, art.shade)
        art.disc(x, y, 12.5, mix(art.light, art.haze, 0.25))
        art.polygon([(x, y), *oval(x, y, 12.5, 12.5, 200, 250)], art.light, 160)
        art.line([(x + side * 14, y - 2), (x + side * 26, y - 8)], art.shade, 2.6)
        art.curve(
            placed([(-14, 0), (-side * 2, -6 - lift), (14, 0), (0, -1)], x, y - 19), art.shade
        )
        moustache = path("0,27 12,22 24,28 35,21 29,37 12,38 0,32")
        art.curve([(50 + side * a, y + b) for a, b in moustache], art.shade)
    art.line([(44, y - 2), (56, y - 2)], art.shade, 3.0)
    art.curve(placed(mirrored("4,0 9,19 7,26"), 50, y), art.accent)


def space(art: Canvas) -> None:
    """A planet with rings, stars, and a rocket."""
    art.gradient(art.shade, art.sky, mix(art.sky, art.haze, 0.45))
    art.glow(art.between(10, 90), art.between(60, 120), 60, art.haze, 0.4)
    stars(art, 90, 150)
    x, y, radius = art.between(52, 76), art.between(72, 90), art.between(19, 28)
    art.glow(x, y, radius * 1.7, art.haze, 0.8)
    art.disc(x, y, radius, mix(art.haze, art.light, 0.25))
    for band in range(4):
        up = 0.65 - 0.38 * band
        half, tone = radius * math.sqrt(1 - up**2), mix(art.haze, art.accent, 0.25 * band)
        art.disc(x, y - radius * up, half, tone, 120, flat=0.14)
    night = oval(x, y, radius, radius, -70, 110)
    night += oval(x + 0.5, y, radius * 0.72, radius * 0.9, 100, -63)
    art.polygon(night, art.shade, 130)
    for wide in (1.75, 1.55):
        ring = oval(x, y, radius * wide, radius * 0.36, -14, 194)
        art.line(ring, mix(art.accent, art.light, 0.3), 0.9)
    x, y, turn = art.between(18, 32), art.between(108, 122), art.between(18, 42)
    hull = placed(mirrored("0,-1.2 .2,-.75 .28,-.1 .2,.75"), x, y, 13, turn)
    fins = mirrored("0,1.6 .18,.75 .55,.85 .24,.2")
    art.polygon(placed(path("-.22,.75 .22,.75 .05,4.2 -.05,4.2"), x, y, 13, turn), art.light, 120)
    art.polygon(placed(fins, x, y, 13, turn), art.accent)
    art.curve(hull, art.light)
    [port] = placed([(0, -0.3)], x, y, 13, turn)
    art.disc(*port, 1.7, art.shade)


def love(art: Canvas) -> None:
    """A great heart with two people in it, two hearts, or one of many."""
    _plain(art)
    kind, lean = art.between(0, 1), art.between(-9, 9)
    pale = mix(art.light, art.haze, 0.2)
    if kind < 0.4:
        art.polygon(placed(HEART, 50, 85, 36, lean), art.accent)
        person(art, 43, 112, 40, art.light, "coat")
        person(art, 57, 112, 36, art.light, "dress")
    elif kind < 0.75:
        art.polygon(placed(HEART, 38, 86, 26, -11), art.accent, 225)
        art.polygon(placed(HEART, 62, 86, 26, 11), pale, 225)
    else:
        for number in range(16):
            x, y = 17 + 22 * (number % 4), 54 + 21 * (number // 4)
            tone = art.accent if number == 6 else mix(art.sky, art.light, 0.55)
            art.polygon(placed(HEART, x, y, 8.2, art.between(-8, 8)), tone)


def faces(art: Canvas) -> None:
    """A head in profile with a landscape inside, or two heads face to face."""
    art.gradient(mix(art.sky, art.light, 0.1), mix(art.sky, art.haze, 0.6))
    outline = "-.37,1.3 -.34,1 -.27,.8 -.37,.6 -.41,.38 -.29,.12 -.05,.02 .17,.06 .3,.19 .33,.31 "
    outline += ".315,.37 .365,.45 .415,.52 .395,.555 .33,.57 .34,.6 .362,.625 .335,.65 .355,.675 "
    outline += ".33,.71 .345,.755 .31,.805 .19,.83 .11,.89 .13,1 .19,1.3"
    profile = smooth(path(outline))
    if art.chance(0.55):
        inside, side = art.blank(), (82 if art.chance(0.5) else -82)
        inside.gradient(art.shade, mix(art.shade, art.accent, 0.55), art.accent)
        inside.glow(50, 76, 34, art.light, 0.55)
        for share in (0.4, 0.7, 1.0):
            land(inside, 82 + 34 * share, 13, mix(art.accent, art.shade, share), 1.0)
        art.show_inside([(50 + side * a, 46 + 78 * b) for a, b in profile], inside)
    else:
        for side, tone in ((-1, art.shade), (1, art.accent)):
            head = [(50 + side * (56 * a - 25.7), 56 + 66 * b) for a, b in profile]
            art.polygon(head, tone)


def target(art: Canvas) -> None:
    """A crosshair on somebody."""
    _plain(art)
    x, y, size = 50 + art.between(-12, 12), art.between(76, 90), art.between(28, 42)
    art.disc(x, y, size, mix(art.haze, art.light, 0.45))
    art.glow(x, y, size, art.light, 0.5)
    person(art, x, y + 25, art.between(36, 46), art.shade, art.pose("coat hat"))
    art.ring(x, y, size + 1, art.shade, 3.2)
    art.ring(x, y, size * 0.55, art.accent, 0.9)
    for turn in (0, 90, 180, 270):
        art.line(placed([(7, 0), (size + 7, 0)], x, y, 1, turn), art.accent, 0.8)
        art.line(placed([(size - 7, 0), (size + 7, 0)], x, y, 1, turn), art.shade, 2.2)


def blast(art: Canvas) -> None:
    """An explosion, and somebody who walks away from it."""
    art.gradient(art.shade, art.sky, art.haze)
    x, y, reach = art.between(30, 70), art.between(70, 94), art.between(38, 56)
    art.glow(x, y, 70, art.accent, 0.9)
    for layer, size in enumerate((1.0, 0.76, 0.52, 0.3)):
        tone = mix(mix(art.haze, art.accent, min(1, layer * 0.5)), art.light, 0.33 * layer)
        points = star(int(art.rng.integers(11, 17)), art.between(0.55, 0.7))
        jagged = [placed([point], 0, 0, art.between(0.75, 1.1))[0] for point in points]
        art.polygon(placed(jagged, x, y, reach * size, art.between(0, 40)), tone)
    for turn in art.rng.uniform(0, 360, 24):
        [spot] = placed([(art.between(26, 58), 0)], x, y, 1, turn)
        art.polygon(placed(star(3, 0.5), *spot, art.between(0.8, 2.6), turn), art.shade)
    art.polygon(path("0,126 100,122 100,152 0,152"), art.shade)
    for out in (0,) if art.chance(0.6) else (-12, 0, 12):
        person(art, x + out, 128, 35 if out else 40, art.shade, "coat")


def record(art: Canvas) -> None:
    """A record with its grooves, sometimes with the arm of a turntable."""
    _plain(art)
    x, y, radius = art.between(40, 60), art.between(84, 96), art.between(36, 44)
    art.disc(x + 1.5, y + 2, radius, art.shade, 90)
    art.disc(x, y, radius, mix((12, 12, 14), art.shade, 0.5))
    for groove in np.arange(radius * 0.42, radius * 0.96, 2.3):
        art.ring(x, y, groove, mix(art.shade, art.light, 0.22), 0.3)
    for start in (-62, 118):
        shine = oval(x, y, radius * 0.96, radius * 0.96, start, start + 26)
        art.polygon([(x, y), *shine], art.light, 34)
    art.disc(x, y, radius * 0.36, art.accent)
    art.ring(x, y, radius * 0.3, art.light, 0.5)
    art.disc(x, y, 1.4, art.sky)
    if art.chance(0.6):
        arm = [(92, 50), (90, 84), (x + radius * 0.55, y + radius * 0.3)]
        art.line(arm, mix(art.light, art.haze, 0.3), 1.6)
        art.disc(92, 50, 4, mix(art.light, art.shade, 0.3))


def crown(art: Canvas) -> None:
    """A crown, upright or fallen."""
    art.gradient(mix(art.sky, art.shade, 0.3), mix(art.sky, art.haze, 0.5))
    art.glow(50, 92, 50, art.haze, 0.8)
    art.disc(52, 118, 32, art.shade, 130, flat=0.16)
    spot = (50, 92, 30, art.between(-20, 20) if art.chance(0.5) else 0)
    art.polygon(placed(oval(0, 0.42, 0.9, 0.22), *spot), mix(art.shade, art.accent, 0.3))
    spikes = mirrored("0,.02 .42,-.75 .55,.1 1.05,-.45 .9,.7")
    art.polygon(placed(spikes, *spot), art.accent)
    band = placed(path("-.9,.5 .9,.5 .9,.82 -.9,.82"), *spot)
    art.polygon(band, mix(art.accent, art.shade, 0.4))
    jewels = path("-1.05,-.5 -.42,-.8 .42,-.8 1.05,-.5 -.6,.66 -.2,.66 .2,.66 .6,.66")
    for x, y in placed(jewels, *spot):
        art.disc(x, y, 2.3, art.light)
    art.box(0, 128, 100, 152, art.shade)


def keyhole(art: Canvas) -> None:
    """A keyhole, and somebody seen through it."""
    art.gradient(mix(art.sky, art.shade, 0.3), art.shade)
    x, wide = art.between(38, 62), art.between(0.75, 1.15)
    inside = art.blank()
    inside.gradient(art.haze, art.light)
    inside.glow(x, 84, 40, art.light)
    inside.box(0, 117, 100, 150, mix(art.accent, art.shade, 0.35))
    tall, pose = art.between(32, 42), art.pose("dress hat coat child")
    person(inside, x + art.between(-6, 6), 120, tall, art.shade, pose)
    hole = [(-16.0, 34.0), *oval(0, -14, 20, 20, 105, 435), (16.0, 34.0)]
    art.polygon(
        [(x + 1.22 * wide * a, 94 + 1.16 * b) for a, b in hole], mix(art.accent, art.shade, 0.25)
    )
    art.show_inside([(x + wide * a, 94 + b) for a, b in hole], inside)
    art.polygon(placed(path("-16,0 16,0 34,22 -34,22"), x, 128), art.light, 60)


def critter(art: Canvas) -> None:
    """A round creature that looks at us, with horns or ears."""
    _plain(art)
    top, half = art.between(62, 72), art.between(28, 38)
    fur = art.accent if art.chance(0.7) else mix(art.shade, art.accent, 0.45)
    horns = art.chance(0.5)
    for x in (50 - half * 0.62, 50 + half * 0.62):
        if horns:
            art.curve([(x - 5, top + 12), (1.2 * x - 10, top - 13), (x + 5, top + 12)], art.light)
        else:
            art.disc(x, top + 4, 10, fur)
            art.disc(x, top + 4, 5.5, mix(fur, art.light, 0.5))
    body = mirrored("0,0 .6,7 1,40 1.08,94")
    art.curve([(50 + half * a, top + b) for a, b in body], fur)
    eyes, gaze = int(art.rng.integers(1, 4)), art.between(-0.3, 0.3)
    size = 14.5 - 2.6 * eyes
    for number in range(eyes):
        x, y = 50 + (2 * number - eyes + 1) * size, top + 23
        art.disc(x, y, size, art.light)
        art.disc(x + gaze * size, y + 0.1 * size, size * 0.52, art.shade)
        art.disc(x + (gaze + 0.18) * size, y - 0.12 * size, size * 0.16, art.light)
    smile = mirrored("0,41 .5,38 .3,49 0,53")
    art.curve([(50 + half * a, top + b) for a, b in smile], mix(fur, art.shade, 0.7))
    for x in (50 - half * 0.22, 50 + half * 0.2):
        art.polygon(placed(path("-3,39.5 3,39.5 0,45"), x, top), art.light)


def frames(art: Canvas) -> None:
    """A contact sheet: many small pictures in two inks, one of them marked."""
    art.gradient(mix(art.sky, art.light, 0.15))
    marked = int(art.rng.integers(12))
    for number in range(12):
        left, top = 9.5 + 28 * (number % 3), 46 + 21 * (number // 3)
        tone = mix(art.shade, art.haze, art.between(0.1, 0.75))
        pale, x = mix(tone, art.light, 0.7), left + art.between(7, 18)
        art.box(left, top, left + 25, top + 18, art.shade)
        art.box(left + 1, top + 1, left + 24, top + 17, tone)
        if art.chance(0.4):
            art.disc(x, top + 8, art.between(3, 5), pale)
            art.polygon(placed(path("1,17 9,8 15,13 19,10 24,17"), left, top), art.shade)
        elif art.chance(0.5):
            person(art, x, top + 16.5, 12, pale, "coat")
        else:
            for bar in range(3, 22, 4):
                art.box(left + bar, top + art.between(4, 12), left + bar + 3, top + 17, pale)
        if number == marked:
            art.ring(left + 12.5, top + 9, 15, art.accent, 1.3)
