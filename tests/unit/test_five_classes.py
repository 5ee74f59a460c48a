"""Days overdue and the five classes: derived from what was paid, never typed in."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.money import WAN, YUAN
from app.loans.rules import FiveClass, Repayment, allocate, five_class, fresh, is_bad, overdue_days, position
from app.market.rules import REGULAR_MONTHS, Instalment, RepaymentMethod, schedule

START = date(2026, 1, 15)


def loan(method: RepaymentMethod = RepaymentMethod.EQUAL_PRINCIPAL, months: int = 12) -> list[Instalment]:
    """120万 at 6 %: equal principal is 10万 a month, interest of the first month 6000 yuan."""
    return schedule(120 * WAN, Decimal("0.06"), months, method, START, REGULAR_MONTHS)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0, FiveClass.NORMAL),
        (1, FiveClass.SPECIAL_MENTION),
        (90, FiveClass.SPECIAL_MENTION),
        (91, FiveClass.SUBSTANDARD),
        (270, FiveClass.SUBSTANDARD),
        (271, FiveClass.DOUBTFUL),
        (360, FiveClass.DOUBTFUL),
        (361, FiveClass.LOSS),
        (5000, FiveClass.LOSS),
    ],
)
def test_days_overdue_set_the_floor_of_the_class(days: int, expected: FiveClass) -> None:
    assert five_class(days, None) is expected


def test_a_bank_may_report_a_worse_class_than_the_floor_but_never_a_better_one() -> None:
    assert five_class(10, FiveClass.DOUBTFUL) is FiveClass.DOUBTFUL
    assert five_class(100, FiveClass.NORMAL) is FiveClass.SUBSTANDARD


def test_the_last_three_classes_are_bad() -> None:
    assert [is_bad(c) for c in FiveClass] == [False, False, True, True, True]


def test_negative_days_overdue_are_refused() -> None:
    with pytest.raises(ValueError):
        five_class(-1, None)


@given(st.integers(0, 800), st.integers(0, 800), st.sampled_from([None, *FiveClass]))
def test_more_days_overdue_never_improve_the_class(a: int, b: int, reported: FiveClass | None) -> None:
    fewer, more = sorted((a, b))
    assert five_class(fewer, reported).severity <= five_class(more, reported).severity


def test_the_day_count_starts_the_day_after_the_due_date() -> None:
    rows = loan()
    due = rows[0].due
    assert overdue_days(rows, [], due) == 0
    assert overdue_days(rows, [], due + timedelta(days=1)) == 1
    assert five_class(overdue_days(rows, [], due + timedelta(days=90)), None) is FiveClass.SPECIAL_MENTION
    assert five_class(overdue_days(rows, [], due + timedelta(days=91)), None) is FiveClass.SUBSTANDARD


def test_a_loan_paid_as_scheduled_is_never_overdue() -> None:
    rows = loan(RepaymentMethod.EQUAL_INSTALMENT)
    paid = [Repayment(row.due, row.total_fen) for row in rows]
    for row in rows:
        assert overdue_days(rows, paid, row.due + timedelta(days=1)) == 0
    end = position(rows, paid, rows[-1].due)
    assert (end.principal_left_fen, end.principal_repaid_fen, end.surplus_fen) == (0, 120 * WAN, 0)


def test_one_fen_short_keeps_the_oldest_instalment_overdue() -> None:
    rows = loan()
    paid = [Repayment(rows[0].due, rows[0].total_fen - 1)]
    late = position(rows, paid, rows[0].due + timedelta(days=5))
    assert (late.overdue_days, late.overdue_principal_fen, late.overdue_interest_fen) == (5, 1, 0)


def test_a_repayment_pays_interest_before_principal_and_the_oldest_instalment_first() -> None:
    rows = loan()
    first, second = rows[0], rows[1]
    spread = allocate(fresh(rows), first.total_fen + second.interest_fen + 7, second.due)
    assert spread.interest_fen == first.interest_fen + second.interest_fen
    assert spread.principal_fen == first.principal_fen + 7
    assert spread.rows[0].left_fen == 0
    assert (spread.rows[1].interest_left_fen, spread.rows[1].principal_left_fen) == (
        0,
        second.principal_fen - 7,
    )


def test_money_before_a_due_date_prepays_principal_and_lowers_later_interest() -> None:
    rows = loan()
    spread = allocate(fresh(rows), 60 * WAN, START + timedelta(days=10))
    assert (spread.principal_fen, spread.interest_fen) == (60 * WAN, 0)
    assert spread.rows[0].interest_left_fen == rows[0].interest_fen
    assert spread.rows[1].interest_left_fen == 60 * WAN * 5 // 1000
    assert spread.rows[7].interest_left_fen == rows[7].interest_fen


def test_a_loan_repaid_in_full_before_its_end_owes_nothing_more() -> None:
    rows = loan(RepaymentMethod.INTEREST_ONLY)
    paid = [Repayment(START + timedelta(days=10), 120 * WAN + 2000 * YUAN)]
    end = position(rows, paid, rows[-1].due + timedelta(days=400))
    assert (end.principal_left_fen, end.overdue_days, end.interest_paid_fen) == (0, 0, 2000 * YUAN)


def test_a_partial_prepayment_before_default_counts_as_repaid_principal() -> None:
    rows = loan(RepaymentMethod.BULLET)
    paid = [Repayment(START + timedelta(days=30), 40 * WAN)]
    late = position(rows, paid, rows[0].due + timedelta(days=100))
    assert (late.principal_repaid_fen, late.overdue_principal_fen, late.overdue_days) == (
        40 * WAN,
        80 * WAN,
        100,
    )


def test_repayments_of_later_days_are_left_aside() -> None:
    rows = loan()
    paid = [Repayment(rows[0].due + timedelta(days=20), rows[0].total_fen)]
    assert overdue_days(rows, paid, rows[0].due + timedelta(days=19)) == 19
    assert overdue_days(rows, paid, rows[0].due + timedelta(days=20)) == 0


REPAYMENTS = st.lists(
    st.builds(Repayment, st.dates(START, date(2027, 6, 1)), st.integers(0, 40 * WAN)), max_size=8
)

SCHEDULED = [method for method in RepaymentMethod if method is not RepaymentMethod.FREE]
"""A free plan is what bank and firm agree on; the others follow from amount, rate and term."""


@settings(max_examples=60)
@given(REPAYMENTS, st.sampled_from(SCHEDULED), st.dates(START, date(2027, 12, 31)), st.data())
def test_every_fen_repaid_is_interest_principal_or_surplus_in_any_order_of_reports(
    repayments: list[Repayment], method: RepaymentMethod, today: date, data: st.DataObject
) -> None:
    rows = loan(method)
    found = position(rows, repayments, today)
    counted = [r.amount_fen for r in repayments if r.paid_on <= today]
    assert found.principal_repaid_fen + found.interest_paid_fen + found.surplus_fen == sum(counted)
    assert found.principal_left_fen + found.principal_repaid_fen == 120 * WAN
    assert position(rows, data.draw(st.permutations(repayments)), today) == found


def test_principal_and_interest_of_a_payoff_may_be_reported_apart_on_one_day() -> None:
    rows = loan(RepaymentMethod.BULLET)
    day = START + timedelta(days=30)
    parts = [Repayment(day, 120 * WAN), Repayment(day, 6000 * YUAN)]
    end = position(rows, parts, day)
    assert (end.principal_left_fen, end.interest_paid_fen, end.surplus_fen) == (0, 6000 * YUAN, 0)


@settings(max_examples=60)
@given(REPAYMENTS, st.integers(0, 40 * WAN), st.dates(START, date(2027, 12, 31)))
def test_a_further_repayment_never_makes_a_loan_more_overdue(
    repayments: list[Repayment], more: int, today: date
) -> None:
    rows = loan()
    assert overdue_days(rows, [*repayments, Repayment(today, more)], today) <= overdue_days(
        rows, repayments, today
    )
