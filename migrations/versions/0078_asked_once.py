"""Policies ask who is there once a statement instead of once a row; what each of them lets through stays as it was.

The planner no longer knows the answer beforehand and counts on more rows than a firm or a bank sees, so that it is told what the
functions of policies that look into other tables cost: some 50 µs a row, not the 0.25 of a page that it assumes. Otherwise it
would rather read all organisations, and ask of each who may know it, than look up the few that it needs.
"""

from alembic import op
from sqlalchemy import text

from migrations.tools import once, run

revision = "0078"
down_revision = "0076"
branch_labels = None
depends_on = None

POLICIES = text("""
select format('%I on %I.%I', policyname, schemaname, tablename) as policy, qual as using, with_check as "with check"
from pg_policies where schemaname = 'public'
""")

FUNCTIONS = text("""
select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace and proname like 'hq\\_%'
  and prosecdef and pronargs > 0 and prorettype = 'boolean'::regtype
""")
COST = 2000


def upgrade() -> None:
    for function in op.get_bind().execute(FUNCTIONS).scalars().all():
        run(f"alter function {function} cost {COST}")
    for found in op.get_bind().execute(POLICIES).mappings().all():
        parts = [f"{word} ({once(found[word])})" for word in ("using", "with check") if found[word] is not None]
        if any(once(found[word]) != found[word] for word in ("using", "with check") if found[word] is not None):
            run(f"alter policy {found['policy']} {' '.join(parts)}")
