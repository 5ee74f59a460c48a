"""Guards of the ledger and of rows that several hands change; what an offline loan tells; a reset that needs two people."""

from migrations.tools import OWN, SYSTEM, append_only, guard, run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Money moves between kinds of accounts along these ways only, each in the hands of one office: the bureau the pool's, the
# transfer-loan centre the bridge funds', and those never from one funder to another. The portal's own identity does the
# rest: it gives back a reservation when a firm or a bank ends a bridge.
LEDGER = """
create function hq_may_move(debit uuid, credit uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from ledger_account d, ledger_account c
       where d.id = $1 and c.id = $2 and case hq_kind()
         when 'bureau' then (d.kind, c.kind) in (
           ('treasury', 'pool_budget'), ('pool_budget', 'pool_budget'), ('pool_budget', 'pool_paid'),
           ('pool_paid', 'pool_budget'))
         when 'bridge_centre' then
           ((d.kind, c.kind) in (
             ('funder', 'bridge_fund'), ('bridge_fund', 'funder'), ('bridge_fund', 'bridge_receivable'),
             ('bridge_receivable', 'bridge_fund')) and d.org_id = c.org_id)
           or (d.kind, c.kind) = ('firm', 'bridge_fee')
         else false end) $$;
"""

# An account is what its code says: nobody takes the code of another office's account, or opens one without its bound.
OPENED_BY_BUREAU = (
    "(kind = 'treasury' and code = 'pool:treasury' and org_id is null and not bounded) "
    "or (kind = 'pool_budget' and code ~ '^pool:(budget|guarantee):[0-9]{4}$' and org_id is null and bounded) "
    "or (kind = 'pool_paid' and code = 'pool:paid:' || org_id and bounded)"
)
OPENED_BY_CENTRE = (
    "(kind = 'bridge_fund' and code ~ '^fund:[0-9a-f-]{36}$' and org_id is not null and bounded) "
    "or (kind = 'bridge_fee' and code ~ '^fund-fee:[0-9a-f-]{36}$' and org_id is not null and not bounded) "
    "or (kind = 'funder' and code = 'funder:' || org_id and not bounded) "
    "or (kind = 'bridge_receivable' and code ~ '^bridge:[0-9a-f-]{36}$' and org_id is not null and bounded) "
    "or (kind = 'firm' and code = 'firm:' || org_id and not bounded)"
)
POOL_KINDS = "('treasury', 'pool_budget', 'pool_paid')"
BRIDGE_KINDS = "('bridge_fund', 'bridge_fee', 'funder', 'bridge_receivable', 'firm')"

# A code and a name are public. A case that a bank opened by them tells the bank nothing until the firm says that the loan
# is its own; what stood in the pool or in a bridge before this rule is taken as said.
RECOGNITION = """
alter table loan add column stated_firm text constraint ck_loan_stated_firm check (length(stated_firm) between 1 and 200);
update loan l set stated_firm = o.name from organisation o, case_file c
  where o.id = l.firm_id and c.id = l.case_id and c.kind = 'offline';
create table loan_recognition (
  id uuid constraint pk_loan_recognition primary key,
  case_id uuid not null constraint fk_loan_recognition_case_id references case_file,
  firm_id uuid not null constraint fk_loan_recognition_firm_id references enterprise,
  recognised boolean not null,
  reason text,
  at timestamptz not null,
  actor_id uuid,
  constraint ck_loan_recognition_reason check (recognised or length(reason) > 0)
);
create unique index uq_loan_recognition_case_id on loan_recognition (case_id) where recognised;
create index ix_loan_recognition_case_id on loan_recognition (case_id);
insert into loan_recognition (id, case_id, firm_id, recognised, at)
  select gen_random_uuid(), c.id, c.subject_org_id, true, now() from case_file c
  where c.kind = 'offline' and (exists (select 1 from booking b where b.case_id = c.id)
    or exists (select 1 from bridge b where b.case_id = c.id));

create or replace function hq_knows_firm(firm uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from case_file c join case_party p on p.case_id = c.id
       where c.subject_org_id = $1 and p.org_id = hq_org() and (c.kind <> 'offline'
         or exists (select 1 from loan_recognition r where r.case_id = c.id and r.recognised)))
     or exists (
       select 1 from consent c join enterprise e on e.id = c.firm_id
       where c.firm_id = $1 and c.receiver_org_id = hq_org() and c.state = 'ACTIVE' and c.valid_until > now()
         and e.state = 'verified') $$;
"""

