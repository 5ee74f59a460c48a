"""The invoice features by vectorised pandas: the floor of ``scoring.features``, and the other opinion on its values.

Written as one would write them in pandas: ``groupby`` over firm and side, one pivot for the months, no loop over firms.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import polars as pl

from scoring.features.invoice_list import FEATURES, PARTY
from scoring.features.invoices import WINDOW, InvoiceWindow

PURCHASE, SALES = 0, 1
BOOK = ["firm", "side"]


def as_pandas(lines: pl.DataFrame) -> pd.DataFrame:
    """The lines as pandas holds them."""
    columns = {name: lines[name].to_numpy() for name in lines.columns}
    return pd.DataFrame({**columns, "day": columns["day"].astype("datetime64[s]")})


def compute(lines: pd.DataFrame, as_of: date, window: InvoiceWindow = WINDOW) -> pd.DataFrame:
    """As ``scoring.features.invoices.compute``, indexed by firm. ``lines``: the same columns, ``day`` as datetime64."""
    known = lines[lines["day"] <= pd.Timestamp(as_of)]
    after = pd.Timestamp(as_of) + pd.Timedelta(days=1)
    last = after.year * 12 + after.month - 2
    known = known.assign(age=last - (known["day"].dt.year * 12 + known["day"].dt.month - 1))
    firms = pd.Index(np.sort(known["firm"].unique()), name="firm")
    books = pd.MultiIndex.from_product([firms, [PURCHASE, SALES]], names=BOOK)
    valid = known[~known["void"]]
    inside = valid[(valid["age"] >= 0) & (valid["age"] < max(window.look_back_months, window.long_months))]
    told = _of_side(known, valid, inside, books, as_of, window)
    seen = valid.groupby(BOOK).size().reindex(books, fill_value=0) > 0
    told = told.where(seen, np.nan)
    wide: dict[str, pd.Series] = {}
    for side, code in (("sales", SALES), ("purchase", PURCHASE)):
        of_side = told.xs(code, level="side")
        wide |= {name.format(side=side, party=PARTY[side]): of_side[name] for name in told.columns}
    both = seen.xs(PURCHASE, level="side") & seen.xs(SALES, level="side")
    joint = _joint(valid, inside, books, window).where(both, np.nan)
    return pd.concat([pd.DataFrame(wide), joint], axis=1)[[feature.name for feature in FEATURES]]


def _of_side(
    known: pd.DataFrame, valid: pd.DataFrame, inside: pd.DataFrame, books: pd.MultiIndex, as_of: date, window: InvoiceWindow
) -> pd.DataFrame:
    year = window.recent_months
    recent = inside[inside["age"] < year]
    deals = recent[recent["net_fen"] > 0]
    dealt = valid[valid["net_fen"] > 0]
    by_deal = deals.groupby(BOOK)["net_fen"]
    monthly, active = _months(inside, books, window)
    total = monthly.iloc[:, :year].sum(axis=1)
    before = monthly.iloc[:, year : window.look_back_months].sum(axis=1)
    known_before = active.iloc[:, year : window.look_back_months].sum(axis=1) >= window.least_months
    count, net = by_deal.size().reindex(books, fill_value=0), by_deal.sum().reindex(books, fill_value=0)
    lines = recent.groupby(BOOK).size().reindex(books, fill_value=0)
    voided = known[known["void"] & (known["age"] >= 0) & (known["age"] < year)].groupby(BOOK).size().reindex(books, fill_value=0)
    month_end = deals["day"].dt.days_in_month - deals["day"].dt.day < window.month_end_days
    low = deals["tax_fen"] < window.low_rate * deals["net_fen"]
    rounded = (deals["gross_fen"] % window.round_fen == 0).groupby([deals["firm"], deals["side"]]).sum()
    median, ninth = _quantile(deals, count, 5), _quantile(deals, count, 9)
    long = monthly.iloc[:, : window.long_months]
    out = pd.DataFrame({
        "{side}_monthly": _log_yuan(total / year),
        "{side}_lines": lines.astype(float),
        "{side}_long_monthly": _log_yuan(long.sum(axis=1) / window.long_months),
        "{side}_ticket": _log_yuan(_ratio(net, count)),
        "{side}_round_share": _ratio(rounded.reindex(books, fill_value=0), count),
        "{side}_ticket_spread": (by_deal.std(ddof=0) / by_deal.mean()).reindex(books).clip(upper=window.most_ratio),
        "{side}_ticket_reach": _ratio(ninth, median).clip(upper=window.most_ratio),
        "{side}_growth": _change(total, before.where(known_before, 0.0), window),
        "{side}_recent_trend": _change(
            monthly.iloc[:, : window.trend_months].mean(axis=1), monthly.iloc[:, window.trend_months : year].mean(axis=1), window
        ),
        "{side}_volatility": _volatility(monthly.iloc[:, :year]),
        "{side}_peak_share": _peak(monthly.iloc[:, :year]),
        "{side}_long_volatility": _volatility(long),
        "{side}_long_peak_share": _peak(long),
        "{side}_long_active_months": active.iloc[:, : window.long_months].sum(axis=1).astype(float),
        "{side}_active_months": active.iloc[:, :year].sum(axis=1).astype(float),
        "{side}_longest_gap": _longest_gap(inside[inside["age"] < window.look_back_months], books),
        "{side}_history_months": (valid.groupby(BOOK)["age"].max().reindex(books) + 1).clip(0, window.history_months),
        "days_since_{side}": (pd.Timestamp(as_of) - dealt.groupby(BOOK)["day"].max().reindex(books)).dt.days,
        "{side}_red_ratio": _ratio(net - total, net),
        "{side}_void_ratio": _ratio(voided, voided + lines),
        "{side}_tax_rate": _ratio(recent.groupby(BOOK)["tax_fen"].sum().reindex(books, fill_value=0), total),
        "{side}_low_rate_share": _ratio(deals[low].groupby(BOOK)["net_fen"].sum().reindex(books, fill_value=0), net),
        "{side}_month_end_share": _ratio(deals[month_end].groupby(BOOK)["net_fen"].sum().reindex(books, fill_value=0), net),
    }, index=books)
    return pd.concat([out, _rhythm(deals, books, as_of, window), _parties(inside, books, known_before, window)], axis=1)


def _months(inside: pd.DataFrame, books: pd.MultiIndex, window: InvoiceWindow) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Net turnover, and whether there was a deal, by book and month."""
    ages = range(max(window.look_back_months, window.long_months))
    monthly = inside.groupby([*BOOK, "age"])["net_fen"].sum().unstack(fill_value=0)
    deals = inside[inside["net_fen"] > 0].groupby([*BOOK, "age"]).size().unstack(fill_value=0)
    return monthly.reindex(index=books, columns=ages, fill_value=0).astype(float), deals.reindex(
        index=books, columns=ages, fill_value=0) > 0


