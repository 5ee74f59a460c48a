"""申诉: a firm may hold something against a refusal, once; somebody else of that bank answers; what can be undone is undone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
import time_machine

from app.core import outbox
from app.core.calendar import now
from app.core.database import transaction
from app.core.errors import ErrorCode
from app.core.permissions import Role
from app.loans import service as loans
from app.market import answer_service, appeal_service, clock_service, policy_rules, service
from app.market.appeal_words import APPEAL, AppealState
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.seal_tools import owner_sql, rows
from tests.service.test_answers import identity, officer
from tests.service.test_award import Contest
from tests.service.test_market_lifecycles import refused

APPROVER, CLERK = Role.BANK_APPROVER, Role.FIRM_CLERK
A = AppealState
ALLOWED = {(A.OPEN, "uphold"), (A.OPEN, "withdraw"), (A.OPEN, "drop"), (A.OPEN, "escalate")}
SEEN = "select state from appeal order by at"
file_appeal, answer = appeal_service.file_appeal, appeal_service.answer_appeal


@pytest.mark.parametrize(("state", "event"), [(state, event) for state in A for event in APPEAL.events()])
def test_every_state_meets_every_event(state: A, event: str) -> None:
    assert (APPEAL.find(state, event) is not None) == ((state, event) in ALLOWED)


def test_a_refusal_of_a_need_is_upheld_or_taken_back_and_the_bank_is_asked_again(database: TestDatabase) -> None:
    platform, bureau, firm = cast.platform(), cast.bureau(), cast.firm()
    near, far, other = cast.bank("珠岸银行"), cast.bank("云城银行"), cast.bank("岭海农商行")
    clerk = firm[CLERK]
    need = market_cast.open_need(firm, banks=(near.id, far.id))
    first = answer_service.refuse_need(officer(near), need.id, ["SALES_LOW"], "销售额不足")
    second = answer_service.refuse_need(officer(far), need.id, ["DEBT_HIGH"])
    assert refused(lambda: file_appeal(clerk, first.id, "销售额漏算了发票")) is ErrorCode.NOT_FOUND, "sealed until closing"
    service.settle_due_needs(SYSTEM)

    assert refused(lambda: file_appeal(clerk, first.id, " ")) is ErrorCode.REASON_NEEDED
    assert refused(lambda: file_appeal(cast.firm("他人公司")[CLERK], first.id, "与我无关")) is ErrorCode.NOT_FOUND
    taken_back = file_appeal(clerk, first.id, "销售额漏算了第三季度的发票")
    stands = file_appeal(clerk, second.id, "有一笔贷款上月已还清", show_name=True)
    assert refused(lambda: file_appeal(clerk, first.id, "再说一次")) is ErrorCode.ALREADY_DONE
    assert rows(database, identity(near), "select text, card ? 'name' from appeal") == [("销售额漏算了第三季度的发票", False)]
    assert rows(database, identity(far), "select card ->> 'name' from appeal") == [(firm.name,)]
    assert rows(database, identity(other), SEEN) == [] and rows(database, identity(bureau), SEEN) == []
    assert len(rows(database, identity(platform), SEEN)) == 2, "the desk sees it at once"
    outbox.drain()
    timed = owner_sql(database, "select org_id from clock where step = 'COMPLAINT' and ended_at is null")
    assert {row[0] for row in timed} == {near.id, far.id}

    same = replace(near[APPROVER], actor_id=officer(near).actor_id)
    assert refused(lambda: answer(same, taken_back.id, withdraw=False, words="维持")) is ErrorCode.SAME_PERSON
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        rows(database, identity(near), "update appeal set state = 'UPHELD', answer = '维持', answered_at = now(), "
             "ended_at = now(), next_check_at = null, answered_by = refused_by returning id")
    assert caught.value.diag.constraint_name == "ck_appeal_other_person"
    assert refused(lambda: answer(far[APPROVER], taken_back.id, withdraw=True, words="别家的")) is ErrorCode.NOT_FOUND
    assert refused(lambda: answer(near[APPROVER], taken_back.id, withdraw=True, words=" ")) is ErrorCode.REASON_NEEDED
    assert refused(lambda: answer(officer(near), taken_back.id, withdraw=True, words="x")) is ErrorCode.FORBIDDEN

    assert answer(near[APPROVER], taken_back.id, withdraw=True, words="发票补全后够了").remedy == "AGAIN", "bidding is over"
    answer(far[APPROVER], stands.id, withdraw=False, words="还清后负债仍偏高")
    assert refused(lambda: answer(far[APPROVER], stands.id, withdraw=True, words="改了")) is ErrorCode.STATE_CHANGED
    assert refused(lambda: appeal_service.drop_appeal(clerk, stands.id)) is ErrorCode.STATE_CHANGED
    outbox.drain()
    assert owner_sql(database, "select distinct outcome from clock where step = 'COMPLAINT'") == [("KEPT",)]
    told = owner_sql(database, "select count(*) from notice where org_id = %s and message like '银行%%婉拒%%'", firm.id)
    assert told == [(2,)]
    again = service.second_round(clerk, need.id)
    with transaction(clerk, read_only=True):
        assert service.invited_banks(again.id) == [near.id], "who took the refusal back is asked again, who stands by it is not"


def test_a_chosen_bank_that_takes_its_refusal_back_lies_before_the_firm_again(database: TestDatabase) -> None:
    city = Contest(stands=True)
    bank, clerk = city.banks[0], city.firm[CLERK]
    loans.refuse_loan(bank[APPROVER], city.loan().id, "现场核查不一致", 1)
    assert city.states(database) == ("CLOSED", ["LAPSED", "OPENED", "OPENED"])
    before = owner_sql(database, "select choose_by from need")[0][0]
    appeal = file_appeal(clerk, city.choice.id, "核查的是旧厂房，新址照片已补")
    assert rows(database, identity(bank), "select card ->> 'name' from appeal") == [(city.firm.name,)], "it knows whom it refused"
    assert refused(lambda: answer(bank[APPROVER], appeal.id, withdraw=True, words="x")) is ErrorCode.SAME_PERSON
    colleague = replace(bank[APPROVER], actor_id=bank[Role.BANK_OFFICER].actor_id)
    assert answer(colleague, appeal.id, withdraw=True, words="新址相符").remedy == "RECALLED"
    assert city.states(database) == ("CLOSED", ["OPENED", "OPENED", "OPENED"])
    assert owner_sql(database, "select choose_by from need")[0][0] >= before
    market_cast.choose(city.firm, city.bids[0])
    assert city.states(database)[1][0] == "CHOSEN"


def test_it_is_filed_in_time_and_what_nobody_answers_comes_before_the_bureau(database: TestDatabase) -> None:
    bureau, firm = cast.bureau(), cast.firm()
    near, far = cast.bank("珠岸银行"), cast.bank("云城银行")
    clerk = firm[CLERK]
    need = market_cast.open_need(firm, banks=(near.id, far.id))
    late = answer_service.refuse_need(officer(far), need.id, ["TERM"])
    other = answer_service.refuse_need(officer(near), need.id, ["AMOUNT"])
    service.settle_due_needs(SYSTEM)
    appeal = file_appeal(clerk, other.id, "金额在产品范围之内")
    outbox.drain()
    assert appeal_service.escalate_due(SYSTEM) == 0
    days = policy_rules.Policy().levels.appeal_days
    with time_machine.travel(now() + timedelta(days=days, minutes=1), tick=True):
        assert refused(lambda: file_appeal(clerk, late.id, "期限可以改")) is ErrorCode.APPEAL_LATE
    with time_machine.travel(appeal.limit_at + timedelta(minutes=1), tick=True):
        assert clock_service.remind_due(SYSTEM) == 1
        assert appeal_service.escalate_due(SYSTEM) == 1 and appeal_service.escalate_due(SYSTEM) == 0
        assert rows(database, identity(bureau), SEEN) == [("OPEN",)]
        told = {row[0] for row in owner_sql(database, "select org_id from notice where message like '%%金融局%%'")}
        assert told >= {firm.id, near.id}
        appeal_service.drop_appeal(clerk, appeal.id)
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            owner_sql(database, "update appeal set state = 'OPEN', ended_at = null")
        assert caught.value.diag.constraint_name == "ck_appeal_gate"
