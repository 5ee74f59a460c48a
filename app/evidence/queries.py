"""What pages and later rooms read of evidence. Row-level security has the last word on every statement here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import aliased

from app.core.calendar import now
from app.core.database import session
from app.core.permissions import OrgKind
from app.evidence.models import Consent, DataItem, Delivery, InvoiceLine, ProviderItem, Quarantine
from app.evidence.rules import INVOICES, LOOK, ConsentState, Purpose
from app.identity.models import Organisation

_COLUMNS = text("""
select side, day - date '1970-01-01' as day, counterparty, net_fen, tax_fen, gross_fen, void
from invoice_line where firm_no = :firm_no and current order by day, side, content, k
""")


def invoice_columns(firm_no: int) -> dict[str, NDArray[Any]]:
    """A firm's invoice lines in force as columns of equal length, under whatever identity is set (no right, no rows).

    ``side`` int8 (0 purchase, 1 sale), ``day`` int32 (days since 1970-01-01), ``counterparty`` int64 codes that mean
    something inside this answer alone, ``net_fen``, ``tax_fen``, ``gross_fen`` int64 (分), ``void`` bool.
    """
    rows = session().execute(_COLUMNS, {"firm_no": firm_no}).all()
    side, day, party, net, tax, gross, void = zip(*rows, strict=True) if rows else ((),) * 7
    _, codes = np.unique(np.array(party, dtype=np.str_), return_inverse=True)
    return {
        "side": np.array(side, dtype=np.int8), "day": np.array(day, dtype=np.int32), "counterparty": codes.astype(np.int64),
        "net_fen": np.array(net, dtype=np.int64), "tax_fen": np.array(tax, dtype=np.int64),
        "gross_fen": np.array(gross, dtype=np.int64), "void": np.array(void, dtype=np.bool_),
    }


@dataclass(frozen=True)
class MonthlyInvoices:
    """One calendar month of valid lines: net amounts in 分 (red letters taken off) and numbers of lines."""

    month: date
    sales_fen: int
    sales_count: int
    purchases_fen: int
    purchases_count: int


_MONTHLY = text("""
with last as (select date_trunc('month', max(day))::date as month from invoice_line where firm_no = :firm_no and current),
span as (select (month - make_interval(months => g))::date as month from last, generate_series(0, :months - 1) g
         where month is not null),
sums as (
  select date_trunc('month', day)::date as month,
         coalesce(sum(net_fen) filter (where side = 1), 0)::bigint as sales_fen, count(*) filter (where side = 1) as sales_count,
         coalesce(sum(net_fen) filter (where side = 0), 0)::bigint as purchases_fen,
         count(*) filter (where side = 0) as purchases_count
  from invoice_line where firm_no = :firm_no and current and not void group by 1)
select span.month, coalesce(sales_fen, 0), coalesce(sales_count, 0), coalesce(purchases_fen, 0), coalesce(purchases_count, 0)
from span left join sums using (month) order by span.month
""")


def monthly_invoices(firm_no: int, months: int = LOOK.months) -> list[MonthlyInvoices]:
    """The last ``months`` calendar months up to the latest line, oldest first, none left out; empty without lines."""
    return [MonthlyInvoices(*row) for row in session().execute(_MONTHLY, {"firm_no": firm_no, "months": months})]


@dataclass(frozen=True)
class Source:
    """Where evidence came from: who delivered it, and whether it is made up."""

    provider: str
    label: str
    synthetic: bool
    at: datetime | None


@dataclass(frozen=True)
class InvoiceSummary:
    """What a look at invoices shows. Shares are fractions of the window's turnover, ``None`` without turnover."""

    months: list[MonthlyInvoices]
    lines: int
    void_lines: int
    first_day: date | None
    last_day: date | None
    buyers: int
    suppliers: int
    top_buyers_share: Decimal | None
    top_suppliers_share: Decimal | None
    sources: list[Source]

    @property
    def sales_fen(self) -> int:
        """Sales of the window, net of tax, in 分."""
        return sum(month.sales_fen for month in self.months)

    @property
    def purchases_fen(self) -> int:
        """Purchases of the window, net of tax, in 分."""
        return sum(month.purchases_fen for month in self.months)


_PARTIES = text("""
select side, count(*) as parties, sum(turnover)::bigint as turnover,
       (sum(turnover) filter (where place <= :top))::bigint as top
from (select side, counterparty, sum(net_fen) as turnover,
             row_number() over (partition by side order by sum(net_fen) desc) as place
      from invoice_line where firm_no = :firm_no and current and not void and net_fen > 0 and day >= :since
      group by side, counterparty) p
group by side
""")


def invoice_summary(firm_no: int, months: int = LOOK.months) -> InvoiceSummary:
    """Months, counts and concentration of a firm's invoices; no single counterparty is named."""
    monthly = monthly_invoices(firm_no, months)
    totals = session().execute(
        select(func.count(), func.count().filter(InvoiceLine.void), func.min(InvoiceLine.day), func.max(InvoiceLine.day))
        .where(InvoiceLine.firm_no == firm_no, InvoiceLine.current)
    ).one()
    since = monthly[0].month if monthly else date.max
    parties = {row.side: row for row in session().execute(
        _PARTIES, {"firm_no": firm_no, "since": since, "top": LOOK.top_counterparties}
    )}
    return InvoiceSummary(
        monthly, totals[0], totals[1], totals[2], totals[3], _count(parties.get(1)), _count(parties.get(0)),
        _share(parties.get(1)), _share(parties.get(0)), sources(firm_no),
    )


