"""The pool: rule sets, agreements with banks, bookings, claims, recoveries."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The rule in force since 2025-10-01, as it was read when this file was written; later editions are rows.
RULE_2025 = """{
 "code": "GZ-2025",
 "title": "广州市信贷风险补偿机制管理办法",
 "document_no": "穗金管规字〔2025〕1号",
 "valid_from": "2025-10-01",
 "valid_to": "2028-09-30",
 "judge_date": "BOOKING",
 "tiers": [
  {
   "up_to_fen": 500000000,
   "ratio": "0.40"
  },
  {
   "up_to_fen": 1500000000,
   "ratio": "0.30"
  },
  {
   "up_to_fen": 3000000000,
   "ratio": "0.20"
  }
 ],
 "tier_method": "BRACKET",
 "tier_basis": "LOAN",
 "list_or_ip_uplift": "0.15",
 "policy_tool_uplift": "0.05",
 "ratio_cap": "0.50",
 "guarantee_ratio": "0.20",
 "max_loan_fen": 3000000000,
 "guarantee_max_loan_fen": null,
 "budget_fen": 150000000000,
 "guarantee_budget_fen": 5000000000,
 "budget_mode": "QUEUE",
 "stop_line": "0.03",
 "guarantee_stop_line": "0.03",
 "products": [
  "CREDIT",
  "IP_PLEDGE",
  "RECEIVABLE_PLEDGE",
  "ENVIRONMENT_PLEDGE",
  "LOAN_INSURANCE"
 ],
 "guarantee_products": [
  "GUARANTEED"
 ],
 "sizes": [
  "SMALL",
  "MICRO"
 ],
 "key_list_sizes": [
  "MEDIUM"
 ],
 "other_borrowers": [
  "SOLE_TRADER",
  "OWNER_BORROWER"
 ],
 "excluded_industries": [
  "66",
  "67",
  "68",
  "69"
 ],
 "excluded_uses": [
  "PROPERTY",
  "SECURITIES"
 ],
 "min_term_months": null,
 "max_term_months": null,
 "max_annual_rate": null,
 "borrower_cap_fen": null,
 "booking_deadline_days": 30,
 "left_bank_may_claim": true,
 "claim_after_expiry_days": null,
 "loss_triggers": [
  "NPL_CLASS"
 ],
 "loss_overdue_days": 91,
 "bank_public_share": "0.80",
 "guarantor_public_share": "1.00",
 "formal_check_wd": 5,
 "returns_allowed": 2,
 "return_answer_wd": 10,
 "audit_wd": 20,
 "publicity_days": 7,
 "recovery_return_days": 30,
 "recovery_reminder_days": [
  20,
  30,
  45
 ],
 "split_window_days": 30,
 "early_default_days": 90
}"""

RULES = """
create table rule_set (
  id uuid constraint pk_rule_set primary key,
  code text not null constraint uq_rule_set_code unique,
  valid_from date not null,
  valid_to date not null,
  rules jsonb not null,
  document text not null,
  created_at timestamptz not null,
  constraint ck_rule_set_dates check (valid_to >= valid_from)
);
create table pool_agreement (
  id uuid constraint pk_pool_agreement primary key,
  org_id uuid not null constraint fk_pool_agreement_org_id references organisation,
  document_no text not null,
  valid_from date not null,
  valid_to date,
  registered_by uuid,
  registered_at timestamptz not null,
  constraint ck_pool_agreement_dates check (valid_to is null or valid_to >= valid_from),
  constraint uq_pool_agreement_document_no unique (org_id, document_no)
);
"""

BOOKING = """
create table booking (
  id uuid constraint pk_booking primary key,
  case_id uuid not null,
  loan_id uuid not null,
  org_id uuid not null,
  firm_id uuid not null,
  version bigint not null constraint ck_booking_version check (version > 0),
  replaces_id uuid constraint fk_booking_replaces_id references booking,
  state text not null constraint ck_booking_state
    check (state in ('DRAFT', 'SUBMITTED', 'AUTO_CHECKED', 'BOOKED', 'REJECTED', 'CLAIMED', 'WITHDRAWN')),
  mode text not null constraint ck_booking_mode check (mode in ('BANK', 'GUARANTEE')),
  product text not null,
  note_no text not null,
  principal_fen bigint not null constraint ck_booking_principal check (principal_fen > 0),
  rule_set_id uuid not null constraint fk_booking_rule_set_id references rule_set,
  snapshot jsonb not null,
  checks jsonb not null,
  late_reason text,
  late_accepted_by uuid,
  submitted_by uuid,
  submitted_on date not null,
  judged_on date not null,
  booked_on date,
  created_at timestamptz not null,
  constraint fk_booking_loan_id foreign key (loan_id, case_id, org_id, firm_id)
    references loan (id, case_id, org_id, firm_id),
  constraint uq_booking_loan_id_version unique (loan_id, version),
  constraint uq_booking_id_parties unique (id, case_id, loan_id, org_id, firm_id),
  constraint ck_booking_booked check ((state in ('BOOKED', 'CLAIMED')) <= (booked_on is not null))
);
-- One live booking a loan, and one a note of a bank, in either mode.
create unique index uq_booking_live on booking (loan_id)
  where state in ('DRAFT', 'SUBMITTED', 'AUTO_CHECKED', 'BOOKED', 'CLAIMED');
