"""Hints for the desk by the five tests of the 申报清单 (金发〔2024〕32号): they speak, a person decides. Amounts in 分."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from app.core.working import N_, Value

BANNED_USES = ("购房", "买房", "首付", "房贷", "炒股", "股票", "证券", "期货", "理财", "转借", "还网贷", "虚拟货币")
"""Words in the firm's own text that point at a use a business loan must not have (经营性贷款)."""


@dataclass(frozen=True, slots=True)
class ScreenFacts:
    """What the desk knows of a need and its firm; ``revenue_fen`` a year, ``None`` where nobody has said it."""

    verified: bool
    district_known: bool
    amount_fen: int
    purpose_text: str
    revenue_fen: int | None
    total_fen: int
    twins: int


@dataclass(frozen=True, slots=True)
class Hint:
    """One test: its name, whether it looks fine (``None``: the portal cannot tell), and why."""

    test: str
    fine: bool | None
    message: str
    params: Mapping[str, Value] = field(default_factory=dict)


def hints(facts: ScreenFacts, most_of_revenue: Decimal = Decimal("0.5")) -> list[Hint]:
    """The five tests with their data. ``most_of_revenue`` [P]: up to which share of a year's sales all loans look usual."""
    return [
        Hint(N_("合法经营"), facts.verified, N_("执照与法定代表人已核验") if facts.verified else N_("执照还没有核验")),
        Hint(N_("固定经营场所"), None if facts.district_known else False,
             N_("登记地区已填，场所请对照执照") if facts.district_known else N_("登记地区未填")),
        _real(facts, most_of_revenue),
        Hint(N_("信用良好"), None, N_("服务台不看信用数据；由企业授权的银行判断")),
        _lawful(facts.purpose_text),
    ]


def _real(facts: ScreenFacts, most: Decimal) -> Hint:
    test = N_("真实融资需求")
    if facts.twins:
        return Hint(test, False, N_("该企业另有 %(count)s 份金额相同的进行中需求，可能重复"), {"count": facts.twins})
    if not facts.revenue_fen:
        return Hint(test, None, N_("企业没有填营业收入，无法比较金额"))
    share = Decimal(facts.total_fen) / facts.revenue_fen
    message = N_("已有与申请中的贷款合计是上年营业收入的 %(share_ratio)s")
    return Hint(test, share <= most, message, {"share_ratio": share})


def _lawful(text: str) -> Hint:
    found = next((word for word in BANNED_USES if word in text), None)
    if found is not None:
        return Hint(N_("用途合规"), False, N_("说明里有“%(word)s”，请核对用途"), {"word": found})
    if len(text.strip()) < 4:
        return Hint(N_("用途合规"), None, N_("具体说明很短，看不出用途"))
    return Hint(N_("用途合规"), True, N_("说明里没有不合规用途的字样"))
