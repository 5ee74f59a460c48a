"""Everything held about the firm, to take away; and for the platform how long what is kept."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.database import get_or_404
from app.core.formats import NOTHING, count_text, date_text
from app.core.pages import Text
from app.core.permissions import Permission
from app.core.tables import Column, Table
from app.core.use_case import reading
from app.core.web import context, send_list
from app.enterprises.models import Enterprise
from app.evidence import disclosure, retention_queries
from app.evidence import disclosure_sections as disclosure_sections  # this room's sections register on import
from app.evidence.display import item_name
from app.evidence.door import room
from app.evidence.retention_rules import CONSENTS, FILES, LOOKS, QUARANTINE, RETENTION, WAITING

pages.menu.add(_l("资料保存"), "evidence.retention", Permission.RETENTION_READ, 45, pages.Group.DATA)

KINDS: dict[str, Text] = {
    WAITING: _l("无人认领的行"), QUARANTINE: _l("待修复的行"), FILES: _l("数据批次的原始文件"), LOOKS: _l("查看记录"),
    CONSENTS: _l("结束的授权"),
}
COUNTS: dict[str, Text] = {
    "rows_deleted": _l("删除 %(count)s 行"), "rows_summed": _l("合计 %(count)s 行"), "years": _l("更新 %(count)s 个年度"),
    "reservations": _l("释放 %(count)s 个编号"), "deliveries": _l("涉及 %(count)s 批"), "files": _l("删除 %(count)s 个文件"),
}


@room.page("/my-data/export", Permission.EVIDENCE_READ)
def export() -> Any:
    """What an export holds; with ``?format=json`` or ``xlsx`` the file itself."""
    ctx, form = context(), request.args.get("format", "")
    if form in disclosure.FORMATS:
        found = disclosure.disclose(ctx, form)
        response = Response(disclosure.chunks(found), mimetype=found.media_type)
        response.headers.set("Content-Disposition", "attachment", filename=found.filename)
        response.call_on_close(found.file.close)
        return response
    with reading(ctx, Permission.EVIDENCE_READ):
        verified = get_or_404(Enterprise, ctx.org_id).state == "verified"
    return render_template("evidence/export.html", verified=verified, limit=disclosure.SHEET_LIMIT,
                           titles=[gettext(section.title) for section in disclosure.sections()])


def _kind(row: Any) -> str:
    return item_name(row) if row.name_zh else str(KINDS[row.kind])


def _kept(row: Any) -> str:
    if row.kind == WAITING:
        return gettext("按资料目录各项的天数")
    if row.kind == QUARANTINE:
        return gettext("%(days)s 天", days=RETENTION.quarantine_days)
    if row.kind == FILES:
        return gettext("与该项资料相同，其余 %(months)s 个月", months=RETENTION.file_months)
    return gettext("%(months)s 个月", months=row.months or RETENTION.record_months)


def _last(row: Any) -> str:
    counts = row.last_counts or {}
    words = [str(COUNTS[name]) % {"count": count_text(counts[name])} for name in COUNTS if counts.get(name)]
    return gettext("、").join(words) or NOTHING


RETAINED = Table("retention", columns=[
    Column("kind", _l("资料"), render=_kind, export=_kind),
    Column("kept", _l("保存多久"), render=_kept, export=_kept),
    Column("oldest", _l("最早的一行"), kind="date", hide_small=True),
    Column("last", _l("上次处理"), render=_last, export=_last, sub=lambda row: date_text(row.last_on) if row.last_on else ""),
    Column("finished_at", _l("上次运行"), kind="datetime", hide_small=True),
    Column("next_check_at", _l("下次运行"), kind="datetime"),
])


@room.page("/evidence/retention", Permission.RETENTION_READ)
def retention() -> Any:
    """How long each item is kept, what went at the last run and when the next one is."""
    with reading(context(), Permission.RETENTION_READ):
        rows = retention_queries.standing()
        if request.args.get("format") == "xlsx":
            return send_list(RETAINED, rows, gettext("资料保存"), "retention.xlsx")
        return render_template("evidence/retention.html", page=RETAINED.page_of(rows), rules=RETENTION)
