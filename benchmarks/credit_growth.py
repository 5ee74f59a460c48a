"""Ten times the firms: time and memory from facts in memory to features, scores and reasons, in chunks.

A synthetic city comes block by block, each block is scored and let go; each size runs in a process of its own. Making the city is
not timed, though its memory counts. Invoices are the lines of a few hundred firms over and over. Memory is bounded by the chunk,
so that the largest size may take no more than a quarter more than the smallest. ``BENCH_SIZES`` sets other sizes (1000000 too).
Times are processor time.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.credit_one import MONTHS, SEED, city_model
from benchmarks.measure import Result
from scoring.city.stored import stored_blocks, stored_invoices
from scoring.features.compute import compute
from scoring.features.registry import FEATURES, NAMES
from scoring.model import Model
from scoring.reasons import account_table
from scoring.synthetic import LAST_MONTH_END

SIZES = tuple(int(size) for size in os.environ.get("BENCH_SIZES", "10000,100000").split(","))
DRAWN = 400
MEMORY_TARGET = 1.25
AS_OF = LAST_MONTH_END + timedelta(days=25)


def run() -> list[Result]:
    """The table, and how flat speed and memory are from the smallest to the largest size."""
    with tempfile.TemporaryDirectory(prefix="huiqiao-bench-") as folder:
        path = Path(folder) / "model.json"
        city_model().save(path)
        told = [_in_its_own_process(size, path) for size in SIZES]
    print(f"{'firms':>10} {'seconds':>9} {'features':>9} {'score and reasons':>18} {'firms/s':>9} {'peak MB':>8}")
    for size, one in zip(SIZES, told, strict=True):
        print(f"{size:>10,} {one['total']:>9.1f} {one['features']:>9.1f} {one['reasons']:>18.1f} "
              f"{size / one['total']:>9,.0f} {one['peak']:>8,.0f}", flush=True)
    speeds = [size / one["total"] for size, one in zip(SIZES, told, strict=True)]
    first, last = told[0]["peak"], told[-1]["peak"]
    return [
        Result("credit.growth_speed", f"{speeds[-1]:,.0f}/s", f"{speeds[0]:,.0f}/s", speeds[-1] / speeds[0]),
        Result("credit.growth_memory", f"{last:,.0f}MB", f"{first:,.0f}MB", last / first, MEMORY_TARGET, at_least=False),
    ]


def _in_its_own_process(size: int, model: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.credit_growth", str(size), str(model)], check=True, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def _chunks(firms: int) -> Iterator[tuple[dict[str, pl.DataFrame], list[int]]]:
    """The city with its invoices, a block at a time."""
    drawn = stored_invoices(min(DRAWN, firms), MONTHS, SEED, as_of=AS_OF)
    for frames, listed in stored_blocks(firms, MONTHS, SEED, as_of=AS_OF):
        numbers = listed["firm"].to_list()
        frames["invoices"] = pl.concat(
            drawn.with_columns(pl.col("firm") + low) for low in range(numbers[0] - 1, numbers[-1], DRAWN)
        ).filter(pl.col("firm") <= numbers[-1])
        yield frames, numbers


def measure(size: int, model: Model) -> dict[str, float]:
    """Processor seconds by phase and the process's peak memory (MB)."""
    columns = model.place(NAMES)
    features = [FEATURES[column] for column in columns]
    spent = dict.fromkeys(("features", "reasons"), 0.0)
    scored = 0
    for frames, numbers in _chunks(size):
        times = [time.process_time()]
        matrix = compute(frames, np.array(numbers), AS_OF)
        rows = np.ascontiguousarray(matrix.values[~matrix.insufficient][:, columns])
        times.append(time.process_time())
        told = account_table(model, features, rows)
        times.append(time.process_time())
        scored += len(told.shown)
        for phase, seconds in zip(spent, np.diff(times).tolist(), strict=True):
            spent[phase] += seconds
    assert scored > size // 2, scored
    return {**spent, "total": sum(spent.values()), "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), Model.load(Path(sys.argv[2])))))
