"""What rooms tell the shared pages: menu, homes, the line of a case and the words of events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from flask_babel import Babel

from app.core.calendar import now
from app.core.pages import (
    FEW_ENTRIES,
    EventTexts,
    Figure,
    Group,
    Home,
    Line,
    Menu,
    NextStep,
    NextSteps,
    Station,
    Stations,
    Wait,
    menu_here,
)
from app.core.permissions import Permission

MAY, MAY_NOT = list(Permission)[:2]


class Officer:
    """Somebody who holds one permission."""

    def can(self, permission: Permission) -> bool:
        return permission is MAY


def three_figures(ctx: Any) -> Iterable[Figure]:
    return [Figure(f"第 {number} 个", str(number)) for number in range(3)]


def two_figures(ctx: Any) -> Iterable[Figure]:
    return [Figure("再一个", "1"), Figure("太多了", "2")]


def waits(ctx: Any) -> Iterable[Wait]:
    def in_days(days: int) -> datetime:
        return now() + timedelta(days=days)

    return [
        Wait("以后", "", "/c"), Wait("后天", "", "/b", in_days(2)), Wait("明天", "", "/a", in_days(1)),
        Wait("最急", "", "/d", order=10), Wait("过期", "", "/e", in_days(-1)),
    ]


def test_a_home_has_at_most_four_big_figures() -> None:
    home = Home()
    home.add_figures(None, three_figures)
    home.add_figures(MAY, two_figures)
    assert [str(figure.label) for figure in home.figures(Officer())][-1] == "再一个"
    assert len(home.figures(Officer())) == 4


def test_what_is_late_waits_at_the_top_then_what_a_room_calls_urgent_then_what_is_due_first() -> None:
    home = Home()
    home.add_waits(MAY, waits)
    assert [wait.text for wait in home.waits(Officer())] == ["过期", "最急", "明天", "后天", "以后"]


def test_a_home_shows_nothing_that_its_visitor_may_not_see() -> None:
    home = Home()
    home.add_figures(MAY_NOT, three_figures)
    home.add_waits(MAY_NOT, waits)
    assert home.figures(Officer()) == []
    assert home.waits(Officer()) == []


def test_building_the_portal_twice_shows_nothing_twice() -> None:
    home, events = Home(), EventTexts()
    for _ in range(2):
        home.add_waits(MAY, waits)
        events.add("bid", "submit", "提交报价")
    assert len(home.waits(Officer())) == 5
    assert events.text("bid", "submit") == "提交报价"


def portal_with(*endpoints: str) -> Flask:
    portal = Flask(__name__)
    Babel(portal, default_locale="zh_Hans_CN")
    for endpoint in endpoints:
        portal.add_url_rule("/" if endpoint == "home" else f"/{endpoint}", endpoint.replace("/", "-"), str)
    return portal


def test_the_menu_marks_the_page_one_is_under_and_hides_the_rest() -> None:
    menu = Menu()
    menu.add("首页", "home", order=1)
    menu.add("需求", "needs", MAY, 2)
    menu.add("我的", "needs-mine", MAY, 3)
    menu.add("不许", "shut", MAY_NOT, 4)
    with portal_with("home", "needs", "needs/mine", "shut").test_request_context():
        items = menu.items(Officer())
        assert [item.label for item in items] == ["首页", "需求", "我的"]
        for path, here in (("/", "首页"), ("/needs/17", "需求"), ("/needs/mine/3", "我的")):
            assert [item.label for item in items if item.url == menu_here(items, path)] == [here]


def test_a_long_menu_folds_along_the_road_and_a_short_one_stays_in_one_row() -> None:
    menu, pages = Menu(), [f"page{number}" for number in range(FEW_ENTRIES - 2)]
    for page in pages:
        menu.add(page, page, MAY, 70, Group.FINANCING)
    menu.add("账号", "account", MAY, 95, Group.HOUSE)
    menu.add("今天", "home", order=0)
    with portal_with("home", "account", "notices", *pages).test_request_context():
        assert [item.label for item in menu.items(Officer())] == ["今天", *pages, "账号"]
        menu.add("消息", "notices", MAY, 85)
        row = menu.items(Officer())
        assert [item.label for item in row] == ["今天", "融资", "消息", "账号"]
        assert [page.label for page in row[1].below] == pages
        assert menu_here(row, "/page3/terms") == "/page3"


def market_stations(ctx: Any, case: Any) -> Iterable[Station]:
    return [Station("choice", "选定", "done")]


def pool_stations(ctx: Any, case: Any) -> Iterable[Station]:
    return [Station("booking", "入库", "here")]


def market_step(ctx: Any, case: Any) -> NextStep | None:
    return NextStep("轮到您了", "请选定一家。")


def pool_step(ctx: Any, case: Any) -> NextStep | None:
    return NextStep("轮到银行", "请申请入库。") if case == "drawn" else None


def test_rooms_stand_on_the_line_in_their_order_whoever_was_built_first() -> None:
    stations = Stations()
    stations.add(60, pool_stations)
    stations.add(30, market_stations)
    line = Line(stations.of(Officer(), "drawn"))
    assert [station.key for station in line.stations] == ["choice", "booking"]
    assert line.current is not None
    assert line.current.key == "booking"


def test_the_latest_room_that_has_something_to_say_says_what_happens_next() -> None:
    steps = NextSteps()
    steps.add(30, market_step)
    steps.add(60, pool_step)
    for case, whose in (("drawn", "轮到银行"), ("open", "轮到您了")):
        step = steps.of(Officer(), case)
        assert step is not None
        assert step.whose == whose
