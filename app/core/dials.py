"""Round drawings on the server as SVG: the dial of a score, the web of several shares. The rules of ``charts`` hold here too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import cos, pi, sin
from typing import ClassVar

from flask_babel import gettext
from markupsafe import Markup, escape

from app.core.charts import Chart, Value, drawing_ids, opening
from app.core.pages import Text


@dataclass(frozen=True)
class Band:
    """A stretch of a dial up to ``until``, with the letter that stands at it."""

    letter: str
    until: int


@dataclass(frozen=True)
class Dial:
    """A half circle from ``low`` to ``high`` in named bands, with a hand at ``value`` and the number in its middle.

    ``bands``: ascending; the last one ends at ``high``. The band of ``letter`` is the thick one, so no colour is needed: at an
    edge, which is rounded, the number alone does not tell the band.
    """

    title: Text
    value: int
    low: int
    high: int
    bands: Sequence[Band]
    letter: str
    words: Text = ""
    WIDTH: ClassVar[int] = 340
    HEIGHT: ClassVar[int] = 208
    RADIUS: ClassVar[int] = 128
    _id: int = field(default_factory=lambda: next(drawing_ids), compare=False)

    def svg(self) -> Markup:
        """The drawing."""
        description = gettext("%(value)d，范围 %(low)d 到 %(high)d，%(words)s", value=self.value, low=self.low, high=self.high,
                              words=self.words)
        drawn = opening("dial", self.WIDTH, self.HEIGHT, self._id, self.title, description)
        start = self.low
        for number, band in enumerate(self.bands):
            drawn += self._band(start, band, number, band.letter == self.letter)
            start = band.until
        for edge in (self.low, *(band.until for band in self.bands)):
            x, y = self._at(edge, self.RADIUS + 30)
            drawn += Markup('<text class="chart-label" x="{}" y="{}">{}</text>').format(x, y, edge)
        tip, left, right = self._at(self.value, self.RADIUS - 16), self._at(self.value, 74, -3), self._at(self.value, 74, 3)
        drawn += Markup('<path class="dial-hand" d="M{} {}L{} {}L{} {}Z"/>').format(*left, *tip, *right)
        middle = self.WIDTH // 2
        drawn += Markup('<text class="dial-value" x="{}" y="{}">{}</text>').format(middle, self.HEIGHT - 32, self.value)
        return drawn + Markup('<text class="dial-words" x="{}" y="{}">{}</text></svg>').format(
            middle, self.HEIGHT - 10, escape(str(self.words)),
        )

    def _band(self, start: int, band: Band, number: int, mine: bool) -> Markup:
        a, b = self._at(start, self.RADIUS, 0.6), self._at(band.until, self.RADIUS, -0.6)
        arc = Markup('<path class="dial-band dial-b{}{}" d="M{} {}A{r} {r} 0 0 1 {} {}"/>').format(
            number + 1, Markup(" dial-mine") if mine else "", *a, *b, r=self.RADIUS,
        )
        x, y = self._at((start + band.until) / 2, self.RADIUS - 24)
        letter = Markup('<text class="dial-letter{}" x="{}" y="{}">{}</text>').format(
            Markup(" dial-letter-mine") if mine else "", x, y + 4, escape(band.letter),
        )
        return arc + letter

    def _at(self, value: float, radius: float, shift: float = 0.0) -> tuple[float, float]:
        """A point of the half circle; ``shift`` in degrees clockwise."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        angle = pi * (1.0 - share) - shift * pi / 180.0
        return round(self.WIDTH / 2 + radius * cos(angle), 1), round(self.HEIGHT - 44 - radius * sin(angle), 1)


@dataclass(frozen=True)
class Web(Chart):
    """Values of 0 to 100 on axes around a middle, one closed line a series; an axis without a value leaves a gap."""

    kind: ClassVar[str] = "web"
    WIDTH: ClassVar[int] = 440
    HEIGHT: ClassVar[int] = 300
    RADIUS: ClassVar[int] = 104
    RINGS: ClassVar[tuple[int, ...]] = (25, 50, 75, 100)

    def svg(self) -> Markup:
        """The drawing."""
        known = [Decimal(value) for one in self.series for value in one.values if value is not None]
        drawn = opening(self.kind, self.WIDTH, self.HEIGHT, self._id, self.title, self._description(known))
        for ring in self.RINGS:
            drawn += Markup('<path class="chart-grid web-ring" d="{}"/>').format(self._line([ring] * len(self.labels)))
            x, y = self._at(0, ring)
            drawn += Markup('<text class="chart-tick" x="{}" y="{}">{}</text>').format(x - 4, y + 4, ring)
        for place, label in enumerate(self.labels):
            drawn += Markup('<path class="chart-grid" d="M{} {}L{} {}"/>').format(*self._at(place, 0), *self._at(place, 100))
            x, y = self._at(place, 118)
            side = "middle" if abs(x - self.WIDTH / 2) < 12 else ("start" if x > self.WIDTH / 2 else "end")
            drawn += Markup('<text class="web-label web-{}" x="{}" y="{}">{}</text>').format(side, x, y + 4, escape(str(label)))
        for number, one in enumerate(self.series, start=1):
            drawn += Markup('<path class="chart-run chart-s{}" d="{}"/>').format(number, self._line(one.values))
            for place, value in enumerate(one.values):
                if number == 1 and value is not None:
                    x, y = self._at(place, value)
                    drawn += Markup('<circle class="chart-dot chart-s1" cx="{}" cy="{}" r="4"/>').format(x, y)
        return drawn + Markup("</svg>")

    def _line(self, values: Sequence[Value]) -> str:
        points = [self._at(place, value) for place, value in enumerate(values) if value is not None]
        if len(points) < 2:
            return ""
        return "M" + "L".join(f"{x} {y}" for x, y in points) + "Z"

    def _at(self, place: int, value: Decimal | int) -> tuple[float, float]:
        angle = 2.0 * pi * place / len(self.labels) - pi / 2.0
        reach = self.RADIUS * float(value) / 100.0
        return round(self.WIDTH / 2 + reach * cos(angle), 1), round(self.HEIGHT / 2 + reach * sin(angle), 1)
