"""Pages of the city: the board with four figures."""

from __future__ import annotations

from typing import Any

from flask import render_template, url_for
from flask_babel import lazy_gettext as _l

from app.core.calendar import today
from app.core.context import Context
from app.core.formats import money_parts
from app.core.pages import Figure
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import context
from app.pool import budget_queries, queries, recovery_queries, service
from app.pool.door import claim_chip, room
from app.pool.recovery_views import return_chip
from app.pool.rules import RuleSet
from app.pool.states import OPEN_FOR_BUREAU


def board_figures(ctx: Context) -> list[Figure]:
    """Budget left, claims waiting, paid this year, banks near the stop line."""
    year = today().year
    left = sum(one.left_fen for one in budget_queries.year_moneys(year).values())  # both modes, as the claims are
    money, paid = money_parts(left), money_parts(queries.paid_in(year))
    stored = service.rule_set_on(today())
    rules = RuleSet.from_json(stored.rules) if stored else None
    near = [one for one in queries.bank_lines(year) if rules is not None and one.near(rules)]
    waiting = queries.waiting_count()
    return [
        Figure(_l("今年预算余额"), money.before + money.number, money.unit, url=url_for("pool.ledger")),
        Figure(_l("在办的补偿申请"), str(waiting), tone="wait" if waiting else "plain",
               url=url_for("pool.claims", f="1", open="1")),
        Figure(_l("今年已支付补偿"), paid.before + paid.number, paid.unit),
        Figure(_l("接近熔断线的银行"), str(len(near)), tone="bad" if near else "good", url=url_for("pool.board") + "#banks"),
    ]


@room.page("/pool", Permission.POOL_READ)
def board() -> Any:
    """What waits, what is left, and how near each bank is to the stop line."""
    ctx = context()
    with reading(ctx, Permission.POOL_READ):
        stored = service.rule_set_on(today())
        rules = RuleSet.from_json(stored.rules) if stored else None
        return render_template(
            "pool/board.html", figures=board_figures(ctx), claims=queries.due_claims(OPEN_FOR_BUREAU, limit=15),
            banks=queries.bank_lines(today().year), rules=rules, late=queries.late_bookings(), chip=claim_chip,
            unsound=queries.last_found(), late_returns=recovery_queries.late_returns(), return_chip=return_chip,
        )
