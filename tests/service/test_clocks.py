"""What runs against a limit: reminded at 50, 80 and 100 per cent, once each, and ended in time or late."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from app.core import outbox
from app.core.calendar import SHANGHAI, now
from app.core.database import session, transaction
from app.core.errors import ErrorCode
from app.core.models import Notice
from app.core.outbox import emit
from app.core.permissions import Role
from app.loans import service as loans
from app.loans.models import Loan
from app.market import answer_service, choice_service, clock_service, service
from app.market.clock_models import Clock
from app.market.level_rules import REMINDERS, Step
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.market_cast import clerk
from tests.seal_tools import at_once, owner_sql, rows
from tests.service.test_market_lifecycles import refused

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
    choice = market_cast.choose(firm, bid)
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

    # A need that nobody bid on starts no clock of the firm's.
    lonely = cast.firm("广州乙二机械有限公司")
    other = market_cast.open_need(lonely)
    service.close_need(clerk(lonely), other.id)
    outbox.drain()
    assert owner_sql(database, "select count(*) from clock where subject_id = %s", other.id) == [(0,)]

    # A bank that does not report what it should have drawn by now takes nothing new, until it has; other banks do.
    with transaction(SYSTEM, read_only=True):
        late = session().scalars(sa.select(Clock.limit_at).where(Clock.step == "DRAWDOWN_REPORT")).one()
    third = market_cast.open_need(lonely)
    owner_sql(database, "alter table clock disable trigger user; update clock set started_at = started_at - interval '30 days', "
                        "target_at = target_at - interval '30 days', limit_at = limit_at - interval '30 days' "
                        "where step = 'DRAWDOWN_REPORT'; alter table clock enable trigger user")
    assert late is not None and refused(lambda: market_cast.draft_bid(bank, third)) is ErrorCode.BANK_HELD
    market_cast.draft_bid(cast.bank("云城银行"), third)
    clock_service.end(SYSTEM, Step.DRAWDOWN_REPORT, choice.id, at=now())
    market_cast.draft_bid(bank, third, mark="乙")


def test_the_desks_look_a_banks_question_and_a_second_choice_run_against_their_limits(database: TestDatabase) -> None:
    platform, firm, bank, best = cast.platform(), cast.firm(), cast.bank(), cast.bank("云城银行")
    running = "select step, org_id, outcome from clock where subject_id = %s order by started_at"
    need = service.submit_need(clerk(firm), market_cast.draft_need(firm).id)
    gone = service.submit_need(clerk(firm), market_cast.draft_need(firm, wan=50).id)
    outbox.drain()
    assert owner_sql(database, running, need.id) == [("DESK_CHECK", platform.id, None)]
    market_cast.release(need)
    service.withdraw_need(clerk(firm), gone.id, "不需要了")
    outbox.drain()
    assert owner_sql(database, running, need.id) == [("DESK_CHECK", platform.id, "KEPT")]
    assert owner_sql(database, running, gone.id) == [("DESK_CHECK", platform.id, "CANCELLED")]

    # That a need was asked about is its firm's alone to know while bids are taken; the database reminds, once for all questions.
    asked = [answer_service.ask(one[Role.BANK_OFFICER], need.id, "付款对方是谁？") for one in (bank, best)]
    seen = "select told from clock where step = 'QUESTION'"
    for other in ((None, None, "system"), (None, None, "bureau"), (None, platform.id, "platform"), (None, bank.id, "bank")):
        assert rows(database, other, seen) == [], other
    assert rows(database, (None, firm.id, "enterprise"), seen) == [(0,), (0,)]
    tick = clock_service.remind_due_questions
    assert tick(SYSTEM) == 0
    for percent, mark in ((50, "half_at"), (80, "most_at")):
        owner_sql(database, f"update clock set {mark} = now() - interval '1 minute' where step = 'QUESTION'")
        assert sorted(at_once(lambda: tick(SYSTEM), lambda: tick(SYSTEM))) == [0, 2] and tick(SYSTEM) == 0
        assert rows(database, (None, firm.id, "enterprise"), seen) == [(percent,), (percent,)]
    told = owner_sql(database, "select org_id, params ->> 'percent' from notice where message = %s order by at",
                     REMINDERS[Step.QUESTION])  # fmt: skip
    assert told == [(firm.id, "50"), (firm.id, "80")]
    answer_service.answer(clerk(firm), need.id, [asked[0].id], "佛山机床厂")
    answer_service.drop_question(best[Role.BANK_OFFICER], asked[1].id)
    ended = dict(owner_sql(database, "select subject_id, outcome from clock where step = 'QUESTION'"))
    assert ended == {asked[0].id: "KEPT", asked[1].id: "CANCELLED"}

    # The chosen bank falls away, the next best still binds: the firm's time to choose runs again.
    bids = [market_cast.sealed_bid(one, need) for one in (bank, best)]
    service.close_need(clerk(firm), need.id)
    outbox.drain()
    choice = market_cast.choose(firm, bids[0])
    choice_service.refuse(SYSTEM, choice.id, 1, "报表不实")
    outbox.drain()
    found = owner_sql(database, "select outcome, c.limit_at = n.choose_by from clock c join need n on n.id = c.subject_id "
                                "where c.step = 'CHOICE' order by c.started_at")  # fmt: skip
    assert found == [("KEPT", True), (None, True)]
