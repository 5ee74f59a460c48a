"""What the quality of deliveries tells the kernel: its menu line, and what waits on a provider's home."""

from __future__ import annotations

from collections.abc import Iterable

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.context import Context
from app.core.formats import count_text
from app.core.pages import Wait
from app.core.permissions import Permission
from app.evidence.quality_queries import last_to_check

pages.menu.add(_l("数据质量"), "evidence.quality", Permission.DELIVERY_READ, 22)


def quality_waits(ctx: Context) -> Iterable[Wait]:
    """Values of the last delivery that only its provider can judge."""
    found = last_to_check(ctx.org_id) if ctx.org_id is not None else None
    if found is None or not found[1]:
        return
    yield Wait(gettext("上一批数据有 %(count)s 处需要核对", count=count_text(found[1])),
               gettext("逐条核对；有误的以更正行再交，确属实情的不必改"),
               url_for("evidence.delivery", delivery_id=found[0]) + "#quality", tone="wait", order=25)


pages.home.add_waits(Permission.DELIVERY_UPLOAD, quality_waits)
