"""Checks and working lines as JSON of a row, and back: what judged a booking or a claim stays with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from app.core.working import Check, Params, Value, WorkingLine
from app.pool.rules import Mode, Product, RatioFacts


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
        policy_tool=bool(snapshot["policy_tool"]),
    )
