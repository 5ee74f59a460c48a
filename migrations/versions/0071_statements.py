"""Bank statements: rows stored once, and what was decided about each, by whom, taken back by another person only."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None

TABLES = """
create table statement_file (
  id uuid constraint pk_statement_file primary key,
  org_id uuid not null constraint fk_statement_file_org_id references organisation,
  layout text not null constraint ck_statement_file_layout check (layout in ('ICBC', 'CCB')),
  filename text not null,
  sha256 bytea not null constraint ck_statement_file_sha256 check (length(sha256) = 32),
  rows_total bigint not null,
  rows_new bigint not null,
  rows_known bigint not null,
  refused jsonb not null,
  uploaded_at timestamptz not null,
  uploaded_by uuid not null constraint fk_statement_file_uploaded_by references person,
  constraint uq_statement_file_sha256 unique (org_id, sha256),
  constraint ck_statement_file_rows check (rows_total = rows_new + rows_known + jsonb_array_length(refused))
);
create table statement_row (
  id uuid constraint pk_statement_row primary key,
  file_id uuid not null constraint fk_statement_row_file_id references statement_file,
  org_id uuid not null constraint fk_statement_row_org_id references organisation,
  line bigint not null,
  digest bytea not null constraint ck_statement_row_digest check (length(digest) = 32),
  own_digest bytea not null,
  own_shown text not null,
  counter_digest bytea,
  counter_shown text not null,
  counter_name text not null,
  incoming boolean not null,
  amount_fen bigint not null constraint ck_statement_row_amount check (amount_fen > 0),
  balance_fen bigint,
  moved_at timestamptz not null,
  voucher_no text not null,
  serial_no text not null,
  notes text not null,
  constraint uq_statement_row_digest unique (org_id, digest)
);
create index ix_statement_row_file_id on statement_row (file_id);
create index ix_statement_row_moved_at on statement_row (org_id, moved_at);

create table statement_decision (
  id uuid constraint pk_statement_decision primary key,
  row_id uuid not null constraint fk_statement_decision_row_id references statement_row,
  kind text not null constraint ck_statement_decision_kind check (kind in ('MATCH', 'ASIDE')),
  hop_id uuid constraint fk_statement_decision_hop_id references bridge_hop,
  side text constraint ck_statement_decision_side check (side in ('FROM', 'TO')),
  how text not null constraint ck_statement_decision_how check (how in ('RULE', 'HAND')),
  reason text not null,
  working jsonb not null,
  made_at timestamptz not null,
  made_by uuid not null constraint fk_statement_decision_made_by references person,
  undone_at timestamptz,
  undone_by uuid constraint fk_statement_decision_undone_by references person,
  undone_reason text,
  constraint ck_statement_decision_match check ((kind = 'MATCH') = (hop_id is not null) and (hop_id is null) = (side is null)),
  constraint ck_statement_decision_reason check (how = 'RULE' or length(trim(reason)) > 0),
  constraint ck_statement_decision_undone check ((undone_at is null) = (undone_by is null)
    and (undone_at is null) = (undone_reason is null) and (undone_reason is null or length(trim(undone_reason)) > 0)),
  constraint ck_statement_decision_two_people check (undone_by is distinct from made_by)
);
create unique index uq_statement_decision_row on statement_decision (row_id) where undone_at is null;
create unique index uq_statement_decision_hop on statement_decision (hop_id, side) where undone_at is null and hop_id is not null;

-- A row is a hop only where account, direction and amount are the same, whoever says so.
create function hq_statement_decides() returns trigger
  language plpgsql security definer set search_path = public as $$
declare r statement_row; h bridge_hop; a bridge_account;
begin
  if tg_op = 'UPDATE' then
    if old.undone_at is not null or new.undone_by is distinct from hq_actor()
       or (old.row_id, old.kind, old.hop_id, old.side, old.how, old.reason, old.working, old.made_at, old.made_by) is distinct
          from (new.row_id, new.kind, new.hop_id, new.side, new.how, new.reason, new.working, new.made_at, new.made_by) then
      raise exception 'a decision about a row is taken back once, by another person, and not changed'
        using errcode = 'check_violation', constraint = 'ck_statement_decision_hands';
    end if;
    return new;
  end if;
  if new.made_by is distinct from hq_actor() or new.undone_at is not null then
    raise exception 'a decision about a row names who takes it'
      using errcode = 'check_violation', constraint = 'ck_statement_decision_hands';
  end if;
  if new.kind = 'MATCH' then
    select * into r from statement_row where id = new.row_id;
    select * into h from bridge_hop where id = new.hop_id;
    select * into a from bridge_account
      where id = (case new.side when 'FROM' then h.from_account_id else h.to_account_id end);
    if a.id is null or a.digest <> r.own_digest or h.amount_fen <> r.amount_fen or r.incoming <> (new.side = 'TO') then
      raise exception 'a row is a hop of its own account, direction and amount'
        using errcode = 'check_violation', constraint = 'ck_statement_decision_fits';
    end if;
  end if;
  return new;
end $$;
create trigger statement_decision_hands before insert or update on statement_decision
  for each row execute function hq_statement_decides();
"""

OWN_CENTRE = f"(hq_kind() = 'bridge_centre' and org_id = hq_org()) or {SYSTEM}"
OF_ROW = "exists (select 1 from statement_row r where r.id = row_id)"


def upgrade() -> None:
    run(TABLES)
    append_only("statement_file")
    guard("statement_file", see=OWN_CENTRE)
    append_only("statement_row")
    guard("statement_row", see=OWN_CENTRE)
    grant("statement_decision", "select, insert, update")
    guard("statement_decision", see=OF_ROW, change=OF_ROW)
