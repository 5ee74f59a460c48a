"""Pages of early warnings: a bank's borrowers, the firm's own, and for the city what warnings are worth."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.context import Context
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.formats import is_english, rate_text
from app.core.ids import new_id
from app.core.lifecycle import can_fire
from app.core.pages import Text, Wait
from app.core.permissions import OrgKind, Permission
from app.core.queries import organisation_names
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import attempt, context, send_list
from app.credit import warning_queries, warning_service
from app.credit.door import room
from app.credit.forms import WarningForm
from app.credit.warning_levels import level_text, level_tone
from app.credit.warning_models import EarlyWarning, WarningConcern
from app.credit.warning_states import CONCERN_LIFE, ConcernState, WarningState
from app.evidence.display import chip, item_name
from app.evidence.models import DataItem
from app.identity.models import Organisation
from scoring.signal_words import Kind, Level, facts_from, level_name, sentence, title

P = Permission
pages.menu.add(_l("贷后预警"), "credit.warnings", P.WARNING_READ, 35, pages.Group.LOANS)
pages.menu.add(_l("预警成效"), "credit.warning_worth", P.WARNING_JUDGE, 45, pages.Group.LOANS)
for _event, _words in {"raise": _l("出现预警信号"), "close": _l("预警信号关闭")}.items():
    pages.event_texts.add(EarlyWarning.__tablename__, _event, _words)
for _event, _words in {
    "tell": _l("告知银行"), "acknowledge": _l("银行已处置"), "reopen": _l("信号加重，重新提请处置"), "close": _l("预警信号关闭"),
}.items():
    pages.event_texts.add(WarningConcern.__tablename__, _event, _words)

CONCERN_STATES: dict[str, tuple[Text, str]] = {
    ConcernState.OPEN.value: (_l("待处置"), "wait"), ConcernState.ACKNOWLEDGED.value: (_l("已处置"), "good"),
    ConcernState.CLOSED.value: (_l("信号已消失"), "plain"),
}
WARNING_STATES: dict[str, tuple[Text, str]] = {
    WarningState.OPEN.value: (_l("存在"), "wait"), WarningState.CLOSED.value: (_l("已消失"), "plain"),
}
CLOSED_BECAUSE: dict[str, Text] = {
    "gone": _l("最新资料已不再显示这一信号"), "no_consent": _l("授权已不在有效期内，相关事实已清除"),
}
LEAST_SHOWN = 10
"""Fewer warnings of a kind and level than this are not told: they might point to a firm."""


def _language() -> str:
    return "en" if is_english() else "zh"


def kind_text(row: Any) -> str:
    """What is signalled."""
    return title(Kind(row.kind), _language())


_LEVEL = Column("level", _l("程度"), EarlyWarning.level, render=lambda row: chip((level_text(row.level), level_tone(row.level))),
                export=lambda row: level_text(row.level))
_KIND = Column("kind", _l("信号"), EarlyWarning.kind, render=kind_text, export=kind_text)
_DATES = [
    Column("raised_at", _l("出现"), EarlyWarning.raised_at, kind="datetime"),
    Column("as_of", _l("资料截至"), EarlyWarning.as_of, kind="date", hide_small=True),
]


def _filters() -> list[Filter]:
    """Filters of both lists, in the language of the page."""
    language = _language()
    return [
        Filter("level", _l("程度"), choices=[(str(int(one)), level_name(one, language)) for one in sorted(Level, reverse=True)],
               apply=lambda stmt, value: stmt.where(EarlyWarning.level == int(value))),
        Filter("kind", _l("信号"), choices=[(one.value, title(one, language)) for one in Kind],
               apply=lambda stmt, value: stmt.where(EarlyWarning.kind == value)),
    ]


def _bank_table() -> Table:
    return Table(
        "warnings",
        columns=[
            Column("firm", _l("企业"), Organisation.name), _KIND, _LEVEL, *_DATES,
            Column("state", _l("状态"), WarningConcern.state, render=lambda row: chip(CONCERN_STATES[row.state]),
                   export=lambda row: str(CONCERN_STATES[row.state][0]),
                   sub=lambda row: gettext("企业已说明") if row.answer else ""),
        ],
        filters=[
            *_filters(),
            Filter("state", _l("状态"), choices=[(key, words[0]) for key, words in CONCERN_STATES.items()],
                   apply=lambda stmt, value: stmt.where(WarningConcern.state == value)),
            Filter("q", _l("企业名称"), kind="text",
                   apply=lambda stmt, value: stmt.where(Organisation.name.icontains(value, autoescape=True))),
        ],
        default_sort="-level",
        row_url=lambda row: url_for("credit.warning", warning_id=row.id),
        empty_title=_l("没有预警信号"),
        empty_hint=_l("借款企业授权贵行查看的资料出现用电下降、欠费、欠保、欠税、涉诉等信号时，会列在这里。"),
    )


def _firm_table() -> Table:
    return Table(
        "own-warnings",
        columns=[
            _KIND, _LEVEL, *_DATES,
            Column("state", _l("状态"), EarlyWarning.state, render=lambda row: chip(WARNING_STATES[row.state]),
                   export=lambda row: str(WARNING_STATES[row.state][0]),
                   sub=lambda row: gettext("您已说明") if row.answer else ""),
        ],
        filters=[
            *_filters(),
            Filter("state", _l("状态"), choices=[(key, words[0]) for key, words in WARNING_STATES.items()],
                   apply=lambda stmt, value: stmt.where(EarlyWarning.state == value)),
        ],
        default_sort="-raised_at",
        row_url=lambda row: url_for("credit.warning", warning_id=row.id),
        empty_title=_l("没有关于贵企业的预警信号"),
        empty_hint=_l("平台每次收到新资料后检查一次；有信号时会在这里列出依据，您可以说明情况或提出异议。"),
    )


@room.page("/warnings", P.WARNING_READ)
def warnings() -> Any:
    """Warnings on a bank's borrowers, or about the firm itself."""
    ctx = context()
    bank = ctx.org_kind is OrgKind.BANK
    with reading(ctx, P.WARNING_READ) as db:
        table = _bank_table() if bank else _firm_table()
        stmt = warning_queries.for_bank() if bank else warning_queries.for_firm(ctx.org_id)
        args = remembered(table, request.args, session)
        if wants_export(request.args):
            return send_list(table, table.load_all(db, stmt, args, EXPORT_LIMIT), gettext("贷后预警"), "warnings.xlsx")
        return render_template("credit/warnings.html", page=table.load(db, stmt, args), bank=bank)


