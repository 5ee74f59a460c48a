"""What goes without a sum: rows that wait for nobody, quarantine, stored files, looks, consents. One portion a call.

Each returns how much of what went, all zeros where nothing is due any more. Called by ``retention_service`` alone.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import bindparam, delete, or_, select, text
from sqlalchemy.exc import IntegrityError

from app.core.calendar import now, today
from app.core.database import session
from app.core.models import Paper
from app.core.storage import path_of
from app.evidence.correction_models import DeliveryFileGone
from app.evidence.dispute_rules import start_of
from app.evidence.items import Subject
from app.evidence.models import Consent, DataItem, Delivery, EvidenceLook, Quarantine
from app.evidence.retention_rules import RetentionRules, months_before
from app.evidence.rules import ConsentState, DeliveryState
from app.evidence.shapes import SHAPES, Shape

_RESERVED = "select firm_no from reserved_firm r where not exists (select 1 from enterprise e where e.firm_no = r.firm_no)"
_UNLINKED = (
    "select meter_no from meter m where not exists (select 1 from meter_link l where l.meter_no = m.meter_no and l.current)"
)


def waiting(rules: RetentionRules) -> dict[str, int]:
    """Rows of firms that nobody signed up and of meters linked to none, ``pool_days`` after they came; then the number."""
    gone = sum(_waiting_rows(shape, days, rules.rows) for shape, days in _pooled())
    return {"rows_deleted": gone, "reservations": 0 if gone else _reservations(rules.rows)}


def _pooled() -> list[tuple[Shape, int]]:
    rows = session().execute(select(DataItem.code, DataItem.pool_days).order_by(DataItem.position))
    return [(SHAPES[row.code], row.pool_days) for row in rows if row.code in SHAPES]


def _waiting_rows(shape: Shape, days: int, most: int) -> int:
    # A link is itself about a firm: it waits under the firm's number.
    by_firm = shape.subject is Subject.FIRM or "firm_no" in shape.key
    column, nobody = ("firm_no", _RESERVED) if by_firm else ("meter_no", _UNLINKED)
    return session().execute(text(
        f"with due as (select ctid from {shape.name} where {column} in ({nobody}) and delivery_no in "
        f"(select number from delivery where item_code = :item and created_at < :before) limit :most), "
        f"gone as (delete from {shape.name} where ctid in (select ctid from due) returning 1) select count(*) from gone"
    ), {"item": shape.code, "before": now() - timedelta(days=days), "most": most}).scalar_one()


def _reservations(most: int) -> int:
    """Numbers under which nothing waits any more, once they are as old as the longest pool."""
    longest = max(days for _, days in _pooled())
    left = " and ".join(
        f"not exists (select 1 from {shape.name} f where f.firm_no = r.firm_no)" for shape, _ in _pooled()
        if "firm_no" in shape.table.c
    )
    return session().execute(text(
        "with gone as (delete from reserved_firm where firm_no in ("
        "select firm_no from reserved_firm r where reserved_at < :before "
        f"and not exists (select 1 from enterprise e where e.firm_no = r.firm_no) and {left} limit :most) returning 1) "
        "select count(*) from gone"
    ), {"before": now() - timedelta(days=longest), "most": most}).scalar_one()


def quarantine(rules: RetentionRules) -> dict[str, int]:
    """Rows that waited to be mended, ``quarantine_days`` after their delivery was read."""
    due = (
        select(Quarantine.id).join(Delivery, Delivery.id == Quarantine.delivery_id)
        .where(Delivery.finished_at < now() - timedelta(days=rules.quarantine_days)).limit(rules.rows)
    )
    result = session().execute(delete(Quarantine).where(Quarantine.id.in_(due)), execution_options={"synchronize_session": False})
    return {"rows_deleted": result.rowcount}  # type: ignore[attr-defined]


def files(rules: RetentionRules) -> dict[str, int]:
    """Stored bytes of deliveries so old that each of their rows is past its time: no month of a file is later than its coming."""
    gone = select(DeliveryFileGone.delivery_id)
    ended = (DeliveryState.TAKEN_IN.value, DeliveryState.FAILED.value, DeliveryState.WITHDRAWN.value)
    months = dict(session().execute(select(DataItem.code, DataItem.retention_months)).all())
    due = or_(*(
        (Delivery.item_code == code) & (Delivery.finished_at < start_of(months_before(today(), kept or rules.file_months)))
        for code, kept in months.items()
    ))
    rows = session().execute(
        select(Delivery.id, Delivery.sha256).where(Delivery.state.in_(ended), due, Delivery.id.not_in(gone)).limit(rules.rows)
    ).all()
    removed = 0
    for row in rows:
        session().add(DeliveryFileGone(delivery_id=row.id, at=now()))
        session().flush()
        if not _still_needed(bytes(row.sha256)):
            # Before the commit on purpose: killed in between, the next run finds no file and only leaves the mark.
            path_of(bytes(row.sha256)).unlink(missing_ok=True)
            removed += 1
    return {"deliveries": len(rows), "files": removed}


def _still_needed(sha256: bytes) -> bool:
    other = select(Delivery.id).where(
        Delivery.sha256 == sha256, Delivery.id.not_in(select(DeliveryFileGone.delivery_id))
    ).limit(1)
    return session().scalar(other) is not None or session().scalar(
        select(Paper.id).where(Paper.sha256 == sha256).limit(1)
    ) is not None


def looks(rules: RetentionRules) -> dict[str, int]:
    """Looks older than the law asks for; the database itself refuses younger ones."""
    before = start_of(months_before(today(), rules.record_months))
    gone = session().execute(text("select hq_forget_looks(:before, :most)").bindparams(
        bindparam("before", before), bindparam("most", rules.rows)
    )).scalar_one()
    return {"rows_deleted": gone}


def consents(rules: RetentionRules) -> dict[str, int]:
    """Consents that ended long ago and on which no kept look rests (consent life + 3 years)."""
    before = start_of(months_before(today(), rules.record_months))
    used = select(EvidenceLook.id).where(EvidenceLook.consent_id == Consent.id).exists()
    ids = session().scalars(
        select(Consent.id).where(Consent.state != ConsentState.ACTIVE.value, Consent.ended_at < before, ~used)
        .order_by(Consent.ended_at).limit(rules.rows)
    ).all()
    gone = 0
    for consent_id in ids:
        try:
            with session().begin_nested():
                session().execute(delete(Consent).where(Consent.id == consent_id))
            gone += 1
        except IntegrityError:
            continue  # another record still names it
    return {"rows_deleted": gone}
