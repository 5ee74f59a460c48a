"""Synthetic small firms of Guangzhou with two sides of VAT invoices and an outcome.

Nothing here describes a real firm: every name ends in （演示）. Each firm draws from its own seeded stream,
so firm number k is the same whatever the number of firms asked for.

How the outcome comes about (all numbers are proposals, kept in ``Assumptions``): a firm has a size ``z`` and
a stress ``s``, both standard normal. Log-odds of default = base - size_effect·z + stress_effect·s, and the
outcome is one draw from that. Size shows in turnover and number of lines; stress shows in swings, months
without sales, shrinking sales, red letters, voids and reliance on few buyers. The invoices therefore tell
about the outcome, never all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.synthetic_city import DISTRICTS, INDUSTRIES, SEASONS, SYNTHETIC_SUFFIX, TRADE_NAMES, Industry

IN: Final = 0
"""Side of a purchase (进项)."""
OUT: Final = 1
"""Side of a sale (销项)."""
LAST_MONTH_END: Final = date(2026, 10, 31)
_EPOCH: Final = date(1970, 1, 1)
_NET_CAP_FEN: Final = 99_000_000
"""Single invoices above about one million yuan are practically absent: the per-invoice limit."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The knobs of the synthetic city, all proposals."""

    base_log_odds: float = -1.6
    size_effect: float = 0.9
    stress_effect: float = 1.3
    outcome_known: float = 0.6
    """Share of firms whose loan has run its course; the others have no outcome yet."""
    young_share: float = 0.05
    """Share of firms with less than half a year of invoices (thin files)."""
    sales_lines_a_month: float = 3.6
    purchase_lines_a_month: float = 3.0
    buyers: int = 600
    suppliers: int = 500


ASSUMPTIONS: Final = Assumptions()


