"""The audit file of a claim as a download."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from uuid import UUID

from flask import flash, redirect, send_file, url_for
from flask_babel import gettext

from app.core.permissions import Permission
from app.core.sheets import NO_FONT, NoFont
from app.core.use_case import reading
from app.core.web import context
from app.pool import case_paper, file_service
from app.pool.door import room


@room.page("/claims/<uuid:claim_id>/file.<any(pdf, json):form>", Permission.CLAIM_FILE)
def claim_file(claim_id: UUID, form: str) -> Any:
    """Everything about one claim in one file. That it was made is an event of the log, its hash with it."""
    ctx = context()
    made = file_service.case_file(ctx, claim_id)
    name = f"{made.data['loan']['number']}.{form}".replace("/", "-")
    if form == "json":
        return send_file(BytesIO(made.content), as_attachment=True, download_name=name, mimetype="application/json")
    try:
        with reading(ctx, Permission.CLAIM_FILE):
            drawn = case_paper.draw_file(made)
    except NoFont:
        flash(gettext(NO_FONT), "warning")
        return redirect(url_for("pool.claim", claim_id=claim_id))
    return send_file(BytesIO(drawn), as_attachment=True, download_name=name, mimetype="application/pdf")
