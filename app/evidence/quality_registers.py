"""What the quality of deliveries tells the kernel: its menu line, and what waits on a provider's home."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.calendar import now
from app.core.context import Context
from app.core.formats import count_text
from app.core.pages import Wait
from app.core.permissions import Permission
from app.evidence.quality_queries import last_to_check
from app.evidence.rules import DELIVERY

pages.menu.add(_l("数据质量"), "evidence.quality", Permission.DELIVERY_READ, 22, pages.Group.DATA)


def quality_waits(ctx: Context) -> Iterable[Wait]:
    """Values of the last deliveries that only their provider can judge."""
    if ctx.org_id is None:
        return
    for row in last_to_check(ctx.org_id, now() - timedelta(days=DELIVERY.remind_days)):
        yield Wait(gettext("上一批数据有 %(count)s 处需要核对", count=count_text(row.to_check)),
                   gettext("%(name)s：有误的以更正行再交，确属实情的不必改", name=row.filename),
                   url_for("evidence.delivery", delivery_id=row.delivery_id) + "#quality", tone="wait", order=25)


pages.home.add_waits(Permission.DELIVERY_UPLOAD, quality_waits)
