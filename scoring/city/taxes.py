"""Tax filings and the tax office's yearly grades.

A quarter is one row under its last month, so that it is filed by the 15th of the month after its period like a month is.
A period that is not filed in time is a row without figures; one that is not due yet is no row.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from scoring.city.block import Block, settled
from scoring.city.firms import COMPANY, SOLE
from scoring.city.frames import NEVER, Bools, Ints, counts, days, fen, words, yuan
from scoring.city.window import first_days

KINDS: Final = ("vat", "income", "personal")
CYCLES: Final = ("month", "quarter")
GRADES: Final = ("A", "B", "M", "C", "D")
_GRADE_FROM: Final = (90.0, 70.0, 40.0)
"""Points from which A, B and C are given; D below (credit-data-catalogue.md §5, unconfirmed)."""


def tax(block: Block) -> pl.DataFrame:
    """VAT by month, or by quarter for small taxpayers; income tax by quarter."""
    firms, assume = block.firms, block.assume
    rng = block.rng(240)
    small = firms.monthly_yuan * 12 < assume.quarterly_below_yuan
    monthly, quarterly = np.flatnonzero(~small), np.flatnonzero(small)
    everyone = np.arange(len(firms))
    months, quarters = np.arange(block.window.months), block.window.quarters + 2
    by_quarter = _by_quarter(block)
    added = (firms.of_trade("vat_per_mille") * (1.0 - firms.of_trade("purchase_share")) / 1000.0)[:, None]
    general = block.course.sales_fen[monthly] * added[monthly] * rng.uniform(0.7, 1.1, (len(monthly), len(months)))
    levied: Ints = by_quarter[quarterly] * (by_quarter[quarterly] > assume.small_exempt_yuan * 100.0)
    margin = assume.margin + assume.margin_strain * block.course.strain[:, quarters] + rng.normal(0.0, 0.03, by_quarter.shape)
    profit = by_quarter * np.clip(margin, 0.0, None)
    filings = (
        _filings(block, rng, monthly, months, np.zeros_like(monthly), 0, block.course.sales_fen[monthly], fen(general)),
        _filings(block, rng, quarterly, quarters, np.zeros_like(quarterly), 1, by_quarter[quarterly],
                 fen(levied * (assume.small_levy_per_mille / 1000.0))),
        _filings(block, rng, everyone, quarters, np.where(firms.form == SOLE, 2, 1), 1, by_quarter,
                 fen(profit * (assume.income_tax_per_mille / 1000.0))),
    )  # fmt: skip
    return pl.concat(filings)


def _by_quarter(block: Block) -> Ints:
    """Sales (分) of the whole quarters of the window."""
    starts, sales = block.window.quarters, block.course.sales_fen
    return np.asarray(sales[:, starts] + sales[:, starts + 1] + sales[:, starts + 2], dtype=np.int64)


def _filings(
    block: Block, rng: np.random.Generator, firm: Ints, period: Ints, kind: Ints, cycle: int, sales: Ints, due_fen: Ints
) -> pl.DataFrame:
    """Filings of one cycle: ``sales`` and ``due_fen`` (分) have one row per firm and one column per period."""
    firms, window, assume = block.firms, block.window, block.assume
    due_day = (first_days(window.first + period + 1) + assume.filing_day - 1)[None, :]
    strain = block.course.strain[np.ix_(firm, period)]
    filed = settled(rng, due_day, strain, firms.s[firm][:, None], assume)
    owed = rng.random(strain.shape) < assume.tax_unpaid + assume.tax_unpaid_strain * strain
    cleared = due_day + rng.standard_exponential(strain.shape) * (assume.tax_unpaid_days + assume.tax_unpaid_days_strain * strain)
    owed &= (cleared > window.seen_day) & (due_day < window.seen_day)
    share = rng.uniform(0.3, 1.0, strain.shape)
    rows: Bools = block.course.active[np.ix_(firm, period)] & ((filed <= window.seen_day) | (due_day < window.seen_day))
    who, when = np.nonzero(rows)
    filed, due = filed[rows], due_fen[rows]
    arrears = fen(due * share[rows] * owed[rows])
    known = filed <= window.seen_day
    return pl.DataFrame({
        "uscc": firms.uscc.gather(firm[who]), "tax_kind": words(KINDS, kind[who]), "period": window.names.gather(period[when]),
        "cycle": words(CYCLES, np.full(len(who), cycle)), "sales": yuan(sales[rows], known), "due": yuan(due, known),
        "paid": yuan(due - arrears, known), "arrears": yuan(arrears, known), "due_on": days(due_day[0, when]),
        "filed_on": days(filed, known),
    })  # fmt: skip


def tax_grades(block: Block) -> pl.DataFrame:
    """Grades of the last three years published by the day of delivery (in April of the next year).

    Points: 88 - 5·s - 25·(in distress in the year) + 6·noise. A firm of the year itself is M; sole traders ask or have none.
    """
    firms, window = block.firms, block.window
    rng = block.rng(250)
    last = window.as_of.year - (1 if (window.as_of.month, window.as_of.day) >= (4, 20) else 2)
    graded = (firms.form == COMPANY) | (rng.random(len(firms)) < block.assume.graded_sole)
    frames = []
    for year in range(last - 2, last + 1):
        december = (year - 1970) * 12 + 11 - window.first
        points = 88.0 - 5.0 * firms.s - 25.0 * (firms.onset <= december) + 6.0 * rng.standard_normal(len(firms))
        grade = np.select([points >= bound for bound in _GRADE_FROM], [0, 1, 3], 4)
        grade = np.where((firms.opened > december - 12) & (grade < 3), 2, grade)
        published = np.datetime64(f"{year + 1}-04-01", "D").astype(np.int64) + rng.integers(0, 18, len(firms))
        who = np.flatnonzero(graded & (firms.opened <= december) & (firms.opened < NEVER))
        frames.append(pl.DataFrame({
            "uscc": firms.uscc.gather(who), "year": counts(np.full(len(who), year)), "grade": words(GRADES, grade[who]),
            "published_on": days(published[who]),
        }))  # fmt: skip
    return pl.concat(frames)
