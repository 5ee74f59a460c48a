"""What the numbers about a firm mean, and what must never change them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.legacy.catalogue import FEATURES, INVOICES, NAMES, SOURCES, Side
from scoring.legacy.features import IN, OUT, FeatureVector, InvoiceArrays, Window, compute, without_source

type_line = tuple[int, date, int, int, bool]
YEAR_END = date(2025, 12, 31)


def _day(when: date) -> int:
    return (when - date(1970, 1, 1)).days


def _book(lines: Sequence[type_line]) -> InvoiceArrays:
    """Lines of (side, date, counterparty, net 分, void) with 13 % VAT."""
    net = np.array([line[3] for line in lines], dtype=np.int64)
    tax = net * 13 // 100
    return InvoiceArrays(
        side=np.array([line[0] for line in lines], dtype=np.int8),
        day=np.array([_day(line[1]) for line in lines], dtype=np.int32),
        counterparty=np.array([line[2] for line in lines], dtype=np.int64),
        net_fen=net,
        tax_fen=tax,
        gross_fen=net + tax,
        void=np.array([line[4] for line in lines], dtype=np.bool_),
    )


def _sale(when: date, buyer: int, yuan: int, void: bool = False) -> type_line:
    return (OUT, when, buyer, yuan * 100, void)


def _purchase(when: date, supplier: int, yuan: int) -> type_line:
    return (IN, when, supplier, yuan * 100, False)


def _every_month(year: int, buyer: int, yuan: int) -> list[type_line]:
    return [_sale(date(year, month, 10), buyer, yuan) for month in range(1, 13)]


def _at_year_end(lines: Sequence[type_line], window: Window | None = None) -> dict[str, float]:
    vector = compute(_book(lines), _day(YEAR_END), window or Window())
    return dict(zip(NAMES, vector.values.tolist(), strict=True))


def _same_bits(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return one.tobytes() == other.tobytes()


lines_of_a_firm = st.lists(
    st.tuples(
        st.sampled_from([IN, OUT]),
        st.dates(date(2023, 6, 1), date(2026, 3, 31)),
        st.integers(0, 8),
        st.integers(-20_000_000, 90_000_000),
        st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=60,
)


def test_average_monthly_sales_are_told_over_twelve_complete_months() -> None:
    values = _at_year_end(_every_month(2025, buyer=1, yuan=9_999))
    assert 10 ** values["sales_monthly"] == pytest.approx(10_000)
    assert values["sales_active_months"] == 12
    assert values["sales_volatility"] == 0
    assert values["tax_sales_ratio"] == pytest.approx(0.13)


def test_growth_compares_a_year_with_the_year_before() -> None:
    values = _at_year_end(_every_month(2024, 1, 10_000) + _every_month(2025, 1, 15_000))
    assert values["sales_growth"] == pytest.approx(0.5)
    assert values["sales_history_months"] == 24


def test_growth_is_not_told_when_the_year_before_is_too_thin() -> None:
    half_a_year = [_sale(date(2024, month, 3), 1, 10_000) for month in range(8, 13)]
    assert np.isnan(_at_year_end(half_a_year + _every_month(2025, 1, 15_000))["sales_growth"])


def test_a_month_that_is_not_over_is_not_read_as_a_weak_month() -> None:
    lines = _every_month(2025, 1, 10_000)
    in_the_middle = compute(_book([*lines, _sale(date(2026, 1, 3), 1, 5)]), _day(date(2026, 1, 15)))
    at_the_end = compute(_book(lines), _day(YEAR_END))
    monthly = [i for i, feature in enumerate(FEATURES) if not feature.end_of_window]
    assert _same_bits(in_the_middle.values[monthly], at_the_end.values[monthly])


def test_five_largest_buyers_are_counted_among_all_buyers() -> None:
    lines = [_sale(date(2025, 5, buyer), buyer, 10_000) for buyer in range(1, 11)]
    values = _at_year_end(lines)
    assert values["buyer_count"] == 10
    assert values["buyer_top5_share"] == pytest.approx(0.5)


def test_returned_goods_show_as_the_share_of_red_letters() -> None:
    lines = [_sale(date(2025, 5, 1), 1, 8_000), _sale(date(2025, 6, 1), 1, -2_000)]
    values = _at_year_end(lines)
    assert values["sales_red_ratio"] == pytest.approx(0.25)
    assert 10 ** values["sales_monthly"] == pytest.approx(1 + 6_000 / 12)


def test_a_void_line_counts_as_void_and_as_nothing_else() -> None:
    lines = _every_month(2025, 1, 10_000)
    with_void = _at_year_end([*lines, _sale(date(2025, 3, 3), 7, 900_000, void=True)])
    without = _at_year_end(lines)
    assert with_void.pop("sales_void_ratio") == pytest.approx(1 / 13)
    assert without.pop("sales_void_ratio") == 0
    assert with_void == pytest.approx(without, nan_ok=True)


def test_the_longest_silence_lies_between_two_sales() -> None:
    lines = [_sale(date(2025, month, 1), 1, 100) for month in (2, 3, 7)]
    assert _at_year_end(lines)["sales_longest_gap"] == 3


def test_returning_buyers_are_those_of_the_year_before() -> None:
    lines = [
        _sale(date(2024, 7, 1), 1, 500),
        _sale(date(2025, 7, 1), 1, 3_000),
        _sale(date(2025, 8, 1), 2, 1_000),
    ]
    assert _at_year_end(lines)["buyer_repeat_share"] == pytest.approx(0.75)


def test_days_are_counted_since_the_last_sale() -> None:
    assert _at_year_end([_sale(date(2025, 12, 1), 1, 100)])["days_since_sale"] == 30


def test_purchases_are_compared_with_sales() -> None:
    lines = [_sale(date(2025, 7, 1), 1, 1_000), _purchase(date(2025, 6, 1), 1, 700)]
    values = _at_year_end(lines)
    assert values["purchase_sales_ratio"] == pytest.approx(0.7)
    assert values["net_vat_ratio"] == pytest.approx(0.13 * 0.3)


@pytest.mark.parametrize(("months", "thin"), [(5, True), (6, False)])
def test_fewer_than_six_months_of_invoices_are_a_thin_file(months: int, thin: bool) -> None:
    lines = [_sale(date(2025, month, 1), 1, 100) for month in range(1, months + 1)]
    vector = compute(_book(lines), _day(YEAR_END))
    assert vector.months_covered == months
    assert vector.insufficient is thin


def test_the_city_may_set_another_limit_for_thin_files() -> None:
    book = _book([_sale(date(2025, month, 1), 1, 100) for month in range(1, 5)])
    assert compute(book, _day(YEAR_END)).insufficient
    assert not compute(book, _day(YEAR_END), Window(thin_file_months=4)).insufficient


def test_without_consent_every_invoice_feature_is_absent_and_the_profile_is_partial() -> None:
    vector = compute(None, _day(YEAR_END))
    fed = [feature.source == INVOICES for feature in FEATURES]
    assert np.isnan(vector.values[fed]).all()
    assert vector.partial and vector.insufficient
    assert vector.coverage == {INVOICES: 0, "sales": 0, "purchases": 0}


def test_a_firm_whose_invoices_are_all_void_has_no_sales_features() -> None:
    vector = compute(_book([_sale(date(2025, 5, 1), 1, 100, void=True)]), _day(YEAR_END))
    assert np.isnan(vector.values).all()
    assert vector.months_covered == 0


@settings(max_examples=60, deadline=None)
@given(lines_of_a_firm, st.sampled_from(SOURCES))
def test_revoking_a_category_changes_exactly_what_it_feeds(lines: list[type_line], source: str) -> None:
    whole = compute(_book(lines), _day(YEAR_END))
    revoked = without_source(whole, source)
    fed = np.array([feature.source == source for feature in FEATURES])
    assert np.isnan(revoked.values[fed]).all()
    assert _same_bits(revoked.values[~fed], whole.values[~fed])
    assert revoked.partial
    if source == INVOICES:
        _assert_same(revoked, compute(None, _day(YEAR_END)))


@settings(max_examples=60, deadline=None)
@given(lines_of_a_firm, st.sampled_from([(IN, Side.PURCHASES), (OUT, Side.SALES)]))
def test_a_missing_half_of_the_book_changes_only_what_reads_it(
    lines: list[type_line], missing: tuple[int, Side]
) -> None:
    code, side = missing
    book = _book(lines)
    half = compute(book.select(book.side != code), _day(YEAR_END))
    whole = compute(book, _day(YEAR_END))
    reads = np.array([side in feature.sides for feature in FEATURES])
    assert np.isnan(half.values[reads]).all()
    assert _same_bits(half.values[~reads], whole.values[~reads])


@settings(max_examples=60, deadline=None)
@given(lines_of_a_firm, st.randoms(use_true_random=False))
def test_the_order_of_lines_and_the_names_of_counterparties_change_nothing(
    lines: list[type_line], random: object
) -> None:
    book = _book(lines)
    order = np.array(sorted(range(len(lines)), key=lambda _: random.random()))  # type: ignore[attr-defined]
    shuffled = book.select(order)
    renamed = InvoiceArrays(
        shuffled.side, shuffled.day, 1_000_003 - 7 * shuffled.counterparty, shuffled.net_fen,
        shuffled.tax_fen, shuffled.gross_fen, shuffled.void,
    )  # fmt: skip
    _assert_same(compute(renamed, _day(YEAR_END)), compute(book, _day(YEAR_END)))


@settings(max_examples=60, deadline=None)
@given(lines_of_a_firm)
def test_nobody_looks_into_the_future(lines: list[type_line]) -> None:
    book = _book(lines)
    known = book.select(book.day <= _day(YEAR_END))
    _assert_same(compute(book, _day(YEAR_END)), compute(known, _day(YEAR_END)))


@settings(max_examples=60, deadline=None)
@given(lines_of_a_firm)
def test_shares_stay_between_nought_and_one_and_nothing_is_infinite(lines: list[type_line]) -> None:
    vector = compute(_book(lines), _day(YEAR_END))
    assert not np.isinf(vector.values).any()
    for name in ("sales_void_ratio", "buyer_top5_share", "supplier_top5_share", "buyer_repeat_share"):
        value = vector.values[NAMES.index(name)]
        assert np.isnan(value) or 0 <= value <= 1


def test_columns_of_different_length_are_refused() -> None:
    book = _book(_every_month(2025, 1, 100))
    with pytest.raises(ValueError, match="length"):
        InvoiceArrays(
            book.side[:-1], book.day, book.counterparty, book.net_fen, book.tax_fen, book.gross_fen, book.void
        )


def test_the_snapshot_beside_a_score_names_every_feature() -> None:
    snapshot = compute(_book(_every_month(2025, 1, 100)), _day(YEAR_END)).as_dict()
    assert tuple(snapshot) == NAMES
    assert snapshot["purchase_monthly"] is None
    assert snapshot["sales_active_months"] == 12.0


@pytest.mark.parametrize("feature", FEATURES, ids=NAMES)
def test_every_feature_names_its_source_and_speaks_both_languages(feature: object) -> None:
    from scoring.legacy.catalogue import Feature

    assert isinstance(feature, Feature)
    assert feature.source in SOURCES and feature.sides
    for sentences in (feature.zh, feature.en):
        assert sentences.label
        assert "{value}" in sentences.good and "{value}" in sentences.bad
        assert sentences.good != sentences.bad
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in feature.en.good + feature.en.bad)


def test_values_are_shown_in_words_people_use() -> None:
    by_name = dict(zip(NAMES, FEATURES, strict=True))
    assert by_name["sales_monthly"].show(np.log10(123_457), "zh") == "12.35万元"
    assert by_name["sales_monthly"].show(np.log10(123_457), "en") == "CNY 123,456"
    assert by_name["buyer_top5_share"].show(0.575, "zh") == "57.5%"
    assert by_name["buyer_count"].show(float("nan"), "zh") == "无数据"


def _assert_same(one: FeatureVector, other: FeatureVector) -> None:
    assert _same_bits(one.values, other.values)
    assert one.coverage == other.coverage
    assert (one.months_covered, one.partial, one.insufficient) == (
        other.months_covered, other.partial, other.insufficient,
    )  # fmt: skip
