"""A transfer to another bank: its collateral moves in steps, a guarantor covers the gap, an overdue claim passes to it."""

from migrations.tools import grant, guard, once, run

revision = "0084"
down_revision = "0083"
branch_labels = None
depends_on = None

KINDS = "('REAL_ESTATE', 'EQUIPMENT', 'RECEIVABLES', 'EQUITY', 'RIGHTS', 'OTHER')"
BEFORE_PAYOUT = "('APPLIED', 'PRECHECKED', 'BANK_COMMITTED', 'PARTNER_OFFERED', 'APPROVED', 'SIGNED')"
TROUBLES = (
    "('RENEWAL_REFUSED', 'SHORT_DRAWN', 'COURT_FREEZE', 'OLD_LOAN_LATE', 'OVERDUE', 'PROMISE_EXPIRED', 'COLLATERAL_RELEASE', "
    "'COLLATERAL_REGISTER', 'GUARANTEE_CALLED', 'DOUBLED')"
)
OUTCOMES = "('RETURNED', 'DRAWN', 'RENEWING', 'PROMISED', 'REFUSED', 'LIFTED', 'REPAID', 'ENDED', 'MOVED')"

COLLATERAL = f"""
create table bridge_collateral (
  id uuid constraint pk_bridge_collateral primary key,
  bridge_id uuid not null constraint fk_bridge_collateral_bridge_id references bridge,
  case_id uuid not null constraint fk_bridge_collateral_case_id references case_file,
  kind text not null constraint ck_bridge_collateral_kind check (kind in {KINDS}),
  what text not null constraint ck_bridge_collateral_what check (length(what) between 1 and 200),
  registration_no text not null
    constraint ck_bridge_collateral_registration_no check (length(registration_no) between 1 and 80),
  state text not null constraint ck_bridge_collateral_state check (state in ('AT_OLD', 'RELEASED', 'REGISTERED', 'WITHDRAWN')),
  entered_at timestamptz not null,
  entered_by uuid not null constraint fk_bridge_collateral_entered_by references person,
  release_by date,
  register_by date,
  released_on date,
  released_by uuid constraint fk_bridge_collateral_released_by references person,
  release_reference text constraint ck_bridge_collateral_release_reference check (length(release_reference) between 1 and 80),
  new_registration_no text constraint ck_bridge_collateral_new_no check (length(new_registration_no) between 1 and 80),
  registered_on date,
  registered_by uuid constraint fk_bridge_collateral_registered_by references person,
  constraint ck_bridge_collateral_due check ((release_by is null) = (register_by is null) and register_by >= release_by),
  constraint ck_bridge_collateral_released check ((state in ('RELEASED', 'REGISTERED'))
    = (released_on is not null and released_by is not null and release_reference is not null)),
  constraint ck_bridge_collateral_registered check ((state = 'REGISTERED')
    = (registered_on is not null and registered_by is not null and new_registration_no is not null)
    and registered_on >= released_on)
);
-- One registration moves over one bridge at a time.
create unique index uq_bridge_collateral_live on bridge_collateral (bridge_id, registration_no) where state <> 'WITHDRAWN';
create index ix_bridge_collateral_bridge_id on bridge_collateral (bridge_id, entered_at);
create index ix_bridge_collateral_case_id on bridge_collateral (case_id);
create index ix_bridge_collateral_release_by on bridge_collateral (release_by) where state = 'AT_OLD';
create index ix_bridge_collateral_register_by on bridge_collateral (register_by) where state in ('AT_OLD', 'RELEASED');

-- The centre enters, the old bank releases after the payoff, the new bank registers after the release; what was said stays.
create function hq_bridge_collateral_hands() returns trigger
  language plpgsql security definer set search_path = public as $$
declare b bridge;
begin
  select * into b from bridge where id = new.bridge_id;
  if tg_op = 'INSERT' then
    if b.kind <> 'CROSS_BANK' or b.state not in {BEFORE_PAYOUT} or new.state <> 'AT_OLD' or new.case_id <> b.case_id
       or new.entered_by is distinct from hq_actor() then
      raise exception 'collateral is entered before the payout of a transfer to another bank'
        using errcode = 'check_violation', constraint = 'ck_bridge_collateral_hands';
    end if;
    return new;
  end if;
  if (old.bridge_id, old.case_id, old.kind, old.what, old.registration_no, old.entered_at, old.entered_by) is distinct from
     (new.bridge_id, new.case_id, new.kind, new.what, new.registration_no, new.entered_at, new.entered_by)
     or (old.released_on is not null and (old.released_on, old.released_by, old.release_reference) is distinct from
         (new.released_on, new.released_by, new.release_reference))
     or (new.state <> old.state and (old.state, new.state) not in (
         ('AT_OLD', 'RELEASED'), ('RELEASED', 'REGISTERED'), ('AT_OLD', 'WITHDRAWN')))
     or (new.state = 'RELEASED' and old.state <> 'RELEASED' and (hq_org() is distinct from b.old_bank_org_id
         or new.released_by is distinct from hq_actor() or b.old_repaid_on is null or new.released_on < b.old_repaid_on))
     or (new.state = 'REGISTERED' and old.state <> 'REGISTERED' and (hq_org() is distinct from b.new_bank_org_id
         or new.registered_by is distinct from hq_actor()))
     or (new.state = 'WITHDRAWN' and old.state <> 'WITHDRAWN' and b.paid_on is not null) then
    raise exception 'collateral is released by the old bank after the payoff and registered by the new one after that'
      using errcode = 'check_violation', constraint = 'ck_bridge_collateral_hands';
  end if;
  return new;
end $$;
create trigger bridge_collateral_hands before insert or update on bridge_collateral
  for each row execute function hq_bridge_collateral_hands();
"""

