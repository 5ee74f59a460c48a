"""What runs against a limit: reminded at 50, 80 and 100 per cent, once each, and ended in time or late."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from app.core import outbox
from app.core.calendar import SHANGHAI
from app.core.database import session, transaction
from app.core.models import Notice
from app.core.outbox import emit
from app.core.permissions import Role
from app.loans import service as loans
from app.loans.models import Loan
from app.market import choice_service, clock_service, service
from app.market.clock_models import Clock
from app.market.level_rules import REMINDERS, Step
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.market_cast import clerk
from tests.seal_tools import at_once, owner_sql, rows

pytestmark = pytest.mark.service
MONDAY = datetime(2026, 6, 1, 10, 0, tzinfo=SHANGHAI)


def clocks() -> dict[str, tuple[int, str | None]]:
    """Step → what was told, how it ended."""
    with transaction(SYSTEM, read_only=True):
        return {row.step: (row.told, row.outcome) for row in session().scalars(sa.select(Clock).order_by(Clock.started_at))}


def reminders() -> list[int]:
    with transaction(SYSTEM, read_only=True):
        found = session().scalars(sa.select(Notice.params).where(Notice.message.in_(REMINDERS.values())).order_by(Notice.at))
        return [params["percent"] for params in found]


def tick() -> Any:
    return clock_service.remind_due(SYSTEM)


def test_a_mark_is_told_once_though_two_tickers_run(database: TestDatabase) -> None:
    bank = cast.bank()
    with time_machine.travel(MONDAY, tick=False) as clock:
        with transaction(SYSTEM):
            for _ in range(2):  # told twice, begun once
                emit("step.begun", step=Step.COMPLAINT, subject_type="need", subject_id=bank.id, org_id=bank.id, case_id=None,
                     path="/clocks", wd_from=MONDAY)
        outbox.drain()
        with transaction(SYSTEM, read_only=True):
            one = session().scalars(sa.select(Clock)).one()
        assert one.target_at == MONDAY.replace(day=3, hour=18) and one.limit_at == MONDAY.replace(day=23, hour=18)  # over 端午
        assert tick() == 0
        for percent in (50, 80, 100):
            with transaction(SYSTEM, read_only=True):
                moment = session().scalars(sa.select(Clock.next_check_at)).one()
            clock.move_to(moment - timedelta(minutes=1))
            assert tick() == 0
            clock.move_to(moment + timedelta(minutes=1))
            assert sum(at_once(tick, tick)) == 1
            assert reminders()[-1] == percent and tick() == 0
        assert reminders() == [50, 80, 100] and clocks() == {"COMPLAINT": (100, None)}
        with pytest.raises(Exception, match="runs forward"):
            owner_sql(database, "update clock set told = 50")
        clock.move_to(MONDAY.replace(day=24))
        with transaction(SYSTEM):
            emit("step.ended", step=Step.COMPLAINT, subject_id=bank.id, at=MONDAY.replace(day=22))
            emit("step.ended", step=Step.COMPLAINT, subject_id=cast.bureau().id)
        outbox.drain()
        assert clocks() == {"COMPLAINT": (100, "KEPT")}, "done in time, told late by a worker that stood still"
        with transaction(SYSTEM):
            emit("step.begun", step=Step.COMPLAINT, subject_type="need", subject_id=bank.id, org_id=bank.id, case_id=None,
                 path="/clocks", wd_from=MONDAY)
        outbox.drain()
        assert clocks() == {"COMPLAINT": (100, "KEPT")}, "a beginning that comes after its end begins nothing"
    seen = "select step from clock"
    assert len(rows(database, (None, bank.id, "bank"), seen)) == len(rows(database, (None, None, "bureau"), seen)) == 1
    for stranger in ((None, cast.bank("云城银行").id, "bank"), (None, None, "enterprise"), (None, None, None)):
        assert rows(database, stranger, seen) == []


def test_from_the_firms_choice_to_the_banks_drawdown(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    need = market_cast.open_need(firm)
    bid = market_cast.sealed_bid(bank, need)
    service.close_need(clerk(firm), need.id)
    outbox.drain()
    assert clocks() == {"CHOICE": (0, None)}
    choice = choice_service.choose_bid(clerk(firm), bid.id)
    outbox.drain()
    assert clocks()["CHOICE"] == (0, "KEPT")
    assert clocks()["DECISION"] == (0, None)
    with transaction(SYSTEM, read_only=True):
        loan = session().scalars(sa.select(Loan)).one()
        decision = session().scalars(sa.select(Clock).where(Clock.step == "DECISION")).one()
    assert (decision.org_id, decision.subject_id, decision.path) == (bank.id, choice.id, f"/loans/{loan.id}")
    loans.approve_loan(bank[Role.BANK_APPROVER], loan.id)
    outbox.drain()
    assert clocks() == {"CHOICE": (0, "KEPT"), "DECISION": (0, "KEPT"), "DRAWDOWN_REPORT": (0, None)}

    # A need that nobody bid on starts no clock.
    lonely = cast.firm("广州乙二机械有限公司")
    other = market_cast.open_need(lonely)
    service.close_need(clerk(lonely), other.id)
    outbox.drain()
    assert owner_sql(database, "select count(*) from clock where subject_id = %s", other.id) == [(0,)]
