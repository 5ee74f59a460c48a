"""Charts drawn on the server as SVG: no script, no inline style, colours from the stylesheet.

A chart is always shown with its numbers in a table beside it (macro `chart`). The drawing carries a title and
a description for those who cannot see it, and nothing in it needs a mouse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from itertools import count
from typing import ClassVar

from flask_babel import gettext
from markupsafe import Markup, escape

from app.core.formats import NOTHING
from app.core.pages import Text

Value = Decimal | int | None

WIDTH, HEIGHT = 440, 230
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 14, 30
GRID_LINES = 4
LABELS_SHOWN = 8
"""More labels than this under the axis would touch each other; the table beside the chart has them all."""

ROUND_STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
"""Steps of an axis that people can count in, times a power of ten."""

drawing_ids = count(1)


@dataclass(frozen=True)
class Series:
    """A named row of values in the chart's unit; None where there is none."""

    name: Text
    values: Sequence[Value]


@dataclass(frozen=True)
class _Scale:
    """The vertical axis: from `low` to `high` in steps of `step`, all in the chart's unit."""

    low: Decimal
    high: Decimal
    step: Decimal

    def y(self, value: Decimal) -> Decimal:
        share = (value - self.low) / (self.high - self.low)
        return (HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)).quantize(Decimal("0.1"))

    def ticks(self) -> list[Decimal]:
        number = int((self.high - self.low) / self.step)
        return [self.low + self.step * index for index in range(number + 1)]


def _scale(values: Sequence[Decimal], from_zero: bool) -> _Scale:
    """An axis with round steps that holds all values, and zero if asked."""
    base = [Decimal(0)] if from_zero or not values else []
    low, high = min([*base, *values]), max([*base, *values])
    if low == high:
        # One height only: leave room under and over it, so that it can be seen.
        room = abs(low) / 10 or Decimal(1)
        low, high = (low, high + room) if low == 0 else (low - room, high + room)
    rough = (high - low) / GRID_LINES
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(power * times for times in ROUND_STEPS if power * times >= rough)
    bottom = -((-low / step).to_integral_value(rounding=ROUND_CEILING)) * step
    top = (high / step).to_integral_value(rounding=ROUND_CEILING) * step
    return _Scale(bottom, top, step)


def opening(kind: str, width: int, height: int, number: int, title: Text, description: str) -> Markup:
    """The opening of a drawing, with its words for those who cannot see it."""
    return Markup(
        '<svg class="chart chart-{kind}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{t} {d}">'
        '<title id="{t}">{title}</title><desc id="{d}">{description}</desc>'
    ).format(
        kind=kind, width=width, height=height, t=f"chart-{number}-t", d=f"chart-{number}-d", title=title, description=description,
    )


