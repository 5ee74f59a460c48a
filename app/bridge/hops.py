"""Hops of a bridge: written two at a time over the custody account, read without those that were taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from app.bridge.account_service import confirmed_accounts
from app.bridge.models import Bridge, BridgeHop
from app.bridge.states import HopAccount
from app.bridge.terms import Returned
from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import session
from app.core.errors import ErrorCode, Refusal, constraint

constraint("uq_bridge_hop_voucher", ErrorCode.VOUCHER_TAKEN)
constraint("uq_bridge_hop_voucher_once", ErrorCode.VOUCHER_TAKEN)
constraint("ck_bridge_hop_negative", ErrorCode.HOP_NEGATIVE)
constraint("ck_bridge_hop_books", ErrorCode.STATE_CHANGED)
constraint("ck_bridge_hop_moved", ErrorCode.STATE_CHANGED)
constraint("uq_bridge_hop_corrects_id", ErrorCode.ALREADY_DONE)


@dataclass(frozen=True)
class Leg:
    """One movement as the bank's paper tells it: from where to where, when, under which voucher number."""

    source: HopAccount
    target: HopAccount
    moved_at: datetime
    voucher_no: str


def moment(day: date, given: time | None = None) -> datetime:
    """A day and the time of it in Shanghai; without a time this moment today, and noon of an earlier day."""
    if given is None:
        return now() if day == today() else datetime.combine(day, time(12), SHANGHAI)
    return datetime.combine(day, given, SHANGHAI)


def write_hops(ctx: Context, bridge: Bridge, amount_fen: int, legs: Sequence[Leg]) -> list[BridgeHop]:
    """Records movements of ``amount_fen`` (分) in order, each between confirmed accounts.

    Raises ``Refusal``: ACCOUNTS_MISSING, VOUCHER_TAKEN, HOP_NEGATIVE, DATE_OUT_OF_RANGE for a movement that has not been yet.
    """
    accounts = confirmed_accounts(bridge)
    no = session().scalar(select(func.coalesce(func.max(BridgeHop.no), 0)).where(BridgeHop.bridge_id == bridge.id)) or 0
    made = []
    for place, leg in enumerate(legs, start=1):
        if leg.moved_at > now():
            raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, low=(bridge.paid_on or today()).isoformat(), high=today().isoformat())
        made.append(BridgeHop(
            bridge_id=bridge.id, no=no + place, from_account=leg.source.value, to_account=leg.target.value,
            amount_fen=amount_fen, on_day=leg.moved_at.astimezone(SHANGHAI).date(), voucher_no=leg.voucher_no.strip(), at=now(),
            actor_id=ctx.actor_id, from_account_id=accounts[leg.source].id, to_account_id=accounts[leg.target].id,
            moved_at=leg.moved_at.astimezone(UTC),
        ))
    session().add_all(made)
    session().flush()
    return made


def counter_hops(ctx: Context, correction_id: UUID, wrong: Sequence[BridgeHop], vouchers: Sequence[str]) -> list[BridgeHop]:
    """The same money on its way back, the last hop first; ``wrong`` stays as it was recorded."""
    no = max(session().scalars(select(BridgeHop.no).where(BridgeHop.bridge_id == wrong[0].bridge_id)))
    at = now()  # once: a movement is never later than its record
    made = [
        BridgeHop(
            bridge_id=hop.bridge_id, no=no + place, from_account=hop.to_account, to_account=hop.from_account,
            amount_fen=hop.amount_fen, on_day=at.astimezone(SHANGHAI).date(), voucher_no=voucher.strip(), at=at,
            actor_id=ctx.actor_id, from_account_id=hop.to_account_id, to_account_id=hop.from_account_id, moved_at=at,
            corrects_id=hop.id, correction_id=correction_id,
        )
        for place, (hop, voucher) in enumerate(zip(reversed(wrong), vouchers, strict=True), start=1)
    ]
    session().add_all(made)
    session().flush()
    return made


def standing_hops(bridge_id: UUID) -> list[BridgeHop]:
    """Hops that count, in order: neither taken back nor taking back."""
    other = aliased(BridgeHop)
    taken_back = select(other.id).where(other.corrects_id == BridgeHop.id).exists()
    return list(session().scalars(
        select(BridgeHop).where(BridgeHop.bridge_id == bridge_id, BridgeHop.corrects_id.is_(None), ~taken_back)
        .order_by(BridgeHop.no)
    ))


@dataclass(frozen=True)
class Act:
    """What was recorded at once: a payout, or one return, as its two hops."""

    first: BridgeHop
    second: BridgeHop

    @property
    def is_payout(self) -> bool:
        """Whether the money left the funder."""
        return self.first.from_account == HopAccount.FUNDER.value


def acts_of(bridge_id: UUID) -> list[Act]:
    """The payout and the returns that count, in order."""
    hops = standing_hops(bridge_id)
    return [Act(first, second) for first, second in zip(hops[::2], hops[1::2], strict=True)]


def returns_of(bridge: Bridge) -> list[Returned]:
    """What came back and counts, by the day on which it arrived on the custody account."""
    return [Returned(act.first.amount_fen, act.first.on_day) for act in acts_of(bridge.id) if not act.is_payout]
