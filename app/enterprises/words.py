"""Words of the room: states, forms, sizes, districts, industries, and the working of a size class as rows of a page."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.formats import NOTHING, count_text, is_english, money_text
from app.core.pages import Text, Tone
from app.core.uscc import DISTRICTS
from app.enterprises.rules import INDUSTRIES, SECTIONS, SIZE_NAMES, DataSource, Measure, SizeClass, SizeReason

STATES: dict[str, Text] = {
    "known": _l("尚未注册"), "unverified": _l("待核验"), "verified": _l("已核验"), "refused": _l("未通过"),
}
STATE_TONES: dict[str, Tone] = {"known": "plain", "unverified": "wait", "verified": "good", "refused": "bad"}
FORMS: dict[str, Text] = {
    "company": _l("企业"), "sole_trader": _l("个体工商户"), "cooperative": _l("农民专业合作社"),
}
SIZES: dict[str, Text] = {size.value.lower(): _l(name) for size, name in SIZE_NAMES.items()}
DISTRICT_NAMES: dict[str, Text] = {code: _l(name) for code, name in DISTRICTS.items()}
_INDUSTRY = {industry.code: industry for industry in INDUSTRIES}


def district_name(code: str | None) -> str:
    """A district, or its bare code where it is none of the city's."""
    return str(DISTRICT_NAMES.get(code or "", code or NOTHING))


def industry_name(code: str | None) -> str:
    """Code and name of an industry; a finer code shows the division it belongs to."""
    if not code:
        return NOTHING
    industry = _INDUSTRY.get(code) or _INDUSTRY.get(code[:2])
    if industry is None:
        return code
    return f"{code} {industry.name_en if is_english() else gettext(industry.name_zh)}"


def industry_choices() -> dict[str, list[tuple[str, str]]]:
    """Industries under their sections, for a grouped select. Divisions whose finer code decides the size are left out."""
    finer = {industry.code[:2] for industry in INDUSTRIES if len(industry.code) == 4}
    groups: dict[str, list[tuple[str, str]]] = {}
    for section in SECTIONS:
        if section.letter in "ST":  # no enterprises
            continue
        name = section.name_en if is_english() else gettext(section.name_zh)
        groups[f"{section.letter} {name}"] = [
            (industry.code, industry_name(industry.code)) for industry in INDUSTRIES
            if industry.section == section.letter and industry.code not in finer
        ]
    return groups


def source_name(source: str | None) -> str:
    """Where figures come from."""
    try:
        return gettext(DataSource((source or "").upper()).label)
    except ValueError:
        return NOTHING


def _amount(measure: Measure, value: int | None) -> str:
    if value is None:
        return gettext("未填")
    return gettext("%(count)s 人", count=count_text(value)) if measure is Measure.HEADCOUNT else money_text(value)


def working_rows(working: list[Any]) -> list[tuple[str, str, str]]:
    """Stored working of a size class as (measure with value, size by this measure, the limits that decided)."""
    rows = []
    for row in working:
        if "measure" not in row:
            continue
        measure = Measure(row["measure"])
        small, medium, large = (_amount(measure, limit) for limit in row["limits"])
        how = gettext("小型从 %(small)s 起，中型从 %(medium)s 起，大型从 %(large)s 起", small=small, medium=medium, large=large)
        rows.append((
            f"{gettext(measure.label)} {_amount(measure, row['value'])}", gettext(SIZE_NAMES[SizeClass(row["size"])]), how,
        ))
    return rows


def working_note(working: list[Any]) -> str:
    """Why there is no size class, or which row of the table was used."""
    for row in working:
        if "reason" in row:
            return gettext(SizeReason(row["reason"]).message)
    for row in working:
        if "group" in row:
            return gettext("按“%(group)s”的标准，取各项指标中最低的一档；等于下限的算上一档。", group=gettext(row["group"]))
    return ""
