"""Early warnings after lending (贷后预警), the banks they concern, what became of loans, and the thresholds in force."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class EarlyWarning(Identified, Base):
    """What is signalled about a firm from one item. At most one of a kind and item is open.

    ``kind``, ``level`` (1 黄, 2 橙, 3 红) and ``facts`` as in ``scoring.signal_words``; ``worst_level``: the highest it reached;
    ``as_of``: the day the data told about. ``close_reason``: gone (the data signal it no longer) or no_consent (then no facts are
    kept). ``answer``: the firm's own words, shown to whoever reads the warning.
    """

    __tablename__ = "early_warning"
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    item_code: Mapped[str] = mapped_column(ForeignKey("data_item.code"))
    kind: Mapped[str]
    level: Mapped[int]
    worst_level: Mapped[int]
    raised_at: Mapped[datetime]
    as_of: Mapped[date]
    facts: Mapped[list[Any]]
    state: Mapped[str]
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None]
    answer: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]


class WarningConcern(Identified, Base):
    """A bank that a warning concerns, through the case of a running loan; ``ended_at``: since when none runs any more."""

    __tablename__ = "warning_concern"
    warning_id: Mapped[UUID] = mapped_column(ForeignKey("early_warning.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    state: Mapped[str]
    told_at: Mapped[datetime]
    note: Mapped[str | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]


class LoanOutcome(Base):
    """What became of a loan, as ``loans`` told it: bad, or repaid in full. A bad loan stays bad."""

    __tablename__ = "loan_outcome"
    loan_id: Mapped[UUID] = mapped_column(primary_key=True)
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    bad: Mapped[bool]
    told_on: Mapped[date]


class WarningPolicy(Identified, Base):
    """Thresholds of the signals from a moment on; the latest holds. ``parameters``: fields of ``SignalParameters``."""

    __tablename__ = "warning_policy"
    valid_from: Mapped[datetime]
    parameters: Mapped[dict[str, Any]]
    proposal_id: Mapped[UUID | None] = mapped_column(ForeignKey("warning_proposal.id"))


class WarningProposal(Identified, Base):
    """Other thresholds that somebody proposes. ``state``: warning_states.ProposalState; at most one waits at a time.

    ``changes``: name of a field of ``SignalParameters`` → [value before, value proposed].
    """

    __tablename__ = "warning_proposal"
    changes: Mapped[dict[str, Any]]
    reason: Mapped[str]
    state: Mapped[str]
    proposed_at: Mapped[datetime]
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
