"""Transfer loans: the ask before, funds, bridges, commitments, quotes, hops."""

from migrations.tools import OWN, SYSTEM, append_only, grant, guard, run

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KINDS = "('SAME_BANK', 'CROSS_BANK')"
STATES = (
    "('APPLIED', 'PRECHECKED', 'BANK_COMMITTED', 'PARTNER_OFFERED', 'APPROVED', 'SIGNED', 'FUNDED', 'OLD_REPAID', "
    "'NEW_DRAWN', 'SHORT_DRAWN', 'RENEWAL_REFUSED', 'OVERDUE', 'BRIDGE_RETURNED', 'SETTLED', 'REJECTED', 'DECLINED', "
    "'CANCELLED')"
)
PAID_OUT = (
    "('FUNDED', 'OLD_REPAID', 'NEW_DRAWN', 'SHORT_DRAWN', 'RENEWAL_REFUSED', 'OVERDUE', 'BRIDGE_RETURNED', 'SETTLED')"
)
OVER = "('SETTLED', 'REJECTED', 'DECLINED', 'CANCELLED')"
ACCOUNTS = "('FUNDER', 'CUSTODY', 'REPAYMENT')"

ASK_AND_FUND = f"""
create table renewal_ask (
  id uuid constraint pk_renewal_ask primary key,
  firm_id uuid not null constraint fk_renewal_ask_firm_id references enterprise,
  bank_org_id uuid not null constraint fk_renewal_ask_bank_org_id references organisation,
  old_loan_id uuid constraint fk_renewal_ask_old_loan_id references loan,
  note_no text not null constraint ck_renewal_ask_note_no check (length(note_no) between 1 and 80),
  asked_on date not null,
  granted boolean not null,
  note text not null,
  stored_at timestamptz not null,
  stored_by uuid,
  constraint uq_renewal_ask_id_firm unique (id, firm_id, bank_org_id, note_no)
);
create index ix_renewal_ask_firm_id on renewal_ask (firm_id);
create table fund (
  id uuid constraint pk_fund primary key,
  org_id uuid not null constraint fk_fund_org_id references organisation,
  name text not null,
  kind text not null constraint ck_fund_kind check (kind in {KINDS}),
  state text not null constraint ck_fund_state check (state in ('OPEN', 'CLOSED')),
  terms jsonb not null,
  account_code text not null constraint uq_fund_account_code unique
    constraint fk_fund_account_code references ledger_account (code),
  opened_at timestamptz not null,
  opened_by uuid,
  constraint uq_fund_org_id_name unique (org_id, name),
  constraint uq_fund_id_org_id unique (id, org_id)
);
"""

