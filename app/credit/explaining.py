"""How a profile is told on a page: reasons in the reader's language, the working of a score, the charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.calendar import SHANGHAI
from app.core.charts import LineChart, Series
from app.core.formats import NOTHING, date_text, is_english, rate_text
from app.core.pages import Text, Tone
from app.credit.look_service import ShownReason
from app.credit.models import CreditProfile, ScoringModel
from app.credit.rules import ProfileState, Visible
from app.evidence.consent_queries import ConsentTrace

GRADE_TONES: dict[str, Tone] = {"A": "good", "B": "info", "C": "wait", "D": "bad"}

GRADE_MEANINGS: dict[str, Text] = {
    "A": _l("按历史数据估计，违约的可能性很低。"),
    "B": _l("按历史数据估计，违约的可能性较低。"),
    "C": _l("按历史数据估计，违约的可能性中等，银行通常会多了解一些情况。"),
    "D": _l("按历史数据估计，违约的可能性偏高。补充材料、说明情况，仍可以提交融资需求。"),
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

COVERAGE_NAMES: dict[str, Text] = {
    "invoices": _l("增值税发票"), "sales": _l("销项（销售）"), "purchases": _l("进项（采购）"),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason in the reader's language. ``strength`` in log-odds as text, or ``None`` where it is not shown."""

    text: str
    up: bool
    strength: str | None


def reasons(rows: Sequence[Mapping[str, Any]]) -> list[Reason]:
    """The stored reasons of a profile, strongest first within each direction."""
    words = "en" if is_english() else "zh"
    return [Reason(row[words], row["direction"] == "up", _signed(row["contribution"])) for row in rows]


def shown_reasons(rows: Sequence[ShownReason]) -> list[Reason]:
    """The reasons that the switch shows to a bank."""
    english = is_english()
    return [
        Reason(
            row.en if english else row.zh, row.direction == "up",
            _signed(row.strength) if row.strength is not None else None,
        )
        for row in rows
    ]


def _signed(contribution: str) -> str:
    return f"{Decimal(contribution):+.2f}"


def coverage(counted: Mapping[str, int]) -> list[tuple[Text, str]]:
    """Months with data, per category and side, as (name, months)."""
    return [
        (name, gettext("%(count)d 个月", count=counted[code])) for code, name in COVERAGE_NAMES.items() if code in counted
    ]


def working(profile: CreditProfile, model: ScoringModel) -> list[tuple[str, ...]]:
    """How the score came about: every feature of the snapshot, the strength of the reasons, then the arithmetic."""
    from scoring.legacy.catalogue import FEATURES

    language: Literal["zh", "en"] = "en" if is_english() else "zh"
    strengths = {row["feature"]: _signed(row["contribution"]) for row in profile.reasons}
    rows: list[tuple[str, ...]] = []
    for feature in FEATURES:
        value = profile.features.get(feature.name)
        words = feature.en if language == "en" else feature.zh
        note = gettext("对结果的影响 %(strength)s", strength=strengths[feature.name]) if feature.name in strengths else ""
        shown = feature.show(float("nan") if value is None else float(value), language)
        rows.append((words.label, shown, note))
    probability = profile.probability or Decimal(0)
    rows.append((
        gettext("估计的违约可能性"), rate_text(probability),
        gettext("由模型把各项影响（对数几率，正数加分，负数减分）相加，再按学习用企业的实际结果校准"),
    ))
    rows.append((gettext("评分 = 1000 ×（1 − 违约可能性）"), str(profile.score), ""))
    bands = {grade: Decimal(str(limit)) for grade, limit in model.bands.items()}
    limits = gettext(
        "A 不高于 %(a)s，B 不高于 %(b)s，C 不高于 %(c)s，其余为 D",
        a=rate_text(bands["A"], 0), b=rate_text(bands["B"], 0), c=rate_text(bands["C"], 0),
    )
    rows.append((gettext("等级"), str(profile.grade), limits))
    return rows


def model_facts(model: ScoringModel) -> list[tuple[str, str]]:
    """Where the model comes from."""
    learned = gettext("合成企业（演示）") if model.trained_on == "synthetic" else gettext("真实企业的脱敏数据")
    facts = [
        (gettext("模型版本"), model.version),
        (gettext("学习用的数据"), gettext(
            "%(kind)s，%(firms)d 家，其中 %(bad)d 家违约", kind=learned, firms=model.firms, bad=model.defaults,
        )),
        (gettext("数据期间"), gettext(
            "%(start)s 至 %(end)s", start=date_text(model.window_from), end=date_text(model.window_to),
        )),
    ]
    auc = model.metrics.get("auc")
    if auc is not None:
        facts.append((gettext("区分能力（AUC，越接近 1 越好）"), f"{float(auc):.3f}"))
    return facts


def history_chart(history: Sequence[CreditProfile]) -> LineChart | None:
    """The scores over time, oldest first; nothing to draw below two of them."""
    scored = [profile for profile in reversed(history) if profile.score is not None]
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
            "tone": GRADE_TONES.get(profile.grade or "", "plain"),
            "version": models[profile.model_id].version if profile.model_id in models else NOTHING,
            "current": profile.current,
        }
        for profile in history
    ]


@dataclass(frozen=True, slots=True)
class Traced:
    """One consent of a profile and the features that its data became, as (name, value, how strong a reason)."""

    consent: ConsentTrace
    features: list[tuple[str, str, str]]


def traced(profile: CreditProfile, consents: Sequence[ConsentTrace]) -> list[Traced]:
    """Consent by consent: the features whose source that consent covers, in the order of the catalogue (design §4.12)."""
    from scoring.legacy.catalogue import FEATURES

    language: Literal["zh", "en"] = "en" if is_english() else "zh"
    strengths = {row["feature"]: _signed(row["contribution"]) for row in profile.reasons}
    found = []
    for one in consents:
        sources = {item.code for item in one.covered}
        rows = []
        for feature in FEATURES:
            if feature.source in sources and feature.name in profile.features:
                value = profile.features[feature.name]
                words = feature.en if language == "en" else feature.zh
                shown = feature.show(float("nan") if value is None else float(value), language)
                rows.append((words.label, shown, strengths.get(feature.name, "")))
        found.append(Traced(one, rows))
    return found
