"""The kernel: identity functions, case, seal, transition, audit, outbox, idempotency, notice, paper, ledger."""

from migrations.tools import OWN, SYSTEM, UNSEALED, append_only, grant, guard, run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


FUNCTIONS = """
do $$ begin
  if not exists (select 1 from pg_roles where rolname = 'huiqiao_app') then
    raise exception 'The login role huiqiao_app does not exist; docs/operations.md says how to make it.';
  end if;
end $$;

create function hq_org() returns uuid language sql stable parallel safe as
  $$ select nullif(current_setting('hq.org', true), '')::uuid $$;
create function hq_actor() returns uuid language sql stable parallel safe as
  $$ select nullif(current_setting('hq.actor', true), '')::uuid $$;
create function hq_kind() returns text language sql stable parallel safe as
  $$ select nullif(current_setting('hq.kind', true), '') $$;

create function hq_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
"""

SEAL = """
create table seal (
  id uuid constraint pk_seal primary key,
  opened_at timestamptz
);
create function hq_seal_open(seal uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select opened_at is not null from seal where id = $1 $$;

create function hq_seal_once() returns trigger language plpgsql as $$
begin
  if old.opened_at is not null or new.id <> old.id then
    raise exception 'a seal is opened once' using errcode = 'check_violation', constraint = 'ck_seal_once';
  end if;
  return new;
end $$;
create trigger seal_once before update on seal for each row execute function hq_seal_once();
"""

CASE = """
create sequence case_number_seq;
create table case_file (
  id uuid constraint pk_case_file primary key,
  number text not null constraint uq_case_file_number unique,
  kind text not null,
  subject_org_id uuid not null,
  title text not null,
  opened_at timestamptz not null
);
create index ix_case_file_subject_org_id on case_file (subject_org_id);
create table case_party (
  case_id uuid not null constraint fk_case_party_case_id references case_file,
  org_id uuid not null,
  since timestamptz not null,
  constraint pk_case_party primary key (case_id, org_id)
);
create index ix_case_party_org_id on case_party (org_id);
create function hq_case_party(case_id uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from case_party p where p.case_id = $1 and p.org_id = hq_org()) $$;
"""

TRANSITION = """
create table transition (
  id uuid constraint pk_transition primary key,
  subject_type text not null,
  subject_id uuid not null,
  case_id uuid,
  seal_id uuid constraint fk_transition_seal_id references seal,
  event text not null,
  source text not null,
  target text not null,
  at timestamptz not null,
  actor_id uuid,
  actor_role text not null,
  org_id uuid,
  reason text,
  shared boolean not null
);
create index ix_transition_subject on transition (subject_type, subject_id, at);
create index ix_transition_case_id on transition (case_id, at) where case_id is not null;
"""

AUDIT = """
create table audit_event (
  id uuid constraint pk_audit_event primary key,
  form smallint not null,
  at timestamptz not null,
  action text not null,
  actor_id uuid,
  actor_kind text not null constraint ck_audit_event_actor_kind check (actor_kind in ('person', 'system')),
  org_id uuid,
  subject_type text,
  subject_id uuid,
  case_id uuid,
  seal_id uuid constraint fk_audit_event_seal_id references seal,
  facts jsonb not null,
  personal_digest bytea,
  salt bytea not null,
  digest bytea not null constraint ck_audit_event_digest check (length(digest) = 32)
);
create index ix_audit_event_at on audit_event (at);
create index ix_audit_event_subject on audit_event (subject_type, subject_id);
create index ix_audit_event_case_id on audit_event (case_id) where case_id is not null;
create index ix_audit_event_org_id on audit_event (org_id, at);
create table audit_personal (
  event_id uuid constraint pk_audit_personal primary key
    constraint fk_audit_personal_event_id references audit_event,
  org_id uuid,
  salt bytea not null,
  payload bytea not null
);
"""

