"""Figures of the bureau's cockpit, each one statement over all cases, summed up in SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select, text

from app.core.calendar import today
from app.core.database import session
from app.pool.cockpit_filters import AGES, IN_POOL
from app.pool.models import Claim
from app.pool.states import NOT_COUNTED, ClaimState


@dataclass(frozen=True)
class StateAges:
    """Claims in a state: how many, what they are worth (分), and how many in each age."""

    state: ClaimState
    count: int
    compensation_fen: int
    by_age: dict[str, int]


def claims_by_state() -> list[StateAges]:
    """Claims that were sent in, by state and days since."""
    def aged(low: int, high: int | None) -> Any:
        inside = Claim.submitted_on <= today() - timedelta(days=low)
        return inside if high is None else inside & (Claim.submitted_on >= today() - timedelta(days=high))

    rows = session().execute(
        select(
            Claim.state, func.count().label("number"), func.sum(Claim.compensation_fen).label("fen"),
            *(func.count(case((aged(low, high), 1))).label(f"age_{key}") for key, low, high in AGES),
        ).where(Claim.submitted_on.is_not(None)).group_by(Claim.state)
    ).all()
    found = {row.state: row for row in rows}
    return [
        StateAges(state, row.number, int(row.fen), {key: getattr(row, f"age_{key}") for key, _, _ in AGES})
        for state in ClaimState if (row := found.get(state.value)) is not None
    ]


@dataclass
class BankYear:
    """A payee's year: what was booked and lost month by month and in the last days (分), bad loans not claimed yet."""

    bank_id: UUID
    name: str
    booked: list[int] = field(default_factory=lambda: [0] * 12)
    lost: list[int] = field(default_factory=lambda: [0] * 12)
    recent_booked: int = 0
    recent_lost: int = 0
    days: int = 1
    days_left: int = 0

    @property
    def booked_fen(self) -> int:
        """Principal booked so far this year."""
        return sum(self.booked)

    @property
    def lost_fen(self) -> int:
        """Losses claimed so far this year."""
        return sum(self.lost)

    @property
    def ratio(self) -> Decimal | None:
        """Losses over bookings so far; None where nothing was booked."""
        return _ratio(self.lost_fen, self.booked_fen)

    @property
    def projected(self) -> Decimal | None:
        """The ratio at the year's end if bookings and losses go on at the pace of those last days."""
        booked = self.booked_fen + self.recent_booked * self.days_left // self.days
        return _ratio(self.lost_fen + self.recent_lost * self.days_left // self.days, booked)

    def course(self, months: int) -> list[Decimal | None]:
        """The ratio at the end of each month so far."""
        return [_ratio(sum(self.lost[:n]), sum(self.booked[:n])) for n in range(1, months + 1)]


def _ratio(lost: int, booked: int) -> Decimal | None:
    return Decimal(lost) / Decimal(booked) if booked else None


_BANKS = text("""
    select p.org_id, o.name, p.month::int as month, sum(p.booked)::bigint as booked, sum(p.lost)::bigint as lost,
           sum(p.booked) filter (where p.recent)::bigint as recent_booked,
           sum(p.lost) filter (where p.recent)::bigint as recent_lost
    from (
      select payee_id as org_id, extract(month from booked_on) as month, booked_on > :since as recent,
             sum(principal_fen) as booked, 0::numeric as lost
      from booking where state in ('BOOKED', 'CLAIMED') and booked_on between :first and :last group by 1, 2, 3
      union all
      select org_id, extract(month from submitted_on), submitted_on > :since, 0::numeric, sum(net_principal_loss_fen)
      from claim where state <> all(:uncounted) and submitted_on between :first and :last group by 1, 2, 3) p
    join organisation o on o.id = p.org_id group by 1, 2, 3
""")


def bank_years(year: int, pace_days: int) -> list[BankYear]:
    """Every bank that booked or lost in the year, the highest ratio first. One statement.

    ``pace_days``: how many of the last days the projection goes on with.
    """
    first, end = date(year, 1, 1), date(year, 12, 31)
    last = max(first, min(end, today()))
    since = max(first - timedelta(days=1), last - timedelta(days=pace_days))
    found: dict[UUID, BankYear] = {}
    rows = session().execute(_BANKS, {
        "since": since, "first": first, "last": end, "uncounted": [one.value for one in NOT_COUNTED],
    })
    for row in rows:
        line = found.setdefault(row.org_id, BankYear(
            row.org_id, row.name, days=max(1, (last - since).days), days_left=(end - last).days))
        line.booked[row.month - 1], line.lost[row.month - 1] = int(row.booked), int(row.lost)
        line.recent_booked += int(row.recent_booked or 0)
        line.recent_lost += int(row.recent_lost or 0)
    return sorted(found.values(), key=lambda one: (one.ratio is not None, -(one.ratio or 0), one.name))


@dataclass(frozen=True)
class Slice:
    """Loans booked in a year that share something: how many, of how many firms, principal and claimed loss (分)."""

    key: str
    loans: int
    firms: int
    principal_fen: int
    loss_fen: int

    @property
    def ratio(self) -> Decimal | None:
        """Claimed loss over principal."""
        return _ratio(self.loss_fen, self.principal_fen)


_SLICES = text("""
    with booked as materialized (
      select concat_ws('|', b.product, b.mode, coalesce(b.snapshot ->> 'district', ''), coalesce(b.snapshot ->> 'size_class', ''),
             coalesce(b.snapshot ->> 'first_loan', '')) as kind, b.firm_id, b.principal_fen, coalesce(c.loss, 0) as loss
      from booking b
      left join (select booking_id, sum(net_principal_loss_fen) as loss from claim where state <> all(:uncounted)
                 group by booking_id) c on c.booking_id = b.id
      where b.state = any(:live) and b.booked_on between :first and :last),
    kinds as materialized (
      select kind, count(*) as loans, sum(principal_fen) as principal, sum(loss) as loss from booked group by kind),
    parted as materialized (
      select kind, by, split_part(kind, '|', place) as key, loans, principal, loss
      from kinds cross join (values ('product', 1), ('mode', 2), ('district', 3), ('size', 4), ('first', 5)) v (by, place)),
    parts as materialized (
      select by, key, sum(loans)::bigint as loans, sum(principal)::bigint as principal, sum(loss)::bigint as loss,
             least(row_number() over (order by by, key), 256)::int - 1 as bit
      from parted group by by, key),
    masks as materialized (
      select kind, bit_or(set_bit(0::bit(256), bit, 1)) as mask from parted join parts using (by, key) group by kind),
    firms as materialized (
      select mask, count(*) as firms from (
        select bit_or(mask) as mask from booked join masks using (kind) group by firm_id) f group by mask)
    select p.by, p.key, p.loans, sum(f.firms)::bigint as firms, p.principal, p.loss
    from parts p join firms f on get_bit(f.mask, p.bit) = 1 group by p.by, p.key, p.loans, p.principal, p.loss
    union all
    select 'all', '', sum(loans)::bigint, (select sum(firms)::bigint from firms), sum(principal)::bigint, sum(loss)::bigint
    from kinds
""")
"""A firm is counted once in each part. Which parts its loans belong to is one bit each (parts beyond 256 would share the last),
so that no distinct count has to sort all loans once a part."""


def slices(year: int) -> dict[str, list[Slice]]:
    """Loans booked in a year by ``product``, ``mode``, ``district``, ``size``, ``first`` (borrower for the first time) and
    ``all``, the largest first. One statement."""
    found: dict[str, list[Slice]] = {by: [] for by in ("product", "mode", "district", "size", "first", "all")}
    session().execute(text("set local work_mem = '64MB'"))  # a year's loans are gone through twice, not by way of the disk
    rows = session().execute(_SLICES, {
        "uncounted": [one.value for one in NOT_COUNTED], "live": list(IN_POOL), "first": date(year, 1, 1),
        "last": date(year, 12, 31),
    })
    for row in rows:
        if row.loans is not None:
            found[row.by].append(Slice(row.key, int(row.loans), row.firms, int(row.principal), int(row.loss)))
    for parts in found.values():
        parts.sort(key=lambda one: (-one.principal_fen, one.key))
    return found


def months_so_far(year: int) -> int:
    """Months of a year that have begun."""
    return 12 if year < today().year else 0 if year > today().year else today().month


def month_names(months: int) -> list[str]:
    """Labels of months, ``01`` on."""
    return [f"{n:02d}" for n in range(1, months + 1)]


def bad_unclaimed() -> tuple[int, int]:
    """Booked loans gone bad that nobody has claimed: how many, and the principal still out (分)."""
    row = session().execute(text(
        "select count(*) as n, coalesce(sum(l.principal_fen - l.principal_repaid_fen), 0)::bigint as fen from booking b "
        "join loan l on l.id = b.loan_id where b.state = 'BOOKED' and l.five_class in ('SUBSTANDARD', 'DOUBTFUL', 'LOSS')"
    )).one()
    return row.n, int(row.fen)
