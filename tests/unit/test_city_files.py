"""The command that writes the synthetic city: parts, replacement, what it tells, and invoices of the same firms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from scoring.__main__ import main
from scoring.city import BLOCK, city
from scoring.city.files import CityOrder, write_city
from scoring.city.invoices import firms_with_invoices
from scoring.synthetic import OUT

MONTHS = 24


def test_a_large_city_is_written_in_parts_that_hold_the_same_city(tmp_path: Path) -> None:
    order = CityOrder(BLOCK + 500, 3, 5, items=("firms", "water", "tax"), part=BLOCK)
    written = write_city(order, tmp_path)
    whole = city(BLOCK + 500, 3, 5, items=order.items)
    for item in order.items:
        assert [part.name for part in sorted((tmp_path / item).iterdir())] == ["part-00001.parquet", "part-00002.parquet"]
        assert_frame_equal(pl.read_parquet(tmp_path / item / "*.parquet"), whole[item])
        assert written.rows[item] == whole[item].height


def test_a_smaller_city_replaces_the_parts_of_a_larger_one(tmp_path: Path) -> None:
    write_city(CityOrder(BLOCK + 1, 1, 5, items=("firms",), part=BLOCK), tmp_path)
    write_city(CityOrder(10, 1, 5, items=("firms",)), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["SYNTHETIC.txt", "firms.parquet"]


def test_what_somebody_else_keeps_in_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "water").mkdir()
    (tmp_path / "water" / "notes.txt").write_text("mine")
    write_city(CityOrder(10, 1, 5, items=("water",)), tmp_path)
    assert (tmp_path / "water" / "notes.txt").read_text() == "mine"


def test_the_command_tells_rows_speed_and_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synthesise", "--firms", "40", "--months", "3", "--items", "firms,electricity", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "part 1 of 1" in said and "rows/s" in said and "peak memory" in said and "electricity" in said
    assert pl.read_parquet(tmp_path / "firms.parquet").height == 40
    assert "演示" in (tmp_path / "SYNTHETIC.txt").read_text(encoding="utf-8")
    assert not (tmp_path / "tax.parquet").exists()


def test_the_command_names_an_item_it_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synthesise", "--firms", "5", "--items", "firms,gold", "--out", str(tmp_path)]) == 1
    assert "gold" in capsys.readouterr().err


def test_invoices_belong_to_the_same_firms_and_to_the_same_sales() -> None:
    firms = firms_with_invoices(60, MONTHS, seed=7)
    listed = city(60, MONTHS, seed=7, items=["firms"])["firms"]
    assert [firm.name for firm in firms] == listed["name"].to_list()
    assert [firm.revenue_fen for firm in firms] == [round(yuan * 100) for yuan in listed["revenue"]]
    invoiced = [float(firm.lines.net_fen[(firm.lines.side == OUT) & ~firm.lines.void].sum()) for firm in firms]
    assert np.corrcoef(np.log1p(invoiced), np.log1p(listed["revenue"].to_numpy()))[0, 1] > 0.8


def test_invoices_of_a_large_city_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["synthesise", "--firms", "2001", "--months", "1", "--items", "firms", "--invoices", "--out", str(tmp_path)]
    assert main(arguments) == 1
    assert "2,000" in capsys.readouterr().err


def test_two_processes_write_what_one_would(tmp_path: Path) -> None:
    order = CityOrder(BLOCK + 500, 2, 5, items=("firms", "gas"), part=BLOCK)
    write_city(order, tmp_path / "one")
    write_city(order, tmp_path / "two", jobs=2)
    for part in sorted((tmp_path / "one").rglob("*.parquet")):
        assert part.read_bytes() == (tmp_path / "two" / part.relative_to(tmp_path / "one")).read_bytes()


def test_a_place_that_cannot_be_written_is_an_error_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert main(["synthesise", "--firms", "1", "--months", "1", "--out", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith("scoring synthesise: ")
