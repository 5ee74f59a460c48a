"""The form of a stress test."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectField
from wtforms.validators import InputRequired, NumberRange, ValidationError

from app.core.money import WAN
from app.market.fields import MoneyField, PercentField, TokenField
from app.pool.models import StoredRuleSet
from app.pool.rule_fields import word
from app.pool.rules import TierMethod
from app.pool.stress_rules import Assumptions
from app.pool.stress_service import GRADES, StressAsk

NO_SCORE = "none"
RATES = (*GRADES, NO_SCORE)
DEFAULTS = Assumptions()


class StressForm(FlaskForm):
    """What the city assumes. The rates of default are added below, a field a grade."""

    rule_set = SelectField(_l("按哪一版办法"))
    budget = MoneyField(_l("可用预算（政银）"), [InputRequired()], unit=WAN)
    other = SelectField(_l("与哪一版对比"), description=_l("两种算法用同一批模拟年度，差别只来自办法本身。"))
    other_method = SelectField(_l("对比的分档算法"))
    correlation = PercentField(
        _l("共同波动"), [InputRequired()], default=Decimal(str(DEFAULTS.correlation)),
        description=_l("企业的好坏有多少由整体经济决定；越大，坏年份越坏。"),
    )
    loss_mean = PercentField(_l("违约后本金损失的平均比例"), [InputRequired()], default=Decimal(str(DEFAULTS.loss_mean)))
    loss_spread = PercentField(_l("损失比例的波动"), [InputRequired()], default=Decimal(str(DEFAULTS.loss_spread)))
    recovered = PercentField(
        _l("补偿后追回的比例"), [InputRequired()], default=Decimal(str(DEFAULTS.recovered)),
        description=_l("扣除追偿费用后，占损失的比例；追回的按补偿比例返还。"),
    )
    years = IntegerField(_l("模拟多少个年度"), [InputRequired(), NumberRange(100, 20_000)], default=10_000)
    seed = IntegerField(
        _l("随机种子"), [InputRequired(), NumberRange(0, 2**53)], default=1,
        description=_l("同样的贷款、假设和种子，得到同样的结果。"),
    )
    idempotency_token = TokenField()

    def offer(self, editions: list[StoredRuleSet]) -> None:
        """Fills the choices with the stored editions, the newest first."""
        names = [(str(one.id), f"{one.code} · {one.document}") for one in editions]
        self.rule_set.choices = names
        self.other.choices = [("", gettext("不对比")), *names]
        self.other_method.choices = [(one.value, word(one)) for one in TierMethod]

    @property
    def rates(self) -> list[Any]:
        """The fields of the rates of default, in the order of the grades."""
        return [self[f"rate_{grade}"] for grade in RATES]

    def assumptions(self) -> Assumptions:
        """What was typed. Raises ``ValueError`` where it cannot be."""
        return Assumptions(
            tuple(float(field.data) for field in self.rates), float(self.correlation.data or 0), float(self.loss_mean.data or 0),
            float(self.loss_spread.data or 0), float(self.recovered.data or 0),
        )

    def validate_seed(self, field: IntegerField) -> None:
        """The last field answers for all figures together."""
        if self.errors or any(one.data is None for one in (*self.rates, self.correlation, self.loss_mean, self.loss_spread)):
            return
        try:
            self.assumptions()
        except ValueError:
            raise ValidationError(gettext(
                "这些假设不能同时成立：违约率和平均损失须在 0 到 100% 之间，共同波动不超过 99%，"
                "损失的波动须小于平均损失所允许的范围。"
            )) from None

    def validate_budget(self, field: MoneyField) -> None:
        """Money is never negative."""
        if field.data is not None and field.data < 0:
            raise ValidationError(gettext("金额不能是负数。"))

    def ask(self) -> StressAsk:
        """What was typed, of a form that is valid."""
        other = UUID(self.other.data) if self.other.data else None
        return StressAsk(
            self.assumptions(), self.years.data or 0, self.seed.data or 0, self.budget.data or 0, other,
            TierMethod(self.other_method.data) if other else None,
        )


for _grade, _rate in zip(RATES, DEFAULTS.default_rates, strict=True):
    _name = _l("没有评分的企业") if _grade == NO_SCORE else _l("%(grade)s 级企业", grade=_grade)
    setattr(StressForm, f"rate_{_grade}", PercentField(_name, [InputRequired()], default=Decimal(str(_rate))))
