"""Rows of a booking file, judged like single bookings and written set-wise.

Each row ends booked, known, waiting (for its firm, for the bureau) or refused with its reason. The rules are those of
``judging`` and ``eligibility``: a row is a single booking whose loan was found with many others at once.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

import polars as pl
from sqlalchemy import func, select, text

from app.core import uscc
from app.core.calendar import today
from app.core.context import Context
from app.core.database import session
from app.core.formats import money_text
from app.evidence import cells
from app.evidence.copying import copy_in
from app.loans.service import EARLIEST_DRAWDOWN
from app.loans.states import LoanState
from app.pool.batch_rules import BatchReason as Why
from app.pool.batch_rules import late_reason
from app.pool.batch_write import Editions, Made, Sender, write
from app.pool.judging import LIVE, Evidence, facts_of, is_late, judged_on, snapshot_of
from app.pool.models import Booking
from app.pool.records import check_rows
from app.pool.rules import Mode, RuleSet, eligibility, is_eligible
from app.pool.states import BookingState

MONEY_AND_DAYS = ("principal_fen", "drawn_on", "contract_no", "uscc")
"""What the file says of a loan that the portal knows already: it must be the same."""
NOTES = "create temp table if not exists batch_notes (row_no bigint, note_no text) on commit drop"
_LOANS = text("""
select n.row_no, l.id, l.case_id, l.org_id, l.firm_id, l.number, l.state, l.contract_no, l.note_no, l.principal_fen, l.drawn_on,
  l.due_on, l.annual_rate, l.term_months, l.method, l.purpose, l.origin, l.renewed_from_id, e.uscc, e.form, e.size_class,
  e.sized_at, e.industry_code, e.district,
  c.kind <> 'offline' or exists (select 1 from loan_recognition g where g.case_id = l.case_id and g.recognised) as recognised,
  coalesce((select max(b.version) from booking b where b.loan_id = l.id), 0) as version,
  exists (select 1 from guarantee_contract t where t.loan_id = l.id and t.state in ('STATED', 'CONFIRMED')) as guaranteed
