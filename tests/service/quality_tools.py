"""What the tests of the quality of deliveries share: facts put in under a delivery as the loader leaves them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.core.calendar import now
from app.core.database import session, transaction
from app.core.ids import new_id
from app.evidence.items import ITEMS
from app.evidence.models import Delivery, Quarantine
from app.evidence.quality_models import DeliveryQuality, QualityFinding, QualityReport
from app.evidence.quality_service import measure_delivery
from tests.cast import SYSTEM, Cast


def firm_no(firm: Cast) -> int:
    """The number under which facts of a firm are kept."""
    with transaction(SYSTEM, read_only=True):
        return int(session().scalar(text("select firm_no from enterprise where id = :id"), {"id": firm.id}) or 0)


def meter(provider: Cast, account_no: str) -> int:
    """A meter of a provider."""
    with transaction(SYSTEM):
        number = session().scalar(text(
            "insert into meter (meter_no, provider_org_id, account_no, first_seen_at) "
            "values (nextval('meter_no_seq'), :org, :account, now()) returning meter_no"
        ), {"org": provider.id, "account": account_no})
    return int(number or 0)


def month(number: int) -> date:
    """The first day of a month counted from January 2025 = 0."""
    return date(2025 + number // 12, number % 12 + 1, 1)


def delivered(
    provider: Cast, item: str, rows: Sequence[dict[str, Any]], *, at: datetime | None = None, data: bytes = b"",
    quarantined: Sequence[str] = (), identical: int = 0, version: int = 1,
) -> UUID:
    """A delivery that was taken in with these facts, and measured."""
    found = ITEMS[item]
    with transaction(SYSTEM):
        number = session().execute(text("select nextval('delivery_number_seq')")).scalar_one()
        came = at or datetime(2027, 1, 20, 4, tzinfo=UTC)
        delivery = Delivery(
            id=new_id(), number=number, provider_org_id=provider.id, item_code=item, side=None, filename=f"{item}.csv",
            media_type="text/csv", size=1, sha256=hashlib.sha256(data or str(number).encode()).digest(), source_label="测试",
            synthetic=True, state="TAKEN_IN", phase=None, progress_rows=0, rows_total=len(rows) + len(quarantined) + identical,
            rows_taken=len(rows), rows_identical=identical, rows_superseding=0, rows_quarantined=len(quarantined), rows_waiting=0,
            channel="upload", withdrawn_at=None, withdraw_reason=None, attempt=1, failure=None, failure_params={},
            created_at=came, created_by=None, started_at=came, finished_at=now(),
        )
        session().add(delivery)
        session().flush()
        for place, reason in enumerate(quarantined, start=1):
            session().add(Quarantine(delivery_id=delivery.id, provider_org_id=provider.id, row_no=place, raw={}, reason=reason,
                                     params={"field": "quantity", "value": "-3"}))
        for row in rows:
            values = {"version": version, "current": True, "delivery_no": number, **row}
            names = ", ".join(values)
            session().execute(text(f"insert into {found.table} ({names}) values ({', '.join(':' + name for name in values)})"),
                              values)
    measure_delivery(SYSTEM, delivery.id)
    return delivery.id


def power(meter_no: int, at: date, kwh: int | None, **more: Any) -> dict[str, Any]:
    """One meter's month; without a quantity the landlord collects."""
    return {"meter_no": meter_no, "period": at, "quantity_milli": None if kwh is None else kwh * 1000,
            "metering": "landlord" if kwh is None else "metered", **more}


def insured(firm: int, at: date, heads: int, **more: Any) -> dict[str, Any]:
    """One firm's month of social insurance."""
    return {"firm_no": firm, "kind": "all", "period": at, "heads": heads, **more}


def report(delivery_id: UUID) -> QualityReport | None:
    """The report of a delivery."""
    with transaction(SYSTEM, read_only=True):
        return session().get(QualityReport, delivery_id)


def share(delivery_id: UUID, measure: str) -> tuple[int, int]:
    """A measure of a delivery as (part, whole)."""
    with transaction(SYSTEM, read_only=True):
        found = session().get_one(DeliveryQuality, (delivery_id, measure))
        return found.part, found.whole


def findings(delivery_id: UUID, measure: str) -> list[QualityFinding]:
    """What a delivery's provider should look at under one measure."""
    with transaction(SYSTEM, read_only=True):
        return list(session().query(QualityFinding).filter_by(delivery_id=delivery_id, measure=measure).order_by(
            QualityFinding.at))
