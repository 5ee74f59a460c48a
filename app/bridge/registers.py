"""What bridges tell the shared pages: menu, homes, stations of the line, next step, words of the timeline, links."""

from __future__ import annotations

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.bridge import queries
from app.bridge.display import state_text, title_of
from app.bridge.models import Bridge
from app.bridge.states import EVENT_TEXTS, OUT, BridgeState
from app.bridge.turns import due_at, is_mine, turn_of
from app.core.calendar import end_of_working_day
from app.core.context import Context
from app.core.formats import date_text, money_text
from app.core.models import Case
from app.core.pages import (
    CaseLink,
    Group,
    Line,
    NextStep,
    Station,
    Wait,
    case_links,
    event_texts,
    home,
    menu,
    next_steps,
    stations,
)
from app.core.permissions import Permission

menu.add(_l("转贷"), "bridge.bridges", Permission.BRIDGE_READ, 50, Group.BRIDGE)
menu.add(_l("转贷资金"), "bridge.funds", Permission.FUND_READ, 55, Group.BRIDGE)

for _event, _text in EVENT_TEXTS.items():
    event_texts.add("bridge", _event, _l(_text))

_LINE = (
    ("bridge-apply", _l("申请转贷"), (BridgeState.APPLIED,)),
    ("bridge-promise", _l("银行承诺"), (BridgeState.PRECHECKED,)),
    ("bridge-approve", _l("转贷审批"), (BridgeState.BANK_COMMITTED, BridgeState.PARTNER_OFFERED)),
    ("bridge-pay", _l("转贷放款"), (BridgeState.APPROVED, BridgeState.SIGNED)),
    ("bridge-return", _l("归还"), (*OUT, BridgeState.BRIDGE_RETURNED)),
)
_STOPPED = {BridgeState.REJECTED: 0, BridgeState.DECLINED: 1, BridgeState.CANCELLED: 0}


def _where(bridge: Bridge) -> int:
    """The station at which the bridge stands; past the last one when it is settled."""
    if bridge.state == BridgeState.SETTLED:
        return len(_LINE)
    for index, (_, _, states) in enumerate(_LINE):
        if bridge.state in states:
            return index
    if bridge.pending_transfer_id is not None:
        return 3
    if bridge.quote_id is not None:
        return 2
    return _STOPPED[BridgeState(bridge.state)]


def stations_of(ctx: Context, bridge: Bridge) -> list[Station]:
    """申请转贷, 银行承诺, 转贷审批, 转贷放款, 归还."""
    here, stopped = _where(bridge), bridge.state in _STOPPED
    turn = turn_of(bridge)
    due = due_at(bridge, turn) if turn is not None else None
    at = {"bridge-apply": bridge.applied_at,
          "bridge-pay": end_of_working_day(bridge.paid_on) if bridge.paid_on else None,
          "bridge-return": end_of_working_day(bridge.returned_on) if bridge.returned_on else None}
    url = url_for("bridge.show", bridge_id=bridge.id) if ctx.can(Permission.BRIDGE_READ) else None
    line = []
    for index, (key, label, _) in enumerate(_LINE):
        if index < here:
            line.append(Station(key, label, "done", at=at.get(key), url=url))
        elif index == here:
            line.append(Station(key, label, "stopped" if stopped else "here", at=bridge.state_since if stopped else None,
                                due=None if stopped else due, url=url))
        else:
            line.append(Station(key, label))
    return line


def step_of(ctx: Context, bridge: Bridge) -> NextStep | None:
    """Whose turn it is with a bridge."""
    turn = turn_of(bridge)
    if turn is None:
        return NextStep(gettext("已结束"), state_text(bridge.state), mine=False)
    mine = is_mine(ctx, bridge, turn)
    text = gettext(turn.text) + gettext("。")
    if bridge.state == BridgeState.OVERDUE:
        text = gettext("已逾期未归还，尚欠 %(left)s；资金到账后登记归还。", left=money_text(bridge.outstanding_fen))
    return NextStep(gettext("轮到您了") if mine else gettext(turn.whose), text, by=due_at(bridge, turn),
                    otherwise=gettext(turn.otherwise) if turn.otherwise else "", mine=mine)


def own_line(ctx: Context, bridge: Bridge) -> Line:
    """The line for somebody who sees the bridge and not its case (the bureau, a funder asked for a quote)."""
    return Line(stations_of(ctx, bridge), step_of(ctx, bridge))


def _latest(case: Case) -> Bridge | None:
    found = queries.of_case(case.id)
    return found[-1] if found else None


def case_stations(ctx: Context, case: Case) -> list[Station]:
    """The stations of the latest bridge of the case; none where it has no bridge."""
    bridge = _latest(case)
    return stations_of(ctx, bridge) if bridge is not None else []


def case_step(ctx: Context, case: Case) -> NextStep | None:
    """What happens next with a bridge that runs."""
    bridge = _latest(case)
    return step_of(ctx, bridge) if bridge is not None and turn_of(bridge) is not None else None


def links(ctx: Context, case: Case) -> list[CaseLink]:
    """Every bridge of the case."""
    return [
        CaseLink(title_of(bridge), state_text(bridge.state), url_for("bridge.show", bridge_id=bridge.id),
                 BridgeState(bridge.state).tone)
        for bridge in queries.of_case(case.id)
    ]


stations.add(65, case_stations)
next_steps.add(65, case_step)
case_links.add(65, links, Permission.BRIDGE_READ)


def waits(ctx: Context) -> list[Wait]:
    """Bridges whose next step is the viewer's."""
    found = []
    for bridge in queries.waiting(ctx):
        turn = turn_of(bridge)
        if turn is None:
            continue
        bad = bridge.state in (BridgeState.OVERDUE, BridgeState.RENEWAL_REFUSED, BridgeState.SHORT_DRAWN)
        text = gettext("转贷：%(action)s", action=gettext(turn.action))
        if bad:
            text = gettext("转贷：%(action)s（%(state)s）", action=gettext(turn.action), state=state_text(bridge.state))
        found.append(Wait(
            text, f"{bridge.firm_name} · {money_text(bridge.amount_fen or bridge.requested_fen)}",
            url_for("bridge.show", bridge_id=bridge.id), due=due_at(bridge, turn), tone="bad" if bad else "wait",
            order=5 if bad else 20,
        ))
    return found


def maturing_waits(ctx: Context) -> list[Wait]:
    """Loans that fall due: ask the bank, then book a bridge."""
    return [
        Wait(gettext("贷款 %(day)s 到期，安排还款、续贷或转贷", day=date_text(loan.due_on)),
             f"{loan.number} · {money_text(loan.principal_left_fen)}", url_for("bridge.start", loan=loan.id),
             due=end_of_working_day(loan.due_on) if loan.due_on else None, tone="wait", order=30)
        for loan in queries.maturing(ctx)
    ]


home.add_waits(Permission.BRIDGE_READ, waits)
home.add_waits(Permission.BRIDGE_APPLY, maturing_waits)

