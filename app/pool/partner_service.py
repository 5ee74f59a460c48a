"""Partners of the pool: agreements of banks and guarantors with the city, on two people's word.

Only a loan drawn while its partner's agreement runs is booked (risk-compensation paper §4 [P]). What was signed is not rewritten:
a new agreement follows the old one, and one that ends early says when and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.notices import notify
from app.core.outbox import timed
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, reading, use_case
from app.identity.models import Organisation
from app.pool.judging import rule_set_on
from app.pool.models import Agreement
from app.pool.partner_states import AGREEMENT, PartnerState
from app.pool.positions import morning
from app.pool.rules import Mode, RuleSet

constraint("uq_pool_agreement_document_no", ErrorCode.AGREEMENT_EXISTS, "document_no")
constraint("ck_pool_agreement_two_persons", ErrorCode.SAME_PERSON)
constraint("ck_pool_agreement_hands", ErrorCode.STATE_CHANGED)

MODE_OF_KIND = {OrgKind.BANK: Mode.BANK, OrgKind.GUARANTOR: Mode.GUARANTEE}
"""Which mode a kind of partner takes part in."""


@dataclass(frozen=True)
class AgreementTerms:
    """What stands in an agreement: number, first and last day (None: open-ended), who signed for whom and when, and the least
    share of a loss (a fraction) that the partner bears itself, where one was agreed."""

    document_no: str
    valid_from: date
    valid_to: date | None
    partner_signer: str
    city_signer: str
    signed_on: date
    own_share: Decimal | None = None


@use_case(Permission.POOL_PROPOSE, "pool.draft_agreement", returns=Agreement)
def draft_agreement(ctx: Context, partner_id: UUID, terms: AgreementTerms) -> Agreement:
    """Drafts an agreement with a bank or a guarantor; it counts for nothing until a second person signs it off.

    Raises ``Refusal``: NOT_FOUND for another kind of organisation, DATE_OUT_OF_RANGE, AGREEMENT_EXISTS.
    """
    partner = get_or_404(Organisation, partner_id)
    mode = MODE_OF_KIND.get(OrgKind(partner.kind))
    if mode is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    if terms.valid_to is not None and terms.valid_to < terms.valid_from:
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="valid_to", low=terms.valid_from.isoformat(), high="9999-12-31")
    agreement = Agreement(
        org_id=partner_id, mode=mode.value, document_no=terms.document_no.strip(), valid_from=terms.valid_from,
        valid_to=terms.valid_to, own_share=terms.own_share, partner_signer=terms.partner_signer.strip(),
        city_signer=terms.city_signer.strip(), signed_on=terms.signed_on, state=PartnerState.PROPOSED.value,
        proposed_by=ctx.actor_id, proposed_at=now(),
    )
    session().add(agreement)
    begin(ctx, AGREEMENT, agreement, event="propose")
    about(agreement, partner_id=partner_id, valid_from=terms.valid_from)
    return agreement


def decide_agreement(ctx: Context, agreement_id: UUID, event: str, reason: str) -> Agreement:
    """The second person's word (``confirm``, ``refuse``), or one's own draft taken back (``withdraw``)."""
    return (withdraw_agreement if event == "withdraw" else judge_agreement)(ctx, agreement_id, event, reason)


@use_case(Permission.POOL_PROPOSE, "pool.withdraw_agreement", returns=Agreement)
def withdraw_agreement(ctx: Context, agreement_id: UUID, event: str, reason: str) -> Agreement:
    """Takes one's own draft back."""
    return _decide(ctx, agreement_id, event, reason)


@use_case(Permission.POOL_FUND, "pool.judge_agreement", returns=Agreement)
def judge_agreement(ctx: Context, agreement_id: UUID, event: str, reason: str) -> Agreement:
    """Signed off, it counts from its first day. Raises ``Refusal`` (SAME_PERSON, STATE_CHANGED, REASON_NEEDED)."""
    agreement = _decide(ctx, agreement_id, event, reason)
    if event == "confirm":
        agreement.next_check_at = _next_reminder(agreement, today())
        _tell(ctx, agreement, N_("与市里的合作协议 %(number)s 已签署，有效期内放款的贷款可以入库。"))
    return agreement


def _tell(ctx: Context, agreement: Agreement, message: str, **params: Any) -> None:
    with elevated(ctx, "pool"):
        notify(agreement.org_id, message, path=_path(agreement), number=agreement.document_no, **params)


