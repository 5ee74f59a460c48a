"""Declaring features in few words: the sentence for what is missing follows from the sources."""

from __future__ import annotations

from typing import Final

from scoring.features.spec import Direction, Feature, Sentences, Unit

SOURCE_WORDS: Final[dict[str, tuple[str, str]]] = {
    "invoices": ("发票", "invoice"),
    "electricity": ("用电", "electricity"),
    "water": ("用水", "water"),
    "gas": ("用气", "gas"),
    "tax": ("纳税申报", "tax filing"),
    "tax_grades": ("纳税信用级别", "tax credit grade"),
    "social_insurance": ("社会保险", "social insurance"),
    "housing_fund": ("住房公积金", "housing fund"),
    "customs": ("进出口", "customs"),
    "cash_flow": ("资金流水", "bank account flow"),
    "registration": ("登记注册", "registration"),
    "registration_changes": ("变更登记", "registration change"),
    "annual_reports": ("企业年报", "annual report"),
    "qualifications": ("资质证书", "qualification"),
    "ip": ("知识产权", "intellectual property"),
    "penalties": ("行政处罚", "penalty"),
    "justice": ("司法", "court"),
    "dishonesty": ("失信名单", "dishonesty list"),
}
"""Source → its name in Chinese and English, as it stands before 数据 / "data"."""


def declare(
    name: str,
    source: str,
    unit: Unit,
    window: int,
    direction: Direction,
    zh: tuple[str, ...],
    en: tuple[str, ...],
    *,
    group: str = "",
    also: tuple[str, ...] = (),
    scale_free: bool = True,
    changeable: bool = False,
    end_of_window: bool = False,
) -> Feature:
    """A feature from its words: label, good, bad and, where there is one, the sentence for 0. ``group``: by default the name."""
    sources = (source, *also)
    lacks_zh = "、".join(SOURCE_WORDS[one][0] for one in sources)
    lacks_en = " or ".join(SOURCE_WORDS[one][1] for one in sources)
    return Feature(
        name, source, unit, window, direction, group or name,
        _sentences(zh, f"没有足够的{lacks_zh}数据，暂不评价“{zh[0]}”"),
        _sentences(en, f'Not enough {lacks_en} data to judge "{en[0]}"'),
        also, scale_free, changeable, end_of_window,
    )  # fmt: skip


def _sentences(words: tuple[str, ...], missing: str) -> Sentences:
    label, good, bad = words[:3]
    return Sentences(label, good, bad, missing, words[3] if len(words) > 3 else "")
