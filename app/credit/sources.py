"""The sources behind a profile as pages show them: what is there, on what ground, and which consent would add what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask_babel import gettext
from sqlalchemy import select

from app.core.database import session
from app.core.pages import Tone
from app.credit.explaining import features_from
from app.credit.models import CreditProfile
from app.credit.queries import consented_items
from app.evidence.consent_queries import ConsentTrace, Origin, origins
from app.evidence.display import item_name
from app.evidence.models import DataItem
from scoring.features.registry import MONTHLY, SOURCES
from scoring.features.window import WINDOW, Window


@dataclass(frozen=True, slots=True)
class Source:
    """One source. ``give``: the item to consent to, where that is what is missing; ``advice``: what the firm can do."""

    code: str
    name: str
    months: int | None
    state: str
    tone: Tone
    advice: str = ""
    give: str = ""


def catalogue() -> dict[str, DataItem]:
    """The catalogue's items that feed a score, in its order."""
    rows = session().scalars(select(DataItem).where(DataItem.code.in_(SOURCES)).order_by(DataItem.position))
    return {row.code: row for row in rows}


def sources_of(firm_id: UUID, coverage: Mapping[str, int], window: Window = WINDOW) -> list[Source]:
    """Every source of scores for the firm's own page, by the consents in force at this moment."""
    consents = consented_items([firm_id]).get(firm_id, {})
    return [_source(item, coverage.get(item.code, 0), item.consent_item in consents, window) for item in catalogue().values()]


def _source(item: DataItem, months: int, consented: bool, window: Window) -> Source:
    monthly = item.code in MONTHLY
    name, shown = item_name(item), months if monthly else None
    if item.consent_needed and not consented:
        advice = gettext("授权%(item)s数据，可提高可信度", item=name)
        return Source(item.code, name, None, gettext("未授权"), "plain", advice, item.consent_item)
    ground = gettext("已授权") if item.consent_needed else gettext("依法公开")
    if months >= (window.thin_months if monthly else 1):
        return Source(item.code, name, shown, ground, "good")
    if monthly and months:
        advice = gettext("还差 %(count)d 个月就能单独说明问题", count=window.thin_months - months)
        return Source(item.code, name, shown, ground, "wait", advice)
    if not monthly:
        return Source(item.code, name, None, ground, "plain", gettext("没有这方面的记录"))
    advice = gettext("还没有收到这类数据；如果您确实有，可以请提供单位报送")
    return Source(item.code, name, 0, gettext("%(ground)s，没有数据", ground=ground), "wait", advice)


def shown_sources(coverage: Mapping[str, int]) -> list[Source]:
    """The sources that a bank may know of, with their months."""
    return [
        Source(item.code, item_name(item), coverage[item.code] if item.code in MONTHLY else None,
               gettext("企业授权") if item.consent_needed else gettext("依法公开"), "good")
        for item in catalogue().values() if coverage.get(item.code)
    ]


@dataclass(frozen=True)
class Traced:
    """What one consent (or, without one, the law) let in, and the features that it became."""

    consent: ConsentTrace | None
    covered: Sequence[DataItem]
    origins: Mapping[str, Sequence[Origin]]
    features: list[tuple[str, str, str]]


def traced(profile: CreditProfile, consents: Sequence[ConsentTrace], firm_no: int) -> list[Traced]:
    """Consent by consent the features its data went into, then those of public registers (design §4.12).

    A feature that compares two sources stands under both.
    """
    found = [
        Traced(one, one.covered, one.origins, features_from(profile, frozenset(item.code for item in one.covered)))
        for one in consents
    ]
    public = {item.code: item for item in catalogue().values() if not item.consent_needed}
    features = features_from(profile, frozenset(public))
    if features:
        known = origins(firm_no, sorted(public))
        until = {code: [one for one in rows if one.at is not None and one.at <= profile.at] for code, rows in known.items()}
        found.append(Traced(None, [public[code] for code in public if until.get(code)], until, features))
    return found
