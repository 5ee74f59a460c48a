"""Who bears a guaranteed loss (政担): the city's pool, the guarantor, the re-guarantor, the bank; and who gets what comes back.
What a district adds comes out of the guarantor's part.

The city's part is its rule's (20 % in principle [C4]), rounded down once; the shares of the others stand in the contract. What
the fen leave over goes to the largest remainders, so that they always add up to the loss (risk-compensation paper §3 [P]).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from app.core.money import largest_remainder
from app.core.working import N_, WorkingLine


@dataclass(frozen=True, slots=True)
class Layers:
    """A loss, or what came back of it, by who bears or gets it, in fen."""

    pool_fen: int
    guarantor_fen: int
    reguarantee_fen: int
    bank_fen: int
    district_fen: int = 0

    @property
    def total_fen(self) -> int:
        """All of them together."""
        return self.pool_fen + self.district_fen + self.guarantor_fen + self.reguarantee_fen + self.bank_fen

    def topped_up(self, district_fen: int) -> Layers:
        """With a district's part, which relieves the guarantor and nobody else, and never of more than it bears."""
        taken = min(district_fen, self.guarantor_fen)
        return replace(self, guarantor_fen=self.guarantor_fen - taken, district_fen=self.district_fen + taken)


def split_loss(loss_fen: int, pool_fen: int, liability: Decimal, reguarantee: Decimal) -> Layers:
    """A loss (unpaid principal) by layers. ``liability``: the share of the principal the guarantor answers for to the bank;
    ``reguarantee``: the share of the principal the re-guarantor takes of it; the pool's part comes out of the guarantor's.

    Raises ``ValueError`` where pool and re-guarantee come to more than the guarantor answers for.
    """
    loss = Fraction(loss_fen)
    answers, again = loss * Fraction(liability), loss * Fraction(reguarantee)
    guarantor, again_fen, bank = largest_remainder(loss_fen - pool_fen, [answers - again - pool_fen, again, loss - answers])
    return Layers(pool_fen, guarantor, again_fen, bank)


def share_recovery(borne: Layers, net_fen: int) -> Layers:
    """What came back of a loss, less its cost, by the same layers: all receipts together, so that their order does not matter.
    Never more than the loss is shared; the parts of pool and district are rounded down (risk-compensation paper §6 [U])."""
    loss, net = borne.total_fen, max(0, min(net_fen, borne.total_fen))
    if loss == 0:
        return Layers(0, 0, 0, 0)
    pool, district = net * borne.pool_fen // loss, net * borne.district_fen // loss
    others = [Fraction(net * part, loss) for part in (borne.guarantor_fen, borne.reguarantee_fen, borne.bank_fen)]
    return replace(Layers(pool, *largest_remainder(net - pool - district, others)), district_fen=district)


def layer_lines(borne: Layers) -> tuple[WorkingLine, ...]:
    """The layers and their sum as lines of the computation sheet."""
    return (*_parts(borne), WorkingLine("LAYER_SUM", N_("各层合计等于净本金损失"), {}, borne.total_fen))


def _parts(borne: Layers) -> tuple[WorkingLine, ...]:
    district = WorkingLine("LAYER_DISTRICT", N_("区级叠加补偿，从担保机构自担中减去"), {}, borne.district_fen)
    return (
        WorkingLine("LAYER_POOL", N_("分担：市级资金池"), {}, borne.pool_fen), *((district,) if borne.district_fen else ()),
        WorkingLine("LAYER_GUARANTOR", N_("分担：担保机构自担"), {}, borne.guarantor_fen),
        WorkingLine("LAYER_REGUARANTEE", N_("分担：再担保"), {}, borne.reguarantee_fen),
        WorkingLine("LAYER_BANK", N_("分担：银行"), {}, borne.bank_fen),
    )
