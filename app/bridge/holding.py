"""A bridge's seat on a fund: taken, confirmed, paid out, given back. What the services of bridges share; none of it is a door.

A seat is a reservation on the fund's ledger account, which bounds the money, and a row of its days, which the database holds
against the quotas while that account's row is locked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.bridge import ceilings
from app.bridge.fund_models import Fund, FundAgreement, FundDay, FundHold, FundQuota
from app.bridge.fund_states import HOLD, LIVE, AgreementState, HoldState
from app.bridge.models import Bridge
from app.bridge.quota_rules import Clash, Limits, Quota, Seat, Taken, clashes
from app.bridge.rules import BridgeKind
from app.core import ledger
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.ids import new_id
from app.core.ledger import Account
from app.core.lifecycle import begin, fire

for _name in ("life", "transfer", "agreement", "closed", "deal", "day", "bank", "kind"):
    constraint(f"ck_fund_hold_{_name}", ErrorCode.HOLD_REFUSED)
constraint("uq_fund_hold_live", ErrorCode.ALREADY_DONE)
constraint("ck_bridge_seat", ErrorCode.STATE_CHANGED)


class exhausted_at:
    """Turns the ledger's refusal of an overdraft into FUND_EXHAUSTED. The pool has its own word for the same constraint."""

    def __init__(self, field: str | None = None) -> None:
        self.field = field

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IntegrityError):
            diag = getattr(error.orig, "diag", None)
            if getattr(diag, "constraint_name", None) == "ck_ledger_account_bounded":
                raise Refusal(ErrorCode.FUND_EXHAUSTED, field=self.field) from error


def receivable(bridge: Bridge) -> ledger.Account:
    """The ledger account that says what of a bridge is out; zero when it is settled.

    A bridge that moved to another funder gets another account, so that the first one sees nothing of what follows.
    """
    code = f"bridge:{bridge.id}"
    taken = session().scalar(select(Account.org_id).where(Account.code == code))
    if taken is not None and taken != bridge.funder_org_id:
        code = f"{code}:{bridge.funder_org_id}"
    return ledger.open_account(code, "bridge_receivable", org_id=bridge.funder_org_id)


# --- what funds allow, and what is taken -------------------------------------------------------------------------------


def limits_of(funds: Sequence[Fund]) -> dict[UUID, Limits]:
    """What each fund allows, in four statements whatever their number."""
    ids, funders = [fund.id for fund in funds], {fund.org_id for fund in funds}
    free: dict[str, int] = {
        row.code: row[1] for row in session().execute(
            select(Account.code, Account.credits_posted_fen - Account.debits_posted_fen - Account.debits_pending_fen)
            .where(Account.code.in_([fund.account_code for fund in funds])))
    }
    quotas: dict[UUID, list[FundQuota]] = defaultdict(list)
    for quota in session().scalars(select(FundQuota).where(FundQuota.fund_id.in_(ids))):
        quotas[quota.fund_id].append(quota)
    days: dict[UUID, list[FundDay]] = defaultdict(list)
    for day in session().scalars(select(FundDay).where(FundDay.fund_id.in_(ids), FundDay.day >= today())):
        days[day.fund_id].append(day)
    agreed: dict[UUID, list[tuple[date, date, frozenset[str]]]] = defaultdict(list)
    for deed in session().scalars(select(FundAgreement).where(
        FundAgreement.org_id.in_(funders), FundAgreement.state == AgreementState.CONFIRMED.value,
    ).order_by(FundAgreement.valid_from)):
        agreed[deed.org_id].append((deed.valid_from, deed.valid_to, frozenset(deed.kinds)))
    return {
        fund.id: _limits(free.get(fund.account_code, 0), agreed[fund.org_id], quotas[fund.id], days[fund.id])
        for fund in funds
    }


def _limits(
    money_fen: int, agreed: Sequence[tuple[date, date, frozenset[str]]], quotas: Sequence[FundQuota], days: Sequence[FundDay],
) -> Limits:
    single = {one.scope: one.limit_fen for one in quotas if one.bank_org_id is None and one.kind is None}
    return Limits(
        money_fen, agreed, single.get("DAY"), single.get("DEAL"), single.get("BANK"),
        {one.bank_org_id: one.limit_fen for one in quotas if one.bank_org_id is not None},
        {one.kind: one.limit_fen for one in quotas if one.kind is not None},
        {one.day: one.limit_fen for one in days if one.limit_fen is not None},
        frozenset(one.day for one in days if one.closed),
    )


