"""Made-up codes by the thousand: unified social credit codes with both checks right, account numbers, names.

GB 32100-2015 and GB 11714 as in ``app/core/uscc.py`` (which tests hold this against); here over whole arrays.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]

ALPHABET: Final = b"0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 symbols of GB 32100: no I, O, S, V, Z."""

FIRST_SERIAL: Final = 12_000_000
"""Serial of firm 0 in ``MA9…``: the portal hands out 1,000,000 and up (``synthetic_uscc_seq``), its tests use less than
10,000,000."""

MOST_FIRMS: Final = 128**3
"""More firms than this (2,097,152) would share names. Their serials stay far below the 31**5 there are."""

_SYMBOLS = np.frombuffer(ALPHABET, dtype=np.uint8)
_VALUE = np.zeros(128, dtype=np.int64)
_VALUE[_SYMBOLS] = np.arange(31)
_BASE36 = np.zeros(128, dtype=np.int64)
_BASE36[np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)] = np.arange(36)
_WEIGHTS = np.array([pow(3, i, 31) for i in range(17)], dtype=np.int64)
_ORG_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2], dtype=np.int64)
_ORG_CHECKS = np.frombuffer(b"0123456789X0", dtype=np.uint8)

_SYLLABLES: Final = (
    "安邦宝昌诚达德鼎东发丰福富港高冠光广贵国海汉航和恒弘宏鸿华辉汇惠吉佳嘉建健江金锦晋京景聚凯康科坤朗乐力立利联良龙隆茂"
    "美盟明铭南宁鹏普启谦强庆泉荣瑞润森尚升胜盛时世顺硕思泰腾天添通同拓旺威维伟文祥翔向协欣新鑫信兴旭亚阳耀业亿艺易益永优裕"
    "元源远跃越云展兆哲正志"
)


def credit_codes(serials: Ints, regions: Ints, entities: Ints) -> pl.Series:
    """Codes of the firms: ``9``, entity digit, six-digit region, ``MA9`` and five symbols for the serial, both checks."""
    code = np.empty((len(serials), 18), dtype=np.uint8)
    code[:, 0] = ord("9")
    code[:, 1] = entities + ord("0")
    code[:, 2:8] = regions[:, None] // 10 ** np.arange(5, -1, -1) % 10 + ord("0")
    code[:, 8:11] = np.frombuffer(b"MA9", dtype=np.uint8)
    code[:, 11:16] = _SYMBOLS[serials[:, None] // 31 ** np.arange(4, -1, -1) % 31]
    code[:, 16] = _ORG_CHECKS[11 - (_BASE36[code[:, 8:16]] @ _ORG_WEIGHTS) % 11]
    code[:, 17] = _SYMBOLS[(31 - (_VALUE[code[:, :17]] @ _WEIGHTS) % 31) % 31]
    return pl.Series("uscc", code.view("S18").ravel().astype("U18"))


def padded(numbers: Ints, width: int, prefix: str = "") -> pl.Series:
    """``prefix`` and the numbers filled with zeros to ``width`` digits."""
    return prefix + pl.Series(numbers).cast(pl.String).str.zfill(width)


def trade_names(numbers: Ints) -> pl.Series:
    """A name of three characters for each firm number below ``MOST_FIRMS``; no two numbers share one."""
    # An odd factor permutes the numbers, so that neighbours do not look alike.
    mixed = (numbers * 1_327_217 + 77_773) % MOST_FIRMS
    syllables = pl.Series(list(_SYLLABLES))
    first, second, third = (syllables.gather(mixed // 128**place % 128) for place in (2, 1, 0))
    return first + second + third
