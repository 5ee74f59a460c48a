"""Measures over the facts of one delivery, set-wise: temporary tables, a bounded number of passes, nothing row by row.

``quality_row`` holds the delivery's own rows (found by the block-range index on ``delivery_no``), ``quality_month`` which
known subject has a row in which month (one pass over the item's table), ``quality_past`` what is usual for a subject (by the
key of the table), ``quality_hit`` everything that is to be looked at. Above the limits of ``QualityRules`` all of them hold
one subject in so many. The names of tables and columns come from ``items``; everything a person typed is a parameter.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.core.database import session
from app.evidence.items import UTILITIES
from app.evidence.quality_checks import CHECKS
from app.evidence.quality_rules import QUALITY, STEADY, UNTIMED, Measure, QualityRules, Shape, Share

_HIT = """
create temp table quality_hit (
  measure text not null, rule text not null, severity text not null, subject bigint not null, at date, until date,
  field text not null, seen bigint, low bigint, high bigint, weight numeric not null
) on commit drop
"""
_INTO = "insert into quality_hit (measure, rule, severity, subject, at, until, field, seen, low, high, weight) "


def _run(sql: str, **params: Any) -> Any:
    return session().execute(text(sql), params)


def _sampled(column: str, one_in: int) -> str:
    return "true" if one_in == 1 else f"abs(hashint8({column})::bigint) % {int(one_in)} = 0"


def open_rows(shape: Shape, number: int, one_in: int) -> tuple[int, date | None]:
    """Gathers the rows of a delivery. Returns how many, and the latest month they tell about."""
    _run("drop table if exists pg_temp.quality_row, pg_temp.quality_month, pg_temp.quality_known, pg_temp.quality_past, "
         "pg_temp.quality_hit")
    _run(_HIT)
    # A statement that makes a table takes no parameters.
    _run(f"""
    create temp table quality_row on commit drop as
    select f.{shape.subject} as subject, {shape.at.format(f="f")} as at, {shape.end.format(f="f")} as till, f.*
    from {shape.table} f where f.delivery_no = {int(number)} and {_sampled(f"f.{shape.subject}", one_in)}
    """)
    _run("analyze quality_row")
    row = _run("select count(*), date_trunc('month', max(till) - 1)::date from quality_row").one()
    return row[0], row[1]


def coverage(
    shape: Shape, provider: UUID, month: date, one_in: int, rules: QualityRules = QUALITY,
) -> tuple[dict[Measure, Share], list[list[Any]]]:
    """Coverage of the latest month and missing months inside, over the provider's known subjects; and the strip of months.

    A month billed by a landlord, or not metered, is a row: neither missing nor zero. Nothing for items that do not come
    every month.
    """
    if shape.item not in STEADY:
        return {}, []
    _months(shape, provider, month, one_in, rules)
    _known(shape, provider, month, one_in, rules)
    _run(_INTO + """
    select 'coverage', 'missing', 'warn', k.subject, :month, null, '', null, null, null,
           (select count(*) from quality_month m where m.subject = k.subject)
    from quality_known k where not exists (select 1 from quality_month m where m.subject = k.subject and m.month = :month)
    """, month=month)
    _run(_INTO + """
    select 'gaps', 'gap', 'warn', subject, (month + interval '1 month')::date, (next - interval '1 month')::date, '',
           (extract(year from age(next, month)) * 12 + extract(month from age(next, month)))::bigint - 1, null, null,
           next - month
    from (select m.subject, m.month, lead(m.month) over (partition by m.subject order by m.month) as next
          from quality_month m join quality_known k using (subject)) s
    where next > month + interval '1 month'
    """)
    known, missing = _run(
        "select (select count(*) from quality_known), count(*) from quality_hit where measure = 'coverage'").one()
    expected, gaps = _run("""
    select coalesce(sum(months), 0)::bigint, coalesce(sum(months - rows), 0)::bigint
    from (select count(*) as rows, (extract(year from age(max(month), min(month))) * 12
                 + extract(month from age(max(month), min(month))))::bigint + 1 as months
          from quality_month join quality_known using (subject) group by subject) s
    """).one()
    return {Measure.COVERAGE: Share(known - missing, known), Measure.GAPS: Share(gaps, expected)}, _strip(month, rules)


def _months(shape: Shape, provider: UUID, month: date, one_in: int, rules: QualityRules) -> None:
    _run("create temp table quality_month (subject bigint, month date) on commit drop")
    at = shape.at.format(f="f")
    spread = "" if shape.months == "1" else f"cross join lateral generate_series(0, {shape.months.format(f='f')} - 1) g"
    later = "" if shape.months == "1" else " + make_interval(months => g)"
    _run(f"""
    insert into quality_month select distinct subject, month from (
      select f.{shape.subject} as subject, (date_trunc('month', {at}){later})::date as month
      from {shape.table} f join delivery d on d.number = f.delivery_no {spread}
      where d.provider_org_id = :provider and d.item_code = :item and f.current and {_sampled(f"f.{shape.subject}", one_in)}
        and {at} > :month - make_interval(months => :window + 12) and {at} < :month + interval '1 month') s
    where month > :month - make_interval(months => :window) and month <= :month
    """, provider=provider, item=shape.item, month=month, window=rules.gap_months)
    _run("create index on quality_month (subject, month)")
    _run("analyze quality_month")


def _known(shape: Shape, provider: UUID, month: date, one_in: int, rules: QualityRules) -> None:
    _run("create temp table quality_known (subject bigint primary key) on commit drop")
    _run("insert into quality_known select distinct subject from quality_month "
         "where month > :month - make_interval(months => :known)", month=month, known=rules.known_months)
    if shape.subject == "meter_no":
        # Nobody is behind a meter whose every link has ended; a linked meter is expected where the provider has one utility.
        _run("""
        delete from quality_known k
        where exists (select 1 from meter_link l where l.meter_no = k.subject and l.current)
          and not exists (select 1 from meter_link l where l.meter_no = k.subject and l.current
                          and (l.valid_to is null or l.valid_to >= :month))
        """, month=month)
        _run(f"""
        insert into quality_known
        select m.meter_no from meter m
        where m.provider_org_id = :provider and {_sampled("m.meter_no", one_in)}
          and (select count(*) from provider_item p where p.provider_org_id = :provider and p.item_code = any(:utilities)) = 1
          and exists (select 1 from meter_link l where l.meter_no = m.meter_no and l.current and l.valid_from <= :month
                      and (l.valid_to is null or l.valid_to >= :month))
        on conflict do nothing
        """, provider=provider, month=month, utilities=list(UTILITIES))
    _run("analyze quality_known")


def _strip(month: date, rules: QualityRules) -> list[list[Any]]:
    rows = _run("""
    select s.month::date, count(distinct k.subject) filter (where k.month = s.month), count(distinct k.subject)
    from generate_series(:month - make_interval(months => :months - 1), cast(:month as timestamp), interval '1 month') s(month)
    left join quality_month k on k.month > s.month - make_interval(months => :known) and k.month <= s.month
    group by s.month order by s.month
    """, month=month, months=rules.strip_months, known=rules.known_months)
    return [[row[0].isoformat(), row[1], row[2]] for row in rows]


def lateness(shape: Shape, delivered: date, since: date | None) -> tuple[Share, dict[str, Any]]:
    """Rows that came later than agreed, counted from the end of what they tell about.

    A correction is not late, and neither is what was due before the provider began (``since``): that is history.
    """
    if shape.item in UNTIMED:
        return Share(0, 0), {}
    params = {"delivered": delivered, "allowed": shape.late_days, "since": since or date.min}
    judged = "from quality_row where version = 1 and till - 1 + :allowed >= :since"
    _run(_INTO + f"""
    select 'lateness', 'late', 'warn', subject, at, null, '', days, null, null, days
    from (select subject, at, max(:delivered - (till - 1 + :allowed))::bigint as days {judged}
          and :delivered > till - 1 + :allowed group by subject, at) s
    """, **params)
    row = _run(f"""
    select count(*), count(*) filter (where late > 0), coalesce(max(late), 0),
           coalesce(percentile_disc(0.5) within group (order by late), 0)
    from (select (:delivered - (till - 1 + :allowed)) as late {judged}) s
    """, **params).one()
    return Share(row[1], row[0]), {"allowed": shape.late_days, "most": row[2], "typical": row[3]}


def jumps(shape: Shape, rules: QualityRules = QUALITY) -> Share:
    """Values ten times above or below the median of the subject's own twelve months before."""
    jump = rules.jumps.get(shape.item)
    if jump is None:
        return Share(0, 0)
    at, same = shape.at.format(f="p"), "".join(f" and p.{column} = r.{column}" for column in shape.series)
    keys = ", ".join(("r.subject", *(f"r.{column}" for column in shape.series), "r.at", f"r.{shape.value}"))
    _run(f"""
    create temp table quality_past on commit drop as
    select {keys} as value, percentile_disc(0.5) within group (order by p.{shape.value}) as usual
    from quality_row r join {shape.table} p on p.{shape.subject} = r.subject{same} and p.current
      and {at} < r.at and {at} >= r.at - interval '{int(rules.jump_months)} months'
    where r.{shape.value} is not null and p.{shape.value} is not null
    group by {keys} having count(*) >= {int(rules.jump_needs)}
    """)
    params = {"factor": rules.jump_factor, "floor": jump.floor, "field": jump.field}
    _run(_INTO + """
    select 'jumps', case when value > usual then 'jump_up' else 'jump_down' end, 'warn', subject, at, null, :field, value,
           usual / :factor, usual * :factor, greatest(value, usual)::numeric / greatest(least(value, usual), 1)
    from quality_past
    where (usual > 0 and value >= usual * :factor and value - usual >= :floor)
       or (:falls and value * :factor <= usual and usual - value >= :floor)
    """, **params, falls=jump.falls)
    whole, part = _run("select (select count(*) from quality_past), count(*) from quality_hit where measure = 'jumps'").one()
    return Share(part, whole)


