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
