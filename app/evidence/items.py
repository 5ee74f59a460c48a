"""What each item of the catalogue looks like: whom a row is about, what keys it, which columns it holds, how offices head them.

One table of data for reading, checking, storing, templates and exports (credit-data-catalogue.md §2–§4). A row is about a firm
(by its social credit code) or about a meter (by its account number 户号 at the provider). Amounts are kept in 分, quantities in
thousandths of their unit (kWh, m³), months as their first day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType


def N_(message: str) -> str:
    """Marks a Chinese sentence for the catalogues; it is translated where it is shown."""
    return message


class Kind(StrEnum):
    """How a cell is read and stored."""

    MONEY = "money"
    """Yuan as offices type them (1,234.50元), stored as whole 分."""
    QUANTITY = "quantity"
    """A number of at most three decimals, stored in thousandths."""
    COUNT = "count"
    DAY = "day"
    MONTH = "month"
    """202601, 2026-01, 2026年1月, 2026/1/5: the first day of that month."""
    YEAR = "year"
    TEXT = "text"
    WORD = "word"
    """One of a closed list; stored as its code."""
    FLAG = "flag"
    FIRM = "firm"
    """A social credit code, stored as the firm number."""


class Subject(StrEnum):
    """Whom a row is about, and so which column keys it."""

    FIRM = "firm"
    METER = "meter"


@dataclass(frozen=True, slots=True)
class Field:
    """A column: code (also its English heading), Chinese heading, other headings it may come under.

    ``low`` and ``high`` bound what is possible, in stored units (分, thousandths, persons). ``words``: spelling → code.
    """

    code: str
    label: str
    kind: Kind
    also: tuple[str, ...] = ()
    required: bool = True
    low: int | None = 0
    high: int | None = None
    words: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    verbatim: bool = False
    """A required text that keeps its spelling: what it names is known elsewhere under just these characters."""
    column: str = ""
    """Name of the table's column where it differs from the code (amounts carry their unit)."""

    @property
    def stored(self) -> str:
        """The column of the table."""
        if self.column:
            return self.column
        named = {Kind.MONEY: f"{self.code}_fen", Kind.QUANTITY: f"{self.code}_milli", Kind.FIRM: "firm_no"}
        return named.get(self.kind, self.code)

    @property
    def headings(self) -> tuple[str, ...]:
        """Every heading under which the column may come."""
        return (self.code, self.label, *self.also)


