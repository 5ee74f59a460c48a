"""The centre's desk: who of the centre looks after a bridge."""

from migrations.tools import OWN, SYSTEM, grant, guard, run

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None

DESK = """
create table bridge_keeper (
  id uuid constraint pk_bridge_keeper primary key,
  bridge_id uuid not null constraint fk_bridge_keeper_bridge_id references bridge,
  org_id uuid not null constraint fk_bridge_keeper_org_id references organisation,
  person_id uuid not null constraint fk_bridge_keeper_person_id references person,
  since timestamptz not null,
  given_by uuid,
  ended_at timestamptz,
  constraint ck_bridge_keeper_times check (ended_at >= since)
);
create unique index uq_bridge_keeper_live on bridge_keeper (bridge_id, org_id) where ended_at is null;
create index ix_bridge_keeper_person_id on bridge_keeper (person_id) where ended_at is null;
"""


def upgrade() -> None:
    run(DESK)
    grant("bridge_keeper", "select, insert, update (ended_at)")
    guard("bridge_keeper", see=f"{OWN} or {SYSTEM}", write=f"{OWN} and hq_kind() = 'bridge_centre' or {SYSTEM}",
          change=f"{OWN} or {SYSTEM}")
