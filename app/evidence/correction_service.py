"""Corrections and repairs that came into the data: recorded with their day, told to the score, settled once it knows them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.ids import new_id
from app.core.notices import notify
from app.core.outbox import emit, handles
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.evidence.correction_models import EvidenceCorrection, EvidenceDispute
from app.evidence.dispute_queries import check_on
from app.evidence.dispute_rules import REPAIRS, DisputeState, recompute_by
from app.evidence.models import Delivery
from app.evidence.rules import N_
from app.evidence.shapes import SHAPES


def record(
    firm_id: UUID, item_code: str, cause: str, *, dispute_id: UUID | None = None, delivery_id: UUID | None = None,
) -> bool:
    """Leaves the correction with its day and tells ``evidence.corrected``; ``False`` where it is on record already.

    Call under the portal's own identity.
    """
    day = recompute_by(today())
    made = session().scalar(insert(EvidenceCorrection).values(
        id=new_id(), firm_id=firm_id, item_code=item_code, cause=cause, dispute_id=dispute_id, delivery_id=delivery_id, at=now(),
        recompute_by=day, next_check_at=check_on(day), recomputed_at=None,
    ).on_conflict_do_nothing(constraint="uq_evidence_correction_once").returning(EvidenceCorrection.id))
    if made is None:
        return False
    emit("evidence.corrected", firm_id=firm_id)
    return True


def unsettled(firm_id: UUID) -> list[UUID]:
    """Corrections of a firm that its score does not know yet, held until the transaction ends."""
    return list(session().scalars(
        select(EvidenceCorrection.id).where(EvidenceCorrection.firm_id == firm_id, EvidenceCorrection.recomputed_at.is_(None))
        .with_for_update()
    ))


@use_case(Permission.PROFILE_COMPUTE, "evidence.settle_corrections")
def settle(ctx: Context, firm_id: UUID, ids: list[UUID]) -> None:
    """The score was computed after these corrections had come."""
    session().execute(
        update(EvidenceCorrection).where(EvidenceCorrection.id.in_(ids), EvidenceCorrection.recomputed_at.is_(None))
        .values(recomputed_at=now(), next_check_at=None)
    )
    about(firm_id=firm_id, corrections=ids)


@handles("delivery.taken_in", "evidence.find_corrections")
def _find(ctx: Context, payload: dict[str, Any]) -> None:
    find_corrections(ctx, UUID(payload["delivery_id"]), [UUID(firm_id) for firm_id in payload["firm_ids"]])


@use_case(Permission.DISPUTE_TICK, "evidence.find_corrections")
def find_corrections(ctx: Context, delivery_id: UUID, firm_ids: list[UUID]) -> int:
    """A delivery came in: which disputed facts did it change, which penalties and list entries are repaired by it?

    Returns how many corrections it brought.
    """
    delivery = get_or_404(Delivery, delivery_id)
    found = _changed(delivery, set(firm_ids)) + _repaired(delivery)
    about(delivery, corrections=found)
    return found


def _changed(delivery: Delivery, firm_ids: set[UUID]) -> int:
    rows = session().scalars(select(EvidenceDispute).where(
        EvidenceDispute.provider_org_id == delivery.provider_org_id, EvidenceDispute.item_code == delivery.item_code,
        EvidenceDispute.state.in_((DisputeState.ASKED.value, DisputeState.ANSWERED_CORRECTED.value)),
        EvidenceDispute.corrected_at.is_(None),
    ).order_by(EvidenceDispute.id).with_for_update())
    found = 0
    for dispute in rows:
        if not _stands_no_more(dispute) and (dispute.fact is not None or dispute.firm_id not in firm_ids):
            continue
        promised = dispute.state == DisputeState.ANSWERED_CORRECTED
        if dispute.fact is None and not promised:
            continue  # new rows of an item are no answer to what is wrong with it
        if promised:
            dispute.corrected_at, dispute.next_check_at = now(), None
            notify(dispute.firm_id, N_("您提出异议的“%(label)s”已按答复更正。"), label=dispute.label,
                   path=f"/disputes/{dispute.id}")
        found += record(dispute.firm_id, dispute.item_code, "change", dispute_id=dispute.id, delivery_id=delivery.id)
    return found


def _stands_no_more(dispute: EvidenceDispute) -> bool:
    """Whether another version than the disputed one stands now (or none)."""
    if dispute.fact is None:
        return False
    shape = SHAPES[dispute.item_code]
    row = session().execute(
        shape.one(dispute.fact["subject"], dispute.fact["key"]).where(shape.table.c.current)
    ).mappings().one_or_none()
    return row is None or row["version"] != dispute.fact["version"]


def _repaired(delivery: Delivery) -> int:
    column = REPAIRS.get(delivery.item_code)
    if column is None:
        return 0
    shape = SHAPES[delivery.item_code]
    same = " and ".join(f"b.{one} = f.{one}" for one in (shape.subject_column, *shape.key))
    numbers = session().scalars(text(
        f"select distinct f.firm_no from {shape.name} f where f.delivery_no = :number and f.current and f.{column} is not null "
        f"and exists (select 1 from {shape.name} b where {same} and b.version = f.version - 1 and b.{column} is null)"
    ), {"number": delivery.number}).all()
    firms = session().scalars(select(Enterprise.id).where(Enterprise.firm_no.in_(numbers)).order_by(Enterprise.id))
    return sum(record(firm_id, delivery.item_code, "repair", delivery_id=delivery.id) for firm_id in firms)
