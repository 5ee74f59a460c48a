"""How money, rates, dates and numbers are written on a screen, in the language of whoever looks.

Money comes in as whole 分 and is shown as 万元 or 元, never as 分. Rates come in as fractions per year.
Times are shown in Shanghai time, whatever zone they carry. Nothing here decides anything: what is rounded is
rounded for the eye alone, and a figure that cannot be shown exactly in 万元 is shown in 元.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from flask import Flask

from app.core import money
from app.core.calendar import SHANGHAI, now, today
from app.core.languages import gettext, quick_locale
from app.core.money import WAN, YUAN

MILLION = 100 * WAN
"""Fen in a million yuan, the large unit of English pages."""
NOTHING = "—"
"""Shown where there is no value; never an empty cell that looks forgotten."""

# From ten 万 on, one decimal of 万元 still reads more easily than six digits of 元.
_WAN_WITH_DECIMAL_FROM = 10 * WAN
_TENTH_OF_WAN = WAN // 10
_HUNDREDTH_OF_MILLION = MILLION // 100

_NEED_TITLE = re.compile(r"(.+) ([\d,.]+) 万元，(\d+) 个月")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class MoneyParts:
    """An amount ready for the eye: the number, what stands before it (¥) and the unit after it."""

    number: str
    before: str = ""
    unit: str = ""

    def __str__(self) -> str:
        sign, number = ("-", self.number[1:]) if self.number.startswith("-") else ("", self.number)
        return f"{sign}{self.before}{number}{' ' if self.unit else ''}{self.unit}"


def is_english() -> bool:
    """Whether the page is spoken in English; outside a request it is Chinese."""
    locale = quick_locale()
    return locale is not None and locale.language == "en"


def money_parts(fen: int) -> MoneyParts:
    """An amount of 分 as number and unit: 万元 when exact and short, else 元; in English ¥ and million."""
    size = abs(fen)
    if is_english():
        if size >= MILLION and size % _HUNDREDTH_OF_MILLION == 0:
            return MoneyParts(f"{Decimal(fen) / MILLION:,.2f}", before="¥", unit="million")
        return MoneyParts(_yuan_number(fen), before="¥")
    if size >= WAN and size % WAN == 0:
        return MoneyParts(f"{fen // WAN:,}", unit="万元")
    if size >= _WAN_WITH_DECIMAL_FROM and size % _TENTH_OF_WAN == 0:
        return MoneyParts(f"{Decimal(fen) / WAN:,.1f}", unit="万元")
    return MoneyParts(_yuan_number(fen), unit="元")


def money_brief(fen: int) -> MoneyParts:
    """An amount of 分 as a big figure shows it: 万元 with two decimals from 100 万元 on (English: million), exact below."""
    if abs(fen) < MILLION:
        return money_parts(fen)
    step = Decimal("0.01")
    if is_english():
        return MoneyParts(f"{(Decimal(fen) / MILLION).quantize(step, rounding=ROUND_HALF_UP):,}", before="¥", unit="million")
    return MoneyParts(f"{(Decimal(fen) / WAN).quantize(step, rounding=ROUND_HALF_UP):,}", unit="万元")


def _yuan_number(fen: int) -> str:
    sign = "-" if fen < 0 else ""
    yuan, rest = divmod(abs(fen), YUAN)
    return f"{sign}{yuan:,}.{rest:02d}" if rest else f"{sign}{yuan:,}"


def money_text(fen: int | None) -> str:
    """An amount of 分 as text: 300 万元, 117,500 元, 117,500.25 元; English ¥3.00 million, ¥117,500."""
    return NOTHING if fen is None else str(money_parts(fen))


def title_text(title: str) -> str:
    """The title of a case, which is stored in Chinese, in the language of the page: 采购原料或商品 300 万元，12 个月."""
    found = _NEED_TITLE.fullmatch(title) if is_english() else None
    if found is None:
        return gettext(title) if title else ""
    amount = money_text(int(Decimal(found[2].replace(",", "")) * WAN))
    term = gettext("%(count)s 个月", count=found[3])
    return str(gettext("%(purpose)s %(amount)s，%(term)s", purpose=gettext(found[1]), amount=amount, term=term))


def yuan_text(fen: int | None) -> str:
    """An amount of 分 always in 元 with two decimals, for statements whose columns must line up."""
    return NOTHING if fen is None else money.yuan_text(fen)


def money_series(fens: list[int] | tuple[int, ...]) -> tuple[list[Decimal], str]:
    """Amounts of 分 for a chart, with the unit to name beside it: 万元, in English ¥ thousand."""
    if is_english():
        return [Decimal(fen) / (WAN // 10) for fen in fens], "¥ thousand"
    return [Decimal(fen) / WAN for fen in fens], "万元"


def rate_text(rate: Decimal | None, places: int = 2) -> str:
    """A fraction per year as percent, rounded half up for the eye: Decimal('0.0392') is 3.92%."""
    if rate is None:
        return NOTHING
    step = Decimal(1).scaleb(-places)
    return f"{(rate * 100).quantize(step, rounding=ROUND_HALF_UP):,}%"


def count_text(number: int | Decimal | None) -> str:
    """A number with thousands separators."""
    return NOTHING if number is None else f"{number:,}"


def size_text(size: int | None) -> str:
    """A file size in bytes as KB or MB."""
    if size is None:
        return NOTHING
    if size < 1024 * 1024:
        return f"{max(1, round(size / 1024)):,} KB"
    return f"{size / 1024 / 1024:,.1f} MB"


def _shanghai(moment: datetime) -> datetime:
    # A time without a zone would be shown some hours wrong, and nobody would notice.
    if moment.tzinfo is None:
        raise ValueError("a time shown to people must carry its zone")
    return moment.astimezone(SHANGHAI)


def date_text(day: date | datetime | None, relative: bool = False) -> str:
    """A day: 11-24, with the year when it is not this year; `relative`: 今天, 明天, 昨天. English 24 Nov."""
    if day is None:
        return NOTHING
    if isinstance(day, datetime):
        day = _shanghai(day).date()
    word = _relative_word(day) if relative else None
    return word if word is not None else _day_text(day)


def datetime_text(moment: datetime | None, relative: bool = False) -> str:
    """A moment in Shanghai time: 11-24 18:00, with `relative` 今天 18:00. English 24 Nov 18:00.

    Raises ValueError for a time without a zone.
    """
    if moment is None:
        return NOTHING
    local = _shanghai(moment)
    return f"{date_text(local, relative=relative)} {local:%H:%M}"


def _relative_word(day: date) -> str | None:
    """The word stands within a sentence more often than not: English writes it small, as "by today 18:00"."""
    away = (day - today()).days
    word = gettext("昨天") if away == -1 else gettext("今天") if away == 0 else gettext("明天") if away == 1 else None
    return word.lower() if word else None


def _day_text(day: date) -> str:
    this_year = day.year == today().year
    if is_english():
        return f"{day.day} {_MONTHS[day.month - 1]}" + ("" if this_year else f" {day.year}")
    return f"{day:%m-%d}" if this_year else f"{day:%Y-%m-%d}"


def iso_text(moment: date | datetime | None) -> str:
    """A day or moment for the `datetime` attribute of a <time> element."""
    if moment is None:
        return ""
    if isinstance(moment, datetime):
        return _shanghai(moment).isoformat(timespec="minutes")
    return moment.isoformat()


def is_past(moment: datetime | None) -> bool:
    """Whether a deadline has gone by."""
    return moment is not None and _shanghai(moment) < now()


def mask_id(number: str | None) -> str:
    """An identity or account number with all but its first three and last four characters hidden."""
    if not number:
        return NOTHING
    if len(number) <= 7:
        return "*" * len(number)
    return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}"


def mask_phone(number: str | None) -> str:
    """A telephone number as 138****5678."""
    if not number:
        return NOTHING
    if len(number) <= 7:
        return "*" * len(number)
    return f"{number[:3]}****{number[-4:]}"


def mask_email(address: str | None) -> str:
    """An e-mail address as z***@example.com."""
    if not address:
        return NOTHING
    name, _, domain = address.partition("@")
    return f"{name[:1]}***@{domain}"


FILTERS = {
    "money_parts": money_parts,
    "money_brief": money_brief,
    "money_text": money_text,
    "title_text": title_text,
    "yuan_text": yuan_text,
    "rate_text": rate_text,
    "count_text": count_text,
    "size_text": size_text,
    "date_text": date_text,
    "datetime_text": datetime_text,
    "iso_text": iso_text,
    "mask_id": mask_id,
    "mask_phone": mask_phone,
    "mask_email": mask_email,
}


def init_formats(app: Flask) -> None:
    """Offer every format to the templates, as a filter and as a function of the same name."""
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(FILTERS)
    app.jinja_env.globals.update(this_moment=now, is_english=is_english)
    app.jinja_env.tests["past"] = is_past
