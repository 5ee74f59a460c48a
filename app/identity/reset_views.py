"""Pages of the second word: resets of password and phone that one administrator issued and another one confirms."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.context import Context
from app.core.pages import Wait, home
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import act, context
from app.identity import queries, staff_service
from app.identity.views import room


@room.page("/resets", Permission.RESET_CONFIRM)
def resets() -> Any:
    """Resets that wait for a second person."""
    ctx = context()
    with reading(ctx, Permission.RESET_CONFIRM):
        return render_template("identity/resets.html", rows=queries.waiting_resets(ctx))


@room.page("/resets/<uuid:ticket_id>/confirm", Permission.RESET_CONFIRM, methods=["POST"])
def confirm_reset(ticket_id: UUID) -> Any:
    """The second administrator agrees."""
    return act(lambda: staff_service.confirm_reset(context(), ticket_id), done=gettext("已确认，重置链接现在可以使用了。"),
               to=url_for("identity.resets"))


def reset_waits(ctx: Context) -> list[Wait]:
    """What an administrator is asked to confirm."""
    return [
        Wait(_l("确认口令与手机重置"), f"{row.organisation} · {row.name}", url_for("identity.resets"), due=row.expires_at,
             tone="wait", order=5)
        for row in queries.waiting_resets(ctx)
    ]


home.add_waits(Permission.RESET_CONFIRM, reset_waits)
