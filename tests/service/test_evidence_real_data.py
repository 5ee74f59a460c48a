"""The command that takes in whole folders, on a small folder and on a file of real firms."""

from __future__ import annotations

import polars as pl
import pytest
from sqlalchemy import text

from app.core.database import session, transaction
from app.core.paths import ReadableError
from app.evidence.commands import run_import
from tests import cast
from tests.cast import SYSTEM
from tests.service.evidence_tools import HEADINGS, counts, csv_bytes, line

pytestmark = pytest.mark.service


def folder_of(place, rows):
    place.mkdir()
    (place / "firms_new.csv").write_text("firm_id,firm_name\nF1,***化工有限公司\nF2,个体经营\n", encoding="utf-8")
    (place / "invoices_out_new.csv").write_bytes(csv_bytes(rows, ("firm_id", *HEADINGS[1:])))
    return place


def test_a_folder_brings_its_firms_and_its_invoices_and_a_second_time_nothing(database, tmp_path, capsys):
    cast.provider()
    folder = folder_of(tmp_path / "new", [line("F1"), line("F2"), line("F2", gross="0")])
    assert [counts(row) for row in run_import(folder, None, "测试")] == [(3, 2, 0, 0, 1)]
    assert [counts(row) for row in run_import(folder, None, "测试")] == [(3, 0, 2, 0, 1)]
    with transaction(SYSTEM, read_only=True):
        firms = session().execute(text(
            "select o.name, e.form, e.state from enterprise e join organisation o using (id) order by external_key")).all()
    assert [tuple(row) for row in firms] == [
        ("***化工有限公司（F1）", "company", "known"), ("个体经营（F2）", "sole_trader", "known")]
    assert "3 rows = 2 new + 0 known + 0 superseding + 1 in quarantine" in capsys.readouterr().out


def test_the_provider_is_named_by_name_id_or_login_and_must_be_clear(database, tmp_path):
    folder = folder_of(tmp_path / "new", [line("F1")])
    with pytest.raises(ReadableError, match="Say which data provider"):
        run_import(folder, None, "测试")
    provider = cast.provider()
    login = next(iter(provider.logins.values()))
    for name in (provider.name, str(provider.id), login):
        assert run_import(folder, name, "测试")[0].provider_org_id == provider.id
    with pytest.raises(ReadableError, match="no data provider '珠岸银行'"):
        run_import(folder, cast.bank().name, "测试")


def test_a_folder_without_invoices_or_with_a_wrong_file_says_so(database, tmp_path):
    cast.provider()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadableError, match="holds no delivery file"):
        run_import(tmp_path / "empty", None, "测试")
    (tmp_path / "empty" / "invoices_in.csv").write_text("firm_id,invoice_no\n")
    with pytest.raises(ReadableError, match="缺少这些列"):
        run_import(tmp_path / "empty", None, "测试")


def test_a_file_of_real_firms_goes_in_whole_repeats_stay_and_money_is_exact(database, real_data, tmp_path):
    source = real_data / "cumcm2020c"
    if not source.is_dir():
        pytest.skip(f"the real invoice set is absent ({source})")
    cast.provider()
    for name in ("firms_labelled.csv", "invoices_out_labelled.parquet"):
        (tmp_path / name).symlink_to(source / name)
    (delivery,) = run_import(tmp_path, None, "真实脱敏数据")
    assert counts(delivery) == (104_860, 104_860, 0, 0, 0)
    frame = pl.read_parquet(source / "invoices_out_labelled.parquet")
    net = int((frame["amount_net"] * 100).round().cast(pl.Int64).sum())
    with transaction(SYSTEM, read_only=True):
        row = session().execute(text(
            "select count(*) as lines, count(*) filter (where k > 1) as repeats, sum(net_fen) as net, "
            "count(*) filter (where void) as voids, count(distinct firm_no) as firms from invoice_line where side = 1")).one()
    repeats = frame.height - frame.unique().height
    assert (row.lines, row.repeats, row.net) == (104_860, repeats, net)
    assert (row.voids, row.firms) == (frame.filter(pl.col("status") == "void").height, 86)
    (again,) = run_import(tmp_path, None, "真实脱敏数据")
    assert counts(again) == (104_860, 0, 104_860, 0, 0)


