"""会诊 (思明 [C25]): banks look again together, as the firm agreed, in five working days; none is named against its will."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from app.core import outbox
from app.core.database import session, transaction
from app.core.errors import ErrorCode
from app.core.permissions import Role
from app.market import answer_service, clock_service, consult_queries, consult_service, service
from app.market.consult_models import Consultation
from app.market.consult_service import CONSULTATION, Words
from app.market.consult_words import ConsultState as C
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.seal_tools import owner_sql, rows
from tests.service.test_answers import identity, officer
from tests.service.test_market_lifecycles import refused

ALLOWED = {
    (C.PROPOSED, "agree"), (C.PROPOSED, "decline"), (C.PROPOSED, "cancel"), (C.PROPOSED, "expire"), (C.SITTING, "advise"),
    (C.SITTING, "cancel"), (C.SITTING, "expire"),
}  # fmt: skip
SEEN = "select count(*) from consultation"


@pytest.mark.parametrize(("state", "event"), [(state, event) for state in C for event in CONSULTATION.events()])
def test_every_state_meets_every_event(state: C, event: str) -> None:
    assert (CONSULTATION.find(state, event) is not None) == ((state, event) in ALLOWED)


def outcome_of(found: Any) -> str:
    with transaction(SYSTEM, read_only=True):
        return session().get_one(Consultation, found.id).state


def test_refused_by_all_looked_at_again_and_advised(database: TestDatabase) -> None:
    platform = cast.platform()
    desk = platform[Role.DESK]
    firm, near, far, other = cast.firm(), cast.bank("珠岸银行"), cast.bank("云城银行"), cast.bank("岭海农商行")
    clerk = firm[Role.FIRM_CLERK]
    need = market_cast.open_need(firm, banks=(near.id,))
    assert refused(lambda: consult_service.call(desk, need.id, [near.id], "x")) is ErrorCode.STATE_CHANGED, "banks may still bid"
    answer_service.refuse_need(officer(near), need.id, ["GRADE_WEAK", "SALES_LOW"])
    service.settle_due_needs(SYSTEM)

    assert refused(lambda: consult_service.call(desk, need.id, [], "x")) is ErrorCode.BANKS_COUNT
    found = consult_service.call(desk, need.id, [near.id, far.id], "订单稳定，销售数据不全")
    assert refused(lambda: consult_service.call(desk, need.id, [far.id], "再来")) is ErrorCode.ALREADY_DONE
    assert found.card["refused"] == {"GRADE_WEAK": 1, "SALES_LOW": 1} and "name" not in found.card
    for bank in (near, far):
        assert rows(database, identity(bank), SEEN) == [(0,)], "no bank reads it before the firm agrees"
    assert refused(lambda: consult_service.agree(desk, found.id, show_name=True)) is ErrorCode.FORBIDDEN

    consult_service.agree(clerk, found.id, show_name=True)
    outbox.drain()
    assert {row[0] for row in owner_sql(database, "select org_id from clock where step = 'CONSULTATION'")} == {
        near.id, far.id, platform.id,
    }  # fmt: skip
    assert rows(database, identity(other), SEEN) == [(0,)]
    assert rows(database, identity(far), "select card ->> 'name' from consultation") == [(firm.name,)]

    say = consult_service.say
    assert refused(lambda: say(officer(other), found.id, Words("WOULD_NOT", reasons=("AMOUNT",)))) is ErrorCode.NOT_FOUND
    assert refused(lambda: say(officer(near), found.id, Words("WOULD_IF"))) is ErrorCode.REASON_NEEDED
    say(officer(near), found.id, Words("ASKS", text="去年下半年的订单？"))
    with transaction(clerk, read_only=True):
        one = session().get_one(Consultation, found.id)
        assert consult_queries.asked_of_firm(clerk, one) == ["去年下半年的订单？"]
    assert rows(database, identity(firm), "select 1 from consultation_opinion") == [], "not who asks"
    assert rows(database, identity(far), "select 1 from consultation_opinion") == [], "each bank first by itself"
    consult_service.reply(clerk, found.id, "两家客户各 150 万元")
    assert refused(lambda: consult_service.reply(clerk, found.id, "再说一次")) is ErrorCode.STATE_CHANGED
    say(officer(near), found.id, Words("WOULD_NOT", reasons=("GRADE_WEAK",)))
    say(officer(far), found.id, Words("WOULD_IF", ("GUARANTEE", "LESS_AMOUNT"), named=True))
    assert len(rows(database, identity(far), "select 1 from consultation_opinion")) == 2, "then together"
    outbox.drain()
    assert clock_service.remind_due(SYSTEM) == 0
    running = owner_sql(database, "select org_id from clock where step = 'CONSULTATION' and ended_at is null")
    assert running == [(platform.id,)]

    assert refused(lambda: consult_service.advise(desk, found.id, ["IMPROVE"])) is ErrorCode.REASON_NEEDED
    assert refused(lambda: consult_service.advise(desk, found.id, ["OTHER_PRODUCT"])) is ErrorCode.REASON_NEEDED
    consult_service.advise(desk, found.id, ["NEXT_ROUND", "OTHER_PRODUCT"], "", ["GUARANTEED"])
    assert rows(database, identity(firm), "select org_id, outcome from consultation_opinion") == [(far.id, "WOULD_IF")]
    assert refused(lambda: say(officer(near), found.id, Words("ASKS", text="晚了"))) is ErrorCode.STATE_CHANGED
    with pytest.raises(Exception, match="goes its way"):
        owner_sql(database, "update consultation set state = 'SITTING', advice = '{}', ended_at = null")
    assert service.second_round(clerk, need.id).round == 2


def test_without_the_firms_word_or_the_desks_a_consultation_ends_by_its_hour(database: TestDatabase) -> None:
    desk, firm, bank = cast.platform()[Role.DESK], cast.firm(), cast.bank()
    clerk = firm[Role.FIRM_CLERK]
    need = service.close_need(clerk, market_cast.open_need(firm).id)
    unheard = consult_service.call(desk, need.id, [bank.id], "没有报价")
    assert consult_service.settle_due(SYSTEM) == 0
    with time_machine.travel(unheard.agree_by + timedelta(minutes=1), tick=True):
        assert consult_service.settle_due(SYSTEM) == 1 and outcome_of(unheard) == C.EXPIRED
        declined = consult_service.call(desk, need.id, [bank.id], "再请一次")
        consult_service.decline(clerk, declined.id)
        assert rows(database, identity(bank), "select 1 from notice") == [], "no bank heard of either"
        sat = consult_service.call(desk, need.id, [bank.id], "第三次")
        sat = consult_service.agree(clerk, sat.id, show_name=False)
        assert rows(database, identity(bank), "select card ->> 'name' from consultation") == [(None,)]
        assert sat.due_at is not None
    with time_machine.travel(sat.due_at + timedelta(minutes=1), tick=True):
        assert consult_service.settle_due(SYSTEM) == 1 and outcome_of(sat) == C.EXPIRED
        offered = market_cast.open_need(firm)
        market_cast.sealed_bid(bank, offered)
        service.close_need(clerk, offered.id)
        late = refused(lambda: consult_service.call(desk, offered.id, [bank.id], "x"))
        assert late is ErrorCode.STATE_CHANGED, "it had an offer"
