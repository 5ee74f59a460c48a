"""What pages read of months compared: each bank's months, and the differences. Row-level security has limited it already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import aliased

from app.core.calendar import today
from app.core.database import session
from app.identity.models import Organisation, Person
from app.pool.judging import LIVE
from app.pool.reconcile_models import Difference
from app.pool.reconcile_states import MONTHS_SHOWN, ReconcileRules, due_on, month_before
from app.pool.ruleset import RULE_2025, RuleSet
from app.pool.service import rule_set_on

BANK, OWNER = aliased(Organisation, name="bank"), aliased(Person, name="owner")
_MONTHS = text("""
select o.id as org_id, o.name as bank_name, m.month, r.done_at, r.notes, r.agreeing, r.absent,
  (select count(*) from pool_difference d where d.org_id = o.id and d.month = m.month and d.state <> 'ENDED') as still_open
from organisation o
cross join lateral (select least(
  (select min(booked_on) from booking b where b.org_id = o.id and b.mode = 'BANK' and b.state = any(:live)),
  (select min(month) from pool_reconciliation c where c.org_id = o.id)) as since) b
cross join lateral (select generate_series(date_trunc('month', cast(greatest(b.since, :first) as timestamp)),
  cast(:last as timestamp), interval '1 month')::date as month where b.since is not null) m
left join lateral (select * from pool_reconciliation r where r.org_id = o.id and r.month = m.month
  order by r.done_at desc limit 1) r on true
where o.kind = 'bank' and (cast(:month as date) is null or m.month = :month)
order by m.month desc, o.name
""")


@dataclass(frozen=True)
class BankMonth:
    """A month of a bank: when it was compared, how many notes agreed, what is still open, and by when it was due."""

    org_id: UUID
    bank_name: str
    month: date
    done_at: datetime | None
    notes: int | None
    agreeing: int | None
    absent: int | None
    still_open: int
    due: date

    @property
    def late(self) -> bool:
        return self.done_at is None and today() > self.due


def reconcile_rules() -> ReconcileRules:
    """The days of the edition in force today."""
    stored = rule_set_on(today())
    rules = RuleSet.from_json(stored.rules) if stored else RULE_2025
    return ReconcileRules(rules.reconcile_due_wd, rules.reconcile_reminder_wd)


def months_shown() -> list[date]:
    """The months that have ended, the newest first."""
    months, month = [], month_before(today())
    for _ in range(MONTHS_SHOWN):
        months.append(month)
        month = month_before(month)
    return months


def bank_months(month: date | None = None) -> Sequence[BankMonth]:
    """Months with booked loans of every bank that the actor may see, or all banks of one month."""
    shown = months_shown()
    rows = session().execute(_MONTHS, {"live": list(LIVE), "first": shown[-1], "last": shown[0], "month": month})
    rules = reconcile_rules()
    return [BankMonth(**row._mapping, due=due_on(row.month, rules)) for row in rows]


def differences_query() -> Select[*tuple[Any, ...]]:
    """Differences with the bank and who owns them."""
    return select(
        Difference.id, Difference.month, Difference.note_no, Difference.kind, Difference.theirs, Difference.ours,
        Difference.state, Difference.ending, Difference.opened_on, Difference.ended_on, Difference.loan_id,
        BANK.name.label("bank_name"), func.coalesce(OWNER.name, "").label("owner_name"),
    ).join(BANK, BANK.id == Difference.org_id).outerjoin(OWNER, OWNER.id == Difference.owner_id)


def open_count() -> int:
    """Open differences that the actor may see."""
    return session().scalar(select(func.count()).select_from(Difference).where(Difference.state == "OPEN")) or 0


def explained(limit: int = 10) -> list[Difference]:
    """Differences that wait for the second person, the oldest first."""
    return list(session().scalars(
        select(Difference).where(Difference.state == "EXPLAINED")
        .order_by(Difference.opened_on, Difference.note_no).limit(limit)
    ))
