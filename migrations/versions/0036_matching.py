"""Batches of needs for a list or a fair, and matching rounds over them: proposals that people decide on."""

from migrations.tools import OWN, SYSTEM, grant, guard, run

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

BATCH = """
create table need_batch (
  id uuid constraint pk_need_batch primary key,
  name text not null constraint ck_need_batch_name check (length(name) between 2 and 80),
  kind text not null constraint ck_need_batch_kind check (kind in ('list', 'fair')),
  limit_days bigint not null constraint ck_need_batch_limit_days check (limit_days between 1 and 365),
  made_by uuid not null constraint fk_need_batch_made_by references person,
  made_at timestamptz not null,
  constraint uq_need_batch_name unique (name)
);
create table batch_need (
  batch_id uuid not null constraint fk_batch_need_batch_id references need_batch,
  need_id uuid not null constraint fk_batch_need_need_id references need,
  added_at timestamptz not null,
  constraint pk_batch_need primary key (batch_id, need_id)
);
create index ix_batch_need_need_id on batch_need (need_id);
create table batch_bank (
  batch_id uuid not null constraint fk_batch_bank_batch_id references need_batch,
  org_id uuid not null,
  kind text not null default 'bank' constraint ck_batch_bank_kind check (kind = 'bank'),
  added_at timestamptz not null,
  constraint pk_batch_bank primary key (batch_id, org_id),
  constraint fk_batch_bank_org_id foreign key (org_id, kind) references organisation (id, kind)
);
create index ix_batch_bank_org_id on batch_bank (org_id);
"""

