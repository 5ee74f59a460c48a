"""Whether a product fits a firm: a tree of rules that answers yes, no or unknown, and says why rule by rule.

A node is ``{"all": [...]}``, ``{"any": [...]}``, ``{"not": node}`` or a leaf ``{"fact", "op", "value"}``; ``{}`` fits everybody.
Answers follow Kleene: what is not known is neither yes nor no, and more data never turn a yes or a no round. A rule only speaks:
no need is refused by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.core.uscc import DISTRICTS
from app.core.working import N_, Problem
from app.market.words import FORMS, PURPOSES, SIZES

Tree = Mapping[str, Any]
Value = str | int | bool | frozenset[str]
Facts = Mapping[str, Value]

MOST_DEPTH, MOST_LEAVES, MOST_VALUES = 5, 40, 100
"""What a bank's own rule may hold [P]: levels, conditions, entries of one list."""


class Verdict(StrEnum):
    """What a rule says of a firm."""

    YES = "YES"
    NO = "NO"
    UNKNOWN = "UNKNOWN"


class Opens(StrEnum):
    """Where an unknown fact comes from: the firm's figures, its consent, its answer here, an office's delivery."""

    FIGURES = "FIGURES"
    CONSENT = "CONSENT"
    ANSWER = "ANSWER"
    DELIVERY = "DELIVERY"


class Shape(StrEnum):
    """What kind of value a fact has: a code, a number, an amount in 分, yes or no, a set of codes."""

    CODE = "CODE"
    NUMBER = "NUMBER"
    MONEY = "MONEY"
    FLAG = "FLAG"
    SET = "SET"


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that a rule may ask for. ``source`` is an item of the catalogue where ``opens`` is DELIVERY."""

    label: str
    shape: Shape
    opens: Opens
    source: str = ""
    unit: str = ""
    words: Mapping[str, str] | None = None


CONSENT = "consent"
"""The set of items the firm has consented to towards the bank of the product."""

_GRADES = {grade: grade for grade in ("A", "B", "M", "C", "D")}
_SIZES = {code: name for code, name in SIZES.items() if code != "unknown"}

FACTS: dict[str, Fact] = {
    "amount_fen": Fact(N_("需求金额"), Shape.MONEY, Opens.ANSWER),
    "term_months": Fact(N_("需求期限"), Shape.NUMBER, Opens.ANSWER, unit=N_("个月")),
    "purpose": Fact(N_("资金用途"), Shape.CODE, Opens.ANSWER, words=PURPOSES),
    "first_loan": Fact(N_("首贷户"), Shape.FLAG, Opens.ANSWER),
    "industry": Fact(N_("行业"), Shape.CODE, Opens.FIGURES),
    "district": Fact(N_("地区"), Shape.CODE, Opens.FIGURES, words=DISTRICTS),
    "size": Fact(N_("企业规模"), Shape.CODE, Opens.FIGURES, words=_SIZES),
    "form": Fact(N_("主体类型"), Shape.CODE, Opens.FIGURES, words=FORMS),
    "headcount": Fact(N_("从业人数"), Shape.NUMBER, Opens.FIGURES, unit=N_("人")),
    "revenue_fen": Fact(N_("年营业收入"), Shape.MONEY, Opens.FIGURES),
    "age_months": Fact(N_("成立时间"), Shape.NUMBER, Opens.DELIVERY, "registration", N_("个月")),
    "tax_grade": Fact(N_("纳税信用级别"), Shape.CODE, Opens.DELIVERY, "tax_grades", words=_GRADES),
    "tax_months": Fact(N_("近 24 个月有纳税申报的月数"), Shape.NUMBER, Opens.DELIVERY, "tax", N_("个月")),
    "invoice_months": Fact(N_("近 24 个月有销项发票的月数"), Shape.NUMBER, Opens.DELIVERY, "invoices", N_("个月")),
    "receivable_debtors": Fact(N_("近 12 个月的购货方数"), Shape.NUMBER, Opens.DELIVERY, "invoices", N_("家")),
    "insured_heads": Fact(N_("参保人数"), Shape.NUMBER, Opens.DELIVERY, "social_insurance", N_("人")),
    "dishonest": Fact(N_("在严重失信名单中"), Shape.FLAG, Opens.DELIVERY, "dishonesty"),
    "penalties_open": Fact(N_("未修复的行政处罚"), Shape.NUMBER, Opens.DELIVERY, "penalties", N_("件")),
    "high_tech": Fact(N_("高新技术企业"), Shape.FLAG, Opens.DELIVERY, "qualifications"),
    "ip_count": Fact(N_("有效且未质押的知识产权"), Shape.NUMBER, Opens.DELIVERY, "ip", N_("项")),
    CONSENT: Fact(N_("授权本产品银行查看"), Shape.SET, Opens.CONSENT),
}
"""The closed list of facts with their units; months and counts are whole numbers."""

OPS: dict[Shape, tuple[str, ...]] = {
    Shape.CODE: ("in", "prefix"),
    Shape.NUMBER: ("at_least", "at_most"),
    Shape.MONEY: ("at_least", "at_most"),
    Shape.FLAG: ("is",),
    Shape.SET: ("has",),
}


@dataclass(frozen=True, slots=True)
class FitLine:
    """One condition of a rule. ``negated``: it must not hold. ``answer`` counts that in. ``group`` joins the lines of which one
    is enough (0: needed on its own). ``decides``: the verdict hangs on it. ``opens`` and ``source`` say what would answer it."""

    fact: str
    op: str
    wanted: Any
    found: Value | None
    answer: Verdict
    negated: bool
    group: int
    decides: bool
    opens: Opens
    source: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its lines in the order of the rule."""

    verdict: Verdict
    lines: tuple[FitLine, ...]

    @property
    def missing(self) -> tuple[FitLine, ...]:
        """What is unknown and still decides."""
        return tuple(line for line in self.lines if line.decides and line.answer is Verdict.UNKNOWN)

    @property
    def against(self) -> tuple[FitLine, ...]:
        """What speaks against it and decides."""
        return tuple(line for line in self.lines if line.decides and line.answer is Verdict.NO)


