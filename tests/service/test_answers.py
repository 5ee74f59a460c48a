"""Banks refuse and ask under the seal: who did nobody reads before closing, and who asked nobody ever but that bank."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import select

from app.core.database import session, transaction
from app.core.errors import ErrorCode
from app.core.models import Paper
from app.core.money import WAN
from app.core.permissions import OrgKind, Role
from app.core.storage import store_paper, take_in
from app.evidence import service as evidence
from app.evidence.rules import Choice
from app.market import answer_queries, answer_service, bid_service, claim_service, service
from app.market.answer_models import Question
from app.market.answer_service import QUESTION
from app.market.answer_words import QuestionState
from app.market.models import Need
from app.market.words import NeedState
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.seal_tools import owner_sql, rows
from tests.service.test_market_lifecycles import refused


def officer(bank: cast.Cast) -> Any:
    """Who refuses and asks."""
    return bank[Role.BANK_OFFICER]


def identity(who: cast.Cast) -> tuple[UUID | None, UUID | None, str | None]:
    """Somebody of an organisation, for SQL."""
    return next(iter(who.people.values())).actor_id, who.id, who.kind.value


@pytest.mark.parametrize(("state", "event"), [(state, event) for state in QuestionState for event in QUESTION.events()])
def test_a_question_ends_once_in_one_of_three_ways(state: QuestionState, event: str) -> None:
    assert (QUESTION.find(state, event) is not None) == (state is QuestionState.ASKED)


def test_refused_by_all_it_named_a_need_ends_and_its_next_round_leaves_them_out(database: TestDatabase) -> None:
    firm, near, far = cast.firm(), cast.bank("珠岸银行"), cast.bank("云城银行")
    clerk = firm[Role.FIRM_CLERK]
    need = market_cast.open_need(firm, banks=(near.id, far.id))
    assert refused(lambda: answer_service.refuse_need(officer(near), need.id, ["OTHER"])) is ErrorCode.REASON_NEEDED
    answer_service.refuse_need(officer(near), need.id, ["DEBT_HIGH", "SALES_LOW"], "请先还清一笔")
    assert refused(lambda: answer_service.refuse_need(officer(near), need.id, ["AMOUNT"])) is ErrorCode.REFUSED_ALREADY

    for who in (firm, far, cast.bureau(), cast.platform()):
        for table in ("need_refusal", "audit_event", "transition", "notice"):
            seen = rows(database, identity(who), f"select 1 from {table} where org_id = %s", near.id)
            assert seen == [], (who.name, table)
    assert rows(database, (None, None, OrgKind.SYSTEM.value), "select 1 from need_refusal") == []
    assert service.settle_due_needs(SYSTEM) == 0, "one of two has refused: nothing happens that could be seen"

    assert refused(lambda: market_cast.draft_bid(near, need)) is ErrorCode.REFUSED_ALREADY
    draft = market_cast.draft_bid(far, need)
    assert refused(lambda: answer_service.refuse_need(officer(far), need.id, ["NO_ROOM"])) is ErrorCode.BID_EXISTS
    bid_service.discard_bid(officer(far), draft.id)
    answer_service.refuse_need(officer(far), need.id, ["NO_ROOM"])
    assert service.settle_due_needs(SYSTEM) == 1
    with transaction(clerk, read_only=True):
        assert session().get_one(Need, need.id).state == NeedState.LAPSED
        told = {row.name: row.reasons for row in answer_queries.refusals(need.id)}
    assert told == {"珠岸银行": ["SALES_LOW", "DEBT_HIGH"], "云城银行": ["NO_ROOM"]}
    assert rows(database, identity(far), "select 1 from need_refusal where org_id = %s", near.id) == [], "no bank of another"

    second = service.second_round(clerk, need.id)
    with transaction(clerk, read_only=True):
        assert service.invited_banks(second.id) == [far.id], "who had no room may be asked again, who refused is left out"
    assert second.round == 2
    for expected in (3, None):
        opened = market_cast.release(service.submit_need(clerk, second.id))
        ended = service.close_need(clerk, opened.id)
        if expected is None:
            assert refused(lambda last=ended: service.second_round(clerk, last.id)) is ErrorCode.ROUNDS_USED_UP
        else:
            second = service.second_round(clerk, ended.id)


def test_one_answer_serves_all_who_asked_and_nobody_learns_who_that_was(database: TestDatabase) -> None:
    firm, first, second, third = cast.firm(), cast.bank("珠岸银行"), cast.bank("云城银行"), cast.bank("岭海农商行")
    clerk = firm[Role.FIRM_CLERK]
    need = market_cast.open_need(firm)
    asked = [answer_service.ask(officer(bank), need.id, "", "CONTRACT") for bank in (first, second)]
    extra = answer_service.ask(officer(first), need.id, "付款对方是谁？")
    assert refused(lambda: answer_service.drop_question(officer(second), extra.id)) is ErrorCode.NOT_FOUND
    answer_service.drop_question(officer(first), extra.id)
    late = answer_service.ask(officer(third), need.id, "现有抵押物？")

    columns = "kind, paper_kind, text, asked_on, due_at::date, state, need_id, seal_id"
    same = rows(database, identity(firm), f"select {columns} from question where id = any(%s)", [one.id for one in asked])
    assert len(same) == 2 and same[0] == same[1], "equal questions of two banks tell nothing of whose they are"
    everybody = [identity(who) for who in (firm, second, third, cast.bureau(), cast.platform(), cast.provider())]
    for who in [*everybody, (None, None, OrgKind.SYSTEM.value), (None, None, None)]:
        for table in ("question_asker", "transition", "audit_event", "outbox", "notice"):
            assert rows(database, who, f"select 1 from {table} where org_id = %s", first.id) == [], (who, table)
    assert rows(database, identity(second), "select id from question") == [(asked[1].id,)]
    assert rows(database, (None, None, OrgKind.SYSTEM.value), "select 1 from question") == []
    notices = rows(database, identity(firm), "select message, params from notice where message like '有银行%%'")
    assert set(map(str, notices)) == {str(notices[0])}

    given = answer_service.answer(clerk, need.id, [one.id for one in asked], "合同见附件", [third.id])
    stored = take_in(io.BytesIO(b"%PDF-1.7 contract"), limit=1000, limit_text="1 KB")
    store_paper(clerk, subject_type="answer", subject_id=given.id, case_id=need.case_id, kind="contract",
                filename="合同.pdf", stored=stored)  # fmt: skip
    fourth = cast.bank("广府银行")
    readers = {bank.name: len(rows(database, identity(bank), "select 1 from answer")) for bank in (first, second, third, fourth)}
    assert readers == {"珠岸银行": 1, "云城银行": 1, "岭海农商行": 1, "广府银行": 0}
    with transaction(officer(second), read_only=True):
        assert [paper.filename for paper in session().scalars(select(Paper))] == ["合同.pdf"]
    assert rows(database, identity(fourth), "select 1 from paper") == []
    assert rows(database, identity(first), "select org_id from answer_bank") == [], "nor whom else the firm named"
    assert refused(lambda: answer_service.answer(clerk, need.id, [asked[0].id], "再答")) is ErrorCode.STATE_CHANGED

    service.close_need(clerk, need.id)
    with transaction(officer(third), read_only=True):
        assert session().get_one(Question, late.id).state == QuestionState.UNANSWERED
    assert rows(database, identity(firm), "select 1 from question_asker") == [], "after closing neither"
    told = owner_sql(database, "select message from notice where org_id = %s order by at", first.id)
    assert told == [("企业答复了本行的提问。",)]


def test_a_corrected_need_is_a_new_question_to_a_bank_that_refused_it(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    clerk = firm[Role.FIRM_CLERK]
    need = market_cast.open_need(firm, banks=(bank.id,))
    answer_service.refuse_need(officer(bank), need.id, ["AMOUNT"])
    assert refused(lambda: claim_service.claim_need(officer(bank), need.id)) is ErrorCode.REFUSED_ALREADY
    terms = service.TermsPart(12, "CREDIT", "ANY", True)
    service.correct_need(clerk, need.id, service.PurposePart(100 * WAN, "PURCHASE", "采购配件"), terms, "金额写多了")
    claim_service.claim_need(officer(bank), need.id)
    bid = market_cast.sealed_bid(bank, need, market_cast.offer(wan=100))
    bid_service.withdraw_bid(bank[Role.BANK_APPROVER], bid.id, "额度用完")
    answer_service.refuse_need(officer(bank), need.id, ["NO_ROOM"])
    again = refused(lambda: market_cast.draft_bid(bank, need, market_cast.offer(wan=100), mark="再"))
    assert again is ErrorCode.REFUSED_ALREADY
    assert service.settle_due_needs(SYSTEM) == 1, "all that were named have refused what it says now"
    with transaction(clerk, read_only=True):
        assert [(row.version, row.reasons) for row in answer_queries.refusals(need.id)] == [(1, ["AMOUNT"]), (2, ["NO_ROOM"])]


def test_a_paper_that_consented_data_replace_cannot_be_asked_for(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    need = market_cast.open_need(firm)
    assert answer_service.ask(officer(bank), need.id, "", "TAX_RETURN").paper_kind == "TAX_RETURN"
    evidence.give_consents(firm[Role.FIRM_CLERK], (Choice(bank.id, ("tax",)),))
    assert refused(lambda: answer_service.ask(officer(bank), need.id, "", "STATEMENTS")) is ErrorCode.DATA_INSTEAD
    assert answer_service.ask(officer(bank), need.id, "", "CONTRACT").state == QuestionState.ASKED
    assert need.closes_at is not None
    with time_machine.travel(need.closes_at + timedelta(seconds=1), tick=True):
        assert refused(lambda: answer_service.ask(officer(bank), need.id, "晚了？")) is ErrorCode.BID_AFTER_CLOSE