@dataclass(frozen=True, slots=True, eq=False)
class InvoiceLines:
    """Invoice lines as columns, in order of (side, day); amounts in 分, ``day`` in days since 1970-01-01."""

    side: NDArray[np.int8]
    invoice_no: tuple[str, ...]
    day: NDArray[np.int32]
    counterparty_id: tuple[str, ...]
    net_fen: NDArray[np.int64]
    tax_fen: NDArray[np.int64]
    gross_fen: NDArray[np.int64]
    void: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.day)

    def dates(self) -> list[date]:
        return [_EPOCH + timedelta(days=int(day)) for day in self.day]

    def statuses(self) -> list[str]:
        """``valid`` or ``void``, as in a delivery file."""
        return ["void" if void else "valid" for void in self.void]

    def parties(self) -> NDArray[np.int64]:
        """The counterparties as codes, equal where the names are."""
        return np.unique(np.array(self.counterparty_id, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticFirm:
    """``industry_code``: four-digit class of GB/T 4754-2017. Money in 分. ``defaulted`` None = no outcome
    yet.
    """

    name: str
    industry_code: str
    district: str
    headcount: int
    revenue_fen: int
    assets_fen: int
    lines: InvoiceLines
    defaulted: bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What one firm is like before its invoices are drawn. ``size`` and ``stress``: standard normal."""

    number: int
    industry: Industry
    size: float
    stress: float
    monthly_fen: NDArray[np.float64]
    """Expected sales of each month, first to last; 0 = the firm is not trading."""


def synthesise(
    firms: int, months: int, seed: int, *, until: date = LAST_MONTH_END, assume: Assumptions = ASSUMPTIONS
) -> list[SyntheticFirm]:
    """``firms`` firms with ``months`` calendar months of invoices, the last one being the month of ``until``.

    The same arguments give the same firms to the last fen. Raises ValueError when a count is not positive or
    more firms are asked for than there are names.
    """
    if firms < 1 or months < 1:
        raise ValueError("firms and months must be at least 1")
    names = _names(firms, seed)
    starts = _month_starts(months, until)
    return [_firm(number, name, starts, seed, assume) for number, name in enumerate(names)]


def _firm(
    number: int, name: tuple[str, str, Industry], starts: NDArray[np.int32], seed: int, assume: Assumptions
) -> SyntheticFirm:
    full_name, district, industry = name
    rng = np.random.default_rng([seed, number])
    size, stress = float(rng.standard_normal()), float(rng.standard_normal())
    young = bool(rng.random() < assume.young_share)
    odds = assume.base_log_odds - assume.size_effect * size + assume.stress_effect * stress
    defaulted = bool(rng.random() < 1.0 / (1.0 + np.exp(-odds)))
    known = bool(rng.random() < assume.outcome_known) and not young
    plan = Plan(number, industry, size, stress, _monthly_sales(rng, industry, size, stress, young, starts))
    lines = draw_lines(rng, plan, starts, assume)
    revenue = _yearly_revenue(lines, starts)
    return SyntheticFirm(
        name=full_name,
        industry_code=industry.code,
        district=district,
        headcount=max(2, round(revenue / 100 / industry.revenue_a_head * float(rng.uniform(1.0, 2.6)))),
        revenue_fen=revenue,
        assets_fen=max(1_000_000, round(revenue * float(rng.uniform(0.35, 1.1)) / 100) * 100),
        lines=lines,
        defaulted=defaulted if known else None,
    )


def draw_lines(
    rng: np.random.Generator, plan: Plan, starts: NDArray[np.int32], assume: Assumptions = ASSUMPTIONS
) -> InvoiceLines:
    """Both sides of a firm's invoices. ``starts``: first days of the months, in days since 1970-01-01."""
    return _merge(
        _side(rng, plan, starts, OUT, assume.sales_lines_a_month, assume.buyers),
        _side(rng, plan, starts, IN, assume.purchase_lines_a_month, assume.suppliers),
    )


def _monthly_sales(
    rng: np.random.Generator,
    industry: Industry,
    size: float,
    stress: float,
    young: bool,
    starts: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Level x growth x season x noise; a stressed firm swings more, shrinks, and skips months."""
    months = len(starts)
    calendar_month = starts.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    level = industry.monthly_yuan * 100.0 * np.exp(1.3 * size - 0.9)
    growth = float(rng.normal(0.08 - 0.12 * stress, 0.12))
    trend = np.exp(growth * (np.arange(months) - months / 2) / 12.0)
    season = SEASONS[industry.season][calendar_month]
    swing = 0.3 * np.exp(0.5 * stress)
    sales = np.asarray(level * trend * season * np.exp(rng.normal(0.0, swing, months)), dtype=np.float64)
    skip_chance = min(0.6, 0.03 * np.exp(0.9 * stress - 0.6 * size))
    sales[rng.random(months) < skip_chance] = 0.0
    if young:
        sales[: max(0, months - int(rng.integers(2, 6)))] = 0.0
    return sales


def _side(
    rng: np.random.Generator,
    plan: Plan,
    starts: NDArray[np.int32],
    side: int,
    lines_a_month: float,
    pool: int,
) -> InvoiceLines:
    """The lines of one side: month by month counts, spread over days, parties, amounts, then red letters and
    voids.
    """
    trading = plan.monthly_fen > 0
    rate = lines_a_month * min(3.0, np.exp(0.45 * plan.size))
    counts = np.where(trading, rng.poisson(rate, len(starts)) + (side == OUT), 0)
    month = np.repeat(np.arange(len(starts)), counts)
    share = 1.0 if side == OUT else plan.industry.purchase_share
    amount = (plan.monthly_fen[month] * share / counts[month]) * np.exp(rng.normal(-0.18, 0.6, len(month)))
    # Whole yuan prices are common on invoices; the rest carry 分.
    fen = np.maximum(np.where(rng.random(len(month)) < 0.3, np.round(amount, -2), np.round(amount)), 100.0)
    net = np.minimum(fen, _NET_CAP_FEN).astype(np.int64)
    day = (starts[month] + rng.integers(0, 28, len(month))).astype(np.int32)
    party = _parties(rng, plan, side, pool)[_party_draw(rng, plan, pool, len(month))]
    void = rng.random(len(month)) < min(0.3, 0.02 * np.exp(0.5 * plan.stress))
    red = (rng.random(len(month)) < min(0.25, 0.015 * np.exp(0.7 * plan.stress))) & ~void
    last_day = starts[-1] + 27
    day = np.concatenate([day, np.minimum(day[red] + 9, last_day).astype(np.int32)])
    net = np.concatenate([net, -net[red]])
    party = np.concatenate([party, party[red]])
    void = np.concatenate([void, np.zeros(int(red.sum()), dtype=np.bool_)])
    return _in_order(plan, side, day, net, party, void)


def _in_order(
    plan: Plan,
    side: int,
    day: NDArray[np.int32],
    net: NDArray[np.int64],
    party: NDArray[np.int64],
    void: NDArray[np.bool_],
) -> InvoiceLines:
    order = np.argsort(day, kind="stable")
    day, net, party, void = day[order], net[order], party[order], void[order]
    per_mille = plan.industry.vat_per_mille
    tax = np.sign(net) * ((np.abs(net) * per_mille + 500) // 1000)
    letter = "YB" if side == OUT else "YA"
    years = day.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    return InvoiceLines(
        side=np.full(len(day), side, dtype=np.int8),
        # Twenty digits like a fully digital invoice: year, 44 for the province, side and firm, running
        # number.
        invoice_no=tuple(
            f"{int(year) % 100:02d}44{side}{plan.number:07d}{number:08d}"
            for number, year in enumerate(years, start=1)
        ),
        day=day,
        counterparty_id=tuple(f"{letter}{int(code):05d}" for code in party),
        net_fen=net,
        tax_fen=tax.astype(np.int64),
        gross_fen=(net + tax).astype(np.int64),
        void=void,
    )


def _parties(rng: np.random.Generator, plan: Plan, side: int, pool: int) -> NDArray[np.int64]:
    """The firm's own counterparties out of the city's pool; stressed and small firms know fewer."""
    return rng.choice(pool, size=_known_parties(plan, pool), replace=False).astype(np.int64) + 1


def _known_parties(plan: Plan, pool: int) -> int:
    return min(pool, int(np.clip(round(14 * np.exp(0.4 * plan.size - 0.3 * plan.stress)), 3, 60)))


def _party_draw(rng: np.random.Generator, plan: Plan, pool: int, lines: int) -> NDArray[np.int64]:
    """Which of the firm's own counterparties each line belongs to: a few large ones, many small ones."""
    known = _known_parties(plan, pool)
    weights = 1.0 / np.arange(1, known + 1) ** (0.7 + 0.15 * np.clip(plan.stress, -2.0, 2.0))
    return rng.choice(known, size=lines, p=weights / weights.sum()).astype(np.int64)


def _merge(sales: InvoiceLines, purchases: InvoiceLines) -> InvoiceLines:
    parts = (purchases, sales)
    return InvoiceLines(
        side=np.concatenate([part.side for part in parts]),
        invoice_no=purchases.invoice_no + sales.invoice_no,
        day=np.concatenate([part.day for part in parts]),
        counterparty_id=purchases.counterparty_id + sales.counterparty_id,
        net_fen=np.concatenate([part.net_fen for part in parts]),
        tax_fen=np.concatenate([part.tax_fen for part in parts]),
        gross_fen=np.concatenate([part.gross_fen for part in parts]),
        void=np.concatenate([part.void for part in parts]),
    )


def _yearly_revenue(lines: InvoiceLines, starts: NDArray[np.int32]) -> int:
    """Net sales (分) of the last twelve months, scaled up when the record is shorter."""
    months = min(12, len(starts))
    counted = (lines.side == OUT) & ~lines.void & (lines.day >= starts[-months])
    return max(0, int(lines.net_fen[counted].sum()) * 12 // months)


def _month_starts(months: int, until: date) -> NDArray[np.int32]:
    """First days of the months, earliest first, in days since 1970-01-01."""
    last = np.datetime64(until, "M")
    return (np.arange(-months + 1, 1) + last).astype("datetime64[D]").astype(np.int64).astype(np.int32)


def _names(firms: int, seed: int) -> list[tuple[str, str, Industry]]:
    """Unique (name, district, industry) of each firm, drawn from streams of their own."""
    industry_weight = np.array([industry.weight for industry in INDUSTRIES])
    district_weight = np.array([weight for _, weight in DISTRICTS])
    if firms > len(TRADE_NAMES) * 10:
        raise ValueError(f"at most {len(TRADE_NAMES) * 10} firms have distinct names")
    taken: set[str] = set()
    found: list[tuple[str, str, Industry]] = []
    for number in range(firms):
        rng = np.random.default_rng([seed, number, 1])
        while True:
            industry = INDUSTRIES[rng.choice(len(INDUSTRIES), p=industry_weight / industry_weight.sum())]
            district = DISTRICTS[rng.choice(len(DISTRICTS), p=district_weight / district_weight.sum())][0]
            trade = TRADE_NAMES[rng.integers(len(TRADE_NAMES))]
            name = f"广州{district.removesuffix('区')}{trade}{industry.word}有限公司{SYNTHETIC_SUFFIX}"
            if name not in taken:
                break
        taken.add(name)
        found.append((name, district, industry))
    return found
