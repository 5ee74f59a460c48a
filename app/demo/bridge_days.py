"""What the radar, the desk and the report of the demo city show: asks, intentions, letters, a bridge in hand and one settled."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from app.bridge import ask_service, bank_service, desk_service, fund_service, money_service, radar_service, service
from app.bridge.checks import TICKS
from app.bridge.models import Bridge, BridgeQuote
from app.bridge.queries import fee_preview
from app.core.calendar import add_working_days, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.money import WAN
from app.demo.firms import DemoFirm
from app.demo.people import SYSTEM, Staff
from app.loans.models import Loan

RATE = Decimal("0.0385")
BANKS = ("zhuan", "yuncheng", "linghai")


def make(staff: Staff, maturing: Sequence[tuple[DemoFirm, Loan]]) -> None:
    """Needs the fund that the demo's bridges were quoted from, and some loans that fall due soon."""
    for firm, _ in maturing[:3]:
        radar_service.share(firm.boss, True)
    radar_service.tell_due(SYSTEM)
    for (_, loan), intent in zip(maturing[:3], ("NO_REPAY", "LESS", "UNDECIDED"), strict=False):
        radar_service.intend(_bank(staff, loan, "officer"), loan.id, intent, "演示")
    (firm, loan), *_ = maturing
    ask_service.ask(firm.boss, ask_service.OldLoan(loan.id), "演示：下周有回款，希望续贷一年")
    _until_paid(staff, firm, "演示-JJ-1")
    settled = _until_paid(staff, firm, "演示-JJ-2")
    officer = staff["zhuan.officer"]
    bank_service.confirm_repaid(officer, settled, today(), "演示-JQ-2")
    bank_service.confirm_drawn(officer, settled, bank_service.NewNote("演示-XJJ-2", 100 * WAN, today(), "演示-HT-2"))
    money_service.record_return(staff["centre.clerk"], settled, money_service.Return(80 * WAN, today(), "演示-I-2", "演示-R-2"))
    money_service.settle(staff["centre.clerk"], settled, "")
    with transaction(SYSTEM, read_only=True):
        waiting = list(session().scalars(select(Bridge.id).where(Bridge.state == "APPLIED")))
    for key in waiting:
        desk_service.take(staff["centre.clerk"], key)


def _bank(staff: Staff, loan: Loan, role: str) -> Context:
    return next(staff[f"{bank}.{role}"] for bank in BANKS if staff[f"{bank}.{role}"].org_id == loan.org_id)


def _until_paid(staff: Staff, firm: DemoFirm, note_no: str) -> UUID:
    """A bridge of 80 万元 for a note outside the portal, paid out and waiting for the branch's payoff."""
    bank_id = staff["zhuan.officer"].org_id
    assert bank_id is not None
    due = add_working_days(today(), 12)
    ask = ask_service.ask(firm.boss, ask_service.OldLoan(None, bank_id, note_no, 100 * WAN, due), "演示")
    ask_service.answer(staff["zhuan.officer"], ask.id, False, "MUST_REPAY", "演示：本行要求先还后贷")
    key = service.apply(firm.boss, ask.id, service.Application(bank_id, 20 * WAN, 80 * WAN, 5, False, 100 * WAN, due)).id
    service.precheck(staff["centre.clerk"], key, set(TICKS))
    last = add_working_days(due, 5)
    bank_service.commit(staff["zhuan.approver"], key, bank_service.Promise(
        100 * WAN, RATE, RATE, 12, "INTEREST_ONLY", last, last, "6222000000000000001", "演示支行",
    ))
    with transaction(SYSTEM, read_only=True):
        quote_id = session().scalars(select(BridgeQuote.id).where(BridgeQuote.bridge_id == key)).first()
    assert quote_id is not None
    fund_service.offer(staff["funder.clerk"], quote_id, fund_service.Offer(80 * WAN, due))
    service.pick(firm.boss, key, quote_id)
    money_service.approve(staff["centre.reviewer"], key)
    with transaction(SYSTEM, read_only=True):
        shown = fee_preview(session().get_one(Bridge, key))
    assert shown is not None
    service.sign(firm.boss, key, f"演示-XY-{note_no[-1]}", shown.total_fen)
    money_service.pay_out(staff["centre.clerk"], key, money_service.Payout(20 * WAN, f"{note_no}-O", f"{note_no}-C"))
    return key