ROUND = """
create table matching_round (
  id uuid constraint pk_matching_round primary key,
  batch_id uuid not null constraint fk_matching_round_batch_id references need_batch,
  name text not null,
  state text not null constraint ck_matching_round_state check (state in ('DRAFT', 'COMPUTED', 'SHOWN', 'ENDED', 'DISCARDED')),
  params jsonb not null,
  terms_digest text constraint ck_matching_round_terms_digest check (length(terms_digest) = 64),
  input_digest text constraint ck_matching_round_input_digest check (length(input_digest) = 64),
  runs bigint,
  millis bigint,
  made_by uuid not null constraint fk_matching_round_made_by references person,
  made_at timestamptz not null,
  computed_at timestamptz,
  shown_at timestamptz,
  ended_at timestamptz,
  constraint ck_matching_round_computed check (
    state in ('DRAFT', 'DISCARDED') or (computed_at is not null and terms_digest is not null and input_digest is not null)),
  constraint ck_matching_round_shown check (state not in ('SHOWN', 'ENDED') or shown_at is not null),
  constraint ck_matching_round_ended check ((state in ('ENDED', 'DISCARDED')) = (ended_at is not null))
);
-- A batch has one proposal at a time, in the making or on show.
create unique index uq_matching_round_live on matching_round (batch_id) where state in ('DRAFT', 'COMPUTED', 'SHOWN');
create table matching_seat (
  round_id uuid not null constraint fk_matching_seat_round_id references matching_round,
  product_id uuid not null constraint fk_matching_seat_product_id references product,
  org_id uuid not null constraint fk_matching_seat_org_id references organisation,
  version bigint not null,
  seats bigint not null constraint ck_matching_seat_seats check (seats >= 0),
  reserved bigint not null,
  reserved_kept bigint not null,
  budget_fen bigint,
  taken bigint not null,
  granted_fen bigint not null,
  turned_away bigint not null,
  cutoff bigint,
  constraint pk_matching_seat primary key (round_id, product_id),
  constraint uq_matching_seat_bank unique (round_id, product_id, org_id),
  constraint fk_matching_seat_version foreign key (product_id, version) references product_version (product_id, version),
  constraint ck_matching_seat_reserved check (0 <= reserved_kept and reserved_kept <= reserved and reserved <= seats),
  constraint ck_matching_seat_taken check (taken between 0 and seats and turned_away >= 0),
  constraint ck_matching_seat_granted check (granted_fen >= 0 and (budget_fen is null or granted_fen <= budget_fen))
);
create table matching_need (
  round_id uuid not null constraint fk_matching_need_round_id references matching_round,
  need_id uuid not null constraint fk_matching_need_need_id references need,
  firm_id uuid not null constraint fk_matching_need_firm_id references enterprise,
  listed bigint not null constraint ck_matching_need_listed check (listed >= 0),
  passed jsonb not null constraint ck_matching_need_passed check (jsonb_typeof(passed) = 'array'),
  missed text constraint ck_matching_need_missed check (missed in ('NO_PRODUCT', 'ALL_FULL')),
  obstacles text[] not null,
  constraint pk_matching_need primary key (round_id, need_id),
  constraint uq_matching_need_firm unique (round_id, need_id, firm_id)
);
create index ix_matching_need_firm_id on matching_need (firm_id);
create table matching_pair (
  round_id uuid not null,
  need_id uuid not null,
  firm_id uuid not null,
  product_id uuid not null,
  org_id uuid not null,
  place bigint not null constraint ck_matching_pair_place check (place >= 1),
  in_reserve boolean not null,
  asked_fen bigint not null,
  granted_fen bigint not null,
  below_part boolean not null,
  reasons text[] not null,
  constraint pk_matching_pair primary key (round_id, need_id),
  constraint fk_matching_pair_need_id foreign key (round_id, need_id, firm_id)
    references matching_need (round_id, need_id, firm_id) on delete cascade,
  constraint fk_matching_pair_product_id foreign key (round_id, product_id, org_id)
    references matching_seat (round_id, product_id, org_id),
  constraint uq_matching_pair_place unique (round_id, product_id, place),
  constraint ck_matching_pair_granted check (0 < granted_fen and granted_fen <= asked_fen)
);
create index ix_matching_pair_org_id on matching_pair (org_id);
create index ix_matching_pair_firm_id on matching_pair (firm_id);

-- What was shown to firms and banks stays as it was shown.
create function hq_round_frozen() returns trigger language plpgsql security definer set search_path = public as $$
declare round uuid := case tg_op when 'DELETE' then old.round_id else new.round_id end;
begin
  if (select r.state from matching_round r where r.id = round) not in ('DRAFT', 'COMPUTED') then
    raise exception 'a round on show is not computed anew' using errcode = 'check_violation',
      constraint = 'ck_matching_round_frozen';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end $$;
create trigger seat_frozen before insert or update or delete on matching_seat for each row execute function hq_round_frozen();
create trigger need_frozen before insert or update or delete on matching_need for each row execute function hq_round_frozen();
create trigger pair_frozen before insert or update or delete on matching_pair for each row execute function hq_round_frozen();

create function hq_round_shown(round uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from matching_round r where r.id = $1 and r.state in ('SHOWN', 'ENDED')) $$;
-- The running bank has seats in it, or the running firm a need.
create function hq_round_ours(round uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from matching_seat s where s.round_id = $1 and s.org_id = hq_org() and hq_kind() = 'bank')
         or exists (select 1 from matching_need n where n.round_id = $1 and n.firm_id = hq_org()) $$;
"""


def upgrade() -> None:
    run(BATCH)
    run(ROUND)
    desk = "hq_kind() = 'platform'"
    staff = f"(select {SYSTEM} or hq_kind() in ('platform', 'bureau'))"
    grant("need_batch", "select, insert")
    guard("need_batch", see=staff, write=desk)
    for table in ("batch_need", "batch_bank"):
        grant(table, "select, insert, delete")
        guard(table, see=staff, write=desk, remove=desk)
    grant("matching_round", "select, insert, update (state, terms_digest, input_digest, runs, millis, computed_at, shown_at, "
          "ended_at, params)")
    guard("matching_round", see=f"{staff} or (state in ('SHOWN', 'ENDED') and hq_round_ours(id))", write=desk,
          change=f"{SYSTEM} or {desk}")
    own_bank = f"({OWN} and (select hq_kind()) = 'bank' and hq_round_shown(round_id))"
    own_firm = "(firm_id = hq_org() and hq_round_shown(round_id))"
    for table, others in (
        ("matching_seat", own_bank), ("matching_need", own_firm), ("matching_pair", f"{own_bank} or {own_firm}"),
    ):
        grant(table, "select, insert, delete")
        guard(table, see=f"{staff} or {others}", write=SYSTEM, remove=SYSTEM)
