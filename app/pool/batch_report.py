"""Rows of a bank's monthly report: balance, class and days overdue of each loan at the end of a day, what came in, what changed.

A row is a single report (``loans.reporting``) whose loan was found with many others at once: floors by days, the split of a
repayment and the class that counts are decided there. Beside that each row is held against what the portal itself saw; one
that differs is taken all the same, and waits until a later report agrees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from uuid import UUID

import polars as pl
from sqlalchemy import text

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import session
from app.core.errors import Refusal
from app.core.permissions import Permission, Role
from app.evidence.copying import copy_in
from app.loans.many import held_many, insert_many, store_many
from app.loans.models import Loan
from app.loans.reporting import (
    RepaymentReport,
    check_class,
    check_restructure,
    record_class,
    record_repayment,
    record_restructure,
    spread_of,
)
from app.loans.rules import Allocation, FiveClass, PutOff, Repayment, five_class, observed
from app.loans.standing import Held, put_off_of
from app.loans.states import LoanState
from app.pool.batch_booking import NOTES, Ending, Sender
from app.pool.batch_rules import DIFFERENCES, LoanChange
from app.pool.batch_rules import BatchReason as Why
from app.pool.report_models import PoolReport

TOLD = ("paid_fen", "paid_on", "change", "due_on", "new_note_no")
"""What of a row moves money or the schedule: it is recorded once for a loan and a day."""
_FOUND = text("""
select n.row_no, l.id from batch_notes n join loan l on l.org_id = :org and l.note_no = n.note_no
""")
_TOLD = text("""
select loan_id, as_of, balance_fen, five_class, overdue_days, paid_fen, paid_on, change, due_on, new_note_no
from pool_report where loan_id = any(:loans) order by reported_at, row_no
""")
_RENEWALS = text("select note_no, renewed_from_id from loan where org_id = :org and note_no = any(:notes) and state = 'DRAWN'")
_AGREES = text("""
update pool_batch_row w set settled_at = :at, outcome = 'done'
from pool_batch b where b.id = w.batch_id and b.kind = 'report' and w.org_id = :org and w.batch_id <> :batch
  and w.ending = 'waiting' and w.settled_at is null and w.reason = any(:reasons) and w.loan_id = any(:loans)