from batch_notes n join loan l on l.org_id = :org and l.note_no = n.note_no
join enterprise e on e.id = l.firm_id join case_file c on c.id = l.case_id
""")
_LIVE = text("""
select n.row_no, b.id, b.loan_id, b.state, b.mode, b.snapshot, b.principal_fen, b.submitted_on
from batch_notes n join booking b on b.org_id = :org and b.note_no = n.note_no and b.state = any(:live)
""")
_WAITING = text("""
select n.row_no, w.raw from batch_notes n
join pool_batch_row w on w.org_id = :org and w.note_no = n.note_no and w.ending = 'waiting' and w.settled_at is null
join pool_batch f on f.id = w.batch_id and f.kind = 'booking'
where w.batch_id <> :batch
""")
_OLD_NOTES = text("""
select l.note_no, e.uscc from loan l join enterprise e on e.id = l.firm_id
where l.org_id = :org and l.note_no = any(:notes) and l.state in ('DRAWN', 'REPAID')
""")
@dataclass(slots=True)
class Ending:
    """What becomes of a row. ``ending``: done, known, waiting, refused; the rest where it waits or was refused."""

    row_no: int
    ending: str
    reason: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    note_no: str | None = None
    loan_id: UUID | None = None


@dataclass
class Judge:
    """Judges the rows of one file, piece by piece, and keeps what must not be asked for again at every row."""

    ctx: Context
    sender: Sender
    seen: dict[str, int] = field(default_factory=dict)
    """Note → the row of the file that had it first."""
    taken_fen: dict[UUID, int] = field(default_factory=dict)
    """Firm → principal of its rows booked from this file so far (分)."""
    late: bool = False
    """Whether rows are judged that waited since the file was taken: what it booked then stands beside them."""
    editions: Editions = field(default_factory=Editions)

    def take(self, rows: pl.DataFrame, raw: pl.DataFrame, *, released: bool) -> list[Ending]:
        """Endings of all rows; with ``released`` the bookings that they become are written."""
        endings, made = self.judge(rows, raw)
        if released:
            write(self.ctx, self.sender, made)
        return endings

    def finish(self, *, released: bool) -> None:
        """Nothing is left after the last row."""

    def judge(self, rows: pl.DataFrame, raw: pl.DataFrame) -> tuple[list[Ending], list[Made]]:
        """Endings of all rows, and the bookings that those which end booked (or wait for the bureau) become.

        ``rows``: sound rows as ``typed`` hands them out; ``raw``: the piece of the file that they came from.
        """
        self._stage(rows)
        found = {row.row_no: row for row in session().execute(_LOANS, {"org": self.sender.org_id})}
        live = {row.row_no: row for row in session().execute(_LIVE, {"org": self.sender.org_id, "live": list(LIVE)})}
        waits = {row.row_no: row.raw for row in
                 session().execute(_WAITING, {"org": self.sender.org_id, "batch": self.sender.batch_id})}
        raws = raw_rows(raw, waits) if waits else {}
        old = self._old_notes(rows)
        endings, made = [], []
        for row in rows.iter_rows(named=True):
            number, note = row["row_no"], row["note_no"]
            first = self.seen.setdefault(note, number)
            if first != number:
                endings.append(Ending(number, "refused", Why.TWICE, {"value": str(first)}))
                continue
            loan = found.get(number)
            if loan is None or (number in waits and not loan.recognised):
                endings.append(self._offline(row, waits.get(number), raws.get(number), old, loan))
                continue
            ending, booking = self._known(row, loan, live.get(number))
            endings.append(ending)
            if booking is not None:
                made.append(booking)
        return endings, made

    def _stage(self, rows: pl.DataFrame) -> None:
        session().execute(text(NOTES))
        session().execute(text("truncate batch_notes"))
        copy_in("batch_notes", rows.select("row_no", "note_no"))
        session().execute(text("analyze batch_notes"))

    def _old_notes(self, rows: pl.DataFrame) -> dict[str, str]:
        notes = rows["renewed_from"].drop_nulls().unique().to_list()
        if not notes:
            return {}
        return {row.note_no: row.uscc for row in session().execute(_OLD_NOTES, {"org": self.sender.org_id, "notes": notes})}

    def _offline(
        self, row: dict[str, Any], waiting: dict[str, Any] | None, raw: dict[str, Any] | None, old: dict[str, str], loan: Any,
    ) -> Ending:
        """A loan that the portal does not know, or whose firm has not called it its own: it waits for the firm.

        Whether the firm is known here changes nothing of the answer: a social credit code is public.
        """
        number, note = row["row_no"], row["note_no"]
        problem = uscc.validate(row["uscc"])
        if problem is not None:
            return Ending(number, "refused", Why.USCC,
                          {"value": row["uscc"][:60], "problem": problem.message, "details": problem.shown})
        if row["drawn_on"] < EARLIEST_DRAWDOWN or row["drawn_on"] > today():
            return Ending(number, "refused", "impossible", {"field": "drawn_on", "value": row["drawn_on"].isoformat()})
        if row["on_key_list"] and not row["key_list_version"]:
            return Ending(number, "refused", Why.LIST_VERSION)
        renewed = row["renewed_from"]
        if renewed and old.get(renewed) != uscc.normalise(row["uscc"]):
            return Ending(number, "refused", Why.RENEWAL_UNKNOWN, {"value": renewed[:60]})
        if waiting is not None:
            return Ending(number, "known") if same_cells(waiting, raw) else Ending(number, "refused", Why.ALREADY_WAITING)
        return Ending(number, "waiting", Why.WAITS_FIRM, {}, note, loan.id if loan is not None else None)

    def _known(self, row: dict[str, Any], loan: Any, live: Any) -> tuple[Ending, Made | None]:
        """A loan that the portal knows: compared, then judged by the rules of a single booking."""
        number = row["row_no"]
        if loan.state != LoanState.DRAWN:
            return Ending(number, "refused", Why.LOAN_STATE, {"state_label": LoanState(loan.state).label}), None
        for column in MONEY_AND_DAYS:
            if row[column] != getattr(loan, column):
                return Ending(number, "refused", Why.DIFFERS, _difference(column, row[column], getattr(loan, column))), None
        if loan.guaranteed:
            return Ending(number, "refused", Why.GUARANTEED), None
        if row["on_key_list"] and not row["key_list_version"]:
            return Ending(number, "refused", Why.LIST_VERSION), None
        if not loan.recognised:
            return Ending(number, "waiting", Why.WAITS_FIRM, {}, row["note_no"], loan.id), None
        chosen = self.editions.judging(loan.drawn_on)
        if chosen is None:
            return Ending(number, "refused", Why.NO_RULES), None
        return self._judged(row, loan, live, *chosen)

    def _judged(
        self, row: dict[str, Any], loan: Any, live: Any, set_id: UUID, rules: RuleSet,
    ) -> tuple[Ending, Made | None]:
        number, evidence = row["row_no"], evidence_of(row)
        snapshot = snapshot_of(loan, loan, evidence, self.sender.branch_id)
        correction, replaces = (row["correction"] or "").strip(), None
        if live is not None and live.mode == Mode.BANK:
            if _same(live.snapshot, snapshot):
                return Ending(number, "known"), None
            if live.state == BookingState.CLAIMED:
                return Ending(number, "refused", Why.CLAIMED), None
            if not correction:
                return Ending(number, "refused", Why.BOOKED_OTHERWISE), None
            replaces = live.id
        submitted = self.sender.submitted_on if replaces is None else live.submitted_on
        late = is_late(rules, loan.drawn_on, submitted)
        if late and not evidence.late_reason.strip():
            return Ending(number, "refused", late_reason(rules), {"days": rules.booking_deadline_days}), None
        judged = judged_on(rules, loan.drawn_on)
        made = Made(loan, BookingState.SUBMITTED, evidence.product, set_id, snapshot, [],
                     evidence.late_reason.strip() if late else None, submitted, judged, replaces, correction)
        if late:
            return Ending(number, "waiting", Why.WAITS_BUREAU, {}, row["note_no"], loan.id), made
        checks = eligibility(facts_of(
            Mode.BANK, evidence.product, loan.principal_fen, snapshot, submitted, judged,
            self.editions.agreement(self.sender.org_id, loan.drawn_on), in_other_mode=live is not None and live.mode != Mode.BANK,
            others_fen=self._others(loan.firm_id, rules, live if replaces is not None else None),
        ), rules)
        made.checks = checks
        if not is_eligible(checks):
            return Ending(number, "refused", Why.CHECKS, {"checks": check_rows(one for one in checks if not one.passed)}), None
        made.state = BookingState.BOOKED
        self.taken_fen[loan.firm_id] = self.taken_fen.get(loan.firm_id, 0) + loan.principal_fen
        return Ending(number, "done"), made

    @cached_property
    def _booked_fen(self) -> dict[UUID, int]:
        """Firm → principal of its live bookings at this bank (分), but for those that this file is making."""
        rows = session().execute(
            select(Booking.firm_id, func.sum(Booking.principal_fen)).where(
                Booking.org_id == self.sender.org_id, Booking.state.in_(LIVE),
                *([] if self.late else [Booking.batch_id.is_distinct_from(self.sender.batch_id)]),
            ).group_by(Booking.firm_id)
        )
        return {firm_id: int(fen) for firm_id, fen in rows}

    def _others(self, firm_id: UUID, rules: RuleSet, replaced: Any) -> int:
        """The borrower's other live bookings (分), asked for only where the edition caps their sum."""
        if rules.borrower_cap_fen is None:
            return 0
        before = self._booked_fen.get(firm_id, 0) - (replaced.principal_fen if replaced is not None else 0)
        return before + self.taken_fen.get(firm_id, 0)


