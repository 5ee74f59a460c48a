"""The decision stands still, is undone, objected to, becomes final; the promise is kept, excused or broken; the next best."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from app.core import outbox
from app.core.calendar import now
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Role
from app.loans import service as loans
from app.loans.models import Loan
from app.loans.service import Drawdown
from app.market import award_service, choice_service, service
from app.market.bid_models import Bid, Choice
from app.market.bid_words import ConditionKind, ObjectionReason
from app.market.offer_rules import Condition
from tests import cast, market_cast
from tests.cast import SYSTEM, Cast
from tests.database import TestDatabase
from tests.seal_tools import owner_sql, rows

CLERK, OFFICER, APPROVER = Role.FIRM_CLERK, Role.BANK_OFFICER, Role.BANK_APPROVER


class Contest:
    """A closed need with three opened bids, the first of them chosen and standing still."""

    def __init__(self, *, stands: bool = False, **options: Any) -> None:
        self.firm = cast.firm()
        self.banks = [cast.bank(name) for name in ("珠岸银行", "云城银行", "岭海农商行")]
        self.need = market_cast.open_need(self.firm)
        self.bids = [
            market_cast.sealed_bid(bank, self.need, market_cast.offer(percent=rate), **(options if not number else {}))
            for number, (bank, rate) in enumerate(zip(self.banks, ("3.45", "3.85", "3.95"), strict=True))
        ]
        service.close_need(self.firm[CLERK], self.need.id)
        self.choice = market_cast.choose(self.firm, self.bids[0], stands=stands)

    def states(self, database: TestDatabase) -> tuple[str, list[str]]:
        """State of the need, and of the bids in their order."""
        found = dict(owner_sql(database, "select id, state from bid"))
        need = owner_sql(database, "select state from need where id = %s", self.need.id)[0][0]
        return need, [found[bid.id] for bid in self.bids]

    def loan(self) -> Loan:
        """The loan that the final choice has opened."""
        outbox.drain()
        with transaction(SYSTEM, read_only=True):
            return session().scalars(select(Loan).order_by(Loan.number.desc()).limit(1)).one()


def refused(call: Any) -> ErrorCode:
    """The code with which the portal says no."""
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value.code


def seen(database: TestDatabase, who: Cast, sql: str, *values: Any) -> list[Any]:
    """What an organisation reads in SQL."""
    return rows(database, (None, who.id, who.kind.value), sql, *values)


def test_a_choice_stands_still_can_be_undone_and_then_binds(database: TestDatabase) -> None:
    city = Contest()
    clerk = city.firm[CLERK]
    assert city.states(database) == ("CHOSEN", ["CHOSEN", "OPENED", "OPENED"])
    assert owner_sql(database, "select count(*) from case_party where org_id = %s", city.banks[0].id) == [(0,)]
    assert award_service.settle_due_awards(SYSTEM) == 0, "nothing is final before its time"
    early = "update award set state = 'FINAL' where id = %s returning id"
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        seen(database, city.firm, early, city.choice.award_id)
    assert caught.value.diag.constraint_name == "ck_award_standstill"

    by = owner_sql(database, "select choose_by from need")
    award_service.undo_award(clerk, city.choice.award_id, "再比较一下")
    assert owner_sql(database, "select choose_by from need") == by, "thinking again gains no time"
    assert city.states(database) == ("CLOSED", ["OPENED"] * 3)
    again = market_cast.choose(city.firm, city.bids[1])
    assert city.states(database) == ("CHOSEN", ["LOST", "CHOSEN", "LOST"])
    assert refused(lambda: award_service.undo_award(clerk, again.award_id, "又改主意")) is ErrorCode.STANDSTILL
    assert owner_sql(database, "select count(*) from case_party where org_id = %s", city.banks[1].id) == [(1,)]
    assert city.loan().org_id == city.banks[1].id


def test_an_objection_holds_the_choice_until_the_desk_has_answered(database: TestDatabase) -> None:
    city, desk = Contest(), cast.platform()[Role.DESK]
    chosen, loser, other = city.banks
    stranger = cast.bank("没有报价的银行")
    for bank in (chosen, stranger):
        call = lambda bank=bank: award_service.object_to(bank[APPROVER], city.need.id, ObjectionReason.OTHER, "不公平")  # noqa: E731
        assert refused(call) is ErrorCode.STANDSTILL, bank.name
    assert seen(database, loser, "select 1 from award") == [], "a bank that was not chosen reads nothing of the award"
    objection = award_service.object_to(loser[APPROVER], city.need.id, ObjectionReason.CONFLICT, "法定代表人是该行股东")
    assert seen(database, other, "select 1 from objection") == []
    market_cast.end_standstill(city.choice)
    assert award_service.settle_due_awards(SYSTEM) == 0, "it waits for the answer"
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        rows(database, (None, None, "system"), "update award set state = 'FINAL' returning id")
    assert caught.value.diag.constraint_name == "ck_award_objection"

    assert refused(lambda: award_service.judge(desk, objection.id, uphold=False, answer=" ")) is ErrorCode.REASON_NEEDED
    award_service.judge(desk, objection.id, uphold=True, answer="属实，须回避", excluded=True)
    assert city.states(database) == ("CLOSED", ["LAPSED", "OPENED", "OPENED"])
    told = {row[0] for row in owner_sql(database, "select org_id from notice where message like '对选定的异议成立%%'")}
    assert told == {city.firm.id, loser.id}

    second = market_cast.choose(city.firm, city.bids[2], stands=False)
    objection = award_service.object_to(loser[APPROVER], city.need.id, ObjectionReason.OTHER, "我们更便宜")
    award_service.judge(desk, objection.id, uphold=False, answer="企业可以自由选择")
    market_cast.let_stand(second)
    assert city.states(database)[1][2] == "CHOSEN"


def test_the_promise_is_approved_signed_its_conditions_met_and_kept(database: TestDatabase) -> None:
    city = Contest(stands=True, conditions=(Condition(ConditionKind.OWNER_LIABLE, "梁月娥"),))
    bank, choice = city.banks[0], city.choice
    officer = bank[OFFICER]
    loan = city.loan()
    assert refused(lambda: choice_service.meet(officer, choice.id, 1)) is ErrorCode.STATE_CHANGED, "not before the approval"
    loans.approve_loan(bank[APPROVER], loan.id)
    drawdown = Drawdown(loan.amount_fen, loan.opened_at.date(), "合同-1", "借据-1")
    assert refused(lambda: loans.report_drawdown(officer, loan.id, drawdown)) is ErrorCode.CONDITIONS_OPEN
    choice_service.sign(officer, choice.id, "合同-1")
    assert refused(lambda: choice_service.meet(city.banks[1][OFFICER], choice.id, 1)) is ErrorCode.NOT_FOUND
    choice_service.meet(officer, choice.id, 1, "面签")
    assert refused(lambda: choice_service.meet(officer, choice.id, 1)) is ErrorCode.ALREADY_DONE
    loans.report_drawdown(officer, loan.id, drawdown)
    ended = "select c.state, c.outcome, c.contract_no, a.state from choice c join award a on a.id = c.award_id"
    kept = owner_sql(database, ended)
    assert kept == [("KEPT", "KEPT", "合同-1", "DONE")]


def test_a_refusal_needs_a_condition_of_the_bid_and_the_next_best_is_called_back(database: TestDatabase) -> None:
    city = Contest(stands=True)
    bank, choice = city.banks[0], city.choice
    loan = city.loan()
    for number in (None, 3):
        call = lambda number=number: loans.refuse_loan(bank[APPROVER], loan.id, "授信政策调整", number)  # noqa: E731
        assert refused(call) is ErrorCode.CONDITION_UNKNOWN, "not a condition of its bid"
    system = (None, None, "system")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        rows(database, system, "insert into choice_refusal (choice_id, bid_id, condition_no, text, at) "
             "values (%s, %s, 7, '政策调整', now()) returning choice_id", choice.id, choice.bid_id)
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        rows(database, system, "update choice set state = 'CANCELLED', outcome = 'EXCUSED' where id = %s returning id", choice.id)
    assert caught.value.diag.constraint_name == "ck_choice_refusal"

    owner_sql(database, "alter table bid disable trigger bid_gate")
    owner_sql(database, "update bid set valid_until = current_date - 2 where id = %s", city.bids[2].id)
    owner_sql(database, "alter table bid enable trigger bid_gate")
    loans.refuse_loan(bank[APPROVER], loan.id, "涉诉 200 万元", condition_no=2)
    assert city.states(database) == ("CLOSED", ["LAPSED", "OPENED", "LOST"]), "an expired bid is not called back"
    assert owner_sql(database, "select outcome from choice") == [("EXCUSED",)]
    assert owner_sql(database, "select choose_by > now() from need where id = %s", city.need.id) == [(True,)]
    market_cast.choose(city.firm, city.bids[1])
    assert city.loan().number.endswith("/2") and city.loan().org_id == city.banks[1].id


def test_a_promise_not_kept_in_time_is_broken_and_the_need_lapses_where_nothing_is_left(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    told: list[str] = []
    outbox.handles("promise.broken", "test.broken")(lambda ctx, payload: told.append(payload["bank_id"]))
    try:
        choice = market_cast.chosen(firm, bank)
        outbox.drain()
        assert choice_service.break_due_promises(SYSTEM) == 0
        limit = owner_sql(database, "select next_check_at from choice")[0][0]
        assert timedelta(days=29) < limit - now() < timedelta(days=31)
        owner_sql(database, "update choice set next_check_at = now() - interval '1 hour'")
        assert choice_service.break_due_promises(SYSTEM) == 1
        assert choice_service.break_due_promises(SYSTEM) == 0
        outbox.drain()
    finally:
        outbox._handlers.pop("test.broken")
    assert told == [str(bank.id)]
    with transaction(SYSTEM, read_only=True):
        assert session().get_one(Choice, choice.id).outcome == "BROKEN"
        assert session().get_one(Bid, choice.bid_id).state == "LAPSED"
        assert session().scalars(select(Loan)).one().state == "REFUSED"
    assert owner_sql(database, "select state from need") == [("LAPSED",)]
