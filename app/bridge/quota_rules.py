"""Quotas of a fund day by day: what is taken, what is free, where a wish clashes, when it would fit. Pure: values in, values out.

A bridge takes its amount (分) on each of its days; the day of payout counts and the day of return does not (transfer-loan paper
§3 [P]). Quotas and calendars are the funder's own, by its agreement with the centre [P].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from app.core.working import N_

DAY = timedelta(days=1)


class Quota(StrEnum):
    """What a wish may clash with, in the order in which it is told."""

    AGREEMENT = "AGREEMENT"
    CLOSED = "CLOSED"
    DEAL = "DEAL"
    MONEY = "MONEY"
    DAY = "DAY"
    BANK = "BANK"
    KIND = "KIND"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _NAMES[self]


_NAMES = {
    Quota.AGREEMENT: N_("协议有效期"), Quota.CLOSED: N_("不放款日"), Quota.DEAL: N_("单笔额度"), Quota.MONEY: N_("账上可用资金"),
    Quota.DAY: N_("每日额度"), Quota.BANK: N_("该银行额度"), Quota.KIND: N_("该类转贷额度"),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """A seat: ``amount_fen`` (分) on every day from ``first`` up to and without ``until``."""

    kind: str
    bank_id: UUID
    amount_fen: int
    first: date
    until: date

    def on(self, day: date) -> bool:
        """Whether it is taken on a day."""
        return self.first <= day < self.until


@dataclass(frozen=True, slots=True)
class Limits:
    """What a fund allows, in 分; ``None`` and what is not named have no limit. ``agreed``: days (both included) and kinds of
    each agreement in force; ``money_fen``: what its ledger account may still give, whatever the day."""

    money_fen: int
    agreed: Sequence[tuple[date, date, frozenset[str]]] = ()
    daily_fen: int | None = None
    deal_fen: int | None = None
    any_bank_fen: int | None = None
    banks: Mapping[UUID, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    days: Mapping[date, int] = field(default_factory=dict)
    closed: frozenset[date] = frozenset()

    def of_day(self, day: date) -> int | None:
        """The limit of a day: the calendar's own, else the daily one."""
        return self.days.get(day, self.daily_fen)

    def of_bank(self, bank_id: UUID) -> int | None:
        """The limit of a bank: its own, else that of any bank."""
        return self.banks.get(bank_id, self.any_bank_fen)


@dataclass(frozen=True, slots=True)
class Seat:
    """A wish: an amount (分) of a kind, for a bank, from a day on for some days."""

    kind: str
    bank_id: UUID
    amount_fen: int
    start: date
    days: int

    @property
    def until(self) -> date:
        """The day of return."""
        return self.start + self.days * DAY

    def each(self) -> Iterator[date]:
        """Its days."""
        return (self.start + number * DAY for number in range(self.days))


@dataclass(frozen=True, slots=True)
class Clash:
    """Where a wish does not fit: the first day of it, the limit, what is taken already, by how much it is too much (分)."""

    quota: Quota
    day: date | None = None
    limit_fen: int = 0
    used_fen: int = 0
    over_fen: int = 0


def used_on(day: date, taken: Iterable[Taken]) -> int:
    """What is held or out on a day (分)."""
    return sum(one.amount_fen for one in taken if one.on(day))


def free_on(day: date, limits: Limits, taken: Iterable[Taken]) -> int:
    """What a new bridge may still take on a day (分): the day's limit less what is taken, and never more than the money."""
    limit = limits.of_day(day)
    return max(0, limits.money_fen if limit is None else min(limits.money_fen, limit - used_on(day, taken)))


def clashes(seat: Seat, limits: Limits, taken: Sequence[Taken]) -> list[Clash]:
    """Everything a wish clashes with, each quota once with its first day; empty where it fits."""
    found = []
    agreed = any(first <= seat.start and seat.until <= last and seat.kind in kinds for first, last, kinds in limits.agreed)
    if not agreed:
        found.append(Clash(Quota.AGREEMENT, seat.start))
    if seat.start in limits.closed:
        found.append(Clash(Quota.CLOSED, seat.start))
    if limits.deal_fen is not None and seat.amount_fen > limits.deal_fen:
        found.append(Clash(Quota.DEAL, None, limits.deal_fen, 0, seat.amount_fen - limits.deal_fen))
    if seat.amount_fen > limits.money_fen:
        found.append(Clash(Quota.MONEY, None, limits.money_fen, 0, seat.amount_fen - limits.money_fen))
    groups = (
        (Quota.DAY, taken),
        (Quota.BANK, [one for one in taken if one.bank_id == seat.bank_id]),
        (Quota.KIND, [one for one in taken if one.kind == seat.kind]),
    )
    for quota, group in groups:
        for day in seat.each():
            limit = {Quota.DAY: limits.of_day(day), Quota.BANK: limits.of_bank(seat.bank_id),
                     Quota.KIND: limits.kinds.get(seat.kind)}[quota]  # fmt: skip
            used = used_on(day, group)
            if limit is not None and used + seat.amount_fen > limit:
                found.append(Clash(quota, day, limit, used, used + seat.amount_fen - limit))
                break
    return found


def nearest_start(seat: Seat, limits: Limits, taken: Sequence[Taken], within: int) -> date | None:
    """The first day after the wished one, at most ``within`` days later, on which the same wish fits."""
    later = (replace(seat, start=seat.start + number * DAY) for number in range(1, within + 1))
    return next((one.start for one in later if not clashes(one, limits, taken)), None)


@dataclass(frozen=True, slots=True)
class Span:
    """Days next to each other (both included) that look alike: what is free (分), and whether nothing is paid out."""

    first: date
    last: date
    free_fen: int
    closed: bool


def spans(days: Iterable[date], limits: Limits, taken: Sequence[Taken]) -> list[Span]:
    """The days of a fund, those alike drawn together."""
    found: list[Span] = []
    for day in days:
        one = Span(day, day, free_on(day, limits, taken), day in limits.closed)
        last = found[-1] if found else None
        if last is not None and (last.free_fen, last.closed) == (one.free_fen, one.closed) and last.last + DAY == day:
            found[-1] = replace(last, last=day)
        else:
            found.append(one)
    return found
