"""Pages of stress tests: what was asked, and what the imagined years say in figures, drawings and plain words."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.calendar import today
from app.core.charts import BarChart, Series
from app.core.database import get_or_404
from app.core.formats import count_text, money_text, rate_text
from app.core.money import WAN
from app.core.pages import Text
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import attempt, context
from app.pool import budget_queries, queries, service, stress_service
from app.pool.door import room
from app.pool.models import StoredRuleSet
from app.pool.rule_fields import word
from app.pool.rules import RuleSet, TierMethod
from app.pool.stress_forms import NO_SCORE, RATES, StressForm
from app.pool.stress_models import StressRun
from app.pool.stress_rules import BARS

P = Permission


@room.page("/pool/stress", P.POOL_READ)
def stress_runs() -> Any:
    """Tests, the newest first."""
    with reading(context(), P.POOL_READ):
        return render_template("pool/stress_runs.html", runs=queries.stress_runs(50))


@room.page("/pool/stress/new", P.STRESS_RUN, methods=["GET", "POST"])
def new_stress() -> Any:
    """What is assumed; a worker computes."""
    ctx = context()
    with reading(ctx, P.STRESS_RUN):
        editions = queries.rule_sets()
        standing = service.rule_set_on(today())
        left = budget_queries.year_money(today().year).left_fen
    form = StressForm()
    form.offer(editions)
    if form.rule_set.data is None and standing is not None:
        form.rule_set.data = str(standing.id)
    if form.budget.data is None and not form.is_submitted() and standing is not None:
        form.budget.data = left or RuleSet.from_json(standing.rules).budget_fen
    if form.validate_on_submit():
        run = attempt(form, lambda: stress_service.ask_stress(ctx, UUID(form.rule_set.data), form.ask()))
        if run is not None:
            flash(gettext("已开始计算，算完后结果显示在这里。"), "success")
            return redirect(url_for("pool.stress_run", run_id=run.id))
    return render_template("pool/stress_form.html", form=form)


@room.page("/pool/stress/<uuid:run_id>", P.POOL_READ)
def stress_run(run_id: UUID) -> Any:
    """A test: what it says in plain words, then the figures, then what it rests on."""
    with reading(context(), P.POOL_READ):
        run = get_or_404(StressRun, run_id)
        asker = queries.people({run.asked_by})[run.asked_by]
        editions = [get_or_404(StoredRuleSet, one) for one in (run.rule_set_id, run.other_id) if one is not None]
        told = Answer.of(run, editions) if run.told is not None else None
        return render_template(
            "pool/stress_run.html", run=run, asker=asker, told=told, points=POINTS,
            assumed=assumed_pairs(run, editions),
        )


def _chance(value: float) -> str:
    """A share of imagined years; what never happened in them is not impossible."""
    if value == 0:
        return gettext("几乎没有")
    return rate_text(Decimal(str(value)).quantize(Decimal("0.0001")))


def assumed_pairs(run: StressRun, editions: list[StoredRuleSet]) -> list[tuple[Text, str]]:
    """What a test assumed, for the page."""
    given, rate = run.assumed, lambda value: rate_text(Decimal(str(value)))
    names = [gettext("没有评分的企业") if one == NO_SCORE else gettext("%(grade)s 级企业", grade=one) for one in RATES]
    pairs: list[tuple[Text, str]] = [(_l("办法"), editions[0].document), (_l("可用预算"), money_text(run.budget_fen))]
    if run.other_method is not None:
        pairs.append((_l("对比"), f"{editions[-1].document} · {word(TierMethod(run.other_method))}"))
    rates = zip(names, given["default_rates"], strict=True)
    pairs += [(gettext("一年内违约的可能：%(who)s", who=name), rate(one)) for name, one in rates]
    return [
        *pairs, (_l("共同波动"), rate(given["correlation"])), (_l("违约后本金损失的平均比例"), rate(given["loss_mean"])),
        (_l("损失比例的波动"), rate(given["loss_spread"])), (_l("补偿后追回的比例"), rate(given["recovered"])),
        (_l("模拟年度"), count_text(run.years)), (_l("随机种子"), str(run.seed)),
    ]


@dataclass(frozen=True)
class Table:
    """The figures of one rule set by ``POINTS``, and its chances."""

    name: str
    rows: list[tuple[Text, list[str]]]
    chances: list[tuple[Text, str]]


@dataclass(frozen=True)
class Answer:
    """A test's answer as the page tells it. ``columns``: the rule sets; ``banks``: name, booked 分 and a chance a rule set."""

    summary: list[str]
    columns: list[str]
    tables: list[Table]
    banks: list[tuple[str, int, list[str]]]
    chart: BarChart

    @classmethod
    def of(cls, run: StressRun, editions: list[StoredRuleSet]) -> Answer:
        told: dict[str, Any] = run.told or {}
        verdicts: list[dict[str, Any]] = told["verdicts"]
        columns = [editions[0].code]
        if len(verdicts) > 1:
            columns.append(f"{editions[-1].code} · {word(TierMethod(run.other_method or ''))}")
        chances = [[_chance(one["over"][at]) for one in verdicts] for at in range(len(told["payees"]))]
        order = sorted(range(len(chances)), key=lambda at: (-verdicts[0]["over"][at], told["payees"][at]))
        return cls(
            _summary(run, told, verdicts), columns, _tables(columns, verdicts),
            [(told["payees"][at], told["booked_fen"][at], chances[at]) for at in order], _drawing(run, told, columns),
        )


