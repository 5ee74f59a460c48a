"""What funds tell the shared pages: menu, words of the timeline, what waits at home."""

from __future__ import annotations

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.bridge import agreement_queries
from app.bridge.fund_states import AGREEMENT, AGREEMENT_TEXTS, CEILING, CEILING_TEXTS, HOLD_TEXTS
from app.core.context import Context
from app.core.lifecycle import can_fire
from app.core.pages import Wait, event_texts, home
from app.core.permissions import Permission as P

for _subject, _texts in (("fund_hold", HOLD_TEXTS), ("fund_agreement", AGREEMENT_TEXTS), ("bridge_ceiling", CEILING_TEXTS)):
    for _event, _text in _texts.items():
        event_texts.add(_subject, _event, _l(_text))


def agreement_waits(ctx: Context) -> list[Wait]:
    """Drafted agreements that the visitor may sign off."""
    return [
        Wait(gettext("签署资金方协议"), row.number, url_for("bridge.agreements"), tone="wait", order=30)
        for row in agreement_queries.to_sign() if can_fire(ctx, AGREEMENT, row, "confirm")
    ]


def ceiling_waits(ctx: Context) -> list[Wait]:
    """A change of the bureau's numbers that the visitor may decide."""
    return [
        Wait(gettext("决定转贷收费上限"), row.reason[:60], url_for("bridge.ceiling"), tone="wait", order=30)
        for row in agreement_queries.ceilings_proposed() if can_fire(ctx, CEILING, row, "confirm")
    ]


home.add_waits(P.FUND_EDIT, agreement_waits)
home.add_waits(P.RULES_DECIDE, ceiling_waits)