OUTBOX = """
create table outbox (
  id uuid constraint pk_outbox primary key,
  topic text not null,
  handler text not null,
  payload jsonb not null,
  org_id uuid,
  seal_id uuid constraint fk_outbox_seal_id references seal,
  state text not null constraint ck_outbox_state check (state in ('pending', 'done', 'dead')),
  created_at timestamptz not null,
  lease_until timestamptz not null,
  attempts bigint not null,
  last_error text,
  done_at timestamptz
);
create index ix_outbox_due on outbox (lease_until) where state = 'pending';
create table idempotency (
  owner text not null,
  token text not null,
  action text not null,
  request_digest bytea not null,
  result_id uuid,
  at timestamptz not null,
  constraint pk_idempotency primary key (owner, token, action)
);
"""

NOTICE = """
create table notice (
  id uuid constraint pk_notice primary key,
  org_id uuid not null,
  person_id uuid,
  message text not null,
  params jsonb not null,
  path text,
  case_id uuid,
  seal_id uuid constraint fk_notice_seal_id references seal,
  at timestamptz not null,
  read_at timestamptz
);
create index ix_notice_org_id on notice (org_id, at);
create table paper (
  id uuid constraint pk_paper primary key,
  org_id uuid not null,
  case_id uuid,
  subject_type text not null,
  subject_id uuid not null,
  seal_id uuid constraint fk_paper_seal_id references seal,
  kind text not null,
  filename text not null,
  media_type text not null,
  size bigint not null constraint ck_paper_size check (size > 0),
  sha256 bytea not null constraint ck_paper_sha256 check (length(sha256) = 32),
  stored_at timestamptz not null,
  stored_by uuid
);
create index ix_paper_subject on paper (subject_type, subject_id);
"""

LEDGER = """
create table ledger_account (
  id uuid constraint pk_ledger_account primary key,
  code text not null constraint uq_ledger_account_code unique,
  kind text not null,
  org_id uuid,
  bounded boolean not null,
  debits_pending_fen bigint not null default 0 constraint ck_ledger_account_debits_pending check (debits_pending_fen >= 0),
  debits_posted_fen bigint not null default 0 constraint ck_ledger_account_debits_posted check (debits_posted_fen >= 0),
  credits_pending_fen bigint not null default 0 constraint ck_ledger_account_credits_pending check (credits_pending_fen >= 0),
  credits_posted_fen bigint not null default 0 constraint ck_ledger_account_credits_posted check (credits_posted_fen >= 0),
  opened_at timestamptz not null,
  constraint ck_ledger_account_bounded
    check (not bounded or debits_posted_fen + debits_pending_fen <= credits_posted_fen)
);
create table ledger_transfer (
  id uuid constraint pk_ledger_transfer primary key,
  kind text not null constraint ck_ledger_transfer_kind check (kind in ('single', 'pending', 'post', 'void')),
  debit_account_id uuid not null constraint fk_ledger_transfer_debit_account_id references ledger_account,
  credit_account_id uuid not null constraint fk_ledger_transfer_credit_account_id references ledger_account,
  amount_fen bigint not null constraint ck_ledger_transfer_amount check (amount_fen > 0),
  pending_id uuid constraint fk_ledger_transfer_pending_id references ledger_transfer,
  reference text not null constraint uq_ledger_transfer_reference unique,
  case_id uuid,
  memo text not null,
  at timestamptz not null,
  constraint ck_ledger_transfer_accounts check (debit_account_id <> credit_account_id),
  constraint ck_ledger_transfer_second_phase check ((kind in ('post', 'void')) = (pending_id is not null))
);
create unique index uq_ledger_transfer_pending_id on ledger_transfer (pending_id) where pending_id is not null;
create index ix_ledger_transfer_debit on ledger_transfer (debit_account_id, at);
create index ix_ledger_transfer_credit on ledger_transfer (credit_account_id, at);
create index ix_ledger_transfer_case_id on ledger_transfer (case_id) where case_id is not null;

create function hq_account_born_empty() returns trigger language plpgsql as $$
begin
  if new.debits_pending_fen + new.debits_posted_fen + new.credits_pending_fen + new.credits_posted_fen <> 0 then
    raise exception 'an account opens empty' using errcode = 'check_violation', constraint = 'ck_ledger_account_empty';
  end if;
  return new;
end $$;
create trigger account_born_empty before insert on ledger_account
  for each row execute function hq_account_born_empty();

create function hq_ledger_post() returns trigger
  language plpgsql security definer set search_path = public as $$
declare reserved ledger_transfer;
        pd bigint := 0; sd bigint := 0;
begin
  if new.kind = 'single' then sd := new.amount_fen;
  elsif new.kind = 'pending' then pd := new.amount_fen;
  else
    select * into reserved from ledger_transfer where id = new.pending_id;
    if reserved.kind is distinct from 'pending' or reserved.debit_account_id <> new.debit_account_id
       or reserved.credit_account_id <> new.credit_account_id or new.amount_fen > reserved.amount_fen then
      raise exception 'the second phase does not fit the reservation'
        using errcode = 'check_violation', constraint = 'ck_ledger_transfer_fits';
    end if;
    pd := -reserved.amount_fen;
    if new.kind = 'post' then sd := new.amount_fen; end if;
  end if;
  -- both accounts are locked in one order, so that two transfers the other way round cannot wait for each other
  perform 1 from ledger_account where id in (new.debit_account_id, new.credit_account_id) order by id for update;
  update ledger_account set debits_pending_fen = debits_pending_fen + pd, debits_posted_fen = debits_posted_fen + sd
    where id = new.debit_account_id;
  update ledger_account set credits_pending_fen = credits_pending_fen + pd, credits_posted_fen = credits_posted_fen + sd
    where id = new.credit_account_id;
  return new;
end $$;
create trigger ledger_post after insert on ledger_transfer for each row execute function hq_ledger_post();
"""


