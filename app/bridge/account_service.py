"""Whitelisted accounts: the clerk enters them, the reviewer types the numbers again without seeing them, and only then they
count. Numbers are compared by their keyed digest alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update

from app.bridge.account_models import BridgeAccount
from app.bridge.account_numbers import account_digest, plain_number
from app.bridge.models import Bridge
from app.bridge.service import live_commitment
from app.bridge.states import OUT, BridgeState, HopAccount
from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.core.use_case import about, use_case

constraint("uq_bridge_account_apart", ErrorCode.ACCOUNTS_ALIKE)
constraint("uq_bridge_account_live", ErrorCode.STATE_CHANGED)
constraint("ck_bridge_account_two_people", ErrorCode.SAME_PERSON)
constraint("ck_bridge_account_hands", ErrorCode.STATE_CHANGED)
constraint("ck_bridge_hop_account", ErrorCode.ACCOUNTS_MISSING)
constraint("ck_commitment_receiving", ErrorCode.RECEIVING_OUTSIDE, "receiving_account")
constraint("ck_bridge_account_receiving", ErrorCode.RECEIVING_OUTSIDE)

TYPED = (HopAccount.FUNDER, HopAccount.CUSTODY, HopAccount.REPAYMENT)
"""The accounts that people type; where the renewal money goes stands in the bank's commitment."""
OF_FUND = (HopAccount.FUNDER, HopAccount.CUSTODY)
BEFORE_PICK = (BridgeState.PRECHECKED, BridgeState.BANK_COMMITTED, BridgeState.PARTNER_OFFERED)
"""States in which, without a fund yet, the repayment account alone may be entered: the letter is measured against it."""


@dataclass(frozen=True)
class Entry:
    """An account as it is typed. An empty number takes over the last confirmed account of the same fund and kind."""

    holder: str
    bank_name: str
    number: str


NOTHING = Entry("", "", "")


def live_accounts(bridge: Bridge) -> dict[HopAccount, BridgeAccount]:
    """Accounts of a bridge that are entered or confirmed."""
    rows = session().scalars(select(BridgeAccount).where(
        BridgeAccount.bridge_id == bridge.id, BridgeAccount.state != "REPLACED"))
    return {HopAccount(row.kind): row for row in rows}


def earlier_account(bridge: Bridge, kind: HopAccount) -> BridgeAccount | None:
    """The last confirmed account of the bridge's fund, of the funder's and the custody kind; of the loan, the bridge's own."""
    if kind is HopAccount.REPAYMENT:
        own = live_accounts(bridge).get(kind)
        return own if own is not None and own.state == "CONFIRMED" else None
    if kind not in OF_FUND or bridge.fund_id is None:
        return None
    return session().scalar(
        select(BridgeAccount).where(
            BridgeAccount.fund_id == bridge.fund_id, BridgeAccount.kind == kind.value, BridgeAccount.state == "CONFIRMED",
        ).order_by(BridgeAccount.confirmed_at.desc()).limit(1)
    )


def signed_accounts(bridge: Bridge) -> set[HopAccount]:
    """Typed accounts that stand because the agreement over them is signed."""
    if bridge.state in (BridgeState.PARTNER_OFFERED, BridgeState.APPROVED):
        return set()
    return {kind for kind, row in live_accounts(bridge).items() if row.state == "CONFIRMED" and kind in TYPED}


def may_enter(bridge: Bridge) -> bool:
    """Whether accounts may be entered now: that of the loan from the precheck on, all of them once a fund is picked and until
    the signature; later only what is missing, or where the bank has named another account for the renewal money."""
    if bridge.fund_id is None:
        return bridge.state in BEFORE_PICK
    if bridge.state in (BridgeState.PARTNER_OFFERED, BridgeState.APPROVED):
        return True
    return bridge.state in (BridgeState.SIGNED, *OUT) and not complete(bridge)


def complete(bridge: Bridge) -> bool:
    """Whether every account is confirmed, and still that of the picked fund and of the standing commitment. Until the money is
    out, the renewal money's is one of the loop as well: it can still be put right."""
    found = live_accounts(bridge)
    promise = live_commitment(bridge)
    return (
        all(kind in found and found[kind].state == "CONFIRMED" for kind in HopAccount)
        and all(found[kind].fund_id == bridge.fund_id for kind in OF_FUND)
        and (promise is None or account_digest(plain_number(promise.receiving_account))
             == bytes(found[HopAccount.RENEWAL].digest))
        and (bridge.paid_on is not None or holds((found[kind] for kind in TYPED), bytes(found[HopAccount.RENEWAL].digest)))
    )


def wanted(bridge: Bridge) -> list[HopAccount]:
    """The accounts that people type now."""
    if bridge.fund_id is None:
        return [HopAccount.REPAYMENT]
    fixed = signed_accounts(bridge)
    return [kind for kind in TYPED if kind not in fixed]


def loop_of(bridge: Bridge) -> list[BridgeAccount]:
    """The typed accounts of a bridge as they stand, of the picked fund: where its renewal money may arrive."""
    return [row for kind, row in live_accounts(bridge).items()
            if kind in TYPED and (kind not in OF_FUND or row.fund_id == bridge.fund_id)]


def holds(loop: Iterable[BridgeAccount], digest: bytes) -> bool:
    """Whether an account, by the digest of its number, is one of a loop."""
    return any(bytes(row.digest) == digest for row in loop)


def in_loop(number: str, loop: Iterable[BridgeAccount], field: str | None = None) -> bool:
    """Whether a number is one of the accounts of a loop. Raises ``Refusal(INVALID)`` at ``field`` for what is no number."""
    return holds(loop, account_digest(plain_number(number, field)))


