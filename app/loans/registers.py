"""What loans tell the shared pages: menu, homes, stations of the line, next step, words of the timeline, links."""

from __future__ import annotations

from datetime import datetime

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.calendar import SHANGHAI, end_of_working_day
from app.core.context import Context
from app.core.formats import money_text
from app.core.models import Case
from app.core.pages import CaseLink, Group, NextStep, Station, Wait, case_links, event_texts, home, menu, next_steps, stations
from app.core.permissions import OrgKind, Permission
from app.loans import queries
from app.loans.models import Loan
from app.loans.states import EVENT_TEXTS, LoanState
from app.market import exposure, policy

exposure.add("loans", queries.debts_of)
menu.add(_l("贷款"), "loans.loans", Permission.LOAN_READ, 30, Group.LOANS)
for _event, _text in EVENT_TEXTS.items():
    event_texts.add(Loan.__tablename__, _event, _l(_text))


def decision_due(opened_at: datetime) -> datetime:
    """By when the bank is asked to approve (market service levels)."""
    return policy.calendar().due(opened_at, policy.levels().decision_target_wd)


def report_due(approved_at: datetime) -> datetime:
    """By when the bank is asked to report the drawdown (market service levels)."""
    return policy.calendar().due(approved_at, policy.levels().drawdown_report_target_wd)


def line_stations(ctx: Context, case: Case) -> list[Station]:
    """审批 and 放款 of the loans of a case; where there is none yet, both to come on a case of a need. Of several loans beside
    each other a station is done once it is done for all."""
    loans = queries.current_of_case(case.id)
    approve, draw = Station("approve", _l("审批")), Station("draw", _l("放款"))
    if not loans:
        return [approve, draw] if case.kind == "need" else []

    def url(loan: Loan) -> str | None:
        return url_for("loans.loan", loan_id=loan.id) if ctx.can(Permission.LOAN_READ) else None

    if loans[0].state == LoanState.REFUSED:
        return [Station("approve", _l("审批"), "stopped", url=url(loans[0])), draw]
    waiting = [loan for loan in loans if loan.approved_at is None]
    if waiting:
        return [Station("approve", _l("审批"), "here", due=decision_due(waiting[0].opened_at), url=url(waiting[0])), draw]
    decided = [(loan.approved_at, loan) for loan in loans if loan.approved_at is not None]
    at, last = max(decided, key=lambda pair: pair[0])
    approved = Station("approve", _l("审批"), "done", at=at, url=url(last))
    undrawn = [(approved_at, loan) for approved_at, loan in decided if loan.drawn_on is None]
    if undrawn:
        first = undrawn[0]
        return [approved, Station("draw", _l("放款"), "here", due=report_due(first[0]), url=url(first[1]))]
    day, drawn = max(((loan.drawn_on, loan) for loan in loans if loan.drawn_on is not None), key=lambda pair: pair[0])
    moment = datetime.combine(day, datetime.min.time(), SHANGHAI)
    return [approved, Station("draw", _l("放款"), "done", at=moment, url=url(drawn))]


_TURN = {LoanState.AGREED: 0, LoanState.APPROVED: 1, LoanState.DRAWN: 2, LoanState.REPAID: 3, LoanState.REFUSED: 4}


def next_step(ctx: Context, case: Case) -> NextStep | None:
    """Whose turn it is between choice and repayment: of several loans, with the one that is least far."""
    loans = queries.current_of_case(case.id)
    if not loans:
        return None
    return _next_step(ctx, min(loans, key=lambda loan: (_TURN[LoanState(loan.state)], -loan.overdue_days)))


def _next_step(ctx: Context, loan: Loan) -> NextStep:
    bank = ctx.org_kind is OrgKind.BANK
    if loan.state == LoanState.AGREED:
        mine = ctx.can(Permission.LOAN_APPROVE)
        return NextStep(_l("轮到您了") if mine else _l("银行"), _l("请审批这笔贷款。") if bank else _l("正在审批这笔贷款。"),
                        by=decision_due(loan.opened_at), mine=mine)
    if loan.state == LoanState.APPROVED and loan.approved_at is not None:
        mine = ctx.can(Permission.LOAN_REPORT)
        text = _l("放款后请登记借据、日期和金额。") if bank else _l("正在办理放款。")
        return NextStep(_l("轮到您了") if mine else _l("银行"), text, by=report_due(loan.approved_at), mine=mine)
    if loan.state == LoanState.REFUSED:
        return NextStep(_l("已结束"), _l("银行没有批准这笔贷款，理由见记录。企业可以重新发起融资需求。"), mine=False)
    if loan.state == LoanState.REPAID:
        return NextStep(_l("已结清"), _l("这笔贷款的本息已经还清。"), mine=False)
    firm = ctx.org_kind is OrgKind.ENTERPRISE
    if loan.overdue_days:
        return NextStep(_l("企业"), _l("有到期未还的款项，已逾期 %(days)s 天，请尽快归还。", days=loan.overdue_days), mine=firm)
    return NextStep(_l("企业"), _l("按还款计划归还本息。"), mine=False)


def links(ctx: Context, case: Case) -> list[CaseLink]:
    """Every loan of the case."""
    return [
        CaseLink(_l("贷款 %(number)s", number=loan.number), gettext(LoanState(loan.state).label),
                 url_for("loans.loan", loan_id=loan.id), LoanState(loan.state).tone)
        for loan in queries.of_case(case.id)
    ]


def approver_waits(ctx: Context) -> list[Wait]:
    """Promises to keep."""
    return [
        Wait(_l("审批贷款"), f"{row.firm_name} · {money_text(row.amount_fen)}", url_for("loans.loan", loan_id=row.id),
             due=decision_due(row.opened_at), tone="wait", order=10)
        for row in queries.waiting([LoanState.AGREED])
    ]


def officer_waits(ctx: Context) -> list[Wait]:
    """Drawdowns to report, arrears to look after."""
    if ctx.org_kind is not OrgKind.BANK:
        return []
    waits = [
        Wait(_l("放款后请登记"), f"{row.firm_name} · {money_text(row.amount_fen)}", url_for("loans.drawdown", loan_id=row.id),
             due=report_due(row.approved_at), tone="wait", order=15)
        for row in queries.waiting([LoanState.APPROVED])
    ]
    waits += [
        Wait(_l("贷款逾期 %(days)s 天", days=row.overdue_days), f"{row.firm_name} · {row.number}",
             url_for("loans.loan", loan_id=row.id), tone="bad", order=30)
        for row in queries.overdue()
    ]
    return waits


def firm_waits(ctx: Context) -> list[Wait]:
    """Instalments that fall due."""
    if ctx.org_kind is not OrgKind.ENTERPRISE:
        return []
    return [
        Wait(_l("归还第 %(no)s 期 %(amount)s", no=row.no, amount=money_text(row.left_fen)), f"{row.bank_name} · {row.number}",
             url_for("loans.loan", loan_id=row.id), due=end_of_working_day(row.due_on), tone="wait", order=20)
        for row in queries.due_soon()
    ]


stations.add(50, line_stations)
next_steps.add(50, next_step)
case_links.add(50, links, Permission.LOAN_READ)
home.add_waits(Permission.LOAN_APPROVE, approver_waits)
home.add_waits(Permission.LOAN_REPORT, officer_waits)
home.add_waits(Permission.LOAN_READ, firm_waits)
