"""The bureau reads the steps of a difference between a bank's list and the portal: it may end one."""

from migrations.tools import APP, run

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(f"create policy see_difference on transition for select to {APP} "
        "using (subject_type = 'pool_difference' and hq_kind() = 'bureau')")
