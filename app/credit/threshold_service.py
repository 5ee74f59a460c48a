"""Other thresholds of early warnings: proposed by one person with a reason, in force on another one's word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.credit.thresholds import changed, sound
from app.credit.warning_models import WarningPolicy, WarningProposal
from app.credit.warning_queries import parameters_now
from app.credit.warning_states import PROPOSAL_LIFE, ProposalState
from scoring.signals import SignalParameters

constraint("uq_warning_proposal_open", ErrorCode.ALREADY_DONE)
constraint("ck_warning_proposal_two_persons", ErrorCode.SAME_PERSON)
constraint("ck_warning_proposal_reason", ErrorCode.REASON_NEEDED, "reason")
constraint("ck_warning_proposal_hands", ErrorCode.STATE_CHANGED)


@use_case(Permission.WARNING_PROPOSE, "warning.propose_thresholds", returns=WarningProposal)
def propose(ctx: Context, parameters: SignalParameters, reason: str) -> WarningProposal:
    """Proposes other thresholds; they change nothing yet. One proposal waits at a time.

    Raises ``Refusal``: INVALID (at the field that cannot be; without a field where nothing changes), REASON_NEEDED, ALREADY_DONE.
    """
    assert ctx.actor_id is not None
    if (wrong := sound(parameters)) is not None:
        raise Refusal(ErrorCode.INVALID, field=wrong)
    changes = changed(parameters_now(), parameters)
    if not changes:
        raise Refusal(ErrorCode.INVALID)
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    proposal = WarningProposal(
        changes=changes, reason=reason.strip(), state=ProposalState.PROPOSED.value, proposed_at=now(), proposed_by=ctx.actor_id,
    )
    session().add(proposal)
    begin(ctx, PROPOSAL_LIFE, proposal, event="propose")
    about(proposal, changes=_told(changes))
    return proposal


def decide(ctx: Context, proposal_id: UUID, event: str, reason: str) -> WarningProposal:
    """Confirms or refuses a proposal, or takes one's own back. What is confirmed counts when a firm is next computed.

    Raises ``Refusal`` (FORBIDDEN, SAME_PERSON, STATE_CHANGED, REASON_NEEDED), ``NotFound``.
    """
    return (withdraw if event == "withdraw" else judge)(ctx, proposal_id, event, reason)


@use_case(Permission.WARNING_DECIDE, "warning.judge_thresholds", returns=WarningProposal)
def judge(ctx: Context, proposal_id: UUID, event: str, reason: str) -> WarningProposal:
    """The second person's word."""
    proposal = _move(ctx, proposal_id, event, reason)
    if proposal.state == ProposalState.CONFIRMED:
        values: dict[str, Any] = asdict(parameters_now())
        values |= {name: after for name, (_, after) in proposal.changes.items()}
        with elevated(ctx, "warning.policy"):
            session().add(WarningPolicy(valid_from=now(), parameters=values, proposal_id=proposal.id))
            session().flush()
    return proposal


@use_case(Permission.WARNING_PROPOSE, "warning.withdraw_thresholds", returns=WarningProposal)
def withdraw(ctx: Context, proposal_id: UUID, event: str, reason: str) -> WarningProposal:
    """Takes one's own proposal back."""
    return _move(ctx, proposal_id, event, reason)


def _move(ctx: Context, proposal_id: UUID, event: str, reason: str) -> WarningProposal:
    proposal = get_or_404(WarningProposal, proposal_id, lock=True)
    fire(ctx, PROPOSAL_LIFE, proposal, event, reason=reason)
    about(proposal, event=event, changes=_told(proposal.changes))
    return proposal


def _told(changes: Mapping[str, Any]) -> str:
    """For the audit log, which takes no fractions as floats."""
    return "; ".join(f"{name}: {before} -> {after}" for name, (before, after) in sorted(changes.items()))
