"""Evidence: the catalogue, deliveries with their quarantine, invoice lines as facts, consents, the log of looks."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class DataItem(Base):
    """One item of the catalogue (credit-data-catalogue.md §2): who owns it, how it comes, how long raw rows are kept."""

    __tablename__ = "data_item"
    code: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[str]
    position: Mapped[int] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    owner: Mapped[str]
    mode: Mapped[str]
    """pushed 归集, query 授权查询, model 可用不可见, self 企业自报."""
    grain: Mapped[str]
    """line, day, month, year or event."""
    consent_needed: Mapped[bool]
    retention_months: Mapped[int | None]
    active: Mapped[bool]
    """Whether the portal has a table for it and takes deliveries in."""
    category_no: Mapped[int]
    """1–17 as in the catalogue."""
    consent_item: Mapped[str] = mapped_column(ForeignKey("data_item.code"))
    """The item whose consent covers this one: itself, or e.g. electricity for daily electricity."""
    refresh: Mapped[str]
    legal_basis: Mapped[str]
    personal_for_sole_trader: Mapped[bool]
    """For a sole trader these are data about a person, so the second text is signed too (征信业管理条例 art. 14)."""
    pool_days: Mapped[int]
    """How long rows of a firm that nobody signed up are kept."""


class ProviderItem(Base):
    """Which provider delivers which item."""

    __tablename__ = "provider_item"
    provider_org_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_kind: Mapped[str] = mapped_column(default="data_provider")
    item_code: Mapped[str] = mapped_column(ForeignKey("data_item.code"), primary_key=True)
    since: Mapped[datetime]


class Meter(Base):
    """A meter (户号) of a utility. ``meter_no`` keys its months; ``meter_link`` says whose it was and when."""

    __tablename__ = "meter"
    meter_no: Mapped[int] = mapped_column(primary_key=True)
    provider_org_id: Mapped[UUID]
    account_no: Mapped[str]
    first_seen_at: Mapped[datetime]


class Delivery(Identified, Base):
    """数据批次: one file of one provider, and what became of each of its rows.

    ``side``: 0 purchases (进项), 1 sales (销项), ``None`` where a column of the file says it. ``size`` in bytes.
    ``failure`` is an error code or a word of ``rules.FAILURES``.
    """

    __tablename__ = "delivery"
    number: Mapped[int] = mapped_column(unique=True)
    provider_org_id: Mapped[UUID]
    provider_kind: Mapped[str] = mapped_column(default="data_provider")
    item_code: Mapped[str] = mapped_column(ForeignKey("data_item.code"))
    side: Mapped[int | None] = mapped_column(SmallInteger)
    filename: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    source_label: Mapped[str]
    synthetic: Mapped[bool]
    state: Mapped[str]
    phase: Mapped[str | None]
    progress_rows: Mapped[int] = mapped_column(default=0)
    rows_total: Mapped[int | None]
    rows_taken: Mapped[int | None]
    rows_identical: Mapped[int | None]
    rows_superseding: Mapped[int | None]
    rows_quarantined: Mapped[int | None]
    rows_waiting: Mapped[int | None]
    """Of the rows taken in, those about firms nobody signed up yet, or meters linked to none."""
    channel: Mapped[str] = mapped_column(default="upload")
    """upload, command or push."""
    withdrawn_at: Mapped[datetime | None]
    withdraw_reason: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(default=0)
    failure: Mapped[str | None]
    failure_params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Quarantine(Identified, Base):
    """待修复: a row that could not be taken in, as it came, with the reason. ``row_no`` counts from 1 below the header."""

    __tablename__ = "quarantine"
    delivery_id: Mapped[UUID]
    provider_org_id: Mapped[UUID]
    row_no: Mapped[int]
    raw: Mapped[dict[str, Any]]
    reason: Mapped[str]
    params: Mapped[dict[str, Any]]


class InvoiceLine(Base):
    """A line of a VAT invoice: a fact, keyed by firm, side, content and which such line of its delivery it is.

    ``content`` is the 64-bit digest of ``invoice_rows.content``. Amounts in 分, negative on red-letter lines. That firm and
    delivery exist is checked by the database once a statement, not once a row (migration 0004).
    """

    __tablename__ = "invoice_line"
    firm_no: Mapped[int] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    content: Mapped[int] = mapped_column(primary_key=True)
    k: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    current: Mapped[bool]
    void: Mapped[bool]
    day: Mapped[date]
    net_fen: Mapped[int]
    tax_fen: Mapped[int]
    gross_fen: Mapped[int]
    delivery_no: Mapped[int]
    invoice_no: Mapped[str]
    counterparty: Mapped[str]


class ConsentText(Base):
    """A version of a consent text, with placeholders, as counsel approved it. ``kind``: rules.TextKind."""

    __tablename__ = "consent_text"
    version: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    valid_from: Mapped[date]
    kind: Mapped[str]


class Consent(Identified, Base):
    """授权: one item, for one receiver, for one purpose, until a day. ``receiver_org_id`` NULL = the portal's own profile.

    ``signed_text`` is what the firm read and signed, ``text_sha256`` its digest; ``personal_…`` the second text of a sole
    trader. ``used_at``: the first look under it.
    """

    __tablename__ = "consent"
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    item_code: Mapped[str] = mapped_column(ForeignKey("data_item.code"))
    receiver_org_id: Mapped[UUID | None]
    receiver_kind: Mapped[str] = mapped_column(default="bank")
    purpose: Mapped[str]
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("case_file.id"))
    channel: Mapped[str]
    text_version: Mapped[str] = mapped_column(ForeignKey("consent_text.version"))
    signed_text: Mapped[str]
    text_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str]
    given_at: Mapped[datetime]
    given_by: Mapped[UUID | None]
    valid_until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None]
    end_reason: Mapped[str | None]
    used_at: Mapped[datetime | None]
    personal_text_version: Mapped[str | None] = mapped_column(ForeignKey("consent_text.version"))
    personal_signed_text: Mapped[str | None]
    personal_text_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)


class EvidenceLook(Identified, Base):
    """Who looked at which item of a firm, when, what for, under which consent (征信业管理条例 art. 22).

    ``basis``: rules.Basis.
    """

    __tablename__ = "evidence_look"
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    actor_id: Mapped[UUID | None]
    actor_role: Mapped[str]
    at: Mapped[datetime]
    item_code: Mapped[str] = mapped_column(ForeignKey("data_item.code"))
    purpose: Mapped[str]
    case_id: Mapped[UUID | None]
    consent_id: Mapped[UUID | None] = mapped_column(ForeignKey("consent.id"))
    result: Mapped[str]
    basis: Mapped[str]