def _rhythm(deals: pd.DataFrame, books: pd.MultiIndex, as_of: date, window: InvoiceWindow) -> pd.DataFrame:
    end = (pd.Timestamp(as_of) + pd.Timedelta(days=1)).to_period("M").to_timestamp()
    days = deals[[*BOOK, "day"]].drop_duplicates().sort_values([*BOOK, "day"])
    silence = days.groupby(BOOK)["day"].diff().dt.days
    length = (end - (end - pd.DateOffset(months=window.recent_months))).days
    return pd.DataFrame({
        "{side}_days": days.groupby(BOOK).size().reindex(books, fill_value=0) / length,
        "{side}_longest_silence": silence.groupby([days["firm"], days["side"]]).max().reindex(books),
    }, index=books)


def _parties(inside: pd.DataFrame, books: pd.MultiIndex, known_before: pd.Series, window: InvoiceWindow) -> pd.DataFrame:
    deals = inside[(inside["net_fen"] > 0) & (inside["age"] < window.look_back_months)]
    now = deals["age"] < window.recent_months
    key = [*BOOK, "counterparty"]
    by = pd.DataFrame({
        "recent": deals[now].groupby(key)["net_fen"].sum(),
        "before": deals[~now].groupby(key)["net_fen"].sum(),
        "months": deals.loc[now, [*key, "age"]].drop_duplicates().groupby(key).size(),
    }).fillna(0)
    grouped = by.groupby(level=BOOK)
    total, total_before = (grouped[name].sum().reindex(books, fill_value=0) for name in ("recent", "before"))
    count = (by["recent"] > 0).groupby(level=BOOK).sum().reindex(books, fill_value=0)
    count_before = (by["before"] > 0).groupby(level=BOOK).sum().reindex(books, fill_value=0)
    share = by["recent"] / grouped["recent"].transform("sum")
    ordered = by[by["recent"] > 0].sort_values("recent", ascending=False).groupby(level=BOOK)["recent"]
    entropy = -(share * np.log(share.where(share > 0, 1.0))).groupby(level=BOOK).sum().reindex(books)

    def summed(column: pd.Series) -> pd.Series:
        return column.groupby(level=BOOK).sum().reindex(books, fill_value=0)

    return pd.DataFrame({
        "{party}_count": count.astype(float),
        "{party}_effective": np.exp(entropy).where(count > 0),
        "{party}_top1_share": _ratio(ordered.head(1).groupby(level=BOOK).sum().reindex(books, fill_value=0), total),
        "{party}_top5_share": _ratio(ordered.head(window.top).groupby(level=BOOK).sum().reindex(books, fill_value=0), total),
        "{party}_hhi": summed(share**2).where(count > 0),
        "{party}_repeat_share": _ratio(summed(by["recent"].where(by["before"] > 0, 0)), total.where(count_before > 0, 0)),
        "{party}_lost_share": _ratio(summed(by["before"].where(by["recent"] == 0, 0)), total_before),
        "{party}_loyal_share": _ratio(summed(by["recent"].where(by["months"] >= window.loyal_months, 0)), total),
        "{party}_growth": _change(count, count_before.where(known_before, 0), window),
    }, index=books)


