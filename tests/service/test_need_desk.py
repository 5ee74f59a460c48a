"""The desk looks at a need before banks see it; its hour releases what lies; an open need is corrected once; drafts end."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
import time_machine

from app.core.calendar import now
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Role
from app.market import bid_service, service
from app.market.models import Bid, Need
from app.market.words import BidState, NeedState
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.seal_tools import at_once, owner_sql, rows
from tests.service.test_market_lifecycles import refused

PURPOSE = service.PurposePart(200 * WAN, "EQUIPMENT", "购置两台数控机床，月底付款")
TERMS = service.TermsPart(24, "CREDIT", "ANY", True)


def notices(database: TestDatabase, org: cast.Cast) -> list[str]:
    """Everything the organisation was told, the oldest first."""
    return [row[0] for row in owner_sql(database, "select message from notice where org_id = %s order by at", org.id)]


def seen_by(database: TestDatabase, bank: cast.Cast, need: Need) -> bool:
    """Whether a bank reads the need."""
    return bool(rows(database, (None, bank.id, "bank"), "select 1 from need where id = %s", need.id))


def test_what_the_desk_returns_is_mended_and_released_to_the_banks(database: TestDatabase) -> None:
    firm, bank, desk = cast.firm(), cast.bank(), cast.platform()[Role.DESK]
    clerk = firm[Role.FIRM_CLERK]
    need = service.submit_need(clerk, market_cast.draft_need(firm, banks=(bank.id,)).id)
    assert (need.state, need.published_at) == (NeedState.CHECKING, None) and not seen_by(database, bank, need)
    assert refused(lambda: service.save_need(clerk, need.id, PURPOSE)) is ErrorCode.STATE_CHANGED
    assert refused(lambda: service.return_need(desk, need.id, ["NO_SUCH_REASON"])) is ErrorCode.REASON_NEEDED
    assert refused(lambda: service.release_need(clerk, need.id)) is ErrorCode.FORBIDDEN

    back = service.return_need(desk, need.id, ["USE_UNCLEAR"], "请写明付给谁")
    assert (back.state, back.returned_reasons) == (NeedState.RETURNED, ["USE_UNCLEAR"])
    steps = rows(database, (clerk.actor_id, firm.id, "enterprise"), "select reason from transition where event = 'return'")
    assert steps == [("用途不清；请写明付给谁",)], "the firm reads at once why"
    service.save_need(clerk, need.id, PURPOSE)
    again = service.submit_need(clerk, need.id)
    assert (again.case_id, again.seal_id, again.amount_fen) == (need.case_id, need.seal_id, 200 * WAN)

    out = service.release_need(desk, need.id)
    assert (out.state, out.release_kind, out.released_by) == (NeedState.OPEN, "desk", desk.actor_id)
    assert seen_by(database, bank, need) and notices(database, bank) == ["有企业向贵行定向发出一份融资需求，请在截止前查看。"]
    assert refused(lambda: service.return_need(desk, need.id, ["DUPLICATE"])) is ErrorCode.STATE_CHANGED


def test_no_firm_and_no_desk_does_in_sql_what_only_the_other_may(database: TestDatabase) -> None:
    firm, desk = cast.firm(), cast.platform()
    need = service.submit_need(firm[Role.FIRM_CLERK], market_cast.draft_need(firm).id)
    release = """update need set state = 'OPEN', published_at = now(), closes_at = now(), released_at = now(),
                 release_kind = 'desk' where id = %s returning 1"""
    with pytest.raises(psycopg.errors.CheckViolation, match="released by the desk"):
        rows(database, (None, firm.id, "enterprise"), release, need.id)
    as_desk = (None, desk.id, "platform")
    with pytest.raises(psycopg.errors.CheckViolation, match="releases or returns"):
        rows(database, as_desk, release.replace("state =", "bookable = true, state ="), need.id)
    with pytest.raises(psycopg.errors.CheckViolation, match="ck_need_returned"):
        rows(database, as_desk, "update need set state = 'RETURNED' where id = %s returning 1", need.id)
    draft = market_cast.draft_need(firm)
    assert rows(database, as_desk, "update need set state = 'CHECKING' where id = %s returning 1", draft.id) == []


def test_a_need_left_lying_is_released_once_though_the_desk_comes_at_the_same_moment(database: TestDatabase) -> None:
    firm, desk = cast.firm(), cast.platform()[Role.DESK]
    need = service.submit_need(firm[Role.FIRM_CLERK], market_cast.draft_need(firm).id)
    assert need.check_due_at is not None
    service.settle_due_needs(SYSTEM)
    with time_machine.travel(need.check_due_at + timedelta(minutes=1), tick=True):
        results = at_once(lambda: service.settle_need(SYSTEM, need.id), lambda: service.release_need(desk, need.id))
        assert ErrorCode.STATE_CHANGED in results or False in results
        with transaction(SYSTEM, read_only=True):
            found = session().get_one(Need, need.id)
            assert found.state == NeedState.OPEN and found.closes_at is not None and found.closes_at > now()
        told = notices(database, firm)
        assert len(told) == 1 and ("自动放行" in told[0]) == (found.release_kind == "auto")
    released = owner_sql(database, "select count(*) from transition where event = 'release' and subject_id = %s", need.id)
    assert released[0][0] == 1


def test_an_open_need_is_corrected_once_and_bids_for_the_old_one_end_unopened(database: TestDatabase) -> None:
    firm, bank, other = cast.firm(), cast.bank(), cast.bank("云城银行")
    clerk = firm[Role.FIRM_CLERK]
    need = market_cast.open_need(firm)
    bid = market_cast.sealed_bid(bank, need)
    same = (service.PurposePart(300 * WAN, "PURCHASE", "采购数控机床配件"), service.TermsPart(12, "CREDIT", "ANY", True))
    assert refused(lambda: service.correct_need(clerk, need.id, *same, "没变")) is ErrorCode.NEED_UNCHANGED
    assert refused(lambda: service.correct_need(clerk, need.id, PURPOSE, TERMS, " ")) is ErrorCode.REASON_NEEDED

    with time_machine.travel(now() + timedelta(hours=20), tick=True):
        fixed = service.correct_need(clerk, need.id, PURPOSE, TERMS, "改为购置设备")
        assert need.closes_at is not None and fixed.closes_at is not None
        assert fixed.closes_at > now() + timedelta(days=2) and fixed.closes_at >= need.closes_at
        assert (fixed.version, fixed.amount_fen) == (2, 200 * WAN)
        assert fixed.exposure is not None and fixed.exposure["this_fen"] == 200 * WAN
        assert refused(lambda: service.correct_need(clerk, need.id, *same, "再改")) is ErrorCode.CORRECTED_ONCE
    before = rows(database, (None, other.id, "bank"), "select facts->>'amount_fen', reason from need_version")
    assert before == [(str(300 * WAN), "改为购置设备")], "banks read what it was and why"
    with transaction(bank[Role.BANK_OFFICER], read_only=True):
        assert session().get_one(Bid, bid.id).state == BidState.LAPSED
    assert "更正" in notices(database, bank)[-1]
    assert bid_service.submit_bid(
        bank[Role.BANK_APPROVER], market_cast.draft_bid(bank, fixed, market_cast.offer(200, months=24), mark="新").id
    ).state == BidState.SUBMITTED
    with pytest.raises(psycopg.errors.CheckViolation, match="does not change"):
        owner_sql(database, "update need set amount_fen = 1 where id = %s", need.id)
    with pytest.raises(psycopg.errors.CheckViolation, match="ck_need_version"):
        owner_sql(database, "update need set amount_fen = 1, version = 3 where id = %s", need.id)


def test_drafts_end_after_ninety_days_and_returned_needs_after_ten_working_days(database: TestDatabase) -> None:
    firm, desk = cast.firm(), cast.platform()[Role.DESK]
    clerk = firm[Role.FIRM_CLERK]
    returned = service.return_need(desk, service.submit_need(clerk, market_cast.draft_need(firm).id).id, ["DUPLICATE"])
    draft = market_cast.draft_need(firm)
    started = now()

    def states_after(days: int) -> tuple[str, str]:
        with time_machine.travel(started + timedelta(days=days), tick=True):
            service.settle_due_needs(SYSTEM)
            with transaction(SYSTEM, read_only=True):
                return session().get_one(Need, draft.id).state, session().get_one(Need, returned.id).state

    assert states_after(13) == (NeedState.DRAFT, NeedState.RETURNED)
    assert states_after(24) == (NeedState.DRAFT, NeedState.LAPSED)
    assert states_after(91) == (NeedState.LAPSED, NeedState.LAPSED)
    with pytest.raises(Refusal):
        service.submit_need(clerk, draft.id)
    assert service.second_round(clerk, draft.id).amount_fen == draft.amount_fen
