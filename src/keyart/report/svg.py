"""Drawing: charts as small SVG that take the colours of the page, the same bytes every time.

A chart is as wide as a phone, so that its text can be read there; wide pages show several in a
row. Each has a description for screen readers.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

Floats = npt.NDArray[np.float64]
Style = Literal["one", "two", "three", "four", "guess"]
"""The colour and dashes of a line, as the style sheet of the page has them."""

MOST_POINTS = 200
_BAR_SIDE, _CELL_SIDE = 28, 28


@dataclass(frozen=True)
class Line:
    """A line through points. x, y: (points,). tips: a tooltip for each point.

    name: for the legend; a line without a name is not in it. dots: whether points are drawn.
    """

    x: Floats
    y: Floats
    style: Style = "one"
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
        """Whether a value lies on the axis. NaN is not drawn, so it counts as held."""
        return not math.isfinite(value) or self.low <= value <= self.high

    def marks(self) -> list[tuple[float, str]]:
        """Round numbers on the axis, and how they are written."""
        step = _round_step((self.high - self.low) / self.ticks)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        if self.percent:
            return [(n * step, f"{100 * n * step:.{max(0, places - 2)}f}%")
                    for n in range(first, last + 1)]  # fmt: skip
        return [(n * step, f"{n * step:,.{places}f}") for n in range(first, last + 1)]


UNIT = Axis("", 0, 1)


def around(title: str, *values: Floats) -> Axis:
    """An axis that holds all values, with a margin. NaN does not count."""
    known = np.concatenate([np.ravel(value) for value in values])
    known = np.clip(known[np.isfinite(known)], -1e300, 1e300)  # their difference is finite too
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    margin = 0.06 * (high - low) or abs(high) * 0.1 or 0.5
    return Axis(title, low - margin, high + margin)


@dataclass(frozen=True)
class Frame:
    """The axes of a chart, its size, and the margins around the data."""

    x: Axis
    y: Axis
    width: float = 360
    height: float = 240
    left: float = 44
    top: float = 10
    right: float = 18
    bottom: float = 40

    @property
    def floor(self) -> float:
        """Where the x axis lies."""
        return self.height - self.bottom

    @property
    def end(self) -> float:
        """Where the x axis ends."""
        return self.width - self.right

    def at_x(self, value: npt.ArrayLike) -> Floats:
        """Where values lie, from the left."""
        share = (np.asarray(value) - self.x.low) / (self.x.high - self.x.low)
        return np.asarray(self.left + share * (self.end - self.left))

    def at_y(self, value: npt.ArrayLike) -> Floats:
        """Where values lie, from the top."""
        share = (np.asarray(value) - self.y.low) / (self.y.high - self.y.low)
        return np.asarray(self.floor - share * (self.floor - self.top))


def line_chart(
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    alt: str,
    *,
    height: float = 240,
    points: Sequence[tuple[float, float, str]] = (),
) -> Markup:
    """Lines over axes. points: single points to mark, each with its tooltip."""
    frame = Frame(x, y, height=height)
    dots = [_dot(frame, place_x, place_y, tip, "mark", 4.5) for place_x, place_y, tip in points]
    return _svg(frame.width, height, alt, [_axes(frame), *_clipped(frame, lines), *dots])


def small_chart(lines: Sequence[Line], alt: str) -> Markup:
    """Lines in the unit square, for a grid of many charts: only 0 and 1 are marked."""
    axis = Axis("", 0, 1, ticks=1)
    frame = Frame(axis, axis, 150, 136, left=14, top=8, right=8, bottom=18)
    return _svg(150, 136, alt, [_axes(frame), *(_line(frame, line) for line in lines)])


def reliability_chart(score: Floats, rate: Floats, cells: Floats, x: Axis, alt: str) -> Markup:
    """Score against the rate of true genres, and below, how many pairs each bin holds (log)."""
    y = Axis("", x.low, x.high, percent=True, ticks=x.ticks)
    frame = Frame(x, y, height=290, top=12, bottom=98)
    ends = np.array([x.low, x.high])
    tips = [
        f"scores near {100 * s:.1f}%: {100 * r:.1f}% of {n:,.0f} are true"
        for s, r, n in zip(score, rate, cells, strict=True)
    ]
    parts = [
        _axes(frame, x_title=False),
        _line(frame, Line(ends, ends, "guess")),
        _line(frame, Line(score, rate, "one", tips=tips, dots=True)),
    ]
    base, tallest = frame.height - 30, 36
    heights = tallest * np.log10(cells + 1) / max(1e-9, float(np.log10(cells.max() + 1)))
    for place, tall, tip in zip(frame.at_x(score), heights, tips, strict=True):
        parts.append(
            f'<rect class="fill-one soft" x="{place - 4:.1f}" y="{base - tall:.1f}" width="8" '
            f'height="{tall:.1f}"><title>{escape(tip)}</title></rect>'
        )
    parts.append(f'<path class="grid" d="M{frame.left:g} {base:g}H{frame.end:g}"/>')
    parts.append(_text(frame.left - 4, base - 2, "count", "end"))
    parts.append(_text((frame.left + frame.end) / 2, frame.height - 8, x.title, "middle"))
    return _svg(frame.width, frame.height, alt, parts)


def count_bars(names: Sequence[str], one: Sequence[int], two: Sequence[int], alt: str) -> Markup:
    """Two horizontal bars for each name."""
    most = max([*one, *two, 1])
    parts = []
    for row, (name, *counts) in enumerate(zip(names, one, two, strict=True)):
        top = _BAR_SIDE * row + 4
        parts.append(_text(88, top + 15, name, "end"))
        for offset, count, style in ((0, counts[0], "one"), (11, counts[1], "two")):
            width = 208 * count / most
            parts.append(
                f'<rect class="fill-{style}" x="94" y="{top + offset}" height="10" '
                f'width="{width:.1f}"/>'
            )
            parts.append(_text(98 + width, top + offset + 8.5, f"{count:,}", "tiny"))
    return _svg(360, _BAR_SIDE * len(names) + 6, alt, parts)


def heat_map(
    names: Sequence[str],
    share: Floats,
    tips: Sequence[Sequence[str]],
    known: npt.NDArray[np.bool_],
    alt: str,
) -> Markup:
    """A square of shares. share, tips: (genres, genres). known: (genres,), False: a blank row."""
    side, left, top = _CELL_SIDE, 96, 92
    strongest = max(float(share.max()), 1e-9)
    parts = []
    for row, name in enumerate(names):
        middle = side * row + side / 2
        turned = f"translate({left + middle + 4:g} {top - 8}) rotate(-45)"
        parts.append(f'<text transform="{turned}">{escape(name)}</text>')
        parts.append(_text(left - 8, top + middle + 4, name, "end"))
        for column in range(len(names)):
            x, y = left + side * column, top + side * row
            box = f'x="{x}" y="{y}" width="{side - 1}" height="{side - 1}"'
            if row == column or not known[row]:
                parts.append(f'<rect class="blank" {box}/>')
                continue
            strength = float(share[row, column]) / strongest
            percent = round(100 * share[row, column])
            ink = "strong" if strength > 0.55 else "weak"
            number = _text(x + side / 2 - 0.5, y + side / 2 + 3, str(percent), f"middle tiny {ink}")
            parts.append(
                f"<g><title>{escape(tips[row][column])}</title>"
                f'<rect class="cell" {box}/>'
                f'<rect class="fill-one" fill-opacity="{strength:.2f}" {box}/>'
                f"{number if percent >= 1 else ''}</g>"
            )
    size = side * len(names)
    return _svg(left + size + 44, top + size + 4, alt, parts, as_drawn=True)


def interval_bar(
    value: float, low: float, high: float, mark: float | None, most: float, alt: str
) -> Markup:
    """A bar that ends at `most`, its interval as a thin line, and an upright mark at `mark`."""

    def at(number: float) -> str:
        return f"{100 * min(1.0, max(0.0, number / most)):.2f}%"

    upright = "" if mark is None else (
        f'<line class="guess-tick" x1="{at(mark)}" x2="{at(mark)}" y1="0" y2="16"/>'
    )  # fmt: skip
    return Markup(
        f'<svg class="bar" role="img" aria-label="{escape(alt)}" width="100%" height="16">'
        f'<rect class="track" y="4" width="100%" height="8" rx="2"/>'
        f'<rect class="fill-one" y="4" width="{at(value)}" height="8" rx="2"/>'
        f'<line class="whisker" x1="{at(low)}" x2="{at(high)}" y1="8" y2="8"/>{upright}</svg>'
    )


def thin(x: Floats, y: Floats, most: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """At most `most` of the points, evenly along the line as it is drawn. Its ends stay."""
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
    """1, 2 or 5 times a power of ten, at least `step`."""
    power = 10.0 ** math.floor(math.log10(max(step, 1e-12)))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= step * (1 - 1e-9))


def _axes(frame: Frame, x_title: bool = True) -> str:
    parts = []
    for value, word in frame.y.marks():
        y = float(frame.at_y(value))
        parts.append(f'<path class="grid" d="M{frame.left:g} {y:.1f}H{frame.end:g}"/>')
        parts.append(_text(frame.left - 6, y + 4, word, "end"))
    for value, word in frame.x.marks():
        x = float(frame.at_x(value))
        parts.append(f'<path class="tick" d="M{x:.1f} {frame.floor:g}v4"/>')
        parts.append(_text(x, frame.floor + 16, word, "middle"))
    parts.append(f'<path class="axis" d="M{frame.left:g} {frame.floor:g}H{frame.end:g}"/>')
    if x_title and frame.x.title:
        middle = (frame.left + frame.end) / 2
        parts.append(_text(middle, frame.floor + 34, frame.x.title, "middle"))
    return "".join(parts)


def _clipped(frame: Frame, lines: Iterable[Line]) -> list[str]:
    """The lines, cut off at the axes with a small margin for their width."""
    x, y = frame.left - 3, frame.top - 3
    width, height = frame.end - frame.left + 6, frame.floor - frame.top + 6
    return [
        f'<svg x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
        f'viewBox="{x:g} {y:g} {width:g} {height:g}">',
        *(_line(frame, line) for line in lines),
        "</svg>",
    ]


def _line(frame: Frame, line: Line) -> str:
    known = np.isfinite(line.x) & np.isfinite(line.y)
    if not known.any():
        return ""
    x, y = thin(frame.at_x(line.x[known]), frame.at_y(line.y[known]))
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    drawn = f'<path class="line {line.style}" d="M{path}"/>'
    for a, b, tip in zip(line.x, line.y, line.tips, strict=False):
        if np.isfinite(a) and np.isfinite(b):
            drawn += _dot(frame, a, b, tip, line.style, 3.0 if line.dots else 0.0)
    return drawn


def _dot(frame: Frame, x: float, y: float, tip: str, style: str, radius: float) -> str:
    """A dot in a wider ring that is not drawn, so that the pointer finds its tooltip."""
    place = f'cx="{float(frame.at_x(x)):.1f}" cy="{float(frame.at_y(y)):.1f}"'
    dot = f'<circle class="dot {style}" {place} r="{radius:g}"/>' if radius else ""
    return f'<g><title>{escape(tip)}</title>{dot}<circle class="near" {place} r="8"/></g>'


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{round(x, 1):g}" y="{round(y, 1):g}" class="{style}">{escape(text)}</text>'


def _svg(
    width: float, height: float, alt: str, parts: Iterable[str], *, as_drawn: bool = False
) -> Markup:
    """A picture that fills its box or, as drawn, keeps its size."""
    size = f'width="{width:g}" height="{height:g}" ' if as_drawn else ""
    return Markup(
        f'<svg {size}viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(alt)}">'
        f"{''.join(parts)}</svg>"
    )
