"""From the evidence of a chunk of firms to what their profiles will say: set-wise, exact, one firm as thousands.

Everything here runs under the system's identity inside the caller's transaction and writes no profile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import polars as pl
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from app.core.calendar import today
from app.core.database import session
from app.credit.models import CreditHorizon, CreditProfile, ScoringModel
from app.credit.queries import consented_items, open_sources
from app.credit.rules import PARAMETERS, SCALE, ProfileState, known_until, month_known_until
from app.enterprises.models import Enterprise
from app.evidence.frames import frames_of
from app.evidence.models import Delivery
from app.evidence.rules import DeliveryState
from app.evidence.shapes import SHAPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scoring.features.compute import Matrix
    from scoring.model import Model

EVENTS: Mapping[str, tuple[str, ...]] = {
    "penalties": ("decided_on", "repaired_on"), "justice": ("filed_on", "closed_on"), "dishonesty": ("listed_on", "removed_on"),
    "qualifications": ("valid_from", "revoked_on"), "ip": ("granted_on", "ended_on"), "registration_changes": ("changed_on",),
    "registration": ("as_of",),
}
"""What registers tell on the day it happens. A score tells of complete months, and of these until today: a penalty repaired
yesterday counts as repaired in the next score (credit-data-catalogue §5)."""


@dataclass(slots=True)
class Draft:
    """What a new profile will say. Empty without consent: then nothing about the firm is kept."""

    state: ProfileState
    scale: int = SCALE
    as_of: date | None = None
    score: int | None = None
    points: Decimal | None = None
    probability: Decimal | None = None
    pd_low: Decimal | None = None
    pd_high: Decimal | None = None
    grade: str | None = None
    partial: bool = False
    months_covered: int = 0
    coverage: dict[str, Any] = field(default_factory=dict)
    reasons: list[Any] = field(default_factory=list)
    account: dict[str, Any] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    model_id: UUID | None = None
    consent_ids: list[str] = field(default_factory=list)

    def says_what_stands(self, profile: CreditProfile | None) -> bool:
        """Whether the profile that stands says the same already."""
        return profile is not None and all(getattr(profile, name) == value for name, value in self.columns().items())

    def columns(self) -> dict[str, Any]:
        """The columns of the row."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "state"} | {"state": self.state.value}


def drafts(firms: Sequence[Enterprise], scorer: tuple[ScoringModel, Model] | None) -> dict[UUID, Draft]:
    """What the profiles of the firms shall say, by firm id; firms with a consent are left out while there is no model."""
    consents = consented_items([firm.id for firm in firms])
    told = {firm.id: Draft(ProfileState.NO_CONSENT) for firm in firms if firm.id not in consents}
    asked = [firm for firm in firms if firm.id in consents]
    if scorer is None or not asked:
        return told
    readable = {firm.id: open_sources(consents[firm.id]) for firm in asked}
    # All that is held: retention bounds it, and features look back from the end of the deliveries, not from today.
    frames = frames_of([firm.firm_no for firm in asked], sorted(set().union(*readable.values())), date.min)
    for as_of, group in _by_horizon(asked, frames, readable).items():
        told |= _drafts_at(group, _until_today(frames, as_of), as_of, readable, consents, scorer)
    return told


def _drafts_at(
    firms: Sequence[Enterprise], frames: Mapping[str, pl.DataFrame], as_of: date, readable: Mapping[UUID, frozenset[str]],
    consents: Mapping[UUID, Mapping[str, UUID]], scorer: tuple[ScoringModel, Model],
) -> dict[UUID, Draft]:
    from scoring.features.compute import compute
    from scoring.features.registry import SOURCES

    numbers = np.array([firm.firm_no for firm in firms], dtype=np.int64)
    closed = {source: np.array([source not in readable[firm.id] for firm in firms]) for source in SOURCES}
    matrix = compute(frames, numbers, as_of, closed={source: mask for source, mask in closed.items() if mask.any()})
    told = [
        Draft(
            ProfileState.INSUFFICIENT if matrix.insufficient[place] else ProfileState.SCORED, as_of=as_of,
            partial=any(mask[place] for mask in closed.values()), months_covered=_months(matrix, place),
            coverage={source: int(months) for source, months in zip(SOURCES, matrix.coverage[place], strict=True) if months},
            features=_snapshot(matrix.values[place]),
            consent_ids=sorted({str(consent_id) for consent_id in consents[firm.id].values()}),
        )
        for place, firm in enumerate(firms)
    ]
    sound = np.flatnonzero(~matrix.insufficient)
    if len(sound):
        _score([told[place] for place in sound], matrix.values[sound], *scorer)
    return {firm.id: draft for firm, draft in zip(firms, told, strict=True)}


