"""The firm's own profile on paper: the same words as the page, drawn with fpdf2 in a Chinese font of the machine."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask_babel import gettext
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from app.core.calendar import now
from app.core.errors import N_
from app.core.formats import date_text, datetime_text
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


class _Paper(FPDF):
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

    def scale(self, dial: Any) -> None:
        """The score on a straight scale: a bar per grade with its letter, and a mark at the score."""
        top = self.get_y() + 8
        across = WIDTH / (dial.high - dial.low)
        start = dial.low
        self.set_font("hq", size=9)
        for band in dial.bands:
            x, width = MARGIN + (start - dial.low) * across, (band.until - start) * across
            self.set_fill_color(*((190, 212, 215) if band.letter == dial.letter else (235, 238, 236)))
            self.set_draw_color(255, 255, 255)
            self.rect(x, top, width, 8, style="DF")
            self.set_text_color(*INK)
            self.set_xy(x, top)
            self.cell(width, 8, band.letter, align="C")
            first = start == dial.low
            self.set_xy(x if first else x - 6, top + 8.5)
            self.set_text_color(*GREY)
            self.cell(12, 4, str(start), align="L" if first else "C")
            start = band.until
        self.set_xy(MARGIN + WIDTH - 12, top + 8.5)
        self.cell(12, 4, str(dial.high), align="R")
        x = MARGIN + (dial.value - dial.low) * across
        self.set_fill_color(*INK)
        self.polygon([(x, top - 0.5), (x - 2, top - 4.5), (x + 2, top - 4.5)], style="F")
        self.set_fill_color(0)  # any other colour would fill the cells of the tables that follow
        self.set_xy(MARGIN, top + 14)


HISTORY_SHOWN = 12
"""The latest profiles that the paper lists; the page lists all."""


def draw(firm: str, shown: Mapping[str, Any]) -> bytes:
    """The paper of what the firm's page shows (``views._own_profile``), in the language of the page. Raises ``NoFont``."""
    profile = shown["profile"]
    paper = _Paper(f"{firm} · {gettext('打印于 %(time)s', time=datetime_text(now()))}")
    paper.set_title(gettext("信用画像"))
    paper.words(gettext("信用画像"), 18, after=1)
    paper.words(firm, 12, after=0.5)
    computed = gettext("画像计算于 %(at)s，数据截至 %(day)s", at=datetime_text(profile.at), day=date_text(profile.as_of))
    paper.words(computed, 9, GREY)
    if shown["synthetic"]:
        paper.words(
            gettext("评分模型是用合成企业学出来的，只用于演示。这里的评分、等级和位置不说明任何真实企业的情况。"), 9, GREY,
        )
    if shown["stage"] == "scored":
        _score(paper, shown)
    else:
        paper.head(gettext("数据还不够，暂不评分"))
        paper.words(gettext("数据不足不等于信用不好，不会因此给出低分；您仍可以提交融资需求。"))
    _sources(paper, shown)
    if shown["model_facts"]:
        paper.head(gettext("评分模型"))
        paper.rows(shown["model_facts"], (1, 2))
    _history(paper, shown["history"][:HISTORY_SHOWN])
    paper.ln(3)
    paper.words(gettext("觉得评分不准、资料有误，或想知道某条原因的来历，可以要求由人来看。我们在 %(days)d 天内书面答复。",
                        days=shown["review_days"]), 9, GREY)
    return bytes(paper.output())


def _score(paper: _Paper, shown: Mapping[str, Any]) -> None:
    profile, place, sure = shown["profile"], shown["place"], shown["confidence"]
    paper.head(gettext("评分 %(score)d，%(grade)s 级", score=profile.score, grade=profile.grade))
    paper.scale(shown["dial"])
    paper.words(f"{shown['meanings'][profile.grade]} {shown['chances']}")
    if sure is not None:
        paper.words(f"{sure.word}{gettext('：')}{sure.why}")
    if place is not None:
        paper.words(gettext("在 %(count)d 家已评分企业中的位置：前 %(percent)d%%。", count=place.scored, percent=place.percent))
    paper.words(gettext("评分只用来排序和提示，不会单独决定是否贷款：每一笔都由银行的人来审。"), 9, GREY)
    for up, title in ((True, gettext("加分的原因")), (False, gettext("减分的原因"))):
        told = [(reason.text, reason.points or "") for reason in shown["reasons"] if reason.up is up]
        if told:
            paper.head(title)
            paper.rows(told, (5, 1), right=1)
    if shown["advice"]:
        paper.head(gettext("怎样做会更好"))
        comma = gettext("；")
        advice = [(comma.join(one["changes"]), f"{one['points']} → {one['score']}") for one in shown["advice"]]
        paper.rows(advice, (4, 1), right=1)
        paper.words(
            gettext("这是模型的回答：其他情况不变时评分会是多少，不是承诺，也不保证贷款结果。只列企业自己能改变的事。"), 9, GREY,
        )
    if shown["web"] is not None:
        paper.head(str(shown["web"].title))
        paper.rows([shown["web"].headers(), *shown["web"].rows()], (2, 1, 1))
    paper.head(gettext("评分是怎么加出来的"))
    paper.rows([(f"{name}{gettext('：')}{note}" if note else name, points) for name, points, note in shown["account"]]
               + [(gettext("结果"), str(profile.score))], (5, 1), right=1)
    paper.head(gettext("评分、违约可能性和等级怎样对应"))
    paper.rows(shown["probability"], (2, 1, 3))


def _sources(paper: _Paper, shown: Mapping[str, Any]) -> None:
    paper.head(gettext("用了哪些资料"))
    head = (gettext("资料"), gettext("读取依据"), gettext("有数据的月数"), gettext("可以怎样补充"))
    rows = [(one.name, one.state, "—" if one.months is None else str(one.months), one.advice or "—") for one in shown["sources"]]
    paper.rows([head, *rows], (3, 2, 1.4, 4))


def _history(paper: _Paper, history: Sequence[Mapping[str, Any]]) -> None:
    paper.head(gettext("历次画像"))
    head = (gettext("计算时间"), gettext("结果"), gettext("评分"), gettext("数据截至"), gettext("模型版本"))
    rows = [
        (
            datetime_text(row["at"]), gettext("%(grade)s 级", grade=row["grade"]) if row["grade"] else str(row["state"]),
            f"{row['score']} {gettext('原评分制，满分 1000')}" if row["earlier"] else row["score"], date_text(row["as_of"]),
            row["version"],
        )
        for row in history
    ]
    paper.rows([head, *rows], (2, 2, 1.4, 1.6, 3))
