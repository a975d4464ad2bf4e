"""Scenes with depth: landscapes, buildings, streets and rooms. Each leaves the top for a title."""

import numpy as np

from keyart.demo.canvas import Canvas, oval, path, placed
from keyart.demo.colors import mix
from keyart.demo.props import BAT, PLANE, bare_tree, cactus, land, person, stars, sun


def mountain(art: Canvas) -> None:
    """One great peak with snow, and somebody small in front of it."""
    art.gradient(art.sky, art.haze)
    sun(art, 48, 62)
    x, y = art.between(38, 62), art.between(48, 58)
    rock, near = mix(art.shade, art.sky, 0.35), mix(art.shade, art.sky, 0.16)
    art.polygon([(x, y), (118, 135), (-18, 135)], rock)
    art.polygon([(x, y), (118, 135), (x + 4, 135)], near)
    snow = placed(path("0,0 12,15 6.8,11 1,19 -3.6,12 -8.8,17"), x, y)
    art.polygon(snow, mix(art.light, art.haze, 0.12))
    land(art, 114, 8, near)
    ground = land(art, 123, 8, art.shade)
    x = art.between(25, 75)
    person(art, x, ground(x) + 0.5, 13, art.shade, "coat")
    art.line([(x + 2.6, ground(x) - 9), (x + 3.4, ground(x) + 1)], art.shade, 0.5)


def desert(art: Canvas) -> None:
    """A striped sun behind table mountains, cacti and a lonely rider."""
    art.gradient(art.sky, art.haze, mix(art.haze, art.light, 0.5))
    x, y, radius = art.between(32, 68), art.between(78, 90), art.between(23, 32)
    art.glow(x, y, radius * 2, art.light, 0.5)
    art.disc(x, y, radius, mix(art.accent, art.light, 0.15))
    for stripe in range(5):
        top = y + radius * (0.12 + 0.19 * stripe)
        art.box(x - radius, top, x + radius, top + 0.7 + 0.65 * stripe, art.haze)
    for left in (art.between(-12, 4), art.between(62, 84)):
        rock = placed(path("0,36 3,9 5,0 24,0 26,8 32,36"), left, art.between(84, 96))
        art.polygon(rock, mix(art.shade, art.haze, 0.45))
    ground = land(art, 121, 3, art.shade, 0.1)
    for x in (art.between(8, 26), art.between(74, 92)):
        cactus(art, x, ground(x) + 2, art.between(16, 38))
    if art.chance(0.6):
        x = art.between(42, 58)
        person(art, x, ground(x) + 1, 15, art.shade, "hat")


def skyline(art: Canvas) -> None:
    """A city: two rows of towers, lit windows, a moon."""
    art.gradient(art.sky, mix(art.sky, art.haze, 0.7), art.haze)
    stars(art, 30, 60)
    sun(art, 46, 66)
    for depth in (0, 1):
        tone, x = mix(art.sky, art.shade, 0.55 + 0.45 * depth), -4.0
        window = art.accent if depth else mix(art.accent, art.haze, 0.5)
        while x < 102:
            wide, tall = art.between(8, 17), art.between(26, 62) - 16 * depth
            top = 128 + 6 * depth - tall
            art.box(x, top, x + wide, 152, tone)
            inset = art.rng.choice([0.2, 0.45])
            art.box(x + wide * inset, top - 8 * inset - 2, x + wide * (1 - inset), top, tone)
            for row, column in np.argwhere(art.rng.random((int(tall / 4.2), 6)) < 0.36):
                left, up = x + 1.4 + 2.6 * column, top + 2.4 + 4.2 * row
                if left + 1.3 < x + wide:
                    art.box(left, up, left + 1.3, up + 1.9, window)
            x += wide + art.rng.choice([0.0, 0.4, 1.5])


