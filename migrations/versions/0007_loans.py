"""Loans: the line agreed, its schedule, what was repaid, how the bank classes it."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

CLASSES = "('NORMAL', 'SPECIAL_MENTION', 'SUBSTANDARD', 'DOUBTFUL', 'LOSS')"
METHODS = "('INTEREST_ONLY', 'EQUAL_INSTALMENT', 'EQUAL_PRINCIPAL', 'BULLET')"

LOAN = f"""
-- A loan of a choice is of the same case, firm and bank as the choice.
alter table choice add constraint uq_choice_id_parties unique (id, case_id, org_id, bank_org_id);
create table loan (
  id uuid constraint pk_loan primary key,
  case_id uuid not null constraint fk_loan_case_id references case_file,
  firm_id uuid not null constraint fk_loan_firm_id references enterprise,
  org_id uuid not null constraint fk_loan_org_id references organisation,
  number text not null constraint uq_loan_number unique,
  choice_id uuid constraint uq_loan_choice_id unique,
  origin text not null constraint ck_loan_origin check (origin in ('choice', 'offline', 'renewal')),
  renewed_from_id uuid constraint fk_loan_renewed_from_id references loan,
  product_kind text not null,
  purpose text not null,
  state text not null constraint ck_loan_state check (state in ('AGREED', 'APPROVED', 'REFUSED', 'DRAWN', 'REPAID')),
  amount_fen bigint not null constraint ck_loan_amount check (amount_fen > 0),
  annual_rate numeric(9, 6) not null constraint ck_loan_annual_rate check (annual_rate >= 0 and annual_rate < 1),
  term_months bigint not null constraint ck_loan_term check (term_months between 1 and 600),
  method text not null constraint ck_loan_method check (method in {METHODS}),
  conventions jsonb not null,
  opened_at timestamptz not null,
  opened_by uuid,
  approved_at timestamptz,
  approved_by uuid,
  contract_no text,
  note_no text,
  principal_fen bigint,
  drawn_on date,
  due_on date,
  drawn_by uuid,
  principal_repaid_fen bigint not null,
  interest_paid_fen bigint not null constraint ck_loan_interest_paid check (interest_paid_fen >= 0),
  overdue_days bigint not null constraint ck_loan_overdue_days check (overdue_days >= 0),
  reported_class text constraint ck_loan_reported_class check (reported_class in {CLASSES}),
  reported_overdue_days bigint not null constraint ck_loan_reported_overdue check (reported_overdue_days >= 0),
  reported_on date,
  five_class text constraint ck_loan_five_class check (five_class in {CLASSES}),
  classed_on date,
  next_check_at timestamptz,
  constraint fk_loan_choice_id foreign key (choice_id, case_id, firm_id, org_id)
    references choice (id, case_id, org_id, bank_org_id),
  constraint uq_loan_note_no unique (org_id, note_no),
  constraint uq_loan_id_parties unique (id, case_id, org_id, firm_id),
  constraint ck_loan_choice check ((origin = 'choice') = (choice_id is not null)),
  constraint ck_loan_renewal check ((origin = 'renewal') = (renewed_from_id is not null)),
  constraint ck_loan_two_people check (approved_by is null or (approved_by is distinct from opened_by
    and approved_by is distinct from drawn_by)),
  constraint ck_loan_drawn check ((state in ('DRAWN', 'REPAID')) = (principal_fen is not null and drawn_on is not null
    and due_on is not null and note_no is not null and contract_no is not null and five_class is not null)),
  constraint ck_loan_principal check (principal_fen > 0 and principal_fen <= amount_fen),
  constraint ck_loan_dates check (due_on > drawn_on),
  constraint ck_loan_repaid check (principal_repaid_fen between 0 and coalesce(principal_fen, 0)),
  constraint ck_loan_settled check (state <> 'REPAID' or principal_repaid_fen = principal_fen)
);
create index ix_loan_case_id on loan (case_id);
create index ix_loan_firm_id on loan (firm_id);
create index ix_loan_org_id on loan (org_id, state);
create index ix_loan_next_check_at on loan (next_check_at) where next_check_at is not null;
"""

SCHEDULE = """
create table instalment (
  loan_id uuid not null constraint fk_instalment_loan_id references loan,
  no bigint not null constraint ck_instalment_no check (no > 0),
  due_on date not null,
  principal_fen bigint not null constraint ck_instalment_principal check (principal_fen >= 0),
  interest_fen bigint not null constraint ck_instalment_interest check (interest_fen >= 0),
  balance_fen bigint not null constraint ck_instalment_balance check (balance_fen >= 0),
  principal_left_fen bigint not null,
  interest_left_fen bigint not null,
  constraint pk_instalment primary key (loan_id, no),
  constraint ck_instalment_principal_left check (principal_left_fen between 0 and principal_fen),
  constraint ck_instalment_interest_left check (interest_left_fen between 0 and interest_fen)
);
create index ix_instalment_due_on on instalment (due_on) where principal_left_fen + interest_left_fen > 0;

