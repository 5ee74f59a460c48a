"""Early warnings: raised and closed from the data, told to the banks they concern, answered by the firm, judged by outcomes.

``loans`` decides whom a warning concerns (``concern``) and tells what became of loans (``tell_outcome``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, NotFound, Refusal
from app.core.lifecycle import begin, fire
from app.core.notices import notify
from app.core.outbox import emit, handles
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, reading, use_case
from app.core.working import N_
from app.credit.rules import PARAMETERS
from app.credit.warning_models import EarlyWarning, LoanOutcome, WarningConcern
from app.credit.warning_queries import concern_of, parameters_now
from app.credit.warning_reading import Readable, readable, readings
from app.credit.warning_states import CONCERN_LIFE, WARNING_LIFE, ConcernState, WarningState
from app.evidence import look_service
from app.evidence.rules import Purpose
from scoring.signal_words import Signal
from scoring.signals import SignalParameters, as_signals, signals

_LOCK = text("select pg_advisory_xact_lock(hashtextextended('early_warning:' || cast(:firm as text), 0))")
_Key = tuple[UUID, str, str]
_Found = dict[_Key, tuple[Signal, Any]]


# --- raised and closed ----------------------------------------------------------------------------------------------------


@use_case(Permission.WARNING_TICK, "warning.update")
def update_warnings(ctx: Context, firm_ids: Sequence[UUID]) -> int:
    """Computes the signals of some firms anew from what may be read at this moment. Returns how many stand afterwards.

    The same data leave everything as it is. A signal that is gone closes its warning; one whose item may not be read any more
    closes it too, and its facts are forgotten.
    """
    for firm_id in sorted(firm_ids):
        session().execute(_LOCK, {"firm": str(firm_id)})
    firms = readable(firm_ids)
    found = _signals(firms, parameters_now())
    standing = {
        (one.firm_id, one.kind, one.item_code): one for one in session().scalars(
            select(EarlyWarning).where(EarlyWarning.firm_id.in_(firm_ids), EarlyWarning.state == WarningState.OPEN.value)
            .order_by(EarlyWarning.id).with_for_update())
    }
    allowed = {firm.firm_id: firm.items for firm in firms}
    for key, warning in standing.items():
        if key not in found:
            _close(ctx, warning, "gone" if warning.item_code in allowed.get(warning.firm_id, ()) else "no_consent")
    session().flush()  # a stop that days tell now takes the place of the one that months told
    for key, (signal, day) in found.items():
        _raise(ctx, key, signal, day, standing.get(key))
    about(firms=len(firms), warnings=len(found))
    return len(found)


def _signals(firms: Sequence[Readable], parameters: SignalParameters) -> _Found:
    ids = {firm.firm_no: firm.firm_id for firm in firms}
    return {
        (ids[signal.firm], signal.kind.value, signal.item): (signal, reading.day)
        for reading in readings(firms)
        for signal in as_signals(signals(reading.frames, list(ids), reading.day, parameters, reading.kinds))
    }


def _raise(ctx: Context, key: _Key, signal: Signal, day: Any, warning: EarlyWarning | None) -> None:
    firm_id, kind, item = key
    level, facts = int(signal.level), [asdict(fact) | {"period": fact.period.isoformat()} for fact in signal.facts]
    if warning is None:
        warning = EarlyWarning(
            firm_id=firm_id, item_code=item, kind=kind, level=level, worst_level=level, raised_at=now(), as_of=day, facts=facts,
            state=WarningState.OPEN.value,
        )
        session().add(warning)
        begin(ctx, WARNING_LIFE, warning, event="raise")
        notify(firm_id, N_("关于贵企业的资料中有一项预警信号，请查看；您可以说明情况，有误的可以提出异议。"),
               path=f"/warnings/{warning.id}")
        emit("warning.raised", warning_id=warning.id, firm_id=firm_id, worse=False)
        return
    worse = level > warning.level
    warning.level, warning.worst_level, warning.as_of = level, max(level, warning.worst_level), day
    if warning.facts != facts:
        warning.facts = facts
    if worse:
        emit("warning.raised", warning_id=warning.id, firm_id=firm_id, worse=True)


def _close(ctx: Context, warning: EarlyWarning, reason: str) -> None:
    warning.closed_at, warning.close_reason = now(), reason
    if reason == "no_consent":
        warning.facts = []
    fire(ctx, WARNING_LIFE, warning, "close", reason=reason)
    for concern in session().scalars(select(WarningConcern).where(
        WarningConcern.warning_id == warning.id, WarningConcern.state != ConcernState.CLOSED.value,
    ).with_for_update()):
        fire(ctx, CONCERN_LIFE, concern, "close", reason=reason)


@handles("delivery.taken_in", "credit.warn_after_delivery")
def after_delivery(ctx: Context, payload: dict[str, Any]) -> None:
    """New data about firms came in: their signals are computed anew, a chunk to an outbox row."""
    firms = payload["firm_ids"]
    for start in range(0, len(firms), PARAMETERS.chunk):
        emit("warning.chunk", firm_ids=firms[start:start + PARAMETERS.chunk])


@handles("delivery.taken_back", "credit.warn_after_take_back")
def after_take_back(ctx: Context, payload: dict[str, Any]) -> None:
    """A delivery was withdrawn: what it signalled may be gone."""
    after_delivery(ctx, payload)


@handles("consent.changed", "credit.warn_after_consent")
def after_consent(ctx: Context, payload: dict[str, Any]) -> None:
    """A consent was given or taken back: other items may be read."""
    update_warnings(ctx, [UUID(payload["firm_id"])])


@handles("warning.chunk", "credit.warn_chunk", queue="long")
def _chunk(ctx: Context, payload: dict[str, Any]) -> None:
    update_warnings(ctx, [UUID(firm_id) for firm_id in payload["firm_ids"]])


# --- whom it concerns, and what became of the loan (told by loans) -----------------------------------------------------------


@use_case(Permission.WARNING_TICK, "warning.concern")
def concern(ctx: Context, warning_id: UUID, banks: Mapping[UUID, UUID], *, worse: bool = False) -> None:
    """Banks with a running loan to the firm, each with the case of that loan, are told of an open warning, once.

    ``worse``: the level has risen, so a bank that acknowledged it is asked again. A bank that may not read the item is told
    nothing; it finds the warning when the firm consents. Raises ``NotFound``.
    """
    warning = get_or_404(EarlyWarning, warning_id, lock=True)
    if warning.state != WarningState.OPEN:
        return
    for org_id, case_id in banks.items():
        known = session().scalar(select(WarningConcern).where(
            WarningConcern.warning_id == warning_id, WarningConcern.org_id == org_id).with_for_update())
        if known is None:
            known = WarningConcern(
                warning_id=warning_id, org_id=org_id, case_id=case_id, state=ConcernState.OPEN.value, told_at=now())
            session().add(known)
            begin(ctx, CONCERN_LIFE, known, event="tell")
        else:
            again = known.ended_at is not None or worse
            known.ended_at, known.case_id = None, case_id
            if worse and known.state == ConcernState.ACKNOWLEDGED:
                fire(ctx, CONCERN_LIFE, known, "reopen")
            if not again:
                continue
        if _may_read(warning, org_id, case_id):
            notify(org_id, N_("贵行一位借款企业有新的预警信号，请查看。"), path=f"/warnings/{warning_id}")
    about(warning, banks=len(banks))


_MAY_READ = text("""
select exists (select 1 from data_item i where i.code = :item and (not i.consent_needed or exists (
  select 1 from consent c where c.firm_id = :firm and c.receiver_org_id = :org and c.item_code = i.consent_item
    and c.state = 'ACTIVE' and c.valid_until > now() and (c.purpose <> 'case' or c.case_id = :case))))
