"""Disputes: a firm says that something held about it is wrong, who delivered it checks and answers in writing in time.

征信业管理条例 art. 25: mark the item, check, answer within 20 days; 个人信息保护法 art. 46.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.audit import plain
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session, transaction
from app.core.errors import ErrorCode, NotFound, Refusal, constraint
from app.core.lifecycle import begin, fire
from app.core.notices import notify
from app.core.outbox import timed
from app.core.permissions import OrgKind, Permission
from app.core.storage import Stored, store_paper
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.evidence import correction_service
from app.evidence.correction_models import EvidenceDispute
from app.evidence.dispute_queries import check_on, platforms, providers_of_item, with_account_numbers
from app.evidence.dispute_rules import DISPUTE, DisputeState, Outcome, due_on, is_late
from app.evidence.dispute_states import DISPUTE_LIFE
from app.evidence.models import DataItem, Delivery
from app.evidence.rules import N_, DeliveryState
from app.evidence.shapes import SHAPES, Shape
from app.evidence.words import label_of
from app.identity.models import Organisation

constraint("uq_evidence_dispute_open", ErrorCode.DISPUTE_OPEN, "fact")
constraint("ck_evidence_dispute_claim", ErrorCode.REASON_NEEDED, "claim")
constraint("ck_evidence_dispute_answer", ErrorCode.REASON_NEEDED, "answer")

PAPER_KIND = "dispute"


@use_case(Permission.DISPUTE_FILE, "dispute.file", returns=EvidenceDispute)
def file_dispute(
    ctx: Context, item_code: str, claim: str, *, fact: str | None = None, wanted: str = "", provider_org_id: UUID | None = None,
    proof: tuple[Stored, str] | None = None,
) -> EvidenceDispute:
    """The firm disputes a fact in force (``fact`` as ``Shape.reference``), or a whole item and what is missing in it (``None``).

    ``provider_org_id`` says who shall check where several deliver a whole item; a fact knows who delivered it. ``proof``: a paper
    and its name. Raises ``Refusal``: NOT_VERIFIED, NOT_FOUND (also another firm's fact), STATE_CHANGED where a newer version
    stands, DISPUTE_OPEN, DISPUTE_NO_PROVIDER, REASON_NEEDED.
    """
    firm = get_or_404(Enterprise, ctx.org_id)
    if firm.state != "verified":
        raise Refusal(ErrorCode.NOT_VERIFIED)
    item = session().get(DataItem, item_code)
    if item is None or not item.active or item.code not in SHAPES:
        raise NotFound
    if not claim.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="claim")
    row = _row(ctx, SHAPES[item_code], fact) if fact else None
    provider = _deliverer(ctx, row["delivery_no"]) if row is not None else _checker(ctx, item_code, provider_org_id)
    label, due = label_of(item, row), due_on(today())
    dispute = EvidenceDispute(
        firm_id=firm.id, firm_name=ctx.org_name, firm_uscc=firm.uscc, item_code=item.code, provider_org_id=provider,
        fact=SHAPES[item_code].fact(row) if row is not None else None, shown=plain(dict(row)) if row is not None else {},
        label=label, claim=claim.strip(), wanted=wanted.strip() or None, state=DisputeState.ASKED.value, asked_at=now(),
        asked_by=ctx.actor_id, due_on=due, answered_at=None, answered_by=None, answer=None, delivery_id=None, deliver_by=None,
        corrected_at=None, withdrawn_at=None, withdrawn_by=None, escalated_at=None, next_check_at=check_on(due),
    )
    session().add(dispute)
    begin(ctx, DISPUTE_LIFE, dispute, event="ask")
    _keep(ctx, dispute, proof)
    about(dispute, item=item.code, fact=dispute.fact, provider=provider, due_on=due)
    with elevated(ctx, "dispute.file"):
        message = N_("%(firm)s 对“%(label)s”提出异议，请核查并在 %(day)s 前书面答复。")
        notify(provider, message, firm=ctx.org_name, label=label, day=due, path=f"/disputes/{dispute.id}")
    return dispute


def _row(ctx: Context, shape: Shape, reference: str) -> Mapping[str, Any]:
    try:
        statement = shape.named(reference)
    except (ValueError, TypeError, json.JSONDecodeError) as error:
        raise NotFound from error
    row = session().execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound
    if not row["current"]:
        raise Refusal(ErrorCode.STATE_CHANGED)
    return with_account_numbers(ctx, shape, [row])[0]


def _deliverer(ctx: Context, number: int) -> UUID:
    with elevated(ctx, "dispute.deliverer"):
        return session().scalars(select(Delivery.provider_org_id).where(Delivery.number == number)).one()


def _checker(ctx: Context, item_code: str, wanted: UUID | None) -> UUID:
    offered = [key for key, _ in providers_of_item(ctx, item_code)]
    if not offered:
        raise Refusal(ErrorCode.DISPUTE_NO_PROVIDER)
    if wanted is not None and wanted not in offered:
        raise NotFound
    if wanted is None and len(offered) > 1:
        raise Refusal(ErrorCode.INVALID, field="provider")
    return wanted or offered[0]


def _keep(ctx: Context, dispute: EvidenceDispute, proof: tuple[Stored, str] | None) -> None:
    if proof is not None:
        store_paper(ctx, subject_type=EvidenceDispute.__tablename__, subject_id=dispute.id, case_id=None, kind=PAPER_KIND,
                    filename=proof[1], stored=proof[0])


@use_case(Permission.DISPUTE_ANSWER, "dispute.answer", returns=EvidenceDispute)
def answer_dispute(
    ctx: Context, dispute_id: UUID, outcome: Outcome, answer: str, *, delivery_id: UUID | None = None,
    deliver_by: date | None = None, proof: tuple[Stored, str] | None = None,
) -> EvidenceDispute:
    """Who delivered the fact answers in writing: corrected (by a delivery that came, or one that will come by a day) or upheld.

    Raises ``Refusal``: NOT_FOUND for another provider's dispute, STATE_CHANGED, REASON_NEEDED without words, INVALID at
    ``delivery`` or DATE_OUT_OF_RANGE at ``deliver_by``. A late answer is taken all the same.
    """
    dispute = get_or_404(EvidenceDispute, dispute_id, lock=True)
    if dispute.provider_org_id != ctx.org_id:
        raise NotFound
    if not answer.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="answer")
    corrected = Outcome(outcome) is Outcome.CORRECTED
    if corrected:
        _promise(dispute, delivery_id, deliver_by)
    else:
        dispute.next_check_at = None
    dispute.answer, dispute.answered_at = answer.strip(), now()
    fire(ctx, DISPUTE_LIFE, dispute, "correct" if corrected else "uphold")
    _keep(ctx, dispute, proof)
    about(dispute, outcome=outcome, delivery=dispute.delivery_id, deliver_by=dispute.deliver_by,
          late=is_late(dispute.due_on, today()))
    with elevated(ctx, "dispute.answer"):
        yes, no = N_("“%(label)s”的异议已答复：资料已更正或将更正。"), N_("“%(label)s”的异议已答复：经核查，资料维持不变。")
        notify(dispute.firm_id, yes if corrected else no, label=dispute.label, path=f"/disputes/{dispute.id}")
        if dispute.corrected_at is not None:
            correction_service.record(dispute.firm_id, dispute.item_code, "dispute", dispute_id=dispute.id,
                                      delivery_id=dispute.delivery_id)
    return dispute


def _promise(dispute: EvidenceDispute, delivery_id: UUID | None, deliver_by: date | None) -> None:
    """The correction lies in a delivery that came after the dispute, or is promised for a day."""
    if delivery_id is not None:
        delivery = session().get(Delivery, delivery_id)
        if (delivery is None or delivery.provider_org_id != dispute.provider_org_id or delivery.item_code != dispute.item_code
                or delivery.state != DeliveryState.TAKEN_IN or delivery.created_at < dispute.asked_at):
            raise Refusal(ErrorCode.INVALID, field="delivery")
        dispute.delivery_id, dispute.corrected_at, dispute.next_check_at = delivery.id, now(), None
        return
    if deliver_by is None:
        raise Refusal(ErrorCode.INVALID, field="deliver_by")
    last = today() + timedelta(days=DISPUTE.deliver_days)
    if not today() <= deliver_by <= last:
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="deliver_by", low=today().isoformat(), high=last.isoformat())
    dispute.deliver_by, dispute.next_check_at = deliver_by, check_on(deliver_by + timedelta(days=1))


@use_case(Permission.DISPUTE_FILE, "dispute.withdraw", returns=EvidenceDispute)
def withdraw_dispute(ctx: Context, dispute_id: UUID) -> EvidenceDispute:
    """The firm takes its dispute back; the mark goes. Raises ``Refusal``: NOT_FOUND, STATE_CHANGED where it was answered."""
    dispute = get_or_404(EvidenceDispute, dispute_id, lock=True)
    if dispute.firm_id != ctx.org_id:
        raise NotFound
    dispute.withdrawn_at, dispute.next_check_at = now(), None
    fire(ctx, DISPUTE_LIFE, dispute, "withdraw")
    about(dispute)
    with elevated(ctx, "dispute.withdraw"):
        notify(dispute.provider_org_id, N_("%(firm)s 撤回了对“%(label)s”的异议，无需再答复。"), firm=ctx.org_name,
               label=dispute.label, path=f"/disputes/{dispute.id}")
    return dispute


@timed("evidence.disputes_due")
def disputes_due(ctx: Context) -> int:
    """Tells the desk on the last day, everybody once it is late, and of promises that were not kept."""
    with transaction(Context.of_system("ticker"), read_only=True):
        due = session().scalar(select(EvidenceDispute.id).where(EvidenceDispute.next_check_at <= now()).limit(1))
    return _escalate(ctx) if due is not None else 0


@use_case(Permission.DISPUTE_TICK, "dispute.escalate")
def _escalate(ctx: Context) -> int:
    rows = list(session().scalars(
        select(EvidenceDispute).where(EvidenceDispute.next_check_at <= now()).order_by(EvidenceDispute.next_check_at).limit(200)
        .with_for_update(skip_locked=True)
    ))
    desk = platforms()
    for dispute in rows:
        _remind(dispute, desk)
    about(disputes=[row.id for row in rows])
    return len(rows)


def _remind(dispute: EvidenceDispute, desk: list[UUID]) -> None:
    provider = session().scalars(select(Organisation.name).where(Organisation.id == dispute.provider_org_id)).one()
    words: dict[str, Any] = {"label": dispute.label, "firm": dispute.firm_name, "provider": provider}
    dispute.escalated_at, dispute.next_check_at = dispute.escalated_at or now(), None
    if dispute.state == DisputeState.ANSWERED_CORRECTED:
        to, message = [*desk, dispute.provider_org_id], N_("%(provider)s 答应更正“%(label)s”（%(firm)s），到期还没有交来。")
    elif is_late(dispute.due_on, today()):
        to = [*desk, dispute.provider_org_id, dispute.firm_id]
        message = N_("%(firm)s 对“%(label)s”的异议已超过答复期限，%(provider)s 仍未答复。")
    else:
        dispute.next_check_at = check_on(dispute.due_on + timedelta(days=1))
        to, message = [*desk, dispute.provider_org_id], N_("%(firm)s 对“%(label)s”的异议今天到期，%(provider)s 还没有答复。")
    for org_id in to:
        notify(org_id, message, path=f"/disputes/{dispute.id}", **words)


def may_dispute(ctx: Context) -> bool:
    """Whether a page shows the way to a dispute."""
    return ctx.org_kind is OrgKind.ENTERPRISE and ctx.can(Permission.DISPUTE_FILE)
