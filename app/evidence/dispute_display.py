"""Words of disputes that several pages show, above all the mark 有异议 beside a disputed item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from app.core.calendar import today
from app.core.formats import date_text
from app.core.pages import Text
from app.core.tables import Table
from app.evidence.display import chip
from app.evidence.dispute_queries import OpenDispute, disputed
from app.evidence.dispute_rules import DisputeState, is_late

STATES: dict[str, tuple[Text, str]] = {
    DisputeState.ASKED: (_l("核查中"), "wait"), DisputeState.ANSWERED_CORRECTED: (_l("已答复：更正"), "good"),
    DisputeState.ANSWERED_UPHELD: (_l("已答复：维持"), "plain"), DisputeState.WITHDRAWN: (_l("已撤回"), "plain"),
}
_LATE: tuple[Text, str] = (_l("核查中，已逾期"), "bad")
_PROMISED: tuple[Text, str] = (_l("已答复，待更正"), "wait")


def state_words(row: Any) -> tuple[Text, str]:
    """Where a dispute stands, in words and tone; lateness is seen from its day."""
    if row.state == DisputeState.ASKED and is_late(row.due_on, today()):
        return _LATE
    if row.state == DisputeState.ANSWERED_CORRECTED and row.corrected_at is None:
        return _PROMISED
    return STATES[row.state]


def mark(disputes: Sequence[OpenDispute]) -> Markup:
    """The chip 有异议 with the day of the earliest dispute, for every page that shows the item; empty where there is none."""
    if not disputes:
        return Markup("")
    return chip((gettext("有异议 %(day)s", day=date_text(min(one.asked_at for one in disputes))), "wait"))


def marked(table: Table, item_code: str, disputes: Sequence[OpenDispute]) -> Table:
    """The list of an item with the mark on each row that is disputed, which offers nothing more to do."""
    if all(one.fact is None for one in disputes):
        return table

    def found(row: Any) -> OpenDispute | None:
        return disputed(disputes, item_code, row._mapping)

    def action(row: Any) -> tuple[Text, str] | None:
        return None if found(row) or table.row_action is None else table.row_action(row)

    first, *others = table.columns
    shown = replace(first, sub=lambda row: mark([one]) if (one := found(row)) else "")
    return replace(table, columns=[shown, *others], row_action=action if table.row_action else None)
