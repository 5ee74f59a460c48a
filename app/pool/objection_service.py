"""Use cases of objections to a published compensation: anybody makes one, the city answers it in writing.

While one is open nothing is paid. One that is upheld takes the decision back: the money is released and the claim is decided
anew. Source: risk-compensation paper §5 (公示, objections recorded) [P].
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.lifecycle import fire, refusal
from app.core.notices import notify
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.identity.models import Organisation
from app.pool.claim_steps import tell_bank
from app.pool.decision_models import ClaimObjection, ObjectionState, Publicity
from app.pool.decision_service import take_back
from app.pool.models import Claim
from app.pool.states import CLAIM

constraint("ck_claim_objection_in_time", ErrorCode.OBJECTION_CLOSED)
constraint("ck_claim_objection_frozen", ErrorCode.OBJECTION_ANSWERED)
constraint("ck_claim_objection_two_people", ErrorCode.SAME_PERSON)

DOOR = Context.of_system("objection")
"""Whoever objects is signed in nowhere: the portal itself writes it down."""


@dataclass(frozen=True)
class Grounds:
    """Who objects, how they are reached, and why."""

    objector: str
    contact: str
    text: str


def object_to(ctx: Context, publicity_id: UUID, grounds: Grounds) -> str:
    """Records an objection and returns the code under which its answer is read. Raises ``Refusal(OBJECTION_CLOSED)``.

    A form that comes twice makes one objection: its code follows from the form's own token.
    """
    seed = ctx.token or secrets.token_hex(16)
    code = hashlib.sha256(f"objection:{publicity_id}:{seed}".encode()).hexdigest()[:20]
    ctx.require(Permission.CLAIM_OBJECT)
    _object(DOOR.with_token(ctx.token), publicity_id, grounds, code)
    return code


@use_case(Permission.CLAIM_OBJECT, "claim.object", returns=ClaimObjection)
def _object(ctx: Context, publicity_id: UUID, grounds: Grounds, code: str) -> ClaimObjection:
    published = get_or_404(Publicity, publicity_id)
    if published.ended_at is not None or not published.from_on <= today() <= published.until_on:
        raise Refusal(ErrorCode.OBJECTION_CLOSED)
    made = ClaimObjection(
        publicity_id=published.id, claim_id=published.claim_id, case_id=published.case_id, org_id=published.org_id,
        code_sha256=_digest(code), objector=grounds.objector.strip(), contact=grounds.contact.strip(),
        grounds=grounds.text.strip(), made_at=now(), state=ObjectionState.OPEN.value, answer=None, answered_by=None,
        answered_at=None,
    )
    session().add(made)
    session().flush()
    for bureau_id in session().scalars(select(Organisation.id).where(Organisation.kind == "bureau")):
        notify(bureau_id, N_("公示 %(number)s 收到异议，请答复；答复之前不支付。"), path=f"/claims/{published.claim_id}",
               number=published.number)
    about(made, number=published.number)
    return made


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.strip().lower().encode()).digest()


@use_case(Permission.CLAIM_CHECK, "claim.answer_objection", returns=ClaimObjection)
def answer_objection(ctx: Context, objection_id: UUID, upheld: bool, answer: str) -> ClaimObjection:
    """Answers an objection in writing; whoever decided the claim does not. Upheld, the claim is decided anew.

    Raises ``Refusal(REASON_NEEDED)``, ``Refusal(OBJECTION_ANSWERED)``, ``Refusal(SAME_PERSON)``.
    """
    objection = get_or_404(ClaimObjection, objection_id)
    claim = get_or_404(Claim, objection.claim_id, lock=True)
    objection = get_or_404(ClaimObjection, objection_id, lock=True)
    if objection.state != ObjectionState.OPEN:
        raise Refusal(ErrorCode.OBJECTION_ANSWERED)
    if not answer.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    if claim.decider_id == ctx.actor_id:
        raise Refusal(ErrorCode.SAME_PERSON)
    objection.state = (ObjectionState.UPHELD if upheld else ObjectionState.DISMISSED).value
    objection.answer, objection.answered_by, objection.answered_at = answer.strip(), ctx.actor_id, now()
    session().flush()
    # A second upheld objection finds the decision already taken back.
    if upheld and refusal(ctx, CLAIM, claim, "uphold") is None:
        fire(ctx, CLAIM, claim, "uphold", reason=answer)
        take_back(claim)
        tell_bank(ctx, claim, N_("公示期内的异议成立，补偿申请重新审定。"))
    about(claim, objection_id=objection.id, upheld=upheld)
    return objection


def objection_by_code(ctx: Context, code: str) -> tuple[ClaimObjection, Publicity]:
    """An objection and what it objected to, for whoever holds its code. Call inside a reading. Raises ``Refusal(NOT_FOUND)``."""
    with elevated(ctx, "objection"):
        found = session().scalar(select(ClaimObjection).where(ClaimObjection.code_sha256 == _digest(code)))
        if found is None:
            raise Refusal(ErrorCode.NOT_FOUND)
        return found, get_or_404(Publicity, found.publicity_id)
