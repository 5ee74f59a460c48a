"""Size class by 300号: the lowest rank among the listed measures decides, a limit is inclusive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import WAN
from app.enterprises.rules import (
    BY_RANK,
    INDUSTRIES,
    NOT_COVERED,
    RULE_VERSION,
    SIZE_TABLE,
    DataSource,
    EntityForm,
    Measure,
    SizeClass,
    SizeGroup,
    SizeReason,
    SizeResult,
    entity_form,
    industry_is_valid,
    section_of,
    size_class,
    size_group,
)


def size(code: str, people: int | None, revenue: int | None = None, assets: int | None = None) -> SizeResult:
    """Money in 万元, as the standard prints it."""
    money = [None if value is None else value * WAN for value in (revenue, assets)]
    return size_class(code, people, money[0], money[1], 2025, DataSource.TAX_REPORT)


@pytest.mark.parametrize(
    ("code", "people", "revenue", "assets", "expected"),
    [
        ("33", 350, 1500, None, SizeClass.SMALL),
        ("33", 1200, 30000, None, SizeClass.MEDIUM),
        ("33", 300, 2000, None, SizeClass.MEDIUM),
        ("33", 350, 200, None, SizeClass.MICRO),
        ("51", 4, 6000, None, SizeClass.MICRO),
        ("65", 100, 999, None, SizeClass.SMALL),
        ("72", 20, None, 150, SizeClass.SMALL),
        ("47", None, 6000, 4999, SizeClass.SMALL),
        ("33", 1000, 40000, None, SizeClass.LARGE),
        ("01", None, 50, None, SizeClass.SMALL),
        ("80", 10, None, None, SizeClass.SMALL),
        ("80", 9, None, None, SizeClass.MICRO),
    ],
)
def test_the_examples_of_the_standard(
    code: str, people: int | None, revenue: int | None, assets: int | None, expected: SizeClass
) -> None:
    assert size(code, people, revenue, assets).size is expected


@pytest.mark.parametrize(
    ("code", "group"),
    [
        ("7010", SizeGroup.PROPERTY_DEVELOPMENT),
        ("7020", SizeGroup.PROPERTY_MANAGEMENT),
        ("7030", SizeGroup.OTHER),
        ("591", SizeGroup.TRANSPORT),
        ("5910", SizeGroup.TRANSPORT),
        ("59", SizeGroup.STORAGE),
        ("0111", SizeGroup.AGRICULTURE),
        ("3952", SizeGroup.INDUSTRY),
        ("52", SizeGroup.RETAIL),
        ("64", SizeGroup.INFORMATION),
        ("83", SizeGroup.OTHER),
        ("85", SizeGroup.OTHER),
    ],
)
def test_an_industry_code_leads_to_its_row(code: str, group: SizeGroup) -> None:
    assert size_group(code) is group


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("53", SizeReason.NOT_COVERED),
        ("66", SizeReason.NOT_COVERED),
        ("84", SizeReason.NOT_COVERED),
        ("97", SizeReason.NOT_COVERED),
        ("70", SizeReason.CODE_TOO_SHORT),
        ("98", SizeReason.NOT_AN_INDUSTRY),
        ("3", SizeReason.NOT_AN_INDUSTRY),
        ("３３", SizeReason.NOT_AN_INDUSTRY),
    ],
)
def test_an_industry_outside_the_table_has_no_size_and_says_why(code: str, reason: SizeReason) -> None:
    result = size(code, 50, 500, 500)
    assert (result.size, result.reason) == (SizeClass.UNKNOWN, reason)


def test_a_missing_measure_is_never_guessed() -> None:
    result = size("33", None, 1)
    assert (result.size, result.reason) == (SizeClass.UNKNOWN, SizeReason.MEASURE_MISSING)
    assert [row.rank for row in result.working] == [None, 0]


def test_a_measure_the_row_does_not_list_is_not_needed() -> None:
    assert size("33", 20, 300, None).size is SizeClass.SMALL


def test_the_working_shows_value_limits_and_rank_of_each_measure() -> None:
    result = size("33", 350, 1500)
    assert [(row.measure, row.value, row.size) for row in result.working] == [
        (Measure.HEADCOUNT, 350, SizeClass.MEDIUM),
        (Measure.REVENUE, 1500 * WAN, SizeClass.SMALL),
    ]
    assert result.working[1].limits.medium == 2000 * WAN
    assert (result.rule_version, result.year, result.source) == (RULE_VERSION, 2025, DataSource.TAX_REPORT)


def test_a_negative_measure_is_refused() -> None:
    with pytest.raises(ValueError):
        size("33", -1, 100)


@pytest.mark.parametrize(("group", "row"), [(g, limits) for g, rows in SIZE_TABLE.items() for limits in rows])
def test_limits_rise_and_belong_to_the_higher_class(group: SizeGroup, row: object) -> None:
    for limits in SIZE_TABLE[group]:
        assert 0 < limits.small < limits.medium < limits.large
        assert [limits.rank(v) for v in (limits.small - 1, limits.small, limits.medium, limits.large)] == [
            0,
            1,
            2,
            3,
        ]


COVERED = [industry.code for industry in INDUSTRIES if size_group(industry.code)]
PEOPLE = st.integers(0, 3000)
MONEY = st.integers(0, 300_000 * WAN)


@given(st.sampled_from(COVERED), PEOPLE, MONEY, MONEY, PEOPLE, MONEY, MONEY)
def test_a_firm_that_grows_never_falls_to_a_smaller_class(
    code: str, people: int, revenue: int, assets: int, more_people: int, more_revenue: int, more_assets: int
) -> None:
    before = size_class(code, people, revenue, assets, 2025, DataSource.SELF_STATED)
    after = size_class(
        code, people + more_people, revenue + more_revenue, assets + more_assets, 2025, DataSource.SELF_STATED
    )
    assert BY_RANK.index(after.size) >= BY_RANK.index(before.size)


def test_all_97_divisions_can_be_chosen_and_every_one_is_covered_or_named_as_not() -> None:
    divisions = [industry for industry in INDUSTRIES if len(industry.code) == 2]
    assert [industry.code for industry in divisions] == [f"{k:02d}" for k in range(1, 98)]
    undecided = {i.code for i in divisions if size_group(i.code) is None and i.code not in NOT_COVERED}
    assert undecided == {"70"}
    assert {section.section for section in divisions} == set("ABCDEFGHIJKLMNOPQRST")
    assert all(industry.name_zh and industry.name_en for industry in INDUSTRIES)


def test_a_code_knows_its_section() -> None:
    section = section_of("6510")
    assert section is not None
    assert section.letter == "I"
    assert industry_is_valid("0111")


def test_a_sole_trader_is_not_an_enterprise() -> None:
    assert entity_form("92440106MA9000011R") is EntityForm.SOLE_TRADER
    assert entity_form("9144030071526726XG") is EntityForm.ENTERPRISE
    assert entity_form("93440106MA9000011R") is EntityForm.COOPERATIVE
    assert entity_form("51440106MA9000011R") is EntityForm.OTHER
