"""What repayments mean: how money is spread over a schedule, days overdue, and the five classes.

Five classes: 商业银行金融资产风险分类办法 (2023 No. 1, in force 2023-07-01); floors by days overdue are
parameters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from app.core.money import EXACT, round_fen
from app.core.working import N_
from app.market.rules import Instalment
from app.market.schedules import ARITHMETIC, DayCount, share_of_year


class FiveClass(StrEnum):
    """The five risk classes, best first; the last three are bad (不良)."""

    NORMAL = "NORMAL"
    SPECIAL_MENTION = "SPECIAL_MENTION"
    SUBSTANDARD = "SUBSTANDARD"
    DOUBTFUL = "DOUBTFUL"
    LOSS = "LOSS"

    @property
    def severity(self) -> int:
        """0 for the best class up to 4 for the worst."""
        return _SEVERITY[self]

    @property
    def label(self) -> str:
        """Chinese name."""
        return _CLASS_NAMES[self]


_SEVERITY = {one: place for place, one in enumerate(FiveClass)}
_CLASS_NAMES = {
    FiveClass.NORMAL: N_("正常"),
    FiveClass.SPECIAL_MENTION: N_("关注"),
    FiveClass.SUBSTANDARD: N_("次级"),
    FiveClass.DOUBTFUL: N_("可疑"),
    FiveClass.LOSS: N_("损失"),
}


@dataclass(frozen=True, slots=True)
class OfflineRules:
    """How often a bank may name a firm that does not fit before it has to wait: guessed codes must teach nothing [P]."""

    misses_per_person: int = 10
    misses_per_bank: int = 30
    hours: int = 24


OFFLINE_RULES = OfflineRules()


def same_name(stated: str, registered: str) -> bool:
    """Whether two writings are one registered name: full and half width, brackets, spaces and case do not matter."""
    return _plain(stated) == _plain(registered)


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


@dataclass(frozen=True, slots=True)
class ClassRange:
    """From this many days overdue on, a loan is at least of this class."""

    from_days: int
    floor: FiveClass


DEFAULT_RANGES: tuple[ClassRange, ...] = (
    ClassRange(0, FiveClass.NORMAL),
    ClassRange(1, FiveClass.SPECIAL_MENTION),
    ClassRange(91, FiveClass.SUBSTANDARD),
    ClassRange(271, FiveClass.DOUBTFUL),
    ClassRange(361, FiveClass.LOSS),
)
"""Floors by days overdue (compliance paper §2 [U]): “more than 90”, so 90 days exactly is still 关注."""


def five_class(
    overdue_days: int,
    reported: FiveClass | None,
    ranges: Sequence[ClassRange] = DEFAULT_RANGES,
) -> FiveClass:
    """The class of a loan: the floor by days overdue, or what the bank reported when that is worse; never
    better.

    Raises ``ValueError`` for negative days.
    """
    if overdue_days < 0:
        raise ValueError("days overdue are never negative")
    floor = max((r.floor for r in ranges if r.from_days <= overdue_days), key=lambda c: c.severity)
    return floor if reported is None else max(floor, reported, key=lambda c: c.severity)


@dataclass(frozen=True, slots=True)
class RestructureRules:
    """What 2023 No. 1 asks of a restructured loan [U]: while it is watched, a year at least, it is no better than ``floor``; one
    that was bad stays as bad as it was; one that is restructured again while it is watched is at least ``again``."""

    floor: FiveClass = FiveClass.SPECIAL_MENTION
    again: FiveClass = FiveClass.SUBSTANDARD
    observed_days: int = 365


RESTRUCTURE = RestructureRules()


@dataclass(frozen=True, slots=True)
class PutOff:
    """A restructure (重组展期) at the end of day ``on``: whatever is left of the schedule falls due ``days`` later.

    Interest runs on by the loan's yearly rate and day count. ``before``: the class that the loan had.
    """

    on: date
    days: int
    annual_rate: Decimal
    day_count: DayCount
    before: FiveClass


def watched(put_offs: Sequence[PutOff], day: date, asked: RestructureRules = RESTRUCTURE) -> FiveClass | None:
    """The class that a loan is at least of because it was restructured; ``None`` for one that is not watched on that day."""
    floors = []
    for place, one in enumerate(put_offs):
        if not 0 <= (day - one.on).days < asked.observed_days:
            continue
        floors += [asked.floor, one.before] if is_bad(one.before) else [asked.floor]
        if any((one.on - earlier.on).days < asked.observed_days for earlier in put_offs[:place]):
            floors.append(asked.again)
    return max(floors, key=lambda c: c.severity, default=None)


def observed(reported: FiveClass | None, put_offs: Sequence[PutOff], day: date) -> FiveClass | None:
    """What counts as reported: of a loan that is still watched after a restructure never better than ``watched`` says."""
    return max((one for one in (reported, watched(put_offs, day)) if one is not None), key=lambda c: c.severity, default=None)


def is_bad(cls: FiveClass) -> bool:
    """True for 次级, 可疑 and 损失 (不良)."""
    return cls.severity >= FiveClass.SUBSTANDARD.severity


@dataclass(frozen=True, slots=True)
class Repayment:
    """Money that reached the bank on a day, in fen."""

    paid_on: date
    amount_fen: int


@dataclass(frozen=True, slots=True)
class RowState:
    """An instalment and what is still to be paid on it, in fen."""

    instalment: Instalment
    principal_left_fen: int
    interest_left_fen: int

    @property
    def left_fen(self) -> int:
        """Principal and interest still to be paid."""
        return self.principal_left_fen + self.interest_left_fen


@dataclass(frozen=True, slots=True)
class Allocation:
    """One repayment spread over a schedule, in fen; ``surplus_fen`` is what exceeded the whole debt."""

    rows: tuple[RowState, ...]
    interest_fen: int
    principal_fen: int
    surplus_fen: int


def fresh(rows: Iterable[Instalment]) -> tuple[RowState, ...]:
    """A schedule on which nothing has been paid."""
    return tuple(RowState(row, row.principal_fen, row.interest_fen) for row in rows)


def allocate(rows: Sequence[RowState], repayment_fen: int, paid_on: date) -> Allocation:
    """Spread a repayment over a schedule [P], in fen.

    First the instalments due by ``paid_on``, oldest first, in each interest before principal. The rest
    prepays the principal of later instalments, oldest first, then the interest of the running period; what
    exceeds that is surplus. Raises ``ValueError`` for a negative amount.
    """
    if repayment_fen < 0:
        raise ValueError("a repayment is never negative")
    due = [row for row in rows if row.instalment.due <= paid_on]
    later = [row for row in rows if row.instalment.due > paid_on]
    left = repayment_fen
    paid = []
    for row in due:
        interest = min(left, row.interest_left_fen)
        principal = min(left - interest, row.principal_left_fen)
        left -= interest + principal
        paid.append(_minus(row, principal, interest))
    for index, row in enumerate(later):
        principal = min(left, row.principal_left_fen)
        left -= principal
        later[index] = _minus(row, principal, 0)
    if later:
        interest = min(left, later[0].interest_left_fen)
        left -= interest
        later[0] = _minus(later[0], 0, interest)
    after = (*paid, *later)
    principal_fen = sum(r.principal_left_fen for r in rows) - sum(r.principal_left_fen for r in after)
    interest_fen = sum(r.interest_left_fen for r in rows) - sum(r.interest_left_fen for r in after)
    return Allocation((*paid, *_lower_interest(later)), interest_fen, principal_fen, left)


def _minus(row: RowState, principal_fen: int, interest_fen: int) -> RowState:
    return RowState(
        row.instalment, row.principal_left_fen - principal_fen, row.interest_left_fen - interest_fen
    )


def _lower_interest(later: Sequence[RowState]) -> tuple[RowState, ...]:
    """Interest of instalments not yet due, after a prepayment: owed on the principal still out.

    The running period keeps its interest, since it has partly accrued; once no principal is out the note is
    closed and no later interest is owed.
    """
    out = sum(row.principal_left_fen for row in later)
    lowered = []
    for index, row in enumerate(later):
        planned = row.instalment.balance_fen + row.instalment.principal_fen
        interest = row.interest_left_fen
        if index and out < planned:
            share = EXACT.divide(Decimal(row.instalment.interest_fen * out), Decimal(planned))
            interest = min(interest, round_fen(share))
        lowered.append(RowState(row.instalment, row.principal_left_fen, interest if out else 0))
        out -= row.principal_left_fen
    return tuple(lowered)


def put_off(rows: Sequence[RowState], restructure: PutOff) -> tuple[RowState, ...]:
    """What is left of a schedule after a restructure [P]: each instalment of which something is left falls due later.

    The first of them bears what the principal still out costs meanwhile: its period grew, those after it are as long as before.
    """
    out = sum(row.principal_left_fen for row in rows)
    moved, later, extra_due = [], timedelta(days=restructure.days), True
    for row in rows:
        if row.left_fen:
            due, extra = row.instalment.due + later, 0
            if extra_due:
                share = share_of_year(row.instalment.due, due, restructure.day_count)
                extra, extra_due = round_fen(ARITHMETIC.multiply(restructure.annual_rate * out, share)), False
            row = RowState(
                replace(row.instalment, due=due, interest_fen=row.instalment.interest_fen + extra),
                row.principal_left_fen, row.interest_left_fen + extra,
            )
        moved.append(row)
    return tuple(moved)


@dataclass(frozen=True, slots=True)
class Replayed:
    """A schedule after the repayments and restructures of some days, with the sums repaid, in fen."""

    rows: tuple[RowState, ...]
    principal_fen: int = 0
    interest_fen: int = 0
    surplus_fen: int = 0


def replay(
    begun: Replayed, repayments: Iterable[Repayment], put_offs: Sequence[PutOff] = (), until: date = date.max,
) -> Replayed:
    """What repayments and restructures up to a day make of a schedule, whatever their order.

    Money of one day is one sum, and comes before the restructure of that day.
    """
    by_day: dict[date, int] = {}
    for repayment in repayments:
        if repayment.paid_on <= until:
            by_day[repayment.paid_on] = by_day.get(repayment.paid_on, 0) + repayment.amount_fen
    for day in sorted({*by_day, *(one.on for one in put_offs if one.on <= until)}):
        if day in by_day:
            spread = allocate(begun.rows, by_day[day], day)
            begun = Replayed(spread.rows, begun.principal_fen + spread.principal_fen, begun.interest_fen + spread.interest_fen,
                             begun.surplus_fen + spread.surplus_fen)
        for one in put_offs:
            if one.on == day:
                begun = replace(begun, rows=put_off(begun.rows, one))
    return begun


@dataclass(frozen=True, slots=True)
class Position:
    """Where a loan stands at the end of a day, in fen and days."""

    rows: tuple[RowState, ...]
    principal_repaid_fen: int
    interest_paid_fen: int
    principal_left_fen: int
    overdue_principal_fen: int
    overdue_interest_fen: int
    overdue_days: int
    surplus_fen: int


def position(
    rows: Sequence[Instalment], repayments: Iterable[Repayment], today: date, put_offs: Sequence[PutOff] = (),
) -> Position:
    """Where a loan stands at the end of ``today``; what happened on later days is left aside, order does not matter.

    ``rows``: the schedule as it was agreed at the drawdown; a day before a restructure is judged by the due dates of then.
    """
    return stands(replay(Replayed(fresh(rows)), repayments, put_offs, today), today)


def stands(replayed: Replayed, today: date) -> Position:
    """Where a loan stands at the end of a day after all that happened up to it."""
    states = replayed.rows
    late = [row for row in states if row.instalment.due < today and row.left_fen > 0]
    return Position(
        rows=states,
        principal_repaid_fen=replayed.principal_fen,
        interest_paid_fen=replayed.interest_fen,
        principal_left_fen=sum(row.principal_left_fen for row in states),
        overdue_principal_fen=sum(row.principal_left_fen for row in late),
        overdue_interest_fen=sum(row.interest_left_fen for row in late),
        overdue_days=(today - min(row.instalment.due for row in late)).days if late else 0,
        surplus_fen=replayed.surplus_fen,
    )


def overdue_days(rows: Sequence[Instalment], repayments: Iterable[Repayment], today: date) -> int:
    """Days since the oldest unpaid instalment fell due; the day after the due date is day 1 (compliance paper
    §2)."""
    return position(rows, repayments, today).overdue_days