create unique index uq_booking_note_no on booking (org_id, note_no)
  where state in ('DRAFT', 'SUBMITTED', 'AUTO_CHECKED', 'BOOKED', 'CLAIMED');
create index ix_booking_org_id on booking (org_id, booked_on);
create index ix_booking_case_id on booking (case_id);

-- What was submitted stays as it was submitted: a correction is a new version.
create function hq_booking_frozen() returns trigger language plpgsql as $$
begin
  if (old.loan_id, old.snapshot, old.principal_fen, old.note_no, old.product, old.mode, old.version)
     is distinct from
     (new.loan_id, new.snapshot, new.principal_fen, new.note_no, new.product, new.mode, new.version) then
    raise exception 'a booking is not edited' using errcode = 'check_violation', constraint = 'ck_booking_frozen';
  end if;
  return new;
end $$;
create trigger booking_frozen before update on booking for each row execute function hq_booking_frozen();
"""

PEOPLE = ("preparer_id", "reviewer_id", "auditor_id", "decider_id", "cashier_id")
DISTINCT = " and ".join(
    f"coalesce({one} <> {other}, true)" for n, one in enumerate(PEOPLE) for other in PEOPLE[n + 1:]
)

CLAIM = f"""
create table claim (
  id uuid constraint pk_claim primary key,
  case_id uuid not null,
  loan_id uuid not null,
  booking_id uuid not null,
  org_id uuid not null,
  firm_id uuid not null,
  state text not null constraint ck_claim_state check (state in (
    'DRAFT', 'SUBMITTED', 'RETURNED', 'LAPSED', 'WITHDRAWN', 'HELD', 'AUDIT', 'DECISION', 'APPROVED', 'PARTLY_APPROVED',
    'REFUSED', 'PUBLICISED', 'PAID', 'RECOVERING', 'CLOSED', 'CLAWED_BACK')),
  principal_drawn_fen bigint not null constraint ck_claim_drawn check (principal_drawn_fen > 0),
  principal_repaid_fen bigint not null constraint ck_claim_repaid check (principal_repaid_fen >= 0),
  guarantor_paid_fen bigint not null constraint ck_claim_guarantor check (guarantor_paid_fen >= 0),
  collateral_fen bigint not null constraint ck_claim_collateral check (collateral_fen >= 0),
  other_public_fen bigint not null constraint ck_claim_other_public check (other_public_fen >= 0),
  net_principal_loss_fen bigint not null,
  overdue_days bigint not null,
  overdue_since date,
  five_class text not null,
  statement text not null,
  rule_set_id uuid not null constraint fk_claim_rule_set_id references rule_set,
  tier_method text not null,
  basis_fen bigint not null,
  compensation_fen bigint not null constraint ck_claim_compensation check (compensation_fen >= 0),
  working jsonb not null,
  stop_line jsonb not null,
  approved_fen bigint,
  preparer_id uuid,
  reviewer_id uuid,
  checker_id uuid,
  auditor_id uuid,
  decider_id uuid,
  cashier_id uuid,
  lifted_by uuid,
  held_from text constraint ck_claim_held_from check (held_from in ('SUBMITTED', 'AUDIT', 'DECISION')),
  returns_count bigint not null constraint ck_claim_returns check (returns_count >= 0),
  prepared_at timestamptz not null,
  submitted_on date,
  decided_on date,
  public_until date,
  reservation_id uuid constraint fk_claim_reservation_id references ledger_transfer,
  voucher_no text constraint uq_claim_voucher_no unique,
  paid_fen bigint,
  paid_on date,
  due_at timestamptz,
  next_check_at timestamptz,
  constraint fk_claim_booking_id foreign key (booking_id, case_id, loan_id, org_id, firm_id)
    references booking (id, case_id, loan_id, org_id, firm_id),
  constraint uq_claim_id_org_id unique (id, case_id, org_id),
  constraint ck_claim_loss check (net_principal_loss_fen =
    greatest(0, principal_drawn_fen - principal_repaid_fen - guarantor_paid_fen - collateral_fen)),
  constraint ck_claim_not_above_loss check (compensation_fen <= net_principal_loss_fen),
  constraint ck_claim_approved check (approved_fen > 0 and approved_fen <= compensation_fen),
  constraint ck_claim_paid check (state not in ('PAID', 'RECOVERING', 'CLOSED', 'CLAWED_BACK')
    or (paid_fen = approved_fen and paid_on is not null and voucher_no is not null and reservation_id is not null)),
  constraint ck_claim_five_people check ({DISTINCT})
);
create unique index uq_claim_live on claim (booking_id)
  where state not in ('LAPSED', 'WITHDRAWN', 'REFUSED', 'CLAWED_BACK');
