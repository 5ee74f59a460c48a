"""A document of sections, told as Markdown or as one HTML file that needs no other: tables, sentences, drawings as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from scoring.plots import STYLE


@dataclass(frozen=True)
class Section:
    """One part: sentences, drawings (SVG), then a table with a head. Drawings are left out of Markdown, which tables serve."""

    title: str
    texts: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default_factory=list)
    drawings: Sequence[str] = ()


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The document as a Markdown file."""
    lines = [f"# {title}", ""]
    for one in sections:
        lines += [f"## {one.title}", ""]
        lines += [line for text in one.texts for line in (text, "")]
        if one.rows:
            lines += [*table(one.head, one.rows), ""]
    return "\n".join(lines)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def html(title: str, sections: Sequence[Section], language: str = "en") -> str:
    """The document as one HTML file."""
    parts = [_section(number, one) for number, one in enumerate(sections)]
    links = "".join(f'<li><a href="#s{number}">{escape(one.title)}</a></li>' for number, one in enumerate(sections))
    return (
        f'<!doctype html>\n<html lang="{escape(language)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_PAGE}{STYLE}</style></head>\n<body><main><h1>{escape(title)}</h1><nav><ol>{links}</ol></nav>\n"
        + "\n".join(parts) + "\n</main></body></html>\n"
    )  # fmt: skip


def _section(number: int, one: Section) -> str:
    told = [f'<section id="s{number}"><h2>{escape(one.title)}</h2>', *(f"<p>{escape(text)}</p>" for text in one.texts)]
    if one.drawings:
        told.append(f'<div class="plots">{"".join(one.drawings)}</div>')
    if one.rows:
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in one.head)
        rows = "".join(
            f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
            for row in one.rows
        )
        told.append(f'<div class="wide" tabindex="0" role="region" aria-label="{escape(one.title)}"><table><thead><tr>{head}</tr>'
                    f"</thead><tbody>{rows}</tbody></table></div>")  # fmt: skip
    return "".join(told) + "</section>"


_PAGE = """
body{margin:0;background:#f4f5f2;color:#1d2a2e;font:15px/1.6 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif}
main{max-width:64rem;margin:0 auto;padding:1.2rem}h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:0 0 .5rem}
section{background:#fff;border:1px solid #d9ddd6;border-radius:6px;padding:1rem;margin:1rem 0}.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.25rem .8rem .25rem 0;text-align:left;
border-bottom:1px solid #e6e9e3;vertical-align:top;overflow-wrap:anywhere}.plots{display:flex;flex-wrap:wrap;gap:1rem}
.plots svg{flex:1 1 20rem;max-width:32rem;width:100%;height:auto}nav ol{padding-left:1.2rem;columns:2}a{color:#0b5563}
@media print{body{background:#fff}section{break-inside:avoid}nav{display:none}}@media(max-width:30rem){nav ol{columns:1}}
"""
