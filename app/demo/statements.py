"""Bank statements in the two layouts that the portal reads, made of movements: for the demo and for tests. No bank made them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from openpyxl import Workbook

ICBC_HEADS = ("凭证号", "本方账号", "对方账号", "交易时间", "借/贷", "借方发生额", "贷方发生额", "对方行号", "摘要", "用途",
              "对方单位名称", "余额", "个性化信息")
CCB_HEADS = ("账号", "账户名称", "交易时间", "借方发生额（支取）", "贷方发生额（收入）", "余额", "币种", "对方户名", "对方账号",
             "对方开户机构", "记账日期", "摘要", "备注", "账户明细编号-交易流水号", "企业流水号", "凭证种类", "凭证号")


@dataclass(frozen=True)
class Movement:
    """A movement of one account, amounts in 分; ``at`` in Shanghai."""

    own: str
    counter: str
    counter_name: str
    into: bool
    amount_fen: int
    at: datetime
    voucher_no: str
    remark: str = ""


def _yuan(fen: int) -> str:
    return f"{fen // 100:,}.{fen % 100:02d}"


def _balances(moves: Sequence[Movement], opening_fen: int) -> list[int]:
    left, found = opening_fen, []
    for move in moves:
        left += move.amount_fen if move.into else -move.amount_fen
        found.append(left)
    return found


def icbc_csv(moves: Sequence[Movement], opening_fen: int = 100_000_000_000) -> bytes:
    """As 工商银行 exports: a mark above the heading, tabs between the cells, GBK."""
    text = io.StringIO()
    out = csv.writer(text, delimiter="\t", lineterminator="\r\n")
    out.writerow(["[HISTORYDETAIL]"])
    out.writerow(ICBC_HEADS)
    for move, left in zip(moves, _balances(moves, opening_fen), strict=True):
        amount = _yuan(move.amount_fen)
        out.writerow([
            move.voucher_no, move.own, move.counter, f"{move.at:%Y-%m-%d %H:%M:%S}", "贷" if move.into else "借",
            "" if move.into else amount, amount if move.into else "", "", "转账", move.remark, move.counter_name, _yuan(left), "",
        ])
    return text.getvalue().encode("gbk")


def ccb_xlsx(moves: Sequence[Movement], opening_fen: int = 100_000_000_000) -> bytes:
    """As 建设银行 exports: a title above the heading, amounts as text, times without dashes."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["中国建设银行账户明细信息"])
    sheet.append(list(CCB_HEADS))
    for number, (move, left) in enumerate(zip(moves, _balances(moves, opening_fen), strict=True), start=1):
        amount = _yuan(move.amount_fen).replace(",", "")
        sheet.append([
            move.own, "转贷托管专户", f"{move.at:%Y%m%d %H:%M:%S}", "0.00" if move.into else amount,
            amount if move.into else "0.00",
            _yuan(left).replace(",", ""), "人民币元", move.counter_name, move.counter, "示例银行",
            f"{move.at:%Y%m%d}", "电子转账", move.remark, f"{number}-{move.voucher_no}", "", "电子转账凭证", move.voucher_no,
        ])
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()
