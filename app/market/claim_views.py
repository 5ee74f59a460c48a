"""Pages of claims: taking up a need and giving it back, and the approver's view of who holds how much."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, request, url_for
from flask_babel import gettext

from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import act, context
from app.market import claim_service
from app.market.display import card_title
from app.market.door import room


@room.page("/queue/<uuid:need_id>/claim", Permission.NEED_CLAIM, methods=["POST"])
def claim(need_id: UUID) -> Any:
    """Takes up a need."""
    return act(
        lambda: claim_service.claim_need(context(), need_id),
        done=gettext("已认领，请在时限内报价。"),
        to=url_for("market.queue_need", need_id=need_id),
    )


@room.page("/claims/<uuid:claim_id>/release", Permission.NEED_CLAIM, methods=["POST"])
def release(claim_id: UUID) -> Any:
    """Gives a need back."""
    return act(
        lambda: claim_service.release_claim(context(), claim_id),
        done=gettext("已交还，同事可以认领。"),
        to=url_for("market.queue_list"),
    )


@room.page("/queue/load", Permission.LOAD_READ)
def load() -> Any:
    """Officers with what lies on their desks, and every live claim."""
    ctx = context()
    with reading(ctx, Permission.LOAD_READ):
        return render_template(
            "market/load.html",
            officers=claim_service.load(ctx),
            claims=claim_service.live_claims(ctx),
            capacity=claim_service.capacity(ctx),
            card_title=card_title,
        )


@room.page("/claims/<uuid:claim_id>/hand-over", Permission.LOAD_READ, methods=["POST"])
def hand_over(claim_id: UUID) -> Any:
    """Gives a claim to another officer."""

    def give() -> Any:
        try:
            person = UUID(request.form.get("person_id", ""))
        except ValueError:
            raise Refusal(ErrorCode.INVALID, field="person_id") from None
        return claim_service.hand_over(context(), claim_id, person)

    return act(give, done=gettext("已转交。"), to=url_for("market.load"))