""")


def _may_read(warning: EarlyWarning, org_id: UUID, case_id: UUID) -> bool:
    values = {"item": warning.item_code, "firm": warning.firm_id, "org": org_id, "case": case_id}
    return bool(session().scalar(_MAY_READ, values))


@use_case(Permission.WARNING_TICK, "warning.end_concern")
def end_concern(ctx: Context, firm_id: UUID, org_id: UUID) -> None:
    """No loan of the bank to the firm runs any more: the firm's warnings are no longer its business."""
    mine = select(EarlyWarning.id).where(EarlyWarning.firm_id == firm_id)
    session().execute(update(WarningConcern).where(
        WarningConcern.org_id == org_id, WarningConcern.ended_at.is_(None), WarningConcern.warning_id.in_(mine),
    ).values(ended_at=now()))
    about(firm_id=firm_id, bank_id=org_id)


@use_case(Permission.WARNING_TICK, "warning.outcome")
def tell_outcome(ctx: Context, firm_id: UUID, loan_id: UUID, bad: bool) -> None:
    """What became of a loan: not performing (次级 or worse), or repaid in full. The first bad word stands."""
    row = insert(LoanOutcome).values(loan_id=loan_id, firm_id=firm_id, bad=bad, told_on=today())
    session().execute(row.on_conflict_do_update(
        index_elements=[LoanOutcome.loan_id], set_={"bad": row.excluded.bad, "told_on": row.excluded.told_on},
        where=row.excluded.bad & ~LoanOutcome.bad,
    ))
    about(loan_id=loan_id, firm_id=firm_id, bad=bad)


