"""Troubles of a bridge with owner and deadline, and the named claim under every bridge whose money does not come back."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None

KINDS = "('RENEWAL_REFUSED', 'SHORT_DRAWN', 'COURT_FREEZE', 'OLD_LOAN_LATE', 'OVERDUE', 'PROMISE_EXPIRED')"
OUTCOMES = "('RETURNED', 'DRAWN', 'RENEWING', 'PROMISED', 'REFUSED', 'LIFTED', 'REPAID', 'ENDED')"

TROUBLE = f"""
create table bridge_trouble (
  id uuid constraint pk_bridge_trouble primary key,
  bridge_id uuid not null constraint fk_bridge_trouble_bridge_id references bridge,
  case_id uuid not null constraint fk_bridge_trouble_case_id references case_file,
  kind text not null constraint ck_bridge_trouble_kind check (kind in {KINDS}),
  state text not null constraint ck_bridge_trouble_state check (state in ('OPEN', 'ANSWERED', 'CLOSED')),
  owner_org_id uuid not null constraint fk_bridge_trouble_owner_org_id references organisation,
  owner_role text not null,
  opened_at timestamptz not null,
  opened_by uuid,
  opened_org_id uuid,
  due_at timestamptz not null,
  amount_fen bigint constraint ck_bridge_trouble_amount check (amount_fen > 0),
  note text not null constraint ck_bridge_trouble_note check (length(note) <= 1000),
  answer text constraint ck_bridge_trouble_answer check (length(answer) between 1 and 1000),
  answered_at timestamptz,
  answered_by uuid,
  warned_at timestamptz,
  closed_at timestamptz,
  closed_by uuid,
  outcome text constraint ck_bridge_trouble_outcome check (outcome in {OUTCOMES}),
  reason text,
  constraint ck_bridge_trouble_due check (due_at > opened_at),
  constraint ck_bridge_trouble_answered check ((answer is null) = (answered_at is null)
    and (state <> 'ANSWERED' or answer is not null)),
  constraint ck_bridge_trouble_closed check ((state = 'CLOSED') = (closed_at is not null and outcome is not null)
    and (closed_at is null) = (outcome is null)),
  -- A freeze is lifted by a paper, and the paper has a reason beside it.
  constraint ck_bridge_trouble_lifted check (outcome <> 'LIFTED' or length(reason) > 0)
);
create unique index uq_bridge_trouble_open on bridge_trouble (bridge_id, kind) where state <> 'CLOSED';
create index ix_bridge_trouble_bridge_id on bridge_trouble (bridge_id, opened_at);
create index ix_bridge_trouble_case_id on bridge_trouble (case_id);
create index ix_bridge_trouble_owner_org_id on bridge_trouble (owner_org_id, due_at) where state <> 'CLOSED';
create index ix_bridge_trouble_due on bridge_trouble (due_at) where state = 'OPEN' and warned_at is null;
"""

CLAIM = """
create table bridge_claim (
  id uuid constraint pk_bridge_claim primary key,
  bridge_id uuid not null constraint fk_bridge_claim_bridge_id references bridge,
  creditor_org_id uuid not null constraint fk_bridge_claim_creditor_org_id references organisation,
  debtor_org_id uuid not null constraint fk_bridge_claim_debtor_org_id references organisation,
  cause text not null constraint ck_bridge_claim_cause check (cause in ('RENEWAL_REFUSED', 'SHORT_DRAWN', 'OVERDUE')),
  opened_fen bigint not null constraint ck_bridge_claim_opened check (opened_fen > 0),
  opened_at timestamptz not null,
  closed_at timestamptz,
  outcome text constraint ck_bridge_claim_outcome check (outcome in ('RETURNED')),
  constraint ck_bridge_claim_closed check ((closed_at is null) = (outcome is null))
);
create unique index uq_bridge_claim_open on bridge_claim (bridge_id) where closed_at is null;
create index ix_bridge_claim_bridge_id on bridge_claim (bridge_id);

-- Bridges that stand refused, short or overdue today get their claim, named by the gravest of what has happened to them.
insert into bridge_claim (id, bridge_id, creditor_org_id, debtor_org_id, cause, opened_fen, opened_at)
  select gen_random_uuid(), b.id, b.funder_org_id, b.firm_id,
    case when b.refused_on is not null then 'RENEWAL_REFUSED' when b.state = 'SHORT_DRAWN' then 'SHORT_DRAWN' else 'OVERDUE' end,
    b.amount_fen - b.returned_fen, b.state_since
  from bridge b
  where b.amount_fen > b.returned_fen and (b.state in ('OVERDUE', 'RENEWAL_REFUSED')
    or (b.state = 'SHORT_DRAWN' and b.new_amount_fen < b.amount_fen - b.returned_fen));

-- Every bridge ends in zero or in a named open claim; and a claim ends only with the money.
create function hq_bridge_claim_stands() returns trigger
  language plpgsql security definer set search_path = public as $$
declare one bridge;
begin
  select * into one from bridge
    where id = coalesce((to_jsonb(new) ->> 'bridge_id')::uuid, new.id);
  if one.state in ('OVERDUE', 'RENEWAL_REFUSED') and one.amount_fen > one.returned_fen
     and not exists (select 1 from bridge_claim c where c.bridge_id = one.id and c.closed_at is null) then
    raise exception 'money that is out and not claimed' using errcode = 'check_violation', constraint = 'ck_bridge_claim_stands';
  end if;
  if one.state in ('BRIDGE_RETURNED', 'SETTLED')
     and exists (select 1 from bridge_claim c where c.bridge_id = one.id and c.closed_at is null) then
    raise exception 'a claim on nothing' using errcode = 'check_violation', constraint = 'ck_bridge_claim_stands';
  end if;
  return null;
end $$;
create constraint trigger bridge_claim_stands after update on bridge deferrable initially deferred
  for each row when (new.state in ('OVERDUE', 'RENEWAL_REFUSED', 'BRIDGE_RETURNED', 'SETTLED'))
  execute function hq_bridge_claim_stands();
create constraint trigger bridge_claim_stands after insert or update on bridge_claim deferrable initially deferred
  for each row execute function hq_bridge_claim_stands();
"""

CITY = "hq_kind() in ('bridge_centre', 'bureau', 'system')"
CENTRE = "hq_kind() in ('bridge_centre', 'system')"
# The parties of the bridge, not the funders that were asked for a quote. The look at the bridge passes its own policies.
PARTY = (
    "exists (select 1 from bridge b where b.id = bridge_id and "
    "(b.firm_id = hq_org() or b.old_bank_org_id = hq_org() or b.new_bank_org_id = hq_org() or b.funder_org_id = hq_org()))"
)


def upgrade() -> None:
    run(TROUBLE)
    run(CLAIM)
    grant("bridge_trouble", "select, insert, update")
    # What the events open and end is written under the portal's own identity; a party changes only what it answers for.
    guard("bridge_trouble", see=f"{CITY} or {PARTY}", write=SYSTEM,
          change=f"owner_org_id = hq_org() or {CENTRE} or (kind = 'COURT_FREEZE' and {PARTY})")
    grant("bridge_claim", "select, insert, update")
    guard("bridge_claim", see=f"{CITY} or {PARTY}", write=SYSTEM, change=SYSTEM)
    run("create policy see_bridge_trouble on transition for select to huiqiao_app using (subject_type = 'bridge_trouble' "
        "and (select hq_kind() in ('bridge_centre', 'bureau')))")
