"""The accounts on which the money of a bridge may sit, and corrections of what was recorded about its moves."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.core.errors import N_
from app.core.lifecycle import Lifecycle, second_word
from app.core.permissions import Permission
from app.core.secrets import Encrypted


class BridgeAccount(Identified, Base):
    """A whitelisted account of one bridge: entered by one person, confirmed by another one who types the number again.

    ``before_loop``: where renewal money arrives of a bridge that was out before its account had to be one of the loop.

    ``digest`` is the keyed digest of the number, by which accounts are compared; the number itself is ciphertext.
    ``fund_id`` says of which fund the funder's and the custody account are. Frozen from the signature on.
    """

    __tablename__ = "bridge_account"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    kind: Mapped[str]
    fund_id: Mapped[UUID | None] = mapped_column(ForeignKey("fund.id"))
    holder: Mapped[str]
    bank_name: Mapped[str]
    number: Mapped[str] = mapped_column(Encrypted)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str]
    entered_by: Mapped[UUID]
    entered_at: Mapped[datetime]
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None]
    before_loop: Mapped[bool] = mapped_column(server_default="false")


class CorrectionState(StrEnum):
    """Where a correction stands."""

    PROPOSED = "PROPOSED"
    CONFIRMED = "CONFIRMED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return {
            "PROPOSED": N_("待另一人确认"), "CONFIRMED": N_("已更正"), "REFUSED": N_("未同意"), "WITHDRAWN": N_("已撤回"),
        }[self.value]


class HopCorrection(Identified, Base):
    """What was recorded wrongly goes back as counter-hops, on two people's word; nothing that was recorded is changed.

    ``first_hop_id`` is the first of the two hops of the payout or of the return; the vouchers are those of the counter-hops.
    """

    __tablename__ = "hop_correction"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    first_hop_id: Mapped[UUID] = mapped_column(ForeignKey("bridge_hop.id"))
    kind: Mapped[str]
    voucher_first: Mapped[str]
    voucher_second: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str]
    proposed_by: Mapped[UUID]
    proposed_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]


CORRECTION = Lifecycle("hop_correction", CorrectionState, second_word(
    CorrectionState, propose=Permission.BRIDGE_PAY, decide=Permission.BRIDGE_APPROVE))
CORRECTION_TEXTS = {
    "propose": N_("提出更正划转登记"), "confirm": N_("确认更正划转登记"), "refuse": N_("不同意更正划转登记"),
    "withdraw": N_("撤回更正划转登记"),
}
