"""What pages read of disputes. Row-level security has the last word: a bank learns that an item is disputed, not why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, text

from app.core.calendar import today
from app.core.context import Context
from app.core.database import elevated, session
from app.core.permissions import OrgKind
from app.evidence.correction_models import EvidenceCorrection, EvidenceDispute
from app.evidence.dispute_rules import DISPUTE, DisputeState, start_of
from app.evidence.items import Subject
from app.evidence.models import Delivery, Meter, ProviderItem
from app.evidence.rules import DeliveryState
from app.evidence.shapes import SHAPES, Shape
from app.identity.models import Organisation


@dataclass(frozen=True, slots=True)
class OpenDispute:
    """That something is disputed: ``fact`` as in ``Shape.fact``, ``None`` for the whole item.

    ``promised_by``: the day for which the provider has promised a correction.
    """

    item_code: str
    fact: dict[str, Any] | None
    asked_at: datetime
    due_on: date
    promised_by: date | None


_OPEN = text("select item_code, fact, asked_at, due_on, promised_by from hq_open_disputes(:firm)")


def open_disputes(firm_id: UUID) -> dict[str, list[OpenDispute]]:
    """Open disputes of a firm by item, earliest first, of the items that the actor may read; one statement.

    For the mark 有异议 wherever an item is shown. Call inside ``reading`` or a use case.
    """
    found: dict[str, list[OpenDispute]] = {}
    for row in session().execute(_OPEN, {"firm": firm_id}):
        found.setdefault(row.item_code, []).append(OpenDispute(*row))
    return found


def disputed(disputes: Sequence[OpenDispute], item_code: str, row: Mapping[str, Any]) -> OpenDispute | None:
    """The open dispute about this very row (its columns as a mapping), or ``None``."""
    fact = SHAPES[item_code].fact(row)
    return next((one for one in disputes if one.fact == fact), None)


def disputes() -> Any:
    """Disputes that the actor may see: a firm its own, a provider those it must answer, the desk all."""
    return (
        select(
            EvidenceDispute.id, EvidenceDispute.label, EvidenceDispute.firm_name, EvidenceDispute.firm_uscc,
            EvidenceDispute.state, EvidenceDispute.asked_at, EvidenceDispute.due_on, EvidenceDispute.answered_at,
            EvidenceDispute.deliver_by, EvidenceDispute.corrected_at, Organisation.name.label("provider"),
        )
        .join(Organisation, Organisation.id == EvidenceDispute.provider_org_id)
    )


def _promised() -> Any:
    return (EvidenceDispute.state == DisputeState.ANSWERED_CORRECTED.value) & EvidenceDispute.corrected_at.is_(None)


def waiting_for_provider(org_id: UUID | None) -> list[Any]:
    """What a provider has to answer or has promised, the most pressing first."""
    return list(session().execute(
        select(EvidenceDispute.id, EvidenceDispute.label, EvidenceDispute.firm_name, EvidenceDispute.state,
               func.coalesce(EvidenceDispute.deliver_by, EvidenceDispute.due_on).label("due_on"))
        .where(EvidenceDispute.provider_org_id == org_id, or_(EvidenceDispute.state == DisputeState.ASKED.value, _promised()))
        .order_by("due_on").limit(20)
    ))


def overdue() -> list[Any]:
    """For the desk: unanswered from day 20 on, and promises whose day has passed."""
    asked = (EvidenceDispute.state == DisputeState.ASKED.value) & (EvidenceDispute.due_on <= today())
    return list(session().execute(
        select(EvidenceDispute.id, EvidenceDispute.label, EvidenceDispute.firm_name, Organisation.name.label("provider"),
               func.coalesce(EvidenceDispute.deliver_by, EvidenceDispute.due_on).label("due_on"))
        .join(Organisation, Organisation.id == EvidenceDispute.provider_org_id)
        .where(or_(asked, _promised() & (EvidenceDispute.deliver_by < today()))).order_by("due_on").limit(20)
    ))


def rows_to_dispute(ctx: Context, shape: Shape, limit: int = DISPUTE.choices) -> list[dict[str, Any]]:
    """The firm's rows of an item in force, the latest first, as mappings: what the form offers."""
    table = shape.table
    return with_account_numbers(ctx, shape, session().execute(
        select(table).where(table.c.current).order_by(table.c[shape.at].desc()).limit(limit)
    ).mappings().all())


def with_account_numbers(ctx: Context, shape: Shape, rows: Sequence[Mapping[Any, Any]]) -> list[dict[str, Any]]:
    """Rows that the actor was shown; those of a meter with its ``account_no`` (户号), by which firm and provider know it."""
    if shape.subject is not Subject.METER or not rows:
        return [dict(row) for row in rows]
    with elevated(ctx, "dispute.meters"):
        known = {row.meter_no: row.account_no for row in session().execute(
            select(Meter.meter_no, Meter.account_no).where(Meter.meter_no.in_({row["meter_no"] for row in rows})))}
    return [{**row, "account_no": known.get(row["meter_no"], "")} for row in rows]


def providers_of_item(ctx: Context, item_code: str) -> list[tuple[UUID, str]]:
    """Who delivers an item, by name: no secret, though the table of it is not a firm's to read."""
    with elevated(ctx, "dispute.providers"):
        rows = session().execute(
            select(Organisation.id, Organisation.name).join(ProviderItem, ProviderItem.provider_org_id == Organisation.id)
            .where(ProviderItem.item_code == item_code, Organisation.state == "active").order_by(Organisation.name)
        ).all()
    return [(row.id, row.name) for row in rows]


def deliveries_since(dispute: EvidenceDispute) -> list[Delivery]:
    """The provider's deliveries of the item that came after the dispute: one of them may be the correction."""
    return list(session().scalars(
        select(Delivery).where(
            Delivery.provider_org_id == dispute.provider_org_id, Delivery.item_code == dispute.item_code,
            Delivery.state == DeliveryState.TAKEN_IN.value, Delivery.created_at >= dispute.asked_at,
        ).order_by(Delivery.finished_at.desc()).limit(DISPUTE.deliveries)
    ))


def correction_of(dispute_id: UUID) -> EvidenceCorrection | None:
    """The correction that ended a dispute, for the firm and the platform."""
    return session().scalar(
        select(EvidenceCorrection).where(EvidenceCorrection.dispute_id == dispute_id)
        .order_by(EvidenceCorrection.at.desc()).limit(1)
    )


def due_firms(moment: datetime, limit: int = 100) -> list[UUID]:
    """Firms with a correction whose score must be computed by now at the latest, the oldest first."""
    return list(session().scalars(
        select(EvidenceCorrection.firm_id).where(EvidenceCorrection.next_check_at <= moment)
        .group_by(EvidenceCorrection.firm_id).order_by(func.min(EvidenceCorrection.next_check_at)).limit(limit)
    ))


def platforms() -> list[UUID]:
    """The platform's organisations, to be told."""
    return list(session().scalars(select(Organisation.id).where(Organisation.kind == OrgKind.PLATFORM.value)))


def check_on(day: date) -> datetime:
    """When the ticker looks at something that is due on a day: as the day begins, so that it is still in time."""
    return start_of(day)
