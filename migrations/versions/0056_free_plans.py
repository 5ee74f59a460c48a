"""A loan may be repaid by an agreed plan: interest every month, principal in the months and amounts that the bid says."""

from migrations.tools import run

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

METHODS = "'INTEREST_ONLY', 'EQUAL_INSTALMENT', 'EQUAL_PRINCIPAL', 'BULLET', 'FREE'"
MOST_ROWS = 60

PLANS = f"""
-- A plan is a list of [month, 分]: months rise and end with the term, amounts are above nothing and add up to the loan.
create function hq_plan_adds_up(plan jsonb, amount_fen bigint, term_months bigint) returns boolean
  language sql immutable set search_path = public as
  $$ select coalesce(jsonb_typeof($1) = 'array' and jsonb_array_length($1) between 1 and {MOST_ROWS}
       and (select bool_and(month > before and fen > 0) and sum(fen) = $2 and max(month) = $3 from (
              select (row->>0)::bigint as month, (row->>1)::bigint as fen,
                     coalesce(lag((row->>0)::bigint) over (order by no), 0) as before
              from jsonb_array_elements($1) with ordinality as line(row, no)) as lines), false) $$;
alter table bid
  add column plan jsonb,
  drop constraint ck_bid_method,
  add constraint ck_bid_method check (method in ({METHODS})),
  add constraint ck_bid_plan check ((method = 'FREE') = (plan is not null)
    and (plan is null or hq_plan_adds_up(plan, amount_fen, term_months)));
alter table loan
  add column plan jsonb,
  drop constraint ck_loan_method,
  add constraint ck_loan_method check (method in ({METHODS})),
  add constraint ck_loan_plan check ((method = 'FREE') = (plan is not null)
    and (plan is null or hq_plan_adds_up(plan, amount_fen, term_months)));
"""


def upgrade() -> None:
    run(PLANS)
