"""What each kind of file looks like: its columns, how senders head them, which must be filled. Read by evidence's readers."""

from __future__ import annotations

from types import MappingProxyType

from app.core.working import N_
from app.evidence.items import Field, Item, Kind, Subject
from app.loans.rules import FiveClass
from app.market.terms import RepaymentMethod
from app.pool.batch_rules import LoanChange
from app.pool.batch_states import BatchKind
from app.pool.rules import Product, UseOfFunds

LONGEST = 100
ROW_LIMIT = 100_000
"""Rows of one file [P]: a bank sends a larger month in several files."""
AMOUNTS = {BatchKind.BOOKING: "principal_fen", BatchKind.REPORT: "balance_fen", BatchKind.RECONCILE: "balance_fen",
           BatchKind.GUARANTEE: "principal_fen"}
"""The column of each kind whose sum stands on the page of a file (分)."""


def _words(
    *kinds: type[Product] | type[UseOfFunds] | type[RepaymentMethod] | type[FiveClass] | type[LoanChange],
) -> MappingProxyType[str, str]:
    """Spellings of closed lists: the Chinese name and the code."""
    return MappingProxyType({word: one.value for kind in kinds for one in kind for word in (one.label, one.value)})


def _text(code: str, label: str, *also: str, required: bool = False, high: int = LONGEST) -> Field:
    return Field(code, label, Kind.TEXT, also, required, high=high, verbatim=True)


def _flag(code: str, label: str, *also: str) -> Field:
    return Field(code, label, Kind.FLAG, also, required=False)


NOTE = _text("note_no", N_("借据编号"), "借据号", "借据", required=True)

BOOKING_FIELDS = (
    NOTE,
    _text("contract_no", N_("合同编号"), "合同号", required=True),
    Field("uscc", N_("统一社会信用代码"), Kind.FIRM, ("借款人代码", "信用代码"), column="uscc"),
    _text("firm_name", N_("借款人名称"), "企业名称", "借款人", required=True, high=200),
    Field("drawn_on", N_("放款日期"), Kind.DAY, ("放款日",)),
    Field("principal", N_("放款金额"), Kind.MONEY, ("本金", "贷款金额"), low=1),
    Field("annual_rate", N_("年利率"), Kind.QUANTITY, ("利率", "年利率（%）"), high=99_999),
    Field("term_months", N_("期限（月）"), Kind.COUNT, ("期限", "贷款期限"), low=1, high=600),
    Field("method", N_("还款方式"), Kind.WORD, words=_words(RepaymentMethod)),
    Field("product", N_("产品类别"), Kind.WORD, ("产品",), words=_words(Product)),
    Field("use_of_funds", N_("资金用途"), Kind.WORD, ("用途",), words=_words(UseOfFunds)),
    _flag("operates_in_city", N_("在广州市实际经营")),
    _flag("on_key_list", N_("放款时在重点支持名录内"), "重点支持名录"),
    _text("key_list_version", N_("名录名称与版本"), "名录版本"),
    _text("ip_certificate_no", N_("知识产权登记证号")),
    _text("receivable_no", N_("应收账款登记号")),
    _text("policy_tool", N_("货币政策工具"), "使用的货币政策工具"),
    _text("shared_by", N_("保险或担保分担"), high=200),
    _flag("first_loan", N_("首贷")),
    _flag("not_dishonest", N_("已查严重失信名单"), "已查询不在严重失信主体名单"),
    _text("renewed_from", N_("原借据编号"), "续贷原借据"),
    _text("late_reason", N_("逾期报送的原因"), high=500),
    _text("correction", N_("更正的原因"), "更正理由", high=500),
)


REPORT_FIELDS = (
    NOTE,
    Field("as_of", N_("截止日"), Kind.DAY, ("报告日", "数据日期", "月末日期")),
    Field("balance", N_("贷款余额"), Kind.MONEY, ("余额", "本金余额")),
    Field("five_class", N_("五级分类"), Kind.WORD, ("分类",), words=_words(FiveClass)),
    Field("overdue_days", N_("逾期天数"), Kind.COUNT, high=36_500),
    Field("paid", N_("本期收回金额"), Kind.MONEY, ("本期还款", "收回本息"), required=False),
    Field("paid_on", N_("最近还款日"), Kind.DAY, ("还款日",), required=False),
    Field("change", N_("变动"), Kind.WORD, ("变动情况",), required=False, words=_words(LoanChange)),
    Field("due_on", N_("重组后到期日"), Kind.DAY, ("展期后到期日",), required=False),
    _text("new_note_no", N_("续贷新借据编号"), "新借据编号"),
)
RECONCILE_FIELDS = (
    NOTE,
    Field("month", N_("对账月份"), Kind.MONTH, ("月份", "所属月份")),
    Field("balance", N_("月末余额"), Kind.MONEY, ("贷款余额", "余额")),
    Field("five_class", N_("五级分类"), Kind.WORD, ("分类",), words=_words(FiveClass)),
    Field("due_on", N_("到期日"), Kind.DAY, ("贷款到期日",)),
)
GUARANTEE_FIELDS = (
    _text("contract_no", N_("担保合同编号"), "保证合同编号", "担保合同号", required=True),
    NOTE,
    _text("bank", N_("贷款银行"), "银行", "债权银行", required=True, high=200),
    Field("uscc", N_("统一社会信用代码"), Kind.FIRM, ("借款人代码", "信用代码"), column="uscc"),
    Field("principal", N_("放款金额"), Kind.MONEY, ("本金", "贷款金额"), low=1),
    Field("drawn_on", N_("放款日期"), Kind.DAY, ("放款日",)),
    Field("signed_on", N_("签署日期"), Kind.DAY, ("担保合同签署日期", "签署日")),
    Field("liability_share", N_("担保机构承担的本金比例（%）"), Kind.QUANTITY, ("担保比例", "承担比例"), low=1, high=100_000),
    _text("reguarantor", N_("再担保机构"), high=200),
    Field("reguarantee_share", N_("再担保分担的本金比例（%）"), Kind.QUANTITY, ("再担保比例",), required=False, high=100_000),
    _text("late_reason", N_("逾期报送的原因"), high=500),
)


def _item(kind: BatchKind, fields: tuple[Field, ...], at: str) -> Item:
    return Item(kind.value, "pool_batch_row", Subject.FIRM, ("note_no",), fields, at=at)


ITEMS = {
    BatchKind.BOOKING: _item(BatchKind.BOOKING, BOOKING_FIELDS, "drawn_on"),
    BatchKind.REPORT: _item(BatchKind.REPORT, REPORT_FIELDS, "as_of"),
    BatchKind.RECONCILE: _item(BatchKind.RECONCILE, RECONCILE_FIELDS, "month"),
    BatchKind.GUARANTEE: _item(BatchKind.GUARANTEE, GUARANTEE_FIELDS, "drawn_on"),
}
"""Items by kind of file."""


def labels_of(kind: str) -> dict[str, str]:
    """Field code → Chinese label, in the order of the file's columns."""
    return {field.code: field.label for field in ITEMS[BatchKind(kind)].fields}
