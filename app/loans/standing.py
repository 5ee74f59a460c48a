"""Where a loan stands today: schedule, sums, days overdue, class. Shared by the use cases; writes inside theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import SHANGHAI, today
from app.core.context import Context
from app.core.database import session
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import move
from app.core.outbox import emit
from app.loans import rules
from app.loans.models import Instalment, Loan, Repayment, Restructure
from app.loans.rules import FiveClass
from app.loans.states import LOAN, LoanState
from app.market.rules import Conventions, DayCount, FirstPeriod, HolidayRule
from app.market.rules import Instalment as Planned


def conventions_of(data: dict[str, Any]) -> Conventions:
    """Schedule conventions from their JSON; what is absent takes its default. Raises ``ValueError`` for nonsense."""
    default = Conventions()
    return Conventions(
        day_count=DayCount(data.get("day_count", default.day_count)),
        interest_day=data.get("interest_day", default.interest_day),
        holiday=HolidayRule(data.get("holiday", default.holiday)),
        first_period=FirstPeriod(data.get("first_period", default.first_period)),
    )


def check_day(day: date, low: date, high: date, name: str) -> None:
    if not low <= day <= high:
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field=name, low=low.isoformat(), high=high.isoformat())


def live_repayments(loan_id: UUID) -> list[Repayment]:
    """Repayments that stand (neither reversals nor reversed), in the order in which they were reported."""
    reversed_ids = select(Repayment.reverses_id).where(Repayment.loan_id == loan_id, Repayment.reverses_id.is_not(None))
    return list(session().scalars(
        select(Repayment).where(
            Repayment.loan_id == loan_id, Repayment.reverses_id.is_(None), Repayment.id.not_in(reversed_ids),
        ).order_by(Repayment.reported_at, Repayment.id)
    ))


def schedule_rows(loan_id: UUID) -> list[Instalment]:
    """The schedule of a loan, in order."""
    return list(session().scalars(select(Instalment).where(Instalment.loan_id == loan_id).order_by(Instalment.no)))


def planned_of(rows: Sequence[ScheduleRow]) -> list[Planned]:
    """The schedule as it stands, as the rules know it."""
    return [Planned(row.no, row.due_on, row.principal_fen, row.interest_fen, row.balance_fen) for row in rows]


def agreed_of(rows: Sequence[ScheduleRow]) -> list[Planned]:
    """The schedule as it was agreed at the drawdown, before anything was put off."""
    return [
        plan if row.first_due_on is None or row.first_interest_fen is None
        else replace(plan, due=row.first_due_on, interest_fen=row.first_interest_fen)
        for row, plan in zip(rows, planned_of(rows), strict=True)
    ]


def owed_fen(loan: Loan, on: date) -> int:
    """What settles a drawn loan on a day (分): its principal, the interest due, and that of the running period."""
    rows = held(loan).on(today()).rows
    plenty = sum(row.left_fen for row in rows)
    return plenty - rules.allocate(rows, plenty, on).surplus_fen


class ScheduleRow(Protocol):
    """A row of a schedule as it is read and restated: ``Instalment``, or a plain copy of one where there are very many."""

    no: int
    due_on: date
    principal_fen: int
    interest_fen: int
    balance_fen: int
    principal_left_fen: int
    interest_left_fen: int
    first_due_on: date | None
    first_interest_fen: int | None


@dataclass(slots=True)
class Held:
    """A loan under lock with its schedule in order, the repayments that stand as they were reported, and its restructures.

    ``new``: what is to be stored with it (repayments, reports, steps); ``told``: topics of events, each of this loan.
    """

    loan: Loan
    rows: Sequence[ScheduleRow]
    paid: list[rules.Repayment]
    put_offs: list[rules.PutOff]
    new: list[Any] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    to_right: int = 0
    """Repayments reported before its last restructure that were taken back since, and for which none was reported instead."""
    known: dict[tuple[Any, ...], rules.Replayed] = field(default_factory=dict)
    """What days of repayments and restructures made of the schedule, as far as it was asked."""
    stated: tuple[rules.RowState, ...] = ()
    """What stands in the rows already: ``bring_up`` writes nothing twice."""

    def on(self, day: date, *more: rules.Repayment, put_offs: Sequence[rules.PutOff] | None = None) -> rules.Position:
        """Where the loan stands at the end of a day, were ``more`` repaid too, or other things put off (``put_offs``)."""
        paid = [one for one in (*self.paid, *more) if one.paid_on <= day]
        put_offs = [one for one in (self.put_offs if put_offs is None else put_offs) if one.on <= day]
        key = (*paid, *put_offs)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._replayed(paid, put_offs)
        return rules.stands(found, day)

    def _replayed(self, paid: list[rules.Repayment], put_offs: list[rules.PutOff]) -> rules.Replayed:
        """From what is known without the last repayment, where it is the last thing that happened; else from the drawdown."""
        before = self.known.get((*paid[:-1], *put_offs)) if paid else None
        days = [*(one.paid_on for one in paid[:-1]), *(one.on for one in put_offs)]
        if before is not None and paid[-1].paid_on > max(days, default=date.min):
            return rules.replay(before, paid[-1:])
        return rules.replay(rules.Replayed(rules.fresh(agreed_of(self.rows))), paid, put_offs)

    def trust(self) -> None:
        """Takes the schedule as it is stored for what the repayments and restructures made of it: nothing is spread anew."""
        rows = tuple(rules.RowState(plan, row.principal_left_fen, row.interest_left_fen)
                     for plan, row in zip(planned_of(self.rows), self.rows, strict=True))
        self.known[(*self.paid, *self.put_offs)] = rules.Replayed(
            rows, self.loan.principal_repaid_fen, self.loan.interest_paid_fen)


def held(loan: Loan) -> Held:
    """A loan with all that says where it stands."""
    entries, restructures = list(session().scalars(select(Repayment).where(Repayment.loan_id == loan.id).order_by(
        Repayment.reported_at, Repayment.id))), restructures_of(loan.id)
    return Held(loan, schedule_rows(loan.id), live_of(entries), put_offs_of(loan, restructures),
                to_right=to_right_of(entries, restructures))


class Entry(Protocol):
    """A row of ``repayment`` as it is read."""

    @property
    def id(self) -> UUID: ...
    @property
    def reverses_id(self) -> UUID | None: ...
    @property
    def paid_on(self) -> date: ...
    @property
    def amount_fen(self) -> int: ...
    @property
    def reported_at(self) -> datetime: ...


def _live(entries: Sequence[Entry]) -> list[Entry]:
    gone = {entry.reverses_id for entry in entries}
    return [entry for entry in entries if entry.reverses_id is None and entry.id not in gone]


def live_of(entries: Sequence[Entry]) -> list[rules.Repayment]:
    """Repayments that stand, of all that were reported and reversed, as the rules know them."""
    return [rules.Repayment(entry.paid_on, entry.amount_fen) for entry in _live(entries)]


def to_right_of(entries: Sequence[Entry], restructures: Sequence[Restructure]) -> int:
    """How many repayments from before the last restructure may still be put right (``Held.to_right``)."""
    if not restructures:
        return 0
    last, by_id = restructures[-1], {entry.id: entry for entry in entries}
    back = sum(entry.reverses_id is not None and entry.reported_at > last.reported_at > by_id[entry.reverses_id].reported_at
               for entry in entries)
    return back - sum(entry.reported_at > last.reported_at and entry.paid_on < last.agreed_on for entry in _live(entries))


def added_interest(one: Held) -> list[int]:
    """What each restructure of a loan adds to its interest (分), by the repayments that stand today."""
    def interest(count: int, day: date) -> int:
        return sum(row.instalment.interest_fen for row in one.on(day, put_offs=one.put_offs[:count]).rows)

    return [interest(place + 1, put_off.on) - interest(place, put_off.on) for place, put_off in enumerate(one.put_offs)]


def restructures_of(loan_id: UUID) -> list[Restructure]:
    """What a bank put off of a loan, in the order of the days."""
    return list(session().scalars(
        select(Restructure).where(Restructure.loan_id == loan_id).order_by(Restructure.agreed_on, Restructure.reported_at)))


def put_offs_of(loan: Loan, recorded: Sequence[Restructure]) -> list[rules.PutOff]:
    """Restructures as the rules know them. One from before they were recorded has moved its schedule for good; it is watched."""
    first = loan.first_restructured_on
    unrecorded = [] if first is None else [put_off_of(loan, first, 0, FiveClass.NORMAL)]
    return unrecorded + [
        put_off_of(loan, one.agreed_on, (one.due_on - one.due_before).days, FiveClass(one.class_before)) for one in recorded]


def put_off_of(loan: Loan, on: date, days: int, before: FiveClass) -> rules.PutOff:
    """A restructure of a loan, with the rate and the day count by which its interest runs on."""
    return rules.PutOff(on, days, loan.annual_rate, conventions_of(loan.conventions).day_count, before)


def store(one: Held) -> None:
    """Stores a held loan and what is new of it, the loan first: the database compares both."""
    session().flush()
    session().add_all(one.new)
    for topic in one.told:
        emit(topic, loan_id=one.loan.id)
    one.new, one.told = [], []
    session().flush()


def restate(ctx: Context, loan: Loan) -> int:
    """Brings schedule, sums, days overdue and class to the end of today; returns what is still owed (分)."""
    one = held(loan)
    owed = bring_up(ctx, one)
    store(one)
    return owed


def bring_up(ctx: Context, one: Held) -> int:
    """``restate`` of a loan that is held already: it asks the database for nothing and leaves the writing to ``store``."""
    loan, where = one.loan, one.on(today())
    if where.rows is not one.stated:
        for row, state in zip(one.rows, where.rows, strict=True):
            _restate_row(row, state)
        one.stated = where.rows
    loan.principal_repaid_fen, loan.interest_paid_fen = where.principal_repaid_fen, where.interest_paid_fen
    told = loan.reported_overdue_days
    if told and loan.reported_on is not None:
        told += (today() - loan.reported_on).days
    owed = sum(row.left_fen for row in where.rows)
    loan.overdue_days = max(where.overdue_days, told) if owed else 0
    loan.next_check_at = _next_check(loan, where.rows)
    _reclass(ctx, one)
    return owed


def _restate_row(row: ScheduleRow, state: rules.RowState) -> None:
    """What is left of an instalment, and where a restructure changed it its day and interest; what was agreed first stays,
    as long as it is another: money that is put right may have paid what a restructure had put off."""
    row.principal_left_fen, row.interest_left_fen = state.principal_left_fen, state.interest_left_fen
    plan = state.instalment
    if (plan.due, plan.interest_fen) != (row.due_on, row.interest_fen):
        if row.first_due_on is None:
            row.first_due_on, row.first_interest_fen = row.due_on, row.interest_fen
        row.due_on, row.interest_fen = plan.due, plan.interest_fen
        if (plan.due, plan.interest_fen) == (row.first_due_on, row.first_interest_fen):
            row.first_due_on = row.first_interest_fen = None


def _reclass(ctx: Context, one: Held) -> None:
    loan = one.loan
    reported = FiveClass(loan.reported_class) if loan.reported_class else None
    before = FiveClass(loan.five_class or FiveClass.NORMAL)
    after = rules.five_class(loan.overdue_days, rules.observed(reported, one.put_offs, today()))
    loan.classed_on = today()
    if after is before:
        return
    loan.five_class = after.value
    if loan.state == LoanState.DRAWN:
        one.new.append(move(ctx, LOAN, loan, "reclass", reason=f"{before.label} → {after.label}"))
    one.told.append("loan.class_changed")


def _next_check(loan: Loan, rows: Sequence[rules.RowState]) -> datetime | None:
    """When days overdue may next change: the day after the next unpaid due date, or tomorrow where one has passed."""
    unpaid = [row.instalment.due for row in rows if row.left_fen]
    if not unpaid:
        return None
    late = loan.overdue_days > 0 or min(unpaid) < today()
    day = today() if late else min(unpaid)
    if loan.restructured_on is not None:
        watched = loan.restructured_on + timedelta(days=rules.RESTRUCTURE.observed_days - 1)
        day = min(day, watched) if watched >= today() else day
    return datetime.combine(day + timedelta(days=1), time(0, 5), SHANGHAI)