create index ix_claim_org_id on claim (org_id, submitted_on);
create index ix_claim_case_id on claim (case_id);
create index ix_claim_state on claim (state);
create index ix_claim_next_check_at on claim (next_check_at) where next_check_at is not null;
"""

RECOVERY = """
create table recovery (
  id uuid constraint pk_recovery primary key,
  claim_id uuid not null,
  case_id uuid not null,
  org_id uuid not null,
  kind text not null constraint ck_recovery_kind check (kind in ('recovery', 'claw_back')),
  received_on date not null,
  recovered_fen bigint not null constraint ck_recovery_recovered check (recovered_fen >= 0),
  cost_fen bigint not null constraint ck_recovery_cost check (cost_fen >= 0),
  due_fen bigint not null constraint ck_recovery_due check (due_fen >= 0),
  due_on date not null,
  reference text not null,
  reported_by uuid,
  reported_at timestamptz not null,
  returned_on date,
  voucher_no text constraint uq_recovery_voucher_no unique,
  confirmed_by uuid,
  constraint fk_recovery_claim_id foreign key (claim_id, case_id, org_id) references claim (id, case_id, org_id),
  constraint ck_recovery_returned check ((returned_on is null) = (voucher_no is null)),
  constraint ck_recovery_two_people check (confirmed_by is null or confirmed_by is distinct from reported_by)
);
create index ix_recovery_claim_id on recovery (claim_id);

create function hq_recovery_frozen() returns trigger language plpgsql as $$
begin
  if old.returned_on is not null or (old.claim_id, old.kind, old.received_on, old.recovered_fen, old.cost_fen, old.due_fen)
     is distinct from (new.claim_id, new.kind, new.received_on, new.recovered_fen, new.cost_fen, new.due_fen) then
    raise exception 'a recovery is reported once and returned once'
      using errcode = 'check_violation', constraint = 'ck_recovery_frozen';
  end if;
  return new;
end $$;
create trigger recovery_frozen before update on recovery for each row execute function hq_recovery_frozen();
"""

SEED = """
insert into rule_set (id, code, valid_from, valid_to, rules, document, created_at)
select '01999999-2025-7000-8000-000000000001', r ->> 'code', (r ->> 'valid_from')::date, (r ->> 'valid_to')::date, r,
       (r ->> 'title') || ' ' || (r ->> 'document_no'), '2025-10-01T00:00:00+08:00'
from (select cast($json$%s$json$ as jsonb) as r) read
"""


def upgrade() -> None:
    for part in (RULES, BOOKING, CLAIM, RECOVERY, SEED % RULE_2025):
        run(part)
    append_only("rule_set")
    guard("rule_set", see="true", write=f"{SYSTEM} or hq_kind() = 'bureau'")
    append_only("pool_agreement")
    guard("pool_agreement", see=f"org_id = hq_org() or hq_kind() = 'bureau' or {SYSTEM}",
          write=f"hq_kind() = 'bureau' or {SYSTEM}")
    # The bank its own, the city all; the firm sees that its loan stands in the pool, and nothing of a claim.
    ours = f"org_id = hq_org() or hq_kind() = 'bureau' or {SYSTEM}"
    grant("booking", "select, insert, update")
    guard("booking", see=f"{ours} or firm_id = hq_org()", write=f"org_id = hq_org() or {SYSTEM}", change=ours)
    grant("claim", "select, insert, update")
    guard("claim", see=ours, write=f"org_id = hq_org() or {SYSTEM}", change=ours)
    grant("recovery", "select, insert, update")
    guard("recovery", see=ours, write=ours, change=ours)
    # Steps and papers of a claim are between the bank and the city: not for the firm, though it is a party of the case.
    run("create policy see_claim on transition for select to huiqiao_app using "
        "(subject_type = 'claim' and exists (select 1 from claim c where c.id = subject_id))")
    run("create policy see_booking on transition for select to huiqiao_app using (subject_type = 'booking' and "
        "exists (select 1 from booking b where b.id = subject_id and (b.org_id = hq_org() or hq_kind() = 'bureau')))")
    run("create policy see_claim on paper for select to huiqiao_app using "
        "(subject_type = 'claim' and exists (select 1 from claim c where c.id = subject_id))")
