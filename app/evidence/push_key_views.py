"""接口密钥: the page on which a provider's administrator makes and ends the keys of its machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from wtforms import HiddenField, StringField
from wtforms.validators import InputRequired, Length

from app.core import pages
from app.core.database import get_or_404
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.ids import new_id
from app.core.pages import Text
from app.core.permissions import OrgKind, Permission
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import act, attempt, context, send_list
from app.evidence import push_service
from app.evidence.display import chip, item_name
from app.evidence.door import room
from app.evidence.models import DataItem, ProviderItem
from app.evidence.push_models import ProviderKey
from app.evidence.push_rules import PUSH
from app.identity.models import Person

pages.menu.add(_l("接口密钥"), "evidence.keys", Permission.KEY_EDIT, 22, pages.Group.DATA)

STATES = {"live": (_l("使用中"), "good"), "revoked": (_l("已停用"), "plain")}


def _state(row: Any) -> Any:
    return STATES["live" if row.revoked_at is None else "revoked"]


KEYS = Table(
    "keys",
    columns=[
        Column("label", _l("名称"), ProviderKey.label, sub=lambda row: row.key_id),
        Column("state", _l("状态"), sortable=False, render=lambda row: chip(_state(row)), export=lambda row: str(_state(row)[0])),
        Column("last_used_at", _l("最近使用"), ProviderKey.last_used_at, kind="datetime"),
        Column("created_at", _l("创建"), ProviderKey.created_at, kind="datetime", hide_small=True),
        Column("maker", _l("创建人"), sortable=False, hide_small=True),
        Column("revoked_at", _l("停用"), ProviderKey.revoked_at, kind="datetime", hide_small=True),
    ],
    filters=[
        Filter("state", _l("状态"), choices=[(key, words[0]) for key, words in STATES.items()],
               apply=lambda stmt, value: stmt.where(
                   ProviderKey.revoked_at.is_(None) if value == "live" else ProviderKey.revoked_at.is_not(None))),
        Filter("q", _l("名称或编号"), kind="text",
               apply=lambda stmt, value: stmt.where(
                   ProviderKey.label.icontains(value, autoescape=True) | ProviderKey.key_id.icontains(value, autoescape=True))),
    ],
    default_sort="-created_at",
    row_url=lambda row: url_for("evidence.key", key_id=row.id),
    row_action=lambda row: (gettext("停用"), url_for("evidence.key", key_id=row.id)) if row.revoked_at is None else None,
    empty_title=_l("还没有接口密钥"),
    empty_hint=_l("在下方填写名称即可创建。有了密钥，贵单位的系统可以按月自动推送，不必上传文件。"),
)


push_addresses: list[tuple[OrgKind, Text, Callable[[], str]]] = []
"""Where later rooms let machines push: kind of organisation, name, address. Filled at import."""


class KeyForm(FlaskForm):
    """A new key."""

    label = StringField(_l("名称"), [
        InputRequired(_l("请填写名称。")),
        Length(max=PUSH.label_length, message=_l("名称不超过 %(count)s 个字。", count=PUSH.label_length)),
    ])
    idempotency_token = HiddenField(default=lambda: str(new_id()))


def _keys(org_id: UUID | None) -> Any:
    """Keys of an organisation; their secrets stay where they are."""
    return (
        select(ProviderKey.id, ProviderKey.key_id, ProviderKey.label, ProviderKey.created_at, ProviderKey.last_used_at,
               ProviderKey.revoked_at, func.coalesce(Person.name, "").label("maker"))
        .outerjoin(Person, Person.id == ProviderKey.created_by).where(ProviderKey.provider_org_id == org_id)
    )


def _items(org_id: UUID | None) -> Any:
    return (
        select(DataItem.code, DataItem.name_zh, DataItem.name_en).join(ProviderItem, ProviderItem.item_code == DataItem.code)
        .where(ProviderItem.provider_org_id == org_id).order_by(DataItem.position)
    )


@room.page("/deliveries/keys", Permission.KEY_EDIT, methods=["GET", "POST"])
def keys() -> Any:
    """Keys of the own organisation with their last use, and a line to make one."""
    ctx = context()
    form = KeyForm()
    if form.validate_on_submit():
        made = attempt(form, lambda: push_service.create_key(ctx, form.label.data or ""))
        if made is not None:
            return render_template("evidence/key_made.html", key=made)
        if not form.errors:
            flash(gettext("这张表单已经提交过。密钥只显示一次；没有记下的话，请停用它再创建一个。"), "warning")
            return redirect(url_for("evidence.keys"))
    args = remembered(KEYS, request.args, session)
    with reading(ctx, Permission.KEY_EDIT) as db:
        if wants_export(request.args):
            rows = KEYS.load_all(db, _keys(ctx.org_id), args, EXPORT_LIMIT)
            return send_list(KEYS, rows, gettext("接口密钥"), "keys.xlsx")
        items = [(item_name(row), url_for("evidence.api.push", item_code=row.code)) for row in db.execute(_items(ctx.org_id))]
        items += [(str(name), path()) for kind, name, path in push_addresses if kind is ctx.org_kind]
        return render_template(
            "evidence/keys.html", page=KEYS.load(db, _keys(ctx.org_id), args), form=form, items=items, rules=PUSH,
        )


@room.page("/deliveries/keys/<uuid:key_id>", Permission.KEY_EDIT)
def key(key_id: UUID) -> Any:
    """One key, and the button that ends it."""
    ctx = context()
    with reading(ctx, Permission.KEY_EDIT) as db:
        get_or_404(ProviderKey, key_id)
        row = db.execute(_keys(ctx.org_id).where(ProviderKey.id == key_id)).one()
        return render_template("evidence/key.html", key=row, words=_state(row), chip=chip)


@room.page("/deliveries/keys/<uuid:key_id>/revoke", Permission.KEY_EDIT, methods=["POST"])
def revoke_key(key_id: UUID) -> Any:
    """Ends a key at once."""
    return act(lambda: push_service.revoke_key(context(), key_id), done=gettext("密钥已停用，即刻生效。"),
               to=url_for("evidence.keys"))
