"""The day of a bridge's approval, for the monthly reports."""

from migrations.tools import run

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("""
alter table bridge add column approved_on date;
update bridge b set approved_on = (t.at at time zone 'Asia/Shanghai')::date
  from transition t where t.subject_type = 'bridge' and t.subject_id = b.id and t.event = 'approve';
alter table bridge add constraint ck_bridge_approved_on
  check (state not in ('APPROVED', 'SIGNED') or approved_on is not null);
""")
