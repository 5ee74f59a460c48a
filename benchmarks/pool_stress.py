"""A stress test of 10,000 years over 100,000 loans, against drawing its random numbers alone.

Ours: draws, defaults, losses, compensation under one rule set, stop lines of 30 banks, the budget, and what is summed up.
Floor: the same generator draws one number a loan and year into one array; the second draw of the loans gone bad, a few
hundredths of that, is left out to our loss. Both in one thread, by turns; processor time, best of two turns. Two rule sets on
the same draws, and the peak of memory, are reported beside it.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from app.core.money import WAN
from app.pool.rules import RULE_2025, Mode, RatioFacts
from app.pool.stress_rules import Assumptions, Loans, simulate, terms_of, verdict
from benchmarks.measure import Result

LOANS, YEARS, BANKS, TARGET = 100_000, 10_000, 30, 3.0


def portfolio(number: int, seed: int = 1) -> tuple[Loans, list[RatioFacts]]:
    """Made-up loans of the size of a good year: 5 to 500 万元, six grades, thirty banks."""
    random = np.random.default_rng(seed)
    grade = np.sort(random.choice(6, number, p=(0.2, 0.3, 0.25, 0.12, 0.03, 0.1))).astype(np.int8)
    amount = (np.exp(random.normal(3.6, 0.9, number)).clip(5, 2900) * WAN).astype(np.int64)
    payee = random.integers(0, BANKS, number)
    booked = np.bincount(payee, weights=amount, minlength=BANKS).astype(np.int64)
    listed = random.random(number) < 0.2
    facts = [RatioFacts(Mode.BANK, int(fen), bool(one)) for fen, one in zip(amount, listed, strict=True)]
    return Loans(amount * 7 // 10, grade, payee, np.zeros(number, np.bool_), booked), facts


def run() -> list[Result]:
    loans, facts = portfolio(LOANS)
    one, assumed = terms_of(facts, RULE_2025), Assumptions()
    simulate(loans, [one], assumed, 20, 0)  # imports and tables
    ours, floor = [], []
    bad = 0.0
    for seed in (1, 2):
        seconds, years = _timed(partial(simulate, loans, [one], assumed, YEARS, seed))
        ours.append(seconds)
        bad = float(verdict(years[0], 1).loss.mean)
        floor.append(_timed(partial(_draw, seed))[0])
    two, _ = _timed(lambda: simulate(loans, [one, one], assumed, YEARS, 1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{YEARS:,} years x {LOANS:,} loans: ours {min(ours):.1f} s, two rule sets {two:.1f} s, draws {min(floor):.1f} s; mean "
          f"loss {bad / 100 / 1e8:.2f} 亿元 a year; peak memory of the process {peak:.0f} MB", flush=True)
    return [Result("pool.stress", f"{min(ours):.2f}s", f"{min(floor):.2f}s", min(ours) / min(floor), TARGET, at_least=False)]


def _draw(seed: int) -> None:
    random, draws = np.random.Generator(np.random.SFC64(seed)), np.empty(LOANS, np.float32)
    random.standard_normal(YEARS)
    for _ in range(YEARS):
        random.random(out=draws, dtype=np.float32)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.thread_time()
    answer = work()
    return time.thread_time() - start, answer
