"""The loop of a bridge in the demo: accounts of two people, an agreement, hops under vouchers, and what the banks would tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select

from app.bridge import account_service, hold_service, money_service, statement_service
from app.bridge import service as bridges
from app.bridge.fund_models import BridgeQuote
from app.bridge.models import Bridge, BridgeHop
from app.bridge.queries import fee_preview
from app.bridge.states import HopAccount
from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import session, transaction
from app.demo.people import SYSTEM, Staff
from app.demo.statements import Movement, ccb_xlsx, icbc_csv

NUMBERS = {HopAccount.FUNDER: "4400000000000000101", HopAccount.CUSTODY: "4400000000000000202",
           HopAccount.REPAYMENT: "4400000000000000303"}
"""No bank gave these numbers out."""


def run_loop(staff: Staff, boss: Context, bridge_id: UUID) -> None:
    """From the quote to the payout and a first part that came back early, with the statements of two accounts."""
    pay_out(staff, boss, bridge_id, NUMBERS, "YS")
    give_back(staff, bridge_id, (seen(bridge_id).amount_fen or 0) // 4, "YS-B")
    moved = told([bridge_id], HopAccount.CUSTODY)
    charge = Movement(NUMBERS[HopAccount.CUSTODY], "", "演示银行", False, 20_00, moved[-1].at, "YS-0005", "账户管理费")
    statement_service.take_in(staff["centre.clerk"], "演示-工商银行明细.csv", icbc_csv([*moved, charge]))
    statement_service.take_in(staff["centre.clerk"], "演示-建设银行明细.xlsx", ccb_xlsx(told([bridge_id], HopAccount.FUNDER)))


def seen(bridge_id: UUID) -> Bridge:
    """A bridge as it stands."""
    with transaction(SYSTEM, read_only=True):
        return session().get_one(Bridge, bridge_id)


def pay_out(staff: Staff, boss: Context, bridge_id: UUID, numbers: Mapping[HopAccount, str], voucher: str) -> None:
    """The firm picks the quote, two people enter the accounts, the reviewer approves, the firm signs, the clerk pays."""
    clerk, reviewer = staff["centre.clerk"], staff["centre.reviewer"]
    with transaction(SYSTEM, read_only=True):
        quote_id = session().scalars(
            select(BridgeQuote.id).where(BridgeQuote.bridge_id == bridge_id, BridgeQuote.state == "OFFERED")).one()
    bridges.pick(boss, bridge_id, quote_id)
    account_service.enter_accounts(clerk, bridge_id, {
        kind: account_service.Entry(holder, "演示银行广州分行", numbers[kind]) for kind, holder in (
            (HopAccount.FUNDER, "演示资金方"), (HopAccount.CUSTODY, "演示转贷托管专户"), (HopAccount.REPAYMENT, boss.org_name))
    })
    account_service.confirm_accounts(reviewer, bridge_id, numbers)
    hold_service.approve(reviewer, bridge_id)
    with transaction(SYSTEM, read_only=True):
        shown = fee_preview(session().get_one(Bridge, bridge_id))
    assert shown is not None
    bridges.sign(boss, bridge_id, f"演示协议-{today().year}-{voucher}", shown.total_fen)
    found = seen(bridge_id)
    own_fen = found.old_due_fen - (found.amount_fen or 0)
    money_service.pay_out(clerk, bridge_id, money_service.Payout(own_fen, f"{voucher}-0001", f"{voucher}-0002"))


def give_back(staff: Staff, bridge_id: UUID, amount_fen: int, voucher: str, on: date | None = None) -> None:
    """The clerk records what came back (分)."""
    back = money_service.Return(amount_fen, on or today(), f"{voucher}-0003", f"{voucher}-0004")
    money_service.record_return(staff["centre.clerk"], bridge_id, back)


def told(bridge_ids: Sequence[UUID], kind: HopAccount) -> list[Movement]:
    """What the bank of an account of the fund would tell of the hops of some bridges, in the order of their moments."""
    with transaction(SYSTEM, read_only=True):
        hops = list(session().scalars(
            select(BridgeHop).where(BridgeHop.bridge_id.in_(bridge_ids)).order_by(BridgeHop.moved_at, BridgeHop.no)))
        accounts = {one: account_service.live_accounts(session().get_one(Bridge, one)) for one in bridge_ids}
        found = []
        for hop in hops:
            if kind.value in (hop.from_account, hop.to_account):
                other = accounts[hop.bridge_id][HopAccount(hop.from_account if hop.to_account == kind else hop.to_account)]
                own = accounts[hop.bridge_id][kind]
                found.append(Movement(own.number, other.number, other.holder, hop.to_account == kind, hop.amount_fen,
                                      (hop.moved_at or now()).astimezone(SHANGHAI), hop.voucher_no, "转贷"))
    return found
