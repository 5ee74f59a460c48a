"""What the database itself refuses a bank that writes past the portal: after the hour, and once a bid is handed in."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Role
from app.market import bid_service, choice_service, service
from app.market.bid_words import ConditionKind, TieKind
from app.market.offer_rules import Condition, Tie, check_against_product
from app.market.terms import RepaymentMethod
from tests import cast, market_cast
from tests.cast import Cast
from tests.database import TestDatabase
from tests.seal_tools import owner_sql, rows


def refused_by(database: TestDatabase, bank: Cast, sql: str, *values: Any) -> str:
    """The constraint on which a statement of the bank fails."""
    identity = (bank[Role.BANK_APPROVER].actor_id, bank.id, "bank")
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        rows(database, identity, sql, *values)
    return refused.value.diag.constraint_name or ""


def test_the_hour_is_kept_by_the_database_while_the_ticker_has_not_come(database: TestDatabase) -> None:
    bank = cast.bank()
    need = market_cast.open_need(cast.firm())
    bid = market_cast.draft_bid(bank, need)
    bid_service.propose_bid(bank[Role.BANK_OFFICER], bid.id)
    owner_sql(database, "update need set closes_at = clock_timestamp() - interval '1 millisecond' where id = %s", need.id)

    approver = bank[Role.BANK_APPROVER].actor_id
    late = "update bid set state = 'SUBMITTED', submitted_by = %s, submitted_at = '2020-01-01' where id = %s returning id"
    assert refused_by(database, bank, late, approver, bid.id) == "ck_bid_before_close"
    with pytest.raises(Refusal) as caught:
        bid_service.submit_bid(bank[Role.BANK_APPROVER], bid.id)
    assert caught.value.code is ErrorCode.BID_LATE
    times = re.findall(r"\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", caught.value.sentence)
    assert len(times) == 2 and times[0] < times[1], "both times, to the millisecond"
    facts = "select subject_id, facts ? 'closed', facts ? 'arrived' from audit_event where action = 'bid.late'"
    on_record = owner_sql(database, facts)
    assert on_record == [(bid.id, True, True)]


def test_a_bid_that_was_handed_in_says_for_ever_what_it_said(database: TestDatabase) -> None:
    bank = cast.bank()
    need = market_cast.open_need(cast.firm())
    bid = market_cast.sealed_bid(bank, need)
    told = owner_sql(database, "select submitted_at between now() - interval '1 minute' and clock_timestamp() from bid")
    assert told == [(True,)]
    rewritten = (
        "simple_rate = 0.01", "interest_fen = 1", "fees_fen = 0", "working = '[]'", "drafted_by = null", "drafted_at = now()",
        "submitted_at = now() - interval '1 hour'", "submitted_by = null", "state = 'DRAFT'", "state = 'PROPOSED'",
    )  # fmt: skip
    for change in rewritten:
        found = refused_by(database, bank, f"update bid set {change} where id = %s returning id", bid.id)
        assert found == "ck_bid_frozen", change
    chosen = refused_by(database, bank, "update bid set state = 'CHOSEN' where id = %s returning id", bid.id)
    assert chosen == "ck_bid_settled", "a bank does not choose itself"

    copied = "insert into bid select (jsonb_populate_record(b, jsonb_build_object('id', %s::text))).* from bid b returning id"
    assert refused_by(database, bank, copied, str(uuid4())) == "ck_bid_begins_as_draft"
    owner_sql(database, "update need set closes_at = clock_timestamp() - interval '1 millisecond' where id = %s", need.id)
    back = refused_by(database, bank, "update bid set state = 'WITHDRAWN' where id = %s returning id", bid.id)
    assert back == "ck_bid_before_close", "after the hour it binds, also before the envelope is opened"


def test_a_bid_keeps_to_its_product_and_says_what_is_tied_to_it(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    officer, approver = bank[Role.BANK_OFFICER], bank[Role.BANK_APPROVER]
    need = market_cast.open_need(firm)
    small = market_cast.product(bank, "小额贷", max_amount_fen=200 * WAN, min_term_months=6)

    def refused(money: Any, **options: Any) -> tuple[ErrorCode, str | None]:
        with pytest.raises(Refusal) as caught:
            bid_service.draft_bid(officer, need.id, market_cast.terms(small, money, **options))
        return caught.value.code, caught.value.field

    assert refused(market_cast.offer(wan=300)) == (ErrorCode.BID_INVALID, "amount"), "above what the product lends"
    assert refused(market_cast.offer(wan=200, months=3)) == (ErrorCode.BID_INVALID, "term_months")
    money = market_cast.offer(wan=200)
    for tie in (Tie(TieKind.DEPOSIT, True), Tie(TieKind.WEALTH, True), Tie(TieKind.OTHER), Tie(TieKind.MARGIN, True)):
        assert refused(money, ties=(tie,)) == (ErrorCode.BID_INVALID, "ties"), tie

    bid = bid_service.draft_bid(officer, need.id, market_cast.terms(small, money, ties=None))
    with pytest.raises(Refusal) as caught:
        bid_service.propose_bid(officer, bid.id)
    assert caught.value.code is ErrorCode.TIES_UNDECLARED
    handed_on = "update bid set state = 'PROPOSED' where id = %s returning id"
    assert refused_by(database, bank, handed_on, bid.id) == "ck_bid_ties_declared"
    banned = "insert into bid_tie select id, 1, org_id, seal_id, 'DEPOSIT', true, '' from bid returning bid_id"
    assert refused_by(database, bank, banned) == "ck_bid_tie_banned"

    ties = (Tie(TieKind.SETTLEMENT, required=True), Tie(TieKind.MARGIN, True, "存单 20 万元质押"), Tie(TieKind.CARD))
    conditions = (Condition(ConditionKind.OWNER_LIABLE), Condition(ConditionKind.RECEIVABLE_CONFIRMED, "对中船公司的应收账款"))
    bid = bid_service.edit_bid(officer, bid.id, market_cast.terms(small, money, ties=ties, conditions=conditions, remark="面谈"))
    bid_service.propose_bid(officer, bid.id)
    gone = refused_by(database, bank, "delete from bid_condition where bid_id = %s and no = 1 returning no", bid.id)
    assert gone == "ck_bid_frozen"
    bid_service.submit_bid(approver, bid.id)
    service.close_need(firm[Role.FIRM_CLERK], need.id)
    sheet = choice_service.choose_bid(firm[Role.FIRM_CLERK], bid.id).cost_sheet
    assert [one["kind"] for one in sheet["demands"]] == ["OWNER_LIABLE", "RECEIVABLE_CONFIRMED", "PAPERS_TRUE", "NOTHING_WORSE"]
    assert [(one["kind"], one["required"]) for one in sheet["ties"]] == [("SETTLEMENT", True), ("MARGIN", True), ("CARD", False)]
    assert sheet["conditions"] == "面谈", "a remark, without force"


def test_a_product_that_has_a_range_of_rates_and_methods_keeps_bids_within_it() -> None:
    facts = {
        "min_amount_fen": WAN, "max_amount_fen": 500 * WAN, "min_term_months": 1, "max_term_months": 12,
        "min_rate": "0.0350", "max_rate": "0.0420", "repayments": ["EQUAL_INSTALMENT"],
    }  # fmt: skip
    fields = [problem.field for problem in check_against_product(market_cast.offer(percent="4.35"), facts)]
    assert fields == ["method", "annual_rate"]
    assert check_against_product(market_cast.offer(percent="4.2", method=RepaymentMethod.EQUAL_INSTALMENT), facts) == []
