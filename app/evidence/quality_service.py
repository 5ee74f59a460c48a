"""The quality of a delivery, measured in the background once it is taken in; measuring again replaces the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text

from app.core.calendar import SHANGHAI, now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.outbox import handles
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.evidence import quality_facts as facts
from app.evidence.models import Delivery, ProviderItem, Quarantine
from app.evidence.quality_models import DeliveryQuality, QualityReport
from app.evidence.quality_rules import QUALITY, TO_CHECK, Measure, Share, judge, one_in, shape_of
from app.evidence.rules import DeliveryState, RowReason

CONFLICT = RowReason.CONFLICT_IN_FILE.value
"""Reason of quarantined rows that say different things of one subject and month."""


@dataclass
class _Found:
    """What was measured, before it is stored."""

    shares: dict[Measure, Share] = field(default_factory=dict)
    params: dict[Measure, dict[str, Any]] = field(default_factory=dict)
    month: date | None = None


@handles("delivery.finished", "evidence.quality", queue="long")
def _measure_finished(ctx: Context, payload: dict[str, Any]) -> None:
    measure_delivery(ctx, UUID(payload["delivery_id"]))


@use_case(Permission.DELIVERY_IMPORT, "delivery.measure")
def measure_delivery(ctx: Context, delivery_id: UUID) -> None:
    """Measures a delivery that was taken in and replaces its report. One that failed or was withdrawn keeps what it has."""
    delivery = get_or_404(Delivery, delivery_id)
    if delivery.state != DeliveryState.TAKEN_IN:
        about(delivery, result="nothing to do")
        return
    session().execute(text("select pg_advisory_xact_lock(hashtext('quality'), (:n % 2147483647)::int)"), {"n": delivery.number})
    rows = (delivery.rows_taken or 0) + (delivery.rows_superseding or 0)
    sample, known_sample = one_in(rows, QUALITY.sample_rows), one_in(_delivered_rows(delivery), QUALITY.sample_known_rows)
    found = _of_counts(delivery)
    _of_facts(delivery, found, sample, known_sample)
    verdict, measure = judge(found.shares)
    to_check = sum(_to_look_at(one, found.shares[one]) for one in TO_CHECK if one in found.shares)
    session().execute(delete(QualityReport).where(QualityReport.delivery_id == delivery.id))
    session().add(QualityReport(
        delivery_id=delivery.id, provider_org_id=delivery.provider_org_id, item_code=delivery.item_code, computed_at=now(),
        verdict=verdict.value, advice=measure.value if measure else "", month=found.month, to_check=to_check, one_in=sample,
        known_one_in=known_sample,
    ))
    session().flush()
    session().add_all(
        DeliveryQuality(delivery_id=delivery.id, provider_org_id=delivery.provider_org_id, measure=one.value, part=share.part,
                        whole=share.whole, params=found.params.get(one, {}))
        for one, share in found.shares.items()
    )
    session().flush()
    facts.keep(shape_of(delivery.item_code), delivery.id, delivery.provider_org_id, QUALITY.listed)
    about(delivery, verdict=verdict.value, to_check=to_check, one_in=sample)


def _to_look_at(measure: Measure, share: Share) -> int:
    return share.whole - share.part if measure is Measure.COVERAGE else share.part


def _delivered_rows(delivery: Delivery) -> int:
    total = session().scalar(
        select(func.sum(Delivery.rows_taken + Delivery.rows_superseding))
        .where(Delivery.provider_org_id == delivery.provider_org_id, Delivery.item_code == delivery.item_code,
               Delivery.state == DeliveryState.TAKEN_IN.value)
    )
    return int(total or 0)


def _of_counts(delivery: Delivery) -> _Found:
    """What the counts of the delivery and its quarantine tell."""
    total = delivery.rows_total or 0
    reasons = {row[0]: row[1] for row in session().execute(
        select(Quarantine.reason, func.count()).where(Quarantine.delivery_id == delivery.id)
        .group_by(Quarantine.reason).order_by(func.count().desc(), Quarantine.reason)
    )}
    earlier = session().scalar(
        select(func.min(Delivery.number)).where(
            Delivery.provider_org_id == delivery.provider_org_id, Delivery.item_code == delivery.item_code,
            Delivery.sha256 == delivery.sha256, Delivery.number < delivery.number,
            Delivery.state == DeliveryState.TAKEN_IN.value)
    )
    return _Found({
        Measure.IDENTICAL: Share(delivery.rows_identical or 0, total),
        Measure.SUPERSEDING: Share(delivery.rows_superseding or 0, total),
        Measure.CONFLICTS: Share(reasons.get(CONFLICT, 0), total),
        Measure.SAME_FILE: Share(0 if earlier is None else 1, 1),
        Measure.QUARANTINED: Share(delivery.rows_quarantined or 0, total),
    }, {
        Measure.QUARANTINED: {"reasons": reasons},
        Measure.SAME_FILE: {} if earlier is None else {"number": earlier},
    })


def _of_facts(delivery: Delivery, found: _Found, sample: int, known_sample: int) -> None:
    """What the facts it brought tell, and what its provider's earlier ones do."""
    shape = shape_of(delivery.item_code)
    rows, found.month = facts.open_rows(shape, delivery.number, sample)
    if found.month is None:
        return
    shares, strip = facts.coverage(shape, delivery.provider_org_id, found.month, known_sample)
    found.shares |= shares
    found.params[Measure.COVERAGE] = {"strip": strip}
    since = session().scalar(select(ProviderItem.since).where(
        ProviderItem.provider_org_id == delivery.provider_org_id, ProviderItem.item_code == delivery.item_code))
    found.shares[Measure.LATENESS], found.params[Measure.LATENESS] = facts.lateness(
        shape, delivery.created_at.astimezone(SHANGHAI).date(), since.astimezone(SHANGHAI).date() if since else None)
    found.shares[Measure.JUMPS] = facts.jumps(shape)
    found.shares[Measure.IMPOSSIBLE], rules = facts.impossible(shape, rows)
    found.params[Measure.IMPOSSIBLE] = {"rules": rules}
