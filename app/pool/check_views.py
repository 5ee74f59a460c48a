"""The page of the nightly checks, with the trial balance of the ledger."""

from __future__ import annotations

from typing import Any

from flask import render_template
from flask_babel import lazy_gettext as _l

from app.core.formats import money_text
from app.core.pages import Text
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import context
from app.pool import queries
from app.pool.door import room

WORDS: dict[str, Text] = {
    "BALANCE": _l("账户余额与流水合计不符（借方 / 贷方 / 预留）"), "TRIAL_BALANCE": _l("借方合计与贷方合计不等"),
    "BOOKING_PRINCIPAL": _l("入库本金与放款时的记录不符"), "BOOKING_STATE": _l("入库单的状态与补偿申请不符"),
    "LOSS": _l("净本金损失重算不符"),
    "COMPENSATION": _l("补偿金额重算不符"),
    "RESERVED": _l("预留金额与审定金额不符"),
    "PAID": _l("支付金额与台账不符"),
    "RETURNED": _l("应返还金额重算不符"),
}

_ACCOUNTS: dict[str, Text] = {"treasury": _l("财政拨款"), "budget": _l("政银预算"), "guarantee": _l("政担预算")}


def account_name(code: str) -> str:
    """An account of the pool in words; a bank's own is told by the bank's name."""
    _, kind, *year = code.split(":")
    return " ".join([str(_ACCOUNTS[kind]), *year]) if kind in _ACCOUNTS else code


def told(value: str) -> str:
    """What a finding expected or found: amounts as money, states as they are called in the records."""
    return " / ".join(money_text(int(part)) if part.isdigit() else part for part in value.split("/"))


@room.page("/pool/checks", Permission.POOL_READ)
def checks() -> Any:
    """What each night found, and every account with its two sides."""
    with reading(context(), Permission.POOL_READ):
        nights, accounts = queries.checks(31), queries.accounts()
        return render_template(
            "pool/checks.html", nights=nights, accounts=accounts, words=WORDS, account_name=account_name, told=told,
            latest=next((one for one in nights if one.told is not None), None),
            debits=sum(one.debits_posted_fen for one, _ in accounts), credits=sum(one.credits_posted_fen for one, _ in accounts),
        )
