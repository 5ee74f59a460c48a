"""Profiles as they are stored: a chunk in two statements, and what would say the same again is not written again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from app.core.calendar import now
from app.core.database import session
from app.core.ids import new_id
from app.credit.computing import Draft, feature_list
from app.credit.models import CreditProfile, FeatureList
from app.credit.queries import among, array_text
from app.credit.rules import SCALE

_DOUBLES_OID, _DOUBLE_OID = 1022, 701
"""PostgreSQL's ``double precision[]`` and ``double precision``."""


class _Doubles:
    """Numbers that travel as one array, as numpy lays them: a list would be written number by number."""

    def __init__(self, values: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        self.values = values


class _DoublesDumper(Dumper):
    """Binary form of an array: dimensions, no nulls, type, length, first place; then each number after its length."""

    format = Format.BINARY
    oid = _DOUBLES_OID

    def dump(self, obj: _Doubles) -> bytes:
        """The array as PostgreSQL receives it."""
        told = np.empty(len(obj.values), dtype=[("length", ">i4"), ("value", ">f8")])
        told["length"], told["value"] = 8, obj.values
        return np.array([1, 0, _DOUBLE_OID, len(told), 1], dtype=">i4").tobytes() + told.tobytes()


_END = text("update credit_profile set current = false where id = any(cast((select cast(:ended as uuid[])) as uuid[]))")
# Numbers travel as arrays, what is JSON already as one document, and all snapshots as one array that is cut by place.
_INSERT = text("""
insert into credit_profile (id, firm_id, at, current, state, as_of, partial, months_covered, digest, scale, score, grade, points,
  probability, pd_low, pd_high, model_id, coverage, reasons, account, consent_ids, feature_list, snapshot)
select d.id, d.firm_id, :at, true, d.state, d.as_of, d.partial, d.months, d.digest, :scale, d.score, d.grade, d.points, d.pd,
  d.low, d.high, d.model_id, d.told -> 0, d.told -> 1, d.told -> 2, d.told -> 3,
  case when d.state <> 'no_consent' then cast(:list as bytea) end,
  case when d.state <> 'no_consent'
    then (cast(:values as double precision[]))[(d.place - 1) * :width + 1 : d.place * :width] end
from rows from (
  unnest(cast(:ids as uuid[]), cast(:firms as uuid[]), cast(:states as text[]), cast(:days as date[]),
    cast(:partial as boolean[]), cast(:months as bigint[]), cast(:digests as bytea[]), cast(:scores as bigint[]),
    cast(:grades as text[]), cast(:points as double precision[]), cast(:pds as double precision[]),
    cast(:lows as double precision[]), cast(:highs as double precision[]), cast(:models as uuid[])),
  jsonb_array_elements(cast(:told as jsonb))
) with ordinality as d (id, firm_id, state, as_of, partial, months, digest, score, grade, points, pd, low, high, model_id, told,
  place)
""")


Standing = Mapping[UUID, tuple[UUID, bytes | None]]
"""The profile that stands of each firm, and its digest."""


def standing_of(firm_ids: Sequence[UUID]) -> Standing:
    """What stands of the firms; those without a profile are absent."""
    found = session().execute(
        select(CreditProfile.firm_id, CreditProfile.id, CreditProfile.digest)
        .where(among(CreditProfile.firm_id, firm_ids), CreditProfile.current)
    )
    return {firm_id: (profile_id, digest) for firm_id, profile_id, digest in found}


@dataclass(frozen=True, slots=True)
class News:
    """New profiles, as the database takes them. ``made``: profile by firm; ``ended``: the profiles they take the place of."""

    made: Mapping[UUID, UUID]
    ended: Sequence[UUID]
    rows: Mapping[str, Any]

    def write(self) -> None:
        """Stores them inside the running transaction."""
        raw: Any = session().connection().connection.driver_connection
        raw.adapters.register_dumper(_Doubles, _DoublesDumper)
        if self.ended:
            session().execute(_END, {"ended": array_text(self.ended)})
        session().execute(_INSERT, self.rows)


def write_feature_list() -> None:
    """The list of features that snapshots are told in lies beside them, once."""
    sha, names, grounds = feature_list()
    session().execute(insert(FeatureList).values(sha=sha, names=list(names), grounds=list(grounds)).on_conflict_do_nothing())


def news(told: Sequence[Draft], standing: Standing) -> News | None:
    """What is new among the drafts of distinct firms: a profile that stands and says the same is left as it is."""
    digests = {draft.firm_id: draft.digest() for draft in told}
    fresh = [draft for draft in told if draft.firm_id not in standing or standing[draft.firm_id][1] != digests[draft.firm_id]]
    if not fresh:
        return None
    sha, names, _ = feature_list()
    absent = np.full(len(names), np.nan).tobytes()
    values = np.frombuffer(b"".join(draft.snapshot or absent for draft in fresh), "<f8")
    scores = [draft.score for draft in fresh]
    made = {draft.firm_id: new_id() for draft in fresh}
    ended = [standing[draft.firm_id][0] for draft in fresh if draft.firm_id in standing]
    return News(made, ended, {
        "at": now(), "scale": SCALE, "list": sha, "width": len(names),
        "ids": array_text(made.values()), "firms": array_text(made),
        "states": array_text(draft.state.value for draft in fresh), "days": array_text(draft.as_of for draft in fresh),
        "partial": array_text(draft.partial for draft in fresh), "months": array_text(draft.months_covered for draft in fresh),
        "digests": array_text(f'"\\\\x{digests[draft.firm_id].hex()}"' for draft in fresh),
        "scores": array_text(score and score.score for score in scores),
        "grades": array_text(score and score.grade for score in scores),
        "points": array_text(score and repr(score.points) for score in scores),
        "pds": array_text(score and repr(score.pd) for score in scores),
        "lows": array_text(score and repr(score.low) for score in scores),
        "highs": array_text(score and repr(score.high) for score in scores),
        "models": array_text(score and score.model_id for score in scores),
        "told": "[" + ",".join(f"[{','.join(draft.told)}]" for draft in fresh) + "]",
        "values": _Doubles(values),
    })
