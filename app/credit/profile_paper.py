"""The firm's own profile on paper: the same words as the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext

from app.core.calendar import now
from app.core.formats import date_text, datetime_text
from app.core.sheets import GREY, INK, MARGIN, WIDTH, Sheets


class _Paper(Sheets):
    """A sheet with the dial laid straight."""

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
