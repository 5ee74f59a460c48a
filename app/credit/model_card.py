"""The card of a model for those who validate it: what it learned on, what it reads, how good it is, what it cannot do.

Made from the model file and aggregates alone, once; the page and the Markdown file show the same sections.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from app.core.formats import NOTHING, count_text, date_text, is_english, rate_text
from app.core.pages import Text
from app.credit.models import ScoringModel
from app.credit.register_models import ModelReport
from scoring.card_plots import Words, curve_plot, features_plot, reliability_plot, roc_plot, spread_plot
from scoring.document import Section

MEASURES: dict[str, Text] = {
    "auc": _l("AUC"), "ks": _l("KS"), "lift": _l("提升倍数"), "brier": _l("Brier 分"), "log_loss": _l("对数损失"),
    "slope": _l("校准斜率"), "observed_expected": _l("实际 / 预计"),
}
HOW_TO_READ: dict[str, Text] = {
    "auc": _l("区分能力：0.5 为瞎猜，越接近 1 越好"), "ks": _l("好坏两类累计分布的最大差距，越大越好"),
    "lift": _l("风险最高的一成企业的违约率是平均的几倍"), "brier": _l("违约可能性的平均平方误差，越小越好"),
    "log_loss": _l("越小越好"), "slope": _l("1 为恰好；小于 1 说得太绝对，大于 1 太保守"),
    "observed_expected": _l("实际违约数与预计违约数之比，1 为恰好"),
}
DIRECTIONS: dict[int, Text] = {1: _l("越大越好"), -1: _l("越大越差"), 0: _l("不设方向")}
FAIRNESS_SHOWN = 30
"""Groups that the card lists; the bureau's page has all of them."""


def card(row: ScoringModel, model: Any, fairness: ModelReport | None, sources: Mapping[str, str]) -> list[Section]:
    """The sections of a model's card, in the language of the page. ``sources``: names of catalogue items by code.

    ``model``: ``None`` where the file is of an earlier format, of which only the register's own columns are told.
    """
    scale, read = ([], []) if model is None else ([_scale(row, model)], [_columns(model, sources)])
    measured = [_measures(row), *_approval(row), *_reliability(row), *_strongest(row, sources)]
    return [_origin(row, model), *measured, *_groups(row), _fairness(fairness), *scale, _limits(row), *read]


def learned_on(row: ScoringModel) -> str:
    """Real or made-up firms."""
    return gettext("合成企业（演示）") if row.trained_on == "synthetic" else gettext("真实企业的脱敏数据")


def period(row: ScoringModel) -> str:
    """The months trained on, as far as the file says."""
    if row.window_from and row.window_to:
        return gettext("%(start)s 至 %(end)s", start=row.window_from.isoformat(), end=row.window_to.isoformat())
    return gettext("截至 %(day)s", day=row.window_to.isoformat()) if row.window_to else NOTHING


def _origin(row: ScoringModel, model: Any) -> Section:
    about: Mapping[str, Any] = getattr(model, "about", {})
    rows = [
        (gettext("模型版本"), row.version), (gettext("文件指纹（SHA-256）"), row.sha256.hex()),
        (gettext("训练日期"), row.trained_at.isoformat()), (gettext("学习用的数据"), learned_on(row)),
        (gettext("数据期间"), period(row)),
        (gettext("企业数"), count_text(row.firms)), (gettext("其中违约"), count_text(row.defaults)),
        (gettext("违约的定义"), gettext("观察日之后 12 个月内逾期超过 90 天；数据自带标签的，以其标签为准")),
    ]
    if about.get("set"):
        rows.append((gettext("数据集"), str(about["set"])))
    if about.get("left_out_as_thin") is not None:
        rows.append((gettext("因数据不足未参加训练"), count_text(int(about["left_out_as_thin"]))))
    if about.get("seed") is not None:
        rows.append((gettext("随机种子（相同数据可逐字节重做）"), str(about["seed"])))
    return Section(gettext("从哪里来"), head=(gettext("项目"), gettext("内容")), rows=rows)


