"""The stress test of the pool tells years that follow the rule, claim by claim."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.money import WAN
from app.pool.rules import RULE_2025, Mode, RatioFacts, RuleSet, TierMethod, compensation, stop_line
from app.pool.stress_rules import Assumptions, Loans, Years, _Tally, loss_quantiles, simulate, terms_of, verdict, year_rates

MARGINAL = dataclasses.replace(RULE_2025, code="M", tier_method=TierMethod.MARGINAL)
fen = st.integers(0, 3500 * WAN)
facts = st.builds(RatioFacts, st.sampled_from(Mode), st.integers(1, 3500 * WAN), st.booleans(), st.booleans(), st.booleans())


def pool(amounts: list[int], payee: list[int] | None = None, booked: list[int] | None = None, grade: int = 0) -> Loans:
    number = len(amounts)
    at = np.array(payee or [0] * number, np.int64)
    base = np.array(booked, np.int64) if booked else np.bincount(at, weights=amounts).astype(np.int64)
    return Loans(np.array(amounts, np.int64), np.full(number, grade, np.int8), at, np.zeros(number, np.bool_), base)


def banks(amounts: list[int]) -> list[RatioFacts]:
    return [RatioFacts(Mode.BANK, amount) for amount in amounts]


@pytest.mark.parametrize("rules", [RULE_2025, MARGINAL], ids=["bracket", "marginal"])
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(facts, fen), min_size=1, max_size=20))
def test_every_claim_is_worth_what_the_rule_says_to_the_fen(rules: RuleSet, claims: list[tuple[RatioFacts, int]]) -> None:
    terms = terms_of([fact for fact, _ in claims], rules)
    told = terms.compensation(np.arange(len(claims)), np.array([loss for _, loss in claims], np.int64))
    assert told.tolist() == [compensation(fact, loss, rules).amount_fen for fact, loss in claims]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_a_stop_line_holds_is_what_the_rule_would_hold_claim_by_claim(data: Any) -> None:
    number = data.draw(st.integers(1, 25))
    losses = data.draw(st.lists(st.integers(1, 400 * WAN), min_size=number, max_size=number))
    payee = data.draw(st.lists(st.integers(0, 2), min_size=number, max_size=number))
    booked = data.draw(st.lists(st.integers(0, 30_000 * WAN), min_size=3, max_size=3))
    days = data.draw(st.permutations(range(number)))
    loans, terms = pool(losses, payee, booked), terms_of(banks(losses), RULE_2025)
    tally = _Tally(loans, terms, 0.0, 1)
    tally.add(0, np.arange(number), np.array(losses, np.int64), lambda at: np.array(days)[at] / number)
    claimed, held = [0, 0, 0], 0
    for _, loss, bank in sorted(zip(days, losses, payee, strict=True)):
        if stop_line(booked[bank], claimed[bank], loss, RULE_2025).held:
            held += compensation(RatioFacts(Mode.BANK, loss), loss, RULE_2025).amount_fen
        claimed[bank] += loss
    assert tally.years.held[0] == held
    over = [stop_line(booked[bank], 0, claimed[bank], RULE_2025).held for bank in range(3)]
    assert tally.years.over.tolist() == [int(one) for one in over]


def test_the_budget_pays_until_it_is_used_up_and_the_rest_is_told() -> None:
    loans = pool([100 * WAN] * 10, booked=[10**15])
    terms = terms_of(banks([100 * WAN] * 10), RULE_2025, budget_fen=250 * WAN)
    tally = _Tally(loans, terms, 0.5, 1)
    tally.add(0, np.arange(10), np.full(10, 100 * WAN), lambda at: at / 10)
    told = tally.years
    assert (told.asked[0], told.unpaid[0], told.paid[0]) == (400 * WAN, 150 * WAN, 250 * WAN)
    assert told.returned[0] == 125 * WAN


def test_guarantors_are_paid_from_their_own_part_of_the_budget_and_measured_by_their_own_line() -> None:
    loans = Loans(np.full(4, 100 * WAN), np.zeros(4, np.int8), np.array([0, 0, 1, 1]), np.array([False, False, True, True]),
                  np.array([10**15, 5_000 * WAN]))
    rules = dataclasses.replace(RULE_2025, guarantee_budget_fen=30 * WAN)
    facts = [RatioFacts(Mode.GUARANTEE if one else Mode.BANK, 100 * WAN) for one in loans.guaranteed]
    tally = _Tally(loans, terms_of(facts, rules, 60 * WAN), 0.0, 1)
    tally.add(0, np.arange(4), np.full(4, 100 * WAN), lambda at: at / 4)
    told = tally.years
    assert told.asked[0] == (40 + 40 + 20 + 20) * WAN
    assert told.held[0] == 20 * WAN, "the guarantor's second claim passes 3 % of 5,000 万元"
    assert told.unpaid[0] == 20 * WAN, "banks have 60 of their 80, whatever guarantors leave"
    assert told.over.tolist() == [0, 1]


def test_over_many_years_loans_default_as_often_as_assumed_and_lose_as_much() -> None:
    amounts = [50 * WAN] * 4_000
    assumed = Assumptions(default_rates=(0.04,), correlation=0.2)
    (years,) = simulate(pool(amounts, booked=[10**15]), [terms_of(banks(amounts), RULE_2025)], assumed, 1_500, 7)
    share = years.loss.mean() / sum(amounts)
    error = years.loss.std() / sum(amounts) / len(years.loss) ** 0.5
    assert abs(share - 0.04 * 0.60) < 4 * error
    (calm,) = simulate(pool(amounts, booked=[10**15]), [terms_of(banks(amounts), RULE_2025)],
                       dataclasses.replace(assumed, correlation=0.0), 300, 7)
    assert np.quantile(years.loss, 0.99) > 2 * np.quantile(calm.loss, 0.99), "what all borrowers share makes bad years worse"


def test_a_bad_economy_raises_every_grade_and_a_mean_year_keeps_the_assumed_rate() -> None:
    economy = np.array([-3.0, 0.0, 3.0])
    told = year_rates((0.01, 0.1), 0.15, economy)
    assert (np.diff(told, axis=0) < 0).all()
    random = np.random.default_rng(3).standard_normal(60_000)
    assert year_rates((0.01, 0.1), 0.15, random).mean(axis=0) == pytest.approx([0.01, 0.1], rel=0.02)


def test_what_is_lost_has_the_mean_and_spread_assumed() -> None:
    lost = loss_quantiles(0.6, 0.2)
    assert (lost.mean(), lost.std()) == (pytest.approx(0.6, abs=1e-4), pytest.approx(0.2, abs=1e-3))
    assert 0 < lost.min() < lost.max() < 1


def test_the_same_seed_tells_the_same_years_and_two_rule_sets_meet_the_same_losses() -> None:
    amounts = [700 * WAN, 30 * WAN, 400 * WAN] * 50
    loans, both = pool(amounts), [terms_of(banks(amounts), rules) for rules in (RULE_2025, MARGINAL)]
    first, second = (simulate(loans, both, Assumptions(default_rates=(0.1,)), 40, 11) for _ in range(2))
    assert [verdict(one, 10**10) for one in first] == [verdict(one, 10**10) for one in second]
    assert (first[0].loss == first[1].loss).all()
    assert first[0].asked.sum() < first[1].asked.sum(), "slices of a large loss take the higher ratio first"
    other = simulate(loans, both, Assumptions(default_rates=(0.1,)), 40, 12)
    assert (other[0].loss != first[0].loss).any()
    assert (simulate(loans, both[1:], Assumptions(default_rates=(0.1,)), 40, 11)[0].asked == first[1].asked).all()


def test_every_year_adds_up() -> None:
    amounts = [900 * WAN] * 60
    terms = terms_of(banks(amounts), RULE_2025, 2_000 * WAN)
    (years,) = simulate(pool(amounts), [terms], Assumptions(default_rates=(0.2,)), 200, 1)
    assert isinstance(years, Years)
    assert (years.paid + years.held + years.unpaid == years.asked).all()
    told = verdict(years, round(years.asked.max()))
    assert sum(told.bars) == 200
    assert told.any_held > 0.5
    assert told.over[0] == told.any_held


def test_a_pool_without_loans_loses_nothing() -> None:
    (years,) = simulate(pool([], booked=[0]), [terms_of([], RULE_2025)], Assumptions(default_rates=(0.1,)), 10, 1)
    assert years.asked.sum() == 0
    assert verdict(years, 0).short_chance == 0


@pytest.mark.parametrize("wrong", [
    {"default_rates": ()}, {"default_rates": (0.0,)}, {"default_rates": (1.0,)}, {"correlation": 1.0}, {"loss_mean": 0.0},
    {"loss_mean": 0.9, "loss_spread": 0.4}, {"recovered": 1.2},
])
def test_assumptions_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Assumptions(**wrong)
