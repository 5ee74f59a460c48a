"""Money is an integer number of fen (分); this module owns every conversion and the one rounding function.

Rates and ratios are ``Decimal``. No float is accepted anywhere: a float has already lost the fen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from fractions import Fraction

YUAN = 100
"""Fen in one yuan (元)."""

WAN = 1_000_000
"""Fen in ten thousand yuan (万元)."""

MAX_FEN = 2**63 - 1
"""The largest amount a database column can hold."""

# Default contexts keep 28 digits: a product of two long numbers would be rounded before we round it. 60
# digits hold any 64-bit amount times any ratio of 40 digits exactly.
EXACT = Context(prec=60)

_YUAN_TEXT = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")


def round_fen(value: Decimal) -> int:
    """Round an amount in fen half-up (away from zero) to a whole fen. The only rounding of money in the
    portal."""
    return int(value.to_integral_value(rounding=ROUND_HALF_UP))


def floor_fen(value: Decimal) -> int:
    """Round an amount in fen down to a whole fen, where a rule says so (compensation, amounts returned)."""
    return int(value.to_integral_value(rounding=ROUND_FLOOR))


def fen_from_yuan(value: str | Decimal) -> int:
    """Read an amount in yuan as people type it (``1,234.50``, ``￥１２３４``, ``1234元``) and return fen.

    Raises ``ValueError`` for anything that is not a number, for more than two decimals (money has no half
    fen) and for amounts a database cannot hold.
    """
    number = value if isinstance(value, Decimal) else _number(value)
    if not number.is_finite():
        raise ValueError(f"not an amount of money: {value!r}")
    if abs(number) > Decimal(MAX_FEN) / YUAN:
        raise ValueError(f"amount too large: {value!r}")
    fen = EXACT.multiply(number, Decimal(YUAN))
    if fen != fen.to_integral_value():
        raise ValueError(f"more than two decimals: {value!r}")
    return int(fen)


def _number(text: str) -> Decimal:
    plain = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-").strip()
    plain = plain.removeprefix("¥").removesuffix("元").strip()
    if not _YUAN_TEXT.fullmatch(plain):
        raise ValueError(f"not an amount of money: {text!r}")
    try:
        return Decimal(plain.replace(",", ""))
    except InvalidOperation as error:
        raise ValueError(f"not an amount of money: {text!r}") from error


def share(amount_fen: int, ratio: Decimal) -> int:
    """``ratio`` (a fraction, 0.4 is 40 %) of an amount in fen, rounded half-up."""
    return round_fen(EXACT.multiply(Decimal(amount_fen), ratio))


def floor_share(amount_fen: int, ratio: Decimal) -> int:
    """``ratio`` of an amount in fen, rounded down."""
    return floor_fen(EXACT.multiply(Decimal(amount_fen), ratio))


def split(amount_fen: int, n: int) -> list[int]:
    """Divide an amount in fen into ``n`` parts that differ by at most one fen and add up exactly.

    The first parts carry the spare fen. Raises ``ValueError`` when ``n`` is below one.
    """
    if n < 1:
        raise ValueError("money is split into one part at least")
    part, spare = divmod(amount_fen, n)
    return [part + 1] * spare + [part] * (n - spare)


def largest_remainder(amount_fen: int, quotas: Sequence[Fraction]) -> list[int]:
    """Hand out an amount in fen by exact quotas: each part is its quota rounded down, and the fen left over go to the largest
    remainders, the first of equals first. The parts add up exactly.

    Raises ``ValueError`` where a quota is negative, or the quotas ask for another amount than there is (beyond one fen each).
    """
    parts = [quota.numerator // quota.denominator for quota in quotas]
    spare = amount_fen - sum(parts)
    if any(quota < 0 for quota in quotas) or not 0 <= spare <= len(parts):
        raise ValueError("the quotas do not fit the amount")
    by_remainder = sorted(range(len(parts)), key=lambda n: parts[n] - quotas[n])
    for n in by_remainder[:spare]:
        parts[n] += 1
    return parts


def yuan_text(amount_fen: int) -> str:
    """An amount in fen as yuan with thousands separators and two decimals: ``1,234.50``."""
    sign = "-" if amount_fen < 0 else ""
    yuan, fen = divmod(abs(amount_fen), YUAN)
    return f"{sign}{yuan:,}.{fen:02d}"
