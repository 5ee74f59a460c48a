"""How a profile is told on a page: reasons in the reader's language, how the points add up, what the probability means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from math import nan
from typing import Any

import numpy as np
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.calendar import SHANGHAI
from app.core.charts import LineChart, Series
from app.core.dials import Band, Dial
from app.core.formats import NOTHING, date_text, is_english, rate_text
from app.core.pages import Text, Tone
from app.credit.look_service import ShownReason
from app.credit.models import CreditProfile, ScoringModel
from app.credit.rules import SCALE, ProfileState, Visible
from scoring.features.registry import FEATURES, MONTHLY, by_name
from scoring.features.spec import Feature, Language
from scoring.scale import SCALE as POINTS
from scoring.scale import log_odds_of

GRADE_TONES: dict[str, Tone] = {"A": "good", "B": "info", "C": "wait", "D": "bad", "E": "bad"}

GRADE_MEANINGS: dict[str, Text] = {
    "A": _l("按历史数据估计，违约的可能性很低。"),
    "B": _l("按历史数据估计，违约的可能性较低。"),
    "C": _l("按历史数据估计，违约的可能性中等，银行通常会多了解一些情况。"),
    "D": _l("按历史数据估计，违约的可能性偏高。补充材料、说明情况，仍可以提交融资需求。"),
    "E": _l("按历史数据估计，违约的可能性高。先看减分的原因和怎样能提高，仍可以提交融资需求。"),
}

BANK_SEES: dict[Visible, Text] = {
    Visible.RANK: _l("您授权的银行只看到位置和原因，看不到等级和评分。"),
    Visible.GRADE: _l("您授权的银行看到位置、等级和原因，看不到评分。"),
    Visible.SCORE: _l("您授权的银行看到位置、等级、评分和原因。"),
}

STATE_NAMES: dict[str, Text] = {
    ProfileState.SCORED.value: _l("已评分"),
    ProfileState.INSUFFICIENT.value: _l("数据不足"),
    ProfileState.NO_CONSENT.value: _l("未授权"),
}

LAW = _l("《个人信息保护法》第二十四条：自动化决策应当透明，并可要求说明")


def language() -> Language:
    """The language in which sentences of features are told."""
    return "en" if is_english() else "zh"


def feature_of(name: str) -> Feature | None:
    """The feature of that name; ``None`` where profiles of the past name one that is computed no more."""
    try:
        return by_name(name)
    except KeyError:
        return None


def label(feature: Feature) -> str:
    """The name of a feature."""
    return (feature.en if is_english() else feature.zh).label


def shown_value(feature: Feature, value: float | None) -> str:
    """The value of a feature in words."""
    return feature.show(nan if value is None else float(value), language())


def points_text(points: int) -> str:
    """Points with their sign."""
    return gettext("%(points)s 分", points=f"{points:+d}")


# --- reasons ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason in the reader's language. ``points`` as text, or ``None`` where they are not shown."""

    text: str
    up: bool
    points: str | None
    sources: tuple[str, ...] = ()


def reasons(profile: CreditProfile) -> list[Reason]:
    """The stored reasons of a profile, strongest first within each direction."""
    if profile.scale != SCALE:
        words = language()
        return [Reason(row[words], row["direction"] == "up", None) for row in profile.reasons]
    return [_reason(row["feature"], row["value"], row["points"] > 0, row["points"]) for row in profile.reasons]


def shown_reasons(rows: Sequence[ShownReason]) -> list[Reason]:
    """The reasons that consent and switch show to a bank."""
    return [_reason(row.feature, row.value, row.up, row.points) for row in rows]


def _reason(name: str, value: float | None, up: bool, points: int | None) -> Reason:
    told = None if points is None else points_text(points)
    feature = feature_of(name)
    if feature is None:
        return Reason(gettext("指标 %(name)s（现已不用）", name=name), up, told)
    return Reason(feature.say(nan if value is None else float(value), up, language()), up, told, feature.sources)


# --- how it is computed ----------------------------------------------------------------------------------------------------