def _columns(model: Any, sources: Mapping[str, str]) -> Section:
    told = [(*_words(column.name, sources), str(DIRECTIONS[column.direction])) for column in model.columns]
    rows = sorted(told, key=lambda one: one[1])
    return Section(
        gettext("读哪些数据"),
        (gettext("共 %(count)d 项特征。有方向的，模型只能顺着这个方向打分，不会出现“按时缴税反而扣分”。", count=len(rows)),
         gettext("企业没有授权的数据，对应的特征按“没有数据”处理，不按零处理。")),
        (gettext("特征"), gettext("来源"), gettext("方向")), rows,
    )


def _words(name: str, sources: Mapping[str, str]) -> tuple[str, str]:
    from scoring.features.registry import PLACE, by_name

    if name not in PLACE:
        return name, NOTHING
    feature = by_name(name)
    fed = gettext("、").join(sources.get(source, source) for source in feature.sources)
    return (feature.en if is_english() else feature.zh).label, fed


def _scale(row: ScoringModel, model: Any) -> Section:
    rows = [(gettext("等级 %(grade)s", grade=grade), gettext("违约可能性不高于 %(limit)s", limit=rate_text(_fraction(limit), 1)))
            for grade, limit in sorted(row.bands.items())]
    scale, calibration = model.scale, model.calibration
    rows += [
        (gettext("评分刻度"), gettext(
            "好坏比 %(odds)s : 1 时 %(points)s 分，每 %(pdo)s 分好坏比翻倍，显示范围 %(low)s–%(high)s",
            odds=f"{scale.odds:g}", points=f"{scale.points:g}", pdo=f"{scale.pdo:g}", low=scale.low, high=scale.high)),
        (gettext("样本违约率"), rate_text(_fraction(model.sample_rate))),
        (gettext("换算到的总体违约率（参数）"), rate_text(_fraction(model.base_rate))),
        (gettext("校准（对数几率的直线）"), f"{calibration.slope:.4f} × m + {calibration.intercept:.4f}"),
        (gettext("违约可能性的区间"), gettext("自助法重训 95% 区间，宽度随数据缺失增加")),
    ]
    return Section(gettext("评分、等级与校准"), head=(gettext("项目"), gettext("内容")), rows=rows)


def _fraction(value: Any) -> Decimal:
    return Decimal(str(value))


def measures(metrics: Mapping[str, Any]) -> dict[str, tuple[float, float | None, float | None]]:
    """Figures of a model file with their 95 % interval, in the order of the card."""
    told: dict[str, tuple[float, float | None, float | None]] = {}
    for name in MEASURES:
        value = metrics.get(name)
        if isinstance(value, list) and len(value) == 3:
            told[name] = (float(value[0]), float(value[1]), float(value[2]))
        elif isinstance(value, int | float):
            told[name] = (float(value), metrics.get(f"{name}_low"), metrics.get(f"{name}_high"))
    return told


def figure_text(told: tuple[float | None, float | None, float | None] | None) -> str:
    """A figure with its interval."""
    if told is None:
        return NOTHING
    value, low, high = told
    if value is None:
        return NOTHING
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f}（{low:.3f}–{high:.3f}）"


def _measures(row: ScoringModel) -> Section:
    told = measures(row.metrics)
    protocol = row.metrics.get("protocol")
    how = gettext("在没有参加训练的企业上测得，括号内是 95%% 自助法区间。测法：%(protocol)s", protocol=protocol)
    texts = [how] if protocol else []
    if not told:
        texts = [gettext("模型文件里没有测量结果：它还没有在训练以外的企业上测过。")]
    rows = [(str(MEASURES[name]), figure_text(one), str(HOW_TO_READ[name])) for name, one in told.items()]
    rivals = row.metrics.get("rivals") or {}
    rows += [
        (gettext("AUC"), figure_text((one[0], one[1], one[2])), gettext("对照：%(name)s", name=name))
        for name, one in rivals.items()
    ]
    drawn = [Markup(draw(row.metrics, _plot_words())) for name, draw in _RANKING.items() if row.metrics.get(name)]
    return Section(gettext("有多准"), texts, (gettext("指标"), gettext("数值"), gettext("怎么看")), rows, drawn)


_RANKING = {"roc": roc_plot, "spread": spread_plot}


