"""Who is audited in full is drawn by a recorded seed, and nobody so drawn is decided without every answer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.enterprises.models import Enterprise
from app.pool import audit_queries
from app.pool import audit_service as audits
from app.pool import claim_service as claims
from app.pool import decision_service as decisions
from app.pool import service as pool
from app.pool.audit_models import Audit, AuditSample, Question, SampleEntry
from app.pool.audit_service import Answer
from app.pool.models import Claim
from app.pool.sample_rules import SampleMethod
from app.pool.states import ClaimState
from tests import cast
from tests.pool_cast import City, rule_set, terms
from tests.service.test_claim_decisions import refused
from tests.web.visitors import visit

pytestmark = pytest.mark.service

ALL = {one: Answer("YES") for one in Question}


def test_a_sample_is_drawn_recorded_repeated_and_audited_in_full(app: Flask) -> None:
    city, twin = City(), cast.firm("广州乙贸易有限公司")
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-OPEN", stop_line=Decimal(1)))
    with transaction(cast.SYSTEM):
        for firm in (city.firm, twin):
            session().get_one(Enterprise, firm.id).representative_id_no = "440103198001011234"
    first, own = [city.claimed(city.booked(terms(100 + number))) for number in range(2)], city.firm
    city.firm = twin
    other = city.claimed(city.booked(terms(100)))
    city.firm = own
    assert refused(audits.draw_sample, city.auditor, SampleMethod.RISK, None, "季度抽样") is ErrorCode.NOTHING_TO_DRAW
    for claim in (*first, other):
        claims.submit_claim(city.approver, claim.id)
        claims.accept_claim(city.reviewer, claim.id)
    assert refused(audits.draw_sample, city.auditor, SampleMethod.RISK, 4, "季度抽样") is ErrorCode.SAMPLE_SIZE
    assert refused(audits.draw_sample, city.auditor, SampleMethod.RISK, 1, " ") is ErrorCode.REASON_NEEDED

    sample = audits.draw_sample(city.auditor, SampleMethod.RISK, None, "季度抽样")
    assert (sample.population, sample.size) == (3, 1), "a fifth of three, rounded up"
    with transaction(city.auditor, read_only=True):
        entries = list(session().scalars(select(SampleEntry).where(SampleEntry.sample_id == sample.id)))
        assert audits.repeats(session().get_one(AuditSample, sample.id), entries)
        flags = {one.claim_id: set(one.flags) for one in entries}
        assert flags == {key: {"RELATED"} for key in (first[0].id, first[1].id, other.id)}
        assert all(one.weight == 1 + 2 * len(one.flags) for one in entries)
        chosen = session().get_one(Claim, next(one.claim_id for one in entries if one.chosen))
        session().expunge_all()
        entries[0].flags = [*entries[0].flags, "SPLIT"]
        assert not audits.repeats(sample, entries), "one flag more would have been another draw"
    with transaction(city.officer, read_only=True):
        assert session().scalar(text("select count(*) from audit_sample")) == 0
        assert session().scalar(text("select count(*) from audit_sample_entry")) == 0
    with pytest.raises(DBAPIError), transaction(cast.SYSTEM):
        session().execute(text("update audit_sample set seed = 1"))

    # Drawn: no opinion alone, no question left out, no flag without a word; not past the database either.
    with transaction(city.auditor, read_only=True):
        raised = dict.fromkeys(flags[chosen.id], "已向银行核实")
    for answers, notes in (
        ({}, raised), ({**ALL, Question.USE: Answer("NO")}, raised), (ALL, {}),
        ({one: ALL[one] for one in list(Question)[1:]}, raised),
    ):
        with pytest.raises(Refusal) as caught:
            audits.audit_claim(city.auditor, chosen.id, "无误", answers, notes)
        assert caught.value.code is ErrorCode.AUDIT_INCOMPLETE and caught.value.params["missing"]
    with pytest.raises(IntegrityError) as broken, transaction(cast.SYSTEM):
        session().execute(text("update claim set state = 'DECISION' where id = :id"), {"id": chosen.id})
    assert broken.value.orig.diag.constraint_name == "ck_claim_audited"  # type: ignore[union-attr]

    auditor = visit(app, city.auditor)
    listed = auditor.get(f"/claims/samples/{sample.id}").get_data(as_text=True)
    assert str(sample.seed) in listed and "一致" in listed and "抽中" in listed
    assert "广州乙贸易有限公司" in auditor.get(f"/claims/{first[0].id}").get_data(as_text=True), "the facts behind the flag"
    assert visit(app, city.officer).get("/claims/samples").status_code == 404
    sheet = {f"answer-{one}": "YES" for one in Question} | {f"flag-{code}": word for code, word in raised.items()}
    page = auditor.post(f"/claims/{chosen.id}/audit-sheet", data={**sheet, "reason": ""}).get_data(as_text=True)
    assert "checked" in page, "what was ticked stays ticked"
    done = auditor.post(f"/claims/{chosen.id}/audit-sheet", data={
        **sheet, "answer-USE": "NO", "note-USE": "部分资金转入股东账户", "reason": "抽查属实"}, follow_redirects=True)
    assert "部分资金转入股东账户" in done.get_data(as_text=True)
    with transaction(city.auditor, read_only=True):
        audit = audit_queries.audit_of(session().get_one(Claim, chosen.id))
        assert audit is not None and (audit.scope, audit.opinion) == ("FULL", "抽查属实")
        assert {row["code"] for row in audit.flags if not row["passed"]} == flags[chosen.id]

    # Another draw leaves out who was drawn; the rest is audited at the desk; a second audit is a second sheet.
    assert audits.draw_sample(city.auditor, SampleMethod.RANDOM, 1, "复查").population == 2
    decisions_of = audits.send_back_to_audit(city.leader, chosen.id, "资金流向再查")
    assert (decisions_of.state, decisions_of.audit_id) == (ClaimState.AUDIT, None)
    assert refused(decisions.approve_claim, city.leader, chosen.id) is ErrorCode.STATE_CHANGED
    audits.audit_claim(city.auditor, chosen.id, "已查明", ALL, raised)
    with transaction(city.auditor, read_only=True):
        assert session().scalar(select(text("count(*)")).select_from(Audit).where(Audit.claim_id == chosen.id)) == 2
