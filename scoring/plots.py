"""Plots of points and of bars as SVG text. Classes, not styles: a page brings its stylesheet, a lone file ``STYLE``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count
from math import ceil, floor, log10
from typing import Final

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 318, 52, 22, 54, 46
ROW, BAR = 34, 10
STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
TICKS: Final = 5

STYLE: Final = """
.chart text{font:11px system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;fill:#4a5a5e}.chart-tick{text-anchor:end}
.chart-label{text-anchor:middle}.chart-grid{stroke:#dfe3dc}.chart-zero{stroke:#4a5a5e}.chart-run{fill:none;stroke-width:2.4}
.chart-s1.chart-run{stroke:#0b5563}.chart-s2.chart-run{stroke:#b07812;stroke-dasharray:6 3}.chart-s3.chart-run{stroke:#2f7a4d}
.chart-dot.chart-s1,.chart-bar.chart-s1{fill:#0b5563}.chart-dot.chart-s2{fill:#b07812}.chart-range{fill:#0b5563;opacity:.16}
.chart-even{stroke:#7d8a8d;stroke-dasharray:3 4;fill:none}.chart-start{text-anchor:start}
.chart text.chart-name{font-weight:700;fill:#1d2a2e}
"""

_ids = count(1)


@dataclass(frozen=True, slots=True)
class Line:
    """Named points in the order of x. ``dots``: mark each; ``around``: (x, low, high) of an interval drawn behind it."""

    name: str
    points: Points
    dots: bool = False
    around: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over two axes. ``even``: the diagonal, where both axes say the same. ``x_text``/``y_text``: how a tick is told."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    x_text: Callable[[float], str] = lambda value: f"{value:g}"
    y_text: Callable[[float], str] = lambda value: f"{value:g}"
    even: bool = False

    def svg(self) -> str:
        """The drawing."""
        number = next(_ids)
        drawn = [_opening(number, "plot", HEIGHT, self.title, f"{self.x}; {self.y}"), *self._axes()]
        if self.even:
            low, high = max(self.x_range[0], self.y_range[0]), min(self.x_range[1], self.y_range[1])
            drawn.append(f'<path class="chart-even" d="M{self._at(low, low)}L{self._at(high, high)}"/>')
        for place, line in enumerate(self.lines, start=1):
            drawn += self._line(place, line)
        return "".join(drawn) + "</svg>"

    def _at(self, x: float, y: float) -> str:
        (left, right), (low, high) = self.x_range, self.y_range
        across = (min(max(x, left), right) - left) / (right - left)
        up = (min(max(y, low), high) - low) / (high - low)
        return f"{LEFT + across * (WIDTH - LEFT - RIGHT):.1f} {HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM):.1f}"

    def _axes(self) -> list[str]:
        drawn = []
        for value in ticks(*self.y_range):
            y = self._at(self.x_range[0], value).split()[1]
            kind = "chart-zero" if value == self.y_range[0] else "chart-grid"
            drawn.append(f'<path class="{kind}" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
            drawn.append(f'<text class="chart-tick" x="{LEFT - 6}" y="{float(y) + 4:.1f}">{escape(self.y_text(value))}</text>')
        for value in ticks(*self.x_range):
            x = self._at(value, self.y_range[0]).split()[0]
            drawn.append(f'<text class="chart-label" x="{x}" y="{HEIGHT - BOTTOM + 16}">{escape(self.x_text(value))}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        drawn.append(f'<text class="chart-label" x="{middle}" y="{HEIGHT - 8}">{escape(self.x)}</text>')
        drawn.append(f'<text class="chart-start chart-name" x="4" y="13">{escape(self.title)}</text>')
        drawn.append(f'<text class="chart-start" x="4" y="30">{escape(self.y)}</text>')
        return drawn

    def _line(self, place: int, line: Line) -> list[str]:
        drawn = []
        if line.around:
            upper = [self._at(x, high) for x, _, high in line.around]
            lower = [self._at(x, low) for x, low, _ in reversed(line.around)]
            drawn.append(f'<path class="chart-range" d="M{"L".join(upper + lower)}Z"/>')
        places = [self._at(x, y) for x, y in line.points]
        drawn.append(f'<path class="chart-run chart-s{place}" d="M{"L".join(places)}"/>')
        if line.dots:
            drawn += [
                f'<circle class="chart-dot chart-s{place}" cx="{one.split()[0]}" cy="{one.split()[1]}" r="3"/>' for one in places
            ]
        x, y = LEFT + 190 * (place - 1), TOP - 6
        if len(self.lines) > 1:
            drawn.append(f'<path class="chart-run chart-s{place}" d="M{x} {y - 4}H{x + 22}"/>')
            drawn.append(f'<text class="chart-start" x="{x + 28}" y="{y}">{escape(line.name)}</text>')
        return drawn


def bars(title: str, rows: Sequence[tuple[str, float]], text: Callable[[float], str]) -> str:
    """Named lengths from the left, each under its name, as SVG."""
    height = 34 + ROW * len(rows)
    most = max((value for _, value in rows), default=1.0) or 1.0
    drawn = [_opening(next(_ids), "bars", height, title, str(len(rows)))]
    drawn.append(f'<text class="chart-start chart-name" x="4" y="13">{escape(title)}</text>')
    for place, (name, value) in enumerate(rows):
        y, length = 36 + ROW * place, max(1.0, value / most * (WIDTH - 80))
        drawn.append(f'<text class="chart-start" x="4" y="{y}">{escape(name)}</text>')
        drawn.append(f'<rect class="chart-bar chart-s1" x="4" y="{y + 5}" width="{length:.1f}" height="{BAR}"/>')
        drawn.append(f'<text class="chart-start" x="{length + 10:.1f}" y="{y + 14}">{escape(text(value))}</text>')
    return "".join(drawn) + "</svg>"


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high, about five of them."""
    rough = (high - low) / TICKS
    power = 10.0 ** floor(log10(rough))
    step = next(power * times for times in STEPS if power * times >= rough * 0.999)
    return [round(number * step, 10) for number in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def _opening(number: int, kind: str, height: int, title: str, description: str) -> str:
    named, told = f"plot-{number}-t", f"plot-{number}-d"
    return (
        f'<svg class="chart chart-{kind}" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{named} {told}">'
        f'<title id="{named}">{escape(title)}</title><desc id="{told}">{escape(description)}</desc>'
    )