def raw_rows(raw: pl.DataFrame, numbers: Container[int]) -> dict[int, dict[str, Any]]:
    """Rows as they came and as they are kept: number → code → cell as text."""
    names = [name for name in raw.columns if name not in ("row_no", "misfit")]
    return {
        row["row_no"]: {name: cells.shown(row[name]) for name in names}
        for row in raw.iter_rows(named=True) if row["row_no"] in numbers
    }


def same_cells(before: dict[str, Any], after: dict[str, Any] | None) -> bool:
    """Whether two rows say the same; a column that one file has and another has not is an empty cell."""
    return {code: told for code, told in before.items() if told} == {code: told for code, told in (after or {}).items() if told}


def evidence_of(row: dict[str, Any]) -> Evidence:
    """What a row of the file says beside the loan itself."""
    return Evidence(
        product=row["product"], use_of_funds=row["use_of_funds"], operates_in_city=bool(row["operates_in_city"]),
        on_key_list=bool(row["on_key_list"]), key_list_version=row["key_list_version"] or "",
        ip_certificate_no=row["ip_certificate_no"] or "", receivable_no=row["receivable_no"] or "",
        policy_tool=row["policy_tool"] or "", shared_by=row["shared_by"] or "", first_loan=bool(row["first_loan"]),
        not_dishonest=bool(row["not_dishonest"]), late_reason=row["late_reason"] or "",
    )


def rate_of(row: dict[str, Any]) -> Decimal:
    """The yearly rate of a row as a fraction; the file holds per cent."""
    return Decimal(row["annual_rate_milli"]) / 100_000


_EVIDENCED = (
    "product", "use_of_funds", "operates_in_city", "on_key_list", "key_list_version", "ip_certificate_no", "receivable_no",
    "policy_tool", "shared_by", "first_loan", "not_dishonest", "principal_fen", "drawn_on", "contract_no",
)


def _same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a booking says already what the row says. What the portal knows of the firm may have changed since."""
    return all(before.get(name) == after[name] for name in _EVIDENCED)


def _difference(column: str, theirs: Any, ours: Any) -> dict[str, Any]:
    code = {"principal_fen": "principal"}.get(column, column)
    shown = money_text if column == "principal_fen" else str
    return {"field": code, "value": shown(theirs)[:60], "ours": shown(ours)[:60]}