def _count(row: Row[Any] | None) -> int:
    return int(row.parties) if row is not None else 0


def _share(row: Row[Any] | None) -> Decimal | None:
    return Decimal(row.top) / Decimal(row.turnover) if row is not None and row.turnover else None


_SOURCES = text("""
select o.name, s.source_label, bool_or(s.synthetic), max(s.finished_at)
from hq_sources_of_firm(:item, :firm_no) s join organisation o on o.id = s.provider_org_id
group by o.name, s.source_label order by 4 desc
""")


def sources(firm_no: int, item_code: str = INVOICES) -> list[Source]:
    """Who delivered a firm's evidence, latest first, for whoever may read it."""
    return [Source(*row) for row in session().execute(_SOURCES, {"item": item_code, "firm_no": firm_no})]


def active_consents(firm_id: UUID) -> list[Consent]:
    """A firm's consents in force that the actor may see."""
    return list(session().scalars(
        select(Consent).where(Consent.firm_id == firm_id, *in_force()).order_by(Consent.given_at)
    ))


def has_consent(
    firm_id: UUID, item_code: str, receiver_org_id: UUID | None, case_id: UUID | None = None,
) -> UUID | None:
    """The consent in force that covers an item for a receiver (``None`` = the portal's own profile), or ``None``.

    Without ``case_id`` it is asked for pre-approval: a consent that was given for one case does not count.
    """
    covering = select(DataItem.consent_item).where(DataItem.code == item_code).scalar_subquery()
    return session().scalar(
        select(Consent.id).where(
            Consent.firm_id == firm_id, Consent.item_code == covering,
            Consent.receiver_org_id.is_not_distinct_from(receiver_org_id),
            (Consent.purpose != Purpose.CASE.value) | (Consent.case_id == case_id), *in_force(),
        ).order_by(Consent.purpose).limit(1)
    )


def in_force() -> tuple[Any, Any]:
    """The two conditions under which a consent holds at this moment."""
    return Consent.state == ConsentState.ACTIVE.value, Consent.valid_until > now()


def catalogue(*, active: bool | None = None) -> list[DataItem]:
    """The items of the catalogue in their order."""
    stmt = select(DataItem).order_by(DataItem.position)
    return list(session().scalars(stmt if active is None else stmt.where(DataItem.active.is_(active))))


def banks() -> list[tuple[UUID, str]]:
    """Banks of the portal that a firm may name as receivers."""
    rows = session().execute(
        select(Organisation.id, Organisation.name)
        .where(Organisation.kind == OrgKind.BANK.value, Organisation.state == "active").order_by(Organisation.name)
    )
    return [(row.id, row.name) for row in rows]


def deliveries() -> Any:
    """Deliveries the actor may see, with the provider's name."""
    provider = aliased(Organisation)
    return select(
        Delivery.id, Delivery.number, Delivery.filename, Delivery.item_code, Delivery.side, Delivery.state, Delivery.created_at,
        Delivery.rows_total, Delivery.rows_taken, Delivery.rows_identical, Delivery.rows_superseding, Delivery.rows_quarantined,
        provider.name.label("provider"), DataItem.name_zh, DataItem.name_en,
    ).join(provider, provider.id == Delivery.provider_org_id).join(DataItem, DataItem.code == Delivery.item_code)


def items_of(provider_org_id: UUID | None) -> list[DataItem]:
    """What a provider delivers, in the order of the catalogue."""
    return list(session().scalars(
        select(DataItem).join(ProviderItem, ProviderItem.item_code == DataItem.code)
        .where(ProviderItem.provider_org_id == provider_org_id, DataItem.active).order_by(DataItem.position)
    ))


def delivered_items() -> list[DataItem]:
    """What the providers that the actor may see deliver."""
    delivered = select(ProviderItem.item_code)
    return list(session().scalars(select(DataItem).where(DataItem.code.in_(delivered)).order_by(DataItem.position)))


def quarantine(delivery_id: UUID) -> Any:
    """Rows of a delivery that wait to be mended."""
    return select(Quarantine).where(Quarantine.delivery_id == delivery_id)


def reasons(delivery_id: UUID) -> list[tuple[str, int]]:
    """How many rows wait for which reason, most first."""
    rows = session().execute(
        select(Quarantine.reason, func.count()).where(Quarantine.delivery_id == delivery_id)
        .group_by(Quarantine.reason).order_by(func.count().desc())
    )
    return [(row[0], row[1]) for row in rows]


def provider_named(name: str) -> Organisation | None:
    """A data provider by its name, its id or the login of one of its people: commands name them by hand."""
    return session().scalar(
        select(Organisation).where(Organisation.kind == OrgKind.DATA_PROVIDER.value, text(
            "(organisation.name = :given or organisation.id::text = :given or exists "
            "(select 1 from person p where p.org_id = organisation.id and p.login = lower(:given)))"
        ).bindparams(given=name)).limit(1)
    )
