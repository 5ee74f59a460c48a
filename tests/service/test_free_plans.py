"""A loan repaid by an agreed plan: the database knows that it adds up, and the schedule after drawing follows it."""

from __future__ import annotations

from decimal import Decimal

import psycopg
import pytest
from sqlalchemy import select

from app.core import outbox
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Role
from app.loans import service as loans
from app.loans.models import Instalment, Loan
from app.market import bid_service, choice_service, receipt_service, service
from app.market.bid_models import Choice
from app.market.choice_service import Pick
from app.market.models import Need
from app.market.part_rules import PartFees, PartTerms
from app.market.terms import Offer, PlanRow, RepaymentMethod
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.seal_tools import owner_sql

CLERK, OFFICER, APPROVER = Role.FIRM_CLERK, Role.BANK_OFFICER, Role.BANK_APPROVER
PLAN = (PlanRow(3, 50 * WAN), PlanRow(6, 100 * WAN), PlanRow(12, 150 * WAN))


def offer(*plan: PlanRow) -> Offer:
    return Offer(300 * WAN, Decimal("0.0385"), 12, RepaymentMethod.FREE, (market_cast.APPRAISAL,), plan or PLAN)


def test_a_plan_is_bid_chosen_in_part_drawn_in_part_and_followed(database: TestDatabase) -> None:
    firm, bank, other = cast.firm(), cast.bank(), cast.bank("云城银行")
    clerk, officer, approver = firm[CLERK], bank[OFFICER], bank[APPROVER]
    need = market_cast.open_need(firm, parts=True)
    fixed = market_cast.product(bank, "没有这种还款方式")
    made = market_cast.product(bank, "按计划还本", repayments=("FREE", "INTEREST_ONLY"), part_min_fen=50 * WAN)
    parts = PartTerms(50 * WAN, PartFees.SCALED)
    for product, money in ((fixed, offer()), (made, offer(PlanRow(6, 300 * WAN))), (made, offer(PlanRow(12, 299 * WAN)))):
        with pytest.raises(Refusal) as caught:
            bid_service.draft_bid(officer, need.id, market_cast.terms(product, money))
        assert caught.value.code is ErrorCode.BID_INVALID
    bid = bid_service.draft_bid(officer, need.id, market_cast.terms(made, offer(), parts=parts))
    assert bid.plan == [[3, 50 * WAN], [6, 100 * WAN], [12, 150 * WAN]]
    for change in (
        "plan = '[[3, 50000000], [12, 200000000]]'", "plan = '[[12, 150000000], [6, 150000000]]'", "plan = '[[6, 300000000]]'",
        "plan = '[]'", "plan = null", "method = 'BULLET'", "plan = '[[0, 150000000], [12, 150000000]]'",
        "plan = '[[6, -1], [12, 300000001]]'",
    ):  # fmt: skip
        with pytest.raises(psycopg.errors.CheckViolation) as wrong:
            owner_sql(database, f"update bid set {change} where id = %s", bid.id)
        assert wrong.value.diag.constraint_name == "ck_bid_plan", change

    bid_service.submit_bid(approver, bid.id)
    little = market_cast.sealed_bid(other, need, market_cast.offer(100, "3.45"))
    service.close_need(clerk, need.id)
    with transaction(bank[OFFICER], read_only=True):
        kept = receipt_service.kept(bid_service.with_lines(bid.id), session().get_one(Need, need.id))
        assert kept is not None and kept.same and kept.listed and '"plan":[[3,50000000]' in kept.receipt.canonical
    choice_service.choose_parts(clerk, need.id, (Pick(bid.id, 200 * WAN), Pick(little.id, 100 * WAN)))
    with transaction(SYSTEM, read_only=True):
        choice = session().scalars(select(Choice).where(Choice.bid_id == bid.id)).one()
    assert choice.cost_sheet["plan"] == [[3, 33_333_333], [6, 66_666_667], [12, 100_000_000]], "in proportion, to the fen"
    market_cast.let_stand(choice)
    outbox.drain()
    with transaction(SYSTEM, read_only=True):
        loan = session().scalars(select(Loan).where(Loan.choice_id == choice.id)).one()
    assert (loan.method, loan.plan) == ("FREE", choice.cost_sheet["plan"])

    loans.approve_loan(approver, loan.id)
    loans.report_drawdown(officer, loan.id, loans.Drawdown(100 * WAN, loan.opened_at.date(), "合同", "借据"))
    with transaction(SYSTEM, read_only=True):
        rows = session().scalars(select(Instalment).where(Instalment.loan_id == loan.id).order_by(Instalment.no)).all()
    principal = {row.no: row.principal_fen for row in rows if row.principal_fen}
    assert len(rows) == 12 and principal == {3: 16_666_667, 6: 33_333_333, 12: 50_000_000}, "of what was drawn"
    assert [row.balance_fen for row in rows][-2:] == [50 * WAN, 0] and rows[3].interest_fen > rows[6].interest_fen
    paid = rows[0].interest_fen + rows[1].interest_fen + 10 * WAN
    loans.report_repayment(officer, loan.id, loans.RepaymentReport(loan.opened_at.date(), paid, "prepayment", "回单"))
    with transaction(SYSTEM, read_only=True):
        assert session().get_one(Loan, loan.id).principal_repaid_fen > 0, "a loan by plan is repaid early like any other"
