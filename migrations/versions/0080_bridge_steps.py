"""Who reads the steps of a bridge: its own organisations, and the bureau. A second application for a note is a trouble.

A case may hold several bridges, and a bridge may move to another funder: whoever was a party of the case before learns no more
of what follows than of the bridge itself, and no funder reads who else has made an offer. Holds are told to the firm, the funder
and the centre, as their rows are.
"""

from migrations.tools import APP, once, run

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None

TABLES = ("bridge", "bridge_trouble", "bridge_claim", "fund_hold")
# Each look at a table passes that table's own policies.
SEEN = " ".join(f"when '{table}' then exists (select 1 from {table} one where one.id = subject_id)" for table in TABLES)

# A second application for a note that has a bridge is a kind of trouble too, beside those that stand in the check.
DOUBLED = """
do $$ declare told text;
begin
  select pg_get_constraintdef(oid) into strict told from pg_constraint where conname = 'ck_bridge_trouble_kind';
  alter table bridge_trouble drop constraint ck_bridge_trouble_kind;
  execute 'alter table bridge_trouble add constraint ck_bridge_trouble_kind '
    || regexp_replace(told, '^CHECK \\((.*)\\)$', 'check ((\\1) or kind = ''DOUBLED'')');
end $$;
"""


def upgrade() -> None:
    kept = once(f"hq_kind() not in ('bank', 'funder') or org_id = hq_org() or (case subject_type {SEEN} else true end "
                "and not (subject_type = 'bridge' and event = 'offer' and hq_kind() = 'funder'))")
    run(f"create policy own_bridges on transition as restrictive for select to {APP} using ({kept})")
    seen = once(f"subject_type in {TABLES} and hq_kind() in ('bridge_centre', 'bureau')")
    run(f"create policy see_bridge_steps on transition for select to {APP} using ({seen})")
    run("drop policy see_bridge_trouble on transition")
    run(DOUBLED)