# Password and second factor are given anew only on the word of two people: who issues the link and who confirms it.
RESET = """
alter table ticket add column confirmed_at timestamptz, add column confirmed_by uuid;
alter table ticket drop constraint ck_ticket_purpose;
alter table ticket add constraint ck_ticket_purpose check (purpose in ('invitation', 'reset', 'reset_both'));
alter table ticket add constraint ck_ticket_two_people check (
  (confirmed_at is null) = (confirmed_by is null) and (confirmed_by is null or (purpose = 'reset_both'
    and created_by is not null and confirmed_by <> created_by and confirmed_by <> person_id)));
create index ix_ticket_waiting on ticket (org_id) where purpose = 'reset_both' and used_at is null and confirmed_at is null;

-- A link is what it was issued as; it is confirmed once, and by the portal's own identity, which asks who confirms.
create function hq_ticket_frozen() returns trigger language plpgsql as $$
begin
  if (old.person_id, old.org_id, old.purpose, old.digest, old.created_at, old.created_by, old.expires_at)
     is distinct from
     (new.person_id, new.org_id, new.purpose, new.digest, new.created_at, new.created_by, new.expires_at)
     or (new.confirmed_by is distinct from old.confirmed_by
         and (old.confirmed_by is not null or hq_kind() is distinct from 'system')) then
    raise exception 'a link is not changed' using errcode = 'check_violation', constraint = 'ck_ticket_frozen';
  end if;
  return new;
end $$;
create trigger ticket_frozen before update on ticket for each row execute function hq_ticket_frozen();
"""

# Rows that several hands change: each hand its own part. (A policy cannot compare old with new; a trigger can. Row locks
# need the policy too, so that the policies stay as wide as the services read for change.)
HANDS = """
create function hq_manages_staff() returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from membership m where m.person_id = hq_actor() and m.org_id = hq_org() and m.role in (
       'firm_representative', 'bank_admin', 'centre_admin', 'funder_admin', 'bureau_admin', 'provider_admin',
       'security_admin')) $$;

create function hq_enterprise_hands() returns trigger language plpgsql as $$
begin
  if new.state = 'verified' and old.state <> 'verified' and hq_kind() not in ('platform', 'system') then
    raise exception 'a firm does not verify itself' using errcode = 'check_violation', constraint = 'ck_enterprise_hands';
  end if;
  return new;
end $$;
create trigger enterprise_hands before update of state on enterprise for each row execute function hq_enterprise_hands();

create function hq_claim_hands() returns trigger language plpgsql as $$
begin
  if hq_kind() = 'bank' and ((old.approved_fen, old.decided_on, old.decider_id, old.reservation_id, old.paid_fen,
       old.paid_on, old.voucher_no, old.cashier_id) is distinct from (new.approved_fen, new.decided_on, new.decider_id,
       new.reservation_id, new.paid_fen, new.paid_on, new.voucher_no, new.cashier_id)
     or (new.state <> old.state and new.state in ('APPROVED', 'PARTLY_APPROVED', 'PUBLICISED', 'PAID'))) then
    raise exception 'a bank does not decide its own claim' using errcode = 'check_violation', constraint = 'ck_claim_hands';
  end if;
  if hq_kind() = 'bureau' and (old.loan_id, old.principal_drawn_fen, old.principal_repaid_fen, old.guarantor_paid_fen,
       old.collateral_fen, old.other_public_fen, old.net_principal_loss_fen, old.compensation_fen) is distinct from
     (new.loan_id, new.principal_drawn_fen, new.principal_repaid_fen, new.guarantor_paid_fen, new.collateral_fen,
       new.other_public_fen, new.net_principal_loss_fen, new.compensation_fen) then
    raise exception 'a loss is stated by its bank' using errcode = 'check_violation', constraint = 'ck_claim_hands';
  end if;
  return new;
end $$;
create trigger claim_hands before update on claim for each row execute function hq_claim_hands();

create function hq_quote_hands() returns trigger language plpgsql as $$
begin
  if (old.amount_fen, old.terms, old.valid_until, old.offered_at, old.offered_by) is distinct from
     (new.amount_fen, new.terms, new.valid_until, new.offered_at, new.offered_by)
     and hq_kind() is distinct from 'system' and hq_org() is distinct from old.org_id then
    raise exception 'a quote is its funder''s' using errcode = 'check_violation', constraint = 'ck_bridge_quote_hands';
  end if;
  return new;
end $$;
create trigger bridge_quote_hands before update on bridge_quote for each row execute function hq_quote_hands();
"""
CITY_MONEY = f"hq_kind() = 'bureau' or {SYSTEM}"
STAFF = f"{SYSTEM} or ({OWN} and hq_manages_staff())"