def _path(agreement: Agreement) -> str:
    return f"/pool/partners/{agreement.id}"


def _decide(ctx: Context, agreement_id: UUID, event: str, reason: str) -> Agreement:
    agreement = get_or_404(Agreement, agreement_id, lock=True)
    fire(ctx, AGREEMENT, agreement, event, reason=reason)
    about(agreement, event=event)
    return agreement


@use_case(Permission.POOL_FUND, "pool.end_agreement", returns=Agreement)
def end_agreement(ctx: Context, agreement_id: UUID, last_day: date, reason: str) -> Agreement:
    """Ends an agreement before its time: ``last_day`` is the last on which a loan drawn may be booked, today at the earliest.

    Raises ``Refusal``: DATE_OUT_OF_RANGE, STATE_CHANGED, REASON_NEEDED.
    """
    agreement = get_or_404(Agreement, agreement_id, lock=True)
    low = max(today(), agreement.valid_from)
    if last_day < low or (agreement.valid_to is not None and last_day > agreement.valid_to):
        high = agreement.valid_to.isoformat() if agreement.valid_to else "9999-12-31"
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="last_day", low=low.isoformat(), high=high)
    agreement.ended_on, agreement.next_check_at = last_day, None
    fire(ctx, AGREEMENT, agreement, "end", reason=reason)
    message = N_("与市里的合作协议 %(number)s 将在 %(day)s 后终止，之后放款的贷款不能入库。")
    _tell(ctx, agreement, message, day=last_day.isoformat())
    about(agreement, last_day=last_day)
    return agreement


# --- reminders ------------------------------------------------------------------------------------------------------------


def _next_reminder(agreement: Agreement, from_day: date) -> datetime | None:
    """The morning of the next reminder from a day on (``agreement_reminder_days`` before the last day), or None."""
    stored = rule_set_on(today())
    if agreement.valid_to is None or stored is None:
        return None
    days = RuleSet.from_json(stored.rules).agreement_reminder_days
    last = agreement.valid_to
    return min((morning(day) for n in days if (day := last - timedelta(days=n)) >= from_day), default=None)


@timed("pool.agreements")
def remind_expiring(ctx: Context) -> int:
    """Reminds of agreements that run out; returns how many."""
    with reading(ctx, Permission.CLAIM_TICK) as db:
        due = list(db.scalars(select(Agreement.id).where(Agreement.next_check_at <= now()).limit(200)))
    for agreement_id in due:
        remind_agreement(ctx, agreement_id)
    return len(due)


@use_case(Permission.CLAIM_TICK, "pool.remind_agreement", returns=Agreement)
def remind_agreement(ctx: Context, agreement_id: UUID) -> Agreement:
    """One reminder, to the partner and to the city; silent where the partner has a later agreement already."""
    agreement = get_or_404(Agreement, agreement_id, lock=True)
    if agreement.next_check_at is None or agreement.next_check_at > now() or agreement.valid_to is None:
        return agreement
    follows = session().scalar(select(Agreement.id).where(
        Agreement.org_id == agreement.org_id, Agreement.state == PartnerState.CONFIRMED, Agreement.id != agreement.id,
        Agreement.valid_from <= agreement.valid_to + timedelta(days=1),
        Agreement.valid_to.is_(None) | (Agreement.valid_to > agreement.valid_to),
    ).limit(1))
    if follows is None:
        partner = get_or_404(Organisation, agreement.org_id).name
        told: dict[str, Any] = {"number": agreement.document_no, "day": agreement.valid_to.isoformat()}
        notify(agreement.org_id, N_("合作协议 %(number)s 将在 %(day)s 到期，之后放款的贷款不能入库，请联系金融局续签。"),
               path=_path(agreement), **told)
        for bureau_id in session().scalars(select(Organisation.id).where(Organisation.kind == OrgKind.BUREAU.value)):
            notify(bureau_id, N_("%(partner)s的合作协议 %(number)s 将在 %(day)s 到期。"),
                   path=_path(agreement), partner=partner, **told)
    agreement.next_check_at = None if follows is not None else _next_reminder(agreement, today() + timedelta(days=1))
    about(agreement, valid_to=agreement.valid_to, followed=follows is not None)
    return agreement
