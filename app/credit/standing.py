"""The profiles that stand, as arrays, for reports about models. Read by the portal itself; what leaves is aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, text

from app.core.database import session
from app.credit.models import FeatureList

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Profiles:
    """Profiles side by side: ``values`` firms × ``names``, NaN = absent. ``score`` and ``pd`` are NaN where there is none."""

    firms: tuple[UUID, ...]
    names: tuple[str, ...]
    values: Floats
    score: Floats
    pd: Floats
    grade: NDArray[np.str_]
    scored: NDArray[np.bool_]
    at: NDArray[np.datetime64]

    def __len__(self) -> int:
        return len(self.firms)

    def take(self, which: NDArray[np.bool_]) -> Profiles:
        """Some of them."""
        return Profiles(
            tuple(firm for firm, taken in zip(self.firms, which, strict=True) if taken), self.names, self.values[which],
            self.score[which], self.pd[which], self.grade[which], self.scored[which], self.at[which],
        )


# Scores of an earlier scale do not compare. A consent that was taken back ends the use of what it gave: of such a firm no
# profile, old or new, is counted.
_IN_USE = """
    from credit_profile p where p.state in ('scored', 'insufficient') and p.scale = 2
      and exists (select 1 from credit_profile c where c.firm_id = p.firm_id and c.current and c.state <> 'no_consent')
"""
_COLUMNS = "select p.firm_id, p.state, p.score, p.probability, p.grade, p.snapshot, p.feature_list, p.at"
_CURRENT = text(f"{_COLUMNS} {_IN_USE} and p.current order by p.firm_id")
_BY_MODEL = text(f"{_COLUMNS} {_IN_USE} and p.model_id = :model order by p.at, p.firm_id")
_FIRST_BY_MODEL = text(f"""
    select distinct on (p.firm_id) p.firm_id, p.state, p.score, p.probability, p.grade, p.snapshot, p.feature_list, p.at {_IN_USE}
      and p.model_id = :model and p.at < :until order by p.firm_id, p.at
""")


def standing() -> Profiles:
    """What stands now, of every firm whose consent is in force."""
    return _profiles(session().execute(_CURRENT).all())


def of_model(model_id: UUID) -> Profiles:
    """Every profile a model ever made, in the order of time."""
    return _profiles(session().execute(_BY_MODEL, {"model": model_id}).all())


def first_of_model(model_id: UUID, until: datetime) -> Profiles:
    """Each firm's first profile by a model, of those made before a moment: how the city stood when the model began."""
    return _profiles(session().execute(_FIRST_BY_MODEL, {"model": model_id, "until": until}).all())


def _profiles(rows: Sequence[Any]) -> Profiles:
    lists = {sha: tuple(listed) for sha, listed in session().execute(select(FeatureList.sha, FeatureList.names))}
    used = {row.feature_list for row in rows}
    names = tuple(sorted({name for sha in used for name in lists[sha]}))
    place = {name: at for at, name in enumerate(names)}
    values = np.full((len(rows), len(names)), np.nan)
    for sha in used:
        own = [number for number, row in enumerate(rows) if row.feature_list == sha]
        values[np.ix_(own, [place[name] for name in lists[sha]])] = [rows[number].snapshot for number in own]
    known = ~np.isnan(values).all(axis=0)
    names, values = tuple(name for name, told in zip(names, known, strict=True) if told), values[:, known]
    return Profiles(
        tuple(row.firm_id for row in rows), names, values,
        np.array([np.nan if row.score is None else float(row.score) for row in rows]),
        np.array([np.nan if row.probability is None else float(row.probability) for row in rows]),
        np.array([row.grade or "" for row in rows], dtype=np.str_),
        np.array([row.state == "scored" for row in rows], dtype=np.bool_),
        np.array([row.at.date() for row in rows], dtype="datetime64[D]"),
    )


@dataclass(frozen=True, slots=True)
class Traits:
    """What groups a firm belongs to. ``first_time``: no loan of it was drawn through the portal."""

    district: str
    industry: str | None
    size: str
    founded: date | None
    first_time: bool


_TRAITS = text("""
    select e.id, e.district, e.industry_code, e.size_class,
           (select min(r.established_on) from registration r where r.firm_no = e.firm_no and r.current) as founded,
           not exists (select 1 from loan_expectation x where x.firm_id = e.id) as first_time
    from enterprise e where e.id = any(:firms)
""")


def traits(firms: Sequence[UUID]) -> dict[UUID, Traits]:
    """The groups of these firms."""
    rows = session().execute(_TRAITS, {"firms": list(firms)})
    return {row.id: Traits(row.district, row.industry_code, row.size_class, row.founded, row.first_time) for row in rows}
