"""What all pages share, filled by the rooms while the app is built: menu, homes, stations, event words.

`core` knows no room. A room tells it here what to show, so an earlier room never imports a later one. The
registries live as long as the process; adding a key twice replaces the first, so building the app again
(tests do) changes nothing. Texts are lazy, because they are spoken in the language of whoever looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, IntEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from flask import url_for
from flask_babel import LazyString, lazy_gettext

from app.core.calendar import now

if TYPE_CHECKING:
    from app.core.permissions import Permission


Text: TypeAlias = str | LazyString
Tone = Literal["good", "wait", "bad", "info", "plain"]
StationState = Literal["done", "here", "todo", "stopped"]

BIG_FIGURES = 4
"""A home shows at most this many big figures: more of them decide nothing."""

_NEVER = datetime.max.replace(tzinfo=UTC)


class Viewer(Protocol):
    """Whoever looks at the page: all this module asks of a context."""

    def can(self, permission: Permission) -> bool:
        """Whether the viewer holds the permission."""
        ...


@dataclass(frozen=True)
class Figure:
    """A big number on a home: the value without its unit, the unit apart, and the page that explains it."""

    label: Text
    value_text: str
    unit: Text = ""
    tone: Tone = "plain"
    url: str | None = None


@dataclass(frozen=True)
class Wait:
    """One thing that waits for the viewer. `due` is timezone-aware; a lower `order` stands higher."""

    text: Text
    detail: Text
    url: str
    due: datetime | None = None
    tone: Tone = "plain"
    order: int = 50


@dataclass(frozen=True)
class Station:
    """A station on the line of a case: `at` it was reached, `due` it must be; both timezone-aware."""

    key: str
    label: Text
    state: StationState = "todo"
    at: datetime | None = None
    due: datetime | None = None
    url: str | None = None


@dataclass(frozen=True)
class NextStep:
    """The sentence under the line: whose turn it is, what to do, by when, and what happens otherwise.

    `mine` colours the sentence: gold when the viewer must act, quiet when somebody else does.
    """

    whose: Text
    text: Text
    by: datetime | None = None
    otherwise: Text = ""
    mine: bool = True


@dataclass(frozen=True)
class Line:
    """The line of a case: its stations in order, and what happens next."""

    stations: list[Station]
    next: NextStep | None = None

    @property
    def current(self) -> Station | None:
        """The station where the case stands, or None before the first and after the last."""
        return next((station for station in self.stations if station.state in ("here", "stopped")), None)


@dataclass(frozen=True)
class TimelineEntry:
    """Who did what, when and why. `reason` is the text a person typed, or empty."""

    at: datetime
    who: Text
    organisation: Text
    what: Text
    reason: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True)
class Paper:
    """A file kept with a case, as the papers list shows it. `size` is in bytes."""

    name: str
    url: str
    size: int
    at: datetime
    who: Text = ""
    note: Text = ""


class Group(IntEnum):
    """Where the menu folds its entries, in the order of the main road; the value is the place among entries outside of groups."""

    FINANCING = 10
    LOANS = 20
    POOL = 30
    BRIDGE = 40
    DATA = 50
    HOUSE = 90


GROUP_NAMES: dict[Group, Text] = {
    Group.FINANCING: lazy_gettext("融资"),
    Group.LOANS: lazy_gettext("贷款"),
    Group.POOL: lazy_gettext("风险补偿"),
    Group.BRIDGE: lazy_gettext("转贷"),
    Group.DATA: lazy_gettext("数据"),
    Group.HOUSE: lazy_gettext("管理"),
}
FEW_ENTRIES = 8
"""A menu of so many entries stands in one row as it is: folding it would hide what there is room for."""


@dataclass(frozen=True)
class MenuEntry:
    """A link of the role menu; `permission` None means everyone who is signed in, `group` None that it is never folded."""

    label: Text
    endpoint: str
    permission: Permission | None
    order: int
    group: Group | None

    @property
    def place(self) -> int:
        """Where the entry, or its group, stands in the row."""
        return self.order if self.group is None else self.group


class MenuItem(NamedTuple):
    """What stands in the row of the menu: a page with its address, or a group with its pages below it."""

    label: str
    url: str = ""
    below: tuple[MenuItem, ...] = ()


class Menu:
    """The role menu. Keyed by endpoint."""

    def __init__(self) -> None:
        self._entries: dict[str, MenuEntry] = {}

    def add(
        self, label: Text, endpoint: str, permission: Permission | None = None, order: int = 50, group: Group | None = None,
    ) -> None:
        """Offer a page in the menu of everyone who holds the permission, by its order within its group."""
        self._entries[endpoint] = MenuEntry(label, endpoint, permission, order, group)

    def entries(self, viewer: Viewer) -> list[MenuEntry]:
        """The entries this viewer may open, in order."""
        offered = (entry for entry in self._entries.values() if entry.permission is None or viewer.can(entry.permission))
        return sorted(offered, key=lambda entry: (entry.place, entry.group is None, entry.order, entry.endpoint))

    def items(self, viewer: Viewer) -> tuple[MenuItem, ...]:
        """The menu, spoken in the language of the page; a group of one page is that page."""
        entries = self.entries(viewer)
        if len(entries) <= FEW_ENTRIES:
            return _pages(entries)
        row: list[MenuItem] = []
        for group, members in groupby(entries, key=lambda entry: entry.group):
            pages = _pages(members)
            row += pages if group is None or len(pages) == 1 else (MenuItem(str(GROUP_NAMES[group]), below=pages),)
        return tuple(row)


def _pages(entries: Iterable[MenuEntry]) -> tuple[MenuItem, ...]:
    return tuple(MenuItem(str(entry.label), url_for(entry.endpoint)) for entry in entries)


def menu_here(items: Iterable[MenuItem], path: str) -> str:
    """The address of the menu that is open at ``path``: the longest that begins it; empty where none does."""
    urls = (page.url for item in items for page in item.below or (item,))
    return max((url for url in urls if _leads_to(url, path)), key=len, default="")


def _leads_to(url: str, path: str) -> bool:
    return path == url or (url != "/" and path.startswith(url.rstrip("/") + "/"))


FigureProvider = Callable[[Any], Iterable[Figure]]
WaitProvider = Callable[[Any], Iterable[Wait]]


def _name(provider: Callable[..., Any]) -> str:
    return f"{provider.__module__}.{provider.__qualname__}"


class Home:
    """The first page after sign-in: at most four big figures and one list of what waits."""

    def __init__(self) -> None:
        self._figures: dict[str, tuple[int, Permission | None, FigureProvider]] = {}
        self._waits: dict[str, tuple[Permission | None, WaitProvider]] = {}

    def add_figures(self, permission: Permission | None, provider: FigureProvider, order: int = 50) -> None:
        """Let `provider(ctx)` put figures on the home of everyone who holds the permission; a lower order stands first."""
        self._figures[_name(provider)] = (order, permission, provider)

    def add_waits(self, permission: Permission | None, provider: WaitProvider) -> None:
        """Let `provider(ctx)` put waiting things on the home of everyone who holds the permission."""
        self._waits[_name(provider)] = (permission, provider)

    def figures(self, ctx: Viewer) -> list[Figure]:
        """The first four figures for this viewer: by order, then in the order in which the rooms were built."""
        found: list[Figure] = []
        for _, permission, provider in sorted(self._figures.values(), key=lambda entry: entry[0]):
            if len(found) < BIG_FIGURES and (permission is None or ctx.can(permission)):
                found.extend(provider(ctx))
        return found[:BIG_FIGURES]

    def waits(self, ctx: Viewer) -> list[Wait]:
        """Everything that waits for this viewer: what is past its time first, then by order, then by what is due first."""
        found: list[Wait] = []
        for permission, provider in self._waits.values():
            if permission is None or ctx.can(permission):
                found.extend(provider(ctx))
        moment = now()
        return sorted(found, key=lambda wait: ((wait.due or _NEVER) >= moment, wait.order, wait.due or _NEVER))


StationProvider = Callable[[Any, Any], Iterable[Station]]
NextStepProvider = Callable[[Any, Any], "NextStep | None"]


@dataclass
class Stations:
    """Each room's stations of the line, as `provider(ctx, case) -> list[Station]`."""

    _providers: dict[str, tuple[int, StationProvider]] = field(default_factory=dict)

    def add(self, order: int, provider: StationProvider) -> None:
        """Stand this room's stations at `order` on the line; lower stands earlier."""
        self._providers[_name(provider)] = (order, provider)

    def of(self, ctx: Any, case: Any) -> list[Station]:
        """All stations of the case, in order."""
        ordered = sorted(self._providers.values(), key=lambda pair: pair[0])
        return [station for _, provider in ordered for station in provider(ctx, case)]