def _joint(valid: pd.DataFrame, inside: pd.DataFrame, books: pd.MultiIndex, window: InvoiceWindow) -> pd.DataFrame:
    year, months = window.recent_months, window.look_back_months
    monthly, active = _months(inside, books, window)
    bought, sold = (monthly.xs(side, level="side").iloc[:, :months] for side in (PURCHASE, SALES))
    tax = inside[inside["age"] < year].groupby(BOOK)["tax_fen"].sum().reindex(books, fill_value=0)
    sold_year, bought_year = sold.iloc[:, :year].sum(axis=1), bought.iloc[:, :year].sum(axis=1)
    both = active.xs(PURCHASE, level="side").iloc[:, :year] & active.xs(SALES, level="side").iloc[:, :year]
    length = (valid.groupby("firm")["age"].max() + 1).clip(upper=months).reindex(bought.index)
    within = np.arange(months) < length.to_numpy()[:, None]
    left, right = (frame.where(within).sub(frame.where(within).mean(axis=1), axis=0) for frame in (bought, sold))
    scale = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    vat = _ratio(tax.xs(SALES, level="side") - tax.xs(PURCHASE, level="side"), sold_year)
    return pd.DataFrame({
        "both_active_months": both.sum(axis=1).astype(float),
        "purchase_sales_ratio": _ratio(bought_year, sold_year).clip(0.0, window.most_ratio),
        "overbuying_months": (bought.iloc[:, :year] > sold.iloc[:, :year]).sum(axis=1).astype(float),
        "net_vat_ratio": vat.clip(-1.0, 1.0),
        "purchase_sales_correlation": _ratio((left * right).sum(axis=1), scale).where(length >= window.least_months),
        "purchase_lead": _mean_age(bought.iloc[:, :year]) - _mean_age(sold.iloc[:, :year]),
    })


def _quantile(deals: pd.DataFrame, count: pd.Series, tenths: int) -> pd.Series:
    """The smallest amount that so many tenths of the lines do not exceed."""
    ordered = deals.sort_values("net_fen")
    rank = ordered.groupby(BOOK).cumcount() + 1
    wanted = np.ceil(count * tenths / 10).clip(lower=1).rename("wanted")
    at = ordered[BOOK].join(wanted, on=BOOK)["wanted"] == rank
    return ordered[at].set_index(BOOK)["net_fen"].reindex(count.index)


def _longest_gap(inside: pd.DataFrame, books: pd.MultiIndex) -> pd.Series:
    months = inside.loc[inside["net_fen"] > 0, [*BOOK, "age"]].drop_duplicates().sort_values([*BOOK, "age"])
    gap = (months.groupby(BOOK)["age"].diff() - 1).fillna(0)
    return gap.groupby([months["firm"], months["side"]]).max().reindex(books)


def _ratio(part: pd.Series, whole: pd.Series) -> pd.Series:
    return part / whole.where(whole > 0)


def _log_yuan(fen: pd.Series) -> pd.Series:
    return np.log10(1 + fen.clip(lower=0) / 100)


def _change(now: pd.Series, before: pd.Series, window: InvoiceWindow) -> pd.Series:
    return (_ratio(now, before) - 1).clip(-1.0, window.most_growth)


def _volatility(monthly: pd.DataFrame) -> pd.Series:
    return _ratio(monthly.std(axis=1, ddof=0), monthly.mean(axis=1))


def _peak(monthly: pd.DataFrame) -> pd.Series:
    return _ratio(monthly.max(axis=1), monthly.clip(lower=0).sum(axis=1))


def _mean_age(monthly: pd.DataFrame) -> pd.Series:
    positive = monthly.clip(lower=0)
    return _ratio((positive * np.arange(positive.shape[1])).sum(axis=1), positive.sum(axis=1))
