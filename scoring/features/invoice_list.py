"""The invoice features: meaning, unit, window, direction and the sentences in which they speak as reasons.

Both sides of the book are told with the same features; ``{deals}`` and ``{parties}`` in a sentence become the words of the side.
Directions are proposals after the credit-data catalogue §4; 0 = not known beforehand.
"""

from __future__ import annotations

from typing import Final

from scoring.features.spec import Direction, Feature, Sentences, Unit

INVOICES: Final = "invoices"

Words = tuple[str, str, str, str]
"""Label, the fact with ``{value}``, what it means when it raises the score, and when it lowers it."""

_FOR: Final = ("对评分有利", "in the firm's favour")
_AGAINST: Final = ("对评分不利", "against the firm")


def _sentences(words: tuple[str, ...], chinese: bool) -> Sentences:
    """A fact without a known direction is said to speak for or against the firm."""
    label, fact = words[0], words[1]
    good, bad = words[2:] if len(words) == 4 else (_FOR[not chinese], _AGAINST[not chinese])
    between = "，" if chinese else ": " if len(words) == 4 else ", "
    missing = f"发票不足，无法计算{label}" if chinese else f"Too few invoices to tell: {label[0].lower()}{label[1:]}"
    return Sentences(label, f"{fact}{between}{good}", f"{fact}{between}{bad}", missing)


def _feature(
    name: str,
    unit: Unit,
    window: int,
    direction: Direction,
    group: str,
    zh: tuple[str, ...],
    en: tuple[str, ...],
    *,
    scale_free: bool = True,
    changeable: bool = False,
    end_of_window: bool = False,
) -> Feature:
    return Feature(
        name, INVOICES, unit, window, direction, group, _sentences(zh, True), _sentences(en, False),
        scale_free=scale_free, changeable=changeable, end_of_window=end_of_window,
    )


_SIDES: Final = {
    "sales": {
        "{deals}": "销售", "{parties}": "客户", "{Deals}": "Sales", "{dealt}": "sales", "{party}": "buyers", "{Party}": "Buyers",
    },
    "purchase": {
        "{deals}": "采购", "{parties}": "供应商", "{Deals}": "Purchases", "{dealt}": "purchases", "{party}": "suppliers",
        "{Party}": "Suppliers",
    },
}
PARTY: Final = {"sales": "buyer", "purchase": "supplier"}
"""What the other party of a side is called in the names of features."""