def _plot_words() -> Words:
    return Words(
        reliability=gettext("校准曲线"), predicted=gettext("预计"), observed=gettext("实际"), roc=gettext("ROC 曲线"),
        good_taken=gettext("好企业中被算作高风险的占比"), bad_found=gettext("坏企业中被算作高风险的占比"),
        spread=gettext("好坏企业的评分分布"), points=gettext("评分（按样本违约率）"), share=gettext("占比"),
        good=gettext("没有违约"), bad=gettext("违约"), curve=gettext("通过率与坏账率"), approved=gettext("通过率"),
        bad_rate=gettext("通过者的违约率（浅色：置信区间）"), features=gettext("哪些特征最起作用"), mean_points=gettext("分"),
    )


def _approval(row: ScoringModel) -> list[Section]:
    curve = row.metrics.get("curve") or {}
    rows = [(name, *(percent_text(value) for value in told)) for name, told in curve.items()]
    return [Section(
        gettext("通过率与坏账率"), (gettext("按评分从高到低通过这么多企业，其中会有多少违约（样本违约率下）。"),),
        (gettext("通过率"), gettext("违约率"), gettext("区间下限"), gettext("区间上限")), rows,
        [Markup(curve_plot(row.metrics, _plot_words()))],
    )] if rows else []


def percent_text(value: float | None) -> str:
    """A share as per cent; a dash where it could not be told."""
    return NOTHING if value is None else rate_text(_fraction(round(value, 6)))


def _strongest(row: ScoringModel, sources: Mapping[str, str]) -> list[Section]:
    told = [(_words(name, sources)[0], float(points)) for name, points in row.metrics.get("features") or []]
    return [Section(
        gettext("哪些特征最起作用"), (gettext("每项特征平均让评分上下变动多少分：模型看重什么，不等于违约的原因。"),),
        (gettext("特征"), gettext("平均变动（分）")), [(name, f"{points:.1f}") for name, points in told],
        [Markup(features_plot(told, _plot_words()))],
    )] if told else []


def _groups(row: ScoringModel) -> list[Section]:
    """The groups of the training's own validation; those of the portal's firms follow as fairness."""
    told = row.metrics.get("groups") or []
    rows = [
        (f"{one['by']}: {one['name']}", count_text(int(one["rows"])), percent_text(one["bad_rate"]),
         figure_text(tuple(one["auc"])), figure_text(tuple(one["observed_expected"]))) for one in told
    ]
    head = (gettext("组"), gettext("企业"), gettext("违约率"), gettext("AUC"), gettext("实际 / 预计"))
    return [Section(gettext("样本中各组的准确性"), (gettext("不足 50 家的组不单列。"),), head, rows)] if rows else []


def _reliability(row: ScoringModel) -> list[Section]:
    bins = row.metrics.get("reliability") or []
    if not bins:
        return []
    rows = [(str(at), count_text(int(one[0])), rate_text(_fraction(round(one[1], 6))), rate_text(_fraction(round(one[2], 6))))
            for at, one in enumerate(bins, start=1)]
    return [Section(
        gettext("预计与实际（校准曲线）"), (gettext("企业按预计的违约可能性从低到高分组；预计与实际越接近越好。"),),
        (gettext("组"), gettext("企业"), gettext("预计"), gettext("实际")), rows,
        [Markup(reliability_plot(row.metrics, _plot_words()))],
    )]


def _fairness(report: ModelReport | None) -> Section:
    from app.credit.fairness_display import summary_rows

    title = gettext("分组情况（公平性）")
    if report is None:
        return Section(title, (gettext("还没有这个模型的分组统计。"),))
    head, rows = summary_rows(report.content, FAIRNESS_SHOWN)
    told = gettext("在用企业的合计数，不足 10 家的组不单列。统计于 %(day)s。", day=date_text(report.ended_at))
    return Section(title, (told,), head, rows)


def _limits(row: ScoringModel) -> Section:
    texts = [
        gettext("模型只排序和解释，不作准驳决定；贷与不贷由银行的人决定。"),
        gettext("不足 6 个月数据的企业显示“数据不足”，不给低分。"),
        gettext("没有授权的数据不读取，评分会注明“部分数据”，区间更宽。"),
        gettext("违约率按参数换算到总体，与本行客群不同的，应以本行的实际结果重新校准。"),
    ]
    if row.trained_on == "synthetic":
        texts.insert(0, gettext("这个模型由合成企业学得，只供演示，对真实企业没有意义。"))
    elif row.firms < 1000:
        texts.insert(0, gettext("学习用的企业只有 %(count)s 家，区间较宽；上线前应以本地样本复核。", count=count_text(row.firms)))
    return Section(gettext("局限"), texts)