def castle(art: Canvas) -> None:
    """A castle with flags on a hill, under a great moon."""
    art.gradient(art.sky, mix(art.sky, art.haze, 0.75), art.haze)
    stars(art, 40, 90)
    x, y = 50 + art.between(-20, 20), art.between(66, 82)
    art.glow(x, y, 52, art.light, 0.6)
    art.disc(x, y, art.between(16, 30), mix(art.light, art.accent, 0.2))
    land(art, 112, 8, mix(art.shade, art.haze, 0.45))
    tone, x = mix(art.shade, art.sky, 0.2), 50 + art.between(-14, 14)
    art.curve([(-20, 155), (x - 24, 112), (x, 104), (x + 24, 112), (120, 155)], tone)
    art.box(x - 19, 98, x + 19, 118, tone)
    for offset, top in path("-17,88 -9,78 0,66 10,82 17,91"):
        middle, half = x + offset, 3 + (92 - top) / 16
        up, roof = top + art.between(-4, 4), art.between(10, 15)
        art.box(middle - half, up, middle + half, 116, tone)
        art.polygon(placed([(-half - 1.2, 0), (half + 1.2, 0), (0, -roof)], middle, up), tone)
        flag = placed(path("0,-4 4,-3 0,-1.8 0,1 -.4,1 -.4,-4"), middle, up - roof)
        art.polygon(flag, art.accent)
        art.box(middle - 0.7, up + 4, middle + 0.7, up + 7, art.accent)
    land(art, 134, 5, art.shade)


def umbrella(art: Canvas) -> None:
    """Two people under one umbrella, in a street with lamps."""
    art.gradient(art.sky, mix(art.sky, art.haze, 0.5), art.haze)
    street, middle = art.between(104, 126), art.between(28, 72)
    for left in (12, -3, -18, 68, 83, 98):
        step = abs(40 - left) // 15 - 1
        roof = street - 51 - art.between(5, 12) * step
        art.box(left, roof, left + 20, street, mix(art.haze, art.shade, 0.1 + 0.25 * step))
    art.glow(middle, street - 32, 48, art.light, 0.8)
    for x in art.rng.permutation([art.between(10, 24), art.between(76, 90)])[: 1 + art.chance(0.6)]:
        lamp = street - art.between(40, 54)
        art.line([(x, street), (x, lamp)], art.shade, 0.9)
        art.glow(x, lamp - 2, 15, art.accent)
        art.disc(x, lamp - 2, 2.2, art.light)
    art.box(0, street - 2, 100, 152, mix(art.shade, art.sky, 0.25))
    tall, ground = art.between(24, 46), street + 4
    apart = tall / 8
    person(art, middle - apart, ground, tall, art.shade, "coat")
    person(art, middle + apart, ground, tall * 0.93, art.shade, "dress")
    top = ground - tall * 1.14
    art.line([(middle, top - 11), (middle, ground - tall * 0.5)], art.shade, 0.6)
    art.polygon(oval(middle, top + 3, 4 * apart, tall / 3, 180, 360), art.accent)
    for x in art.rng.uniform(middle - 26, middle + 26, 9):
        art.box(x, ground + 1, x + 0.7, ground + 1 + art.between(4, 15), art.light, 90)


def horizon(art: Canvas) -> None:
    """Somebody alone and far off, with a long shadow."""
    level, x = art.between(80, 108), art.between(24, 76)
    art.gradient(art.sky, mix(art.sky, art.haze, 0.5), art.haze)
    if art.chance(0.55):
        art.glow(x, level, 60, art.light, 0.6)
    art.box(0, level, 100, 152, mix(art.haze, art.shade, 0.45))
    art.fade(level, 150, art.shade, 0.75)
    foot = level + 9
    art.polygon([(x - 1.2, foot), (x + 1.2, foot), (x + 16, 150), (x + 7, 150)], art.shade, 150)
    person(art, x, foot, art.between(14, 24), art.shade, art.pose("coat dress child hat"))


