"""A4 sheets drawn with fpdf2 in a Chinese font of the machine: paragraphs, heads, tables, a foot on every page."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from app.core.errors import N_
from app.core.paths import ReadableError

INK, GREY, RAIL = (23, 36, 43), (75, 91, 100), (217, 223, 220)
MARGIN = 16.0
WIDTH = 210.0 - 2 * MARGIN
NO_FONT = N_("这台服务器没有装中文字体，暂时不能生成 PDF。请用浏览器的打印功能。")


class NoFont(ReadableError):
    """No font with Chinese letters is installed."""


@lru_cache(maxsize=1)
def chinese_font() -> tuple[Path, int]:
    """The machine's Chinese sans-serif font by fontconfig: file and place within it. Raises ``NoFont``."""
    asked = ["fc-match", "-f", "%{file}\n%{index}\n%{lang}", "sans-serif:lang=zh-cn"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoFont(f"fontconfig does not answer: {error}") from error
    file, index, languages = done.stdout.split("\n", 2)
    if "zh-cn" not in languages:
        raise NoFont("No font with Chinese letters is installed.")
    return Path(file), int(index) & 0xFFFF


class Sheets(FPDF):
    """A4 with the house's measures."""

    def __init__(self, foot: str) -> None:
        super().__init__()
        self.foot = foot
        file, index = chinese_font()
        self.add_font("hq", fname=str(file), collection_font_number=index)
        self.set_margins(MARGIN, MARGIN, MARGIN)
        self.set_auto_page_break(True, 20.0)
        self.add_page()

    def footer(self) -> None:
        """Who, when, which page."""
        self.set_y(-14)
        self.set_font("hq", size=8)
        self.set_text_color(*GREY)
        self.cell(WIDTH, 5, f"{self.foot} · {self.page_no()}", align="C")

    def words(self, said: str, size: float = 10.0, colour: tuple[int, int, int] = INK, after: float = 1.5) -> None:
        """A paragraph."""
        self.set_font("hq", size=size)
        self.set_text_color(*colour)
        self.multi_cell(WIDTH, size * 0.55, said, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")
        self.ln(after)

    def head(self, said: str) -> None:
        """The head of a section; never alone at the foot of a page."""
        if self.will_page_break(26.0):
            self.add_page()
        self.ln(3)
        self.words(said, 12.5, after=0.5)
        self.set_draw_color(*RAIL)
        self.line(MARGIN, self.get_y(), MARGIN + WIDTH, self.get_y())
        self.ln(2)

    def rows(self, rows: Sequence[Sequence[str]], widths: Sequence[float], right: int = -1) -> None:
        """A table without a frame; column ``right`` stands right-aligned."""
        self.set_font("hq", size=9)
        self.set_text_color(*INK)
        self.set_draw_color(*RAIL)
        aligned = tuple("RIGHT" if place == right else "LEFT" for place in range(len(widths)))
        with self.table(
            width=WIDTH, col_widths=tuple(widths), text_align=aligned, borders_layout="HORIZONTAL_LINES",
            first_row_as_headings=False,
            line_height=5.0,
        ) as table:
            for row in rows:
                table.row([str(cell) for cell in row])
