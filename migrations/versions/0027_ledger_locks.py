"""Accounts are locked without their keys: two transfers that began at the same moment no longer wait for each other for ever.

The key of an account is held by every transfer that names it (a foreign key takes that lock, and takes it before the trigger
runs), so that two at once, each wanting the whole row, stood in each other's way.
"""

from migrations.tools import run

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("""
    do $$ begin
      execute replace(
        pg_get_functiondef('hq_ledger_post()'::regprocedure), 'order by id for update', 'order by id for no key update');
    end $$;
    """)
