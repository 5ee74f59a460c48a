"""The old notes that one bridge pays off: one, or two of the same firm at the same bank. Money in 分."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import ForeignKey, Select, select
from sqlalchemy.orm import Mapped, mapped_column

from app.bridge.models import Bridge, RenewalAsk
from app.core.database import Base, Identified, session
from app.core.errors import ErrorCode, Refusal, constraint

constraint("uq_bridge_note_live", ErrorCode.BRIDGE_EXISTS, "note_no")
constraint("ck_bridge_note_hands", ErrorCode.STATE_CHANGED)
constraint("ck_bridge_notes_whole", ErrorCode.STATE_CHANGED)

MOST = 2
"""Notes that one bridge may pay off (transfer-loan paper §5)."""


class BridgeNote(Identified, Base):
    """One old note of a bridge. ``live`` until the bridge is over: so long a note of a bank stands on no other bridge."""

    __tablename__ = "bridge_note"
    bridge_id: Mapped[UUID]
    firm_id: Mapped[UUID]
    no: Mapped[int]
    bank_org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    note_no: Mapped[str]
    ask_id: Mapped[UUID]
    old_loan_id: Mapped[UUID | None] = mapped_column(ForeignKey("loan.id"))
    due_fen: Mapped[int]
    due_on: Mapped[date]
    repaid_on: Mapped[date | None]
    repaid_reference: Mapped[str | None]
    repaid_by: Mapped[UUID | None]
    live: Mapped[bool]


@dataclass(frozen=True)
class Due:
    """An old note before its bridge: the ask about it, the loan where it is on the portal, what falls due (分) and when."""

    ask: RenewalAsk
    loan_id: UUID | None
    due_fen: int
    due_on: date


def put(bridge: Bridge, dues: Sequence[Due]) -> None:
    """Writes the notes of a new bridge, the one it was asked for first."""
    session().add_all(
        BridgeNote(bridge_id=bridge.id, firm_id=bridge.firm_id, no=number, bank_org_id=due.ask.bank_org_id,
                   note_no=due.ask.note_no, ask_id=due.ask.id, old_loan_id=due.loan_id, due_fen=due.due_fen, due_on=due.due_on,
                   live=True)
        for number, due in enumerate(dues, start=1)
    )
    session().flush()


def notes_of(bridge_id: UUID, *, lock: bool = False) -> list[BridgeNote]:
    """The notes of a bridge, in order."""
    found = select(BridgeNote).where(BridgeNote.bridge_id == bridge_id).order_by(BridgeNote.no)
    return list(session().scalars(found.with_for_update() if lock else found))


def notes_of_each(bridge_ids: Collection[UUID]) -> dict[UUID, list[BridgeNote]]:
    """The notes of several bridges. One statement."""
    found: dict[UUID, list[BridgeNote]] = {key: [] for key in bridge_ids}
    for row in session().scalars(select(BridgeNote).where(BridgeNote.bridge_id.in_(bridge_ids)).order_by(BridgeNote.no)):
        found[row.bridge_id].append(row)
    return found


def standing_on(bank_org_id: UUID, note_no: str) -> Select[UUID]:
    """The bridge on which a note of a bank stands, as a query."""
    return select(BridgeNote.bridge_id).where(
        BridgeNote.bank_org_id == bank_org_id, BridgeNote.note_no == note_no, BridgeNote.live)


def numbers(bridge: Bridge) -> str:
    """The numbers of all notes as papers name them."""
    return "、".join(note.note_no for note in notes_of(bridge.id)) or bridge.old_note_no


def unpaid(notes: Sequence[BridgeNote]) -> list[BridgeNote]:
    """Notes that nobody has confirmed as paid off."""
    return [note for note in notes if note.repaid_on is None]


def to_confirm(notes: Sequence[BridgeNote], note_id: UUID | None) -> BridgeNote:
    """The note whose payoff is confirmed: the named one, or the only one that is open.

    Raises ``Refusal``: ALREADY_DONE, INVALID at ``note`` where two are open and none is named.
    """
    waiting = unpaid(notes)
    if not waiting or any(note.id == note_id and note.repaid_on is not None for note in notes):
        raise Refusal(ErrorCode.ALREADY_DONE)
    if note_id is None and len(waiting) == 1:
        return waiting[0]
    for note in waiting:
        if note.id == note_id:
            return note
    raise Refusal(ErrorCode.INVALID, field="note")


def other_asks(ask: RenewalAsk) -> list[RenewalAsk]:
    """Asks of the firm about other notes of the same bank that allow a bridge, tell what falls due, and stand on none."""
    used = select(BridgeNote.id).where(BridgeNote.bank_org_id == RenewalAsk.bank_org_id,
                                       BridgeNote.note_no == RenewalAsk.note_no, BridgeNote.live).exists()
    return list(session().scalars(
        select(RenewalAsk).where(
            RenewalAsk.firm_id == ask.firm_id, RenewalAsk.bank_org_id == ask.bank_org_id, RenewalAsk.note_no != ask.note_no,
            RenewalAsk.state.in_(("REFUSED", "UNANSWERED")), RenewalAsk.due_fen.is_not(None), RenewalAsk.due_on.is_not(None),
            ~used,
        ).order_by(RenewalAsk.due_on).limit(20)
    ))
