"""Checks of every template that a reviewer would otherwise repeat (design, decisions 14 and 15).

Run by ``make check``; prints ``file:line: what is wrong`` and ends with code 1 where anything was found.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, TemplateSyntaxError, nodes

ROOT = Path(__file__).resolve().parents[1]
CHINESE = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")  # with its full-width commas and colons
GETTEXT = {"_", "gettext", "ngettext", "N_"}
# Names of languages are shown in their own language, and the brand is the brand in both.
UNTRANSLATED = {"中文", "惠桥", "简体中文"}
TAG = re.compile(r"<([a-zA-Z][\w-]*)\b((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>", re.DOTALL)
INLINE_HANDLER = re.compile(r"\son[a-z]+\s*=", re.IGNORECASE)
STYLE_ATTRIBUTE = re.compile(r"\sstyle\s*=", re.IGNORECASE)
OUTSIDE_ASSET = re.compile(
    r"\s(?:src|srcset|data|poster|action|formaction)\s*=\s*[\"']\s*(?:https?:)?//", re.IGNORECASE
)
POST_FORM = re.compile(r"<form\b[^>]*\bmethod\s*=\s*[\"']?post\b.*?</form>", re.IGNORECASE | re.DOTALL)
CSRF = re.compile(r"csrf_token|(?:hidden_tag|render_form|token_field|\bhidden)\s*\(")
HIDDEN = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
COMMENT = re.compile(r"\{#.*?#\}|<!--.*?-->", re.DOTALL)
TRANS = re.compile(r"\{%-?\s*trans\b.*?\{%-?\s*endtrans\s*-?%\}", re.DOTALL)


def blank(match: re.Match[str]) -> str:
    """The same number of lines, so that what follows keeps its line number."""
    return re.sub(r"[^\n]", " ", match[0])


def line_of(text: str, position: int) -> int:
    """Line number, from 1."""
    return text.count("\n", 0, position) + 1


def findings(text: str) -> Iterator[tuple[int, str]]:
    """Everything that is wrong with one template, with its line."""
    visible = COMMENT.sub(blank, text)
    # Jinja's own words must not be read as attributes or text; their text is checked further down.
    markup = HIDDEN.sub(blank, TRANS.sub(blank, visible))
    yield from _tags(markup, visible)
    yield from _forms(visible)
    yield from _chinese(markup)
    yield from _expressions(text)


def _tags(markup: str, visible: str) -> Iterator[tuple[int, str]]:
    for match in TAG.finditer(markup):
        name, attributes, line = match[1].lower(), match[2], line_of(markup, match.start())
        if name == "style":
            yield line, "inline <style>; put it into static/"
        if name == "script" and not re.search(r"\ssrc\s*=", attributes):
            yield line, "inline <script>; put it into static/"
        if INLINE_HANDLER.search(attributes):
            yield line, f"inline event handler on <{name}>; bind it in static/"
        if STYLE_ATTRIBUTE.search(attributes):
            yield line, f"style attribute on <{name}>; use a class"
        original = visible[match.start() : match.end()]
        if OUTSIDE_ASSET.search(original) or (
            name == "link" and re.search(r"href\s*=\s*[\"'](https?:)?//", original)
        ):
            yield line, f"<{name}> loads from another host"


def _forms(visible: str) -> Iterator[tuple[int, str]]:
    for match in POST_FORM.finditer(visible):
        if not CSRF.search(match[0]):
            yield line_of(visible, match.start()), "POST form without a CSRF token"


def _chinese(markup: str) -> Iterator[tuple[int, str]]:
    for number, content in enumerate(markup.splitlines(), 1):
        for piece in re.split(r"[<>\"'|·/]", content):
            if CHINESE.search(piece) and piece.strip() not in UNTRANSLATED:
                yield number, f"Chinese text outside of gettext: {piece.strip()[:40]}"


def _expressions(text: str) -> Iterator[tuple[int, str]]:
    """Chinese constants that are not the argument of a gettext call, and imports nobody uses."""
    environment = Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do"], autoescape=True)
    try:
        tree = environment.parse(text)
    except TemplateSyntaxError as error:
        yield error.lineno, f"does not parse: {error.message}"
        return
    translated: set[int] = set()
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in GETTEXT:
            translated |= {id(constant) for constant in call.find_all(nodes.Const)}
    for constant in tree.find_all(nodes.Const):
        text_of = constant.value
        if not isinstance(text_of, str) or id(constant) in translated or text_of.strip() in UNTRANSLATED:
            continue
        if CHINESE.search(text_of):
            yield constant.lineno, f"Chinese text outside of gettext: {text_of[:40]}"
    yield from _unused_imports(tree)


def _unused_imports(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    used = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "load"}
    for imported in tree.find_all(nodes.FromImport):
        for entry in imported.names:
            name = entry[1] if isinstance(entry, tuple) else entry
            if name not in used:
                yield imported.lineno, f"imported macro {name} is not used"
    for whole in tree.find_all(nodes.Import):
        if whole.target not in used:
            yield whole.lineno, f"import {whole.target} is not used"


def main() -> int:
    """Check all templates of the portal."""
    count = 0
    templates = sorted((ROOT / "app").glob("**/templates/**/*.html"))
    for path in templates:
        for line, message in findings(path.read_text(encoding="utf-8")):
            print(f"{path.relative_to(ROOT)}:{line}: {message}")
            count += 1
    print(f"templates: {len(templates)} checked, {count} findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