GUARANTEE = f"""
create table bridge_guarantee (
  id uuid constraint pk_bridge_guarantee primary key,
  bridge_id uuid not null constraint fk_bridge_guarantee_bridge_id references bridge,
  case_id uuid not null constraint fk_bridge_guarantee_case_id references case_file,
  org_id uuid not null,
  org_kind text not null generated always as ('guarantor') stored,
  state text not null constraint ck_bridge_guarantee_state
    check (state in ('ASKED', 'CONFIRMED', 'REFUSED', 'WITHDRAWN', 'CALLED', 'ENDED')),
  cover_fen bigint not null constraint ck_bridge_guarantee_cover check (cover_fen > 0),
  contract_no text constraint ck_bridge_guarantee_contract_no check (length(contract_no) between 1 and 80),
  answer_by timestamptz not null,
  asked_at timestamptz not null,
  asked_by uuid not null constraint fk_bridge_guarantee_asked_by references person,
  answered_at timestamptz,
  answered_by uuid constraint fk_bridge_guarantee_answered_by references person,
  called_at timestamptz,
  ended_at timestamptz,
  reason text,
  constraint fk_bridge_guarantee_org foreign key (org_id, org_kind) references organisation (id, kind),
  constraint ck_bridge_guarantee_answered check ((answered_at is null) = (answered_by is null)
    and (state not in ('CONFIRMED', 'CALLED') or (answered_at is not null and contract_no is not null))),
  constraint ck_bridge_guarantee_called check (state <> 'CALLED' or called_at is not null)
);
create unique index uq_bridge_guarantee_live on bridge_guarantee (bridge_id) where state in ('ASKED', 'CONFIRMED', 'CALLED');
create index ix_bridge_guarantee_bridge_id on bridge_guarantee (bridge_id);
create index ix_bridge_guarantee_case_id on bridge_guarantee (case_id);
create index ix_bridge_guarantee_org_id on bridge_guarantee (org_id, state);

-- Asked by the centre for a transfer to another bank, answered by the guarantor's own people; contract and cover stay.
create function hq_bridge_guarantee_hands() returns trigger
  language plpgsql security definer set search_path = public as $$
declare b bridge;
begin
  select * into b from bridge where id = new.bridge_id;
  if tg_op = 'INSERT' then
    if b.kind <> 'CROSS_BANK' or b.state not in {BEFORE_PAYOUT} or new.state <> 'ASKED' or new.case_id <> b.case_id
       or new.asked_by is distinct from hq_actor() then
      raise exception 'a guarantor is asked before the payout of a transfer to another bank'
        using errcode = 'check_violation', constraint = 'ck_bridge_guarantee_hands';
    end if;
    return new;
  end if;
  if (old.bridge_id, old.case_id, old.org_id, old.cover_fen, old.asked_at, old.asked_by) is distinct from
     (new.bridge_id, new.case_id, new.org_id, new.cover_fen, new.asked_at, new.asked_by)
     or (old.answered_at is not null and (old.answered_at, old.answered_by, old.contract_no) is distinct from
         (new.answered_at, new.answered_by, new.contract_no))
     or (new.state <> old.state and (old.state, new.state) not in (
         ('ASKED', 'CONFIRMED'), ('ASKED', 'REFUSED'), ('ASKED', 'WITHDRAWN'), ('ASKED', 'ENDED'), ('CONFIRMED', 'WITHDRAWN'),
         ('CONFIRMED', 'CALLED'), ('CONFIRMED', 'ENDED'), ('CALLED', 'ENDED')))
     or (old.state = 'ASKED' and new.state in ('CONFIRMED', 'REFUSED')
         and (hq_org() is distinct from new.org_id or new.answered_by is distinct from hq_actor()))
     or (old.state = 'CONFIRMED' and new.state = 'WITHDRAWN' and b.paid_on is not null) then
    raise exception 'a guarantee is answered by the guarantor and stands from the payout on'
      using errcode = 'check_violation', constraint = 'ck_bridge_guarantee_hands';
  end if;
  return new;
end $$;
create trigger bridge_guarantee_hands before insert or update on bridge_guarantee
  for each row execute function hq_bridge_guarantee_hands();

-- No money goes out over collateral that has to move while nobody covers the gap.
create function hq_bridge_covered() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if exists (select 1 from bridge_collateral c where c.bridge_id = new.id and c.state = 'AT_OLD')
     and not exists (select 1 from bridge_guarantee g where g.bridge_id = new.id and g.state = 'CONFIRMED'
                     and g.cover_fen >= new.amount_fen) then
    raise exception 'nobody covers the gap of the collateral' using errcode = 'check_violation', constraint = 'ck_bridge_covered';
  end if;
  return new;
end $$;
create trigger bridge_covered before update of state on bridge for each row
  when (new.state = 'FUNDED' and old.state = 'SIGNED') execute function hq_bridge_covered();

create function hq_bridge_guarantees(bridge uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from bridge_guarantee g where g.bridge_id = $1 and g.org_id = hq_org()
     and g.state <> 'WITHDRAWN') $$;
"""

