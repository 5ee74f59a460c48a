"""The matching round's arithmetic: 20,000 needs, 300 products, each need fit for 30 of them; seconds, memory and growth.

Ours goes from scores to the outcome: every product's ranking, then deferred acceptance with seats, money and a reserve for
first-time borrowers. The floor is what merely ranking costs: one numpy argsort of the same scores. Products differ in how much
they are sought after, and there are seats for less than half of the needs, so that most needs are turned away often. Each size
runs in a process of its own; times are processor time, the median of five. Memory is what numpy and Python hold at most, in a
run that is not timed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from statistics import median

import numpy as np

from app.market.matching import Doors, Outcome, Wishes, match, places
from benchmarks.measure import Result

SIZES = (5_000, 10_000, 20_000)
PRODUCTS, LISTED, SEED, TIMES = 300, 30, 20261126, 5
WAN = 1_000_000


def run() -> list[Result]:
    """The table; the largest size against its floor, and how time grows from the smallest to the largest."""
    told = [_in_its_own_process(size) for size in SIZES]
    print(f"{'needs':>8} {'seconds':>9} {'argsort':>9} {'matched':>8} {'runs':>5} {'rounds':>7} {'MB':>5}")
    for size, one in zip(SIZES, told, strict=True):
        print(f"{size:>8,} {one['seconds']:>9.3f} {one['floor']:>9.4f} {one['matched']:>8.1%} {one['runs']:>5.0f} "
              f"{one['rounds']:>7.0f} {one['peak']:>5.0f}", flush=True)
    first, last = told[0], told[-1]
    return [
        Result("market.matching", f"{last['seconds']:.3f}s", f"{last['floor']:.4f}s", last["seconds"] / last["floor"]),
        Result("market.matching_growth", f"{last['seconds']:.3f}s", f"{first['seconds']:.3f}s",
               last["seconds"] / first["seconds"]),
    ]


def _in_its_own_process(size: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.market_matching", str(size)], check=True, stdout=subprocess.PIPE, text=True
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def measure(needs: int) -> dict[str, float]:
    """Processor seconds (median) of ours and of the floor, the share matched, and memory (MB)."""
    chance = np.random.default_rng(SEED)
    taste = chance.normal(size=PRODUCTS) + chance.normal(size=(needs, PRODUCTS))
    product = np.argsort(-taste, axis=1)[:, :LISTED].astype(np.int64).ravel()
    score = np.clip(chance.normal(60, 12, (needs, 1)) + chance.normal(0, 8, (needs, LISTED)), 0, 100).astype(np.int64).ravel()
    tie = np.repeat(chance.permutation(needs), LISTED)
    asked = np.repeat(chance.integers(10, 1_000, needs) * WAN, LISTED)
    first = chance.random(needs) < 0.28
    seats = np.maximum(5, chance.integers(20, 60, PRODUCTS) * needs // 20_000)
    doors = Doors.sharing(seats, seats // 5, seats * 400 * WAN)
    starts = np.arange(needs + 1) * LISTED

    def ours() -> Outcome:
        return match(Wishes(starts, product, places(product, score, tie), asked, first), doors)

    spent, floors = [], []
    for _ in range(TIMES):
        floors.append(_seconds(lambda: np.argsort(score)))
        spent.append(_seconds(ours))
    tracemalloc.start()
    outcome = ours()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    matched = float((outcome.row >= 0).mean())
    assert 0.3 < matched < 0.7, matched
    return {"seconds": median(spent), "floor": median(floors), "matched": matched, "runs": outcome.runs,
            "rounds": outcome.rounds, "peak": peak}


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
