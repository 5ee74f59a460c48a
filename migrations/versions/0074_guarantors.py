"""政担: contracts of guarantors on loans, bookings and claims whose payee is the guarantor, what the guarantor has paid out."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None

CONTRACT = """
create table guarantee_contract (
  id uuid constraint pk_guarantee_contract primary key,
  case_id uuid not null,
  loan_id uuid not null,
  org_id uuid not null,
  firm_id uuid not null,
  guarantor_id uuid not null,
  guarantor_kind text not null generated always as ('guarantor') stored,
  contract_no text not null constraint ck_guarantee_contract_no check (length(contract_no) between 1 and 100),
  signed_on date not null,
  liability_share numeric(9, 6) not null
    constraint ck_guarantee_contract_liability check (liability_share > 0 and liability_share <= 1),
  reguarantor text constraint ck_guarantee_contract_reguarantor check (length(reguarantor) between 1 and 200),
  reguarantee_share numeric(9, 6) not null
    constraint ck_guarantee_contract_reguarantee check (reguarantee_share >= 0 and reguarantee_share < liability_share),
  facts jsonb not null,
  evidence jsonb not null,
  state text not null constraint ck_guarantee_contract_state check (state in ('STATED', 'CONFIRMED', 'REFUSED', 'WITHDRAWN')),
  stated_by uuid,
  stated_at timestamptz not null,
  decided_by uuid,
  decided_at timestamptz,
  constraint fk_guarantee_contract_loan_id foreign key (loan_id, case_id, org_id, firm_id)
    references loan (id, case_id, org_id, firm_id),
  constraint fk_guarantee_contract_guarantor_id foreign key (guarantor_id, guarantor_kind) references organisation (id, kind),
  constraint uq_guarantee_contract_parties unique (id, loan_id, guarantor_id),
  constraint ck_guarantee_contract_again check ((reguarantor is null) = (reguarantee_share = 0)),
  constraint ck_guarantee_contract_decided check ((state = 'STATED') = (decided_at is null))
);
-- One guarantor a loan at a time.
create unique index uq_guarantee_contract_live on guarantee_contract (loan_id) where state in ('STATED', 'CONFIRMED');
create index ix_guarantee_contract_org_id on guarantee_contract (org_id);
create index ix_guarantee_contract_guarantor_id on guarantee_contract (guarantor_id);

-- The bank states the contract, its guarantor says yes or no; the terms stay as they were stated.
create function hq_guarantee_hands() returns trigger language plpgsql as $$
begin
  if (old.loan_id, old.guarantor_id, old.contract_no, old.signed_on, old.liability_share, old.reguarantor,
      old.reguarantee_share, old.facts, old.evidence, old.stated_by, old.stated_at) is distinct from
     (new.loan_id, new.guarantor_id, new.contract_no, new.signed_on, new.liability_share, new.reguarantor,
      new.reguarantee_share, new.facts, new.evidence, new.stated_by, new.stated_at) then
    raise exception 'a guarantee is not rewritten' using errcode = 'check_violation', constraint = 'ck_guarantee_contract_hands';
  end if;
  if new.state in ('CONFIRMED', 'REFUSED') and old.state <> new.state
     and hq_org() is distinct from old.guarantor_id then
    raise exception 'a guarantee is confirmed by its guarantor' using errcode = 'check_violation',
      constraint = 'ck_guarantee_contract_hands';
  end if;
  return new;
end $$;
create trigger guarantee_contract_hands before update on guarantee_contract
  for each row execute function hq_guarantee_hands();
"""

# Whoever is paid: the bank of the loan, or the guarantor that stands for it. A claim is made by the payee of its booking.
BOOKING = """
alter table booking
  add column guarantor_id uuid,
  add column contract_id uuid,
  add column payee_id uuid not null generated always as (coalesce(guarantor_id, org_id)) stored,
  add constraint ck_booking_guarantor check ((mode = 'GUARANTEE') = (guarantor_id is not null)
    and (guarantor_id is null) = (contract_id is null)),
  add constraint fk_booking_contract_id foreign key (contract_id, loan_id, guarantor_id)
    references guarantee_contract (id, loan_id, guarantor_id);
alter table claim drop constraint fk_claim_booking_id;
alter table booking drop constraint uq_booking_id_parties,
  add constraint uq_booking_id_parties unique (id, case_id, loan_id, payee_id, firm_id, mode);
create index ix_booking_payee_id on booking (payee_id, booked_on);
create index ix_booking_guarantor_id on booking (guarantor_id, loan_id) where guarantor_id is not null;

