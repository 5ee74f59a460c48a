"""Words and charts that several pages of the room show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from app.core.charts import BarChart, Series
from app.core.errors import MESSAGES, N_, ErrorCode
from app.core.formats import is_english, money_series
from app.core.pages import Text
from app.evidence.items import ITEMS
from app.evidence.models import Delivery
from app.evidence.queries import MonthlyInvoices
from app.evidence.rules import (
    FAILURES,
    FIELD_LABELS,
    INVOICES,
    ROW_REASONS,
    Basis,
    ConsentState,
    DeliveryState,
    Purpose,
    RowReason,
)

DELIVERY_STATES: dict[str, tuple[Text, str]] = {
    DeliveryState.RECEIVED: (_l("已收到，等待读取"), "info"), DeliveryState.READING: (_l("正在读取"), "info"),
    DeliveryState.TAKEN_IN: (_l("已入库"), "good"), DeliveryState.FAILED: (_l("未读成"), "bad"),
    DeliveryState.WITHDRAWN: (_l("已撤回"), "plain"),
}
CONSENT_STATES: dict[str, tuple[Text, str]] = {
    ConsentState.ACTIVE: (_l("有效"), "good"), ConsentState.REPLACED: (_l("已被新授权取代"), "plain"),
    ConsentState.REVOKED: (_l("已撤回"), "plain"), ConsentState.EXPIRED: (_l("已到期"), "plain"),
}
PURPOSES: dict[str, Text] = {Purpose.PRE_APPROVAL: _l("预授信"), Purpose.CASE: _l("一笔融资业务")}
CHANNELS: dict[str, Text] = {"upload": _l("页面上传"), "command": _l("平台命令导入"), "push": _l("接口推送")}
SIDES: dict[int | None, Text] = {0: _l("进项"), 1: _l("销项"), None: _l("见文件")}
RESULTS: dict[str, tuple[Text, str]] = {"shown": (_l("已查看"), "info"), "refused": (_l("没有授权，被拒绝"), "wait")}
BASES: dict[str, Text] = {
    Basis.CONSENT: _l("企业授权"), Basis.PUBLIC: _l("依法公开的信息"), Basis.NONE: _l("没有依据"),
}
CATEGORIES: dict[int, Text] = {
    1: _l("登记注册"), 2: _l("行政许可与资质"), 3: _l("行政处罚"), 4: _l("司法"), 5: _l("严重失信主体名单"), 6: _l("纳税"),
    7: _l("社会保险"), 8: _l("住房公积金"), 9: _l("进出口"), 10: _l("水电气"), 11: _l("不动产"), 12: _l("知识产权"),
    13: _l("科技研发"), 14: _l("生态环境、农业主体与安全"), 15: _l("政府采购与合同"), 16: _l("银行资金流"), 17: _l("企业自报"),
}
"""The seventeen categories of the catalogue (credit-data-catalogue.md §2)."""
MODES: dict[str, Text] = {"pushed": _l("归集"), "query": _l("授权查询"), "model": _l("可用不可见"), "self": _l("企业自报")}
OWNERS = (
    N_("市场监管局"), N_("发证部门"), N_("市场监管局等部门"), N_("法院"), N_("发展改革委"), N_("税务局"), N_("人社局"),
    N_("公积金中心"), N_("海关"), N_("水电气企业"),
    N_("供电企业"), N_("供水企业"), N_("供气企业"), N_("规划和自然资源局"), N_("知识产权局"), N_("科技局"),
    N_("生态环境局等部门"), N_("财政局"), N_("开户银行"), N_("企业"),
)
"""Whose the items of the catalogue are: rows of the database, marked here for translation."""
PORTAL = _l("本平台（计算信用画像）")


def chip(words: tuple[Text, str]) -> Markup:
    """A state as a chip, as the macro draws it; warning tones carry a sign."""
    text, tone = words
    sign = {"wait": "!", "bad": "✕"}.get(tone)
    mark = Markup('<span class="chip-sign" aria-hidden="true">{}</span>').format(sign) if sign else Markup("")
    return Markup('<span class="chip chip-{}">{}{}</span>').format(tone, mark, escape(str(text)))


def reference(consent_id: UUID | None) -> str:
    """A consent's number as people quote it: the last eight digits of its id."""
    return consent_id.hex[-8:].upper() if consent_id is not None else ""


def purpose_text(row: Any) -> str:
    """What for, with the number of the case where it is one."""
    words = str(PURPOSES.get(row.purpose, row.purpose))
    return f"{words} {row.case_number}" if row.case_number else words


def ground_text(row: Any) -> str:
    """On what ground a look was allowed, with the number of the consent."""
    words = str(BASES[row.basis])
    return f"{words} {reference(row.consent_id)}" if row.consent_id is not None else words


def item_name(row: Any) -> str:
    """The name of a catalogue item in the language of the page."""
    return str(row.name_en if is_english() else row.name_zh)


def labels_of(item_code: str) -> dict[str, str]:
    """Field code → Chinese label, in the order of the item's columns."""
    return FIELD_LABELS if item_code == INVOICES else {field.code: field.label for field in ITEMS[item_code].fields}


def reason_text(reason: str, params: dict[str, Any], item_code: str = INVOICES) -> str:
    """Why a row waits, in plain words."""
    shown = {**params, "value": params.get("value", "")}
    if "field" in shown:
        shown["field"] = gettext(labels_of(item_code).get(shown["field"], shown["field"]))
    if "problem" in shown:
        shown["problem"] = gettext(shown["problem"], **shown.pop("details", {}))
    return gettext(ROW_REASONS[RowReason(reason)], **shown)


REASON_NAMES: dict[str, Text] = {
    RowReason.BAD_DATE: _l("日期无效"), RowReason.BAD_NUMBER: _l("金额无效"), RowReason.FIELD_COUNT: _l("列数不符"),
    RowReason.GROSS_MISMATCH: _l("价税合计不符"), RowReason.MISSING_FIELD: _l("缺少内容"), RowReason.TOO_LONG: _l("内容过长"),
    RowReason.BAD_COUNT: _l("不是整数"), RowReason.BAD_MONTH: _l("月份无效"), RowReason.BAD_QUANTITY: _l("数量无效"),
    RowReason.BAD_USCC: _l("信用代码有误"), RowReason.CONFLICT_IN_FILE: _l("批次内矛盾"), RowReason.IMPOSSIBLE: _l("数值不可能"),
    RowReason.UNKNOWN_WORD: _l("用词不明"),
    RowReason.UNKNOWN_FIRM: _l("企业未知"), RowReason.UNKNOWN_SIDE: _l("方向不明"), RowReason.UNKNOWN_STATUS: _l("状态不明"),
}


def failure_text(delivery: Delivery) -> str:
    """Why a delivery failed, in plain words."""
    if delivery.failure is None:
        return ""
    if delivery.failure in FAILURES:
        return gettext(FAILURES[delivery.failure])
    params = dict(delivery.failure_params)
    if "detail" in params:
        params["detail"] = gettext(params["detail"])
    return gettext(MESSAGES[ErrorCode(delivery.failure)], **params)


def monthly_chart(months: Iterable[MonthlyInvoices]) -> BarChart:
    """Sales and purchases per month, net of tax."""
    shown = list(months)
    sales, unit = money_series([month.sales_fen for month in shown])
    purchases, _ = money_series([month.purchases_fen for month in shown])
    return BarChart(
        gettext("每月销项与进项（不含税）"), [f"{month.month:%y-%m}" for month in shown],
        [Series(gettext("销项"), sales), Series(gettext("进项"), purchases)], unit=unit, places=2, axis=gettext("月份"),
    )
