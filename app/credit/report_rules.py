"""What reports about models say: pure functions over arrays, aggregates out, nothing about fewer than ten firms."""

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
    """

    least: int = 10
    approved: tuple[str, ...] = ("A", "B", "C")
    fair_ratio: float = 0.8
    bands: tuple[int, ...] = (-80, -40, -20, 20, 40, 80)
    reference_days: int = 31
    outcome_days: int = 365


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
    share = float(approved[mine].mean()) if told else None
    base = float(approved[others].mean()) if int(others.sum()) >= parameters.least else None
    ratio = share / base if share is not None and base else None
    return Group(
        name, int(inside.sum()), float((inside & ~scored).sum() / inside.sum()), float(score[mine].mean()) if told else None,
        {one: float((grade[mine] == one).mean()) for one in sorted(set(grade[scored].tolist()))} if told else {},
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
        "before": _spread(before), "after": _spread(after), "change": _spread(change),
        "spearman": spearman(before, after),
        "grades": list(grades),
        "matrix": [[cell if cell == 0 or cell >= parameters.least else None for cell in row] for row in matrix],
        "same_grade": float((grade_before == grade_after).mean()),
        "better_grade": _moved(grade_before, grade_after, grades, -1),
        "worse_grade": _moved(grade_before, grade_after, grades, 1),
        "moves": _moves(change, edges, parameters.least),
        "groups": {by: _changes(names, change, parameters.least) for by, names in groups.items()},
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


def _changes(names: Sequence[str], change: Floats, least: int) -> list[dict[str, Any]]:
    words = np.asarray(names, dtype=object)
    rows = [
        {"name": name, "firms": int((words == name).sum()), "mean": float(change[words == name].mean())}
        for name in sorted(set(names)) if int((words == name).sum()) >= least
    ]
    return sorted(rows, key=lambda row: -abs(float(str(row["mean"]))))


def _moved(before: Words, after: Words, grades: Sequence[str], sign: int) -> float:
    place = {grade: at for at, grade in enumerate(grades)}
    steps = np.array([place[two] - place[one] for one, two in zip(before.tolist(), after.tolist(), strict=True)])
    return float((np.sign(steps) == sign).mean())


def _spread(values: Floats) -> dict[str, float]:
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    return {"mean": float(values.mean()), **{f"p{int(share * 100)}": float(np.quantile(values, share)) for share in shares}}


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