# --- read, acknowledged, answered ---------------------------------------------------------------------------------------------


def look(ctx: Context, warning_id: UUID) -> EarlyWarning:
    """A warning with its facts, for the firm itself or a bank it concerns; a bank's look is on record as a look at the item.

    Call it outside a transaction. Raises ``NotFound``, ``Refusal(CONSENT_MISSING)``.
    """
    with reading(ctx, Permission.WARNING_READ):
        warning = get_or_404(EarlyWarning, warning_id)
        known = concern_of(warning_id, ctx.org_id)
    if ctx.org_kind is OrgKind.BANK:
        if known is None:
            raise NotFound
        look_service.look_at(ctx.with_token(None), warning.firm_id, [warning.item_code], Purpose.CASE, known.case_id)
    return warning


@use_case(Permission.WARNING_NOTE, "warning.acknowledge", returns=WarningConcern)
def acknowledge(ctx: Context, warning_id: UUID, note: str) -> WarningConcern:
    """The bank has seen the warning and says what it does about it. Raises ``NotFound``, ``Refusal``."""
    get_or_404(EarlyWarning, warning_id)
    known = concern_of(warning_id, ctx.org_id, lock=True)
    if known is None:
        raise NotFound
    if not note.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="words")
    known.note, known.acknowledged_at = note.strip(), now()
    fire(ctx, CONCERN_LIFE, known, "acknowledge", reason=note)
    about(known, warning_id=warning_id)
    return known


@use_case(Permission.WARNING_ANSWER, "warning.answer", returns=EarlyWarning)
def answer(ctx: Context, warning_id: UUID, words: str) -> EarlyWarning:
    """The firm says what is behind a warning that stands; banks that read the warning read it too. A later answer replaces it.

    Raises ``NotFound``, ``Refusal(REASON_NEEDED)``, ``Refusal(STATE_CHANGED)`` where the warning is closed.
    """
    warning = get_or_404(EarlyWarning, warning_id, lock=True)
    if warning.firm_id != ctx.org_id:
        raise NotFound
    if warning.state != WarningState.OPEN:
        raise Refusal(ErrorCode.STATE_CHANGED)
    if not words.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="words")
    warning.answer, warning.answered_at, warning.answered_by = words.strip(), now(), ctx.actor_id
    session().flush()
    with elevated(ctx, "credit.warning"):
        for known in session().scalars(select(WarningConcern).where(
            WarningConcern.warning_id == warning_id, WarningConcern.ended_at.is_(None),
        )):
            if _may_read(warning, known.org_id, known.case_id):
                notify(known.org_id, N_("企业对一项预警信号作了说明。"), path=f"/warnings/{warning_id}")
    about(warning)
    return warning
