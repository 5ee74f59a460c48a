"""What reports about models say: pure functions over arrays, aggregates out, nothing about fewer than ten firms.

Nor does what they say of ten tell of one: shares come in steps of some firms each, means are rounded, and a quantile is a mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Words = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class ReportParameters:
    """All proposals. ``least``: firms below which nothing is told. ``approved``: grades that stand for "would be approved".

    ``fair_ratio``: a group approved less than this share of the others' rate is to be looked at (four-fifths rule).
    ``bands``: edges of score changes, in points. ``reference_days``: days after activation in which the reference is taken.
    ``outcome_days``: days within which a loan must have turned bad to count, and must have run to be counted.
    ``steps``: the steps in which shares may be told, the finest first; ``firms_a_step``: firms that one step has to hold, so that
    one firm more or fewer rarely shows and never shows for sure. ``small``: firms below which means are told more coarsely.
    """

    least: int = 10
    approved: tuple[str, ...] = ("A", "B", "C")
    fair_ratio: float = 0.8
    bands: tuple[int, ...] = (-80, -40, -20, 20, 40, 80)
    reference_days: int = 31
    outcome_days: int = 365
    steps: tuple[float, ...] = (0.01, 0.02, 0.05, 0.10, 0.25)
    firms_a_step: float = 2.5
    small: int = 100


REPORT = ReportParameters()
OTHERS = "_others"
AGES = ((0, 2), (2, 5), (5, 10), (10, 999))
"""Years since founding, from (included) to (excluded)."""


def age_band(founded: date | None, on: date) -> str:
    """The band of a firm's age, ``unknown`` without a founding day."""
    if founded is None:
        return "unknown"
    years = (on - founded).days / 365.25
    return next((f"{low}-{high}" for low, high in AGES if low <= years < high), "unknown")


def told_share(share: float, firms: int, parameters: ReportParameters = REPORT) -> float:
    """A share of so many firms in steps that hold several firms each: of ten firms in quarters, of 250 in per cents."""
    step = next((step for step in parameters.steps if step * firms >= parameters.firms_a_step), parameters.steps[-1])
    return round(round(share / step) * step, 6)


def _share(among: NDArray[np.bool_], parameters: ReportParameters) -> float:
    return told_share(float(among.mean()), len(among), parameters)


def told_mean(values: Floats, coarse: float, fine: float, parameters: ReportParameters = REPORT) -> float:
    """The mean in steps of ``coarse``, or of ``fine`` where there are many firms."""
    step = coarse if len(values) < parameters.small else fine
    return round(round(float(values.mean()) / step) * step, 6)


def told_quantile(ranked: Floats, share: float, parameters: ReportParameters = REPORT) -> float | None:
    """The mean of the ``least`` firms about a quantile; ``None`` where that many do not lie about it.

    The quantile itself would be the value of one firm, or lie between those of two.
    """
    first = round(share * (len(ranked) - 1) - (parameters.least - 1) / 2)
    if first < 0 or first + parameters.least > len(ranked):
        return None
    return round(float(ranked[first:first + parameters.least].mean()), 1)


@dataclass(frozen=True, slots=True)
class Group:
    """Firms of one group: how many, of which without enough data; of the scored ones the mean score, the share of each grade
    and the share that would be approved. ``ratio``: that share over the one of all other scored firms.
    """

    name: str
    firms: int
    insufficient: float
    mean_score: float | None
    grades: dict[str, float]
    approved: float | None
    ratio: float | None
    flagged: bool


def group_table(
    names: Sequence[str], score: Floats, grade: Words, scored: NDArray[np.bool_], parameters: ReportParameters = REPORT,
) -> list[dict[str, Any]]:
    """Groups of at least ``least`` firms, and the rest together where it has as many.

    Small groups are told together; where even together they are too few, the smallest group that could stand alone joins them,
    so that nobody finds them by subtraction. With fewer than ``least`` firms in all there is no row.
    """
    words = np.asarray(names, dtype=object)
    counts = {name: int((words == name).sum()) for name in sorted(set(names))}
    alone = sorted((name for name, count in counts.items() if count >= parameters.least), key=lambda name: (counts[name], name))
    rest = sum(counts.values()) - sum(counts[name] for name in alone)
    while 0 < rest < parameters.least and alone:
        rest += counts[alone.pop(0)]
    kept = set(alone)
    words = np.asarray([name if name in kept else OTHERS for name in names], dtype=object)
    shown = [*sorted(kept), *([OTHERS] if rest >= parameters.least else [])]
    return [asdict(_group(name, words == name, score, grade, scored, parameters)) for name in shown]


