"""Bank statements: the two layouts that are read, and which row belongs to which hop. Pure: values in, values out.

The layouts are described in docs/bank-statements.md, with what is confirmed and what is proposed [P].
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from app.core.working import N_, WorkingLine


class Layout(StrEnum):
    """Whose export a file is."""

    ICBC = "ICBC"
    CCB = "CCB"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return {"ICBC": N_("工商银行企业网银明细"), "CCB": N_("建设银行账户明细")}[self.value]


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a layout keeps what is read; several headings mean the first that the file has. ``needed`` make the layout known."""

    needed: frozenset[str]
    own: tuple[str, ...]
    time: tuple[str, ...]
    out: tuple[str, ...]
    into: tuple[str, ...]
    counter_number: tuple[str, ...]
    counter_name: tuple[str, ...]
    balance: tuple[str, ...]
    voucher: tuple[str, ...]
    serial: tuple[str, ...]
    notes: tuple[str, ...]


LAYOUTS: dict[Layout, Columns] = {
    Layout.ICBC: Columns(
        frozenset({"凭证号", "交易时间", "对方账号"}), ("本方账号",), ("交易时间",), ("借方发生额", "转出金额"),
        ("贷方发生额", "转入金额"), ("对方账号",), ("对方单位名称", "对方单位"), ("余额",), ("凭证号",), (),
        ("摘要", "用途", "附言"),
    ),
    Layout.CCB: Columns(
        frozenset({"交易时间", "对方户名", "账户明细编号-交易流水号"}), ("账号", "本方账号"), ("交易时间",),
        ("借方发生额（支取）", "借方发生额", "借方"), ("贷方发生额（收入）", "贷方发生额", "贷方"),
        ("对方账号",), ("对方户名",), ("余额", "余额/元"), ("凭证号",), ("账户明细编号-交易流水号",), ("摘要", "备注"),
    ),
}
HEADING_WITHIN = 15
"""The heading stands within so many lines [P]."""
TIMES = ("%Y-%m-%d %H:%M:%S", "%Y%m%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%Y-%m-%d", "%Y%m%d")


def cell(text: str) -> str:
    """A cell as it is compared: one width, no spaces and tabs around it, without the quote that keeps a number a text."""
    return unicodedata.normalize("NFKC", text).strip().strip("'\t ").strip()


def heading_of(lines: Sequence[Sequence[str]]) -> tuple[Layout, int, dict[str, int]] | None:
    """The layout of a file, the place of its heading and the columns by name; ``None`` where it is neither."""
    for place, line in enumerate(lines[:HEADING_WITHIN]):
        names = {cell(text): column for column, text in reversed(list(enumerate(line))) if text.strip()}
        for layout, columns in LAYOUTS.items():
            wanted = {cell(name) for name in columns.needed}
            if wanted <= set(names) and any(cell(one) in names for one in columns.into) and any(
                    cell(one) in names for one in columns.out):
                return layout, place, names
    return None


@dataclass(frozen=True, slots=True)
class Row:
    """One movement of an account as the bank tells it: 分, ``into`` where it came in, ``at`` in Shanghai without a zone."""

    own: str
    counter_number: str
    counter_name: str
    into: bool
    amount_fen: int
    balance_fen: int | None
    at: datetime
    voucher_no: str
    serial_no: str
    notes: str


class BadRow(ValueError):
    """A row that cannot be taken in; the message id says why."""


def read_row(layout: Layout, names: Mapping[str, int], line: Sequence[str], own: str = "") -> Row:
    """A row of a file. ``own`` is the account where the file does not name it. Raises ``BadRow`` with a message id."""
    columns = LAYOUTS[layout]

    def text(headings: Sequence[str]) -> str:
        for heading in headings:
            column = names.get(cell(heading))
            if column is not None and column < len(line):
                return cell(line[column])
        return ""

    if any(value.lstrip()[:1] in ("=", "@") or (value.lstrip()[:1] == "+" and not _is_number(value)) for value in line):
        raise BadRow(N_("含有公式"))
    out, into = _fen(text(columns.out)), _fen(text(columns.into))
    if bool(out) == bool(into):
        raise BadRow(N_("借方和贷方应只有一个有金额"))
    amount = out or into
    if amount < 0:
        raise BadRow(N_("金额为负（冲正），请手工处理"))
    account = text(columns.own) or cell(own)
    if not account:
        raise BadRow(N_("文件中没有本方账号，请在上传时填写"))
    notes = " ".join(dict.fromkeys(filter(None, (text((one,)) for one in columns.notes))))
    balance = text(columns.balance)
    return Row(
        account, text(columns.counter_number), text(columns.counter_name), bool(into), amount,
        _fen(balance) if balance else None, _moment(text(columns.time)), text(columns.voucher), text(columns.serial), notes[:500],
    )


