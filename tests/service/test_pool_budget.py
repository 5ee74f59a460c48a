"""The budget: money in on two people's word, a line when it runs short, and a year that is closed for good."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.core.calendar import SHANGHAI, now, today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.ledger import Account, transfer
from app.core.money import WAN
from app.core.permissions import Role
from app.pool import budget_queries, line_service, money
from app.pool import budget_service as budget
from app.pool import decision_service as decisions
from app.pool import recovery_service as recoveries
from app.pool import service as pool
from app.pool import top_up_service as top_ups
from app.pool.budget_models import Closing, Funding, Wait
from app.pool.check_service import check_pool
from app.pool.models import Claim
from app.pool.rules import BudgetMode, Mode, YearEnd
from app.pool.states import ClaimState
from tests import cast
from tests.pool_cast import City, rule_set, terms
from tests.web.test_loans_pages import send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def city_with(wan: int, **rules: object) -> City:
    made = City(budget=wan)
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CALM", stop_line=Decimal(1), publicity_days=0, **rules))
    return made


def decided(city: City, loss: int = 300, **how: bool) -> Claim:
    """A claim approved on a loss of so many 万元, 40 % of it."""
    claim = city.at_decision(city.claimed(city.booked(terms(loss))))
    return decisions.approve_claim(city.leader, claim.id, **how)


def of_today(year: int | None = None, mode: Mode = Mode.BANK) -> budget_queries.YearMoney:
    with transaction(cast.SYSTEM, read_only=True):
        return budget_queries.year_money(year or today().year, mode)


def again(claim: Claim) -> Claim:
    with transaction(cast.SYSTEM, read_only=True):
        return session().get_one(Claim, claim.id)


def waiting() -> list[tuple[str, int]]:
    with transaction(cast.SYSTEM, read_only=True):
        return [(one.kind, one.amount_fen // WAN) for one in line_service.line(Mode.BANK)]


def sound() -> list[object]:
    with transaction(cast.SYSTEM, read_only=True):
        return list(check_pool().findings)


def newest(model: type[Funding] | type[Closing]) -> UUID:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalars(select(model.id).order_by(model.id.desc()).limit(1)).one()


def test_money_comes_in_on_two_peoples_word_once_a_document_and_below_the_ceiling(app: Flask) -> None:
    city = City(budget=0)
    cashier, leader = (visit(app, city.bureau[role]) for role in (Role.BUREAU_CASHIER, Role.BUREAU_LEADER))
    form = {"year": str(today().year), "amount": "1000", "guarantee": "100", "document_no": "穗财 2 号"}
    assert "请另一人确认" in words(send(cashier, "/pool/fund", **form))
    assert of_today().appropriated_fen == 0
    assert "文号" in words(send(cashier, "/pool/fund", **form))
    assert "年度" in words(send(cashier, "/pool/fund", **{**form, "year": "1", "document_no": "穗财 3 号"}))
    too_much = {**form, "amount": "9999999", "document_no": "穗财 4 号"}
    assert "金额不在允许的范围内" in words(send(cashier, "/pool/fund", **too_much))
    made = newest(Funding)
    assert cashier.post(f"/pool/fundings/{made}/confirm").status_code == 403
    with pytest.raises(Refusal) as refused:
        budget.decide_funding(replace(city.cashier, permissions=city.leader.permissions), made, "confirm", "按文件")
    assert refused.value.code is ErrorCode.SAME_PERSON
    assert "确认拨入预算" in words(leader.get("/"))
    assert "已确认" in words(send(leader, f"/pool/fundings/{made}/confirm", reason="按文件拨入"))
    got = of_today()
    assert (got.appropriated_fen, got.set_aside_fen, got.left_fen) == (1000 * WAN, 100 * WAN, 900 * WAN)
    assert of_today(mode=Mode.GUARANTEE).left_fen == 100 * WAN
    with pytest.raises(Refusal) as refused:
        budget.propose_funding(city.cashier, today().year, 6000 * WAN, "穗财 5 号", 5000 * WAN)
    assert refused.value.field == "guarantee"
    # The database itself: no money from the treasury without such a word, and no word changed afterwards.
    with pytest.raises(DBAPIError) as broken, transaction(city.leader):
        transfer(money.treasury(), money.budget(today().year), 5, reference="pool:fund:mine")
    assert broken.value.orig.diag.constraint_name == "ck_budget_funding_confirmed"  # type: ignore[union-attr]
    with pytest.raises(DBAPIError), transaction(cast.SYSTEM):
        session().execute(text("update budget_funding set amount_fen = 1 where id = :id"), {"id": made})


def test_in_a_queue_the_first_that_does_not_fit_and_all_after_it_wait_in_the_order_of_decision(app: Flask) -> None:
    city = city_with(200)
    first = decided(city)
    with pytest.raises(Refusal) as refused:
        decided(city)
    assert refused.value.code is ErrorCode.BUDGET_EXHAUSTED
    second, small = decided(city, may_wait=True), decided(city, 100, may_wait=True)
    assert first.reservation_id and not second.reservation_id
    assert small.reservation_id is None, "40 万元 would fit into the 80 left, but nobody passes the one before"
    assert waiting() == [("claim", 120), ("claim", 40)]
    assert of_today().waiting_fen == 160 * WAN
    assert line_service.serve_lines(cast.SYSTEM) == 0
    with pytest.raises(Refusal) as refused:
        decisions.pay_claim(city.cashier, second.id, "付-2", today())
    assert refused.value.code is ErrorCode.BUDGET_EXHAUSTED
    assert "排队等候预算资金" in words(visit(app, city.officer).get(f"/claims/{second.id}"))
    assert "按顺序等待" in words(visit(app, city.leader).get("/pool/ledger"))
    city.fund(50, "追加-1")
    assert line_service.serve_lines(cast.SYSTEM) == 1
    assert waiting() == [("claim", 40)] and again(second).reservation_id
    decisions.reopen_decision(city.leader, small.id, "材料有误")
    assert waiting() == [] and sound() == []
    assert decisions.pay_claim(city.cashier, second.id, "付-2", today()).paid_fen == 120 * WAN


def test_pro_rata_pays_each_the_same_share_and_the_rest_keeps_its_place_until_there_is_money(app: Flask) -> None:
    city = city_with(1, budget_mode=BudgetMode.PRO_RATA)
    first, second = decided(city, may_wait=True), decided(city, 150, may_wait=True)
    assert line_service.serve_lines(cast.SYSTEM) == 0, "a share is a matter of who stands in the line: an officer says when"
    city.fund(134, "追加-1")
    leader = visit(app, city.leader)
    assert "已按办法安排资金" in words(send(leader, "/pool/line/BANK", reason="本年最后一次安排"))
    # 135 for 120 + 60: 75 % each.
    assert waiting() == [("rest", 30), ("rest", 15)]
    assert sound() == []
    assert [decisions.pay_claim(city.cashier, one.id, f"付-{one.id}", today()).paid_fen for one in (first, second)] == [
        90 * WAN, 45 * WAN]
    assert sound() == []
    with pytest.raises(Refusal) as refused:
        top_ups.record_top_up(city.cashier, first.id, "区-1", today())
    assert refused.value.code is ErrorCode.PAYMENT_OPEN
    recoveries.report_recovery(city.officer, first.id, today(), 100 * WAN, 0, "执行款")  # 90/300 of it: 30
    city.fund(45, "追加-2")
    line_service.spread(city.leader, Mode.BANK, "资金到位")
    assert waiting() == []
    with transaction(cast.SYSTEM, read_only=True):
        rests = session().scalars(select(Wait).where(Wait.kind == "rest").order_by(Wait.since)).all()
    cashier = visit(app, city.cashier)
    assert "支付余下的补偿" in words(cashier.get("/"))
    assert "30 万元" in words(send(cashier, f"/pool/rests/{rests[0].id}/pay", voucher_no="余-1", paid_on=today().isoformat()))
    assert again(first).paid_fen == 120 * WAN
    with pytest.raises(Refusal) as refused:
        top_ups.record_top_up(city.cashier, first.id, "区-1", today())
    assert refused.value.code is ErrorCode.TOP_UP_NOTHING, "paid whole, it no longer waits: there is only no district that adds"
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(text("select sum(due_fen) from recovery")) == 40 * WAN, "of the whole payment 120/300 go back"
    assert sound() == []
    with pytest.raises(Refusal):
        line_service.pay_rest(city.cashier, rests[0].id, "余-2", today())
    recoveries.claw_back(city.leader, second.id, "材料不实")  # its rest, reserved but not paid, is given back
    assert of_today().reserved_fen == 0 and sound() == []


def close_last_year(city: City, year_end: YearEnd) -> tuple[Claim, Claim]:
    """A claim reserved and one paid last year; the year closed by cashier and leader this year."""
    with time_machine.travel(datetime(today().year - 1, 12, 20, 10, tzinfo=SHANGHAI), tick=False):
        held, done = decided(city), decided(city, 150)
        decisions.pay_claim(city.cashier, done.id, "付-旧", today())
    made = budget.propose_closing(city.cashier, today().year - 1, "年度终了")
    budget.decide_closing(city.leader, made.id, "confirm", "账目已核对")
    return again(held), done


def old_city(year_end: YearEnd) -> City:
    city = City(budget=0)
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CALM", stop_line=Decimal(1), publicity_days=0, year_end=year_end))
    city.fund(1000, "去年", 50, year=today().year - 1)
    return city


def test_a_closed_year_carries_what_is_reserved_gives_back_the_rest_and_takes_no_more_bookings(app: Flask) -> None:
    city, last = old_city(YearEnd.CARRY), today().year - 1
    with pytest.raises(Refusal) as refused:
        budget.propose_closing(city.cashier, today().year, "太早")
    assert refused.value.code is ErrorCode.YEAR_RUNNING
    held, done = close_last_year(city, YearEnd.CARRY)
    old, new = of_today(last), of_today()
    assert (old.carried_out_fen, old.given_back_fen, old.left_fen, old.reserved_fen) == (120 * WAN, 770 * WAN, 0, 0)
    assert (new.carried_in_fen, new.reserved_fen, new.left_fen) == (120 * WAN, 120 * WAN, 0)
    assert decisions.pay_claim(city.cashier, held.id, "付-新", today()).paid_fen == 120 * WAN
    # What comes back of last year's money goes into this year's budget.
    back = recoveries.report_recovery(city.officer, done.id, today(), 50 * WAN, 0, "执行款")
    recoveries.confirm_return(city.cashier, back.id, "收-1", today())
    assert of_today().returned_fen == 20 * WAN
    for call in (lambda: city.fund(1, "迟到", year=last), lambda: budget.propose_closing(city.cashier, last, "再结一次")):
        with pytest.raises(Refusal) as refused:
            call()  # type: ignore[no-untyped-call]
        assert refused.value.code is ErrorCode.YEAR_CLOSED
    with pytest.raises(IntegrityError) as broken, transaction(cast.SYSTEM):
        transfer(money.paid_to(city.bank.id), money.budget(last), 1, reference="late")
    assert broken.value.orig.diag.constraint_name == "ck_budget_year_closed"  # type: ignore[union-attr]
    assert sound() == []
    page = words(visit(app, city.leader).get(f"/pool/closings/{newest(Closing)}"))
    assert "试算平衡" in page and "820 万元" in page
    with transaction(cast.SYSTEM, read_only=True):
        trial = session().scalars(select(Closing)).one().result["trial"]  # type: ignore[index]
        assert sum(row[2] for row in trial) == sum(row[4] for row in trial)
        assert [a.code for a in session().scalars(select(Account)) if a.code.endswith(str(last)) and a.balance_fen] == []


def test_a_rule_may_release_reservations_at_the_years_end_and_the_claims_wait_in_their_order(app: Flask) -> None:
    city = old_city(YearEnd.RELEASE)
    held, _ = close_last_year(city, YearEnd.RELEASE)
    assert held.reservation_id is None and held.state == ClaimState.PUBLICISED
    assert waiting() == [("claim", 120)]
    later = city.at_decision(city.claimed(city.booked(terms(100))))
    city.fund(130, "今年")
    with pytest.raises(Refusal):
        decisions.approve_claim(city.leader, later.id)
    assert line_service.serve_lines(cast.SYSTEM) == 1
    assert decisions.pay_claim(city.cashier, held.id, "付-新", today()).paid_fen == 120 * WAN
    assert sound() == [] and now().year == today().year
