"""Storing invoice lines set-wise: COPY into a temporary table, one classification, inserts in slices.

All of it happens in the caller's transaction, so a killed process leaves nothing behind. Two deliveries that bring the same
line at once meet at the primary key of ``invoice_line``.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from sqlalchemy import text

from app.core.database import session
from app.evidence.copying import copy_in
from app.evidence.fact_loading import Counts
from app.evidence.subjects import owners

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
select s.*, l.version as known_version, l.void as known_void, row_number() over (order by s.firm_no, s.row_no) as place,
       coalesce(l.version, case when (select bool_or(state = 'WITHDRAWN') from delivery where item_code = 'invoices')
         then (select max(o.version) from invoice_line o
               where o.firm_no = s.firm_no and o.side = s.side and o.content = s.content and o.k = s.k) end, 0) as last_version
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
select firm_no, side, content, k, last_version + 1, true, void, day, net_fen, tax_fen, gross_fen, :number,
       invoice_no, counterparty
from ranked
where place > :low and place <= :high and (known_version is null or (void and not known_void))
order by place
"""


class InvoiceStore:
    """Stages batches, then stores them at once under delivery ``number``.

    ``anew``: the delivery had been taken in before; lines it brought itself are then found as known.
    """

    def __init__(self, number: int, anew: bool = False) -> None:
        self.number, self.anew = number, anew
        session().execute(text("drop table if exists pg_temp.ranked, pg_temp.stage"))
        session().execute(text(_STAGE))

    def add(self, sound: pl.DataFrame, encoded: bytes | bytearray | None = None) -> None:
        """Copies sound rows into the temporary table."""
        copy_in("stage", sound, encoded)

    def finish(self, told: Told) -> Counts:
        """Takes the staged rows in; ``told`` hears how many rows are behind, slice by slice."""
        db = session()
        db.execute(text("analyze stage"))
        db.execute(text(_RANKED))
        counts = db.execute(text(_COUNTS)).one()
        if counts.superseding:
            db.execute(text(_RETIRE))
        total = counts.taken + counts.identical + counts.superseding
        if counts.taken or counts.superseding:
            for low in range(0, total, SLICE):
                db.execute(text(_INSERT), {"number": self.number, "low": low, "high": low + SLICE})
                told(min(low + SLICE, total))
        rows: dict[int, int] = {row[0]: row[1] for row in db.execute(text(
            "select firm_no, count(*) from ranked where known_version is null or (void and not known_void) group by firm_no"
        ))}
        firm_ids, waits = owners("firm_no", list(rows))
        waiting = sum(rows[number] for number in waits)
        return Counts(counts.taken, counts.identical, counts.superseding, waiting, firm_ids)
