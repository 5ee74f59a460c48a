"""What decisions and promises put into the first page: objections for the desk, open conditions for the officer."""

from __future__ import annotations

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.context import Context
from app.core.formats import money_text
from app.core.pages import Wait, home
from app.core.permissions import Permission
from app.market import award_queries
from app.market.bid_words import CONDITION_KINDS, OBJECTION_REASONS
from app.market.display import need_title


def desk_waits(ctx: Context) -> list[Wait]:
    """The desk: objections without an answer."""
    rows = [row for row in award_queries.objections(50) if row.objection.answered_at is None]
    return [
        Wait(_l("答复对选定的异议"), f"{need_title(row.need)} · {gettext(OBJECTION_REASONS[row.objection.reason])}",
             url_for("market.objections"), tone="wait", order=20)
        for row in rows
    ]  # fmt: skip


def officer_waits(ctx: Context) -> list[Wait]:
    """An officer: conditions of approved loans that have not come about, without which nothing is drawn."""
    return [
        Wait(_l("登记条件成立"), f"{gettext(CONDITION_KINDS[kind])} · {money_text(amount_fen)}",
             url_for("market.choice", choice_id=choice_id), due=due, tone="wait", order=25)
        for choice_id, amount_fen, due, kind in award_queries.open_conditions(ctx)
    ]  # fmt: skip


home.add_waits(Permission.AWARD_JUDGE, desk_waits)
home.add_waits(Permission.CONDITION_MEET, officer_waits)