def account(profile: CreditProfile) -> list[tuple[str, ...]]:
    """How the points add up to the score: base, each reason, all others, what the ends of the scale cut."""
    if profile.scale != SCALE or not profile.account:
        return []
    rows: list[tuple[str, ...]] = [(gettext("起点：学习用企业的平均水平"), str(profile.account["base"]), "")]
    for row in profile.reasons:
        feature = feature_of(row["feature"])
        name = label(feature) if feature else row["feature"]
        rows.append((name, f"{row['points']:+d}", shown_value(feature, row["value"]) if feature else ""))
    rows.append((gettext("其余指标合计"), f"{profile.account['others']:+d}", gettext("每一类单独都不在主要原因之列")))
    if profile.account["clipped"]:
        ends = gettext("评分只显示 %(low)d 到 %(high)d", low=POINTS.low, high=POINTS.high)
        rows.append((gettext("超出两端的部分不计"), f"{profile.account['clipped']:+d}", ends))
    return rows


def probability_rows(profile: CreditProfile, model: ScoringModel) -> list[tuple[str, ...]]:
    """From the score to probability and grade."""
    if profile.scale != SCALE or profile.probability is None or profile.pd_low is None or profile.pd_high is None:
        return []
    return [
        (gettext("估计的违约可能性"), rate_text(profile.probability),
         gettext("一年内逾期超过 90 天的可能性，已换算到全体小微企业的水平")),
        (
            gettext("这一估计的把握范围"), f"{rate_text(profile.pd_low)} – {rate_text(profile.pd_high)}",
            gettext("换一批同类企业来学习，结果大约有 95% 落在这个范围"),
        ),
        (gettext("%(points)d 分", points=round(POINTS.points)), gettext("%(odds)d 比 1", odds=round(POINTS.odds)),
         gettext("每 %(all)d 家这样的企业中约有 1 家违约", all=round(POINTS.odds) + 1)),
        (gettext("每高 %(points)d 分", points=round(POINTS.pdo)), gettext("加倍"), gettext("按时还款与违约之比")),
        (gettext("等级"), str(profile.grade), _bands_text(model)),
    ]


def _bands_text(model: ScoringModel) -> str:
    rows = [f"{grade} ≤ {rate_text(Decimal(str(limit)), 0)}" for grade, limit in sorted(model.bands.items())]
    return gettext("按违约可能性：%(limits)s，再往上为 E", limits=gettext("，").join(rows))


def chances(profile: CreditProfile) -> str:
    """The probability and its interval as numbers of firms."""
    if profile.probability is None:
        return ""
    if profile.pd_low is None or profile.pd_high is None:
        return gettext("1,000 家这样的企业中，大约 %(n)s 家会违约。", n=_of_thousand(profile.probability))
    return gettext(
        "1,000 家这样的企业中，大约 %(n)s 家会在一年内逾期超过 90 天；把握范围是 %(low)s 到 %(high)s 家。",
        n=_of_thousand(profile.probability), low=_of_thousand(profile.pd_low), high=_of_thousand(profile.pd_high),
    )


def _of_thousand(share: Decimal) -> str:
    number = share * 1000
    whole = number.quantize(Decimal(1) if number >= 10 else Decimal("0.1"), rounding=ROUND_HALF_UP)
    return f"{whole:f}"


# --- how sure it is --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sure:
    """Bounds of the words for confidence (proposals): half the interval in points, and monthly sources that speak."""

    high_points: float = 20.0
    medium_points: float = 45.0
    high_sources: int = 3


