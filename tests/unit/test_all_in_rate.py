"""What an offer really costs, by the conventions of the cost sheet, and what an offer may not say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.money import WAN, YUAN
from app.enterprises.rules import SizeClass
from app.market.rules import (
    CLOSED_LIST,
    Fee,
    FeeKind,
    FeeTime,
    MatchReason,
    MatchWeights,
    NeedFacts,
    Offer,
    Payee,
    ProductFacts,
    RepaymentMethod,
    all_in_rate,
    cash_flows,
    check_offer,
    free_schedule_rate,
    match_score,
)

FIXED = [method for method in RepaymentMethod if method is not RepaymentMethod.FREE]
MILLI = Decimal("0.00001")


def guarantee(yuan: int, at: FeeTime = FeeTime.START) -> Fee:
    return Fee(FeeKind.GUARANTEE, yuan * YUAN, Payee.GUARANTOR, at)


def offer(
    wan: int,
    rate: str,
    method: RepaymentMethod = RepaymentMethod.INTEREST_ONLY,
    *fees: Fee,
    months: int = 12,
) -> Offer:
    return Offer(wan * WAN, Decimal(rate), months, method, fees)


@pytest.mark.parametrize(
    ("the_offer", "nominal", "effective"),
    [
        (offer(300, "0.0385", RepaymentMethod.INTEREST_ONLY, guarantee(2000)), "0.03918", "0.03989"),
        (offer(300, "0.0345", RepaymentMethod.EQUAL_INSTALMENT, guarantee(18000)), "0.04572", "0.04669"),
        (offer(260, "0.0395", RepaymentMethod.INTEREST_ONLY, guarantee(23400)), "0.04874", "0.04984"),
    ],
)
def test_the_three_checks_of_the_cost_sheet(the_offer: Offer, nominal: str, effective: str) -> None:
    found = all_in_rate(the_offer)
    assert found.nominal12.quantize(MILLI) == Decimal(nominal)
    assert found.effective.quantize(MILLI) == Decimal(effective)


def test_headline_rate_and_charges_add_up_to_485_percent_simple() -> None:
    appraisal = Fee(FeeKind.APPRAISAL, 2000 * YUAN, Payee.APPRAISER)
    found = all_in_rate(offer(100, "0.0385", RepaymentMethod.INTEREST_ONLY, guarantee(8000), appraisal))
    assert found.simple == Decimal("0.0485")
    assert found.fees_fen == 10_000 * YUAN
    assert found.total_extra_fen == found.interest_fen + found.fees_fen
    charged = [line for line in found.working if line.amount_fen is not None]
    assert sum(line.amount_fen or 0 for line in charged) == found.total_extra_fen
    assert sum((line.ratio or Decimal(0) for line in charged), Decimal(0)) == found.simple


@pytest.mark.parametrize("method", FIXED)
def test_without_charges_the_all_in_rate_of_a_monthly_loan_is_the_headline_rate(
    method: RepaymentMethod,
) -> None:
    found = all_in_rate(offer(100, "0.036", method))
    if method is RepaymentMethod.BULLET:
        assert found.effective.quantize(MILLI) == Decimal("0.036")
    else:
        assert found.nominal12.quantize(MILLI) == Decimal("0.036")


RATES = st.integers(1, 2400).map(lambda bp: Decimal(bp) / 10000)
METHODS = st.sampled_from(FIXED)


@settings(max_examples=30)
@given(st.integers(1, 3000), RATES, METHODS, st.integers(1, 60), st.integers(1, 50_000))
def test_a_charge_makes_an_offer_dearer_and_dearer_still_when_paid_at_the_start(
    wan: int, rate: Decimal, method: RepaymentMethod, months: int, yuan: int
) -> None:
    fee = min(yuan, wan * 1000)
    plain, early, late = (
        all_in_rate(Offer(wan * WAN, rate, months, method, fees))
        for fees in ((), (guarantee(fee),), (guarantee(fee, FeeTime.END),))
    )
    assert plain.nominal12 <= late.nominal12 <= early.nominal12
    assert plain.total_extra_fen + fee * YUAN == early.total_extra_fen == late.total_extra_fen
    assert plain.effective >= plain.nominal12


def test_a_periodic_charge_is_paid_at_its_interval() -> None:
    yearly = Fee(FeeKind.INSURANCE, 100 * YUAN, Payee.INSURER, FeeTime.PERIODIC, every_months=12)
    without = cash_flows(offer(10, "0.04", months=24))
    with_fee = cash_flows(Offer(10 * WAN, Decimal("0.04"), 24, RepaymentMethod.INTEREST_ONLY, (yearly,)))
    charged = {a.month: b.amount_fen - a.amount_fen for a, b in zip(with_fee, without, strict=True)}
    assert {month: fen for month, fen in charged.items() if fen} == {12: 100 * YUAN, 24: 100 * YUAN}


def test_charges_that_eat_the_loan_have_no_rate() -> None:
    with pytest.raises(ValueError):
        all_in_rate(offer(1, "0.04", RepaymentMethod.BULLET, guarantee(10_000)))


def test_flows_on_free_dates_are_solved_by_days() -> None:
    found = free_schedule_rate([(date(2026, 1, 1), 100 * WAN), (date(2027, 1, 1), -105 * WAN)])
    assert found.effective == Decimal("0.05")
    assert found.nominal12.quantize(Decimal("0.0000001")) == Decimal("0.0488895")


@pytest.mark.parametrize(
    "flows", [[], [(date(2026, 1, 1), 100)], [(date(2026, 1, 1), -100), (date(2026, 2, 1), 101)]]
)
def test_flows_that_are_no_loan_have_no_rate(flows: list[tuple[date, int]]) -> None:
    with pytest.raises(ValueError):
        free_schedule_rate(flows)


def codes(the_offer: Offer, size: SizeClass = SizeClass.SMALL) -> list[str]:
    return [problem.code for problem in check_offer(the_offer, 300 * WAN, 12, size)]


@pytest.mark.parametrize(
    ("the_offer", "code"),
    [
        (offer(0, "0.04"), "AMOUNT_NOT_POSITIVE"),
        (offer(-5, "0.04"), "AMOUNT_NOT_POSITIVE"),
        (offer(301, "0.04"), "AMOUNT_ABOVE_NEED"),
        (offer(300, "0"), "RATE_NOT_POSITIVE"),
        (offer(300, "NaN"), "RATE_NOT_POSITIVE"),
        (offer(300, "3.85"), "RATE_ABOVE_CAP"),
        (offer(300, "0.04", months=0), "TERM_OUT_OF_RANGE"),
        (offer(300, "0.04", months=121), "TERM_OUT_OF_RANGE"),
        (offer(300, "0.04", RepaymentMethod.BULLET, guarantee(-1)), "FEE_NOT_POSITIVE"),
        (offer(300, "0.04", RepaymentMethod.BULLET, guarantee(3_000_000)), "FEE_ABSURD"),
        (
            offer(300, "0.04", RepaymentMethod.BULLET, guarantee(1_500_000), guarantee(1_500_000)),
            "FEES_EAT_LOAN",
        ),
        (offer(300, "0.04", RepaymentMethod.BULLET, guarantee(1_200_000)), "ALL_IN_ABOVE_CAP"),
        (offer(300, "0.04", RepaymentMethod.BULLET, Fee(FeeKind.OTHER, 1, Payee.OTHER)), "FEE_WITHOUT_NAME"),
    ],
)
def test_an_absurd_offer_is_refused_with_its_reason(the_offer: Offer, code: str) -> None:
    assert codes(the_offer) == [code]


def test_a_sound_offer_has_no_problem() -> None:
    assert codes(offer(300, "0.0385", RepaymentMethod.INTEREST_ONLY, guarantee(2000))) == []


@pytest.mark.parametrize(
    ("kind", "size", "banned"),
    [
        (FeeKind.COMMITMENT, SizeClass.MICRO, True),
        (FeeKind.FUND_MANAGEMENT, SizeClass.SMALL, True),
        (FeeKind.COMMITMENT, SizeClass.UNKNOWN, True),
        (FeeKind.COMMITMENT, SizeClass.MEDIUM, False),
        (FeeKind.ENTRUSTED_PAYMENT, SizeClass.MEDIUM, True),
        (FeeKind.GUARANTEE, SizeClass.MICRO, False),
    ],
)
def test_banned_charges_stop_an_offer(kind: FeeKind, size: SizeClass, banned: bool) -> None:
    fee = Fee(kind, 1000 * YUAN, Payee.BANK)
    assert codes(offer(300, "0.04", RepaymentMethod.BULLET, fee), size) == (["FEE_BANNED"] if banned else [])
    assert (kind in CLOSED_LIST) == (kind is FeeKind.GUARANTEE)


def need(rank: str | None = "0.8", wan: int = 100, months: int = 12, left: int = 3, **more: str) -> NeedFacts:
    industry, district = more.get("industry", "3311"), more.get("district", "440106")
    return NeedFacts(
        wan * WAN,
        months,
        industry,
        district,
        left,
        None if rank is None else Decimal(rank),
        more.get("grade"),
    )


PRODUCT = ProductFacts(10 * WAN, 500 * WAN, 3, 24, frozenset({"33", "65"}), frozenset({"440106"}))


def test_a_need_that_fits_in_every_part_and_closes_soon_gets_all_points() -> None:
    match = match_score(need("1", left=1), PRODUCT)
    assert match.score == 92 and match.reasons == (
        "PROFILE_STRONG", "AMOUNT_FITS", "TERM_FITS", "INDUSTRY_FITS", "DISTRICT_FITS", "CLOSES_SOON",
    )  # fmt: skip
    priced = match_score(need("1", left=1), replace(PRODUCT, rate=Decimal("0.04")))
    assert priced.score == 100 and priced.points == (30, 15, 20, 10, 10, 5, 10) and priced.reasons[1] == "PRICE_COVERS"
    assert priced.margin == Decimal("0.0164")


@pytest.mark.parametrize(("rank", "grade", "rate", "reason", "points"), [
    ("0.9", None, "0.0286", "PRICE_COVERS", 15), ("0.9", None, "0.0285", "PRICE_THIN", 7), ("0.5", None, "0.03", "PRICE_THIN", 7),
    ("0.1", None, "0.04", "PRICE_SHORT", 0), (None, "E", "0.06", "PRICE_SHORT", 0), (None, "A", "0.03", "PRICE_COVERS", 15),
])  # fmt: skip
def test_the_price_is_held_against_funding_and_expected_loss(
    rank: str | None, grade: str | None, rate: str, reason: str, points: int
) -> None:
    facts = replace(need(rank), grade=grade)
    match = match_score(facts, replace(PRODUCT, rate=Decimal(rate)))
    assert (match.reasons[1], match.points[1]) == (reason, points)
    assert match_score(replace(facts, rank=None, grade=None), replace(PRODUCT, rate=Decimal(rate))).margin is None


def test_a_need_that_fits_nowhere_is_still_listed_with_its_reasons() -> None:
    match = match_score(need("0", wan=5, months=60, industry="51", district="440103"), PRODUCT)
    assert match.score == 7 and match.points == (0, 7, 0, 0, 0, 0, 0)
    assert match.reasons == (
        "PROFILE_WEAK", "AMOUNT_BELOW", "TERM_OUTSIDE", "INDUSTRY_OUTSIDE", "DISTRICT_OUTSIDE",
    )  # fmt: skip


def test_a_firm_without_a_profile_is_treated_neutrally() -> None:
    absent = match_score(need(None), PRODUCT)
    assert absent.reasons[0] == MatchReason.PROFILE_ABSENT
    assert match_score(need("0.2"), PRODUCT).score < absent.score < match_score(need("0.9"), PRODUCT).score


def test_a_grade_stands_in_for_a_rank() -> None:
    assert match_score(need(None, grade="A"), PRODUCT) == match_score(need("0.9"), PRODUCT)


def test_a_product_that_covers_a_part_of_the_amount_keeps_that_share_of_the_points() -> None:
    assert match_score(need(wan=1000), PRODUCT).score == match_score(need(), PRODUCT).score - 10
    assert MatchReason.AMOUNT_ABOVE in match_score(need(wan=1000), PRODUCT).reasons


@given(st.decimals(0, 1, places=3), st.decimals(0, 1, places=3), st.integers(1, 3000), st.integers(1, 60))
def test_a_better_rank_never_lowers_a_need_in_the_queue(
    a: Decimal, b: Decimal, wan: int, months: int
) -> None:
    low, high = sorted((a, b))
    worse, better = (match_score(need(str(r), wan, months), PRODUCT) for r in (low, high))
    assert 0 <= worse.score <= better.score <= 100


def test_weights_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError):
        MatchWeights(profile=90)
