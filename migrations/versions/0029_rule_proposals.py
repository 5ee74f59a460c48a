"""Editions of the rule: proposed by one person, in force on another one's word; the rule of 2020 as a row, unconfirmed."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

TABLES = """
create table rule_proposal (
  id uuid constraint pk_rule_proposal primary key,
  base_code text not null,
  rules jsonb not null constraint ck_rule_proposal_rules check (
    jsonb_typeof(rules) = 'object' and rules ? 'code' and rules ? 'valid_from' and rules ? 'valid_to'),
  reason text not null constraint ck_rule_proposal_reason check (length(reason) between 1 and 1000),
  state text not null constraint ck_rule_proposal_state check (state in ('PROPOSED', 'CONFIRMED', 'REFUSED', 'WITHDRAWN')),
  proposed_by uuid not null constraint fk_rule_proposal_proposed_by references person,
  proposed_at timestamptz not null,
  decided_by uuid constraint fk_rule_proposal_decided_by references person,
  decided_at timestamptz,
  constraint ck_rule_proposal_decided check (
    (state = 'PROPOSED') = (decided_at is null) and (state = 'PROPOSED') = (decided_by is null)),
  constraint ck_rule_proposal_two_persons check (
    case state when 'WITHDRAWN' then decided_by = proposed_by else decided_by is distinct from proposed_by end)
);
create unique index uq_rule_proposal_open on rule_proposal (state) where state = 'PROPOSED';
alter table rule_set add column proposal_id uuid constraint fk_rule_set_proposal_id references rule_proposal
  constraint uq_rule_set_proposal_id unique;

-- Whoever proposes or decides does it under the own name; what is decided stays as it was decided.
create function hq_rule_proposal_hands() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'PROPOSED' or new.proposed_by is distinct from hq_actor() then
      raise exception 'a proposal names who makes it' using errcode = 'check_violation', constraint = 'ck_rule_proposal_hands';
    end if;
    return new;
  end if;
  if old.state <> 'PROPOSED' or new.decided_by is distinct from hq_actor() then
    raise exception 'a decision names who takes it, once' using errcode = 'check_violation',
      constraint = 'ck_rule_proposal_hands';
  end if;
  return new;
end $$;
create trigger rule_proposal_hands before insert or update on rule_proposal
  for each row execute function hq_rule_proposal_hands();

-- An edition that names a proposal is the very one that a second person confirmed.
create function hq_rule_set_confirmed() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if new.proposal_id is not null and not exists (
    select 1 from rule_proposal p where p.id = new.proposal_id and p.state = 'CONFIRMED' and p.rules = new.rules) then
    raise exception 'an edition that nobody confirmed' using errcode = 'check_violation', constraint = 'ck_rule_set_confirmed';
  end if;
  return new;
end $$;
create trigger rule_set_confirmed before insert on rule_set for each row execute function hq_rule_set_confirmed();
"""

RULE_2020 = """{
 "code": "GZ-2020",
 "title": "广州市普惠贷款风险补偿机制管理办法",
 "document_no": "（条文未核实）",
 "valid_from": "2020-05-01",
 "valid_to": "2025-09-30",
 "judge_date": "BOOKING",
 "tiers": [
  {
   "up_to_fen": 1000000000,
   "ratio": "0.50"
  }
 ],
 "tier_method": "BRACKET",
 "tier_basis": "LOAN",
 "list_or_ip_uplift": "0",
 "policy_tool_uplift": "0",
 "ratio_cap": "0.50",
 "guarantee_ratio": "0",
 "max_loan_fen": 1000000000,
 "guarantee_max_loan_fen": null,
 "budget_fen": 100000000000,
 "guarantee_budget_fen": 0,
 "budget_mode": "QUEUE",
 "stop_line": "1",
 "guarantee_stop_line": "1",
 "products": [
  "CREDIT",
  "RECEIVABLE_PLEDGE",
  "IP_PLEDGE"
 ],
 "guarantee_products": [],
 "sizes": [
  "SMALL",
  "MICRO"
 ],
 "key_list_sizes": [],
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

SEED = """
insert into rule_set (id, code, valid_from, valid_to, rules, document, created_at)
select '01999999-2020-7000-8000-000000000001', r ->> 'code', (r ->> 'valid_from')::date, (r ->> 'valid_to')::date, r,
       (r ->> 'title') || ' ' || (r ->> 'document_no'), '2020-05-01T00:00:00+08:00'
from (select cast($json$%s$json$ as jsonb) as r) read where not exists (select 1 from rule_set where code = r ->> 'code')
"""
BUREAU = "hq_kind() = 'bureau'"


def upgrade() -> None:
    run(TABLES)
    run(SEED % RULE_2020)
    grant("rule_proposal", "select, insert, update (state, decided_at, decided_by)")
    guard("rule_proposal", see=f"{BUREAU} or {SYSTEM}", write=BUREAU, change=BUREAU)
    # Editions come from the operator or through a confirmed proposal, never from a single person's hand.
    run("drop policy write on rule_set")
    run(f"create policy write on rule_set for insert to huiqiao_app with check ({SYSTEM})")
    run("create policy editions on transition for select to huiqiao_app "
        f"using (subject_type = 'rule_proposal' and (select {BUREAU}))")
