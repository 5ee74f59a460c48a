"""Warning of firms that are about to stop, from daily power use alone, and what such a warning is worth.

Each week every firm is looked at with the days before that day only. The days of the Spring Festival are left out of what is
compared, and from each fall the median fall of all firms on the same day is taken off, so that neither the moving festival nor
a hot summer alarms. Two scores are offered: ``level`` (the plain fall against the firm's own history) and ``combined`` (a ridge
logistic regression on several such measures, learned from long stops of other firms).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.power_seasons import POWER, Bools, Floats, Ints, PowerGrid, PowerParameters, in_festival, standing


@dataclass(frozen=True, slots=True)
class StopParameters:
    """How firms are watched. All numbers are proposals."""

    first_look: int = 84
    every: int = 7
    """Days of history before the first look; days between looks."""
    recent: int = 28
    base: int = 90
    long_base: int = 300
    """Days outside festivals: what is judged, and what it is judged against (the days before those)."""
    idle_after: int = 56
    idle_share: float = 0.05
    """A firm that ran on so small a share of the last days has stopped already: no more warnings."""
    stands: int = 91
    """A warning stands so many days after the last look that raised it. Looks within them belong to one warning."""
    ahead: int = 30
    """A stop counts as warned when a warning stands so many days before it."""
    horizon: int = 150
    long_stop: int = 45
    least_before: int = 60
    """Learning: a look is followed by a stop when one of at least ``long_stop`` days (of a firm that ran ``least_before`` days)
    begins ``ahead`` to ``horizon`` days later."""
    ridge: float = 20.0
    repeats: int = 20
    budgets: tuple[float, ...] = (5.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0)
    """False alarms per 100 firm-years that thresholds are chosen for, on the half of the firms that is learned from."""
    seed: int = 20161001


STOPS: Final = StopParameters()
MEASURES: Final = (
    "fall", "long_fall", "two_week_fall", "idle", "usual_idle", "since", "swings", "unusual", "new_low", "floor_fall", "size",
)  # fmt: skip
"""What a look measures, in the order of ``Looks.values``."""


@dataclass(frozen=True, eq=False)
class Looks:
    """``at``: places of the days of the looks; ``values[firm, look, measure]``; ``alive``: not stopped yet."""

    at: Ints
    values: Floats
    alive: Bools


def look_weekly(grid: PowerGrid, parameters: StopParameters = STOPS, power: PowerParameters = POWER) -> Looks:
    """Measures of each firm at each look, from the days before its day alone. Raises ValueError for too short a history."""
    width = grid.kwh.shape[1]
    at = np.arange(parameters.first_look, width + 1, parameters.every, dtype=np.int64)
    if not len(at):
        raise ValueError(f"watching needs at least {parameters.first_look} days")
    ordinary = np.flatnonzero(~in_festival(grid.days, power))
    values = np.stack([_measures(grid, ordinary[ordinary < day], int(day), parameters) for day in at], axis=1)
    alive = np.stack([
        grid.running[:, max(0, day - parameters.idle_after):day].mean(axis=1) > parameters.idle_share for day in at
    ], axis=1)
    return Looks(at, values, alive)


def _fall(now: Floats, before: Floats) -> Floats:
    """How far use fell, in logarithms: 0 = as before, 0.7 = half; a twentieth of the old level is added to both."""
    whole = before + 1e-9
    return np.asarray(-np.log((now + 0.05 * whole) / (1.05 * whole)), dtype=np.float64)


def _measures(grid: PowerGrid, seen: Ints, day: int, parameters: StopParameters) -> Floats:
    recent, long = parameters.recent, parameters.long_base
    kwh, run = grid.kwh, grid.running
    now, before = kwh[:, seen[-recent:]], kwh[:, seen[-recent - parameters.base:-recent]]
    history = kwh[:, seen[-recent - long:-recent]]
    usual, old = before.mean(axis=1), history.mean(axis=1)
    weeks = min(len(seen) // 7, (recent + long) // 7)
    blocks = kwh[:, seen[-7 * weeks:]].reshape(len(kwh), weeks, 7).mean(axis=2)
    logs = np.log(blocks + 0.05 * old[:, None] + 1e-9)
    earlier, latest = logs[:, :-4], logs[:, -4:].mean(axis=1)
    swings = earlier.std(axis=1)
    backward = run[:, :day][:, ::-1]
    since = np.where(backward.any(axis=1), backward.argmax(axis=1), day)
    floor = _fall(np.quantile(now, 0.1, axis=1), np.quantile(before, 0.1, axis=1) + 0.02 * usual)
    level, two_weeks = now.mean(axis=1), kwh[:, seen[-14:]].mean(axis=1)
    falls = np.stack([_fall(level, usual), _fall(level, old), _fall(two_weeks, usual)], axis=1)
    falls -= np.median(falls, axis=0)
    idle, usual_idle = (now == 0).mean(axis=1), (history == 0).mean(axis=1)
    unusual = (earlier.mean(axis=1) - latest) / (swings + 0.15)
    rest = (idle, usual_idle, np.log1p(np.minimum(since, 60)), swings, unusual, earlier.min(axis=1) - latest, floor,
            np.log10(old + 1.0))
    return np.asarray(np.clip(np.column_stack([falls, *rest]), -4.0, 6.0), dtype=np.float64)


def long_stops(grid: PowerGrid, parameters: StopParameters = STOPS) -> list[Ints]:
    """Places of the first days of each firm's stops of ``long_stop`` days or more, whether it came back or not."""
    found = []
    for run in grid.running:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], (~run).astype(np.int8), [0]])))
        begins, ends = edges[::2], edges[1::2]
        ran = np.concatenate([[0], np.cumsum(run)])[begins]
        found.append(begins[(ends - begins >= parameters.long_stop) & (ran >= parameters.least_before)])
    return found


