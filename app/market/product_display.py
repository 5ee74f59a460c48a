"""How a product and what changed between two versions of it are put in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _l

from app.core.formats import money_text, rate_text
from app.core.uscc import DISTRICTS
from app.enterprises.industries import SECTIONS
from app.evidence.models import DataItem
from app.market.fit_display import rule_text
from app.market.product_models import Product, ProductVersion
from app.market.product_words import PRODUCT_KINDS
from app.market.words import METHODS, SIZES

NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Change:
    """One field that a version changed, in words."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version with what it changed against the one before."""

    version: ProductVersion
    changes: tuple[Change, ...]


def rates_text(low: Decimal | None, high: Decimal | None) -> str:
    """A range of yearly rates; a product from before may state none."""
    if low is None or high is None:
        return gettext("未写明")
    return rate_text(low) if low == high else f"{rate_text(low)} – {rate_text(high)}"


def terms_text(product: Product) -> str:
    """The range of terms."""
    return gettext("%(low)s–%(high)s 个月", low=product.min_term_months, high=product.max_term_months)


def item_names(items: Iterable[DataItem]) -> dict[str, str]:
    """Names of the catalogue's items in the language of the page."""
    english = str(get_locale()) == "en"
    return {item.code: item.name_en if english else item.name_zh for item in items}


def _joined(values: Iterable[Any], names: Mapping[str, str], nothing: str) -> str:
    return gettext("、").join(gettext(names.get(value, value)) for value in values) or nothing


def _industries(values: Iterable[str]) -> str:
    divisions = set(values)
    return gettext("、").join(
        gettext(section.name_zh) for section in SECTIONS if f"{section.first:02d}" in divisions
    ) or gettext("不限")


def _plain(value: Any) -> str:
    return NOTHING if value in (None, "") else str(value)


def _money(value: Any) -> str:
    return NOTHING if value is None else money_text(value)


def _rate(value: Any) -> str:
    return NOTHING if value is None else rate_text(Decimal(value))


def _fields(items: Mapping[str, str]) -> dict[str, tuple[Any, Callable[[Any], str]]]:
    """Label and words of every field of a version that people compare."""
    return {
        "name": (_l("产品名称"), _plain),
        "kind": (_l("担保方式"), lambda value: gettext(PRODUCT_KINDS.get(value, value or NOTHING))),
        "min_amount_fen": (_l("最低金额"), _money),
        "max_amount_fen": (_l("最高金额"), _money),
        "min_term_months": (_l("最短期限"), _plain),
        "max_term_months": (_l("最长期限"), _plain),
        "min_rate": (_l("最低年利率"), _rate),
        "max_rate": (_l("最高年利率"), _rate),
        "repayments": (_l("还款方式"), lambda value: _joined(value or (), METHODS, NOTHING)),
        "required_sources": (_l("需要企业授权的数据"), lambda value: _joined(value or (), items, gettext("不要求"))),
        "industries": (_l("面向行业"), lambda value: _industries(value or ())),
        "districts": (_l("服务地区"), lambda value: _joined(value or (), DISTRICTS, gettext("不限"))),
        "sizes": (_l("企业规模"), lambda value: _joined(value or (), SIZES, gettext("不限"))),
        "rule": (_l("准入条件"), lambda value: rule_text(value or {})),
        "officer_capacity": (_l("每名客户经理同时办理"), _plain),
        "seats": (_l("一轮撮合最多接受"), _plain),
        "budget_fen": (_l("一轮撮合的额度"), _money),
        "part_min_fen": (_l("联合贷款时最低份额"), _money),
    }


def history(versions: list[ProductVersion], items: Mapping[str, str]) -> list[VersionRow]:
    """The versions, newest first as they come, each with what it changed; what a version does not know counts as empty."""
    fields = _fields(items)
    rows = []
    for number, version in enumerate(versions):
        before = versions[number + 1].facts if number + 1 < len(versions) else None
        changes = () if before is None else tuple(
            Change(str(label), words(before.get(key)), words(version.facts.get(key)))
            for key, (label, words) in fields.items()
            if before.get(key) != version.facts.get(key)
        )
        rows.append(VersionRow(version, changes))
    return rows
