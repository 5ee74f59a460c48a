"""The audit file on paper: what ``file_service`` collected, drawn as a PDF that carries the data inside."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_babel import gettext

from app.core.calendar import SHANGHAI, now
from app.core.formats import datetime_text, money_text
from app.core.pages import event_texts
from app.core.queries import ROLE_NAMES
from app.core.sheets import GREY, Sheets
from app.core.working import shown
from app.pool.audit_models import Question, Scope
from app.pool.decision_models import DeductionKind, ObjectionState, Verdict
from app.pool.file_service import CaseFile
from app.pool.flag_rules import FLAG_NAMES, raised
from app.pool.forms import PAPER_NAMES
from app.pool.records import checks_of, lines_of
from app.pool.states import BookingState, ClaimState

Row = tuple[str, ...]


def draw_file(file: CaseFile) -> bytes:
    """The PDF, in the language of the page. Raises ``core.sheets.NoFont``."""
    data = file.data
    paper = Sheets(f"{data['loan']['number']} · {gettext('打印于 %(time)s', time=datetime_text(now()))}")
    paper.set_title(gettext("补偿案卷"))
    paper.words(gettext("补偿案卷"), 18, after=1)
    paper.words(f"{data['case']['number']} · {data['case']['firm']} · {data['case']['bank']}", 12, after=0.5)
    told = gettext("本案卷的数据附在本文件中（case.json），其 SHA-256 为 %(digest)s，已记入审计日志。", digest=file.sha256)
    paper.words(told, 8, GREY)
    for title, rows, widths in (
        (gettext("贷款与入库"), _booking(data), (1, 2)), (gettext("入库时的检查"), _checks(data), (5, 1)),
        (gettext("损失与补偿"), _loss(data), (2, 1)), (gettext("补偿是怎样算出来的"), _working(data), (4, 1)),
        (gettext("审核"), _audits(data), (3, 4)), (gettext("决定与核减"), _decisions(data), (2, 4, 2)),
        (gettext("公示异议"), _objections(data), (3, 1, 3)),
        (gettext("经办的人"), _hands(data), (1, 2)), (gettext("资金"), _money(data), (2, 3, 2)),
        (gettext("区级叠加补偿"), _top_ups(data), (2, 2, 2)),
        (gettext("追偿与返还"), _recoveries(data), (2, 2, 2, 2)), (gettext("材料"), _papers(data), (2, 3, 5)),
        (gettext("办理过程"), _steps(data), (2, 3, 4)), (gettext("审计日志"), _events(data), (2, 2, 5)),
    ):
        paper.head(title)
        if rows:
            paper.rows(rows, widths)
        else:
            paper.words(gettext("没有"), 9, GREY)
    paper.embed_file(basename="case.json", bytes=file.content, desc=file.sha256, compress=True)
    return bytes(paper.output())


def _money_of(fen: int | None) -> str:
    return "—" if fen is None else money_text(fen)


def _booking(data: dict[str, Any]) -> list[Row]:
    loan, booking, rule = data["loan"], data["booking"], data["rule"]
    return [
        (gettext("贷款"), loan["number"]), (gettext("借据编号"), booking["note_no"]),
        (gettext("放款日期"), loan["drawn_on"] or "—"),
        (gettext("放款金额"), _money_of(loan["principal_fen"])), (gettext("入库日期"), booking["booked_on"] or "—"),
        (gettext("状态"), gettext(BookingState(booking["state"]).label)),
        (gettext("判定所用的办法"), f"{rule['code']} · {rule['document']}"), (gettext("办法参数的 SHA-256"), rule["sha256"]),
    ]


def _checks(data: dict[str, Any]) -> list[Row]:
    return [
        (gettext(one.message, **shown(one.params, gettext)), "✓" if one.passed else "✕")
        for one in checks_of(data["booking"]["checks"])
    ]


def _loss(data: dict[str, Any]) -> list[Row]:
    claim = data["claim"]
    names = (
        ("principal_drawn_fen", gettext("放款本金")), ("principal_repaid_fen", gettext("已还本金")),
        ("guarantor_paid_fen", gettext("担保或保险已付本金")), ("collateral_fen", gettext("抵质押物变现")),
        ("other_public_fen", gettext("已得其他财政性补偿")), ("net_principal_loss_fen", gettext("净本金损失")),
        ("compensation_fen", gettext("计算的补偿")), ("approved_fen", gettext("同意补偿")), ("paid_fen", gettext("已支付")),
    )
    return [
        *((name, _money_of(claim[key])) for key, name in names), (gettext("支付凭证号"), claim["voucher_no"] or "—"),
        (gettext("状态"), gettext(ClaimState(claim["state"]).label)),
    ]


def _working(data: dict[str, Any]) -> list[Row]:
    lines = lines_of([*data["claim"]["working"], *data["claim"]["stop_line"]])
    return [(gettext(one.message, **shown(one.params, gettext)), _money_of(one.amount_fen)) for one in lines]


def _audits(data: dict[str, Any]) -> list[Row]:
    """Scope and opinion of each audit, the flags it saw, and what a full one answered."""
    rows: list[Row] = []
    for one in data["audits"]:
        rows.append((gettext(Scope(one["scope"]).label), one["opinion"]))
        rows += [
            (gettext(FLAG_NAMES[check.code]), " ".join(filter(None, (
                gettext(check.message, **shown(check.params, gettext)), one["flag_notes"].get(check.code, "")))))
            for check in raised(checks_of(one["flags"]))
        ]
        rows += [
            (gettext(Question(name).label), f"{_said(made['answer'])} {made['note']}".strip())
            for name, made in sorted(one["answers"].items())
        ]
    return rows


def _said(answer: str) -> str:
    return {"YES": gettext("是"), "NO": gettext("否"), "NA": gettext("不适用")}[answer]


def _decisions(data: dict[str, Any]) -> list[Row]:
    """Every decision, taken back or not, with its deductions."""
    rows: list[Row] = []
    for one in data["decisions"]:
        rows.append((one["number"], f"{gettext(Verdict(one['verdict']).label)} {one['reason']}", _money_of(one["approved_fen"])))
        rows += [
            (gettext(DeductionKind(part["kind"]).label), part["reason"], f"−{_money_of(part['amount_fen'])}")
            for part in one["deductions"]
        ]
    return rows


def _objections(data: dict[str, Any]) -> list[Row]:
    return [
        (one["grounds"], gettext(ObjectionState(one["state"]).label), one["answer"] or "—") for one in data["objections"]
    ]


def _top_ups(data: dict[str, Any]) -> list[Row]:
    return [(one["paid_on"], _money_of(one["paid_fen"]), one["voucher_no"]) for one in data["top_ups"]]


def _hands(data: dict[str, Any]) -> list[Row]:
    names = {
        "preparer": gettext("准备"), "reviewer": gettext("复核"), "checker": gettext("形式审查"), "auditor": gettext("审核"),
        "decider": gettext("审定"), "cashier": gettext("支付"),
    }
    return [(names[hand], person or "—") for hand, person in data["hands"].items()]


def _money(data: dict[str, Any]) -> list[Row]:
    return [
        (_at(one["at"]), f"{one['debit']} → {one['credit']}", f"{one['kind']} {_money_of(one['amount_fen'])}")
        for one in data["money"]
    ]


def _recoveries(data: dict[str, Any]) -> list[Row]:
    if not data["recoveries"]:
        return []
    head = (gettext("收到"), gettext("追回"), gettext("费用"), gettext("应返还"))
    return [head, *(
        (one["received_on"], _money_of(one["recovered_fen"]), _money_of(one["cost_fen"]), _money_of(one["due_fen"]))
        for one in data["recoveries"]
    )]


def _papers(data: dict[str, Any]) -> list[Row]:
    return [(gettext(PAPER_NAMES.get(one["kind"], one["kind"])), one["filename"], one["sha256"]) for one in data["papers"]]


def _steps(data: dict[str, Any]) -> list[Row]:
    return [(_at(one["at"]), str(event_texts.text(one["what"], one["event"])), _who(one)) for one in data["steps"]]


def _who(step: dict[str, Any]) -> str:
    """Role, organisation and reason of a step."""
    parts = (gettext(ROLE_NAMES.get(step["role"], step["role"])), step["organisation"], step["reason"])
    return " · ".join(part for part in parts if part)


def _events(data: dict[str, Any]) -> list[Row]:
    return [(_at(one["at"]), one["action"], one["digest"]) for one in data["events"]]


def _at(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
