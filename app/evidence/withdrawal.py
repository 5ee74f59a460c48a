"""Taking back what a withdrawn delivery said: its facts go out of force, and what stood before them comes back.

Later deliveries that said the same as the withdrawn one left no facts of their own; they are read anew.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, text

from app.core.database import session
from app.evidence.models import Delivery
from app.evidence.rules import DeliveryState
from app.evidence.shapes import SHAPES
from app.evidence.subjects import owners


def hold_item(item_code: str, *, alone: bool) -> None:
    """Until the transaction ends: deliveries of an item are read side by side, but none while one is taken back.

    Two that bring the same fact meet at its primary key; a withdrawal that misses a version just being stored would bring
    back what that version replaces.
    """
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    session().execute(text(f"select {lock}(hashtext('facts'), hashtext(:item))"), {"item": item_code})


def take_back(delivery: Delivery) -> list[UUID]:
    """Puts a withdrawn delivery's facts out of force, set-wise. Returns the firms about which something changed."""
    hold_item(delivery.item_code, alone=True)
    shape, db = SHAPES[delivery.item_code], session()
    key, mine = ", ".join(shape.whole_key), ", ".join(f"f.{name}" for name in shape.whole_key)
    same = " and ".join(f"f.{name} = g.{name}" for name in shape.whole_key)
    db.execute(text("drop table if exists pg_temp.gone"))
    db.execute(text(
        f"create temp table gone on commit drop as select distinct {key} from {shape.name} "
        "where delivery_no = :number and current"
    ), {"number": delivery.number})
    db.execute(text("analyze gone"))
    db.execute(text(f"update {shape.name} set current = false where delivery_no = :number and current"),
               {"number": delivery.number})
    db.execute(text(f"""
        update {shape.name} f set current = true from (
          select {mine}, max(f.version) as version from {shape.name} f
          join gone g on {same} join delivery d on d.number = f.delivery_no and d.state <> 'WITHDRAWN' group by {mine}
        ) g where {same} and f.version = g.version
    """))
    numbers = list(db.scalars(text(f"select distinct {shape.subject_column} from gone")))
    return owners(shape.subject_column, numbers)[0]


def said_the_same(delivery: Delivery) -> list[Delivery]:
    """Later deliveries of the same provider and item that left rows out because a fact was there already."""
    return list(session().scalars(
        select(Delivery).where(
            Delivery.provider_org_id == delivery.provider_org_id, Delivery.item_code == delivery.item_code,
            Delivery.number > delivery.number, Delivery.state == DeliveryState.TAKEN_IN.value, Delivery.rows_identical > 0,
        ).order_by(Delivery.number).with_for_update()
    ))