def upgrade() -> None:
    for part in (FUNCTIONS, SEAL, CASE, TRANSITION, AUDIT, OUTBOX, NOTICE, LEDGER):
        run(part)
    grant("seal", "select, insert, update")
    grant("case_number_seq", "usage")
    grant("case_file", "select, insert")
    guard("case_file", see=f"subject_org_id = hq_org() or {SYSTEM} or hq_case_party(id)",
          write=f"subject_org_id = hq_org() or {SYSTEM}")
    grant("case_party", "select, insert")
    guard("case_party", see=f"org_id = hq_org() or {SYSTEM} or hq_case_party(case_id)",
          write=f"{SYSTEM} or org_id = hq_org()")
    # What a bank does under a seal is seen by that bank alone until the seal opens; a step told to the whole case by its
    # parties; anything else by the organisation that took it.
    append_only("transition")
    guard("transition",
          see=f"{OWN} or ({UNSEALED} and ({SYSTEM} or (shared and case_id is not null and hq_case_party(case_id))))",
          write=f"{OWN} or {SYSTEM} or org_id is null")
    append_only("audit_event")
    guard("audit_event", see=f"{OWN} or ({UNSEALED} and hq_kind() in ('system', 'platform'))",
          write=f"org_id is not distinct from hq_org() or {SYSTEM}")
    # Personal payload may be erased while the event's proof stands; who may erase comes with the request desk.
    grant("audit_personal", "select, insert")
    guard("audit_personal", see=f"{OWN} or {SYSTEM}", write=f"org_id is not distinct from hq_org() or {SYSTEM}")
    grant("outbox", "select, insert, update")
    guard("outbox", see=f"{OWN} or ({UNSEALED} and {SYSTEM})", write=f"org_id is not distinct from hq_org() or {SYSTEM}",
          change=f"{UNSEALED} and {SYSTEM}")
    grant("idempotency", "select, insert, update")
    # A person's forms are that person's: without a person only the portal's own doors show (their owner is a word, not an
    # id), or the rows would tell who has handed in a sealed bid.
    mine = "case when hq_actor() is null then owner !~ '^[0-9a-f]{8}-' else owner = hq_actor()::text end"
    guard("idempotency", see=mine, change=mine)
    grant("notice", "select, insert, update")
    guard("notice", see=f"{OWN} or ({UNSEALED} and {SYSTEM})", write=f"{OWN} or {SYSTEM}", change=OWN)
    grant("paper", "select, insert")
    guard("paper", see=f"{OWN} or ({UNSEALED} and ({SYSTEM} or (case_id is not null and hq_case_party(case_id))))",
          write=OWN)
    grant("ledger_account", "select, insert")
    append_only("ledger_transfer")
