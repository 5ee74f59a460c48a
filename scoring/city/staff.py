"""Social insurance and housing fund by month.

A firm without insured staff or without a fund account has no rows. Dispatched workers are insured by their agency, so few
insured heads are not bad by themselves.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from scoring.city.block import Block, settled
from scoring.city.frames import Bools, Floats, Ints, counts, days, fen, yuan

_PAY_DAY: Final = 20
"""Contributions are due on this day of their month (a proposal)."""


def social_insurance(block: Block) -> pl.DataFrame:
    """All kinds of insurance together (``all``)."""
    firms = block.firms
    rng = block.rng(260)
    heads, dispatched = _insured(block)
    rows = block.course.active & firms.insured[:, None]
    frame = _contributions(block, rng, rows, heads, block.assume.insurance_per_mille)
    return frame.with_columns(
        kind=pl.lit("all"), dispatched=counts(dispatched[rows]),
    ).select("uscc", "kind", "period", "heads", "dispatched", "base", "due", "paid", "paid_on")  # fmt: skip


def housing_fund(block: Block) -> pl.DataFrame:
    """Firms pay it for fewer people than they insure."""
    rng = block.rng(270)
    share = rng.uniform(0.5, 1.0, len(block.firms))
    heads, _ = _insured(block)
    fewer = np.maximum(1, np.rint(heads * share[:, None])).astype(np.int64)
    rows = block.course.active & block.firms.fund[:, None]
    return _contributions(block, rng, rows, fewer, block.assume.fund_per_mille)


def _insured(block: Block) -> tuple[Ints, Ints]:
    """Insured and dispatched heads by firm and month. Stressed firms leave more of their staff uninsured."""
    firms, rng = block.firms, block.rng(265)
    dispatches = (rng.random(len(firms)) < firms.of_trade("dispatch")) & (firms.heads >= 5)
    sent = rng.uniform(0.2, 0.6, len(firms)) * dispatches
    covered = np.clip(rng.uniform(0.7, 1.0, len(firms)) - 0.05 * firms.s, 0.3, 1.0)
    dispatched = np.rint(block.course.heads * sent[:, None]).astype(np.int64)
    heads = np.rint((block.course.heads - dispatched) * covered[:, None]).astype(np.int64)
    return np.maximum(1, heads), dispatched


def _base_yuan(block: Block) -> Floats:
    """Contribution base per person of each firm: better paid where a head sells more."""
    firms, rng = block.firms, block.rng(266)
    pull = np.clip(firms.of_trade("revenue_a_head") / 450_000.0, 0.6, 2.5) ** 0.3
    return np.asarray(block.assume.base_yuan * pull * np.exp(0.15 * rng.standard_normal(len(firms))), dtype=np.float64)


def _contributions(block: Block, rng: np.random.Generator, rows: Bools, heads: Ints, per_mille: int) -> pl.DataFrame:
    firms, window = block.firms, block.window
    who, when = np.nonzero(rows)
    base = fen(heads[rows] * _base_yuan(block)[who]) * 100
    due = (base * per_mille + 500) // 1000
    due_day = window.starts[when] + _PAY_DAY - 1
    paid_day = settled(rng, due_day, block.course.strain[rows], firms.s[who], block.assume)
    paid = paid_day <= window.seen_day
    return pl.DataFrame({
        "uscc": firms.uscc.gather(who), "period": window.names.gather(when), "heads": counts(heads[rows]), "base": yuan(base),
        "due": yuan(due), "paid": yuan(due * paid), "paid_on": days(paid_day, paid),
    })  # fmt: skip
