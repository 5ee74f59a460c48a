"""What is known of firms for the rules of products, under the running identity: of one in two statements, of many in one.

A firm reads its own evidence here; any other identity gets what row-level security gives it, and the rest is unknown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from app.core.calendar import today
from app.core.database import session
from app.evidence.models import Consent
from app.evidence.queries import in_force
from app.market.fit_rules import Facts, Value

WINDOW_MONTHS, DEBTOR_MONTHS = 24, 12
"""How far back months with filings and invoices, and buyers, are counted [P]; the labels of the facts say so."""


@dataclass(frozen=True, slots=True)
class FirmFacts:
    """Facts by name, absent where unknown; consents in force by receiver."""

    facts: Facts
    consents: dict[UUID, frozenset[str]]


# A list or a register that was taken in says "none" of a firm that is not on it; before, nothing is known.
_FACTS = text("""
select e.id, e.industry_code, e.district, nullif(e.size_class, 'unknown') as size, e.form, e.headcount, e.revenue_fen,
  (select r.established_on from registration r where r.firm_no = e.firm_no and r.current order by r.as_of desc limit 1)
    as established_on,
  (select g.grade from tax_grade g where g.firm_no = e.firm_no and g.current order by g.year desc limit 1) as tax_grade,
  (select nullif(count(*), 0) from tax_filing t where t.firm_no = e.firm_no and t.current) as tax_rows,
  (select count(distinct t.period + make_interval(months => m.ahead)) from tax_filing t
     cross join lateral generate_series(0, case t.cycle when 'month' then 0 when 'quarter' then 2 else 11 end) m(ahead)
     where t.firm_no = e.firm_no and t.current and t.filed_on is not null
       and t.period + make_interval(months => m.ahead) >= :since) as tax_months,
  i.rows as invoice_rows, i.months as invoice_months, i.debtors as receivable_debtors,
  (select s.heads from social_insurance_month s where s.firm_no = e.firm_no and s.current
     order by s.period desc, s.heads desc limit 1) as insured_heads,
  case when hq_item_delivered('dishonesty') then exists (
    select 1 from dishonesty_entry d where d.firm_no = e.firm_no and d.current and d.removed_on is null) end as dishonest,
  case when hq_item_delivered('penalties') then (
    select count(*) from penalty p where p.firm_no = e.firm_no and p.current and p.repaired_on is null) end as penalties_open,
  case when hq_item_delivered('qualifications') then exists (
    select 1 from qualification q where q.firm_no = e.firm_no and q.current and q.kind = 'high_tech' and q.revoked_on is null
      and coalesce(q.valid_to, :day) >= :day) end as high_tech,
  case when hq_item_delivered('ip') then (
    select count(*) from ip_right w where w.firm_no = e.firm_no and w.current and w.ended_on is null
      and coalesce(w.expires_on, :day) >= :day and w.pledged is not true) end as ip_count
from enterprise e
left join lateral (
  select count(*) as rows,
         count(distinct date_trunc('month', l.day)) filter (where l.side = 1 and not l.void and l.day >= :since) as months,
         count(distinct l.counterparty) filter (where l.side = 1 and not l.void and l.net_fen > 0 and l.day >= :debtors_since)
           as debtors
  from invoice_line l where l.firm_no = e.firm_no and l.current) i on true
where e.id = any(:firms)
""")


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)


def _age_months(established: date, day: date) -> int:
    months = (day.year - established.year) * 12 + day.month - established.month
    return max(0, months - (day.day < established.day))


def load_many(firm_ids: Sequence[UUID]) -> dict[UUID, Facts]:
    """The facts of many firms in one statement. Whom the running identity may read is worked out once, not once a firm."""
    day = today()
    rows = session().execute(_FACTS, {
        "firms": list(firm_ids), "day": day, "since": _months_before(day, WINDOW_MONTHS),
        "debtors_since": _months_before(day, DEBTOR_MONTHS),
    })  # fmt: skip
    return {row.id: _known(row, day) for row in rows}


def load(firm_id: UUID) -> FirmFacts:
    """The facts of a firm; all unknown where the running identity may not know it."""
    facts = load_many([firm_id])
    consents: dict[UUID, set[str]] = defaultdict(set)
    given = select(Consent.receiver_org_id, Consent.item_code).where(
        Consent.firm_id == firm_id, Consent.receiver_org_id.is_not(None), *in_force()
    )
    for receiver, item in session().execute(given):
        assert receiver is not None
        consents[receiver].add(item)
    return FirmFacts(facts.get(firm_id, {}), {bank: frozenset(items) for bank, items in consents.items()})


def _known(row: Any, day: date) -> dict[str, Value]:
    found: dict[str, Value | None] = {
        "industry": row.industry_code,
        "district": row.district,
        "size": row.size,
        "form": row.form,
        "headcount": row.headcount,
        "revenue_fen": row.revenue_fen,
        "age_months": _age_months(row.established_on, day) if row.established_on else None,
        "tax_grade": row.tax_grade,
        "tax_months": row.tax_months if row.tax_rows else None,
        "invoice_months": row.invoice_months if row.invoice_rows else None,
        "receivable_debtors": row.receivable_debtors if row.invoice_rows else None,
        "insured_heads": row.insured_heads,
        "dishonest": row.dishonest,
        "penalties_open": row.penalties_open,
        "high_tech": row.high_tech,
        "ip_count": row.ip_count,
    }
    return {name: value for name, value in found.items() if value is not None}