def ensure_in_loop(number: str, loop: Iterable[BridgeAccount], field: str | None = None) -> None:
    """Raises ``Refusal(RECEIVING_OUTSIDE)`` where a number is none of the accounts of a loop."""
    if not in_loop(number, loop, field):
        raise Refusal(ErrorCode.RECEIVING_OUTSIDE, field=field)


def confirmed_accounts(bridge: Bridge) -> dict[HopAccount, BridgeAccount]:
    """The accounts of a bridge, all of them confirmed. Raises ``Refusal(ACCOUNTS_MISSING)``."""
    if not complete(bridge):
        raise Refusal(ErrorCode.ACCOUNTS_MISSING)
    return live_accounts(bridge)


@use_case(Permission.BRIDGE_DESK, "bridge_account.enter", returns=Bridge)
def enter_accounts(ctx: Context, bridge_id: UUID, entries: Mapping[HopAccount, Entry]) -> Bridge:
    """The clerk enters the accounts that are ``wanted``; the renewal money's comes from the commitment and must be one of the
    three. What was entered before is replaced.

    Raises ``Refusal``: STATE_CHANGED, INVALID at the field, ACCOUNTS_ALIKE where two of the three are one account,
    RECEIVING_OUTSIDE where the letter names none of them.
    """
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    if not may_enter(bridge):
        raise Refusal(ErrorCode.STATE_CHANGED)
    made = [_entered(ctx, bridge, kind, entries.get(kind, NOTHING)) for kind in wanted(bridge)]
    if bridge.fund_id is not None:
        made += _receiving(ctx, bridge, made)
    session().execute(update(BridgeAccount).where(
        BridgeAccount.bridge_id == bridge.id, BridgeAccount.kind.in_([*(row.kind for row in made), HopAccount.RENEWAL.value]),
        BridgeAccount.state != "REPLACED").values(state="REPLACED"))
    session().add_all(made)
    session().flush()
    about(bridge, accounts={row.kind: row.digest for row in made})
    return bridge


def _receiving(ctx: Context, bridge: Bridge, made: list[BridgeAccount]) -> list[BridgeAccount]:
    """Where the renewal money arrives, by the letter; nothing while the letter names an account that is being put right."""
    promise = live_commitment(bridge)
    if promise is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    again, before = {row.kind for row in made}, loop_of(bridge)
    if not in_loop(promise.receiving_account, [*made, *(row for row in before if row.kind not in again)]):
        ensure_in_loop(promise.receiving_account, before)
        return []
    bank = organisation_names({bridge.new_bank_org_id})[bridge.new_bank_org_id]
    return [_row(ctx, bridge, HopAccount.RENEWAL, bridge.firm_name, bank, plain_number(promise.receiving_account))]


def _entered(ctx: Context, bridge: Bridge, kind: HopAccount, entry: Entry) -> BridgeAccount:
    field = kind.value.lower()
    if not entry.number.strip():
        earlier = earlier_account(bridge, kind)
        if earlier is None:
            raise Refusal(ErrorCode.INVALID, field=f"{field}_number")
        return _row(ctx, bridge, kind, earlier.holder, earlier.bank_name, earlier.number)
    number = plain_number(entry.number, f"{field}_number")
    if not entry.holder.strip() or not entry.bank_name.strip():
        raise Refusal(ErrorCode.INVALID, field=f"{field}_{'holder' if not entry.holder.strip() else 'bank'}")
    return _row(ctx, bridge, kind, entry.holder.strip(), entry.bank_name.strip(), number)


def _row(ctx: Context, bridge: Bridge, kind: HopAccount, holder: str, bank: str, number: str) -> BridgeAccount:
    assert ctx.actor_id is not None
    return BridgeAccount(
        bridge_id=bridge.id, kind=kind.value, fund_id=bridge.fund_id if kind in OF_FUND else None, holder=holder,
        bank_name=bank, number=number, digest=account_digest(number), state="ENTERED", entered_by=ctx.actor_id, entered_at=now(),
    )


@use_case(Permission.BRIDGE_APPROVE, "bridge_account.confirm", returns=Bridge)
def confirm_accounts(ctx: Context, bridge_id: UUID, numbers: Mapping[HopAccount, str]) -> Bridge:
    """The reviewer types the three numbers again; what differs is refused at its field and nothing is confirmed.

    Raises ``Refusal``: ACCOUNT_DIFFERS, SAME_PERSON, STATE_CHANGED where nothing waits.
    """
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    waiting = {kind: row for kind, row in live_accounts(bridge).items() if row.state == "ENTERED"}
    if not waiting or not may_enter(bridge):
        raise Refusal(ErrorCode.STATE_CHANGED)
    if any(row.entered_by == ctx.actor_id for row in waiting.values()):
        raise Refusal(ErrorCode.SAME_PERSON)
    for kind in (kind for kind in TYPED if kind in waiting):
        try:
            same = account_digest(plain_number(numbers.get(kind, ""))) == bytes(waiting[kind].digest)
        except Refusal:
            same = False
        if not same:
            raise Refusal(ErrorCode.ACCOUNT_DIFFERS, field=f"{kind.value.lower()}_number")
    for row in waiting.values():
        row.state, row.confirmed_by, row.confirmed_at = "CONFIRMED", ctx.actor_id, now()
    session().flush()
    about(bridge, accounts={kind.value: row.digest for kind, row in waiting.items()})
    return bridge