def lessons(at: Ints, stops: Sequence[Ints], alive: Bools, parameters: StopParameters = STOPS) -> tuple[Bools, Bools]:
    """Which looks are followed by a stop, and which looks teach anything (not those too late, or while the firm stood still)."""
    before, usable = np.zeros(alive.shape, dtype=np.bool_), alive.copy()
    for firm, days in enumerate(stops):
        for day in days:
            before[firm] |= (at <= day - parameters.ahead) & (at >= day - parameters.horizon)
            usable[firm] &= (at <= day - parameters.ahead) | (at > day + 2 * parameters.ahead)
    return before, usable


@dataclass(frozen=True, eq=False)
class Logistic:
    """Ridge logistic regression on standardised measures."""

    mean: Floats
    spread: Floats
    weights: Floats

    def margin(self, values: Floats) -> Floats:
        """Log-odds, of the shape of ``values`` without its last axis."""
        return np.asarray(((values - self.mean) / self.spread) @ self.weights[1:] + self.weights[0], dtype=np.float64)


def learn(values: Floats, outcome: Bools, ridge: float) -> Logistic:
    """Newton's steps to the optimum, halved while they overshoot. Raises ValueError when one outcome is missing."""
    if outcome.all() or not outcome.any():
        raise ValueError("both outcomes are needed")
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-9
    x = np.column_stack([np.ones(len(values)), (values - mean) / spread])
    penalty = np.full(x.shape[1], ridge)
    penalty[0] = 0.0
    weights = np.zeros(x.shape[1])
    weights[0] = np.log(outcome.mean() / (1 - outcome.mean()))

    def loss(at: Floats) -> float:
        margin = x @ at
        return float(np.logaddexp(0.0, margin).sum() - margin[outcome].sum() + 0.5 * (penalty * at * at).sum())

    standing_loss = loss(weights)
    for _ in range(30):
        p = 0.5 * (1.0 + np.tanh(0.5 * (x @ weights)))
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty), x.T @ (p - outcome) + penalty * weights)
        while (reached := loss(weights - step)) > standing_loss and np.abs(step).max() > 1e-9:
            step = step / 2
        if np.abs(step).max() <= 1e-6:
            break
        weights, standing_loss = weights - step, reached
    return Logistic(mean, spread, weights)


@dataclass(frozen=True, eq=False)
class Raised:
    """``episodes``: warnings by firm; ``stands[firm, look]``: whether one stands."""

    episodes: Ints
    stands: Bools


def raise_warnings(alarm: Bools, at: Ints, parameters: StopParameters = STOPS) -> Raised:
    """Looks that alarm, as warnings: one that is raised again while it stands stays the same warning."""
    last = np.maximum.accumulate(np.where(alarm, at, -10 * parameters.stands), axis=1)
    before = np.concatenate([np.full((len(alarm), 1), -10 * parameters.stands), last[:, :-1]], axis=1)
    new = alarm & (at - before > parameters.stands)
    return Raised(new.sum(axis=1), at - last <= parameters.stands)