BRIDGE = f"""
create table bridge (
  id uuid constraint pk_bridge primary key,
  case_id uuid not null constraint fk_bridge_case_id references case_file,
  firm_id uuid not null constraint fk_bridge_firm_id references enterprise,
  firm_name text not null,
  ask_id uuid not null,
  old_loan_id uuid constraint fk_bridge_old_loan_id references loan,
  old_bank_org_id uuid not null constraint fk_bridge_old_bank_org_id references organisation,
  new_bank_org_id uuid not null constraint fk_bridge_new_bank_org_id references organisation,
  kind text not null constraint ck_bridge_kind check (kind in {KINDS}),
  old_note_no text not null,
  old_due_fen bigint not null constraint ck_bridge_old_due check (old_due_fen > 0),
  old_due_on date not null,
  own_money_fen bigint not null constraint ck_bridge_own_money check (own_money_fen >= 0),
  requested_fen bigint not null,
  planned_days bigint not null constraint ck_bridge_planned_days check (planned_days > 0),
  urgent boolean not null,
  state text not null constraint ck_bridge_state check (state in {STATES}),
  state_since timestamptz not null,
  applied_at timestamptz not null,
  applied_by uuid,
  checks jsonb not null,
  fund_id uuid,
  funder_org_id uuid,
  quote_id uuid,
  terms jsonb,
  amount_fen bigint,
  agreement_no text,
  signed_at timestamptz,
  signed_by uuid,
  pending_transfer_id uuid constraint fk_bridge_pending_transfer_id references ledger_transfer,
  own_money_seen_fen bigint,
  paid_on date,
  expected_return_on date,
  old_repaid_on date,
  old_repaid_reference text,
  new_rate numeric(9, 6) constraint ck_bridge_new_rate check (new_rate >= 0 and new_rate < 1),
  new_loan_id uuid constraint fk_bridge_new_loan_id references loan,
  new_note_no text,
  new_amount_fen bigint constraint ck_bridge_new_amount check (new_amount_fen > 0),
  new_drawn_on date,
  new_due_on date,
  refused_on date,
  overdue_on date,
  returned_fen bigint not null,
  returned_on date,
  fee_fen bigint,
  fee_working jsonb,
  fee_voucher_no text,
  settled_on date,
  clerk_id uuid,
  reviewer_id uuid,
  payer_id uuid,
  next_check_at timestamptz,
  constraint fk_bridge_ask foreign key (ask_id, firm_id, old_bank_org_id, old_note_no)
    references renewal_ask (id, firm_id, bank_org_id, note_no),
  constraint fk_bridge_fund foreign key (fund_id, funder_org_id) references fund (id, org_id),
  constraint uq_bridge_id_firm_id unique (id, firm_id),
  constraint ck_bridge_same_bank check ((kind = 'SAME_BANK') = (old_bank_org_id = new_bank_org_id)),
  constraint ck_bridge_gap check (requested_fen > 0 and requested_fen <= old_due_fen - own_money_fen),
  constraint ck_bridge_amount check (amount_fen > 0 and amount_fen <= requested_fen),
  constraint ck_bridge_picked check ((quote_id is null) = (fund_id is null) and (fund_id is null) = (amount_fen is null)
    and (fund_id is null) = (terms is null)),
  constraint ck_bridge_two_people check (reviewer_id is null
    or (reviewer_id is distinct from clerk_id and reviewer_id is distinct from payer_id)),
  constraint ck_bridge_paid check ((state in {PAID_OUT}) = (paid_on is not null and expected_return_on is not null
    and payer_id is not null and pending_transfer_id is not null and own_money_seen_fen is not null)),
  constraint ck_bridge_own_money_seen check (own_money_seen_fen >= old_due_fen - amount_fen),
  constraint ck_bridge_dates check (expected_return_on >= paid_on and returned_on >= paid_on),
  constraint ck_bridge_returned check (returned_fen between 0 and coalesce(amount_fen, 0)
    and (state not in ('BRIDGE_RETURNED', 'SETTLED') or returned_fen = amount_fen)),
  constraint ck_bridge_settled check ((state = 'SETTLED') = (fee_fen is not null and settled_on is not null)
    and fee_fen >= 0)
);
-- One note, one bridge, while it is not over (transfer-loan paper §5: two centres for one note).
create unique index uq_bridge_old_note on bridge (old_bank_org_id, old_note_no) where state not in {OVER};
create index ix_bridge_firm_id on bridge (firm_id);
create index ix_bridge_state on bridge (state, state_since);
create index ix_bridge_new_bank_org_id on bridge (new_bank_org_id);
create index ix_bridge_funder_org_id on bridge (funder_org_id);
create index ix_bridge_case_id on bridge (case_id);
create index ix_bridge_new_loan_id on bridge (new_loan_id) where new_loan_id is not null;
create index ix_bridge_next_check_at on bridge (next_check_at) where next_check_at is not null;
"""

