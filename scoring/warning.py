"""``python -m scoring.warning --data DIR``: what daily power use tells about seasons and about firms that stop."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from scoring.power_seasons import PROFILE, Seasons, Standing, read_power, seasons, standing
from scoring.power_stops import Watch, evaluate


def report(path: Path) -> str:
    """The whole report on a folder with ``daily_power.parquet`` as text. Raises ValueError for data that cannot be judged."""
    grid = read_power(path)
    told = standing(grid)
    lines = [_standing_lines(told), _season_lines(seasons(grid.only(told.judged))), _watch_lines(evaluate(grid))]
    return "\n\n".join(lines)


def _standing_lines(told: Standing) -> str:
    return (
        f"firms {len(told.closed)}: closed in the last days {told.closed.sum()}, of them never ran (not metered) "
        f"{told.never.sum()}, ran long enough and stopped {told.stopped.sum()}; judged {told.judged.sum()}"
    )


def _season_lines(found: Seasons) -> str:
    dips = [f"{year}: {found.festival[:, i][np.isfinite(found.festival[:, i])].size} firms, median "
            f"{np.nanmedian(found.festival[:, i]):.2f}" for i, year in enumerate(found.years)]
    around = [
        f"  {offset:+d} d  " + "  ".join(f"{found.profile[i, offset + PROFILE]:.2f}" for i in range(len(found.years)))
        for offset in range(-20, 25, 4)
    ]
    summers = ", ".join(f"{year}: {np.nanmedian(found.summer[:, i]):.2f}" for i, year in enumerate(found.years))
    return "\n".join([
        "Spring Festival, use about the lunar new year as a share of the weeks around: " + "; ".join(dips),
        f"  follow it strongly {found.follows_festival.mean():.0%} of firms; rank correlation of a firm's two dips "
        f"{found.repeatability():.2f}",
        "  park by days from the new year (" + ", ".join(map(str, found.years)) + "):", *around,
        "week, Monday to Sunday: " + " ".join(f"{one:.2f}" for one in found.week)
        + f"; Sundays under 80 % of other days at {found.follows_week.mean():.0%} of firms",
        f"summer, July and August against April and May: {summers}; over 125 % each year: "
        f"{found.follows_summer.mean():.0%} of firms",
    ])


def _watch_lines(watch: Watch) -> str:
    head = (
        f"stops: {watch.stopped} firms stopped; {watch.others} others watched for {watch.firm_years:,.0f} firm-years; thresholds "
        "chosen on one half of the firms, measured on the other\n"
        "  score     budget  warned ≥ 30 d ahead (5–95 % of splits)  false alarms/100 firm-years  time others stand warned"
    )
    rows = [
        f"  {name:9s} {one.budget:6.0f}  {one.warned:6.0%} ({one.warned_low:.0%}–{one.warned_high:.0%}) {one.false_alarms:37.1f} "
        f"{one.under_warning:27.0%}"
        for name, points in watch.curves.items() for one in points
    ]
    return "\n".join([head, *rows])


def main(arguments: list[str] | None = None) -> None:
    """Prints the report."""
    parser = argparse.ArgumentParser(prog="python -m scoring.warning", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with daily_power.parquet")
    print(report(parser.parse_args(arguments).data))


if __name__ == "__main__":
    main()
