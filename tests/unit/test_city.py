"""The synthetic city: a Guangzhou whose firms fall into distress in order, and leave gaps that mean something."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from app.core import uscc
from app.enterprises.rules import DataSource, size_class
from scoring.city import BLOCK, ITEMS, CityAssumptions, blocks, city
from scoring.city.codes import FIRST_SERIAL, credit_codes, trade_names
from scoring.city.sizes import size_ranks
from scoring.synthetic_city import DISTRICTS

MONTHS = 24
UNTIL = date(2026, 10, 31)
AS_OF = date(2026, 11, 25)
UTILITIES = ("electricity", "water", "gas")
Frames = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def town() -> Frames:
    """A city of 8,000 firms."""
    return city(8_000, MONTHS, seed=7)


# -- the same city again ----------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_city() -> None:
    one, again = city(50, 6, seed=3), city(50, 6, seed=3)
    for item in ITEMS:
        assert_frame_equal(one[item], again[item])


def test_another_seed_gives_another_city() -> None:
    assert not city(50, 6, seed=3, items=["tax"])["tax"].equals(city(50, 6, seed=4, items=["tax"])["tax"])


def test_a_firm_is_the_same_in_a_small_and_in_a_large_city(town: Frames) -> None:
    small = city(301, MONTHS, seed=7)
    firms = small["firms"]["uscc"].implode()
    accounts = small["meter_links"]["account_no"].implode()
    for item, frame in small.items():
        mine = pl.col("account_no").is_in(accounts) if item in UTILITIES else pl.col("uscc").is_in(firms)
        assert_frame_equal(frame, town[item].filter(mine), check_row_order=False)


def test_a_firm_is_the_same_whichever_items_are_asked_for(town: Frames) -> None:
    assert_frame_equal(city(8_000, MONTHS, seed=7, items=["housing_fund"])["housing_fund"], town["housing_fund"])


def test_a_city_comes_in_blocks_of_bounded_size() -> None:
    sizes = [part["firms"].height for part in blocks(2 * BLOCK + 10, 2, seed=1, items=["firms"])]
    assert sizes == [BLOCK, BLOCK, 10]


@pytest.mark.parametrize(("firms", "months", "item"), [(0, 12, "tax"), (5, 0, "tax"), (5, 2, "taxes"), (10**7, 2, "tax")])
def test_impossible_cities_are_refused(firms: int, months: int, item: str) -> None:
    with pytest.raises(ValueError):
        city(firms, months, seed=1, items=[item])


def test_a_city_is_not_looked_at_before_its_last_month_is_over() -> None:
    with pytest.raises(ValueError):
        city(5, 2, seed=1, until=UNTIL, as_of=UNTIL)


# -- who lives there --------------------------------------------------------------------------------------


def test_every_code_is_valid_and_the_one_the_portal_would_make(town: Frames) -> None:
    codes = town["firms"]["uscc"].to_list()
    assert len(set(codes)) == len(codes)
    for number, code in enumerate(codes):
        assert code == uscc.synthetic(code[2:8], FIRST_SERIAL + number, code[1])
        assert uscc.validate(code) is None


def test_the_last_serials_are_made_right_too() -> None:
    serials = np.array([0, 30, 31, 31**5 - 1])
    codes = credit_codes(serials, np.full(4, 440106), np.array([1, 2, 3, 9]))
    assert codes.to_list() == [uscc.synthetic("440106", int(s), e) for s, e in zip(serials, "1239", strict=True)]


def test_the_region_in_the_code_is_the_firms_district(town: Frames) -> None:
    firms = town["firms"]
    assert [uscc.DISTRICTS[code[2:8]] for code in firms["uscc"]] == firms["district"].to_list()


def test_every_name_is_unique_and_says_that_it_is_a_demonstration(town: Frames) -> None:
    names = town["firms"]["name"]
    assert names.n_unique() == len(names)
    assert names.str.starts_with("广州").all() and names.str.ends_with("（演示）").all()


def test_a_million_firms_have_a_million_names() -> None:
    assert trade_names(np.arange(1_000_000)).n_unique() == 1_000_000


def test_firms_sit_in_all_eleven_districts_and_in_many_industries(town: Frames) -> None:
    assert set(town["firms"]["district"]) == {name for name, _ in DISTRICTS}
    codes = town["firms"]["industry_code"]
    assert codes.n_unique() > 40 and codes.str.contains(r"^\d{4}$").all()
    assert len(set(codes.str.slice(0, 2))) > 25


def test_offices_crowd_the_centre_and_factories_lie_outside(town: Frames) -> None:
    central = town["firms"].with_columns(centre=pl.col("district").is_in(["越秀区", "天河区", "海珠区", "荔湾区"]))
    division = pl.col("industry_code").str.slice(0, 2)
    share = {
        name: central.filter(chosen)["centre"].mean()
        for name, chosen in {"offices": division.is_in(["64", "65"]), "factories": division < "44"}.items()
    }
    assert share["offices"] > 2 * share["factories"]


def test_sizes_agree_with_the_portals_rule(town: Frames) -> None:
    for firm in town["firms"].iter_rows(named=True):
        ruled = size_class(
            firm["industry_code"], firm["headcount"], round(firm["revenue"] * 100), round(firm["assets"] * 100),
            2025, DataSource.SELF_STATED,
        )  # fmt: skip
        assert ruled.size.value.lower() == firm["size_class"], firm


@pytest.mark.parametrize("code", ["0141", "1311", "4710", "5132", "5211", "5431", "5910", "5920", "6020", "6210", "6311", "6513",
                                  "7010", "7020", "7259", "8391", "9011"])  # fmt: skip
def test_limits_belong_to_the_higher_class_as_in_the_portals_rule(code: str) -> None:
    heads = np.array([1, 4, 5, 9, 10, 19, 20, 99, 100, 199, 200, 299, 300, 999, 1000, 2000])
    for wan in (49, 50, 100, 299, 300, 500, 1000, 2000, 5000, 8000, 20_000, 40_000, 120_000, 200_000):
        money = np.full(len(heads), wan * 1_000_000)
        ranks = size_ranks([code], np.zeros(len(heads), dtype=np.int64), heads, money, money)
        ruled = [size_class(code, int(n), wan * 1_000_000, wan * 1_000_000, 2025, DataSource.SELF_STATED) for n in heads]
        assert [("micro", "small", "medium", "large")[rank] for rank in ranks] == [one.size.value.lower() for one in ruled]


def test_most_firms_are_micro_or_small_and_a_few_are_not(town: Frames) -> None:
    shares = dict(town["firms"]["size_class"].value_counts(normalize=True).iter_rows())
    assert shares["micro"] > shares["small"] > shares["medium"] > shares["large"] > 0


# -- how distress shows -----------------------------------------------------------------------------------


def test_distress_shows_first_in_payments_then_in_power_then_in_insured_heads(town: Frames) -> None:
    bills = _since_onset(_of_firms(town, "electricity"), town)
    late = _by_phase(bills.drop_nulls("due_on").with_columns(value=_late("paid_on")))
    power = _by_phase(_against_before(bills, "account_no", "quantity"))
    heads = _by_phase(_against_before(_since_onset(town["social_insurance"], town), "uscc", "heads"))
    assert late["before"] < 0.15 and late["onset"] > 0.35
    assert power["onset"] > 0.93 and power["half a year"] < 0.9
    assert heads["onset"] > 0.95 and heads["half a year"] > 0.93 and heads["a year"] < 0.9
    assert power["a year"] < heads["a year"] < 1.0


def test_taxes_are_filed_late_and_stay_unpaid_in_distress(town: Frames) -> None:
    filings = _since_onset(town["tax"], town)
    late = _by_phase(filings.with_columns(value=_late("filed_on")))
    owing = _by_phase(filings.with_columns(value=(pl.col("arrears") > 0).cast(pl.Float64)))
    assert late["onset"] > 2 * late["before"]
    assert owing["half a year"] > 5 * max(owing["before"], 0.001)


def test_firms_that_are_not_in_distress_keep_their_heads(town: Frames) -> None:
    calm = town["truth"].filter(pl.col("stress_began").is_null()).select("uscc")
    heads = town["social_insurance"].join(calm, on="uscc")
    ends = [heads.filter(pl.col("period") == month)["heads"].mean() for month in ("2025-10", "2026-10")]
    assert 0.9 < ends[1] / ends[0] < 1.2


def test_summer_costs_power_and_spring_festival_costs_sales(town: Frames) -> None:
    power, sales = (_by_month(town[item], value) for item, value in (("electricity", "quantity"), ("tax", "sales")))
    assert power["07"] > power["01"]
    assert sales["02"] < 0.8 * sales["12"]


def test_outcomes_grow_worse_with_stress_and_with_distress() -> None:
    truth = city(20_000, 1, seed=11, items=["truth"])["truth"].filter(pl.col("defaulted").is_not_null())
    stress = truth.sort("stress").with_row_index().with_columns(group=pl.col("index") * 5 // len(truth))
    by_stress = stress.group_by("group").agg(pl.col("defaulted").mean()).sort("group")["defaulted"].to_list()
    assert by_stress == sorted(by_stress) and by_stress[-1] > 4 * by_stress[0]
    steps = pl.when(pl.col("distress") > 1).then(2).when(pl.col("distress") > 0).then(1).otherwise(0)
    by_distress = truth.group_by(steps.alias("step")).agg(pl.col("defaulted").mean()).sort("step")["defaulted"].to_list()
    assert by_distress == sorted(by_distress) and by_distress[-1] > 0.4


def test_without_a_base_rate_nobody_defaults() -> None:
    calm = city(500, 1, seed=7, items=["firms"], assume=CityAssumptions(default=-50.0, outcome_known=1.0))["firms"]
    assert calm["defaulted"].drop_nulls().sum() == 0


# -- what is missing --------------------------------------------------------------------------------------


def test_small_and_stressed_firms_leave_more_gaps(town: Frames) -> None:
    truth = town["truth"]
    landlord = _of_firms(town, "electricity").filter(pl.col("metering") == "landlord")["uscc"].unique()
    with_fund, bound = (town[item]["uscc"].unique() for item in ("housing_fund", "cash_flow"))
    for worse, better in ((pl.col("stress") > 0.5, pl.col("stress") < -0.5), (pl.col("size") < -0.5, pl.col("size") > 0.5)):
        assert _share(truth.filter(worse), with_fund) < 0.8 * _share(truth.filter(better), with_fund)
        assert _share(truth.filter(worse), bound) < 0.85 * _share(truth.filter(better), bound)
        assert _share(truth.filter(worse), landlord) > 1.2 * _share(truth.filter(better), landlord)


def test_a_landlords_month_carries_no_quantity_and_never_a_zero(town: Frames) -> None:
    for item in UTILITIES:
        months = town[item]
        unread = pl.col("metering").is_in(["landlord", "not_metered"])
        assert months.filter(unread).height > 0 and months.filter(unread)["quantity"].is_null().all()
        assert months.filter(~unread)["quantity"].is_not_null().all()
        assert months.filter(pl.col("metering") == "landlord")["bill"].is_null().all()


def test_services_use_labour_dispatch_and_factories_less(town: Frames) -> None:
    firms = town["firms"]
    sending = town["social_insurance"].filter(pl.col("dispatched") > 0)["uscc"].unique()
    managers, moulders = (_share(firms.filter(pl.col("industry_code") == code), sending) for code in ("7020", "3525"))
    assert managers > 2 * moulders


# -- what the files look like -----------------------------------------------------------------------------


def test_small_taxpayers_have_one_row_a_quarter(town: Frames) -> None:
    quarters = town["tax"].filter(pl.col("cycle") == "quarter")
    assert set(quarters["period"].str.slice(5)) <= {"03", "06", "09", "12"}
    assert not quarters.select("uscc", "tax_kind", "period").is_duplicated().any()
    vat = town["tax"].filter(pl.col("tax_kind") == "vat").group_by("uscc").agg(pl.col("cycle").n_unique())
    assert vat["cycle"].max() == 1


def test_taxes_are_due_on_the_fifteenth_of_the_next_month(town: Frames) -> None:
    due = town["tax"].with_columns(next=pl.col("period").str.to_date("%Y-%m").dt.offset_by("1mo14d"))
    assert (due["next"] == due["due_on"]).all()


def test_a_tax_row_adds_up(town: Frames) -> None:
    filed = town["tax"].filter(pl.col("filed_on").is_not_null())
    assert ((filed["due"] - filed["paid"] - filed["arrears"]).abs() < 0.001).all()
    assert town["tax"].filter(pl.col("filed_on").is_null())["sales"].null_count() > 0


def test_a_balance_follows_from_what_came_in_and_went_out(town: Frames) -> None:
    moved = town["cash_flow"].with_columns(before=pl.col("balance").shift(1).over("uscc", "account_tail")).drop_nulls()
    assert ((moved["before"] + moved["inflow"] - moved["outflow"] - moved["balance"]).abs() < 0.001).all()
    assert (town["cash_flow"]["balance"] >= 0).all()


def test_amounts_are_exact_to_the_fen_and_quantities_to_three_decimals(town: Frames) -> None:
    money = {
        "bill", "arrears", "sales", "due", "paid", "base", "value", "inflow", "outflow", "balance", "capital", "amount",
        "unpaid", "revenue", "assets",
    }  # fmt: skip
    for frame in town.values():
        for name in money & set(frame.columns):
            values = frame[name].drop_nulls().to_numpy()
            assert (values == np.rint(values * 100) / 100).all(), name
    for item in UTILITIES:
        quantity = town[item]["quantity"].drop_nulls().to_numpy()
        assert (quantity == np.rint(quantity * 1000) / 1000).all() and (quantity >= 0).all()


def test_nothing_is_dated_after_the_day_of_delivery_except_what_is_still_to_come(town: Frames) -> None:
    future = {"due_on", "expires_on", "valid_to"}
    for item, frame in town.items():
        for name in [name for name, kind in frame.schema.items() if kind == pl.Date and name not in future]:
            latest = frame[name].max()
            assert latest is None or latest <= AS_OF, (item, name)


def test_nothing_happens_to_a_firm_before_it_opens(town: Frames) -> None:
    opened = town["firms"].select("uscc", "opened_on")
    dated = {
        "tax": "filed_on", "social_insurance": "paid_on", "justice": "filed_on", "ip": "granted_on",
        "registration_changes": "changed_on", "qualifications": "valid_from", "meter_links": "valid_from",
    }  # fmt: skip
    for item, name in dated.items():
        both = town[item].join(opened, on="uscc")
        assert (both[name].drop_nulls() >= both.filter(pl.col(name).is_not_null())["opened_on"]).all(), item


def test_each_fact_of_the_catalogue_comes_once(town: Frames) -> None:
    keys = {
        "registration": ["uscc"], "registration_changes": ["uscc", "changed_on", "kind"],
        "qualifications": ["uscc", "kind", "certificate_no"], "ip": ["uscc", "kind", "number"],
        "penalties": ["uscc", "document_no"], "justice": ["uscc", "case_no", "role"],
        "dishonesty": ["uscc", "list_name", "listed_on"], "meter_links": ["account_no", "uscc", "valid_from"],
        "tax": ["uscc", "tax_kind", "period"], "tax_grades": ["uscc", "year"],
        "social_insurance": ["uscc", "kind", "period"], "housing_fund": ["uscc", "period"],
        "customs": ["uscc", "direction", "period"], "cash_flow": ["uscc", "account_tail", "period"],
        **{item: ["account_no", "period"] for item in UTILITIES},
    }  # fmt: skip
    assert set(keys) == set(ITEMS) - {"firms", "truth"}
    for item, key in keys.items():
        assert not town[item].select(key).is_duplicated().any(), item


def test_some_meters_are_shared_some_firms_have_two_and_some_moved(town: Frames) -> None:
    links = town["meter_links"].filter(pl.col("account_no").str.starts_with("01"))
    shared = links.filter(pl.col("basis") == "shared")
    assert shared.group_by("account_no").len()["len"].max() == 2
    assert links.filter(pl.col("valid_to").is_null()).group_by("uscc").len()["len"].max() == 2
    moved = links.filter(pl.col("valid_to").is_not_null()).join(links, left_on=["uscc"], right_on=["uscc"], suffix="_next")
    followed = moved.filter(pl.col("valid_from_next") == pl.col("valid_to").dt.offset_by("1d"))
    assert followed["uscc"].n_unique() == links.filter(pl.col("valid_to").is_not_null())["uscc"].n_unique() > 50


def test_every_metered_month_has_a_meter_that_was_linked_then(town: Frames) -> None:
    for item in UTILITIES:
        months = town[item].with_columns(month=pl.col("period").str.to_date("%Y-%m"))
        linked = months.join(town["meter_links"], on="account_no").filter(
            (pl.col("valid_from") <= pl.col("month"))
            & (pl.col("valid_to").is_null() | (pl.col("valid_to") >= pl.col("month").dt.month_end()))
        )
        assert linked.select("account_no", "period").n_unique() == months.height


# -- helpers ----------------------------------------------------------------------------------------------


def _of_firms(town: Frames, item: str) -> pl.DataFrame:
    """Months of meters that belong to one firm alone, with its code."""
    own = town["meter_links"].filter(pl.col("basis") != "shared").select("account_no", "uscc")
    return town[item].join(own, on="account_no")


def _since_onset(frame: pl.DataFrame, town: Frames) -> pl.DataFrame:
    """Rows of firms in distress with ``since``: months since it began."""
    began = town["truth"].filter(pl.col("stress_began").is_not_null()).select("uscc", "stress_began")
    return frame.join(began, on="uscc").with_columns(since=_month("period") - _month("stress_began"))


def _month(name: str) -> pl.Expr:
    return pl.col(name).str.slice(0, 4).cast(pl.Int32) * 12 + pl.col(name).str.slice(5, 2).cast(pl.Int32)


def _late(paid: str) -> pl.Expr:
    """1 when paid or filed after the due day or not at all."""
    return (pl.col(paid).is_null() | (pl.col(paid) > pl.col("due_on"))).cast(pl.Float64)


def _against_before(frame: pl.DataFrame, key: str, value: str) -> pl.DataFrame:
    """``value`` against its mean in the half-year before the onset."""
    before = frame.filter(pl.col("since").is_between(-6, -1)).group_by(key).agg(before=pl.col(value).mean(), seen=pl.len())
    return frame.join(before.filter(pl.col("seen") == 6), on=key).with_columns(value=pl.col(value) / pl.col("before"))


def _by_phase(frame: pl.DataFrame) -> dict[str, float]:
    """Mean value before, at, half a year after and a year after the onset."""
    phases = {"before": (-6, -1), "onset": (0, 2), "half a year": (5, 6), "a year": (11, 13)}
    return {name: float(frame.filter(pl.col("since").is_between(*months))["value"].mean()) for name, months in phases.items()}


def _by_month(frame: pl.DataFrame, value: str) -> dict[str, float]:
    rows = frame.filter(pl.col("cycle") == "month") if "cycle" in frame.columns else frame
    months = rows.group_by(pl.col("period").str.slice(5).alias("month")).agg(pl.col(value).mean())
    return dict(months.iter_rows())


def _share(firms: pl.DataFrame, holding: pl.Series) -> float:
    return float(firms["uscc"].is_in(holding.implode()).mean())
