"""Consents and looks: what may be read, by whom, until when; and the record of every reading. Deliveries: delivery_service."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire, fire_many, role_of
from app.core.models import Case
from app.core.notices import notify
from app.core.outbox import emit, timed
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.evidence.delivery_service import (
    Busy as Busy,
)
from app.evidence.delivery_service import (
    export_quarantine as export_quarantine,
)
from app.evidence.delivery_service import (
    import_delivery as import_delivery,
)
from app.evidence.delivery_service import (
    receive_delivery as receive_delivery,
)
from app.evidence.delivery_service import (
    receive_delivery_for as receive_delivery_for,
)
from app.evidence.delivery_service import (
    retry_delivery as retry_delivery,
)
from app.evidence.delivery_service import (
    withdraw_delivery as withdraw_delivery,
)
from app.evidence.models import Consent, ConsentText, DataItem, EvidenceLook
from app.evidence.queries import InvoiceSummary, has_consent, invoice_summary
from app.evidence.rules import CONSENT, LOOK, N_, ConsentState, Purpose, consent_words
from app.evidence.states import CONSENT_LIFE
from app.identity.models import Organisation

constraint("uq_consent_one_active", ErrorCode.STATE_CHANGED)

PORTAL_WORDS = "本平台（计算信用画像）"
PRE_APPROVAL_WORDS = "预授信，尚未提出具体需求"


def consent_text_for(
    ctx: Context, item_codes: Sequence[str], receivers: Sequence[UUID | None], *, days: int = CONSENT.default_days,
    purpose: Purpose = Purpose.PRE_APPROVAL, case_id: UUID | None = None,
) -> tuple[ConsentText, str]:
    """The text in force and its words for these choices, to be read before signing. Call inside ``reading`` or a use case.

    ``days``: how long it holds. Raises ``Refusal``: INVALID at the field that is empty or out of range, NOT_FOUND.
    """
    if not item_codes:
        raise Refusal(ErrorCode.INVALID, field="items")
    if not receivers:
        raise Refusal(ErrorCode.INVALID, field="receivers")
    if not CONSENT.allows(days):
        raise Refusal(ErrorCode.INVALID, field="days")
    items = _items(item_codes)
    banks = _banks([receiver for receiver in receivers if receiver is not None])
    text = session().scalars(
        select(ConsentText).where(ConsentText.valid_from <= today()).order_by(ConsentText.valid_from.desc()).limit(1)
    ).one()
    words = consent_words(
        text.body, purpose=_purpose_words(purpose, case_id), items=[item.name_zh for item in items],
        receivers=[PORTAL_WORDS] * (None in receivers) + [bank.name for bank in banks], days=days,
    )
    return text, words


def _items(codes: Sequence[str]) -> list[DataItem]:
    found = list(session().scalars(
        select(DataItem).where(DataItem.code.in_(set(codes)), DataItem.active).order_by(DataItem.position)
    ))
    if len(found) != len(set(codes)):
        raise Refusal(ErrorCode.NOT_FOUND)
    return found


def _banks(ids: Sequence[UUID]) -> list[Organisation]:
    found = list(session().scalars(
        select(Organisation).where(
            Organisation.id.in_(set(ids)), Organisation.kind == OrgKind.BANK.value, Organisation.state == "active",
        ).order_by(Organisation.name)
    ))
    if len(found) != len(set(ids)):
        raise Refusal(ErrorCode.NOT_FOUND)
    return found


def _purpose_words(purpose: Purpose, case_id: UUID | None) -> str:
    if purpose is Purpose.PRE_APPROVAL:
        return PRE_APPROVAL_WORDS
    return get_or_404(Case, case_id).number


@use_case(Permission.CONSENT_GIVE, "consent.give")
def give_consent(
    ctx: Context, item_codes: Sequence[str], receivers: Sequence[UUID | None], *, days: int = CONSENT.default_days,
    purpose: Purpose = Purpose.PRE_APPROVAL, case_id: UUID | None = None, channel: str = "web",
) -> list[Consent]:
    """The firm signs, separately for each item and receiver (个人信息保护法 art. 23); ``None`` = the portal's own profile.

    ``days`` from now. A consent in force for the same item and receiver is replaced. Tells ``consent.changed``.
    Raises ``Refusal``: NOT_VERIFIED, INVALID, NOT_FOUND.
    """
    firm = get_or_404(Enterprise, ctx.org_id)
    if firm.state != "verified":
        raise Refusal(ErrorCode.NOT_VERIFIED)
    purpose = Purpose(purpose)
    text, words = consent_text_for(ctx, item_codes, receivers, days=days, purpose=purpose, case_id=case_id)
    digest, at = hashlib.sha256(words.encode()).digest(), now()
    given = []
    for item_code in sorted(set(item_codes)):
        for receiver in sorted(set(receivers), key=str):
            _replace(ctx, firm.id, item_code, receiver)
            consent = Consent(
                firm_id=firm.id, item_code=item_code, receiver_org_id=receiver, purpose=purpose.value, case_id=case_id,
                channel=channel, text_version=text.version, signed_text=words, text_sha256=digest,
                state=ConsentState.ACTIVE.value, given_at=at, given_by=ctx.actor_id, valid_until=at + timedelta(days=days),
                ended_at=None, ended_by=None, end_reason=None,
            )
            session().add(consent)
            begin(ctx, CONSENT_LIFE, consent, event="give")
            given.append(consent)
    about(firm, case_id=case_id, items=sorted(set(item_codes)), receivers=[str(receiver or "portal") for receiver in receivers],
          days=days, purpose=purpose, text_version=text.version, text_sha256=digest, consents=[row.id for row in given])
    emit("consent.changed", firm_id=firm.id)
    return given


def _replace(ctx: Context, firm_id: UUID, item_code: str, receiver: UUID | None) -> None:
    earlier = session().scalar(
        select(Consent).where(
            Consent.firm_id == firm_id, Consent.item_code == item_code, Consent.state == ConsentState.ACTIVE.value,
            Consent.receiver_org_id.is_not_distinct_from(receiver),
        ).with_for_update()
    )
    if earlier is not None:
        earlier.ended_at = now()
        fire(ctx, CONSENT_LIFE, earlier, "replace")


@use_case(Permission.CONSENT_GIVE, "consent.revoke", returns=Consent)
def revoke_consent(ctx: Context, consent_id: UUID, reason: str | None = None) -> Consent:
    """Ends a consent at once; what was read before stays lawful (个人信息保护法 art. 15). Tells ``consent.changed``.

    Raises ``Refusal``: NOT_FOUND for another firm's consent, STATE_CHANGED where it has ended already.
    """
    consent = get_or_404(Consent, consent_id, lock=True)
    if consent.firm_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    consent.ended_at, consent.end_reason = now(), (reason or "").strip()[:500] or None
    fire(ctx, CONSENT_LIFE, consent, "revoke", reason=reason)
    about(consent, item=consent.item_code, receiver=consent.receiver_org_id)
    emit("consent.changed", firm_id=consent.firm_id)
    if consent.receiver_org_id is not None:
        _tell_bank(ctx, consent)
    return consent


def _tell_bank(ctx: Context, consent: Consent) -> None:
    with elevated(ctx, "consent.revoked"):
        assert consent.receiver_org_id is not None
        notify(consent.receiver_org_id, N_("%(firm)s 撤回了对贵行的一项资料授权，即刻生效。"), firm=ctx.org_name,
               path="/evidence/firms")


@timed("evidence.expire_consents")
def expire_consents(ctx: Context) -> int:
    """Ends what has run out. Reading stopped at the very second anyway; this makes it visible and tells the profile."""
    return _expire(ctx) if _due() else 0


def _due() -> bool:
    from app.core.database import transaction

    with transaction(Context.of_system("ticker"), read_only=True) as unit:
        return bool(unit.session.scalar(
            select(func.count()).select_from(Consent).where(Consent.state == "ACTIVE", Consent.valid_until <= now())
        ))


@use_case(Permission.CONSENT_TICK, "consent.expire")
def _expire(ctx: Context) -> int:
    due = session().execute(
        select(Consent.id, Consent.firm_id).where(Consent.state == "ACTIVE", Consent.valid_until <= now())
        .order_by(Consent.valid_until).limit(1000).with_for_update(skip_locked=True)
    ).all()
    ended = fire_many(
        ctx, CONSENT_LIFE, Consent, [row.id for row in due], "expire",
        update(Consent).values(state=ConsentState.EXPIRED.value, ended_at=now()),
    )
    firms = sorted({row.firm_id for row in due})
    for firm_id in firms:
        emit("consent.changed", firm_id=firm_id)
        notify(firm_id, N_("有授权已到期，银行不能再查看相应资料。需要时请重新授权。"), path="/my-consents")
    about(count=ended)
    return ended


def look(
    ctx: Context, firm_id: UUID, item_code: str, purpose: Purpose = Purpose.PRE_APPROVAL, case_id: UUID | None = None,
) -> InvoiceSummary:
    """A bank looks at a firm's evidence: never more than consent allows, and every look is on record, refused ones too.

    The firm is told at the first look of a bank on a day. Raises ``Refusal(CONSENT_MISSING)`` without a consent in force;
    a firm that does not exist gets the same sentence.
    """
    summary = _look(ctx, firm_id, item_code, Purpose(purpose).value, case_id)
    if summary is None:
        raise Refusal(ErrorCode.CONSENT_MISSING)
    return summary


@use_case(Permission.EVIDENCE_LOOK, "evidence.look")
def _look(ctx: Context, firm_id: UUID, item_code: str, purpose: str, case_id: UUID | None) -> InvoiceSummary | None:
    """Returns ``None`` where there is no consent, rather than raising: the refused look must stay on record."""
    consent_id = has_consent(firm_id, item_code, ctx.org_id)
    firm = session().get(Enterprise, firm_id) if consent_id is not None else None
    shown = firm is not None and firm.state == "verified"
    _record(ctx, firm_id, item_code, purpose, case_id, consent_id if shown else None)
    about(case_id=case_id, firm_id=firm_id, item=item_code, purpose=purpose, consent_id=consent_id,
          result="shown" if shown else "refused")
    return invoice_summary(firm.firm_no, LOOK.months) if firm is not None and shown else None


def _record(
    ctx: Context, firm_id: UUID, item_code: str, purpose: str, case_id: UUID | None, consent_id: UUID | None,
) -> None:
    with elevated(ctx, "evidence.look"):
        if session().get(Enterprise, firm_id) is None or session().get(DataItem, item_code) is None:
            return
        since = now() - timedelta(days=1)
        told = session().scalar(select(func.count()).select_from(EvidenceLook).where(
            EvidenceLook.firm_id == firm_id, EvidenceLook.org_id == ctx.org_id, EvidenceLook.at > since,
        ))
        session().add(EvidenceLook(
            firm_id=firm_id, org_id=ctx.org_id, actor_id=ctx.actor_id, actor_role=role_of(ctx), at=now(), item_code=item_code,
            purpose=purpose, case_id=case_id, consent_id=consent_id, result="shown" if consent_id else "refused",
        ))
        if not told:
            message = N_("%(bank)s 查看了您的资料。") if consent_id else N_("%(bank)s 想查看您的资料，因没有授权被拒绝。")
            notify(firm_id, message, bank=ctx.org_name, path="/my-data/looks")
