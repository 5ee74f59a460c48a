"""Push: a provider's keys, who signed a request, and the delivery that comes of it."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core import secrets
from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session, transaction
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.outbox import timed
from app.core.permissions import OrgKind, Permission
from app.core.storage import Stored
from app.core.use_case import about, reading, use_case
from app.evidence.delivery_service import receive_pushed
from app.evidence.models import Delivery, ProviderItem
from app.evidence.push_models import ProviderKey, ProviderNonce
from app.evidence.push_rules import KEY_SHAPE, PUSH, KeyUsed, Signed
from app.identity.models import Organisation

DOOR = Context.of_system("push")
MAY_PUSH = {
    OrgKind.DATA_PROVIDER: Permission.DELIVERY_PUSH, OrgKind.BANK: Permission.BOOKING_PUSH,
    OrgKind.GUARANTOR: Permission.BOOKING_PUSH,
}
"""Whose machines may push, and what: evidence of providers, files of loans of banks and guarantors."""

constraint("uq_provider_key_label", ErrorCode.NAME_TAKEN, "label")
constraint("ck_provider_key_label", ErrorCode.INVALID, "label")
constraint("ck_provider_key_stays", ErrorCode.STATE_CHANGED)


@dataclass(frozen=True)
class NewKey:
    """A key that was just made; the secret is shown this once."""

    id: UUID
    key_id: str
    label: str
    secret: str

    def __repr__(self) -> str:
        return f"NewKey({self.key_id})"


@use_case(Permission.KEY_EDIT, "push.key_created", returns=None)
def create_key(ctx: Context, label: str) -> NewKey:
    """A key for the actor's organisation. Raises ``Refusal``: NAME_TAKEN where a live key has the label, INVALID."""
    label = " ".join(label.split())
    if ctx.org_kind not in MAY_PUSH or ctx.org_id is None:
        raise Refusal(ErrorCode.FORBIDDEN)
    if not 1 <= len(label) <= PUSH.label_length or not label.isprintable():
        raise Refusal(ErrorCode.INVALID, field="label")
    secret = random.token_urlsafe(32)
    key = ProviderKey(
        provider_org_id=ctx.org_id, provider_kind=ctx.org_kind.value, key_id=f"hqk_{random.token_hex(8)}", secret=secret,
        label=label, created_at=now(), created_by=ctx.actor_id, last_used_at=None, revoked_at=None, revoked_by=None,
    )
    session().add(key)
    session().flush()
    about(key, key=key.key_id, label=label)
    return NewKey(key.id, key.key_id, label, secret)


@use_case(Permission.KEY_EDIT, "push.key_revoked", returns=ProviderKey)
def revoke_key(ctx: Context, key_row_id: UUID) -> ProviderKey:
    """Ends a key at once: the next request signed with it is refused. Raises ``Refusal``: NOT_FOUND, STATE_CHANGED."""
    key = get_or_404(ProviderKey, key_row_id, lock=True)
    if key.revoked_at is not None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    key.revoked_at, key.revoked_by = now(), ctx.actor_id
    about(key, key=key.key_id, label=key.label)
    return key


@dataclass(frozen=True)
class Caller:
    """A provider's machine, known by its signature, and as whom it acts."""

    context: Context
    used: KeyUsed


@cache
def _nobody_secret() -> bytes:
    return secrets.encrypt(random.token_urlsafe(32))


def admit(signed: Signed) -> Caller:
    """Who signed a request; its nonce is spent by this. Not a use case: that somebody asked is no business event yet.

    Raises ``Refusal``: PUSH_CLOCK; PUSH_SIGNATURE, the same for a key that is unknown, revoked, or did not sign this;
    PUSH_REPLAYED.
    """
    at = now()
    check_clock(signed.timestamp, at)
    with transaction(DOOR) as unit:
        row = unit.session.execute(
            select(ProviderKey, Organisation.name).join(Organisation, Organisation.id == ProviderKey.provider_org_id)
            .where(ProviderKey.key_id == (signed.key_id if KEY_SHAPE.fullmatch(signed.key_id) else ""),
                   ProviderKey.revoked_at.is_(None), Organisation.state == "active")
        ).one_or_none()
        # A key that nobody has costs the same decryption and the same digest as one that somebody has.
        fits = signed.fits(row[0].secret if row is not None else secrets.decrypt(_nobody_secret()))
        if row is None or not fits:
            raise Refusal(ErrorCode.PUSH_SIGNATURE)
        key, provider = row
        _spend(key.id, signed.nonce, at)
        _note_use(key, at)
    return Caller(_acting_for(key, provider), KeyUsed(key.key_id, key.label))