def _not(verdict: Verdict) -> Verdict:
    return {Verdict.YES: Verdict.NO, Verdict.NO: Verdict.YES}.get(verdict, Verdict.UNKNOWN)


def _all(verdicts: Sequence[Verdict]) -> Verdict:
    if Verdict.NO in verdicts:
        return Verdict.NO
    return Verdict.UNKNOWN if Verdict.UNKNOWN in verdicts else Verdict.YES


def _truth(leaf: Tree, facts: Facts) -> Verdict:
    found, op, wanted = facts.get(leaf["fact"]), leaf["op"], leaf["value"]
    if op == "has":
        # A consent that is not given can be given, so its absence is no refusal.
        return Verdict.YES if isinstance(found, frozenset) and wanted in found else Verdict.UNKNOWN
    if found is None:
        return Verdict.UNKNOWN
    if op == "in":
        holds = found in wanted
    elif op == "prefix":
        holds = str(found).startswith(tuple(wanted))
    elif op == "is":
        holds = found is wanted
    else:
        assert isinstance(found, int)
        holds = found >= wanted if op == "at_least" else found <= wanted
    return Verdict.YES if holds else Verdict.NO


def evaluate(tree: Tree, facts: Facts) -> Verdict:
    """What a checked tree answers for these facts; a fact that is absent is unknown."""
    if not tree:
        return Verdict.YES
    if "all" in tree:
        return _all([evaluate(node, facts) for node in tree["all"]])
    if "any" in tree:
        return _not(_all([_not(evaluate(node, facts)) for node in tree["any"]]))
    if "not" in tree:
        return _not(evaluate(tree["not"], facts))
    return _truth(tree, facts)


def judge(tree: Tree, facts: Facts) -> Judgement:
    """The verdict of a checked tree and a line a condition, each with what was found."""
    lines: list[FitLine] = []
    _walk(tree, facts, lines, False, 0, True)
    return Judgement(evaluate(tree, facts), tuple(lines))


def _walk(node: Tree, facts: Facts, lines: list[FitLine], negated: bool, group: int, decides: bool) -> None:
    if not node:
        return
    if "not" in node:
        _walk(node["not"], facts, lines, not negated, group, decides)
        return
    own = evaluate(node, facts)
    if "fact" in node:
        fact = FACTS[node["fact"]]
        source = node["value"] if fact.opens is Opens.CONSENT else fact.source
        lines.append(FitLine(
            node["fact"], node["op"], node["value"], facts.get(node["fact"]), _not(own) if negated else own, negated, group,
            decides, fact.opens, source,
        ))  # fmt: skip
        return
    # Under a "not", all becomes any and the other way round.
    either = ("any" in node) != negated
    if either and group == 0:
        group = 1 + max((line.group for line in lines), default=0)
    for child in node.get("all") or node.get("any") or ():
        _walk(child, facts, lines, negated, group, decides and evaluate(child, facts) is own)


# --- what a tree may be ---------------------------------------------------------------------------------------------------


def leaves(tree: Tree) -> Iterator[Tree]:
    """Every condition of a tree."""
    if "fact" in tree:
        yield tree
    for child in [*tree.get("all", ()), *tree.get("any", ()), *([tree["not"]] if "not" in tree else [])]:
        yield from leaves(child)


