"""A firm may have five needs at once, and each tells what the firm owes and asks for in all."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from app.core import outbox
from app.core.calendar import today
from app.core.database import transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Role
from app.loans import registers as registers  # what loans tell of debts
from app.loans import service as loans_service
from app.market import debt_service, exposure, service
from app.market.debt_service import DebtFields
from app.market.exposure_rules import Exposure
from app.market.models import Need
from tests import cast, market_cast
from tests.database import TestDatabase
from tests.seal_tools import at_once, owner_sql, rows


def told(need: Need) -> Exposure:
    """What a published need tells of its firm."""
    assert need.exposure is not None
    return Exposure.read(need.exposure)


def test_five_needs_live_side_by_side_and_a_sixth_is_refused_by_the_database(database: TestDatabase) -> None:
    firm = cast.firm()
    clerk = firm[Role.FIRM_CLERK]
    ended = service.close_need(clerk, market_cast.open_need(firm, wan=100).id)
    totals = [told(market_cast.open_need(firm, wan=100)).total_fen // WAN for _ in range(4)]
    assert totals == [100, 200, 300, 400], "every need counts those before it"

    fifth = market_cast.draft_need(firm, wan=100)
    sixth = service.second_round(clerk, ended.id)
    results = at_once(lambda: service.submit_need(clerk, fifth.id), lambda: service.submit_need(clerk, sixth.id))
    assert sorted(isinstance(one, Need) for one in results) == [False, True] and ErrorCode.NEEDS_TOO_MANY in results

    sent = next(one for one in results if isinstance(one, Need))
    service.withdraw_need(clerk, sent.id, "先办其他几笔")
    left = fifth if sent.id == sixth.id else sixth
    assert service.submit_need(clerk, left.id).submitted_at is not None


def test_debts_add_up_with_loans_of_the_portal_and_show_no_lender_to_banks(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    clerk = firm[Role.FIRM_CLERK]
    market_cast.chosen(firm, bank)
    assert loans_service  # opens the loan
    outbox.drain()
    debt = debt_service.declare_debt(clerk, DebtFields("番禺合作信用社", 80 * WAN, due_on=today() + timedelta(days=90)))
    debt_service.declare_debt(clerk, DebtFields("番禺合作信用社", 20 * WAN))
    need = market_cast.open_need(firm, wan=50)
    assert told(need) == Exposure(declared_fen=100 * WAN, promised_fen=300 * WAN, this_fen=50 * WAN, lenders=1)

    debt_service.end_debt(clerk, debt.id)
    with pytest.raises(Refusal) as caught:
        debt_service.end_debt(clerk, debt.id)
    assert caught.value.code is ErrorCode.ALREADY_DONE
    with transaction(clerk, read_only=True):
        now_owed = exposure.exposure_of(firm.id)
    assert (now_owed.declared_fen, now_owed.asked_fen, now_owed.total_fen) == (20 * WAN, 50 * WAN, 370 * WAN)

    with pytest.raises(psycopg.errors.CheckViolation, match="declared anew"):
        owner_sql(database, "update declared_debt set amount_fen = 1 where org_id = %s", firm.id)
    with pytest.raises(psycopg.errors.CheckViolation, match="does not change"):
        owner_sql(database, "update need set exposure = '{}' where id = %s", need.id)
    for stranger, kind in ((bank, "bank"), (cast.firm("广州番禺顺达电子有限公司"), "enterprise"), (cast.bureau(), "bureau")):
        assert rows(database, (None, stranger.id, kind), "select 1 from declared_debt") == []
    assert len(rows(database, (None, firm.id, "enterprise"), "select 1 from declared_debt")) == 2