create or replace function hq_booking_frozen() returns trigger language plpgsql as $$
begin
  if (old.loan_id, old.snapshot, old.principal_fen, old.note_no, old.product, old.mode, old.version, old.contract_id)
     is distinct from
     (new.loan_id, new.snapshot, new.principal_fen, new.note_no, new.product, new.mode, new.version, new.contract_id) then
    raise exception 'a booking is not edited' using errcode = 'check_violation', constraint = 'ck_booking_frozen';
  end if;
  return new;
end $$;
"""

CLAIM = """
alter table claim
  add column mode text not null default 'BANK' constraint ck_claim_mode check (mode in ('BANK', 'GUARANTEE')),
  add column paid_out_fen bigint constraint ck_claim_paid_out check (paid_out_fen > 0),
  add column paid_out_on date,
  add constraint fk_claim_booking_id foreign key (booking_id, case_id, loan_id, org_id, firm_id, mode)
    references booking (id, case_id, loan_id, payee_id, firm_id, mode),
  -- A guarantor claims what it has paid out itself, and is paid no more than that.
  add constraint ck_claim_guarantee check ((mode = 'GUARANTEE') = (paid_out_fen is not null)
    and (paid_out_fen is null) = (paid_out_on is null)
    and (mode = 'BANK' or (guarantor_paid_fen = 0 and compensation_fen <= paid_out_fen)));
alter table claim alter column mode drop default;

create or replace function hq_claim_hands() returns trigger language plpgsql as $$
begin
  if hq_kind() in ('bank', 'guarantor') and ((old.approved_fen, old.decided_on, old.decider_id, old.reservation_id, old.paid_fen,
       old.paid_on, old.voucher_no, old.cashier_id) is distinct from (new.approved_fen, new.decided_on, new.decider_id,
       new.reservation_id, new.paid_fen, new.paid_on, new.voucher_no, new.cashier_id)
     or (new.state <> old.state and new.state in ('APPROVED', 'PARTLY_APPROVED', 'PUBLICISED', 'PAID'))) then
    raise exception 'a payee does not decide its own claim' using errcode = 'check_violation', constraint = 'ck_claim_hands';
  end if;
  if hq_kind() = 'bureau' and (old.loan_id, old.principal_drawn_fen, old.principal_repaid_fen, old.guarantor_paid_fen,
       old.collateral_fen, old.other_public_fen, old.net_principal_loss_fen, old.compensation_fen, old.paid_out_fen) is distinct
     from (new.loan_id, new.principal_drawn_fen, new.principal_repaid_fen, new.guarantor_paid_fen, new.collateral_fen,
       new.other_public_fen, new.net_principal_loss_fen, new.compensation_fen, new.paid_out_fen) then
    raise exception 'a loss is stated by its payee' using errcode = 'check_violation', constraint = 'ck_claim_hands';
  end if;
  return new;
end $$;
"""


def upgrade() -> None:
    for part in (CONTRACT, BOOKING, CLAIM):
        run(part)
    grant("guarantee_contract", "select, insert, update")
    parties = "org_id = hq_org() or guarantor_id = hq_org()"
    guard("guarantee_contract", see=f"{parties} or hq_kind() = 'bureau' or {SYSTEM}", write=f"org_id = hq_org() or {SYSTEM}",
          change=f"{parties} or {SYSTEM}")
    ours = f"org_id = hq_org() or guarantor_id = hq_org() or hq_kind() = 'bureau' or {SYSTEM}"
    run(f"alter policy see on booking using ({ours} or firm_id = hq_org())")
    run(f"alter policy write on booking with check (org_id = hq_org() or guarantor_id = hq_org() or {SYSTEM})")
    run(f"alter policy change on booking using ({ours}) with check ({ours})")
    run("create policy see_guarantor on loan for select to huiqiao_app using (hq_kind() = 'guarantor' and exists ("
        "select 1 from booking b where b.loan_id = loan.id and b.guarantor_id = hq_org()))")
    run("alter policy see_booking on transition using (subject_type = 'booking' and exists (select 1 from booking b "
        "where b.id = subject_id and (b.org_id = hq_org() or b.guarantor_id = hq_org() or hq_kind() = 'bureau')))")
    run("create policy see_guarantee on transition for select to huiqiao_app using (subject_type = 'guarantee_contract' "
        "and exists (select 1 from guarantee_contract g where g.id = subject_id))")
