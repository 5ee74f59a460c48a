"""Consents: what may be read, by whom, until when. Looks: look_service. Deliveries: delivery_service."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, fire, fire_many
from app.core.models import Case
from app.core.notices import notify
from app.core.outbox import emit, timed
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.evidence import consent_queries
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
from app.evidence.look_service import look as look
from app.evidence.look_service import look_at as look_at
from app.evidence.models import Consent, ConsentText, DataItem
from app.evidence.rules import CONSENT, N_, SOLE_TRADER, Choice, ConsentState, Purpose, TextKind, choices_of, consent_words
from app.evidence.states import CONSENT_LIFE
from app.identity.models import Organisation

constraint("uq_consent_one_active", ErrorCode.STATE_CHANGED)
constraint("ck_consent_kept", ErrorCode.STATE_CHANGED)
constraint("ck_consent_personal_text", ErrorCode.PERSONAL_TEXT_UNSIGNED, "personal")
constraint("ck_consent_own_case", ErrorCode.NOT_FOUND)
constraint("ck_consent_item", ErrorCode.NOT_FOUND)

PORTAL_WORDS = "本平台（计算信用画像）"
PRE_APPROVAL_WORDS = "预授信，尚未提出具体需求"


@dataclass(frozen=True)
class Words:
    """What is read and signed for one receiver. ``personal``: the second text of a sole trader, where one is needed.

    ``personal_items``: the items, among those chosen, that the second text is about.
    """

    receiver: UUID | None
    name: str
    items: tuple[str, ...]
    version: str
    text: str
    personal_items: frozenset[str] = frozenset()
    personal_version: str | None = None
    personal: str | None = None


@dataclass(frozen=True)
class Reading:
    """All that is read before signing, receiver by receiver. ``digest`` tells at signing whether it is still the same."""

    words: tuple[Words, ...]

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 over versions and texts."""
        told = "\n\n".join(
            f"{one.version}\n{one.text}\n{one.personal_version or ''}\n{one.personal or ''}" for one in self.words
        )
        return hashlib.sha256(told.encode()).hexdigest()


def consent_texts(
    ctx: Context, choices: Sequence[Choice], *, days: int = CONSENT.default_days, purpose: Purpose = Purpose.PRE_APPROVAL,
    case_id: UUID | None = None,
) -> Reading:
    """The texts in force with the words of these choices, to be read before signing. Call inside ``reading`` or a use case.

    ``days``: how long they hold. Raises ``Refusal``: INVALID at the field that is empty or out of range, NOT_FOUND.
    """
    if not choices or not all(choice.items for choice in choices):
        raise Refusal(ErrorCode.INVALID, field="choices")
    if not CONSENT.allows(days):
        raise Refusal(ErrorCode.INVALID, field="days")
    items = {item.code: item for item in _items([code for choice in choices for code in choice.items])}
    banks = {bank.id: bank.name for bank in _banks([choice.receiver for choice in choices if choice.receiver is not None])}
    firm = get_or_404(Enterprise, ctx.org_id)
    personal = consent_queries.personal_items() if firm.form == SOLE_TRADER else frozenset()
    said = _purpose_words(firm, Purpose(purpose), case_id)
    text, second = _text_in_force(TextKind.FIRM), _text_in_force(TextKind.PERSONAL)
    return Reading(tuple(
        _words(choice, items, PORTAL_WORDS if choice.receiver is None else banks[choice.receiver], text, second, personal,
               said, days)
        for choice in choices
    ))


def _words(
    choice: Choice, items: dict[str, DataItem], name: str, text: ConsentText, second: ConsentText, personal: frozenset[str],
    purpose: str, days: int,
) -> Words:
    def filled(body: str, codes: Collection[str]) -> str:
        named = [item.name_zh for item in sorted(items.values(), key=lambda item: item.position) if item.code in codes]
        return consent_words(body, purpose=purpose, items=named, receivers=[name], days=days)

    about_person = personal & set(choice.items)
    return Words(
        choice.receiver, name, choice.items, text.version, filled(text.body, choice.items), frozenset(about_person),
        second.version if about_person else None, filled(second.body, about_person) if about_person else None,
    )


def _text_in_force(kind: TextKind) -> ConsentText:
    return session().scalars(
        select(ConsentText).where(ConsentText.kind == kind.value, ConsentText.valid_from <= today())
        .order_by(ConsentText.valid_from.desc(), ConsentText.version.desc()).limit(1)
    ).one()


def _items(codes: Sequence[str]) -> list[DataItem]:
    wanted = set(codes)
    found = [item for item in consent_queries.consentable() if item.code in wanted]
    if len(found) != len(wanted):
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


def _purpose_words(firm: Enterprise, purpose: Purpose, case_id: UUID | None) -> str:
    if purpose is Purpose.PRE_APPROVAL:
        return PRE_APPROVAL_WORDS
    case = get_or_404(Case, case_id)
    if case.subject_org_id != firm.id:
        raise Refusal(ErrorCode.NOT_FOUND)
    return case.number


def give_consent(
    ctx: Context, item_codes: Sequence[str], receivers: Sequence[UUID | None], *, days: int = CONSENT.default_days,
    purpose: Purpose = Purpose.PRE_APPROVAL, case_id: UUID | None = None, channel: str = "web",
    personal: Collection[UUID | None] = (),
) -> list[Consent]:
    """The same items to each of the receivers; see ``give_consents``."""
    if not item_codes:
        raise Refusal(ErrorCode.INVALID, field="items")
    if not receivers:
        raise Refusal(ErrorCode.INVALID, field="receivers")
    choices = choices_of((receiver, item) for receiver in receivers for item in item_codes)
    return give_consents(ctx, choices, days=days, purpose=purpose, case_id=case_id, channel=channel,
                         personal=tuple(sorted(set(personal), key=str)))


