"""Unified social credit code (统一社会信用代码, GB 32100-2015) and the organisation code inside it (GB
11714)."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from app.core.working import N_, Params, shown

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 symbols of GB 32100: no I, O, S, V, Z."""

LENGTH = 18

_VALUE = {symbol: value for value, symbol in enumerate(ALPHABET)}
_WEIGHTS = tuple(pow(3, i, 31) for i in range(17))
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_LOOKALIKE = {"I": "1", "O": "0"}

# Synthetic firms: "MA9" and five symbols for the serial number, so 31**5 firms before a number repeats.
_SYNTHETIC_PREFIX = "MA9"
_SYNTHETIC_DIGITS = 5

DISTRICTS: dict[str, str] = {
    "440103": N_("荔湾区"),
    "440104": N_("越秀区"),
    "440105": N_("海珠区"),
    "440106": N_("天河区"),
    "440111": N_("白云区"),
    "440112": N_("黄埔区"),
    "440113": N_("番禺区"),
    "440114": N_("花都区"),
    "440115": N_("南沙区"),
    "440117": N_("从化区"),
    "440118": N_("增城区"),
}
"""The eleven districts of Guangzhou (GB/T 2260): region code to Chinese name."""


class UsccProblemCode(StrEnum):
    """What is wrong with a code."""

    LENGTH = "LENGTH"
    LETTER = "LETTER"
    ORG_CHECK = "ORG_CHECK"
    CHECK = "CHECK"


_MESSAGES = {
    UsccProblemCode.LENGTH: N_("统一社会信用代码应为 18 位，现在是 %(found)s 位。"),
    UsccProblemCode.LETTER: N_("第 %(position)s 位“%(found)s”不会出现在统一社会信用代码中，请核对营业执照。"),
    UsccProblemCode.ORG_CHECK: N_(
        "第 9–17 位（组织机构代码）有误：按前 8 位推算，第 17 位应为“%(expected)s”，"
        "现在是“%(found)s”。请核对这一段。"
    ),
    UsccProblemCode.CHECK: N_(
        "校验位不符：按前 17 位推算，最后一位应为“%(expected)s”，现在是“%(found)s”。请逐位核对。"
    ),
}
_LOOKALIKE_MESSAGE = N_(
    "第 %(position)s 位“%(found)s”不会出现在统一社会信用代码中，是否应为数字“%(expected)s”？"
)


@dataclass(frozen=True, slots=True)
class UsccProblem:
    """Why a code is refused. ``position`` counts from 1; ``expected`` is the right check symbol or a likely
    digit."""

    code: UsccProblemCode
    found: str
    expected: str | None = None
    position: int | None = None

    @property
    def message(self) -> str:
        """Chinese message id that explains the problem."""
        if self.code is UsccProblemCode.LETTER and self.expected:
            return _LOOKALIKE_MESSAGE
        return _MESSAGES[self.code]

    @property
    def params(self) -> Params:
        """Values for the message."""
        return {"found": self.found, "expected": self.expected or "", "position": self.position or 0}

    @property
    def shown(self) -> dict[str, str]:
        """Values for the message, as text."""
        return shown(self.params)


@dataclass(frozen=True, slots=True)
class Uscc:
    """The parts of a valid code."""

    text: str
    registry: str
    entity_type: str
    region: str
    org_code: str


def normalise(text: str) -> str:
    """Trim, turn full-width into half-width and small letters into capitals. Inner spaces of a printed code
    go too."""
    return "".join(unicodedata.normalize("NFKC", text).split()).upper()


def check_char(first17: str) -> str:
    """Symbol 18 for the first 17: ``alphabet[(31 − Σ value·3^i mod 31) mod 31]``.

    Raises ``ValueError`` when there are not 17 symbols of the alphabet.
    """
    if len(first17) != LENGTH - 1 or any(c not in _VALUE for c in first17):
        raise ValueError(f"17 symbols of the alphabet expected: {first17!r}")
    total = sum(_VALUE[c] * weight for c, weight in zip(first17, _WEIGHTS, strict=True))
    return ALPHABET[(31 - total % 31) % 31]


def org_check_char(first8: str) -> str:
    """The ninth symbol of an organisation code (GB 11714) for its first eight; letters count A=10 … Z=35.

    Raises ``ValueError`` when there are not eight digits or capital letters.
    """
    if len(first8) != 8 or not (first8.isascii() and first8.isalnum()) or first8 != first8.upper():
        raise ValueError(f"eight digits or capital letters expected: {first8!r}")
    total = sum(int(c, 36) * weight for c, weight in zip(first8, _ORG_WEIGHTS, strict=True))
    return "0123456789X0"[11 - total % 11]


def validate(text: str) -> UsccProblem | None:
    """The first problem of a code as typed, or None. Normalises before it looks.

    The organisation code is checked before the whole, because its own check narrows a mistake to nine
    positions.
    """
    code = normalise(text)
    if len(code) != LENGTH:
        return UsccProblem(UsccProblemCode.LENGTH, found=str(len(code)))
    for position, symbol in enumerate(code, start=1):
        if symbol not in _VALUE:
            return UsccProblem(UsccProblemCode.LETTER, symbol, _LOOKALIKE.get(symbol), position)
    expected = org_check_char(code[8:16])
    if code[16] != expected:
        return UsccProblem(UsccProblemCode.ORG_CHECK, code[16], expected, 17)
    expected = check_char(code[:17])
    if code[17] != expected:
        return UsccProblem(UsccProblemCode.CHECK, code[17], expected, LENGTH)
    return None


def parse(text: str) -> Uscc:
    """Take a valid code apart. Raises ``ValueError`` carrying the problem's code when it is not valid."""
    code = normalise(text)
    if problem := validate(code):
        raise ValueError(f"not a unified social credit code ({problem.code}): {text!r}")
    return Uscc(code, registry=code[0], entity_type=code[1], region=code[2:8], org_code=code[8:17])


def synthetic(region: str, serial: int, entity: str = "1") -> str:
    """A made-up but well-formed code (both checks right) for demo and test firms, different for every serial.

    ``region`` is a six-digit GB/T 2260 code, ``entity`` the second symbol (1 enterprise, 2 sole trader, 3
    farmers' co-operative, 9 other). Raises ``ValueError`` outside 0 ≤ serial < 31**5 or for a malformed
    region or entity.
    """
    if not 0 <= serial < 31**_SYNTHETIC_DIGITS:
        raise ValueError(f"serial out of range: {serial}")
    if len(region) != 6 or not (region.isascii() and region.isdigit()):
        raise ValueError(f"six digits expected: {region!r}")
    if len(entity) != 1 or entity not in _VALUE:
        raise ValueError(f"one symbol of the alphabet expected: {entity!r}")
    digits = ""
    for _ in range(_SYNTHETIC_DIGITS):
        serial, value = divmod(serial, 31)
        digits = ALPHABET[value] + digits
    body = _SYNTHETIC_PREFIX + digits
    first17 = "9" + entity + region + body + org_check_char(body)
    return first17 + check_char(first17)
