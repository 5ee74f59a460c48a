"""Funds, the agreements and quotas they are lent under, what they offer, and who holds what of them. Money in 分."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Text, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, column_property, mapped_column

from app.bridge.models import Bridge
from app.core.database import Base, Identified


class Fund(Identified, Base):
    """Money that a funder has committed to bridges. What is in it stands in the ledger under ``account_code``."""

    __tablename__ = "fund"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    name: Mapped[str]
    state: Mapped[str]
    account_code: Mapped[str] = mapped_column(ForeignKey("ledger_account.code"), unique=True)
    opened_at: Mapped[datetime]
    opened_by: Mapped[UUID | None]


class FundProduct(Identified, Base):
    """A charge at which a fund lends to one kind of bridge. Its terms never change: other terms are another product."""

    __tablename__ = "fund_product"
    fund_id: Mapped[UUID]
    org_id: Mapped[UUID]
    name: Mapped[str]
    kind: Mapped[str]
    terms: Mapped[dict[str, Any]]
    state: Mapped[str]
    opened_at: Mapped[datetime]
    opened_by: Mapped[UUID | None]


class _Proposed(Identified):
    """What one person proposes and another one decides."""

    state: Mapped[str]
    reason: Mapped[str]
    proposed_by: Mapped[UUID]
    proposed_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]


class BridgeCeiling(_Proposed, Base):
    """What the bureau sets for every fund: the highest rates (fractions of the principal, a day and once), how many hours a
    tentative hold lasts, how many days before its end an agreement is called to mind, how many days the wide board shows."""

    __tablename__ = "bridge_ceiling"
    daily_rate: Mapped[Decimal]
    one_off_rate: Mapped[Decimal]
    hold_hours: Mapped[int]
    remind_days: Mapped[int]
    wide_days: Mapped[int]


class FundAgreement(_Proposed, Base):
    """What the centre and a funder agreed: which kinds of bridges, from which day to which (both included)."""

    __tablename__ = "fund_agreement"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    number: Mapped[str]
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text))
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    funder_signer: Mapped[str]
    centre_signer: Mapped[str]
    ended_on: Mapped[date | None]
    ended_by: Mapped[UUID | None]
    reminded_at: Mapped[datetime | None]


class FundQuota(Identified, Base):
    """A limit of a fund (分): held or out on any one day (DAY), of one bridge (DEAL), for one bank, for one kind.

    BANK without ``bank_org_id`` is the limit of each bank that has none of its own.
    """

    __tablename__ = "fund_quota"
    fund_id: Mapped[UUID]
    org_id: Mapped[UUID]
    scope: Mapped[str]
    bank_org_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[str | None]
    limit_fen: Mapped[int]
    set_at: Mapped[datetime]
    set_by: Mapped[UUID | None]


class FundDay(Identified, Base):
    """A day on which another limit holds than DAY (分; None: the same), or on which nothing is paid out (``closed``)."""

    __tablename__ = "fund_day"
    fund_id: Mapped[UUID]
    org_id: Mapped[UUID]
    day: Mapped[date]
    limit_fen: Mapped[int | None]
    closed: Mapped[bool]
    note: Mapped[str]
    set_at: Mapped[datetime]
    set_by: Mapped[UUID | None]


class FundHold(Identified, Base):
    """A seat on a fund: ``amount_fen`` from ``starts_on`` on; ``ends_on``, the day of return, no longer counts.

    ``transfer_id`` is its reservation in the ledger; ``back_fen`` what of it came back; ``checked_on`` the day on which its
    days were last judged.
    """

    __tablename__ = "fund_hold"
    bridge_id: Mapped[UUID] = mapped_column()
    firm_id: Mapped[UUID]
    fund_id: Mapped[UUID]
    org_id: Mapped[UUID]
    bank_org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[str]
    amount_fen: Mapped[int]
    back_fen: Mapped[int] = mapped_column(default=0)
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    checked_on: Mapped[date]
    state: Mapped[str]
    transfer_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_transfer.id"), unique=True)
    expires_at: Mapped[datetime]
    made_at: Mapped[datetime]
    made_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None]
    ended_on: Mapped[date | None]
    case_id: Mapped[UUID] = column_property(
        select(Bridge.case_id).where(Bridge.id == bridge_id).correlate_except(Bridge).scalar_subquery(), deferred=True)


class BridgeQuote(Identified, Base):
    """A fund that is asked to bridge, and what it offers. One per bridge and fund; one picked per bridge."""

    __tablename__ = "bridge_quote"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    firm_id: Mapped[UUID]
    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.id"))
    org_id: Mapped[UUID]
    fund_name: Mapped[str]
    product_id: Mapped[UUID | None]
    state: Mapped[str]
    amount_fen: Mapped[int | None]
    terms: Mapped[dict[str, Any] | None]
    valid_until: Mapped[date | None]
    invited_at: Mapped[datetime]
    offered_at: Mapped[datetime | None]
    offered_by: Mapped[UUID | None]
