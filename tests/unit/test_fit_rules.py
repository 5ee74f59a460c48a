"""Whether a product fits: three answers by Kleene, De Morgan, and that more data never turn a yes or a no round."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.core.money import WAN
from app.market.fit_rules import (
    CONSENT,
    FACTS,
    MOST_DEPTH,
    MOST_LEAVES,
    Opens,
    ProductTerms,
    RuleLine,
    Verdict,
    check_tree,
    evaluate,
    judge,
    leaf,
    lines_of,
    tree_of,
    whole_tree,
)
from app.market.product_words import ProductKind

YES, NO, UNKNOWN = Verdict.YES, Verdict.NO, Verdict.UNKNOWN

LEAVES = st.one_of(
    st.builds(leaf, st.sampled_from(["tax_months", "headcount"]), st.sampled_from(["at_least", "at_most"]), st.integers(0, 9)),
    st.builds(leaf, st.just("district"), st.just("in"), st.lists(st.sampled_from(["440112", "440106"]), min_size=1, max_size=2)),
    st.builds(leaf, st.just("dishonest"), st.just("is"), st.booleans()),
)
TREES = st.recursive(
    LEAVES,
    lambda child: st.one_of(
        st.fixed_dictionaries({"all": st.lists(child, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"any": st.lists(child, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": child}),
    ),
    max_leaves=8,
)
KNOWN = {
    "tax_months": st.integers(0, 9), "headcount": st.integers(0, 9), "district": st.sampled_from(["440112", "440118"]),
    "dishonest": st.booleans(),
}  # fmt: skip
FIRMS = st.fixed_dictionaries({}, optional=KNOWN)


@given(st.lists(TREES, min_size=1, max_size=3), FIRMS)
def test_not_all_is_any_not(nodes: list[Any], firm: dict[str, Any]) -> None:
    turned = [{"not": node} for node in nodes]
    assert evaluate({"not": {"all": nodes}}, firm) is evaluate({"any": turned}, firm)
    assert evaluate({"not": {"any": nodes}}, firm) is evaluate({"all": turned}, firm)
    assert evaluate({"not": {"not": nodes[0]}}, firm) is evaluate(nodes[0], firm)


@given(TREES, FIRMS, st.sets(st.sampled_from(sorted(KNOWN))))
def test_more_data_never_turn_a_yes_or_a_no_round(tree: Any, firm: dict[str, Any], lost: set[str]) -> None:
    less = evaluate(tree, {name: value for name, value in firm.items() if name not in lost})
    assert less in (evaluate(tree, firm), UNKNOWN)


@given(TREES, FIRMS)
def test_the_lines_that_decide_explain_the_verdict(tree: Any, firm: dict[str, Any]) -> None:
    judged = judge(tree, firm)
    assert judged.verdict is evaluate(tree, firm)
    deciding = {line.answer for line in judged.lines if line.decides}
    assert deciding == {judged.verdict}
    assert bool(judged.missing) == (judged.verdict is UNKNOWN) and bool(judged.against) == (judged.verdict is NO)


def test_what_is_unknown_is_neither_yes_nor_no() -> None:
    grade = leaf("tax_grade", "in", ["A", "B"])
    heads = leaf("insured_heads", "at_least", 5)
    assert [evaluate(grade, {}), evaluate({"not": grade}, {})] == [UNKNOWN, UNKNOWN]
    assert evaluate({"all": [grade, heads]}, {"insured_heads": 3}) is NO
    assert evaluate({"any": [grade, heads]}, {"insured_heads": 9}) is YES
    assert evaluate({"any": [grade, heads]}, {"insured_heads": 3}) is UNKNOWN
    assert evaluate({}, {}) is YES


def test_a_product_asks_for_range_place_size_and_consent_in_one_tree() -> None:
    terms = ProductTerms(10 * WAN, 500 * WAN, 3, 24, ["34"], ["440112"], ["small", "micro"], ["invoices", "tax"])
    tree = whole_tree(terms, tree_of([
        RuleLine("tax_grade", "in", ["A", "B"]), RuleLine("high_tech", "is", True, joined=True),
        RuleLine("dishonest", "is", True, negated=True),
    ]))  # fmt: skip
    assert check_tree(tree) == []
    firm: dict[str, Any] = {"amount_fen": 300 * WAN, "term_months": 12, "industry": "3411", "district": "440112", "size": "small",
            "dishonest": False, "high_tech": True}  # fmt: skip
    halfway = judge(tree, {**firm, CONSENT: frozenset({"invoices"})})
    assert halfway.verdict is UNKNOWN
    assert [(line.fact, line.opens, line.source) for line in halfway.missing] == [(CONSENT, Opens.CONSENT, "tax")]
    either = [line for line in halfway.lines if line.group]
    assert [line.fact for line in either] == ["tax_grade", "high_tech"] and {line.group for line in either} == {1}
    whole = {**firm, CONSENT: frozenset({"invoices", "tax"})}
    assert judge(tree, whole).verdict is YES
    too_much = judge(tree, {**whole, "amount_fen": 600 * WAN})
    assert too_much.verdict is NO and [line.op for line in too_much.against] == ["at_most"]
    listed = judge(tree, {**whole, "dishonest": True})
    assert [(line.fact, line.negated, line.answer) for line in listed.against] == [("dishonest", True, NO)]


def test_each_kind_of_product_can_say_what_it_is_about() -> None:
    named = {
        ProductKind.CREDIT: leaf("invoice_months", "at_least", 12),
        ProductKind.RECEIVABLE_PLEDGE: leaf("receivable_debtors", "at_least", 3),
        ProductKind.IP_PLEDGE: leaf("ip_count", "at_least", 1),
        ProductKind.ENVIRONMENT_PLEDGE: leaf("industry", "prefix", ["44", "77"]),
        ProductKind.LOAN_INSURANCE: leaf("penalties_open", "at_most", 0),
        ProductKind.GUARANTEED: leaf("size", "in", ["micro", "small"]),
        ProductKind.MORTGAGE: leaf("amount_fen", "at_least", 100 * WAN),
        ProductKind.EQUITY: leaf("high_tech", "is", True),
        ProductKind.TAX_LOAN: leaf("tax_grade", "in", ["A", "B"]),
        ProductKind.FIRST_LOAN: leaf("first_loan", "is", True),
        ProductKind.RENEWAL: leaf("age_months", "at_least", 24),
        ProductKind.SUPPLY_CHAIN: leaf("purpose", "in", ["PURCHASE"]),
        ProductKind.OTHER: leaf("form", "in", ["cooperative"]),
    }
    assert set(named) == set(ProductKind)
    strong = {"invoice_months": 24, "receivable_debtors": 9, "ip_count": 2, "industry": "7722", "penalties_open": 0,
              "size": "small",
              "amount_fen": 200 * WAN, "high_tech": True, "tax_grade": "A", "first_loan": True, "age_months": 60,
              "purpose": "PURCHASE", "form": "cooperative"}  # fmt: skip
    for rule in named.values():
        assert check_tree(rule) == [] and evaluate(rule, strong) is YES and evaluate(rule, {}) is UNKNOWN
    assert set(strong) <= set(FACTS)


def test_lines_of_the_form_and_the_tree_are_one_thing() -> None:
    lines = [RuleLine("headcount", "at_least", 5), RuleLine("size", "in", ["micro"], negated=True, joined=True),
             RuleLine("dishonest", "is", False)]  # fmt: skip
    assert lines_of(tree_of(lines)) == lines and lines_of({}) == [] and tree_of([]) == {}
    assert lines_of({"all": [{"any": [{"all": [leaf("headcount", "at_least", 1)]}]}]}) is None


def test_a_rule_that_is_none_is_told_in_a_sentence() -> None:
    good = leaf("headcount", "at_least", 5)
    deep: Any = good
    for _ in range(MOST_DEPTH):
        deep = {"all": [deep]}
    wrong: tuple[Any, ...] = (
        [], "x", {"all": []}, {"all": [good], "any": [good]}, {"not": {}}, leaf("salary", "at_least", 1),
        leaf("headcount", "in", ["1"]),
        leaf("headcount", "at_least", True), leaf("headcount", "at_least", -1), leaf("district", "in", ["110101"]),
        leaf("dishonest", "is", "yes"), {**good, "more": 1}, deep, {"all": [good] * (MOST_LEAVES + 1)},
    )  # fmt: skip
    for broken in wrong:
        assert [problem.code for problem in check_tree(broken)] == ["RULE_BROKEN"], broken
