"""A firm takes several banks together: sealed like any bid, each part a decision and a promise of its own, never too much."""

from __future__ import annotations

from contextlib import closing
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

from app.core import outbox
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Permission, Role
from app.core.use_case import reading
from app.loans import service as loans
from app.loans.models import Loan
from app.loans.queries import debts_of
from app.loans.service import Drawdown
from app.market import award_service, bid_service, choice_service, next_best, service
from app.market.bid_models import Award, Bid, Choice
from app.market.bid_words import ObjectionReason
from app.market.choice_service import Pick
from app.market.part_rules import PartFees, PartTerms
from app.market.standing_service import count_due as count_due  # its handlers count what banks did
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.seal_tools import at_once, owner_sql, rows

CLERK, OFFICER, APPROVER = Role.FIRM_CLERK, Role.BANK_OFFICER, Role.BANK_APPROVER
SCALED = PartTerms(50 * WAN, PartFees.SCALED)


class Syndicate:
    """A need of 300 万元 that takes parts, with four bids: 甲 300 from 50 on, 乙 100 whole, 丙 260 whole, 丁 200 from 50 on."""

    def __init__(self, *, closes: bool = True) -> None:
        self.firm = cast.firm()
        self.banks = [cast.bank(name) for name in ("甲银行", "乙银行", "丙银行", "丁银行")]
        self.need = market_cast.open_need(self.firm, parts=True)
        terms = ((300, "3.85", SCALED), (100, "3.45", None), (260, "3.60", None), (200, "3.95", SCALED))
        self.bids = [
            market_cast.sealed_bid(bank, self.need, market_cast.offer(wan, rate), parts=parts)
            for bank, (wan, rate, parts) in zip(self.banks, terms, strict=True)
        ]
        if closes:
            service.close_need(self.firm[CLERK], self.need.id)

    def choose(self, **wan: int) -> list[Choice]:
        """Takes amounts of the bids a, b, c, d; the promises that stand, as they were made."""
        picks = tuple(Pick(self.bids["abcd".index(name)].id, amount * WAN) for name, amount in wan.items())
        choice_service.choose_parts(self.firm[CLERK], self.need.id, picks)
        with transaction(SYSTEM, read_only=True):
            made = select(Choice).join(Award, Award.id == Choice.award_id).where(Award.state == "STANDSTILL")
            return sorted(session().scalars(made), key=lambda one: [bid.id for bid in self.bids].index(one.bid_id))

    def states(self, database: TestDatabase) -> tuple[str, str]:
        """State of the need, and the first letters of the bids' in their order."""
        found = dict(owner_sql(database, "select id, state from bid"))
        need = owner_sql(database, "select state from need where id = %s", self.need.id)[0][0]
        return need, " ".join(found[bid.id] for bid in self.bids)

    def loan(self, choice: Choice) -> Loan:
        """The loan of a promise that binds."""
        outbox.drain()
        with transaction(SYSTEM, read_only=True):
            return session().scalars(select(Loan).where(Loan.choice_id == choice.id)).one()

    def draw(self, number: int, loan: Loan) -> None:
        """The bank approves and lends."""
        bank = self.banks[number]
        loans.approve_loan(bank[APPROVER], loan.id)
        loans.report_drawdown(bank[OFFICER], loan.id, Drawdown(loan.amount_fen, loan.opened_at.date(), "合同", f"借据-{number}"))


def refused(call: Any) -> ErrorCode:
    """The code with which the portal says no."""
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value.code


def test_what_a_bank_lends_beside_others_is_as_sealed_as_the_rest(database: TestDatabase) -> None:
    city = Syndicate(closes=False)
    everybody = [
        (None, city.firm.id, "enterprise"), (None, city.banks[1].id, "bank"), (None, None, "bureau"), (None, None, "platform"),
        (None, None, "system"),
    ]
    asked = "select min_part_fen, part_fees from bid where need_id = %s and min_part_fen is not null and org_id = %s"
    own = (None, city.banks[0].id, "bank")
    assert rows(database, own, asked, city.need.id, city.banks[0].id) == [(50 * WAN, "SCALED")]
    for who in everybody:
        assert rows(database, who, asked, city.need.id, city.banks[0].id) == [], who
    told = owner_sql(database, "select canonical from bid_receipt where bid_id = %s", city.bids[0].id)[0][0]
    assert '"min_part_fen":50000000' in told and '"allows_parts":true' in told, "the receipt binds the part too"
    service.close_need(city.firm[CLERK], city.need.id)
    assert rows(database, everybody[0], asked, city.need.id, city.banks[0].id) == [(50 * WAN, "SCALED")]
    assert rows(database, everybody[1], asked, city.need.id, city.banks[0].id) == [], "other banks read no bid ever"


