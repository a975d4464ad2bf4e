"""Props that scenes share: people, trees, suns, stars and land."""

import math
from collections.abc import Callable

import numpy as np

from keyart.demo.canvas import Canvas, Point, mirrored, path, placed
from keyart.demo.colors import Color, mix

HEART = [
    (
        math.sin(t) ** 3,
        -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16,
    )
    for t in np.linspace(0, 2 * math.pi, 40, endpoint=False)
]
BAT = mirrored(
    "0,-.12 .06,-.3 .14,-.14 .5,-.42 1,-.2 .74,-.02 .62,.16 .42,.06 .3,.26 .14,.14 0,.36"
)
PLANE = mirrored("0,-1 .1,-.85 .12,-.45 1.15,-.25 1.2,-.02 .13,.05 .09,.62 .4,.75 .4,.9 0,.85")

_BODY = "-.09,.45 -.09,.62 -.12,.4 -.16,.42 -.13,.77 -.04,.81 -.04,.86 .04,.86 .04,.81 .13,.77 "
_BODY += ".16,.42 .12,.4 .09,.62 .09,.45 "
_TROUSERS = _BODY + ".08,0 .02,0 0,.38 -.02,0 -.08,0"
_COAT = _BODY + ".14,.2 .07,.2 .07,0 .02,0 0,.2 -.02,0 -.07,0 -.07,.2 -.14,.2"
_DRESS = _BODY + ".19,.2 .05,.18 .05,0 .01,0 0,.18 -.04,0 -.07,0 -.05,.18 -.19,.2"
_POSES = {"child": _TROUSERS, "arms": _TROUSERS, "coat": _COAT, "hat": _COAT, "dress": _DRESS}


def person(art: Canvas, x: float, ground: float, tall: float, tone: Color, pose: str) -> None:
    """Somebody who stands at `x`. `pose`: 'coat', 'dress', 'hat', 'child' or 'arms' (raised)."""

    def at(outline: str, side: int = 1) -> list[Point]:
        return [(x + side * a * tall, ground - b * tall) for a, b in path(outline)]

    hair = 0.02 if pose == "dress" else 0.0
    art.disc(x, ground - (0.9 + hair) * tall, (0.075 + hair) * tall, tone, flat=1.2)
    art.polygon(at(_POSES[pose]), tone)
    if pose == "hat":
        art.disc(x, ground - 0.95 * tall, 0.15 * tall, tone, flat=0.2)
        art.polygon(at("-.08,.95 -.06,1.04 .06,1.04 .08,.95"), tone)
    if pose == "arms":
        for side in (-1, 1):
            art.polygon(at(".05,.8 .12,.76 .3,1.05 .25,1.07", side), tone)


def land(
    art: Canvas, base: float, rise: float, tone: Color, rough: float = 0.3
) -> Callable[[float], float]:
    """Hills from edge to edge around height `base`. Returns the height of the ground at an x."""
    phases = art.rng.uniform(0, 2 * math.pi, 4)
    tempo = art.rng.uniform(0.7, 1.3, 4) * np.array([0.04, 0.09, 0.21, 0.47])
    share = np.array([0.55, 0.3, rough * 0.4, rough * 0.25])
    xs = np.arange(-2, 104, 2)
    ys = base - rise * (np.sin(xs[:, None] * tempo + phases) * share).sum(axis=1)
    art.polygon([*zip(xs.tolist(), ys.tolist(), strict=True), (102, 152), (-2, 152)], tone)
    return lambda x: float(np.interp(x, xs, ys))


def sun(art: Canvas, low: float, high: float) -> float:
    """A sun or moon with its glow, between heights `low` and `high`. Returns its x."""
    x, y, radius = art.between(24, 76), art.between(low, high), art.between(9, 19)
    art.glow(x, y, radius * 3.2, mix(art.haze, art.light, 0.5), 0.75)
    art.disc(x, y, radius, mix(art.light, art.accent, art.rng.choice([0.0, 0.25, 0.8])))
    return x


def stars(art: Canvas, count: int, low: float) -> None:
    """A night sky down to height `low`."""
    for size in art.rng.exponential(0.22, count):
        art.disc(art.between(0, 100), art.between(0, low), 0.2 + min(size, 0.8), art.light, 210)


def bare_tree(art: Canvas, start: Point, length: float, angle: float, depth: int = 5) -> None:
    """A leafless tree that forks `depth` times. `angle` in degrees: -90 is straight up."""
    [end] = placed([(length, 0)], *start, 1, angle)
    art.line([start, end], art.shade, 0.29 * 1.5**depth)
    if depth > 1:
        for side in (-1, 1):
            lean, reach = angle + side * art.between(14, 42), length * art.between(0.62, 0.82)
            bare_tree(art, end, reach, lean, depth - 1)


def cactus(art: Canvas, x: float, ground: float, tall: float) -> None:
    """A cactus with two arms."""
    arms = (-0.3, 0.4, 0.72), (0.3, 0.52, 0.86), (0, -0.02, 1)
    for out, low, high in arms:
        left, top, bottom = x + out * tall, ground - high * tall, ground - low * tall
        thick = (0.06 if out else 0.08) * tall
        art.box(left - thick, top + thick, left + thick, bottom, art.shade)
        art.disc(left, top + thick, thick, art.shade)
        art.box(min(x, left), bottom - thick, max(x, left), bottom + thick, art.shade)
        art.disc(left, bottom, thick, art.shade)