def upgrade() -> None:
    run(HANDS)
    # A colleague without the administrator's role gives nobody a role, and changes no person but themselves.
    run(f"alter policy write on membership with check ({STAFF})")
    run(f"alter policy change on membership using ({STAFF}) with check ({STAFF})")
    run(f"alter policy remove on membership using ({STAFF})")
    run(f"alter policy write on person with check ({STAFF})")
    own_row = f"{STAFF} or ({OWN} and id = hq_actor())"
    run(f"alter policy change on person using ({own_row}) with check ({own_row})")
    # An organisation is locked by its own people and changed by the platform; a firm mends its name until it is verified.
    unproved = "not exists (select 1 from enterprise e where e.id = organisation.id and e.state = 'verified')"
    run(f"alter policy change on organisation with check ({SYSTEM} or hq_kind() = 'platform' "
        f"or (id = hq_org() and kind = 'enterprise' and {unproved}))")
    # What came back is confirmed by the city; a bank reports it and leaves it.
    run(f"alter policy write on recovery with check ({CITY_MONEY} or ({OWN} and kind = 'recovery' and returned_on is null))")
    run(f"alter policy change on recovery using ({CITY_MONEY}) with check ({CITY_MONEY})")
    run(RESET)
    run("create policy see_waiting on ticket for select to huiqiao_app "
        "using (hq_kind() = 'platform' and purpose = 'reset_both')")
    run(RECOGNITION)
    append_only("loan_recognition")
    guard("loan_recognition", see="exists (select 1 from loan l where l.case_id = loan_recognition.case_id)",
          write="firm_id = hq_org() and hq_kind() = 'enterprise' and hq_proved() and exists (select 1 from case_file c "
                "where c.id = case_id and c.kind = 'offline' and c.subject_org_id = hq_org())")
    run(LEDGER)
    guard("ledger_account",
          see=f"{SYSTEM} or org_id = hq_org() or (hq_kind() = 'bureau' and kind in {POOL_KINDS}) "
              f"or (hq_kind() = 'bridge_centre' and kind in {BRIDGE_KINDS})",
          write=f"{SYSTEM} or (hq_kind() = 'bureau' and ({OPENED_BY_BUREAU})) "
                f"or (hq_kind() = 'bridge_centre' and ({OPENED_BY_CENTRE}))")
    # A movement is seen from either of its accounts.
    guard("ledger_transfer",
          see=f"{SYSTEM} or exists (select 1 from ledger_account a where a.id in (debit_account_id, credit_account_id))",
          write=f"{SYSTEM} or hq_may_move(debit_account_id, credit_account_id)")
    for table in ("ledger_account", "ledger_transfer"):
        run(f"create policy proved on {table} as restrictive for select to huiqiao_app using ((select hq_proved()))")
