"""Deliveries: received, read in the background, taken in as a whole or not at all, tried again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update

from app.core.calendar import SHANGHAI, now
from app.core.context import Context
from app.core.database import get_or_404, session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import begin, fire
from app.core.notices import notify
from app.core.outbox import emit, handles
from app.core.permissions import OrgKind, Permission
from app.core.storage import Stored, path_of
from app.core.use_case import about, use_case
from app.evidence import taking_in, withdrawal
from app.evidence.fact_loading import Counts
from app.evidence.file_tools import broken
from app.evidence.files import DeliveryFile, Reading, media_type_of, open_file, reading_of, reading_of_invoices
from app.evidence.items import ITEMS
from app.evidence.loading import forget_quarantined
from app.evidence.models import DataItem, Delivery, ProviderItem, Quarantine
from app.evidence.push_rules import KeyUsed
from app.evidence.rules import DELIVERY, INTERRUPTED, INVOICES, N_, DeliveryState, side_of_filename
from app.evidence.states import DELIVERY_LIFE
from app.evidence.taking_in import Told

TELL_SECONDS = 0.5
"""Between two words about how far a reading is."""


class Busy(Exception):
    """Another process is reading this delivery just now."""


@use_case(Permission.DELIVERY_UPLOAD, "delivery.receive", returns=Delivery)
def receive_delivery(
    ctx: Context, item_code: str, stored: Stored, filename: str, *, side: int | None = None, source_label: str = "",
    synthetic: bool = False,
) -> Delivery:
    """A provider's own upload; it is read in the background.

    ``side``: 0 purchases, 1 sales, ``None`` where the file's name or a column says it. Raises ``Refusal``: FILE_TYPE,
    FILE_HEADER naming the missing columns, FILE_BROKEN, NOT_FOUND for an item that is not taken in yet.
    """
    if ctx.org_kind is not OrgKind.DATA_PROVIDER or ctx.org_id is None:
        raise Refusal(ErrorCode.FORBIDDEN)
    return _receive(ctx, ctx.org_id, item_code, stored, filename, side, source_label or ctx.org_name, synthetic, "upload")


@use_case(Permission.DELIVERY_IMPORT, "delivery.receive_for", returns=Delivery)
def receive_delivery_for(
    ctx: Context, provider_org_id: UUID, item_code: str, stored: Stored, filename: str, *, side: int | None = None,
    source_label: str, synthetic: bool,
) -> Delivery:
    """The same for a file that the platform takes in on behalf of a provider (command, demo city)."""
    return _receive(ctx, provider_org_id, item_code, stored, filename, side, source_label, synthetic, "command")


def _receive(
    ctx: Context, provider_org_id: UUID, item_code: str, stored: Stored, filename: str, side: int | None,
    source_label: str, synthetic: bool, channel: str,
) -> Delivery:
    item = session().get(DataItem, item_code)
    if item is None or not item.active or not delivers(provider_org_id, item_code):
        raise Refusal(ErrorCode.NOT_FOUND)
    name = Path(filename).name[:200]
    media_type = media_type_of(stored.head, name)
    side = side if side is not None else side_of_filename(name)
    open_file(stored.path, media_type, _reading(item_code, side))  # a wrong heading is told at once, not in the background
    delivery = Delivery(
        number=session().execute(text("select nextval('delivery_number_seq')")).scalar_one(),
        provider_org_id=provider_org_id, item_code=item.code, side=side, filename=name, media_type=media_type,
        size=stored.size, sha256=stored.sha256, source_label=source_label, synthetic=synthetic,
        state=DeliveryState.RECEIVED.value, phase=None, progress_rows=0, rows_total=None, rows_taken=None,
        rows_identical=None, rows_superseding=None, rows_quarantined=None, attempt=0, failure=None, failure_params={},
        rows_waiting=None, channel=channel, withdrawn_at=None, withdraw_reason=None,
        created_at=now(), created_by=ctx.actor_id, started_at=None, finished_at=None,
    )
    session().add(delivery)
    begin(ctx, DELIVERY_LIFE, delivery, event="receive")
    about(delivery, sha256=stored.sha256, size=stored.size, item=item.code)
    emit("delivery.received", delivery_id=delivery.id)
    return delivery


def delivers(provider_org_id: UUID, item_code: str) -> bool:
    """Whether a provider delivers an item."""
    return session().get(ProviderItem, (provider_org_id, item_code)) is not None


@use_case(Permission.ORGANISATION_CREATE, "delivery.grant_items")
def grant_items(ctx: Context, provider_org_id: UUID, item_codes: Sequence[str]) -> None:
    """Lets a provider deliver items, in addition to those it delivers already. Raises ``Refusal(NOT_FOUND)``."""
    for code in item_codes:
        if session().get(DataItem, code) is None:
            raise Refusal(ErrorCode.NOT_FOUND)
        if not delivers(provider_org_id, code):
            session().add(ProviderItem(provider_org_id=provider_org_id, item_code=code, since=now()))
    about(provider_org_id=provider_org_id, items=list(item_codes))


@use_case(Permission.DELIVERY_UPLOAD, "delivery.retry", returns=Delivery)
def retry_delivery(ctx: Context, delivery_id: UUID) -> Delivery:
    """Reads a failed delivery again. Raises ``Refusal(STATE_CHANGED)`` where it did not fail."""
    delivery = get_or_404(Delivery, delivery_id, lock=True)
    _again(ctx, delivery)
    about(delivery)
    emit("delivery.received", delivery_id=delivery.id)
    return delivery


def _again(ctx: Context, delivery: Delivery) -> None:
    # The database holds failure and state together, so both change in one statement.
    delivery.failure, delivery.failure_params, delivery.finished_at = None, {}, None
    fire(ctx, DELIVERY_LIFE, delivery, "retry")


@handles("delivery.received", "evidence.import", queue="long")
def _import_received(ctx: Context, payload: dict[str, Any]) -> None:
    import_delivery(ctx, UUID(payload["delivery_id"]))


@use_case(Permission.DELIVERY_IMPORT, "delivery.import", returns=Delivery)
def import_delivery(ctx: Context, delivery_id: UUID, told: Told | None = None) -> Delivery:
    """Reads a delivery and takes it in, whole: the data live or die with this one transaction.

    Running it again changes nothing. A file that cannot be read ends as FAILED with its reason. Raises ``Busy`` where
    another process holds it; anything unexpected is left as FAILED (``interrupted``) and raised, so that it is tried again.
    """
    delivery = get_or_404(Delivery, delivery_id)
    # Held to the end of the transaction, or of the process: nobody reads a delivery twice at the same time.
    if not session().scalar(text("select pg_try_advisory_xact_lock(hashtext('delivery'), (:n % 2147483647)::int)"),
                            {"n": delivery.number}):
        raise Busy(f"delivery {delivery.number} is being read")
    if not _may_begin(delivery):
        about(delivery, result="nothing to do")
        return delivery
    _start(ctx, delivery.id)
    try:
        with session().begin_nested():
            outcome = _take_in(ctx, delivery, _progress(ctx, delivery.id, told))
    except Refusal as refusal:
        return _fail(ctx, delivery.id, refusal)
    except Exception:
        _interrupt(ctx, delivery.id)
        raise
    return _finish(ctx, delivery.id, outcome)


def _may_begin(delivery: Delivery) -> bool:
    state = DeliveryState(delivery.state)
    return state in (DeliveryState.RECEIVED, DeliveryState.READING) or (
        state is DeliveryState.FAILED and delivery.failure == INTERRUPTED
    )


def _take_in(ctx: Context, delivery: Delivery, told: Told) -> taking_in.Outcome:
    opened = _opened(delivery)
    withdrawal.hold_item(delivery.item_code, alone=False)
    shape: taking_in.Shape
    if delivery.item_code == INVOICES:
        shape = taking_in.InvoiceShape(ctx, delivery)
    else:
        shape = taking_in.FactShape(ctx, delivery, ITEMS[delivery.item_code])
    return taking_in.take_in(delivery, shape, opened.batches(), told)


def _reading(item_code: str, side: int | None) -> Reading:
    return reading_of_invoices(side) if item_code == INVOICES else reading_of(ITEMS[item_code])


def _opened(delivery: Delivery) -> DeliveryFile:
    path = path_of(bytes(delivery.sha256))
    if not path.exists() or path.stat().st_size != delivery.size:
        raise broken(N_("存储中的文件不完整"))
    return open_file(path, delivery.media_type, _reading(delivery.item_code, delivery.side))


@contextmanager
def _beside(ctx: Context, delivery_id: UUID) -> Iterator[Delivery]:
    """A small transaction of its own beside the large one, so that a page can show where the reading stands."""
    with transaction(ctx):
        yield get_or_404(Delivery, delivery_id, lock=True)


def _start(ctx: Context, delivery_id: UUID) -> None:
    with _beside(ctx, delivery_id) as delivery:
        if delivery.state == DeliveryState.FAILED:
            _again(ctx, delivery)
        fire(ctx, DELIVERY_LIFE, delivery, "start" if delivery.state == DeliveryState.RECEIVED else "start_again")
        delivery.attempt += 1
        delivery.started_at, delivery.phase, delivery.progress_rows, delivery.rows_total = now(), "reading", 0, None


def _progress(ctx: Context, delivery_id: UUID, told: Told | None) -> Told:
    """Tells the page how far it is, at each new phase and then every so often: a small file must not pay for it."""
    totals: dict[str, int] = {}
    last = -TELL_SECONDS

    def tell(phase: str, rows: int) -> None:
        nonlocal last
        fresh = phase not in totals
        totals[phase] = rows
        if fresh or time.monotonic() - last >= TELL_SECONDS:
            last = time.monotonic()
            with transaction(ctx):
                session().execute(update(Delivery).where(Delivery.id == delivery_id).values(
                    phase=phase, progress_rows=rows, rows_total=totals.get("reading") if phase == "storing" else None,
                ))
        if told is not None:
            told(phase, rows)

    return tell


def _interrupt(ctx: Context, delivery_id: UUID) -> None:
    with _beside(ctx, delivery_id) as delivery:
        _failed(ctx, delivery, INTERRUPTED, {})


def _fail(ctx: Context, delivery_id: UUID, refusal: Refusal) -> Delivery:
    delivery = get_or_404(Delivery, delivery_id, lock=True)
    _failed(ctx, delivery, refusal.code.value, {key: str(value) for key, value in refusal.params.items()})
    about(delivery, sha256=bytes(delivery.sha256), result="failed", code=refusal.code.value)
    notify(delivery.provider_org_id, N_("数据批次 %(name)s 没有读成，请查看原因后重试。"), name=delivery.filename,
           path=f"/deliveries/{delivery.id}")
    return delivery


def _failed(ctx: Context, delivery: Delivery, failure: str, params: dict[str, str]) -> None:
    delivery.failure, delivery.failure_params, delivery.finished_at, delivery.phase = failure, params, now(), None
    fire(ctx, DELIVERY_LIFE, delivery, "fail")


def _finish(ctx: Context, delivery_id: UUID, outcome: taking_in.Outcome) -> Delivery:
    delivery, counts = get_or_404(Delivery, delivery_id, lock=True), outcome.counts
    first = delivery.rows_taken is None
    if first:
        delivery.rows_taken, delivery.rows_identical = counts.taken, counts.identical
        delivery.rows_superseding, delivery.rows_quarantined = counts.superseding, outcome.quarantined
        delivery.rows_waiting = counts.waiting
    else:
        _count_anew(delivery, counts)
    delivery.rows_total = delivery.progress_rows = outcome.total
    delivery.finished_at, delivery.phase = now(), None
    fire(ctx, DELIVERY_LIFE, delivery, "take_in")
    about(delivery, sha256=bytes(delivery.sha256), rows=outcome.total, taken=counts.taken, identical=counts.identical,
          superseding=counts.superseding, quarantined=outcome.quarantined, waiting=counts.waiting, anew=not first)
    _tell_of(delivery, "delivery.taken_in", counts.firm_ids)
    emit("delivery.finished", delivery_id=delivery.id)
    if first and outcome.quarantined:
        message = N_("数据批次 %(name)s 有 %(count)s 行待修复，请下载后改正再交。")
        notify(delivery.provider_org_id, message, name=delivery.filename, count=outcome.quarantined,
               path=f"/deliveries/{delivery.id}")
    return delivery


def _count_anew(delivery: Delivery, counts: Counts) -> None:
    """A second reading only adds what nothing in force says any more: those rows were counted as identical before."""
    assert delivery.rows_taken is not None and delivery.rows_identical is not None and delivery.rows_superseding is not None
    delivery.rows_taken += counts.taken
    delivery.rows_superseding += counts.superseding
    delivery.rows_identical -= counts.taken + counts.superseding
    delivery.rows_waiting = (delivery.rows_waiting or 0) + counts.waiting


def _tell_of(delivery: Delivery, topic: str, firm_ids: Sequence[UUID]) -> None:
    """Tells later rooms which firms a delivery changed, so many at a time that no outbox row grows without bound."""
    for start in range(0, len(firm_ids), DELIVERY.firms_told_at_once):
        told = firm_ids[start:start + DELIVERY.firms_told_at_once]
        emit(topic, delivery_id=delivery.id, firm_ids=[str(firm_id) for firm_id in told])


@use_case(Permission.DELIVERY_UPLOAD, "delivery.withdraw", returns=Delivery)
def withdraw_delivery(ctx: Context, delivery_id: UUID, reason: str) -> Delivery:
    """Takes a delivery back as a whole; its facts go out of force in the background, what stood before comes back.

    Raises ``Refusal``: REASON_NEEDED, STATE_CHANGED where it was not taken in, NOT_FOUND for another provider's.
    """
    delivery = get_or_404(Delivery, delivery_id, lock=True)
    if delivery.state == DeliveryState.TAKEN_IN and reason.strip():
        # The database holds reason and state together, so both change in one statement.
        delivery.withdrawn_at, delivery.withdraw_reason, delivery.phase = now(), reason.strip()[:500], "withdrawing"
    with session().no_autoflush:
        fire(ctx, DELIVERY_LIFE, delivery, "withdraw", reason=reason)
    about(delivery, rows=delivery.rows_total)
    emit("delivery.withdrawn", delivery_id=delivery.id)
    return delivery


@handles("delivery.withdrawn", "evidence.take_back", queue="long")
def _take_back_withdrawn(ctx: Context, payload: dict[str, Any]) -> None:
    take_back_delivery(ctx, UUID(payload["delivery_id"]))


@use_case(Permission.DELIVERY_IMPORT, "delivery.take_back", returns=Delivery)
def take_back_delivery(ctx: Context, delivery_id: UUID) -> Delivery:
    """Puts a withdrawn delivery's facts out of force. Running it again changes nothing."""
    delivery = get_or_404(Delivery, delivery_id, lock=True)
    if delivery.state != DeliveryState.WITHDRAWN or delivery.phase is None:
        return delivery
    firm_ids = withdrawal.take_back(delivery)
    forget_quarantined(delivery.id)
    delivery.phase = None
    again = withdrawal.said_the_same(delivery)
    for other in again:
        other.finished_at = None
        fire(ctx, DELIVERY_LIFE, other, "read_anew")
        emit("delivery.received", delivery_id=other.id)
    about(delivery, firms=len(firm_ids), read_anew=len(again))
    _tell_of(delivery, "delivery.taken_back", firm_ids)
    notify(delivery.provider_org_id, N_("数据批次 %(name)s 已撤回，它带来的数据不再使用。"), name=delivery.filename,
           path=f"/deliveries/{delivery.id}")
    return delivery


