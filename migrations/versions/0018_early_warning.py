"""Early warnings after lending: what is signalled about a firm, which banks it concerns, and what became of the loans."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = """
create table early_warning (
  id uuid constraint pk_early_warning primary key,
  firm_id uuid not null constraint fk_early_warning_firm_id references enterprise,
  item_code text not null constraint fk_early_warning_item_code references data_item,
  kind text not null,
  level bigint not null constraint ck_early_warning_level check (level between 1 and 3),
  worst_level bigint not null,
  raised_at timestamptz not null,
  as_of date not null,
  facts jsonb not null,
  state text not null constraint ck_early_warning_state check (state in ('OPEN', 'CLOSED')),
  closed_at timestamptz,
  close_reason text constraint ck_early_warning_close_reason check (close_reason in ('gone', 'no_consent')),
  answer text constraint ck_early_warning_answer check (length(answer) between 1 and 2000),
  answered_at timestamptz,
  answered_by uuid constraint fk_early_warning_answered_by references person,
  constraint ck_early_warning_worst check (worst_level between level and 3),
  constraint ck_early_warning_closed check (
    (state = 'CLOSED') = (closed_at is not null) and (state = 'CLOSED') = (close_reason is not null)),
  constraint ck_early_warning_answered check ((answer is null) = (answered_at is null))
);
create unique index uq_early_warning_open on early_warning (firm_id, kind, item_code) where state = 'OPEN';
create index ix_early_warning_firm_id on early_warning (firm_id, raised_at);

-- A bank that the warning concerns, through one of its loans. What one bank does with it is no other bank's business.
create table warning_concern (
  id uuid constraint pk_warning_concern primary key,
  warning_id uuid not null constraint fk_warning_concern_warning_id references early_warning,
  org_id uuid not null constraint fk_warning_concern_org_id references organisation,
  case_id uuid not null constraint fk_warning_concern_case_id references case_file,
  state text not null constraint ck_warning_concern_state check (state in ('OPEN', 'ACKNOWLEDGED', 'CLOSED')),
  told_at timestamptz not null,
  note text constraint ck_warning_concern_note check (length(note) between 1 and 2000),
  acknowledged_at timestamptz,
  acknowledged_by uuid constraint fk_warning_concern_acknowledged_by references person,
  ended_at timestamptz,
  constraint uq_warning_concern_warning_id_org_id unique (warning_id, org_id)
);
create index ix_warning_concern_org_id on warning_concern (org_id, state);

create table loan_outcome (
  loan_id uuid constraint pk_loan_outcome primary key,
  firm_id uuid not null constraint fk_loan_outcome_firm_id references enterprise,
  bad boolean not null,
  told_on date not null
);
create index ix_loan_outcome_firm_id on loan_outcome (firm_id);

create table warning_policy (
  id uuid constraint pk_warning_policy primary key,
  valid_from timestamptz not null,
  parameters jsonb not null
);
"""

FUNCTIONS = """
-- A bank reads a warning about a borrower under a consent that names it and covers the item (or where the item is a public
-- record), for as long as a loan of its own runs.
create function hq_warning_readable(warning uuid, firm uuid, item text) returns boolean
  language sql stable security definer set search_path = public as
  $$ select hq_kind() = 'bank' and exists (
       select 1 from warning_concern w join enterprise e on e.id = $2 and e.state = 'verified' join data_item i on i.code = $3
       where w.warning_id = $1 and w.org_id = hq_org() and w.ended_at is null and (not i.consent_needed or exists (
         select 1 from consent c where c.firm_id = $2 and c.receiver_org_id = hq_org() and c.item_code = i.consent_item
           and c.state = 'ACTIVE' and c.valid_until > now() and (c.purpose <> 'case' or c.case_id = w.case_id)))) $$;

-- The city learns what warnings are worth, and nothing about a firm. judged: days within which a bad loan makes one right.
create function hq_warning_worth(judged bigint)
  returns table (kind text, level bigint, raised bigint, known bigint, hit bigint)
  language sql stable security definer set search_path = public as
  $$ select w.kind, w.worst_level, count(*), count(*) filter (where o.firms > 0), count(*) filter (where o.bad)
     from early_warning w cross join lateral (
       select count(*) as firms,
              bool_or(x.bad and x.told_on <= (w.raised_at at time zone 'Asia/Shanghai')::date + $1::int) as bad
       from loan_outcome x where x.firm_id = w.firm_id and x.told_on >= (w.raised_at at time zone 'Asia/Shanghai')::date) o
     where hq_kind() in ('bureau', 'system') group by 1, 2 $$;

create function hq_warning_recall(judged bigint) returns table (bad bigint, warned bigint)
  language sql stable security definer set search_path = public as
  $$ select count(*), count(*) filter (where exists (
       select 1 from early_warning w where w.firm_id = x.firm_id
         and x.told_on - (w.raised_at at time zone 'Asia/Shanghai')::date between 0 and $1::int))
     from loan_outcome x where x.bad and hq_kind() in ('bureau', 'system') $$;
"""


def upgrade() -> None:
    run(TABLES)
    run(FUNCTIONS)
    grant("early_warning", "select, insert, update (level, worst_level, as_of, facts, state, closed_at, close_reason, answer, "
                           "answered_at, answered_by)")
    guard("early_warning", see=f"firm_id = hq_org() or {SYSTEM} or hq_warning_readable(id, firm_id, item_code)",
          write=SYSTEM, change=f"firm_id = hq_org() or {SYSTEM}")
    run("create policy proved on early_warning as restrictive for select to huiqiao_app using ((select hq_proved()))")
    grant("warning_concern", "select, insert, update (state, told_at, note, acknowledged_at, acknowledged_by, ended_at, case_id)")
    guard("warning_concern", see=f"org_id = hq_org() or {SYSTEM}", write=SYSTEM, change=f"org_id = hq_org() or {SYSTEM}")
    grant("loan_outcome", "select, insert, update (bad, told_on)")
    guard("loan_outcome", see=SYSTEM, change=SYSTEM)
    append_only("warning_policy")
    guard("warning_policy", see=f"hq_kind() in ('bureau', 'platform') or {SYSTEM}", write=SYSTEM)
