"""Small plots written as SVG for a page: real text, colours that follow light and dark, legible on a phone.

Matplotlib draws what has to be a picture; its import alone takes a second, which a run of a few seconds does not have.
Lines are told apart by their stroke and their name, never by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# In units of the drawing, which a page shows at about one pixel each.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420.0, 260.0, 46.0, 16.0, 34.0, 40.0


@dataclass(frozen=True)
class PlotAxis:
    """A scale from `low` to `high` with its name and (value, text) marks."""

    low: float
    high: float
    name: str
    marks: tuple[tuple[float, str], ...]

    def part(self, value: float) -> float:
        """Return where a value lies between the ends, 0 to 1; what is beyond them lies on them."""
        return min(1.0, max(0.0, (value - self.low) / ((self.high - self.low) or 1.0)))


def even_axis(low: float, high: float, name: str, *, whole: bool = False, most: int = 6) -> PlotAxis:
    """Return an axis whose marks are round numbers and whose ends are marks.

    Arguments:
        low, high: what it must hold.
        whole: whether only whole numbers are values, as of epochs; its ends are then those numbers.
        most: marks.

    >>> even_axis(0.0, 9.3, "loss").marks[-1], even_axis(1, 4, "epoch", whole=True).marks
    ((10.0, '10'), ((1, '1'), (2, '2'), (3, '3'), (4, '4')))
    """
    if not high > low:
        high = low + (1.0 if whole else max(1e-3, abs(low) * 0.1))
    step = _round_step((high - low) / (most - 1), whole)
    if whole:
        first = math.ceil(low / step) * step
        values = [low] * (first - low >= step / 2) + [first + i * step for i in range(int((high - first) / step) + 1)]
        return PlotAxis(low, high, name, tuple((int(value), f"{int(value):,}") for value in values))
    begin, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    marks = tuple((round(i * step, 12), f"{i * step:.{digits}f}".replace("-", "−")) for i in range(begin, end + 1))
    return PlotAxis(marks[0][0], marks[-1][0], name, marks)


def _round_step(least: float, whole: bool) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
    return max(1.0, step) if whole else step


@dataclass(frozen=True)
class Plot:
    """Two axes on which points, lines and intervals are placed; its methods return SVG to be put together by `svg`."""

    x: PlotAxis
    y: PlotAxis
    width: float = WIDTH
    height: float = HEIGHT

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point lies, in units of the drawing."""
        across, up = self.width - LEFT - RIGHT, self.height - TOP - BOTTOM
        return LEFT + across * self.x.part(x), TOP + up * (1 - self.y.part(y))

    def line(self, points: Sequence[tuple[float, float]], look: str) -> str:
        """Return a line through points; `look` is one of the style's classes: first, second, faint."""
        if len(points) == 1:
            return self.dot(*points[0], look)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.place(*point) for point in points))
        return f'<polyline class="line {look}" points="{path}"/>'

    def dot(self, x: float, y: float, look: str, radius: float = 3.5, said: str = "") -> str:
        """Return a point, with what is said where the pointer rests on it."""
        left, top = self.place(x, y)
        told = f"<title>{escape(said)}</title>" if said else ""
        return f'<circle class="dot {look}" cx="{left:.1f}" cy="{top:.1f}" r="{radius:.1f}">{told}</circle>'

    def whisker(self, x: float, low: float, high: float, look: str) -> str:
        """Return an upright interval."""
        (left, bottom), (_, top) = self.place(x, low), self.place(x, high)
        ends = "".join(f"M{left - 4:.1f} {end:.1f}h8" for end in (top, bottom))
        return f'<path class="whisker {look}" d="M{left:.1f} {top:.1f}V{bottom:.1f}{ends}"/>'

    def words(self, x: float, y: float, said: str, look: str, shift: float = 0.0) -> str:
        """Return words that end at a point, a little above it."""
        left, top = self.place(x, y)
        where = f'x="{left:.1f}" y="{top - 7 + shift:.1f}"'
        return f'<text class="said {look}" {where} text-anchor="end">{escape(said)}</text>'

    def svg(self, alt: str, *parts: str) -> str:
        """Return the <svg> element: grid, marks, names of the axes, and what is placed on them.

        Arguments:
            alt: what it shows, for those who cannot see it.
        """
        right, bottom = self.width - RIGHT, self.height - BOTTOM
        marks = []
        for value, text in self.y.marks:
            y = self.place(self.x.low, value)[1]
            marks.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
            marks.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>')
        for value, text in self.x.marks:
            x = self.place(value, self.y.low)[0]
            marks.append(f'<path class="tick" d="M{x:.1f} {bottom}v4"/>')
            marks.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{escape(text)}</text>')
        middle = (LEFT + right) / 2
        names = (
            f'<text class="axis" x="{middle}" y="{self.height - 6}" text-anchor="middle">{escape(self.x.name)}</text>'
            f'<text class="axis" x="2" y="12">{escape(self.y.name)}</text>'
        )
        foot = f'<path class="tick" d="M{LEFT} {bottom}H{right}"/>'
        return (
            f'<svg class="plot" role="img" aria-label="{escape(alt, quote=True)}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}">{"".join(marks)}{foot}{names}{"".join(parts)}</svg>'
        )


def interval_strip(axis: PlotAxis, share: float, interval: Sequence[float], said: str) -> str:
    """Return a share with its interval on a short level scale, for a cell of a table.

    Arguments:
        axis: the same for all cells of the column.
        said: its name, for those who cannot see it.
    """
    left, right, at = (4 + 132 * axis.part(value) for value in (*interval, share))
    return (
        f'<svg class="strip" role="img" aria-label="{escape(said, quote=True)}" viewBox="0 0 140 16" width="140" '
        f'height="16"><path class="grid" d="M4 8H136"/><path class="whisker first" d="M{left:.1f} 8H{right:.1f}'
        f'M{left:.1f} 4v8M{right:.1f} 4v8"/><circle class="dot first" cx="{at:.1f}" cy="8" r="4"/></svg>'
    )
