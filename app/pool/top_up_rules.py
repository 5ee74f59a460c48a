"""What a district adds to the city's compensation, under the public-share ceiling of the rule set.

Source: risk-compensation paper §2 (two layers), §3 (stacking, example 9) [P].
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from app.core.money import floor_share
from app.core.working import N_, WorkingLine
from app.pool.layers import Layers, layer_lines
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
    net_loss_fen: int, guarantor_paid_fen: int, public_fen: int, district_ratio: Decimal, rules: RuleSet,
) -> TopUpWorth:
    """The district's share of a bank's net principal loss (政银), rounded down once, cut to what public money may still come.

    ``public_fen`` is all public money but the guarantor's: what the city paid and what the bank stated.
    """
    line = _computed(net_loss_fen, district_ratio)
    amount = line.amount_fen or 0
    ceiling = public_share_ceiling(
        Mode.BANK, net_loss_fen + guarantor_paid_fen, guarantor_paid_fen + public_fen, amount, rules)
    return TopUpWorth(amount, ceiling.allowed_fen, ceiling.kept_loss_fen, (line, *ceiling.working))


def guaranteed_top_up(
    net_loss_fen: int, paid_out_fen: int, borne: Layers, other_public_fen: int, district_ratio: Decimal, rules: RuleSet,
) -> TopUpWorth:
    """The district's share of a guaranteed loss (政担). It relieves the guarantor alone, so that the layers go on adding up to
    the loss; with the city's part, what is re-guaranteed and other public money it stays within what the guarantor paid out [P].

    ``borne``: the four layers with what the city paid.
    """
    line = _computed(net_loss_fen, district_ratio)
    amount = line.amount_fen or 0
    public = borne.reguarantee_fen + borne.pool_fen + other_public_fen
    ceiling = public_share_ceiling(Mode.GUARANTEE, paid_out_fen, public, min(amount, borne.guarantor_fen), rules)
    after = borne.topped_up(ceiling.allowed_fen)
    return TopUpWorth(amount, ceiling.allowed_fen, after.guarantor_fen, (line, *ceiling.working, *layer_lines(after)))


def _computed(net_loss_fen: int, district_ratio: Decimal) -> WorkingLine:
    return WorkingLine(
        "DISTRICT", N_("区级叠加补偿 = %(loss_fen)s 元 × %(district_ratio)s"),
        {"loss_fen": net_loss_fen, "district_ratio": district_ratio}, floor_share(net_loss_fen, district_ratio), district_ratio,
    )
