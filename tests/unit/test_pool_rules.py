"""The pool's rule of 2025: worked examples of the risk-compensation paper and its edge cases."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.calendar import working_days_between
from app.core.money import WAN, YUAN
from app.enterprises.rules import SizeClass
from app.pool.rule_sources import SOURCES
from app.pool.rules import (
    RULE_2025,
    BorrowerKind,
    BudgetMode,
    DayKind,
    JudgeDate,
    LoanFacts,
    LossEvidence,
    LossFacts,
    Mode,
    Product,
    RatioFacts,
    RuleSet,
    SplitLoan,
    TierMethod,
    UseOfFunds,
    booking_deadline,
    budget_left,
    claim_in_time,
    compensation,
    eligibility,
    first_in_time,
    is_eligible,
    judging_date,
    loss_proved,
    net_principal_loss,
    pro_rata,
    public_share_ceiling,
    queue,
    ratio,
    returned_due,
    returned_total,
    rule_set_for,
    split_flag,
    stop_line,
    within_budget,
)

MARGINAL = dataclasses.replace(RULE_2025, tier_method=TierMethod.MARGINAL)
YI = 10_000 * WAN


def bank(wan: int, **marks: bool) -> RatioFacts:
    return RatioFacts(Mode.BANK, wan * WAN, **marks)


@pytest.mark.parametrize(
    ("facts", "loss_wan", "paid_wan"),
    [
        pytest.param(bank(300), 180, 72, id="1 credit loan of a micro firm"),
        pytest.param(bank(300, on_key_list=True), 180, 90, id="2 the same firm on the key list"),
        pytest.param(bank(800, policy_tool=True), 300, 105, id="3 policy tool"),
        pytest.param(
            bank(2000, ip_pledge=True, policy_tool=True), 1500, 600, id="4 IP pledge and policy tool"
        ),
        pytest.param(bank(500), 500, 200, id="5 exactly 500"),
        pytest.param(bank(3200), 1000, 0, id="6 above 3000"),
        pytest.param(RatioFacts(Mode.GUARANTEE, 260 * WAN), 260, 52, id="7 guarantor paid out"),
    ],
)
def test_worked_examples_of_the_bracket_reading(facts: RatioFacts, loss_wan: int, paid_wan: int) -> None:
    found = compensation(facts, loss_wan * WAN, RULE_2025)
    assert found.amount_fen == paid_wan * WAN
    assert found.lines[-1].amount_fen == found.amount_fen


def test_example_8_under_the_marginal_reading_the_loss_fills_the_brackets_from_the_bottom() -> None:
    assert compensation(bank(800), 300 * WAN, RULE_2025).amount_fen == 90 * WAN
    assert compensation(bank(800), 300 * WAN, MARGINAL).amount_fen == 120 * WAN


def test_a_marginal_loss_beyond_the_first_bracket_takes_each_ratio_for_its_slice() -> None:
    found = compensation(bank(3000, policy_tool=True), 2000 * WAN, MARGINAL)
    assert found.amount_fen == (500 * 45 + 1000 * 35 + 500 * 25) * WAN // 100
    assert [line.amount_fen for line in found.lines if line.code == "SLICE"] == [
        500 * WAN,
        1000 * WAN,
        500 * WAN,
    ]


def test_above_the_largest_amount_nothing_is_paid_under_either_reading() -> None:
    assert compensation(bank(3001), 1000 * WAN, MARGINAL).amount_fen == 0


def test_example_9_a_district_stacks_on_the_city_up_to_half_the_loss() -> None:
    city = compensation(bank(300), 200 * WAN, RULE_2025).amount_fen
    assert city == 80 * WAN
    district = public_share_ceiling(Mode.BANK, 200 * WAN, city, 20 * WAN, RULE_2025)
    assert (district.allowed_fen, district.cut_fen, district.kept_loss_fen) == (20 * WAN, 0, 100 * WAN)
    assert district.share == Decimal("0.5")


def test_a_bank_never_gets_more_than_80_percent_of_its_loss_from_all_public_sources() -> None:
    found = public_share_ceiling(Mode.BANK, 100 * WAN, 70 * WAN, 40 * WAN, RULE_2025)
    assert (found.allowed_fen, found.cut_fen, found.share) == (10 * WAN, 30 * WAN, Decimal("0.8"))
    assert public_share_ceiling(Mode.BANK, 100 * WAN, 90 * WAN, 1, RULE_2025).allowed_fen == 0


def test_the_standard_guarantee_case_stays_within_what_the_guarantor_paid_out() -> None:
    found = public_share_ceiling(Mode.GUARANTEE, 80 * WAN, 40 * WAN, 20 * WAN, RULE_2025)
    assert (found.allowed_fen, found.cut_fen) == (20 * WAN, 0)


@pytest.mark.parametrize(
    ("wan", "basic", "listed", "tool", "both"),
    [
        (500, "0.40", "0.50", "0.45", "0.50"),
        (1500, "0.30", "0.45", "0.35", "0.50"),
        (3000, "0.20", "0.35", "0.25", "0.40"),
    ],
)
def test_the_ratio_table(wan: int, basic: str, listed: str, tool: str, both: str) -> None:
    assert ratio(bank(wan), RULE_2025).value == Decimal(basic)
    assert ratio(bank(wan, on_key_list=True), RULE_2025).value == Decimal(listed)
    assert ratio(bank(wan, ip_pledge=True), RULE_2025).value == Decimal(listed)
    assert ratio(bank(wan, on_key_list=True, ip_pledge=True), RULE_2025).value == Decimal(listed)
    assert ratio(bank(wan, policy_tool=True), RULE_2025).value == Decimal(tool)
    assert ratio(bank(wan, ip_pledge=True, policy_tool=True), RULE_2025).value == Decimal(both)


def test_one_fen_above_a_limit_belongs_to_the_next_bracket() -> None:
    for top, below, above in ((500, "0.40", "0.30"), (1500, "0.30", "0.20"), (3000, "0.20", "0")):
        assert ratio(RatioFacts(Mode.BANK, top * WAN), RULE_2025).value == Decimal(below)
        assert ratio(RatioFacts(Mode.BANK, top * WAN + 1), RULE_2025).value == Decimal(above)


def test_a_lost_loan_of_501_pays_less_than_one_of_500_under_the_bracket_reading() -> None:
    assert compensation(bank(500), 500 * WAN, RULE_2025).amount_fen == 200 * WAN
    assert compensation(bank(501), 501 * WAN, RULE_2025).amount_fen == 150 * WAN + 3000 * YUAN


def test_compensation_is_rounded_down_once() -> None:
    assert compensation(bank(300), 101, RULE_2025).amount_fen == 40


def test_the_working_names_every_step_and_the_cap() -> None:
    found = compensation(bank(300, on_key_list=True, policy_tool=True), 180 * WAN, RULE_2025)
    assert [line.code for line in found.lines] == [
        "LOSS",
        "BASE",
        "LIST_OR_IP",
        "POLICY_TOOL",
        "CAP",
        "RESULT",
    ]
    assert found.lines[-1].message % found.lines[-1].shown == "补偿金额 = 1,800,000.00 元 × 50%"
    assert all(line.message % line.shown for line in found.lines)


@given(st.integers(1, 3000 * WAN), st.integers(0, 3000 * WAN), st.booleans(), st.booleans(), st.booleans())
def test_compensation_never_exceeds_half_the_loss_and_uplifts_never_lower_it(
    basis: int, loss: int, listed: bool, pledge: bool, tool: bool
) -> None:
    loss = min(loss, basis)
    for rules in (RULE_2025, MARGINAL):
        plain = compensation(RatioFacts(Mode.BANK, basis), loss, rules).amount_fen
        lifted = compensation(RatioFacts(Mode.BANK, basis, listed, pledge, tool), loss, rules).amount_fen
        assert 0 <= plain <= lifted <= loss // 2


@given(st.integers(1, 3000 * WAN), st.data())
def test_marginal_compensation_grows_with_the_loss(basis: int, data: st.DataObject) -> None:
    small, large = sorted(data.draw(st.integers(0, basis)) for _ in range(2))
    facts = RatioFacts(Mode.BANK, basis)
    assert compensation(facts, small, MARGINAL).amount_fen <= compensation(facts, large, MARGINAL).amount_fen


def test_net_principal_loss_takes_off_everything_that_came_in_on_principal() -> None:
    assert net_principal_loss(300 * WAN, 120 * WAN) == 180 * WAN
    assert net_principal_loss(300 * WAN, 120 * WAN, 50 * WAN, 30 * WAN) == 100 * WAN
    assert net_principal_loss(300 * WAN, 120 * WAN, 200 * WAN, 30 * WAN) == 0
    with pytest.raises(ValueError):
        net_principal_loss(300 * WAN, -1)


def test_the_stop_line_example_of_bank_a() -> None:
    open_claim = stop_line(20 * YI, 5800 * WAN - 1, 1, RULE_2025)
    assert (open_claim.after, open_claim.held) == (Decimal("0.029"), False)
    crossing = stop_line(20 * YI, 5800 * WAN, 300 * WAN, RULE_2025)
    assert (crossing.before, crossing.after, crossing.held) == (Decimal("0.029"), Decimal("0.0305"), True)


def test_exactly_three_percent_is_not_above_the_line_and_one_fen_more_is() -> None:
    assert not stop_line(20 * YI, 5800 * WAN, 200 * WAN, RULE_2025).held
    assert stop_line(20 * YI, 5800 * WAN, 200 * WAN + 1, RULE_2025).held


def test_a_loss_without_any_booking_is_above_the_line() -> None:
    found = stop_line(0, 0, 1, RULE_2025)
    assert (found.after, found.held) == (None, True)


def test_claims_after_the_crossing_are_held_until_new_bookings_raise_the_base() -> None:
    assert stop_line(20 * YI, 6100 * WAN, 1, RULE_2025).held
    assert not stop_line(21 * YI, 6100 * WAN, 1, RULE_2025).held


def test_budget_example_pro_rata_pays_three_quarters_and_records_the_rest() -> None:
    found = pro_rata(9000 * WAN, [8000 * WAN, 3000 * WAN, 1000 * WAN])
    assert found.factor == Decimal("0.75")
    assert found.paid == (6000 * WAN, 2250 * WAN, 750 * WAN)
    assert sum(found.paid) + sum(found.unpaid) == 12000 * WAN


def test_a_queue_pays_in_order_and_the_first_claim_that_does_not_fit_holds_the_rest() -> None:
    found = queue(9000 * WAN, [8000 * WAN, 3000 * WAN, 1000 * WAN])
    assert found.paid == (8000 * WAN, 0, 0)
    assert found.unpaid == (0, 3000 * WAN, 1000 * WAN)


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**11), max_size=20), st.sampled_from(BudgetMode))
def test_a_batch_never_spends_more_than_is_left_and_drops_nothing(
    left: int, approved: list[int], mode: BudgetMode
) -> None:
    found = within_budget(left, approved, dataclasses.replace(RULE_2025, budget_mode=mode))
    assert sum(found.paid) <= left or sum(found.paid) == 0
    assert [a + b for a, b in zip(found.paid, found.unpaid, strict=True)] == approved
    if sum(approved) <= left:
        assert list(found.paid) == approved


def test_the_guarantee_budget_lies_inside_the_whole_budget() -> None:
    assert budget_left(0, 0, Mode.BANK, RULE_2025) == 15 * YI
    assert budget_left(0, 4000 * WAN, Mode.GUARANTEE, RULE_2025) == 1000 * WAN
    assert budget_left(15 * YI - 4500 * WAN, 4000 * WAN, Mode.GUARANTEE, RULE_2025) == 500 * WAN
    assert budget_left(16 * YI, 0, Mode.BANK, RULE_2025) == 0


def test_recovery_example_returns_the_share_of_the_compensation() -> None:
    assert returned_due(120 * WAN, 300 * WAN, 100 * WAN, 10 * WAN, 0) == 36 * WAN
    assert returned_due(120 * WAN, 300 * WAN, 300 * WAN, 0, 36 * WAN) == 84 * WAN


def test_a_recovery_larger_than_the_loss_returns_what_was_paid_and_never_more() -> None:
    assert returned_due(120 * WAN, 300 * WAN, 900 * WAN, 0, 0) == 120 * WAN
    assert returned_due(120 * WAN, 300 * WAN, 900 * WAN, 0, 120 * WAN) == 0
    assert returned_due(120 * WAN, 300 * WAN, 5 * WAN, 10 * WAN, 0) == 0


AMOUNTS = st.lists(st.integers(0, 100 * WAN), min_size=1, max_size=8)


@given(AMOUNTS, st.randoms(use_true_random=False))
def test_the_order_of_recoveries_does_not_matter(receipts: list[int], random: Any) -> None:
    def returned_in_all(order: list[int]) -> int:
        total = returned = 0
        for receipt in order:
            total += receipt
            returned += returned_due(120 * WAN, 300 * WAN, total, 0, returned)
        return returned

    shuffled = list(receipts)
    random.shuffle(shuffled)
    assert returned_in_all(receipts) == returned_in_all(shuffled)
    assert returned_in_all(receipts) == returned_total(120 * WAN, 300 * WAN, sum(receipts), 0) <= 120 * WAN


def test_loans_split_around_500_within_30_days_are_flagged() -> None:
    loans = [
        SplitLoan("A", date(2026, 1, 1), 300 * WAN),
        SplitLoan("B", date(2026, 1, 31), 250 * WAN),
        SplitLoan("C", date(2026, 6, 1), 400 * WAN),
    ]
    (flag,) = split_flag(loans, RULE_2025)
    assert (flag.threshold_fen, flag.total_fen, flag.references) == (500 * WAN, 550 * WAN, ("A", "B"))


def test_loans_31_days_apart_or_together_at_the_limit_are_not_flagged() -> None:
    apart = [SplitLoan("A", date(2026, 1, 1), 300 * WAN), SplitLoan("B", date(2026, 2, 1), 250 * WAN)]
    at_limit = [SplitLoan("A", date(2026, 1, 1), 300 * WAN), SplitLoan("B", date(2026, 1, 2), 200 * WAN)]
    assert split_flag(apart, RULE_2025) == split_flag(at_limit, RULE_2025) == split_flag([], RULE_2025) == ()


FACTS = LoanFacts(
    mode=Mode.BANK,
    product=Product.CREDIT,
    principal_fen=300 * WAN,
    borrower_kind=BorrowerKind.ENTERPRISE,
    size=SizeClass.MICRO,
    registered_in_city=True,
    operates_in_city=False,
    on_key_list=False,
    industry_code="3311",
    annual_rate=Decimal("0.0385"),
    term_months=12,
    use_of_funds=UseOfFunds.WORKING_CAPITAL,
    drawdown_on=date(2026, 3, 1),
    submitted_on=date(2026, 3, 20),
    judged_on=date(2026, 3, 20),
    agreement_from=date(2025, 10, 1),
    agreement_to=None,
)


def failed(rules: RuleSet = RULE_2025, **changes: Any) -> list[str]:
    checks = eligibility(dataclasses.replace(FACTS, **changes), rules)
    assert all(check.message % check.shown for check in checks)
    return [check.code for check in checks if not check.passed]


def test_an_ordinary_credit_loan_to_a_micro_firm_may_be_booked() -> None:
    assert failed() == []
    assert is_eligible(eligibility(FACTS, RULE_2025))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"principal_fen": 3000 * WAN + 1}, "AMOUNT"),
        ({"principal_fen": 0}, "AMOUNT"),
        ({"size": SizeClass.MEDIUM}, "SIZE"),
        ({"size": SizeClass.UNKNOWN}, "SIZE"),
        ({"borrower_kind": BorrowerKind.OWNER_BORROWER, "size": SizeClass.MEDIUM}, "SIZE"),
        ({"size": SizeClass.LARGE, "on_key_list": True}, "SIZE"),
        ({"registered_in_city": False}, "PLACE"),
        ({"product": Product.GUARANTEED}, "PRODUCT"),
        ({"product": Product.OTHER}, "PRODUCT"),
        ({"booked_before": True}, "NOT_BOOKED_TWICE"),
        ({"in_other_mode": True}, "ONE_MODE"),
        ({"seriously_dishonest": True}, "NOT_DISHONEST"),
        ({"use_of_funds": UseOfFunds.PROPERTY}, "USE_OF_FUNDS"),
        ({"industry_code": "6631"}, "INDUSTRY"),
        ({"agreement_from": None}, "AGREEMENT"),
        ({"agreement_from": date(2026, 3, 2)}, "AGREEMENT"),
        ({"agreement_to": date(2026, 2, 28)}, "AGREEMENT"),
        ({"submitted_on": date(2026, 4, 1)}, "DEADLINE"),
        ({"submitted_on": date(2026, 2, 28)}, "DEADLINE"),
        ({"judged_on": date(2028, 10, 1)}, "RULE_IN_FORCE"),
        ({"judged_on": date(2025, 9, 30)}, "RULE_IN_FORCE"),
    ],
)
def test_one_failing_fact_stops_a_booking_and_is_named(changes: dict[str, Any], code: str) -> None:
    assert failed(**changes) == [code]


@pytest.mark.parametrize(
    "changes",
    [
        {"principal_fen": 3000 * WAN},
        {"size": SizeClass.MEDIUM, "on_key_list": True},
        {"borrower_kind": BorrowerKind.SOLE_TRADER, "size": SizeClass.UNKNOWN},
        {"borrower_kind": BorrowerKind.OWNER_BORROWER},
        {"borrower_kind": BorrowerKind.OWNER_BORROWER, "size": SizeClass.UNKNOWN, "sole_trader": True},
        {"registered_in_city": False, "operates_in_city": True},
        {"submitted_on": date(2026, 3, 31)},
        {"submitted_on": date(2026, 5, 1), "late_approved_reason": "系统切换"},
        {"mode": Mode.GUARANTEE, "product": Product.GUARANTEED},
        {"judged_on": date(2028, 9, 30)},
    ],
)
def test_what_the_rule_allows_at_its_edges_may_be_booked(changes: dict[str, Any]) -> None:
    assert failed(**changes) == []


def test_optional_limits_are_checked_once_a_rule_set_has_them() -> None:
    strict = dataclasses.replace(
        RULE_2025, max_term_months=6, max_annual_rate=Decimal("0.03"), borrower_cap_fen=200 * WAN
    )
    assert failed(strict) == ["TERM", "RATE", "BORROWER_TOTAL"]


def test_the_deadline_of_a_booking_counts_the_days_that_the_edition_says() -> None:
    """Drawn on the Friday before the National Day holidays of 2026: 10 natural days end on a Monday, 10 working days later."""
    drawn, working = date(2026, 9, 25), dataclasses.replace(RULE_2025, booking_deadline_days=10, booking_day_kind=DayKind.WORKING)
    natural = dataclasses.replace(working, booking_day_kind=DayKind.NATURAL)
    assert booking_deadline(natural, drawn) == date(2026, 10, 5)
    last = booking_deadline(working, drawn)
    assert working_days_between(drawn, last) == 10 and last > date(2026, 10, 12)
    for rules, end in ((natural, date(2026, 10, 5)), (working, last)):
        for day, passed in ((end, True), (end + timedelta(days=1), False)):
            assert ("DEADLINE" in failed(rules, drawdown_on=drawn, submitted_on=day, judged_on=day)) is not passed
        assert first_in_time(rules, end) <= drawn < first_in_time(rules, end + timedelta(days=1))
    assert RuleSet.from_json({**RULE_2025.to_json(), "booking_day_kind": "WORKING"}).booking_day_kind is DayKind.WORKING
    old = RULE_2025.to_json()
    del old["booking_day_kind"]
    assert RuleSet.from_json(old) == RULE_2025, "an edition stored before the choice counts natural days"


def test_loss_evidence_is_what_the_rule_set_demands() -> None:
    bad = LossFacts(class_is_bad=True, overdue_days=95)
    assert all(check.passed for check in loss_proved(bad, RULE_2025))
    assert not all(check.passed for check in loss_proved(LossFacts(False, 95), RULE_2025))
    strict = dataclasses.replace(RULE_2025, loss_triggers=tuple(LossEvidence))
    missing = [check.code for check in loss_proved(bad, strict) if not check.passed]
    assert missing == ["LOSS_DEMAND_LETTER", "LOSS_LAWSUIT", "LOSS_ENFORCEMENT", "LOSS_WRITE_OFF"]


def test_a_loan_is_judged_on_the_date_the_set_names() -> None:
    days = (date(2025, 9, 20), date(2025, 10, 10), date(2026, 9, 1))
    assert judging_date(RULE_2025, *days) == days[1]
    assert judging_date(dataclasses.replace(RULE_2025, judge_date=JudgeDate.DRAWDOWN), *days) == days[0]
    by_loss = dataclasses.replace(RULE_2025, judge_date=JudgeDate.LOSS)
    assert judging_date(by_loss, *days) == days[2]
    with pytest.raises(ValueError):
        judging_date(by_loss, *days[:2])


def test_a_booked_loan_stays_claimable_after_expiry_unless_the_set_says_otherwise() -> None:
    assert claim_in_time(date(2029, 1, 1), RULE_2025)
    closed = dataclasses.replace(RULE_2025, claim_after_expiry_days=30)
    assert claim_in_time(date(2028, 10, 30), closed)
    assert not claim_in_time(date(2028, 10, 31), closed)


def test_the_rule_set_of_a_day_is_found_by_its_validity() -> None:
    assert rule_set_for([RULE_2025], date(2025, 10, 1)) is RULE_2025
    assert rule_set_for([RULE_2025], date(2028, 9, 30)) is RULE_2025
    assert rule_set_for([RULE_2025], date(2025, 9, 30)) is None
    newer = dataclasses.replace(RULE_2025, code="GZ-2027", valid_from=date(2027, 1, 1))
    assert rule_set_for([newer, RULE_2025], date(2027, 5, 1)) is newer


def test_a_rule_set_survives_its_row_in_the_database() -> None:
    changed = dataclasses.replace(MARGINAL, max_term_months=36, max_annual_rate=Decimal("0.055"))
    for rules in (RULE_2025, changed):
        assert RuleSet.from_json(json.loads(json.dumps(rules.to_json()))) == rules


@pytest.mark.parametrize(
    "changes",
    [
        {"nonsense": 1},
        {"stop_line": 0.03},
        {"stop_line": "three"},
        {"budget_fen": "15"},
        {"tier_method": "SLOPE"},
        {"valid_to": "2020-01-01"},
        {"tiers": []},
        {"tiers": [{"up_to_fen": 5, "ratio": "1.4"}]},
        {"tiers": [{"up_to_fen": 5}]},
        {"products": "CREDIT"},
    ],
)
def test_a_row_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        RuleSet.from_json({**RULE_2025.to_json(), **changes})


def test_every_number_of_the_rule_set_names_its_source() -> None:
    identity = {"code", "title", "document_no"}
    numbers = {
        f.name for f in dataclasses.fields(RuleSet) if getattr(RULE_2025, f.name) is not None
    } - identity
    assert numbers <= set(SOURCES) <= {f.name for f in dataclasses.fields(RuleSet)}