@dataclass
class NextSteps:
    """Each room's answer to "what happens next", as `provider(ctx, case) -> NextStep | None`."""

    _providers: dict[str, tuple[int, NextStepProvider]] = field(default_factory=dict)

    def add(self, order: int, provider: NextStepProvider) -> None:
        """Ask this room at `order`; the latest room that answers is heard, as the case has moved on to it."""
        self._providers[_name(provider)] = (order, provider)

    def of(self, ctx: Any, case: Any) -> NextStep | None:
        """What happens next with the case, or None when nothing does."""
        for _, provider in sorted(self._providers.values(), key=lambda pair: pair[0], reverse=True):
            step = provider(ctx, case)
            if step is not None:
                return step
        return None


@dataclass(frozen=True)
class CaseLink:
    """A door from the case page to an object of a room: the need, a loan, a booking, a claim, a bridge."""

    label: Text
    text: Text
    url: str
    tone: Tone = "plain"


CaseLinkProvider = Callable[[Any, Any], Iterable[CaseLink]]


@dataclass
class CaseLinks:
    """Each room's objects of a case, as `provider(ctx, case) -> list[CaseLink]`."""

    _providers: dict[str, tuple[int, Permission | None, CaseLinkProvider]] = field(default_factory=dict)

    def add(self, order: int, provider: CaseLinkProvider, permission: Permission | None = None) -> None:
        """Show this room's objects at `order` on the case page, to those who may open them."""
        self._providers[_name(provider)] = (order, permission, provider)

    def of(self, ctx: Viewer, case: Any) -> list[CaseLink]:
        """All objects of the case that this viewer may open, in order."""
        ordered = sorted(self._providers.values(), key=lambda entry: entry[0])
        return [
            link for _, permission, provider in ordered if permission is None or ctx.can(permission)
            for link in provider(ctx, case)
        ]


class EventTexts:
    """How an event of a lifecycle is told in plain words, keyed by the kind of thing and the event."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], Text] = {}

    def add(self, subject_type: str, event: str | Enum, text: Text) -> None:
        """Tell `event` of `subject_type` as `text` from now on."""
        self._texts[subject_type, _code(event)] = text

    def text(self, subject_type: str, event: str | Enum) -> Text:
        """The words for an event; the bare code of the event where no room has given it words."""
        return self._texts.get((subject_type, _code(event)), _code(event))


def _code(event: str | Enum) -> str:
    return str(event.value) if isinstance(event, Enum) else event


menu = Menu()
home = Home()
stations = Stations()
next_steps = NextSteps()
case_links = CaseLinks()
event_texts = EventTexts()


def build_line(ctx: Any, case: Any) -> Line:
    """The line of a case for whoever looks at it, drawn the same on every page of the case."""
    return Line(stations.of(ctx, case), next_steps.of(ctx, case))