def _score(told: Sequence[Draft], values: NDArray[np.float64], row: ScoringModel, model: Model) -> None:
    """Adds score, interval and reasons by the registered model. Imports LightGBM: workers and commands only."""
    from scoring.features.registry import FEATURES, NAMES
    from scoring.reasons import accounts

    columns = model.place(NAMES)
    rows = np.ascontiguousarray(values[:, columns])
    scores = model.score(rows)
    explained = accounts(model, [FEATURES[column] for column in columns], rows, scores)
    for place, (draft, account) in enumerate(zip(told, explained, strict=True)):
        draft.model_id, draft.score, draft.grade = row.id, int(scores.score[place]), str(scores.grade[place])
        draft.points = _decimal(scores.points[place])
        draft.probability = _decimal(scores.pd[place])
        draft.pd_low = min(_decimal(scores.pd_low[place]), draft.probability)
        draft.pd_high = max(_decimal(scores.pd_high[place]), draft.probability)
        draft.account = {"base": account.base, "others": account.others, "clipped": account.clipped}
        draft.reasons = [
            {
                "feature": reason.feature.name, "points": reason.points, "strength": f"{reason.strength:.6f}",
                "value": None if np.isnan(reason.value) else reason.value,
            }
            for reason in (*account.up, *account.down)
        ]


def _decimal(value: float) -> Decimal:
    return Decimal(repr(float(value))).quantize(Decimal("0.000001"))


def _snapshot(values: NDArray[np.float64]) -> dict[str, float]:
    from scoring.features.registry import NAMES

    known = np.flatnonzero(~np.isnan(values))
    return {NAMES[column]: value for column, value in zip(known.tolist(), values[known].tolist(), strict=True)}


def _months(matrix: Matrix, place: int) -> int:
    """Months of the source that covers most."""
    from scoring.features.registry import MONTHLY, SOURCES

    columns = [SOURCES.index(source) for source in MONTHLY]
    return int(matrix.coverage[place, columns].max(initial=0))


def _until_today(frames: Mapping[str, pl.DataFrame], as_of: date) -> dict[str, pl.DataFrame]:
    """What registers have told since the last complete month counts as told on its last day."""
    known = dict(frames)
    for source, columns in EVENTS.items():
        if source in known and known[source].height:
            told = [column for column in columns if column in known[source].columns]
            known[source] = known[source].with_columns(pl.col(column).clip(upper_bound=as_of) for column in told)
    return known


# --- how far the deliveries tell --------------------------------------------------------------------------------------------


def _by_horizon(
    firms: Sequence[Enterprise], frames: Mapping[str, pl.DataFrame], readable: Mapping[UUID, frozenset[str]],
) -> dict[date, list[Enterprise]]:
    """Firms by the last day their deliveries tell about; today where nothing was delivered.

    Not the clock and not the firm's own last line: months that nobody delivered yet are no months without sales, and a firm
    that stopped selling while the delivery went on has stopped.
    """
    from scoring.features.registry import MONTHLY

    carried: dict[int, dict[str, set[int]]] = defaultdict(dict)
    for source in MONTHLY:
        frame = frames.get(source)
        if frame is not None and frame.height:
            for firm_no, numbers in frame.group_by("firm").agg(pl.col("delivery_no").unique()).iter_rows():
                carried[firm_no][source] = set(numbers)
    horizons = {source: _horizons(source, {n for by in carried.values() for n in by.get(source, ())}) for source in MONTHLY}
    groups: dict[date, list[Enterprise]] = defaultdict(list)
    for firm in firms:
        days = [
            horizons[source][number] for source, numbers in carried.get(firm.firm_no, {}).items()
            if source in readable[firm.id] for number in numbers
        ]
        groups[min(max(days), today()) if days else today()].append(firm)
    return groups


def _horizons(source: str, numbers: Iterable[int]) -> dict[int, date]:
    """The last day each delivery tells about, counted once and kept."""
    wanted = sorted(numbers)
    if not wanted:
        return {}
    found = {row.delivery_no: row.known_until for row in session().scalars(
        select(CreditHorizon).where(CreditHorizon.delivery_no.in_(wanted))
    )}
    missing = [number for number in wanted if number not in found]
    if not missing:
        return found
    shape = SHAPES[source]
    ends = session().execute(
        text(f"select delivery_no, max({shape.at}) from {shape.name} where delivery_no = any(:numbers) group by 1"),
        {"numbers": missing},
    )
    until = known_until if source == PARAMETERS.item else month_known_until
    counted = {row[0]: until(row[1]) for row in ends}
    # A delivery that is still being read may yet bring later days; the others are counted once.
    ended = session().scalars(select(Delivery.number).where(
        Delivery.number.in_(missing), Delivery.state == DeliveryState.TAKEN_IN.value,
    ))
    rows = [{"delivery_no": number, "known_until": counted[number]} for number in ended if number in counted]
    if rows:
        session().execute(insert(CreditHorizon).values(rows).on_conflict_do_nothing())
    return found | counted