def test_the_mismatches_that_the_real_set_is_known_for_wait_in_quarantine(database, real_data, tmp_path):
    source = real_data / "cumcm2020c"
    if not source.is_dir():
        pytest.skip(f"the real invoice set is absent ({source})")
    cast.provider()
    (tmp_path / "firms_labelled.csv").symlink_to(source / "firms_labelled.csv")
    part = pl.read_parquet(source / "invoices_in_labelled.parquet").filter(pl.col("firm_id").is_in(["F115", "F945"]))
    part.write_parquet(tmp_path / "invoices_in_part.parquet")
    (delivery,) = run_import(tmp_path, None, "真实脱敏数据")
    assert delivery.rows_quarantined == 2
    with transaction(SYSTEM, read_only=True):
        rows = session().execute(text(
            "select reason, params ->> 'value' as gap, raw ->> 'firm_id' as firm from quarantine order by 3"))
        assert [tuple(row) for row in rows] == [("gross_mismatch", "-1.36", "F115"), ("gross_mismatch", "-1.38", "F945")]


def _part(real_data, tmp_path, folder: str, name: str, firms: int) -> None:
    """The rows of the first firms of a real file, under its own name, in a folder of the set's name."""
    source = real_data / folder / name
    if not source.is_file():
        pytest.skip(f"the real set is absent ({source})")
    keys = pl.scan_parquet(source).select("firm_id").unique(maintain_order=True).head(firms)
    (tmp_path / folder).mkdir(exist_ok=True)
    pl.scan_parquet(source).join(keys, on="firm_id", how="semi").collect().write_parquet(tmp_path / folder / name)


def test_daily_power_of_real_firms_goes_in_with_its_meters_and_a_second_time_changes_nothing(database, real_data, tmp_path):
    cast.provider("广州供电局", ("electricity_daily", "meter_links"))
    _part(real_data, tmp_path, "tianchi_power", "daily_power.parquet", 20)
    power, links = run_import(tmp_path / "tianchi_power", None)
    assert counts(power) == (20 * 639, 20 * 639, 0, 0, 0)
    assert counts(links) == (20, 20, 0, 0, 0)
    assert power.source_label == "天池电力竞赛 2017（真实脱敏数据）"
    again, _ = run_import(tmp_path / "tianchi_power", None)
    assert counts(again) == (20 * 639, 0, 20 * 639, 0, 0)
    kwh = int(pl.read_parquet(tmp_path / "tianchi_power" / "daily_power.parquet")["kwh"].sum())
    with transaction(SYSTEM, read_only=True):
        assert session().execute(text(
            "select sum(quantity_milli) / 1000, count(distinct l.firm_no) from electricity_day join meter_link l using (meter_no)"
        )).one() == (kwh, 20)


def test_annual_reports_and_tax_ledgers_of_real_firms_go_in_and_every_row_is_accounted_for(database, real_data, tmp_path):
    cast.provider("广州市公共信用中心", ("annual_reports", "tax_ledger"))
    for name in ("annual_reports.parquet", "tax_ledger.parquet"):
        _part(real_data, tmp_path, "bdci2020", name, 400)
    for delivery in run_import(tmp_path / "bdci2020", None):
        total, taken, identical, superseding, waiting = counts(delivery)
        frame = pl.read_parquet(tmp_path / "bdci2020" / delivery.filename)
        assert total == frame.height == taken + identical + superseding + waiting
        assert taken > 0.9 * total, (delivery.filename, counts(delivery))
    tax = pl.read_parquet(tmp_path / "bdci2020" / "tax_ledger.parquet")["tax_amount"]
    with transaction(SYSTEM, read_only=True):
        stored = session().scalar(text("select sum(tax_amount_fen) from tax_ledger_line"))
    assert abs(stored - round(float(tax.sum()) * 100)) <= len(tax)
