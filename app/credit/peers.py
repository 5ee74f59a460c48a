"""Where a firm stands among firms of its industry and size. The database counts; no other firm's value leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import text

from app.core.charts import Series
from app.core.database import session
from app.core.dials import Web
from app.core.pages import Text
from scoring.features.registry import by_name


@dataclass(frozen=True, slots=True)
class Comparing:
    """``least``: firms beside this one, below which nothing is told; ``most``: firms read. Proposals."""

    least: int = 10
    most: int = 1000
    axes: int = 3


COMPARING = Comparing()

DIMENSIONS: Final[Mapping[str, tuple[Text, tuple[str, ...]]]] = {
    "size": (_l("规模"), ("sales_monthly", "tax_sales", "insured_heads", "cash_inflow")),
    "growth": (_l("增长"), ("sales_growth", "power_trend", "tax_sales_growth", "insured_trend", "cash_inflow_growth")),
    "steady": (_l("平稳"), ("sales_volatility", "power_volatility", "tax_sales_swing", "cash_swings", "sales_longest_gap")),
    "spread": (_l("客户分散"), ("buyer_hhi", "buyer_top1_share", "buyer_count", "supplier_hhi")),
    "payment": (_l("按时缴费申报"), (
        "power_late_share", "water_late_share", "gas_late_share", "tax_on_time", "insurance_late_share", "fund_late_share",
    )),
    "record": (_l("登记与司法"), (
        "years_open", "reports_on_time", "penalties_open", "cases_against", "enforcement_open", "lists_open",
    )),
}
"""The axes: features whose better direction is declared, each standing for its share of firms that do worse."""


@dataclass(frozen=True, slots=True)
class Peers:
    """``shares``: per axis the share (0 to 100) of similar firms that do worse, the median firm has 50. Each feature is told in
    quarters and ``firms`` as a round number that there are at least, so that no single other firm shows.
    """

    firms: int
    shares: Mapping[str, Decimal | None]


_STANDING = text("select feature, peers, quarter from hq_profile_peers(:names, :least, :most)")


def peers(comparing: Comparing = COMPARING) -> Peers | None:
    """How the actor's own firm stands; ``None`` where fewer than ``least`` firms of its industry and size have a score."""
    names = [name for _, features in DIMENSIONS.values() for name in features]
    values = {"names": names, "least": comparing.least, "most": comparing.most}
    told = {row.feature: row for row in session().execute(_STANDING, values)}
    shares = {axis: _share([told[name] for name in features if name in told]) for axis, (_, features) in DIMENSIONS.items()}
    if sum(share is not None for share in shares.values()) < comparing.axes:
        return None
    return Peers(max(row.peers for row in told.values()), shares)


def _share(rows: list[tuple[str, int, int]]) -> Decimal | None:
    """The mean over the features that are known."""
    if not rows:
        return None
    worse = [quarter if by_name(name).direction > 0 else 4 - quarter for name, _, quarter in rows]
    return (Decimal(25 * sum(worse)) / len(worse)).quantize(Decimal(1))


def web(found: Peers) -> Web:
    """The drawing."""
    labels = [label for label, _ in DIMENSIONS.values()]
    return Web(
        gettext("与同行业、同规模的至少 %(count)d 家企业相比", count=found.firms), labels,
        [Series(gettext("本企业"), list(found.shares.values())), Series(gettext("中位数"), [50] * len(labels))],
        unit=gettext("不如本企业的百分比"), axis=gettext("方面"),
    )
