"""What the room tells the kernel: menu, homes, words of the timeline."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from app.core import pages
from app.core.calendar import now
from app.core.context import Context
from app.core.database import session
from app.core.formats import count_text
from app.core.pages import Figure, Wait
from app.core.permissions import Permission
from app.enterprises.models import Enterprise
from app.evidence.models import Consent, Delivery
from app.evidence.rules import CONSENT, DELIVERY, DeliveryState

pages.menu.add(_l("数据批次"), "evidence.deliveries", Permission.DELIVERY_READ, 20, pages.Group.DATA)
pages.menu.add(_l("我的数据"), "evidence.my_data", Permission.EVIDENCE_READ, 60, pages.Group.DATA)
pages.menu.add(_l("我的授权"), "evidence.consents", Permission.CONSENT_READ, 62, pages.Group.DATA)
pages.menu.add(_l("已授权企业"), "evidence.firms", Permission.EVIDENCE_LOOK, 60, pages.Group.DATA)
pages.menu.add(_l("我行查看记录"), "evidence.own_looks", Permission.EVIDENCE_LOOK, 61, pages.Group.DATA)

pages.event_texts.add("consent", "give", _l("企业签署了授权"))
pages.event_texts.add("consent", "replace", _l("授权被新的授权取代"))
pages.event_texts.add("consent", "revoke", _l("企业撤回了授权"))
pages.event_texts.add("consent", "expire", _l("授权到期"))
pages.event_texts.add("delivery", "receive", _l("收到数据批次"))
pages.event_texts.add("delivery", "start", _l("开始读取"))
pages.event_texts.add("delivery", "start_again", _l("读取中断后重新开始"))
pages.event_texts.add("delivery", "take_in", _l("数据批次已入库"))
pages.event_texts.add("delivery", "fail", _l("数据批次未读成"))
pages.event_texts.add("delivery", "retry", _l("重新读取数据批次"))
pages.event_texts.add("delivery", "withdraw", _l("撤回数据批次"))
pages.event_texts.add("delivery", "read_anew", _l("此前相同的批次已撤回，重新读取"))


def provider_waits(ctx: Context) -> Iterable[Wait]:
    """Failed deliveries, and rows of late that wait to be mended."""
    rows = session().execute(
        select(Delivery.id, Delivery.filename, Delivery.state, Delivery.rows_quarantined, Delivery.finished_at)
        .where(Delivery.provider_org_id == ctx.org_id, Delivery.finished_at > now() - timedelta(days=DELIVERY.remind_days))
        .where((Delivery.state == DeliveryState.FAILED.value) | (Delivery.rows_quarantined > 0))
        .order_by(Delivery.finished_at.desc()).limit(20)
    )
    for row in rows:
        url = url_for("evidence.delivery", delivery_id=row.id)
        if row.state == DeliveryState.FAILED:
            text = gettext("%(name)s 没有读成", name=row.filename)
            yield Wait(text, gettext("查看原因，改正后重试"), url, tone="bad", order=10)
        else:
            yield Wait(gettext("%(name)s 有 %(count)s 行待修复", name=row.filename, count=count_text(row.rows_quarantined)),
                       gettext("下载后改正，再作为新文件上传"), url, tone="wait", order=20)


def provider_figures(ctx: Context) -> Iterable[Figure]:
    """How much went in, and how much waits."""
    row = session().execute(
        select(func.count(), func.coalesce(func.sum(Delivery.rows_total), 0),
               func.coalesce(func.sum(Delivery.rows_quarantined), 0))
        .where(Delivery.provider_org_id == ctx.org_id, Delivery.state == DeliveryState.TAKEN_IN.value)
    ).one()
    url = url_for("evidence.deliveries")
    yield Figure(_l("已入库批次"), count_text(row[0]), _l("批"), url=url)
    yield Figure(_l("已读行数"), count_text(row[1]), _l("行"), url=url)
    yield Figure(_l("待修复"), count_text(row[2]), _l("行"), tone="wait" if row[2] else "plain", url=url)


def firm_waits(ctx: Context) -> Iterable[Wait]:
    """A firm without consent has no profile; one whose consents run out soon should know."""
    row = session().execute(
        select(Enterprise.state, func.count(Consent.id), func.min(Consent.valid_until))
        .outerjoin(Consent, (Consent.firm_id == Enterprise.id) & (Consent.state == "ACTIVE") & (Consent.valid_until > now()))
        .where(Enterprise.id == ctx.org_id).group_by(Enterprise.state)
    ).one_or_none()
    if row is None or row[0] != "verified":
        return
    if row[1] == 0:
        yield Wait(gettext("还没有授权：去授权后才能计算信用画像"), gettext("您选资料、选银行、定期限，随时可撤回"),
                   url_for("evidence.give"), tone="wait", order=15)
    elif row[2] < now() + timedelta(days=CONSENT.warn_days):
        yield Wait(gettext("有授权即将到期"), gettext("到期后银行不能再查看，需要时请续签"), url_for("evidence.consents"),
                   due=row[2], tone="wait", order=40)


pages.home.add_waits(Permission.DELIVERY_UPLOAD, provider_waits)
pages.home.add_figures(Permission.DELIVERY_UPLOAD, provider_figures)
pages.home.add_waits(Permission.CONSENT_GIVE, firm_waits)
