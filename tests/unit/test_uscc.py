"""A unified social credit code carries two checks, and a wrong one is explained."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.uscc import (
    ALPHABET,
    DISTRICTS,
    UsccProblemCode,
    check_char,
    normalise,
    org_check_char,
    parse,
    synthetic,
    validate,
)

PUBLISHED = [
    "9144030071526726XG",
    "91330100799655058B",
    "914403001922038216",
    "91110000600037341L",
    "91440300708461136T",
]


@pytest.mark.parametrize("code", PUBLISHED)
def test_published_codes_pass_both_checks(code: str) -> None:
    assert validate(code) is None
    assert check_char(code[:17]) == code[17]
    assert org_check_char(code[8:16]) == code[16]


@pytest.mark.parametrize(("first8", "check"), [("71526726", "X"), ("79965505", "8"), ("19220382", "1")])
def test_an_organisation_code_has_its_own_check(first8: str, check: str) -> None:
    assert org_check_char(first8) == check


def test_a_code_is_taken_apart() -> None:
    uscc = parse(" 9144030071526726xg ")
    assert (uscc.registry, uscc.entity_type, uscc.region, uscc.org_code) == ("9", "1", "440300", "71526726X")


def test_full_width_and_small_letters_are_understood() -> None:
    assert normalise("　９１４４0300 71526726xg ") == "9144030071526726XG"


def test_a_code_of_a_wrong_length_says_how_long_it_is() -> None:
    problem = validate("91440300715267")
    assert problem is not None
    assert problem.code is UsccProblemCode.LENGTH
    assert problem.message % problem.shown == "统一社会信用代码应为 18 位，现在是 14 位。"


@pytest.mark.parametrize(("letter", "digit"), [("I", "1"), ("O", "0"), ("S", None), ("中", None)])
def test_a_letter_outside_the_alphabet_is_named_with_its_likely_digit(letter: str, digit: str | None) -> None:
    problem = validate("91440300" + letter + "1526726XG")
    assert problem is not None
    assert (problem.code, problem.found, problem.expected) == (UsccProblemCode.LETTER, letter, digit)
    assert problem.position == 9
    assert letter in problem.message % problem.shown


def test_a_wrong_last_symbol_says_which_one_was_expected() -> None:
    problem = validate("9144030071526726XH")
    assert problem is not None
    assert (problem.code, problem.found, problem.expected) == (UsccProblemCode.CHECK, "H", "G")


def test_a_mistake_in_the_organisation_code_is_located_there() -> None:
    problem = validate("9144030071526727XG")
    assert problem is not None
    assert problem.code is UsccProblemCode.ORG_CHECK
    with pytest.raises(ValueError, match="ORG_CHECK"):
        parse("9144030071526727XG")


@given(st.sampled_from(PUBLISHED), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_any_single_wrong_symbol_is_noticed(code: str, position: int, symbol: str) -> None:
    typed = code[:position] + symbol + code[position + 1 :]
    assert (validate(typed) is None) == (typed == code)


def test_synthetic_codes_are_valid_and_all_different() -> None:
    codes = {synthetic("440106", serial) for serial in range(1, 100_001, 7)}
    assert len(codes) == len(range(1, 100_001, 7))
    assert all(validate(code) is None for code in list(codes)[::50])


@given(st.sampled_from(sorted(DISTRICTS)), st.integers(0, 31**5 - 1), st.sampled_from("1239"))
def test_a_synthetic_code_tells_its_district_and_kind(region: str, serial: int, entity: str) -> None:
    uscc = parse(synthetic(region, serial, entity))
    assert (uscc.region, uscc.entity_type, uscc.org_code[:3]) == (region, entity, "MA9")


@pytest.mark.parametrize(
    ("region", "serial", "entity"), [("4401", 1, "1"), ("440106", -1, "1"), ("440106", 1, "I")]
)
def test_a_synthetic_code_needs_a_sound_region_serial_and_kind(region: str, serial: int, entity: str) -> None:
    with pytest.raises(ValueError):
        synthetic(region, serial, entity)


def test_guangzhou_has_eleven_districts() -> None:
    assert len(DISTRICTS) == 11
    assert DISTRICTS["440106"] == "天河区"