@dataclass(frozen=True, slots=True)
class Item:
    """An item that is taken in. ``key`` names the fields that, with firm or meter, tell one fact from another.

    ``at`` is the field that says when: the axis of charts, of lateness and of retention. ``late_days``: days after the end
    of the month (or after the day) by which a delivery is expected. ``lines``: rows without a key of their own, told apart
    by their content and by which such row of their delivery they are.
    """

    code: str
    table: str
    subject: Subject
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    at: str
    late_days: int = 45
    lines: bool = False
    filled_by_copy: bool = False
    """The table takes millions of rows a month: they are copied into its partition (migration 0012)."""

    def field(self, code: str) -> Field:
        """The field of that code. Raises ``KeyError``."""
        for one in self.fields:
            if one.code == code:
                return one
        raise KeyError(code)

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the fields in their order."""
        return tuple(one.code for one in self.fields)

    @property
    def subject_column(self) -> str:
        """``firm_no`` or ``meter_no``."""
        return "firm_no" if self.subject is Subject.FIRM else "meter_no"

    @property
    def monthly(self) -> bool:
        """Whether each row is one month."""
        return self.field(self.at).kind is Kind.MONTH


BILLION_YUAN = 10**14
"""1 000 000 000 000 分: no single figure of a small firm is larger; a larger one is a slip."""

USCC = Field("uscc", N_("统一社会信用代码"), Kind.FIRM, (
    "纳税人识别号", "社会信用代码", "信用代码", "firm_id", "企业代码", "企业代号",
))
METER = Field("account_no", N_("户号"), Kind.TEXT, ("用户编号", "用电户号", "用水户号", "用气户号", "meter_no", "meter_id"))
PERIOD = Field("period", N_("所属月份"), Kind.MONTH, ("月份", "年月", "账期", "账单月份", "税款所属期", "缴费月份", "month"))


def money(code: str, label: str, *also: str, required: bool = False, low: int | None = 0) -> Field:
    """An amount of money."""
    return Field(code, label, Kind.MONEY, also, required, low, BILLION_YUAN)


def count(code: str, label: str, *also: str, required: bool = False, high: int = 1_000_000) -> Field:
    """A number of persons, documents, days."""
    return Field(code, label, Kind.COUNT, also, required, 0, high)


def day(code: str, label: str, *also: str, required: bool = False) -> Field:
    """A day."""
    return Field(code, label, Kind.DAY, also, required, None)


def word(code: str, label: str, words: dict[str, str], *also: str, required: bool = True) -> Field:
    """One of a closed list."""
    return Field(code, label, Kind.WORD, also, required, None, None, MappingProxyType(words | {w: w for w in words.values()}))


def label_text(code: str, label: str, *also: str, required: bool = False) -> Field:
    """Free text of at most 200 characters."""
    return Field(code, label, Kind.TEXT, also, required, None, 200)


METERING = {
    "正常": "metered", "抄表": "metered", "实抄": "metered", "估抄": "estimated", "估读": "estimated",
    "未装表": "not_metered", "无表": "not_metered", "房东代收": "landlord", "物业代收": "landlord", "转供": "landlord",
}
"""Spelling → how the month was metered. ``not_metered`` and ``landlord`` carry no quantity: that is not zero."""


def _utility(code: str, unit: str, also: str) -> Item:
    return Item(code, f"{code}_month", Subject.METER, ("period",), (
        METER, PERIOD,
        Field("quantity", unit, Kind.QUANTITY, (also, "用量", "quantity"), False, 0, 10**12),
        money("bill", N_("账单金额"), "金额", "电费", "水费", "气费", "应收金额"),
        day("due_on", N_("应缴日期"), "缴费截止日"), day("paid_on", N_("实缴日期"), "缴费日期"),
        money("arrears", N_("欠费金额"), "欠费"),
        word("metering", N_("计量方式"), METERING, "抄表方式", required=False),
        count("cut_days", N_("停供天数"), "停电天数", "停水天数", "停气天数", high=31),
    ), "period", 30, filled_by_copy=True)


_ITEMS = (
    Item("registration", "registration", Subject.FIRM, (), (
        USCC, label_text("name", N_("企业名称"), "名称", required=True), label_text("type", N_("企业类型"), "类型"),
        money("capital", N_("注册资本")), day("established_on", N_("成立日期")),
        word("status", N_("登记状态"), {
            "存续": "open", "在业": "open", "开业": "open", "在营": "open", "吊销": "revoked", "注销": "deregistered",
            "迁出": "moved", "停业": "suspended", "歇业": "suspended",
        }, "经营状态"),
        label_text("scope", N_("经营范围")), day("as_of", N_("数据日期"), required=True),
    ), "as_of"),
    Item("registration_changes", "registration_change", Subject.FIRM, ("changed_on", "kind"), (
        USCC, day("changed_on", N_("变更日期"), required=True),
        word("kind", N_("变更事项"), {
            "法定代表人": "representative", "住所": "address", "地址": "address", "注册资本": "capital", "股东": "shareholder",
            "经营范围": "scope", "名称": "name", "其他": "other",
        }),
    ), "changed_on"),
    Item("annual_reports", "annual_report", Subject.FIRM, ("report_year",), (
        USCC, Field("report_year", N_("报告年度"), Kind.YEAR, ("年度",), True, 1990, 2100),
        label_text("operating_state", N_("经营状态")), money("capital", N_("资金数额"), "注册资本"),
        count("n_employees", N_("从业人数"), "职工人数", high=10_000_000), day("published_on", N_("公示日期")),
        Field("has_website", N_("有网站"), Kind.FLAG, (), False, None),
        Field("has_investment", N_("有对外投资"), Kind.FLAG, (), False, None),
        Field("has_equity_transfer", N_("有股权转让"), Kind.FLAG, (), False, None),
    ), "report_year", 545),
    Item("qualifications", "qualification", Subject.FIRM, ("kind", "certificate_no"), (
        USCC, word("kind", N_("资质类别"), {
            "高新技术企业": "high_tech", "高新": "high_tech", "专精特新": "specialised",
            "专精特新中小企业": "specialised", "小巨人": "little_giant", "专精特新小巨人": "little_giant",
            "科技型中小企业": "tech_sme", "创新型中小企业": "innovative",
            "单项冠军": "champion", "行政许可": "permit", "其他": "other",
        }, "类别"),
        label_text("certificate_no", N_("证书编号"), "编号", required=True), label_text("name", N_("名称")),
        label_text("issuer", N_("发证机关")), day("valid_from", N_("有效期起"), "发证日期", required=True),
        day("valid_to", N_("有效期止")), day("revoked_on", N_("撤销日期")),
    ), "valid_from"),
    Item("penalties", "penalty", Subject.FIRM, ("document_no",), (
        USCC, label_text("document_no", N_("决定书文号"), "文号", required=True),
        label_text("authority", N_("处罚机关"), required=True),
        word("kind", N_("处罚类别"), {
            "警告": "warning", "罚款": "fine", "没收": "confiscation", "责令停产停业": "suspension", "吊销": "revocation",
            "经营异常名录": "abnormal", "其他": "other",
        }, "类别"),
        money("amount", N_("处罚金额"), "罚款金额"), day("decided_on", N_("决定日期"), required=True),
        day("repaired_on", N_("修复日期"), "移出日期"),
    ), "decided_on"),
    Item("justice", "court_case", Subject.FIRM, ("case_no", "role"), (
        USCC, label_text("case_no", N_("案号"), required=True),
        word("role", N_("地位"), {"原告": "plaintiff", "被告": "defendant", "被执行人": "debtor", "申请执行人": "creditor",
                                  "第三人": "third_party"}),
        word("kind", N_("类别"), {"判决": "judgment", "执行": "enforcement", "失信被执行人": "dishonest", "破产": "bankruptcy",
                                  "调解": "settlement"}),
        label_text("court", N_("法院")), money("amount", N_("标的金额"), "金额"), day("filed_on", N_("立案日期"), required=True),
        day("closed_on", N_("结案日期")), money("unpaid", N_("未履行金额")),
    ), "filed_on"),
    Item("dishonesty", "dishonesty_entry", Subject.FIRM, ("list_name", "listed_on"), (
        USCC, label_text("list_name", N_("名单名称"), required=True), day("listed_on", N_("列入日期"), required=True),
        label_text("authority", N_("认定机关")), day("removed_on", N_("移出日期"), "修复日期"),
    ), "listed_on"),
    Item("tax", "tax_filing", Subject.FIRM, ("tax_kind", "period"), (
        USCC, word("tax_kind", N_("税种"), {
            "增值税": "vat", "企业所得税": "income", "个人所得税": "personal", "附加税": "surcharge", "印花税": "stamp",
            "城市维护建设税": "urban", "消费税": "consumption", "营业税": "business", "其他": "other",
        }),
        PERIOD,
        word("cycle", N_("申报周期"), {
            "按月": "month", "月": "month", "按季": "quarter", "季": "quarter", "按年": "year", "年": "year",
        }),
        money("sales", N_("申报销售额"), "销售额", "计税依据"), money("due", N_("应纳税额"), "应缴税额", low=None),
        money("paid", N_("已缴税额"), "实缴税额", low=None), money("arrears", N_("欠税金额"), "欠税"),
        day("due_on", N_("申报期限"), "应申报日期"), day("filed_on", N_("申报日期")),
    ), "period"),
    Item("tax_grades", "tax_grade", Subject.FIRM, ("year",), (
        USCC, Field("year", N_("评价年度"), Kind.YEAR, ("年度",), True, 1990, 2100),
        word("grade", N_("纳税信用级别"), {"A级": "A", "B级": "B", "M级": "M", "C级": "C", "D级": "D"}, "级别"),
        day("published_on", N_("评定日期"), "发布日期"),
    ), "year", 545),
    Item("tax_ledger", "tax_ledger_line", Subject.FIRM, (), (
        USCC, day("period_start", N_("所属期起"), "start_date", required=True),
        day("period_end", N_("所属期止"), "end_date", required=True),
        label_text("tax_category", N_("税种"), required=True), label_text("tax_item", N_("品目")),
        money("tax_base", N_("计税依据"), low=None),
        Field("tax_rate", N_("税率"), Kind.TEXT, (), False, None, 40),
        money("deduction", N_("扣除额"), low=None), money("tax_amount", N_("税额"), required=True, low=None),
    ), "period_start", lines=True),
    Item("social_insurance", "social_insurance_month", Subject.FIRM, ("kind", "period"), (
        USCC, word("kind", N_("险种"), {
            "合计": "all", "养老": "pension", "养老保险": "pension", "医疗": "medical", "医疗保险": "medical", "工伤": "injury",
            "工伤保险": "injury", "失业": "unemployment", "失业保险": "unemployment",
        }),
        PERIOD, count("heads", N_("参保人数"), "缴费人数", required=True, high=10_000_000),
        count("dispatched", N_("劳务派遣人数"), "派遣人数", high=10_000_000),
        money("base", N_("缴费基数")), money("due", N_("应缴金额")), money("paid", N_("实缴金额")),
        day("paid_on", N_("缴费日期"), "到账日期"),
    ), "period"),
    Item("housing_fund", "housing_fund_month", Subject.FIRM, ("period",), (
        USCC, PERIOD, count("heads", N_("缴存人数"), required=True, high=10_000_000), money("base", N_("缴存基数")),
        money("due", N_("应缴金额"), "应缴存额"), money("paid", N_("实缴金额"), "汇缴金额"),
        day("paid_on", N_("缴存日期"), "汇缴日期"),
    ), "period"),
    Item("customs", "customs_month", Subject.FIRM, ("direction", "period"), (
        USCC, word("direction", N_("进出口"), {"进口": "import", "出口": "export"}, "贸易方向"), PERIOD,
        money("value", N_("货值（人民币）"), "金额", "货值", required=True), count("declarations", N_("报关单数"), "单数"),
        word("aeo", N_("海关信用等级"), {"高级认证": "advanced", "注册登记和备案": "registered", "失信": "dishonest"}, "信用等级",
             required=False),
    ), "period"),
    _utility("electricity", N_("用电量（千瓦时）"), "用电量"),
    _utility("water", N_("用水量（立方米）"), "用水量"),
    _utility("gas", N_("用气量（立方米）"), "用气量"),
    Item("electricity_daily", "electricity_day", Subject.METER, ("day",), (
        replace(METER, also=(*METER.also, "firm_id")), day("day", N_("日期"), "date", required=True),
        Field("kwh", N_("用电量（千瓦时）"), Kind.QUANTITY, ("用电量",), True, 0, 10**12, column="quantity_milli"),
    ), "day", 3, filled_by_copy=True),
    Item("meter_links", "meter_link", Subject.METER, ("uscc", "valid_from"), (
        METER, USCC, day("valid_from", N_("起"), "开始日期", "过户日期", required=True), day("valid_to", N_("止"), "结束日期"),
        word("basis", N_("用户关系"), {"本户": "own", "自有": "own", "租赁": "tenant", "合用": "shared"}, "关系"),
    ), "valid_from"),
    Item("ip", "ip_right", Subject.FIRM, ("kind", "number"), (
        USCC, word("kind", N_("权利种类"), {
            "发明专利": "invention", "发明": "invention", "实用新型": "utility_model", "外观设计": "design", "商标": "trademark",
            "软件著作权": "software", "作品著作权": "copyright", "集成电路": "layout", "植物新品种": "variety",
        }, "类型"),
        label_text("number", N_("登记号"), "专利号", "申请号", required=True), label_text("title", N_("名称")),
        day("granted_on", N_("授权日期"), "注册日期", required=True), day("expires_on", N_("到期日期")),
        day("ended_on", N_("失效日期")),
        Field("pledged", N_("已质押"), Kind.FLAG, ("是否质押",), False, None),
    ), "granted_on"),
    Item("cash_flow", "cash_flow_month", Subject.FIRM, ("account_tail", "period"), (
        USCC, Field("account_tail", N_("账号后四位"), Kind.TEXT, ("账户",), True, None, 4), PERIOD,
        money("inflow", N_("流入金额"), "收入", required=True), money("outflow", N_("流出金额"), "支出", required=True),
        count("counterparties", N_("对手方数")), money("balance", N_("月末余额"), "余额", low=None),
    ), "period"),
)

ITEMS: Mapping[str, Item] = MappingProxyType({item.code: item for item in _ITEMS})
"""Items by code. VAT invoices have a shape of their own (``invoice_rows``)."""

UTILITIES = ("electricity", "water", "gas")
