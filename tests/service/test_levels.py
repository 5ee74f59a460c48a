"""Numbers of the market are changed by two people, and the next need goes by them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.core.calendar import SHANGHAI, now
from app.core.database import transaction
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Role
from app.market import policy, policy_service
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.seal_tools import owner_sql, rows

pytestmark = pytest.mark.service


def refused(call: Any, *values: Any) -> ErrorCode:
    with pytest.raises(Refusal) as caught:
        call(*values)
    return caught.value.code


def test_one_proposes_another_confirms_and_the_next_need_goes_by_it(database: TestDatabase) -> None:
    admin, leader = cast.platform()[Role.SYSTEM_ADMIN], cast.bureau()[Role.BUREAU_LEADER]
    before = market_cast.open_need(cast.firm("广州甲一机械有限公司"))
    assert before.closes_at == policy.bids_close_at(before.published_at)
    tomorrow = policy.calendar().add_days(now().astimezone(SHANGHAI).date(), 1)

    # Proposed: nothing changes. Nobody judges what they set; no second proposal beside it; the database says the same.
    values = {"levels.bidding_target_wd": 1, "need.max_amount_fen": 200_0000_00, f"day.{tomorrow.isoformat()}": False}
    row = policy_service.propose(admin, values, "试点缩短报价时间")
    assert policy.levels().bidding_target_wd == 3
    assert refused(policy_service.propose, admin, {"levels.choice_limit_wd": 12}, "再改") is ErrorCode.ALREADY_DONE
    assert refused(policy_service.judge, admin, row.id, "confirm", "可以") is ErrorCode.FORBIDDEN
    assert refused(policy_service.judge, leader, row.id, "confirm", " ") is ErrorCode.REASON_NEEDED
    with pytest.raises(Exception, match="ck_market_policy_two_people"):
        rows(database, (admin.actor_id, admin.org_id, "platform"),
             "update market_policy set state = 'CONFIRMED', decided_at = now(), approved_by = set_by, "
             "valid_from = now() + interval '1 hour' returning id")

    # Confirmed: in force for what begins now; what had begun keeps its hour.
    policy_service.judge(leader, row.id, "confirm", "同意")
    assert policy.levels().bidding_target_wd == 1 and policy.need_limits().max_amount_fen == 200_0000_00
    after = market_cast.open_need(cast.firm("广州乙二机械有限公司"), wan=150)
    closes = after.closes_at.astimezone(SHANGHAI).date()
    assert closes == policy.calendar().add_days(tomorrow, 1) and closes != tomorrow
    assert refused(market_cast.open_need, cast.firm("广州丙三机械有限公司"), ) is ErrorCode.AMOUNT_OUT_OF_RANGE
    assert refused(policy_service.judge, leader, row.id, "confirm", "再来") is ErrorCode.STATE_CHANGED

    # What cannot be is told; what is to hold later holds later; refused and withdrawn ones hold never.
    assert refused(policy_service.propose, admin, {"levels.bidding_target_wd": 9}, "太长") is ErrorCode.POLICY_VALUE
    assert refused(policy_service.propose, admin, {"hours": "18:00-9:00"}, "倒着") is ErrorCode.POLICY_VALUE
    assert refused(policy_service.propose, admin, {"levels.bidding_target_wd": 1}, "没变") is ErrorCode.POLICY_VALUE
    later = policy_service.propose(admin, {"levels.bidding_target_wd": 2}, "下月起", now() + timedelta(days=30))
    policy_service.judge(leader, later.id, "confirm", "同意")
    policy_service.judge(leader, policy_service.propose(admin, {"levels.standstill_wd": 2}, "改").id, "refuse", "不必")
    policy_service.withdraw(admin, policy_service.propose(admin, {"levels.standstill_wd": 3}, "改").id, "写错了")
    assert (policy.levels().bidding_target_wd, policy.levels().standstill_wd) == (1, 1)
    owner_sql(database, "alter table market_policy disable trigger user; update market_policy set valid_from = now() "
                        "where valid_from > now(); alter table market_policy enable trigger user")
    assert policy.levels().bidding_target_wd == 2

    # Everybody signed in reads them; nobody else writes them.
    for kind in ("enterprise", "bank", "bureau", "data_provider"):
        assert len(rows(database, (None, None, kind), "select id from market_policy")) == 4
    assert rows(database, (None, None, None), "select id from market_policy") == []
    with pytest.raises(Exception, match=r"row-level security|ck_market_policy_hands"):
        rows(database, (admin.actor_id, None, "bank"),
             "insert into market_policy (id, changes, reason, valid_from, state, set_at, set_by) "
             "values (gen_random_uuid(), '{\"a\": [1, 2]}', 'x', now(), 'PROPOSED', now(), hq_actor()) returning id")
    with transaction(SYSTEM, read_only=True):
        assert len(policy_service.history()) == 4
