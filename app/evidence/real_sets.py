"""What lies in the folder of real data: which files are deliveries, of which item, and whom their rows are about.

The folder's own READMEs are the source. Firms in it are masked; each gets a synthetic social credit code, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.core.paths import ReadableError
from app.evidence.items import ITEMS
from app.evidence.rules import INVOICES

KINDS = (".parquet", ".csv", ".xlsx")
LABELS = {
    "cumcm2020c": "CUMCM 2020 C 题附件（真实脱敏数据）",
    "tianchi_power": "天池电力竞赛 2017（真实脱敏数据）",
    "bdci2020": "CCF BDCI 2020（真实脱敏数据）",
}
"""Folders of the real data that are deliveries in nature, and what pages call them."""
_ITEM_OF_NAME = {"invoices": INVOICES, "daily_power": "electricity_daily", "annual_reports": "annual_reports",
                 "tax_ledger": "tax_ledger"}
_METER_FIRM = "T"
"""Before the number of a firm in the power set: its numbers are short and would be taken for others."""


@dataclass(frozen=True)
class Source:
    """A file and the item it delivers."""

    file: Path
    item: str


def real_folders(root: Path) -> list[Path]:
    """The sets that are there."""
    return [root / name for name in LABELS if (root / name).is_dir()]


def label_of(path: Path) -> str:
    """Where data come from, as pages say it."""
    folder = path.name if path.is_dir() else path.parent.name
    return LABELS.get(folder, path.name)


def is_delivery(name: str) -> bool:
    """Whether a file's name tells an item."""
    return _found(name) is not None


def item_of(name: str) -> str:
    """The item a file's name begins with. Raises ``ReadableError`` where it tells none."""
    found = _found(name)
    if found is None:
        raise ReadableError(f"{name} does not tell its item; say it with --item ({', '.join((INVOICES, *ITEMS))}).")
    return found


def _found(name: str) -> str | None:
    stem = name.rsplit(".", 1)[0].lower()
    for start, item in sorted((_ITEM_OF_NAME | {code: code for code in ITEMS}).items(), key=lambda pair: -len(pair[0])):
        if stem == start or stem.startswith((f"{start}_", f"{start}-", f"{start}.")):
            return item
    return None


def masked_firms(source: Source) -> set[str]:
    """Codes of the firms of a set that has no list of firms."""
    if source.file.suffix != ".parquet" or "firm_id" not in pl.scan_parquet(source.file).collect_schema():
        return set()
    keys = pl.scan_parquet(source.file).select(pl.col("firm_id").cast(pl.String)).unique().collect().to_series().to_list()
    return {f"{_METER_FIRM}{key}" for key in keys} if source.item == "electricity_daily" else set(keys)


def links_of(source: Source) -> pl.DataFrame | None:
    """Meters and firms of a set whose rows know a meter by the number of its firm; ``None`` for all others."""
    if source.item != "electricity_daily" or not masked_firms(source):
        return None
    return pl.scan_parquet(source.file).group_by(pl.col("firm_id").cast(pl.String).alias("account_no")).agg(
        pl.col("date").min().alias("valid_from"),
    ).with_columns(
        (pl.lit(_METER_FIRM) + pl.col("account_no")).alias("uscc"), pl.lit("own").alias("basis"),
    ).sort("account_no").collect()
