"""How money, rates, days and numbers are written, in Chinese and in English."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from flask import Flask
from flask_babel import Babel

from app.core import formats
from app.core.calendar import SHANGHAI

Speaking = Callable[[str], AbstractContextManager[None]]
NOVEMBER_22 = datetime(2026, 11, 22, 9, 0, tzinfo=SHANGHAI)


@pytest.fixture
def speaking() -> Speaking:
    """A page in the given language."""

    @contextmanager
    def in_language(language: str) -> Iterator[None]:
        app = Flask(__name__)
        Babel(app, locale_selector=lambda: language)
        with app.test_request_context():
            yield

    return in_language


@pytest.fixture
def chinese(speaking: Speaking) -> Iterator[None]:
    with speaking("zh_Hans_CN"), time_machine.travel(NOVEMBER_22, tick=False):
        yield


@pytest.fixture
def english(speaking: Speaking) -> Iterator[None]:
    with speaking("en"), time_machine.travel(NOVEMBER_22, tick=False):
        yield


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(
    ("fen", "shown"),
    [
        (300_000_000, "300 万元"),
        (120_000_000_000, "120,000 万元"),
        (12_500_000, "12.5 万元"),
        (5_000_000, "5 万元"),
        (11_750_000, "117,500 元"),
        (1_800_000, "18,000 元"),
        (7_435_812, "74,358.12 元"),
        (200_000, "2,000 元"),
        (5, "0.05 元"),
        (0, "0 元"),
        (-40_000_000, "-40 万元"),
        (-5, "-0.05 元"),
        (None, "—"),
    ],
)
def test_an_amount_is_shown_in_the_unit_that_reads_best_and_never_in_fen(fen: int | None, shown: str) -> None:
    assert formats.money_text(fen) == shown


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize(
    ("fen", "shown"),
    [
        (300_000_000, "¥3.00 million"),
        (11_750_000, "¥117,500"),
        (123_456_789, "¥1,234,567.89"),
        (-300_000_000, "-¥3.00 million"),
        (-5, "-¥0.05"),
    ],
)
def test_an_amount_in_english_counts_in_millions(fen: int, shown: str) -> None:
    assert formats.money_text(fen) == shown


@pytest.mark.usefixtures("chinese")
def test_columns_of_a_statement_line_up_in_yuan() -> None:
    shown = [formats.yuan_text(fen) for fen in (300_000_000, -5, 0, None)]
    assert shown == ["3,000,000.00", "-0.05", "0.00", "—"]


@pytest.mark.usefixtures("chinese")
def test_a_rate_is_shown_in_percent_rounded_half_up() -> None:
    assert formats.rate_text(Decimal("0.0392")) == "3.92%"
    assert formats.rate_text(Decimal("0.039250")) == "3.93%"
    assert formats.rate_text(Decimal("0.5"), places=0) == "50%"
    assert formats.rate_text(None) == "—"


@pytest.mark.usefixtures("chinese")
def test_a_day_carries_its_year_only_when_it_is_another_year() -> None:
    assert formats.date_text(date(2026, 11, 24)) == "11-24"
    assert formats.date_text(date(2027, 1, 4)) == "2027-01-04"


@pytest.mark.usefixtures("chinese")
def test_near_days_may_be_called_by_their_names() -> None:
    days = [date(2026, 11, day) for day in (21, 22, 23, 24)]
    assert [formats.date_text(day, relative=True) for day in days] == ["昨天", "今天", "明天", "11-24"]


@pytest.mark.usefixtures("chinese")
def test_a_moment_is_shown_in_shanghai_time_whatever_zone_it_carries() -> None:
    last_evening_in_london = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
    assert formats.datetime_text(last_evening_in_london) == "11-23 02:30"
    assert formats.datetime_text(last_evening_in_london, relative=True) == "明天 02:30"
    assert formats.iso_text(last_evening_in_london) == "2026-11-23T02:30+08:00"


@pytest.mark.usefixtures("chinese")
def test_a_moment_without_a_zone_is_refused_rather_than_shown_hours_wrong() -> None:
    with pytest.raises(ValueError, match="zone"):
        formats.datetime_text(datetime(2026, 11, 22, 18, 30))


@pytest.mark.usefixtures("english")
def test_english_days_name_the_month() -> None:
    assert formats.datetime_text(datetime(2026, 11, 24, 18, 0, tzinfo=SHANGHAI)) == "24 Nov 18:00"
    assert formats.date_text(date(2027, 1, 4)) == "4 Jan 2027"


@pytest.mark.usefixtures("chinese")
def test_a_deadline_has_gone_by_only_after_its_minute() -> None:
    assert formats.is_past(datetime(2026, 11, 22, 8, 59, tzinfo=SHANGHAI))
    assert not formats.is_past(NOVEMBER_22)
    assert not formats.is_past(None)


def test_numbers_of_people_are_hidden_but_for_the_ends() -> None:
    assert formats.mask_id("440106199001011234") == "440***********1234"
    assert formats.mask_id("1234567") == "*******"
    assert formats.mask_phone("13812345678") == "138****5678"
    assert formats.mask_id("") == "—"


def test_a_file_is_never_shown_as_empty() -> None:
    assert formats.size_text(10) == "1 KB"
    assert formats.size_text(23_456_700) == "22.4 MB"