def _of_side(side: str) -> tuple[Feature, ...]:
    """The features of one side; see ``invoices.SideValues`` for how each is computed."""
    party = PARTY[side]
    # At equal sales a firm that buys more has a thinner margin; alone, buying much is size. So purchases have no known direction.
    size: Direction = 1 if side == "sales" else 0
    large = (("规模较大", "规模较小"), ("a large turnover", "a small turnover")) if size else ((), ())

    def told(
        name: str, unit: Unit, window: int, direction: Direction, group: str, zh: tuple[str, ...], en: tuple[str, ...],
        *, scale_free: bool = True, changeable: bool = False, end_of_window: bool = False,
    ) -> Feature:
        def spoken(words: tuple[str, ...]) -> tuple[str, ...]:
            for mark, word in _SIDES[side].items():
                words = tuple(text.replace(mark, word) for text in words)
            return words

        return _feature(name, unit, window, direction, f"{side}_{group}", spoken(zh), spoken(en), scale_free=scale_free,
                        changeable=changeable, end_of_window=end_of_window)

    return (
        told(f"{side}_monthly", Unit.LOG_YUAN, 12, size, "size",
             ("月均{deals}额", "近12个月月均{deals}额{value}", *large[0]),
             ("Average monthly {dealt}", "{Deals} average {value} a month over 12 months", *large[1]), scale_free=False),
        told(f"{side}_lines", Unit.COUNT, 12, size, "size",
             ("{deals}发票行数", "近12个月有{value}行{deals}发票", *large[0]),
             ("Lines of {dealt} invoices", "{value} lines of {dealt} invoices over 12 months", *large[1]), scale_free=False),
        told(f"{side}_long_monthly", Unit.LOG_YUAN, 36, size, "size",
             ("三年月均{deals}额", "近36个月月均{deals}额{value}", *large[0]),
             ("Average monthly {dealt} over 3 years", "{Deals} average {value} a month over 36 months", *large[1]),
             scale_free=False),
        told(f"{side}_ticket", Unit.LOG_YUAN, 12, 0, "ticket",
             ("单行{deals}额", "平均每行{deals}发票{value}"),
             ("Average line of {dealt}", "An average line of {dealt} is {value}"), scale_free=False),
        told(f"{side}_round_share", Unit.FRACTION, 12, 0, "ticket",
             ("{deals}整数金额占比", "{value}的{deals}发票价税合计为整千元"),
             ("Round amounts in {dealt}", "{value} of the lines of {dealt} are whole thousands of yuan"), scale_free=False),
        told(f"{side}_ticket_spread", Unit.TIMES, 12, 0, "ticket",
             ("单行{deals}额离散度", "单行{deals}额的变异系数为{value}"),
             ("Spread of lines of {dealt}", "Lines of {dealt} have a coefficient of variation of {value}")),
        told(f"{side}_ticket_reach", Unit.TIMES, 12, 0, "ticket",
             ("大额{deals}倍数", "较大的{deals}发票（第九个十分位）为中位数的{value}倍"),
             ("Reach of large lines of {dealt}", "A large line of {dealt} (ninth decile) is {value} times the median")),
        told(f"{side}_growth", Unit.FRACTION, 24, 1, "growth",
             ("{deals}额同比增长", "{deals}额同比变化{value}", "走势有利", "走势不利"),
             ("Growth of {dealt}", "{Deals} changed by {value} year on year", "a good course", "a poor course")),
        told(f"{side}_recent_trend", Unit.FRACTION, 12, 1, "growth",
             ("近3个月{deals}变化", "近3个月月均{deals}额较此前变化{value}", "走势有利", "走势不利"),
             ("{Deals} of the last 3 months", "{Deals} of the last 3 months changed by {value} against the months before",
              "a good course", "a poor course"), end_of_window=True),
        told(f"{side}_volatility", Unit.TIMES, 12, -1, "volatility",
             ("{deals}波动系数", "各月{deals}额的波动系数为{value}", "较平稳", "起伏较大"),
             ("Volatility of {dealt}", "Monthly {dealt} have a coefficient of variation of {value}", "steady",
              "they swing widely")),
        told(f"{side}_peak_share", Unit.FRACTION, 12, -1, "volatility",
             ("最高月{deals}占比", "最高的一个月占全年{deals}额的{value}", "分布均匀", "过于集中在一个月"),
             ("Share of the best month of {dealt}", "The best month makes {value} of the year's {dealt}", "well spread",
              "crowded into one month")),
        told(f"{side}_long_volatility", Unit.TIMES, 36, -1, "volatility",
             ("三年{deals}波动系数", "近36个月各月{deals}额的波动系数为{value}", "较平稳", "起伏较大"),
             ("Volatility of {dealt} over 3 years", "Over 36 months monthly {dealt} have a coefficient of variation of {value}",
              "steady", "they swing widely")),
        told(f"{side}_long_peak_share", Unit.FRACTION, 36, -1, "volatility",
             ("三年最高月{deals}占比", "最高的一个月占三年{deals}额的{value}", "分布均匀", "过于集中在一个月"),
             ("Share of the best month of {dealt} in 3 years", "The best month makes {value} of the {dealt} of 36 months",
              "well spread", "crowded into one month")),
        told(f"{side}_long_active_months", Unit.MONTHS, 36, 1, "activity",
             ("三年中有{deals}的月数", "近36个月中有{value}个月有{deals}", "经营连续", "经营不连续"),
             ("Months with {dealt} in 3 years", "There were {dealt} in {value} of the last 36 months", "no breaks",
              "with breaks")),
        told(f"{side}_active_months", Unit.MONTHS, 12, 1, "activity",
             ("有{deals}的月数", "近12个月中有{value}个月有{deals}", "经营连续", "经营不连续"),
             ("Months with {dealt}", "There were {dealt} in {value} of the last 12 months", "no breaks", "with breaks")),
        told(f"{side}_longest_gap", Unit.MONTHS, 24, -1, "activity",
             ("最长{deals}中断", "近24个月内{deals}最长中断{value}个月", "基本不断档", "中断较久"),
             ("Longest gap in {dealt}", "The longest gap in {dealt} over 24 months is {value} months", "hardly any break",
              "a long break")),
        told(f"{side}_history_months", Unit.MONTHS, 36, 1, "history",
             ("{deals}记录长度", "{deals}记录已有{value}个月", "历史较长", "历史较短"),
             ("Length of the record of {dealt}", "The record of {dealt} goes back {value} months", "a long history",
              "a short history")),
        told(f"{side}_days", Unit.FRACTION, 12, 1, "activity",
             ("有{deals}的天数占比", "近12个月中{value}的日子有{deals}", "往来频繁", "往来稀少"),
             ("Days with {dealt}", "There were {dealt} on {value} of the days of 12 months", "busy trade", "little trade")),
        told(f"{side}_longest_silence", Unit.DAYS, 12, -1, "activity",
             ("{deals}最长间隔", "近12个月内两次{deals}之间最长相隔{value}天", "节奏稳定", "间隔较久"),
             ("Longest silence in {dealt}", "At most {value} days passed between two days with {dealt} in 12 months",
              "a steady rhythm", "a long silence")),
        told(f"days_since_{side}", Unit.DAYS, 0, -1, "latest",
             ("距上次{deals}天数", "距上一笔{deals}{value}天", "经营活跃", "近期没有往来"),
             ("Days since the last {dealt}", "The last {dealt} were {value} days ago", "active", "silent of late"),
             end_of_window=True),
        told(f"{party}_count", Unit.COUNT, 12, 1, "parties",
             ("{parties}数", "近12个月有{value}家{parties}", "面较宽", "面较窄"),
             ("Number of {party}", "{value} {party} over 12 months", "a broad base", "a narrow base")),
        told(f"{party}_effective", Unit.TIMES, 12, 1, "concentration",
             ("等效{parties}数", "按金额折算相当于{value}家同样大小的{parties}", "较为分散", "较为集中"),
             ("Effective number of {party}", "By amount as many as {value} {party} of equal size", "well spread",
              "concentrated")),
        told(f"{party}_top1_share", Unit.FRACTION, 12, -1, "concentration",
             ("最大{parties}占比", "最大的一家{parties}占{deals}额的{value}", "较为分散", "依赖一家"),
             ("Share of the largest of the {party}", "The largest of the {party} makes {value} of {dealt}", "well spread",
              "dependent on one")),
        told(f"{party}_top5_share", Unit.FRACTION, 12, -1, "concentration",
             ("前五大{parties}占比", "前五大{parties}占{deals}额的{value}", "较为分散", "较为集中"),
             ("Share of the five largest {party}", "The five largest {party} make {value} of {dealt}", "well spread",
              "concentrated")),
        told(f"{party}_hhi", Unit.TIMES, 12, -1, "concentration",
             ("{parties}集中度指数", "{parties}集中度指数（赫芬达尔）为{value}", "较为分散", "较为集中"),
             ("Concentration of {party}", "The Herfindahl index of {party} is {value}", "well spread", "concentrated")),
        told(f"{party}_repeat_share", Unit.FRACTION, 24, 1, "loyalty",
             ("老{parties}占比", "{value}的{deals}额来自上一年的老{parties}", "往来稳定", "多为新往来"),
             ("Share of returning {party}", "{value} of {dealt} are with {party} of the year before", "lasting ties",
              "mostly new ties")),
        told(f"{party}_lost_share", Unit.FRACTION, 24, -1, "loyalty",
             ("{parties}流失", "上一年{deals}额中{value}属于今年不再往来的{parties}", "流失少", "流失较多"),
             ("Loss of {party}", "{Party} that made {value} of the {dealt} of the year before did not come back", "few were lost",
              "many were lost")),
        told(f"{party}_loyal_share", Unit.FRACTION, 12, 1, "loyalty",
             ("常年{parties}占比", "{value}的{deals}额来自一年内至少3个月有往来的{parties}", "往来稳定", "多为零星往来"),
             ("Share of regular {party}", "{value} of {dealt} are with {party} seen in at least 3 months of the year",
              "lasting ties", "mostly passing ties")),
        told(f"{party}_growth", Unit.FRACTION, 24, 1, "parties",
             ("{parties}数同比变化", "{parties}数同比变化{value}", "走势有利", "走势不利"),
             ("Growth of the number of {party}", "The number of {party} changed by {value} year on year", "a good course",
              "a poor course")),
        told(f"{side}_red_ratio", Unit.FRACTION, 12, -1, "red",
             ("{deals}红字比例", "{deals}红字发票占{value}", "退货冲销少", "退货冲销偏多"),
             ("Red-letter share of {dealt}", "Red-letter invoices are {value} of {dealt}", "few returns", "many returns")),
        told(f"{side}_void_ratio", Unit.FRACTION, 12, -1, "void",
             ("{deals}作废比例", "{deals}发票作废占{value}", "作废少", "作废偏多"),
             ("Void share of {dealt} invoices", "{value} of the lines of {dealt} invoices were voided", "orderly invoicing",
              "many cancelled"), changeable=side == "sales"),
        told(f"{side}_tax_rate", Unit.FRACTION, 12, 0, "tax",
             ("{deals}平均税率", "{deals}发票平均税率{value}"),
             ("Average VAT rate of {dealt}", "VAT is {value} of {dealt}")),
        told(f"{side}_low_rate_share", Unit.FRACTION, 12, 0, "tax",
             ("{deals}低税率占比", "{value}的{deals}额税率低于5%（简易计税、小规模或免税）"),
             ("Share of {dealt} at low VAT rates", "{value} of {dealt} bear less than 5% VAT (simplified or exempt)")),
        told(f"{side}_month_end_share", Unit.FRACTION, 12, 0, "rhythm",
             ("月末{deals}占比", "{value}的{deals}额开在每月最后5天"),
             ("Share of {dealt} at month ends", "{value} of {dealt} are invoiced in the last 5 days of a month")),
    )