PROMISES = f"""
create table commitment (
  id uuid constraint pk_commitment primary key,
  bridge_id uuid not null constraint fk_commitment_bridge_id references bridge,
  org_id uuid not null constraint fk_commitment_org_id references organisation,
  signer_id uuid not null,
  signer_name text not null,
  branch text not null,
  promised_fen bigint not null constraint ck_commitment_promised check (promised_fen > 0),
  rate_low numeric(9, 6) not null constraint ck_commitment_rate_low check (rate_low >= 0),
  rate_high numeric(9, 6) not null constraint ck_commitment_rate_high check (rate_high < 1),
  term_months bigint not null constraint ck_commitment_term check (term_months between 1 and 600),
  method text not null,
  conditions text not null,
  latest_drawdown_on date not null,
  receiving_account bytea not null,
  valid_until date not null,
  seal_digest bytea not null constraint ck_commitment_seal check (length(seal_digest) = 32),
  state text not null constraint ck_commitment_state check (state in ('LIVE', 'REPLACED', 'WITHDRAWN')),
  signed_at timestamptz not null,
  constraint ck_commitment_rates check (rate_low <= rate_high)
);
create unique index uq_commitment_live on commitment (bridge_id) where state = 'LIVE';
create index ix_commitment_bridge_id on commitment (bridge_id);
create table bridge_quote (
  id uuid constraint pk_bridge_quote primary key,
  bridge_id uuid not null,
  firm_id uuid not null,
  fund_id uuid not null,
  org_id uuid not null,
  fund_name text not null,
  state text not null constraint ck_bridge_quote_state
    check (state in ('INVITED', 'OFFERED', 'PICKED', 'PASSED', 'LAPSED')),
  amount_fen bigint,
  terms jsonb,
  valid_until date,
  invited_at timestamptz not null,
  offered_at timestamptz,
  offered_by uuid,
  constraint fk_bridge_quote_bridge foreign key (bridge_id, firm_id) references bridge (id, firm_id),
  constraint fk_bridge_quote_fund foreign key (fund_id, org_id) references fund (id, org_id),
  constraint uq_bridge_quote_fund unique (bridge_id, fund_id),
  constraint uq_bridge_quote_chosen unique (id, bridge_id, fund_id),
  constraint ck_bridge_quote_amount check (amount_fen > 0),
  constraint ck_bridge_quote_offered check (state not in ('OFFERED', 'PICKED')
    or (amount_fen is not null and terms is not null and valid_until is not null and offered_at is not null))
);
create unique index uq_bridge_quote_picked on bridge_quote (bridge_id) where state = 'PICKED';
create index ix_bridge_quote_org_id on bridge_quote (org_id, state);
alter table bridge add constraint fk_bridge_quote foreign key (quote_id, id, fund_id)
  references bridge_quote (id, bridge_id, fund_id);
create table bridge_hop (
  id uuid constraint pk_bridge_hop primary key,
  bridge_id uuid not null constraint fk_bridge_hop_bridge_id references bridge,
  no bigint not null constraint ck_bridge_hop_no check (no > 0),
  from_account text not null constraint ck_bridge_hop_from check (from_account in {ACCOUNTS}),
  to_account text not null constraint ck_bridge_hop_to check (to_account in {ACCOUNTS}),
  amount_fen bigint not null constraint ck_bridge_hop_amount check (amount_fen > 0),
  on_day date not null,
  voucher_no text not null constraint ck_bridge_hop_voucher check (length(voucher_no) between 1 and 80),
  at timestamptz not null,
  actor_id uuid,
  constraint uq_bridge_hop_no unique (bridge_id, no),
  constraint uq_bridge_hop_voucher unique (bridge_id, from_account, voucher_no),
  -- The closed loop: from the funder over the custody account to the loan, and the same way back.
  constraint ck_bridge_hop_loop check ((from_account, to_account) in
    (('FUNDER', 'CUSTODY'), ('CUSTODY', 'REPAYMENT'), ('REPAYMENT', 'CUSTODY'), ('CUSTODY', 'FUNDER')))
);

create function hq_bridge_invited(bridge uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from bridge_quote q where q.bridge_id = $1 and q.org_id = hq_org()
     and q.state in ('INVITED', 'OFFERED', 'PICKED')) $$;

-- At SETTLED the receivable is zero: nothing out, nothing reserved (transfer-loan paper §4, closed loop rule).
create function hq_bridge_settles_empty() returns trigger
  language plpgsql security definer set search_path = public as $$
declare held ledger_account;
begin
  if new.state = 'SETTLED' and old.state <> 'SETTLED' then
    select * into held from ledger_account where code = 'bridge:' || new.id;
    if held.id is null or held.credits_posted_fen <> held.debits_posted_fen or held.credits_posted_fen <> new.amount_fen
       or held.credits_pending_fen + held.debits_pending_fen <> 0 then
      raise exception 'the receivable of the bridge is not zero'
        using errcode = 'check_violation', constraint = 'ck_bridge_receivable';
    end if;
  end if;
  return new;
end $$;
create trigger bridge_settles_empty before update on bridge for each row execute function hq_bridge_settles_empty();
"""

CITY = "hq_kind() in ('bridge_centre', 'bureau', 'system')"
CENTRE = "hq_kind() in ('bridge_centre', 'system')"
PARTY = "firm_id = hq_org() or old_bank_org_id = hq_org() or new_bank_org_id = hq_org() or funder_org_id = hq_org()"
NEAR = "b.firm_id = hq_org() or b.funder_org_id = hq_org() or hq_bridge_invited(b.id)"


def upgrade() -> None:
    for part in (ASK_AND_FUND, BRIDGE, PROMISES):
        run(part)
    append_only("renewal_ask")
    guard("renewal_ask", see=f"firm_id = hq_org() or bank_org_id = hq_org() or {CITY}", write=f"firm_id = hq_org() or {SYSTEM}")
    grant("fund", "select, insert, update")
    guard("fund", see=f"{OWN} or {CITY}", write=CENTRE, change=CENTRE)
    # The firm, the banks of the old and the new loan, the funder and those asked for a quote, the centre, the bureau.
    grant("bridge", "select, insert, update")
    guard("bridge", see=f"{PARTY} or hq_bridge_invited(id) or {CITY}", write=f"firm_id = hq_org() or {SYSTEM}",
          change=f"{PARTY} or hq_bridge_invited(id) or {CENTRE}")
    # The old bank of a cross-bank transfer does not read what its competitor promised.
    grant("commitment", "select, insert, update")
    guard("commitment", see=f"{OWN} or {CITY} or exists (select 1 from bridge b where b.id = bridge_id and ({NEAR}))",
          write=f"{OWN} or {SYSTEM}", change=f"{OWN} or {SYSTEM}")
    grant("bridge_quote", "select, insert, update")
    guard("bridge_quote", see=f"{OWN} or firm_id = hq_org() or {CITY}", write=CENTRE,
          change=f"{OWN} or firm_id = hq_org() or {CENTRE}")
    append_only("bridge_hop")
    guard("bridge_hop", see="exists (select 1 from bridge b where b.id = bridge_id)", write=CENTRE)
