"""Downloads of a bridge's papers."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from uuid import UUID

from flask import flash, redirect, send_file, url_for
from flask_babel import gettext

from app.bridge import bill_pdf, bill_service
from app.bridge.door import room
from app.core.permissions import Permission
from app.core.sheets import NO_FONT, NoFont
from app.core.web import context


@room.page("/bridges/papers/<uuid:paper_id>.pdf", Permission.BRIDGE_READ)
def paper(paper_id: UUID) -> Any:
    """A paper as a PDF, for whom the database shows it; the look is recorded."""
    found = bill_service.fetch_paper(context(), paper_id)
    try:
        drawn = bill_pdf.draw(found)
    except NoFont:
        flash(gettext(NO_FONT), "warning")
        return redirect(url_for("bridge.show", bridge_id=found.bridge_id))
    return send_file(BytesIO(drawn), as_attachment=True, download_name=f"{found.number}.pdf", mimetype="application/pdf")
