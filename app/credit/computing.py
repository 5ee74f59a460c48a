"""From the evidence of a chunk of firms to what their profiles will say: set-wise, exact, one firm as thousands.

Everything here runs under the system's identity inside the caller's transaction and writes no profile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, cached_property
from hashlib import sha256
from itertools import zip_longest
from math import isnan
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import polars as pl
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from app.core.beside import Soon
from app.core.calendar import today
from app.core.database import session
from app.credit.models import CreditHorizon, ScoringModel
from app.credit.queries import Consented, consented, open_sources
from app.credit.rules import PARAMETERS, SCALE, ProfileState, known_until, month_known_until
from app.evidence.frames import Answers, answers_of
from app.evidence.models import Delivery
from app.evidence.rules import DeliveryState
from app.evidence.shapes import SHAPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scoring.features.compute import Matrix
    from scoring.model import Model, Scores
    from scoring.reasons import Accounts

    Days = NDArray[np.datetime64]

EVENTS: Mapping[str, tuple[str, ...]] = {
    "penalties": ("decided_on", "repaired_on"), "justice": ("filed_on", "closed_on"), "dishonesty": ("listed_on", "removed_on"),
    "qualifications": ("valid_from", "revoked_on"), "ip": ("granted_on", "ended_on"), "registration_changes": ("changed_on",),
    "registration": ("as_of",),
}
"""What registers tell on the day it happens. A score tells of complete months, and of these until today: a penalty repaired
yesterday counts as repaired in the next score (credit-data-catalogue §5)."""

AT_ONCE = 500
"""Firms that are read and worked out together: the database reads as many more meanwhile."""
NOTHING = ("{}", "[]", "{}", "[]")
_NEVER = np.datetime64("NaT", "D")


@dataclass(frozen=True, slots=True)
class Firm:
    """A firm by its id and by the number its facts lie under."""

    id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class Score:
    """What the model says of one firm. ``points`` unclipped; ``pd``, ``low`` and ``high`` are fractions."""

    score: int
    grade: str
    points: float
    pd: float
    low: float
    high: float
    model_id: UUID


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new profile will say. Empty without consent: then nothing about the firm is kept.

    ``told``: coverage, reasons, account and consents, each as JSON; ``snapshot``: float64 values in the order of the registry.
    """

    firm_id: UUID
    state: ProfileState
    as_of: date | None = None
    partial: bool = False
    months_covered: int = 0
    told: tuple[str, str, str, str] = NOTHING
    snapshot: bytes = b""
    score: Score | None = None

    def digest(self) -> bytes:
        """Of all that the profile says but whose it is: equal where it would say the same again."""
        said = (SCALE, self.state.value, self.as_of, self.partial, self.months_covered, self.told, self.score)
        return sha256(repr(said).encode() + self.snapshot + feature_list()[0]).digest()


@cache
def feature_list() -> tuple[bytes, tuple[str, ...], tuple[str, ...]]:
    """The hash of a list of features, their names in the order of a snapshot, and what a reason of each may rest on."""
    from scoring.features.registry import NAMES, grounds

    lines = (f"{name} {ground}" for name, ground in zip(NAMES, grounds(), strict=True))
    return sha256("\n".join(lines).encode()).digest(), NAMES, grounds()


def drafts(firms: Sequence[Firm], scorer: tuple[ScoringModel, Model] | None, soon: Soon) -> Iterator[list[Draft]]:
    """What the profiles of the firms shall say, some firms at a time; firms with a consent are left out while there is no model.

    Consents and facts of the next firms are read while those at hand are worked out.
    """
    parts = [firms[low : low + AT_ONCE] for low in range(0, len(firms), AT_ONCE)]
    ends: dict[int, date] = {}
    reading = soon(_read, parts[0], scorer is not None) if parts else None
    for part, following in zip_longest(parts, parts[1:]):
        assert reading is not None
        read = reading.result()
        chunk = _Chunk(read, read.answers.frames())
        deliveries = chunk.deliveries()
        if any(number not in ends for numbers in deliveries.values() for number in numbers):
            ends |= soon(_horizons, deliveries).result()
        if following:
            reading = soon(_read, following, scorer is not None)
        told = [Draft(firm.id, ProfileState.NO_CONSENT) for firm in part if firm.id not in read.consents]
        if scorer is not None and read.firms:
            told += [draft for as_of, which in chunk.by_horizon(ends) for draft in chunk.drafts(which, as_of, scorer)]
        yield told