def test_two_parts_reach_the_amount_and_one_that_falls_is_found_anew_while_the_other_stands(database: TestDatabase) -> None:
    city = Syndicate()
    clerk, (first, second, third, fourth) = city.firm[CLERK], city.banks
    for wan in ({"a": 50, "c": 260}, {"a": 100, "b": 100}, {"b": 50, "a": 250}, {"a": 301}):
        assert refused(lambda wan=wan: city.choose(**wan)) is ErrorCode.PARTS_SUM, wan
    large, small = city.choose(a=200, b=100)
    assert city.states(database) == ("CHOSEN", "CHOSEN CHOSEN OPENED OPENED")
    sheet = large.cost_sheet
    assert (sheet["amount_fen"], sheet["bid_amount_fen"], sheet["fees"][0]["amount_fen"]) == (200 * WAN, 300 * WAN, 133_333)
    assert (sheet["interest_fen"], sheet["total_extra_fen"]) == (7_700_004, 7_833_337), "twelve months, each to the fen"
    awards = owner_sql(database, "select amount_fen / 1000000, state, part from award order by amount_fen")
    assert awards == [(100, "STANDSTILL", True), (200, "STANDSTILL", True)], "a decision for each part"
    assert refused(lambda: service.withdraw_need(clerk, city.need.id, "不借了")) is ErrorCode.STATE_CHANGED

    # 丙 objects: both parts wait, each for its own answer; the one that is answered binds alone.
    desk = cast.platform()[Role.DESK]
    award_service.object_to(third[APPROVER], city.need.id, ObjectionReason.OTHER, "我们可以放 260 万")
    assert refused(lambda: award_service.object_to(third[APPROVER], city.need.id, ObjectionReason.OTHER, "再说一次")) \
        is ErrorCode.ALREADY_DONE
    objections = dict(owner_sql(database, "select award_id, id from objection"))
    assert set(objections) == {large.award_id, small.award_id}
    award_service.judge(desk, objections[large.award_id], uphold=False, answer="企业可以自由组合")
    market_cast.let_stand(large)
    assert city.states(database)[1] == "CHOSEN CHOSEN OPENED OPENED", "the others wait for the part that stands still"
    award_service.judge(desk, objections[small.award_id], uphold=False, answer="企业可以自由组合")
    market_cast.let_stand(small)
    assert city.states(database)[1] == "CHOSEN CHOSEN LOST LOST"

    # Each bank has a loan of its part, and sees nothing of the other's.
    big_loan, small_loan = city.loan(large), city.loan(small)
    assert (big_loan.amount_fen, small_loan.amount_fen) == (200 * WAN, 100 * WAN)
    assert big_loan.case_id == small_loan.case_id
    with reading(clerk, Permission.NEED_READ):
        assert [debt.amount_fen for debt in debts_of(city.firm.id)] == [200 * WAN, 100 * WAN], "the firm's exposure has both"
    loans.approve_loan(first[APPROVER], big_loan.id)
    steps = ("select count(*) from transition where subject_type in ('loan', 'choice', 'award') and case_id = %s "
             "and subject_id <> all(%s)")
    for bank, ours in ((first, [big_loan.id, large.id, large.award_id]), (second, [small_loan.id, small.id, small.award_id])):
        seen = rows(database, (None, bank.id, "bank"), "select amount_fen from loan")
        assert seen == [(200 * WAN,)] if bank is first else seen == [(100 * WAN,)]
        assert rows(database, (None, bank.id, "bank"), steps, big_loan.case_id, ours) == [(0,)]

    # 乙 refuses on a condition: 丁 may fill its part, 丙 is too large, 甲 stands and lends meanwhile.
    loans.refuse_loan(second[APPROVER], small_loan.id, "新增诉讼", condition_no=2)
    assert city.states(database) == ("CLOSED", "CHOSEN LAPSED LOST OPENED")
    assert refused(lambda: service.withdraw_need(clerk, city.need.id, "不借了")) is ErrorCode.PARTS_STAND
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        owner_sql(database, "update need set state = 'WITHDRAWN', choose_by = null where id = %s", city.need.id)
    assert caught.value.diag.constraint_name == "ck_need_parts_stand"
    loans.report_drawdown(first[OFFICER], big_loan.id, Drawdown(200 * WAN, big_loan.opened_at.date(), "合同", "借据-0"))
    assert refused(lambda: city.choose(d=150)) is ErrorCode.PARTS_SUM
    [again] = city.choose(d=100)
    market_cast.let_stand(again)
    city.draw(3, city.loan(again))
    assert city.states(database) == ("CHOSEN", "CHOSEN LAPSED LOST CHOSEN")
    ended = owner_sql(database, "select bank_org_id, amount_fen / 1000000, outcome from choice order by made_at, amount_fen desc")
    assert ended == [(first.id, 200, "KEPT"), (second.id, 100, "EXCUSED"), (fourth.id, 100, "KEPT")]
    outbox.drain()
    records = owner_sql(database, "select org_id, kind from bank_record where kind in ('CHOSEN', 'KEPT', 'BROKEN', 'EXCUSED')")
    assert sorted(kind for org, kind in records if org == second.id) == ["CHOSEN", "EXCUSED"]
    assert sorted(kind for org, kind in records if org in (first.id, fourth.id)) == ["CHOSEN", "CHOSEN", "KEPT", "KEPT"]
    assert owner_sql(database, "select number from loan order by number") == [
        (f"{big_loan.number.split('/')[0]}/{number}",) for number in (1, 2, 3)
    ]


