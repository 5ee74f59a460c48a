"""Red flags tell their facts and take every number from the rule set; a sample is drawn again from its seed alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.core.money import WAN
from app.core.working import shown
from app.pool.flag_rules import FLAG_NAMES, FlagFacts, NoteOf, RelatedLoan, plain_number, raised, red_flags
from app.pool.rules import RULE_2025, SplitLoan, UseOfFunds
from app.pool.sample_rules import Candidate, SampleMethod, draw, sample_size

DRAWN = date(2026, 1, 10)
OWN = NoteOf("贷-1", "甲银行", "借据-0001", "合同-1", DRAWN, 400 * WAN)
CLEAN = FlagFacts(
    drawn_on=DRAWN, booked_on=DRAWN + timedelta(days=5), overdue_since=DRAWN + timedelta(days=200), annual_rate=Decimal("0.04"),
    use_of_funds=UseOfFunds.WORKING_CAPITAL, repaid_since_fen=0, own=OWN, at_this_bank=(SplitLoan("贷-1", DRAWN, 400 * WAN),),
    other_notes=(), related=(),
)


def flagged(facts: FlagFacts, **changes: object) -> dict[str, str]:
    """Raised flags by code, as the auditor reads them."""
    rules = replace(RULE_2025, **changes)  # type: ignore[arg-type]
    return {one.code: one.message % shown(one.params) for one in raised(red_flags(facts, rules))}


def test_a_clean_claim_raises_nothing_and_every_flag_is_shown_with_its_answer() -> None:
    assert flagged(CLEAN) == {}
    assert {one.code for one in red_flags(CLEAN, RULE_2025)} == set(FLAG_NAMES)


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"booked_on": DRAWN + timedelta(days=201)}, "LATE_BOOKING", ("2026-07-29", "2026-07-30")),
        ({"overdue_since": DRAWN + timedelta(days=89)}, "EARLY_DEFAULT", ("90", "89", "2026-01-10")),
        ({"at_this_bank": (SplitLoan("贷-1", DRAWN, 400 * WAN), SplitLoan("贷-2", DRAWN + timedelta(days=30), 200 * WAN))},
         "SPLIT", ("贷-1", "贷-2", "6,000,000.00", "5,000,000.00")),
        ({"at_this_bank": (SplitLoan("贷-1", DRAWN, 900 * WAN), SplitLoan("贷-2", DRAWN, 800 * WAN))},
         "SPLIT", ("17,000,000.00", "15,000,000.00")),
        ({"related": (RelatedLoan("广州乙公司", "贷-9", DRAWN + timedelta(days=365)),)}, "RELATED", ("广州乙公司 贷-9", "365")),
        ({"other_notes": (NoteOf("贷-7", "乙银行", " 借据－0001", "", date(2025, 1, 1), 1),)}, "DOUBLED_NOTE", ("乙银行 贷-7",)),
        ({"other_notes": (NoteOf("贷-7", "甲银行", "另", "合同 1", date(2025, 1, 1), 1),)}, "DOUBLED_NOTE", ("贷-7",)),
        ({"other_notes": (NoteOf("贷-7", "甲银行", "另", "别", DRAWN, 400 * WAN),)}, "DOUBLED_NOTE", ("贷-7",)),
        ({"repaid_since_fen": 3 * WAN}, "REPAID_SINCE", ("30,000.00",)),
        ({"use_of_funds": UseOfFunds.PROPERTY}, "USE", ("购置房产",)),
    ],
)
def test_each_flag_tells_the_facts_behind_it(changes: dict[str, object], code: str, told: tuple[str, ...]) -> None:
    found = flagged(replace(CLEAN, **changes))  # type: ignore[arg-type]
    assert list(found) == [code]
    assert all(word in found[code] for word in told), found[code]


def test_at_its_edge_a_flag_is_silent() -> None:
    for quiet in (
        {"overdue_since": DRAWN + timedelta(days=90)}, {"booked_on": DRAWN + timedelta(days=200)}, {"overdue_since": None},
        {"at_this_bank": (SplitLoan("一", DRAWN, 400 * WAN), SplitLoan("二", DRAWN + timedelta(days=31), 400 * WAN))},
        {"at_this_bank": (SplitLoan("一", DRAWN, 300 * WAN), SplitLoan("二", DRAWN, 200 * WAN))},
        {"related": (RelatedLoan("乙", "贷-9", DRAWN - timedelta(days=366)),)},
        {"other_notes": (NoteOf("贷-7", "乙", "借据-0002", "合同-2", DRAWN, 400 * WAN - 1),)},
    ):
        assert flagged(replace(CLEAN, **quiet)) == {}, quiet  # type: ignore[arg-type]


def test_every_number_of_a_flag_is_a_parameter_of_the_rule_set() -> None:
    assert set(flagged(CLEAN, max_annual_rate=Decimal("0.0399"))) == {"RATE"}
    assert flagged(CLEAN, max_annual_rate=Decimal("0.04")) == {}
    assert set(flagged(CLEAN, early_default_days=201)) == {"EARLY_DEFAULT"}
    later = SplitLoan("二", DRAWN + timedelta(days=31), 400 * WAN)
    apart = replace(CLEAN, at_this_bank=(SplitLoan("一", DRAWN, 400 * WAN), later))
    assert set(flagged(apart, split_window_days=31)) == {"SPLIT"}
    friend = replace(CLEAN, related=(RelatedLoan("乙", "贷-9", DRAWN + timedelta(days=30)),))
    assert set(flagged(friend)) == {"RELATED"} and flagged(friend, related_window_days=29) == {}
    assert plain_number(" jj-2026／001 ") == "JJ2026001" and plain_number("借据 一") != plain_number("借据 二")


LIST = [Candidate(f"claim-{number}", number % 3) for number in range(40)]


def test_a_sample_is_drawn_again_from_its_seed_whatever_the_order_of_the_list() -> None:
    for method in SampleMethod:
        drawn = draw(LIST, 8, 20260101, method, 2)
        assert draw(LIST[::-1], 8, 20260101, method, 2) == drawn
        assert [one.chosen for one in drawn] == [True] * 8 + [False] * 32
        assert draw(LIST, 8, 20260102, method, 2) != drawn


def test_a_random_sample_takes_everybody_alike_and_a_sample_by_risk_the_flagged_more_often() -> None:
    taken = {method: [0, 0, 0] for method in SampleMethod}
    for method in SampleMethod:
        for seed in range(400):
            for one in draw(LIST, 8, seed, method, 2):
                taken[method][int(one.id.split("-")[1]) % 3] += one.chosen
    clean, once, twice = taken[SampleMethod.RANDOM]
    assert max(clean, once, twice) - min(clean, once, twice) < 0.15 * 3200 / 3
    clean, once, twice = taken[SampleMethod.RISK]
    assert clean * 2 < once < twice, (clean, once, twice)


def test_the_share_is_rounded_up_and_a_sample_is_no_larger_than_its_list() -> None:
    assert [sample_size(n, Decimal("0.20")) for n in (0, 1, 5, 6)] == [0, 1, 1, 2] and sample_size(3, Decimal(1)) == 3
    with pytest.raises(ValueError, match="no larger"):
        draw(LIST, 41, 1, SampleMethod.RANDOM, 2)
    with pytest.raises(ValueError, match="at least 1"):
        draw(LIST, 1, 1, SampleMethod.RISK, -2)
