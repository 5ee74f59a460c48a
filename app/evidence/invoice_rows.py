"""Checking invoice rows, a batch at a time: what is sound becomes columns of whole 分, the rest gets its reason.

Each row gets the first reason that applies, in the order of the checks below.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from app.core import uscc
from app.core.calendar import today
from app.evidence import cells
from app.evidence.lines import content
from app.evidence.rules import DELIVERY, SIDES, STATUSES, DeliveryRules, RowReason

AMOUNTS = {"amount_net": "net_fen", "tax_amount": "tax_fen", "amount_gross": "gross_fen"}
SOUND = ("row_no", "firm_no", "side", "content", "void", "day", "net_fen", "tax_fen", "gross_fen", "invoice_no", "counterparty")


def firm_keys(batch: pl.DataFrame) -> set[str]:
    """Every name of a firm in the batch: social credit codes and codes of the source."""
    found: set[str] = set()
    for column in ("firm_id", "uscc"):
        if column in batch.columns:
            found.update(cells.stripped(batch[column]).drop_nulls().unique().to_list())
    return found


def check(
    batch: pl.DataFrame, side: int | None, firms: Mapping[str, int], rules: DeliveryRules = DELIVERY,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Splits a batch into sound rows (columns ``SOUND``) and quarantined ones (``row_no``, ``raw``, ``reason``, ``params``).

    ``side`` is what file name or form said; a column of the file goes before it. ``firms``: name of a firm → firm number.
    """
    frame = _read(batch, side, firms)
    frame = frame.with_columns(pl.coalesce(
        pl.when(fails).then(pl.lit(json.dumps([reason.value, field])))
        for reason, field, fails in _checks(batch, side, rules)
    ).alias("trouble"))
    sound = frame.filter(pl.col("trouble").is_null())
    return _with_content(sound).select(SOUND), _quarantined(frame.filter(pl.col("trouble").is_not_null()), batch)


def _read(batch: pl.DataFrame, side: int | None, firms: Mapping[str, int]) -> pl.DataFrame:
    """Every column read as its kind; what cannot be read is null."""
    names = [name for name in batch.columns if name not in ("row_no", "misfit")]
    plain = batch.with_columns(cells.stripped(batch[name]).alias(name) for name in names if name not in AMOUNTS)
    known = [_mapped(name, firms, pl.Int64) for name in ("uscc", "firm_id") if name in names]
    sides = _mapped("side", SIDES, pl.Int16) if "side" in names else pl.lit(side, dtype=pl.Int16)
    return plain.with_columns(
        pl.coalesce(*known).alias("firm_no"), sides.alias("side_read"), _mapped("status", STATUSES, pl.Boolean).alias("void"),
        cells.day(batch["invoice_date"]).alias("day"),
        *(cells.number(batch[name], 2).alias(target) for name, target in AMOUNTS.items()),
    )


def _mapped(column: str, table: Mapping[str, Any], kind: Any) -> pl.Expr:
    value = pl.col(column).str.to_lowercase() if column in ("status", "side") else pl.col(column)
    return value.replace_strict(dict(table) or {"": None}, default=None, return_dtype=kind)


def _checks(batch: pl.DataFrame, side: int | None, rules: DeliveryRules) -> list[tuple[RowReason, str, pl.Expr]]:
    """The checks in their order: reason, field, and which rows fail."""
    names = set(batch.columns)
    firm_columns = [name for name in ("uscc", "firm_id") if name in names]
    latest = today() + timedelta(days=rules.days_ahead)
    required = ("invoice_no", "invoice_date", "counterparty_id", *AMOUNTS, "status", *(("side",) if "side" in names else ()))
    day = pl.col("day")
    return [
        (RowReason.FIELD_COUNT, "", pl.col("misfit")),
        (RowReason.MISSING_FIELD, firm_columns[0], pl.all_horizontal(pl.col(name).is_null() for name in firm_columns)),
        *((RowReason.MISSING_FIELD, name, _missing(batch, name)) for name in required),
        (RowReason.UNKNOWN_FIRM, firm_columns[0], pl.col("firm_no").is_null()),
        (RowReason.UNKNOWN_SIDE, "side", pl.col("side_read").is_null()),
        (RowReason.BAD_DATE, "invoice_date", day.is_null() | (day < rules.earliest_day) | (day > latest)),
        *((RowReason.BAD_NUMBER, name, pl.col(target).is_null()) for name, target in AMOUNTS.items()),
        (RowReason.UNKNOWN_STATUS, "status", pl.col("void").is_null()),
        (RowReason.GROSS_MISMATCH, "amount_gross", _gap().abs() > rules.gross_tolerance_fen),
        *((RowReason.TOO_LONG, name, pl.col(name).str.len_chars() > rules.longest_text)
          for name in ("invoice_no", "counterparty_id")),
    ]


def _missing(batch: pl.DataFrame, name: str) -> pl.Expr:
    if name in AMOUNTS and not batch.schema[name].is_numeric():
        return pl.col(name).cast(pl.String, strict=False).str.strip_chars().fill_null("") == ""
    return pl.col(name).is_null()


def _gap() -> pl.Expr:
    return pl.col("gross_fen") - pl.col("net_fen") - pl.col("tax_fen")


def _with_content(sound: pl.DataFrame) -> pl.DataFrame:
    """Side and firm stand in the key of their own; status is no content, so that a later void finds its line."""
    named = sound.rename({"side_read": "side"} | ({"side": "side_text"} if "side" in sound.columns else {})).rename(
        {"counterparty_id": "counterparty"})
    lines = named.select(pl.concat_str(
        "invoice_no", pl.col("day").cast(pl.String), "counterparty", "net_fen", "tax_fen", "gross_fen", separator="\x1f",
    )).to_series()
    return named.with_columns(pl.Series("content", [content(line) for line in lines], dtype=pl.Int64))


def _quarantined(frame: pl.DataFrame, batch: pl.DataFrame) -> pl.DataFrame:
    names = [name for name in batch.columns if name not in ("row_no", "misfit")]
    rows = [_entry(row, names) for row in frame.iter_rows(named=True)]
    return pl.DataFrame(rows, schema={"row_no": pl.Int64, "raw": pl.String, "reason": pl.String, "params": pl.String},
                        orient="row")


def _entry(row: dict[str, Any], names: list[str]) -> tuple[int, str, str, str]:
    reason, field = json.loads(row["trouble"])
    raw = {name: cells.shown(row[name]) for name in names}
    params: dict[str, Any] = {"field": field} if field else {}
    if reason == RowReason.GROSS_MISMATCH:
        gap = row["gross_fen"] - row["net_fen"] - row["tax_fen"]
        params["value"] = f"{'-' if gap < 0 else ''}{abs(gap) // 100}.{abs(gap) % 100:02d}"
    elif field and reason != RowReason.MISSING_FIELD:
        params["value"] = str(raw.get(field) or raw.get("firm_id") or "")[:60]
    if reason == RowReason.UNKNOWN_FIRM and len(params["value"]) == uscc.LENGTH:
        problem = uscc.validate(params["value"])
        if problem is not None:
            reason, params = RowReason.BAD_USCC, {**params, "problem": problem.message, "details": problem.shown}
    return row["row_no"], cells.as_json(raw), reason, cells.as_json(params)
