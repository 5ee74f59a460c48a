"""Compares the sentences in the code with the English catalogue, and compiles the catalogue.

``python -m tests.lint_translations`` fails on a sentence that is missing, empty, fuzzy or no longer used, and
on placeholders that differ. ``--update`` collects new sentences into the catalogue; ``--compile-only`` just
compiles. The compiled file is made at install and never committed.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
ENGLISH = ROOT / "app" / "translations" / "en" / "LC_MESSAGES" / "messages.po"
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "_l": None,
    "N_": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
    "lazy_ngettext": (1, 2),
}
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|\{(\w*)\}")
_NAMES = re.compile(r"《[^》]*》|\([^()]*\)")  # the Chinese name of a document or term may stand beside the English
CHINESE = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")


def extracted() -> Catalog:
    """All sentences marked for translation, without their places (places change with every edit)."""
    with open(ROOT / "babel.cfg", encoding="utf-8") as handle:
        methods, options = parse_mapping_cfg(handle)
    catalog = Catalog(charset="utf-8")
    for _, _, message, comments, context in extract_from_dir(
        ROOT, methods, options, keywords=KEYWORDS, comment_tags=["Translators:"], strip_comment_tags=True
    ):
        # In gettext(NAMES["key"]) the extractor takes the key for a sentence; ours are all Chinese.
        if CHINESE.search(_all(message)):
            catalog.add(message, auto_comments=comments, context=context)
    return catalog


def english() -> Catalog:
    """The committed English catalogue; an empty one where there is none yet."""
    if not ENGLISH.exists():
        return Catalog(locale="en", charset="utf-8")
    with ENGLISH.open("rb") as handle:
        return read_po(handle, locale="en", charset="utf-8")


def findings(wanted: Catalog, have: Catalog) -> Iterator[str]:
    """What keeps the English pages from being complete."""
    for message in wanted:
        if not message.id:
            continue
        found = have.get(message.id, message.context)
        if found is None:
            yield f"missing: {_shown(message)}"
        elif found.fuzzy:
            yield f"fuzzy: {_shown(message)}"
        elif not all(_texts(found.string)):
            yield f"empty: {_shown(message)}"
        elif any(_placeholders(text) != _placeholders(_all(message.id)) for text in _texts(found.string)):
            yield f"other placeholders than the Chinese: {_shown(message)}"
        elif any(CHINESE.search(_NAMES.sub("", text)) for text in _texts(found.string)):
            yield f"Chinese left in the English: {_shown(message)}"
    for message in have:
        if message.id and wanted.get(message.id, message.context) is None:
            yield f"no longer used: {_shown(message)}"


def update(wanted: Catalog, have: Catalog) -> None:
    """Write the catalogue anew: sorted, what is new comes in empty, what nobody uses goes."""
    fresh = Catalog(locale="en", charset="utf-8", project="huiqiao", fuzzy=False)
    for message in wanted:
        if not message.id:
            continue
        found = have.get(message.id, message.context)
        fresh.add(
            message.id,
            found.string if found else None,
            flags=[flag for flag in (found.flags if found else ()) if flag == "fuzzy"],
            auto_comments=message.auto_comments,
            context=message.context,
        )
    ENGLISH.parent.mkdir(parents=True, exist_ok=True)
    with ENGLISH.open("wb") as handle:
        write_po(handle, fresh, sort_output=True, width=0, omit_header=False)


def compile_catalogue() -> None:
    """Write the .mo beside the .po, unless it is newer already."""
    compiled = ENGLISH.with_suffix(".mo")
    if not ENGLISH.exists() or (compiled.exists() and compiled.stat().st_mtime >= ENGLISH.stat().st_mtime):
        return
    aside = compiled.with_suffix(".mo.new")
    with aside.open("wb") as handle:
        write_mo(handle, english())
    aside.replace(compiled)


def _texts(value: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [value or ""] if isinstance(value, str) or value is None else list(value)


def _all(value: str | tuple[str, ...] | list[str]) -> str:
    return " ".join(_texts(value))


def _placeholders(text: str) -> set[str]:
    return {match[0] for match in PLACEHOLDER.finditer(text)}


def _shown(message: Message) -> str:
    return _texts(message.id)[0][:80].replace("\n", "\\n")


def main() -> int:
    """Check, update or compile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="collect new sentences into the catalogue")
    parser.add_argument("--compile-only", action="store_true", help="compile the catalogue and check nothing")
    arguments = parser.parse_args()
    if arguments.compile_only:
        compile_catalogue()
        return 0
    wanted = extracted()
    if arguments.update:
        update(wanted, english())
    problems = list(findings(wanted, english()))
    for problem in problems:
        print(f"{ENGLISH.relative_to(ROOT)}: {problem}")
    compile_catalogue()
    print(f"translations: {len(wanted)} sentences, {len(problems)} findings")
    return 1 if problems and not arguments.update else 0


if __name__ == "__main__":
    sys.exit(main())
