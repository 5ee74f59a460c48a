"""Facts put straight into their tables, one row an item, for tests about who may read them."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import func, insert, select, text

from app.core.calendar import now
from app.core.database import Base, session, transaction
from app.core.ids import new_id
from app.enterprises.models import Enterprise
from app.evidence import facts as facts  # its tables are found by name
from app.evidence.items import ITEMS, Subject
from app.evidence.models import Delivery, Meter
from tests.cast import SYSTEM, Cast

MONTH = date(2026, 3, 1)
DAY = date(2026, 3, 15)

ROWS: dict[str, dict[str, Any]] = {
    "registration": {"name": "广州岭南精工机械有限公司", "status": "open", "as_of": DAY},
    "registration_changes": {"changed_on": DAY, "kind": "address"},
    "annual_reports": {"report_year": 2025, "n_employees": 60},
    "qualifications": {"kind": "high_tech", "certificate_no": "GR2026", "valid_from": DAY},
    "penalties": {"document_no": "罚字1号", "authority": "市场监管局", "kind": "fine", "decided_on": DAY, "amount_fen": 100_00},
    "justice": {"case_no": "（2026）粤01民初1号", "role": "defendant", "kind": "judgment", "filed_on": DAY},
    "dishonesty": {"list_name": "名单", "listed_on": DAY},
    "tax": {"tax_kind": "vat", "period": MONTH, "cycle": "month", "sales_fen": 500_000_00, "paid_fen": 15_000_00,
            "due_on": date(2026, 4, 15), "filed_on": date(2026, 4, 20)},
    "tax_grades": {"year": 2025, "grade": "A"},
    "tax_ledger": {"content": 1, "k": 1, "period_start": MONTH, "period_end": DAY, "tax_category": "增值税", "tax_amount_fen": 1},
    "social_insurance": {"kind": "all", "period": MONTH, "heads": 58},
    "housing_fund": {"period": MONTH, "heads": 40},
    "customs": {"direction": "export", "period": MONTH, "value_fen": 1_000_000_00},
    "electricity": {"period": MONTH, "quantity_milli": 12_345_500, "metering": "metered", "bill_fen": 9_000_00,
                    "due_on": date(2026, 4, 10), "paid_on": date(2026, 4, 12)},
    "electricity_daily": {"day": DAY, "quantity_milli": 400_000},
    "water": {"period": MONTH, "quantity_milli": None, "metering": "landlord"},
    "gas": {"period": MONTH, "quantity_milli": 0, "metering": "metered"},
    "ip": {"kind": "invention", "number": "ZL2026", "granted_on": DAY},
    "cash_flow": {"account_tail": "0001", "period": MONTH, "inflow_fen": 700_000_00, "outflow_fen": 650_000_00},
}
"""A row of every item that is about a firm or a meter; links of meters are made beside them."""


def firm_no_of(firm: Cast) -> int:
    """The number that keys a firm's facts."""
    return session().scalars(select(Enterprise.firm_no).where(Enterprise.id == firm.id)).one()


def delivery_of(provider: Cast, item: str, *, synthetic: bool = True) -> int:
    """A delivery that was taken in; its number."""
    number = session().execute(text("select nextval('delivery_number_seq')")).scalar_one()
    session().add(Delivery(
        id=new_id(), number=number, provider_org_id=provider.id, item_code=item, side=None, filename=f"{item}.csv",
        media_type="text/csv", size=1, sha256=bytes(32), source_label=provider.name, synthetic=synthetic, state="TAKEN_IN",
        phase=None, rows_total=1, rows_taken=1, rows_identical=0, rows_superseding=0, rows_quarantined=0, rows_waiting=0,
        channel="upload", withdrawn_at=None, withdraw_reason=None, failure=None, created_at=now(), created_by=None,
        started_at=now(), finished_at=now(),
    ))
    session().flush()
    return int(number)


def meter_of(provider: Cast, account: str = "0800001") -> int:
    """A meter of a provider."""
    number = session().execute(text("select nextval('meter_no_seq')")).scalar_one()
    session().add(Meter(meter_no=number, provider_org_id=provider.id, account_no=account, first_seen_at=now()))
    session().flush()
    return int(number)


def link(provider: Cast, meter: int, firm: Cast, since: date, until: date | None = None) -> None:
    """Says whose the meter is, from when to when."""
    put("meter_links", delivery_of(provider, "meter_links"), meter_no=meter, firm_no=firm_no_of(firm), valid_from=since,
        valid_to=until, basis="own")


def put(item: str, delivery: int, **row: Any) -> None:
    """One fact, in force."""
    table = Base.metadata.tables[ITEMS[item].table]
    version = 1 + session().execute(select(func.count()).select_from(table).where(
        *(table.c[key] == row[key] for key in (column.name for column in table.primary_key) if key in row))).scalar_one()
    session().execute(insert(table).values(version=version, current=True, delivery_no=delivery, **row))


def one_of_everything(firm: Cast, provider: Cast, since: date = date(2026, 1, 1)) -> int:
    """A row of every item about the firm, and a meter that is its own since ``since``; the meter's number."""
    with transaction(SYSTEM):
        meter, firm_no = meter_of(provider), firm_no_of(firm)
        link(provider, meter, firm, since)
        for item, row in ROWS.items():
            subject = {"firm_no": firm_no} if ITEMS[item].subject is Subject.FIRM else {"meter_no": meter}
            put(item, delivery_of(provider, item), **subject, **row)
    return meter
