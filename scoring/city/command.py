"""What ``python -m scoring synthesise`` does: a synthetic city as delivery files."""

from __future__ import annotations

import argparse
import os
import resource
import time
from datetime import date
from pathlib import Path

from scoring.city import ITEMS
from scoring.synthetic import LAST_MONTH_END


def add_arguments(command: argparse.ArgumentParser, seed: int) -> None:
    """The options of the command; ``seed`` is the default one."""
    command.add_argument("--firms", type=int, default=200)
    command.add_argument("--months", type=int, default=24)
    command.add_argument("--seed", type=int, default=seed)
    command.add_argument("--until", type=date.fromisoformat, default=LAST_MONTH_END, help="a day of the last month")
    command.add_argument("--out", type=Path, required=True, help="folder to write to")
    command.add_argument("--items", type=lambda text: text.split(","), default=list(ITEMS), help=f"some of: {','.join(ITEMS)}")
    command.add_argument("--invoices", action="store_true", help="also invoice lines (small cities only)")
    command.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes of a large city")


def synthesise(options: argparse.Namespace) -> None:
    """Write the city that was ordered and tell rows, speed and memory. Raises ValueError for an impossible city, OSError."""
    from scoring.city.files import CityOrder, Written, write_city

    order = CityOrder(options.firms, options.months, options.seed, options.until, items=tuple(options.items))
    began = time.perf_counter()

    def told(done: int, written: Written) -> None:
        rate = sum(written.rows.values()) / (time.perf_counter() - began)
        print(f"part {done} of {order.parts}: {sum(written.rows.values()):,} rows, {rate:,.0f} rows/s", flush=True)

    written = write_city(order, options.out, jobs=options.jobs, progress=told)
    for item, rows in written.rows.items():
        print(f"{item:22}{rows:>14,} rows {written.size[item] / 1e6:>10,.1f} MB")
    print(
        f"{options.firms} synthetic firms written to {options.out} in {time.perf_counter() - began:.1f} s; "
        f"peak memory {_peak_mb():,.0f} MB in the largest process."
    )
    if options.invoices:
        _synthesise_invoices(options)


def _synthesise_invoices(options: argparse.Namespace) -> None:
    from scoring.city import city
    from scoring.city.invoices import firms_with_invoices
    from scoring.delivery_files import write_firms

    firms = firms_with_invoices(options.firms, options.months, options.seed, until=options.until)
    listed = city(options.firms, options.months, options.seed, until=options.until, items=["firms"])["firms"]
    lines = write_firms(firms, options.out, listed["uscc"].to_list())
    print(f"{len(firms)} synthetic firms with {lines:,} invoice lines written to {options.out}.")


def _peak_mb() -> float:
    """Largest resident memory (MB) that this process or any of its children had."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1000
