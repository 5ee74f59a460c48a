"""Two at once, twice the same, late clocks, absurd input: the database has the last word."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import event

from app.core import database as portal
from app.core import outbox
from app.core.calendar import now, today
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN, YUAN
from app.core.permissions import Permission, Role
from app.core.use_case import reading
from app.market import bid_queries, bid_service, choice_service, queue, service
from app.market.models import Choice, Need
from app.market.terms import Fee, FeeKind, FeeTime, Payee
from app.market.words import BidState, NeedState
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.seal_tools import at_once, owner_sql


def let_time_pass(database: TestDatabase, need: Need) -> None:
    """The moment for which the need waits has come, and more."""
    owner_sql(
        database,
        "update need set next_check_at = now() - interval '2 hours', closes_at = now() - interval '2 hours' where id = %s",
        need.id,
    )


def test_two_choices_at_once_make_one(database: TestDatabase) -> None:
    firm, bank, rival = cast.firm(), cast.bank(), cast.bank("云城银行")
    need = market_cast.open_need(firm)
    bids = [market_cast.sealed_bid(one, need) for one in (bank, rival)]
    clerk = firm[Role.FIRM_CLERK]
    service.close_need(clerk, need.id)
    results = at_once(*(lambda bid=bid: choice_service.choose_bid(clerk, bid.id) for bid in bids))
    assert sum(isinstance(result, Choice) for result in results) == 1
    assert ErrorCode.CHOICE_EXISTS in results
    assert owner_sql(database, "select count(*) from choice where state = 'LIVE'") == [(1,)]
    assert owner_sql(database, "select state, count(*) from bid group by state order by state") == [("CHOSEN", 1), ("OPENED", 1)]


def test_a_second_live_choice_is_impossible_in_the_database(database: TestDatabase) -> None:
    choice = market_cast.chosen(cast.firm(), cast.bank())
    columns = "award_id, need_id, bid_id, org_id, bank_org_id, case_id, state, amount_fen, cost_sheet, made_at"
    with pytest.raises(psycopg.errors.UniqueViolation) as refused:
        owner_sql(
            database,
            f"insert into choice (id, {columns}) select gen_random_uuid(), {columns} from choice where id = %s",
            choice.id,
        )
    assert refused.value.diag.constraint_name == "uq_choice_live"


def test_a_choice_cannot_name_the_bid_of_another_need(database: TestDatabase) -> None:
    choice = market_cast.chosen(cast.firm(), cast.bank())
    other = market_cast.open_need(cast.firm("广州番禺顺达电子有限公司"))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        owner_sql(database, "update choice set need_id = %s where id = %s", other.id, choice.id)


@pytest.mark.parametrize("attempt", range(3))
def test_a_submission_and_a_closing_at_once_leave_a_bid_in_or_out_and_never_half(database: TestDatabase, attempt: int) -> None:
    firm, bank, rival = cast.firm(), cast.bank(), cast.bank("云城银行")
    need = market_cast.open_need(firm)
    market_cast.sealed_bid(rival, need)
    bid = market_cast.draft_bid(bank, need)
    submitted, closed = at_once(
        lambda: bid_service.submit_bid(bank[Role.BANK_APPROVER], bid.id),
        lambda: service.close_need(firm[Role.FIRM_CLERK], need.id),
    )
    assert closed.state == NeedState.CLOSED
    state = owner_sql(database, "select state from bid where id = %s", bid.id)[0][0]
    assert state == (BidState.LAPSED if submitted is ErrorCode.BID_LATE else BidState.OPENED)


def test_a_form_sent_twice_does_its_work_once(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    need = market_cast.draft_need(firm)
    clerk = firm[Role.FIRM_CLERK].with_token(str(uuid4()))
    assert service.submit_need(clerk, need.id).id == service.submit_need(clerk, need.id).id
    market_cast.release(need)
    officer = bank[Role.BANK_OFFICER].with_token(str(uuid4()))
    terms = market_cast.terms(market_cast.product(bank))
    assert bid_service.draft_bid(officer, need.id, terms).id == bid_service.draft_bid(officer, need.id, terms).id
    with pytest.raises(Refusal) as caught:
        bid_service.draft_bid(officer, need.id, market_cast.terms(market_cast.product(bank, "另一产品")))
    assert caught.value.code is ErrorCode.IDEMPOTENCY
    assert owner_sql(database, "select count(*) from bid") == [(1,)]
    assert owner_sql(database, "select count(*) from transition where event = 'submit' and subject_type = 'need'") == [(1,)]


def test_a_closing_that_comes_late_still_runs_and_runs_once(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    need = market_cast.open_need(firm)
    market_cast.sealed_bid(bank, need)
    assert service.settle_due_needs(SYSTEM) == 0
    let_time_pass(database, need)
    assert service.settle_due_needs(SYSTEM) == 1
    assert service.settle_due_needs(SYSTEM) == 0
    with reading(firm[Role.FIRM_CLERK], Permission.NEED_READ):
        rows = bid_queries.offers(portal.get_or_404(Need, need.id))
    assert [row.best for row in rows] == [True]
    assert owner_sql(database, "select count(*) from transition where event = 'close'") == [(1,)]


def test_two_tickers_close_a_need_once(database: TestDatabase) -> None:
    firm = cast.firm()
    need = market_cast.open_need(firm)
    market_cast.sealed_bid(cast.bank(), need)
    let_time_pass(database, need)
    at_once(*[lambda: service.settle_need(SYSTEM, need.id)] * 2)
    assert owner_sql(database, "select count(*) from transition where event = 'close'") == [(1,)]


def test_a_bid_after_the_hour_is_refused_even_before_the_ticker_has_come(database: TestDatabase) -> None:
    bank = cast.bank()
    need = market_cast.open_need(cast.firm())
    bid = market_cast.draft_bid(bank, need)
    let_time_pass(database, need)
    with pytest.raises(Refusal) as caught:
        bid_service.submit_bid(bank[Role.BANK_APPROVER], bid.id)
    assert caught.value.code is ErrorCode.BID_LATE


def test_offers_not_chosen_in_time_expire_and_both_sides_are_told(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    need = market_cast.open_need(firm)
    bid = market_cast.sealed_bid(bank, need)
    service.close_need(firm[Role.FIRM_CLERK], need.id)
    let_time_pass(database, need)
    service.settle_due_needs(SYSTEM)
    with pytest.raises(Refusal) as caught:
        choice_service.choose_bid(firm[Role.FIRM_CLERK], bid.id)
    assert caught.value.code is ErrorCode.STATE_CHANGED
    told = {row[0] for row in owner_sql(database, "select org_id from notice where message like '%%失效%%'")}
    assert told == {firm.id, bank.id}


def test_an_expired_bid_cannot_be_chosen(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    need = market_cast.open_need(firm)
    bid = market_cast.sealed_bid(bank, need)
    service.close_need(firm[Role.FIRM_CLERK], need.id)
    owner_sql(database, "alter table bid disable trigger bid_gate")
    owner_sql(database, "update bid set valid_until = %s", today() - timedelta(days=1))
    owner_sql(database, "alter table bid enable trigger bid_gate")
    with pytest.raises(Refusal) as caught:
        choice_service.choose_bid(firm[Role.FIRM_CLERK], bid.id)
    assert caught.value.sentence == "这份报价已过有效期，请选择其他报价或重新发起需求。"


BAD_OFFERS = {
    "no amount": (market_cast.offer(wan=0), "amount"),
    "a negative amount": (market_cast.offer(wan=-300), "amount"),
    "more than was asked for": (market_cast.offer(wan=301), "amount"),
    "a rate of nothing": (market_cast.offer(percent="0"), "annual_rate"),
    "a slipped decimal point": (market_cast.offer(percent="385"), "annual_rate"),
    "a term of no month": (market_cast.offer(months=0), "term_months"),
    "a banned commitment fee": (market_cast.offer(fees=(Fee(FeeKind.COMMITMENT, 100 * YUAN, Payee.BANK),)), "fees"),
    "a fee for entrusted payment": (market_cast.offer(fees=(Fee(FeeKind.ENTRUSTED_PAYMENT, 100 * YUAN, Payee.BANK),)), "fees"),
    "a negative fee": (market_cast.offer(fees=(Fee(FeeKind.APPRAISAL, -1, Payee.APPRAISER),)), "fees"),
    "fees that eat the loan": (
        market_cast.offer(fees=(Fee(FeeKind.GUARANTEE, 299 * WAN, Payee.GUARANTOR), Fee(FeeKind.NOTARY, 2 * WAN, Payee.NOTARY))),
        "fees",
    ),
    "a fee every zero months": (
        market_cast.offer(fees=(Fee(FeeKind.GUARANTEE, YUAN, Payee.GUARANTOR, FeeTime.PERIODIC, 0),)),
        "fees",
    ),
}


def test_an_absurd_offer_is_refused_at_the_field_that_is_wrong(database: TestDatabase) -> None:
    bank = cast.bank()
    need = market_cast.open_need(cast.firm())
    product = market_cast.product(bank)
    for what, (money, field) in BAD_OFFERS.items():
        with pytest.raises(Refusal) as caught:
            bid_service.draft_bid(bank[Role.BANK_OFFICER], need.id, market_cast.terms(product, money))
        assert (caught.value.code, caught.value.field) == (ErrorCode.BID_INVALID, field), what
    soon = market_cast.terms(product, valid_until=date(2020, 1, 1))
    with pytest.raises(Refusal) as caught:
        bid_service.draft_bid(bank[Role.BANK_OFFICER], need.id, soon)
    assert caught.value.field == "valid_until"


def test_the_choice_is_told_to_the_rooms_that_come_after(database: TestDatabase) -> None:
    told: list[tuple[str, str]] = []
    for topic in ("need.published", "choice.made"):
        outbox.handles(topic, f"test.{topic}")(lambda ctx, payload, topic=topic: told.append((topic, *payload.values())))
    try:
        choice = market_cast.chosen(cast.firm(), cast.bank())
        outbox.drain()
        assert told == [("need.published", str(choice.need_id)), ("choice.made", str(choice.id))]
    finally:
        for topic in ("need.published", "choice.made"):
            outbox._handlers.pop(f"test.{topic}")


def test_the_pool_marks_a_need_and_nobody_else_may(database: TestDatabase) -> None:
    firm = cast.firm()
    need = market_cast.open_need(firm)
    service.mark_bookable(SYSTEM, need.id, True, ["借款人属于小微企业"])
    assert owner_sql(database, "select bookable, bookable_reasons from need") == [(True, ["借款人属于小微企业"])]
    with pytest.raises(Refusal) as caught:
        service.mark_bookable(firm[Role.FIRM_CLERK], need.id, True, [])
    assert caught.value.code is ErrorCode.FORBIDDEN


def test_the_queue_costs_as_many_statements_for_fifty_needs_as_for_one(database: TestDatabase) -> None:
    bank = cast.bank()
    market_cast.product(bank)
    market_cast.open_need(cast.firm("广州第一企业"))
    need = market_cast.open_need(cast.firm("广州第二企业"))
    fill_with_copies(database, need, 50)
    statements: list[str] = []

    def count(*call: Any) -> None:
        statements.append(call[2])

    event.listen(portal.engine(), "before_cursor_execute", count)
    try:
        with reading(bank[Role.BANK_OFFICER], Permission.QUEUE_READ):
            rows = queue.rank(bank[Role.BANK_OFFICER], portal.session().execute(queue.open_needs()).all())
            assert len(queue.with_names(rows)) == 52
    finally:
        event.remove(portal.engine(), "before_cursor_execute", count)
    assert len(statements) <= 8, statements


def fill_with_copies(database: TestDatabase, need: Need, count: int) -> None:
    """Copies of a need, each with a firm, case and seal of its own, past the wizard."""
    columns = [
        row[0]
        for row in owner_sql(
            database, "select column_name from information_schema.columns where table_name = 'need' order by ordinal_position"
        )
    ]
    for number in range(count):
        firm, case, seal = uuid4(), uuid4(), uuid4()
        code = f"91440112MA9{number:06d}X"
        owner_sql(
            database,
            "insert into organisation select %s, kind, name, %s, state, created_at from organisation where id = %s",
            firm,
            code,
            need.org_id,
        )
        firm_columns = [
            row[0]
            for row in owner_sql(
                database,
                "select column_name from information_schema.columns where table_name = 'enterprise' order by ordinal_position",
            )
        ]
        changed = {"id": f"'{firm}'", "uscc": f"'{code}'", "firm_no": str(900_000 + number)}
        copied = ", ".join(changed.get(name, name) for name in firm_columns)
        owner_sql(
            database,
            f"insert into enterprise ({', '.join(firm_columns)}) select {copied} from enterprise where id = %s",
            need.org_id,
        )
        owner_sql(
            database,
            "insert into case_file select %s, %s, kind, %s, title, opened_at from case_file where id = %s",
            case,
            f"HQ-TEST-{number}",
            firm,
            need.case_id,
        )
        owner_sql(database, "insert into seal values (%s)", seal)
        changed = {"id": "gen_random_uuid()", "org_id": f"'{firm}'", "case_id": f"'{case}'", "seal_id": f"'{seal}'"}
        copied = ", ".join(changed.get(name, name) for name in columns)
        owner_sql(database, f"insert into need ({', '.join(columns)}) select {copied} from need where id = %s", need.id)


def test_the_queue_ranks_what_fits_the_bank_first_and_hides_nothing(database: TestDatabase) -> None:
    bank = cast.bank()
    market_cast.product(bank, industries=("34",), districts=("440112",), max_amount_fen=400 * WAN)
    fits = market_cast.open_need(cast.firm())
    misfit = market_cast.open_need(cast.firm("增城丰谷合作社", industry_code="01", district="440118"), wan=900, months=60)
    with reading(bank[Role.BANK_OFFICER], Permission.QUEUE_READ):
        rows = queue.rank(bank[Role.BANK_OFFICER], portal.session().execute(queue.open_needs()).all())
    scores = {row.id: row.score for row in rows}
    assert scores[fits.id] > scores[misfit.id] > 0
    assert all(row.closes_at > now() and row.name == "" for row in rows)
