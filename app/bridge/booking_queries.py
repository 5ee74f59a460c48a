"""The booking board: funds by days, who holds what from when to when, what is free, and where a wish would clash."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from app.bridge import holding
from app.bridge.fund_models import BridgeQuote, Fund, FundHold, FundProduct
from app.bridge.fund_states import LIVE
from app.bridge.models import Bridge
from app.bridge.quota_rules import Clash, Limits, Seat, Span, Taken, clashes, free_on, nearest_start, spans, used_on
from app.bridge.states import QuoteState
from app.core.calendar import is_working_day, today
from app.core.database import session
from app.identity.models import Organisation

SHORT_DAYS = 14
"""The board's usual width."""
MOST_FUNDS = 60
"""The board shows no more funds at once; the filters find the others [P]."""
LOOK_DAYS = 60
"""So far ahead the nearest free start is looked for [P]."""


def bookings() -> Select[*tuple[Any, ...]]:
    """Seats with the names of fund, funder, firm and bank."""
    funder, bank = aliased(Organisation), aliased(Organisation)
    return (
        select(FundHold.id, FundHold.bridge_id, FundHold.fund_id, FundHold.kind, FundHold.state, FundHold.amount_fen,
               FundHold.back_fen, FundHold.starts_on, FundHold.ends_on, FundHold.expires_at, FundHold.ended_on,
               Fund.name.label("fund"), funder.name.label("funder"), Bridge.firm_name, Bridge.old_note_no,
               bank.name.label("bank"))
        .join(Fund, Fund.id == FundHold.fund_id).join(funder, funder.id == FundHold.org_id)
        .join(Bridge, Bridge.id == FundHold.bridge_id).join(bank, bank.id == FundHold.bank_org_id)
    )


def fund_choices() -> list[tuple[str, str]]:
    """Funds that the viewer sees, as choices."""
    return [(str(row.id), row.name) for row in session().execute(select(Fund.id, Fund.name).order_by(Fund.name))]


@dataclass(frozen=True)
class Day:
    """A fund on a day (分): what is taken, the day's limit where there is one, what is free."""

    day: date
    used_fen: int
    limit_fen: int | None
    free_fen: int
    closed: bool
    working: bool


@dataclass(frozen=True)
class Bar:
    """A seat as it lies on the days shown: ``before`` empty days, then ``width``, then ``after``. Whole days."""

    bridge_id: UUID
    firm: str
    amount_fen: int
    state: str
    first: date
    until: date
    before: int
    width: int
    after: int


@dataclass(frozen=True)
class Row:
    """A fund on the board."""

    fund: Fund
    funder: str
    agreed_until: date | None
    days: Sequence[Day]
    spans: Sequence[Span]
    bars: Sequence[Bar]
    money_fen: int


def days_from(first: date, count: int) -> list[date]:
    """The days of the board."""
    return [first + timedelta(days=number) for number in range(count)]


def board(days: Sequence[date], fund_id: UUID | None = None, kind: str | None = None) -> list[Row]:
    """The funds on offer that the viewer sees, day by day; seven statements whatever their number."""
    wanted = select(Fund, Organisation.name).join(Organisation, Organisation.id == Fund.org_id).where(Fund.state == "OPEN")
    if fund_id is not None:
        wanted = wanted.where(Fund.id == fund_id)
    if kind is not None:
        wanted = wanted.where(select(FundProduct.id).where(
            FundProduct.fund_id == Fund.id, FundProduct.kind == kind, FundProduct.state == "OPEN").exists())
    found = session().execute(wanted.order_by(Fund.name).limit(MOST_FUNDS)).all()
    funds = [row[0] for row in found]
    limits = holding.limits_of(funds)
    seats: dict[UUID, list[tuple[FundHold, str]]] = defaultdict(list)
    for hold, firm in session().execute(
        select(FundHold, Bridge.firm_name).join(Bridge, Bridge.id == FundHold.bridge_id)
        .where(FundHold.fund_id.in_([fund.id for fund in funds]), FundHold.state.in_(LIVE)).order_by(FundHold.starts_on)
    ):
        seats[hold.fund_id].append((hold, firm))
    return [_row(fund, funder, limits[fund.id], seats[fund.id], days) for fund, funder in found]


def _row(fund: Fund, funder: str, limits: Limits, seats: Sequence[tuple[FundHold, str]], days: Sequence[date]) -> Row:
    taken = [holding.taken(hold) for hold, _ in seats]
    last = max((last for first, last, _ in limits.agreed if first <= days[-1] and last >= days[0]), default=None)
    return Row(
        fund, funder, last,
        [Day(day, used_on(day, taken), limits.of_day(day), free_on(day, limits, taken), day in limits.closed,
             is_working_day(day)) for day in days],
        spans(days, limits, taken), [bar for hold, firm in seats if (bar := _bar(hold, firm, days)) is not None],
        limits.money_fen,
    )


def _bar(hold: FundHold, firm: str, days: Sequence[date]) -> Bar | None:
    one: Taken = holding.taken(hold)
    shown = [number for number, day in enumerate(days) if one.on(day)]
    if not shown:
        return None
    return Bar(hold.bridge_id, firm, one.amount_fen, hold.state, one.first, one.until, shown[0], len(shown),
               len(days) - shown[-1] - 1)


# --- before a seat is taken --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Elsewhere:
    """Another fund that quoted: whether the same days fit there."""

    fund: str
    amount_fen: int
    fits: bool


@dataclass(frozen=True)
class Look:
    """What a wish meets: its clashes, the nearest start on which it fits, the other funds that quoted."""

    seat: Seat
    clashes: Sequence[Clash]
    nearest: date | None
    elsewhere: Sequence[Elsewhere]


def look(bridge: Bridge, start: date, days: int) -> Look:
    """Tries a seat without taking it. The bridge's own tentative seat is not in its way."""
    assert bridge.fund_id is not None
    quotes = {quote.fund_id: quote for quote in session().scalars(select(BridgeQuote).where(
        BridgeQuote.bridge_id == bridge.id, BridgeQuote.state.in_((QuoteState.OFFERED.value, QuoteState.PICKED.value)),
    )) if (quote.valid_until is not None and quote.valid_until >= today()) or quote.fund_id == bridge.fund_id}
    funds = list(session().scalars(select(Fund).where(Fund.id.in_(quotes))))
    own = session().scalar(select(FundHold).where(FundHold.bridge_id == bridge.id, FundHold.state.in_(LIVE)))
    limits = holding.limits_of(funds)
    taken = holding.taken_of(list(quotes), own.id if own is not None else None)
    found: list[Elsewhere] = []
    picked = Look(holding.seat_of(bridge, start, days), [], None, [])
    for fund in funds:
        allowed = limits[fund.id]
        if own is not None and own.fund_id == fund.id:
            allowed = holding.with_money(allowed, own.amount_fen)
        amount = quotes[fund.id].amount_fen or 0
        seat = Seat(bridge.kind, bridge.new_bank_org_id, amount, start, days)
        against = clashes(seat, allowed, taken[fund.id])
        if fund.id == bridge.fund_id:
            nearest = nearest_start(seat, allowed, taken[fund.id], LOOK_DAYS) if against else None
            picked = Look(seat, against, nearest, [])
        else:
            found.append(Elsewhere(fund.name, amount, not against))
    return Look(picked.seat, picked.clashes, picked.nearest, found)


def seat_shown(bridge_id: UUID) -> FundHold | None:
    """The seat that a bridge holds, for its page."""
    return session().scalar(select(FundHold).where(FundHold.bridge_id == bridge_id, FundHold.state.in_(LIVE)))
