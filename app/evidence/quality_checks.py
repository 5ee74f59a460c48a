"""What contradicts other facts, one statement each: which items it is for, and the rows of ``quality_row`` it finds.

A number that another office or the firm itself told the portal is compared with but never handed on: the sentence of the rule
says that they differ, not what the other said. Only the public annual report (年报) is shown.
"""

from __future__ import annotations

from app.evidence.items import UTILITIES

_PAID = ("electricity", "water", "gas", "social_insurance", "housing_fund")

CHECKS: tuple[tuple[tuple[str, ...], str], ...] = (
    # 4,000 insured in a firm of 5: against the larger of what the annual report and the firm itself say.
    (("social_insurance", "housing_fund"), """
    select 'impossible', case when a.n is null then 'heads_over_stated' else 'heads_over_reported' end, 'bad', r.subject, r.at,
           null, 'heads', max(r.heads), a.n, a.n, max(r.heads)::numeric / greatest(a.n, e.headcount, 1)
    from quality_row r left join enterprise e on e.firm_no = r.subject
    left join lateral (
      select n_employees as n from annual_report a
      where a.firm_no = r.subject and a.current and n_employees is not null order by report_year desc limit 1) a on true
    where r.heads > greatest(a.n, e.headcount) * :heads_factor and r.heads - greatest(a.n, e.headcount) > :heads_difference
    group by r.subject, r.at, a.n, e.headcount
    """),
    (("housing_fund",), """
    select 'impossible', 'heads_over_insured', 'warn', r.subject, r.at, null, 'heads', r.heads, null, null,
           r.heads::numeric / greatest(s.n, 1)
    from quality_row r cross join lateral (
      select max(s.heads) as n from social_insurance_month s
      where s.firm_no = r.subject and s.period = r.period and s.current) s
    where r.heads > s.n * :fund_factor and r.heads - s.n > :fund_difference
    """),
    ((*UTILITIES, "electricity_daily"), """
    select 'impossible', 'over_ceiling', 'bad', subject, at, null, :field, quantity_milli, null, :ceiling,
           quantity_milli::numeric / :ceiling
    from quality_row where quantity_milli > :ceiling
    """),
    (("tax",), """
    select 'impossible', 'paid_over_sales', 'bad', subject, at, null, 'paid', paid_fen, null, sales_fen,
           paid_fen::numeric / greatest(sales_fen, 1)
    from quality_row where paid_fen > sales_fen + :paid_floor
    """),
    (_PAID, """
    select 'impossible', 'paid_before', 'warn', subject, at, null, 'paid_on', (at - paid_on)::bigint, null, null, at - paid_on
    from quality_row where paid_on < at
    """),
    (("tax",), """
    select 'impossible', 'paid_before', 'warn', subject, at, null, 'filed_on', (at - filed_on)::bigint, null, null, at - filed_on
    from quality_row where filed_on < at
    """),
    (UTILITIES, """
    select 'impossible', 'cut_but_used', 'warn', r.subject, r.at, null, 'cut_days', r.cut_days, null, null, r.cut_days
    from quality_row r join quality_past p on p.subject = r.subject and p.at = r.at
    where r.cut_days >= :cut_days and p.usual > 0 and p.value * 100 >= p.usual * :cut_share
    """),
    (("tax",), """
    select 'impossible', 'mixed_cycles', 'warn', r.subject, r.at, null, 'cycle', null, null, null, 1
    from quality_row r
    where exists (
      select 1 from tax_filing p
      where p.firm_no = r.subject and p.tax_kind = r.tax_kind and p.current
        and ((r.cycle = 'month' and p.cycle = 'quarter'
              and p.period <= r.at and r.at < p.period + interval '3 months')
          or (r.cycle = 'quarter' and p.cycle = 'month'
              and r.at <= p.period and p.period < r.at + interval '3 months')))
    """),
)
