"""Checks and working lines as JSON of a row, and back: what judged a booking or a claim stays with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from app.core.working import Check, Params, Value, WorkingLine
from app.enterprises.rules import SizeClass
from app.pool.rules import BorrowerKind, LoanFacts, Mode, Product, RatioFacts, UseOfFunds

CITY = "4401"
"""广州市, first digits of its districts' codes (GB/T 2260)."""


def _plain(params: Params) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Decimal) else value.isoformat() if isinstance(value, date) else value
        for name, value in params.items()
    }


def _typed(params: dict[str, Any]) -> dict[str, Value]:
    return {name: Decimal(value) if name.endswith("_ratio") else value for name, value in params.items()}


def check_rows(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Checks as JSON values."""
    return [
        {"code": one.code, "passed": one.passed, "message": one.message, "params": _plain(one.params)}
        for one in checks
    ]


def checks_of(rows: Iterable[dict[str, Any]]) -> list[Check]:
    """Checks read back."""
    return [Check(row["code"], row["passed"], row["message"], _typed(row["params"])) for row in rows]


def line_rows(lines: Iterable[WorkingLine]) -> list[dict[str, Any]]:
    """Working lines as JSON values: 分 as integers, ratios as decimal text."""
    return [
        {
            "code": one.code, "message": one.message, "params": _plain(one.params), "amount_fen": one.amount_fen,
            "ratio": None if one.ratio is None else str(one.ratio),
        }
        for one in lines
    ]


def lines_of(rows: Iterable[dict[str, Any]]) -> list[WorkingLine]:
    """Working lines read back."""
    return [
        WorkingLine(
            row["code"], row["message"], _typed(row["params"]), row["amount_fen"],
            None if row["ratio"] is None else Decimal(row["ratio"]),
        )
        for row in rows
    ]


def snapshot_facts(mode: str, product: str, snapshot: Mapping[str, Any], basis_fen: int) -> RatioFacts:
    """What the ratio looks at, from a booking's snapshot; ``basis_fen`` (分) chooses the bracket."""
    return RatioFacts(
        mode=Mode(mode), basis_fen=basis_fen, on_key_list=snapshot["on_key_list"],
        ip_pledge=Product(product) is Product.IP_PLEDGE or bool(snapshot["ip_certificate_no"]),
        policy_tool=bool(snapshot["policy_tool"]), **shares_of(snapshot),
    )


def shares_of(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The shares of a guarantor's contract as fractions; none of a bank's booking."""
    terms = snapshot.get("guarantee")
    if terms is None:
        return {}
    return {"liability": Decimal(terms["liability_share"]), "reguarantee": Decimal(terms["reguarantee_share"])}


def snapshot_loan(
    mode: str, product: str, principal_fen: int, snapshot: Mapping[str, Any], submitted_on: date, judged_on: date,
) -> LoanFacts:
    """A booking's snapshot as the checks read it, its agreement taken to run and no other booking known."""
    drawn_on = date.fromisoformat(snapshot["drawn_on"])
    return LoanFacts(
        mode=Mode(mode), product=Product(product), principal_fen=principal_fen,
        borrower_kind=BorrowerKind.OWNER_BORROWER if snapshot.get("owner") else borrower_kind(snapshot["form"]),
        size=SizeClass(snapshot["size_class"]),
        registered_in_city=snapshot["district"].startswith(CITY), operates_in_city=snapshot["operates_in_city"],
        on_key_list=snapshot["on_key_list"], industry_code=snapshot["industry_code"],
        annual_rate=Decimal(snapshot["annual_rate"]), term_months=snapshot["term_months"],
        use_of_funds=UseOfFunds(snapshot["use_of_funds"]), drawdown_on=drawn_on, submitted_on=submitted_on,
        judged_on=judged_on, agreement_from=drawn_on, agreement_to=None, seriously_dishonest=not snapshot["not_dishonest"],
        sole_trader=borrower_kind(snapshot["form"]) is BorrowerKind.SOLE_TRADER, **shares_of(snapshot),
    )


def borrower_kind(form: str) -> BorrowerKind:
    """Kind of borrower by the firm's legal form."""
    return BorrowerKind.SOLE_TRADER if form.upper() == "SOLE_TRADER" else BorrowerKind.ENTERPRISE
