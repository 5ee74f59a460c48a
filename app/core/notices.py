"""Messages to an organisation or one of its people, written in the transaction of what they tell."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from app.core.audit import plain
from app.core.calendar import now
from app.core.context import Context
from app.core.database import session
from app.core.models import Notice
from app.core.permissions import Permission
from app.core.use_case import about, use_case


def notify(
    org_id: UUID, message: str, *, person_id: UUID | None = None, path: str | None = None, case_id: UUID | None = None,
    seal_id: UUID | None = None, **params: Any,
) -> None:
    """Leaves a notice. ``message`` is a Chinese message id marked for extraction; ``path`` an address inside the portal."""
    session().add(Notice(
        org_id=org_id, person_id=person_id, message=message, params=plain(params), path=path, case_id=case_id,
        seal_id=seal_id, at=now(), read_at=None,
    ))


def recent(ctx: Context, limit: int = 50) -> list[Notice]:
    """Newest notices for the actor."""
    return list(session().scalars(
        select(Notice).where(Notice.org_id == ctx.org_id, (Notice.person_id.is_(None)) | (Notice.person_id == ctx.actor_id))
        .order_by(Notice.at.desc()).limit(limit)
    ))


def unread_count(ctx: Context) -> int:
    """How many notices wait for the actor."""
    return session().scalar(
        select(func.count()).select_from(Notice).where(
            Notice.org_id == ctx.org_id, Notice.read_at.is_(None),
            (Notice.person_id.is_(None)) | (Notice.person_id == ctx.actor_id),
        )
    ) or 0


@use_case(Permission.NOTICE_READ, "notice.read")
def mark_all_read(ctx: Context) -> None:
    """Marks the actor's notices as read."""
    session().execute(
        update(Notice).where(
            Notice.org_id == ctx.org_id, Notice.read_at.is_(None),
            (Notice.person_id.is_(None)) | (Notice.person_id == ctx.actor_id),
        ).values(read_at=now())
    )
    about()
