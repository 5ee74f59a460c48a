"""How many firms have which score: the database adds a row for each change, and here the rows are added up now and then."""

from __future__ import annotations

from sqlalchemy import text

from app.core.context import Context
from app.core.database import transaction
from app.core.outbox import timed

_ADD_UP = text("select hq_add_up_scores(0)")


@timed("credit.score_counts")
def add_up_scores(ctx: Context) -> int:
    """Adds up the counts where there are new ones, and works out the place of each score, so that pages look it up; until then
    they count. Returns how many rows went. No business event: no use case."""
    with transaction(ctx) as unit:
        return int(unit.session.scalar(_ADD_UP) or 0)
