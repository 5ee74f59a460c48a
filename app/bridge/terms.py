"""Terms as they are stored, and the fee of money that came back in parts. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from app.bridge.rules import BridgeKind, BridgeTerms, Fee, FeeMethod, FeeStep, days_used, fee
from app.core.working import N_, Params, WorkingLine


def stored(terms: BridgeTerms) -> dict[str, Any]:
    """Terms as JSON: rates as text, so that no float touches them."""
    data: dict[str, Any] = {}
    for one in fields(terms):
        value = getattr(terms, one.name)
        if one.name == "steps":
            value = [[step.to_day, str(step.daily_rate)] for step in value]
        data[one.name] = str(value) if isinstance(value, Decimal) else value
    return data


def terms_of(data: dict[str, Any]) -> BridgeTerms:
    """Terms from their JSON. Raises ``TypeError``, ``KeyError`` or ``ValueError`` for what ``stored`` did not write."""
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name == "kind":
            values[name] = BridgeKind(value)
        elif name == "fee_method":
            values[name] = FeeMethod(value)
        elif name == "steps":
            values[name] = tuple(FeeStep(to_day, Decimal(rate)) for to_day, rate in value)
        else:
            values[name] = Decimal(value) if isinstance(value, str) else value
    return BridgeTerms(**values)


@dataclass(frozen=True, slots=True)
class Returned:
    """Money that came back: 分, and the day on which it arrived."""

    amount_fen: int
    on_day: date


def fee_of_returns(returns: Sequence[Returned], paid_on: date, terms: BridgeTerms) -> Fee:
    """The fee of a bridge that came back in one or several parts, each charged for the days it was used.

    One return gives exactly ``rules.fee`` of the whole (transfer-loan paper §3). Raises ``ValueError`` for a return
    before the payout.
    """
    parts = [fee(part.amount_fen, days_used(paid_on, part.on_day), terms) for part in returns]
    if len(parts) == 1:
        return parts[0]
    lines: list[WorkingLine] = []
    for part, charged in zip(returns, parts, strict=True):
        params: Params = {"day": part.on_day, "part_fen": part.amount_fen}
        lines.append(WorkingLine("PART", N_("%(day)s 归还 %(part_fen)s 元的费用"), params, charged.amount_fen))
        lines.extend(line for line in charged.working if line.code != "TOTAL")
    total = sum(part.amount_fen for part in parts)
    return Fee(total, (*lines, WorkingLine("TOTAL", N_("费用合计，不另收其他费用"), {}, total)))


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of a working as it was stored with its fee: the message id, its parameters as text, the amount in 分."""

    message: str
    shown: dict[str, str]
    amount_fen: int | None
    ratio: Decimal | None = None


def stored_working(charged: Fee) -> list[dict[str, Any]]:
    """The working of a fee as JSON."""
    return [
        {"message": line.message, "shown": line.shown, "amount_fen": line.amount_fen} for line in charged.working
    ]


def working_of(data: Sequence[dict[str, Any]]) -> list[ShownLine]:
    """Lines from ``stored_working``."""
    return [ShownLine(line["message"], line["shown"], line["amount_fen"]) for line in data]


def rate_words(terms: BridgeTerms) -> tuple[str, dict[str, str]]:
    """The charge in one sentence (message id and parameters), for a page."""
    percent = WorkingLine("", "", {"daily_ratio": terms.daily_rate, "once_ratio": terms.one_off_rate}).shown
    if terms.fee_method is FeeMethod.ONE_OFF:
        return N_("一次性 %(rate)s"), {"rate": percent["once_ratio"]}
    if terms.fee_method is FeeMethod.DAILY:
        return N_("每天 %(rate)s"), {"rate": percent["daily_ratio"]}
    first, last = terms.steps[0], terms.steps[-1]
    shown = WorkingLine("", "", {"first_ratio": first.daily_rate, "last_ratio": last.daily_rate}).shown
    return N_("前 %(days)s 天每天 %(first)s，以后每天 %(last)s"), {
        "days": str(first.to_day), "first": shown["first_ratio"], "last": shown["last_ratio"],
    }