def impossible(shape: Shape, rows: int, rules: QualityRules = QUALITY) -> tuple[Share, dict[str, int]]:
    """Rows that other facts contradict. They are taken in: only the provider can know which of the two is right."""
    for items, statement in CHECKS:
        if shape.item in items:
            params = _parameters(shape, rules).items()
            _run(_INTO + statement, **{name: value for name, value in params if f":{name}" in statement})
    found = {row[0]: row[1] for row in _run(
        "select rule, count(*) from quality_hit where measure = 'impossible' group by rule order by 2 desc")}
    part = _run("select count(distinct (subject, at)) from quality_hit where measure = 'impossible'").scalar_one()
    return Share(part, rows), found


def _parameters(shape: Shape, rules: QualityRules) -> dict[str, Any]:
    return {
        "heads_factor": rules.heads_factor, "heads_difference": rules.heads_difference, "fund_factor": rules.fund_factor,
        "fund_difference": rules.fund_difference, "ceiling": rules.ceilings.get(shape.item, 0),
        "paid_floor": rules.paid_floor_fen, "cut_days": rules.cut_days, "cut_share": rules.cut_share_percent,
        "field": rules.jumps[shape.item].field if shape.item in rules.jumps else "",
    }


def keep(shape: Shape, delivery_id: UUID, provider: UUID, listed: int) -> None:
    """Stores the hits, of each measure the ``listed`` heaviest, under the code or account number of their subject."""
    label = "(select m.account_no from meter m where m.meter_no = h.subject)" if shape.subject == "meter_no" else (
        "coalesce((select e.uscc from enterprise e where e.firm_no = h.subject), "
        "(select f.uscc from reserved_firm f where f.firm_no = h.subject))")
    _run(f"""
    insert into quality_finding (id, delivery_id, provider_org_id, item_code, measure, rule, severity, subject_label, at, until,
                                 field, seen, expected_low, expected_high)
    select gen_random_uuid(), :delivery, :provider, :item, measure, rule, severity, coalesce({label}, ''), at, until, field,
           seen, low, high
    from (select *, row_number() over (partition by measure order by severity, weight desc, subject, at) as place
          from quality_hit) h
    where place <= :listed
    """, delivery=delivery_id, provider=provider, item=shape.item, listed=listed)
