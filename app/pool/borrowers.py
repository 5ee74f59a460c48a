"""What borrowers have booked at banks already, for very many rows at once: one statement instead of one a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Uuid, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from app.core.database import session
from app.pool.judging import LIVE
from app.pool.models import Booking
from app.pool.owner_models import FirmOwner


@dataclass
class Borrowed:
    """Principal (分) by bank and borrower. A borrower is a firm with its owner's loans, and that owner's under other firms:
    the sum that ``judging.same_borrower`` makes for one booking. ``person``: the owner's ``id_digest``."""

    _firms: Counter[tuple[UUID, UUID]] = field(default_factory=Counter)
    _persons: Counter[tuple[UUID, bytes]] = field(default_factory=Counter)
    _both: Counter[tuple[UUID, UUID, bytes]] = field(default_factory=Counter)

    def add(self, bank_id: UUID, firm_id: UUID, person: bytes | None, fen: int) -> None:
        """One more loan."""
        self._firms[bank_id, firm_id] += fen
        if person is not None:
            self._persons[bank_id, person] += fen
            self._both[bank_id, firm_id, person] += fen

    def of(self, bank_id: UUID, firm_id: UUID, person: bytes | None) -> int:
        """What a borrower has at a bank; a loan that is both the firm's and the person's counts once."""
        firm = self._firms[bank_id, firm_id]
        return firm if person is None else firm + self._persons[bank_id, person] - self._both[bank_id, firm_id, person]


def booked_before(
    banks: Collection[UUID], firms: Collection[UUID], persons: Collection[bytes], without_batch: UUID | None,
) -> Borrowed:
    """Live bookings of these borrowers at these banks, but for those of the file ``without_batch``."""
    found = Borrowed()
    for row in session().execute(
        select(Booking.org_id, Booking.firm_id, FirmOwner.id_digest, func.sum(Booking.principal_fen))
        .outerjoin(FirmOwner, FirmOwner.id == Booking.owner_id)
        .where(
            Booking.org_id == any_(literal(list(banks), ARRAY(Uuid))), Booking.state.in_(LIVE),
            or_(Booking.firm_id == any_(literal(list(firms), ARRAY(Uuid))), FirmOwner.id_digest.in_(persons)),
            *([] if without_batch is None else [Booking.batch_id.is_distinct_from(without_batch)]),
        ).group_by(Booking.org_id, Booking.firm_id, FirmOwner.id_digest)
    ):
        found.add(row[0], row[1], row[2], int(row[3]))
    return found