def warned_ahead(raised: Raised, at: Ints, stop: Ints, parameters: StopParameters = STOPS) -> Bools:
    """Firms for which a warning stands at the last look that is at least ``ahead`` days before their stop."""
    place = np.searchsorted(at, stop - parameters.ahead, side="right") - 1
    stands = raised.stands[np.arange(len(stop)), np.maximum(place, 0)]
    return np.asarray(stands & (place >= 0), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold of the trade-off, measured on firms that it was not chosen on; means over the repeats, with 5 % and 95 %.

    ``warned``: share of stopped firms warned ahead; ``false_alarms``: warnings per 100 firm-years among the others;
    ``under_warning``: share of looks at the others at which a warning stands, which is what warning at random would reach.
    """

    budget: float
    warned: float
    warned_low: float
    warned_high: float
    false_alarms: float
    under_warning: float


@dataclass(frozen=True, eq=False)
class Watch:
    """The evaluation: how many firms, how long, and the trade-off by score."""

    stopped: int
    others: int
    firm_years: float
    curves: dict[str, tuple[Point, ...]]


def evaluate(grid: PowerGrid, parameters: StopParameters = STOPS, power: PowerParameters = POWER) -> Watch:
    """Learns and chooses thresholds on one half of the firms, measures on the other and the other way round, ``repeats`` times.

    Firms that are not judged (not metered, too few days) are left out. Raises ValueError without a stopped firm on each half.
    """
    told = standing(grid, power)
    kept = grid.only(told.judged)
    stopped, stop = told.stopped[told.judged], told.stop[told.judged]
    looks = look_weekly(kept, parameters, power)
    before, usable = lessons(looks.at, long_stops(kept, parameters), looks.alive, parameters)
    years = (kept.kwh.shape[1] - int(looks.at[0])) / 365.25
    runs: dict[str, list[Floats]] = {"level": [], "combined": []}
    for repeat in range(parameters.repeats):
        half = _half(stopped, np.random.default_rng([parameters.seed, repeat]))
        for name, score in (("level", _level), ("combined", _combined)):
            runs[name].append(_crossed(half, looks, before, usable, stopped, stop, years, score, parameters))
    curves = {name: _points(np.stack(found), parameters) for name, found in runs.items()}
    return Watch(int(stopped.sum()), int((~stopped).sum()), float((~stopped).sum() * years), curves)


_Score = Callable[[Looks, Bools, Bools, Bools, StopParameters], Floats]


def _level(looks: Looks, half: Bools, before: Bools, usable: Bools, parameters: StopParameters) -> Floats:
    return looks.values[..., MEASURES.index("long_fall")]


def _combined(looks: Looks, half: Bools, before: Bools, usable: Bools, parameters: StopParameters) -> Floats:
    taught = usable & half[:, None]
    return learn(looks.values[taught], before[taught], parameters.ridge).margin(looks.values)


def _half(stopped: Bools, rng: np.random.Generator) -> Bools:
    half = np.zeros(len(stopped), dtype=np.bool_)
    for group in (np.flatnonzero(stopped), np.flatnonzero(~stopped)):
        half[rng.permutation(group)[: len(group) // 2]] = True
    return half


def _crossed(
    half: Bools, looks: Looks, before: Bools, usable: Bools, stopped: Bools, stop: Ints, years: float, score: _Score,
    parameters: StopParameters,
) -> Floats:
    """Rows (warned, false alarms, under warning) by budget: each firm judged by what was learned and chosen on the other half."""
    budgets = parameters.budgets
    warned = np.zeros((len(budgets), len(stopped)), dtype=np.bool_)
    alarms, under = np.zeros((len(budgets), len(stopped))), np.zeros((len(budgets), len(stopped)))
    for taught in (half, ~half):
        margin = np.where(looks.alive, score(looks, taught, before, usable, parameters), -np.inf)
        calm = margin[taught & ~stopped]
        for place, limit in enumerate(thresholds_for(calm, looks.at, years, parameters)):
            raised = raise_warnings(margin[~taught] >= limit, looks.at, parameters)
            warned[place, ~taught] = warned_ahead(raised, looks.at, stop[~taught], parameters)
            alarms[place, ~taught], under[place, ~taught] = raised.episodes, raised.stands.mean(axis=1)
    calm_firms = ~stopped
    return np.column_stack([
        warned[:, stopped].mean(axis=1), 100.0 * alarms[:, calm_firms].mean(axis=1) / years, under[:, calm_firms].mean(axis=1),
    ])


def thresholds_for(margin: Floats, at: Ints, years: float, parameters: StopParameters = STOPS) -> list[float]:
    """For each budget the lowest threshold from which on no more warnings per 100 firm-years are raised among these firms.

    ``years``: how long each was watched. Thresholds are tried at quantiles of the margins; far down warnings merge and become
    fewer again, so the search goes from above.
    """
    tried = np.quantile(margin[np.isfinite(margin)], np.linspace(0.4, 1.0, 61))
    rates = np.array([raise_warnings(margin >= limit, at, parameters).episodes.mean() * 100.0 / years for limit in tried])
    chosen = []
    for budget in parameters.budgets:
        over = np.flatnonzero(rates > budget)
        chosen.append(float(tried[min(int(over[-1]) + 1, len(tried) - 1)]) if len(over) else float(tried[0]))
    return chosen


def _points(runs: Floats, parameters: StopParameters) -> tuple[Point, ...]:
    low, high = np.quantile(runs[:, :, 0], [0.05, 0.95], axis=0)
    mean = runs.mean(axis=0)
    return tuple(
        Point(budget, float(mean[i, 0]), float(low[i]), float(high[i]), float(mean[i, 1]), float(mean[i, 2]))
        for i, budget in enumerate(parameters.budgets)
    )