def battlefield(art: Canvas) -> None:
    """Soldiers on a ridge, planes above, smoke behind."""
    art.gradient(art.sky, art.haze, mix(art.haze, art.accent, 0.35))
    sun(art, 76, 92)
    for x in art.rng.uniform(0, 100, 5):
        for puff in range(5):
            spot = x + puff * art.between(-3, 3), 108 - 7 * puff
            art.disc(*spot, 4 + 2.1 * puff, mix(art.shade, art.sky, 0.5), 70)
    x, y, turn = art.between(35, 65), art.between(52, 62), art.between(-50, 50)
    for a, b in path("0,0 -13,8 13,8 -26,16 26,16"):
        art.polygon(placed(PLANE, x + a, y + b, 5.2, turn), art.shade)
    land(art, 112, 5, mix(art.shade, art.haze, 0.4))
    ground = land(art, 124, 3, art.shade)
    for x in np.arange(art.between(6, 14), 96, art.between(11, 15)):
        foot, tall = ground(x) + 1, art.between(15, 19)
        person(art, x, foot, tall, art.shade, "coat")
        art.disc(x, foot - 0.95 * tall, 0.12 * tall, art.shade, flat=0.65)
        art.line([(x - 3, foot - 0.45 * tall), (x + 3.5, foot - tall)], art.shade, 0.6)


def haunted_house(art: Canvas) -> None:
    """A crooked house on a hill with windows lit, bare trees, bats."""
    art.gradient(art.sky, mix(art.sky, art.haze, 0.8), art.haze)
    x = sun(art, 58, 70)
    for _ in range(5):
        spot = x + art.between(-28, 28), art.between(48, 78)
        art.polygon(placed(BAT, *spot, art.between(2, 4.5)), art.shade)
    art.curve(path("-25,158 12,124 50,116 84,121 128,158"), art.shade)
    x = art.between(34, 46)
    outline = "0,120 -2,92 3,86 3,78 5.5,78 5.5,83 9,80 15,87 15,78 13,78 20,62 27,77 25,78 25,120"
    art.polygon(placed(path(outline), x, 0), art.shade)
    for a, b in placed(path("18.4,84 4,98 11,98 18.4,100"), x, 0):
        tone = art.accent if b == 84 or art.chance(0.45) else mix(art.shade, art.haze, 0.3)
        art.box(a, b, a + 3.2, b + 5, tone)
        art.line([(a + 1.6, b), (a + 1.6, b + 5)], art.shade, 0.4)
    bare_tree(art, (art.between(4, 20), 138), art.between(15, 21), -78)
    bare_tree(art, (art.between(80, 96), 138), art.between(15, 21), -100)


def stage(art: Canvas) -> None:
    """Curtains and spotlights, and a company or a lone star."""
    art.gradient(mix(art.sky, art.shade, 0.55), mix(art.sky, art.haze, 0.35))
    for source, spread in ((14, 13), (86, 13), (50, 18)):
        beam = [(source - 1.5, 40), (source + 1.5, 40), (50 + spread, 126), (50 - spread, 126)]
        art.polygon(beam, art.light, 60)
        art.disc(source, 40, 2.2, art.light)
    art.box(0, 124, 100, 152, art.shade)
    art.disc(50, 127, 30, mix(art.haze, art.light, 0.55), flat=0.17)
    art.glow(50, 108, 32, art.light, 0.5)
    lone = art.chance(0.5)
    for step in (0,) if lone else (-2, 2, -1, 1, 0):
        tall = 38 if lone else 27 - 2.2 * abs(step)
        person(art, 50 + step * 9.5, 128, tall, art.shade, art.pose("dress arms dress hat"))
    for side in (-1, 1):
        for fold in range(4):
            out, tone = 19 - 5 * fold, mix(art.accent, art.shade, 0.25 + 0.22 * (fold % 2))
            fabric = [(-6, -9), (out + 9, -9), (out, 60), (out - 2, 145), (-6, 160)]
            art.curve([(50 + side * (50 - a), b) for a, b in fabric], tone)
    for swag in range(5):
        tone = mix(art.accent, art.shade, 0.2 + 0.2 * (swag % 2))
        art.disc(10 + 20 * swag, 32, 11.5, tone, flat=0.75)
    art.box(0, 0, 100, 33, mix(art.accent, art.shade, 0.35))