def with_money(limits: Limits, fen: int) -> Limits:
    """The same limits with ``fen`` (分) more money: what the seat in question holds already."""
    return replace(limits, money_fen=limits.money_fen + fen)


def taken_of(fund_ids: Collection[UUID], but: UUID | None = None) -> dict[UUID, list[Taken]]:
    """The seats taken on each fund; ``but`` leaves one hold away. Money that is late is taken until it comes back."""
    found: dict[UUID, list[Taken]] = defaultdict(list)
    rows = session().scalars(select(FundHold).where(FundHold.fund_id.in_(fund_ids), FundHold.state.in_(LIVE)))
    for hold in rows:
        if hold.id != but:
            found[hold.fund_id].append(taken(hold))
    return found


def taken(hold: FundHold) -> Taken:
    """A hold as the quotas count it."""
    late = today() + timedelta(days=1)
    until = max(hold.ends_on, late) if hold.state == HoldState.OUT else hold.ends_on
    return Taken(hold.kind, hold.bank_org_id, hold.amount_fen - hold.back_fen, hold.starts_on, until)


def seat_of(bridge: Bridge, start: date, days: int) -> Seat:
    """What a bridge wishes of its fund."""
    return Seat(bridge.kind, bridge.new_bank_org_id, bridge.amount_fen or bridge.requested_fen, start, days)


def usual_start(bridge: Bridge) -> date:
    """The day on which a bridge is paid out unless somebody says otherwise: that of the old loan, or today once that is over; the
    next one on which its fund pays, as a note that falls due on a holiday is paid after it."""
    start = max(bridge.old_due_on, today())
    closed = set(session().scalars(
        select(FundDay.day).where(FundDay.fund_id == bridge.fund_id, FundDay.closed, FundDay.day >= start)))
    while start in closed:
        start += timedelta(days=1)
    return start


def refused(clash: Clash, seat: Seat) -> Refusal:
    """A clash as the refusal that tells it."""
    if clash.quota is Quota.AGREEMENT:
        return Refusal(ErrorCode.FUND_UNAGREED, field="starts_on", low=seat.start.isoformat(), high=seat.until.isoformat(),
                       kind=(BridgeKind(seat.kind).label,))
    if clash.quota is Quota.CLOSED:
        return Refusal(ErrorCode.FUND_CLOSED, field="starts_on", day=seat.start.isoformat())
    if clash.quota is Quota.MONEY:
        return Refusal(ErrorCode.FUND_EXHAUSTED)
    if clash.day is None:
        return Refusal(ErrorCode.BRIDGE_OVER_LIMIT, limit=money_text(clash.limit_fen))
    return Refusal(
        ErrorCode.QUOTA_EXCEEDED, field="starts_on", day=clash.day.isoformat(), quota=(clash.quota.label,),
        limit=money_text(clash.limit_fen), used=money_text(clash.used_fen), over=money_text(clash.over_fen),
    )


def _ensure_fits(fund: Fund, seat: Seat, own_fen: int, but: UUID | None = None) -> None:
    """Under the lock of the fund's account. ``own_fen`` (分) is reserved for this seat already."""
    found = clashes(seat, with_money(limits_of([fund])[fund.id], own_fen), taken_of([fund.id], but)[fund.id])
    if found:
        raise refused(found[0], seat)


# --- the seat itself ---------------------------------------------------------------------------------------------------


def seat(bridge: Bridge) -> FundHold | None:
    """The seat that a bridge holds, locked."""
    return session().scalar(
        select(FundHold).where(FundHold.bridge_id == bridge.id, FundHold.state.in_(LIVE)).with_for_update()
        .execution_options(populate_existing=True)
    )


def place(ctx: Context, bridge: Bridge, start: date, days: int) -> FundHold:
    """Takes a tentative seat on the picked fund, which runs out by itself. The bridge is locked by the caller.

    Raises ``Refusal``: FUND_EXHAUSTED, FUND_UNAGREED, FUND_CLOSED, BRIDGE_OVER_LIMIT, QUOTA_EXCEEDED.
    """
    assert bridge.fund_id is not None and bridge.amount_fen is not None
    fund, key = get_or_404(Fund, bridge.fund_id), new_id()
    with exhausted_at():  # from here on the fund's account is locked, and with it everything that is judged below
        pending = ledger.reserve(
            ledger.account(fund.account_code), receivable(bridge), bridge.amount_fen,
            reference=f"hold:{key}:reserve", memo=bridge.old_note_no, case_id=bridge.case_id,
        )
    wish = seat_of(bridge, start, days)
    _ensure_fits(fund, wish, bridge.amount_fen)
    hold = FundHold(
        id=key, bridge_id=bridge.id, firm_id=bridge.firm_id, fund_id=fund.id, org_id=fund.org_id,
        bank_org_id=bridge.new_bank_org_id, kind=bridge.kind, amount_fen=bridge.amount_fen, back_fen=0, starts_on=wish.start,
        ends_on=wish.until, checked_on=today(), state=HoldState.HELD.value, transfer_id=pending.id, expires_at=runs_out(),
        made_at=now(), made_by=ctx.actor_id,
    )
    session().add(hold)
    begin(ctx, HOLD, hold, event="hold", shared=True)
    bridge.pending_transfer_id = pending.id
    session().flush()
    return hold


