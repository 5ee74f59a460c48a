"""The room's blueprint, apart from its pages so that each file of pages can take it."""

from __future__ import annotations

from types import SimpleNamespace

from app.bridge import ceilings, display
from app.bridge.bill_rules import saving
from app.bridge.rules import CROSS_BANK, SAME_BANK, fee, moved_to
from app.core.money import WAN
from app.core.web import Room
from app.core.working import percent_text
from app.market import policy

EXAMPLE_FEN, EXAMPLE_DAYS = 300 * WAN, 5
"""The worked example of the transfer-loan paper §3, shown beside the application."""

room = Room("bridge", __name__, template_folder="templates")

WORDS = SimpleNamespace(
    state=display.state_chip, quote=display.quote_chip, seat=display.seat_chip, ceilings=ceilings.current,
    kind=display.kind_text, account=display.account_text,
    charge=display.charge_text, title=display.title_of, checks=display.check_lines, percent=percent_text,
    condition=display.condition_text, saving=saving, market=policy.transfer,
    same_bank=SAME_BANK, cross_bank=CROSS_BANK, example_fen=EXAMPLE_FEN, example_days=EXAMPLE_DAYS,
    moved_to=moved_to,
    example_fee_fen=fee(EXAMPLE_FEN, EXAMPLE_DAYS).amount_fen,
)


@room.app_context_processor
def words() -> dict[str, object]:
    """The words of bridges for templates."""
    return {"bridge_words": WORDS}