@room.page("/warnings/<uuid:warning_id>", P.WARNING_READ, methods=["GET", "POST"])
def warning(warning_id: UUID) -> Any:
    """One warning with its facts. A bank acknowledges it with a note, the firm answers; a bank's look is on record."""
    ctx = context()
    bank = ctx.org_kind is OrgKind.BANK
    form = WarningForm()
    if form.validate_on_submit():
        tell = warning_service.acknowledge if bank else warning_service.answer
        if attempt(form, lambda: tell(ctx, warning_id, form.words.data or "")) is not None:
            flash(gettext("已记录处置。") if bank else gettext("已记录您的说明，有权查看的银行会看到。"), "success")
            return redirect(url_for("credit.warning", warning_id=warning_id))
    form.idempotency_token.data = str(new_id())
    found = warning_service.look(ctx, warning_id)
    with reading(ctx, P.WARNING_READ) as db:
        concern = warning_queries.concern_of(warning_id, ctx.org_id) if bank else None
        language = _language()
        return render_template(
            "credit/warning.html", warning=found, concern=concern, form=form, bank=bank,
            firm=organisation_names({found.firm_id}).get(found.firm_id, "") if bank else "",
            title=kind_text(found), level=(level_text(found.level), level_tone(found.level)),
            item=item_name(db.get_one(DataItem, found.item_code)),
            facts=[sentence(fact, language) for fact in facts_from(found.facts)],
            state=CONCERN_STATES[concern.state] if concern else WARNING_STATES[found.state],
            closed=CLOSED_BECAUSE.get(found.close_reason or ""),
            may_write=can_fire(ctx, CONCERN_LIFE, concern, "acknowledge") if concern
            else not bank and ctx.can(P.WARNING_ANSWER) and found.state == WarningState.OPEN,
            may_dispute=ctx.can(P.DISPUTE_FILE),
        )


@room.page("/warnings/worth", P.WARNING_JUDGE)
def warning_worth() -> Any:
    """What warnings were worth, by kind and level. No firm is named."""
    with reading(context(), P.WARNING_JUDGE):
        parameters = warning_queries.parameters_now()
        rows = warning_queries.worth(parameters.judged_days)
        bad, warned = warning_queries.recall(parameters.judged_days)
    language = _language()
    shown = [
        (title(Kind(one.kind), language), chip((level_text(one.level), level_tone(one.level))), one,
         _share(one.precision), _interval(one.interval))
        for one in rows if one.raised >= LEAST_SHOWN
    ]
    return render_template("credit/warning_worth.html", rows=shown, hidden=len(rows) - len(shown), bad=bad, warned=warned,
                           recall=_share(warned / bad if bad else None), days=parameters.judged_days,
                           least=LEAST_SHOWN, may_see=context().can(P.WARNING_RULES))


def _share(value: float | None) -> str:
    return rate_text(None if value is None else Decimal(str(value)), 1)


def _interval(value: tuple[float, float] | None) -> str:
    return "" if value is None else f"{_share(value[0])} – {_share(value[1])}"


def bank_waits(ctx: Context) -> Iterable[Wait]:
    """Warnings on borrowers that nobody of the bank has dealt with."""
    for row in warning_queries.waiting_for_bank():
        yield Wait(_l("处置贷后预警"), f"{row.firm} · {kind_text(row)} · {level_text(row.level)}",
                   url_for("credit.warning", warning_id=row.id), tone="bad" if row.level == Level.ALARM else "wait", order=28)


def firm_waits(ctx: Context) -> Iterable[Wait]:
    """What is signalled about the firm and it has said nothing of."""
    if ctx.org_id is None:
        return
    for row in warning_queries.unanswered(ctx.org_id):
        yield Wait(_l("查看预警信号并说明情况"), f"{kind_text(row)} · {level_text(row.level)}",
                   url_for("credit.warning", warning_id=row.id), tone="wait", order=45)


pages.home.add_waits(P.WARNING_NOTE, bank_waits)
pages.home.add_waits(P.WARNING_ANSWER, firm_waits)
