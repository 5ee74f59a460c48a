"""Pages of batches, for the desk: which needs and which banks go into a list or a fair."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange

from app.core import pages
from app.core.context import Context
from app.core.database import get_or_404
from app.core.filters import Filter, fixed, remembered
from app.core.permissions import Permission
from app.core.tables import Column, Table, wants_export
from app.core.uscc import DISTRICTS
from app.core.use_case import reading
from app.core.web import act, attempt, context, filled, send_list
from app.enterprises.industries import SECTIONS
from app.market import batch_service, invite_service, policy, queries, round_queries
from app.market.batch_models import NeedBatch
from app.market.display import card_title, kind_text, months_text, need_chip
from app.market.door import room
from app.market.fields import TokenField, ids_of
from app.market.forms import named
from app.market.models import Need
from app.market.queue_views import divisions
from app.market.round_queries import Firm
from app.market.round_views import ROUNDS
from app.market.round_words import BATCH_KINDS, LIVE_ROUNDS
from app.market.words import NEED_STATES, WANTED_KINDS

MOST_EXPORTED = 10_000

pages.menu.add(_l("需求批次"), "market.batches", Permission.BATCH_EDIT, 42, pages.Group.FINANCING)

BATCHES = Table(
    "batches",
    columns=[
        Column("name", _l("批次"), NeedBatch.name, sub=lambda row: gettext(BATCH_KINDS[row.kind])),
        Column("needs", _l("需求"), sortable=False, kind="count"),
        Column("banks", _l("银行"), sortable=False, kind="count"),
        Column("limit_days", _l("办理期限（天）"), NeedBatch.limit_days, kind="count", hide_small=True),
        Column("made_at", _l("建立"), NeedBatch.made_at, kind="datetime", hide_small=True),
    ],
    default_sort="-made_at",
    row_url=lambda row: url_for("market.batch", batch_id=row.id),
    empty_title=_l("还没有批次"),
    empty_hint=_l("把部门推荐的企业名单，或一场对接会的需求和银行，放进一个批次。"),
)
_COLUMNS = [
    Column("name", _l("企业"), Firm.name, sub=card_title),
    Column("amount_fen", _l("金额"), Need.amount_fen, kind="money",
           sub=lambda row: f"{months_text(row.term_months)} · {kind_text(row.product_kind)}"),
    Column("first_loan", _l("首贷户"), sortable=False, render=lambda row: gettext("是") if row.first_loan else gettext("否"),
           export=lambda row: row.first_loan, hide_small=True),
    Column("closes_at", _l("截止"), Need.closes_at, kind="datetime"),
]  # fmt: skip
_FILTERS = [
    Filter("district", _l("地区"), kind="choices",
           choices=fixed(lambda: [(code, gettext(name)) for code, name in DISTRICTS.items()]),
           apply=lambda stmt, value: stmt.where(Need.district.in_(value))),
    Filter("industry", _l("行业"), kind="choices",
           choices=fixed(lambda: [(section.letter, gettext(section.name_zh)) for section in SECTIONS]),
           apply=lambda stmt, value: stmt.where(Need.industry_code.op("~")("^(" + "|".join(divisions(value)) + ")"))),
    Filter("kind", _l("担保"), kind="choice", choices=fixed(lambda: named(WANTED_KINDS)),
           apply=lambda stmt, value: stmt.where(Need.product_kind == value)),
    Filter("first", _l("只看首贷户"), kind="flag", apply=lambda stmt, value: stmt.where(Need.first_loan)),
]  # fmt: skip
INSIDE = Table(
    "batch",
    columns=[
        *_COLUMNS,
        Column("uscc", _l("统一社会信用代码"), sortable=False, hide_small=True),
        Column("state", _l("状态"), sortable=False, render=lambda row: need_chip(row.state),
               export=lambda row: gettext(NEED_STATES[row.state])),
    ],
    filters=_FILTERS,
    default_sort="name",
    empty_title=_l("批次里还没有需求"),
    empty_hint=_l("粘贴企业的统一社会信用代码，或按条件挑选正在报价的需求。"),
)  # fmt: skip
OPEN = Table(
    "candidates", columns=_COLUMNS, filters=_FILTERS, default_sort="closes_at",
    empty_title=_l("没有可以加入的需求"), empty_hint=_l("正在报价的需求都已在批次里，或现在没有正在报价的需求。"),
)  # fmt: skip


class BatchForm(FlaskForm):
    """A new batch."""

    name = StringField(_l("名称"), [InputRequired(_l("请填写名称。")), Length(2, 80)])
    kind = SelectField(_l("种类"))
    limit_days = IntegerField(
        _l("办理期限"), [InputRequired(_l("请填写天数。")), NumberRange(1, 365)], default=lambda: policy.audience().list_days,
        description=_l("银行答复名单内企业的天数。"),
    )  # fmt: skip
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind.choices = named(BATCH_KINDS)


@room.page("/batches", Permission.BATCH_EDIT, methods=["GET", "POST"])
def batches() -> Any:
    """All batches, and a new one."""
    ctx, form = context(), BatchForm()
    if form.validate_on_submit():
        made = attempt(form, lambda: batch_service.make_batch(
            ctx, filled(form.name.data), filled(form.kind.data), filled(form.limit_days.data)
        ))  # fmt: skip
        if made is not None:
            return redirect(url_for("market.batch", batch_id=made.id))
    with reading(ctx, Permission.BATCH_EDIT) as db:
        page = BATCHES.load(db, round_queries.batches_query(), remembered(BATCHES, request.args, session))
    return render_template("market/batches.html", page=page, form=form), 422 if form.errors else 200


@room.page("/batches/<uuid:batch_id>", Permission.BATCH_EDIT)
def batch(batch_id: UUID) -> Any:
    """One batch: its banks, its needs, its rounds."""
    ctx = context()
    with reading(ctx, Permission.BATCH_EDIT) as db:
        found = get_or_404(NeedBatch, batch_id)
        args = remembered(INSIDE, request.args, session)
        if wants_export(request.args):
            rows = INSIDE.load_all(db, round_queries.batch_needs(batch_id), args, MOST_EXPORTED)
            return send_list(INSIDE, rows, gettext("需求批次"), "batch.xlsx")
        page = INSIDE.load(db, round_queries.batch_needs(batch_id), args)
        rounds = db.execute(round_queries.rounds_query(batch_id)).all()
        return render_template(
            "market/batch.html", batch=found, kind=BATCH_KINDS[found.kind], page=page, banks=queries.banks(),
            inside=round_queries.batch_banks(batch_id), offering=round_queries.matching_products(batch_id),
            rounds=ROUNDS.page_of(rounds), live=any(row.state in LIVE_ROUNDS for row in rounds),
            quota=policy.matching().quota,
        )  # fmt: skip


@room.page("/batches/<uuid:batch_id>/banks", Permission.BATCH_EDIT, methods=["POST"])
def set_banks(batch_id: UUID) -> Any:
    """Says which banks take part."""
    banks = ids_of(request.form.getlist("banks"))
    return act(
        lambda: batch_service.set_banks(context(), batch_id, banks), done=gettext("参加的银行已保存。"), to=_to(batch_id)
    )


@room.page("/batches/<uuid:batch_id>/send", Permission.BATCH_EDIT, methods=["POST"])
def send_batch(batch_id: UUID) -> Any:
    """Sends the listed needs to the banks that take part."""
    return act(lambda: invite_service.send_batch(context(), batch_id), done=gettext("已推送。"), to=_to(batch_id))


def _to(batch_id: UUID) -> str:
    return url_for("market.batch", batch_id=batch_id)


@room.page("/batches/<uuid:batch_id>/firms", Permission.BATCH_EDIT, methods=["POST"])
def set_firms(batch_id: UUID) -> Any:
    """Takes needs in, or out, by the codes of their firms, one a line."""
    ctx = context()
    codes = re.split(r"[\s,，;；]+", request.form.get("codes", "")[:2_000_000])

    if request.form.get("do") == "remove":
        return act(lambda: _say_removed(ctx, batch_id, codes), done=gettext("已从批次中移出。"), to=_to(batch_id))
    return act(lambda: _say_added(ctx, batch_id, codes), done=gettext("名单已处理。"), to=_to(batch_id))


def _say_added(ctx: Context, batch_id: UUID, codes: list[str]) -> None:
    named_firms = batch_service.add_firms(ctx, batch_id, codes)
    flash(gettext("加入 %(added)s 份需求，%(known)s 份已在批次里。", added=named_firms.added, known=named_firms.known), "info")
    if named_firms.without:
        shown = gettext("、").join(named_firms.without[:10])
        flash(gettext("%(count)s 个代码没有正在报价的需求：%(codes)s", count=len(named_firms.without), codes=shown), "warning")


def _say_removed(ctx: Context, batch_id: UUID, codes: list[str]) -> None:
    flash(gettext("移出 %(count)s 份需求。", count=batch_service.remove_firms(ctx, batch_id, codes)), "info")


@room.page("/batches/<uuid:batch_id>/needs", Permission.BATCH_EDIT, methods=["GET", "POST"])
def pick_needs(batch_id: UUID) -> Any:
    """Open needs by filters; the button takes all that the filters leave into the batch."""
    ctx = context()
    with reading(ctx, Permission.BATCH_EDIT) as db:
        found = get_or_404(NeedBatch, batch_id)
        args = remembered(OPEN, request.args, session)
        stmt = round_queries.candidates(batch_id)
        if request.method == "GET":
            page = OPEN.load(db, stmt, args)
            return render_template("market/batch_needs.html", batch=found, page=page, most=batch_service.MOST_AT_ONCE)
        ids = [row.id for row in OPEN.load_all(db, stmt, args, batch_service.MOST_AT_ONCE - 1)]
    return act(
        lambda: batch_service.add_needs(ctx, batch_id, ids),
        done=gettext("已加入 %(count)s 份需求。", count=len(ids)), to=_to(batch_id),
    )  # fmt: skip
