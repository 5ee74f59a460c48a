"""Policy of the evidence room: how long a consent lasts, what a delivery must hold, why a row waits in quarantine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID


def N_(message: str) -> str:
    """Marks a Chinese sentence for the catalogues; it is translated where it is shown."""
    return message


INVOICES = "invoices"
"""Code of the one item whose deliveries are taken in so far."""

PURCHASE, SALE = 0, 1
"""进项 and 销项, as ``invoice_line.side``."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    RECEIVED = "RECEIVED"
    READING = "READING"
    TAKEN_IN = "TAKEN_IN"
    FAILED = "FAILED"
    WITHDRAWN = "WITHDRAWN"


class ConsentState(StrEnum):
    """Where a consent stands. ``REPLACED``: the firm gave a newer one for the same item and receiver."""

    ACTIVE = "ACTIVE"
    REPLACED = "REPLACED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


class Purpose(StrEnum):
    """What evidence may be used for: one loan request, or to see beforehand what could be lent."""

    PRE_APPROVAL = "pre_approval"
    CASE = "case"


class Basis(StrEnum):
    """On what ground a look was allowed; ``NONE``: it was refused."""

    CONSENT = "consent"
    PUBLIC = "public_record"
    NONE = "none"


class TextKind(StrEnum):
    """``PERSONAL``: the second text, for items that are data about a person where the firm is a sole trader."""

    FIRM = "firm"
    PERSONAL = "personal"


LINKS = "meter_links"
"""Whose a meter is: read along with what the meter counted, never asked for by itself."""

SOLE_TRADER = "sole_trader"
"""个体工商户, as ``enterprise.form``: what is about the business is about a person."""


@dataclass(frozen=True, slots=True)
class ConsentRules:
    """How long a consent holds, in days (credit-data-catalogue.md §6, proposals)."""

    default_days: int = 90
    longest_days: int = 365
    shortest_days: int = 1
    warn_days: int = 14
    """A consent that ends within so many days is shown as ending soon."""

    def allows(self, days: int) -> bool:
        """Whether a firm may consent for so many days."""
        return self.shortest_days <= days <= self.longest_days


CONSENT = ConsentRules()


@dataclass(frozen=True, slots=True)
class Choice:
    """What one receiver may read: ``receiver`` an organisation's id, ``None`` the portal's own profile."""

    receiver: UUID | None
    items: tuple[str, ...]


def choices_of(pairs: Iterable[tuple[UUID | None, str]]) -> tuple[Choice, ...]:
    """The ticks of the matrix, receiver by receiver: each receiver is consented to separately (个人信息保护法 art. 23)."""
    chosen: dict[UUID | None, set[str]] = {}
    for receiver, item in pairs:
        chosen.setdefault(receiver, set()).add(item)
    return tuple(Choice(receiver, tuple(sorted(chosen[receiver]))) for receiver in sorted(chosen, key=str))


def months_behind(latest: date | None, day: date, late_days: int) -> int:
    """How many months of a monthly item are overdue on ``day``, each being due ``late_days`` days after its end."""
    if latest is None:
        return 0
    due = day - timedelta(days=late_days)
    last_due = due.year * 12 + due.month - 2
    return max(0, last_due - (latest.year * 12 + latest.month - 1))


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """What an invoice file may hold. ``gross_tolerance_fen`` in 分 (issue: gross that is not net plus tax waits)."""

    gross_tolerance_fen: int = 1
    earliest_day: date = date(1994, 1, 1)
    """VAT of the present kind began on this day (增值税暂行条例, 1993)."""
    days_ahead: int = 1
    """A provider's clock may be a day ahead of ours."""
    longest_text: int = 200
    """Characters of an invoice number or a counterparty."""
    longest_key: int = 40
    """Characters of an account number 户号."""
    facts_since: date = date(1990, 1, 1)
    """No office kept these data before; an earlier day is a slip."""
    founded_since: date = date(1949, 10, 1)
    days_long_past: tuple[str, ...] = ("established_on",)
    """Fields that may hold days between the two."""
    days_to_come: tuple[str, ...] = ("due_on", "valid_to", "expires_on", "period_end")
    """Fields that may hold days to come: terms and what a paper is good for."""
    batch_rows: int = 50_000
    firms_told_at_once: int = 1_000
    """Firms named in one outbox row when a delivery has changed them."""
    remind_days: int = 14
    """Rows in quarantine stand on the home of their provider for so many days."""
    command_limit_bytes: int = 20 * 1024**3
    unpacked_limit_bytes: int = 4 * 1024**3
    """A workbook is a ZIP archive: what it unpacks to is limited too."""
    shared_limit_bytes: int = 512 * 1024**2
    """Its sheets are streamed, everything else (above all its table of texts) is held in memory."""
    json_limit_bytes: int = 64 * 1024**2
    """A JSON list is held in memory as a whole; one object a line is streamed and has no such limit."""


DELIVERY = DeliveryRules()


@dataclass(frozen=True, slots=True)
class LookRules:
    """What a summary of evidence shows."""

    months: int = 24
    top_counterparties: int = 5
    rows: int = 6
    """Latest rows of an item on the page that shows all items; its own page has them all."""
    tell_again: timedelta = timedelta(days=1)
    """The firm is told at a bank's first look within this time."""


LOOK = LookRules()