def check_clock(timestamp: str, at: datetime | None = None) -> None:
    """Raises ``Refusal(PUSH_CLOCK)`` where a time stamp (Unix seconds) is too far from now."""
    if not PUSH.in_time(int(timestamp), (at or now()).timestamp()):
        raise Refusal(ErrorCode.PUSH_CLOCK, minutes=PUSH.skew_seconds // 60)


def _spend(key_row_id: UUID, nonce: str, at: datetime) -> None:
    spent = session().scalar(
        insert(ProviderNonce).values(key_id=key_row_id, nonce=nonce, at=at).on_conflict_do_nothing()
        .returning(ProviderNonce.nonce)
    )
    if spent is None:
        raise Refusal(ErrorCode.PUSH_REPLAYED)


def _note_use(key: ProviderKey, at: datetime) -> None:
    if key.last_used_at is None or at - key.last_used_at > timedelta(seconds=PUSH.use_noted_seconds):
        session().execute(update(ProviderKey).where(ProviderKey.id == key.id).values(last_used_at=at))


def _acting_for(key: ProviderKey, name: str) -> Context:
    """An organisation's machine: no person, no role, one permission. Its own name keeps its repeats apart from others'."""
    kind = OrgKind(key.provider_kind)
    return Context(
        None, key.provider_org_id, kind, frozenset(), frozenset({MAY_PUSH[kind]}), org_name=name,
        system=f"push:{key.provider_org_id}",
    )


@timed("evidence.purge_nonces")
def purge_nonces(ctx: Context) -> int:
    """Forgets nonces whose time stamps nobody would accept any more. Not a use case: nothing of the business changes."""
    with transaction(ctx) as unit:
        gone = unit.session.execute(
            delete(ProviderNonce).where(ProviderNonce.at < now() - timedelta(seconds=PUSH.nonce_seconds))
            .returning(ProviderNonce.nonce)
        ).all()
    return len(gone)


def check_item(caller: Caller, item_code: str) -> None:
    """Raises ``Refusal(PUSH_ITEM)`` where the provider is not registered for an item, or there is none of that name."""
    with reading(caller.context, Permission.DELIVERY_PUSH):
        _granted(caller.context, item_code)


def _granted(ctx: Context, item_code: str) -> None:
    assert ctx.org_id is not None
    if not item_code.isidentifier() or session().get(ProviderItem, (ctx.org_id, item_code)) is None:
        raise Refusal(ErrorCode.PUSH_ITEM)


@dataclass(frozen=True)
class Pushed:
    """What came of a push. ``repeated``: the same was pushed before, and this is the delivery of that time."""

    delivery: Delivery
    repeated: bool


def receive_push(caller: Caller, item_code: str, stored: Stored, source_label: str, repeat_key: str | None) -> Pushed:
    """A checked body becomes a delivery, once for each ``repeat_key`` (Idempotency-Key).

    Raises ``Refusal``: PUSH_REPEAT where the key came with other content, and what ``receive_delivery`` raises.
    """
    began = now()
    try:
        delivery = receive_pushed(
            caller.context.with_token(repeat_key), item_code, stored.sha256, caller.used, source_label=source_label,
        )
    except Refusal as refusal:
        if refusal.code is ErrorCode.IDEMPOTENCY:
            raise Refusal(ErrorCode.PUSH_REPEAT) from refusal
        raise
    return Pushed(delivery, delivery.created_at < began)
