"""Facts about firms and meters, one table an item (``items``). No id of their own: subject, key and version tell them apart.

Amounts in 分, quantities in thousandths of kWh or m³, ``period`` the first day of a month. ``current`` marks the version in
force; earlier versions are kept. Facts come in set-wise (``fact_loading``); these classes serve queries and tests.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class _Versioned:
    version: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    current: Mapped[bool]
    delivery_no: Mapped[int]


class _OfFirm(_Versioned):
    firm_no: Mapped[int] = mapped_column(primary_key=True)


class _OfMeter(_Versioned):
    meter_no: Mapped[int] = mapped_column(primary_key=True)


class RegistrationFact(_OfFirm, Base):
    """登记注册 as at ``as_of``; each change adds a version."""

    __tablename__ = "registration"
    name: Mapped[str]
    type: Mapped[str | None]
    capital_fen: Mapped[int | None]
    established_on: Mapped[date | None]
    status: Mapped[str]
    scope: Mapped[str | None]
    as_of: Mapped[date]


class RegistrationChange(_OfFirm, Base):
    """登记变更: what changed and when; never the names of persons."""

    __tablename__ = "registration_change"
    changed_on: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)


class AnnualReport(_OfFirm, Base):
    """年报 of one year."""

    __tablename__ = "annual_report"
    report_year: Mapped[int] = mapped_column(primary_key=True)
    operating_state: Mapped[str | None]
    capital_fen: Mapped[int | None]
    n_employees: Mapped[int | None]
    published_on: Mapped[date | None]
    has_website: Mapped[bool | None]
    has_investment: Mapped[bool | None]
    has_equity_transfer: Mapped[bool | None]


class Qualification(_OfFirm, Base):
    """资质: 高新, 专精特新, permits."""

    __tablename__ = "qualification"
    kind: Mapped[str] = mapped_column(primary_key=True)
    certificate_no: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    issuer: Mapped[str | None]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    revoked_on: Mapped[date | None]


class Penalty(_OfFirm, Base):
    """行政处罚; out of scoring once repaired."""

    __tablename__ = "penalty"
    document_no: Mapped[str] = mapped_column(primary_key=True)
    authority: Mapped[str]
    kind: Mapped[str]
    amount_fen: Mapped[int | None]
    decided_on: Mapped[date]
    repaired_on: Mapped[date | None]


class CourtCase(_OfFirm, Base):
    """司法: one case in one role."""

    __tablename__ = "court_case"
    case_no: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    court: Mapped[str | None]
    amount_fen: Mapped[int | None]
    filed_on: Mapped[date]
    closed_on: Mapped[date | None]
    unpaid_fen: Mapped[int | None]


class DishonestyEntry(_OfFirm, Base):
    """严重失信主体名单; out of scoring once removed."""

    __tablename__ = "dishonesty_entry"
    list_name: Mapped[str] = mapped_column(primary_key=True)
    listed_on: Mapped[date] = mapped_column(primary_key=True)
    authority: Mapped[str | None]
    removed_on: Mapped[date | None]


class TaxFiling(_OfFirm, Base):
    """纳税申报 of one tax and period; a quarterly filer has one row a quarter, on its first month."""

    __tablename__ = "tax_filing"
    tax_kind: Mapped[str] = mapped_column(primary_key=True)
    period: Mapped[date] = mapped_column(primary_key=True)
    cycle: Mapped[str]
    sales_fen: Mapped[int | None]
    due_fen: Mapped[int | None]
    paid_fen: Mapped[int | None]
    arrears_fen: Mapped[int | None]
    due_on: Mapped[date | None]
    filed_on: Mapped[date | None]


class TaxGrade(_OfFirm, Base):
    """纳税信用级别 of one year; no grade is neutral, not bad."""

    __tablename__ = "tax_grade"
    year: Mapped[int] = mapped_column(primary_key=True)
    grade: Mapped[str]
    published_on: Mapped[date | None]


class TaxLedgerLine(_OfFirm, Base):
    """税款明细: a line without a key of its own, told apart by content and by which such line of its delivery it is."""

    __tablename__ = "tax_ledger_line"
    content: Mapped[int] = mapped_column(primary_key=True)
    k: Mapped[int] = mapped_column(primary_key=True)
    period_start: Mapped[date]
    period_end: Mapped[date]
    tax_category: Mapped[str]
    tax_item: Mapped[str | None]
    tax_base_fen: Mapped[int | None]
    tax_rate: Mapped[str | None]
    deduction_fen: Mapped[int | None]
    tax_amount_fen: Mapped[int]


class SocialInsuranceMonth(_OfFirm, Base):
    """社会保险 of one month. ``dispatched``: heads on labour dispatch (劳务派遣), insured by another firm."""

    __tablename__ = "social_insurance_month"
    kind: Mapped[str] = mapped_column(primary_key=True)
    period: Mapped[date] = mapped_column(primary_key=True)
    heads: Mapped[int]
    dispatched: Mapped[int | None]
    base_fen: Mapped[int | None]
    due_fen: Mapped[int | None]
    paid_fen: Mapped[int | None]
    paid_on: Mapped[date | None]


class HousingFundMonth(_OfFirm, Base):
    """住房公积金 of one month."""

    __tablename__ = "housing_fund_month"
    period: Mapped[date] = mapped_column(primary_key=True)
    heads: Mapped[int]
    base_fen: Mapped[int | None]
    due_fen: Mapped[int | None]
    paid_fen: Mapped[int | None]
    paid_on: Mapped[date | None]


class CustomsMonth(_OfFirm, Base):
    """进出口 of one month and direction."""

    __tablename__ = "customs_month"
    direction: Mapped[str] = mapped_column(primary_key=True)
    period: Mapped[date] = mapped_column(primary_key=True)
    value_fen: Mapped[int]
    declarations: Mapped[int | None]
    aeo: Mapped[str | None]


class CashFlowMonth(_OfFirm, Base):
    """银行资金流 of one account and month."""

    __tablename__ = "cash_flow_month"
    account_tail: Mapped[str] = mapped_column(primary_key=True)
    period: Mapped[date] = mapped_column(primary_key=True)
    inflow_fen: Mapped[int]
    outflow_fen: Mapped[int]
    counterparties: Mapped[int | None]
    balance_fen: Mapped[int | None]


class IpRight(_OfFirm, Base):
    """知识产权."""

    __tablename__ = "ip_right"
    kind: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str | None]
    granted_on: Mapped[date]
    expires_on: Mapped[date | None]
    ended_on: Mapped[date | None]
    pledged: Mapped[bool | None]


class _UtilityMonth(_OfMeter):
    """One meter's month. Not metered, or billed by the landlord: no quantity, which is not zero."""


    period: Mapped[date] = mapped_column(primary_key=True)
    quantity_milli: Mapped[int | None]
    bill_fen: Mapped[int | None]
    due_on: Mapped[date | None]
    paid_on: Mapped[date | None]
    arrears_fen: Mapped[int | None]
    metering: Mapped[str]
    cut_days: Mapped[int | None]


class ElectricityMonth(_UtilityMonth, Base):
    """用电 of one meter and month; thousandths of kWh."""

    __tablename__ = "electricity_month"


class WaterMonth(_UtilityMonth, Base):
    """用水 of one meter and month; thousandths of m³."""

    __tablename__ = "water_month"


class GasMonth(_UtilityMonth, Base):
    """用气 of one meter and month; thousandths of m³."""

    __tablename__ = "gas_month"


class ElectricityDay(_OfMeter, Base):
    """每日用电 of one meter; thousandths of kWh."""

    __tablename__ = "electricity_day"
    day: Mapped[date] = mapped_column(primary_key=True)
    quantity_milli: Mapped[int]


class MeterLink(_OfMeter, Base):
    """Whose a meter was, from when to when (both days counted)."""

    __tablename__ = "meter_link"
    firm_no: Mapped[int] = mapped_column(primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]
    basis: Mapped[str]
