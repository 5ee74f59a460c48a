"""What pages read of the quality of deliveries. Row-level security leaves each provider its own, and the platform all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Numeric, Select, and_, case, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from app.core.database import session
from app.evidence.models import DataItem, Delivery
from app.evidence.quality_models import DeliveryQuality, QualityFinding, QualityReport
from app.evidence.quality_rules import Measure, Share, Verdict
from app.evidence.rules import DeliveryState
from app.identity.models import Organisation

TREND = 12
"""Deliveries of an item that its trend shows."""
VERDICT_ORDER = case(
    (QualityReport.verdict == Verdict.POOR.value, 0), (QualityReport.verdict == Verdict.LOOK.value, 1), else_=2)


@dataclass(frozen=True)
class Report:
    """A delivery's report with its measures."""

    report: QualityReport
    delivery: Delivery
    shares: dict[Measure, Share] = field(default_factory=dict)
    params: dict[Measure, dict[str, Any]] = field(default_factory=dict)

    @property
    def withdrawn(self) -> bool:
        """Whether the delivery was withdrawn after it was measured."""
        return self.delivery.state == DeliveryState.WITHDRAWN

    @property
    def strip(self) -> list[tuple[date, Share]]:
        """Coverage month by month, oldest first; empty where the item does not come every month."""
        months = self.params.get(Measure.COVERAGE, {}).get("strip", [])
        return [(date.fromisoformat(month), Share(have, known)) for month, have, known in months]


def _with_measures(reports: Sequence[tuple[QualityReport, Delivery]]) -> list[Report]:
    found = {report.delivery_id: Report(report, delivery) for report, delivery in reports}
    if found:
        for row in session().scalars(select(DeliveryQuality).where(DeliveryQuality.delivery_id.in_(found))):
            one = found[row.delivery_id]
            one.shares[Measure(row.measure)] = Share(row.part, row.whole)
            one.params[Measure(row.measure)] = row.params
    return list(found.values())


def of_delivery(delivery: Delivery) -> Report | None:
    """The report of one delivery, or ``None`` while it is not measured."""
    report = session().get(QualityReport, delivery.id)
    return _with_measures([(report, delivery)])[0] if report is not None else None


def of_provider(provider_org_id: UUID) -> dict[str, list[Report]]:
    """The last reports of each item of a provider, oldest first, withdrawn ones among them."""
    place = func.row_number().over(partition_by=QualityReport.item_code, order_by=Delivery.number.desc())
    ranked = (
        select(QualityReport.delivery_id, place.label("place"))
        .join(Delivery, Delivery.id == QualityReport.delivery_id)
        .where(QualityReport.provider_org_id == provider_org_id).subquery()
    )
    rows = session().execute(
        select(QualityReport, Delivery).join(Delivery, Delivery.id == QualityReport.delivery_id)
        .join(ranked, ranked.c.delivery_id == QualityReport.delivery_id)
        .join(DataItem, DataItem.code == QualityReport.item_code)
        .where(ranked.c.place <= TREND).order_by(DataItem.position, Delivery.number)
    ).all()
    items: dict[str, list[Report]] = {}
    for one in _with_measures([(row[0], row[1]) for row in rows]):
        items.setdefault(one.report.item_code, []).append(one)
    return items


def _latest() -> Any:
    """The latest delivery in force of each provider and item."""
    return (
        select(QualityReport.delivery_id).join(Delivery, Delivery.id == QualityReport.delivery_id)
        .where(Delivery.state == DeliveryState.TAKEN_IN.value)
        .ext(distinct_on(QualityReport.provider_org_id, QualityReport.item_code))
        .order_by(QualityReport.provider_org_id, QualityReport.item_code, Delivery.number.desc())
    )