@use_case(Permission.CONSENT_GIVE, "consent.give")
def give_consents(
    ctx: Context, choices: Sequence[Choice], *, days: int = CONSENT.default_days, purpose: Purpose = Purpose.PRE_APPROVAL,
    case_id: UUID | None = None, channel: str = "web", personal: Sequence[UUID | None] = (), read: str | None = None,
) -> list[Consent]:
    """The firm signs, separately for each item and receiver (个人信息保护法 art. 23); ``None`` = the portal's own profile.

    ``days`` from now. ``personal``: the receivers for whom a sole trader also signed the second text. ``read``: the digest
    of what stood on the page that was read (``Reading.digest``); ``None`` where nobody reads a page (a command). A consent
    in force for the same item, receiver and purpose is replaced. Tells ``consent.changed``.
    Raises ``Refusal``: NOT_VERIFIED, INVALID, NOT_FOUND, CONSENT_TEXT_CHANGED, PERSONAL_TEXT_UNSIGNED.
    """
    firm = get_or_404(Enterprise, ctx.org_id)
    if firm.state != "verified":
        raise Refusal(ErrorCode.NOT_VERIFIED)
    purpose = Purpose(purpose)
    texts = consent_texts(ctx, choices, days=days, purpose=purpose, case_id=case_id)
    if read is not None and read != texts.digest:
        raise Refusal(ErrorCode.CONSENT_TEXT_CHANGED)
    if any(words.personal is not None and words.receiver not in personal for words in texts.words):
        raise Refusal(ErrorCode.PERSONAL_TEXT_UNSIGNED, field="personal")
    at = now()
    given = []
    for words in texts.words:
        for item_code in words.items:
            _replace(ctx, firm.id, item_code, words.receiver, case_id)
            consent = _consent(words, item_code)
            consent.firm_id, consent.purpose, consent.case_id, consent.channel = firm.id, purpose.value, case_id, channel
            consent.given_at, consent.given_by, consent.valid_until = at, ctx.actor_id, at + timedelta(days=days)
            session().add(consent)
            begin(ctx, CONSENT_LIFE, consent, event="give")
            given.append(consent)
    about(firm, case_id=case_id, days=days, purpose=purpose, texts=texts.digest, consents=[row.id for row in given],
          choices=[f"{words.receiver or 'portal'}: {', '.join(words.items)}" for words in texts.words])
    emit("consent.changed", firm_id=firm.id)
    return given


def _consent(words: Words, item_code: str) -> Consent:
    """A consent for one item with the texts that were signed for its receiver."""
    about_person = item_code in words.personal_items and words.personal is not None
    second = words.personal if about_person else None
    return Consent(
        item_code=item_code, receiver_org_id=words.receiver, state=ConsentState.ACTIVE.value,
        text_version=words.version, signed_text=words.text, text_sha256=hashlib.sha256(words.text.encode()).digest(),
        personal_text_version=words.personal_version if about_person else None, personal_signed_text=second,
        personal_text_sha256=hashlib.sha256(second.encode()).digest() if second is not None else None,
        ended_at=None, ended_by=None, end_reason=None, used_at=None,
    )


def _replace(ctx: Context, firm_id: UUID, item_code: str, receiver: UUID | None, case_id: UUID | None) -> None:
    earlier = session().scalar(
        select(Consent).where(
            Consent.firm_id == firm_id, Consent.item_code == item_code, Consent.state == ConsentState.ACTIVE.value,
            Consent.receiver_org_id.is_not_distinct_from(receiver), Consent.case_id.is_not_distinct_from(case_id),
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
        _tell_bank(ctx, consent.receiver_org_id)
    return consent


def _tell_bank(ctx: Context, receiver: UUID, count: int = 1) -> None:
    with elevated(ctx, "consent.revoked"):
        if count == 1:
            notify(receiver, N_("%(firm)s 撤回了对贵行的一项资料授权，即刻生效。"), firm=ctx.org_name, path="/evidence/firms")
        else:
            notify(receiver, N_("%(firm)s 撤回了对贵行的 %(count)s 项资料授权，即刻生效。"), firm=ctx.org_name, count=count,
                   path="/evidence/firms")


@use_case(Permission.CONSENT_GIVE, "consent.revoke_all")
def revoke_all(ctx: Context, receiver: UUID | None) -> int:
    """Ends every consent of the firm that names a receiver (``None`` = the portal's own profile), at once. Returns how many.

    Raises ``Refusal(STATE_CHANGED)`` where none is in force any more.
    """
    standing = session().scalars(select(Consent.id).where(
        Consent.firm_id == ctx.org_id, Consent.state == ConsentState.ACTIVE.value,
        Consent.receiver_org_id.is_not_distinct_from(receiver),
    )).all()
    ended = fire_many(
        ctx, CONSENT_LIFE, Consent, standing, "revoke",
        update(Consent).values(state=ConsentState.REVOKED.value, ended_at=now(), ended_by=ctx.actor_id),
    )
    if not ended:
        raise Refusal(ErrorCode.STATE_CHANGED)
    about(get_or_404(Enterprise, ctx.org_id), receiver=receiver, consents=list(standing))
    emit("consent.changed", firm_id=ctx.org_id)
    if receiver is not None:
        _tell_bank(ctx, receiver, ended)
    return ended


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
