"""Early warnings: raised from consented facts, told to lenders alone, answered, closed, judged by what became of loans."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from app.core import outbox
from app.core.calendar import today
from app.core.context import Context
from app.core.database import Base, session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import Notice
from app.core.permissions import Permission, Role
from app.core.use_case import reading
from app.credit import disclosing, threshold_service, warning_queries, warning_service
from app.credit.warning_models import EarlyWarning, LoanOutcome, WarningConcern
from app.evidence import service as evidence
from app.evidence.items import ITEMS
from app.evidence.models import EvidenceLook
from app.loans import service as loans
from app.loans.rules import FiveClass
from app.loans.service import RepaymentReport
from scoring.signal_rules import months_before
from scoring.signals import SIGNAL
from tests import cast
from tests.service import fact_tools
from tests.warning_cast import Lender, lender

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]


@pytest.fixture
def town(database: object) -> Lender:
    """A lender whose borrower lets the portal and the bank read its power bills."""
    town = lender()
    town.consent(None, town.bank)
    return town


def seen_by(ctx: Context) -> list[EarlyWarning]:
    with transaction(ctx, read_only=True):
        return list(session().scalars(select(EarlyWarning)))


def told(org: cast.Cast) -> list[str]:
    """Paths under warnings that an organisation was pointed to."""
    with transaction(cast.SYSTEM, read_only=True):
        return list(session().scalars(select(Notice.path).where(Notice.org_id == org.id, Notice.path.startswith("/warnings/"))))


def test_a_bill_long_open_is_signalled_to_the_firm_and_its_lender(town: Lender) -> None:
    town.bill(40)
    (warning,) = town.warnings()
    assert (warning.kind, warning.item_code, warning.level, warning.state) == ("bills_unpaid", "electricity", 2, "OPEN")
    due = (today() - timedelta(days=40)).isoformat()
    assert warning.facts == [{"item": "electricity", "field": "overdue", "period": due, "value": 40, "usual": None}]
    assert told(town.firm) == told(town.bank) == [f"/warnings/{warning.id}"]
    assert [one.id for one in seen_by(town.firm[Role.FIRM_CLERK])] == [warning.id]
    assert [one.id for one in seen_by(town.bank[Role.BANK_OFFICER])] == [warning.id]


def test_the_same_data_raise_nothing_twice(town: Lender) -> None:
    town.bill(40)
    town.compute()
    town.compute()
    assert len(town.warnings()) == 1 and len(told(town.bank)) == 1


def test_days_and_months_of_different_dates_tell_of_one_stop_once(town: Lender) -> None:
    """The months came three days before the days; the lender reads one warning, and the database would take no second."""
    ends = today() - timedelta(days=1)
    with transaction(cast.SYSTEM):
        early, late = fact_tools.delivery_of(town.grid, "electricity"), fact_tools.delivery_of(town.grid, "electricity_daily")
        earlier = text(
            "update delivery set created_at = created_at - interval '3 days', started_at = started_at - interval '3 days', "
            "finished_at = finished_at - interval '3 days' where number = :n")
        session().execute(earlier, {"n": early})
        held = {"meter_no": town.meter, "version": 1, "current": True}
        months = [months_before(ends.replace(day=1), back) for back in range(1, 15)]
        session().execute(insert(Base.metadata.tables[ITEMS["electricity"].table]), [
            held | {"delivery_no": early, "period": month, "quantity_milli": 0 if back < 3 else 1_000_000, "metering": "metered"}
            for back, month in enumerate(months)])
        warning_service.update_warnings(cast.SYSTEM, [town.firm.id])
        assert [(one.kind, one.item_code) for one in session().scalars(select(EarlyWarning).where(
            EarlyWarning.kind == "power_stop"))] == [("power_stop", "electricity")], "months alone tell it as well"
        session().execute(insert(Base.metadata.tables[ITEMS["electricity_daily"].table]), [
            held | {"delivery_no": late, "day": ends - timedelta(days=back), "quantity_milli": 0 if back < 60 else 40_000}
            for back in range(330)])
    town.compute()
    stops = [one for one in town.warnings() if one.kind == "power_stop"]
    assert [(one.item_code, one.state) for one in stops] == [("electricity", "CLOSED"), ("electricity_daily", "OPEN")]
    town.compute()
    assert len([one for one in town.warnings() if one.kind == "power_stop"]) == 2
    with pytest.raises(DBAPIError, match="uq_early_warning_power_stop"), transaction(cast.SYSTEM):
        session().execute(text("insert into early_warning (id, firm_id, item_code, kind, level, worst_level, raised_at, as_of, "
                               "facts, state) select gen_random_uuid(), firm_id, 'electricity', kind, level, worst_level, now(), "
                               "as_of, facts, 'OPEN' from early_warning where kind = 'power_stop' and state = 'OPEN'"))


def test_a_worse_level_asks_again_a_bank_that_had_acknowledged(town: Lender) -> None:
    town.bill(20)
    (warning,) = town.warnings()
    warning_service.acknowledge(town.bank[Role.BANK_OFFICER], warning.id, "已致电企业。")
    town.bill(90)
    (worse,) = town.warnings()
    assert (worse.id, worse.level, worse.worst_level) == (warning.id, 3, 3)
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalars(select(WarningConcern.state)).one() == "OPEN"
    assert len(told(town.bank)) == 2


def test_a_paid_bill_closes_the_warning_and_the_next_one_is_another(town: Lender) -> None:
    town.bill(40)
    town.bill(40, paid=True)
    (closed,) = town.warnings()
    assert (closed.state, closed.close_reason) == ("CLOSED", "gone")
    town.bill(41)
    assert [one.state for one in town.warnings()] == ["CLOSED", "OPEN"]


def test_who_lends_nothing_or_was_not_let_in_reads_nothing(town: Lender) -> None:
    stranger = cast.bank("别家银行")
    town.consent(stranger)
    town.bill(40)
    (warning,) = town.warnings()
    for ctx in (stranger[Role.BANK_OFFICER], cast.firm("别家企业")[Role.FIRM_CLERK], town.city.bureau[Role.BUREAU_LEADER],
                cast.platform()[Role.DESK], town.grid[Role.PROVIDER_CLERK]):
        assert seen_by(ctx) == []
    assert told(stranger) == []
    with pytest.raises(Refusal) as refused:
        warning_service.look(stranger[Role.BANK_OFFICER], warning.id)
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_a_lender_without_consent_learns_of_it_when_the_firm_consents(database: object) -> None:
    town = lender()
    town.consent(None)
    town.bill(40)
    assert seen_by(town.bank[Role.BANK_OFFICER]) == [] == told(town.bank)
    town.consent(town.bank)
    assert len(seen_by(town.bank[Role.BANK_OFFICER])) == 1


def test_without_consent_to_the_portal_nothing_is_computed(database: object) -> None:
    town = lender()
    town.bill(40)
    assert town.warnings() == []


def test_a_consent_taken_back_closes_the_warning_and_forgets_its_facts(database: object) -> None:
    town = lender()
    (own,) = town.consent(None)
    town.bill(40)
    evidence.revoke_consent(town.firm[Role.FIRM_REPRESENTATIVE], own, "不再需要")
    outbox.drain()
    (warning,) = town.warnings()
    assert (warning.state, warning.close_reason, warning.facts) == ("CLOSED", "no_consent", [])


def test_a_bank_that_lends_later_is_told_of_what_stands(database: object) -> None:
    town = lender(drawn=False)
    town.consent(None, town.bank)
    town.bill(40)
    assert seen_by(town.bank[Role.BANK_OFFICER]) == []
    town.city.drawn()
    outbox.drain()
    assert len(seen_by(town.bank[Role.BANK_OFFICER])) == 1


def test_a_loan_that_the_firm_has_not_recognised_concerns_nobody(database: object) -> None:
    town = lender(drawn=False)
    town.consent(None, town.bank)
    town.city.registered()
    town.bill(40)
    assert seen_by(town.bank[Role.BANK_OFFICER]) == []


def test_a_look_of_a_bank_is_on_record(town: Lender) -> None:
    town.bill(40)
    (warning,) = town.warnings()
    assert warning_service.look(town.bank[Role.BANK_OFFICER], warning.id).facts
    with transaction(cast.SYSTEM, read_only=True):
        look = session().scalars(select(EvidenceLook)).one()
    assert (look.org_id, look.item_code, look.result) == (town.bank.id, "electricity", "shown")


def test_the_firm_answers_and_the_bank_notes_what_it_did(town: Lender) -> None:
    town.bill(40)
    (warning,) = town.warnings()
    warning_service.answer(town.firm[Role.FIRM_CLERK], warning.id, " 搬迁，新户号已开。 ")
    assert seen_by(town.bank[Role.BANK_OFFICER])[0].answer == "搬迁，新户号已开。"
    noted = warning_service.acknowledge(town.bank[Role.BANK_OFFICER], warning.id, "已核实搬迁。")
    assert (noted.state, noted.acknowledged_by) == ("ACKNOWLEDGED", town.bank[Role.BANK_OFFICER].actor_id)
    for again, code in (("再记一次", ErrorCode.STATE_CHANGED), (" ", ErrorCode.REASON_NEEDED)):
        with pytest.raises(Refusal) as refused:
            warning_service.acknowledge(town.bank[Role.BANK_OFFICER], warning.id, again)
        assert refused.value.code is code


def test_another_firm_answers_for_nobody(town: Lender) -> None:
    town.bill(40)
    (warning,) = town.warnings()
    with pytest.raises(Refusal) as refused:
        warning_service.answer(cast.firm("别家企业")[Role.FIRM_CLERK], warning.id, "不是我们。")
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_a_repaid_loan_ends_the_banks_sight_and_counts_as_a_false_warning(database: object) -> None:
    town = lender(drawn=False)
    town.consent(None, town.bank)
    loan = town.city.drawn()
    town.bill(40)
    loans.pay_off(town.city.officer, loan.id, today(), "流水")
    outbox.drain()
    assert seen_by(town.bank[Role.BANK_OFFICER]) == []
    with reading(town.city.bureau[Role.BUREAU_LEADER], Permission.WARNING_JUDGE):
        (one,) = warning_queries.worth(365)
        assert (one.kind, one.level, one.raised, one.known, one.right) == ("bills_unpaid", 2, 1, 1, 0)
        assert warning_queries.recall(365) == (0, 0)


def test_a_loan_gone_bad_makes_the_warning_right_and_stays_bad(database: object) -> None:
    town = lender(drawn=False)
    town.consent(None, town.bank)
    loan = town.city.drawn(days_ago=60)
    town.bill(40)
    loans.report_class(town.city.officer, loan.id, today(), FiveClass.SUBSTANDARD, 0)
    loans.report_repayment(town.city.officer, loan.id, RepaymentReport(today(), 100_00, "normal", "流水"))
    warning_service.tell_outcome(cast.SYSTEM, town.firm.id, loan.id, False)
    outbox.drain()
    with reading(town.city.bureau[Role.BUREAU_LEADER], Permission.WARNING_JUDGE):
        (one,) = warning_queries.worth(365)
        assert (one.known, one.right, one.precision) == (1, 1, 1.0)
        assert warning_queries.recall(365) == (1, 1)
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalars(select(LoanOutcome.bad)).all() == [True]
    with transaction(town.bank[Role.BANK_OFFICER], read_only=True):
        assert warning_queries.worth(365) == [] and session().scalars(select(LoanOutcome)).all() == []
    for firm, known in ((town.firm, [{"loan_id": loan.id, "bad": True, "told_on": today()}]), (cast.firm("别家企业"), [])):
        with transaction(firm[Role.FIRM_REPRESENTATIVE], read_only=True):
            assert list(disclosing.outcomes(firm[Role.FIRM_REPRESENTATIVE], town.firm.id)) == known, "in its own export alone"


def test_other_thresholds_count_from_the_next_computation(town: Lender) -> None:
    bureau = town.city.bureau
    auditor, leader = bureau[Role.BUREAU_AUDITOR], bureau[Role.BUREAU_LEADER]
    proposal = threshold_service.propose(auditor, replace(SIGNAL, bill_overdue_days=(50, 70, 90)), "误报太多")
    town.bill(40)
    assert [one.level for one in town.warnings()] == [2], "a proposal alone changes nothing"
    with pytest.raises(Refusal) as refused:
        threshold_service.propose(auditor, replace(SIGNAL, bill_days=90), "另一项")
    assert refused.value.code is ErrorCode.ALREADY_DONE
    with pytest.raises(Refusal):
        threshold_service.decide(auditor, proposal.id, "confirm", "自己同意")
    threshold_service.decide(leader, proposal.id, "confirm", "同意")
    town.compute()
    assert [one.state for one in town.warnings()] == ["CLOSED"]
    with transaction(cast.SYSTEM, read_only=True):
        assert warning_queries.parameters_now() == replace(SIGNAL, bill_overdue_days=(50, 70, 90))
    for wrong in ({"bill_overdue_days": (70, 50, 90)}, {"power_falls": (0.2, 0.5, 1.5)}, {"insurance_day": 31}):
        with pytest.raises(Refusal) as refused:
            threshold_service.propose(auditor, replace(SIGNAL, **wrong), "不通")
        assert refused.value.field == next(iter(wrong))


def test_the_database_lets_no_threshold_through_that_a_second_person_has_not_confirmed(town: Lender) -> None:
    auditor = town.city.bureau[Role.BUREAU_AUDITOR]
    proposal = threshold_service.propose(auditor, replace(SIGNAL, bill_days=90), "回看太长")
    assert auditor.actor_id is not None
    decided = "update warning_proposal set state = 'confirmed', decided_at = now(), decided_by = :me"
    with pytest.raises(DBAPIError, match="ck_warning_proposal_two_persons"), transaction(auditor):
        session().execute(text(decided), {"me": auditor.actor_id})
    with pytest.raises(DBAPIError, match="a decision names who takes it"), transaction(auditor):
        session().execute(text(decided), {"me": town.city.bureau[Role.BUREAU_LEADER].actor_id})
    for source in (proposal.id, None):
        with pytest.raises(DBAPIError, match="nobody confirmed"), transaction(cast.SYSTEM):
            session().execute(text("insert into warning_policy values (gen_random_uuid(), now(), '{}', :source)"),
                              {"source": source})
    with transaction(town.bank[Role.BANK_OFFICER], read_only=True):
        assert session().execute(text("select * from warning_proposal")).all() == []


def test_a_delivery_computes_the_firms_it_touched(town: Lender) -> None:
    town.bill(40, compute=False)
    assert town.warnings() == []
    with transaction(cast.SYSTEM):
        outbox.emit("warning.chunk", firm_ids=[str(cast.firm("别家企业").id)])
        warning_service.after_delivery(cast.SYSTEM, {"firm_ids": [str(town.firm.id)]})
    outbox.drain()
    assert [one.firm_id for one in town.warnings()] == [town.firm.id]
