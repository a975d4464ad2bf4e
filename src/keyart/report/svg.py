"""Charts as small SVG: crisp, the same bytes every time, coloured by the page's CSS variables.

A chart is drawn for the width it has on a phone, so that its words can be read there; wide pages
set several side by side. Each says in words what it shows, for those who hear the page.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from keyart.evaluation.metrics import Flags
from keyart.evaluation.ranking import Floats

Look = Literal["one", "two", "three", "four", "guess"]
"""A line's colour and dashes, as the page's style sheet has them."""

MOST_POINTS = 200


@dataclass(frozen=True)
class Line:
    """x, y: (points,). name: for the legend, none without. tips: a word for each point."""

    x: Floats
    y: Floats
    look: Look = "one"
    name: str = ""
    tips: Sequence[str] = ()
    dots: bool = False


@dataclass(frozen=True)
class Axis:
    """What an axis measures, and its ends."""

    title: str
    low: float
    high: float
    percent: bool = False
    ticks: int = 5

    def holds(self, value: float) -> bool:
        """Whether a value lies on the axis; what is no number lies off no axis."""
        return not math.isfinite(value) or self.low <= value <= self.high

    def marks(self) -> list[tuple[float, str]]:
        """Round numbers within the axis, and how they are written."""
        step = _round_step((self.high - self.low) / self.ticks)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        if self.percent:
            return [(n * step, f"{100 * n * step:.{max(0, places - 2)}f}%")
                    for n in range(first, last + 1)]  # fmt: skip
        return [(n * step, f"{n * step:,.{places}f}") for n in range(first, last + 1)]


def around(title: str, *values: Floats, ticks: int = 5, percent: bool = False) -> Axis:
    """An axis that holds all values, with a little air; NaN does not count."""
    known = np.concatenate([np.ravel(value) for value in values])
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    air = 0.06 * (high - low) or abs(high) * 0.1 or 0.5
    return Axis(title, low - air, high + air, percent, ticks)


@dataclass(frozen=True)
class Frame:
    """Where a chart's data lie, in its own units."""

    x: Axis
    y: Axis
    width: float
    height: float
    left: float
    top: float
    right: float
    bottom: float

    def at_x(self, value: npt.ArrayLike) -> Floats:
        """Data to picture."""
        share = (np.asarray(value) - self.x.low) / (self.x.high - self.x.low)
        return np.asarray(self.left + share * (self.width - self.left - self.right))

    def at_y(self, value: npt.ArrayLike) -> Floats:
        """Data to picture."""
        share = (np.asarray(value) - self.y.low) / (self.y.high - self.y.low)
        return np.asarray(
            self.height - self.bottom - share * (self.height - self.top - self.bottom)
        )


def line_chart(
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    says: str,
    *,
    height: float = 240,
    points: Sequence[tuple[float, float, str]] = (),
) -> Markup:
    """Lines over axes. points: single places to mark (x, y, what they are)."""
    frame = Frame(x, y, 360, height, left=44, top=10, right=18, bottom=40)
    parts = [_axes(frame)]
    parts += _clipped(frame, [_line(frame, line) for line in lines])
    for place_x, place_y, what in points:
        parts.append(_dot(frame, place_x, place_y, what, "mark", 4.5))
    return _svg(frame.width, frame.height, says, parts)


def small_chart(lines: Sequence[Line], says: str) -> Markup:
    """Lines in the unit square, for many beside each other: no numbers but 0 and 1."""
    axis = Axis("", 0, 1)
    frame = Frame(axis, axis, 150, 132, left=14, top=6, right=6, bottom=14)
    left, right, top, low = 14, 144, 6, 118
    box = f'<path class="grid" d="M{left} {top}V{low}H{right}"/>'
    words = (
        f'<text x="{left - 4}" y="{top + 7}" class="end">1</text>'
        f'<text x="{left - 4}" y="{low + 4}" class="end">0</text>'
        f'<text x="{right}" y="{low + 12}" class="end">1</text>'
    )
    return _svg(150, 132, says, [box, words, *(_line(frame, line) for line in lines)])


