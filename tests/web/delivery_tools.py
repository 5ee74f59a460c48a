"""Providers with what they deliver, and deliveries as they stand after a reading."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.core.calendar import now
from app.core.database import session, transaction
from app.core.ids import new_id
from app.evidence.models import Delivery, Quarantine
from tests.cast import SYSTEM, Cast


def delivering(provider: Cast, *items: str) -> Cast:
    """The same provider, which delivers these items."""
    with transaction(SYSTEM):
        for item in items:
            session().execute(text(
                "insert into provider_item (provider_org_id, provider_kind, item_code, since) "
                "values (:org, 'data_provider', :item, now()) on conflict do nothing"
            ), {"org": provider.id, "item": item})
    return provider


def standing(provider: Cast, item: str, waiting: list[dict[str, Any]] | None = None, **values: Any) -> UUID:
    """A delivery of an item, taken in unless told otherwise. ``waiting``: rows in quarantine (raw, reason, params)."""
    rows = waiting or []
    full = {
        "state": "TAKEN_IN", "rows_total": 10 + len(rows), "rows_taken": 10, "rows_identical": 0, "rows_superseding": 0,
        "rows_quarantined": len(rows), "rows_waiting": 0, "finished_at": now(), "started_at": now(), "phase": None,
        "progress_rows": 0, "size": 1000, "failure": None, "failure_params": {}, "channel": "upload", **values,
    }
    with transaction(SYSTEM):
        delivery = Delivery(
            number=session().execute(text("select nextval('delivery_number_seq')")).scalar_one(), provider_org_id=provider.id,
            item_code=item, side=None, filename=f"{item}.csv", media_type="text/csv", sha256=bytes(32),
            source_label="测试", synthetic=True, attempt=1,
            withdrawn_at=None, withdraw_reason=None, created_at=now(), created_by=None, **full,
        )
        session().add(delivery)
        session().flush()
        for number, row in enumerate(rows, start=1):
            session().add(Quarantine(
                id=new_id(), delivery_id=delivery.id, provider_org_id=provider.id, row_no=number,
                raw=json.loads(json.dumps(row["raw"])), reason=row["reason"], params=row["params"],
            ))
        return delivery.id
