"""What a district adds to the city's compensation, under the public-share ceiling of the rule set.

Source: risk-compensation paper §2 (two layers), §3 (stacking, example 9) [P].
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from app.core.money import floor_share
from app.core.working import N_, WorkingLine
from app.pool.rules import public_share_ceiling
from app.pool.ruleset import Mode, RuleSet


@dataclass(frozen=True, slots=True)
class TopUpWorth:
    """What a district owes on a loss and may pay, in fen, with every line; ``kept_loss_fen`` stays with the payee."""

    computed_fen: int
    allowed_fen: int
    kept_loss_fen: int
    lines: tuple[WorkingLine, ...]


def top_up_worth(
    mode: Mode, net_loss_fen: int, guarantor_paid_fen: int, public_fen: int, district_ratio: Decimal, rules: RuleSet,
) -> TopUpWorth:
    """The district's share of a net principal loss, rounded down once, cut to what public money may still come.

    ``public_fen`` is all public money but the guarantor's: what the city paid and what the bank stated.
    """
    amount = floor_share(net_loss_fen, district_ratio)
    line = WorkingLine(
        "DISTRICT", N_("区级叠加补偿 = %(loss_fen)s 元 × %(district_ratio)s"),
        {"loss_fen": net_loss_fen, "district_ratio": district_ratio}, amount, district_ratio,
    )
    ceiling = public_share_ceiling(mode, net_loss_fen + guarantor_paid_fen, guarantor_paid_fen + public_fen, amount, rules)
    return TopUpWorth(amount, ceiling.allowed_fen, ceiling.kept_loss_fen, (line, *ceiling.working))
