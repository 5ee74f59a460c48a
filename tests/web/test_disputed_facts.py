"""From a row of a firm's own data to its dispute, and the mark 有异议 wherever firm and bank read the item."""

from __future__ import annotations

import html
import re
from datetime import date

import pytest

from app.core.permissions import Role
from app.evidence import fact_queries, service
from app.evidence.items import ITEMS
from app.evidence.rules import INVOICES
from app.evidence.shapes import SHAPES
from tests import cast
from tests.correction_cast import delivery, facts, link, meter, month, penalty, provider
from tests.service.fact_tools import one_of_everything
from tests.web.visitors import visit

pytestmark = pytest.mark.service

CLAIM = "这笔罚款不是我们的"


@pytest.fixture
def office(app):
    return provider("penalties", "electricity", "meter_links")


@pytest.fixture
def firm(app):
    return cast.firm()


@pytest.fixture
def client(app, firm):
    return visit(app, firm[Role.FIRM_CLERK])


@pytest.fixture
def bank(app):
    return cast.bank()


def to_dispute(page):
    """Where the rows' buttons lead, in the order of the rows."""
    return [html.unescape(found) for found in re.findall(r'href="(/my-data/disputes/new\?[^"]*fact=[^"]*)"', page)]


def file(client, address):
    """Follows a row's button, and files."""
    form = client.get(address).text
    chosen = html.unescape(re.search(r'<option selected value="(\[[^"]+)"', form)[1])
    item = re.search(r"item=(\w+)", address)[1]
    answer = client.post("/my-data/disputes/new", content_type="multipart/form-data", data={
        "item": item, "fact": chosen, "claim": CLAIM, "wanted": "", "provider": "", "idempotency_token": address[-40:],
    })
    assert answer.status_code == 302, answer.text
    return answer.location


def rows_of(page):
    """The rows of the page's list as text."""
    body = page.split('<table class="data">')[-1]
    return [re.sub(r"<[^>]+>", " ", row) for row in re.findall(r"<tr>(.*?)</tr>", body, re.S)[1:]]


@pytest.mark.parametrize("item", [*ITEMS, INVOICES])
def test_a_row_of_every_item_carries_what_names_it(item):
    columns = fact_queries.facts_query(1, item).selected_columns
    assert {SHAPES[item].subject_column, *SHAPES[item].key, "version"} <= set(columns.keys())


def test_every_row_of_every_item_leads_to_the_form_with_the_row_chosen(client, firm, office):
    one_of_everything(firm, office)
    for item in ITEMS:
        (address,) = to_dispute(client.get(f"/my-data/{item}").text)
        form = client.get(address).text
        assert re.search(r'<option selected value="\[', form), item
        assert "刚才选中的那一条" not in form, f"{item}: the form knows the row by name"


def test_a_disputed_row_and_its_item_are_marked_and_the_other_row_is_not(client, firm, office):
    facts("penalties", delivery(office, "penalties"), penalty(firm), penalty(firm, "穗市监罚〔2026〕2号"))
    page = client.get("/my-data/penalties").text
    assert len(to_dispute(page)) == 2 and "有异议" not in page
    number = re.search(r"穗市监罚〔2026〕\d号", rows_of(page)[0])[0]
    file(client, to_dispute(page)[0])
    page = client.get("/my-data/penalties").text
    marked = [row for row in rows_of(page) if "有异议" in row]
    assert len(marked) == 1 and number in marked[0] and "提出异议" not in marked[0]
    assert len(to_dispute(page)) == 1 and "看异议的进展" in page
    assert client.get("/my-data").text.count("有异议") == 1


def test_a_month_of_a_meter_is_disputed_by_whose_meter_it_was(client, firm, office):
    number = meter(office)
    facts("meter_links", delivery(office, "meter_links"), link(number, firm))
    facts("electricity", delivery(office, "electricity"), month(number, date(2026, 1, 1)), month(number, date(2026, 2, 1)))
    where = file(client, to_dispute(client.get("/my-data/electricity").text)[1])
    assert "2026-01" in client.get(where).text
    marked = [row for row in rows_of(client.get("/my-data/electricity").text) if "有异议" in row]
    assert len(marked) == 1 and "2026-01" in marked[0]