def test_a_part_that_nobody_fills_leaves_the_others_as_they_are(database: TestDatabase) -> None:
    city = Syndicate()
    clerk = city.firm[CLERK]
    large, small = city.choose(a=200, b=100)
    award_service.undo_award(clerk, small.award_id, "再比较一下")
    assert city.states(database) == ("CLOSED", "CHOSEN OPENED OPENED OPENED"), "one part is thought over"
    assert refused(lambda: choice_service.choose_bid(clerk, city.bids[2].id)) is ErrorCode.PARTS_SUM
    choice_service.choose_bid(clerk, city.bids[1].id)
    with transaction(SYSTEM, read_only=True):
        again = session().scalars(select(Choice).where(Choice.bid_id == city.bids[1].id, Choice.state == "LIVE")).one()
    for choice in (large, again):
        market_cast.let_stand(choice)
    small_loan, large_loan = city.loan(again), city.loan(large)
    owner_sql(database, "update choice set next_check_at = now() - interval '1 hour' where id = %s", again.id)
    assert choice_service.break_due_promises(SYSTEM) == 1
    assert city.states(database) == ("CLOSED", "CHOSEN LAPSED LOST OPENED")
    owner_sql(database, "update need set next_check_at = now() - interval '1 hour' where id = %s", city.need.id)
    assert service.settle_due_needs(SYSTEM) == 1
    assert city.states(database) == ("CHOSEN", "CHOSEN LAPSED LOST LOST"), "time goes on with less"
    outbox.drain()
    assert owner_sql(database, "select state from loan where id = %s", small_loan.id) == [("REFUSED",)]

    # The last part falls too: what still binds is called back for the whole amount; the firm takes less of it.
    loans.refuse_loan(city.banks[0][APPROVER], large_loan.id, "报表不实", condition_no=1)
    assert city.states(database) == ("CLOSED", "LAPSED LAPSED OPENED OPENED")
    assert refused(lambda: next_best.go_on_with_less(clerk, city.need.id)) is ErrorCode.STATE_CHANGED, "less than nothing"
    city.choose(c=260)
    assert city.states(database) == ("CHOSEN", "LAPSED LAPSED CHOSEN OPENED"), "one bank alone may lend less"


def test_the_firm_goes_on_with_less(database: TestDatabase) -> None:
    city = Syndicate()
    large, small = city.choose(a=200, b=100)
    market_cast.let_stand(large)
    award_service.undo_award(city.firm[CLERK], small.award_id, "够用了")
    next_best.go_on_with_less(city.firm[CLERK], city.need.id)
    assert city.states(database) == ("CHOSEN", "CHOSEN LOST LOST LOST")
    loans.refuse_loan(city.banks[0][APPROVER], city.loan(large).id, "报表不实", condition_no=1)
    assert city.states(database) == ("CLOSED", "LAPSED OPENED OPENED OPENED"), "the next best, for the whole amount"


