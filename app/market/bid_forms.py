"""Forms of a bid: shape and plausibility of what is typed; the rules judge the rest."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    FieldList,
    Form,
    FormField,
    IntegerField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from app.core.money import WAN, YUAN
from app.enterprises.rules import SizeClass
from app.market.bid_models import Bid
from app.market.bid_service import BidTerms, offer_of, size_of
from app.market.bid_words import CONDITION_KINDS, TIE_KINDS, USUAL_CONDITIONS, ConditionKind, TieKind
from app.market.fields import MoneyField, PercentField, PlanField, TokenField
from app.market.forms import named
from app.market.models import Need
from app.market.offer_rules import BANNED_FOR_SMALL, CLOSED_LIST, TEXT_LENGTH, Condition, Tie
from app.market.part_rules import PART_FEES, PartFees, PartTerms
from app.market.product_models import Product
from app.market.terms import FEE_NAMES, Fee, FeeKind, FeeTime, Offer, Payee, RepaymentMethod, plan_of
from app.market.words import METHODS

FEE_ROWS = 6
"""Rows for charges on the bid form; no offer of the papers has more than three."""


TIE_ROWS = 3
OFFERED_CONDITIONS = tuple(kind for kind in ConditionKind if kind not in USUAL_CONDITIONS)
"""What the form offers to tick; the usual two stand under it in words."""


def _demand_rows(bid: Bid) -> list[dict[str, Any]]:
    found = {demand.kind: demand.text for demand in bid.demands}
    return [{"wanted": kind.value in found, "text": found.get(kind.value, "")} for kind in OFFERED_CONDITIONS]


class FeeForm(Form):
    """One charge beside interest."""

    kind = SelectField(_l("名目"), [Optional()], validate_choice=False)
    amount = MoneyField(_l("每次金额"), unit=YUAN)
    payee = SelectField(_l("付给"), [Optional()], validate_choice=False)
    at = SelectField(_l("何时"), [Optional()], validate_choice=False)
    every_months = IntegerField(_l("每几个月"), [Optional()])
    text = StringField(_l("说明"), [Optional(), Length(max=100)])

    def validate_amount(self, field: MoneyField) -> None:
        """A charge that is named must say how much, and the other way round."""
        if self.kind.data and field.data is None and not field.errors:
            raise ValidationError(gettext("请填写这项费用的金额。"))
        if field.data is not None and self.kind.data not in set(FeeKind):
            raise ValidationError(gettext("请从清单中选择收费名目。"))

    def fee(self) -> Fee | None:
        """The charge, or ``None`` for an empty row."""
        if not self.kind.data or self.amount.data is None or self.kind.data not in set(FeeKind):
            return None
        payee = Payee(self.payee.data) if self.payee.data in set(Payee) else Payee.OTHER
        at = FeeTime(self.at.data) if self.at.data in set(FeeTime) else FeeTime.START
        return Fee(FeeKind(self.kind.data), self.amount.data, payee, at, self.every_months.data or 1, self.text.data or "")


class TieForm(Form):
    """A product or service that comes with the loan."""

    kind = SelectField(_l("产品或服务"), [Optional()], validate_choice=False)
    required = BooleanField(_l("没有它不放款"))
    text = StringField(_l("说明"), [Optional(), Length(max=TEXT_LENGTH)])

    def tie(self) -> Tie | None:
        """What was declared, or ``None`` for an empty row."""
        return Tie(TieKind(self.kind.data), self.required.data, self.text.data or "") if self.kind.data in set(TieKind) else None


class DemandForm(Form):
    """One of the closed list of conditions, ticked or not."""

    wanted = BooleanField()
    text = StringField(_l("说明"), [Optional(), Length(max=TEXT_LENGTH)])


class BidForm(FlaskForm):
    """A bank's offer."""

    product_id = SelectField(_l("产品"), [InputRequired(_l("请选择产品。"))])
    amount = MoneyField(_l("金额"), [InputRequired(_l("请填写金额。"))], unit=WAN)
    annual_rate = PercentField(_l("名义年利率"), [InputRequired(_l("请填写年利率。"))])
    term_months = IntegerField(_l("期限"), [InputRequired(_l("请填写期限，用整数月。"))])
    method = SelectField(_l("还款方式"), [InputRequired(_l("请选择还款方式。"))])
    plan = PlanField(
        _l("还本计划"), [Optional(), Length(max=4_000)],
        description=_l(
            "还款方式选“按约定计划还本”时填写，最多 60 行，可以从表格粘贴：每行写第几个月和归还的本金（元）；利息按月付。"
        ),
    )
    min_part = MoneyField(
        _l("只承担一部分时，最少"), [Optional()], unit=WAN, description=_l("留空表示只整笔放款，不与其他银行联合。")
    )
    part_fees = RadioField(_l("只承担一部分时，费用"), validate_choice=False)
    valid_until = DateField(_l("报价有效至"), [InputRequired(_l("请填写日期。"))])
    demands = FieldList(FormField(DemandForm), label=_l("报价的条件"), min_entries=len(OFFERED_CONDITIONS),
                        max_entries=len(OFFERED_CONDITIONS))
    conditions = TextAreaField(
        _l("补充说明"), [Optional(), Length(max=1000)],
        description=_l("没有约束力：选定后只有上面勾选的条件不成立，本行才能拒绝放款。"),
    )
    ties_answer = RadioField(_l("贷款是否搭配其他产品或服务"), validate_choice=False)
    ties = FieldList(FormField(TieForm), label=_l("搭配的产品或服务"), min_entries=TIE_ROWS, max_entries=TIE_ROWS)
    fees = FieldList(FormField(FeeForm), label=_l("利息之外的费用"), min_entries=FEE_ROWS, max_entries=FEE_ROWS)
    idempotency_token = TokenField()

    def __init__(self, need: Need, products: list[Product], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.product_id.choices = [(str(product.id), product.name) for product in products]
        self.method.choices = named(METHODS)
        self.part_fees.choices = named(PART_FEES)
        if not need.allows_parts:
            del self.min_part, self.part_fees
        big = size_of(need) in (SizeClass.MEDIUM, SizeClass.LARGE)
        kinds = [*CLOSED_LIST, *(sorted(BANNED_FOR_SMALL) if big else ())]
        self.ties_answer.choices = [("none", gettext("没有搭配任何产品或服务")), ("listed", gettext("有，逐项列在下面"))]
        for row in self.ties:
            row.form.kind.choices = [("", gettext("（无）")), *named(TIE_KINDS)]
        for row, kind in zip(self.demands, OFFERED_CONDITIONS, strict=True):
            row.form.wanted.label.text = gettext(CONDITION_KINDS[kind])
        for row in self.fees:
            row.form.kind.choices = [("", gettext("（无）")), *((kind.value, gettext(FEE_NAMES[kind][0])) for kind in kinds)]
            row.form.payee.choices = [(payee.value, gettext(payee.label)) for payee in Payee]
            row.form.at.choices = [(at.value, gettext(at.label)) for at in FeeTime]

    def terms(self) -> BidTerms:
        """The bid as the rules judge it. Call it after a successful ``validate``."""
        assert self.amount.data is not None and self.annual_rate.data is not None and self.term_months.data is not None
        fees = tuple(fee for row in self.fees if (fee := row.form.fee()) is not None)
        method = RepaymentMethod(self.method.data)
        plan = self.plan.data or () if method is RepaymentMethod.FREE else ()
        offer = Offer(self.amount.data, self.annual_rate.data, self.term_months.data, method, fees, plan)
        return BidTerms(
            UUID(self.product_id.data), offer, self.valid_until.data, self._conditions(), self._ties(),
            self.conditions.data or "", self._parts(),
        )

    def _parts(self) -> PartTerms | None:
        if self.min_part is None or self.min_part.data is None:
            return None
        return PartTerms(self.min_part.data, PartFees(self.part_fees.data))

    def _conditions(self) -> tuple[Condition, ...]:
        return tuple(
            Condition(kind, row.form.text.data or "")
            for row, kind in zip(self.demands, OFFERED_CONDITIONS, strict=True)
            if row.form.wanted.data
        )

    def _ties(self) -> tuple[Tie, ...] | None:
        if self.ties_answer.data not in ("none", "listed"):
            return None
        return tuple(tie for row in self.ties if (tie := row.form.tie()) is not None)

    def validate_min_part(self, field: MoneyField) -> None:
        """A part is something, and it says what becomes of the charges."""
        if field.data is not None and field.data <= 0:
            raise ValidationError(gettext("金额应大于 0。"))

    def validate_part_fees(self, field: RadioField) -> None:
        """Who lends parts says what a part does to the charges."""
        if self.min_part.data is not None and field.data not in PART_FEES:
            raise ValidationError(gettext("请选择只承担一部分时费用怎么收。"))

    def validate_ties_answer(self, field: RadioField) -> None:
        """The answer and the rows say the same."""
        rows = any(row.form.kind.data for row in self.ties)
        if field.data == "listed" and not rows:
            raise ValidationError(gettext("请至少列出一项；没有请选“没有”。"))
        if field.data != "listed" and rows:
            raise ValidationError(gettext("下面列出了搭配的产品或服务，请选“有”。"))

    @staticmethod
    def values_of(bid: Bid) -> dict[str, Any]:
        """A draft as the form shows it."""
        fees: list[dict[str, Any]] = [
            {
                "kind": fee.kind.value,
                "amount": fee.amount_fen,
                "payee": fee.payee.value,
                "at": fee.at.value,
                "every_months": fee.every_months,
                "text": fee.text,
            }
            for fee in offer_of(bid).fees
        ]
        return {
            "product_id": str(bid.product_id),
            "amount": bid.amount_fen,
            "annual_rate": bid.annual_rate,
            "term_months": bid.term_months,
            "method": bid.method,
            "valid_until": bid.valid_until,
            "conditions": bid.conditions,
            "plan": plan_of(bid.plan),
            "min_part": bid.min_part_fen,
            "part_fees": bid.part_fees or PartFees.SCALED.value,
            "demands": _demand_rows(bid),
            "ties_answer": ("listed" if bid.ties else "none") if bid.ties_declared else None,
            "ties": [{"kind": tie.kind, "required": tie.required, "text": tie.text} for tie in bid.ties]
            + [{} for _ in range(TIE_ROWS - len(bid.ties))],
            "fees": fees + [{} for _ in range(FEE_ROWS - len(fees))],
        }

    @staticmethod
    def values_for(need: Need, products: list[Product], valid_until: date) -> dict[str, Any]:
        """A new bid begins with what the firm asked for."""
        method = need.repayment if need.repayment in METHODS else RepaymentMethod.INTEREST_ONLY.value
        product = next((one for one in products if one.kind == need.product_kind), products[0] if products else None)
        return {
            "product_id": str(product.id) if product else None,
            "amount": need.amount_fen,
            "term_months": need.term_months,
            "method": method,
            "part_fees": PartFees.SCALED.value,
            "valid_until": valid_until,
        }
