"""The lines in which a bank writes the conditions of a product: fact, relation, value, without JavaScript."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, FieldList, Form, FormField, SelectField, StringField
from wtforms.validators import Length, Optional, ValidationError

from app.core.money import EXACT, WAN, YUAN, fen_from_yuan
from app.enterprises.industries import SECTIONS
from app.market.fit_display import OP_WORDS, value_text
from app.market.fit_rules import CONSENT, FACTS, OPS, RuleLine, Shape, Tree, lines_of, tree_of

RULE_ROWS = 12
"""Lines of the form [P]; a longer rule comes through the service alone."""

_SPLIT = re.compile(r"[、，,;；\s]+")
_YES, _NO = {"是", "yes", "true", "1"}, {"否", "no", "false", "0"}


def _op_choices() -> list[tuple[str, str]]:
    """Each relation once with its words; ``not:`` turns it round. A prefix is chosen by the fact, not by people."""
    return [
        (f"not:{op}" if negated else op, str(words)) for (op, negated), words in OP_WORDS.items() if op not in ("prefix", "has")
    ]


class RuleLineForm(Form):
    """One condition."""

    joined = BooleanField(_l("与上一条满足其一即可"))
    fact = SelectField(_l("项目"), [Optional()], validate_choice=False)
    op = SelectField(_l("关系"), [Optional()], validate_choice=False)
    value = StringField(_l("数值"), [Length(max=300)])

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        named = [(code, gettext(fact.label)) for code, fact in FACTS.items() if code != CONSENT]
        self.fact.choices = [("", gettext("（无）")), *named]
        self.op.choices = _op_choices()

    def validate_value(self, field: StringField) -> None:
        """What is typed suits the fact."""
        if self.fact.data:
            self.line()

    def line(self) -> RuleLine | None:
        """The condition, ``None`` for an empty row. Raises ``ValidationError`` with a sentence."""
        fact = FACTS.get(self.fact.data or "")
        if fact is None:
            return None
        negated, op = (self.op.data or "").startswith("not:"), (self.op.data or "").removeprefix("not:")
        if self.fact.data == "industry" and op == "in":
            op = "prefix"
        if op not in OPS[fact.shape]:
            raise ValidationError(gettext("“%(fact)s”不能用这种关系，请另选。", fact=gettext(fact.label)))
        return RuleLine(self.fact.data, op, self._read(fact.shape), negated, bool(self.joined.data))

    def _read(self, shape: Shape) -> Any:
        typed = (self.value.data or "").strip()
        if shape is Shape.FLAG:
            if typed.lower() not in _YES | _NO:
                raise ValidationError(gettext("请填写“是”或“否”。"))
            return typed.lower() in _YES
        if shape in (Shape.NUMBER, Shape.MONEY):
            return self._number(typed, shape)
        parts = [part for part in _SPLIT.split(typed) if part]
        if not parts:
            raise ValidationError(gettext("请填写数值，多个之间用顿号隔开。"))
        if self.fact.data == "industry":
            return _industries(parts)
        words = FACTS[self.fact.data].words or {}
        by_name = {name: code for code, name in words.items()} | {gettext(name): code for code, name in words.items()}
        unknown = [part for part in parts if part not in words and part not in by_name]
        if unknown:
            options = gettext("、").join(gettext(name) for name in words.values())
            raise ValidationError(gettext("没有“%(word)s”这一项，可填：%(options)s。", word=unknown[0], options=options))
        return sorted({part if part in words else by_name[part] for part in parts})

    def _number(self, typed: str, shape: Shape) -> int:
        if shape is Shape.NUMBER:
            if not (typed.isascii() and typed.isdigit() and len(typed) < 10):
                raise ValidationError(gettext("请填写整数。"))
            return int(typed)
        try:
            return fen_from_yuan(typed.removesuffix("万元").removesuffix("万").strip()) * (WAN // YUAN)
        except ValueError:
            raise ValidationError(gettext("请填写以万元计的数字，例如 300。")) from None


def _industries(parts: list[str]) -> list[str]:
    """Section names or codes of one to four digits, as prefixes."""
    sections = {section.name_zh: section for section in SECTIONS} | {gettext(section.name_zh): section for section in SECTIONS}
    found: set[str] = set()
    for part in parts:
        if part in sections:
            found |= {f"{number:02d}" for number in range(sections[part].first, sections[part].last + 1)}
        elif re.fullmatch(r"[0-9]{2,4}", part):
            found.add(part)
        else:
            raise ValidationError(gettext("没有“%(word)s”这个行业，请填门类名称或 2 到 4 位代码。", word=part))
    return sorted(found)


class RuleFields:
    """Mixed into the product form: the lines, and the tree they make."""

    rules = FieldList(FormField(RuleLineForm), label=_l("准入条件"), min_entries=RULE_ROWS, max_entries=RULE_ROWS)

    def tree(self, kept: Tree | None) -> dict[str, Any]:
        """The tree of the lines; ``kept`` is a stored rule too deep for lines, which stays as it is."""
        if kept is not None:
            return dict(kept)
        return tree_of([line for row in self.rules if (line := row.form.line()) is not None])


def rule_values(tree: Tree) -> list[dict[str, Any]] | None:
    """A stored rule as the form shows it; ``None`` where lines cannot say it."""
    lines = lines_of(tree)
    if lines is None or len(lines) > RULE_ROWS or any(line.fact == CONSENT for line in lines):
        return None
    shown = [
        {
            "joined": line.joined,
            "fact": line.fact,
            "op": ("not:" if line.negated else "") + ("in" if line.op == "prefix" else line.op),
            "value": _typed(line),
        }
        for line in lines
    ]
    return shown + [{} for _ in range(RULE_ROWS - len(shown))]


def _typed(line: RuleLine) -> str:
    shape = FACTS[line.fact].shape
    if shape is Shape.MONEY:
        return f"{EXACT.divide(Decimal(line.value), Decimal(WAN)).normalize():f}"
    return str(line.value) if shape is Shape.NUMBER else value_text(line.fact, line.value)