@dataclass(frozen=True)
class _Read:
    """Firms that consented, what to, and what the database answered about them.

    ``closed``: bool[firms, sources], what may not be read of a firm; nothing of it is read.
    """

    consents: Mapping[UUID, Consented]
    firms: Sequence[Firm]
    closed: NDArray[np.bool_]
    answers: Answers

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Of the firms."""
        return np.array([firm.number for firm in self.firms], dtype=np.int64)


def _read(firms: Sequence[Firm], facts: bool) -> _Read:
    """Consents of the firms, and ``facts``: all that may be read and is held. Retention bounds it, and features look back from
    the end of the deliveries, not from today.
    """
    from scoring.features.registry import SOURCES

    consents = consented([firm.id for firm in firms])
    asked = [firm for firm in firms if firm.id in consents]
    shut = {
        items: [source not in readable for source in SOURCES]
        for items, readable in open_sources({one.items for one in consents.values()}).items()
    }
    closed = np.array([shut[consents[firm.id].items] for firm in asked], dtype=np.bool_).reshape(len(asked), len(SOURCES))
    read = _Read(consents, asked, closed, Answers({}))
    if not facts or not asked:
        return read
    alike: dict[bytes, list[str]] = {}
    for source, shut_off in zip(SOURCES, closed.T, strict=True):
        alike.setdefault(shut_off.tobytes(), []).append(source)
    found: dict[str, Sequence[bytes | None]] = {}
    for packed, sources in alike.items():  # most firms consent to all or to nothing: one journey, not one a source
        readable = read.numbers[~np.frombuffer(packed, dtype=np.bool_)]
        if len(readable):
            found |= answers_of(readable.tolist(), sources, date.min).parts
    return replace(read, answers=Answers(found))


@dataclass(frozen=True)
class _Chunk:
    """Firms that are scored together, and their facts."""

    read: _Read
    frames: Mapping[str, pl.DataFrame]

    def drafts(self, which: NDArray[np.int64], as_of: date, scorer: tuple[ScoringModel, Model]) -> list[Draft]:
        """Profiles of some of the firms as of one day."""
        from scoring.features.compute import compute
        from scoring.features.registry import SOURCES

        read = self.read
        closed = {source: shut[which] for source, shut in zip(SOURCES, read.closed.T, strict=True) if shut[which].any()}
        matrix = compute(_until_today(self.frames, as_of), read.numbers[which], as_of, closed=closed)
        sound = np.flatnonzero(~matrix.insufficient)
        scored = dict(zip(sound.tolist(), _scored(matrix.values[sound], *scorer), strict=True)) if len(sound) else {}
        width, held = matrix.values.shape[1] * 8, _canonical(matrix.values).tobytes()
        partial: list[bool] = np.any(read.closed, axis=1).tolist()
        told = []
        for place, (own, coverage, months) in enumerate(zip(which.tolist(), _coverage(matrix), _months(matrix), strict=True)):
            score, reasons, account = scored.get(place, (None, "[]", "{}"))
            told.append(Draft(
                read.firms[own].id, ProfileState.SCORED if score else ProfileState.INSUFFICIENT, as_of,
                partial[own], months, (coverage, reasons, account, read.consents[read.firms[own].id].ids),
                held[place * width:(place + 1) * width], score,
            ))
        return told

    @cached_property
    def _told(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Firm and delivery of each run of rows, by source told month by month."""
        from scoring.features.registry import MONTHLY

        told: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        for source in MONTHLY:
            frame = self.frames.get(source)
            if frame is None or not frame.height:
                continue
            firm, delivery = frame["firm"].to_numpy(), frame["delivery_no"].to_numpy()
            # Rows of a firm mostly lie together and came together: of each such run the first row says all.
            first = np.flatnonzero(np.append(True, (firm[1:] != firm[:-1]) | (delivery[1:] != delivery[:-1])))
            told[source] = firm[first], delivery[first]
        return told

    def deliveries(self) -> dict[str, list[int]]:
        """The numbers of the deliveries that tell about these firms, by source."""
        return {source: np.unique(delivery).tolist() for source, (_, delivery) in self._told.items()}

    def by_horizon(self, ends: Mapping[int, date]) -> Iterator[tuple[date, NDArray[np.int64]]]:
        """Firms by the last day their deliveries tell about (``ends``); today where nothing was delivered.

        Not the clock and not the firm's own last line: months that nobody delivered yet are no months without sales, and a
        firm that stopped selling while the delivery went on has stopped.
        """
        numbers = self.read.numbers
        order = np.argsort(numbers)
        days = np.full(len(numbers), _NEVER)
        for firm, delivery in self._told.values():
            deliveries, place = np.unique(delivery, return_inverse=True)
            at = order[np.searchsorted(numbers, firm, sorter=order)]
            np.fmax.at(days, at, np.array([ends[number] for number in deliveries.tolist()], dtype="datetime64[D]")[place])
        days = np.fmin(days, np.datetime64(today()))
        for day in np.unique(days):
            yield day.item(), np.flatnonzero(days == day)


