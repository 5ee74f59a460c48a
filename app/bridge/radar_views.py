"""Pages of the maturity radar."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from wtforms import RadioField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from app.bridge import queries, radar_queries, radar_service
from app.bridge.ask_views import state_chip as ask_chip
from app.bridge.display import state_chip, state_text
from app.bridge.door import room
from app.bridge.forms import StepForm
from app.bridge.radar_models import RenewalIntent
from app.bridge.radar_queries import LEFT, UNDER_WAY, WARNING, days_left
from app.bridge.radar_rules import INTENTS
from app.core import pages
from app.core.calendar import end_of_working_day
from app.core.context import Context
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_parts
from app.core.pages import Figure, Wait
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, send_list
from app.credit.warning_levels import level_text, level_tone
from app.identity.forms import offers
from app.loans.models import Loan

pages.menu.add(_l("到期雷达"), "bridge.radar", Permission.RADAR_READ, 51, pages.Group.BRIDGE)

WAYS = (("NONE", _l("还没有安排")), ("ASK", _l("已问无还本续贷")), ("BRIDGE", _l("转贷办理中")))


def intent_chip(code: str | None, asked_at: Any) -> Any:
    """What the bank intends, or that it was asked and is silent."""
    if code is None:
        return chip(gettext("已问，待银行答复") if asked_at else gettext("还没有问"), "wait" if asked_at else "plain")
    words, tone = INTENTS[code]
    return chip(gettext(words), tone)


def way_chip(row: Any) -> Any:
    """What is under way with a loan."""
    if row.bridge_id:
        return state_chip(row.bridge_state)
    return ask_chip(row.ask_state) if row.ask_id else chip(gettext("还没有安排"), "plain")


def warning_chip(level: int | None) -> Any:
    """The worst open warning the viewer may read."""
    if level is None:
        return "—"
    return chip(level_text(level), level_tone(level))


def next_of(row: Any) -> tuple[Any, str]:
    """The one click of a row, by who looks: on to the bridge, the application, the ask, or the bank's word."""
    ctx = context()
    if row.bridge_id:
        return _l("看转贷"), url_for("bridge.show", bridge_id=row.bridge_id)
    if ctx.org_kind is OrgKind.ENTERPRISE:
        if row.ask_id and row.ask_state in ("REFUSED", "UNANSWERED"):
            return _l("申请转贷"), url_for("bridge.apply", ask_id=row.ask_id)
        if row.ask_id:
            return _l("看答复"), url_for("bridge.ask", ask_id=row.ask_id)
        return _l("问银行续贷"), url_for("bridge.start", loan=row.id)
    if row.ask_id:
        return _l("看申请"), url_for("bridge.ask", ask_id=row.ask_id)
    return _l("续贷意向"), url_for("bridge.radar_loan", loan_id=row.id)


RADAR = Table(
    "radar",
    columns=[
        Column("number", _l("贷款"), Loan.number, sub=lambda row: row.firm_name),
        Column("bank_name", _l("银行"), hide_small=True),
        Column("left_fen", _l("尚欠本金"), LEFT, kind="money"),
        Column("due_on", _l("到期日"), Loan.due_on, kind="date", sub=lambda row: gettext("还有 %(days)s 天", days=row.days)),
        Column("intent", _l("续贷意向"), sortable=False, render=lambda row: intent_chip(row.intent, row.asked_at),
               export=lambda row: gettext(INTENTS[row.intent][0]) if row.intent else ""),
        Column("warning", _l("预警"), sortable=False, hide_small=True, render=lambda row: warning_chip(row.warning),
               export=lambda row: "" if row.warning is None else level_text(row.warning)),
        Column("way", _l("进展"), sortable=False, render=way_chip,
               export=lambda row: state_text(row.bridge_state) if row.bridge_id else (row.ask_state or "")),
    ],
    filters=[
        Filter("q", _l("企业、贷款或借据"), kind="text", apply=lambda stmt, value: stmt.where(
            radar_queries.FIRM_NAME.icontains(value, autoescape=True) | Loan.number.icontains(value, autoescape=True)
            | Loan.note_no.icontains(value, autoescape=True))),
        Filter("days", _l("几天内到期"), choices=[(str(days), str(days)) for days in (15, 30, 60)],
               apply=lambda stmt, value: stmt.where(days_left() <= int(value))),
        Filter("bank", _l("银行"), choices=lambda: queries.banks(),
               apply=lambda stmt, value: stmt.where(Loan.org_id == UUID(value))),
        Filter("intent", _l("续贷意向"), kind="choices",
               choices=fixed(lambda: [(code, gettext(words)) for code, (words, _) in INTENTS.items()]),
               apply=lambda stmt, value: stmt.where(RenewalIntent.intent.in_(value))),
        Filter("way", _l("进展"), choices=WAYS, apply=lambda stmt, value: stmt.where(value == UNDER_WAY)),
        Filter("warned", _l("只看有预警的"), kind="flag", apply=lambda stmt, value: stmt.where(WARNING.is_not(None))),
    ],
    default_sort="due_on",
    row_url=lambda row: url_for("bridge.radar_loan", loan_id=row.id),
    row_action=next_of,
    empty_title=_l("近期没有到期的贷款"),
    empty_hint=_l("平台上的贷款在到期前会列在这里，并在提前 60、30、15 天各提醒一次。"),
)  # fmt: skip


