"""The nightly check finds what no constraint can refuse, and nothing where everything adds up."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from app.core import outbox
from app.core.calendar import SHANGHAI, today
from app.core.database import session, transaction
from app.core.money import WAN
from app.pool import check_service, recovery_service
from app.pool import decision_service as decisions
from app.pool import service as pool
from app.pool.check_service import check_pool
from app.pool.claim_service import LossParts
from app.pool.models import Claim
from tests import cast
from tests.database import TestDatabase
from tests.pool_cast import City, cut, rule_set, terms
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def codes() -> set[str]:
    with transaction(cast.SYSTEM, read_only=True):
        return {one.code for one in check_pool().findings}


def a_paid_claim(city: City) -> Claim:
    """A claim paid in part, with a recovery whose share came back, and one more recovery that has not."""
    claim = city.at_decision(city.claimed(city.booked(terms(800)), LossParts(collateral_fen=300 * WAN)))
    decisions.approve_claim(city.leader, claim.id, [cut(20, "材料不足，部分同意")])
    decisions.pay_claim(city.cashier, claim.id, "付-1", today())
    first = recovery_service.report_recovery(city.officer, claim.id, today(), 50 * WAN, 1 * WAN, "执行款")
    recovery_service.confirm_return(city.cashier, first.id, "回-1", today())
    recovery_service.report_recovery(city.officer, claim.id, today(), 20 * WAN, 20 * WAN, "执行款二")
    return claim


def test_a_road_walked_honestly_adds_up_and_every_tampering_is_found(app: Flask, database: TestDatabase) -> None:
    city = City()
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CALM", stop_line=Decimal(1), publicity_days=0))
    claim = a_paid_claim(city)
    city.claimed(city.booked(terms(200)))
    city.booked(terms(100))
    assert codes() == set()
    night = datetime.now(SHANGHAI).replace(hour=1, minute=31) + timedelta(days=1)
    leader = visit(app, city.leader)
    assert "还没有核查过" in leader.get("/pool/checks").get_data(as_text=True)
    with time_machine.travel(night - timedelta(minutes=2), tick=False):
        assert check_service.ask_nightly(cast.SYSTEM) == 0, "half past one in Shanghai has not come"
    with time_machine.travel(night, tick=False):
        assert [check_service.ask_nightly(cast.SYSTEM) for _ in range(2)] == [1, 0], "once a night"
        outbox.drain()
        leader = visit(app, city.leader)
        page = leader.get("/pool/checks").get_data(as_text=True)
    assert "全部对得上" in page and "试算平衡" in page and "珠岸银行" in page

    plain = make_url(database.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as owner:
        for table in ("claim", "booking", "ledger_account", "recovery"):
            owner.execute(f"alter table {table} disable trigger user")
        owner.execute("alter table claim drop constraint fk_claim_decision_amount")  # the amount is tied to its decision
        for change, code in (
            (f"update claim set approved_fen = approved_fen - 1, paid_fen = paid_fen - 1 where id = '{claim.id}'", "PAID"),
            (f"update claim set basis_fen = 100 where id = '{claim.id}'", "COMPENSATION"),
            ("update ledger_account set credits_posted_fen = credits_posted_fen + 100 where code like 'pool:paid:%'", "BALANCE"),
            ("update booking set principal_fen = principal_fen + 1 where state = 'BOOKED'", "BOOKING_PRINCIPAL"),
            ("update booking set state = 'BOOKED' where state = 'CLAIMED'", "BOOKING_STATE"),
            (f"update recovery set due_fen = 0, voucher_no = null, returned_on = null where claim_id = '{claim.id}'", "RETURNED"),
        ):
            owner.execute(change)
            assert code in codes(), code
        assert "RESERVED" in codes()
        for table in ("claim", "booking", "ledger_account", "recovery"):
            owner.execute(f"alter table {table} enable trigger user")
    with time_machine.travel(night + timedelta(days=1), tick=False):
        assert check_service.ask_nightly(cast.SYSTEM) == 1
        outbox.drain()
        leader = visit(app, city.leader)
        board = leader.get("/pool").get_data(as_text=True)
        assert "处对不上" in board
        page = leader.get("/pool/checks").get_data(as_text=True)
        assert "补偿金额重算不符" in page and f"/claims/{claim.id}" in page
    with pytest.raises(DBAPIError, match="is not changed"), transaction(cast.SYSTEM):
        session().execute(sa.text("update pool_check set found = 0"))
    assert visit(app, city.officer).get("/pool/checks").status_code == 403


def test_a_check_remembers_how_much_it_looked_at(database: TestDatabase) -> None:
    city = City()
    city.booked()
    with transaction(cast.SYSTEM, read_only=True):
        outcome = check_pool()
    assert (outcome.bookings, outcome.claims, outcome.transfers, outcome.found) == (1, 0, 1, 0)