CLAIMS = f"""
alter table bridge_trouble drop constraint ck_bridge_trouble_kind, drop constraint ck_bridge_trouble_outcome,
  add constraint ck_bridge_trouble_kind check (kind in {TROUBLES}),
  add constraint ck_bridge_trouble_outcome check (outcome in {OUTCOMES});
alter table bridge_claim drop constraint ck_bridge_claim_outcome,
  add constraint ck_bridge_claim_outcome check (outcome in ('RETURNED', 'PASSED')),
  add column passed_from_id uuid constraint fk_bridge_claim_passed_from_id references bridge_claim;

-- The claim on an overdue bridge stands against its guarantor where there is one, and otherwise against the firm.
create function hq_bridge_claim_debtor() returns trigger
  language plpgsql security definer set search_path = public as $$
declare one bridge; backer bridge_guarantee; claim bridge_claim;
begin
  select * into one from bridge where id = coalesce((to_jsonb(new) ->> 'bridge_id')::uuid, new.id);
  select * into claim from bridge_claim c where c.bridge_id = one.id and c.closed_at is null;
  select * into backer from bridge_guarantee g where g.bridge_id = one.id and g.state in ('CONFIRMED', 'CALLED');
  if claim.id is not null and claim.debtor_org_id is distinct from
       (case when backer.state = 'CALLED' then backer.org_id else one.firm_id end)
     or (one.state = 'OVERDUE' and one.amount_fen > one.returned_fen and backer.state = 'CONFIRMED') then
    raise exception 'the claim stands against somebody else'
      using errcode = 'check_violation', constraint = 'ck_bridge_claim_debtor';
  end if;
  return null;
end $$;
create constraint trigger bridge_claim_debtor after update on bridge deferrable initially deferred
  for each row when (new.state = 'OVERDUE') execute function hq_bridge_claim_debtor();
create constraint trigger bridge_claim_debtor after insert or update on bridge_claim deferrable initially deferred
  for each row execute function hq_bridge_claim_debtor();
create constraint trigger bridge_claim_debtor after update on bridge_guarantee deferrable initially deferred
  for each row execute function hq_bridge_claim_debtor();
"""

CITY = "hq_kind() in ('bridge_centre', 'bureau', 'system')"
CENTRE = "hq_kind() in ('bridge_centre', 'system')"
PARTY = (
    "exists (select 1 from bridge b where b.id = bridge_id and "
    "(b.firm_id = hq_org() or b.old_bank_org_id = hq_org() or b.new_bank_org_id = hq_org() or b.funder_org_id = hq_org()))"
)
GUARANTOR = "hq_kind() = 'guarantor' and hq_bridge_guarantees"
BANKS = (
    "exists (select 1 from bridge b where b.id = bridge_id and (b.old_bank_org_id = hq_org() or b.new_bank_org_id = hq_org()))"
)


def upgrade() -> None:
    for part in (COLLATERAL, GUARANTEE, CLAIMS):
        run(part)
    grant("bridge_collateral", "select, insert, update (state, release_by, register_by, released_on, released_by, "
          "release_reference, new_registration_no, registered_on, registered_by)")
    guard("bridge_collateral", see=f"{CITY} or {PARTY} or ({GUARANTOR}(bridge_id))", write="hq_kind() = 'bridge_centre'",
          change=f"{CENTRE} or {BANKS}")
    grant("bridge_guarantee", "select, insert, "
          "update (state, contract_no, answered_at, answered_by, called_at, ended_at, reason)")
    guard("bridge_guarantee", see=f"{CITY} or org_id = hq_org() or {PARTY}", write="hq_kind() = 'bridge_centre'",
          change=f"{CENTRE} or org_id = hq_org()")
    for table, key in (("bridge", "id"), ("bridge_trouble", "bridge_id"), ("bridge_claim", "bridge_id")):
        run(f"create policy see_guaranteed on {table} for select to huiqiao_app using ({once(f'{GUARANTOR}({key})')})")
    for table in ("bridge_collateral", "bridge_guarantee"):
        run(f"create policy see_{table} on transition for select to huiqiao_app using (subject_type = '{table}' "
            "and (select hq_kind() in ('bridge_centre', 'bureau')))")
