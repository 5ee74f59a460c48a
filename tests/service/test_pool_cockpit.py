"""The bureau's cockpit: every figure a sum of cases, every figure open to them, in a fixed number of statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from uuid import uuid4

import openpyxl
import pytest
import time_machine
from flask import Flask
from sqlalchemy import event

from app.core.calendar import SHANGHAI, today
from app.core.database import engine, transaction
from app.core.money import WAN
from app.pool import claim_service as claims
from app.pool import cockpit_queries as queries
from app.pool import decision_service as decisions
from app.pool import service as pool
from app.pool.cockpit_queries import BankYear
from app.pool.states import ClaimState
from tests import cast
from tests.pool_cast import EVIDENCE, City, ballast, rule_set, terms
from tests.web.test_loans_pages import words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SELECTs sent meanwhile."""
    seen: list[str] = []

    def note(*args: object) -> None:
        if str(args[2]).lstrip().lower().startswith(("select", "with")):
            seen.append(str(args[2]))

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine(), "before_cursor_execute", note)


def test_a_projection_goes_on_at_the_pace_of_the_last_days() -> None:
    line = BankYear(uuid4(), "银行", days=90, days_left=45)
    line.booked[0], line.lost[0] = 1000 * WAN, 10 * WAN
    line.booked[5], line.lost[5] = 200 * WAN, 26 * WAN
    line.recent_booked, line.recent_lost = 200 * WAN, 26 * WAN
    assert line.ratio == Decimal(36) / Decimal(1200)
    assert line.course(2) == [Decimal("0.01"), Decimal("0.01")]
    assert line.projected == Decimal(36 + 13) / Decimal(1200 + 100)
    assert BankYear(line.bank_id, "新行").projected is None


def test_the_cockpit_counts_projects_opens_and_exports_whatever_the_number_of_cases(app: Flask) -> None:
    with time_machine.travel(datetime(today().year, 8, 3, 10, tzinfo=SHANGHAI), tick=False):
        city = City()
        pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CALM", publicity_days=0))
        for _ in range(3):
            ballast(city)
        listed = city.booked(terms(270), replace(EVIDENCE, product="IP_PLEDGE", ip_certificate_no="IP-1", first_loan=True))
        claim = city.at_decision(city.claimed(listed))
        decisions.approve_claim(city.leader, claim.id)
        decisions.pay_claim(city.cashier, claim.id, "付-1", today())
        leader = visit(app, city.leader)
        with statements() as first:
            page = words(leader.get("/pool/cockpit"))
    # 9270 万元 booked, 270 lost: 2.91 %; 135 万元 paid, 68.7 yuan of loans for one yuan.
    assert "2.91%" in page and "68.7" in page and "99,865 万元" in page
    assert "知识产权质押贷款" in page and "首贷" in page and "最近 90 天的日均值" in page and "损失率与熔断线" in page
    with time_machine.travel(datetime(today().year, 10, 20, 10, tzinfo=SHANGHAI), tick=False):
        # A sudden loss with no new bookings: the pace of these days breaks the line before the year ends.
        second = city.claimed(city.booked(terms(20)))
        assert claims.submit_claim(city.approver, second.id).state == ClaimState.HELD
        with transaction(city.leader, read_only=True):
            (bank,) = queries.bank_years(today().year, 90)
            ages = {one.state: one.by_age for one in queries.claims_by_state()}
        assert bank.projected is not None and bank.ratio is not None
        assert ages[ClaimState.PAID] == {"30": 0, "90": 1, "180": 0, "older": 0}
        leader = visit(app, city.leader)
        with statements() as again:
            assert leader.get("/pool/cockpit").status_code == 200
        assert len(again) <= len(first) <= 30, "no statement more with more cases"
        assert sum("booking" in one or "claim" in one for one in again) <= 9
        # The cases behind the figures.
        year = today().year
        whole = f"/bookings?f=1&live=1&booked_min={year}-01-01&booked_max={year}-12-31"
        assert listed.note_no in words(leader.get(f"{whole}&product=IP_PLEDGE"))
        assert listed.note_no not in words(leader.get(f"{whole}&product=CREDIT"))
        assert listed.note_no in words(leader.get(f"{whole}&first=true&size=SMALL"))
        aged = words(leader.get("/claims?f=1&state=PAID&age=90"))
        assert city.firm.name in aged
        assert "没有符合条件的记录" in words(leader.get("/claims?f=1&state=PAID&age=180"))
        book = openpyxl.load_workbook(BytesIO(leader.get("/pool/cockpit?format=xlsx").data))
        assert len(book.sheetnames) == 8
        banks = [[cell.value for cell in row] for row in book[book.sheetnames[2]].iter_rows()]
        assert banks[1][0] == city.bank.name and banks[1][2] == 2_900_000
        assert visit(app, city.officer).get("/pool/cockpit").status_code == 403
        assert leader.get(f"/pool/cockpit?year={today().year + 1}").status_code == 200