def _scored(rows: NDArray[np.float64], row: ScoringModel, model: Model) -> Iterator[tuple[Score, str, str]]:
    """Score, reasons and account of each row by the registered model. Imports LightGBM: workers and commands only."""
    from scoring.features.registry import FEATURES, NAMES
    from scoring.reasons import account_table

    columns = model.place(NAMES)
    rows = np.ascontiguousarray(rows[:, columns])
    table = account_table(model, [FEATURES[column] for column in columns], rows)
    names = [NAMES[column] for column in columns]
    for score, (reasons, account) in zip(_scores(table.scores, row.id), _accounts(table, names, rows), strict=True):
        yield score, reasons, account


def _scores(scores: Scores, model_id: UUID) -> Iterator[Score]:
    """To six decimals, as they are stored: the interval then still holds the probability."""
    pd, low, high = (np.round(part, 6).tolist() for part in (scores.pd, scores.pd_low, scores.pd_high))
    for score, grade, points, p, least, most in zip(
        scores.score.tolist(), scores.grade.tolist(), np.round(scores.points, 6).tolist(), pd, low, high, strict=True,
    ):
        yield Score(score, grade, points, p, min(least, p), max(most, p), model_id)


def _accounts(table: Accounts, names: Sequence[str], rows: NDArray[np.float64]) -> Iterator[tuple[str, str]]:
    """Reasons and account of each row, as JSON."""
    values = np.take_along_axis(rows, np.maximum(table.column, 0), axis=1).tolist()
    begun = [f'{{"feature":"{name}","points":' for name in names]
    sums = zip(table.base, table.others, table.clipped, strict=True)
    for columns, points, strengths, own, (base, others, clipped) in zip(
        table.column.tolist(), table.points.tolist(), table.strength.tolist(), values, sums, strict=True,
    ):
        reasons = ",".join([
            f'{begun[column]}{point},"strength":"{strength:.6f}","value":{"null" if isnan(value) else value}}}'
            for column, point, strength, value in zip(columns, points, strengths, own, strict=True) if column >= 0
        ])
        yield f"[{reasons}]", f'{{"base":{base},"others":{others},"clipped":{clipped}}}'


def _canonical(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """One bit pattern for what is absent and one for zero, so that equal snapshots are equal bytes."""
    return np.where(np.isnan(values), np.nan, values + 0.0).astype("<f8", copy=False)


def _coverage(matrix: Matrix) -> Iterator[str]:
    """Months by source of each firm as JSON, those without any left out."""
    from scoring.features.registry import SOURCES

    for row in matrix.coverage.tolist():
        yield "{" + ",".join(f'"{source}":{months}' for source, months in zip(SOURCES, row, strict=True) if months) + "}"


def _months(matrix: Matrix) -> list[int]:
    """Months of the source that covers most, of each firm."""
    from scoring.features.registry import MONTHLY, SOURCES

    columns = [SOURCES.index(source) for source in MONTHLY]
    return [int(months) for months in matrix.coverage[:, columns].max(axis=1, initial=0)]


def _until_today(frames: Mapping[str, pl.DataFrame], as_of: date) -> dict[str, pl.DataFrame]:
    """What registers have told since the last complete month counts as told on its last day."""
    known = dict(frames)
    for source, columns in EVENTS.items():
        if source in known and known[source].height:
            told = [column for column in columns if column in known[source].columns]
            later = [column for column in told if _reaches_beyond(known[source][column], as_of)]
            if later:
                known[source] = known[source].with_columns(pl.col(column).clip(upper_bound=as_of) for column in later)
    return known


def _reaches_beyond(days: pl.Series, day: date) -> bool:
    last = days.max()
    return isinstance(last, date) and last > day


# --- how far the deliveries tell --------------------------------------------------------------------------------------------


_COUNTING = text("select pg_advisory_xact_lock(hashtextextended('credit_horizon', 0))")


def _horizons(wanted: Mapping[str, Sequence[int]]) -> dict[int, date]:
    """The last day each delivery tells about, counted once and kept. ``wanted``: the deliveries of each source."""
    numbers = sorted({number for deliveries in wanted.values() for number in deliveries})
    kept = select(CreditHorizon.delivery_no, CreditHorizon.known_until).where(CreditHorizon.delivery_no.in_(numbers))
    found = {row.delivery_no: row.known_until for row in session().execute(kept)}
    if len(found) < len(numbers):
        # Chunks that are scored at once count one after the other: whoever comes second finds what the first one has kept.
        session().execute(_COUNTING)
        found |= {row.delivery_no: row.known_until for row in session().execute(kept)}
    for source, deliveries in wanted.items():
        missing = [number for number in deliveries if number not in found]
        if missing:
            found |= _counted(source, missing)
    return found


def _counted(source: str, missing: Sequence[int]) -> dict[int, date]:
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
    return counted