def check_tree(tree: Any) -> list[Problem]:
    """Everything that forbids a bank's rule: a shape that is none, an unknown fact, a value that does not suit, too large."""
    problem = _broken(tree, 1)
    if problem is None and sum(1 for _ in leaves(tree)) > MOST_LEAVES:
        problem = N_("条件最多 %(most)s 条。"), {"most": MOST_LEAVES}
    return [] if problem is None else [Problem("rule", "RULE_BROKEN", problem[0], problem[1])]


_Broken = tuple[str, dict[str, Any]]


def _broken(node: Any, depth: int) -> _Broken | None:
    if depth > MOST_DEPTH:
        return N_("条件最多嵌套 %(most)s 层。"), {"most": MOST_DEPTH}
    if node == {} and depth == 1:
        return None
    if not isinstance(node, dict):
        return N_("条件的格式不对。"), {}
    if "fact" in node:
        return _broken_leaf(node)
    if set(node) == {"not"}:
        return _broken(node["not"], depth + 1)
    if set(node) not in ({"all"}, {"any"}) or not all(isinstance(each, list) and each for each in node.values()):
        return N_("条件的格式不对。"), {}
    return next((found for each in node.values() for child in each if (found := _broken(child, depth + 1))), None)


def _broken_leaf(node: dict[str, Any]) -> _Broken | None:
    fact = FACTS.get(node["fact"]) if isinstance(node["fact"], str) else None
    if fact is None or set(node) != {"fact", "op", "value"} or node["op"] not in OPS[fact.shape]:
        return N_("条件的格式不对。"), {}
    params = {"fact_label": fact.label}
    value = node["value"]
    if fact.shape in (Shape.NUMBER, Shape.MONEY):
        fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**13
    elif fact.shape is Shape.FLAG:
        fine = isinstance(value, bool)
    elif fact.shape is Shape.SET:
        fine = isinstance(value, str) and 0 < len(value) <= 40
    else:
        known = fact.words if node["op"] == "in" else None
        fine = isinstance(value, list) and 0 < len(value) <= MOST_VALUES and all(
            isinstance(one, str) and 0 < len(one) <= 20 and (known is None or one in known) for one in value
        )
    return None if fine else (N_("“%(fact_label)s”的数值不对，请核对。"), params)


# --- the whole rule of a product ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProductTerms:
    """What a product says beside its own rule: amounts in 分, terms in months; empty lists mean any."""

    min_amount_fen: int
    max_amount_fen: int
    min_term_months: int
    max_term_months: int
    industries: Sequence[str] = ()
    districts: Sequence[str] = ()
    sizes: Sequence[str] = ()
    sources: Sequence[str] = ()


def leaf(fact: str, op: str, value: Any) -> dict[str, Any]:
    """A condition."""
    return {"fact": fact, "op": op, "value": value}


def whole_tree(terms: ProductTerms, rule: Tree) -> Tree:
    """The product's ranges, lists and required consents as conditions, and its own rule after them: one mechanism for all."""
    nodes: list[Tree] = [
        leaf("amount_fen", "at_least", terms.min_amount_fen),
        leaf("amount_fen", "at_most", terms.max_amount_fen),
        leaf("term_months", "at_least", terms.min_term_months),
        leaf("term_months", "at_most", terms.max_term_months),
    ]
    if terms.industries:
        nodes.append(leaf("industry", "prefix", list(terms.industries)))
    if terms.districts:
        nodes.append(leaf("district", "in", list(terms.districts)))
    if terms.sizes:
        nodes.append(leaf("size", "in", list(terms.sizes)))
    nodes += [leaf(CONSENT, "has", source) for source in terms.sources]
    nodes += [rule] if rule else []
    return {"all": nodes}


# --- the form's lines -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A condition as one line of the form; ``joined``: enough if this one or the line above it holds."""

    fact: str
    op: str
    value: Any
    negated: bool = False
    joined: bool = False


def tree_of(lines: Sequence[RuleLine]) -> dict[str, Any]:
    """The tree that lines make: all of them, where joined lines are alternatives."""
    groups: list[list[dict[str, Any]]] = []
    for line in lines:
        node = leaf(line.fact, line.op, line.value)
        node = {"not": node} if line.negated else node
        if line.joined and groups:
            groups[-1].append(node)
        else:
            groups.append([node])
    return {"all": [group[0] if len(group) == 1 else {"any": group} for group in groups]} if groups else {}


def lines_of(tree: Tree) -> list[RuleLine] | None:
    """The lines that make a tree; ``None`` where it is deeper than lines can say."""
    if not tree:
        return []
    if set(tree) != {"all"}:
        return None
    lines: list[RuleLine] = []
    for node in tree["all"]:
        for number, child in enumerate(node.get("any", [node])):
            bare = child.get("not", child)
            if "fact" not in bare:
                return None
            lines.append(RuleLine(bare["fact"], bare["op"], bare["value"], "not" in child, number > 0))
    return lines


