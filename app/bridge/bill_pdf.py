"""Papers of a bridge as PDFs, drawn from their frozen data alone."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from flask_babel import gettext

from app.bridge.bill_models import BridgePaper, PaperKind
from app.bridge.bill_rules import FeeKind
from app.bridge.rules import BridgeKind
from app.bridge.states import HopAccount
from app.bridge.terms import rate_words, terms_of
from app.core.calendar import SHANGHAI, now
from app.core.errors import N_
from app.core.formats import datetime_text, money_text, rate_text, yuan_text
from app.core.sheets import GREY, Sheets
from app.core.working import percent_text

Row = tuple[str, ...]
SIDES = {"FIRM": N_("企业"), "FUNDER": N_("资金方"), "BANK": N_("续贷银行")}


def draw(paper: BridgePaper) -> bytes:
    """The PDF, in the language of the page. Raises ``core.sheets.NoFont``."""
    kind = PaperKind(paper.kind)
    sheet = Sheets(f"{paper.number} · {gettext('打印于 %(time)s', time=datetime_text(now()))}")
    sheet.set_title(gettext(kind.label))
    sheet.words(gettext(kind.label), 18, after=1)
    sheet.words(gettext("编号 %(number)s · %(day)s", number=paper.number, day=_moment(paper.issued_at.isoformat())), 11)
    if kind is PaperKind.AGREEMENT:
        _agreement(sheet, paper.data)
    else:
        _charge(sheet, kind, paper.data)
    sheet.words(gettext("本文件数据的 SHA-256：%(digest)s", digest=bytes(paper.digest).hex()), 8, GREY)
    return bytes(sheet.output())


def _moment(stored: str | None) -> str:
    return "—" if not stored else f"{datetime.fromisoformat(stored).astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def _day(stored: str | None) -> str:
    return "—" if not stored else date.fromisoformat(stored).isoformat()


def _parties(data: dict[str, Any]) -> list[Row]:
    return [
        (gettext("企业"), f"{data['firm']}（{data['uscc']}）"),
        (gettext("资金方"), " · ".join(filter(None, (data["funder"], data["fund"])))),
        (gettext("原贷款银行"), data["old_bank"]), (gettext("续贷银行"), data["new_bank"]),
        (gettext("三方协议"), data["agreement_no"] or "—"), (gettext("借据编号"), data["old_note_no"]),
        (gettext("类别"), gettext(BridgeKind(data["kind"]).label)), (gettext("转贷金额"), money_text(data["amount_fen"])),
    ]


def _agreement(sheet: Sheets, data: dict[str, Any]) -> None:
    terms, fee, promise = terms_of(data["terms"]), data["fee"], data["promise"]
    message, params = rate_words(terms)
    sheet.head(gettext("三方与借款"))
    sheet.rows([
        *_parties(data), (gettext("到期本金"), money_text(data["old_due_fen"])), (gettext("旧贷到期"), _day(data["old_due_on"])),
        (gettext("自有资金"), money_text(data["own_money_fen"])),
        (gettext("预计用"), gettext("%(days)s 天", days=data["planned_days"])),
    ], (1, 2))
    sheet.head(gettext("费用"))
    sheet.rows([
        (gettext("收费"), gettext(message, **params)),
        (gettext("预计费用（%(days)s 天）", days=fee["days"]), money_text(fee["total_fen"])),
        (gettext("最长 %(days)s 天，费用最多", days=fee["max_days"]), money_text(fee["cap_fen"])),
        (gettext("超过 %(days)s 天后，每天", days=fee["max_days"]), money_text(fee["late_daily_fen"])),
        (gettext("折合年化（单利）"), rate_text(Decimal(fee["annualised"]))),
    ], (1, 2))
    sheet.words(gettext("除这一项费用外不收手续费、保证金、起步天数费或任何其他费用。"), 9)
    sheet.words(gettext("放款日计入、归还日不计入，当日归还为 0 天。提前归还按实际天数计。"), 9)
    sheet.head(gettext("续贷承诺"))
    low, high = Decimal(promise["rate_low"]), Decimal(promise["rate_high"])
    sheet.rows([
        (gettext("承诺金额"), money_text(promise["promised_fen"])),
        (gettext("年利率"), rate_text(low) if low == high else f"{rate_text(low)} – {rate_text(high)}"),
        (gettext("期限"), gettext("%(count)s 个月", count=promise["term_months"])),
        (gettext("最迟放款日"), _day(promise["latest_drawdown_on"])), (gettext("有效期至"), _day(promise["valid_until"])),
        (gettext("校验码"), promise["seal_digest"][:16]),
    ], (1, 2))
    sheet.head(gettext("封闭运行的账户"))
    sheet.rows([
        (gettext(HopAccount(one["kind"]).label), f"{one['holder']} · {one['bank']}", one["number"]) for one in data["accounts"]
    ], (2, 4, 3))
    sheet.words(gettext("资金只在以上账户之间划转；旧贷款还清、新贷款放款后，续贷资金先归还转贷资金。"), 9)
    sheet.head(gettext("签署"))
    sheet.rows([
        (gettext(SIDES[one["side"]]), one["organisation"], one["name"] or "—", _moment(one["at"])) for one in data["signers"]
    ], (2, 4, 2, 3))
    sheet.words(gettext("银行以续贷承诺、资金方以选定的报价、企业以本次签约在平台上签署。"), 9, GREY)


def _charge(sheet: Sheets, kind: PaperKind, data: dict[str, Any]) -> None:
    sheet.head(gettext("双方"))
    sheet.rows(_parties(data), (1, 2))
    if kind is PaperKind.CANCELLATION:
        sheet.head(gettext("作废"))
        sheet.rows([(gettext("作废的账单"), data["cancels"]), (gettext("理由"), data["reason"])], (1, 2))
        return
    sheet.head(gettext("费用"))
    sheet.rows([(gettext("计费"), gettext("本金（元）"), gettext("天数"), gettext("费率"))] + [
        (gettext(FeeKind(line["kind"]).label), yuan_text(line["principal_fen"]), str(line["days"]),
         percent_text(Decimal(line["rate"]))) for line in data["lines"]
    ], (3, 3, 1, 2))
    sheet.words(gettext("合计 %(amount)s", amount=money_text(data["total_fen"])), 13)
    sheet.words(gettext("除这一项费用外不收手续费、保证金、起步天数费或任何其他费用。"), 9)
    if kind is PaperKind.BILL:
        market = data["market"]
        sheet.head(gettext("与市场价比"))
        sheet.rows([
            (gettext("放款"), _day(data["paid_on"])), (gettext("归还"), _day(data["returned_on"])),
            (gettext("市场价每天 %(low)s 至 %(high)s", low=percent_text(Decimal(market["low_rate"])),
                     high=percent_text(Decimal(market["high_rate"]))),
             f"{money_text(market['low_fen'])} – {money_text(market['high_fen'])}"),
            (gettext("节省"), f"{money_text(market['saving_low_fen'])} – {money_text(market['saving_high_fen'])}"),
        ], (1, 2))
        return
    sheet.rows([(gettext("账单"), data["bill"])], (1, 2))
    if kind is PaperKind.RECEIPT:
        sheet.rows([
            (gettext("结算单"), data["invoice"]), (gettext("付款凭证号"), data["voucher_no"]),
            (gettext("登记时间"), _moment(data["received_at"])),
        ], (1, 2))
    sheet.words(gettext("本单不是税务发票；数电发票由资金方通过税务机关的平台开具，编号另行提供。"), 9, GREY)
