"""What the pool tells the shared pages: menu, homes, stations of the line, next step, words of the timeline, links."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.calendar import end_of_working_day, today
from app.core.context import Context
from app.core.formats import money_text
from app.core.models import Case
from app.core.pages import CaseLink, Group, NextStep, Station, Wait, case_links, event_texts, home, menu, next_steps, stations
from app.core.permissions import OrgKind, Permission
from app.pool import queries, service
from app.pool.batch_models import PoolBatch
from app.pool.batch_states import BATCH_TEXTS
from app.pool.board_views import board_figures
from app.pool.models import Booking, Claim
from app.pool.rules import RuleSet, booking_deadline, first_in_time
from app.pool.states import BOOKING_TEXTS, CLAIM_TEXTS, PAID_OUT, BookingState, ClaimState

menu.add(_l("资金池"), "pool.board", Permission.POOL_READ, 10, Group.POOL)
menu.add(_l("入库"), "pool.bookings", Permission.BOOKING_READ, 40, Group.POOL)
menu.add(_l("补偿"), "pool.claims", Permission.CLAIM_READ, 50, Group.POOL)
for _event, _text in BOOKING_TEXTS.items():
    event_texts.add(Booking.__tablename__, _event, _l(_text))
for _event, _text in CLAIM_TEXTS.items():
    event_texts.add(Claim.__tablename__, _event, _l(_text))

for _event, _text in BATCH_TEXTS.items():
    event_texts.add(PoolBatch.__tablename__, _event, _l(_text))

_AT_CITY = (ClaimState.SUBMITTED, ClaimState.AUDIT, ClaimState.DECISION)
_AGREED = (ClaimState.APPROVED, ClaimState.PARTLY_APPROVED, ClaimState.PUBLICISED)
_AFTER = (*PAID_OUT, ClaimState.CLAWED_BACK)


def booking_station(ctx: Context, case: Case) -> list[Station]:
    """入库 of the case, silent where nobody has begun it."""
    found = queries.booking_of_case(case.id)
    if found is None:
        return []
    url = url_for("pool.booking", booking_id=found.id) if ctx.can(Permission.BOOKING_READ) else None
    if found.booked_on is not None and found.state != BookingState.WITHDRAWN:
        return [Station("book", _l("入库"), "done", at=queries.moment(found.booked_on), url=url)]
    over = found.state in (BookingState.REJECTED, BookingState.WITHDRAWN)
    return [Station("book", _l("入库"), "stopped" if over else "here", url=url)]


def claim_stations(ctx: Context, case: Case) -> list[Station]:
    """申请, 审核, 支付, 回收, for the bank and the city, once there is a claim."""
    found = queries.claim_of_case(case.id)
    if found is None:
        return []
    url = url_for("pool.claim", claim_id=found.id) if ctx.can(Permission.CLAIM_READ) else None
    state = ClaimState(found.state)
    filed = queries.moment(found.submitted_on)
    ended = state in (ClaimState.REFUSED, ClaimState.LAPSED, ClaimState.WITHDRAWN)
    asking = state in (ClaimState.DRAFT, ClaimState.RETURNED)
    sent: Any = "here" if asking else "stopped" if ended and filed is None else "done"
    audit: Any = "todo"
    if state in _AT_CITY:
        audit = "here"
    elif state is ClaimState.HELD or (ended and filed is not None):
        audit = "stopped"
    elif state in (*_AGREED, *_AFTER):
        audit = "done"
    paid: Any = "done" if state in _AFTER else "here" if state in _AGREED else "todo"
    back: Any = {ClaimState.PAID: "here", ClaimState.RECOVERING: "here", ClaimState.CLOSED: "done",
                 ClaimState.CLAWED_BACK: "stopped"}.get(state, "todo")
    return [
        Station("claim", _l("申请"), sent, at=filed, url=url),
        Station("audit", _l("审核"), audit, at=queries.moment(found.decided_on),
                due=found.due_at if audit == "here" else None, url=url),
        Station("pay", _l("支付"), paid, at=queries.moment(found.paid_on), url=url),
        Station("recover", _l("回收"), back, url=url),
    ]


_STEPS: dict[ClaimState, tuple[Any, Any, Permission | None]] = {
    ClaimState.DRAFT: (_l("银行复核人"), _l("请复核补偿申请并提交金融局。"), Permission.CLAIM_REVIEW),
    ClaimState.RETURNED: (_l("银行"), _l("请按退回理由补正后重新提交。"), Permission.CLAIM_PREPARE),
    ClaimState.SUBMITTED: (_l("金融局复核"), _l("形式审查：材料是否齐全。"), Permission.CLAIM_CHECK),
    ClaimState.HELD: (_l("金融局领导"), _l("已暂缓，须写明理由才能解除。"), Permission.CLAIM_DECIDE),
    ClaimState.AUDIT: (_l("金融局审核"), _l("核对入库时的事实、损失和补偿计算。"), Permission.CLAIM_AUDIT),
    ClaimState.DECISION: (_l("金融局领导"), _l("审定补偿金额。"), Permission.CLAIM_DECIDE),
    ClaimState.APPROVED: (_l("系统"), _l("公示中，期满后支付。"), None),
    ClaimState.PARTLY_APPROVED: (_l("系统"), _l("公示中，期满后支付。"), None),
    ClaimState.PUBLICISED: (_l("金融局出纳"), _l("公示期满，请支付。"), Permission.CLAIM_PAY),
    ClaimState.PAID: (_l("银行"), _l("继续追偿，收回的款项请登记并按比例返还。"), Permission.RECOVERY_REPORT),
    ClaimState.RECOVERING: (_l("银行"), _l("继续追偿，收回的款项请登记并按比例返还。"), Permission.RECOVERY_REPORT),
}


def next_step(ctx: Context, case: Case) -> NextStep | None:
    """Whose turn it is with the claim."""
    found = queries.claim_of_case(case.id)
    if found is None:
        return None
    known = _STEPS.get(ClaimState(found.state))
    if known is None:
        return None
    whose, text, permission = known
    mine = permission is not None and ctx.can(permission)
    return NextStep(_l("轮到您了") if mine else whose, text, by=found.due_at, mine=mine)


def links(ctx: Context, case: Case) -> list[CaseLink]:
    """Bookings and claims of the case, to those who may open them."""
    shown = []
    for booking in queries.bookings_of_case(case.id) if ctx.can(Permission.BOOKING_READ) else []:
        state, url = BookingState(booking.state), url_for("pool.booking", booking_id=booking.id)
        shown.append(CaseLink(_l("入库单"), gettext(state.label), url, state.tone))
    for claim in queries.claims_of_case(case.id) if ctx.can(Permission.CLAIM_READ) else []:
        stage, url = ClaimState(claim.state), url_for("pool.claim", claim_id=claim.id)
        shown.append(CaseLink(_l("补偿申请"), gettext(stage.label), url, stage.tone))
    return shown


def _claim_waits(text: Any, states: tuple[ClaimState, ...], order: int = 20, *, funded: bool = False) -> list[Wait]:
    return [
        Wait(text, f"{row.bank_name} · {row.firm_name} · {money_text(row.compensation_fen)}",
             url_for("pool.claim", claim_id=row.id), due=row.due_at, tone="wait", order=order)
        for row in queries.due_claims(states, funded=funded)
    ]


def bank_reviewer_waits(ctx: Context) -> list[Wait]:
    """Claims that wait for the bank's second person."""
    return _claim_waits(_l("复核补偿申请"), (ClaimState.DRAFT,))


