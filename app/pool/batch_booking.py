"""Rows of a booking file, judged like single bookings and written set-wise.

Each row ends booked, known, waiting (for its firm, for the bureau) or refused with its reason. The rules are those of
``judging`` and ``eligibility``: a row is a single booking whose loan was found with many others at once.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

import polars as pl
from sqlalchemy import func, select, text

from app.core import uscc
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import Refusal
from app.core.formats import money_text
from app.core.ids import new_id
from app.core.lifecycle import fire
from app.core.permissions import Permission, Role
from app.evidence import cells
from app.evidence.copying import copy_in
from app.loans.service import EARLIEST_DRAWDOWN
from app.loans.states import LoanState
from app.pool.batch_rules import BatchReason as Why
from app.pool.judging import LIVE, Evidence, agreement_on, facts_of, is_late, judged_on, judging_set, snapshot_of
from app.pool.models import Agreement, Booking
from app.pool.records import check_rows
from app.pool.rules import Check, Mode, Product, RuleSet, eligibility, is_eligible
from app.pool.states import BOOKING, BookingState

MONEY_AND_DAYS = ("principal_fen", "drawn_on", "contract_no", "uscc")
"""What the file says of a loan that the portal knows already: it must be the same."""
NOTES = "create temp table if not exists batch_notes (row_no bigint, note_no text) on commit drop"
_LOANS = text("""
select n.row_no, l.id, l.case_id, l.firm_id, l.number, l.state, l.contract_no, l.note_no, l.principal_fen, l.drawn_on, l.due_on,
  l.annual_rate, l.term_months, l.method, l.purpose, l.origin, l.renewed_from_id, e.uscc, e.form, e.size_class, e.sized_at,
  e.industry_code, e.district,
  c.kind <> 'offline' or exists (select 1 from loan_recognition g where g.case_id = l.case_id and g.recognised) as recognised,
  coalesce((select max(b.version) from booking b where b.loan_id = l.id), 0) as version
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
_STAGED = """
create temp table if not exists booked_rows (id text, case_id text, loan_id text, firm_id text, version bigint, replaces_id text,
  state text, product text, note_no text, principal_fen bigint, rule_set_id text, snapshot text, checks text, late_reason text,
  submitted_on date, judged_on date, booked_on date) on commit drop
"""
_INSERT = text("""
insert into booking (id, case_id, loan_id, org_id, firm_id, version, replaces_id, state, mode, product, note_no, principal_fen,
  rule_set_id, snapshot, checks, late_reason, submitted_by, submitted_on, judged_on, booked_on, created_at, batch_id)
select id::uuid, case_id::uuid, loan_id::uuid, :org, firm_id::uuid, version, replaces_id::uuid, state, 'BANK', product, note_no,
  principal_fen, rule_set_id::uuid, snapshot::jsonb, checks::jsonb, late_reason, :by, submitted_on, judged_on,
  booked_on, :at, :batch
from booked_rows
""")
_STEPS = text("""
insert into transition (id, subject_type, subject_id, case_id, event, source, target, at, actor_id, actor_role, org_id, shared)
select gen_random_uuid(), 'booking', id::uuid, case_id::uuid, case state when 'BOOKED' then 'book' else 'submit' end, '', state,
  :at, :actor, :role, :org, state = 'BOOKED' from booked_rows
""")
_BUREAU = text("""
insert into case_party (case_id, org_id, since) select r.case_id::uuid, o.id, :at from booked_rows r, organisation o
where r.state = 'BOOKED' and o.kind = 'bureau' on conflict do nothing
""")


@dataclass(frozen=True)
class Sender:
    """Whose file it is, who prepared and released it, and the day it came: what is common to all of its rows."""

    batch_id: UUID
    org_id: UUID
    prepared_by: UUID | None
    released_by: UUID | None
    branch_id: UUID | None
    submitted_on: date


@dataclass(slots=True)
class Ending:
    """What becomes of a row. ``ending``: done, known, waiting, refused; the rest where it waits or was refused."""

    row_no: int
    ending: str
    reason: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    note_no: str | None = None
    loan_id: UUID | None = None


@dataclass(slots=True)
class Made:
    """A booking to be written."""

    loan: Any
    state: BookingState
    product: str
    rule_set_id: UUID
    snapshot: dict[str, Any]
    checks: list[Check]
    late_reason: str | None
    submitted_on: date
    judged_on: date
    replaces_id: UUID | None
    correction: str


