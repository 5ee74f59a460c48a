"""What RQ runs. A job takes an id and calls one use case; running it twice changes nothing."""

from __future__ import annotations

from uuid import UUID

from app.core import outbox


def deliver(outbox_id: str) -> None:
    """Run the handler of one outbox row, unless it has been done or another worker holds it."""
    outbox.deliver(UUID(outbox_id))
