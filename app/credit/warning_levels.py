"""How grave an early warning is, as pages say it: a word and the tone of its chip. Other rooms show warnings with these."""

from __future__ import annotations

from typing import Final

from app.core.formats import is_english
from app.core.pages import Tone
from scoring.signal_words import Level, level_name

_TONES: Final[dict[Level, Tone]] = {Level(1): "plain", Level(2): "wait", Level(3): "bad"}


def level_text(level: int) -> str:
    """The colour in words."""
    return level_name(Level(level), "en" if is_english() else "zh")


def level_tone(level: int) -> Tone:
    """The tone of its chip."""
    return _TONES[Level(level)]
