"""``python -m scoring monitor``: whether rows that come now are like those the model was judged on, as Markdown and as JSON.

Rows are counted, not weighted, and those of which too little is known for a score are left out on both sides. Words of a category
are compared by the number that the model reads for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Final

import numpy as np

from scoring.document import table
from scoring.encoding import matrix
from scoring.errors import DataError
from scoring.model import Model
from scoring.monitoring import MONITORING, Agreement, Band, Drift, GradeOutcome, drift, drifts, outcomes_by_grade
from scoring.scale import Float64
from scoring.table import Table

VERDICTS: Final[Mapping[Band, str]] = {
    Band.STABLE: "stable",
    Band.WATCH: "watch",
    Band.SHIFTED: "shifted",
    Band.TOO_FEW: "too few rows for a verdict",
}
AGREEMENTS: Final[Mapping[Agreement, str]] = {
    Agreement.AS_EXPECTED: "as expected",
    Agreement.MORE_BAD: "more bad than expected",
    Agreement.FEWER_BAD: "fewer bad than expected",
    Agreement.TOO_FEW: "too few rows for a verdict",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Rows of one moment: PSI of their score against the reference, mean score, and share of the grades D and E."""

    name: str
    rows: int
    psi: float
    band: Band
    mean_score: float
    weak: float


@dataclass(frozen=True, slots=True)
class Watched:
    """All that is told: ``moments`` in the order of time; ``outcomes`` by grade where labels are known, at the sample's rate."""

    model: str
    reference_rows: int
    rows: int
    score: Drift
    features: Sequence[Drift]
    moments: Sequence[Moment]
    outcomes: Sequence[GradeOutcome]


def watch(model: Model, reference: Table, now: Sequence[tuple[str, Table]]) -> Watched:
    """The score and every column the model reads, now against the reference. ``now``: named tables, the oldest first.

    A table that tells the moment of each row (``Table.when``) is told moment by moment. Raises DataError where a side is empty.
    """
    before = reference.take(~reference.thin)
    sides = [(name, one.take(~one.thin)) for name, one in now]
    if not len(before) or not any(len(one) for _, one in sides):
        raise DataError("nothing to compare: no row of one side has enough data for a score")
    X_before, X_now = matrix(model.columns, before.inputs), [matrix(model.columns, one.inputs) for _, one in sides]
    scored, found = model.score(X_before), [model.score(X) for X in X_now]
    scores = [one.score.astype(np.float64) for one in found]
    known = [np.isfinite(one.bad) for _, one in sides]
    return Watched(
        model=model.version,
        reference_rows=len(before),
        rows=sum(map(len, scores)),
        score=drift("score", scored.score.astype(np.float64), np.concatenate(scores)),
        features=drifts(model.names, X_before, np.concatenate(X_now)),
        moments=_moments(scored.score.astype(np.float64), sides, scores, [np.isin(one.grade, ("D", "E")) for one in found]),
        outcomes=outcomes_by_grade(
            [str(grade) for one, told in zip(found, known, strict=True) for grade in one.grade[told]],
            np.concatenate([one.pd_sample[told] for one, told in zip(found, known, strict=True)]),
            np.concatenate([one.bad[told] == 1.0 for (_, one), told in zip(sides, known, strict=True)]),
        ),
    )


def _moments(
    reference: Float64, sides: Sequence[tuple[str, Table]], scores: Sequence[Float64], weak: Sequence[np.ndarray[Any, Any]]
) -> list[Moment]:
    found = []
    for (name, told), score, poor in zip(sides, scores, weak, strict=True):
        when = told.when if told.when is not None else np.full(len(told), name)
        for moment in np.unique(when):
            mine = when == moment
            one = drift("", reference, score[mine])
            found.append(
                Moment(str(moment), int(mine.sum()), one.psi, one.band, float(score[mine].mean()), float(poor[mine].mean()))
            )
    return found


def report(told: Watched) -> str:
    """The whole watch as Markdown."""
    bands = f"PSI under {MONITORING.watch:g} is stable, from {MONITORING.shifted:g} on shifted, between them to be watched."
    lines = [
        f"## Model {told.model}: {told.rows:,} rows against {told.reference_rows:,}", "",
        f"{bands} Under {MONITORING.least:,} rows on a side there is no verdict.", "",
        f"Score: PSI {told.score.psi:.4f}, **{VERDICTS[told.score.band]}**.", "",
        *table(("moment", "rows", "PSI of the score", "verdict", "mean score", "grades D and E"), [
            (one.name, f"{one.rows:,}", f"{one.psi:.4f}", VERDICTS[one.band], f"{one.mean_score:.1f}", f"{one.weak:.1%}")
            for one in told.moments
        ]), "",
        *table(("column", "PSI", "verdict", "missing before", "missing now"), [
            (one.name, f"{one.psi:.4f}", VERDICTS[one.band], f"{one.missing_reference:.1%}", f"{one.missing_now:.1%}")
            for one in told.features
        ]),
    ]  # fmt: skip
    if told.outcomes:
        lines += ["", "Outcomes against the probabilities told, before the shift to the base rate:", "", *table(
            ("grade", "rows", "expected bad", "observed bad", "ratio", "verdict"),
            [(one.grade or "all", f"{one.loans:,}", f"{one.expected:.1f}", f"{one.observed:,}", f"{one.ratio:.2f}",
              AGREEMENTS[one.agreement]) for one in told.outcomes],
        )]  # fmt: skip
    return "\n".join(lines) + "\n"


def as_json(told: Watched) -> dict[str, Any]:
    """The same for a machine; what is no number is absent (null)."""
    content: dict[str, Any] = _plain(asdict(told))
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value