def reliability_chart(score: Floats, rate: Floats, cells: Floats, x: Axis, says: str) -> Markup:
    """Score against rate of truth, and under it how many cells each bin holds (in tens)."""
    y = Axis("", x.low, x.high, percent=True, ticks=x.ticks)
    frame = Frame(x, y, 360, 290, left=44, top=12, right=18, bottom=98)
    ends = np.array([x.low, x.high])
    parts = [_axes(frame, x_title=False), _line(frame, Line(ends, ends, "guess"))]
    tips = [
        f"scores near {100 * s:.1f}%: {100 * r:.1f}% of {n:,.0f} true"
        for s, r, n in zip(score, rate, cells, strict=True)
    ]
    parts.append(_line(frame, Line(score, rate, "one", tips=tips, dots=True)))
    floor, tallest = frame.height - 30, 36
    tops = np.log10(cells + 1) / max(1e-9, float(np.log10(cells.max() + 1)))
    for place, top, tip in zip(frame.at_x(score), tops, tips, strict=True):
        tall = tallest * float(top)
        parts.append(
            f'<rect class="fill-one soft" x="{place - 4:.1f}" y="{floor - tall:.1f}" width="8" '
            f'height="{tall:.1f}"><title>{escape(tip)}</title></rect>'
        )
    parts.append(f'<path class="grid" d="M44 {floor}H342"/>')
    parts.append(f'<text x="40" y="{floor - 2}" class="end">count</text>')
    parts.append(f'<text x="193" y="{frame.height - 8}" class="middle">{escape(x.title)}</text>')
    return _svg(frame.width, frame.height, says, parts)


def count_bars(names: Sequence[str], one: Sequence[int], two: Sequence[int], says: str) -> Markup:
    """Two horizontal bars for each name."""
    most = max([*one, *two, 1])
    height = 28 * len(names) + 6
    parts = []
    for row, (name, first, second) in enumerate(zip(names, one, two, strict=True)):
        top = 28 * row + 4
        parts.append(f'<text x="88" y="{top + 15}" class="end">{escape(name)}</text>')
        for offset, count, look in ((0, first, "one"), (11, second, "two")):
            wide = 208 * count / most
            parts.append(
                f'<rect class="fill-{look}" x="94" y="{top + offset}" height="10" '
                f'width="{wide:.1f}"/>'
                f'<text x="{98 + wide:.1f}" y="{top + offset + 8.5}" class="tiny">{count:,}</text>'
            )
    return _svg(360, height, says, parts)


def heat_map(
    names: Sequence[str], share: Floats, tips: Sequence[Sequence[str]], known: Flags, says: str
) -> Markup:
    """A square of shares. share, tips: (genres, genres). known: (genres,), rows with anything."""
    side, left, top = 28, 96, 92
    size = side * len(names)
    strongest = max(float(share.max()), 1e-9)
    parts = []
    for row, name in enumerate(names):
        middle = side * row + side / 2
        turned = f"translate({left + middle + 4:g} {top - 8}) rotate(-45)"
        parts.append(f'<text transform="{turned}">{escape(name)}</text>')
        parts.append(
            f'<text x="{left - 8}" y="{top + middle + 4:g}" class="end">{escape(name)}</text>'
        )
        for column in range(len(names)):
            x, y = left + side * column, top + side * row
            if row == column or not known[row]:
                parts.append(
                    f'<rect class="blank" x="{x}" y="{y}" width="{side - 1}" height="{side - 1}"/>'
                )
                continue
            strength = float(share[row, column]) / strongest
            parts.append(
                f"<g><title>{escape(tips[row][column])}</title>"
                f'<rect class="cell" x="{x}" y="{y}" width="{side - 1}" height="{side - 1}"/>'
                f'<rect class="fill-one" fill-opacity="{strength:.2f}" x="{x}" y="{y}" '
                f'width="{side - 1}" height="{side - 1}"/>'
            )
            percent = round(100 * share[row, column])
            if percent >= 1:
                ink = "strong" if strength > 0.55 else "weak"
                parts.append(
                    f'<text class="middle tiny {ink}" x="{x + side / 2 - 0.5:g}" '
                    f'y="{y + side / 2 + 3:g}">{percent}</text>'
                )
            parts.append("</g>")
    return _svg(left + size + 44, top + size + 4, says, parts)


