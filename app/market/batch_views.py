"""Pages of list batches: the desk picks listed needs and banks and sends them at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from wtforms import IntegerField, RadioField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from app.core import pages
from app.core.context import Context
from app.core.database import get_or_404
from app.core.database import session as database_session
from app.core.formats import money_text
from app.core.permissions import Permission
from app.core.tables import Column, Table, remembered
from app.core.use_case import reading
from app.core.web import attempt, context
from app.identity.models import Organisation
from app.market import invite_service, policy, queries
from app.market.audience_models import BatchBank, BatchNeed, NeedBatch
from app.market.display import card_title, need_chip
from app.market.door import room
from app.market.fields import TokenField
from app.market.forms import CheckboxesField
from app.market.models import Need
from app.market.words import Distribution, NeedState

pages.menu.add(_l("推荐清单"), "market.batches", Permission.BATCH_EDIT, 30)
KINDS = {"list": _l("推荐清单"), "fair": _l("银企对接会")}

BATCHES = Table(
    "batches",
    columns=[
        Column("name", _l("名称"), NeedBatch.name, sub=lambda row: str(KINDS[row.kind])),
        Column("needs", _l("需求"), kind="count", sortable=False),
        Column("banks", _l("银行"), kind="count", sortable=False),
        Column("made_at", _l("推送时间"), NeedBatch.made_at, kind="datetime"),
    ],
    default_sort="-made_at",
    row_url=lambda row: url_for("market.batch", batch_id=row.id),
    empty_title=_l("还没有推送过清单"),
    empty_hint=_l("企业提交需求时选择“清单”，会在这里等待编入。"),
)  # fmt: skip


class BatchForm(FlaskForm):
    """A batch: its name, what is in it, whom it goes to."""

    name = StringField(_l("名称"), [DataRequired(_l("请填写名称。")), Length(2, 60, _l("请填写 2 到 60 个字。"))])
    kind = RadioField(_l("类别"), [InputRequired(_l("请选择类别。"))], default="list")
    needs = CheckboxesField(_l("编入的需求"))
    banks = CheckboxesField(_l("推送给"))
    limit_days = IntegerField(_l("报价时间（天）"), [NumberRange(1, 60, _l("请填写 1 到 60 天。"))],
                              description=_l("从推送之日起算；推荐清单原则上一个月内办结。"))  # fmt: skip
    idempotency_token = TokenField()

    def __init__(self, needs: list[tuple[str, str]], banks: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(**options)
        self.needs.choices, self.banks.choices = needs, banks
        self.kind.choices = [(key, str(text)) for key, text in KINDS.items()]


def waiting_needs() -> list[tuple[str, str]]:
    """Listed needs that no batch holds yet, as the desk reads them."""
    rows = session_needs(select(Need).where(
        Need.state == NeedState.OPEN.value, Need.distribution == Distribution.LIST.value,
        Need.id.not_in(select(BatchNeed.need_id)),
    ).order_by(Need.published_at).limit(200))  # fmt: skip
    return [(str(need.id), f"{card_title(need)} · {money_text(need.amount_fen)}") for need in rows]


def session_needs(stmt: Any) -> list[Need]:
    """Needs of the running transaction."""
    return list(database_session().scalars(stmt))


def _form(ctx: Context) -> BatchForm:
    with reading(ctx, Permission.BATCH_EDIT):
        banks = [(str(bank), name) for bank, name in queries.banks()]
        return BatchForm(waiting_needs(), banks, data={"limit_days": policy.audience().list_days, "kind": "list"})


@room.page("/batches", Permission.BATCH_EDIT, methods=["GET", "POST"])
def batches() -> Any:
    """Batches that were sent, and a new one."""
    ctx = context()
    form = _form(ctx)
    if form.validate_on_submit():
        needs, banks = ([UUID(one) for one in field.data or []] for field in (form.needs, form.banks))
        made = attempt(form, lambda: invite_service.send_batch(
            ctx, form.name.data or "", form.kind.data, needs, banks, form.limit_days.data
        ))  # fmt: skip
        if made is not None:
            flash(gettext("已推送。"), "success")
            return redirect(url_for("market.batch", batch_id=made.id))
    with reading(ctx, Permission.BATCH_EDIT) as db:
        count_needs = select(func.count()).where(BatchNeed.batch_id == NeedBatch.id).scalar_subquery()
        count_banks = select(func.count()).where(BatchBank.batch_id == NeedBatch.id).scalar_subquery()
        stmt = select(NeedBatch.id, NeedBatch.name, NeedBatch.kind, NeedBatch.made_at, count_needs.label("needs"),
                      count_banks.label("banks"))  # fmt: skip
        page = BATCHES.load(db, stmt, remembered(BATCHES, request.args, session))
        return render_template("market/batches.html", page=page, form=form)


@room.page("/batches/<uuid:batch_id>", Permission.BATCH_EDIT)
def batch(batch_id: UUID) -> Any:
    """One batch: where each need stands, which banks it went to. Who answered stays sealed."""
    ctx = context()
    with reading(ctx, Permission.BATCH_EDIT) as db:
        found = get_or_404(NeedBatch, batch_id)
        needs = session_needs(select(Need).join(BatchNeed, BatchNeed.need_id == Need.id).where(BatchNeed.batch_id == batch_id))
        banks = db.scalars(
            select(Organisation.name).join(BatchBank, BatchBank.org_id == Organisation.id).where(BatchBank.batch_id == batch_id)
            .order_by(Organisation.name)
        ).all()  # fmt: skip
        return render_template("market/batch.html", batch=found, needs=needs, banks=banks, kinds=KINDS, card_title=card_title,
                               need_chip=need_chip)  # fmt: skip