_JOINT: Final = (
    _feature("both_active_months", Unit.MONTHS, 12, 1, "joint_activity",
             ("购销均有的月数", "近12个月中有{value}个月既有采购又有销售", "经营完整", "经营不完整"),
             ("Months with sales and purchases", "There were both sales and purchases in {value} of the last 12 months",
              "a full business", "an incomplete business")),
    _feature("purchase_sales_ratio", Unit.TIMES, 12, 0, "margin",
             ("采购与销售之比", "采购额为销售额的{value}倍"),
             ("Purchases to sales", "Purchases are {value} times sales")),
    _feature("overbuying_months", Unit.MONTHS, 12, -1, "margin",
             ("采购大于销售的月数", "近12个月中有{value}个月采购额大于销售额", "进销匹配", "进多销少"),
             ("Months buying more than selling", "Purchases exceeded sales in {value} of the last 12 months",
              "they fit each other", "more bought than sold")),
    _feature("net_vat_ratio", Unit.FRACTION, 12, 0, "vat",
             ("增值税净额占比", "销项减进项税额占销售额{value}"),
             ("Net VAT to sales", "Output less input VAT is {value} of sales")),
    _feature("purchase_sales_correlation", Unit.TIMES, 24, 1, "timing",
             ("采购与销售的相关性", "各月采购额与销售额的相关系数为{value}", "购销同步", "购销脱节"),
             ("Purchases and sales together", "Monthly purchases and sales have a correlation of {value}", "they move together",
              "they move apart")),
    _feature("purchase_lead", Unit.TIMES, 12, 0, "timing",
             ("采购领先销售的月数", "按金额平均，采购领先销售{value}个月"),
             ("Lead of purchases over sales", "By amount, purchases come {value} months before sales")),
)

FEATURES: Final[tuple[Feature, ...]] = (*_of_side("sales"), *_of_side("purchase"), *_JOINT)
"""In the order of the columns that ``invoices.compute`` gives."""
