"""Pages of the firm after closing: offers compared, the choice."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import redirect, render_template, url_for
from flask_babel import gettext

from app.core import pages
from app.core.database import get_or_404
from app.core.lifecycle import can_fire
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import act, context
from app.market import bid_queries, choice_service, next_best, policy, queries
from app.market.bid_models import Bid
from app.market.display import months_text, need_title
from app.market.door import room
from app.market.lifecycles import NEED
from app.market.models import Need
from app.market.part_rules import PART_FEES


@room.page("/needs/<uuid:need_id>/offers", Permission.NEED_READ)
def offers(need_id: UUID) -> Any:
    """The opened offers side by side, every cost counted in."""
    ctx = context()
    with reading(ctx, Permission.NEED_READ):
        found = get_or_404(Need, need_id)
        if found.closed_at is None:
            return redirect(url_for("market.need", need_id=need_id))
        case = queries.case_of(found)
        return render_template(
            "market/offers.html",
            need=found,
            case=case,
            line=pages.build_line(ctx, case) if case else None,
            rows=bid_queries.offers(found),
            can_choose=can_fire(ctx, NEED, found, "choose"),
            title=need_title(found),
            chosen={choice.bid_id: choice for choice in bid_queries.live_choices(found.id)},
            open_fen=next_best.open_fen(found),
            part_fees=PART_FEES,
            levels=policy.levels(),
            months_text=months_text,
        )


@room.page("/offers/<uuid:bid_id>/choose", Permission.CHOICE_MAKE, methods=["POST"])
def choose(bid_id: UUID) -> Any:
    """Takes this offer."""
    ctx = context()
    with reading(ctx, Permission.CHOICE_MAKE):
        need_id = get_or_404(Bid, bid_id).need_id
    made: list[UUID] = []
    response = act(
        lambda: made.append(choice_service.choose_bid(ctx, bid_id).id),
        to=url_for("market.offers", need_id=need_id),
        done=gettext("已选定，正在公示；公示期满没有异议即生效，银行随后审批。"),
    )
    return redirect(url_for("market.need", need_id=need_id)) if made else response
