"""What pages and later rooms read of credit profiles. Row-level security has the last word on who sees which row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, Uuid, any_, cast, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.orm import InstrumentedAttribute

from app.core.calendar import now
from app.core.database import session
from app.core.queries import id_array
from app.credit.models import CreditProfile, ProfileReview, ScoringModel
from app.credit.rules import PARAMETERS, ProfileState, ReviewState, Visible
from app.enterprises.models import Enterprise
from app.evidence.models import Consent, DataItem
from app.identity.models import Organisation


@dataclass(frozen=True, slots=True)
class CardProfile:
    """What the card of a firm may say to whoever looks, by consent and by the switch.

    Without a consent that names the viewer only ``insufficient`` speaks: there is a profile, or the data do
    not suffice. ``rank_percent``: the firm is among the first x % of scored firms. ``visible``: the setting
    of the switch. ``synthetic_model``: the model learned on made-up firms, which the page must say.
    ``consented``: the viewer may open the profile itself.
    """

    rank_percent: int | None
    grade: str | None
    score: int | None
    insufficient: bool
    partial: bool
    visible: str
    synthetic_model: bool
    consented: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A firm's place: among the first ``percent`` per cent of ``scored`` firms, rounded up."""

    percent: int
    scored: int


def visible_now() -> Visible:
    """The switch as it stands; rank where nobody has set it (compliance.md §1)."""
    return Visible(session().execute(select(func.hq_score_visible())).scalar_one())


def current_profile(firm_id: UUID) -> CreditProfile | None:
    """The profile of a firm that stands now, if the actor may see it."""
    return session().scalar(select(CreditProfile).where(CreditProfile.firm_id == firm_id, CreditProfile.current))


def profile_history(firm_id: UUID, limit: int = PARAMETERS.history_shown) -> list[CreditProfile]:
    """The latest profiles of a firm that the actor may see, newest first."""
    return list(session().scalars(
        select(CreditProfile).where(CreditProfile.firm_id == firm_id)
        .order_by(CreditProfile.at.desc(), CreditProfile.id.desc()).limit(limit)
    ))


def active_model() -> ScoringModel | None:
    """The model that scores now."""
    return session().scalar(select(ScoringModel).where(ScoringModel.active))


def model_by_id(model_id: UUID | None) -> ScoringModel | None:
    """The model that scored a profile, without its content."""
    return session().get(ScoringModel, model_id) if model_id else None


def models_by_id(ids: set[UUID]) -> dict[UUID, ScoringModel]:
    """Models by id, without their content."""
    if not ids:
        return {}
    return {model.id: model for model in session().scalars(select(ScoringModel).where(ScoringModel.id.in_(ids)))}


_PLACE = text("select percent, scored from hq_profile_place(:ids)")


def place_of(firm_id: UUID) -> Place | None:
    """The firm's place among all scored firms; ``None`` without a score, or where the actor may not know it."""
    row = session().execute(_PLACE, {"ids": [firm_id]}).one_or_none()
    return Place(row.percent, row.scored) if row else None


_CARDS = text("select * from hq_profile_cards(cast(:ids as uuid[]))")


def card_profiles(firm_ids: Sequence[UUID]) -> dict[UUID, CardProfile]:
    """What the cards of these firms say, in one statement. Firms without any profile are absent.

    The database gives a bank that a consent names what the switch shows, and of other firms only that a profile exists or that
    data do not suffice.
    """
    if not firm_ids:
        return {}
    return {row.firm_id: card_of(row) for row in session().execute(_CARDS, {"ids": id_array(firm_ids)})}


def card_of(row: Any) -> CardProfile:
    """A row of ``hq_profile_cards`` as what a card may say."""
    return CardProfile(
        row.percent, row.grade, row.score, row.state == ProfileState.INSUFFICIENT.value, row.partial, row.visible, row.synthetic,
        row.consented,
    )


_SHOWN = text("select * from hq_profile_shown(:firm)")


def shown_profile(firm_id: UUID) -> Any | None:
    """The row of a firm's profile that consent and switch give a bank, in the case it named; ``None`` where they give none."""
    return session().execute(_SHOWN, {"firm": firm_id}).one_or_none()


_SINCE = text("select hq_profile_since(:firm)")


def profile_since(firm_id: UUID) -> datetime | None:
    """When the firm had its first profile; ``None`` without one, or where the actor may not know the firm."""
    found: datetime | None = session().scalar(_SINCE, {"firm": firm_id})
    return found


_GLANCE = text("""
    select e.state as firm, p.state as profile, p.grade, coalesce(p.partial, false) as partial, place.percent, place.scored,
           exists (select 1 from consent c where c.firm_id = e.id and c.receiver_org_id is null
                   and c.state = 'ACTIVE' and c.valid_until > now()) as consented,
           exists (select 1 from consent c where c.firm_id = e.id and c.receiver_org_id is not null and c.state = 'ACTIVE'
                   and c.valid_until > now()) as consented_to_others,
           coalesce(m.trained_on = 'synthetic', false) as synthetic
    from enterprise e
    left join credit_profile p on p.firm_id = e.id and p.current
    left join scoring_model m on m.id = p.model_id
    left join hq_profile_place(array[e.id]) place on place.firm_id = e.id
    where e.id = :firm
""")