@dataclass
class Judge:
    """Judges the rows of one file, piece by piece, and keeps what must not be asked for again at every row."""

    ctx: Context
    sender: Sender
    seen: dict[str, int] = field(default_factory=dict)
    """Note → the row of the file that had it first."""
    taken_fen: dict[UUID, int] = field(default_factory=dict)
    """Firm → principal of its rows booked from this file so far (分)."""
    _sets: dict[date, tuple[UUID, RuleSet] | None] = field(default_factory=dict)
    _agreements: dict[date, Agreement | None] = field(default_factory=dict)

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
            same = raw is not None and waiting == raw
            return Ending(number, "known") if same else Ending(number, "refused", Why.ALREADY_WAITING)
        return Ending(number, "waiting", Why.WAITS_FIRM, {}, note, loan.id if loan is not None else None)

    def _known(self, row: dict[str, Any], loan: Any, live: Any) -> tuple[Ending, Made | None]:
        """A loan that the portal knows: compared, then judged by the rules of a single booking."""
        number = row["row_no"]
        if loan.state != LoanState.DRAWN:
            return Ending(number, "refused", Why.LOAN_STATE, {"state_label": LoanState(loan.state).label}), None
        for column in MONEY_AND_DAYS:
            if row[column] != getattr(loan, column):
                return Ending(number, "refused", Why.DIFFERS, _difference(column, row[column], getattr(loan, column))), None
        if row["on_key_list"] and not row["key_list_version"]:
            return Ending(number, "refused", Why.LIST_VERSION), None
        if not loan.recognised:
            return Ending(number, "waiting", Why.WAITS_FIRM, {}, row["note_no"], loan.id), None
        chosen = self._set_of(loan.drawn_on)
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
            return Ending(number, "refused", Why.LATE, {"days": rules.booking_deadline_days}), None
        judged = judged_on(rules, loan.drawn_on)
        made = Made(loan, BookingState.SUBMITTED, evidence.product, set_id, snapshot, [],
                     evidence.late_reason.strip() if late else None, submitted, judged, replaces, correction)
        if late:
            return Ending(number, "waiting", Why.WAITS_BUREAU, {}, row["note_no"], loan.id), made
        checks = eligibility(facts_of(
            Mode.BANK, evidence.product, loan.principal_fen, snapshot, submitted, judged,
            self._agreement(loan.drawn_on), in_other_mode=live is not None and live.mode != Mode.BANK,
            others_fen=self._others(loan.firm_id, rules, live if replaces is not None else None),
        ), rules)
        made.checks = checks
        if not is_eligible(checks):
            return Ending(number, "refused", Why.CHECKS, {"checks": check_rows(one for one in checks if not one.passed)}), None
        made.state = BookingState.BOOKED
        self.taken_fen[loan.firm_id] = self.taken_fen.get(loan.firm_id, 0) + loan.principal_fen
        return Ending(number, "done"), made

    def _set_of(self, drawn_on: date) -> tuple[UUID, RuleSet] | None:
        if drawn_on not in self._sets:
            try:
                stored = judging_set(drawn_on)
                self._sets[drawn_on] = (stored.id, RuleSet.from_json(stored.rules))
            except Refusal:
                self._sets[drawn_on] = None
        return self._sets[drawn_on]

    def _agreement(self, drawn_on: date) -> Agreement | None:
        if drawn_on not in self._agreements:
            self._agreements[drawn_on] = agreement_on(self.sender.org_id, drawn_on)
        return self._agreements[drawn_on]

    @cached_property
    def _booked_fen(self) -> dict[UUID, int]:
        """Firm → principal of its live bookings at this bank before this file (分)."""
        rows = session().execute(
            select(Booking.firm_id, func.sum(Booking.principal_fen)).where(
                Booking.org_id == self.sender.org_id, Booking.state.in_(LIVE),
                (Booking.batch_id.is_(None)) | (Booking.batch_id != self.sender.batch_id),
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


def write(ctx: Context, sender: Sender, made: Iterable[Made]) -> None:
    """Writes bookings set-wise: the rows, one step each, the bureau as a party of the case of those that are booked.

    Runs with the portal's identity; the steps name the person who released the file.
    """
    bookings = list(made)
    if not bookings:
        return
    _withdraw_replaced(ctx, sender, bookings)
    session().execute(text(_STAGED))
    session().execute(text("truncate booked_rows"))
    copy_in("booked_rows", _frame(bookings))
    values: dict[str, Any] = {
        "org": sender.org_id, "by": sender.prepared_by, "at": now(), "batch": sender.batch_id,
    }
    session().execute(_INSERT, values)
    role = Role.BANK_APPROVER if sender.released_by else Role.SYSTEM
    session().execute(_STEPS, {"at": now(), "actor": sender.released_by, "org": sender.org_id, "role": role.value})
    session().execute(_BUREAU, {"at": now()})


def _withdraw_replaced(ctx: Context, sender: Sender, bookings: list[Made]) -> None:
    """A correction is a new version: the old one is withdrawn with the reason, never overwritten."""
    for one in bookings:
        if one.replaces_id is not None:
            acting = Context(
                sender.released_by, sender.org_id, ctx.org_kind, ctx.roles, ctx.permissions | {Permission.BOOKING_SUBMIT},
                system="pool.batch",
            )
            fire(acting, BOOKING, get_or_404(Booking, one.replaces_id, lock=True), "withdraw", reason=one.correction)
    session().flush()


def _frame(bookings: list[Made]) -> pl.DataFrame:
    columns = list(zip(*_cells(bookings), strict=True))
    schema: dict[str, Any] = {
        "id": pl.String, "case_id": pl.String, "loan_id": pl.String, "firm_id": pl.String, "version": pl.Int64,
        "replaces_id": pl.String, "state": pl.String, "product": pl.String, "note_no": pl.String, "principal_fen": pl.Int64,
        "rule_set_id": pl.String, "snapshot": pl.String, "checks": pl.String, "late_reason": pl.String,
        "submitted_on": pl.Date, "judged_on": pl.Date,
        "booked_on": pl.Date,
    }
    return pl.DataFrame([
        pl.Series(name, values, dtype=kind) for (name, kind), values in zip(schema.items(), columns, strict=True)
    ])


def _cells(bookings: list[Made]) -> Iterator[tuple[Any, ...]]:
    day = today()
    for one in bookings:
        loan = one.loan
        yield (
            str(new_id()), str(loan.case_id), str(loan.id), str(loan.firm_id), loan.version + 1,
            str(one.replaces_id) if one.replaces_id else None, one.state.value, Product(one.product).value, loan.note_no,
            loan.principal_fen, str(one.rule_set_id), json.dumps(one.snapshot, ensure_ascii=False),
            json.dumps(check_rows(one.checks), ensure_ascii=False), one.late_reason, one.submitted_on, one.judged_on,
            day if one.state is BookingState.BOOKED else None,
        )
