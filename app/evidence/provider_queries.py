"""What the platform reads of data providers: who delivers what, and when something came last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.core.database import session
from app.core.permissions import OrgKind
from app.evidence.models import DataItem, Delivery, ProviderItem
from app.identity.models import Organisation


def providers() -> Any:
    """Every data provider with the codes of its items in the order of the catalogue, and its last delivery."""
    held = (
        select(ProviderItem.provider_org_id, func.count().label("items"),
               func.array_agg(aggregate_order_by(ProviderItem.item_code, DataItem.position)).label("codes"))
        .join(DataItem, DataItem.code == ProviderItem.item_code).group_by(ProviderItem.provider_org_id).subquery()
    )
    came = (
        select(Delivery.provider_org_id, func.count().label("deliveries"), func.max(Delivery.created_at).label("last_at"))
        .group_by(Delivery.provider_org_id).subquery()
    )
    return (
        select(Organisation.id, Organisation.name, func.coalesce(held.c["items"], 0).label("n_items"), held.c.codes,
               func.coalesce(came.c.deliveries, 0).label("deliveries"), came.c.last_at)
        .outerjoin(held, held.c.provider_org_id == Organisation.id).outerjoin(came, came.c.provider_org_id == Organisation.id)
        .where(Organisation.kind == OrgKind.DATA_PROVIDER.value)
    )


@dataclass(frozen=True, slots=True)
class Delivered:
    """An item of a provider: since when it is registered (``None``: no longer, or never), what came and when last."""

    since: datetime | None
    deliveries: int
    last_at: datetime | None


def delivered_by(provider_org_id: UUID) -> dict[str, Delivered]:
    """Items that a provider delivers or once delivered, by code."""
    since = {row.item_code: row.since for row in session().execute(
        select(ProviderItem.item_code, ProviderItem.since).where(ProviderItem.provider_org_id == provider_org_id))}
    came = {row.item_code: row for row in session().execute(
        select(Delivery.item_code, func.count().label("deliveries"), func.max(Delivery.created_at).label("last_at"))
        .where(Delivery.provider_org_id == provider_org_id).group_by(Delivery.item_code))}
    return {code: Delivered(since.get(code), came[code].deliveries if code in came else 0,
                            came[code].last_at if code in came else None) for code in {*since, *came}}
