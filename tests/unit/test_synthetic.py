"""The synthetic city: repeatable, plausible, and never mistaken for real firms."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from scoring.__main__ import main
from scoring.delivery_files import invoice_table
from scoring.errors import DataError
from scoring.features.compute import compute
from scoring.features.registry import PLACE
from scoring.invoice_folder import read_invoices
from scoring.synthetic import IN, OUT, Assumptions, SyntheticFirm, synthesise

UNTIL = date(2026, 10, 31)
DISTRICTS = [
    "越秀区",
    "海珠区",
    "荔湾区",
    "天河区",
    "白云区",
    "黄埔区",
    "番禺区",
    "花都区",
    "南沙区",
    "从化区",
    "增城区",
]


@pytest.fixture(scope="module")
def city() -> list[SyntheticFirm]:
    return synthesise(200, 24, seed=7)


def test_the_same_seed_gives_the_same_city(city: list[SyntheticFirm]) -> None:
    assert [_print(firm) for firm in synthesise(200, 24, seed=7)] == [_print(firm) for firm in city]


def test_another_seed_gives_another_city(city: list[SyntheticFirm]) -> None:
    assert {firm.name for firm in synthesise(20, 24, seed=8)} != {firm.name for firm in city[:20]}


def test_a_firm_is_the_same_in_a_small_and_in_a_large_city(city: list[SyntheticFirm]) -> None:
    assert [_print(firm) for firm in synthesise(5, 24, seed=7)] == [_print(firm) for firm in city[:5]]


def test_the_demo_city_is_small_enough_to_load_quickly(city: list[SyntheticFirm]) -> None:
    assert 20_000 < sum(len(firm.lines) for firm in city) <= 40_000


def test_every_name_is_unique_and_says_that_it_is_a_demonstration(city: list[SyntheticFirm]) -> None:
    assert len({firm.name for firm in city}) == 200
    assert all(firm.name.startswith("广州") and firm.name.endswith("（演示）") for firm in city)


def test_firms_sit_in_all_districts_of_guangzhou_and_in_many_industries(city: list[SyntheticFirm]) -> None:
    assert {firm.district for firm in city} == set(DISTRICTS)
    codes = {firm.industry_code for firm in city}
    assert len(codes) > 10
    assert all(len(code) == 4 and code.isdigit() for code in codes)


def test_every_firm_employs_someone_and_owns_something(city: list[SyntheticFirm]) -> None:
    assert all(firm.headcount >= 2 and firm.revenue_fen >= 0 and firm.assets_fen > 0 for firm in city)


def test_every_line_adds_up_and_lies_inside_the_period(city: list[SyntheticFirm]) -> None:
    first, last = (date(2024, 11, 1) - date(1970, 1, 1)).days, (UNTIL - date(1970, 1, 1)).days
    for firm in city:
        lines = firm.lines
        assert (lines.net_fen + lines.tax_fen == lines.gross_fen).all()
        assert (np.abs(lines.net_fen) < 100_000_000).all()
        assert ((lines.day >= first) & (lines.day <= last)).all()
        assert len(
            {(side, number) for side, number in zip(lines.side.tolist(), lines.invoice_no, strict=True)}
        ) == len(lines)


def test_there_are_sales_and_purchases_red_letters_and_voids(city: list[SyntheticFirm]) -> None:
    side = np.concatenate([firm.lines.side for firm in city])
    net = np.concatenate([firm.lines.net_fen for firm in city])
    void = np.concatenate([firm.lines.void for firm in city])
    assert set(side.tolist()) == {IN, OUT}
    assert 0.005 < float((net < 0).mean()) < 0.1
    assert 0.005 < float(void.mean()) < 0.1


def test_spring_festival_is_quiet_and_december_is_busy(city: list[SyntheticFirm]) -> None:
    net = np.concatenate([firm.lines.net_fen[firm.lines.side == OUT] for firm in city])
    months = np.concatenate([[day.month for day in firm.lines.dates()] for firm in city])
    sides = np.concatenate([firm.lines.side for firm in city])
    months = months[sides == OUT]
    assert net[months == 2].sum() < 0.75 * net[months == 12].sum()


def _lines(firms: list[SyntheticFirm]) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame({
            "firm": np.full(len(one.lines), number, dtype=np.int64), "side": one.lines.side,
            "day": one.lines.day.astype("datetime64[D]"), "counterparty": one.lines.parties(), "net_fen": one.lines.net_fen,
            "tax_fen": one.lines.tax_fen, "gross_fen": one.lines.gross_fen, "void": one.lines.void,
        })
        for number, one in enumerate(firms)
    )  # fmt: skip


def test_some_firms_are_too_young_to_be_scored(city: list[SyntheticFirm]) -> None:
    thin = compute({"invoices": _lines(city)}, np.arange(len(city)), UNTIL).insufficient
    assert 2 <= thin.sum() <= 30
    assert any(city[number].defaulted is None for number in np.flatnonzero(thin))


def test_outcomes_depend_on_what_the_invoices_show(city: list[SyntheticFirm]) -> None:
    known = [firm for firm in synthesise(400, 24, seed=7) if firm.defaulted is not None]
    told = compute({"invoices": _lines(known)}, np.arange(len(known)), UNTIL)
    bad = np.array([bool(firm.defaulted) for firm in known])
    assert 0.1 < bad.mean() < 0.4
    sales, volatility = told.values[:, PLACE["sales_monthly"]], told.values[:, PLACE["sales_volatility"]]
    assert np.nanmedian(sales[bad]) < np.nanmedian(sales[~bad])
    assert np.nanmedian(volatility[bad]) > np.nanmedian(volatility[~bad])
    assert any(firm.defaulted is None for firm in city)


def test_the_knobs_of_the_city_can_be_turned() -> None:
    calm = synthesise(
        60, 12, seed=7, assume=Assumptions(base_log_odds=-20.0, outcome_known=1.0, young_share=0.0)
    )
    assert [firm.defaulted for firm in calm] == [False] * 60


@pytest.mark.parametrize(("firms", "months"), [(0, 12), (5, 0), (1_000_000, 1)])
def test_impossible_cities_are_refused(firms: int, months: int) -> None:
    with pytest.raises(ValueError):
        synthesise(firms, months, seed=1)


def test_the_command_writes_delivery_files_with_the_columns_of_the_real_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synthesise", "--firms", "5", "--months", "6", "--seed", "3", "--invoices", "--out", str(tmp_path)]) == 0
    assert "5 synthetic firms" in capsys.readouterr().out
    for name in ("invoices_in_synthetic.parquet", "invoices_out_synthetic.parquet"):
        frame = pl.read_parquet(tmp_path / name)
        assert frame.columns == [
            "firm_id", "invoice_no", "invoice_date", "counterparty_id",
            "amount_net", "tax_amount", "amount_gross", "status",
        ]  # fmt: skip
        assert set(frame["status"]) <= {"valid", "void"}
        assert frame["invoice_date"].dtype == pl.Date


def test_amounts_written_in_yuan_come_back_to_the_same_features(tmp_path: Path, city: list[SyntheticFirm]) -> None:
    _write_as_labelled(city[:20], tmp_path)
    told = compute({"invoices": _lines(city[:20])}, np.arange(20), UNTIL).frame().drop("firm")
    back = read_invoices(tmp_path, UNTIL)
    assert back.inputs.equals(told.select(back.inputs.columns).with_columns(pl.all().fill_nan(None)))


def test_the_banks_own_rating_is_never_read(tmp_path: Path, city: list[SyntheticFirm]) -> None:
    _write_as_labelled(city[:30], tmp_path)
    before = read_invoices(tmp_path, UNTIL)
    table = pl.read_csv(tmp_path / "firms_labelled.csv")
    table.with_columns(pl.lit("A").alias("rating")).write_csv(tmp_path / "firms_labelled.csv")
    after = read_invoices(tmp_path, UNTIL)
    assert before.inputs.equals(after.inputs)
    assert before.bad.tolist() == after.bad.tolist()


def test_a_folder_with_a_file_missing_says_which(tmp_path: Path, city: list[SyntheticFirm]) -> None:
    _write_as_labelled(city[:3], tmp_path)
    for path in tmp_path.glob("invoices_out_*"):
        path.unlink()
    with pytest.raises(DataError, match="out"):
        read_invoices(tmp_path, UNTIL)


def _write_as_labelled(firms: list[SyntheticFirm], folder: Path) -> None:
    """The synthetic firms in the layout of the real labelled set, with a rating that tells the outcome."""
    rows = [bool(firm.defaulted) for firm in firms]
    pl.DataFrame(
        {
            "firm_id": [f"S{number:04d}" for number in range(1, len(firms) + 1)],
            "firm_name": [firm.name for firm in firms],
            "rating": ["D" if bad else "B" for bad in rows],
            "default": [int(bad) for bad in rows],
        }
    ).write_csv(folder / "firms_labelled.csv")
    invoice_table(firms, IN).write_parquet(folder / "invoices_in_labelled.parquet")
    invoice_table(firms, OUT).write_parquet(folder / "invoices_out_labelled.parquet")


def _print(firm: SyntheticFirm) -> tuple[object, ...]:
    """Everything about a firm, comparable."""
    lines = firm.lines
    columns = (lines.side, lines.day, lines.net_fen, lines.tax_fen, lines.gross_fen, lines.void)
    return (
        firm.name, firm.industry_code, firm.district, firm.headcount, firm.revenue_fen, firm.assets_fen,
        firm.defaulted, lines.invoice_no, lines.counterparty_id, *(column.tobytes() for column in columns),
    )  # fmt: skip