def test_a_need_that_takes_no_parts_has_one_bank(database: TestDatabase) -> None:
    firm, bank, rival = cast.firm(), cast.bank(), cast.bank("云城银行")
    need = market_cast.open_need(firm)
    code = refused(lambda: market_cast.draft_bid(bank, need, parts=SCALED, mark="联合"))
    assert code is ErrorCode.BID_INVALID, "the firm takes no parts"
    bid = market_cast.sealed_bid(bank, need, market_cast.offer(200))
    other = market_cast.draft_bid(rival, need, market_cast.offer(100))
    posted = "update bid set min_part_fen = 50000000, part_fees = 'SAME', state = 'PROPOSED' where id = %s"
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        owner_sql(database, posted, other.id)
    assert caught.value.diag.constraint_name == "ck_bid_parts_allowed"
    bid_service.submit_bid(rival[APPROVER], other.id)
    service.close_need(firm[CLERK], need.id)
    picks = (Pick(bid.id, 200 * WAN), Pick(other.id, 100 * WAN))
    assert refused(lambda: choice_service.choose_parts(firm[CLERK], need.id, picks)) is ErrorCode.PARTS_SUM
    choice_service.choose_bid(firm[CLERK], bid.id)
    with pytest.raises(psycopg.errors.UniqueViolation) as unique:
        award(database, firm.id, need.id, other.id, 100, part=False)
    assert unique.value.diag.constraint_name == "uq_award_live"
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        award(database, firm.id, need.id, other.id, 100, part=True)
    assert caught.value.diag.constraint_name == "ck_award_standstill", "a decision is a part where the need takes parts"


AWARD = """
with decided as (
  insert into award (id, need_id, org_id, case_id, state, amount_fen, part, standstill_until, made_at)
  select %(award)s, n.id, n.org_id, n.case_id, 'STANDSTILL', %(fen)s, %(part)s, now() + interval '1 day', now()
    from need n where n.id = %(need)s)
select 1
"""
CHOICE = """
insert into choice (id, award_id, need_id, bid_id, org_id, bank_org_id, case_id, state, amount_fen, cost_sheet, made_at)
  select gen_random_uuid(), %(award)s, b.need_id, b.id, n.org_id, b.org_id, b.case_id, 'LIVE', %(fen)s, '{}', now()
    from bid b join need n on n.id = b.need_id where b.id = %(bid)s
"""


def award(database: TestDatabase, firm: UUID, need: UUID, bid: UUID, wan: int, *, part: bool = True, hold: Any = None) -> None:
    """A decision written past the portal as the firm; ``hold`` is called before the end of its transaction."""
    dsn = make_url(database.app_url).set(drivername="postgresql").render_as_string(hide_password=False)
    values = {"award": uuid4(), "need": need, "bid": bid, "fen": wan * WAN, "part": part}
    with closing(psycopg.connect(dsn)) as connection, connection:
        connection.execute("select set_config('hq.org', %s, true), set_config('hq.kind', 'enterprise', true)", [str(firm)])
        connection.execute(AWARD, values)
        connection.execute(CHOICE, values)
        if hold is not None:
            hold()


def test_together_the_parts_never_exceed_the_need_even_when_two_decide_at_once(database: TestDatabase) -> None:
    city = Syndicate()
    ids = (city.firm.id, city.need.id)
    for bid, wan in ((city.bids[1], 50), (city.bids[0], 40), (city.bids[2], 200)):
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            award(database, *ids, bid.id, wan)
        assert caught.value.diag.constraint_name == "ck_choice_part", "no part below the least, none of a whole bid"
    ended: list[str] = []

    def second() -> None:
        try:
            award(database, *ids, city.bids[3].id, 200)
        except psycopg.errors.CheckViolation as error:
            ended.append(str(error.diag.constraint_name))
        else:
            ended.append("both")

    other = Thread(target=second)

    def meanwhile() -> None:
        other.start()
        other.join(0.5)
        assert other.is_alive(), "the second waits for the first"

    award(database, *ids, city.bids[0].id, 200, hold=meanwhile)
    other.join()
    assert ended == ["ck_choice_sum"]
    award(database, *ids, city.bids[1].id, 100)
    assert owner_sql(database, "select sum(amount_fen) / 1000000 from choice where state <> 'CANCELLED'") == [(300,)]


def test_two_mixes_at_once_make_one(database: TestDatabase) -> None:
    city = Syndicate()
    clerk = city.firm[CLERK]
    a, b, _, d = (bid.id for bid in city.bids)
    mixes = (Pick(a, 200 * WAN), Pick(b, 100 * WAN)), (Pick(a, 100 * WAN), Pick(d, 200 * WAN))
    results = at_once(*(lambda picks=picks: choice_service.choose_parts(clerk, city.need.id, picks) for picks in mixes))
    assert ErrorCode.CHOICE_EXISTS in results
    held = "select count(*), sum(amount_fen) / 1000000 from choice where state = 'LIVE'"
    assert owner_sql(database, held) == [(2, 300)]
    with transaction(SYSTEM, read_only=True):
        assert {session().get_one(Bid, bid).state for bid in (a, b, d)} == {"CHOSEN", "OPENED"}