@room.page("/bridges/radar", Permission.RADAR_READ)
def radar() -> Any:
    """Loans that fall due soon; for the bureau figures per bank, without firms."""
    ctx = context()
    with reading(ctx, Permission.RADAR_READ) as db:
        if ctx.org_kind is OrgKind.BUREAU:
            return render_template("bridge/radar_bureau.html", figures=_figures(), rows=radar_queries.by_bank())
        args = remembered(RADAR, request.args, session)
        if wants_export(request.args):
            rows = RADAR.load_all(db, radar_queries.radar(), args, EXPORT_LIMIT)
            return send_list(RADAR, rows, gettext("到期雷达"), "radar.xlsx")
        return render_template(
            "bridge/radar.html", page=RADAR.load(db, radar_queries.radar(), args), figures=_figures(),
            shared=radar_queries.shared(ctx) if ctx.can(Permission.BRIDGE_APPLY) else None,
            firms=radar_service.shares() if ctx.org_kind is OrgKind.BRIDGE_CENTRE else None,
        )


def _figures() -> list[Figure]:
    found, after = [], 0
    for days, count, left_fen in radar_queries.near():
        label = gettext("%(low)s 至 %(high)s 天内到期", low=after, high=days)
        owed = money_parts(left_fen)
        found.append(Figure(label, str(count), gettext("笔，%(money)s", money=str(owed)), tone="wait" if count else "plain"))
        after = days + 1
    return found


class IntentForm(StepForm):
    """What the bank intends."""

    intent = RadioField(_l("续贷意向"), [InputRequired(_l("请选择续贷意向。"))])
    note = TextAreaField(_l("说明"), [Optional(), Length(max=500)], description=_l("企业会看到。意向不是承诺，可以再改。"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.intent.choices = offers((code, gettext(words)) for code, (words, _) in INTENTS.items())


@room.page("/bridges/radar/<uuid:loan_id>", Permission.RADAR_READ, methods=["GET", "POST"])
def radar_loan(loan_id: UUID) -> Any:
    """One loan that falls due: what the bank intends, what is under way, and the one click from here."""
    ctx = context()
    if ctx.org_kind is OrgKind.BUREAU:
        raise Refusal(ErrorCode.NOT_FOUND)
    form = IntentForm()
    if ctx.can(Permission.BRIDGE_CONFIRM) and form.validate_on_submit():
        said = attempt(form, lambda: radar_service.intend(ctx, loan_id, form.intent.data, form.note.data or ""))
        if said is not None:
            flash(gettext("续贷意向已登记，企业会看到。"), "success")
            return redirect(url_for("bridge.radar_loan", loan_id=loan_id))
    with reading(ctx, Permission.RADAR_READ) as db:
        row = radar_queries.one(loan_id)
        if row is None:
            raise Refusal(ErrorCode.NOT_FOUND)
        said = db.query(RenewalIntent).where(RenewalIntent.loan_id == loan_id).one_or_none()
        mine = row.org_id == ctx.org_id and ctx.can(Permission.BRIDGE_CONFIRM)
        if said is not None and said.intent and not form.is_submitted():
            form = IntentForm(data={"intent": said.intent, "note": said.note})
        return render_template(
            "bridge/radar_loan.html", row=row, said=said, form=form, may_answer=mine,
            intent=intent_chip(row.intent, row.asked_at), may_ask=said is None and ctx.org_kind is not OrgKind.BANK,
            way=way_chip(row), warning=warning_chip(row.warning), step=next_of(row), lends=ctx.can(Permission.LOAN_READ),
            sees_warnings=ctx.can(Permission.WARNING_READ),
        )


@room.page("/bridges/radar/<uuid:loan_id>/ask", Permission.RADAR_READ, methods=["POST"])
def ask_intent(loan_id: UUID) -> Any:
    """Firm or centre ask the bank what it intends."""
    return act(lambda: radar_service.ask_intent(context(), loan_id), done=gettext("已请银行说明续贷意向。"),
               to=url_for("bridge.radar_loan", loan_id=loan_id))


@room.page("/bridges/radar/share", Permission.BRIDGE_APPLY, methods=["POST"])
def share_radar() -> Any:
    """The firm lets the centre look, or ends that."""
    agreed = request.form.get("agreed") == "1"
    done = gettext("转贷中心可以看到贵企业快到期的贷款了。") if agreed else gettext("转贷中心不再看到贵企业快到期的贷款。")
    return act(lambda: radar_service.share(context(), agreed), done=done, to=url_for("bridge.radar"))


def waits(ctx: Context) -> list[Wait]:
    """Loans on which the bank was asked what it intends."""
    return [
        Wait(_l("说明续贷意向"), f"{row.firm_name} · {row.number}", url_for("bridge.radar_loan", loan_id=row.id),
             due=end_of_working_day(row.due_on), tone="wait", order=35)
        for row in radar_queries.silent(ctx)
    ]  # fmt: skip


pages.home.add_waits(Permission.RADAR_READ, waits)
