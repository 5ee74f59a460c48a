"""Which claims are audited in full: a sample that anybody can draw again from its seed.

A claim's chance comes from its own number and the seed alone, never from the order of the list: each takes a uniform number
``u`` from SHA-256(seed, claim), its key is ``-ln(u) / weight``, and the smallest keys are drawn (Efraimidis and Spirakis 2006,
weighted sampling without replacement). With every weight 1 each claim has the same chance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from enum import StrEnum

from app.core.working import N_

EXACT = Context(prec=40)
"""``ln`` of the decimal module is correctly rounded, so that every machine draws the same."""
PLACES = Decimal("1e-20")


class SampleMethod(StrEnum):
    """How a sample is drawn."""

    RANDOM = "RANDOM"
    RISK = "RISK"

    @property
    def label(self) -> str:
        """Chinese name."""
        return N_("随机抽样") if self is SampleMethod.RANDOM else N_("按风险加权抽样")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A claim that may be drawn: its id as text, and how many flags are raised on it."""

    id: str
    flags: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A candidate with its weight and key, in the order of the draw; ``chosen`` are the first of them."""

    id: str
    weight: int
    key: Decimal
    chosen: bool


def weight_of(flags: int, method: SampleMethod, flag_weight: int) -> int:
    """1, and by risk ``flag_weight`` more for each raised flag."""
    return 1 if method is SampleMethod.RANDOM else 1 + flags * flag_weight


def key_of(claim_id: str, seed: int, weight: int) -> Decimal:
    """The key of a claim under a seed: the smaller, the earlier it is drawn. Raises ``ValueError`` for a weight below 1."""
    if weight < 1:
        raise ValueError("a claim weighs at least 1")
    digest = hashlib.sha256(f"{seed}:{claim_id}".encode()).digest()
    uniform = EXACT.divide(Decimal(int.from_bytes(digest) + 1), Decimal(2**256 + 1))
    return EXACT.divide(-EXACT.ln(uniform), Decimal(weight)).quantize(PLACES)


def sample_size(population: int, share: Decimal) -> int:
    """How many of a population are drawn by a share: rounded up, so that a small list still gives one."""
    return min(population, int((population * share).to_integral_value(ROUND_CEILING)))


def draw(population: Sequence[Candidate], size: int, seed: int, method: SampleMethod, flag_weight: int) -> list[Drawn]:
    """Everybody in the order of the draw; the first ``size`` are chosen. The same input gives the same draw.

    Raises ``ValueError`` for a size that is negative or larger than the population.
    """
    if not 0 <= size <= len(population):
        raise ValueError("a sample is no larger than what it is drawn from")
    keyed = sorted(
        (key_of(one.id, seed, weight), one.id, weight)
        for one in population for weight in (weight_of(one.flags, method, flag_weight),)
    )
    return [Drawn(claim_id, weight, key, place < size) for place, (key, claim_id, weight) in enumerate(keyed)]
