"""The room's blueprint, apart from its pages so that each file of pages can take it."""

from __future__ import annotations

from types import SimpleNamespace

from app.core.web import Room
from app.market import words as market
from app.market.bid_words import CONDITION_KINDS, TIE_KINDS
from app.market.costs import fee_total_fen
from app.market.models import BidFee
from app.market.terms import FEE_NAMES, Fee, FeeKind, FeeTime, Payee

room = Room("market", __name__, template_folder="templates")


def _fee_total(fee: BidFee, term_months: int) -> int:
    """What a charge adds up to over the term, in 分."""
    stored = Fee(FeeKind(fee.kind), fee.amount_fen, Payee(fee.payee), FeeTime(fee.at), fee.every_months, fee.text)
    return fee_total_fen(stored, term_months)


WORDS = SimpleNamespace(
    PURPOSES=market.PURPOSES,
    WANTED_KINDS=market.WANTED_KINDS,
    WANTED_METHODS={**market.WANTED_METHODS, **market.METHODS},
    DISTRIBUTIONS=market.DISTRIBUTIONS,
    NEED_STATES=market.NEED_STATES,
    NEED_TONES=market.NEED_TONES,
    fees={kind.value: names[0] for kind, names in FEE_NAMES.items()},
    payees={payee.value: payee.label for payee in Payee},
    times={at.value: at.label for at in FeeTime},
    ties=TIE_KINDS,
    conditions=CONDITION_KINDS,
    fee_total=_fee_total,
)


@room.app_context_processor
def words() -> dict[str, object]:
    """The words of the market for templates, each a Chinese message id."""
    return {"market_words": WORDS}
