"""What pages read of early warnings. Row-level security has the last word on who sees which row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text

from app.core.database import session
from app.core.models import Transition
from app.credit.warning_models import EarlyWarning, WarningConcern, WarningPolicy, WarningProposal
from app.credit.warning_states import ConcernState, ProposalState, WarningState
from app.identity.models import Organisation
from scoring.monitoring import wilson
from scoring.signals import SIGNAL, SignalParameters


def parameters_now() -> SignalParameters:
    """The thresholds that hold at this moment."""
    stored = session().scalar(select(WarningPolicy.parameters).order_by(WarningPolicy.valid_from.desc()).limit(1))
    if stored is None:
        return SIGNAL
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    return SignalParameters(**known)


def proposals(limit: int = 50) -> list[WarningProposal]:
    """Proposals of other thresholds, newest first."""
    return list(session().scalars(select(WarningProposal).order_by(WarningProposal.proposed_at.desc()).limit(limit)))


def waiting_proposal() -> WarningProposal | None:
    """The proposal that waits for a second person."""
    return session().scalar(select(WarningProposal).where(WarningProposal.state == ProposalState.PROPOSED.value))


def steps_of(proposal_ids: list[UUID]) -> dict[UUID, list[Transition]]:
    """Who proposed and who decided, with the reason, by proposal and in order, newest first."""
    steps: dict[UUID, list[Transition]] = {proposal_id: [] for proposal_id in proposal_ids}
    for row in session().scalars(select(Transition).where(
        Transition.subject_type == WarningProposal.__tablename__, Transition.subject_id.in_(proposal_ids),
    ).order_by(Transition.at.desc(), Transition.id.desc())):
        steps[row.subject_id].append(row)
    return steps


def concern_of(warning_id: UUID, org_id: UUID | None, *, lock: bool = False) -> WarningConcern | None:
    """The bank's own line on a warning."""
    found = select(WarningConcern).where(WarningConcern.warning_id == warning_id, WarningConcern.org_id == org_id)
    return session().scalar(found.with_for_update() if lock else found)


def for_bank() -> Select[*tuple[Any, ...]]:
    """Warnings on the bank's borrowers that it may read, with the firm's name and what the bank did."""
    return (
        select(
            EarlyWarning.id, EarlyWarning.kind, EarlyWarning.item_code, EarlyWarning.level, EarlyWarning.raised_at,
            EarlyWarning.as_of, EarlyWarning.answer, WarningConcern.state, WarningConcern.told_at,
            Organisation.name.label("firm"),
        )
        .join(WarningConcern, WarningConcern.warning_id == EarlyWarning.id)
        .join(Organisation, Organisation.id == EarlyWarning.firm_id)
    )


def for_firm(firm_id: UUID | None) -> Select[*tuple[Any, ...]]:
    """What is and was signalled about the firm itself."""
    return select(
        EarlyWarning.id, EarlyWarning.kind, EarlyWarning.item_code, EarlyWarning.level, EarlyWarning.raised_at,
        EarlyWarning.as_of, EarlyWarning.answer, EarlyWarning.state,
    ).where(EarlyWarning.firm_id == firm_id)


def waiting_for_bank(limit: int = 10) -> list[Any]:
    """Warnings that nobody of the bank has acknowledged, the worst first."""
    return list(session().execute(
        for_bank().where(WarningConcern.state == ConcernState.OPEN.value)
        .order_by(EarlyWarning.level.desc(), EarlyWarning.raised_at).limit(limit)
    ))


def unanswered(firm_id: UUID, limit: int = 5) -> list[Any]:
    """The firm's open warnings without its words, the worst first."""
    return list(session().execute(
        for_firm(firm_id).where(EarlyWarning.state == WarningState.OPEN.value, EarlyWarning.answer.is_(None))
        .order_by(EarlyWarning.level.desc(), EarlyWarning.raised_at).limit(limit)
    ))


def open_warnings_of(firm_id: UUID) -> list[UUID]:
    """Ids of the firm's open warnings, for a bank that has just become concerned."""
    return list(session().scalars(
        select(EarlyWarning.id).where(EarlyWarning.firm_id == firm_id, EarlyWarning.state == WarningState.OPEN.value)
        .order_by(EarlyWarning.id)
    ))


@dataclass(frozen=True)
class WarningWorth:
    """Warnings of a kind that reached a level: raised, of those with a known outcome, of those followed by a bad loan.

    ``low``, ``high``: 95 % Wilson interval of the precision; ``None`` without outcomes.
    """

    kind: str
    level: int
    raised: int
    known: int
    right: int

    @property
    def precision(self) -> float | None:
        """Share of the warnings with a known outcome that were followed by a bad loan."""
        return self.right / self.known if self.known else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the precision."""
        return wilson(self.right, self.known) if self.known else None


def worth(judged_days: int) -> list[WarningWorth]:
    """What warnings were worth, for the city: counts by kind and level, no firm."""
    rows = session().execute(select(text("*")).select_from(func.hq_warning_worth(judged_days)))
    return sorted((WarningWorth(*row) for row in rows), key=lambda one: (one.kind, -one.level))


def recall(judged_days: int) -> tuple[int, int]:
    """Bad loans, and those of them whose firm was warned of before."""
    row = session().execute(select(text("*")).select_from(func.hq_warning_recall(judged_days))).one()
    return row[0], row[1]