def officer_waits(ctx: Context) -> list[Wait]:
    """Loans to book, bad loans to claim, claims sent back."""
    stored = service.rule_set_on(today())
    rules = RuleSet.from_json(stored.rules) if stored else None  # without an edition in force nothing can be booked
    waits = [
        Wait(_l("办理入库"), f"{row.firm_name} · {money_text(row.principal_fen)}", url_for("pool.book", loan_id=row.id),
             due=end_of_working_day(booking_deadline(rules, row.drawn_on)), order=40)
        for row in queries.to_book(first_in_time(rules, today()))
    ] if rules is not None else []
    waits += [
        Wait(_l("入库贷款成为不良，可以申请补偿"), f"{row.firm_name} · {row.number}", url_for("pool.booking", booking_id=row.id),
             tone="wait", order=35)
        for row in queries.bad_bookings()
    ]
    return waits + _claim_waits(_l("补正补偿申请"), (ClaimState.RETURNED,), 15)


def check_waits(ctx: Context) -> list[Wait]:
    """Objections that keep a payment waiting, and formal checks."""
    objections = [
        Wait(_l("答复公示异议"), f"{row.number} · {row.firm_name}", url_for("pool.claim", claim_id=row.claim_id), tone="bad",
             order=5)
        for row in queries.due_objections()
    ]
    return objections + _claim_waits(_l("形式审查"), (ClaimState.SUBMITTED,))


def audit_waits(ctx: Context) -> list[Wait]:
    """Audits."""
    return _claim_waits(_l("审核补偿申请"), (ClaimState.AUDIT,))


def leader_waits(ctx: Context) -> list[Wait]:
    """Decisions, holds, late bookings."""
    late = [
        Wait(_l("是否同意补报入库"), f"{row.bank_name} · {row.firm_name} · {money_text(row.principal_fen)}",
             url_for("pool.booking", booking_id=row.id), tone="wait", order=30)
        for row in queries.late_bookings()
    ]
    held = _claim_waits(_l("已暂缓的补偿申请"), (ClaimState.HELD,))
    return _claim_waits(_l("审定补偿申请"), (ClaimState.DECISION,), 10) + held + late


def cashier_waits(ctx: Context) -> list[Wait]:
    """Payments, and money due back."""
    due = [
        Wait(_l("核对应返还的追偿款"), f"{row.bank_name} · {money_text(row.due_fen)}",
             url_for("pool.claim_recoveries", claim_id=row.claim_id), due=end_of_working_day(row.due_on), order=30)
        for row in queries.due_returns()
    ]
    return _claim_waits(_l("支付补偿"), (ClaimState.PUBLICISED,), 10, funded=True) + due


def bank_only(ctx: Context) -> list[Wait]:
    """What the payee owes to the pool."""
    if ctx.org_kind not in (OrgKind.BANK, OrgKind.GUARANTOR):
        return []
    return [
        Wait(_l("返还追偿款"), money_text(row.due_fen), url_for("pool.claim_recoveries", claim_id=row.claim_id),
             due=end_of_working_day(row.due_on), tone="wait", order=25)
        for row in queries.due_returns()
    ]


stations.add(70, booking_station)
stations.add(80, claim_stations)
next_steps.add(80, next_step)
case_links.add(70, links)
home.add_figures(Permission.POOL_READ, board_figures)
home.add_waits(Permission.CLAIM_REVIEW, bank_reviewer_waits)
home.add_waits(Permission.BOOKING_SUBMIT, officer_waits)
home.add_waits(Permission.CLAIM_CHECK, check_waits)
home.add_waits(Permission.CLAIM_AUDIT, audit_waits)
home.add_waits(Permission.CLAIM_DECIDE, leader_waits)
home.add_waits(Permission.CLAIM_PAY, cashier_waits)
home.add_waits(Permission.RECOVERY_REPORT, bank_only)