@use_case(Permission.DELIVERY_READ, "delivery.export_quarantine")
def export_quarantine(ctx: Context, delivery_id: UUID, limit: int) -> list[Quarantine]:
    """At most ``limit`` + 1 quarantined rows for a download; the export is recorded."""
    delivery = get_or_404(Delivery, delivery_id)
    rows = list(session().scalars(
        select(Quarantine).where(Quarantine.delivery_id == delivery.id).order_by(Quarantine.row_no).limit(limit + 1)
    ))
    about(delivery, rows=len(rows))
    return rows


@use_case(Permission.DELIVERY_PUSH, "delivery.push", returns=Delivery)
def receive_pushed(ctx: Context, item_code: str, sha256: bytes, used: KeyUsed, *, source_label: str = "") -> Delivery:
    """A body that a provider's machine pushed, read in the background like any file. ``ctx`` acts for the provider.

    ``sha256`` names bytes in storage (their place must not decide whether two pushes are the same). Raises what
    ``receive_delivery`` raises.
    """
    if ctx.org_kind is not OrgKind.DATA_PROVIDER or ctx.org_id is None:
        raise Refusal(ErrorCode.FORBIDDEN)
    path = path_of(sha256)
    with path.open("rb") as body:
        stored = Stored(sha256, path.stat().st_size, path, body.read(16))
    # A key called 销项 says nothing of the rows that it signs.
    label = used.label if side_of_filename(used.label) is None else used.key_id
    name = f"push-{label}-{now().astimezone(SHANGHAI):%Y%m%d-%H%M%S}.json".replace("/", "_").replace("\\", "_")
    about(key=used.key_id)
    return _receive(ctx, ctx.org_id, item_code, stored, name, None, source_label or ctx.org_name, False, "push")