""")


@dataclass(slots=True)
class Said:
    """A row of the report, with its loan and what taking it would do."""

    row: dict[str, Any]
    held: Held
    again: bool
    """The money of this row was recorded with an earlier report of the same day."""
    repayment: RepaymentReport | None = None
    spread: Allocation | None = None

    @property
    def money(self) -> list[Repayment]:
        """What came in, as the rules know it."""
        return [Repayment(self.repayment.paid_on, self.repayment.amount_fen)] if self.repayment else []

    @property
    def put_offs(self) -> list[PutOff]:
        """Restructures of the loan, the one that the row tells of with them."""
        row, loan = self.row, self.held.loan
        if not row["due_on"] or self.again:
            return self.held.put_offs
        before = FiveClass(loan.five_class or FiveClass.NORMAL)
        return [*self.held.put_offs, put_off_of(loan, row["as_of"], (row["due_on"] - loan.due_on).days, before)]

    @property
    def settles(self) -> bool:
        return self.spread is not None and sum(row.left_fen for row in self.spread.rows) == 0


@dataclass
class ReportTaker:
    """Takes the rows of one report, piece by piece."""

    ctx: Context
    sender: Sender
    seen: dict[str, int] = field(default_factory=dict)
    """Note → the row of the file that had it first."""

    def take(self, rows: pl.DataFrame, raw: pl.DataFrame, *, released: bool) -> list[Ending]:
        """Endings of all rows; with ``released`` what they say is recorded."""
        session().execute(text(NOTES))
        session().execute(text("truncate batch_notes"))
        copy_in("batch_notes", rows.select("row_no", "note_no"))
        session().execute(text("analyze batch_notes"))
        found = {row.row_no: row.id for row in session().execute(_FOUND, {"org": self.sender.org_id})}
        held = held_many(list(found.values()), lock=released)
        before, renewals = self._told(list(held)), self._renewals(rows)
        endings, taken = [], []
        for row in rows.iter_rows(named=True):
            one = held.get(found.get(row["row_no"]))  # type: ignore[arg-type]
            ending, said = self._judged(row, one, before, renewals)
            endings.append(ending)
            if said is not None:
                taken.append(said)
        if released:
            self._write(taken, endings)
        return endings

    def finish(self, *, released: bool) -> None:
        """Nothing is left after the last row."""

    def _told(self, loan_ids: list[UUID]) -> dict[tuple[UUID, date], Any]:
        """The latest report of each loan and day."""
        reports = session().execute(_TOLD, {"loans": loan_ids})
        return {(report.loan_id, report.as_of): report for report in reports}

    def _renewals(self, rows: pl.DataFrame) -> dict[str, UUID | None]:
        notes = rows["new_note_no"].drop_nulls().unique().to_list()
        if not notes:
            return {}
        return {row.note_no: row.renewed_from_id
                for row in session().execute(_RENEWALS, {"org": self.sender.org_id, "notes": notes})}

    def _judged(
        self, row: dict[str, Any], one: Held | None, before: dict[tuple[UUID, date], Any],
        renewals: dict[str, UUID | None],
    ) -> tuple[Ending, Said | None]:
        number, note = row["row_no"], row["note_no"]
        first = self.seen.setdefault(note, number)
        if first != number:
            return Ending(number, "refused", Why.TWICE, {"value": str(first)}), None
        if one is None:
            return Ending(number, "refused", Why.NOTE_UNKNOWN), None
        row["paid_fen"], row["paid_on"] = row["paid_fen"] or 0, row["paid_on"] or row["as_of"]
        told = before.get((one.loan.id, row["as_of"]))
        if told is not None and _same(told, row):
            return Ending(number, "known"), None
        if told is not None and any(getattr(told, name) != row[name] for name in TOLD):
            return Ending(number, "refused", Why.PAID_OTHERWISE), None
        said = Said(row, one, told is not None)
        problem = _unwritten(row) or _standing(row, one.loan, renewals) or _asked(said, self._reference(row))
        if problem is not None:
            return problem, None
        return _held_against(said), said

    def _reference(self, row: dict[str, Any]) -> str:
        return f"月报 {row['as_of']:%Y-%m}"

    def _write(self, taken: list[Said], endings: list[Ending]) -> None:
        acting = replace(
            self.ctx, actor_id=self.sender.released_by, org_id=self.sender.org_id, roles=frozenset({Role.BANK_APPROVER}),
            permissions=self.ctx.permissions | {Permission.LOAN_REPORT},
        )
        for said in taken:
            _record(acting, said, self.sender.prepared_by)
        if not taken:
            return
        store_many([said.held for said in taken])
        insert_many(PoolReport, list(self._rows(taken)))
        waiting = {one.row_no for one in endings if one.ending == "waiting"}
        agreeing = [said.held.loan.id for said in taken if said.row["row_no"] not in waiting]
        session().execute(_AGREES, {
            "at": now(), "org": self.sender.org_id, "batch": self.sender.batch_id, "reasons": [str(one) for one in DIFFERENCES],
            "loans": agreeing,
        })

    def _rows(self, taken: list[Said]) -> Iterator[PoolReport]:
        at = now()
        names = ("row_no", "as_of", "balance_fen", "five_class", "overdue_days", *TOLD)
        for said in taken:
            yield PoolReport(batch_id=self.sender.batch_id, org_id=self.sender.org_id, loan_id=said.held.loan.id, reported_at=at,
                             **{name: said.row[name] for name in names})


def _same(told: Any, row: dict[str, Any]) -> bool:
    return all(getattr(told, name) == row[name] for name in ("balance_fen", "five_class", "overdue_days", *TOLD))


_NEEDED = {LoanChange.PREPAYMENT: "paid_fen", LoanChange.RESTRUCTURE: "due_on", LoanChange.RENEWAL: "new_note_no"}


def _unwritten(row: dict[str, Any]) -> Ending | None:
    """A change lacks what it needs, or a cell is filled that belongs to another change."""
    for change, column in _NEEDED.items():
        needs = row["change"] == change
        stray = not needs and column != "paid_fen" and row[column]
        if stray or (needs and not row[column]):
            params = {"change_label": change.label, "field": {"paid_fen": "paid"}.get(column, column)}
            return Ending(row["row_no"], "refused", Why.NEEDS, params)
    return None


def _standing(row: dict[str, Any], loan: Loan, renewals: dict[str, UUID | None]) -> Ending | None:
    """The loan is no loan of which this can be said, or the day is none on which it can."""
    number = row["row_no"]
    if loan.state == LoanState.REPAID:
        settled = row["balance_fen"] == 0 and not row["paid_fen"] and row["change"] is None
        return Ending(number, "known") if settled else Ending(number, "refused", Why.SETTLED)
    if loan.state != LoanState.DRAWN or loan.drawn_on is None:
        return Ending(number, "refused", Why.LOAN_STATE, {"state_label": LoanState(loan.state).label})
    earliest = max(loan.drawn_on, loan.reported_on or loan.drawn_on)
    if not earliest <= row["as_of"] <= today():
        return Ending(number, "refused", Why.REPORT_DAY, {"low": earliest.isoformat(), "high": today().isoformat()})
    if row["new_note_no"] and renewals.get(row["new_note_no"]) != loan.id:
        return Ending(number, "refused", Why.NEW_NOTE, {"value": row["new_note_no"][:60]})
    return None


def _asked(said: Said, reference: str) -> Ending | None:
    """Asks of each part of the row what a single report would be asked; what is refused there is refused here, whole."""
    row = said.row
    try:
        check_class(said.held, row["as_of"], row["overdue_days"])
        if row["paid_fen"] and not said.again:
            kind = "prepayment" if row["change"] == LoanChange.PREPAYMENT else "normal"
            said.repayment = RepaymentReport(row["paid_on"], row["paid_fen"], kind, reference)
            said.spread = spread_of(said.held, said.repayment)
        if row["due_on"] and not said.again:
            check_restructure(said.held, row["as_of"], row["due_on"], *said.money)
    except Refusal as refusal:
        params = {"code": refusal.code.value, "params": {key: str(value) for key, value in refusal.params.items()}}
        return Ending(row["row_no"], "refused", Why.NOT_TAKEN, params)
    if row["change"] == LoanChange.RENEWAL and not said.again and not said.settles:
        left = said.held.loan.principal_left_fen - (said.spread.principal_fen if said.spread else 0)
        return Ending(row["row_no"], "refused", Why.NOT_SETTLED, {"value_fen": left})
    return None


def _held_against(said: Said) -> Ending:
    """What the row says beside what the portal saw at the end of that day, after the row's own money."""
    row, loan = said.row, said.held.loan
    number, note = row["row_no"], row["note_no"]
    saw = said.held.on(row["as_of"], *said.money, put_offs=said.put_offs)
    if row["balance_fen"] != saw.principal_left_fen:
        shown = {"value_fen": row["balance_fen"], "ours_fen": saw.principal_left_fen}
        return Ending(number, "waiting", Why.BALANCE, shown, note, loan.id)
    if row["overdue_days"] < saw.overdue_days:
        return Ending(number, "waiting", Why.DAYS_FEWER, {"value": row["overdue_days"], "ours": saw.overdue_days}, note, loan.id)
    floor = five_class(row["overdue_days"], observed(None, said.put_offs, row["as_of"]))
    if saw.principal_left_fen and FiveClass(row["five_class"]).severity < floor.severity:
        params = {"value_label": FiveClass(row["five_class"]).label, "ours_label": floor.label}
        return Ending(number, "waiting", Why.CLASS_BETTER, params, note, loan.id)
    return Ending(number, "done")


def _record(ctx: Context, said: Said, by: UUID | None) -> None:
    """Records money, new end and class, in this order, by the functions of a single report."""
    row, one = said.row, said.held
    if said.repayment is not None and said.spread is not None:
        record_repayment(ctx, one, said.repayment, said.spread, by)
    if one.loan.state != LoanState.DRAWN:
        return  # the money settled it: there is nothing left to be classed
    if row["due_on"] and not said.again:
        record_restructure(ctx, one, row["as_of"], row["due_on"], by)
    record_class(ctx, one, row["as_of"], FiveClass(row["five_class"]), row["overdue_days"], by)
