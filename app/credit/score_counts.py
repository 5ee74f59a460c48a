"""How many firms have which score: the database adds a row for each change, and here the rows are added up now and then."""

from __future__ import annotations

from sqlalchemy import text

from app.core.context import Context
from app.core.database import transaction
from app.core.outbox import timed

MOST_ROWS = 5_000
"""Rows of counts that lie there before they are added up: about as many as scores that firms have, ten times over."""

_ADD_UP = text("select hq_add_up_scores(:most)")


@timed("credit.score_counts")
def add_up_scores(ctx: Context) -> int:
    """Adds up the counts where they have become many rows; returns how many went."""
    return add_up(MOST_ROWS)


def add_up(most: int) -> int:
    """Adds up the counts where there are more than ``most`` rows; returns how many went. No business event: no use case."""
    with transaction(Context.of_system("ticker")) as unit:
        return int(unit.session.scalar(_ADD_UP, {"most": most}) or 0)
