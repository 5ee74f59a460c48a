"""Bad loans are few among all: the cockpit asks which of them nobody has claimed, and no longer reads every loan for it."""

from migrations.tools import run

revision = "0083"
down_revision = "0082"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("create index ix_loan_bad on loan (five_class) where five_class in ('SUBSTANDARD', 'DOUBTFUL', 'LOSS')")
