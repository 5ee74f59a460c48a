"""Push: keys of data providers, and the nonces that make a request good for once."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = """
create table provider_key (
  id uuid constraint pk_provider_key primary key,
  provider_org_id uuid not null,
  provider_kind text not null constraint ck_provider_key_provider_kind check (provider_kind = 'data_provider'),
  key_id text not null constraint uq_provider_key_key_id unique,
  secret bytea not null,
  label text not null constraint ck_provider_key_label check (length(label) between 1 and 40),
  created_at timestamptz not null,
  created_by uuid,
  last_used_at timestamptz,
  revoked_at timestamptz,
  revoked_by uuid,
  constraint fk_provider_key_provider_org_id foreign key (provider_org_id, provider_kind) references organisation (id, kind),
  constraint ck_provider_key_key_id check (key_id ~ '^hqk_[0-9a-f]{16}$'),
  constraint ck_provider_key_revoked check (revoked_by is null or revoked_at is not null)
);
create unique index uq_provider_key_label on provider_key (provider_org_id, label) where revoked_at is null;

-- The primary key is what refuses a request that was heard before.
create table provider_nonce (
  key_id uuid not null constraint fk_provider_nonce_key_id references provider_key,
  nonce text not null constraint ck_provider_nonce_nonce check (length(nonce) between 16 and 64),
  at timestamptz not null,
  constraint pk_provider_nonce primary key (key_id, nonce)
);
create index ix_provider_nonce_at on provider_nonce (at);

-- A key that was revoked stays so, and no key changes hands or secret.
create function hq_key_stays() returns trigger language plpgsql as $$
begin
  if old.revoked_at is not null and (new.revoked_at, new.revoked_by) is distinct from (old.revoked_at, old.revoked_by) then
    raise exception 'key % was revoked', old.key_id using errcode = 'check_violation', constraint = 'ck_provider_key_stays';
  end if;
  return new;
end $$;
create trigger key_stays before update on provider_key for each row execute function hq_key_stays();
"""

# Repeats of a push are known by the provider's own word; no other provider's identity may read or guess them.
MINE = (
    "case when hq_actor() is not null then owner = hq_actor()::text "
    "when owner ~ '^push:' then owner = 'push:' || hq_org()::text else owner !~ '^[0-9a-f]{8}-' end"
)


def upgrade() -> None:
    run(TABLES)
    own = f"provider_org_id = hq_org() or {SYSTEM}"
    grant("provider_key", "select, insert, update (last_used_at, revoked_at, revoked_by)")
    guard("provider_key", see=own, write=own, change=own)
    grant("provider_nonce", "select, insert, delete")
    guard("provider_nonce", see=SYSTEM, write=SYSTEM, remove=SYSTEM)
    run(f"alter policy see on idempotency using ({MINE})")
    run(f"alter policy write on idempotency with check ({MINE})")
    run(f"alter policy change on idempotency using ({MINE}) with check ({MINE})")