def runs_out() -> datetime:
    """When a tentative seat taken now is given back."""
    return now() + timedelta(hours=ceilings.current().hold_hours)


def confirm(ctx: Context, bridge: Bridge) -> None:
    """The firm signed: the seat no longer runs out. Raises ``Refusal(HOLD_EXPIRED)``, ``Refusal(FUND_UNAGREED)``."""
    with elevated(ctx, "bridge") as acting:
        hold = seat(bridge)
        if hold is None or hold.expires_at <= now():
            raise Refusal(ErrorCode.HOLD_EXPIRED)
        wish = seat_of(bridge, hold.starts_on, (hold.ends_on - hold.starts_on).days)
        fund = session().get_one(Fund, hold.fund_id)
        for clash in clashes(wish, with_money(limits_of([fund])[fund.id], hold.amount_fen), []):
            if clash.quota is Quota.AGREEMENT:
                raise refused(clash, wish)
        hold.confirmed_at = now()
        fire(acting, HOLD, hold, "confirm")


def paid_out(ctx: Context, bridge: Bridge, paid_on: date) -> None:
    """The reservation was posted: from ``paid_on`` on the money is out, whatever day was meant. Raises as ``place`` does."""
    with elevated(ctx, "bridge") as acting:
        hold = seat(bridge)
        if hold is None:
            raise Refusal(ErrorCode.STATE_CHANGED)
        wish = seat_of(bridge, paid_on, bridge.planned_days)
        if (hold.starts_on, hold.ends_on) != (wish.start, wish.until):
            _ensure_fits(session().get_one(Fund, hold.fund_id), wish, hold.amount_fen, hold.id)
            hold.starts_on, hold.ends_on, hold.checked_on = wish.start, wish.until, today()
        fire(acting, HOLD, hold, "pay")


def came_back(ctx: Context, bridge: Bridge) -> None:
    """What came back is free again; the last 分 ends the seat."""
    with elevated(ctx, "bridge") as acting:
        hold = seat(bridge)
        if hold is None:
            return
        hold.back_fen = bridge.returned_fen
        if bridge.outstanding_fen == 0:
            hold.ended_on = today()
            fire(acting, HOLD, hold, "return")
        session().flush()


def waits_again(ctx: Context, bridge: Bridge, pending_id: UUID) -> None:
    """The payout was taken back: the seat waits for it on the new reservation."""
    with elevated(ctx, "bridge") as acting:
        hold = seat(bridge)
        if hold is not None:
            hold.transfer_id = pending_id
            fire(acting, HOLD, hold, "unpay")


def out_again(ctx: Context, bridge: Bridge, amount_fen: int) -> None:
    """A return of ``amount_fen`` (分) was taken back: it is out again, on the same seat."""
    with elevated(ctx, "bridge") as acting:
        hold = seat(bridge)
        if hold is None:
            hold = session().scalars(
                select(FundHold).where(FundHold.bridge_id == bridge.id, FundHold.state == HoldState.RETURNED.value)
                .order_by(FundHold.made_at.desc()).limit(1).with_for_update()).one()
            hold.ended_on, hold.back_fen = None, hold.back_fen - amount_fen
            fire(acting, HOLD, hold, "reopen")
        else:
            hold.back_fen -= amount_fen


def let_go(ctx: Context, bridge: Bridge, event: str = "release") -> FundHold | None:
    """Gives back what a bridge holds and has not been paid, if anything. Whoever may end the bridge gives back, though only the
    centre moves the funds."""
    with elevated(ctx, "bridge") as acting:
        hold = seat(bridge)
        if hold is None or hold.state == HoldState.OUT:
            return None
        pending = session().get_one(ledger.Transfer, hold.transfer_id)
        ledger.void(pending, reference=f"hold:{hold.id}:void", memo=bridge.old_note_no)
        hold.ended_on = today()
        fire(acting, HOLD, hold, event)
        bridge.pending_transfer_id = None
    return hold
