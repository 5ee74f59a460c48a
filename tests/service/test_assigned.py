"""Needs go to the banks whose turn it is, and on to the next at the limit; nobody reads who answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from app.core import outbox
from app.core.calendar import now
from app.core.database import transaction
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Role
from app.market import batch_service, bid_service, invite_service, policy, queries, rank_service, service
from app.market.models import Need
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.market_cast import clerk
from tests.seal_tools import at_once, owner_sql, rows

pytestmark = pytest.mark.service
assert rank_service  # places follow invitations


def sent(firm: Any, way: str, wan: int = 300) -> Need:
    """A need published for assignment or for a list."""
    need = market_cast.draft_need(firm, wan=wan)
    service.save_need(clerk(firm), need.id, service.AudiencePart(way))
    need = service.submit_need(clerk(firm), need.id)
    outbox.drain()
    return need


def invited(database: TestDatabase, need: Need) -> dict[UUID, str]:
    return dict(owner_sql(database, "select org_id, via from need_invitee where need_id = %s", need.id))


def pass_limit(database: TestDatabase, column: str) -> None:
    """Moves the moments of all invitations that run so that one mark has just passed."""
    shift = f"(select max({column}) from need_invitee where told < 100) - now() + interval '1 second'"
    owner_sql(database, f"with s as (select {shift} as by) update need_invitee set at = at - s.by, target_at = target_at - s.by, "
                        "half_at = half_at - s.by, most_at = most_at - s.by, limit_at = limit_at - s.by from s where told < 100")


def notices(database: TestDatabase, bank: cast.Cast) -> list[str]:
    found = "select message from notice where org_id = %s and seal_id is not null and path like '/queue/%%' order by at, id"
    return [message for message, in owner_sql(database, found, bank.id)]


def test_turns_reminders_and_the_next_banks_at_the_limit(database: TestDatabase) -> None:
    banks: Sequence[cast.Cast] = [cast.bank(f"第{number}商业银行") for number in range(6)]
    firm = cast.firm()
    for bank in banks[:5]:
        market_cast.product(bank)
    market_cast.product(banks[5], "小额", max_amount_fen=20_0000_00)  # lends less than is asked for
    need = sent(firm, "assigned")
    first = invited(database, need)
    assert len(first) == 3 and set(first.values()) == {"assigned"} and banks[5].id not in first
    assert need.closes_at == policy.calendar().due(need.published_at, 5), "the longest window, so that the next banks have time"
    other = invited(database, sent(cast.firm("广州乙二机械有限公司"), "assigned"))
    assert {bank.id for bank in banks[:5]} - set(first) <= set(other), "whoever was not asked is asked first"

    # Only those who were asked see it. One of them answers.
    by_id = {bank.id: bank for bank in banks}
    asked = [by_id[bank] for bank in first]
    outside = next(bank for bank in banks[:5] if bank.id not in first)
    with transaction(outside[Role.BANK_OFFICER], read_only=True), pytest.raises(Refusal):
        queries.need_to_bid_on(outside[Role.BANK_OFFICER], need.id)
    bid = market_cast.draft_bid(asked[0], need)
    bid_service.propose_bid(asked[0][Role.BANK_OFFICER], bid.id)
    bid_service.submit_bid(asked[0][Role.BANK_APPROVER], bid.id)

    # Reminded at each mark, once though two tickers run; the one that answered is left alone, and marked like the others.
    owner_sql(database, "delete from need_invitee where need_id <> %s", need.id)
    for column, count in (("half_at", 1), ("most_at", 2), ("limit_at", 3)):
        pass_limit(database, column)
        at_once(lambda: invite_service.remind_due(SYSTEM), lambda: invite_service.remind_due(SYSTEM))
        assert [len(notices(database, bank)) for bank in asked] == [0, count, count]
        assert len(owner_sql(database, "select distinct told from need_invitee where via = 'assigned'")) == 1
    after = invited(database, need)
    assert len(after) == 5 and [via for bank, via in after.items() if bank not in first] == ["next", "next"]
    outbox.drain()
    told = owner_sql(database, "select params from notice where org_id = %s and message like '有银行没有在时限内答复%%'", firm.id)
    assert told == [({"count": 2},)]
    fresh = next(bank for bank in banks if bank.id in after and bank.id not in first)
    assert owner_sql(database, "select count(*) from queue_rank where need_id = %s and org_id = %s", need.id, fresh.id) == [(1,)]

    # What anybody but the bank itself can read is the same for the bank that answered and for those that did not.
    ask = "select distinct told, via from need_invitee where via = 'assigned'"
    for identity in ((None, firm.id, "enterprise"), (None, None, "system")):
        assert rows(database, identity, ask) == [(100, "assigned")]
    for identity in ((None, firm.id, "enterprise"), (None, None, "system"), (None, None, "platform"), (None, None, "bureau")):
        assert rows(database, identity, "select id from notice where path like '/queue/%%' and seal_id is not null") == []
        if identity[2] != "system":
            assert rows(database, identity, "select hq_remind_invited()") == []
    assert rows(database, (None, asked[1].id, "bank"), "select org_id from need_invitee") == [(asked[1].id,)]

    # Where all answered in time nothing is sent on.
    done = sent(cast.firm("广州丁四机械有限公司"), "assigned")
    for bank in (by_id[bank] for bank in invited(database, done)):
        offered = market_cast.draft_bid(bank, done)
        bid_service.propose_bid(bank[Role.BANK_OFFICER], offered.id)
        bid_service.submit_bid(bank[Role.BANK_APPROVER], offered.id)
    pass_limit(database, "limit_at")
    assert invite_service.remind_due(SYSTEM) in (0, 1) and set(invited(database, done).values()) == {"assigned"}


def test_a_list_goes_to_several_banks_at_once(database: TestDatabase) -> None:
    banks = [cast.bank(f"第{number}商业银行") for number in range(3)]
    desk = cast.platform()[Role.DESK]
    need = sent(cast.firm(), "list")
    opened = market_cast.open_need(cast.firm("广州乙二机械有限公司"))
    assert invited(database, need) == {} and need.closes_at == policy.calendar().due_natural(need.published_at, 30)
    ids = [bank.id for bank in banks[:2]]
    for number, (needs, to) in enumerate((([opened.id], ids), ([need.id], []))):
        empty = batch_service.make_batch(desk, f"春季清单{number}", "list", 10)
        batch_service.add_needs(desk, empty.id, needs)
        batch_service.set_banks(desk, empty.id, to)
        with pytest.raises(Refusal) as caught:
            invite_service.send_batch(desk, empty.id)
        assert caught.value.code is ErrorCode.BATCH_SENT
    batch = batch_service.make_batch(desk, "春季清单", "list", 10)
    batch_service.add_needs(desk, batch.id, [need.id, opened.id])
    batch_service.set_banks(desk, batch.id, ids)
    invite_service.send_batch(desk, batch.id)
    assert invited(database, need) == dict.fromkeys(ids, "list") and invited(database, opened) == {}
    closes = owner_sql(database, "select closes_at, next_check_at from need where id = %s", need.id)[0]
    assert closes == (policy.calendar().due_natural(now(), 10),) * 2
    with pytest.raises(Refusal) as caught:
        invite_service.send_batch(desk, batch.id)  # a need goes once
    assert caught.value.code is ErrorCode.BATCH_SENT
    pass_limit(database, "limit_at")
    invite_service.remind_due(SYSTEM)
    assert invited(database, need)[banks[2].id] == "next"
