"""What tests of disputes, exports and retention need: deliveries and facts put where a reader would have put them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, text

from app.core.calendar import now
from app.core.database import session, transaction
from app.core.ids import new_id
from app.enterprises.models import Enterprise
from app.evidence.models import Delivery, Meter, ProviderItem
from app.evidence.shapes import SHAPES
from tests import cast
from tests.cast import SYSTEM, Cast


def provider(*items: str, name: str = "广州市市场监管局") -> Cast:
    """A data provider that delivers these items."""
    made = cast.provider(name)
    with transaction(SYSTEM):
        for item in items:
            session().add(ProviderItem(provider_org_id=made.id, provider_kind="data_provider", item_code=item, since=now()))
    return made


def firm_no(firm: Cast) -> int:
    """The number that keys the firm's facts."""
    with transaction(SYSTEM, read_only=True):
        return int(session().get_one(Enterprise, firm.id).firm_no)


def delivery(by: Cast, item: str, *, at: datetime | None = None, **values: Any) -> Delivery:
    """A delivery that was taken in at a moment."""
    moment = at or now()
    row: dict[str, Any] = {
        "side": None, "filename": f"{item}.csv", "media_type": "text/csv", "size": 1, "sha256": bytes(32), "source_label": "test",
        "synthetic": True, "state": "TAKEN_IN", "phase": None, "rows_total": 0, "rows_taken": 0, "rows_identical": 0,
        "rows_superseding": 0, "rows_quarantined": 0, "rows_waiting": 0, "channel": "upload", "withdrawn_at": None,
        "withdraw_reason": None, "failure": None, "failure_params": {}, "attempt": 1, "progress_rows": 0, "created_by": None,
        "created_at": moment, "started_at": moment, "finished_at": moment, **values,
    }
    with transaction(SYSTEM):
        number = session().execute(text("select nextval('delivery_number_seq')")).scalar_one()
        made = Delivery(id=new_id(), number=number, provider_org_id=by.id, provider_kind="data_provider", item_code=item, **row)
        session().add(made)
    return made


def facts(item: str, came: Delivery, *rows: dict[str, Any]) -> None:
    """Facts of an item; version 1 and in force unless a row says otherwise."""
    with transaction(SYSTEM):
        session().execute(insert(SHAPES[item].table), [
            {"version": 1, "current": True, "delivery_no": came.number, **row} for row in rows
        ])


def supersede(item: str, came: Delivery, **changes: Any) -> None:
    """The one fact of the item gets its next version, as a later delivery would bring it."""
    table = SHAPES[item].table
    with transaction(SYSTEM):
        before = dict(session().execute(table.select().where(table.c.current)).mappings().one())
        session().execute(table.update().where(table.c.current).values(current=False))
        session().execute(insert(table), [{**before, **changes, "version": before["version"] + 1, "delivery_no": came.number}])


def penalty(firm: Cast, number: str = "穗市监罚〔2026〕1号", **values: Any) -> dict[str, Any]:
    """A penalty of 5,000 yuan."""
    return {
        "firm_no": firm_no(firm), "document_no": number, "authority": "广州市市场监管局", "kind": "fine", "amount_fen": 500_000,
        "decided_on": date(2026, 1, 15), "repaired_on": None, **values,
    }


def meter(by: Cast, account: str = "0300001") -> int:
    """A meter of a utility."""
    with transaction(SYSTEM):
        number = session().execute(text("select nextval('meter_no_seq')")).scalar_one()
        session().add(Meter(meter_no=number, provider_org_id=by.id, account_no=account,
                            first_seen_at=now()))
    return int(number)


def month(meter_no: int, period: date, **values: Any) -> dict[str, Any]:
    """One month of a meter: 1,000 kWh for 800 yuan."""
    return {
        "meter_no": meter_no, "period": period, "quantity_milli": 1_000_000, "bill_fen": 80_000, "due_on": None, "paid_on": None,
        "arrears_fen": None, "metering": "metered", "cut_days": None, **values,
    }


def link(meter_no: int, firm: Cast | int, since: date = date(2020, 1, 1), until: date | None = None) -> dict[str, Any]:
    """Whose the meter was."""
    number = firm if isinstance(firm, int) else firm_no(firm)
    return {"meter_no": meter_no, "firm_no": number, "valid_from": since, "valid_to": until, "basis": "own"}


def reference(item: str, *, which: int = 0) -> str:
    """How a form names the fact (in force) of an item."""
    table = SHAPES[item].table
    with transaction(SYSTEM, read_only=True):
        rows = session().execute(table.select().where(table.c.current).order_by(*table.primary_key)).mappings().all()
    return SHAPES[item].reference(rows[which])


def count(statement: str, **params: Any) -> Any:
    """One figure, as the portal sees it."""
    with transaction(SYSTEM, read_only=True):
        return session().execute(text(statement), params).scalar_one()


def notices(to: Cast) -> list[str]:
    """What an organisation was told, oldest first."""
    with transaction(SYSTEM, read_only=True):
        rows = session().execute(text("select message, params from notice where org_id = :id order by at, id"), {"id": to.id})
        return [row.message % row.params for row in rows]