def _summary(run: StressRun, told: dict[str, Any], verdicts: list[dict[str, Any]]) -> list[str]:
    """The answer in sentences a leader can repeat."""
    first = verdicts[0]
    said = [
        gettext("资金池里 %(loans)s 笔贷款，未还本金 %(open)s。按这些假设模拟 %(years)s 个年度：一般年份（中位数）"
                "银行申请补偿 %(half)s，100 个年份里有 95 个不超过 %(high)s。",
                loans=count_text(told["loans"]), open=money_text(told["open_fen"]), years=count_text(run.years),
                half=_about(first["asked"]["half"]), high=_about(first["asked"]["p95"])),
    ]
    budget = money_text(run.budget_fen)
    if first["short_chance"]:
        said.append(gettext("预算 %(budget)s 不够用的可能：%(chance)s；不够时平均缺 %(short)s。", budget=budget,
                            chance=_chance(first["short_chance"]), short=_about(first["short_fen"])))
    else:
        said.append(gettext("预算 %(budget)s 在所有模拟年度里都够用。", budget=budget))
    worst = max(range(len(told["payees"])), key=lambda at: first["over"][at])
    if first["over"][worst]:
        said.append(gettext("最可能越过熔断线的是 %(bank)s：%(chance)s。", bank=told["payees"][worst],
                            chance=_chance(first["over"][worst])))
    else:
        said.append(gettext("没有银行在任何模拟年度里越过熔断线。"))
    if len(verdicts) > 1:
        said.append(_difference(verdicts[1]["paid"]["mean"] - first["paid"]["mean"]))
    return said


def _difference(more_fen: int) -> str:
    """What the other reading changes in a mean year."""
    if more_fen > 0:
        return gettext("换成对比的算法，平均每年多支付 %(more)s。", more=_about(more_fen))
    if more_fen < 0:
        return gettext("换成对比的算法，平均每年少支付 %(less)s。", less=_about(-more_fen))
    return gettext("换成对比的算法，平均每年支付的金额不变。")


POINTS = {"mean": _l("平均"), "half": _l("中位数"), "p95": _l("95% 的年份不超过"), "p99": _l("99% 的年份不超过")}
FIGURES = {
    "loss": _l("净本金损失"), "asked": _l("申请补偿"), "held": _l("因熔断暂缓"), "paid": _l("预算内支付"),
    "returned": _l("以后追回返还"),
}


def _tables(columns: list[str], verdicts: list[dict[str, Any]]) -> list[Table]:
    """A table a rule set: what a mean, a middling, a bad and a very bad year cost, and how likely trouble is."""
    return [
        Table(
            name, [(said, [_about(one[key][at]) for at in POINTS]) for key, said in FIGURES.items()],
            [(_l("预算不够的可能"), _chance(one["short_chance"])), (_l("有银行被暂缓的可能"), _chance(one["any_held"]))],
        )
        for name, one in zip(columns, verdicts, strict=True)
    ]


def _drawing(run: StressRun, told: dict[str, Any], columns: list[str]) -> BarChart:
    """How many of a hundred imagined years fall into each class of compensation asked for."""
    width = told["bars_to_fen"] / BARS
    labels = [_wan(width * (at + 1)) for at in range(BARS)]
    series = [
        Series(name, [Decimal(bar) * 100 / run.years for bar in one["bars"]])
        for name, one in zip(columns, told["verdicts"], strict=True)
    ]
    return BarChart(_l("申请补偿金额的分布"), labels, series, unit=_l("每 100 个年度"), places=2, axis=_l("不超过（万元）"))


def _wan(fen: float) -> str:
    """A class of the drawing in 万元."""
    return f"{fen / WAN:,.0f}" if abs(fen) >= 100 * WAN else f"{fen / WAN:,.1f}"


def _about(fen: float) -> str:
    """An imagined amount in words, no finer than it can be meant: to a 万元, below a million yuan to a tenth of it."""
    step = WAN if abs(fen) >= 100 * WAN else WAN // 10
    return money_text(round(fen / step) * step)
