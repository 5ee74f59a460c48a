"""What a process makes once for each way in which it stands, instead of once a page: rows, filters, the menu, the frame."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

from flask import get_template_attribute, request, url_for
from markupsafe import Markup

from app.core.formats import is_english

T = TypeVar("T")

MOST_KEPT = 5_000
"""Pieces that a process keeps, about 3 kB each."""
_KEPT: dict[Hashable, Any] = {}


def kept(key: Hashable, make: Callable[[], T]) -> T:
    """A piece as this process made it before; the last ``MOST_KEPT`` of all are kept.

    ``key`` says everything that the piece depends on, the language too. Whatever a piece shows of one visitor must be part of it.
    """
    found = _KEPT.get(key)
    if found is None:
        while len(_KEPT) >= MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)), None)
        found = _KEPT[key] = make()
    return cast(T, found)


def kept_each(prefix: tuple[Hashable, ...], keys: Iterable[Hashable], make: Callable[[int], T]) -> list[T]:
    """The same for the rows of a list: ``make`` gets the place of a row that this process has not made before."""
    return [_KEPT.get(key) or kept(key, partial(make, place)) for place, key in enumerate([(*prefix, key) for key in keys])]


def once(name: str, *values: Hashable) -> Markup:
    """For templates: a macro of ``core/frame.html`` drawn once for each language, root of the addresses, and ``values``."""
    return kept(("frame", name, is_english(), _root(), values), lambda: _draw(name, values))


def _draw(name: str, values: tuple[Hashable, ...]) -> Markup:
    return Markup(get_template_attribute("core/frame.html", name)(*values))


def address(endpoint: str, **values: Any) -> str:
    """``url_for``, worked out once for pages and files that need nothing else to be found."""
    if not request or (values and (endpoint != "static" or len(values) > 1)) or endpoint.startswith("."):
        return url_for(endpoint, **values)
    return kept(("address", _root(), endpoint, values.get("filename")), lambda: url_for(endpoint, **values))


def _root() -> str:
    """Below which path the portal stands: another one makes other addresses."""
    return str(request.environ.get("SCRIPT_NAME", ""))


_NOBODY = UUID(int=0)


def address_of(endpoint: str, name: str, key: UUID) -> str:
    """``url_for`` of a page that is found by one id."""
    values: dict[str, Any] = {name: _NOBODY}
    shape = kept(("shape", _root(), endpoint, name), lambda: url_for(endpoint, **values))
    return shape.replace(str(_NOBODY), str(key))