@dataclass(frozen=True, slots=True)
class Glance:
    """How it stands with a firm's profile, as its home says it. ``profile``: a value of ``ProfileState`` or ``None``."""

    verified: bool
    consented: bool
    consented_to_others: bool
    profile: str | None
    grade: str | None
    place: Place | None
    partial: bool
    synthetic_model: bool

    @property
    def scored(self) -> bool:
        """Whether a score may be shown: it stands, and the consent it rests on is in force this very moment."""
        return self.consented and self.profile == ProfileState.SCORED.value


def glance(firm_id: UUID) -> Glance | None:
    """How it stands with the firm's profile, in one statement; ``None`` where the actor may not know the firm."""
    row = session().execute(_GLANCE, {"firm": firm_id}).one_or_none()
    if row is None:
        return None
    place = Place(row.percent, row.scored) if row.scored else None
    return Glance(
        row.firm == "verified", row.consented, row.consented_to_others, row.profile, row.grade, place, row.partial, row.synthetic,
    )


def consented_items(firm_ids: Sequence[UUID]) -> dict[UUID, dict[str, UUID]]:
    """The portal's own consents in force at this moment: firm → item → consent. Firms without any are absent."""
    found: dict[UUID, dict[str, UUID]] = {}
    wanted = _portal_consents(Consent.firm_id, Consent.item_code, Consent.id).where(Consent.firm_id.in_(firm_ids))
    for firm_id, item_code, consent_id in session().execute(wanted.order_by(Consent.id)):
        found.setdefault(firm_id, {})[item_code] = consent_id
    return found


def among(column: InstrumentedAttribute[UUID], ids: Sequence[UUID]) -> ColumnElement[bool]:
    """Whether the column is one of the ids, sent as one array: hundreds of parameters cost more than the statement.

    The array is read once, in a query of its own: a filter over a whole table would read its text again for every row.
    """
    return column == any_(cast(select(cast(literal(array_text(ids), Text), ARRAY(Uuid))).scalar_subquery(), ARRAY(Uuid)))


def array_text(values: Iterable[object]) -> str:
    """Ids, numbers, days or plain words (none empty, without commas) as PostgreSQL writes an array; None is null.

    psycopg would write a list element by element, in five times the time.
    """
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


@dataclass(frozen=True, slots=True)
class Consented:
    """The portal's own consents of one firm in force at this moment. ``ids``: a JSON list of them, in order."""

    items: frozenset[str]
    ids: str


def consented(firm_ids: Sequence[UUID]) -> dict[UUID, Consented]:
    """The same of many firms, for those that gave any."""
    items = func.string_agg(Consent.item_code, aggregate_order_by(literal(" "), Consent.item_code))
    ids = func.string_agg(cast(Consent.id, Text), aggregate_order_by(literal('","'), Consent.id))
    found = session().execute(
        _portal_consents(Consent.firm_id, items, ids).where(among(Consent.firm_id, firm_ids)).group_by(Consent.firm_id)
    )
    kinds: dict[str, frozenset[str]] = {}
    return {
        firm_id: Consented(kinds.get(codes) or kinds.setdefault(codes, frozenset(codes.split())), f'["{held}"]')
        for firm_id, codes, held in found
    }


def open_sources(kinds: Collection[frozenset[str]]) -> dict[frozenset[str], frozenset[str]]:
    """The sources of features that may be read by what was consented to: public ones, and those that a consented item covers."""
    from scoring.features.registry import SOURCES

    items = session().execute(select(DataItem.code, DataItem.consent_item, DataItem.consent_needed)).all()
    return {
        consented: frozenset(code for code, covering, needed in items if not needed or covering in consented) & frozenset(SOURCES)
        for consented in kinds
    }


def consenting_firms() -> list[UUID]:
    """Every firm whose consent lets the portal compute a profile at this moment, by firm number: as their facts lie."""
    consents = _portal_consents(Consent.firm_id)
    return list(session().scalars(select(Enterprise.id).where(Enterprise.id.in_(consents)).order_by(Enterprise.firm_no)))


def _portal_consents(*columns: Any) -> Select[Any]:
    return select(*columns).where(
        Consent.receiver_org_id.is_(None), Consent.state == "ACTIVE", Consent.valid_until > now(),
    )


def firm_name(firm_id: UUID) -> str:
    """The firm's name, empty where the actor may not know it."""
    return session().scalar(select(Organisation.name).where(Organisation.id == firm_id)) or ""


def firm_no_of(firm_id: UUID) -> int | None:
    """The number that keys the firm's evidence."""
    return session().scalar(select(Enterprise.firm_no).where(Enterprise.id == firm_id))


def reviews_of(firm_id: UUID) -> list[ProfileReview]:
    """The firm's requests for a human look, newest first."""
    return list(session().scalars(
        select(ProfileReview).where(ProfileReview.firm_id == firm_id).order_by(ProfileReview.asked_at.desc())
    ))


def reviews_query() -> Select[Any, Any, Any, Any, Any]:
    """Requests for a human look with the firm's name, for the desk."""
    return select(
        ProfileReview.id, ProfileReview.asked_at, ProfileReview.due_on, ProfileReview.state,
        Organisation.name.label("firm"),
    ).join(Organisation, Organisation.id == ProfileReview.firm_id)


def open_reviews(limit: int = 20) -> Sequence[Any]:
    """Requests that wait for an answer, the most urgent first."""
    waiting = reviews_query().where(ProfileReview.state == ReviewState.ASKED.value)
    return session().execute(waiting.order_by(ProfileReview.due_on).limit(limit)).all()
