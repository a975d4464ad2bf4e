"""Accents: small signs of a second genre, scattered over a scene."""

from collections.abc import Sequence
from dataclasses import dataclass

from keyart.demo.canvas import Canvas, Point, mirrored, oval, path, placed, star
from keyart.demo.colors import Color
from keyart.demo.props import BAT, HEART


@dataclass(frozen=True)
class Accent:
    """A small sign that is scattered over a scene.

    count, sizes: from, to. ink: names of colours of the palette, one of which is chosen.
    turn: at most, in degrees. top, bottom: heights between which they lie.
    """

    shape: Sequence[Point]
    count: tuple[int, int]
    sizes: tuple[float, float]
    ink: str = "light"
    turn: float = 0.0
    top: float = 0.0
    bottom: float = 150.0

    def scatter(self, art: Canvas) -> None:
        """Paint the signs over a scene."""
        for _ in range(int(art.rng.integers(*self.count))):
            tone: Color = getattr(art, art.pose(self.ink))
            spot = art.between(3, 97), art.between(self.top, self.bottom)
            size, turn = art.between(*self.sizes), art.between(-self.turn, self.turn)
            art.polygon(placed(self.shape, *spot, size, turn), tone, 215)


_BIRD = mirrored("0,0 .4,-.6 1,-.5 .4,-.4 0,.3")
_NOTE = path(".2,-.2 .2,-1.75 1.44,-2 1.44,0 1.2,.2 .9,.1 1,-.2 1.3,-.3 1.3,-1.5 .34,-1.25 .34,.2 "
             ".1,.4 -.2,.3 -.1,0")  # fmt: skip
_STRIP, _DROP = path("-1,-.45 1,-.45 1,.45 -1,.45"), path("-.06,-1 .06,-1 .06,1 -.06,1")
_RAIN = path("-.03,-1 .03,-1 .03,1 -.03,1")
_SCREEN_LINE = path("-100,-.3 100,-.3 100,.3 -100,.3")
ACCENTS = {
    "birds": Accent(_BIRD, (4, 8), (1.4, 3.2), "shade", top=46, bottom=68),
    "bats": Accent(BAT, (6, 11), (2, 5), "shade", 20, 42, 86),
    "confetti": Accent(_STRIP, (50, 70), (0.8, 1.7), "accent light haze shade", 180),
    "embers": Accent(_DROP, (50, 70), (1, 3), "accent", 25, 70),
    "hearts": Accent(HEART, (6, 11), (1.6, 3.8), "accent", 25, 44, 124),
    "notes": Accent(_NOTE, (5, 8), (2.6, 4.4), "accent", 8, 48, 88),
    "rain": Accent(_RAIN, (90, 120), (1.5, 4), "light haze", 2),
    "scanlines": Accent(_SCREEN_LINE, (30, 45), (0.5, 1), "shade shade shade accent"),
    "shots": Accent(star(9, 0.35), (4, 7), (2.5, 5), "light", 40, 44, 124),
    "snow": Accent(oval(0, 0, 1, 1), (70, 100), (0.3, 1.3)),
    "sparkles": Accent(star(4, 0.2), (10, 18), (1.0, 3.4), "light", 0, 40, 124),
}