def _short(number: Decimal) -> str:
    text = f"{number.normalize():,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class Chart:
    """What both kinds share. `places` is how many decimals the numbers beside the chart show, `axis` what its labels are."""

    title: Text
    labels: Sequence[Text]
    series: Sequence[Series]
    unit: Text = ""
    places: int = 0
    axis: Text = ""
    kind: ClassVar[str] = ""
    from_zero: ClassVar[bool] = True
    _id: int = field(default_factory=lambda: next(drawing_ids), compare=False)

    def __post_init__(self) -> None:
        if any(len(one.values) != len(self.labels) for one in self.series):
            raise ValueError("each series of a chart needs one value per label")

    def headers(self) -> list[str]:
        """The heads of the table of numbers."""
        return [str(self.axis or gettext("项目")), *(str(one.name) for one in self.series)]

    def rows(self) -> list[list[str]]:
        """The numbers of the chart, one row per label, as text."""
        return [
            [str(label), *(self._text(one.values[index]) for one in self.series)]
            for index, label in enumerate(self.labels)
        ]

    def _text(self, value: Value) -> str:
        if value is None:
            return NOTHING
        step = Decimal(1).scaleb(-self.places)
        return f"{Decimal(value).quantize(step, rounding=ROUND_HALF_UP):,}"

    def svg(self) -> Markup:
        """The drawing, safe to put into a page under a policy without inline styles."""
        known = [Decimal(value) for one in self.series for value in one.values if value is not None]
        scale = _scale(self._levels(), self.from_zero)
        head = opening(self.kind, WIDTH, HEIGHT, self._id, self.title, self._description(known))
        return head + self._grid(scale) + self._marks(scale) + self._label_texts() + Markup("</svg>")

    def _levels(self) -> list[Decimal]:
        """What the axis must hold."""
        return [Decimal(value) for one in self.series for value in one.values if value is not None]

    def _description(self, known: Sequence[Decimal]) -> str:
        if not known:
            return str(gettext("没有数据"))
        low, high = self._text(min(known)), self._text(max(known))
        number = len(self.labels)
        return str(gettext("共 %(count)d 项，最小 %(low)s，最大 %(high)s", count=number, low=low, high=high))

    def _grid(self, scale: _Scale) -> Markup:
        lines = Markup("")
        for tick in scale.ticks():
            y = scale.y(tick)
            name = "chart-zero" if tick == max(scale.low, Decimal(0)) else "chart-grid"
            lines += Markup('<path class="{}" d="M{} {}H{}"/>').format(name, LEFT, y, WIDTH - RIGHT)
            text = Markup('<text class="chart-tick" x="{}" y="{}">{}</text>')
            lines += text.format(LEFT - 6, y + 4, _short(tick))
        return lines

    def _slot(self) -> Decimal:
        return Decimal(WIDTH - LEFT - RIGHT) / max(1, len(self.labels))

    def _middle(self, index: int) -> Decimal:
        return (LEFT + self._slot() * (index + Decimal("0.5"))).quantize(Decimal("0.1"))

    def _label_texts(self) -> Markup:
        every = -(-len(self.labels) // LABELS_SHOWN) or 1
        shown = [(index, label) for index, label in enumerate(self.labels) if index % every == 0]
        texts = Markup("")
        for position, (index, label) in enumerate(shown):
            name = "chart-label chart-label-odd" if position % 2 else "chart-label"
            texts += Markup('<text class="{}" x="{}" y="{}">{}</text>').format(
                name, self._middle(index), HEIGHT - 10, escape(str(label))
            )
        return texts

    def _marks(self, scale: _Scale) -> Markup:
        raise NotImplementedError


@dataclass(frozen=True)
class BarChart(Chart):
    """Bars, those of several series side by side."""

    kind: ClassVar[str] = "bars"

    def _marks(self, scale: _Scale) -> Markup:
        group = self._slot() * Decimal("0.72")
        width = (group / max(1, len(self.series))).quantize(Decimal("0.1"))
        zero = scale.y(Decimal(0))
        bar = Markup('<rect class="chart-bar chart-s{}" x="{:.1f}" y="{}" width="{}" height="{}"/>')
        bars = Markup("")
        for number, one in enumerate(self.series):
            for index, value in enumerate(one.values):
                if value is None:
                    continue
                x = self._middle(index) - group / 2 + width * number
                y = scale.y(Decimal(value))
                bars += bar.format(number + 1, x, min(y, zero), max(width - 1, Decimal(1)), abs(zero - y))
        return bars


@dataclass(frozen=True)
class LineChart(Chart):
    """Lines with a dot at each value and a gap where one is missing; the axis need not begin at zero."""

    kind: ClassVar[str] = "lines"
    from_zero: ClassVar[bool] = False

    def _marks(self, scale: _Scale) -> Markup:
        dot = Markup('<circle class="chart-dot chart-s{}" cx="{}" cy="{}" r="3"/>')
        drawn = Markup("")
        for number, one in enumerate(self.series, start=1):
            path, pen = [], "M"
            for index, value in enumerate(one.values):
                if value is None:
                    pen = "M"
                    continue
                x, y = self._middle(index), scale.y(Decimal(value))
                path.append(f"{pen}{x} {y}")
                drawn += dot.format(number, x, y)
                pen = "L"
            drawn += Markup('<path class="chart-run chart-s{}" d="{}"/>').format(number, "".join(path))
        return drawn


@dataclass(frozen=True)
class Step:
    """A step of a waterfall: an amount that raises or lowers the level, or (``total``) the level itself, from zero."""

    label: Text
    value: Decimal | int
    total: bool = False


def waterfall(title: Text, steps: Sequence[Step], *, unit: Text = "", places: int = 0, axis: Text = "") -> WaterfallChart:
    """A waterfall of steps, in the chart's unit."""
    values = Series(gettext("金额"), [one.value for one in steps])
    return WaterfallChart(title, [one.label for one in steps], [values], unit, places, axis, totals=[one.total for one in steps])


@dataclass(frozen=True)
class WaterfallChart(Chart):
    """How one amount becomes another: each bar hangs where the one before it ended, joined by a thin line."""

    totals: Sequence[bool] = ()
    kind: ClassVar[str] = "waterfall"

    def _bars(self) -> list[tuple[Decimal, Decimal]]:
        """Each bar from one level to the other."""
        level, bars = Decimal(0), []
        for value, total in zip(self.series[0].values, self.totals, strict=True):
            start = Decimal(0) if total else level
            level = Decimal(value or 0) if total else level + Decimal(value or 0)
            bars.append((start, level))
        return bars

    def _levels(self) -> list[Decimal]:
        return [level for bar in self._bars() for level in bar]

    def _marks(self, scale: _Scale) -> Markup:
        width = (self._slot() * Decimal("0.66")).quantize(Decimal("0.1"))
        bar = Markup('<rect class="chart-bar chart-s{}" x="{:.1f}" y="{}" width="{}" height="{}"/>')
        join = Markup('<path class="chart-grid" d="M{:.1f} {}H{:.1f}"/>')
        bars, drawn = self._bars(), Markup("")
        for index, ((start, end), total) in enumerate(zip(bars, self.totals, strict=True)):
            x, low, high = self._middle(index) - width / 2, scale.y(min(start, end)), scale.y(max(start, end))
            colour = 1 if total else 3 if end > start else 2
            drawn += bar.format(colour, x, high, width, max(low - high, Decimal("1.5")))
            if index + 1 < len(bars):
                drawn += join.format(x + width, scale.y(end), self._middle(index + 1) - width / 2)
        return drawn