def _is_number(text: str) -> bool:
    try:
        Decimal(text.strip().replace(",", ""))
    except InvalidOperation:
        return False
    return True


def _fen(text: str) -> int:
    """An amount in 元 as 分, 0 for an empty cell."""
    plain = text.replace(",", "").removesuffix("元")
    if plain in ("", "-", "--"):
        return 0
    try:
        fen = Decimal(plain) * 100
    except InvalidOperation:
        raise BadRow(N_("金额不是数字")) from None
    if not fen.is_finite() or fen != fen.to_integral_value() or abs(fen) > 10**15:
        raise BadRow(N_("金额不是数字"))
    return int(fen)


def _moment(text: str) -> datetime:
    for form in TIMES:
        try:
            return datetime.strptime(text[:19], form)
        except ValueError:
            continue
    raise BadRow(N_("时间读不懂"))


# --- matching ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """How far the day of a row may lie from that of the hop, in natural days [P]."""

    days: int = 3


WINDOW = Window()


@dataclass(frozen=True, slots=True)
class SeenRow:
    """A stored row as the matching sees it: accounts by digest only."""

    key: object
    own: bytes
    counter: bytes | None
    into: bool
    amount_fen: int
    at: datetime
    voucher_no: str
    notes: str


@dataclass(frozen=True, slots=True)
class ExpectedSide:
    """One side of a recorded hop: the money leaving its source account, or arriving on its target."""

    key: object
    side: str
    own: bytes
    counter: bytes
    amount_fen: int
    at: datetime
    voucher_no: str
    words: tuple[str, ...]
    """What a remark may name: note, agreement, case."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A side that a row may be, and what speaks for it."""

    expected: ExpectedSide
    voucher: bool
    remark: bool
    counter: bool
    days: int

    @property
    def weight(self) -> tuple[bool, bool]:
        """Only the voucher number and the remark decide between several; that a day is nearer does not."""
        return self.voucher, self.remark

    def lines(self) -> list[WorkingLine]:
        """Why, line by line."""
        found = [
            WorkingLine("ACCOUNT", N_("本方账户相同")), WorkingLine("AMOUNT", N_("金额相同"), {}, self.expected.amount_fen),
            WorkingLine("DAY", N_("日期相差 %(days)s 天"), {"days": self.days}),
        ]
        if self.counter:
            found.append(WorkingLine("COUNTER", N_("对方账户相同")))
        if self.voucher:
            found.append(WorkingLine("VOUCHER", N_("凭证号相同")))
        if self.remark:
            found.append(WorkingLine("REMARK", N_("摘要写有借据号、协议号或业务编号")))
        return found


def candidates(row: SeenRow, expected: Sequence[ExpectedSide], window: Window = WINDOW) -> list[Candidate]:
    """Sides that a row may be, the strongest first: same account, direction and amount, within the window, and no other
    counterparty than the hop's."""
    found = []
    for one in expected:
        days = abs((row.at.date() - one.at.date()) // timedelta(days=1))
        if (row.own, row.into, row.amount_fen) != (one.own, one.side == "TO", one.amount_fen) or days > window.days:
            continue
        if row.counter is not None and row.counter != one.counter:
            continue
        voucher = bool(row.voucher_no) and row.voucher_no == one.voucher_no
        remark = any(word and word in row.notes for word in one.words)
        found.append(Candidate(one, voucher, remark, row.counter is not None, days))
    return sorted(found, key=lambda one: (one.weight, -one.days), reverse=True)


def match(
    rows: Sequence[SeenRow], expected: Sequence[ExpectedSide], window: Window = WINDOW,
) -> dict[object, Candidate]:
    """Rows by key with the one side each of them is. A row with two equal sides, or a side wanted by two equal rows, is left."""
    best: dict[object, Candidate] = {}
    for row in rows:
        found = candidates(row, expected, window)
        if found and (len(found) == 1 or found[0].weight > found[1].weight):
            best[row.key] = found[0]
    wanted: dict[tuple[object, str], list[object]] = {}
    for key, one in best.items():
        wanted.setdefault((one.expected.key, one.expected.side), []).append(key)
    sure: dict[object, Candidate] = {}
    for keys in wanted.values():
        keys.sort(key=lambda key: best[key].weight, reverse=True)
        if len(keys) == 1 or best[keys[0]].weight > best[keys[1]].weight:
            sure[keys[0]] = best[keys[0]]
    return sure
