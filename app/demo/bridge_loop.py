"""A bridge of the demo whose money is under way: accounts of two people, an agreement, hops, and statements of both layouts."""

from __future__ import annotations

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
    clerk, reviewer = staff["centre.clerk"], staff["centre.reviewer"]
    with transaction(SYSTEM, read_only=True):
        quote_id = session().scalars(
            select(BridgeQuote.id).where(BridgeQuote.bridge_id == bridge_id, BridgeQuote.state == "OFFERED")).one()
    bridges.pick(boss, bridge_id, quote_id)
    account_service.enter_accounts(clerk, bridge_id, {
        kind: account_service.Entry(holder, "演示银行广州分行", NUMBERS[kind]) for kind, holder in (
            (HopAccount.FUNDER, "演示资金方"), (HopAccount.CUSTODY, "演示转贷托管专户"), (HopAccount.REPAYMENT, boss.org_name))
    })
    account_service.confirm_accounts(reviewer, bridge_id, NUMBERS)
    hold_service.approve(reviewer, bridge_id)
    with transaction(SYSTEM, read_only=True):
        shown = fee_preview(session().get_one(Bridge, bridge_id))
    assert shown is not None
    bridges.sign(boss, bridge_id, f"演示协议-{today().year}-1", shown.total_fen)
    with transaction(SYSTEM, read_only=True):
        found = session().get_one(Bridge, bridge_id)
    amount = found.amount_fen or 0
    money_service.pay_out(clerk, bridge_id, money_service.Payout(found.old_due_fen - amount, "YS-0001", "YS-0002"))
    part = amount // 4
    money_service.record_return(clerk, bridge_id, money_service.Return(part, today(), "YS-0003", "YS-0004"))
    _statements(clerk, bridge_id)


def _statements(clerk: Context, bridge_id: UUID) -> None:
    """What the custody account's bank and the funder's bank would tell; one row of it is no bridge money and waits."""
    with transaction(SYSTEM, read_only=True):
        hops = list(session().scalars(select(BridgeHop).where(BridgeHop.bridge_id == bridge_id).order_by(BridgeHop.no)))

    def told(kind: HopAccount) -> list[Movement]:
        return [
            Movement(NUMBERS[kind], NUMBERS[HopAccount(hop.from_account if hop.to_account == kind else hop.to_account)],
                     "演示户名", hop.to_account == kind, hop.amount_fen, (hop.moved_at or now()).astimezone(SHANGHAI),
                     hop.voucher_no, "转贷")
            for hop in hops if kind.value in (hop.from_account, hop.to_account)
        ]

    custody = told(HopAccount.CUSTODY)
    charge = Movement(NUMBERS[HopAccount.CUSTODY], "", "演示银行", False, 20_00, custody[-1].at, "YS-0005", "账户管理费")
    statement_service.take_in(clerk, "演示-工商银行明细.csv", icbc_csv([*custody, charge]))
    statement_service.take_in(clerk, "演示-建设银行明细.xlsx", ccb_xlsx(told(HopAccount.FUNDER)))
