"""How conditions of a product are put in words: what is wanted, what was found, what would answer it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from app.core.formats import money_text
from app.core.pages import Tone
from app.core.pieces import chip
from app.enterprises.industries import SECTIONS
from app.market.fit_rules import FACTS, FitLine, Opens, Shape, Tree, Verdict, lines_of
from app.market.fit_service import Fit

OP_WORDS = {
    ("in", False): _l("属于"), ("in", True): _l("不属于"), ("prefix", False): _l("属于"), ("prefix", True): _l("不属于"),
    ("at_least", False): _l("不少于"), ("at_least", True): _l("少于"), ("at_most", False): _l("不超过"),
    ("at_most", True): _l("超过"), ("is", False): _l("为"), ("is", True): _l("不为"), ("has", False): _l("包括"),
    ("has", True): _l("不包括"),
}  # fmt: skip
VERDICT_WORDS = {Verdict.YES: _l("符合"), Verdict.NO: _l("不符合"), Verdict.UNKNOWN: _l("未知")}
TONES: dict[Verdict, Tone] = {Verdict.YES: "good", Verdict.NO: "plain", Verdict.UNKNOWN: "wait"}


def fact_label(fact: str) -> str:
    """A fact's name."""
    return gettext(FACTS[fact].label)


def industries_text(prefixes: Any) -> str:
    """Prefixes of industry codes, by section where they make a whole one."""
    left, names = set(prefixes), []
    for section in SECTIONS:
        divisions = {f"{number:02d}" for number in range(section.first, section.last + 1)}
        if divisions <= left:
            left -= divisions
            names.append(gettext(section.name_zh))
    return gettext("、").join([*names, *sorted(left)])


def value_text(fact: str, value: Any, items: dict[str, str] | None = None) -> str:
    """A value of a fact, wanted or found."""
    spec = FACTS[fact]
    if value is None:
        return "—"
    if fact == "industry":
        return industries_text([value] if isinstance(value, str) else value)
    if spec.shape is Shape.SET:
        held = [value] if isinstance(value, str) else sorted(value)
        return gettext("、").join((items or {}).get(code, code) for code in held) or "—"
    if spec.shape is Shape.FLAG:
        return gettext("是") if value else gettext("否")
    if spec.shape is Shape.MONEY:
        return money_text(value)
    if spec.shape is Shape.NUMBER:
        return f"{value:,} {gettext(spec.unit)}" if spec.unit else f"{value:,}"
    codes = [value] if isinstance(value, str) else value
    return gettext("、").join(gettext((spec.words or {}).get(code, code)) for code in codes)


def wanted_text(fact: str, op: str, value: Any, negated: bool, items: dict[str, str] | None = None) -> str:
    """A condition without its fact: 不少于 12 个月."""
    return f"{OP_WORDS[op, negated]} {value_text(fact, value, items)}"


def rule_text(tree: Tree) -> str:
    """A bank's own rule in one line."""
    lines = lines_of(tree)
    if lines is None:
        return gettext("（多层条件）")
    parts: list[str] = []
    for line in lines:
        words = f"{fact_label(line.fact)} {wanted_text(line.fact, line.op, line.value, line.negated)}"
        if line.joined and parts:
            parts[-1] = gettext("%(left)s 或 %(right)s", left=parts[-1], right=words)
        else:
            parts.append(words)
    return gettext("；").join(parts) or gettext("无")


def verdict_chip(fit: Fit) -> Markup:
    """符合, 还缺 N 项 or 不符合."""
    if fit.verdict is Verdict.UNKNOWN:
        return chip(gettext("还缺 %(count)s 项", count=len(fit.missing)), "wait")
    return chip(str(VERDICT_WORDS[fit.verdict]), TONES[fit.verdict])


def line_chip(line: FitLine) -> Markup:
    """The answer of one condition."""
    return chip(str(VERDICT_WORDS[line.answer]), TONES[line.answer])


def todo(line: FitLine, bank_id: UUID, items: dict[str, str]) -> tuple[str, str | None] | None:
    """What would answer an unknown condition: words, and where to do it; ``None`` where it is known."""
    if line.answer is not Verdict.UNKNOWN:
        return None
    if line.opens is Opens.CONSENT:
        words = gettext("授权这家银行查看%(item)s", item=items.get(line.source, line.source))
        return words, url_for("evidence.give", item=line.source, bank=bank_id)
    if line.opens is Opens.FIGURES:
        return gettext("填写企业数据：%(fact)s", fact=fact_label(line.fact)), url_for("enterprises.figures")
    if line.opens is Opens.ANSWER:
        return gettext("在上面填写：%(fact)s", fact=fact_label(line.fact)), None
    return gettext("“%(item)s”的数据还没有归集到", item=items.get(line.source, line.source)), None