-- The principal of a schedule adds up to the loan, to the fen; looked at when the transaction ends, so that rows may
-- be written one by one.
create function hq_schedule_adds_up() returns trigger
  language plpgsql security definer set search_path = public as $$
declare wanted loan; planned bigint; owed bigint; key uuid;
begin
  if tg_table_name = 'loan' then key := new.id;
  elsif tg_op = 'DELETE' then key := old.loan_id;
  else key := new.loan_id;
  end if;
  select * into wanted from loan where id = key;
  if wanted.state is null or wanted.state not in ('DRAWN', 'REPAID') then return null; end if;
  select coalesce(sum(principal_fen), 0), coalesce(sum(principal_left_fen), 0) into planned, owed
    from instalment where loan_id = key;
  if planned <> wanted.principal_fen then
    raise exception 'principal of the schedule is %, of the loan %', planned, wanted.principal_fen
      using errcode = 'check_violation', constraint = 'ck_instalment_adds_up';
  end if;
  if owed <> wanted.principal_fen - wanted.principal_repaid_fen then
    raise exception 'principal left on the schedule is %, on the loan %', owed,
      wanted.principal_fen - wanted.principal_repaid_fen
      using errcode = 'check_violation', constraint = 'ck_instalment_left_adds_up';
  end if;
  return null;
end $$;
create constraint trigger instalment_adds_up after insert or update or delete on instalment
  deferrable initially deferred for each row execute function hq_schedule_adds_up();
create constraint trigger loan_adds_up after insert or update on loan
  deferrable initially deferred for each row execute function hq_schedule_adds_up();
"""

REPORTS = f"""
create table repayment (
  id uuid constraint pk_repayment primary key,
  loan_id uuid not null constraint fk_repayment_loan_id references loan,
  paid_on date not null,
  amount_fen bigint not null,
  principal_fen bigint not null,
  interest_fen bigint not null,
  kind text not null constraint ck_repayment_kind check (kind in ('normal', 'prepayment', 'recovery', 'reversal')),
  reverses_id uuid constraint uq_repayment_reverses_id unique,
  reference text not null,
  reason text,
  reported_by uuid,
  reported_at timestamptz not null,
  constraint uq_repayment_id_loan_id unique (id, loan_id),
  constraint fk_repayment_reverses_id foreign key (reverses_id, loan_id) references repayment (id, loan_id),
  constraint ck_repayment_parts check (amount_fen = principal_fen + interest_fen),
  constraint ck_repayment_reversal check ((kind = 'reversal') = (reverses_id is not null)),
  constraint ck_repayment_sign check (case when kind = 'reversal'
    then amount_fen < 0 and principal_fen <= 0 and interest_fen <= 0 and reason is not null
    else amount_fen > 0 and principal_fen >= 0 and interest_fen >= 0 end)
);
create index ix_repayment_loan_id on repayment (loan_id, reported_at);
create table class_report (
  id uuid constraint pk_class_report primary key,
  loan_id uuid not null constraint fk_class_report_loan_id references loan,
  reported_on date not null,
  reported_class text not null constraint ck_class_report_reported_class check (reported_class in {CLASSES}),
  overdue_days bigint not null constraint ck_class_report_overdue_days check (overdue_days >= 0),
  derived_class text not null constraint ck_class_report_derived_class check (derived_class in {CLASSES}),
  reported_by uuid,
  reported_at timestamptz not null
);
create index ix_class_report_loan_id on class_report (loan_id, reported_at);
"""

SEEN = "exists (select 1 from loan l where l.id = loan_id)"
KEPT = f"exists (select 1 from loan l where l.id = loan_id and (l.org_id = hq_org() or {SYSTEM}))"


def upgrade() -> None:
    for part in (LOAN, SCHEDULE, REPORTS):
        run(part)
    # The firm and its bank, the city that shares the risk, and the transfer-loan centre in its own cases.
    grant("loan", "select, insert, update")
    guard("loan",
          see=f"firm_id = hq_org() or org_id = hq_org() or hq_kind() = 'bureau' or {SYSTEM} "
              "or (hq_kind() = 'bridge_centre' and hq_case_party(case_id))",
          write=f"org_id = hq_org() or {SYSTEM}", change=f"org_id = hq_org() or {SYSTEM}")
    grant("instalment", "select, insert, update")
    guard("instalment", see=SEEN, write=KEPT, change=KEPT)
    for table in ("repayment", "class_report"):
        append_only(table)
        guard(table, see=SEEN, write=KEPT)