def side_by_side() -> Select[*tuple[Any, ...]]:
    """The latest report of every provider and item the actor may see, one row each, with its shares as fractions."""
    stmt = (
        select(
            QualityReport.delivery_id.label("id"), QualityReport.provider_org_id, QualityReport.item_code,
            QualityReport.verdict, QualityReport.to_check, QualityReport.month, Delivery.number, Delivery.created_at,
            Organisation.name.label("provider"), DataItem.name_zh, DataItem.name_en, VERDICT_ORDER.label("verdict_order"),
        )
        .join(Delivery, Delivery.id == QualityReport.delivery_id)
        .join(Organisation, Organisation.id == QualityReport.provider_org_id)
        .join(DataItem, DataItem.code == QualityReport.item_code)
        .where(QualityReport.delivery_id.in_(_latest()))
    )
    for measure in (Measure.COVERAGE, Measure.LATENESS, Measure.QUARANTINED, Measure.IMPOSSIBLE):
        one = aliased(DeliveryQuality)
        stmt = stmt.outerjoin(one, and_(one.delivery_id == QualityReport.delivery_id, one.measure == measure.value))
        stmt = stmt.add_columns(_fraction(one).label(measure.value))
    return stmt


def _fraction(one: Any) -> ColumnElement[Any]:
    return cast(one.part, Numeric) / func.nullif(one.whole, 0)


def share_of(measure: Measure) -> ColumnElement[Any]:
    """What ``side_by_side`` is sorted by."""
    return literal_column(measure.value)


def strips() -> dict[str, list[tuple[str, Report]]]:
    """Coverage month by month of every provider's latest delivery, by item: (provider's name, report)."""
    rows = session().execute(
        select(QualityReport, Delivery, Organisation.name).join(Delivery, Delivery.id == QualityReport.delivery_id)
        .join(Organisation, Organisation.id == QualityReport.provider_org_id)
        .join(DataItem, DataItem.code == QualityReport.item_code)
        .where(QualityReport.delivery_id.in_(_latest())).order_by(DataItem.position, Organisation.name)
    ).all()
    names = {row[0].delivery_id: row[2] for row in rows}
    items: dict[str, list[tuple[str, Report]]] = {}
    for one in _with_measures([(row[0], row[1]) for row in rows]):
        if one.strip:
            items.setdefault(one.report.item_code, []).append((names[one.report.delivery_id], one))
    return items


def findings(provider_org_id: UUID) -> Select[*tuple[Any, ...]]:
    """What a provider should look at again, in deliveries that are in force."""
    return (
        select(
            QualityFinding.id, QualityFinding.delivery_id, QualityFinding.item_code, QualityFinding.measure,
            QualityFinding.rule, QualityFinding.severity, QualityFinding.subject_label, QualityFinding.at,
            QualityFinding.until, QualityFinding.field, QualityFinding.seen, QualityFinding.expected_low,
            QualityFinding.expected_high, Delivery.number, DataItem.name_zh, DataItem.name_en,
        )
        .join(Delivery, Delivery.id == QualityFinding.delivery_id)
        .join(DataItem, DataItem.code == QualityFinding.item_code)
        .where(QualityFinding.provider_org_id == provider_org_id, Delivery.state == DeliveryState.TAKEN_IN.value)
    )


def last_to_check(provider_org_id: UUID, since: datetime) -> Sequence[Any]:
    """Of each item the last delivery of a provider, where something of it is to be looked at and it came after ``since``."""
    return session().execute(
        select(QualityReport.delivery_id, QualityReport.to_check, Delivery.filename)
        .join(Delivery, Delivery.id == QualityReport.delivery_id)
        .where(QualityReport.provider_org_id == provider_org_id, QualityReport.to_check > 0, Delivery.finished_at > since,
               QualityReport.delivery_id.in_(_latest()))
        .order_by(Delivery.number.desc())
    ).all()


def choices() -> tuple[list[tuple[str, str]], list[DataItem]]:
    """Providers and items that have a report the actor may see."""
    providers = session().execute(
        select(Organisation.id, Organisation.name)
        .where(Organisation.id.in_(select(QualityReport.provider_org_id))).order_by(Organisation.name)
    )
    items = session().scalars(
        select(DataItem).where(DataItem.code.in_(select(QualityReport.item_code))).order_by(DataItem.position))
    return [(str(row[0]), row[1]) for row in providers], list(items)