SURE = Sure()


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure a score is. ``points``: half the interval of the probability, in points of the score."""

    word: Text
    tone: Tone
    points: int
    why: str


def confidence(profile: CreditProfile, sure: Sure = SURE) -> Confidence | None:
    """From the interval and from how many sources speak; one step lower where few do. ``None`` without an interval."""
    if profile.pd_low is None or profile.pd_high is None:
        return None
    width = _log_odds(profile.pd_low) - _log_odds(profile.pd_high)
    half = POINTS.per_log_odds * width / 2.0
    speaking = sum(1 for source in MONTHLY if profile.coverage.get(source))
    level = (half > sure.high_points) + (half > sure.medium_points)
    level = max(level, 0 if speaking >= sure.high_sources else 1)
    words: tuple[tuple[Text, Tone], ...] = ((_l("可信度高"), "good"), (_l("可信度中等"), "info"), (_l("可信度较低"), "wait"))
    why = gettext(
        "换一批企业来学习，评分大约会上下变动 %(points)d 分；按月的资料 %(all)d 类中有 %(count)d 类有数据。",
        points=round(half), count=speaking, all=len(MONTHLY),
    )
    return Confidence(*words[level], round(half), why)


def _log_odds(share: Decimal) -> float:
    return log_odds_of(min(max(float(share), 1e-6), 1.0 - 1e-6))


# --- drawings and tables ---------------------------------------------------------------------------------------------------


def dial(score: int, grade: str, model: ScoringModel) -> Dial:
    """The score on its scale, with the grades' bands."""
    limits = np.array([log_odds_of(float(limit)) for limit in model.bands.values()])
    cuts = dict(zip(model.bands, POINTS.shown(POINTS.points_of(limits)).tolist(), strict=True))
    letters = sorted(cuts, reverse=True)
    bands = [Band("E", cuts[letters[0]])]
    bands += [Band(letter, cuts[better]) for letter, better in pairwise(letters)]
    bands.append(Band(letters[-1], POINTS.high))
    return Dial(gettext("信用评分"), score, POINTS.low, POINTS.high, bands, grade, gettext("%(grade)s 级", grade=grade))


def model_facts(model: ScoringModel) -> list[tuple[str, str]]:
    """Where the model comes from."""
    learned = gettext("合成企业（演示）") if model.trained_on == "synthetic" else gettext("真实企业的脱敏数据")
    facts = [
        (gettext("模型版本"), model.version),
        (gettext("学习用的数据"), gettext(
            "%(kind)s，%(firms)d 家，其中 %(bad)d 家违约", kind=learned, firms=model.firms, bad=model.defaults,
        )),
    ]
    if model.window_from is not None and model.window_to is not None:
        facts.append((gettext("数据期间"), gettext(
            "%(start)s 至 %(end)s", start=date_text(model.window_from), end=date_text(model.window_to),
        )))
    auc = model.metrics.get("auc")
    if isinstance(auc, int | float):
        facts.append((gettext("区分能力（AUC，越接近 1 越好）"), f"{float(auc):.3f}"))
    return facts


def history_chart(history: Sequence[CreditProfile]) -> LineChart | None:
    """The scores of today's scale over time, oldest first; nothing to draw below two of them."""
    scored = [profile for profile in reversed(history) if profile.score is not None and profile.scale == SCALE]
    if len(scored) < 2:
        return None
    return LineChart(
        gettext("评分的变化"), [f"{profile.at.astimezone(SHANGHAI):%m-%d}" for profile in scored],
        [Series(gettext("评分"), [profile.score for profile in scored])], unit=gettext("分"),
    )


def history_rows(history: Sequence[CreditProfile], models: Mapping[Any, ScoringModel]) -> list[dict[str, Any]]:
    """The profiles of a firm as its table shows them, newest first."""
    return [
        {
            "id": profile.id, "traced": bool(profile.consent_ids),
            "at": profile.at, "as_of": profile.as_of, "state": STATE_NAMES[profile.state],
            "score": NOTHING if profile.score is None else str(profile.score), "grade": profile.grade,
            "earlier": profile.scale != SCALE and profile.score is not None,
            "tone": GRADE_TONES.get(profile.grade or "", "plain"),
            "version": models[profile.model_id].version if profile.model_id in models else NOTHING,
            "current": profile.current,
        }
        for profile in history
    ]


def features_from(profile: CreditProfile, sources: frozenset[str]) -> list[tuple[str, str, str]]:
    """The features of a profile that any of the sources feeds, as (name, value, points where it is a reason)."""
    told = {row["feature"]: row for row in profile.reasons}
    rows = []
    for feature in FEATURES:
        if sources.isdisjoint(feature.sources) or feature.name not in profile.features:
            continue
        reason = told.get(feature.name)
        weight = points_text(reason["points"]) if reason is not None and profile.scale == SCALE else ""
        rows.append((label(feature), shown_value(feature, profile.features[feature.name]), weight))
    return rows
