"""How far runs of scoring are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from app.core.calendar import now
from app.core.database import session
from app.credit.rules import PARAMETERS

_RUNS = text("""
    select r.id, r.cause, r.asked_at, r.firms, p.name as asked_by,
           coalesce(sum(cardinality(c.firm_ids)) filter (where c.done_at is not null), 0)::bigint as done,
           coalesce(sum(c.scored), 0)::bigint as scored, min(c.started_at) as started_at, max(c.done_at) as last_at
    from scoring_run r join scoring_chunk c on c.run_id = r.id left join person p on p.id = r.asked_by
    where r.id in (select id from scoring_run order by asked_at desc, id desc limit :limit)
    group by r.id, p.name order by r.asked_at desc, r.id desc
""")


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the page tells it. ``done`` of ``firms`` are behind, ``scored`` of those have a score."""

    id: UUID
    cause: str
    asked_at: datetime
    firms: int
    asked_by: str | None
    done: int
    scored: int
    started_at: datetime | None
    last_at: datetime | None

    @property
    def finished(self) -> bool:
        """Whether every firm is behind."""
        return self.done == self.firms

    @property
    def per_second(self) -> float | None:
        """Firms a second, from the start of the first chunk to the end of the last that is done; ``None`` before."""
        if self.started_at is None or self.last_at is None:
            return None
        return self.done / max((self.last_at - self.started_at).total_seconds(), 1e-3)

    @property
    def seconds_left(self) -> int | None:
        """At the speed so far; ``None`` before there is one, and when it is over."""
        speed = self.per_second
        return None if speed is None or self.finished else max(1, round((self.firms - self.done) / speed))

    def quiet(self, at: datetime | None = None) -> bool:
        """Whether it has waited long for its next chunk: no worker, or chunks that gave up."""
        since = self.last_at or self.asked_at
        return not self.finished and ((at or now()) - since).total_seconds() > PARAMETERS.run_quiet_seconds


def latest(limit: int = PARAMETERS.runs_shown) -> list[Run]:
    """The latest runs, newest first."""
    return [Run(*row) for row in session().execute(_RUNS, {"limit": limit})]
