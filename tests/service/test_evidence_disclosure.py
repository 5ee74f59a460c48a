"""What a firm takes away is exactly what is held about it: every version of every fact, and nothing of another firm."""

from __future__ import annotations

import io
import json
from datetime import date

import pytest
from openpyxl import load_workbook
from sqlalchemy import insert, text

from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.permissions import Role
from app.credit import disclosing as _profiles  # noqa: F401 - it adds its sections on import
from app.evidence import disclosure, disclosure_sections, dispute_service, service
from app.evidence.models import Quarantine
from app.evidence.rules import Purpose
from app.evidence.shapes import SHAPES
from tests import cast, credit_cast
from tests.cast import SYSTEM
from tests.correction_cast import (
    count,
    delivery,
    facts,
    firm_no,
    link,
    meter,
    month,
    notices,
    penalty,
    provider,
    reference,
    supersede,
)

pytestmark = pytest.mark.service


@pytest.fixture
def town(database):
    """Two firms with everything; the first one exports."""
    credit_cast.register_model()
    bank, office = cast.bank(), provider("penalties", "electricity", "meter_links", name="广州数据局")
    firms = [credit_cast.firm_with_invoices(0), credit_cast.firm_with_invoices(1)]
    came = delivery(office, "penalties")
    for place, firm in enumerate(firms):
        credit_cast.consent(firm, None, bank)
        facts("penalties", came, penalty(firm, f"文号{place}"))
        number = meter(office, f"户号{place}")
        facts("meter_links", came, link(number, firm, date(2026, 1, 1)))
        facts("electricity", came, month(number, date(2025, 12, 1)), month(number, date(2026, 1, 1)))
        service.look(bank[Role.BANK_OFFICER], firm.id, "invoices", Purpose.PRE_APPROVAL)
        dispute_service.file_dispute(firm[Role.FIRM_CLERK], "penalties", f"不对{place}", fact=reference("penalties", which=place))
        with transaction(SYSTEM):
            code = session().execute(text("select uscc from enterprise where id = :id"), {"id": firm.id}).scalar_one()
            session().execute(insert(Quarantine), [{
                "id": new_id(), "delivery_id": came.id, "provider_org_id": office.id, "row_no": place + 1, "raw": {"uscc": code},
                "reason": "bad_date", "params": {},
            }])
    return firms


def export(firm, form="json"):
    found = disclosure.disclose(firm[Role.FIRM_CLERK], form)
    return found, b"".join(disclosure.chunks(found))


COUNTS = {
    "consents": "consent where firm_id = :id", "looks": "evidence_look where firm_id = :id",
    "people": "person where org_id = :id",
    "disputes": "evidence_dispute where firm_id = :id", "profiles": "credit_profile where firm_id = :id",
    "invoices": "invoice_line where firm_no = :id", "penalties": "penalty where firm_no = :id",
    "meter_links": "meter_link where firm_no = :id",
}


def test_the_export_holds_as_many_rows_as_the_tables_do(town):
    firm = town[0]
    found, data = export(firm)
    told = json.loads(data)
    for name, rest in COUNTS.items():
        rows = count(f"select count(*) from {rest}", id=firm_no(firm) if "firm_no" in rest else firm.id)
        assert rows == len(told["sections"][name]) == told["counts"][name] == found.counts[name] > 0, name
    assert len(told["sections"]["waiting"]) == 1
    assert set(told["sections"]) >= set(SHAPES)


def test_of_a_meter_only_the_firms_own_months_are_in_it(town):
    told = json.loads(export(town[0])[1])
    assert [row["period"] for row in told["sections"]["electricity"]] == ["2026-01-01"]


def test_nothing_of_another_firm_is_in_it(town):
    one, other = town
    words = export(one)[1].decode()
    assert "文号0" in words and "文号1" not in words and "不对1" not in words
    code = count("select uscc from enterprise where id = :id", id=other.id)
    assert code not in words and str(other.id) not in words


def test_superseded_versions_are_in_it_and_marked(database):
    office, firm = provider("penalties"), cast.firm()
    facts("penalties", delivery(office, "penalties"), penalty(firm))
    supersede("penalties", delivery(office, "penalties"), repaired_on=date(2026, 2, 1))
    rows = json.loads(export(firm)[1])["sections"]["penalties"]
    assert [(row["version"], row["current"], row["repaired_on"]) for row in rows] == [(1, False, None), (2, True, "2026-02-01")]


def test_people_and_the_representative_are_masked(database):
    firm = cast.firm(representative_name="张三丰", representative_id_no="440106199001011234")
    told = json.loads(export(firm)[1])["sections"]
    assert told["firm"][0]["representative_name"] == "张**"
    assert "199001" not in json.dumps(told, ensure_ascii=False)
    assert all("*" in row["name"] for row in told["people"])


def test_the_workbook_has_a_sheet_a_section_with_yuan_and_plain_words(app, town):
    with app.test_request_context():
        found, data = export(town[0], "xlsx")
    book = load_workbook(io.BytesIO(data))
    assert len(book.sheetnames) == len(disclosure.sections()) == len(set(book.sheetnames))
    rows = list(book["行政处罚"].values)
    heading = dict(zip(rows[0], rows[1], strict=True))
    assert heading["处罚金额（元）"] == 5000 and heading["决定书文号"] == "文号0" and heading["现行版本"] == "是"
    assert book["司法"]["A1"].value == "平台没有持有这一类资料。"
    assert found.filename.endswith(".xlsx") and date.today().isoformat()[:4] in found.filename


def test_a_sheet_that_would_be_too_long_says_so_and_that_json_is_complete(app, town, monkeypatch):
    monkeypatch.setattr(disclosure, "SHEET_LIMIT", 3)
    with app.test_request_context():
        found, data = export(town[0], "xlsx")
    sheet = list(load_workbook(io.BytesIO(data))["增值税发票"].values)
    assert len(sheet) == 5
    assert sheet[-1][0] == f"这里只列出前 3 行，共 {found.counts['invoices']:,} 行；完整内容请导出 JSON 文件。"


def test_the_export_is_on_record_and_the_firm_is_told(town):
    firm = town[0]
    export(firm)
    assert count("select (facts -> 'rows' ->> 'penalties')::int from audit_event where action = 'evidence.disclose'") == 1
    assert notices(firm)[-1].startswith(f"{firm[Role.FIRM_CLERK].person_name} 导出了平台持有的贵单位全部资料（JSON）。")


def test_whoever_only_claims_to_be_the_firm_gets_nothing(database):
    stranger = cast.firm("广州冒名有限公司", verified=False)
    with pytest.raises(Refusal) as caught:
        disclosure.disclose(stranger[Role.FIRM_CLERK], "json")
    assert caught.value.code is ErrorCode.NOT_VERIFIED


def test_a_long_section_is_written_row_by_row(database, monkeypatch):
    """A million rows are never held at once: the section is a generator, and so is the cursor behind it."""
    firm, alive, most = cast.firm(), [0], [0]

    class Held(dict):
        def __init__(self, **values):
            super().__init__(**values)
            alive[0] += 1
            most[0] = max(most[0], alive[0])

        def __del__(self):
            alive[0] -= 1

    monkeypatch.setitem(disclosure._sections, "long", disclosure.Section(
        "long", "长", lambda ctx, firm_id: (Held(number=n) for n in range(20_000)), str, 99))
    found, data = export(firm)
    assert found.counts["long"] == 20_000 and most[0] < 10
    assert len(json.loads(data)["sections"]["long"]) == 20_000
    assert disclosure_sections.BATCH < 20_000