def _group(
    name: str, inside: NDArray[np.bool_], score: Floats, grade: Words, scored: NDArray[np.bool_], parameters: ReportParameters,
) -> Group:
    mine, others = inside & scored, ~inside & scored
    told = int(mine.sum()) >= parameters.least
    approved = np.isin(grade, parameters.approved)
    share = _share(approved[mine], parameters) if told else None
    base = _share(approved[others], parameters) if int(others.sum()) >= parameters.least else None
    ratio = share / base if share is not None and base else None
    return Group(
        name, int(inside.sum()), _share(~scored[inside], parameters),
        told_mean(score[mine], 5.0, 1.0, parameters) if told else None,
        {one: _share(grade[mine] == one, parameters) for one in sorted(set(grade[scored].tolist()))} if told else {},
        share, ratio, ratio is not None and ratio < parameters.fair_ratio,
    )


def compare_scores(
    before: Floats, after: Floats, grade_before: Words, grade_after: Words, grades: Sequence[str],
    groups: Mapping[str, Sequence[str]], parameters: ReportParameters = REPORT,
) -> dict[str, Any]:
    """Two models on the same firms: distributions, rank correlation, the matrix of grades, how far scores move and for whom.

    Raises ValueError with fewer than ``least`` firms. Cells of the matrix below ``least`` firms are ``None`` unless zero: such a
    cell would tell of few firms.
    """
    n = len(before)
    if n < parameters.least:
        raise ValueError("too few firms to compare")
    change = after - before
    edges = [-np.inf, *parameters.bands, np.inf]
    matrix = [[int(((grade_before == one) & (grade_after == other)).sum()) for other in grades] for one in grades]
    return {
        "firms": n,
        "before": _spread(before, parameters), "after": _spread(after, parameters), "change": _spread(change, parameters),
        "spearman": spearman(before, after),
        "grades": list(grades),
        "matrix": [[cell if cell == 0 or cell >= parameters.least else None for cell in row] for row in matrix],
        "same_grade": _share(grade_before == grade_after, parameters),
        "better_grade": _share(_moved(grade_before, grade_after, grades, -1), parameters),
        "worse_grade": _share(_moved(grade_before, grade_after, grades, 1), parameters),
        "moves": _moves(change, edges, parameters.least),
        "groups": {by: _changes(names, change, parameters) for by, names in groups.items()},
    }


def _moves(change: Floats, edges: Sequence[float], least: int) -> list[dict[str, Any]]:
    """Firms by how far their score moves; a band of few firms is not told."""
    rows = []
    for low, high in pairwise(edges):
        count = int(((change >= low) & (change < high)).sum())
        rows.append({
            "low": None if np.isinf(low) else low, "high": None if np.isinf(high) else high,
            "firms": count if count == 0 or count >= least else None,
        })
    return rows


def _changes(names: Sequence[str], change: Floats, parameters: ReportParameters) -> list[dict[str, Any]]:
    words = np.asarray(names, dtype=object)
    rows = [
        {"name": name, "firms": int((words == name).sum()), "mean": told_mean(change[words == name], 1.0, 0.1, parameters)}
        for name in sorted(set(names)) if int((words == name).sum()) >= parameters.least
    ]
    return sorted(rows, key=lambda row: -abs(float(str(row["mean"]))))


def _moved(before: Words, after: Words, grades: Sequence[str], sign: int) -> NDArray[np.bool_]:
    place = {grade: at for at, grade in enumerate(grades)}
    steps = np.array([place[two] - place[one] for one, two in zip(before.tolist(), after.tolist(), strict=True)])
    return np.asarray(np.sign(steps) == sign)


def _spread(values: Floats, parameters: ReportParameters) -> dict[str, float | None]:
    shares, ranked = (0.05, 0.25, 0.5, 0.75, 0.95), np.sort(values)
    told = {f"p{int(share * 100)}": told_quantile(ranked, share, parameters) for share in shares}
    return {"mean": told_mean(values, 1.0, 0.1, parameters), **told}


def spearman(one: Floats, other: Floats) -> float | None:
    """Rank correlation with mean ranks for ties; ``None`` where one side does not vary."""
    a, b = _ranks(one), _ranks(other)
    if not a.std() or not b.std():
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[place], dtype=np.float64)
