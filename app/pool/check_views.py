"""The page of the nightly checks, with the trial balance of the ledger."""

from __future__ import annotations

from typing import Any

from flask import render_template
from flask_babel import lazy_gettext as _l

from app.core.pages import Text
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import context
from app.pool import queries
from app.pool.door import room

WORDS: dict[str, Text] = {
    "BALANCE": _l("账户余额与流水合计不符（借方 / 贷方 / 预留，分）"), "TRIAL_BALANCE": _l("借方合计与贷方合计不等（分）"),
    "BOOKING_PRINCIPAL": _l("入库本金与放款时的记录不符（分）"), "BOOKING_STATE": _l("入库单的状态与补偿申请不符"),
    "LOSS": _l("净本金损失重算不符（分）"),
    "COMPENSATION": _l("补偿金额重算不符（分）"),
    "RESERVED": _l("预留金额与审定金额不符（分）"),
    "PAID": _l("支付金额与台账不符（分）"),
    "RETURNED": _l("应返还金额重算不符（分）"),
}


@room.page("/pool/checks", Permission.POOL_READ)
def checks() -> Any:
    """What each night found, and every account with its two sides."""
    with reading(context(), Permission.POOL_READ):
        nights, accounts = queries.checks(31), queries.accounts()
        return render_template(
            "pool/checks.html", nights=nights, accounts=accounts, words=WORDS,
            latest=next((one for one in nights if one.told is not None), None),
            debits=sum(one.debits_posted_fen for one, _ in accounts), credits=sum(one.credits_posted_fen for one, _ in accounts),
        )
