"""After payment: shares come back by the formula, the city reminds, and a payment is corrected on two people's word."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from io import BytesIO

import openpyxl
import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.core import outbox
from app.core.calendar import SHANGHAI, now, today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import Notice
from app.core.money import WAN
from app.core.permissions import Role
from app.pool import correction_service as corrections
from app.pool import decision_service as decisions
from app.pool import recovery_queries
from app.pool import recovery_service as recoveries
from app.pool import service as pool
from app.pool.check_service import check_pool
from app.pool.correction_models import Correction
from app.pool.correction_service import Facts
from app.pool.models import Claim, Recovery
from app.pool.recovery_rules import Position
from tests import cast
from tests.database import TestDatabase
from tests.pool_cast import City, ballast, rule_set, terms
from tests.web.test_loans_pages import send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


@pytest.fixture
def city(app: Flask) -> City:
    made = City()
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CALM", stop_line=Decimal(1), publicity_days=0))
    ballast(made)
    return made


def paid(city: City) -> Claim:
    """A loss of 300 万元 of which 120 万元 were paid."""
    claim = city.at_decision(city.claimed(city.booked(terms(300))))
    decisions.approve_claim(city.leader, claim.id)
    return decisions.pay_claim(city.cashier, claim.id, f"付-{claim.id.hex[-6:]}", today())


def told(org_id: object) -> list[str]:
    with transaction(cast.SYSTEM, read_only=True):
        rows = session().execute(select(Notice.message, Notice.params).where(Notice.org_id == org_id).order_by(Notice.at)).all()
    return [row.message % row.params for row in rows if "应返还的" in row.message]


def sound() -> set[str]:
    with transaction(cast.SYSTEM, read_only=True):
        return {one.code for one in check_pool().findings}


def test_a_position_says_what_must_have_come_back_whatever_the_order() -> None:
    held = Position(120 * WAN, 120 * WAN, 300 * WAN)
    assert replace(held, recovered_fen=100 * WAN, cost_fen=10 * WAN).owed_fen == 36 * WAN
    assert replace(held, recovered_fen=900 * WAN).owed_fen == 120 * WAN
    assert held.change(150 * WAN, 300 * WAN) == 30 * WAN
    assert held.change(90 * WAN, 300 * WAN) == -30 * WAN
    # 36 came back of 120: of 150 it would have been 45, so that the top-up is 21 and not 30.
    shared = replace(held, recovered_fen=100 * WAN, cost_fen=10 * WAN, due_fen=36 * WAN)
    assert shared.change(150 * WAN, 300 * WAN) == 21 * WAN
    topped = replace(shared, paid_fen=141 * WAN, worth_fen=150 * WAN)
    assert (topped.owed_fen, topped.open_fen) == (36 * WAN, 0)


def test_reminders_go_out_on_the_twentieth_thirtieth_and_forty_fifth_day_and_then_to_the_city_too(city: City) -> None:
    claim = paid(city)
    due = recoveries.report_recovery(city.officer, claim.id, today(), 100 * WAN, 10 * WAN, "执行款")
    assert (due.due_fen, due.due_on) == (36 * WAN, today() + timedelta(days=30))
    begun = datetime.combine(today(), time(12), SHANGHAI)
    sent = []
    for days in (19, 21, 22, 31, 44, 46, 60):
        with time_machine.travel(begun + timedelta(days=days), tick=False):
            sent.append(recoveries.remind_due(cast.SYSTEM))
    assert sent == [0, 1, 0, 1, 0, 1, 0]
    assert [("前返还" in one, "逾期" in one) for one in told(city.bank.id)] == [(True, False), (False, True), (False, True)]
    assert len(told(city.bureau.id)) == 2
    with time_machine.travel(begun + timedelta(days=46), tick=False), transaction(city.leader, read_only=True):
        assert [row.id for row in recovery_queries.late_returns()] == [due.id]
        assert recovery_queries.flow().late_fen == 36 * WAN


def test_a_receipt_told_after_the_last_day_is_reminded_at_once_and_a_return_ends_it(city: City) -> None:
    with time_machine.travel(now() - timedelta(days=60), tick=False):
        claim = paid(city)
        old = today()
    late = recoveries.report_recovery(city.officer, claim.id, old, 100 * WAN, 0, "执行款")
    assert recoveries.remind_due(cast.SYSTEM) == 1
    soon = recoveries.report_recovery(city.officer, claim.id, today(), 10 * WAN, 0, "执行款二")
    for one in (late, soon):
        recoveries.confirm_return(city.cashier, one.id, f"收-{one.id}", today())
    with time_machine.travel(now() + timedelta(days=50), tick=False):
        assert recoveries.remind_due(cast.SYSTEM) == 0


def test_a_list_entry_proved_wrong_is_clawed_back_and_a_pledge_forgotten_is_topped_up(app: Flask, city: City) -> None:
    claim = paid(city)
    auditor, leader, cashier = (visit(app, city.bureau[role]) for role in (
        Role.BUREAU_AUDITOR, Role.BUREAU_LEADER, Role.BUREAU_CASHIER))
    page, road = f"/claims/{claim.id}/recoveries", f"/claims/{claim.id}/correct"
    assert "提出更正" in words(auditor.get(page)) and "提出更正" not in words(leader.get(page))
    recoveries.report_recovery(city.officer, claim.id, today(), 100 * WAN, 10 * WAN, "执行款")
    # 50 % instead of 40 %: 150 万元, of which 45 instead of 36 go back: 21 more.
    done = words(send(auditor, road, loss="3000000", ip_pledge="y", reason="登记证在放款前已取得"))
    assert "待另一人确认" in done and "1,500,000.00" in done.replace("150 万元", "1,500,000.00")
    with pytest.raises(Refusal) as refused:
        corrections.propose_correction(city.auditor, claim.id, Facts(0, False, False, False, 0), "再来一次")
    assert refused.value.code is ErrorCode.CORRECTION_OPEN
    with transaction(cast.SYSTEM, read_only=True):
        first = session().scalars(select(Correction)).one()
    assert "确认补偿更正" in words(leader.get("/"))
    assert "已确认更正" in words(send(leader, f"/corrections/{first.id}/confirm", reason="属实"))
    assert "21 万元" in words(cashier.get(page))
    assert "已补付" in words(send(cashier, f"/corrections/{first.id}/pay", voucher_no="补-1", paid_on=today().isoformat()))
    assert sound() == set()
    # The loss was in truth 200 万元 and no pledge: 80 are right, of which 80 × 90/200 = 36 go back; 141 − 36 = 105 were kept.
    second = corrections.propose_correction(city.auditor, claim.id, Facts(200 * WAN, False, False, False, 0), "损失多报")
    with pytest.raises(Refusal) as refused:
        corrections.decide_correction(replace(city.auditor, permissions=city.leader.permissions), second.id, "confirm", "属实")
    assert refused.value.code is ErrorCode.SAME_PERSON
    second = corrections.decide_correction(city.leader, second.id, "confirm", "属实")
    assert second.change_fen == -(105 - 44) * WAN
    with transaction(cast.SYSTEM, read_only=True):
        back = session().scalars(select(Recovery).where(Recovery.kind == "correction")).one()
    assert back.due_fen == 61 * WAN
    recoveries.confirm_return(city.cashier, back.id, "收-9", today())
    assert sound() == set()
    # All that is left comes back when the payment is taken back whole: nothing more, nothing less.
    recoveries.claw_back(city.leader, claim.id, "材料不实")
    with transaction(cast.SYSTEM, read_only=True):
        assert sum(session().scalars(select(Recovery.due_fen))) == 141 * WAN
    assert sound() == set()
    shown = words(leader.get(page))
    assert "损失由谁承担" in shown and "登记证在放款前已取得" in shown and "提出更正" in shown
    drawn = leader.get(page).get_data(as_text=True)
    assert len(re.findall('class="chart-bar chart-s', drawn)) == 8
    assert "追回补偿" in words(visit(app, city.officer).get("/recoveries"))
    sheet = openpyxl.load_workbook(BytesIO(leader.get("/recoveries?format=xlsx&f=1&state=done").data)).active
    assert sheet is not None and [row[0].value for row in sheet.iter_rows()][-1]


def test_the_database_keeps_the_people_of_a_correction_apart_and_what_was_decided_as_it_was(
    database: TestDatabase, city: City,
) -> None:
    claim = paid(city)
    found = corrections.propose_correction(city.auditor, claim.id, Facts(300 * WAN, True, False, False, 0), "补列名录")
    corrections.decide_correction(city.leader, found.id, "confirm", "属实")
    for change in ("worth_fen = 1", "change_fen = 5", "decided_by = proposed_by", "paid_by = decided_by"):
        with pytest.raises(IntegrityError), transaction(cast.SYSTEM):
            session().execute(text(f"update claim_correction set {change} where id = :id"), {"id": found.id})
    with transaction(cast.bank("别家银行")[Role.BANK_OFFICER], read_only=True):
        assert session().scalars(select(Correction)).all() == []
    outbox.drain()
