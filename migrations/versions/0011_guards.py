"""Guards of the ledger and of what an offline loan tells."""

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in below."""