def interval_bar(
    value: float, low: float, high: float, mark: float | None, most: float, says: str
) -> Markup:
    """A bar as wide as its box, its interval as a whisker, and a tick at `mark`."""

    def at(number: float) -> str:
        return f"{100 * min(1.0, max(0.0, number / most)):.2f}%"

    tick = "" if mark is None else (
        f'<line class="guess-tick" x1="{at(mark)}" x2="{at(mark)}" y1="0" y2="16"/>'
    )  # fmt: skip
    return Markup(
        f'<svg class="bar" role="img" aria-label="{escape(says)}" width="100%" height="16">'
        f'<rect class="track" y="4" width="100%" height="8" rx="2"/>'
        f'<rect class="fill-one" y="4" width="{at(value)}" height="8" rx="2"/>'
        f'<line class="whisker" x1="{at(low)}" x2="{at(high)}" y1="8" y2="8"/>{tick}</svg>'
    )


def thin(x: Floats, y: Floats, most: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """At most `most` of the points, evenly along the line as it is drawn; its ends stay."""
    if len(x) <= most:
        return x, y
    spread = max(float(np.ptp(x)), 1e-12), max(float(np.ptp(y)), 1e-12)
    steps = np.hypot(np.diff(x) / spread[0], np.diff(y) / spread[1])
    along = np.append(0.0, np.cumsum(steps))
    places = np.searchsorted(along, np.linspace(0, along[-1], most))
    places = np.unique(np.append(np.minimum(places, len(x) - 1), [0, len(x) - 1]))
    if len(places) > most:
        places = np.delete(places, -2)
    return x[places], y[places]


def _round_step(step: float) -> float:
    """1, 2 or 5 times a power of ten, from `step` up."""
    power = 10.0 ** math.floor(math.log10(max(step, 1e-12)))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= step * (1 - 1e-9))


def _axes(frame: Frame, x_title: bool = True) -> str:
    left, right = frame.left, frame.width - frame.right
    low = frame.height - frame.bottom
    parts = []
    for value, word in frame.y.marks():
        y = float(frame.at_y(value))
        parts.append(f'<path class="grid" d="M{left:g} {y:.1f}H{right:g}"/>')
        parts.append(f'<text x="{left - 6:g}" y="{y + 4:.1f}" class="end">{word}</text>')
    for value, word in frame.x.marks():
        x = float(frame.at_x(value))
        parts.append(f'<path class="tick" d="M{x:.1f} {low:g}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{low + 16:g}" class="middle">{word}</text>')
    parts.append(f'<path class="axis" d="M{left:g} {low:g}H{right:g}"/>')
    if x_title:
        middle = (left + right) / 2
        parts.append(
            f'<text x="{middle:g}" y="{low + 34:g}" class="middle">{escape(frame.x.title)}</text>'
        )
    return "".join(parts)


def _clipped(frame: Frame, parts: Sequence[str]) -> list[str]:
    """Only what lies between the axes, and a hair beyond for the width of lines."""
    box = (
        frame.left - 3,
        frame.top - 3,
        frame.width - frame.left - frame.right + 6,
        frame.height - frame.top - frame.bottom + 6,
    )
    x, y, width, height = (f"{side:g}" for side in box)
    return [
        f'<svg x="{x}" y="{y}" width="{width}" height="{height}" '
        f'viewBox="{x} {y} {width} {height}">',
        *parts,
        "</svg>",
    ]


def _line(frame: Frame, line: Line) -> str:
    known = np.isfinite(line.x) & np.isfinite(line.y)
    if not known.any():
        return ""
    x, y = thin(frame.at_x(line.x[known]), frame.at_y(line.y[known]))
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    drawn = f'<path class="line {line.look}" d="M{path}"/>'
    for a, b, tip in zip(line.x, line.y, line.tips, strict=False):
        if np.isfinite(a) and np.isfinite(b):
            drawn += _dot(frame, a, b, tip, line.look, 3.0 if line.dots else 0.0)
    return drawn


def _dot(frame: Frame, x: float, y: float, what: str, look: str, radius: float) -> str:
    """A dot, and a wider ring that cannot be seen, for the pointer to find."""
    place = f'cx="{float(frame.at_x(x)):.1f}" cy="{float(frame.at_y(y)):.1f}"'
    seen = f'<circle class="dot {look}" {place} r="{radius:g}"/>' if radius else ""
    return f'<g><title>{escape(what)}</title>{seen}<circle class="near" {place} r="8"/></g>'


def _svg(width: float, height: float, says: str, parts: Sequence[str]) -> Markup:
    return Markup(
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(says)}">'
        f"{''.join(parts)}</svg>"
    )
