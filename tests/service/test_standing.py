"""What banks did is counted once the envelope is open; figures of a small story by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa

from app.core import outbox
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.permissions import Role
from app.market import answer_service, policy_service, service, standing_service
from app.market.audience_models import BankStanding
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.market_cast import clerk, offer
from tests.seal_tools import owner_sql, rows

pytestmark = pytest.mark.service


def test_a_small_story_counted_by_hand(database: TestDatabase) -> None:
    good, silent = cast.bank(), cast.bank("云城银行")
    firms = [cast.firm(f"广州第{number}电子有限公司") for number in range(3)]
    needs = [market_cast.open_need(firm, banks=(good.id, silent.id)) for firm in firms]
    outbox.drain()
    for need, percent in zip(needs[:2], ("3.85", "4.35"), strict=True):
        market_cast.sealed_bid(good, need, offer(percent=percent, fees=()))
    # A refusal answers as well as an offer does, and so does a question; on open needs too.
    answer_service.refuse_need(good[Role.BANK_OFFICER], needs[2].id, ["AMOUNT"])
    asked = answer_service.ask(silent[Role.BANK_OFFICER], needs[2].id, "付款对方是谁？")
    answer_service.drop_question(silent[Role.BANK_OFFICER], asked.id)
    assert owner_sql(database, "select count(*) from bank_record") == [(0,)], "nothing while the envelopes are closed"
    with pytest.raises(Exception, match="counted after opening"):
        owner_sql(database, "insert into bank_record (id, org_id, need_id, kind, at) "
                            "values (gen_random_uuid(), %s, %s, 'BID', now())", good.id, needs[0].id)
    for firm, need in zip(firms, needs, strict=True):
        service.close_need(clerk(firm), need.id)
    outbox.drain()
    kinds = owner_sql(database, "select org_id = %s, kind, count(*) from bank_record group by 1, 2 order by 1, 2", good.id)
    assert kinds == [(False, "ANSWERED", 1), (False, "INVITED", 3), (True, "ANSWERED", 3), (True, "BID", 2), (True, "INVITED", 3)]

    # Fewer than five cases: counted, not told, to nobody. Where three are enough, they are.
    assert standing_service.count_due(SYSTEM) == 2 and standing_service.count_due(SYSTEM) == 0
    with transaction(SYSTEM, read_only=True):
        for row in session().scalars(sa.select(BankStanding)):
            assert {row.invited, row.answer_rate, row.median_minutes, row.bids, row.all_in_median, row.kept_rate} == {None}
    owner_sql(database, "alter table bank_standing disable trigger user; delete from bank_standing; "
                        "alter table bank_standing enable trigger user")
    proposed = policy_service.propose(cast.platform()[Role.SYSTEM_ADMIN], {"standing.least_cases": 2}, "试点")
    policy_service.judge(cast.bureau()[Role.BUREAU_LEADER], proposed.id, "confirm", "同意")
    owner_sql(database, "insert into bank_record (id, org_id, need_id, kind, at) select gen_random_uuid(), %s, n.id, "
                        "case when n.id = %s then 'KEPT' else 'BROKEN' end, now() from need n", good.id, needs[0].id)
    assert standing_service.count_due(SYSTEM) == 2
    with transaction(SYSTEM, read_only=True):
        found = session().get_one(BankStanding, (good.id, today()))
        other = session().get_one(BankStanding, (silent.id, today()))
    assert (found.invited, found.answer_rate, found.offer_rate) == (3, Decimal("1"), Decimal("0.666667"))
    assert (found.bids, found.all_in_median, found.all_in_weighted) == (2, Decimal("0.041"), Decimal("0.041"))
    assert found.answers == 3 and found.median_minutes is not None
    assert (found.promises, found.kept_rate) == (3, Decimal("0.333333"))
    assert (other.invited, other.answer_rate, other.answers, other.bids) == (3, Decimal("0.333333"), None, None)

    # A bank reads its own facts, the bureau all of them; everybody the figures.
    facts = "select count(*) from bank_record"
    assert rows(database, (None, silent.id, "bank"), facts) == [(4,)]
    assert rows(database, (None, firms[0].id, "enterprise"), facts) == [(0,)]
    assert rows(database, (None, None, "bureau"), facts) == [(15,)]  # 4 of one; 3 + 3 + 2 of the other, and its three promises
    assert len(rows(database, (None, firms[0].id, "enterprise"), "select * from bank_standing")) == 2