def test_a_dispute_of_the_whole_item_marks_the_item_and_no_row(client, firm, office):
    facts("penalties", delivery(office, "penalties"), penalty(firm))
    client.post("/my-data/disputes/new", content_type="multipart/form-data", data={
        "item": "penalties", "fact": "", "claim": CLAIM, "wanted": "", "provider": str(office.id), "idempotency_token": "whole",
    })
    page = client.get("/my-data/penalties").text
    assert "有异议" in page and not [row for row in rows_of(page) if "有异议" in row] and len(to_dispute(page)) == 1


def test_a_withdrawn_dispute_leaves_no_mark(client, firm, office):
    facts("penalties", delivery(office, "penalties"), penalty(firm))
    where = file(client, to_dispute(client.get("/my-data/penalties").text)[0])
    client.post(where + "/withdraw", data={"idempotency_token": "back"})
    client.get(where)  # says that it was filed, and withdrawn
    page = client.get("/my-data/penalties").text
    assert "有异议" not in page and len(to_dispute(page)) == 1


def test_a_bank_sees_that_a_row_is_disputed_and_never_why(app, client, firm, office, bank):
    number = meter(office)
    facts("meter_links", delivery(office, "meter_links"), link(number, firm))
    facts("electricity", delivery(office, "electricity"), month(number, date(2026, 1, 1)), month(number, date(2026, 2, 1)))
    facts("penalties", delivery(office, "penalties"), penalty(firm))
    service.give_consent(firm[Role.FIRM_CLERK], ["electricity"], [bank.id])
    file(client, to_dispute(client.get("/my-data/electricity").text)[0])
    file(client, to_dispute(client.get("/my-data/penalties").text)[0])
    officer = visit(app, bank[Role.BANK_OFFICER])
    for path in ("", "/electricity", "/penalties"):
        page = officer.get(f"/evidence/firms/{firm.id}{path}").text
        assert "有异议" in page and CLAIM not in page and "提出异议" not in page, path
    marked = [row for row in rows_of(officer.get(f"/evidence/firms/{firm.id}/electricity").text) if "有异议" in row]
    assert len(marked) == 1 and "2026-02" in marked[0]


def test_a_bank_without_consent_learns_of_no_dispute(app, client, firm, office, bank):
    number = meter(office)
    facts("meter_links", delivery(office, "meter_links"), link(number, firm))
    facts("electricity", delivery(office, "electricity"), month(number, date(2026, 1, 1)))
    service.give_consent(firm[Role.FIRM_CLERK], ["tax"], [bank.id])
    file(client, to_dispute(client.get("/my-data/electricity").text)[0])
    assert "有异议" not in visit(app, bank[Role.BANK_OFFICER]).get(f"/evidence/firms/{firm.id}").text


def test_who_may_not_file_sees_no_button(app, firm, office):
    facts("penalties", delivery(office, "penalties"), penalty(firm))
    for role in (Role.FIRM_CLERK, Role.FIRM_REPRESENTATIVE):
        assert len(to_dispute(visit(app, firm[role]).get("/my-data/penalties").text)) == 1


def test_months_of_two_meters_are_told_apart_by_their_numbers_and_the_provider_reads_which_one(app, client, firm, office):
    one, other = meter(office, "0310001"), meter(office, "0310002")
    facts("meter_links", delivery(office, "meter_links"), link(one, firm), link(other, firm))
    facts("electricity", delivery(office, "electricity"), month(one, date(2026, 1, 1)), month(other, date(2026, 1, 1)))
    form = client.get("/my-data/disputes/new?item=electricity").text
    assert "用电 · 0310001 · 2026-01" in form and "用电 · 0310002 · 2026-01" in form
    page = client.get("/my-data/electricity").text
    wanted = 0 if "0310002" in rows_of(page)[0] else 1
    where = file(client, to_dispute(page)[wanted])
    read = visit(app, office[Role.PROVIDER_CLERK]).get(where).text
    assert "用电 · 0310002 · 2026-01" in read and "800.00 元" in read and "0310001" not in read
    marked = [row for row in rows_of(client.get("/my-data/electricity").text) if "有异议" in row]
    assert len(marked) == 1 and "0310002" in marked[0]
