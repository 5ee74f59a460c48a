"""What signals are computed from: the facts of a few firms that the portal may read, as frames, with the day they tell about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import numpy as np
import polars as pl
from sqlalchemy import text

from app.core.calendar import SHANGHAI, today
from app.core.database import session
from app.evidence.arrays import firm_arrays
from app.evidence.consent_queries import origins
from app.evidence.items import ITEMS, Kind
from scoring.signal_words import Kind as SignalKind
from scoring.signals import ITEMS as KINDS
from scoring.signals import TOGETHER

READ = tuple(sorted({item for items in KINDS.values() for item in items}))
"""The items that any rule reads."""
LOOK_BACK = timedelta(days=27 * 31)
"""Two years and what is compared with them."""
_ALONE = tuple(kind for kind in SignalKind if kind not in TOGETHER)

_ALLOWED = text("""
select e.id, e.firm_no, coalesce(array_agg(i.code) filter (where i.code is not null), '{}') as items
from enterprise e left join data_item i on i.active and i.code = any(:items) and (not i.consent_needed or exists (
  select 1 from consent c where c.firm_id = e.id and c.receiver_org_id is null and c.item_code = i.consent_item
    and c.state = 'ACTIVE' and c.valid_until > now()))
where e.id = any(:firms) and e.state = 'verified' group by e.id, e.firm_no
""")


@dataclass(frozen=True)
class Readable:
    """One firm: its number, and the items that are public or that its consent lets the portal read at this moment."""

    firm_id: UUID
    firm_no: int
    items: frozenset[str]


def readable(firm_ids: Sequence[UUID]) -> list[Readable]:
    """The verified ones of the firms, under the identity of the portal."""
    rows = session().execute(_ALLOWED, {"firms": list(firm_ids), "items": list(READ)})
    return [Readable(row.id, row.firm_no, frozenset(row.items)) for row in rows]


@dataclass(frozen=True)
class Reading:
    """What some kinds of signals are computed from: facts as frames, and the day they tell about."""

    day: date
    kinds: Collection[SignalKind]
    frames: Mapping[str, pl.DataFrame]


def readings(firms: Sequence[Readable]) -> list[Reading]:
    """The firms' facts by the day the last delivery of the item about the firm came in.

    A bill that was open when the last file was made is not judged by days that nobody has reported on yet. Items that tell one
    thing together are read together, on the day the later of them came.
    """
    parts: dict[tuple[date, Collection[SignalKind]], dict[str, list[pl.DataFrame]]] = {}
    for firm in firms:
        items = sorted(firm.items)
        if not items:
            continue
        came = {
            item: min(max(one.at.astimezone(SHANGHAI).date() for one in found if one.at is not None), today())
            for item, found in origins(firm.firm_no, items).items() if any(one.at is not None for one in found)
        }
        rows = {
            item: _frame(item, firm.firm_no, columns)
            for item, columns in firm_arrays(firm.firm_no, items, today() - LOOK_BACK).items() if item in came
        }
        held = {item: frame for item, frame in rows.items() if not frame.is_empty()}
        for item in held:
            parts.setdefault((came[item], _ALONE), {}).setdefault(item, []).append(held[item])
        for kind in TOGETHER:
            both = [item for item in KINDS[kind] if item in held]
            for item in both:
                day = max(came[one] for one in both)
                parts.setdefault((day, (kind,)), {}).setdefault(item, []).append(held[item])
    return [
        Reading(day, kinds, {item: pl.concat(frames) for item, frames in sorted(found.items())})
        for (day, kinds), found in sorted(parts.items(), key=lambda part: (part[0][0], len(part[0][1])))
    ]


def _frame(item: str, firm_no: int, columns: dict[str, np.ndarray]) -> pl.DataFrame:
    kinds = {one.stored: one.kind for one in ITEMS[item].fields}
    made = {}
    for name, values in columns.items():
        if values.dtype.kind == "U":
            made[name] = pl.Series(name, values.tolist(), dtype=pl.String).replace("", None)
            continue
        known = ~np.ma.getmaskarray(values)
        whole = pl.Series(name, np.ma.getdata(values).astype(np.int64))
        series = whole.zip_with(pl.Series(known), pl.Series([None], dtype=pl.Int64))
        made[name] = series.cast(pl.Int32).cast(pl.Date) if kinds.get(name) in (Kind.DAY, Kind.MONTH) else series
    frame = pl.DataFrame(made).rename({"meter_no": "meter"} if "meter_no" in made else {})
    return frame.with_columns(firm=pl.lit(firm_no, dtype=pl.Int64))
