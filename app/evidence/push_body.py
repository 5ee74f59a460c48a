"""The body of a push: its shape is checked at the door, what stands in its cells is read in the background like any file."""

from __future__ import annotations

import json
import re
from typing import IO, Any, NoReturn

from app.core.errors import ErrorCode, Refusal
from app.evidence.push_rules import PUSH
from app.evidence.rules import N_

JSON, NDJSON = "application/json", "application/x-ndjson"
_SUSPECT = re.compile(r"\\u(?:0000|d[89a-f])", re.IGNORECASE)


def refused(detail: str) -> Refusal:
    """The refusal of a body; ``detail`` is a Chinese message id."""
    return Refusal(ErrorCode.PUSH_BODY, detail=(detail,))


def checked(body: IO[bytes], media_type: str) -> str:
    """Looks through a body, which is stored as it came. Returns the source that it names, empty without.

    Raises ``Refusal``: PUSH_BODY with what is wrong, PUSH_ROWS past the limit.
    """
    try:
        text = body.read().decode()
    except UnicodeDecodeError as error:
        raise refused(N_("不是 UTF-8 编码")) from error
    body.seek(0)
    counted = _Counter()
    suspect = _SUSPECT.search(text) is not None
    if media_type == NDJSON:
        _check_rows([_parsed(line, counted) for line in text.split("\n") if line.strip()], suspect=suspect)
        return ""
    found = _parsed(text, counted)
    if not isinstance(found, dict) or not isinstance(found.get("rows"), list) or set(found) - {"rows", "source"}:
        raise refused(N_("最外层应是对象，含数组 rows，可另含文字 source"))
    _check_rows(found["rows"], suspect=suspect)
    return _source(found.get("source", ""))


class _Counter:
    """Counts objects while they are read: a body of ten million empty ones is refused before it fills the memory."""

    def __init__(self) -> None:
        self.objects = 0

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self.objects += 1
        if self.objects > PUSH.row_limit + 1:  # the object around the rows
            raise _too_many()
        found = dict(pairs)
        if len(found) != len(pairs):
            raise refused(N_("有一行里同一列出现了两次"))
        return found


def _parsed(text: str, counted: _Counter) -> Any:
    try:
        return json.loads(text, object_pairs_hook=counted, parse_float=str, parse_int=str, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise refused(N_("不是完整的 JSON")) from error


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _too_many() -> Refusal:
    return Refusal(ErrorCode.PUSH_ROWS, limit=PUSH.row_limit)


def _check_rows(rows: list[Any], *, suspect: bool) -> None:
    if not rows:
        raise refused(N_("一行也没有"))
    if len(rows) > PUSH.row_limit:
        raise _too_many()
    for row in rows:
        if not isinstance(row, dict) or any(isinstance(value, dict | list) for value in row.values()):
            raise refused(N_("每一行应是对象，每一格应是文字、数字、true、false 或 null"))
        if suspect and not all(_storable(text) for pair in row.items() for text in pair if isinstance(text, str)):
            raise refused(N_("有一格含有不能保存的字符"))


def _storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _source(value: Any) -> str:
    if not isinstance(value, str) or len(value) > PUSH.source_length or not value.isprintable():
        raise refused(N_("source 应是不超过 200 个字的文字"))
    return value.strip()
