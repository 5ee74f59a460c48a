"""Storing a delivery's rows set-wise: COPY into a temporary table, one classification, inserts in slices.

All of it happens in the caller's transaction, so a killed process leaves nothing behind. Two deliveries that bring the same
line at once meet at the primary key of ``invoice_line``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import polars as pl
from sqlalchemy import text

from app.core.database import session
from app.core.ids import new_id
from app.evidence.models import Delivery

SLICE = 100_000
Told = Callable[[int], None]

_STAGE = """
create temp table stage (
  row_no bigint, firm_no bigint, side smallint, content bigint, void boolean, day date,
  net_fen bigint, tax_fen bigint, gross_fen bigint, invoice_no text, counterparty text
) on commit drop
"""

# Among equal lines of one delivery the void ones are counted first: the order of rows in a file then means nothing.
_RANKED = """
create temp table ranked on commit drop as
select s.*, l.version as known_version, l.void as known_void, row_number() over (order by s.firm_no, s.row_no) as place
from (select *, row_number() over (partition by firm_no, side, content order by void desc, row_no) as k from stage) s
left join invoice_line l
  on l.firm_no = s.firm_no and l.side = s.side and l.content = s.content and l.k = s.k and l.current
"""

# Void is final: a valid line that comes after its void brings nothing new.
_COUNTS = """
select count(*) filter (where known_version is null) as taken,
       count(*) filter (where known_version is not null and (void = known_void or known_void)) as identical,
       count(*) filter (where void and not known_void) as superseding
from ranked
"""

_RETIRE = """
update invoice_line l set current = false from ranked r
where r.void and not r.known_void
  and l.firm_no = r.firm_no and l.side = r.side and l.content = r.content and l.k = r.k and l.version = r.known_version
"""

_INSERT = """
insert into invoice_line (firm_no, side, content, k, version, current, void, day, net_fen, tax_fen, gross_fen, delivery_no,
                          invoice_no, counterparty)
select firm_no, side, content, k, coalesce(known_version, 0) + 1, true, void, day, net_fen, tax_fen, gross_fen, :number,
       invoice_no, counterparty
from ranked
where place > :low and place <= :high and (known_version is null or (void and not known_void))
order by place
"""

_FIRMS = text("""
select firm_no, external_key, uscc from enterprise
where uscc = any(:keys) or external_key = any(:keys)
""")


@dataclass(frozen=True)
class Counts:
    """What became of the sound rows of a delivery."""

    taken: int
    identical: int
    superseding: int
    firm_ids: list[UUID]


def firm_numbers(keys: Sequence[str]) -> dict[str, int]:
    """Firm numbers by social credit code and by code of the source, in one statement."""
    found: dict[str, int] = {}
    for row in session().execute(_FIRMS, {"keys": list(keys)}):
        found[row.uscc] = row.firm_no
        if row.external_key is not None:
            found[row.external_key] = row.firm_no
    return found


def open_stage() -> None:
    """Makes the temporary table that ``stage`` fills."""
    session().execute(text("drop table if exists pg_temp.ranked, pg_temp.stage"))
    session().execute(text(_STAGE))


def stage(sound: pl.DataFrame) -> None:
    """Copies sound rows into the temporary table."""
    if sound.height:
        _copy("copy stage from stdin (format csv)", sound.write_csv(include_header=False, quote_style="non_numeric").encode())


def keep_quarantined(delivery: Delivery, rows: pl.DataFrame) -> None:
    """Copies rows that could not be taken in, as they came, with their reason."""
    if not rows.height:
        return
    full = rows.select(
        pl.Series("id", [str(new_id()) for _ in range(rows.height)]), pl.lit(str(delivery.id)).alias("delivery_id"),
        pl.lit(str(delivery.provider_org_id)).alias("provider_org_id"), "row_no", "raw", "reason", "params",
    )
    # Through a temporary table: PostgreSQL does not COPY FROM into a table under row-level security.
    session().execute(text(
        "create temp table if not exists troubled (id uuid, delivery_id uuid, provider_org_id uuid, row_no bigint, raw jsonb, "
        "reason text, params jsonb) on commit drop"
    ))
    _copy("copy troubled from stdin (format csv)", full.write_csv(include_header=False, quote_style="non_numeric").encode())
    session().execute(text(
        "insert into quarantine (id, delivery_id, provider_org_id, row_no, raw, reason, params) "
        "select id, delivery_id, provider_org_id, row_no, raw, reason, params from troubled"
    ))
    session().execute(text("truncate troubled"))


def store(number: int, told: Told) -> Counts:
    """Takes the staged rows in under delivery ``number``; ``told`` hears how many rows are behind, slice by slice."""
    db = session()
    db.execute(text("analyze stage"))
    db.execute(text(_RANKED))
    counts = db.execute(text(_COUNTS)).one()
    if counts.superseding:
        db.execute(text(_RETIRE))
    total = counts.taken + counts.identical + counts.superseding
    if counts.taken or counts.superseding:
        for low in range(0, total, SLICE):
            db.execute(text(_INSERT), {"number": number, "low": low, "high": low + SLICE})
            told(min(low + SLICE, total))
    touched = db.scalars(text(
        "select e.id from enterprise e where e.firm_no in "
        "(select firm_no from ranked where known_version is null or (void and not known_void)) order by e.id"
    ))
    return Counts(counts.taken, counts.identical, counts.superseding, list(touched))


def _copy(statement: str, data: bytes) -> None:
    raw: Any = session().connection().connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(data)