class RowReason(StrEnum):
    """Why a row waits in quarantine."""

    BAD_COUNT = "bad_count"
    BAD_DATE = "bad_date"
    BAD_MONTH = "bad_month"
    BAD_NUMBER = "bad_number"
    BAD_QUANTITY = "bad_quantity"
    BAD_USCC = "bad_uscc"
    CONFLICT_IN_FILE = "conflict_in_file"
    OUTDATED = "outdated"
    FIELD_COUNT = "field_count"
    GROSS_MISMATCH = "gross_mismatch"
    IMPOSSIBLE = "impossible"
    MISSING_FIELD = "missing_field"
    TOO_LONG = "too_long"
    UNKNOWN_FIRM = "unknown_firm"
    UNKNOWN_SIDE = "unknown_side"
    UNKNOWN_STATUS = "unknown_status"
    UNKNOWN_WORD = "unknown_word"


ROW_REASONS: dict[RowReason, str] = {
    RowReason.BAD_COUNT: N_("“%(field)s”不是整数：%(value)s"),
    RowReason.BAD_MONTH: N_("“%(field)s”不是有效的月份：%(value)s"),
    RowReason.BAD_QUANTITY: N_("“%(field)s”不是最多三位小数的数：%(value)s"),
    RowReason.BAD_USCC: N_("“%(value)s”不是有效的统一社会信用代码：%(problem)s"),
    RowReason.OUTDATED: N_("后来的批次对同一件事给出了不同的内容，以后来的为准"),
    RowReason.CONFLICT_IN_FILE: N_("同一批次里这一行与第 %(value)s 行说的是同一件事，内容却不同"),
    RowReason.IMPOSSIBLE: N_("“%(field)s”不可能是 %(value)s"),
    RowReason.UNKNOWN_WORD: N_("“%(field)s”应为 %(words)s 之一：%(value)s"),
    RowReason.BAD_DATE: N_("“%(field)s”不是有效的日期：%(value)s"),
    RowReason.BAD_NUMBER: N_("“%(field)s”不是精确到分的金额：%(value)s"),
    RowReason.FIELD_COUNT: N_("这一行的列数与表头不符"),
    RowReason.GROSS_MISMATCH: N_("价税合计不等于金额加税额，相差 %(value)s 元"),
    RowReason.MISSING_FIELD: N_("“%(field)s”没有填"),
    RowReason.TOO_LONG: N_("“%(field)s”过长"),
    RowReason.UNKNOWN_FIRM: N_("平台上没有这家企业：%(value)s"),
    RowReason.UNKNOWN_SIDE: N_("“%(field)s”应为进项或销项：%(value)s"),
    RowReason.UNKNOWN_STATUS: N_("“%(field)s”应为有效或作废：%(value)s"),
}

INTERRUPTED = "interrupted"
FAILURES: dict[str, str] = {INTERRUPTED: N_("读取中断，平台会自动再试；没有任何一行留下一半。")}
"""Failures of a delivery that are no refusal."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of an invoice file: its code, its Chinese name and every heading under which it may come."""

    code: str
    label: str
    headings: tuple[str, ...]
    required: bool = True


FIELDS: tuple[Field, ...] = (
    Field("firm_id", N_("企业代码"), ("firm_id", "企业代码", "企业代号"), required=False),
    Field("uscc", N_("统一社会信用代码"), ("uscc", "统一社会信用代码", "纳税人识别号"), required=False),
    Field("side", N_("进销方向"), ("side", "进销方向", "方向", "进项销项"), required=False),
    Field("invoice_no", N_("发票号码"), ("invoice_no", "发票号码", "发票号")),
    Field("invoice_date", N_("开票日期"), ("invoice_date", "开票日期")),
    Field("counterparty_id", N_("对方单位"), (
        "counterparty_id", "对方单位", "对方单位代号", "销方单位代号", "购方单位代号",
        "销方名称", "购方名称", "销售方名称", "购买方名称",
    )),
    Field("amount_net", N_("金额"), ("amount_net", "金额", "不含税金额")),
    Field("tax_amount", N_("税额"), ("tax_amount", "税额")),
    Field("amount_gross", N_("价税合计"), ("amount_gross", "价税合计")),
    Field("status", N_("发票状态"), ("status", "发票状态", "状态")),
)
FIELD_LABELS = {field.code: field.label for field in FIELDS}

STATUSES = {
    "valid": False, "有效": False, "有效发票": False, "正常": False, "void": True, "作废": True, "作废发票": True, "已作废": True,
}
"""Spelling of a status → is it void?"""
SIDES = {
    "in": PURCHASE, "purchase": PURCHASE, "进项": PURCHASE, "购进": PURCHASE, "0": PURCHASE,
    "out": SALE, "sale": SALE, "销项": SALE, "销售": SALE, "1": SALE,
}
"""Spelling of a side → side."""
_SIDE_IN_NAME = (("invoices_in", PURCHASE), ("进项", PURCHASE), ("invoices_out", SALE), ("销项", SALE))


def side_of_filename(filename: str) -> int | None:
    """The side that a file's name tells, such as ``invoices_in_2026.parquet`` or ``销项2026-10.csv``."""
    found = {side for word, side in _SIDE_IN_NAME if word in filename.lower()}
    return found.pop() if len(found) == 1 else None


def consent_words(body: str, *, purpose: str, items: Iterable[str], receivers: Iterable[str], days: int) -> str:
    """The consent text as the firm reads and signs it: every receiver is named (个人信息保护法 art. 23), no "all partners".

    ``days``: how long it holds. Raises ``KeyError`` for a text version with unknown placeholders.
    """
    return body % {
        "purpose": purpose, "items": "、".join(items), "receivers": "、".join(receivers), "days": str(days),
    }
