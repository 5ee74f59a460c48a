"""The pool's yearly budget: what is left of it, and who gets what when approved claims exceed it.

Source: 穗金管规字〔2025〕1号 (15 亿元 a year, 5000 万元 of it for guarantors [C2][C4]); what happens beyond
is proposed in the risk-compensation paper §3 [P]. Money is fen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.core.money import EXACT
from app.pool.ruleset import BudgetMode, Mode, RuleSet


def budget_left(spent_bank_fen: int, spent_guarantee_fen: int, mode: Mode, rules: RuleSet) -> int:
    """What is left of the year's budget for a mode, in fen: the guarantee budget lies inside the whole one
    [C2]."""
    left = rules.budget_fen - spent_bank_fen - spent_guarantee_fen
    if mode is Mode.GUARANTEE:
        left = min(left, rules.guarantee_budget_fen - spent_guarantee_fen)
    return max(0, left)


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """What each approved claim gets and what stays unpaid, in fen, in the order given; nothing drops
    silently."""

    paid: tuple[int, ...]
    unpaid: tuple[int, ...]
    factor: Decimal


def pro_rata(left_fen: int, approved: Sequence[int]) -> BudgetResult:
    """Pay every claim the same share of its amount, each rounded down (risk-compensation paper §3, budget).

    Raises ``ValueError`` for a negative amount.
    """
    total = _checked_total(left_fen, approved)
    if total <= left_fen:
        return BudgetResult(tuple(approved), (0,) * len(approved), Decimal(1))
    paid = tuple(amount * left_fen // total for amount in approved)
    unpaid = tuple(amount - part for amount, part in zip(approved, paid, strict=True))
    return BudgetResult(paid, unpaid, EXACT.divide(Decimal(left_fen), Decimal(total)))


def queue(left_fen: int, approved: Sequence[int]) -> BudgetResult:
    """Pay in order while a claim fits whole; the first that does not, and all after it, wait for next year
    [P].

    Raises ``ValueError`` for a negative amount.
    """
    total = _checked_total(left_fen, approved)
    paid = []
    waiting = False
    for amount in approved:
        waiting = waiting or amount > left_fen
        paid.append(0 if waiting else amount)
        left_fen -= paid[-1]
    unpaid = tuple(amount - part for amount, part in zip(approved, paid, strict=True))
    factor = EXACT.divide(Decimal(sum(paid)), Decimal(total)) if total else Decimal(1)
    return BudgetResult(tuple(paid), unpaid, factor)


def _checked_total(left_fen: int, approved: Sequence[int]) -> int:
    if left_fen < 0 or any(amount < 0 for amount in approved):
        raise ValueError("neither a budget nor a claim is negative")
    return sum(approved)


def within_budget(left_fen: int, approved: Sequence[int], rules: RuleSet) -> BudgetResult:
    """Spread what is left over approved claims by the set's ``budget_mode``."""
    return (pro_rata if rules.budget_mode is BudgetMode.PRO_RATA else queue)(left_fen, approved)
