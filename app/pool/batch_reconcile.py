"""A bank's own list of notes at the end of a month, held against the portal note by note.

Nothing of a loan is changed here. A row ends agreeing or differing; each way in which a note differs becomes a difference with
an owner and an age (``reconcile_service``). What the file does not name, though it is booked and owed, is told at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import polars as pl
from sqlalchemy import text

from app.core.calendar import today
from app.core.context import Context
from app.core.database import session
from app.evidence.copying import copy_in
from app.loans.many import held_many
from app.loans.models import ClassReport
from app.loans.standing import Held
from app.pool.batch_booking import NOTES, Ending
from app.pool.batch_rules import BatchReason as Why
from app.pool.batch_write import Sender
from app.pool.reconcile_seen import Differing, compared, owed_and_booked, reports_of, seen_at
from app.pool.reconcile_service import Told, record_month
from app.pool.reconcile_states import DifferenceKind as Kind
from app.pool.reconcile_states import end_of

_FOUND = text("select n.row_no, l.id from batch_notes n join loan l on l.org_id = :org and l.note_no = n.note_no "
              "where l.state in ('DRAWN', 'REPAID')")


@dataclass
class ReconcileTaker:
    """Takes the rows of one list, piece by piece, and tells at the end what it does not name."""

    ctx: Context
    sender: Sender
    month: date | None = None
    absent: int = 0
    notes: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    differing: list[Differing] = field(default_factory=list)
    agreeing: int = 0

    def take(self, rows: pl.DataFrame, raw: pl.DataFrame, *, released: bool) -> list[Ending]:
        """Endings of all rows: agreeing (done), differing (waiting), refused."""
        session().execute(text(NOTES))
        session().execute(text("truncate batch_notes"))
        copy_in("batch_notes", rows.select("row_no", "note_no"))
        session().execute(text("analyze batch_notes"))
        found = {row.row_no: row.id for row in session().execute(_FOUND, {"org": self.sender.org_id})}
        held = held_many(list(found.values()), lock=False)
        reports = reports_of(list(held))
        endings = [self._row(row, held.get(found.get(row["row_no"])), reports)  # type: ignore[arg-type]
                   for row in rows.iter_rows(named=True)]
        return endings

    def _row(self, row: dict[str, Any], one: Held | None, reports: dict[UUID, list[ClassReport]]) -> Ending:
        number, note = row["row_no"], row["note_no"]
        if end_of(row["month"]) >= today():
            return Ending(number, "refused", Why.MONTH_RUNS)
        self.month = self.month or row["month"]
        if row["month"] != self.month:
            return Ending(number, "refused", Why.MONTH_OTHER, {"value": f"{self.month:%Y-%m}"})
        first = self.seen.setdefault(note, number)
        if first != number:
            return Ending(number, "refused", Why.TWICE, {"value": str(first)})
        self.notes += 1
        loan_id = one.loan.id if one is not None else None
        there = seen_at(one, reports.get(one.loan.id, []), end_of(self.month)) if one is not None else None
        ways = compared(row, loan_id, there)
        if not ways:
            self.agreeing += 1
            return Ending(number, "done")
        self.differing += ways
        return Ending(number, "waiting", Why.LISTED_OTHERWISE, {"ways": [way.kind.value for way in ways]}, note, loan_id)

    def finish(self, *, released: bool) -> tuple[date, int] | None:
        """What the list does not name; with ``released`` the month counts as compared and every difference is kept."""
        if self.month is None:
            return None
        for note, loan_id, left in owed_and_booked(self.sender.org_id, end_of(self.month)):
            if note not in self.seen:
                self.absent += 1
                self.differing.append(Differing(note, Kind.NOT_THERE, None, loan_id, None, str(left)))
        if released:
            record_month(self.ctx, self.sender, Told(self.month, self.notes, self.agreeing, self.absent, self.differing))
        return self.month, self.absent
