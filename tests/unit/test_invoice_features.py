"""Invoice features tell what a clerk would work out from the same lines by hand."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.features.invoices import FEATURES, NAMES, compute

AS_OF = date(2025, 6, 30)
SALE, PURCHASE = 1, 0
SCHEMA = {
    "firm": pl.Int64, "side": pl.Int8, "day": pl.Date, "counterparty": pl.Int64, "net_fen": pl.Int64, "tax_fen": pl.Int64,
    "gross_fen": pl.Int64, "void": pl.Boolean,
}


def line(side: int, day: date, yuan: float, party: int = 1, *, rate: float = 0.13, void: bool = False, firm: int = 7) -> tuple:
    net, tax = round(yuan * 100), round(yuan * rate * 100)
    return (firm, side, day, party, net, tax, net + tax, void)


def book(*lines: tuple) -> pl.DataFrame:
    return pl.DataFrame(lines, schema=SCHEMA, orient="row")


def month(back: int, day: int = 10) -> date:
    """A day of the month so many complete months before the last one."""
    number = 2025 * 12 + 5 - back
    return date(number // 12, number % 12 + 1, day)


def told(lines: pl.DataFrame, as_of: date = AS_OF) -> dict[str, float]:
    return compute(lines, as_of).row(0, named=True)


def every_month(side: int, yuan: float, months: int, **more: object) -> list[tuple]:
    return [line(side, month(back), yuan, **more) for back in range(months)]


def random_lines(seed: int, firms: int = 12, n: int = 1500) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    # An even number of 分 that VAT rates divide, so that amounts may be multiplied and stay whole.
    net = rng.integers(1, 5000, n) * 10_000 * np.where(rng.random(n) < 0.05, -1, 1)
    tax = (net * rng.choice([0, 3, 6, 13], n)) // 100
    return pl.DataFrame({
        "firm": rng.integers(100, 100 + firms, n), "side": rng.integers(0, 2, n).astype(np.int8),
        "day": np.datetime64("2021-12-20") + rng.integers(0, 1300, n).astype("timedelta64[D]"),
        "counterparty": rng.integers(0, 12, n), "net_fen": net, "tax_fen": tax, "gross_fen": net + tax,
        "void": rng.random(n) < 0.1,
    }, schema=SCHEMA)  # fmt: skip


def same(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    return left.equals(right, null_equal=True)


class TestSizeAndCourse:
    def test_monthly_sales_spread_over_twelve_complete_months(self) -> None:
        values = told(book(line(SALE, month(0), 120_000), line(SALE, month(12), 999_999)))
        assert values["sales_monthly"] == pytest.approx(np.log10(1 + 10_000))

    def test_over_three_years_months_without_sales_count_as_nothing(self) -> None:
        values = told(book(line(SALE, month(0), 27_000), line(SALE, month(35), 9_000), line(SALE, month(36), 5_000_000)))
        assert values["sales_long_monthly"] == pytest.approx(np.log10(1 + 1_000))
        assert values["sales_long_peak_share"] == pytest.approx(0.75)
        assert values["sales_long_active_months"] == 2

    def test_growth_holds_the_year_against_the_one_before(self) -> None:
        before = [line(SALE, month(back), 100) for back in range(12, 24)]
        assert told(book(*every_month(SALE, 150, 12), *before))["sales_growth"] == pytest.approx(0.5)

    def test_growth_is_not_told_against_a_year_of_a_few_months(self) -> None:
        few = [line(SALE, month(back), 100) for back in range(12, 17)]
        assert np.isnan(told(book(*every_month(SALE, 150, 12), *few))["sales_growth"])

    def test_equal_months_do_not_swing(self) -> None:
        values = told(book(*every_month(SALE, 500, 36)))
        assert values["sales_volatility"] == values["sales_long_volatility"] == 0.0
        assert values["sales_peak_share"] == pytest.approx(1 / 12)
        assert values["sales_long_peak_share"] == pytest.approx(1 / 36)

    def test_three_months_at_half_the_level_are_a_fall_of_a_half(self) -> None:
        lines = [line(SALE, month(back), 50 if back < 3 else 100) for back in range(12)]
        assert told(book(*lines))["sales_recent_trend"] == pytest.approx(-0.5)

    def test_a_month_that_is_not_over_is_not_read_by_month(self) -> None:
        lines = book(*every_month(SALE, 100, 12), line(SALE, date(2025, 7, 3), 99_999))
        assert told(lines, date(2025, 7, 30))["sales_monthly"] == told(lines)["sales_monthly"]


class TestRhythm:
    def test_the_longest_gap_lies_between_two_months_with_sales(self) -> None:
        values = told(book(*(line(SALE, month(back), 100) for back in (3, 4, 9, 10))))
        assert values["sales_longest_gap"] == 4
        assert values["sales_active_months"] == 4

    def test_days_and_silences(self) -> None:
        first = month(5, 1)
        values = told(book(*(line(SALE, first + timedelta(days=days), 100) for days in (0, 0, 2, 30))))
        assert values["sales_days"] == pytest.approx(3 / 365)
        assert values["sales_longest_silence"] == 28
        assert values["days_since_sales"] == (AS_OF - first).days - 30

    def test_history_goes_back_to_the_first_line_at_most_three_years(self) -> None:
        assert told(book(line(SALE, month(17), 1)))["sales_history_months"] == 18
        assert told(book(line(SALE, month(80), 1)))["sales_history_months"] == 36

    def test_the_last_five_days_of_a_month_are_its_end(self) -> None:
        values = told(book(line(SALE, date(2025, 6, 26), 300), line(SALE, date(2025, 6, 25), 100)))
        assert values["sales_month_end_share"] == pytest.approx(0.75)


class TestCounterparties:
    def test_concentration_of_four_buyers(self) -> None:
        values = told(book(*(line(SALE, month(1), yuan, party) for party, yuan in enumerate((400, 300, 200, 100)))))
        shares = np.array([0.4, 0.3, 0.2, 0.1])
        assert values["buyer_count"] == 4
        assert values["buyer_top1_share"] == pytest.approx(0.4)
        assert values["buyer_top5_share"] == pytest.approx(1.0)
        assert values["buyer_hhi"] == pytest.approx((shares**2).sum())
        assert values["buyer_effective"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))

    def test_old_buyers_and_lost_ones(self) -> None:
        values = told(book(
            line(SALE, month(15), 60, 1), line(SALE, month(15), 40, 2), line(SALE, month(2), 30, 1), line(SALE, month(2), 70, 3)
        ))  # fmt: skip
        assert values["buyer_repeat_share"] == pytest.approx(0.3)
        assert values["buyer_lost_share"] == pytest.approx(0.4)

    def test_a_regular_buyer_comes_in_three_months(self) -> None:
        regular = [line(SALE, month(back), 10, 1) for back in (0, 4, 8)]
        often_in_one_month = [line(SALE, month(1, day), 10, 2) for day in (3, 4, 5)]
        assert told(book(*regular, *often_in_one_month))["buyer_loyal_share"] == pytest.approx(0.5)

    def test_the_code_of_a_buyer_means_nothing(self) -> None:
        lines = random_lines(3)
        renamed = lines.with_columns(pl.col("counterparty") * 7_000_000_000_000 - 5)
        assert same(compute(lines, AS_OF), compute(renamed, AS_OF))


class TestRedVoidAndTax:
    def test_red_letters_are_taken_off_and_told(self) -> None:
        values = told(book(line(SALE, month(1), 1000), line(SALE, month(1), -250)))
        assert values["sales_red_ratio"] == pytest.approx(0.25)
        assert values["sales_monthly"] == pytest.approx(np.log10(1 + 750 / 12))

    def test_void_lines_count_in_nothing_but_their_share(self) -> None:
        with_void = told(book(*every_month(SALE, 100, 3), line(SALE, month(0), 900, void=True)))
        assert with_void["sales_void_ratio"] == pytest.approx(0.25)
        plain = told(book(*every_month(SALE, 100, 3)))
        assert {**with_void, "sales_void_ratio": 0.0} == pytest.approx(plain, nan_ok=True)

    def test_rates(self) -> None:
        values = told(book(line(SALE, month(0), 100, rate=0.13), line(SALE, month(0), 300, rate=0.03)))
        assert values["sales_tax_rate"] == pytest.approx(0.055)
        assert values["sales_low_rate_share"] == pytest.approx(0.75)

    def test_vat_balance_and_margin(self) -> None:
        values = told(book(line(SALE, month(0), 200, rate=0.13), line(PURCHASE, month(1), 100, rate=0.13)))
        assert values["purchase_sales_ratio"] == pytest.approx(0.5)
        assert values["net_vat_ratio"] == pytest.approx(0.065)
        assert values["overbuying_months"] == 1
        assert values["purchase_lead"] == pytest.approx(1.0)
        assert values["both_active_months"] == 0


class TestTickets:
    def test_median_and_ninth_decile_are_amounts_that_occur(self) -> None:
        lines = [line(SALE, month(1), yuan) for yuan in (10, 20, 30, 40, 50, 60, 70, 80, 90, 1000)]
        assert told(book(*lines))["sales_ticket_reach"] == pytest.approx(90 / 50)

    def test_whole_thousands(self) -> None:
        values = told(book(line(SALE, month(1), 3000, rate=0.0), line(SALE, month(1), 3001, rate=0.0)))
        assert values["sales_round_share"] == pytest.approx(0.5)
        assert values["sales_ticket"] == pytest.approx(np.log10(3001.5))


class TestAbsence:
    def test_a_firm_without_lines_is_absent(self) -> None:
        lines = book(line(SALE, month(0), 1, firm=3), line(SALE, date(2025, 7, 1), 1, firm=4))
        assert compute(lines, AS_OF)["firm"].to_list() == [3]
        assert compute(book(), AS_OF).shape == (0, len(FEATURES) + 1)

    def test_without_purchases_what_speaks_of_them_is_absent(self) -> None:
        values = told(book(*every_month(SALE, 100, 12)))
        missing = {name for name, value in values.items() if np.isnan(value)}
        assert {name for name in NAMES if name.startswith(("purchase", "supplier"))} <= missing
        assert {"both_active_months", "net_vat_ratio", "days_since_purchase", "overbuying_months"} <= missing


class TestProperties:
    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 10_000))
    def test_the_order_of_lines_means_nothing(self, seed: int) -> None:
        lines = random_lines(seed)
        assert same(compute(lines, AS_OF), compute(lines.sample(fraction=1.0, shuffle=True, seed=seed), AS_OF))

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 10_000))
    def test_nothing_after_the_day_is_read(self, seed: int) -> None:
        lines, day = random_lines(seed), AS_OF - timedelta(days=seed % 400)
        assert same(compute(lines, day), compute(lines.filter(pl.col("day") <= day), day))

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 10_000))
    def test_one_firm_alone_is_the_same_firm_among_many(self, seed: int) -> None:
        lines = random_lines(seed)
        many = compute(lines, AS_OF)
        firm = many["firm"][seed % len(many)]
        assert same(compute(lines.filter(pl.col("firm") == firm), AS_OF), many.filter(pl.col("firm") == firm))

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 10_000), st.sampled_from([2, 3, 10]))
    def test_scale_free_features_see_neither_larger_amounts_nor_doubled_lines(self, seed: int, factor: int) -> None:
        lines = random_lines(seed)
        free = [feature.name for feature in FEATURES if feature.scale_free]
        plain = compute(lines, AS_OF).select(free).to_numpy()
        larger = compute(lines.with_columns(pl.col("net_fen", "tax_fen", "gross_fen") * factor), AS_OF).select(free).to_numpy()
        doubled = compute(pl.concat([lines, lines]), AS_OF).select(free).to_numpy()
        np.testing.assert_allclose(larger, plain, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(doubled, plain, rtol=1e-9, atol=1e-12)

    def test_every_other_feature_does_see_them(self) -> None:
        lines = random_lines(11)
        plain = compute(lines, AS_OF)
        changed = [
            compute(lines.with_columns(pl.col("net_fen", "tax_fen", "gross_fen") * 10), AS_OF),
            compute(pl.concat([lines, lines]), AS_OF),
        ]  # fmt: skip
        for feature in FEATURES:
            if not feature.scale_free:
                assert not all(same(plain.select(feature.name), other.select(feature.name)) for other in changed), feature.name

    def test_firm_numbers_far_apart_and_negative_parties(self) -> None:
        lines = random_lines(5)
        far = lines.with_columns(pl.col("firm") * 40_000_000_000_000, pl.col("counterparty") - 2**61)
        assert same(compute(lines, AS_OF).drop("firm"), compute(far, AS_OF).drop("firm"))

    def test_pandas_tells_the_same(self) -> None:
        features_pandas = pytest.importorskip("benchmarks.features_pandas")
        lines = random_lines(2, firms=25, n=4000)
        other = features_pandas.compute(features_pandas.as_pandas(lines), AS_OF)
        ours = compute(lines, AS_OF).drop("firm")
        assert ours.columns == list(other.columns)
        np.testing.assert_allclose(ours.to_numpy(), other.to_numpy(dtype=float), rtol=1e-9, atol=1e-9)


class TestDirections:
    """More of what is called good raises a feature of direction +1 and lowers one of direction -1."""

    def test_a_firm_that_does_better_in_one_thing(self) -> None:
        plain = every_month(SALE, 100, 24)
        better = {
            "sales_monthly": [line(SALE, month(3), 500)],
            "buyer_count": [line(SALE, month(3), 10, 99)],
            "buyer_top1_share": [line(SALE, month(3), 50, 99)],
            "sales_days": [line(SALE, month(3, 20), 10)],
            "sales_history_months": [line(SALE, month(30), 10)],
        }
        directions = {feature.name: feature.direction for feature in FEATURES}
        for name, more in better.items():
            gain = told(book(*plain, *more))[name] - told(book(*plain))[name]
            assert gain * directions[name] > 0, name


class TestWords:
    def test_names_are_unique_and_every_sentence_is_whole_in_both_languages(self) -> None:
        assert len(set(NAMES)) == len(NAMES) >= 60
        for feature in FEATURES:
            for words in (feature.zh, feature.en):
                for text in (words.good, words.bad):
                    assert "{value}" in text and "{" not in text.replace("{value}", ""), feature.name
                assert words.good != words.bad and words.missing and words.label
            assert feature.show(0.5, "zh") and feature.source == "invoices"
