"""A restructured loan (重组展期): what is put off, what it costs meanwhile, and which class it may have while it is watched."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.money import WAN, YUAN
from app.loans.rules import FiveClass, PutOff, Repayment, five_class, observed, position, watched
from app.market.rules import REGULAR_MONTHS, Instalment, RepaymentMethod, schedule
from app.market.schedules import DayCount, share_of_year

START = date(2026, 1, 15)
RATE = Decimal("0.06")
NORMAL, MENTION, SUBSTANDARD, DOUBTFUL = list(FiveClass)[:4]


def loan(method: RepaymentMethod = RepaymentMethod.EQUAL_PRINCIPAL) -> list[Instalment]:
    """120 万 at 6 % over twelve months: equal principal is 10 万 a month, interest of the first month 6,000 yuan."""
    return schedule(120 * WAN, RATE, 12, method, START, REGULAR_MONTHS)


def put_off(on: date, days: int = 90, before: FiveClass = MENTION, count: DayCount = DayCount.ACT_360) -> PutOff:
    return PutOff(on, days, RATE, count, before)


def test_the_days_before_a_restructure_are_judged_by_the_due_dates_they_had() -> None:
    rows, later = loan(), put_off(date(2026, 6, 1))
    day_before, day_after = date(2026, 5, 31), date(2026, 6, 1)
    assert position(rows, [], day_before, [later]).overdue_days == position(rows, [], day_before).overdue_days == 105
    assert five_class(position(rows, [], day_before, [later]).overdue_days, None) is SUBSTANDARD
    assert position(rows, [], day_after, [later]).overdue_days == 16, "15 February became 16 May"
    assert position(rows, [], day_after, [put_off(day_after, 120)]).overdue_days == 0


def test_what_is_paid_keeps_its_day_and_what_is_left_falls_due_later_even_of_an_instalment_paid_in_part() -> None:
    rows = loan()
    paid = [Repayment(rows[0].due, rows[0].total_fen), Repayment(rows[1].due, rows[1].interest_fen + 7 * WAN)]
    after = position(rows, paid, date(2026, 4, 1), [put_off(date(2026, 4, 1))])
    assert [row.instalment.due for row in after.rows[:2]] == [rows[0].due, rows[1].due + timedelta(days=90)]
    assert after.rows[1].principal_left_fen == 3 * WAN
    assert (after.principal_repaid_fen, after.principal_left_fen, after.overdue_days) == (17 * WAN, 103 * WAN, 0)


def test_the_principal_still_out_goes_on_costing_interest_while_it_is_put_off() -> None:
    """120 万 × 6 % × 90 / 360 = 18,000 yuan, once, due with the first instalment that was put off."""
    rows = loan()
    after = position(rows, [], date(2026, 2, 1), [put_off(date(2026, 2, 1))]).rows
    assert after[0].interest_left_fen - rows[0].interest_fen == 18_000 * YUAN
    assert [row.interest_left_fen for row in after[1:]] == [row.interest_fen for row in rows[1:]]
    paid = [Repayment(rows[0].due, rows[0].total_fen + 50 * WAN)]
    less = position(rows, paid, date(2026, 3, 1), [put_off(date(2026, 3, 1))]).rows
    assert sum(row.instalment.interest_fen for row in less) - sum(row.interest_fen for row in rows) == 9_000 * YUAN, "60万 out"


@pytest.mark.parametrize(("count", "expected"), [
    (DayCount.THIRTY_360, Decimal(90) / 360), (DayCount.ACT_360, Decimal(89) / 360), (DayCount.ACT_365, Decimal(89) / 365),
])
def test_the_days_that_cost_are_counted_as_the_loan_counts_them(count: DayCount, expected: Decimal) -> None:
    assert abs(share_of_year(date(2026, 1, 31), date(2026, 4, 30), count) - expected) < Decimal("1e-27")


def test_a_restructured_loan_is_watched_for_a_year_and_no_better_than_special_mention_meanwhile() -> None:
    on = date(2026, 3, 1)
    first = [put_off(on, before=NORMAL)]
    assert watched(first, on - timedelta(days=1)) is None
    assert watched(first, on) is watched(first, on + timedelta(days=364)) is MENTION
    assert watched(first, on + timedelta(days=365)) is None
    assert five_class(0, observed(NORMAL, first, on)) is MENTION, "better than the floor is not taken"
    assert five_class(0, observed(DOUBTFUL, first, on)) is DOUBTFUL, "worse is"
    assert five_class(91, observed(None, first, on)) is SUBSTANDARD, "and days overdue count as ever"


def test_a_bad_loan_gets_no_better_by_being_put_off_and_one_put_off_again_is_bad() -> None:
    on = date(2026, 3, 1)
    assert watched([put_off(on, before=DOUBTFUL)], on) is DOUBTFUL
    again = [put_off(on), put_off(on + timedelta(days=364))]
    assert (watched(again, on), watched(again, again[1].on)) == (MENTION, SUBSTANDARD)
    assert watched(again, again[1].on + timedelta(days=364)) is SUBSTANDARD, "the watch begins again"
    assert watched([put_off(on), put_off(on + timedelta(days=365))], on + timedelta(days=365)) is MENTION, "the first had ended"


@settings(max_examples=60)
@given(
    st.lists(st.builds(Repayment, st.dates(START, date(2027, 3, 1)), st.integers(0, 30 * WAN)), max_size=6),
    st.lists(st.dates(START, date(2026, 12, 1)), max_size=2, unique=True), st.dates(START, date(2027, 12, 31)),
    st.sampled_from([RepaymentMethod.EQUAL_PRINCIPAL, RepaymentMethod.INTEREST_ONLY, RepaymentMethod.BULLET]),
)
def test_putting_off_moves_days_and_never_principal(
    repayments: list[Repayment], days: list[date], today: date, method: RepaymentMethod,
) -> None:
    rows, put_offs = loan(method), [put_off(day) for day in sorted(days)]
    stands = position(rows, repayments, today, put_offs)
    assert stands.principal_left_fen + stands.principal_repaid_fen == 120 * WAN
    assert stands.principal_repaid_fen + stands.interest_paid_fen + stands.surplus_fen == sum(
        one.amount_fen for one in repayments if one.paid_on <= today)
    assert all(row.instalment.due >= agreed.due for row, agreed in zip(stands.rows, rows, strict=True)), "nothing is due earlier"
    earlier = [one for one in put_offs if one.on <= today]
    assert position(rows, repayments, today, earlier) == stands, "what comes later does not count yet"
